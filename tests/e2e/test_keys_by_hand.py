"""`gateway keys` as its user meets it: shapes that scripts rely on, exit codes, and secrets told once."""

import asyncio
import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from gateway.sealing import Sealer, new_sealing_key
from gateway.store.database import Database
from gateway.store.keys import find_by_public_key
from gateway.store.refused_calls import RefusedCalls, add_refused_calls
from gateway.store.tables_control import operator_action
from tests.e2e.test_cli import NOT_SO, USAGE, Terminal
from tests.inbound import EVERGREEN, LAKESIDE, now

OLD, NEW = new_sealing_key(), new_sealing_key()


@pytest.fixture
def terminal(tmp_path, staffed_url):
    return Terminal(tmp_path, DATABASE_URL=staffed_url, SECRET_KEYS=OLD)


def read(url, query):
    async def reading():
        database = Database(url)
        try:
            async with database.transaction() as connection:
                return await query(connection)
        finally:
            await database.close()

    return asyncio.run(reading())


def test_a_key_is_told_once_and_listed_without_its_secrets(terminal, staffed_url):
    told = terminal.ask("keys", "create", "--account", "42", "--name", "acme", "--scope", "feed", "--sandbox")
    assert list(told) == ["key", "secret", "token"]
    assert told["key"] == "account|42|noop"
    assert len(bytes.fromhex(told["secret"])) == 32
    assert told["token"].startswith("gwt_")
    said = terminal.run("keys", "list", "--json")
    (listed,) = json.loads(said)
    wanted = {"key": "account|42|noop", "owner": "acme", "state": "active", "scopes": ["feed"], "last_used_at": None}
    assert listed | wanted == listed
    assert listed["sandbox"]
    said += terminal.run("keys", "list")
    assert "account|42|noop" in said
    assert told["secret"] not in said
    assert told["token"] not in said
    (sealed,) = read(staffed_url, lambda connection: find_by_public_key(connection, told["key"]))
    assert Sealer([OLD]).open(sealed.secret).hex() == told["secret"]


def test_keys_are_made_for_brands_organizations_and_operators(terminal):
    assert terminal.ask("keys", "create", "--account", EVERGREEN, "--brand", "harborline")["key"].endswith("|noop")
    made = terminal.ask("keys", "create", "--organization", "org-42", "--transformation", "ax")
    assert made["key"] == "organization|42|ax"
    assert terminal.ask("keys", "create", "--operator", "Ann Lee")["key"] == "operator|1|noop"
    said = terminal.run("keys", "create", "--operator", "Bo")
    assert "operator|2|noop" in said
    assert "not told again" in said


def test_a_key_is_rotated_and_revoked(terminal, staffed_url):
    first = terminal.ask("keys", "create", "--account", "42", "--author", "ann", "--reason", "ticket 7")
    second = terminal.ask("keys", "rotate", first["key"], "--author", "ann")
    assert second["key"] == first["key"]
    refused = terminal.run("keys", "rotate", first["key"], "--json", code=NOT_SO)
    assert "gateway keys revoke" in refused
    assert "say which" in terminal.run("keys", "revoke", first["key"], code=NOT_SO)
    one, _ = terminal.ask("keys", "list")
    assert terminal.ask("keys", "revoke", one["id"])[0]["verdict"] == "done"
    assert "already" in terminal.run("keys", "revoke", one["id"], code=NOT_SO)
    assert "no key" in terminal.run("keys", "revoke", "key-999", code=NOT_SO)
    assert [row["state"] for row in terminal.ask("keys", "list")] == ["revoked", "active"]

    async def actions(connection):
        return [dict(row) for row in (await connection.execute(select(operator_action))).mappings()]

    rows = [row for row in read(staffed_url, actions) if row["subject"] == "key"]
    assert [row["verb"] for row in rows] == ["create", "rotate", "revoke"]
    assert (rows[0]["author"], rows[0]["reason"]) == ("ann", "account|42|noop: ticket 7")
    assert not any(made[name] in repr(rows) for made in (first, second) for name in ("secret", "token"))


def test_sealing_keys_are_rotated_by_hand(terminal, staffed_url):
    told = terminal.ask("keys", "create", "--account", "42")
    terminal.variables["GATEWAY_SECRET_KEYS"] = NEW
    assert "GATEWAY_SECRET_KEYS" in terminal.run("keys", "reseal", code=NOT_SO)
    terminal.variables["GATEWAY_SECRET_KEYS"] = f"{NEW},{OLD}"
    assert terminal.ask("keys", "reseal") == {"resealed": 1}
    (sealed,) = read(staffed_url, lambda connection: find_by_public_key(connection, told["key"]))
    assert Sealer([NEW]).open(sealed.secret).hex() == told["secret"]


def test_a_user_of_an_organization_has_a_token_and_no_secret(terminal):
    told = terminal.ask("keys", "create", "--organization", LAKESIDE, "--user", "tom", "--scope", "actions")
    assert told["key"].startswith("user|")
    assert told["secret"] is None
    said = terminal.run("keys", "create", "--organization", LAKESIDE, "--user", "tia")
    assert "secret  " not in said
    row, _ = terminal.ask("keys", "list")
    assert (row["owner"], row["user"]) == (LAKESIDE, f"usr-{told['key'].split('|')[1]}")
    assert terminal.ask("keys", "reseal") == {"resealed": 0}
    assert "no user" in terminal.run("keys", "create", "--organization", LAKESIDE, "--user", "nobody", code=NOT_SO)


def test_a_test_key_stands_beside_the_other_and_is_named_by_its_number(terminal):
    live, test = (terminal.ask("keys", "create", "--organization", "42", *more) for more in ((), ("--sandbox",)))
    assert live["key"] == test["key"]
    assert [row["sandbox"] for row in terminal.ask("keys", "list")] == [False, True]
    assert "say which" in terminal.run("keys", "rotate", live["key"], code=NOT_SO)
    one, other = terminal.ask("keys", "list")
    for row in (one, other):
        terminal.ask("keys", "rotate", row["id"])
    assert [row["sandbox"] for row in terminal.ask("keys", "list")] == [False, True, False, True]


def test_calls_that_proved_nothing_are_listed(terminal, staffed_url):
    assert terminal.ask("keys", "failures") == []
    at = now()
    hour = at.replace(minute=0, second=0, microsecond=0)
    counted = [
        RefusedCalls(hour, "10.0.0.1", "account|42|noop", "wrong_signature", 7, at),
        RefusedCalls(hour - timedelta(hours=30), "10.0.0.2", "", "unknown_token", 2, at),
    ]
    read(staffed_url, lambda connection: add_refused_calls(connection, counted))
    (row,) = terminal.ask("keys", "failures")
    assert (row["address"], row["key"], row["reason"], row["count"]) == (
        "10.0.0.1",
        "account|42|noop",
        "wrong_signature",
        7,
    )
    assert len(terminal.ask("keys", "failures", "--hours", "48")) == 2
    assert "wrong_signature" in terminal.run("keys", "failures")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--account", "42", "--organization", "42"),
        ("--organization", "42", "--brand", "harborline"),
        ("--account", ""),
        ("--operator", "x" * 201),
        ("--account", "42", "--name", "a\nb"),
        ("--account", "42", "--transformation", "no|op"),
        ("--account", "42", "--scope", "everything"),
        ("--account", "42", "--user", "tom"),
        ("--organization", "42", "--user", "tom", "--name", "Tom"),
        ("--account", "42", "--unknown"),
    ],
)
def test_wrong_usage_is_told_and_makes_nothing(terminal, words):
    terminal.run("keys", "create", *words, "--json", code=USAGE)
    assert terminal.ask("keys", "list") == []


@pytest.mark.parametrize(
    "words",
    [("--account", "no spaces"), ("--account", "42", "--brand", "harborline"), ("--organization", str(2**62))],
)
def test_what_cannot_be_is_told_and_makes_nothing(terminal, words):
    assert terminal.run("keys", "create", *words, code=NOT_SO).strip()
    assert terminal.ask("keys", "list") == []


def test_without_sealing_keys_no_secret_can_be_kept(terminal):
    del terminal.variables["GATEWAY_SECRET_KEYS"]
    for words in (("create", "--account", "42"), ("rotate", "account|42|noop"), ("reseal",)):
        assert "GATEWAY_SECRET_KEYS is not set" in terminal.run("keys", *words, code=USAGE)
    assert terminal.ask("keys", "list") == []
    terminal.variables["GATEWAY_SECRET_KEYS"] = "hush"
    said = terminal.run("keys", "create", "--account", "42", code=USAGE)
    assert "GATEWAY_SECRET_KEYS: " in said
    assert "hush" not in said


def test_the_command_works_as_a_program(terminal):
    told = json.loads(terminal.run_alone("keys", "create", "--account", "42", "--json"))
    assert told["key"] == "account|42|noop"
