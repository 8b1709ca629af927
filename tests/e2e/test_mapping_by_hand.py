"""`gateway brands map` as its user meets it: what is shown, asked and done, and what is refused."""

import asyncio

import pytest

from tests.e2e.test_cli import NOT_SO, USAGE, Terminal, read_json
from tests.inbound import START, offer, opened, provider

MEANT = ("brands", "map", "harborline", "--reason", "Ready 4 billing", "--as", "RFB")
WHY = ("--because", "their desk says so", "--author", "kim")


async def _waiting(url):
    async with opened(url) as road:
        await road.receive(
            offer("A-1"),
            provider("offer.accept", "A-1"),
            provider("appointment.add", "A-1", id="V-1", start=START),
            provider("appointment.complete", appointment="V-1", reason="Ready 4 billing"),
        )


async def _declined(url):
    async with opened(url) as road:
        await road.receive(offer("A-2"), provider("offer.decline", "A-2", reason="Ready 4 billing"))


@pytest.fixture
def terminal(tmp_path, staffed_url):
    asyncio.run(_waiting(staffed_url))
    return Terminal(tmp_path, DATABASE_URL=staffed_url)


def versions(terminal):
    return [(one["version"], one["state"]) for one in terminal.ask("brands", "show", "harborline")["versions"]]


def test_a_mapping_is_shown_asked_for_brought_into_force_and_releases(terminal):
    told = terminal.run(*MEANT, *WHY, typed="y\n")
    assert "+  - {code: RFB, label: Ready for billing, outcome: completes, also: [Ready 4 billing]}" in told
    assert "waits for it: complete 'Ready 4 billing': records 1, deliveries 0, jobs 1" in told
    assert "harborline v1 → v2: " in told
    assert "of which 0 would differ" in told
    assert "bring version 2 into force?" in told
    assert "released, job by job in order: complete 'Ready 4 billing': records 1" in told
    assert "waits still" not in told
    assert versions(terminal) == [(1, "retired"), (2, "active")]
    assert [row["state"] for row in terminal.ask("records", "list", "--state", "requeued")] == ["requeued"]
    assert "--document > contracts/brands/harborline/profile.v2.yaml" in told
    document = terminal.run("brands", "show", "harborline", "2", "--document")
    assert "also: [Ready 4 billing]" in document


def test_who_says_no_has_changed_nothing(terminal):
    assert "Aborted" in terminal.run(*MEANT, *WHY, typed="n\n", code=NOT_SO)
    assert versions(terminal) == [(1, "active")]


def test_a_script_says_yes_beforehand_and_gets_one_document(terminal):
    found = read_json(terminal.run(*MEANT, *WHY, "--yes", "--json"))
    assert (found["kind"], found["code"], found["from"], found["version"]) == ("complete", "RFB", 1, 2)
    assert [(one["records"], one["jobs"]) for one in found["waited"]] == [(1, 1)]
    assert found["waits_still"] == []
    assert found["differences"]["differing"] == 0
    assert found["changed"].startswith("--- version 1")


@pytest.mark.parametrize(
    ("words", "told", "code"),
    [
        (MEANT, "--because", USAGE),
        ((*MEANT, "--status", "paused", *WHY), "either --reason or --status", USAGE),
        (("brands", "map", "harborline", "--as", "RFB", *WHY), "either --reason or --status", USAGE),
        (("brands", "map", "harborline", "--status", "paused", "--as", "X", "--label", "Y", *WHY), "of reasons", USAGE),
        ((*MEANT, *WHY, "--json"), "--yes", USAGE),
        ((*MEANT, *WHY, "--since", "soon"), "--since soon", USAGE),
        ((*MEANT[:-1], "NEW", *WHY), "as a new one it needs --outcome", NOT_SO),
        (("brands", "map", "nobody", *MEANT[3:], *WHY), "no version in force", NOT_SO),
        ((*MEANT[:-1], " N", "--outcome", "pauses", *WHY), "begins or ends with a space", NOT_SO),
    ],
    ids=lambda value: value.strip("-") if isinstance(value, str) else "",
)
def test_what_cannot_be_mapped_is_said(terminal, words, told, code):
    assert told in terminal.run(*words, code=code)
    assert versions(terminal) == [(1, "active")]


def test_a_script_learns_by_a_word_why_nothing_was_mapped(terminal):
    found = read_json(terminal.run(*MEANT[:-1], "NEW", *WHY, "--yes", "--json", code=NOT_SO))
    assert (found["refused"], found["problems"]) == ("unclear", [])
    assert "as a new one it needs --outcome" in found["why"]


def test_what_waits_in_another_list_is_not_said_to_be_released(terminal, staffed_url):
    asyncio.run(_declined(staffed_url))
    told = terminal.run(*MEANT, "--list", "complete", *WHY, "--yes")
    assert "released, job by job in order: complete 'Ready 4 billing': records 1, deliveries 0, jobs 1\n" in told
    assert "waits still" not in told
    assert [one["kind"] for one in terminal.ask("brands", "held")] == ["decline"]


def test_words_that_are_no_text_are_refused_before_anything_is_done(terminal):
    words = ("brands", "map", "harborline", "--reason", "caf\udce9", "--as", "RFB", *WHY)
    assert "an argument is not UTF-8" in terminal.run_alone(*words, code=USAGE)
