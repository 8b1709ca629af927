"""`gateway operations …`: recovery of many at once: seen first, then done slowly, then faster, until it is ended."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli_database import ask, look
from gateway.cli_output import (
    NOT_SO,
    USAGE,
    Author,
    Json,
    Limit,
    OfBrand,
    OfJob,
    Reason,
    RenderedBy,
    fail,
    insist_on_reason,
    numbers_of,
    show,
    show_json,
    show_one,
)
from gateway.core.ids import Kind, canonical_id
from gateway.inbound.moments import read_moment
from gateway.inbound.unreadable import Unreadable
from gateway.store.deliveries import Operator
from gateway.store.operation_reports import members_of, report_of
from gateway.store.operations import Moved, Operation, Step, Terms, find_operation, list_operations, move
from gateway.store.redelivering import ByVersion
from gateway.store.selecting import OperationKind, Selection, Unselected, freeze

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.store.database import Database, Transaction

operations = typer.Typer(
    help="Operations: preview, list, show, start, pause, resume, cancel, report.", no_args_is_help=True
)

Number = Annotated[str, typer.Argument(help="op-7, or 7")]
_RATE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(?:/s)?")
_LISTED = ("id", "kind", "state", "state_reason", "author", "reason", "made", "created_at")


@operations.command("preview")
def preview_(  # noqa: PLR0913 - each is another filter
    kind: OperationKind,
    named: Annotated[list[str] | None, typer.Argument(help="only these: dlv-12, or rec-12 to requeue")] = None,
    *,
    brand: OfBrand = None,
    destination: Annotated[str | None, typer.Option(help="only to the destination of this name")] = None,
    state: Annotated[list[str] | None, typer.Option(help="only in this state; repeatable")] = None,
    cause: Annotated[str | None, typer.Option(help="only for this reason, as lists show it")] = None,
    job: OfJob = None,
    since: Annotated[str | None, typer.Option(help="settled then or later, as 2026-03-02T15:00:00Z")] = None,
    until: Annotated[str | None, typer.Option(help="settled before then")] = None,
    version: RenderedBy = ByVersion.DECIDED,
    author: Author = "unknown",
    reason: Reason = "",
    json: Json = False,
) -> None:
    """Freeze what is to be done, and show it: nothing is done until it is started."""
    operator = Operator(author=author, reason=insist_on_reason(reason))
    subject = Kind.RECORD if kind is OperationKind.REQUEUE else Kind.DELIVERY
    selection = Selection(
        numbers=tuple(numbers_of(subject, named or ())),
        brand=brand,
        destination=destination,
        states=tuple(state or ()),
        reason=cause,
        job=numbers_of(Kind.JOB, [job])[0] if job else None,
        since=_moment(since),
        until=_moment(until),
    )
    frozen = ask(lambda database: _frozen(database, kind, selection, operator, version))
    if isinstance(frozen, Unselected):
        fail(f"nothing was frozen: {frozen.value}", NOT_SO)
    _show(frozen, as_json=json)


@operations.command("list")
def list_(*, limit: Limit = 50, json: Json = False) -> None:
    """List operations, the newest first."""
    rows = [members_of(one) for one in look(lambda connection: list_operations(connection, limit=limit))]
    show(rows if json else [{name: row[name] for name in _LISTED} for row in rows], as_json=json)


@operations.command("show")
def show_(number: Number, *, json: Json = False) -> None:
    """Show one operation with its preview."""
    _show(look(lambda connection: _get(connection, _number(number))), as_json=json)


@operations.command("start")
def start_(
    number: Number,
    *,
    canary: Annotated[int, typer.Option(min=0, max=10_000, help="so many first; then it waits how they fare")] = 10,
    rate: Annotated[str, typer.Option(help="at most so many a second; 0: as fast as it goes")] = "50/s",
    stop_at: Annotated[float, typer.Option(min=0.0, max=1.0, help="stop where more than this share fails")] = 0.2,
    author: Author = "unknown",
    reason: Reason = "",
    json: Json = False,
) -> None:
    """Start a previewed operation; the clock's role runs it."""
    read = _RATE.fullmatch(rate)
    if read is None:
        fail(f"{rate} is not a rate: write 50/s", USAGE)
    terms = Terms(canary=canary, rate=float(read[1]), stop_at=stop_at)
    _move(number, Step.START, author, reason, terms=terms, as_json=json)


@operations.command("pause")
def pause_(number: Number, *, author: Author = "unknown", reason: Reason = "", json: Json = False) -> None:
    """Let a running operation rest."""
    _move(number, Step.PAUSE, author, reason, as_json=json)


@operations.command("resume")
def resume_(number: Number, *, author: Author = "unknown", reason: Reason = "", json: Json = False) -> None:
    """Let one go on that was paused or has stopped: slowly at first."""
    _move(number, Step.RESUME, author, reason, as_json=json)


@operations.command("cancel")
def cancel_(number: Number, *, author: Author = "unknown", reason: Reason = "", json: Json = False) -> None:
    """End an operation for good; what was done stays done."""
    _move(number, Step.CANCEL, author, reason, as_json=json)


@operations.command("report")
def report_(number: Number, *, json: Json = False) -> None:
    """Show what has become of what an operation did."""
    found, report = ask(lambda database: _report(database, _number(number)))
    stands = {"state": found.state.value, "state_reason": found.state_reason}
    members = {"id": canonical_id(Kind.OPERATION, found.number), **stands, **report}
    if json:
        show_json(members)
    else:
        show_one(_flattened(members), {}, as_json=False)


def _number(text: str) -> int:
    return numbers_of(Kind.OPERATION, [text])[0]


def _moment(text: str | None) -> datetime | None:
    moment = read_moment(text) if text is not None else None
    if isinstance(moment, Unreadable):
        fail(f"{text} is not a time: write 2026-03-02T15:00:00Z", USAGE)
    return moment


async def _frozen(
    database: Database, kind: OperationKind, selection: Selection, operator: Operator, version: ByVersion
) -> Operation | Unselected:
    async with database.transaction() as connection:
        number = await freeze(connection, kind, selection, operator, await database.now(connection), version=version)
        return number if isinstance(number, Unselected) else await _get(connection, number)


async def _get(connection: Transaction, number: int) -> Operation:
    found = await find_operation(connection, number)
    if found is None:
        fail(f"there is no {canonical_id(Kind.OPERATION, number)}", NOT_SO)
    return found


async def _report(database: Database, number: int) -> tuple[Operation, dict[str, Any]]:
    async with database.snapshot() as connection:
        found = await _get(connection, number)
        return found, await report_of(connection, found, await database.now(connection))


def _move(number: str, step: Step, author: str, reason: str, *, terms: Terms | None = None, as_json: bool) -> None:
    wanted, operator = _number(number), Operator(author=author, reason=insist_on_reason(reason))
    moved, found = ask(lambda database: _moved(database, wanted, step, operator, terms))
    if found is None or moved is not Moved.DONE:
        stands = f", which is {found.state.value}" if found is not None else ""
        fail(f"cannot {step.value} {canonical_id(Kind.OPERATION, wanted)}{stands}: {moved.value}", NOT_SO)
    _show(found, as_json=as_json)


async def _moved(
    database: Database, number: int, step: Step, operator: Operator, terms: Terms | None
) -> tuple[Moved, Operation | None]:
    async with database.transaction() as connection:
        moved = await move(connection, number, step, operator, await database.now(connection), terms=terms)
        return moved, await find_operation(connection, number)


def _show(found: Operation, *, as_json: bool) -> None:
    members = members_of(found)
    if as_json:
        show_json(members)
        return
    preview = members.pop("preview")
    show_one(_flattened({**members, **preview}), {}, as_json=False)


def _flattened(members: dict[str, Any]) -> dict[str, Any]:
    """What is not empty, with each table within a line."""
    return {name: _flat(value) for name, value in members.items() if value != {}}


def _flat(value: Any) -> Any:
    """A table within a line: `harborline 12, maplegrove 3`."""
    if not isinstance(value, dict):
        return value
    parts = (f"{name or '–'} {' '.join(one) if isinstance(one, list) else one}" for name, one in value.items())
    return ", ".join(part for part in parts if not part.endswith(" "))
