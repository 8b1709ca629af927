"""Versions as processes hear of them: while others import, with clocks that are read late, and after all were down."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta

from sqlalchemy import event, update

from gateway import keeper as keeping
from gateway.activating import roll_back
from gateway.in_force import LEAD
from gateway.keeper import Keeper
from gateway.store.database import Database
from gateway.store.deliveries import Operator
from gateway.store.tables import account
from gateway.store.tables_control import activation, in_place
from gateway.topics import inbound_topics, outbound_topics
from tests.eventually import eventually
from tests.importing import AT_ONCE, import_profile
from tests.inbound import BRANDS, joined, opened, stamp
from tests.keys import make_key
from tests.mapping_versions import harborline

MAPLEGROVE = (BRANDS / "maplegrove" / "profile.v1.yaml").read_text(encoding="utf-8")
BIRCH = MAPLEGROVE.replace("brand: maplegrove", "brand: birch").replace("feed.maplegrove", "feed.birch")


async def import_(database, text, **terms):
    found = await import_profile(database, text, file="profile.yaml", author="kim", reason="new words", **terms)
    assert found.profiles, found.problems


def import_elsewhere(url, text):
    """Another process imports, and is done when this returns."""

    async def alone():
        database = Database(url)
        try:
            await import_(database, text)
        finally:
            await database.close()

    thread = threading.Thread(target=lambda: asyncio.run(alone()))
    thread.start()
    thread.join()


async def test_a_first_version_that_comes_between_two_readings_is_known_with_its_text_or_not_at_all(
    staffed_postgres_url,
):
    async with opened(staffed_postgres_url) as road:
        keeper = Keeper(road.database)
        to_come = [BIRCH]

        def meanwhile(_connection, _cursor, statement, *_):
            if "ORDER BY activation.number" in statement and to_come:
                import_elsewhere(staffed_postgres_url, to_come.pop())

        event.listen(road.database.engine.sync_engine, "before_cursor_execute", meanwhile)
        await keeper.refresh()
        assert to_come == []
        assert "harborline" in keeper.directory.active
        await keeper.refresh()
        assert "birch" in keeper.directory.active


async def test_a_version_that_has_taken_force_stays_when_the_clock_is_read_late(road):
    """Else a job would be decided by the new version, and then by the old one again."""

    class LateAtFirst(Database):
        late = timedelta(seconds=10)

        async def now(self, connection):
            moment, self.late = await super().now(connection) + self.late, timedelta(0)
            return moment

    database = LateAtFirst(road.database.url)
    keeper = Keeper(database)
    try:
        await import_(road.database, harborline(2), lead=LEAD)
        for _ in range(2):
            await keeper.refresh()
            assert keeper.directory.active["harborline"].version == 2
    finally:
        await database.close()


async def test_a_reading_that_took_long_does_not_undo_a_later_one(staffed_postgres_url):
    class Slow(Database):
        has_read, may_go_on = asyncio.Event(), asyncio.Event()

        async def now(self, connection):
            moment = await super().now(connection)
            if not self.has_read.is_set():
                self.has_read.set()
                await self.may_go_on.wait()
            return moment

    async with opened(staffed_postgres_url) as road:
        database = Slow(staffed_postgres_url)
        keeper = Keeper(database)
        try:
            reading = asyncio.create_task(keeper.refresh())
            await asyncio.wait_for(database.has_read.wait(), 30)
            await import_(road.database, harborline(2))
            await keeper.refresh()
            database.may_go_on.set()
            await asyncio.wait_for(reading, 30)
            assert keeper.directory.active["harborline"].version == 2
        finally:
            await database.close()


async def test_whoever_starts_after_the_moment_brings_destinations_in_line_at_once(road, monkeypatch):
    monkeypatch.setattr(keeping, "REFRESH_SECONDS", 60.0)
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    await import_(road.database, harborline(2).replace("account:", f"effective_at: {stamp(later)}\naccount:", 1))
    async with road.database.transaction() as connection:
        mine = update(activation).where(activation.c.effective_at == later)
        await connection.execute(mine.values(effective_at=await road.database.now(connection)))
    async with joined(road) as other, asyncio.TaskGroup() as group:
        running = group.create_task(other.gateway.keeper.run())
        await eventually(lambda: _is_in_place(road))
        running.cancel()


async def _is_in_place(road):
    [placed] = await road.rows(in_place, in_place.c.brand == "harborline")
    [made] = await road.rows(activation, activation.c.number == placed["activation"])
    return made["version"] == 2


async def test_the_account_of_a_first_version_and_its_topics_are_there_before_the_version_takes_force(road):
    """What it sends in the first moment is known as its, and answered."""
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    text = BIRCH.replace("account: evergreen-warranty", f"account: birch-account\neffective_at: {stamp(later)}")
    await import_(road.database, text)
    gateway = road.gateway
    await gateway.keeper.refresh()
    assert "birch-account" in gateway.keeper.directory.accounts
    assert "receipts.birch-account" in {one.name for one in gateway.keeper.destinations}
    assert "t.offers.birch-account.v1" in inbound_topics(gateway.settings, gateway.keeper)


async def test_topics_of_receipts_are_made_before_the_first_version_of_a_known_account_takes_force(road):
    await make_key(road.database, account="birch-account")
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    text = BIRCH.replace("account: evergreen-warranty", f"account: birch-account\neffective_at: {stamp(later)}")
    await import_(road.database, text)
    gateway = road.gateway
    await gateway.keeper.refresh()
    assert "t.receipts.birch-account.v1" in outbound_topics(gateway.settings, gateway.keeper)


async def test_receipts_are_as_before_once_the_version_that_chose_them_is_gone_back_from(road):
    chosen = f"{harborline(2)}receipts: {{records: none, to: poll}}\n"
    await import_(road.database, chosen)
    assert await receipts_of(road) == ("none", "poll")
    await import_(road.database, MAPLEGROVE.replace("version: 1\n", "version: 2\n", 1))
    assert await receipts_of(road) == ("none", "poll"), "another brand of the account, which says nothing"
    await roll_back(road.database, "harborline", Operator(author="kim", reason="test"), lead=AT_ONCE)
    assert await receipts_of(road) == (None, None)


async def test_receipts_stay_where_another_brand_of_the_account_chooses_the_same(road):
    for text in (harborline(2), MAPLEGROVE.replace("version: 1\n", "version: 2\n", 1)):
        await import_(road.database, f"{text}receipts: {{records: none, to: topic}}\n")
    await import_(road.database, harborline(3))
    assert await receipts_of(road) == ("none", "topic")


async def receipts_of(road):
    [owner] = await road.rows(account, account.c.name == "evergreen-warranty")
    return owner["receipts"], owner["receipts_to"]
