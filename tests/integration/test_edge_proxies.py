"""For whom a proxy asks is believed of trusted proxies alone."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI, Request

from gateway.children import free_port
from gateway.edge import serve
from tests.eventually import eventually


@pytest.mark.parametrize(
    ("trusted", "seen"),
    [("127.0.0.1,::1", "203.0.113.9"), ("10.0.0.0/8", "127.0.0.1"), ("", "127.0.0.1"), ("*", "203.0.113.9")],
)
async def test_an_address_that_a_proxy_names_counts_where_the_proxy_is_trusted(trusted, seen):
    edge, port, stop = FastAPI(), free_port(), asyncio.Event()

    @edge.get("/")
    async def whoever(request: Request) -> str:
        return request.client.host

    serving = asyncio.create_task(serve(edge, "127.0.0.1", port, stop, trusted_proxies=trusted))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

        async def ask():
            try:
                return (await client.get("/", headers={"X-Forwarded-For": "203.0.113.9"})).json()
            except httpx.TransportError:
                return None

        assert await eventually(ask) == seen
    stop.set()
    await serving
