"""Posts signed webhooks (Standard Webhooks): one call for each document, to an address that its brand's profile names.

Whatever the partner or the way to it does ends as an outcome, in time. How many calls run at once is the relay's.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import quote

import aiohttp
from yarl import URL

from gateway.core.commands import ConfirmedBy
from gateway.core.ids import Kind, canonical_id
from gateway.core.signing import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, signatures
from gateway.core.values import dataclass
from gateway.mapping.profile_parts import MEDIA_TYPE
from gateway.mapping.webhook_url import find_url_fault
from gateway.outbound.answers import Answer, outcome_of
from gateway.outbound.dialler import AddressRefused
from gateway.outbound.outcome import Fault, Rejected, failed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gateway.mapping.render import Document
    from gateway.outbound.dialler import Dialler
    from gateway.outbound.outcome import Outcome
    from gateway.outbound.publisher import Outgoing
    from gateway.store.destinations import Destination

USER_AGENT = "enterprise-integration-gateway"
# What is read of an answer; a partner that has more to say is not listened to.
LARGEST_ANSWER = 64 * 1024
LARGEST_BODY = 256 * 1024
_WRITTEN_AT_ONCE = 256 * 1024

# Signs that stand for themselves in attributes of an event; all others are percent-encoded, as UTF-8.
_AS_THEY_ARE = "".join(sign for sign in map(chr, range(0x21, 0x7F)) if sign not in '"%')
# Time-outs are not rounded up to whole seconds: a send ends within its relay's lease.
_EXACT = 1e9


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a destination's settings say, read once."""

    url: URL
    timeout: aiohttp.ClientTimeout
    largest_body: int
    answers: Mapping[str, str]
    confirms: bool


class WebhookPublisher:
    """Serves destinations of kind `webhook`. Everything it begins ends within `timeout` seconds.

    `secrets` gives the live signing secrets of a destination by its number, whenever it is asked. `plain` allows
    addresses that begin with http://.
    """

    kind = "webhook"

    def __init__(
        self,
        dialler: Dialler,
        secrets: Callable[[int], Sequence[str]],
        *,
        timeout: float = 10.0,
        plain: bool = False,
    ) -> None:
        self.timeout = timeout
        self._dialler = dialler
        self._secrets = secrets
        self._plain = plain
        self._session: aiohttp.ClientSession | None = None
        self._endpoints: dict[int, tuple[Mapping[str, object], Endpoint | Rejected]] = {}

    async def publish(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        """As the protocol says: all calls at once."""
        async with asyncio.TaskGroup() as group:
            sending = [group.create_task(self.send(one)) for one in batch]
        return [task.result() for task in sending]

    async def send(self, one: Outgoing) -> Outcome:
        """Posts one document and returns what the partner's answer means."""
        endpoint = self._endpoint(one.destination)
        if isinstance(endpoint, Rejected):
            return endpoint
        document = one.document
        if len(document.body) > endpoint.largest_body:
            return Rejected(Fault.TOO_LARGE, f"{len(document.body)} bytes, and it takes {endpoint.largest_body}")
        if not MEDIA_TYPE.fullmatch(document.content_type):
            return Rejected(Fault.MISCONFIGURED, "the profile's content type is none")
        secrets = self._secrets(one.destination.number)
        if not secrets:
            return failed(Fault.NO_SECRET, f"`gateway destinations secret {one.destination.name}` makes one")
        message, now = canonical_id(Kind.EVENT, one.delivery.event.number), datetime.now(UTC)
        headers = {
            "content-type": document.content_type,
            "user-agent": USER_AGENT,
            "accept": "*/*",
            # As it is: an answer that unpacks into more than was read is none of ours.
            "accept-encoding": "identity",
            ID_HEADER: message,
            TIMESTAMP_HEADER: str(int(now.timestamp())),
            SIGNATURE_HEADER: signatures(secrets, message, now, document.body),
            **attributes_of(document),
        }
        try:
            async with self._opened().post(
                endpoint.url,
                data=_payload(document.body),
                headers=headers,
                timeout=endpoint.timeout,
                allow_redirects=False,
            ) as response:
                told = response.headers
                answer = Answer(response.status, await _read(response), told.get("retry-after"), told.get("date"))
        except (aiohttp.ClientError, OSError) as error:
            return _outcome_of_failure(error)
        return outcome_of(answer, endpoint.answers, confirms=endpoint.confirms, secrets=secrets, now=now)

    async def close(self) -> None:
        """Closes all connections; nobody is asked whether that suits them."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        self._dialler.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._dialler.make_connector(),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    def _endpoint(self, destination: Destination) -> Endpoint | Rejected:
        known = self._endpoints.get(destination.number)
        if known is None or known[0] != destination.settings:
            known = (destination.settings, self._read_settings(destination.settings))
            self._endpoints[destination.number] = known
        return known[1]

    def _read_settings(self, said: Mapping[str, object]) -> Endpoint | Rejected:
        url = str(said.get("url", ""))
        if fault := find_url_fault(url, plain=self._plain):
            return Rejected(Fault.MISCONFIGURED, f"the webhook's url {fault}")
        # A little less than what was promised: recording takes time too.
        total = min(_number(said, "timeout", 10.0), self.timeout * 0.95)
        connect = min(_number(said, "connect_timeout", 3.0), total)
        confirms, answers = said.get("confirms"), said.get("answers")
        return Endpoint(
            URL(url, encoded=True),
            aiohttp.ClientTimeout(total=total, connect=connect, ceil_threshold=_EXACT),
            int(_number(said, "largest_body", LARGEST_BODY)),
            answers if isinstance(answers, dict) else {},
            isinstance(confirms, dict) and confirms.get("by") == ConfirmedBy.ANSWER,
        )


def _number(said: Mapping[str, object], name: str, usual: float) -> float:
    value = said.get(name)
    return float(value) if isinstance(value, int | float) else usual


def attributes_of(document: Document) -> dict[str, str]:
    """What a body of a brand's own does not say of its event: CloudEvents' binary mode, as HTTP has it."""
    told = ((name, value) for name, value in document.headers if name.startswith("ce_"))
    return {f"ce-{name.removeprefix('ce_')}": quote(value, safe=_AS_THEY_ARE) for name, value in told}


def _payload(body: bytes) -> bytes | BytesIO:
    # Large ones are written piece by piece: the loop has others to serve.
    return body if len(body) <= _WRITTEN_AT_ONCE else BytesIO(body)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The first part of the body, as far as it came: the status alone has said what became of the document."""
    parts: list[bytes] = []
    left = LARGEST_ANSWER
    try:
        while left and (part := await response.content.read(left)):
            parts.append(part)
            left -= len(part)
    except (aiohttp.ClientError, OSError):
        response.close()
    if not left:
        # What is left of it would have to be read before the connection could be used again.
        response.close()
    return b"".join(parts)


def _outcome_of_failure(error: Exception) -> Outcome:
    """The outcome of a call without an answer."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    match error:
        case _ if isinstance(cause, AddressRefused):
            return failed(Fault.ADDRESS_REFUSED, str(AddressRefused().strerror))
        case aiohttp.ConnectionTimeoutError():
            return failed(Fault.CONNECT_TIMEOUT)
        case TimeoutError():
            return failed(Fault.ANSWER_TIMEOUT)
        case aiohttp.ClientConnectorDNSError():
            return failed(Fault.NAME_UNKNOWN)
        case aiohttp.ClientConnectorCertificateError():
            return failed(Fault.TLS_FAILED, _certificate_fault(error.certificate_error))
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return failed(Fault.TLS_FAILED, type(cause).__name__)
        case aiohttp.ClientConnectorError() if _says(cause, errno.ECONNREFUSED):
            return failed(Fault.CONNECTION_REFUSED)
        case aiohttp.ClientConnectorError() if not _says(cause, errno.ECONNRESET):
            return failed(Fault.UNREACHABLE)
        case aiohttp.InvalidURL():
            return Rejected(Fault.MISCONFIGURED, "the webhook's url is refused by the client")
        case aiohttp.ClientResponseError():
            return failed(Fault.ANSWER_UNREADABLE)
        case _:
            return failed(Fault.CONNECTION_LOST, type(error).__name__)


def _says(cause: Exception, number: int) -> bool:
    """Whether every address was refused with this error: where there are several, their common one is told."""
    return isinstance(cause, OSError) and cause.errno == number


def _certificate_fault(error: Exception) -> str:
    return error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else type(error).__name__
