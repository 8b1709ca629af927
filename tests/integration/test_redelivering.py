"""What was delivered is sent again: behind everything, never as the present what is past, and nothing retracted."""

import pytest

from gateway.outbound.outcome import Fault, Rejected
from gateway.store import tables
from gateway.store.ledger import count_by_brand
from tests.inbound import EVERGREEN, START, enterprise, provider
from tests.operations import FEED, Partner


@pytest.fixture
async def partner(road):
    return Partner(road)


def rejecting(version):
    return lambda one: Rejected(Fault.REFUSED) if one.delivery.event.jobversion == version else None


async def test_the_latest_happening_is_sent_again_as_it_was(partner):
    await partner.accepted("A-1")
    assert await partner.told() == [("job.offered", 1, 0), ("job.accepted", 2, 1)]
    *_, latest = await partner.deliveries()
    assert await partner.run(await partner.preview("redeliver", numbers=(latest,)))
    [again] = await partner.send()
    assert (again["type"], again["jobversion"], again["jobprevious"]) == ("job.accepted.v1", 2, 1)
    sent = [one.delivery for one in partner.publisher.arrived if one.destination.name == FEED]
    assert [one.event.number for one in sent[1:]] == [sent[1].event.number] * 2, "the same event"
    assert sent[2].number != sent[1].number
    assert await partner.road.is_balanced()
    async with partner.database.snapshot() as connection:
        counts = (await count_by_brand(connection))["harborline"]
    assert counts.owed == counts.outbound.total()


async def test_what_comes_after_a_redelivery_follows_on_what_was_sent_before_it(partner):
    await partner.accepted("A-1")
    await partner.send()
    *_, latest = await partner.deliveries()
    await partner.run(await partner.preview("redeliver", numbers=(latest,)))
    await partner.road.receive(provider("appointment.add", "A-1", id="V-1", start=START))
    assert await partner.told() == [("job.accepted", 2, 1), ("appointment.scheduled", 3, 2)]
    rows = [row for row in await partner.road.rows(tables.delivery) if row["lane"] > 0]
    places = {(row["lane"], row["position"], row["destination"]) for row in rows}
    assert len(places) == len(rows), "no two of a lane stand at one place"


async def test_a_redelivery_stands_behind_what_is_owed_already(partner):
    await partner.scheduled("A-1", "A-2")
    partner.publisher.answers = [rejecting(3)]
    await partner.send()
    first, second, third = await partner.deliveries()
    await partner.settings(understands_versions=True)
    job = (await partner.road.job())["number"]
    report = await partner.run(await partner.preview("redeliver", job=job, destination=FEED))
    assert (report["done"], report["refused"]) == (2, {})
    partner.publisher.answers = []
    assert await partner.told() == [], "the dead one before it is still owed"
    await partner.run(await partner.preview("reopen", numbers=(third,)))
    assert await partner.told() == [("appointment.scheduled", 3, 2), ("job.offered", 1, 0), ("job.accepted", 2, 1)]
    assert await partner.deliveries(state="delivered") == [first, second, third, *(await partner.deliveries())[3:]]
    assert await partner.road.is_balanced()


async def test_what_is_not_the_latest_is_refused_to_whoever_does_not_understand_versions(partner):
    await partner.accepted("A-1")
    await partner.send()
    first, latest = await partner.deliveries()
    assert await partner.redeliver(first, latest, 10**9) == ["not_latest", "done", "unknown_delivery"]
    await partner.settings(understands_versions=True)
    assert await partner.redeliver(first) == ["done"]


async def test_a_later_happening_counts_whatever_became_of_it(partner):
    await partner.accepted("A-1")
    partner.publisher.answers = [rejecting(2)]
    await partner.send()
    [delivered] = await partner.deliveries(state="delivered")
    assert await partner.redeliver(delivered) == ["not_latest"]


async def test_only_what_was_delivered_is_sent_again(partner):
    await partner.accepted("A-1")
    pending = await partner.deliveries()
    assert await partner.redeliver(*pending) == ["wrong_state", "wrong_state"]


async def test_a_retracted_note_never_leaves_again(partner):
    await partner.accepted("A-1")
    await partner.road.receive(provider("note.add", "A-1", id="N-1", text="Gate code 4711", visibility="public"))
    await partner.send()
    *_, published = await partner.deliveries()
    await partner.settings(understands_versions=True)
    frozen = await partner.preview("redeliver", numbers=(published,))
    await partner.road.receive(
        provider("note.set_visibility", None, job={"id": "A-1", "source": EVERGREEN}, note="N-1", visibility="private")
    )
    await partner.send()
    report = await partner.run(frozen)
    assert report["refused"] == {"retracted": 1}
    assert await partner.send() == []


async def test_a_redelivered_publication_that_has_not_left_is_overtaken_by_its_retraction(partner):
    await partner.accepted("A-1")
    await partner.road.receive(provider("note.add", "A-1", id="N-1", text="Gate code 4711", visibility="public"))
    await partner.send()
    *_, published = await partner.deliveries()
    await partner.run(await partner.preview("redeliver", numbers=(published,)))
    await partner.road.receive(
        provider("note.set_visibility", None, job={"id": "A-1", "source": EVERGREEN}, note="N-1", visibility="private")
    )
    assert await partner.told() == [("note.retracted", 4, 3)]
    assert await partner.road.is_balanced()


async def test_a_retraction_sent_again_takes_back_nothing_that_was_published_after_it(partner):
    await partner.settings(understands_versions=True)
    await partner.accepted("A-1")
    note = {"job": {"id": "A-1", "source": EVERGREEN}, "note": "N-1"}
    await partner.road.receive(provider("note.add", "A-1", id="N-1", text="Gate code 4711", visibility="public"))
    await partner.send()
    await partner.road.receive(provider("note.set_visibility", None, **note, visibility="private"))
    await partner.send()
    *_, retracted = await partner.deliveries()
    await partner.road.receive(provider("note.set_visibility", None, **note, visibility="public"))
    await partner.run(await partner.preview("redeliver", numbers=(retracted,)))
    assert await partner.told() == [("note.published", 5, 4), ("note.retracted", 4, 3)]
    assert await partner.road.is_balanced()


async def test_a_skipped_redelivery_leaves_no_gap_and_bridges_nothing(partner):
    await partner.accepted("A-1")
    await partner.send()
    *_, latest = await partner.deliveries()
    await partner.run(await partner.preview("redeliver", numbers=(latest,)))
    [again] = await partner.deliveries(state="pending")
    await partner.run(await partner.preview("skip", numbers=(again,)))
    await partner.road.receive(provider("appointment.add", "A-1", id="V-1", start=START))
    assert await partner.told() == [("appointment.scheduled", 3, 2)]

    # And where what follows stands behind it already.
    *_, latest = await partner.deliveries(state="delivered")
    await partner.run(await partner.preview("redeliver", numbers=(latest,)))
    [again] = await partner.deliveries(state="pending")
    await partner.road.receive(provider("appointment.on_my_way", appointment="V-1"))
    await partner.run(await partner.preview("skip", numbers=(again,)))
    assert await partner.told() == [("appointment.en_route", 4, 3)]
    assert await partner.road.is_balanced()


async def test_a_redelivery_that_dies_on_a_relaxed_destination_bridges_nothing(partner):
    await partner.settings(strict=False)
    await partner.accepted("A-1")
    await partner.send()
    *_, latest = await partner.deliveries()
    await partner.run(await partner.preview("redeliver", numbers=(latest,)))
    await partner.road.receive(provider("appointment.add", "A-1", id="V-1", start=START))
    partner.publisher.answers = [rejecting(2)]
    assert await partner.told() == [("appointment.scheduled", 3, 2)]


async def test_a_receipt_is_sent_again_in_its_own_lane(partner):
    await partner.road.receive(enterprise("offer.submit", "A-9", title=5))
    await partner.send()
    [receipt] = [row for row in await partner.road.rows(tables.delivery) if row["lane"] < 0]
    report = await partner.run(await partner.preview("redeliver", numbers=(receipt["number"],)))
    assert report["done"] == 1
    await partner.send()
    again = [row for row in await partner.road.rows(tables.delivery) if row["lane"] < 0]
    assert [(row["position"], row["state"]) for row in again] == [(0, "delivered"), (1, "delivered")]
    assert await partner.road.is_balanced()
