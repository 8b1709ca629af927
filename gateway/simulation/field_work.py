"""The stories as the provider tells them: what its dispatchers and technicians do with a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.simulation.provider import Work

# No profile knows it until somebody maps it: a technician's spelling of what the brand calls "Return visit needed".
UNMAPPED_REASON = "Return Visit Needed"


async def works(it: Work) -> None:
    """The ordinary way: one visit, and everything told from the field."""
    await it.accepts()
    visit = await it.adds(days=2)
    await it.on_my_way(visit, minutes=25)
    await it.starts(visit)
    await it.writes("Replaced the door seal.", visibility="public")
    await it.completes(visit, it.words.done)
    await it.on_my_way(visit, minutes_ago=30)


async def visits(it: Work) -> None:
    """The same for a job that nobody had to accept."""
    visit = await it.adds(days=2)
    await it.on_my_way(visit)
    await it.starts(visit)
    await it.completes(visit, it.words.done)


async def orders_parts(it: Work) -> None:
    """Two appointments, with parts ordered in between."""
    first = await it.accepts_with_a_visit(days=1)
    await it.on_my_way(first, minutes=15)
    await it.starts(first)
    await it.writes("The fan motor is broken; the part is ordered.")
    await it.completes(first, it.words.waiting)
    second = await it.adds(days=6)
    await it.starts(second)
    await it.completes(second, it.words.done)


async def declines(it: Work) -> None:
    await it.says("offer.decline", reason=it.words.declined)


async def says_nothing(_: Work) -> None:
    """The offer runs out."""


async def answers_late(it: Work) -> None:
    """The offer is closed already: the loser is told why."""
    await it.hears("job.declined")
    await it.accepts()


async def works_after_the_restore(it: Work) -> None:
    await it.accepts()
    await it.hears("job.canceled")
    await it.hears("job.restored")
    visit = await it.adds(days=3)
    await it.completes(visit, it.words.done)


async def accepts_new_terms(it: Work) -> None:
    """The first accept names terms that have changed since; the second one those that stand."""
    await it.hears("job.amended")
    await it.hears("reminder.sent")
    seen = it.terms
    await it.accepts(**it.first_terms)
    await it.accepts(**seen)
    await it.hears("job.amended")
    visit = await it.adds(days=2)
    await it.starts(visit)
    await it.completes(visit, it.words.done)


async def writes_notes(it: Work) -> None:
    """Private, made public, edited, taken back."""
    await it.accepts()
    note = await it.writes("The customer has a dog.")
    await it.says("note.set_visibility", note=note, visibility="public")
    await it.says("note.edit", note=note, text="The customer has a friendly dog.")
    await it.says("note.set_visibility", note=note, visibility="private")
    await it.hears("note.published")
    visit = await it.adds(days=2)
    await it.starts(visit)
    await it.completes(visit, it.words.done)


async def reschedules(it: Work) -> None:
    """Deletes the visit, makes another, moves it; then the customer calls off."""
    visit = await it.accepts_with_a_visit(days=1)
    await it.says("appointment.delete", appointment=visit)
    visit = await it.adds(days=4)
    await it.says("appointment.change", appointment=visit, start=it.day(5))
    await it.says("job.cancel", reason=it.words.canceled)


async def gives_up(it: Work) -> None:
    visit = await it.accepts_with_a_visit(days=1)
    await it.starts(visit)
    await it.pauses(visit, it.words.waiting)
    await it.says("job.cancel", reason=it.words.canceled)


async def is_called_away(it: Work) -> None:
    """Cancels while at work, thinks better of it, and finishes."""
    visit = await it.accepts_with_a_visit(days=1)
    await it.starts(visit)
    await it.says("job.cancel", reason=it.words.canceled)
    await it.says("job.restore")
    await it.completes(visit, it.words.done)


async def settles_without_a_visit(it: Work) -> None:
    await it.accepts()
    await it.says("job.complete", reason=it.words.done)


async def finishes_early(it: Work) -> None:
    """Completes the job before its visit; the customer calls again."""
    await it.accepts_with_a_visit(days=1)
    await it.says("job.complete", reason=it.words.done)
    visit = await it.adds(days=9)
    await it.starts(visit)
    await it.completes(visit, it.words.done)


async def completes_the_job_on_site(it: Work) -> None:
    visit = await it.accepts_with_a_visit(days=1)
    await it.on_my_way(visit)
    await it.says("job.complete", reason=it.words.done)


async def completes_the_job_while_paused(it: Work) -> None:
    visit = await it.accepts_with_a_visit(days=1)
    await it.starts(visit)
    await it.pauses(visit)
    await it.says("job.complete", reason=it.words.done)


async def turns_back(it: Work) -> None:
    """On the way, not any more, on the way again."""
    visit = await it.accepts_with_a_visit(days=1, technician="T-2")
    await it.on_my_way(visit, minutes=40)
    await it.says("appointment.undo_on_my_way", appointment=visit)
    await it.on_my_way(visit, minutes=20)
    await it.starts(visit)
    await it.completes(visit, it.words.done)


async def gives_an_unmapped_reason(it: Work) -> None:
    """The first visit ends with a reason that the brand has not told the gateway of: what follows waits behind it."""
    visit = await it.accepts_with_a_visit(days=1)
    await it.starts(visit)
    await it.completes(visit, UNMAPPED_REASON)
    second = await it.adds(days=3)
    await it.starts(second)
    await it.completes(second, it.words.done)


async def loses_a_technician(it: Work) -> None:
    """Somebody leaves the company: the gateway takes the visit away from them, a dispatcher gives it to another."""
    visit = await it.accepts_with_a_visit(days=1, technician="T-9")
    await it.says_of_user("user.deactivate", "T-9")
    await it.hears("appointment.changed")
    await it.says_of_user("user.reactivate", "T-9")
    await it.gives(visit, "B-1")
    await it.starts(visit)
    await it.completes(visit, it.words.done)


async def finds_more_to_do(it: Work) -> None:
    """The visit is completed without having begun, with a reason that pauses."""
    await it.completes(await it.first_visit(), it.words.waiting)
    visit = await it.adds(days=5)
    await it.on_my_way(visit, minutes=10)
    await it.completes(visit, it.words.done)


async def makes_its_own(it: Work) -> None:
    await it.makes()
    await visits(it)


async def makes_its_own_with_a_date(it: Work) -> None:
    visit = await it.makes(start=it.day(3))
    await it.starts(visit)
    await it.completes(visit, it.words.done)
