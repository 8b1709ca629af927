"""Operations go on: whatever becomes of another, and whatever the clock does."""

from datetime import timedelta

import pytest

from gateway.store.failures import RefusedByDatabase
from tests.inbound import now, offer
from tests.operations import FEED, Partner


@pytest.fixture
async def partner(road):
    """Forty jobs were offered, each of which Harborline was told of."""
    partner = Partner(road)
    await road.receive(*(offer(f"J-{number}") for number in range(40)))
    await partner.send()
    return partner


async def test_a_clock_that_is_set_back_neither_stops_it_nor_makes_it_faster(partner, monkeypatch):
    number = await partner.preview("redeliver", destination=FEED)
    await partner.move(number, "start", rate=10.0)
    begun, done = now(), []
    for seconds in (0, 30, 31, 30.5, -3600, -3599, -3598):

        async def told(_connection, moment=begun + timedelta(seconds=seconds)):
            return moment

        monkeypatch.setattr(partner.database, "now", told)
        done.append(await partner.operating.step())
    assert done == [0, 10, 10, 0, 0, 2, 2], "its ramp begins anew"


async def test_one_that_cannot_go_on_holds_up_no_other(partner):
    broken, other = [await partner.preview("redeliver", destination=FEED) for _ in range(2)]
    for number in (broken, other):
        await partner.move(number, "start", rate=0.0)
    await partner.road.execute(f"UPDATE operation SET terms = '{{}}{{' WHERE number = {broken}")
    with pytest.raises(RefusedByDatabase):
        await partner.operating.step()
    report = await partner.report(other)
    assert (report["done"], report["waiting"]) == (40, 0)
