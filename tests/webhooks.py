"""Partners that webhooks are posted to, on this machine: one that answers as it is told, one that speaks no good HTTP."""

import asyncio
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from gateway.core.signing import write_secret
from gateway.core.visibility import Audience
from gateway.outbound.dialler import Dialler
from gateway.outbound.webhook import WebhookPublisher
from gateway.store.destinations import Destination
from tests.conversations import HERE, conversing

SECRET = write_secret(bytes(range(32)))
LARGEST = 8 * 1024 * 1024


class Hooks:
    """Keeps every request. `answers` are given in turn, the last one again and again; by default 204."""

    def __init__(self):
        self.requests = []
        self.answers = []

    @property
    def bodies(self):
        return [request.body for request in self.requests]

    def will_answer(self, *answers):
        """Each is a status, or (status, body), or (status, body, headers)."""
        self.answers = list(answers)

    async def take(self, request):
        self.requests.append(Taken(request.method, request.path_qs, request.headers, await request.read()))
        if not self.answers:
            return web.Response(status=204)
        told = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        status, body, headers = (*((told,) if isinstance(told, int) else told), b"", {})[:3]
        return web.Response(status=status, body=body, headers=headers)


class Taken:
    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body


@asynccontextmanager
async def hooks(tls=None):
    """A partner that takes webhooks; `url` is where."""
    taken = Hooks()
    app = web.Application(client_max_size=2 * LARGEST)
    app.router.add_route("*", "/{path:.*}", taken.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, HERE, 0, ssl_context=tls)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    taken.port = port
    taken.url = f"{'https' if tls else 'http'}://{HERE}:{port}"
    try:
        yield taken
    finally:
        await runner.cleanup()


@asynccontextmanager
async def speaking(talk):
    """A partner on a bare connection: `talk(reader, writer)` is all it says, once the request is in."""

    async def meet(reader, writer):
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            await talk(reader, writer)

    async with conversing(meet) as port:
        yield f"http://{HERE}:{port}"


@asynccontextmanager
async def posting(networks=(f"{HERE}/32",), *, secrets=(SECRET,), ca_file=None, look_up=None, **about):
    """A publisher that may go to this machine."""
    dialler = Dialler(networks, ca_file, look_up)
    publisher = WebhookPublisher(dialler, lambda _destination: secrets, **{"plain": True, **about})
    try:
        yield publisher
    finally:
        await publisher.close()


def webhook_to(url, number=1, **settings):
    return Destination(
        number=number,
        name="feed.acme",
        kind="webhook",
        audience=Audience.ENTERPRISE,
        settings={"url": url, "timeout": 5.0, "connect_timeout": 3.0, "largest_body": LARGEST, **settings},
    )
