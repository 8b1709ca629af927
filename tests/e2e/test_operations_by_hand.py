"""Recovery on the command line, and by a clock's process that is killed in the middle."""

import asyncio
import signal

import pytest

from gateway.store import tables
from tests.e2e.test_cli import NOT_SO, USAGE, Terminal
from tests.eventually import eventually
from tests.inbound import enterprise, offer, opened
from tests.integration.test_operations import copied, delivered, refusing
from tests.mapping_versions import harborline
from tests.operations import FEED, Partner
from tests.profiles import bring_in

WHY = ("--reason", "as agreed", "--author", "kim")


@pytest.fixture
def terminal(tmp_path, staffed_url):
    return Terminal(tmp_path, DATABASE_URL=staffed_url, KAFKA_SERVERS="127.0.0.1:9")


def on(url, work):
    """What `work` does with a partner on that database."""

    async def run():
        async with opened(url) as road:
            return await work(Partner(road))

    return asyncio.run(run())


async def ended(partner):
    async def is_done():
        return await partner.state(1) == "done"

    await eventually(is_done, within=60)


async def two_dead(partner):
    await partner.road.receive(offer("A-1"), offer("A-2"), enterprise("offer.submit", "A-9", title=5))
    partner.publisher.answers = [refusing]
    await partner.send()
    [dead] = await partner.deliveries("A-1")
    [quarantined] = await partner.road.records(tables.inbound_record.c.state == "quarantined")
    return dead, quarantined["number"]


def test_named_rows_are_small_operations_that_are_done_at_once(terminal, staffed_url):
    dead, record = on(staffed_url, two_dead)
    assert terminal.ask("deliveries", "reopen", f"dlv-{dead}", *WHY) == [{"id": f"dlv-{dead}", "verdict": "done"}]
    again = terminal.ask("deliveries", "reopen", str(dead), *WHY, code=NOT_SO)
    assert again == [{"id": f"dlv-{dead}", "verdict": "wrong_state"}]
    on(staffed_url, lambda partner: partner.send())
    assert terminal.ask("deliveries", "redeliver", str(dead), *WHY)[0]["verdict"] == "done"
    assert terminal.ask("records", "requeue", str(record), *WHY)[0]["verdict"] == "done"
    listed = terminal.ask("operations", "list")
    assert [(one["kind"], one["state"], one["author"], one["made"]) for one in listed] == [
        ("requeue", "done", "kim", 0),
        ("redeliver", "done", "kim", 1),
        ("reopen", "done", "kim", 0),
        ("reopen", "done", "kim", 0),
    ]
    assert terminal.ask("operations", "report", listed[-2]["id"])["refused"] == {"wrong_state": 1}
    assert terminal.ask("deliveries", "show", str(dead))["actions"][0]["verb"] == "reopen"
    assert terminal.ask("ledger")["difference"] == 0


def test_a_redelivery_by_the_active_version_is_asked_for_by_its_word(terminal, staffed_url):
    async def told(partner):
        await partner.road.receive(offer("A-1"))
        await partner.send()
        await bring_in(partner.road, harborline(2))
        return (await partner.deliveries())[-1]

    async def versions(partner):
        return [one["data"]["profile_version"] for one in await partner.send()]

    first = str(on(staffed_url, told))
    terminal.run("deliveries", "redeliver", first, "--version", "newest", *WHY, code=USAGE)
    assert terminal.ask("deliveries", "redeliver", first, *WHY)[0]["verdict"] == "done"
    assert terminal.ask("deliveries", "redeliver", first, "--version", "active", *WHY)[0]["verdict"] == "done"
    assert on(staffed_url, versions) == [1, 2]
    shown = terminal.ask("deliveries", "list", "--destination", FEED)
    assert [one["profile_version"] for one in shown] == [1, 1, 2]
    assert [one["kind"] for one in terminal.ask("operations", "list")] == ["redeliver_by_active", "redeliver"]
    about = ("--destination", FEED, "--version", "active", *WHY)
    assert "only_for_redeliveries" in terminal.run("operations", "preview", "skip", *about, code=NOT_SO)
    many = terminal.ask("operations", "preview", "redeliver", *about)
    assert (many["kind"], many["preview"]["verbs"]) == ("redeliver_by_active", {"redeliver_by_active": 3})
    assert terminal.ask("ledger")["difference"] == 0


def test_many_are_previewed_started_and_reported(terminal, staffed_url):
    on(staffed_url, two_dead)
    terminal.run("operations", "preview", "reopen", *WHY, code=NOT_SO)
    terminal.run("operations", "preview", "reopen", "--brand", "harborline", code=USAGE)
    told = terminal.ask("operations", "preview", "reopen", "--brand", "harborline", "--destination", FEED, *WHY)
    assert (told["id"], told["preview"]["items"], told["preview"]["brands"]) == ("op-1", 2, {"harborline": 2})
    assert "harborline 2" in terminal.run("operations", "show", "op-1")
    assert "wrong_state" in terminal.run("operations", "pause", "1", *WHY, code=NOT_SO)
    assert "unknown_operation" in terminal.run("operations", "pause", "op-9", *WHY, code=NOT_SO)
    terminal.run("operations", "start", "1", "--rate", "fast", *WHY, code=USAGE)
    started = terminal.ask("operations", "start", "1", "--rate", "100/s", "--canary", "0", *WHY)
    assert (started["state"], started["terms"]["rate"]) == ("running", 100.0)
    assert terminal.ask("operations", "pause", "1", *WHY)["state"] == "paused"
    assert terminal.ask("operations", "resume", "1", *WHY)["state"] == "running"

    clock = terminal.start("run", "--role", "clock")
    try:
        on(staffed_url, ended)
    finally:
        clock.send_signal(signal.SIGTERM)
        assert clock.wait(30) == 0
    report = terminal.ask("operations", "report", "1")
    assert (report["done"], report["deliveries"]) == (2, {"pending": 2})
    assert "pending 2" in terminal.run("operations", "report", "1")
    assert terminal.ask("ledger")["difference"] == 0


def test_a_clock_that_is_killed_goes_on_after_its_restart_and_does_nothing_twice(tmp_path, staffed_postgres_url):
    terminal = Terminal(tmp_path, DATABASE_URL=staffed_postgres_url, KAFKA_SERVERS="127.0.0.1:9")
    many = 4_000

    async def prepared(partner):
        await delivered(partner, 1)
        await copied(partner, many)
        number = await partner.preview("redeliver", destination=FEED)
        await partner.move(number, "start", rate=0.0)

    on(staffed_postgres_url, prepared)
    clock = terminal.start("run", "--role", "clock")

    async def under_way(partner):
        async def begun():
            return (await partner.report(1))["done"] > 0

        await eventually(begun, within=60)
        clock.kill()
        clock.wait(10)
        return (await partner.report(1))["done"]

    try:
        done = on(staffed_postgres_url, under_way)
    finally:
        clock.kill()
    assert 0 < done < many
    clock = terminal.start("run", "--role", "clock")

    async def done_once(partner):
        await ended(partner)
        made = await partner.road.rows(tables.delivery, tables.delivery.c.operation == 1)
        assert len({row["event"] for row in made}) == len(made) == (await partner.report(1))["done"] == many + 1
        assert await partner.road.is_balanced()

    try:
        on(staffed_postgres_url, done_once)
    finally:
        clock.kill()
        clock.wait(10)
