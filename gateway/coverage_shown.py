"""The coverage matrix as people and programs read it: rows, CSV that no spreadsheet runs, one page of HTML."""

from __future__ import annotations

import csv
import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gateway.core.values import dataclass
from gateway.mapping.codes import PRODUCIBLE, Standing
from gateway.mapping.coverage import Cell, Coverage, Fate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gateway.core.reasons import GivenReason

SIGNS = {Fate.SENT: "✓", Fate.HELD: "‖", Fate.REFUSED: "⊘", Fate.NOT_ASKED_FOR: "–", Fate.MISSING: "✗"}
MEANINGS = {
    Fate.SENT: "sent, with the brand's code for how the job stands; in JSON of its own see the golden files",
    Fate.HELD: "held until the reason is mapped: the action before it is decided, or its delivery",
    Fate.REFUSED: "refused on purpose, by the profile's name for it",
    Fate.NOT_ASKED_FOR: "asked for by no destination",
    Fate.MISSING: "missing: an error in the profile",
}
_JOBS = tuple(each for each in PRODUCIBLE if each.visit is None)
_MEMBERS = (
    *("brand", "version", "event", "status", "closure", "appointment_status"),
    *("reason_kind", "reason", "reason_label", "becomes", "code", "why", "destinations", "on_status_change_only"),
)
# A text that begins so is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True)
class Line:
    """What becomes of an event with a reason, by how the job stands; None: that does not happen."""

    event: str
    visit: str
    reason: str
    label: str
    cells: tuple[Cell | None, ...]


def rows(coverage: Coverage) -> Iterator[dict[str, Any]]:
    """One row for each cell, flat."""
    for cell in coverage.cells:
        standing, reason = cell.happening.standing, cell.happening.reason
        yield {
            "brand": coverage.brand,
            "version": coverage.version,
            "event": cell.happening.type.value,
            "status": standing.status,
            "closure": standing.closure,
            "appointment_status": standing.visit,
            "reason_kind": reason.kind.value if reason else None,
            "reason": reason_of(cell) or None,
            "reason_label": _label_of(cell) or None,
            "becomes": cell.fate.value,
            "code": cell.code,
            "why": cell.why or None,
            "destinations": [*cell.told],
            "on_status_change_only": [*cell.told_of_changes],
        }


def reason_of(cell: Cell) -> str:
    """The reason's code; of what stands for every text that no list has, what it is; empty without a reason."""
    reason = cell.happening.reason
    if reason is None:
        return ""
    return _any_other(reason) if cell.happening.is_any_other else reason.code or ""


def becomes(cell: Cell) -> str:
    """What becomes of it, in a few words."""
    match cell.fate:
        case Fate.SENT:
            return f"sent as {cell.code}" if cell.code is not None else "sent without a code"
        case Fate.NOT_ASKED_FOR:
            return "not asked for"
        case _:
            return f"{cell.fate.value}: {cell.why}"


def marks(cell: Cell, destinations: Sequence[str]) -> str:
    """The numbers of the destinations that get it; with an asterisk, only when the job's status changes with it."""
    told = {name: str(number) for number, name in enumerate(destinations, start=1) if name in cell.told}
    told |= {name: f"{number}*" for number, name in enumerate(destinations, start=1) if name in cell.told_of_changes}
    return " ".join(told[name] for name in destinations if name in told)


def destinations_of(coverage: Coverage) -> tuple[str, ...]:
    """All destinations that get anything."""
    return tuple(dict.fromkeys(name for cell in coverage.cells for name in (*cell.told, *cell.told_of_changes)))


def folded(coverage: Coverage) -> list[tuple[Cell, tuple[str, ...]]]:
    """Cells that differ in nothing but their reasons, as the first of them with the reasons of all."""
    alike: dict[tuple[object, ...], list[Cell]] = {}
    for cell in coverage.cells:
        what = (cell.fate, cell.code, cell.why, cell.told, cell.told_of_changes)
        alike.setdefault((cell.happening.type, cell.happening.standing, what), []).append(cell)
    return [(cells[0], tuple(reason_of(cell) for cell in cells)) for cells in alike.values()]


def to_csv(coverages: Iterable[Coverage]) -> str:
    """One row for each cell. What a spreadsheet would run is marked as text by an apostrophe before it."""
    written = io.StringIO()
    writer = csv.DictWriter(written, _MEMBERS)
    writer.writeheader()
    for coverage in coverages:
        writer.writerows({name: _inert(value) for name, value in row.items()} for row in rows(coverage))
    return written.getvalue()


def _inert(value: object) -> object:
    text = " ".join(value) if isinstance(value, list) else value
    return f"'{text}" if isinstance(text, str) and text.startswith(_FORMULA) else text


def to_html(coverages: Sequence[Coverage]) -> str:
    """One page that needs nothing else: a line for each event with each reason, a column for each standing of a job."""
    brands = [(each, destinations_of(each), _lines(each)) for each in coverages]
    return _environment().get_template("coverage.html").render(brands=brands)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"signs": SIGNS, "meanings": MEANINGS, "standings": _JOBS, "fates": Fate}
    made.globals |= {"marks": marks, "reason_of": reason_of}
    return made


def _lines(coverage: Coverage) -> list[Line]:
    found: dict[tuple[str, str, GivenReason | None], dict[Standing, Cell]] = {}
    for cell in coverage.cells:
        standing = cell.happening.standing
        key = (cell.happening.type.value, standing.visit or "", cell.happening.reason)
        found.setdefault(key, {})[standing._replace(visit=None)] = cell
    return [_line(event, visit, cells) for (event, visit, _), cells in found.items()]


def _line(event: str, visit: str, cells: Mapping[Standing, Cell]) -> Line:
    first = next(iter(cells.values()))
    reason = first.happening.reason
    label = _label_of(first) or (f"{reason.kind} reason" if reason else "")
    return Line(event, visit, reason_of(first), label, tuple(cells.get(each) for each in _JOBS))


def _label_of(cell: Cell) -> str:
    reason = cell.happening.reason
    return reason.label or "" if reason is not None and not cell.happening.is_any_other else ""


def _any_other(reason: GivenReason) -> str:
    # A brand without a list takes any words as they are.
    return "(any other)" if reason.code is None else "(any words)"
