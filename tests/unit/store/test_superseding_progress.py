"""What of a visit's progress is overtaken before it leaves."""

from datetime import UTC, datetime

import pytest

from gateway.core.document import StoredEvent
from gateway.store.claims import ClaimedDelivery
from gateway.store.superseding import WhyOvertaken
from gateway.store.superseding_progress import find_overtaken

NOW = datetime(2026, 3, 2, tzinfo=UTC)
# What each word of a case tells: the event, and the visit's status before and after.
STEPS = {
    "added": ("appointment.scheduled", None, "scheduled"),
    "en_route": ("appointment.en_route", "scheduled", "en_route"),
    "undone": ("appointment.changed", "en_route", "scheduled"),
    "started": ("appointment.started", "en_route", "started"),
    "paused": ("appointment.paused", "started", "paused"),
    "resumed": ("appointment.started", "paused", "started"),
    "completed": ("appointment.completed", "started", "complete"),
    "changed": ("appointment.changed", "en_route", "en_route"),
    "canceled": ("appointment.canceled", "en_route", "canceled"),
    "job.completed": ("job.completed", "started", "complete"),
    "job.canceled": ("job.canceled", "en_route", "canceled"),
    "job.restored": ("job.restored", "canceled", "en_route"),
    "told_late": ("appointment.started", "canceled", "canceled"),
    "note": ("note.published", None, None),
}


def covered(*told):
    """Words like "en_route", "started:2" (of the second visit), "en_route!" (an earlier claim covered it); from 1."""
    deliveries = []
    for number, word in enumerate(told, start=1):
        name, _, visit = word.removesuffix("!").partition(":")
        kind, before, after = STEPS[name]
        moved = [{"id": f"apt-{visit or 1}", "previous_status": before, "status": after}] if after else []
        event = StoredEvent(
            number=number,
            type=kind,
            job=1,
            source="acme",
            brand="acme",
            jobversion=number,
            profile_version=1,
            occurred_at=NOW,
            recorded_at=NOW,
            body={"appointments": moved} if moved else {},
        )
        claims = 2 if word.endswith("!") else 1
        deliveries.append(
            ClaimedDelivery(number, 1, 1, number, number - 1 or None, claims, attempts=0, retries=0, event=event)
        )
    return deliveries


CASES = {
    "en route gives way to started": ("en_route started", {1: 2}),
    "both give way to completed, which is what is sent": ("en_route started completed", {1: 3, 2: 3}),
    "started gives way to a pause": ("en_route started paused", {1: 3, 2: 3}),
    "a pause stays": ("started paused resumed completed", {1: 2, 3: 4}),
    "en route gives way to its undo": ("added en_route undone", {2: 3}),
    "and so again": ("en_route undone en_route started", {1: 2, 3: 4}),
    "the completion of the job says it too": ("started job.completed", {1: 2}),
    "whatever stands between": ("en_route changed note started", {1: 4}),
    "a change of the visit overtakes nothing": ("en_route changed", {}),
    "a cancellation overtakes nothing": ("en_route canceled", {}),
    "nor that of the job, nor what came of it": ("en_route job.canceled job.restored started", {}),
    "what was told late of a canceled visit stays": ("told_late job.restored", {}),
    "another visit overtakes nothing": ("en_route started:2 completed:2", {2: 3}),
    "the last one stays": ("added en_route", {}),
    "a visit that was added stays": ("added started", {}),
    "what an earlier claim covered stays": ("en_route! started", {}),
    "and overtakes what it did not": ("en_route started! completed", {1: 2}),
}


@pytest.mark.parametrize("case", CASES)
def test_progress_gives_way_to_how_its_visit_went_on(case):
    told, expected = CASES[case]
    found = find_overtaken(covered(*told.split()))
    assert {one.link.number: one.by for one in found} == expected
    assert {one.why for one in found} <= {WhyOvertaken.OVERTAKEN}


def test_what_happened_before_overtakes_nothing_when_it_is_sent_again():
    again, present = covered("started", "en_route")
    assert find_overtaken([present, again]) == []


def test_what_gives_way_keeps_its_place_in_the_chain_of_versions():
    *_, en_route, _ = covered("added", "en_route", "started")
    [found] = find_overtaken([en_route, *covered("added", "en_route", "started")[2:]])
    assert (found.link.position, found.link.previous, found.link.versioned) == (2, 1, True)
