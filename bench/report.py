"""What a benchmark leaves: one JSON file per figure in `var/bench/`, and a table on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

FOLDER = Path("var/bench")
_OPTIONAL = ("floor", "ratio", "p50_ms", "p95_ms", "p99_ms", "cpu_s_per_1000", "goal", "met")
_SHOWN = ("name", "unit", "ours", "floor", "ratio", "p50_ms", "p95_ms", "p99_ms", "cpu_s_per_1000", "goal", "met")


def figure(name: str, unit: str, ours: float, **more: Any) -> dict[str, Any]:
    """One figure in the shape that scripts rely on; `more` are members that it has beside name, unit and ours."""
    return {"name": name, "unit": unit, "ours": ours, **dict.fromkeys(_OPTIONAL), **more}


def leave(console: Console, figures: Iterable[dict[str, Any]]) -> None:
    """Writes each figure into its file and prints all of them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    table = Table(*_SHOWN)
    for one in figures:
        (FOLDER / f"{one['name']}.json").write_bytes(orjson.dumps(one, option=orjson.OPT_INDENT_2))
        table.add_row(*(_text(one[name]) for name in _SHOWN))
    console.print(table)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.3g}" if value < 100 else f"{value:,.0f}"
    return "" if value is None else str(value)
