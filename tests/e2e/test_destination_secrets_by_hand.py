"""`gateway destinations secret` and `rotate` as their user meets them."""

import asyncio
import json

import pytest

from gateway.core.signing import read_secret
from gateway.sealing import new_sealing_key
from tests.e2e.test_cli import NOT_SO, USAGE, Terminal
from tests.outbound import Outbox, opened


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
