"""What `gateway demo` does: sets the stage, plays, reports, and goes on where it is asked to."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from gateway.children import ChildFailedError
from gateway.demo.picture import save_picture
from gateway.demo.play import Play
from gateway.demo.report import WIDTH, print_next, print_report, print_verdicts
from gateway.demo.stage import Stage, StageFailed, opened, set_stage
from gateway.embedded import EmbeddedBrokerMissingError

if TYPE_CHECKING:
    from gateway.settings import Settings

ROOT = Path("var/demo")


def run_demo(settings: Settings, *, stay: bool, picture: Path | None) -> bool:
    """The whole demo; returns whether everything balanced."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    begun = time.monotonic()
    # It calls a topic missing until its own view of the cluster has caught up.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        with set_stage(settings, ROOT) as stage:
            console.print(f"the gateway is starting; logs and database are in {stage.folder}")
            return asyncio.run(_run(stage, console, begun, picture, stay=stay))
    except KeyboardInterrupt:
        console.print("ended by hand, before its end")
        return False
    except (StageFailed, ChildFailedError, EmbeddedBrokerMissingError) as error:
        console.print(str(error), style="red", markup=False)
        return False


async def _run(stage: Stage, console: Console, begun: float, picture: Path | None, *, stay: bool) -> bool:
    async with opened(stage) as database:
        play = Play(stage, console, database, begun)
        async with play.partner.listening():
            return await _perform(stage, console, play, picture, stay=stay)


async def _perform(stage: Stage, console: Console, play: Play, picture: Path | None, *, stay: bool) -> bool:
    found, verdicts = await play.run()
    print_report(console, found, verdicts)
    balanced = not any(verdict.wrong for verdict in verdicts)
    verdict = "everything balances" if balanced else "something does not balance: see above"
    took = time.monotonic() - play.watch.begun
    console.print(f"{verdict}; {took:.0f} s", style="bold green" if balanced else "bold red")
    if picture is not None:
        save_picture(picture, found, verdicts)
        console.print(f"the picture is {picture}")
    print_next(console, stage, goes_on=stay and balanced)
    if stay and balanced:
        console.print("traffic goes on; Ctrl-C ends it", style="bold")
        verdicts = await play.go_on(_told_to_stop())
        print_verdicts(console, verdicts)
    return not any(verdict.wrong for verdict in verdicts)


def _told_to_stop() -> asyncio.Event:
    """Set by Ctrl-C, or by whoever ends this process."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop
