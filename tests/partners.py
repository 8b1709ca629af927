"""Partners in tests: the program with its edge as a process, and clients of Dispatch Connect that are programs too.

They know the gateway by its address and their key, as a partner's client does.
"""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import orjson

from gateway.children import free_port, port_answers
from tests.eventually import eventually
from tests.keys import SEALING_KEY

CLIENTS = Path(__file__).parent / "clients"
BRANDS = CLIENTS / "brands"
READY_SECONDS = 60


class Program:
    """The gateway on a database of the test's own, without a broker; `url` is where its edge listens."""

    def __init__(self, database_url, **settings):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")},
            "GATEWAY_DATABASE_URL": database_url,
            "GATEWAY_KAFKA_SERVERS": "off",
            "GATEWAY_HTTP_PORT": str(port),
            "GATEWAY_SECRET_KEYS": SEALING_KEY,
            **settings,
        }

    async def run(self, *words):
        """What `gateway …` prints; it must end well."""
        argv = [sys.executable, "-m", "gateway", *words]
        return await spoken(argv, b"", env=self._environment)

    async def ask(self, *words):
        return orjson.loads(await self.run(*words, "--json"))

    @asynccontextmanager
    async def running(self, *roles):
        """The edge, and other `roles`, for the while of the block; SIGTERM ends them well."""
        argv = [sys.executable, "-m", "gateway", "run"]
        argv += [word for role in ("edge", *roles) for word in ("--role", role)]
        running = await asyncio.create_subprocess_exec(*argv, env=self._environment)
        try:
            await eventually(lambda: running.returncode is not None or port_answers(self._port), within=READY_SECONDS)
            yield
        finally:
            if running.returncode is None:
                running.send_signal(signal.SIGTERM)
            ended = await asyncio.wait_for(running.wait(), 30)
        assert ended == 0


class Partner:
    """Somebody with a client: `argv` is the program, `url` and `key` are all that it is told."""

    def __init__(self, argv, url, key):
        self._argv = argv
        self._told = {"url": url, "key": key["key"], "secret": key["secret"]}

    async def post(self, *records, **orders):
        """What became of each."""
        answer = await self._do("post", records=records, **orders)
        assert [one["index"] for one in answer["records"]] == list(range(len(records)))
        return [
            one["outcome"] if "reason" not in one else f"{one['outcome']} {one['reason']}" for one in answer["records"]
        ]

    async def poll(self, **orders):
        """What one run of the client takes, and what it is told of its acknowledgements."""
        answer = await self._do("poll", **orders)
        return answer["taken"], [one["result"] for one in answer["acknowledged"]]

    async def take_all(self, **orders):
        """What run after run takes until there is no more, each message acknowledged."""
        taken, settled = await self.poll(until_empty=True, **orders)
        assert set(settled) <= {"settled"}
        return taken

    async def _do(self, command, **orders):
        return orjson.loads(await spoken([*self._argv, command], orjson.dumps({**self._told, **orders})))


async def spoken(argv, told, env=None):
    """What a program says to what it is told; it must end well."""
    run = await asyncio.create_subprocess_exec(
        *argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    said, errors = await run.communicate(told)
    assert run.returncode == 0, said + errors
    return said
