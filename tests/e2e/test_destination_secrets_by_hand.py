"""`gateway destinations secret` and `rotate` as their user meets them."""

import asyncio
import json

import pytest

from gateway.core.signing import read_secret
from gateway.sealing import new_sealing_key
from tests.e2e.test_cli import NOT_SO, USAGE, Terminal
from tests.outbound import Outbox, opened
from tests.unit.mapping.texts import PLAIN, with_lines


@pytest.fixture
def terminal(tmp_path, database_url):
    async def make():
        async with opened(database_url) as database:
            await Outbox(database).add_destination("feed.acme", kind="webhook", url="https://partner.example/")

    asyncio.run(make())
    return Terminal(tmp_path, DATABASE_URL=database_url, SECRET_KEYS=new_sealing_key())


def test_a_secret_is_made_shown_and_rotated(terminal):
    said = terminal.run("destinations", "secret", "feed.acme", "--author", "ann")
    secret = said.splitlines()[0]
    assert len(read_secret(secret)) == 32
    assert terminal.ask("destinations", "secret", "feed.acme") == {
        "destination": "feed.acme",
        "secret": secret,
        "new": False,
        "others_until": None,
    }
    told = json.loads(terminal.run("destinations", "rotate", "feed.acme", "--overlap", "1", "--json"))
    assert told["new"]
    assert told["secret"] != secret
    assert told["others_until"].endswith("Z")
    assert terminal.ask("destinations", "secret", "feed.acme")["secret"] == told["secret"]


def test_what_cannot_be_is_said_in_a_sentence(terminal):
    assert "no destination" in terminal.run("destinations", "secret", "feed.nobody", code=NOT_SO)
    assert "only webhooks" in terminal.run("destinations", "rotate", "notifications", code=NOT_SO)
    terminal.run("destinations", "secret", "feed.acme")
    terminal.variables["GATEWAY_SECRET_KEYS"] = new_sealing_key()
    assert "GATEWAY_SECRET_KEYS" in terminal.run("destinations", "secret", "feed.acme", code=NOT_SO)
    del terminal.variables["GATEWAY_SECRET_KEYS"]
    assert "GATEWAY_SECRET_KEYS" in terminal.run("destinations", "secret", "feed.acme", code=USAGE)


def test_an_imported_webhook_is_signed_from_the_beginning(terminal, tmp_path):
    profile = tmp_path / "profile.v1.yaml"
    row = "  - {name: feed.acme.hooks, kind: webhook, webhook: {url: 'https://partner.example/'}}"
    profile.write_text(PLAIN + with_lines("destinations:", row), encoding="utf-8")
    # The other webhook that has no secret gets one, too.
    assert terminal.ask("brands", "import", str(profile))["secrets"] == ["feed.acme", "feed.acme.hooks"]
    assert terminal.ask("brands", "import", str(profile))["secrets"] == []
    assert not terminal.ask("destinations", "secret", "feed.acme.hooks")["new"]
    del terminal.variables["GATEWAY_SECRET_KEYS"]
    assert terminal.ask("brands", "import", str(profile))["secrets"] == []


def test_a_webhook_that_nothing_can_sign_is_told_when_it_is_imported(terminal, tmp_path):
    profile = tmp_path / "profile.v1.yaml"
    row = "  - {name: feed.acme.hooks, kind: webhook, webhook: {url: 'https://partner.example/'}}"
    profile.write_text(PLAIN + with_lines("destinations:", row), encoding="utf-8")
    kept = terminal.variables.pop("GATEWAY_SECRET_KEYS")
    told = terminal.run("brands", "import", str(profile))
    assert "nothing signs the webhooks of feed.acme.hooks" in told
    terminal.variables["GATEWAY_SECRET_KEYS"] = kept
    assert "nothing signs" not in terminal.run("brands", "import", str(profile))


def test_a_webhook_without_tls_is_imported_where_that_is_allowed(terminal, tmp_path):
    profile = tmp_path / "profile.v1.yaml"
    row = "  - {name: feed.acme.hooks, kind: webhook, webhook: {url: 'http://partner.example/'}}"
    profile.write_text(PLAIN + with_lines("destinations:", row), encoding="utf-8")
    told = json.loads(terminal.run("brands", "import", str(profile), "--json", code=NOT_SO))
    (problem,) = told["problems"]
    assert (problem["member"], problem["line"]) == ("destinations.0.webhook.url", len(PLAIN.splitlines()) + 2)
    assert "GATEWAY_WEBHOOK_PLAIN" in problem["problem"]
    assert told["imported"] == []
    terminal.variables["GATEWAY_WEBHOOK_PLAIN"] = "true"
    assert terminal.ask("brands", "import", str(profile))["problems"] == []
