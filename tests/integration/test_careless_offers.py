"""Offers that come twice and are amended in the wrong order, sent by the simulated brand to the edge as a server."""

import pytest

from gateway.children import free_port
from gateway.simulation.offering import STEPS, NotOffered, Sender, offer_carelessly
from tests.edge import listening
from tests.inbound import LAKESIDE


async def test_each_sending_of_an_offer_is_answered_as_it_deserves(road, evergreen):
    async with listening(road) as url:
        sender = Sender(url=url, token=evergreen["token"], brand="harborline", organization=LAKESIDE)
        answered = await offer_carelessly(sender, 5)
    assert answered == {(step.name, step.expected): 5 for step in STEPS}
    told = await road.told()
    assert (told.count("job.offered"), told.count("job.amended")) == (5, 10)
    assert await road.is_balanced()


async def test_a_sender_that_nobody_knows_is_told_so_each_time(road):
    async with listening(road) as url:
        answered = await offer_carelessly(Sender(url=url, token="gwt_nobody", brand="harborline"), 1)
    assert {word for _, word in answered} == {"not_authenticated"}


async def test_where_nobody_listens_is_said_in_a_sentence():
    with pytest.raises(NotOffered, match="does not answer: ConnectionRefusedError"):
        await offer_carelessly(Sender(url=f"http://127.0.0.1:{free_port()}", token="gwt_x", brand="harborline"), 1)
