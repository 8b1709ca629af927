"""The tables at the end of a demo: jobs in their colours, one job's activity, two feeds side by side, the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import orjson
from rich import box
from rich.columns import Columns
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.core.job import JobStatus
from gateway.demo.checks import Findings, Verdict, read_back
from gateway.demo.stage import Stage
from gateway.demo.watch import Seen, coloured
from gateway.simulation.roads import LABELS, V1
from gateway.simulation.stories import STORIES
from gateway.store.activity import Happening, JobLine

WIDTH = 118
_PANEL = 57


def print_report(console: Console, found: Findings, verdicts: Sequence[Verdict], *, brief: bool = False) -> None:
    """Everything; `brief` shows one job of each kind of end per brand, and the two events without their visits."""
    console.print()
    console.print(_jobs(found.jobs, brief=brief))
    job = next((job for job in found.jobs if job.title == STORIES["parts"].title), None)
    if job is not None:
        console.print(_activity(job, found.activity))
    pair = _pair(found, brief=brief)
    if pair is not None:
        console.print(pair)
    console.print(_ledger(found))
    if not brief:
        console.print(_topics(found))
    print_verdicts(console, verdicts)


def print_next(console: Console, stage: Stage, *, goes_on: bool) -> None:
    """Commands to go on with; by HTTP too, while the gateway runs."""
    account = stage.world.first_by(V1)
    [brand] = stage.world.enterprises[account].brands
    offer = {"job": "MINE-1", "brand": brand, "title": "No heat", "customer": {"name": "Bo Berg"}}
    offer["organization"] = {"handle": stage.world.brands[brand].provider}
    posted = orjson.dumps(offer).decode()
    told = [f"GATEWAY_DATABASE_URL={stage.settings.database_url} .venv/bin/gateway ledger --by brand"]
    if goes_on:
        bearer = f'-H "Authorization: Bearer $(cat {stage.token_file})"'
        told += [f"curl {stage.url}/readyz", f"curl {bearer} {stage.url}/v1/offers -d '{posted}'"]
        told += [f"curl {bearer} '{stage.url}/v1/jobs?status=offered'", f"curl {bearer} {stage.url}/v1/feed"]
        told.append(f"in a browser: {stage.url}/docs and {stage.url}/book/harborline")
    else:
        told.append("make demo STAY=1     # the same, and it stays up, with traffic, and its HTTP edge to post to")
    console.print("try next:", style="bold")
    for one in told:
        console.print(f"  {one}", soft_wrap=True, markup=False)


def print_verdicts(console: Console, verdicts: Iterable[Verdict]) -> None:
    for verdict in verdicts:
        mark = Text("not so  ", style="bold red") if verdict.wrong else Text("ok      ", style="bold green")
        console.print(mark.append(Text(verdict.said, style="default")), highlight=False)
        for more in verdict.more:
            console.print(Text(f"        {more}"), highlight=False)
        for wrong in verdict.wrong:
            console.print(Text(f"        {wrong}", style="red"), highlight=False)


def _jobs(jobs: Sequence[JobLine], *, brief: bool) -> RenderableType:
    table = _table("Jobs", "brand", "number", "job", "provider", "visits", "status")
    # How a job ended is told whole; names may be cut.
    table.columns[-1].min_width = len("Declined, withdrawn")
    for _, group in groupby(jobs, key=lambda job: job.brand or ""):
        for job in _sample(group) if brief else group:
            table.add_row(
                job.brand or Text("no brand", style="dim"),
                job.external_id or "",
                job.title,
                job.organization,
                str(job.visits),
                coloured(job.status, job.closure.value if job.closure else None),
            )
        table.add_section()
    return table


def _sample(jobs: Iterable[JobLine]) -> list[JobLine]:
    """One job of each way to end."""
    first: dict[object, JobLine] = {}
    for job in jobs:
        first.setdefault((job.status, job.closure), job)
    return list(first.values())


def _activity(job: JobLine, activity: Sequence[Happening]) -> RenderableType:
    title = f"Activity of {job.brand} {job.external_id}, {job.title}: newest first"
    table = _table(title, "time", "who", "what", "appointment", "reason", "status")
    table.columns[-1].min_width = len("In Progress")
    for one in activity:
        if one.job != job.number or one.type.startswith("customer."):
            continue
        body = one.body
        table.add_row(
            f"{one.occurred_at:%H:%M:%S}",
            body["by"]["name"],
            one.type,
            ", ".join(f"{visit['id']} {visit['status']}" for visit in body.get("appointments", ())),
            (body.get("reason") or {}).get("label") or "",
            coloured(JobStatus(body["status"])) if body.get("status") else "",
        )
    return table


def _pair(found: Findings, *, brief: bool) -> RenderableType | None:
    """The same happening as a canonical event, and as another brand's own JSON."""
    title, kind = STORIES["plain"].title, "appointment.completed"
    numbers = {f"job-{job.number}" for job in found.jobs if job.title == title}
    told = [one for one in found.seen if one.told.job in numbers and one.told.type == kind]
    told.sort(key=lambda one: one.topic)
    canonical = next((one for one in told if one.told.details), None)
    own = next((one for one in told if not one.told.details), None)
    if canonical is None or own is None:
        return None
    return Columns([_document(canonical, brief=brief), _document(own, brief=brief)], padding=(0, 1))


def _document(one: Seen, *, brief: bool) -> Panel:
    body = Text(compact(_shortened(one.told.body, brief=brief), _PANEL - 4), style="default")
    return Panel(body, title=one.topic, width=_PANEL, title_align="left")


# What every record repeats, and what a brief view can do without.
_REPEATED = frozenset({"specversion", "dataschema", "datacontenttype"})
_LONG = frozenset({"appointments", "job", "by", "changes", "occurred_at", "source", "subject", "visits"})


def _shortened(body: Mapping[str, Any], *, brief: bool) -> dict[str, Any]:
    left_out = _REPEATED | _LONG if brief else _REPEATED
    kept = {name: value for name, value in body.items() if name not in left_out}
    if brief and "data" in kept:
        kept["data"] = _shortened(kept["data"], brief=True)
    return kept


def compact(value: Any, width: int, indent: int = 0, before: int = 0) -> str:
    """JSON that keeps on one line whatever fits there."""
    flat = orjson.dumps(value).decode()
    if indent + before + len(flat) <= width or not isinstance(value, dict | list) or not value:
        return flat
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        parts = [f'{pad}"{name}": {compact(one, width, indent + 2, len(name) + 5)}' for name, one in value.items()]
        return "{\n" + ",\n".join(parts) + f"\n{' ' * indent}}}"
    parts = [pad + compact(one, width, indent + 2) for one in value]
    return "[\n" + ",\n".join(parts) + f"\n{' ' * indent}]"


def _ledger(found: Findings) -> RenderableType:
    """Per brand: records in their states, what is owed and where it is, and what was read back from its feeds."""
    table = _table("The ledger", "brand", "records in, by state", "owed", "deliveries, by state", "difference")
    for name, part in found.ledger["brands"].items():
        owed, states = part["outbound"]["total"], part["outbound"]["states"]
        table.add_row(
            name or Text("none", style="dim"),
            _states(part["inbound"]["states"]),
            str(owed),
            _states(states),
            str(owed - sum(states.values())),
        )
    table.add_section()
    inbound, outbound = found.ledger["inbound"], found.ledger["outbound"]
    table.add_row(
        f"all ({inbound['total']})",
        _states(inbound["states"]),
        str(outbound["total"]),
        _states(outbound["states"]),
        str(found.ledger["difference"]),
    )
    return table


def _topics(found: Findings) -> RenderableType:
    table = _table("Read back", "topic, webhook, or who polls", "road", "jobs", "delivered", "records", "twice", "gaps")
    feeds = read_back(found.seen)
    for name, delivered in found.delivered().items():
        feed = feeds.get(name)
        if feed is None:
            continue
        road = LABELS["connect"] if name in found.pollers else LABELS["kafka"]
        road = "webhook" if name in found.webhooks else road
        told = (feed.jobs, delivered, feed.records, feed.duplicates, len(feed.gaps))
        table.add_row(name, road, *map(str, told))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    return table


def _states(states: Mapping[str, int]) -> str:
    return ", ".join(f"{state} {count}" for state, count in states.items())
