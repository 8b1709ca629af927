"""What the benchmarks say of deliveries: lost, duplicates, inversions, over a real partner's process too."""

import asyncio
import itertools
import sys

import orjson
import pytest

from bench.delivery_ground import PartnerSeen
from bench.judging import Arrival, Posted, judge
from bench.posting import CONNECTIONS, JOBS, plan
from gateway.children import Child, free_port, port_answers

MILLISECOND = 1_000_000


def arrived(at, version, *, mark=None, job="job-1", path="/ok", number=None):
    told = f"evt-{job}-{version}" if number is None else f"evt-{number}"
    return Arrival(path, at * MILLISECOND, told, job, version, version if mark is None else mark)


def posted(*marks, lost=()):
    moments = dict.fromkeys((*marks, *lost), 0)
    return Posted(since=moments, acknowledged=dict(moments))


def counts(arrivals, of):
    verdict = judge(arrivals, of)
    return verdict.lost, verdict.duplicates, verdict.inversions


def test_what_arrives_once_and_in_order_is_clean():
    verdict = judge([arrived(5, 1), arrived(7, 2), arrived(9, 1, mark=3, job="job-2")], posted(1, 2, 3))
    assert verdict.is_clean
    assert (verdict.took, verdict.last_at) == ({"/ok": [5.0, 7.0, 9.0]}, 9 * MILLISECOND)


def test_what_was_acknowledged_and_never_arrived_is_lost():
    assert counts([arrived(1, 1)], posted(1, lost=[2, 3])) == (2, 0, 0)


def test_what_was_not_acknowledged_is_not_lost():
    assert counts([arrived(1, 1)], Posted(since={1: 0, 2: 0}, acknowledged={1: 0})) == (0, 0, 0)


def test_a_second_arrival_of_an_id_is_a_duplicate_and_no_inversion():
    assert counts([arrived(1, 1), arrived(2, 2), arrived(3, 1)], posted(1, 2)) == (0, 1, 0)


def test_one_id_at_two_destinations_is_no_duplicate():
    assert counts([arrived(1, 1), arrived(2, 1, path="/ok/other")], posted(1)) == (0, 0, 0)


@pytest.mark.parametrize(
    "order",
    [[arrived(1, 2), arrived(2, 1)], [arrived(1, 1, mark=2), arrived(2, 2, mark=1)]],
    ids=["versions", "marks"],
)
def test_a_first_arrival_after_a_later_one_is_an_inversion(order):
    assert counts(order, posted(1, 2)) == (0, 0, 1)


def test_jobs_do_not_wait_for_each_other():
    assert counts([arrived(1, 2, job="job-1"), arrived(2, 1, job="job-2")], posted(1, 2)) == (0, 0, 0)


def test_a_version_said_twice_under_two_ids_is_an_inversion():
    assert counts([arrived(1, 1), arrived(2, 1, mark=2, number=9)], posted(1, 2)) == (0, 0, 1)


def test_a_plan_keeps_each_job_on_one_connection_in_the_order_of_its_revisions():
    lines = plan(range(3 * JOBS), ["one", "two"], "token", name="plan", per_second=200)
    assert len(lines) == CONNECTIONS
    told = {}
    for nth, line in enumerate(lines):
        for one in line:
            body = orjson.loads(one.request.partition(b"\r\n\r\n")[2])
            told.setdefault(body["job"], []).append((nth, body["revision"], body["brand"], one.due))
    assert len(told) == JOBS
    for said in told.values():
        assert len({(nth, brand) for nth, _, brand, _ in said}) == 1
        assert [revision for _, revision, _, _ in said] == [1, 2, 3]
        assert [later[3] - former[3] for former, later in itertools.pairwise(said)] == [10**9, 10**9]


@pytest.fixture
def partner(tmp_path):
    port = free_port()
    with Child("partner", [sys.executable, "-m", "bench.partner", str(port)], tmp_path / "log") as child:
        child.wait_until(lambda: port_answers(port), 30)
        yield PartnerSeen(port, child.pid)


async def post(partner, path, number, version, *, split=False):
    """The status that it answers."""
    event = {"subject": "job-1", "jobversion": version, "data": {"job": {"title": f"A title #{number}"}}}
    body = orjson.dumps(event)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nWebhook-Id: evt-{number}\r\nContent-Length: {len(body)}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", partner.port)
    try:
        writer.write(head.encode())
        if split:
            await writer.drain()
        writer.write(body)
        return int((await reader.readuntil(b"\r\n\r\n")).split()[1])
    finally:
        writer.close()


async def test_the_partner_tells_what_arrived_in_its_order(partner):
    waiting = asyncio.create_task(partner.until(2, 10))
    assert [await post(partner, "/ok", 1, 1), await post(partner, "/ok", 1, 1)] == [200, 200]
    assert not waiting.done()
    assert await post(partner, "/ok/b", 2, 2, split=True) == 200
    await waiting
    told = await partner.arrivals()
    assert [one[2:] for one in told] == [("evt-1", "job-1", 1, 1), ("evt-1", "job-1", 1, 1), ("evt-2", "job-1", 2, 2)]
    assert [one.path for one in told] == ["/ok", "/ok", "/ok/b"]
    assert [one.at for one in told] == sorted(one.at for one in told)
    await partner.forget()
    assert await partner.arrivals() == []


async def test_what_it_fails_or_leaves_hanging_has_not_arrived(partner):
    assert await post(partner, "/500", 1, 1) == 500
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(post(partner, "/hang", 2, 1), 0.2)
    assert await partner.arrivals() == []
