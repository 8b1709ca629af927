"""Profiles come into force: by several hands at once, and only where they fit those that are there."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from gateway.activating import activate
from gateway.core.values import replace
from gateway.core.visibility import Audience
from gateway.owners import CannotOwn
from gateway.store.deliveries import Operator
from gateway.store.destinations import NewDestination, put_destinations
from gateway.store.profiles import State, in_force, load_activations
from gateway.store.standings import lock_standings
from gateway.store.tables import account, delivery, destination, lane
from tests.eventually import eventually
from tests.importing import import_profile
from tests.inbound import BRANDS, LAKESIDE, offer, opened, provider, stamp
from tests.keys import make_key
from tests.mapping_versions import harborline

MAPLEGROVE = (BRANDS / "maplegrove" / "profile.v1.yaml").read_text(encoding="utf-8")


def of_another(name: str) -> str:
    """Maplegrove's profile as that of a brand `name` of an account of its own."""
    text = MAPLEGROVE.replace("account: evergreen-warranty", f"account: {name}-account")
    return text.replace("brand: maplegrove", f"brand: {name}").replace("feed.maplegrove", f"feed.{name}")


async def import_(road, text):
    return await import_profile(road.database, text, file="profile.yaml", author="ops", reason="test")


async def test_accounts_that_are_made_at_once_are_accounts_of_their_own(road):
    names = [f"brand-{number}" for number in range(6)]
    await asyncio.wait_for(asyncio.gather(*(import_(road, of_another(name)) for name in names)), 60)
    made = {row["name"] for row in await road.rows(account)}
    assert made >= {f"{name}-account" for name in names}


async def test_one_of_several_versions_imported_at_once_is_in_force(road):
    found = await asyncio.wait_for(asyncio.gather(*(import_(road, harborline(one)) for one in (2, 3, 4, 2))), 60)
    assert any(one.profiles for one in found)
    async with road.database.snapshot() as connection:
        activations = await load_activations(connection)
    assert in_force(activations, activations[-1].effective_at)["harborline"].version == 4


async def test_what_releases_a_lane_that_a_relay_records_and_the_relay_do_not_wait_for_each_other(staffed_postgres_url):
    async with opened(staffed_postgres_url) as road:
        await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
        await road.receive(provider("job.cancel", "A-1", reason="The moon was full"))
        [held] = await road.rows(delivery, delivery.c.state == "held")
        async with road.database.transaction() as recording:
            mine = (lane.c.destination == held["destination"], lane.c.key == held["lane"])
            await recording.execute(select(lane).where(*mine).with_for_update())
            version = harborline(2, cancel="  - {code: MOON, label: The moon was full}\n")
            importing = asyncio.create_task(import_(road, version))
            await eventually(lambda: _is_blocked(road))
            await asyncio.wait_for(lock_standings(recording, [held["destination"]]), 30)
        found = await asyncio.wait_for(importing, 30)
    assert found.released["harborline"].deliveries == (held["number"],)


async def test_destinations_are_brought_up_to_date_in_the_order_in_which_relays_lock_them(staffed_postgres_url):
    later, sooner = [
        NewDestination(name=name, kind="webhook", audience=Audience.ENTERPRISE, owner="harborline")
        for name in ("feed.a", "feed.b")
    ]
    async with opened(staffed_postgres_url) as road:
        for one in (sooner, later):
            await put(road, one)
        there = await put(road)
        async with road.database.transaction() as claiming:
            await lock_standings(claiming, [there["feed.b"].number])
            putting = asyncio.create_task(put(road, later, sooner))
            await eventually(lambda: _is_blocked(road))
            await asyncio.wait_for(lock_standings(claiming, [there["feed.a"].number]), 30)
        assert await asyncio.wait_for(putting, 30) == there


async def put(road, *wanted):
    async with road.database.transaction() as connection:
        return await put_destinations(connection, wanted)


async def _is_blocked(road):
    """Whether somebody waits for a lock of another; only PostgreSQL knows."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with road.database.transaction() as connection:
        return (await connection.execute(waiting)).scalar_one() > 0


async def test_a_destination_stays_as_strict_as_it_was_made(road):
    """Else what is dead there would be owed by the lanes' counters and not by the rows, or the other way round."""
    text = MAPLEGROVE.replace("version: 1\n", "version: 2\n").replace("strict: true", "strict: false")
    found = await import_(road, text)
    assert (found.profiles, [problem.member for problem in found.problems]) == ((), ["destinations.0.strict"])
    assert {row["strict"] for row in await road.rows(destination, destination.c.name == "feed.maplegrove")} == {True}


async def test_a_version_that_was_followed_by_another_does_not_come_back(road):
    moved = MAPLEGROVE.replace("version: 1\n", "version: 2\n").replace(
        "topic: feed.maplegrove.v1", "topic: feed.maplegrove.v2"
    )
    assert (await import_(road, moved)).profiles
    found = await import_(road, MAPLEGROVE)
    assert found.states == {"maplegrove": State.RETIRED}
    (feed,) = await road.rows(destination, destination.c.name == "feed.maplegrove")
    assert feed["settings"] == '{"topic":"feed.maplegrove.v2"}'


async def test_two_brands_do_not_read_one_topic(road):
    ironpeak = (BRANDS / "ironpeak" / "profile.v1.yaml").read_text(encoding="utf-8")
    text = ironpeak.replace("brand: ironpeak", "brand: copper").replace("feed.ironpeak", "feed.copper")
    found = await import_(road, text)
    assert (found.profiles, [problem.member for problem in found.problems]) == ((), ["inbound.topic"])


async def test_a_brand_stays_its_accounts(road):
    text = MAPLEGROVE.replace("version: 1\n", "version: 2\n").replace("account: evergreen-warranty", "account: rival")
    found = await import_(road, text)
    assert (found.profiles, [problem.member for problem in found.problems]) == ((), ["account"])
    assert "rival" not in {row["name"] for row in await road.rows(account)}


async def test_what_another_owns_is_not_taken_over_by_a_profile(road):
    anothers = NewDestination(
        name="feed.birch.board", kind="poll", audience=Audience.ENTERPRISE, owner="oak", strict=False
    )
    async with road.database.transaction() as connection:
        await put_destinations(connection, [anothers])
    text = of_another("birch")
    found = await import_(road, text)
    assert (found.profiles, [problem.what for problem in found.problems]) == ((), ["feed.birch.board is of oak"])
    async with road.database.transaction() as connection:
        await put_destinations(connection, [replace(anothers, owner="birch", kind="kafka")])
    (row,) = await road.rows(destination, destination.c.name == anothers.name)
    assert (row["owner"], row["kind"]) == ("oak", "poll")


async def test_no_account_has_the_name_of_an_organization(road):
    named = MAPLEGROVE.replace("account: evergreen-warranty", f"account: {LAKESIDE}")
    named = named.replace("brand: maplegrove", "brand: birch").replace("feed.maplegrove", "feed.birch")
    found = await import_(road, named)
    assert (found.profiles, [problem.member for problem in found.problems]) == ((), ["account"])
    with pytest.raises(CannotOwn, match="organization"):
        await make_key(road.database, account=LAKESIDE)


async def test_a_draft_that_never_decided_binds_the_brand_to_no_account(road):
    """A slip of the pen in a draft: it cannot be taken out again."""
    slipped = of_another("birch").replace("account: birch-account", "account: brich-account")
    found = await import_profile(road.database, slipped, file="profile.yaml", author="ops", reason="test", draft=True)
    assert found.profiles
    found = await import_(road, of_another("birch").replace("version: 1\n", "version: 2\n", 1))
    assert found.states == {"birch": State.ACTIVE}
    refused = await activate(road.database, "birch", 1, Operator(author="kim", reason="test"))
    assert [problem.member for problem in refused.problems] == ["account"]


async def test_no_topic_is_to_have_test_work_and_real_work_once_a_scheduled_version_takes_force(road):
    later = stamp(datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1))
    moved = MAPLEGROVE.replace("version: 1\n", f"version: 2\neffective_at: {later}\n", 1)
    found = await import_(road, moved.replace("topic: feed.maplegrove.v1", "topic: feed.maplegrove.v2"))
    assert found.states == {"maplegrove": State.SCHEDULED}, found.problems
    line = "  - {name: feed.maplegrove.test, kind: kafka, topic: feed.maplegrove.v2, sandbox: true}\n"
    trying = MAPLEGROVE.replace("version: 1\n", "version: 3\n", 1)
    found = await import_(road, trying.replace("destinations:\n", f"destinations:\n{line}", 1))
    assert (found.profiles, [problem.member for problem in found.problems]) == ((), ["destinations.0.topic"])
