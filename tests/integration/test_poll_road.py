"""The whole road of two pollers: an account's offer reaches the provider, and the answer the account."""

import pytest

from gateway.inbound.work_topics import fetched_by
from gateway.outbound.poll_queue import Acknowledged
from gateway.store.aggregates import load_organizations
from gateway.store.destinations import load_destinations, put_destinations
from gateway.store.tables import organization
from gateway.topics import CannotRun, insist_on_no_topics
from tests.inbound import LAKESIDE, Road, import_brands, make_gateway, offer, provider
from tests.polling import import_polled, put_of


async def test_an_offer_is_polled_answered_and_its_answer_polled(road):
    queue = road.gateway.make_poll_queue()
    work, feed = await both_queues(road)
    await road.receive(offer("A-1"))
    assert [put_of(one)["job"]["status"] for one in await queue.hand_out([work], 10)] == ["offered"]
    await road.receive(provider("offer.accept", "A-1"))
    told = []
    while handed := await queue.hand_out([feed], 10):
        [one] = handed
        [(entity, members)] = put_of(one).items()
        told.append((entity, members["status"]))
        assert await queue.acknowledge([feed], one.receipt, error=None) is Acknowledged.SETTLED
        if entity == "job":
            assert (members["external_id"], bool(members["customer"]["phone_number"])) == ("A-1", True)
    assert told == [("job", "offered"), ("job", "unscheduled"), ("joboffer", "accepted")]
    assert await road.is_balanced()


async def test_without_kafka_a_gateway_starts_whose_profiles_are_all_polled(database_url):
    gateway = make_gateway(database_url)
    await import_polled(Road(gateway))
    await insist_on_no_topics(gateway.keeper)
    await import_brands(gateway, "ironpeak")
    with pytest.raises(CannotRun):
        await insist_on_no_topics(gateway.keeper)
    await gateway.database.close()


async def both_queues(road):
    """The queues of Lakeside's work and of a brand's feed."""
    await import_polled(road)
    [row] = await road.rows(organization, organization.c.handle == LAKESIDE)
    async with road.database.transaction() as connection:
        lakeside = (await load_organizations(connection, [row["number"]]))[row["number"]]
        await put_destinations(connection, fetched_by(lakeside))
        there = await load_destinations(connection)
    await road.gateway.keeper.refresh()
    return there[f"poll.{LAKESIDE}"], there["feed.harborline.poll"]
