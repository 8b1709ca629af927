"""What most tests of the road take: a receiver, the edge over it, keys of its partners, and its pages' visitors."""

import pytest

from tests.booking import Clock, Visitor, desks
from tests.edge import serving
from tests.inbound import EVERGREEN, LAKESIDE, opened
from tests.keys import make_key


@pytest.fixture
async def road(staffed_url):
    async with opened(staffed_url) as road:
        yield road


@pytest.fixture
async def client(road):
    async with serving(road) as client:
        yield client


@pytest.fixture
async def evergreen(road):
    return await make_key(road.database, account=EVERGREEN)


@pytest.fixture
async def lakeside(road):
    return await make_key(road.database, organization=LAKESIDE)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def desk(road, clock):
    return desks(road, clock)


@pytest.fixture
def visitor(client):
    return Visitor(client)
