"""Confirming, reconciling, backfilling and removing as operators meet them: their commands, words and exit codes."""

import asyncio
from datetime import UTC, datetime

import pytest

from tests.e2e.test_cli import NOT_SO, USAGE, Terminal
from tests.feeds import relay_feeds
from tests.inbound import offer, opened
from tests.mapping_versions import harborline
from tests.profiles import and_destination, bring_in, with_destination

CURSOR = "feed.harborline.cursor"
PLAIN = with_destination(harborline(3))
BURNT = ("--author", "ops", "--reason", "their disk burnt")


@pytest.fixture
def terminal(tmp_path, staffed_url):
    return Terminal(tmp_path, DATABASE_URL=staffed_url)


async def _sent(url):
    """Two jobs that a brand which confirms was sent long ago, and has confirmed nothing of."""
    async with opened(url) as road:
        await bring_in(
            road,
            and_destination(
                with_destination(harborline(2)), "confirms: {by: feed, within: 1}", name="feed.harborline.cursor"
            ),
        )
        await road.receive(offer("A-1"), offer("A-2"))
        await relay_feeds(road)
        await road.execute("UPDATE delivery SET settled_at = :then", then=_long_ago(road))


async def _drop(url):
    async with opened(url) as road:
        await road.receive(offer("A-3"))
        await bring_in(road, PLAIN)
        await road.execute("UPDATE activation SET effective_at = :then", then=_long_ago(road))


async def _drain(url):
    async with opened(url) as road:
        await relay_feeds(road)


def _long_ago(road):
    return 0 if road.database.is_sqlite else datetime(2020, 1, 1, tzinfo=UTC)


def test_what_is_not_confirmed_is_listed_and_frozen_to_be_told_again(terminal, staffed_url):
    asyncio.run(_sent(staffed_url))
    rows = terminal.ask("deliveries", "unconfirmed")
    assert [(row["destination"], row["state"], row["jobversion"], row["applied"]) for row in rows] == [
        (CURSOR, "delivered, not confirmed", 1, None)
    ] * 2
    assert [row["id"] for row in terminal.ask("deliveries", "unconfirmed", "--after", rows[0]["id"])] == [rows[1]["id"]]
    assert terminal.ask("deliveries", "unconfirmed", "--brand", "maplegrove") == []

    told = terminal.ask("brands", "reconcile", "harborline", *BURNT)
    assert (told["kind"], told["jobs"], told["on_their_way"], told["destinations"]) == ("reconcile", 2, 0, [CURSOR])
    assert {one["job"] for one in told["examples"]} == {row["job"] for row in rows}
    said = terminal.run("brands", "reconcile", "harborline", *BURNT)
    assert f"`gateway operations start op-{told['operation'] + 1} --reason …`" in said
    assert rows[0]["job"] in said
    assert terminal.ask("destinations", "backfill", CURSOR, *BURNT)["operation"] is None


def test_what_cannot_be_reconciled_backfilled_or_removed_is_said(terminal):
    for words, told, code in (
        (("brands", "reconcile", "harborline"), "--reason", USAGE),
        (("brands", "reconcile", "harborline", *BURNT), "nobody says there what was applied", NOT_SO),
        (("destinations", "backfill", "nowhere", *BURNT), "there is no destination", NOT_SO),
        (("destinations", "backfill", "nowhere", "--since", "monday", *BURNT), "2026-03-01T00:00:00Z", USAGE),
        (("destinations", "remove", "feed.harborline", *BURNT), "the profile in force names it", NOT_SO),
        (("destinations", "remove", "nowhere"), "--reason", USAGE),
    ):
        assert told in terminal.run(*words, code=code)


def test_a_destination_is_removed_once_it_is_drained(terminal, staffed_url, tmp_path):
    asyncio.run(_sent(staffed_url))
    asyncio.run(_drop(staffed_url))
    (tmp_path / "profile.v3.yaml").write_text(PLAIN, encoding="utf-8")
    said = terminal.run("brands", "import", "profile.v3.yaml", *BURNT)
    assert f"{CURSOR} is not named any more: it gets the 1 that are owed to it, and nothing new" in said
    assert "owed still: 1 pending" in terminal.run("destinations", "remove", CURSOR, *BURNT, code=NOT_SO)
    asyncio.run(_drain(staffed_url))
    assert terminal.ask("destinations", "remove", CURSOR, *BURNT) == {
        "destination": CURSOR,
        "verdict": "done",
        "owed": {},
    }
    assert {row["name"]: row["state"] for row in terminal.ask("destinations", "list")}[CURSOR] == "removed"
    assert terminal.ask("ledger")["difference"] == 0
