"""Customers: they book on pages, and answer surveys. One of them has a broken browser."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from gateway.simulation.post import Hearing, Post
from gateway.simulation.stories import STORIES
from gateway.simulation.wire import Message, Wire, structured

if TYPE_CHECKING:
    from gateway.simulation.post import Line
    from gateway.simulation.wire import Told
    from gateway.simulation.world import World

TOPIC = "bookings.v1"
SURVEY = "customer.survey_requested"
WORDS = ("Quick and kind", "Came on time", "Still a little noisy", "Would book again")


async def run_customers(line: Line, world: World, *, pace: float, rounds: int) -> None:
    """Books `rounds` times on every page (0: without end), and answers every survey, without end."""
    async with Post(line) as post, asyncio.TaskGroup() as living:
        ids = itertools.count(line.first_id)

        async def say(source: str, kind: str, subject: str, content: dict[str, Any]) -> None:
            message = Message(
                type=kind,
                id=f"{source}-{next(ids)}",
                source=source,
                subject=subject,
                time=datetime.now(UTC),
                content=content,
            )
            await post.send(structured(message, TOPIC))
            await asyncio.sleep(pace)

        def answer(told: Told) -> None:
            if told.type == SURVEY:
                living.create_task(say("booking-page", "survey.answer", told.job, _answer(told)))

        living.create_task(Hearing().listen(line, ["notifications.v1"], lambda told: told.job, answer))
        await post.send(_poison())
        for turn in itertools.count(1):
            for page in world.pages:
                await say("booking-page", "booking.request", f"BK-{next(ids)}", _booking(world, page, next(ids)))
            if turn == rounds:
                return


def _booking(world: World, page: Any, turn: int) -> dict[str, Any]:
    morning = datetime.now(UTC) + timedelta(days=2)
    booking: dict[str, Any] = {
        "title": STORIES["booked"].title,
        "service_type": "appliance",
        "customer": world.customer(turn),
        "address": world.address(turn),
        "suggested_times": [{"start": morning.isoformat(), "end": (morning + timedelta(hours=3)).isoformat()}],
    }
    if "brand" in page:
        booking["brand"] = page["brand"]
    if "provider" in page:
        booking["organization"] = {"handle": page["provider"]}
    return booking


def _answer(told: Told) -> dict[str, Any]:
    number = int(told.job.rpartition("-")[2])
    visit = told.details["appointments"][0]["id"]
    return {"appointment": visit, "rating": 3 + number % 3, "message": WORDS[number % len(WORDS)]}


def _poison() -> Wire:
    """What no parser likes: a value that is not JSON under a header that is not UTF-8."""
    headers = (("content-type", b"\xff\xfe"),)
    return Wire(topic=TOPIC, key=b"\x00", value=b'{"title": "\xff\xfe broken', headers=headers)
