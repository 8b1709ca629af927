"""Recovery of many: frozen as seen, previewed, run with a canary and a ramp, stopped, paused, ended, killed, reported."""

import asyncio
import time
from datetime import timedelta
from itertools import count

import pytest

from gateway.core.ids import Kind, canonical_id
from gateway.outbound.outcome import Fault, Rejected, Retryable
from gateway.store import tables, tables_control
from gateway.store.operations import NewItem, Terms, create_operation
from tests.inbound import EVERGREEN, enterprise, joined, now, offer, provider
from tests.operations import FEED, KIM, Partner


@pytest.fixture
async def partner(road):
    return Partner(road)


def refusing(one):
    return Rejected(Fault.REFUSED) if one.destination.name == FEED else None


def failing(one):
    return Retryable(Fault.TIMEOUT) if one.destination.name == FEED else None


async def delivered(partner, jobs):
    """So many jobs with one delivered happening each to Harborline."""
    names = [f"J-{number}" for number in range(jobs)]
    await partner.road.receive(*(offer(name) for name in names))
    await partner.send()
    return names


async def dead(partner, jobs):
    names = [f"J-{number}" for number in range(jobs)]
    await partner.road.receive(*(offer(name) for name in names))
    partner.publisher.answers = [refusing]
    await partner.send()
    partner.publisher.answers = []
    return names


# ----------------------------------------------------------------------------------------------------- what is frozen


async def test_a_preview_tells_how_much_whose_how_old_and_what_would_go_back_in_time(partner):
    await partner.scheduled("A-1", "A-2")
    await partner.send()
    number = await partner.preview("redeliver", brand="harborline", destination=FEED)
    found = await partner.find(number)
    jobs = [canonical_id(Kind.JOB, (await partner.road.job(name))["number"]) for name in ("A-1", "A-2")]
    assert found.state == "previewed"
    assert {name: value for name, value in found.preview.items() if name != "oldest"} == {
        "selected": 6,
        "items": 4,
        "verbs": {"redeliver": 2, "snapshot": 2},
        "brands": {"harborline": 4},
        "destinations": {FEED: 4},
        "back_in_time": {"jobs": 2, "first": sorted(jobs)},
    }
    assert found.preview["oldest"].endswith("Z")
    assert (found.author, found.reason) == (KIM.author, KIM.reason)
    assert await partner.send() == [], "nothing is done yet"


async def test_whoever_understands_versions_gets_everything_again_in_its_order(partner):
    await partner.scheduled("A-1", "A-2")
    first = await partner.told()
    await partner.settings(understands_versions=True)
    report = await partner.run(await partner.preview("redeliver", destination=FEED))
    assert (report["done"], report["refused"]) == (6, {})
    again = await partner.send()
    for job in ("A-1", "A-2"):
        versions = [one["jobversion"] for one in again if one["data"]["job"]["external_id"] == job]
        assert versions == [1, 2, 3]
    assert len(again) == len(first)
    assert await partner.road.is_balanced()


async def test_what_was_seen_is_what_is_done(partner):
    names = await dead(partner, 3)
    number = await partner.preview("reopen", destination=FEED)
    [changed] = await partner.deliveries(names[0])
    await partner.run(await partner.preview("skip", numbers=(changed,)))
    partner.publisher.answers = [refusing]
    await partner.road.receive(offer("LATER"))
    await partner.send()
    partner.publisher.answers = []

    report = await partner.run(number)
    assert (report["items"], report["done"], report["refused"]) == (3, 2, {"wrong_state": 1})
    assert len(await partner.send()) == 2
    assert len(await partner.deliveries("LATER", state="dead")) == 1


@pytest.mark.parametrize(
    ("kind", "selected", "why"),
    [
        ("redeliver", {}, "selects_everything"),
        ("redeliver", {"states": ("delivered",)}, "selects_everything"),
        ("redeliver", {"brand": "nobody"}, "selects_nothing"),
        ("reopen", {"destination": "nowhere"}, "unknown_destination"),
        ("requeue", {"destination": FEED}, "not_for_records"),
        ("reopen", {"brand": "harborline", "states": ("delivered",)}, "wrong_state"),
    ],
    ids=str,
)
async def test_a_selection_that_cannot_be_meant_freezes_nothing(partner, kind, selected, why):
    await delivered(partner, 1)
    assert await partner.preview(kind, **selected) == why
    assert await partner.road.rows(tables_control.operation) == []


async def test_too_much_is_refused(partner, monkeypatch):
    await delivered(partner, 3)
    monkeypatch.setattr("gateway.store.selecting.MOST", 2)
    assert await partner.preview("redeliver", destination=FEED) == "selects_too_much"


async def test_records_are_requeued_by_an_operation(partner):
    await partner.road.receive(
        enterprise("offer.submit", "A-9", title=5), provider("offer.accept", "A-404"), offer("A-1")
    )
    number = await partner.preview("requeue", states=("quarantined",), since=None, reason="wrong_type")
    report = await partner.run(number)
    assert (report["items"], report["done"], report["deliveries"]) == (1, 1, {"requeued": 1})
    await partner.road.settle_requeued()
    assert (await partner.report(number))["failed"] == 1, "it is as unreadable as before"
    assert await partner.road.is_balanced()


# ------------------------------------------------------------------------------------------------------- how it goes


async def test_only_what_fits_moves_an_operation(partner):
    await delivered(partner, 1)
    number = await partner.preview("redeliver", destination=FEED)
    assert [await partner.move(number, step) for step in ("pause", "resume", "stop", "end")] == ["wrong_state"] * 4
    assert await partner.move(10**9, "start") == "unknown_operation"
    assert [await partner.move(number, step) for step in ("start", "pause", "resume", "cancel")] == ["done"] * 4
    assert [await partner.move(number, step) for step in ("start", "resume", "cancel")] == ["wrong_state"] * 3
    actions = await partner.road.rows(tables_control.operator_action, tables_control.operator_action.c.author == "kim")
    assert [row["verb"] for row in actions] == ["preview redeliver", "start", "pause", "resume", "cancel"]


async def test_the_canary_goes_first_and_the_rest_waits_how_it_fares(partner):
    await delivered(partner, 5)
    number = await partner.preview("redeliver", destination=FEED)
    await partner.move(number, "start", canary=2, rate=0.0)
    assert [await partner.operating.step() for _ in range(4)] == [2, 0, 0, 0]
    assert len(await partner.send()) == 2
    while await partner.state(number) == "running":
        await partner.operating.step()
    assert len(await partner.send()) == 3
    assert (await partner.report(number))["done"] == 5


@pytest.mark.parametrize("answer", [refusing, failing])
async def test_a_canary_that_fails_stops_it(partner, answer):
    await delivered(partner, 5)
    number = await partner.preview("redeliver", destination=FEED)
    await partner.move(number, "start", canary=2, rate=0.0)
    await partner.operating.step()
    partner.publisher.answers = [answer]
    await partner.send()
    for _ in range(3):
        await partner.operating.step()
    found = await partner.find(number)
    assert (found.state, found.state_reason) == ("stopped", "canary_failed: 2 of 2")
    assert (await partner.report(number))["waiting"] == 3
    stopped = (await partner.road.rows(tables_control.operator_action))[-1]
    assert (stopped["author"], stopped["verb"]) == ("gateway", "stop")

    # The operator knows better.
    partner.publisher.answers = []
    await partner.move(number, "resume")
    while await partner.state(number) == "running":
        await partner.operating.step()
    assert (await partner.report(number))["waiting"] == 0
    assert await partner.road.is_balanced()


async def test_it_stops_where_too_much_has_failed_on_the_way(partner, monkeypatch):
    monkeypatch.setattr("gateway.inbound.operating.AT_ONCE", 12)
    await delivered(partner, 30)
    number = await partner.preview("redeliver", destination=FEED)
    await partner.move(number, "start", rate=0.0)
    assert await partner.operating.step() == 12
    partner.publisher.answers = [refusing]
    await partner.send()
    assert await partner.operating.step() == 0
    assert (await partner.find(number)).state_reason == "too_many_failed: 12 of 12"


async def test_a_few_failures_do_not_stop_it(partner, monkeypatch):
    monkeypatch.setattr("gateway.inbound.operating.AT_ONCE", 9)
    await delivered(partner, 20)
    number = await partner.preview("redeliver", destination=FEED)
    await partner.move(number, "start", rate=0.0)
    await partner.operating.step()
    partner.publisher.answers = [refusing]
    await partner.send()
    assert await partner.operating.step() == 9, "nine are too few to tell"


def told(moment):
    """A database's clock that stands."""

    async def now(_connection):
        return moment

    return now


async def test_it_goes_slowly_at_first_and_never_faster_than_asked(partner, monkeypatch):
    await delivered(partner, 40)
    number = await partner.preview("redeliver", destination=FEED)
    await partner.move(number, "start", rate=10.0)
    begun, seconds = now(), count()
    done = []
    while await partner.state(number) == "running":
        moment = begun + timedelta(seconds=next(seconds))
        monkeypatch.setattr(partner.database, "now", told(moment))
        done.append(await partner.operating.step())
    assert done[:3] == [0, 2, 2]
    assert sum(done[:11]) == 18 + 4
    assert max(done) <= 10
    assert sum(done) == 40


async def test_it_rests_while_paused_and_ends_when_canceled(partner, monkeypatch):
    monkeypatch.setattr("gateway.inbound.operating.AT_ONCE", 2)
    await delivered(partner, 6)
    number = await partner.preview("redeliver", destination=FEED)
    await partner.move(number, "start", rate=0.0)
    assert await partner.operating.step() == 2
    await partner.move(number, "pause")
    assert await partner.operating.step() == 0
    await partner.move(number, "resume")
    assert await partner.operating.step() == 2
    await partner.move(number, "cancel")
    assert await partner.operating.step() == 0
    report = await partner.report(number)
    assert (report["done"], report["waiting"]) == (4, 2)
    assert len(await partner.send()) == 4
    assert await partner.road.is_balanced()


async def test_whoever_dies_in_the_middle_has_done_nothing_and_nothing_is_done_twice(partner, monkeypatch):
    monkeypatch.setattr("gateway.inbound.operating.AT_ONCE", 3)
    await delivered(partner, 7)
    number = await partner.preview("redeliver", destination=FEED)
    await partner.move(number, "start", rate=0.0)
    assert await partner.operating.step() == 3

    async def die(*_args):
        raise ConnectionResetError

    with monkeypatch.context() as dying:
        dying.setattr("gateway.inbound.operating.settle_items", die)
        with pytest.raises(ConnectionResetError):
            await partner.operating.step()
    other = partner.another()
    while await partner.state(number) == "running":
        await other.step()
    assert (await partner.report(number))["done"] == 7
    assert len(await partner.send()) == 7
    assert await partner.road.is_balanced()


async def test_two_processes_share_an_operation_and_do_nothing_twice(partner, monkeypatch):
    monkeypatch.setattr("gateway.inbound.operating.AT_ONCE", 3)
    await delivered(partner, 20)
    number = await partner.preview("redeliver", destination=FEED)
    await partner.move(number, "start", rate=0.0)
    async with joined(partner.road) as road:
        other = Partner(road)

        async def run(one):
            while await one.state(number) == "running":
                await one.operating.step()

        await asyncio.gather(run(partner), run(other))
    assert (await partner.report(number))["done"] == 20
    made = await partner.road.rows(tables.delivery, tables.delivery.c.operation == number)
    assert len({row["event"] for row in made}) == len(made) == 20
    assert len(await partner.send()) == 20
    assert await partner.road.is_balanced()


async def test_what_a_relay_has_just_now_is_done_a_moment_later(partner):
    await partner.road.receive(offer("A-1"), offer("A-2"))
    work = await partner.relay.claim()
    number = await partner.preview("skip", destination=FEED)
    await partner.move(number, "start", rate=0.0)
    assert await partner.operating.step() == 0
    assert [state for _, state, _ in await partner.items(number)] == ["waiting"] * 2
    partner.relay.stop()
    await partner.relay.deliver(work)
    while await partner.state(number) == "running":
        await partner.operating.step()
    assert {state for _, state, _ in await partner.items(number)} == {"done"}
    assert await partner.road.is_balanced()


async def test_a_report_counts_what_became_of_it(partner):
    await delivered(partner, 4)
    number = await partner.preview("redeliver", destination=FEED)
    await partner.run(number)
    last = (await partner.deliveries("J-0"))[-1]
    partner.publisher.answers = [lambda one: refusing(one) if one.delivery.number == last else None]
    await partner.send()
    report = await partner.report(number)
    assert report["deliveries"] == {"dead": 1, "delivered": 3}
    assert (report["items"], report["done"], report["failed"], report["waiting"]) == (4, 4, 1, 0)
    assert report["seconds"] > 0
    assert report["rate"] > 0
    assert (await partner.find(number)).made == 4
    assert EVERGREEN not in str(report)


# ------------------------------------------------------------------------------------------------------ many at once

MANY = 10_000
COPIES = (
    (
        "INSERT INTO job (number, version, source, account, brand, organization, external_id, customer, status,"
        " closure, state, updated_at) SELECT :base + i, version, source, account, brand, organization, external_id,"
        " customer, status, closure, state, updated_at FROM job, n WHERE number = :job"
    ),
    (
        "INSERT INTO event (number, type, job, source, position, jobversion, brand, profile_version, occurred_at,"
        " recorded_at, recipients, body) SELECT :base + i, type, :base + i, source, position, jobversion, brand,"
        " profile_version, occurred_at, recorded_at, 1, body FROM event, n WHERE number = :event"
    ),
    (
        "INSERT INTO delivery (number, event, destination, lane, position, state, claims, attempts, retries, part,"
        " created_at, settled_at) SELECT :base + i, :base + i, destination, :base + i, position, state, 1, 1, 0, 0,"
        " created_at, settled_at FROM delivery, n WHERE number = :delivery"
    ),
)


async def copied(partner, jobs):
    """The one job that there is, so many times over, with its one happening."""
    [job] = (await partner.road.jobs()).popitem()[1]
    [mine] = await partner.deliveries(job["external_id"])
    [happening] = [row["event"] for row in await partner.road.rows(tables.delivery) if row["number"] == mine]
    numbers = {"base": 10**7, "job": job["number"], "event": happening, "delivery": mine}
    for statement in COPIES:
        into, _, rows = statement.partition(" SELECT ")
        many = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {jobs}) SELECT {rows}"
        used = {name: value for name, value in numbers.items() if f":{name}" in statement}
        await partner.road.execute(f"{into} {many}", **used)


@pytest.mark.parametrize("kind", ["redeliver", "backfill"])
async def test_ten_thousand_are_frozen_and_run(partner, kind):
    await delivered(partner, 1)
    await copied(partner, MANY)
    feed = await partner.destination()
    begun = time.monotonic()
    if kind == "redeliver":
        number = await partner.preview(kind, destination=FEED)
    else:
        items = [NewItem("snapshot", 10**7 + job, feed) for job in range(1, MANY + 2)]
        async with partner.database.transaction() as connection:
            moment = await partner.database.now(connection)
            number = await create_operation(connection, kind, items, Terms(), KIM, moment)
    frozen = time.monotonic()
    report = await partner.run(number)
    ended = time.monotonic()
    print(f"{kind}: {MANY} frozen in {frozen - begun:.1f} s, run in {ended - frozen:.1f} s")
    assert report["done"] == MANY + (kind == "redeliver")
    assert report["refused"] == ({} if kind == "redeliver" else {"unknown_job": 1})
    assert await partner.road.is_balanced()
