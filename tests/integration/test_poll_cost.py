"""What a poll and its answer cost does not depend on how much waits, nor on how much is out, not due, or done."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from gateway.outbound.poll_queue import Acknowledged
from tests.outbound import Outbox, opened
from tests.polling import plain, queue_of

FEW, MANY = 100, 4_000
_FETCHED = "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"


async def rows_looked_at(url, work):
    """What `work(queue)` comes to, and how many rows its one transaction has looked at, by the server's own count.

    On a connection of its own: the count goes on from one transaction of a connection to the next.
    """
    counted = []
    async with opened(url) as database:
        begin = database.transaction

        @asynccontextmanager
        async def counting():
            async with begin() as connection:
                yield connection
                counted.append(int((await connection.exec_driver_sql(_FETCHED)).scalar_one() or 0))

        database.transaction = counting
        done = await work(queue_of(database))
    [rows] = counted
    return done, rows


async def owe(outbox, account, *jobs):
    async with outbox.database.transaction() as connection:
        await outbox.append(*jobs, to=account, kind="job.completed", body=plain(1), connection=connection)


async def change(outbox, statement, **values):
    async with outbox.database.transaction() as connection:
        await connection.execute(text(statement), values)


async def many_jobs(outbox, account, number):
    await owe(outbox, account, *range(1, number + 1))


async def one_job_with_many_events(outbox, account, number):
    await owe(outbox, account, *([1] * number))


async def many_that_are_not_due(outbox, account, number):
    await many_jobs(outbox, account, number)
    later = datetime.now(UTC) + timedelta(hours=1)
    await change(outbox, "UPDATE lane SET due_at = :later", later=later)


async def many_that_are_out(outbox, account, number):
    await many_that_are_not_due(outbox, account, number)
    await change(outbox, "UPDATE lane SET token = md5(key::text)")


async def many_that_are_done(outbox, account, number):
    await many_jobs(outbox, account, number)
    await change(outbox, "UPDATE delivery SET state = 'delivered', settled_at = created_at")
    await change(outbox, "DELETE FROM lane")


BACKLOGS = (many_jobs, one_job_with_many_events, many_that_are_not_due, many_that_are_out, many_that_are_done)


async def cost(url, make, number):
    """Rows looked at by a poll for ten, with twenty due now, and by the answer to one of them."""
    async with opened(url) as database:
        outbox = Outbox(database)
        account = await outbox.add_destination("feed.acme", kind="poll")
        await make(outbox, account, number)
        await owe(outbox, account, *range(100_001, 100_021))
    handed, polled = await rows_looked_at(url, lambda queue: queue.hand_out([account], 10))
    assert len(handed) == 10
    receipt = handed[0].receipt
    settled, answered = await rows_looked_at(url, lambda queue: queue.acknowledge([account], receipt, error=None))
    assert settled is Acknowledged.SETTLED
    return polled, answered


@pytest.mark.parametrize("make", BACKLOGS, ids=lambda make: make.__name__)
async def test_as_many_rows_are_looked_at_with_a_few_waiting_as_with_thousands(
    postgres_url, another_postgres_url, make
):
    few, many = await cost(postgres_url, make, FEW), await cost(another_postgres_url, make, MANY)
    assert many == few
    assert max(few) < FEW
