"""A parked record that the database refuses when it is decided: it is set aside, whoever wakes it is not."""

from dataclasses import replace

import pytest

from gateway.inbound import entry
from tests.inbound import START, enterprise, offer, provider

EVIL = "evil"


@pytest.fixture
def turns_evil(monkeypatch):
    """Call it, and the record with that id is read as something no table takes."""
    honest = entry.translate

    def careless(envelope, side, arrived_at):
        reading = honest(envelope, side, arrived_at)
        return replace(reading, digest=None) if envelope.id == EVIL else reading

    return lambda: monkeypatch.setattr(entry, "translate", careless)


async def settle(road):
    while await road.clock.resolved():
        pass
    await road.settle_requeued()


REFUSED = "quarantined database_refused"


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in a batch"])
async def test_a_job_is_made_though_a_record_that_waited_for_it_cannot_be_stored(road, turns_evil, alone):
    waiting = [
        provider("offer.accept", "A-1"),
        provider("appointment.add", "A-1", id="V-1", start=START),
        provider("appointment.on_my_way", appointment="V-1", message_id=EVIL),
        provider("appointment.start", appointment="V-1"),
    ]
    await road.receive(*waiting)
    turns_evil()

    await road.receive(*([offer("A-1")] if alone else [offer("A-0"), offer("A-1"), offer("A-2")]))
    await settle(road)

    ends = (await road.ends())[4:]
    assert ends[:4] == ["applied", "applied", REFUSED, "applied"]
    assert set(ends[4:]) == {"applied"}
    assert await road.status("A-1") == "in_progress"
    evil = (await road.records())[6]
    assert (evil["raw"], evil["message_id"], evil["holds_id"]) == (waiting[2].value, EVIL, False)
    assert await road.is_balanced()


async def test_an_organization_is_made_though_one_of_many_offers_for_it_cannot_be_stored(road, turns_evil):
    named = {"brand": "harborline", "organization": "P-1", "customer": {"name": "Bo"}}
    ids = {17: EVIL}
    await road.receive(
        *(enterprise("offer.submit", f"A-{n}", message_id=ids.get(n, f"o-{n}"), **named) for n in range(30))
    )
    turns_evil()
    assert await road.receive(enterprise("organization.put", "P-1", name="Smith")) == ["applied"]
    await settle(road)
    assert (await road.ends())[4:] == [*["applied"] * 17, REFUSED, *["applied"] * 13]
    assert await road.is_balanced()


async def test_a_held_completion_is_decided_though_a_record_behind_it_cannot_be_stored(road, turns_evil):
    await road.receive(
        offer("A-1"), provider("offer.accept", "A-1"), provider("appointment.add", "A-1", id="V-1", start=START)
    )
    await road.receive(provider("appointment.complete", "A-1", appointment="V-1", reason="Unheard of"))
    await road.receive(
        provider("appointment.add", "A-1", start=START, message_id=EVIL), provider("job.cancel", "A-1", reason="C-CUST")
    )
    await road.execute("UPDATE inbound_record SET raw = NULL, state = 'requeued' WHERE state = 'unmapped'")
    turns_evil()
    await road.settle_requeued()
    await settle(road)
    assert (await road.ends())[7:] == ["quarantined empty_value", REFUSED, "applied"]
    assert await road.status() == "complete canceled"
    assert await road.is_balanced()
