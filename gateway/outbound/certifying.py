"""Posts to a partner's webhook what `gateway certify` asks for, as it is, and tells what came back of it."""

from __future__ import annotations

import ssl
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import aiohttp
import orjson
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

# What dials; whoever puts the parts together makes it.
Connector: TypeAlias = aiohttp.TCPConnector

LARGEST_ANSWER = 64 * 1024
_EXACT = 1e9


class Reply(NamedTuple):
    """`applied` is the version that the answer confirms; `reused`: it came on a connection that was there already."""

    status: int
    seconds: float
    applied: int | None = None
    reused: bool = False


class NoReply(NamedTuple):
    """No answer; `why` is a word for people."""

    why: str
    seconds: float


def make_connector(ca_file: Path | None) -> Connector:
    """What dials: certificates are checked, those of `ca_file` are trusted besides the usual ones."""
    tls = ssl.create_default_context()
    if ca_file is not None:
        tls.load_verify_locations(ca_file)
    return aiohttp.TCPConnector(ssl=tls)


class Poster:
    """Posts over one session, kept open between calls; use it in an `async with` block. Redirects are not followed."""

    def __init__(self, connector: Connector, url: str, *, timeout: float, connect_timeout: float) -> None:
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        limits = aiohttp.ClientTimeout(total=timeout, connect=connect_timeout, ceil_threshold=_EXACT)
        self._url = URL(url, encoded=True)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=limits,
            trace_configs=[trace],
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def post(self, headers: Mapping[str, str], body: bytes) -> Reply | NoReply:
        """Whatever the partner does is an answer."""
        told, begun = SimpleNamespace(reused=False), time.perf_counter()
        try:
            async with self._session.post(
                self._url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=told
            ) as response:
                answer = await _read(response)
        except (aiohttp.ClientError, OSError) as error:
            return NoReply(_named(error), time.perf_counter() - begun)
        return Reply(response.status, time.perf_counter() - begun, _find_applied(answer), told.reused)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The beginning of an answer; one that is longer ends its connection."""
    parts, left = [], LARGEST_ANSWER
    while left and (part := await response.content.read(left)):
        parts.append(part)
        left -= len(part)
    if not left:
        response.close()
    return b"".join(parts)


async def _note_reuse(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _: aiohttp.TraceConnectionReuseconnParams
) -> None:
    context.trace_request_ctx.reused = True


def _named(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "no answer in time"
        case aiohttp.ClientSSLError() | aiohttp.ClientConnectorCertificateError():
            return "its certificate is not good"
        case aiohttp.ClientConnectorError():
            return "cannot be reached"
        case _:
            return "broke off"


def _find_applied(answer: bytes) -> int | None:
    try:
        told = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return None
    version = told.get("applied") if isinstance(told, dict) else None
    return version if isinstance(version, int) and not isinstance(version, bool) else None
