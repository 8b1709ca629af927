"""Reads of jobs by users' own keys and by test keys: each of its own world, and no more of it than is theirs."""

import pytest

from tests.edge import bearer
from tests.inbound import EVERGREEN, LAKESIDE, START, offer, provider
from tests.integration.test_job_reads import WITHIN_A_JOB, Reader
from tests.keys import make_key


async def test_a_technician_reads_only_what_is_assigned_to_them(road, client):
    await road.receive(offer("A-1"), offer("A-2"))
    await road.receive(*(provider("offer.accept", number) for number in ("A-1", "A-2")))
    await road.receive(
        provider("appointment.add", "A-1", id="V-tom", start=START, technician="tom"),
        provider("appointment.add", "A-1", id="V-nobody", start=START),
        provider("appointment.add", "A-2", id="V-other", start=START),
    )
    tom = Reader(client, await make_key(road.database, organization=LAKESIDE, user="tom"))
    mine, other = await road.job_id("A-1"), await road.job_id("A-2")
    assert [job["job"]["id"] for job in await tom.items("jobs")] == [mine]
    [visit] = await tom.items(f"jobs/{mine}/appointments")
    assert visit["technician"]["name"] == "Tom"
    happened = await tom.items(f"jobs/{mine}/activity")
    assert all(len(one["data"].get("appointments") or [visit]) == 1 for one in happened)
    assert sum(one["type"] == "appointment.scheduled.v1" for one in happened) == 1
    assert await tom.items(f"jobs/{mine}/records") == []
    for path in WITHIN_A_JOB:
        assert await tom.refusal(f"jobs/{other}{path}") == (404, "not_found")


@pytest.mark.parametrize("who", ["enterprise", "provider"])
async def test_test_keys_read_test_jobs_and_the_others_none_of_them(road, client, who):
    owner = {"account": EVERGREEN} if who == "enterprise" else {"organization": LAKESIDE}
    tests, real = [Reader(client, await make_key(road.database, **owner, sandbox=mark)) for mark in (True, False)]
    sender = await make_key(road.database, account=EVERGREEN, sandbox=True)
    body = {"job": "T-1", "brand": "harborline", "organization": {"handle": LAKESIDE}, "title": "A test"}
    answer = await client.post("/v1/offers", json={**body, "customer": {"name": "Bo"}}, headers=bearer(sender))
    assert answer.status_code == 200, answer.text
    await road.receive(offer("A-1"))
    [test], [job] = await tests.items("jobs"), await real.items("jobs")
    assert test["job"]["id"] == answer.json()["job"]
    assert job["job"]["id"] == await road.job_id("A-1")
    assert await real.refusal(f"jobs/{test['job']['id']}") == (404, "not_found")
    assert await tests.refusal(f"jobs/{job['job']['id']}") == (404, "not_found")
