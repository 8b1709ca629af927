"""A version takes force at its moment, in every process and with all that belongs to it; what was decided stays so."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from sqlalchemy import update

from gateway import brands
from gateway.activating import Refused, Switched, WhyNot, activate, roll_back, take_back
from gateway.in_force import LEAD, catch_up
from gateway.mapping.problems import Level
from gateway.outbound.outcome import Fault, Retryable
from gateway.removing import Verdict, remove
from gateway.store.deliveries import Operator
from gateway.store.profiles import State, load_activations, load_profiles, states
from gateway.store.tables import account, delivery, destination, event
from gateway.store.tables_control import activation, in_place, operator_action
from gateway.topics import inbound_topics, outbound_topics
from tests.eventually import eventually
from tests.importing import AT_ONCE
from tests.inbound import BRANDS, START, ago, joined, offer, provider, stamp
from tests.mapping_versions import harborline
from tests.operations import Partner
from tests.profiles import and_destination, with_destination

KIM = Operator(author="kim", reason="asked by the brand")
INVOICE = "  - {code: INV, label: Invoice sent, outcome: completes}\n"
BOARD = "feed.harborline.board"
HOUR = timedelta(hours=1)
SOON = timedelta(seconds=1)


def at(text, moment):
    """`text` that names the moment of its taking force."""
    return text.replace(
        "account:", f"effective_at: {moment if isinstance(moment, str) else stamp(moment)}\naccount:", 1
    )


def in_an_hour():
    return datetime.now(UTC).replace(microsecond=0) + HOUR


async def import_(road, text, **terms):
    terms = {"lead": AT_ONCE, **terms}
    return await brands.import_profile(
        road.database, text, file="profile.yaml", author="kim", reason="new words", **terms
    )


async def refusal(road, text, **terms):
    found = await import_(road, text, **terms)
    assert found.profiles == ()
    [problem] = (one for one in found.problems if one.level is Level.ERROR)
    return problem


async def version_of(road, subject):
    """The version that the newest event of a job was decided under."""
    number = (await road.job(subject))["number"]
    return (await road.rows(event, event.c.job == number))[-1]["profile_version"]


async def state_of(road, version, brand="harborline"):
    async with road.database.snapshot() as connection:
        rows, made = await load_profiles(connection), await load_activations(connection)
        return states(rows, made, await road.database.now(connection))[brand, version]


async def done_to_profiles(road):
    rows = await road.rows(operator_action, operator_action.c.subject == "profile")
    return [(row["author"], row["verb"], row["numbers"], row["reason"]) for row in rows if row["author"] == "kim"]


def active(road):
    return road.gateway.keeper.directory.active["harborline"].version


@asynccontextmanager
async def running(*gateways):
    """The keepers of several processes."""
    async with asyncio.TaskGroup() as group:
        keeping = [group.create_task(gateway.keeper.run()) for gateway in gateways]
        yield
        for one in keeping:
            one.cancel()


async def test_a_later_version_takes_force_in_every_process_at_one_moment_and_without_a_restart(road):
    async with joined(road) as other, running(road.gateway, other.gateway):
        found = await import_(road, harborline(2), lead=LEAD)
        assert found.states == {"harborline": State.SCHEDULED}
        assert await road.receive(offer("A-1")) == ["applied"]
        assert await version_of(road, "A-1") == 1, "its moment has not come"
        await eventually(lambda: {active(road), active(other)} == {2})
        switched = datetime.now(UTC)
        assert timedelta(0) <= switched - found.effective["harborline"] < timedelta(seconds=1.5)
        for one, job in ((road, "A-2"), (other, "A-3")):
            await one.receive(offer(job))
            assert await version_of(one, job) == 2


async def test_who_missed_an_activation_reads_again_before_it_decides(road):
    async with joined(road) as away:
        await import_(road, harborline(2))
        away.gateway.keeper.good_for = 0.0
        await away.receive(offer("A-1"))
        assert await version_of(away, "A-1") == 2


async def test_a_known_activation_takes_force_without_the_database(road):
    found = await import_(road, harborline(2), lead=SOON)
    await road.gateway.keeper.refresh()
    assert active(road) == 1
    await eventually(lambda: active(road) == 2)
    assert datetime.now(UTC) >= found.effective["harborline"]


async def test_a_version_takes_force_at_the_moment_that_it_names(road):
    later = in_an_hour()
    found = await import_(road, at(harborline(2), later))
    assert (found.states, found.effective) == ({"harborline": State.SCHEDULED}, {"harborline": later})
    await road.gateway.keeper.refresh()
    assert active(road) == 1
    await come(road, later)
    assert active(road) == 2
    assert (await state_of(road, 1), await state_of(road, 2)) == (State.RETIRED, State.ACTIVE)


async def come(road, moment):
    """Brings that moment about: of what was to happen then, and what is read of it."""
    async with road.database.transaction() as connection:
        mine = update(activation).where(activation.c.effective_at == moment)
        # Not before: the version in force may have been activated a moment ago.
        await connection.execute(mine.values(effective_at=await road.database.now(connection)))
    road.gateway.keeper._stamp = None
    await road.gateway.keeper.refresh()


async def test_occurred_at_chooses_no_version(road):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    await import_(road, harborline(2))
    await road.gateway.keeper.refresh()
    long_ago = ago(days=30)
    await road.receive(provider("appointment.add", "A-1", id="V-1", start=START, time=long_ago))
    assert await version_of(road, "A-1") == 2


async def test_what_was_decided_is_rendered_by_its_version_when_it_is_retried_after_a_switch(road):
    partner = Partner(road)
    await road.receive(offer("A-1"))
    away = [Retryable(Fault.TIMEOUT)]
    partner.publisher.answers.append(lambda _: away.pop() if away else None)
    assert await partner.send() == []
    assert away == [], "it was tried"
    await import_(road, harborline(2))
    await road.gateway.keeper.refresh()
    await road.receive(offer("A-2"))
    arrived = []

    async def both():
        arrived.extend(await partner.send())
        return len(arrived) > 1

    await eventually(both)
    told = {one["data"]["job"]["external_id"]: one["data"]["profile_version"] for one in arrived}
    assert told == {"A-1": 1, "A-2": 2}


async def test_a_draft_is_kept_until_it_is_activated(road):
    found = await import_(road, harborline(2), draft=True)
    assert found.states == {"harborline": State.DRAFT}
    again = await import_(road, harborline(2))
    assert again.states == {"harborline": State.DRAFT}, "by importing it again nobody activates it"
    await road.gateway.keeper.refresh()
    assert (active(road), await state_of(road, 2)) == (1, State.DRAFT)
    switched = await activate(road.database, "harborline", 2, KIM, lead=AT_ONCE)
    assert isinstance(switched, Switched)
    await road.gateway.keeper.refresh()
    assert (active(road), await state_of(road, 2)) == (2, State.ACTIVE)
    assert await done_to_profiles(road) == [
        ("kim", "import", "[2]", "harborline: new words"),
        ("kim", "activate", "[2]", "harborline: asked by the brand"),
    ]


async def test_going_back_is_one_step_and_twice_is_two(road):
    for version in (2, 3):
        await import_(road, harborline(version))
    for before in (2, 1):
        found = await roll_back(road.database, "harborline", KIM, lead=AT_ONCE)
        assert (found.version, await state_of(road, before)) == (before, State.ACTIVE)
    await road.gateway.keeper.refresh()
    assert active(road) == 1
    assert await roll_back(road.database, "harborline", KIM) == Refused(WhyNot.NOTHING_BEFORE)
    assert [verb for _, verb, *_ in await done_to_profiles(road)] == ["import", "import", "rollback", "rollback"]
    again = await import_(road, harborline(3))
    assert again.states == {"harborline": State.RETIRED}, "what was gone back from does not return by an import"


async def test_what_is_scheduled_can_be_taken_back(road):
    later = in_an_hour()
    await import_(road, at(harborline(2), later))
    assert await take_back(road.database, "harborline", 2, KIM) is None
    assert await state_of(road, 2) is State.DRAFT
    await come(road, later)
    assert active(road) == 1
    assert await take_back(road.database, "harborline", 2, KIM) is WhyNot.NOT_SCHEDULED
    assert ("kim", "take_back", "[2]", "harborline: asked by the brand") in await done_to_profiles(road)


async def test_what_is_about_to_take_force_is_not_taken_back(road):
    await import_(road, harborline(2), lead=timedelta(seconds=60))
    told = await take_back(road.database, "harborline", 2, KIM, lead=timedelta(seconds=90))
    assert told is WhyNot.ABOUT_TO_TAKE_FORCE
    assert await state_of(road, 2) is State.SCHEDULED


async def test_going_back_looks_at_what_is_about_to_take_force(road):
    await import_(road, harborline(2))
    await import_(road, harborline(3), lead=SOON)
    found = await roll_back(road.database, "harborline", KIM, lead=2 * SOON)
    assert found.version == 2, "what is gone back from is version 3, which will be in force by then"


# ---------------------------------------------------------------------------------------------------------- refusals


async def test_a_version_that_would_rewrite_history_is_refused_with_what_to_do(road):
    told = await refusal(road, at(harborline(2), "2026-01-01T00:00:00Z"))
    assert (told.file, told.line, told.member) == ("profile.yaml", 4, "effective_at")
    assert "version 1 decides since" in told.what
    assert "leave it out, or name a moment to come" in told.what
    assert [row["version"] for row in await road.rows(activation, activation.c.brand == "harborline")] == [1]


async def test_two_versions_for_one_moment_are_refused(road):
    later = in_an_hour()
    await import_(road, at(harborline(2), later))
    told = await refusal(road, at(harborline(3), later))
    assert (told.line, told.member) == (4, "effective_at")
    assert "version 2 takes force at" in told.what
    found = await activate(road.database, "harborline", 1, KIM, at=later)
    assert found.why is WhyNot.BAD_MOMENT


async def test_a_taken_version_and_an_older_one_are_refused(road):
    await import_(road, harborline(3))
    told = await refusal(road, harborline(3, complete=INVOICE))
    assert (told.member, told.what) == ("version", "is taken by other content: give the next one")
    assert (await refusal(road, harborline(2))).what == "is older than version 3: give the next one"


async def test_a_version_that_another_will_overtake_is_warned_of(road):
    await import_(road, at(harborline(2), in_an_hour()))
    found = await import_(road, harborline(3))
    assert found.states == {"harborline": State.ACTIVE}
    [warned] = [one for one in found.problems if one.member == "version"]
    assert warned.level is Level.WARNING
    assert "activate harborline 2 --take-back" in warned.what


@pytest.mark.parametrize(
    ("version", "terms", "why"),
    [
        (9, {}, WhyNot.UNKNOWN_VERSION),
        (1, {}, WhyNot.IN_FORCE_ALREADY),
        (1, {"at": datetime(2026, 1, 1, tzinfo=UTC)}, WhyNot.BAD_MOMENT),
    ],
    ids=str,
)
async def test_what_cannot_be_activated_is_said(road, version, terms, why):
    before = await road.rows(activation)
    found = await activate(road.database, "harborline", version, KIM, **terms)
    assert found.why is why
    assert await road.rows(activation) == before


async def test_a_version_that_does_not_fit_any_more_is_not_gone_back_to(road):
    """Since the brand left its topic, another reads there."""
    first = text_of("ironpeak")
    moved = first.replace("version: 1\n", "version: 2\n", 1).replace("claims.ironpeak.v1", "claims.ironpeak.v2")
    anothers = first.replace("brand: ironpeak", "brand: copper").replace("feed.ironpeak", "feed.copper")
    for text in (first, moved, anothers):
        assert (await import_(road, text)).profiles
    found = await roll_back(road.database, "ironpeak", KIM)
    assert (found.why, [problem.member for problem in found.problems]) == (WhyNot.UNFIT, ["inbound.topic"])
    assert await state_of(road, 2, "ironpeak") is State.ACTIVE


def text_of(brand):
    return (BRANDS / brand / "profile.v1.yaml").read_text(encoding="utf-8")


# -------------------------------------------------------------------------------------------- what comes with a version


async def test_a_destination_that_a_version_names_is_there_before_it_decides_and_owed_nothing_till_then(road):
    later = in_an_hour()
    await import_(road, at(and_destination(with_destination(harborline(2)), name=BOARD), later))
    await road.gateway.keeper.refresh()
    [board] = await road.rows(destination, destination.c.name == BOARD)
    await road.receive(offer("A-1"))
    assert await owed_to(road, board) == 0
    assert (await remove(road.database, BOARD, KIM)).verdict is Verdict.NAMED_BY_PROFILE
    await come(road, later)
    await road.receive(offer("A-2"))
    assert await owed_to(road, board) == 1, "whether or not anybody has caught up"


async def owed_to(road, one):
    return len(await road.rows(delivery, delivery.c.destination == one["number"]))


async def test_settings_change_with_the_version_and_not_before(road):
    later = in_an_hour()
    moved = with_destination(harborline(2), topic="feed.harborline.v2") + "receipts: {records: problems}\n"
    await import_(road, at(moved, later))
    assert await settings_of(road) == ("feed.harborline.v1", None)
    assert await catch_up(road.database, "harborline") is None
    await come(road, later)
    assert await catch_up(road.database, "harborline") is not None
    assert await settings_of(road) == ("feed.harborline.v2", "problems")
    assert await catch_up(road.database, "harborline") is None, "somebody was first"


async def test_topics_of_a_scheduled_version_are_made_before_it_takes_force(road):
    moved = with_destination(harborline(2), topic="feed.harborline.v2")
    await import_(road, at(moved, in_an_hour()))
    first = text_of("ironpeak")
    second = first.replace("version: 1\n", "version: 2\n", 1).replace("claims.ironpeak.v1", "new.v1")
    for text in (first, at(second, in_an_hour())):
        await import_(road, text)
    gateway = road.gateway
    await gateway.keeper.refresh()
    assert {"t.feed.harborline.v1", "t.feed.harborline.v2"} <= set(outbound_topics(gateway.settings, gateway.keeper))
    assert {"t.claims.ironpeak.v1", "t.new.v1"} <= set(inbound_topics(gateway.settings, gateway.keeper))
    assert "t.new.v1" not in gateway.keeper.own_topics


async def settings_of(road):
    [feed] = await road.rows(destination, destination.c.name == "feed.harborline")
    [owner] = await road.rows(account, account.c.name == "evergreen-warranty")
    return orjson.loads(feed["settings"])["topic"], owner["receipts"]


async def test_what_waited_is_released_when_the_version_takes_force(road):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    await road.receive(provider("appointment.add", "A-1", id="V-1", start=START))
    await road.receive(provider("appointment.complete", appointment="V-1", reason="Invoice sent"))
    waiting = [row for row in await road.records() if row["state"] == "unmapped"]
    async with running(road.gateway):
        found = await import_(road, harborline(2, complete=INVOICE), lead=2 * SOON)
        assert found.released["harborline"].records == ()
        assert [row["state"] for row in await road.records() if row["number"] == waiting[0]["number"]] == ["unmapped"]
        await eventually(lambda: road.rows(in_place, in_place.c.brand == "harborline", in_place.c.activation > 1))
        await eventually(lambda: _is_released(road, waiting[0]["number"]))
    await road.settle_requeued()
    assert await road.status("A-1") == "complete completed"
    assert await version_of(road, "A-1") == 2


async def _is_released(road, number):
    [row] = [row for row in await road.records() if row["number"] == number]
    return row["state"] == "requeued"


async def test_a_version_that_cannot_be_read_keeps_no_other_from_taking_force(road):
    await import_(road, harborline(2), lead=SOON)
    maplegrove = text_of("maplegrove").replace("version: 1\n", "version: 2\n", 1)
    await import_(road, maplegrove, lead=SOON)
    await road.execute("UPDATE profile SET document = 'brand: [' WHERE brand = 'harborline' AND version = 2")
    async with running(road.gateway):
        road.gateway.keeper.look_again()
        await eventually(lambda: road.gateway.keeper.directory.active["maplegrove"].version == 2)
        await eventually(lambda: _is_in_place(road, "maplegrove", 2))
    assert "harborline" not in road.gateway.keeper.directory.active


async def _is_in_place(road, brand, version):
    [placed] = await road.rows(in_place, in_place.c.brand == brand)
    [made] = await road.rows(activation, activation.c.number == placed["activation"])
    return made["version"] == version
