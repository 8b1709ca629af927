"""The HTTP edge for tests: a client of it over a road's receiver, and what Connect's clients send."""

import asyncio
import gzip
import hashlib
import hmac
from contextlib import asynccontextmanager

import httpx
import orjson

from gateway.edge import make_edge
from gateway.inbound.gathering import Gathering
from gateway.sealing import Sealer
from gateway.web.callers import Callers
from tests.keys import SEALING_KEY


@asynccontextmanager
async def serving(road, receive=None):
    """A client of the edge over the road's receiver."""
    gathering = Gathering(receive or road.receiver.receive)
    callers = Callers(road.database, Sealer([SEALING_KEY]))

    gateway = road.gateway
    running = asyncio.create_task(gathering.run())
    queue, directory = gateway.make_poll_queue(), lambda: gateway.keeper.directory
    transport = httpx.ASGITransport(make_edge(road.database, callers, gathering, queue, gateway.polled_by, directory))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client
    running.cancel()
    await asyncio.wait([running])


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
