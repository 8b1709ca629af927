"""The role `edge` as a process: a key is made, an offer posted, its outcome durable; SIGTERM ends it."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager

import httpx
import orjson
import pytest

from gateway.children import free_port
from tests.edge import is_ready
from tests.eventually import eventually
from tests.inbound import EVERGREEN, LAKESIDE
from tests.keys import SEALING_KEY


@pytest.fixture
def environment(staffed_url):
    return {
        **os.environ,
        "GATEWAY_DATABASE_URL": staffed_url,
        # Nobody is there: the edge needs no broker.
        "GATEWAY_KAFKA_SERVERS": "127.0.0.1:9",
        "GATEWAY_HTTP_PORT": str(free_port()),
        "GATEWAY_SECRET_KEYS": SEALING_KEY,
    }


async def gateway(environment, *words):
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *words, env=environment, stdout=subprocess.PIPE
    )
    said, _ = await run.communicate()
    assert run.returncode == 0, said
    return said


@asynccontextmanager
async def running(environment, *roles):
    """A client of a gateway process with these roles; SIGTERM ends it in the end."""
    words = [word for role in roles for word in ("--role", role)]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "gateway", "run", *words, env=environment)
    place = f"http://127.0.0.1:{environment['GATEWAY_HTTP_PORT']}"
    try:
        async with httpx.AsyncClient(base_url=place) as client:
            await eventually(lambda: is_ready(client), within=60)
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 30) == 0


async def token_of(environment, *owner):
    made = await gateway(environment, "keys", "create", *owner, "--json")
    return {"Authorization": f"Bearer {orjson.loads(made)['token']}"}


async def post_offer(client, token):
    offer = {"job": "A-1", "brand": "harborline", "title": "No heat", "organization": {"handle": LAKESIDE}}
    answer = await client.post("/v1/offers", json={**offer, "customer": {"name": "Bo Berg"}}, headers=token)
    assert (answer.status_code, answer.json()["outcome"]) == (200, "applied")


async def test_an_offer_posted_to_the_running_edge_is_in_the_ledger(environment):
    token = await token_of(environment, "--account", EVERGREEN)
    async with running(environment, "edge") as client:
        await post_offer(client, token)
    ledger = orjson.loads(await gateway(environment, "ledger", "--json"))
    assert ledger["difference"] == 0
    keys = orjson.loads(await gateway(environment, "keys", "list", "--json"))
    assert keys[0]["last_used_at"] is not None


async def test_without_a_broker_an_offer_reaches_the_providers_feed_and_its_receipt_the_sender(environment):
    evergreen = await token_of(environment, "--account", EVERGREEN)
    lakeside = await token_of(environment, "--organization", LAKESIDE)
    async with running(environment, "edge", "relay", "clock") as client:
        await post_offer(client, evergreen)

        async def items():
            return (await client.get("/v1/feed", headers=lakeside)).json()["items"]

        await eventually(items, within=30)
        assert [one["type"] for one in await items()] == ["job.offered.v1"]
        [receipt] = (await client.get("/v1/records", headers=evergreen)).json()["items"]
        assert (receipt["record"]["type"], receipt["outcome"]) == ("offer.submit", "applied")


async def test_without_kafka_a_profile_with_a_topic_is_an_error_at_start_in_words(environment):
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "run", "--role", "edge"),
        env=environment | {"GATEWAY_KAFKA_SERVERS": "off"},
        stderr=subprocess.PIPE,
    )
    _, said = await asyncio.wait_for(run.communicate(), 60)
    assert run.returncode == 1
    told = " ".join(said.decode().split())
    assert "GATEWAY_KAFKA_SERVERS is off, and the profile of harborline has destinations on Kafka" in told
