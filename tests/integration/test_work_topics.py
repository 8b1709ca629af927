"""A provider's work feed by topic: who asks for it has it, and nobody asks for another."""

import pytest

from gateway.store import tables
from tests.inbound import EVERGREEN, LAKESIDE, enterprise, offer, provider


async def work_feeds(road):
    rows = await road.rows(tables.destination, tables.destination.c.name.startswith("work."))
    return {row["name"]: (row["kind"], row["audience"], row["owner"], row["settings"]) for row in rows}


async def owed_to(road, name):
    [row] = await road.rows(tables.destination, tables.destination.c.name == name)
    events = {event["number"]: event["type"] for event in await road.events()}
    rows = await road.rows(tables.delivery, tables.delivery.c.destination == row["number"])
    return [events[one["event"]] for one in rows]


async def test_an_organization_that_asks_for_a_topic_is_owed_what_others_do_to_its_jobs(road):
    await road.receive(offer("A-1"))
    assert await road.receive(provider("organization.put", work_topic=True)) == ["applied"]
    settings = f'{{"topic":"work.{LAKESIDE}.v1"}}'
    assert await work_feeds(road) == {f"work.{LAKESIDE}": ("kafka", "provider", LAKESIDE, settings)}
    await road.gateway.keeper.refresh()
    await road.receive(offer("A-2"), provider("offer.accept", "A-2"), enterprise("job.cancel", "A-2", reason="C-DUP"))
    assert await owed_to(road, f"work.{LAKESIDE}") == ["job.offered", "job.canceled"]
    assert await road.is_balanced()


async def test_what_waited_for_the_put_that_asks_for_a_topic_and_what_comes_with_it_are_told_there(road):
    northshore = {"organization": {"handle": "northshore"}}
    put = provider("organization.put", source="northshore", handle="northshore", name="Northshore", work_topic=True)
    assert await road.receive(offer("A-1", **northshore)) == ["parked unknown_reference"]
    assert await road.receive(put, offer("A-2", **northshore)) == ["applied"] * 3
    assert await owed_to(road, "work.northshore") == ["job.offered"] * 2
    await road.gateway.keeper.refresh()
    assert await road.receive(offer("A-1", title="Amended", **northshore)) == ["applied"]
    assert await owed_to(road, "work.northshore") == ["job.offered", "job.offered", "job.amended"]
    previous = {row["previous"] for row in await road.rows(tables.delivery, tables.delivery.c.previous.is_not(None))}
    assert previous == {1}, "the amendment knows what was sent before it"
    assert await road.is_balanced()


async def test_what_is_refused_in_the_batch_of_the_put_is_told_to_the_new_topic_too(road):
    await road.receive(offer("A-1"))
    put = provider("organization.put", work_topic=True)
    ends = await road.receive(put, provider("offer.accept", "A-1"), provider("offer.accept", "A-1"))
    assert ends == ["applied", "applied", "refused offer_closed"]
    [destination] = await road.rows(tables.destination, tables.destination.c.name == f"receipts.{LAKESIDE}")
    assert len(await road.rows(tables.delivery, tables.delivery.c.destination == destination["number"])) == 1


async def test_an_organization_that_wants_no_topic_any_more_is_owed_nothing_from_then_on(road):
    await road.receive(provider("organization.put", work_topic=True))
    await road.gateway.keeper.refresh()
    await road.receive(offer("A-1"), provider("organization.put", work_topic=False), offer("A-2"))
    assert await owed_to(road, f"work.{LAKESIDE}") == ["job.offered"]
    await road.receive(provider("organization.put", work_topic=True), offer("A-3"))
    assert await owed_to(road, f"work.{LAKESIDE}") == ["job.offered", "job.offered"]


async def test_an_enterprise_asks_for_no_topic_in_anothers_name(road):
    ends = await road.receive(
        enterprise("organization.put", "P-1", handle=LAKESIDE, work_topic=True),
        enterprise("organization.put", "P-2", handle="northshore", name="Northshore", work_topic=True),
    )
    assert ends == ["applied", "applied"]
    assert await work_feeds(road) == {}


async def test_a_handle_that_no_topic_could_carry_gives_way_to_the_canonical_id(road):
    await road.receive(provider("organization.put", source="Côte d'Or", handle="Côte d'Or", work_topic=True))
    [name] = await work_feeds(road)
    assert name.startswith("work.org-")


async def test_an_organization_with_topics_is_told_there_of_its_records_that_were_not_taken(road):
    await road.receive(provider("organization.put", work_topic=True))
    await road.gateway.keeper.refresh()
    ends = await road.receive(offer("A-1"), provider("offer.accept", "A-1"), provider("offer.decline", "A-1"))
    assert ends == ["applied", "applied", "refused offer_closed"]
    [destination] = await road.rows(tables.destination, tables.destination.c.name == f"receipts.{LAKESIDE}")
    [delivery] = await road.rows(tables.delivery, tables.delivery.c.destination == destination["number"])
    [event] = await road.rows(tables.event, tables.event.c.number == delivery["event"])
    assert event["type"] == "record.settled"


@pytest.mark.parametrize("put", [{"source": "fake", "handle": EVERGREEN}, {"source": EVERGREEN}, {"source": "gateway"}])
async def test_no_organization_is_made_under_the_name_of_another_sender(road, put):
    """Its receipts would go to that account's topic, and its message ids would be that account's."""
    ends = await road.receive(provider("organization.put", name="Fake", work_topic=True, **put))
    assert ends == ["refused already_exists"]
    [receipts] = await road.rows(tables.destination, tables.destination.c.name == f"receipts.{EVERGREEN}")
    assert receipts["audience"] == "enterprise"
