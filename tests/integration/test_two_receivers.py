"""Two processes take in at the same time, on PostgreSQL: one is held just before its commit while the other comes.

Whoever parks and whoever creates, whoever comes first: no wake-up is lost and nothing is decided twice.
"""

import asyncio
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from gateway.app import Gateway
from gateway.inbound.receive import Receiver
from gateway.store.database import Database
from gateway.store.numbers import Numbers
from gateway.store.tables import appointment, organization
from gateway.store.tables import user as users
from tests.eventually import eventually
from tests.inbound import START, enterprise, offer, opened, provider


class HeldDatabase(Database):
    """Its transactions reach their end and wait there until `release` is called."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.at_end, self.go = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def transaction(self):
        async with super().transaction() as connection:
            yield connection
            self.at_end.set()
            await self.go.wait()


@pytest.fixture
async def road(staffed_postgres_url):
    async with opened(staffed_postgres_url) as road:
        yield road


@pytest.fixture
async def held(road):
    """A second receiver, of another process, that stops before each commit until its database is let go."""
    gateway = Gateway(road.gateway.settings)
    database = HeldDatabase(road.gateway.settings.database_url)
    await gateway.keeper.refresh()
    receiver = Receiver(
        database,
        Numbers(gateway.database),
        gateway.doors,
        gateway.keeper.get_directory,
        lambda _entries, _owed: None,
    )
    yield Held(receiver, database)
    database.go.set()
    await database.close()
    await gateway.database.close()


class Held:
    def __init__(self, receiver, database):
        self.receiver, self.database = receiver, database


async def someone_waits_for_a_lock(road):
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with road.database.transaction() as connection:
        return (await connection.execute(text(query))).scalar_one()


async def both(road, held, first, second):
    """`first` is taken in, but for its commit, when `second` comes; what both returned, in a list."""
    one = asyncio.create_task(held.receiver.receive([road.place(message) for message in first]))
    await held.database.at_end.wait()
    other = asyncio.create_task(road.receiver.receive([road.place(message, partition=1) for message in second]))
    await eventually(lambda: _blocked_or_done(road, other))
    held.database.go.set()
    return await asyncio.wait_for(asyncio.gather(one, other), 30)


async def _blocked_or_done(road, task):
    return task.done() or await someone_waits_for_a_lock(road)


async def states(road):
    return sorted((await road.ends())[4:])


PARKED = {
    "job": ([provider("offer.accept", "A-1")], [offer("A-1")]),
    "organization": (
        [enterprise("offer.submit", "A-1", brand="harborline", organization="P-1", customer={"name": "Bo"})],
        [enterprise("organization.put", "P-1", name="Smith")],
    ),
    "handle": (
        [provider("user.put", "zoe", source="smith", role="both")],
        [enterprise("organization.put", "P-1", handle="smith", name="Smith")],
    ),
    "user": ([provider("user.deactivate", "zoe")], [provider("user.put", "zoe", role="technician")]),
    "customer": ([offer("A-1", customer="C-1")], [offer("A-2", customer={"id": "C-1", "name": "Bo"})]),
}


@pytest.mark.parametrize("parks_first", [True, False], ids=["who parks is first", "who creates is first"])
@pytest.mark.parametrize("what", PARKED)
async def test_no_wake_up_is_lost_between_who_parks_and_who_creates(road, held, what, parks_first):
    parks, creates = PARKED[what]
    await both(road, held, *((parks, creates) if parks_first else (creates, parks)))
    assert await states(road) == ["applied", "applied"]
    assert await road.is_balanced()


@pytest.mark.parametrize("parks_first", [True, False], ids=["who parks is first", "who creates is first"])
async def test_no_wake_up_is_lost_of_a_visit(road, held, parks_first):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    parks = [provider("appointment.start", appointment="V-1")]
    creates = [provider("appointment.add", "A-1", id="V-1", start=START)]
    await both(road, held, *((parks, creates) if parks_first else (creates, parks)))
    assert await states(road) == ["applied"] * 4
    assert await road.status() == "in_progress"


async def test_what_parks_behind_a_held_job_while_it_is_released_is_released_too(road, held):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    await road.receive(provider("appointment.add", "A-1", id="V-1", start=START))
    await road.receive(provider("appointment.complete", appointment="V-1", reason="Unheard of"))
    await road.execute("UPDATE inbound_record SET state = 'requeued' WHERE state = 'unmapped'")
    # Decided again it is unmapped still: unless the reason is taken out of its bytes.
    await road.execute(
        "UPDATE inbound_record SET raw = convert_to(replace(convert_from(raw, 'UTF8'), 'Unheard of', 'REP'), 'UTF8')"
        " WHERE state = 'requeued'"
    )
    parking = asyncio.create_task(
        held.receiver.receive([road.place(provider("appointment.add", "A-1", id="V-2", start=START))])
    )
    await held.database.at_end.wait()
    releasing = asyncio.create_task(road.receiver.reprocess())
    await eventually(lambda: _blocked_or_done(road, releasing))
    held.database.go.set()
    await asyncio.wait_for(asyncio.gather(parking, releasing), 30)

    assert await states(road) == ["applied"] * 5
    assert await road.status() == "scheduled"


async def test_one_message_id_taken_in_twice_at_once_is_applied_once(road, held):
    first, again = offer("A-1", message_id="x-1"), offer("A-1", message_id="x-1")
    await both(road, held, [first], [again])
    assert await states(road) == ["applied", "ignored repeat"]
    assert await road.told() == ["job.offered"]


async def test_one_place_read_by_its_old_and_its_new_owner_at_once_is_taken_in_once(road, held):
    await road.receive(offer("A-0"))
    raw = road.place(offer("A-1"))
    one = asyncio.create_task(held.receiver.receive([raw]))
    await held.database.at_end.wait()
    other = asyncio.create_task(road.receiver.receive([raw]))
    await eventually(lambda: _blocked_or_done(road, other))
    held.database.go.set()
    taken = await asyncio.wait_for(asyncio.gather(one, other), 30)
    assert [len(entries) for entries in taken] == [1, 0]
    assert await road.is_balanced()


async def test_one_offer_that_comes_in_twice_at_once_is_one_job(road, held):
    await both(road, held, [offer("A-1", revision=1)], [offer("A-1", revision=2, title="New")])
    assert await states(road) == ["applied", "applied"]
    assert await road.told() == ["job.offered", "job.amended"]


async def test_an_amendment_that_waited_for_a_reassignment_amends_the_new_job(road, held):
    await road.receive(offer("A-1", revision=1), provider("offer.decline", "A-1", reason="D-CAP"))
    await both(
        road,
        held,
        [offer("A-1", revision=2, organization={"id": "P-9", "name": "Other"})],
        [offer("A-1", revision=3, title="New", organization="P-9")],
    )
    assert await states(road) == ["applied"] * 4
    old, new = (await road.jobs())["A-1"]
    assert [row["type"] for row in await road.events(new["number"])] == ["job.offered", "job.amended"]
    assert [row["type"] for row in await road.events(old["number"])] == ["job.offered", "job.declined"]


async def test_one_decision_closes_an_offer_that_two_answer_at_once(road, held):
    await road.receive(offer("A-1"))
    await both(road, held, [provider("offer.accept", "A-1")], [enterprise("offer.withdraw", "A-1")])
    assert len([kind for kind in await road.told() if kind in {"job.accepted", "job.declined"}]) == 1


async def test_two_dispatchers_cannot_deactivate_each_other_at_once(road, held):
    await road.receive(provider("user.put", "ann", role="dispatcher"))
    await both(road, held, [provider("user.deactivate", "ann")], [provider("user.deactivate", "dee")])
    assert "refused last_dispatcher" in await states(road)
    active = [row for row in await road.rows(users) if row["active"] and row["role"] == "dispatcher"]
    assert len(active) == 1


@pytest.mark.parametrize("leaves_first", [True, False], ids=["who leaves is first", "who assigns is first"])
async def test_nobody_is_left_with_a_visit_who_is_deactivated_while_it_is_assigned(road, held, leaves_first):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    assigns = [provider("appointment.add", "A-1", id="V-1", start=START, technician="tom")]
    leaves = [provider("user.deactivate", "tom")]
    await both(road, held, *((leaves, assigns) if leaves_first else (assigns, leaves)))
    await road.settle_requeued()
    assert [row["technician"] for row in await road.rows(appointment)] == ([] if leaves_first else [None])


@pytest.mark.parametrize("leaves_first", [True, False], ids=["who leaves is first", "who restores is first"])
async def test_nobody_is_left_with_a_visit_who_is_deactivated_while_it_is_restored(road, held, leaves_first):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    await road.receive(provider("appointment.add", "A-1", id="V-1", start=START, technician="tom"))
    await road.receive(provider("job.cancel", "A-1", reason="C-DUP"))
    restores, leaves = [provider("job.restore", "A-1")], [provider("user.deactivate", "tom")]
    await both(road, held, *((leaves, restores) if leaves_first else (restores, leaves)))
    await road.settle_requeued()
    assert [(row["status"], row["technician"]) for row in await road.rows(appointment)] == [("scheduled", None)]


@pytest.mark.parametrize("leaves_first", [True, False], ids=["who leaves is first", "who reports is first"])
async def test_a_position_that_comes_at_the_same_time_reactivates_nobody(road, held, leaves_first):
    reports = [provider("user.position", "tom", latitude=39.8, longitude=-89.6)]
    leaves = [provider("user.deactivate", "tom")]
    await both(road, held, *((leaves, reports) if leaves_first else (reports, leaves)))
    assert [row["active"] for row in await road.rows(users) if "Tom" in row["members"]] == [False]


async def test_puts_of_one_organization_at_once_are_merged(road, held):
    message = provider("organization.put", None, phone="+15550101")
    other = provider("organization.put", None, email="desk@lakeside.example")
    await both(road, held, [message], [other])
    assert await states(road) == ["applied", "applied"]
    (row,) = await road.rows(organization)
    assert "+15550101" in row["members"]
    assert "desk@lakeside.example" in row["members"]


async def test_readers_of_different_partitions_do_not_wait_for_each_other(road, held):
    """Each holds its own partition: the second takes in and ends while the first has not committed."""
    await road.receiver.receive([road.place(offer("A-1")), road.place(offer("A-2"), partition=1)])
    one = asyncio.create_task(held.receiver.receive([road.place(offer("A-3"))]))
    await held.database.at_end.wait()
    other = await asyncio.wait_for(road.receiver.receive([road.place(offer("A-4"), partition=1)]), 10)
    assert len(other) == 1
    assert not one.done()
    held.database.go.set()
    await one


async def test_many_receivers_at_once_take_everything_in_once(road):
    """Each job's offers come by one partition and what its provider does by another, in whatever order these meet."""
    jobs = [f"A-{number}" for number in range(12)]
    batches = []
    for part in range(4):
        mine = jobs[part::4]
        offers = [offer(job, message_id=name) for job in mine for name in (f"one-{job}", f"two-{job}", f"one-{job}")]
        actions = [
            action
            for job in mine
            for action in (
                provider("offer.accept", job),
                provider("appointment.add", job, id=f"V-{job}", start=START),
                provider("appointment.start", appointment=f"V-{job}"),
            )
        ]
        batches += [[road.place(one, partition=part) for one in offers]]
        batches += [[road.place(one, partition=4 + part) for one in actions]]
    gateways = [Gateway(road.gateway.settings) for _ in range(4)]
    try:
        for gateway in gateways:
            await gateway.keeper.refresh()
        receivers = [gateway.make_receiver() for gateway in gateways]
        running = (receivers[index % 4].receive(batch) for index, batch in enumerate(batches))
        await asyncio.wait_for(asyncio.gather(*running), 60)
    finally:
        for gateway in gateways:
            await gateway.database.close()

    assert await states(road) == [*["applied"] * 48, *["ignored repeat"] * 24]
    assert {await road.status(job) for job in jobs} == {"in_progress"}
    assert await road.is_balanced()
