"""`gateway records …`: what came in, what became of it, and what an operator may have decided again."""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli_database import ask, look
from gateway.cli_output import (
    IN_STATE,
    NOT_SO,
    Author,
    Json,
    Limit,
    OfBrand,
    OfJob,
    Reason,
    fail,
    insist_on_reason,
    numbers_of,
    plain,
    show,
    show_one,
    show_verdicts,
)
from gateway.core.ids import Kind, canonical_id
from gateway.inbound.operating import do_at_once, verbs_of_rows
from gateway.store.deliveries import Operator
from gateway.store.record_queries import (
    RawContent,
    RecordHistory,
    RecordState,
    RecordView,
    find_record,
    list_records,
    reveal_record,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.store.database import Database

records = typer.Typer(help="Inbound records: list, show, requeue.", no_args_is_help=True)

_LISTED = ("id", "state", "reason", "field", "type", "source", "message_id", "brand", "job", "waits_for", "arrived_at")


@records.command("list")
def list_(
    *,
    state: Annotated[list[RecordState] | None, IN_STATE] = None,
    reason: Annotated[list[str] | None, typer.Option(help="only for this reason; repeatable")] = None,
    brand: OfBrand = None,
    source: Annotated[str | None, typer.Option(help="only from this sender")] = None,
    job: OfJob = None,
    limit: Limit = 100,
    json: Json = False,
) -> None:
    """List records, the newest first."""
    number = numbers_of(Kind.JOB, [job])[0] if job else None
    found = look(
        lambda connection: list_records(
            connection,
            states=state or (),
            reasons=reason or (),
            brand=brand,
            source=source,
            job_number=number,
            limit=limit,
        )
    )
    rows = [_members(one) for one in found]
    show(rows if json else [{name: row[name] for name in _LISTED} for row in rows], as_json=json)


@records.command("show")
def show_(
    number: Annotated[str, typer.Argument(help="rec-12, or 12")],
    *,
    raw: Annotated[bool, typer.Option("--raw", help="its bytes too; needs --reason, and is audited")] = False,
    author: Author = "unknown",
    reason: Reason = "",
    json: Json = False,
) -> None:
    """Show one record with its history: its outcome, what it waits for, its events and receipts, what operators did."""
    (wanted,) = numbers_of(Kind.RECORD, [number])
    operator = Operator(author=author, reason=insist_on_reason(reason)) if raw else None
    content = ask(lambda database: _reveal(database, wanted, operator)) if operator else None
    history = look(lambda connection: find_record(connection, wanted))
    if history is None:
        fail(f"there is no {canonical_id(Kind.RECORD, wanted)}", NOT_SO)
    members = _members(history.record)
    show_one({**members, **_content(content)}, _sections(history), as_json=json)


@records.command("requeue")
def requeue_(
    numbers: Annotated[list[str], typer.Argument(help="rec-12 or 12, as many as you like")],
    *,
    author: Author = "unknown",
    reason: Reason = "",
    json: Json = False,
) -> None:
    """Have records decided again that were quarantined, refused, parked or unmapped; the clock's role does it."""
    wanted = numbers_of(Kind.RECORD, numbers)
    operator = Operator(author=author, reason=insist_on_reason(reason))
    done = ask(lambda database: do_at_once(database, verbs_of_rows(database), "requeue", wanted, operator))
    show_verdicts(Kind.RECORD, done, as_json=json)


async def _reveal(database: Database, number: int, operator: Operator) -> RawContent | None:
    async with database.transaction() as connection:
        return await reveal_record(connection, number, operator, await database.now(connection))


def _members(view: RecordView) -> dict[str, Any]:
    members = plain(asdict(view))
    number, job, first = members.pop("number"), members.pop("job"), members.pop("first")
    behind = members.pop("behind")
    waits = [members.pop(name) for name in ("waits_source", "waits_kind", "waits_id", "waits_text")]
    return {
        "id": canonical_id(Kind.RECORD, number),
        **members,
        "job": canonical_id(Kind.JOB, job) if job is not None else None,
        "first": canonical_id(Kind.RECORD, first) if first is not None else None,
        "waits_for": _waits_for(view.state, behind, *waits),
    }


def _waits_for(
    state: str, behind: int | None, source: str | None, kind: str | None, external_id: str | None, text: str | None
) -> str | None:
    """In words, for as long as it waits."""
    if state == "parked" and external_id is not None:
        return f"{kind} {external_id} of {source}" if source else f"{kind} {external_id}"
    if state == "parked" and behind is not None:
        return canonical_id(Kind.RECORD, behind)
    return f"a mapping of {text!r}" if state == "unmapped" and text is not None else None


def _sections(history: RecordHistory) -> dict[str, list[dict[str, Any]]]:
    return {
        "events": [_event(one) for one in history.events],
        "receipts": [{**plain(one), "number": canonical_id(Kind.DELIVERY, one["number"])} for one in history.receipts],
        "actions": [plain({name: one[name] for name in ("at", "author", "verb", "reason")}) for one in history.actions],
    }


def _event(row: Mapping[str, Any]) -> dict[str, Any]:
    members = plain(row)
    return {
        "id": canonical_id(Kind.EVENT, members.pop("number")),
        **members,
        "job": canonical_id(Kind.JOB, members["job"]),
    }


def _content(content: RawContent | None) -> dict[str, Any]:
    if content is None:
        return {}
    headers = {name: None if value is None else _text(value) for name, value in content.headers}
    return {"headers": headers, "raw": None if content.value is None else _text(content.value)}


def _text(value: bytes) -> str:
    """As it is where it is text; else in base64, and said so."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"base64:{base64.b64encode(value).decode()}"
