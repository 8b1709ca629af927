"""The HTTP edge for tests: a client of it over a road's receiver, and what Connect's clients send."""

import asyncio
import gzip
import hashlib
import hmac
import time
from contextlib import asynccontextmanager

import httpx
import orjson

from gateway.children import free_port
from gateway.inbound.gathering import Gathering
from gateway.sealing import Sealer
from gateway.server import serve
from gateway.web.callers import Callers
from tests.eventually import eventually
from tests.keys import SEALING_KEY


@asynccontextmanager
async def serving(road, receive=None, *, booking=None, address="127.0.0.1", monotonic=time.monotonic):
    """A client of the edge over the road's receiver. `booking` makes the desk of the booking pages of a gathering."""
    gathering = Gathering(receive or road.receiver.receive)
    callers = Callers(road.database, Sealer([SEALING_KEY]), monotonic)

    running = asyncio.create_task(gathering.run())
    edge = road.gateway.make_edge(callers, gathering, (booking or road.gateway.make_booking)(gathering))
    transport = httpx.ASGITransport(edge, client=(address, 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client
    running.cancel()
    await asyncio.wait([running])


@asynccontextmanager
async def listening(road, callers=None, proxies=()):
    """The address of the edge as a server on this machine; what runs before it, if anything, calls from 127.0.0.1."""
    gathering = Gathering(road.receiver.receive)
    callers = callers or Callers(road.database, Sealer([SEALING_KEY]))
    edge = road.gateway.make_edge(callers, gathering, road.gateway.make_booking(gathering))
    port, stop = free_port(), asyncio.Event()
    settling = asyncio.create_task(gathering.run())
    following = asyncio.create_task(road.gateway.live.run(stop))
    serving = asyncio.create_task(serve(edge, "127.0.0.1", port, stop, proxies))
    place = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=place) as client:

        async def answers():
            try:
                return (await client.get("/healthz")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(answers)
    try:
        yield place
    finally:
        stop.set()
        await serving
        settling.cancel()
        following.cancel()
        await asyncio.wait([settling, following])


async def is_ready(client):
    """Whether a gateway, perhaps one that is just starting, is ready to take work."""
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False


def envelope(record_type, version="v3", message_id=None, **record):
    header = {"record_type": record_type, "version": version}
    return {"header": header | ({"messageID": message_id} if message_id else {}), "record": record}


def job_offer(number, **more):
    return envelope(
        "job",
        external_id=number,
        status="offered",
        title="No heat",
        organization={"name": "Lakeside"},
        customer={"first_name": "Bo", "phone_numbers": [{"number": "+15550100", "primary": 1}]},
        **more,
    )


async def post_signed(client, path, key, raw, *, signature=None, **headers):
    signed = signature or hmac.new(bytes.fromhex(key["secret"]), raw, hashlib.sha256).hexdigest()
    sent = {"X-Dispatch-Key": key["key"], "X-Dispatch-Signature": signed, "Content-Type": "application/json", **headers}
    return await client.post(path, content=raw, headers=sent)


async def post_in(client, key, body, *, compressed=True, signature=None, **headers):
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    raw = gzip.compress(raw) if compressed else raw
    return await post_signed(client, "/agent/in", key, raw, signature=signature, **headers)


def bearer(key):
    return {"Authorization": f"Bearer {key['token']}"}


async def poll(client, key, most=10):
    """Messages that `/agent/out` hands out."""
    answer = await post_signed(client, "/agent/out", key, orjson.dumps({"maxNumberOfMessages": most}))
    assert answer.status_code == 200, answer.text
    return [one["Message"] for one in answer.json()]


async def acknowledge(client, key, message, result="success", error=""):
    """What `/agent/ack` answers."""
    # As the samples of several languages write it: by hand, escaping nothing.
    receipt, procedure = message["Receipt"], message["Request"]["ProcedureID"]
    body = f'{{"Receipt":"{receipt}","ProcedureID":"{procedure}","Result":"{result}","Error":"{error}"}}'
    answer = await post_signed(client, "/agent/ack", key, body.encode())
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]


def put_in(message):
    return message["Request"]["Payload"]["Actions"][0]["Put"]
