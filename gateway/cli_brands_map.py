"""`gateway brands map`: has a brand's profile map what waits, by a next version that is shown first."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from gateway.cli_brands import problem_rows
from gateway.cli_brands_diff import UNLIMITED, differences_of, read_since, run_dry, show_differences
from gateway.cli_database import ask
from gateway.cli_output import (
    NOT_SO,
    USAGE,
    Author,
    Json,
    fail,
    insist_on_reason,
    plain,
    read_settings,
    show,
    show_json,
)
from gateway.core.reasons import Ending, ReasonKind
from gateway.core.waits import WaitKind
from gateway.dry_run import Terms
from gateway.mapping.problems import has_errors
from gateway.next_version import Plan, Unplanned, WhyNot, Wish, carry_out, plan, settle
from gateway.store.deliveries import Operator

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.cli_brands_diff import DryRun
    from gateway.mapping.problems import Problem
    from gateway.store.database import Database
    from gateway.store.held import HeldValue


def map_(  # noqa: PLR0913 - one argument per option
    brand: Annotated[str, typer.Argument(help="the brand's name")],
    *,
    text: Annotated[str | None, typer.Option("--reason", help="a reason as it was given, that nobody knows")] = None,
    status: Annotated[str | None, typer.Option(help="or how a job stands, as `brands held` has it")] = None,
    code: Annotated[str, typer.Option("--as", help="the brand's code for it")],
    list_: Annotated[ReasonKind | None, typer.Option("--list", help="the reason's; else where it waits")] = None,
    outcome: Annotated[Ending | None, typer.Option(help="of a complete reason that is new")] = None,
    label: Annotated[str | None, typer.Option(help="of a reason that is new; else the text itself")] = None,
    because: Annotated[str, typer.Option(help="why, for the audit row")] = "",
    since: Annotated[str, typer.Option(help="of what to show the differences: 7d, 12h, or a moment")] = "7d",
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    author: Author = "unknown",
    json: Json = False,
) -> None:
    """Make the next version of the profile in force, which maps one value more; show what it changes, bring it into
    force, and release what waited for it, in order per job.

    --reason "<text>" --as <code> has a known reason mean the text too; --outcome or --label makes a new reason of it.
    """
    if (text is None) == (status is None):
        fail("say either --reason or --status", USAGE)
    if status is not None and (list_ or outcome or label):
        fail("--list, --outcome and --label are of reasons", USAGE)
    if json and not yes:
        fail("--json goes with --yes: there is nobody to ask", USAGE)
    operator = Operator(author=author, reason=insist_on_reason(because, "--because"))
    kind = WaitKind.STATUS if status is not None else WaitKind(list_) if list_ else None
    wish = Wish(brand=brand, value=text or status or "", code=code, kind=kind, label=label, outcome=outcome)
    settings, span = read_settings(), read_since(since)

    async def planned(database: Database) -> tuple[Plan, DryRun] | Unplanned:
        async with database.snapshot(by_keys=True) as connection:
            made = await plan(connection, wish)
            if isinstance(made, Unplanned):
                return made
            terms = Terms(
                before=made.before,
                after=made.after,
                since=span if isinstance(span, datetime) else await database.now(connection) - span,
                limit=UNLIMITED,
                examples=1,
                prefix=settings.topic_prefix,
            )
            return made, await run_dry(connection, terms)

    found = ask(planned)
    if isinstance(found, Unplanned):
        _refuse(found.why.value, found.told, found.problems, json=json)
    made, dry_run = found
    if not json:
        _show_plan(made, dry_run)
    if not yes:
        typer.confirm(f"bring version {made.after.version} into force?", abort=True)
    imported = ask(lambda database: carry_out(database, made, operator, plain_webhooks=settings.webhook_plain))
    if has_errors(imported.problems):
        _refuse(WhyNot.UNFIT.value, "nothing was changed", imported.problems, json=json)
    moment = imported.effective[brand]
    if not json:
        typer.echo(f"in force from {plain({'at': moment})['at']}: {brand} v{made.after.version}")
    left = ask(lambda database: settle(database, made, moment))
    if json:
        show_json(_document(made, dry_run, moment, left))
    else:
        _show_settled(made, left)
        file = settings.brands / brand / f"profile.v{made.after.version}.yaml"
        typer.echo(f"for the folder: `gateway brands show {brand} {made.after.version} --document > {file}`")


def _show_plan(made: Plan, dry_run: DryRun) -> None:
    typer.echo(made.changed)
    typer.echo(f"\nwaits for it: {_counted(made.waiting)}")
    show_differences(dry_run)
    for warning in made.warnings:
        typer.echo(f"look: {warning}")


def _show_settled(made: Plan, left: Sequence[HeldValue]) -> None:
    typer.echo(f"released, job by job in order: {_counted(made.waiting)}")
    if left:
        typer.echo(
            f"waits still: {_counted(left)}; the role `clock` goes on with what version {made.after.version} knows"
        )


def _counted(held: Iterable[HeldValue]) -> str:
    told = [
        f"{one.kind} {one.value!r}: records {one.records}, deliveries {one.deliveries}, jobs {one.jobs}" for one in held
    ]
    return "; ".join(told) or "nothing"


def _document(made: Plan, dry_run: DryRun, moment: datetime, left: Iterable[HeldValue]) -> dict[str, Any]:
    return {
        "brand": made.wish.brand,
        "kind": made.kind.value,
        "value": made.wish.value,
        "code": made.wish.code,
        "from": made.before.version,
        "version": made.after.version,
        **plain({"effective_at": moment}),
        "changed": made.changed,
        "differences": differences_of(dry_run),
        "waited": [plain(asdict(one)) for one in made.waiting],
        "waits_still": [plain(asdict(one)) for one in left],
        "warnings": list(made.warnings),
    }


def _refuse(why: str, told: str, problems: Iterable[Problem], *, json: bool) -> NoReturn:
    rows = problem_rows(problems)
    if json:
        show_json({"refused": why, "why": told, "problems": rows})
        raise typer.Exit(NOT_SO)
    if rows:
        show(rows, as_json=False)
    fail(told, NOT_SO)
