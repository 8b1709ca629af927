"""`gateway destinations` as its user meets it: what is allowed, used and waiting, and how one is stopped and started."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gateway.outbound.lane_relay import LaneRelay
from gateway.outbound.outcome import Fault, Rejected
from gateway.store import codec
from gateway.store.tables import destination
from tests.e2e.test_cli import NOT_SO, USAGE, Terminal
from tests.outbound import Outbox, SendingPublisher, opened, render_plainly

HOOK = "hook.acme"


@pytest.fixture
def terminal(tmp_path, database_url):
    return Terminal(tmp_path, DATABASE_URL=database_url)


def given(url, work, *answers, **settings):
    """A webhook with seven deliveries for three jobs, which `answers`, and what `work` does with it."""

    async def doing():
        async with opened(url) as database:
            outbox = Outbox(database)
            hook = await outbox.add_destination(HOOK, kind="webhook", **settings)
            await outbox.append(1, 1, 1, 2, 2, 2, 3, to=hook)
            publisher = SendingPublisher(*answers)
            publisher.kind = "webhook"
            relay = LaneRelay(database, publisher, render_plainly)
            return await work(outbox, relay)

    return asyncio.run(doing())


async def nothing(_outbox, _relay):
    """Only what is given."""


def test_a_destination_is_explained_by_what_is_allowed_used_and_waiting(terminal, database_url):
    async def claim(_outbox, relay):
        return len((await relay.claim()).work.claim.lanes)

    assert given(database_url, claim, concurrency=2, rate=5) == 2
    shown = terminal.ask("destinations", "show", HOOK)
    expected = {"state": "active", "reason": None, "since": None, "allowed": 2, "concurrency": 2, "rate": 5}
    expected |= {"owed": 7, "lanes": 3, "claimed": 2, "drains_in": 1.4, "failures": 0, "probed_at": None}
    assert shown | expected == shown
    assert 1 <= shown["tokens"] <= 5, "four of five were spent, and come again"
    assert datetime.now(UTC) - datetime.fromisoformat(shown["oldest"]) < timedelta(minutes=1)
    assert shown["settings"] == {"concurrency": 2, "rate": 5}
    assert shown["actions"] == []
    [listed] = [one for one in terminal.ask("destinations", "list") if one["name"] == HOOK]
    assert listed | expected == listed
    assert HOOK in terminal.run("destinations", "list")
    assert '{"concurrency":2,"rate":5}' in terminal.run("destinations", "show", HOOK)
    assert "drains_in" in terminal.run("destinations", "show", HOOK)


def test_what_is_stuck_behind_a_dead_one_is_told_and_does_not_drain(terminal, database_url):
    async def relay_once(_outbox, relay):
        await relay.relay_once()

    given(database_url, relay_once, lambda _one: Rejected(Fault.REFUSED), rate=5)
    shown = terminal.ask("destinations", "show", HOOK)
    assert (shown["lanes"], shown["stuck"], shown["drains_in"]) == (3, 3, None)


def test_without_a_rate_what_was_delivered_lately_says_when_it_has_caught_up(terminal, database_url):
    async def deliver_some(_outbox, relay):
        relay.terms = relay.terms.__class__(lanes=1)
        await relay.relay_once()

    given(database_url, deliver_some)
    shown = terminal.ask("destinations", "show", HOOK)
    delivered = 7 - shown["owed"]
    assert delivered in {1, 3}
    assert shown["drains_in"] == pytest.approx(shown["owed"] / (delivered / 60), abs=0.1)
    assert (shown["rate"], shown["tokens"], shown["concurrency"]) == (None, None, 32)


def test_an_open_breaker_is_explained_by_its_failures_and_when_it_is_probed(terminal, database_url):
    until = datetime(2040, 1, 1, tzinfo=UTC)

    async def open_it(outbox, _relay):
        kept = {"failures": 10, "openings": 1, "until": until.timestamp()}
        stands = {"state": "open", "state_reason": "10 failures in a row", "breaker": codec.encode(kept)}
        async with outbox.database.transaction() as connection:
            await connection.execute(destination.update().where(destination.c.name == HOOK).values(**stands))

    given(database_url, open_it)
    shown = terminal.ask("destinations", "show", HOOK)
    expected = {"state": "open", "reason": "10 failures in a row", "allowed": 0, "owed": 7, "failures": 10}
    assert shown | expected == shown
    assert (shown["drains_in"], shown["probed_at"]) == (None, "2040-01-01T00:00:00Z")
    told = terminal.run("doctor", code=NOT_SO)
    assert f"{HOOK} open (10 failures in a row)" in told


def test_an_operator_pauses_and_resumes_with_a_reason_that_is_kept(terminal, database_url):
    given(database_url, nothing)
    who = ("--author", "ops", "--reason")
    assert "say why" in terminal.run("destinations", "pause", HOOK, code=USAGE)
    assert "paused" in terminal.run("destinations", "pause", HOOK, *who, "their move")
    assert "already" in terminal.run("destinations", "pause", HOOK, *who, "again", code=NOT_SO)
    shown = terminal.ask("destinations", "show", HOOK)
    assert (shown["state"], shown["reason"], shown["owed"]) == ("paused", "their move", 7)
    assert shown["drains_in"] is None
    assert shown["since"] is not None
    assert "active" in terminal.run("destinations", "resume", HOOK, *who, "they have moved")
    assert "already" in terminal.run("destinations", "resume", HOOK, *who, "again", code=NOT_SO)
    shown = terminal.ask("destinations", "show", HOOK)
    assert (shown["state"], shown["reason"]) == ("active", None)
    assert shown["allowed"] < shown["concurrency"], "what waited comes in a ramp"
    done = [(one["author"], one["verb"], one["reason"]) for one in shown["actions"]]
    assert done == [("ops", "pause", "their move"), ("ops", "resume", "they have moved")]


@pytest.mark.parametrize("words", [("show",), ("pause", "--reason", "x"), ("resume", "--reason", "x")])
def test_a_name_that_nobody_has_is_told(terminal, words):
    verb, *rest = words
    assert "there is no destination hook.nobody" in terminal.run(
        "destinations", verb, "hook.nobody", *rest, code=NOT_SO
    )
