"""`gateway brands held` as its user meets it: what waits, since when, who waits, and what it may have meant."""

import asyncio

import pytest

from tests.e2e.test_cli import Terminal
from tests.inbound import START, offer, opened, provider


@pytest.fixture
def terminal(tmp_path, staffed_url):
    return Terminal(tmp_path, DATABASE_URL=staffed_url)


async def _missed(url):
    async with opened(url) as road:
        await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
        await road.receive(provider("appointment.add", "A-1", id="V-1", start=START))
        await road.receive(provider("appointment.complete", appointment="V-1", reason="waiting for  part"))
        await road.receive(offer("A-2"), provider("offer.decline", "A-2", reason="Mercury is retrograde"))
        return [(await road.job(job))["number"] for job in ("A-1", "A-2")]


def test_what_is_held_is_listed_with_who_waits_and_what_it_resembles(terminal, staffed_url):
    first, second = asyncio.run(_missed(staffed_url))
    parts, mercury = terminal.ask("brands", "held")
    assert parts["suggestions"] == [{"code": "WFP", "label": "Waiting for parts", "why": "1 letter differs"}]
    assert {name: parts[name] for name in ("brand", "kind", "value", "deliveries", "records", "jobs")} == {
        "brand": "harborline",
        "kind": "complete",
        "value": "waiting for  part",
        "deliveries": 0,
        "records": 1,
        "jobs": 1,
    }
    assert (parts["senders"], parts["destinations"]) == (["lakeside-appliance"], [])
    assert (mercury["senders"], mercury["destinations"], mercury["suggestions"]) == ([], ["feed.harborline"], [])
    assert 0 <= parts["age_seconds"] < 3600
    assert parts["since"].endswith("Z")

    rows = terminal.ask("brands", "held", "harborline", "--jobs")
    assert [(row["job"], row["kind"]) for row in rows] == [(f"job-{first}", "complete"), (f"job-{second}", "decline")]
    assert terminal.ask("brands", "held", "maplegrove") == []


def test_the_table_says_the_same_in_words_and_nothing_of_customers(terminal, staffed_url):
    asyncio.run(_missed(staffed_url))
    told = terminal.run("brands", "held")
    assert "WFP 'Waiting for parts': 1 letter differs" in told
    assert "feed.harborline" in told
    assert "Berg" not in told
    assert terminal.run("brands", "held", "maplegrove").strip() == "nothing"
