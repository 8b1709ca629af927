"""The poll queue: a poller's call claims, an answer settles, and what nobody answers for comes again."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest

from gateway.outbound.poll_queue import Acknowledged
from gateway.store import tables
from gateway.store.claims import claim
from gateway.store.database import Database
from gateway.store.destinations import find_due_destinations
from tests.eventually import eventually
from tests.outbound import LEASE, Outbox, opened, statements_of, waits_for_a_lock
from tests.polling import jobs_of, only_delivery, owe, plain, put_of, queue_of

SETTLED, FAILED, OLD = Acknowledged.SETTLED, Acknowledged.FAILED, Acknowledged.NOT_YOURS_OR_OLD


async def test_hands_out_what_is_due_and_an_acknowledgement_delivers_it(outbox, account, queue):
    await owe(outbox, 1, to=account)
    [one] = await queue.hand_out([account], 10)
    message = one.message["Message"]
    assert (message["Receipt"], message["Request"]["Type"]) == (one.receipt, "job")
    assert put_of(one)["job"]["id"] == 1
    assert put_of(one)["job"]["status"] == "complete"
    assert re.fullmatch(r"[A-Za-z0-9._~-]+", one.receipt)
    assert await queue.hand_out([account], 10) == []
    assert await queue.acknowledge([account], one.receipt, error=None) is SETTLED
    row = await only_delivery(outbox)
    assert (row["state"], row["attempts"], row["claims"], row["part"]) == ("delivered", 1, 1, 0)
    assert await outbox.lanes() == {}
    assert await outbox.rows(tables.attempt) == []


async def test_a_receipt_counts_once(outbox, account, queue):
    await owe(outbox, 1, to=account)
    [one] = await queue.hand_out([account], 10)
    assert await queue.acknowledge([account], one.receipt, error=None) is SETTLED
    assert await queue.acknowledge([account], one.receipt, error=None) is OLD
    assert await queue.acknowledge([account], one.receipt, error="too late") is OLD


async def test_never_hands_out_more_than_asked_for_and_less_only_when_drained(outbox, account, queue):
    other = await outbox.add_destination("feed.acme.board", kind="poll")
    await owe(outbox, *range(1, 13), to=account)
    await owe(outbox, *range(21, 24), to=other)
    mine = [account, other]
    assert await queue.hand_out(mine, 0) == []
    assert [len(await queue.hand_out(mine, 10)), len(await queue.hand_out(mine, 10))] == [10, 5]


async def test_one_busy_destination_of_several_fills_the_batch(outbox, account, queue):
    others = [await outbox.add_destination(f"feed.acme.{number}", kind="poll") for number in range(5)]
    await owe(outbox, *range(1, 13), to=account)
    assert len(await queue.hand_out([*others, account], 10)) == 10


async def test_urgent_jobs_come_first(outbox, account, queue):
    await owe(outbox, 1, to=account, rank=2)
    await owe(outbox, 2, to=account, rank=0)
    assert [jobs_of(await queue.hand_out([account], 1)) for _ in range(2)] == [[2], [1]]


async def test_only_the_head_of_a_job_is_out_and_the_next_one_follows_its_acknowledgement(outbox, account, queue):
    await owe(outbox, 1, 1, 2, to=account)
    handed = await queue.hand_out([account], 10)
    assert sorted((one.event.job, one.event.jobversion) for one in handed) == [(1, 1), (2, 1)]
    await owe(outbox, 1, to=account)
    assert await queue.hand_out([account], 10) == []
    seen = []
    while handed:
        for one in handed:
            seen.append((one.event.job, one.event.jobversion))
            assert await queue.acknowledge([account], one.receipt, error=None) is SETTLED
        handed = await queue.hand_out([account], 10)
    assert [version for job, version in seen if job == 1] == [1, 2, 3]
    assert await outbox.lanes() == {}


async def test_nothing_of_others_and_nothing_that_is_not_polled_is_handed_out_or_settled(outbox, account, queue):
    other = await outbox.add_destination("feed.other", kind="poll")
    topic = await outbox.add_destination("feed.topic", kind="kafka")
    await owe(outbox, 1, to=account)
    await owe(outbox, 2, to=topic)
    assert await queue.hand_out([other, topic], 10) == []
    [one] = await queue.hand_out([account], 10)
    before = await outbox.deliveries(), await outbox.lanes()
    for foreign in ([other], [topic], []):
        assert await queue.acknowledge(foreign, one.receipt, error=None) is OLD
    token, number, part = one.receipt.split("-")
    forged = (
        *("", "nonsense", "-", one.receipt + "\n", one.receipt + "0", one.receipt.upper() + "A", '"'),
        f"{'0' * 32}-{number}-{part}",
        f"{token}-{int(number) + 1}-{part}",
        f"{token}-{number}-{int(part) + 1}",
        f"{token}-{10**19 - 1}-0",
    )
    for receipt in forged:
        assert await queue.acknowledge([account], receipt, error=None) is OLD
    assert (await outbox.deliveries(), await outbox.lanes()) == before
    assert await queue.acknowledge([account, other], one.receipt, error=None) is SETTLED


async def test_a_neighbour_in_the_same_job_is_not_settled_before_its_turn(outbox, account, queue):
    await owe(outbox, 1, 1, to=account)
    [one] = await queue.hand_out([account], 10)
    token, number, _ = one.receipt.split("-")
    [later] = [row["number"] for row in (await outbox.deliveries()).values() if row["number"] != int(number)]
    assert await queue.acknowledge([account], f"{token}-{later}-0", error=None) is OLD


async def test_what_nobody_acknowledged_comes_again_with_a_new_receipt(outbox, account, queue):
    await owe(outbox, 1, to=account)
    [first] = await queue.hand_out([account], 10)
    [row] = (await outbox.lanes()).values()
    assert timedelta(seconds=110) < row["due_at"] - datetime.now(UTC) <= timedelta(seconds=120)
    await outbox.end_leases()
    [second] = await queue.hand_out([account], 10)
    assert first.receipt != second.receipt
    assert first.message["Message"]["ID"] == second.message["Message"]["ID"]
    assert await queue.acknowledge([account], first.receipt, error=None) is OLD
    assert (await only_delivery(outbox))["state"] == "pending"
    assert await queue.acknowledge([account], second.receipt, error=None) is SETTLED


async def test_an_old_receipt_counts_until_somebody_is_handed_the_message_again(outbox, account, queue):
    await owe(outbox, 1, to=account)
    [one] = await queue.hand_out([account], 10)
    await outbox.end_leases()
    assert await queue.acknowledge([account], one.receipt, error=None) is SETTLED
    assert await queue.hand_out([account], 10) == []


async def test_a_message_refused_with_an_error_comes_again_as_scheduled_with_the_partners_words_kept(
    outbox, account, queue
):
    await owe(outbox, 1, 1, to=account)
    [one] = await queue.hand_out([account], 10)
    assert await queue.acknowledge([account], one.receipt, error='no "such"\x00job \ud800') is FAILED
    assert await queue.acknowledge([account], one.receipt, error=None) is OLD
    row = (await outbox.deliveries())[one.delivery]
    assert (row["state"], row["retries"], row["attempts"]) == ("pending", 1, 1)
    assert timedelta(seconds=1) < row["due_at"] - datetime.now(UTC) <= timedelta(seconds=2)
    [attempt] = await outbox.rows(tables.attempt)
    assert (attempt["reason"], attempt["fault_domain"], attempt["detail"]) == ("refused", "partner", 'no "such" job  ')
    assert await queue.hand_out([account], 10) == [], "what is behind it waits too"
    await outbox.end_leases()
    [again] = await queue.hand_out([account], 10)
    assert (again.delivery, again.event.jobversion) == (one.delivery, 1)
    assert await queue.acknowledge([account], again.receipt, error=None) is SETTLED
    assert [row["outcome"] for row in await outbox.rows(tables.attempt, tables.attempt.c.ordinal)] == [
        "retryable",
        "delivered",
    ]


async def test_when_the_schedule_has_ended_an_error_ends_the_delivery(outbox, account, queue):
    await owe(outbox, 1, to=account)
    async with outbox.database.transaction() as connection:
        await connection.execute(tables.delivery.update().values(retries=1000))
    [one] = await queue.hand_out([account], 10)
    assert await queue.acknowledge([account], one.receipt, error="") is FAILED
    row = await only_delivery(outbox)
    assert (row["state"], row["reason"]) == ("dead", "schedule_exhausted")
    assert await queue.hand_out([account], 10) == []


async def test_where_an_error_is_final_the_delivery_is_dead_with_the_partners_words(outbox, queue):
    strict = await outbox.add_destination("feed.acme", kind="poll", on_error="dead")
    await owe(outbox, 1, 1, to=strict)
    [one] = await queue.hand_out([strict], 10)
    assert await queue.acknowledge([strict], one.receipt, error="we know no such job" + "!" * 1000) is FAILED
    row = (await outbox.deliveries())[one.delivery]
    assert (row["state"], row["reason"], row["attempts"], row["retries"]) == ("dead", "refused", 1, 0)
    [attempt] = await outbox.rows(tables.attempt)
    assert (attempt["outcome"], attempt["reason"], attempt["fault_domain"]) == ("rejected", "refused", "partner")
    assert attempt["detail"].startswith("we know no such job!")
    assert len(attempt["detail"]) == 500
    assert await queue.acknowledge([strict], one.receipt, error=None) is OLD
    await outbox.end_leases()
    assert await queue.hand_out([strict], 10) == [], "what is behind it waits for an operator"


async def test_what_cannot_be_rendered_is_dead_and_makes_room_for_the_next(outbox, account):
    told = []
    await owe(outbox, 1, 2, to=account)

    def find_profile(event, _destination):
        if event.job == 1:
            raise LookupError("acme v1")

    queue = queue_of(outbox.database, find_profile=find_profile, attempted=lambda one, tried: told.append(tried.state))
    assert jobs_of(await queue.hand_out([account], 1)) == [2]
    rows = {row["lane"]: row for row in (await outbox.deliveries()).values()}
    assert (rows[1]["state"], rows[1]["reason"], rows[1]["attempts"]) == ("dead", "renderer_bug", 0)
    assert told == ["dead"]


async def test_what_cannot_be_made_ready_is_given_back(outbox, account, queue):
    await owe(outbox, 1, to=account)

    async def fail(_claim):
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await queue_of(outbox.database, ready=fail).hand_out([account], 10)
    assert jobs_of(await queue.hand_out([account], 10)) == [1]


async def test_no_transaction_is_open_while_it_renders(outbox, account):
    await owe(outbox, 1, to=account)
    open_connections = []

    def look(_event, _destination):
        open_connections.append(outbox.database.engine.pool.checkedout())

    await queue_of(outbox.database, find_profile=look).hand_out([account], 10)
    assert open_connections == [0]


async def test_a_held_head_is_not_handed_out(outbox, account, queue):
    await owe(outbox, 1, to=account, state="held", waits_text="No show")
    await owe(outbox, 2, to=account)
    assert jobs_of(await queue.hand_out([account], 10)) == [2]


async def test_a_paused_destination_is_handed_nothing(outbox, account, queue):
    await owe(outbox, 1, to=account)
    async with outbox.database.transaction() as connection:
        await connection.execute(tables.destination.update().values(state="paused"))
    paused = await outbox.add_destination("feed.acme", kind="poll")
    assert await queue.hand_out([paused], 10) == []


async def test_no_relay_of_another_kind_sees_what_is_polled(outbox, account):
    await owe(outbox, 1, to=account)
    async with outbox.database.transaction() as connection:
        assert await find_due_destinations(connection, "kafka", datetime.now(UTC)) == []


async def test_the_number_of_statements_depends_on_neither_batch_nor_backlog(outbox, account, queue):
    async def measured(most):
        counts, handed = {}, []

        async def hand_out():
            handed.extend(await queue.hand_out([account], most))

        counts["out"] = await statements_of(outbox, hand_out)
        assert len(handed) == most
        counts["ack"] = await statements_of(outbox, lambda: queue.acknowledge([account], handed[0].receipt, error=None))
        return counts

    await owe(outbox, *range(1, 11), to=account)
    await queue.hand_out([account], 1)
    few = await measured(9)
    jobs = range(1001, 2001)
    # All in one transaction: it is the number waiting that counts here.
    async with outbox.database.transaction() as connection:
        await outbox.append(*jobs, to=account, kind="job.completed", body=plain(1), connection=connection)
    assert few == await measured(9) == await measured(50)
    assert few == {"out": 3, "ack": 6 if outbox.database.is_sqlite else 5}


async def test_two_pollers_at_once_never_see_the_same_message(postgres_url):
    async with opened(postgres_url) as database:
        outbox = Outbox(database)
        account = await outbox.add_destination("feed.acme", kind="poll")
        await owe(outbox, *range(1, 31), *range(1, 31), to=account)
        others = [Database(postgres_url) for _ in range(3)]
        queues = [queue_of(one) for one in others]
        seen, out_now = [], set()

        async def poll(queue):
            while handed := await queue.hand_out([account], 4):
                for one in handed:
                    assert one.event.job not in out_now
                    out_now.add(one.event.job)
                for one in handed:
                    seen.append((one.event.job, one.event.jobversion))
                    out_now.discard(one.event.job)
                    assert await queue.acknowledge([account], one.receipt, error=None) is SETTLED

        await asyncio.gather(*map(poll, queues))
        # A poller that found all jobs out has stopped; the last one to answer may have left what followed.
        await poll(queues[0])
        for one in others:
            await one.close()
        assert len(seen) == len(set(seen)) == 60
        assert all([version for job, version in seen if job == number] == [1, 2] for number in range(1, 31))
        assert await outbox.lanes() == {}


async def test_of_two_answers_at_once_one_counts(postgres_url):
    async with opened(postgres_url) as database:
        outbox = Outbox(database)
        account = await outbox.add_destination("feed.acme", kind="poll")
        await owe(outbox, 1, to=account)
        queue = queue_of(database)
        [one] = await queue.hand_out([account], 10)
        answers = await asyncio.gather(
            *(queue.acknowledge([account], one.receipt, error=error) for error in (None, "failed", None))
        )
        assert answers.count(OLD) == 2


async def test_an_old_receipt_that_meets_a_new_claim_changes_nothing(postgres_url):
    """It waits for the lane's lock, and finds another token there."""
    async with opened(postgres_url) as database:
        outbox = Outbox(database)
        account = await outbox.add_destination("feed.acme", kind="poll")
        await owe(outbox, 1, to=account)
        queue = queue_of(database)
        [late] = await queue.hand_out([account], 10)
        await outbox.end_leases()
        async with database.transaction() as connection:
            now = datetime.now(UTC)
            assert (await claim(connection, [account], now=now, lease=LEASE, depth=1)).lanes
            answer = asyncio.create_task(queue.acknowledge([account], late.receipt, error=None))
            await eventually(lambda: waits_for_a_lock(database))
        assert await answer is OLD
        assert (await only_delivery(outbox))["state"] == "pending"
