"""The stories: what becomes of a job, told by its enterprise and by its provider, and how it ends.

A job's title says which story it is: that is how a provider, who sees nothing but its work feed, knows what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from gateway.simulation import field_work as field

if TYPE_CHECKING:
    from gateway.simulation.enterprise import Case
    from gateway.simulation.provider import Work

SHORT_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Story:
    """`ends` is the status and the closure that the job has when its story is over."""

    title: str
    offered: Callable[[Case], Coroutine[Any, Any, None]]
    worked: Callable[[Work], Coroutine[Any, Any, None]]
    ends: tuple[str, str]


async def offers(case: Case) -> None:
    await case.offer()


async def offers_shortly(case: Case) -> None:
    await case.offer_shortly(SHORT_SECONDS)


async def withdraws(case: Case) -> None:
    await case.offer()
    await case.hears("job.offered")
    await case.withdraw()


async def withdraws_and_restores(case: Case) -> None:
    await case.offer()
    await case.hears("job.accepted")
    await case.withdraw()
    await case.hears("job.canceled")
    await case.say("job.restore")


async def changes_terms(case: Case) -> None:
    """Every way in which an offer can come again, then the reminder that the provider waits for, then an amendment."""
    first = await case.offer()
    await case.offer_again(1, message_id=first, **case.terms())
    await case.offer_again(1, **case.terms())
    await case.offer_again(2, description="The customer is home after four.")
    await case.offer_again(3, description="The customer is home after four.")
    await case.offer_again(1, description="Please call the customer before the visit.")
    await case.offer_again(3, description="The customer is home after six.")
    await case.offer_again(4, message_id=first, description="The customer is home after seven.")
    await case.offer_again(4, organization=case.organization(case.brand.other))
    await case.say("reminder.send", message="Will you take it?")
    await case.hears("job.accepted")
    await case.offer_again(5, description="The gate code is with the neighbour.")


async def offers_anew(case: Case) -> None:
    """Declined by one provider, offered to another under the same number; the old job stays as it ended."""
    await case.offer()
    await case.hears("job.offered")
    declined = await case.hears("job.declined")
    case.title = STORIES["anew_again"].title
    case.revision = 2
    await case.offer(organization=case.organization(case.brand.other))
    await case.hears("job.offered")
    await case.desk.say("job.restore", declined.job, {}, plainly=True)


async def adds_a_note(case: Case) -> None:
    await case.offer()
    await case.hears("job.accepted")
    await case.say("note.add", text="The spare key is with the landlord.")


async def assigns(case: Case) -> None:
    await case.assign()


async def assigns_with_a_date(case: Case) -> None:
    await case.assign((datetime.now(UTC) + timedelta(days=1)).isoformat())


async def leaves_it_to_the_other(_: Case) -> None:
    """Nothing: the story begins elsewhere."""


_DONE = ("complete", "completed")
_CANCELED = ("complete", "canceled")

STORIES = {
    "plain": Story("Dishwasher leaks", offers, field.works, _DONE),
    "parts": Story("Refrigerator does not cool", offers, field.orders_parts, _DONE),
    "declined": Story("Oven stays cold", offers, field.declines, ("declined", "declined")),
    "expired": Story("Washer will not spin", offers_shortly, field.says_nothing, ("declined", "expired")),
    "withdrawn": Story("Dryer is noisy", withdraws, field.answers_late, ("declined", "withdrawn")),
    "restored": Story("Ice maker is stuck", withdraws_and_restores, field.works_after_the_restore, _DONE),
    "terms": Story("Cooktop is cracked", changes_terms, field.accepts_new_terms, _DONE),
    "notes": Story("Microwave sparks", adds_a_note, field.writes_notes, _DONE),
    "reschedule": Story("Faucet drips", offers, field.reschedules, _CANCELED),
    "gives_up": Story("Garbage disposal hums", offers, field.gives_up, _CANCELED),
    "interrupted": Story("Water heater is cold", offers, field.is_called_away, _DONE),
    "billing": Story("Claim to be settled", offers, field.settles_without_a_visit, _DONE),
    "early": Story("Range hood rattles", offers, field.finishes_early, _DONE),
    "rush": Story("Freezer frosts over", offers, field.completes_the_job_on_site, _DONE),
    "paused": Story("Trash compactor jams", offers, field.completes_the_job_while_paused, _DONE),
    "undo": Story("Wine cooler is warm", offers, field.turns_back, _DONE),
    "unmapped": Story("Heat pump trips", offers, field.gives_an_unmapped_reason, _DONE),
    "technician_leaves": Story("Vent is blocked", offers, field.loses_a_technician, _DONE),
    "assigned": Story("Furnace check", assigns, field.visits, _DONE),
    "assigned_dated": Story("Boiler inspection", assigns_with_a_date, field.finds_more_to_do, _DONE),
    "anew": Story("Compressor is loud", offers_anew, field.declines, ("declined", "declined")),
    "anew_again": Story("Compressor is loud, second try", leaves_it_to_the_other, field.works, _DONE),
    "booked": Story("Service request", leaves_it_to_the_other, field.works, _DONE),
    "own": Story("Gutter cleaning", leaves_it_to_the_other, field.makes_its_own, _DONE),
    "own_dated": Story("Yearly tune-up", leaves_it_to_the_other, field.makes_its_own_with_a_date, _DONE),
}


def find_story(title: str) -> Story | None:
    """The story of a job of this title."""
    return next((story for story in STORIES.values() if story.title == title), None)
