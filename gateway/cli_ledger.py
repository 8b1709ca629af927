"""`gateway ledger`: whether everything that came in and everything that is owed is accounted for."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from gateway.cli_database import look
from gateway.cli_output import NOT_SO, Json, make_console, show_json
from gateway.store.ledger import BrandCounts, Ledger, count_by_brand, count_by_door, read_ledger

if TYPE_CHECKING:
    from gateway.store.database import Transaction


class By(StrEnum):
    """What the ledger can be broken down by."""

    BRAND = "brand"
    DOOR = "door"


def ledger(
    *,
    by: Annotated[By | None, typer.Option(help="break the counts down as well")] = None,
    json: Json = False,
) -> None:
    """Count what came in and what is owed against the rows in their states; exit 1 unless the difference is 0."""
    found, parts = look(lambda connection: _read(connection, by))
    document = {**_document(found), **parts}
    if json:
        show_json(document)
    else:
        _print(found, parts)
    if found.difference:
        raise typer.Exit(NOT_SO)


async def _read(connection: Transaction, by: By | None) -> tuple[Ledger, dict[str, Any]]:
    found = await read_ledger(connection)
    match by:
        case By.BRAND:
            brands = await count_by_brand(connection)
            return found, {"brands": {name: _brand(counts) for name, counts in brands.items()}}
        case By.DOOR:
            doors = await count_by_door(connection)
            return found, {"doors": {name: {"total": one.total, "states": one.states} for name, one in doors.items()}}
        case None:
            return found, {}


def _brand(counts: BrandCounts) -> dict[str, Any]:
    return {
        "inbound": {"total": counts.inbound.total(), "states": dict(counts.inbound)},
        "outbound": {"total": counts.owed, "states": dict(counts.outbound)},
    }


def _document(found: Ledger) -> dict[str, Any]:
    document: dict[str, Any] = {
        "inbound": {"total": found.inbound.total, "states": found.inbound.states},
        "outbound": {"total": found.outbound.total, "states": found.outbound.states},
        "difference": found.difference,
    }
    # What is wrong is named only where something is.
    if found.gaps:
        document["gaps"] = [asdict(gap) for gap in found.gaps]
    if found.drifts:
        document["lanes"] = [asdict(drift) for drift in found.drifts]
    return document


def _print(found: Ledger, parts: dict[str, Any]) -> None:
    table = Table("flow", "counted", "in their states", "difference")
    for name, flow in (("inbound", found.inbound), ("outbound", found.outbound)):
        table.add_row(name, str(flow.total), _states(flow.states), str(flow.difference))
    for flows in parts.values():
        table.add_section()
        for name, part in flows.items():
            _add_part(table, name or "–", part)
    console = make_console()
    console.print(table)
    for gap in found.gaps:
        console.print(f"{gap.topic}[{gap.partition}]: {gap.missing} not taken in after offset {gap.after}", style="red")
    for drift in found.drifts:
        console.print(f"lane {drift.lane} of {drift.destination} counts {drift.too_many} too many", style="red")
    verdict = "balances" if found.difference == 0 else f"does not balance: {found.difference}"
    console.print(f"the ledger {verdict}", style="green" if found.difference == 0 else "red")


def _add_part(table: Table, name: str, part: dict[str, Any]) -> None:
    flows = {"": part} if "total" in part else part
    for flow, counts in flows.items():
        left = counts["total"] - sum(counts["states"].values())
        table.add_row(f"{name} {flow}".strip(), str(counts["total"]), _states(counts["states"]), str(left))


def _states(states: Any) -> str:
    return " · ".join(f"{state} {count}" for state, count in states.items()) or "nothing"
