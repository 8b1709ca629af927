"""A thousand who listen to one process: what that costs while nothing happens, and how soon all have heard an event."""

import asyncio
import os
import resource
import signal
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from gateway.children import free_port
from gateway.store.database import Database
from tests.edge import bearer, is_ready
from tests.eventually import eventually
from tests.inbound import EVERGREEN, LAKESIDE
from tests.keys import SEALING_KEY, make_key
from tests.live import listens

LISTENERS = 1_000
KEYS = 20
FILES = LISTENERS + 1_000
IDLE_SECONDS = 5.0
# Several times what it takes on a machine of two cores that does other things besides.
MOST_OF_A_CORE = 0.2
MOST_MEGABYTES = 120
MOST_SECONDS = 10.0


@pytest.fixture
def _many_files():
    """This process has a socket for each of them."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < FILES:
        pytest.skip(f"needs {FILES} open files, and this machine allows a process {most}: ulimit -Hn {FILES}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(allowed, FILES), most))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))


@asynccontextmanager
async def gateway(database_url, *roles):
    """A gateway process as the machine sees it, and where it listens. It may open 1,024 files, unless it asks for more."""
    port = free_port()
    environment = {
        **os.environ,
        "GATEWAY_DATABASE_URL": database_url,
        "GATEWAY_KAFKA_SERVERS": "127.0.0.1:9",
        "GATEWAY_HTTP_PORT": str(port),
        "GATEWAY_SECRET_KEYS": SEALING_KEY,
    }
    words = [word for role in roles for word in ("--role", role)]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "gateway", "run", *words, env=environment)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (1_024, most))
    place = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(base_url=place) as client:
            await eventually(lambda: is_ready(client), within=60)
        yield Watched(process.pid), place
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert await asyncio.wait_for(process.wait(), 30) == 0
    print(f"ended after {time.monotonic() - began:.2f} s")


class Watched:
    """What a process uses."""

    def __init__(self, number):
        self.number = number
        self.place = Path(f"/proc/{number}")

    def megabytes(self):
        lines = (self.place / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    def core_seconds(self):
        user, system = (self.place / "stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def files(self):
        return len(list((self.place / "fd").iterdir()))


async def passed(seconds):
    end = time.monotonic() + seconds
    await eventually(lambda: time.monotonic() > end, within=seconds + 5, every=0.5)


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("_many_files")
async def test_a_thousand_listen_at_next_to_no_cost_and_all_hear_an_event(staffed_url):
    database = Database(staffed_url)
    keys = [await make_key(database, organization=LAKESIDE, transformation=f"t{number}") for number in range(KEYS)]
    evergreen = await make_key(database, account=EVERGREEN)
    await database.close()
    async with gateway(staffed_url, "edge", "relay") as (process, place), AsyncExitStack() as opened:
        memory = process.megabytes()
        began = time.monotonic()
        listeners = [
            await opened.enter_async_context(listens(place, keys[number % KEYS])) for number in range(LISTENERS)
        ]
        joining = time.monotonic() - began
        assert {one.status for one in listeners} == {200}
        # What else it had open before, such as connections to the database, may have been closed meanwhile.
        assert process.files() >= LISTENERS
        used = process.core_seconds()
        await passed(IDLE_SECONDS)
        idle = (process.core_seconds() - used) / IDLE_SECONDS
        memory = process.megabytes() - memory
        async with httpx.AsyncClient(base_url=place, headers=bearer(evergreen)) as client:
            offer = {"job": "A-1", "brand": "harborline", "title": "No heat", "organization": {"handle": LAKESIDE}}
            answer = await client.post("/v1/offers", json={**offer, "customer": {"name": "Bo Berg"}})
            began = time.monotonic()
            assert answer.status_code == 200
            told = await asyncio.gather(*(one.event() for one in listeners))
            heard = time.monotonic() - began
        assert {(one.id, one.type) for one in told} == {(told[0].id, "job.offered.v1")}
        print(f"{LISTENERS} joined in {joining:.2f} s, +{memory:.1f} MB, {idle:.3f} of a core, heard in {heard:.3f} s")
        assert (idle < MOST_OF_A_CORE, memory < MOST_MEGABYTES, heard < MOST_SECONDS) == (True, True, True)
        # With all of them still there it ends as soon as it is told to, and each stream ends whole.
        os.kill(process.number, signal.SIGTERM)
        assert await asyncio.gather(*(one.rest() for one in listeners)) == [[]] * LISTENERS
