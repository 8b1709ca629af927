"""The benchmarks, on servers of their own. See docs/performance.md."""

from __future__ import annotations

import argparse

from rich.console import Console

from bench import delivery, delivery_faults, delivery_owed, diff, edge, main_road, polling, profiles
from bench.ground import ground
from bench.report import leave
from gateway.telemetry import start_logging

BENCHES = {
    "main_road": (main_road.figures,),
    "edge": (edge.figures,),
    "polling": (polling.figures,),
    "delivery": (delivery.figures, delivery_faults.bulkheads, delivery_faults.crash),
    "bulkheads": (delivery_faults.bulkheads,),
    "crash": (delivery_faults.crash,),
    "owed": (delivery_owed.figures,),
    "diff": (diff.figures,),
    "profiles": (profiles.figures,),
}
USUAL = ("main_road", "edge", "polling", "delivery", "profiles")


def main() -> None:
    """Runs the benchmarks asked for, the usual ones by default, and leaves one JSON file per figure."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHES], help="which benchmarks")
    parser.add_argument("--rounds", type=int, default=5, help="alternating runs of what is compared")
    parser.add_argument("--records", type=int, default=20_000, help="records of one burst")
    parser.add_argument("--steady", type=int, default=3_000, help="records of a run at 200 a second")
    asked = parser.parse_args()
    start_logging("warning")
    console = Console()
    with ground() as base:
        for name in asked.names or USUAL:
            for figures in BENCHES[name]:
                leave(console, figures(base, console, asked.rounds, asked.records, asked.steady))


if __name__ == "__main__":
    main()
