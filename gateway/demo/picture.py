"""A picture of a demo's tables, as an SVG that loads nothing from elsewhere."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from gateway.demo.checks import Findings, Verdict
from gateway.demo.report import WIDTH, print_report

# Rich's own frame fetches a font; this one takes what the reader's machine has.
FRAME = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: {char_height}px;
line-height: {line_height}px; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def save_picture(path: Path, found: Findings, verdicts: Sequence[Verdict]) -> None:
    """Writes the shorter report of a run to `path`."""
    console = Console(
        record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor", highlight=False
    )
    console.print("$ make demo", style="bold")
    print_report(console, found, verdicts, brief=True)
    path.write_text(console.export_svg(title="make demo", code_format=FRAME, unique_id="demo"), encoding="utf-8")
