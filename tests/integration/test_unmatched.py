"""Events that match no destination: kept, owed to nobody, and listed with why."""

from sqlalchemy import text

from gateway.store.delivery_queries import list_unmatched
from tests.importing import import_profile
from tests.inbound import BRANDS, START, offer, provider
from tests.statements import statements_within

NARROW = (
    ("version: 1\n", "version: 2\n"),
    ("events: all", "events: [job.offered, job.canceled]"),
    ("notes: true", "notes: false"),
)


async def narrow_maplegrove(road, *changes):
    """Its feed asks for offers and cancellations, its board for changes of status; notes are not used."""
    profile = (BRANDS / "maplegrove" / "profile.v1.yaml").read_text(encoding="utf-8")
    for change in (*NARROW, *changes):
        profile = profile.replace(*change)
    imported = await import_profile(road.database, profile, file="profile.yaml", author="ops", reason="test")
    assert imported.profiles, imported.problems
    await road.gateway.keeper.refresh()


async def work(road):
    for message in (
        offer("A-1", brand="maplegrove"),
        provider("offer.accept", "A-1"),
        provider("appointment.add", "A-1", id="V-1", start=START),
        provider("appointment.on_my_way", appointment="V-1"),
        provider("appointment.start", appointment="V-1"),
        provider("note.add", "A-1", id="N-1", text="Gate code 4711", visibility="public"),
        provider("note.add", "A-1", id="N-2", text="Ask for the dog's name"),
    ):
        assert await road.receive(message) == ["applied"]


async def unmatched(road, **which):
    async with road.database.snapshot() as connection:
        return await list_unmatched(connection, **which)


async def test_what_nobody_asked_for_is_listed_with_each_destination_s_reason(road):
    await narrow_maplegrove(road)
    await work(road)
    found = [(one.type, dict(one.unmatched)) for one in await unmatched(road, brand="maplegrove")]
    feed, board = "feed.maplegrove", "feed.maplegrove.board"
    kind, notes = "kind_not_asked_for", "notes_not_used"
    assert found == [
        ("appointment.started", {feed: kind, board: kind}),
        ("note.published", {feed: notes, board: notes}),
    ]
    assert await road.is_balanced()


async def test_what_somebody_is_owed_or_only_the_activity_log_tells_is_not_among_them(road):
    await narrow_maplegrove(road)
    await work(road)
    rows = {row["type"]: row for row in await road.events()}
    assert (rows["job.offered"]["recipients"] > 0, rows["job.offered"]["unmatched"]) == (True, None)
    assert (rows["note.added"]["recipients"], rows["note.added"]["unmatched"]) == (0, None)
    assert {row["recipients"] for row in rows.values() if row["unmatched"]} == {0}


async def test_a_destination_that_the_profile_no_longer_names_is_told_apart(road):
    await narrow_maplegrove(road, ("  - {name: feed.maplegrove.board,", "  - {name: feed.maplegrove.wall,"))
    await work(road)
    found = await unmatched(road)
    assert found[0].unmatched["feed.maplegrove.board"] == "not_in_profile"
    assert found[0].profile_version == 2


async def test_what_no_destination_is_there_for_names_none(road):
    await road.execute("DELETE FROM destination")
    await road.gateway.keeper.refresh()
    assert await road.receive(offer("A-1")) == ["applied"]
    [found] = await unmatched(road)
    assert (found.type, found.brand, dict(found.unmatched)) == ("job.offered", "harborline", {})


async def test_they_are_listed_page_by_page_and_by_brand(road):
    await narrow_maplegrove(road)
    await work(road)
    everything = await unmatched(road)
    [first] = await unmatched(road, limit=1)
    assert [first, *await unmatched(road, after=first.number)] == everything
    assert await unmatched(road, brand="harborline") == []


async def test_a_brand_s_are_found_by_their_index(road):
    async with statements_within(road.database) as said:
        await unmatched(road, brand="maplegrove")
    [query] = [one for one in said if "FROM event" in one]
    explain = "EXPLAIN QUERY PLAN" if road.database.is_sqlite else "EXPLAIN"
    async with road.database.transaction() as connection:
        if not road.database.is_sqlite:
            # Of so few rows it would read all.
            await connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = (await connection.exec_driver_sql(f"{explain} {query}", query.parameters)).all()
    assert "ix_event_unmatched" in str(plan)
    assert "brand" in str(plan)
