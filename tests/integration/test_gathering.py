"""Requests that arrive together share a batch and a commit; each is answered with its own outcome."""

import asyncio

import pytest

from gateway.inbound.gathering import Gathering, NoRoomError
from tests.eventually import eventually
from tests.inbound import end_of, offer, provider


@pytest.fixture
async def gathered(road):
    """A gathering over the road's receiver that notes its batches; it runs."""
    batches = []

    async def receive(records):
        batches.append(len(records))
        return await road.receiver.receive(records)

    gathering = Gathering(receive, most=4, room=10)
    running = asyncio.create_task(gathering.run())
    yield gathering, batches
    running.cancel()
    await asyncio.wait([running])


async def test_requests_that_arrive_together_share_batches_and_get_their_own_outcomes(road, gathered):
    gathering, batches = gathered
    requests = [[road.place(offer("A-1"))], [road.place(offer("A-2")), road.place(offer("A-3", title=5))]]
    requests += [[road.place(provider("offer.accept", f"A-{number}"))] for number in (2, 3)]
    answers = await asyncio.gather(*map(gathering.submit, requests))
    assert [[end_of(entry) for entry in answer] for answer in answers] == [
        ["applied"],
        ["applied", "quarantined wrong_type"],
        ["applied"],
        ["parked unknown_reference"],
    ]
    assert batches == [4, 1]
    assert await road.is_balanced()


async def test_what_one_request_wakes_is_no_part_of_its_answer(road, gathered):
    gathering, _ = gathered
    [parked] = await gathering.submit([road.place(provider("offer.accept", "A-1"))])
    assert parked.state == "parked"
    answer = await gathering.submit([road.place(offer("A-1"))])
    assert [entry.type for entry in answer] == ["offer.submit"]


async def test_where_there_is_no_room_the_answer_comes_at_once(road):
    gathering = Gathering(road.receiver.receive, room=2)
    waiting = asyncio.create_task(gathering.submit([road.place(offer("A-1")), road.place(offer("A-2"))]))
    await eventually(lambda: gathering._held)
    with pytest.raises(NoRoomError):
        await gathering.submit([road.place(offer("A-3"))])
    running = asyncio.create_task(gathering.run())
    assert len(await waiting) == 2
    running.cancel()
    await asyncio.wait([running])


async def test_a_failure_is_told_to_everybody_who_was_in_it_and_to_nobody_else(road):
    failing = True

    async def receive(records):
        if failing:
            raise ConnectionError("the database is away")
        return await road.receiver.receive(records)

    gathering = Gathering(receive)
    running = asyncio.create_task(gathering.run())
    first, second = [road.place(offer("A-1"))], [road.place(offer("A-2"))]
    failed = await asyncio.gather(gathering.submit(first), gathering.submit(second), return_exceptions=True)
    assert [type(one) for one in failed] == [ConnectionError, ConnectionError]
    failing = False
    assert [end_of(entry) for entry in await gathering.submit(first)] == ["applied"]
    running.cancel()
    await asyncio.wait([running])


async def test_a_request_that_was_given_up_before_its_batch_began_is_not_taken_in(road):
    gathering = Gathering(road.receiver.receive)
    given_up = asyncio.create_task(gathering.submit([road.place(offer("A-1"))]))
    await eventually(lambda: gathering._held)
    given_up.cancel()
    await asyncio.wait([given_up])
    running = asyncio.create_task(gathering.run())
    await gathering.submit([road.place(offer("A-2"))])
    assert [row["message_id"] for row in await road.records()] != []
    await eventually(lambda: gathering._held == 0)
    assert len([row for row in await road.records() if row["type"] == "offer.submit"]) == 1
    running.cancel()
    await asyncio.wait([running])
