"""What a transaction leaves behind that ends in an unusual way: no lock, no open transaction, a pool that works."""

import asyncio
import time

import pytest
from asyncpg import ConnectionDoesNotExistError, InternalClientError
from sqlalchemy import make_url, text

from gateway.store.bulk import upsert
from gateway.store.failures import may_pass
from gateway.store.prepared import driver_of
from gateway.store.tables import account
from tests.eventually import eventually
from tests.outbound import opened

# A hundred of them are longer than the transaction.
STEP_SECONDS = 0.00005
OPEN = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'")


@pytest.fixture
async def database(postgres_url):
    async with opened(postgres_url) as database:
        yield database


async def write(database, name):
    async with database.transaction() as connection:
        await upsert(connection, account, [{"number": 1, "name": name, "first_party": False, "receipts": "all"}])


async def test_cancelled_at_any_step_it_leaves_no_transaction_open(database):
    await write(database, "first")
    for step in range(150):
        writing = asyncio.create_task(write(database, f"step-{step}"))
        until = time.perf_counter() + step * STEP_SECONDS
        while time.perf_counter() < until:  # noqa: ASYNC110 - it is a moment that is waited for
            # The loop's own timers are too coarse to meet every step.
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait([writing])
        async with asyncio.timeout(5):
            await write(database, "next")
    # Another sees only what was committed.
    async with opened(database.url) as other:

        async def none_is_open():
            async with other.transaction() as connection:
                return (await connection.execute(OPEN)).scalar_one() == 0

        await eventually(none_is_open)
        async with other.transaction() as connection:
            assert (await connection.execute(text("SELECT name FROM account"))).scalar_one() == "next"


async def test_one_that_fails_is_rolled_back_whichever_way_its_statements_went(database):
    async def fail():
        async with database.transaction() as connection:
            await upsert(connection, account, [{"number": 1, "name": "a", "first_party": False, "receipts": "all"}])
            await connection.execute(text("INSERT INTO account VALUES (2, 'b', false, 'all')"))
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with database.transaction() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM account"))).scalar_one() == 0


async def test_connections_that_died_while_nobody_used_them_are_passed_over(database):
    async with opened(database.url) as other:
        async with database.transaction(), database.transaction(), database.transaction():
            pass
        ended = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()")
        async with other.transaction() as connection:
            await connection.execute(text(f"{ended} AND pid <> pg_backend_pid()"))
    # Its end reaches the driver in the loop's next turns.
    await eventually(lambda: _are_closed(database))
    await write(database, "after")


async def _are_closed(database):
    """All three: whichever the pool gives next."""
    connect = database.engine.connect
    async with connect() as one, connect() as another, connect() as third:
        return all(driver_of(each).is_closed() for each in (one, another, third))


class Line:
    """A way to a server on which its last words arrive, and its end does not until the line is cut."""

    def __init__(self, url):
        self._url = make_url(url)
        self.is_ended = asyncio.Event()
        self._writers = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = self._url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for writer in self._writers:
            writer.close()

    async def _connect(self, reader, writer):
        from_server, to_server = await asyncio.open_connection(self._url.host, self._url.port)
        self._writers += [writer, to_server]
        back = asyncio.create_task(_copy(reader, to_server))
        await _copy(from_server, writer)
        self.is_ended.set()
        await back


async def _copy(reader, writer):
    while words := await reader.read(65536):
        writer.write(words)


async def ask_one_that_was_ended(line, client, database):
    async with client.transaction() as connection:
        pid = await driver_of(connection).fetchval("SELECT pg_backend_pid()")
        async with database.transaction() as other:
            await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        await line.is_ended.wait()
        # What arrived is read in the loop's next turns.
        for _ in range(10):
            await asyncio.sleep(0)
        await driver_of(connection).fetch("SELECT 1")


async def test_a_server_that_ended_the_connection_an_instant_ago_passes(database):
    async with Line(database.url) as line, opened(line.url) as client:
        with pytest.raises(ConnectionDoesNotExistError) as raised:
            await ask_one_that_was_ended(line, client, database)
    assert isinstance(raised.value.__cause__, InternalClientError), "the driver takes it for its own fault"
    assert may_pass(raised.value)


async def test_a_fault_of_the_drivers_own_does_not_pass(database):
    with pytest.raises(InternalClientError) as raised:
        async with database.transaction():
            raise InternalClientError("no binary format encoder")
    assert not may_pass(raised.value)
