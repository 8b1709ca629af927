"""What most tests of the road take: a receiver over either database, the edge over it, and keys of its partners."""

import pytest

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
