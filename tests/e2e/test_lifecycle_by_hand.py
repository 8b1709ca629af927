"""Versions of profiles as operators meet them: their commands, words and exit codes."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.sealing import new_sealing_key
from tests.e2e.test_cli import NOT_SO, USAGE, Terminal
from tests.inbound import stamp
from tests.mapping_versions import harborline

WEBHOOK = (
    '\ndestinations:\n  - {name: feed.harborline.web, kind: webhook, webhook: {url: "https://partner.example/x"}}\n'
)
AGREED = ("--author", "kim", "--reason", "as agreed")


@pytest.fixture
def terminal(tmp_path, staffed_url):
    return Terminal(tmp_path, DATABASE_URL=staffed_url)


@pytest.fixture
def bring(terminal):
    """Imports a version of harborline's profile."""

    def bring(version, *words):
        (terminal.folder / "profile.yaml").write_text(harborline(version), encoding="utf-8")
        [imported] = terminal.ask("brands", "import", "profile.yaml", *words, *AGREED)["imported"]
        return imported

    return bring


def listed(terminal):
    return {row["brand"]: row for row in terminal.ask("brands", "list")}["harborline"]


def test_a_draft_is_activated_for_a_moment_to_come_and_taken_back(terminal, bring):
    assert bring(2, "--draft")["state"] == "draft"
    before = listed(terminal)
    assert (before["in_force"], before["scheduled"], before["drafts"]) == (1, [], [2])
    later = stamp(datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1))
    told = terminal.run("brands", "activate", "harborline", "2", "--at", later, *AGREED)
    assert f"in force from {later}: harborline v2" in told
    assert listed(terminal)["scheduled"] == [{"version": 2, "effective_at": later}]
    assert f"v2 at {later}" in terminal.run("brands", "list")
    assert "taken back" in terminal.run("brands", "activate", "harborline", "2", "--take-back", *AGREED)
    assert listed(terminal) == before
    of_it = terminal.ask("brands", "show", "harborline", "2")["activations"]
    assert [(one["effective_at"], one["taken_back"]) for one in of_it] == [(later, False), (later, True)]
    shown = terminal.ask("brands", "show", "harborline")
    assert [(one["version"], one["state"]) for one in shown["versions"]] == [(1, "active"), (2, "draft")]
    assert [(one["version"], one["author"], one["reason"]) for one in shown["activations"]][1:] == [
        (2, "kim", "as agreed"),
        (None, "kim", "as agreed"),
    ]


def test_an_import_says_when_it_takes_force_and_can_be_gone_back_from(terminal, bring):
    imported = bring(2)
    assert imported["state"] == "scheduled"
    assert imported["released"] == {"records": 0, "deliveries": 0}
    gone_back = terminal.ask("brands", "rollback", "harborline", *AGREED)
    assert gone_back["version"] == 1
    made = terminal.ask("brands", "show", "harborline")["activations"]
    assert [(one["version"], one["effective_at"]) for one in made][1:] == [
        (2, imported["effective_at"]),
        (1, gone_back["effective_at"]),
    ]


def test_a_version_is_shown_with_its_document(terminal, bring):
    bring(2, "--draft")
    assert terminal.run("brands", "show", "harborline", "2", "--document") == harborline(2)
    [version] = terminal.ask("brands", "show", "harborline", "2")["versions"]
    assert (version["author"], version["reason"], len(version["digest"])) == ("kim", "as agreed", 64)


def test_what_cannot_be_done_is_said(terminal, bring):
    later = stamp(datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1))
    bring(2, "--draft")
    terminal.run("brands", "activate", "harborline", "2", "--at", later, *AGREED)
    for words, told, code in (
        (("activate", "harborline", "9", *AGREED), "there is no such version", NOT_SO),
        (("activate", "harborline", "99999999999", *AGREED), "999999", USAGE),
        (("activate", "harborline", "1", *AGREED), "version 1 is in force", NOT_SO),
        (("activate", "harborline", "2", "--at", "2020-01-01T00:00:00Z", *AGREED), "is past", NOT_SO),
        (("activate", "harborline", "1", "--at", later, *AGREED), "version 2 takes force at", NOT_SO),
        (("activate", "harborline", "2", "--at", "monday", *AGREED), "2026-03-01T00:00:00Z", USAGE),
        (("activate", "harborline", "2", "--at", later, "--take-back", *AGREED), "without --at", USAGE),
        (("activate", "harborline", "2"), "--reason", USAGE),
        (("activate", "harborline", "1", "--take-back", *AGREED), "not scheduled", NOT_SO),
        (("rollback", "harborline", *AGREED), "no other version", NOT_SO),
        (("rollback", "harborline"), "--reason", USAGE),
        (("show", "nobody"), "there is no nobody", NOT_SO),
        (("show", "harborline", "9"), "no version 9", NOT_SO),
        (("show", "harborline", "--document"), "say of which version", USAGE),
    ):
        assert told in terminal.run("brands", *words, code=code)
    refused = terminal.ask("brands", "activate", "harborline", "9", *AGREED, code=NOT_SO)
    assert refused["refused"] == "unknown_version"
    assert "there is no such version" in refused["why"]


def test_a_draft_that_is_activated_has_its_webhooks_signed_as_an_import_has(tmp_path, staffed_url):
    (tmp_path / "profile.yaml").write_text(harborline(2) + WEBHOOK, encoding="utf-8")
    signing = Terminal(tmp_path, DATABASE_URL=staffed_url, SECRET_KEYS=new_sealing_key())
    signing.run("brands", "import", "profile.yaml", "--draft", *AGREED)
    told = signing.run("brands", "activate", "harborline", "2", *AGREED)
    assert "its webhooks are signed now: feed.harborline.web" in told


def test_a_destination_that_becomes_a_webhook_has_its_secret_when_it_does(tmp_path, staffed_url):
    webhook = WEBHOOK.replace("feed.harborline.web", "feed.harborline")
    (tmp_path / "profile.yaml").write_text(harborline(2) + webhook, encoding="utf-8")
    signing = Terminal(tmp_path, DATABASE_URL=staffed_url, SECRET_KEYS=new_sealing_key())
    told = signing.run("brands", "import", "profile.yaml", *AGREED)
    assert "in force from" in told
    assert "its webhooks are signed now: feed.harborline;" in told


def test_who_has_no_key_to_sign_by_is_told_so_at_the_activation(terminal):
    (terminal.folder / "profile.yaml").write_text(harborline(2) + WEBHOOK, encoding="utf-8")
    terminal.run("brands", "import", "profile.yaml", "--draft", *AGREED)
    told = terminal.run("brands", "activate", "harborline", "2", *AGREED)
    assert "nothing signs the webhooks of feed.harborline.web" in told


def test_what_a_roll_back_brings_has_its_webhooks_signed(terminal, bring, tmp_path, staffed_url):
    (tmp_path / "profile.yaml").write_text(harborline(2) + WEBHOOK, encoding="utf-8")
    assert "nothing signs the webhooks" in terminal.run("brands", "import", "profile.yaml", *AGREED)
    bring(3)
    signing = Terminal(tmp_path, DATABASE_URL=staffed_url, SECRET_KEYS=new_sealing_key())
    told = signing.run("brands", "rollback", "harborline", *AGREED)
    assert "its webhooks are signed now: feed.harborline.web" in told


def test_a_first_version_has_nothing_to_be_compared_with(terminal):
    told = terminal.run("brands", "diff", "newcomer", code=NOT_SO)
    assert "nothing of newcomer is in force yet" in told
