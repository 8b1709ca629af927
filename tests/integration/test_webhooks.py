"""Webhooks on real connections: the conformance suite, what is sent, and what every kind of partner comes to."""

import asyncio
import gzip
import time
from datetime import UTC, datetime

import pytest

from gateway.children import free_port
from gateway.core.signing import Verified, sign, verify, write_secret
from gateway.outbound.outcome import Delivered, Fault, Rejected, Retryable
from gateway.store.destinations import Destination
from tests.integration.publisher_conformance import PublisherConformance, outgoing
from tests.webhooks import HERE, SECRET, hooks, posting, speaking, webhook_to

OTHER = write_secret(bytes(range(1, 33)))
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
async def partner():
    async with hooks() as partner:
        yield partner


@pytest.fixture
async def webhooks():
    async with posting() as webhooks:
        yield webhooks


class Arrived:
    """What arrived at each destination: its name is the path."""

    def __init__(self, partner):
        self.partner = partner

    async def of(self, destination, _count):
        return [one.body for one in self.partner.requests if self.partner.url + one.path == destination.settings["url"]]


class TestWebhookPublisher(PublisherConformance):
    """Posts to a partner on this machine."""

    @pytest.fixture
    def publisher(self, webhooks):
        return webhooks

    @pytest.fixture
    def reader(self, partner):
        self.url = partner.url
        return Arrived(partner)

    def destination(self, publisher, name, number=1, **about):
        return webhook_to(f"{self.url}/{name}", number, **about)


def to(url, body=None, **settings):
    return outgoing(webhook_to(url, **settings), 1, body)


async def test_a_request_has_what_the_standard_asks_for_and_little_else(partner, webhooks):
    one = to(f"{partner.url}/hooks?brand=acme%20home", b'{"a": 1}')
    assert await webhooks.send(one) == Delivered()
    [request] = partner.requests
    assert (request.method, request.path, request.body) == ("POST", "/hooks?brand=acme%20home", b'{"a": 1}')
    told = {name.lower(): value for name, value in request.headers.items()}
    assert set(told) == {
        *("host", "accept", "accept-encoding", "user-agent", "content-type", "content-length"),
        *("webhook-id", "webhook-timestamp", "webhook-signature"),
    }
    assert (told["content-type"], told["webhook-id"]) == ("text/plain", f"evt-{one.delivery.event.number}")
    found = verify([SECRET], request.headers, request.body, datetime.now(UTC))
    assert isinstance(found, Verified)


async def test_the_id_stays_the_same_however_often_an_event_is_sent(partner, webhooks):
    one = to(partner.url)
    partner.will_answer(503, 204)
    assert (await webhooks.send(one)).reason is Fault.BUSY
    assert await webhooks.send(one) == Delivered()
    assert len({request.headers["webhook-id"] for request in partner.requests}) == 1


async def test_while_secrets_are_rotated_a_request_is_signed_by_all(partner):
    async with posting(secrets=(OTHER, SECRET)) as webhooks:
        assert await webhooks.send(to(partner.url, b"{}")) == Delivered()
    [request] = partner.requests
    message, at = request.headers["webhook-id"], int(request.headers["webhook-timestamp"])
    wanted = [sign(secret, message, datetime.fromtimestamp(at, UTC), b"{}") for secret in (OTHER, SECRET)]
    assert request.headers["webhook-signature"].split() == wanted


async def test_nothing_is_sent_without_a_secret(partner):
    async with posting(secrets=()) as webhooks:
        outcome = await webhooks.send(to(partner.url))
    assert outcome == Retryable(Fault.NO_SECRET, "`gateway destinations secret feed.acme` makes one")
    assert partner.requests == []


async def test_what_is_larger_than_the_partner_takes_is_not_sent(partner, webhooks):
    assert await webhooks.send(to(partner.url, b"x" * 1024, largest_body=1024)) == Delivered()
    assert await webhooks.send(to(partner.url, b"x" * 1025, largest_body=1024)) == Rejected(
        Fault.TOO_LARGE, "1025 bytes, and it takes 1024"
    )
    assert len(partner.requests) == 1


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain\r\nx-injected: 1",
        "text/plain\nx: 1",
        "text/plain\x00",
        "text",
        "",
        "a/b; c",
        "tęxt/plain",
        "a/b\x7f",
    ],
    ids=["lines", "line", "null", "no subtype", "empty", "half a parameter", "not ASCII", "delete"],
)
async def test_no_content_type_becomes_a_header_of_its_own(partner, webhooks, content_type):
    one = to(partner.url)
    outcome = await webhooks.send(one._replace(document=with_type(one.document, content_type)))
    assert outcome == Rejected(Fault.MISCONFIGURED, "the profile's content type is none")
    assert partner.requests == []


async def test_content_types_have_parameters(partner, webhooks):
    one = to(partner.url)
    for content_type in ("application/json; charset=utf-8", "application/vnd.acme.v1+json;version=2"):
        assert await webhooks.send(one._replace(document=with_type(one.document, content_type))) == Delivered()
        assert partner.requests[-1].headers["content-type"] == content_type


def with_type(document, content_type):
    return type(document)(document.key, document.body, content_type, document.headers)


@pytest.mark.parametrize("header", ["webhook-id", "x-injected"])
async def test_headers_of_a_document_are_not_sent(partner, webhooks, header):
    one = to(partner.url)
    document = type(one.document)(b"k", b"{}", "application/json", ((header, b"a\r\nb: c"),))
    assert await webhooks.send(one._replace(document=document)) == Delivered()
    assert partner.requests[0].headers.get(header) != "a\r\nb: c"
    assert "b" not in partner.requests[0].headers


@pytest.mark.parametrize(
    "url",
    [
        "https://user:pass@partner.example/",
        "https://",
        "ftp://partner.example/",
        "https://partner.example/#x",
        "",
        None,
    ],
    ids=["credentials", "no host", "ftp", "fragment", "empty", "none"],
)
async def test_an_address_that_is_none_is_an_outcome_that_does_not_repeat_it(webhooks, url):
    outcome = await webhooks.send(to(url))
    assert (type(outcome), outcome.reason) == (Rejected, Fault.MISCONFIGURED)
    assert "pass" not in outcome.detail.replace("password", "")


async def test_plain_addresses_must_be_allowed(partner):
    async with posting(plain=False) as webhooks:
        outcome = await webhooks.send(to(partner.url))
    assert outcome == Rejected(Fault.MISCONFIGURED, "the webhook's url must begin with https://")


async def test_settings_that_change_are_in_force_at_once(partner, webhooks):
    assert await webhooks.send(to(f"{partner.url}/old")) == Delivered()
    assert await webhooks.send(to(f"{partner.url}/new")) == Delivered()
    assert [request.path for request in partner.requests] == ["/old", "/new"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(partner, webhooks, status):
    partner.will_answer((status, b"", {"location": f"{partner.url}/elsewhere"}))
    assert await webhooks.send(to(f"{partner.url}/here")) == Retryable(Fault.REDIRECTED, f"HTTP {status}")
    assert [request.path for request in partner.requests] == ["/here"]


async def test_cookies_are_forgotten(partner):
    """By name: of an address no client keeps any."""

    async def look_up(_name):
        return [HERE]

    partner.will_answer((204, b"", {"set-cookie": "sid=1; Path=/"}))
    async with posting(look_up=look_up) as webhooks:
        for _ in range(2):
            assert await webhooks.send(to(f"http://partner.example:{partner.port}/")) == Delivered()
    assert "cookie" not in partner.requests[1].headers


async def test_the_environment_names_no_proxy(partner, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    async with posting() as webhooks:
        assert await webhooks.send(to(partner.url)) == Delivered()


async def test_connections_are_used_again(partner, webhooks):
    for _ in range(3):
        assert await webhooks.send(to(partner.url)) == Delivered()
    assert len(webhooks._session.connector._conns) == 1


async def test_an_answer_is_told_with_its_beginning_and_without_secrets(partner, webhooks):
    key = SECRET.removeprefix("whsec_")
    partner.will_answer((500, f'{{"token": "abc", "saw": "{key}", "why": "caf\xe9"}}'.encode("latin-1")))
    assert await webhooks.send(to(partner.url)) == Retryable(
        Fault.PARTNER_ERROR, 'HTTP 500: {"token": ***, "saw": "***", "why": "caf�"}'
    )


async def test_retry_after_and_gone_are_heard(partner, webhooks):
    partner.will_answer((429, b"", {"retry-after": "7"}), (503, b"", {"retry-after": "soon"}), 410)
    assert await webhooks.send(to(partner.url)) == Retryable(Fault.THROTTLED, "HTTP 429", after=7.0)
    assert await webhooks.send(to(partner.url)) == Retryable(Fault.BUSY, "HTTP 503")
    assert await webhooks.send(to(partner.url)) == Retryable(Fault.GONE, "HTTP 410", pauses=True)


async def test_a_profiles_meanings_of_answers_are_followed(partner, webhooks):
    partner.will_answer((409, b'{"applied": 3}'))
    asks = {"answers": {"409": "delivered"}, "confirms": {"by": "answer", "within": 60}}
    assert await webhooks.send(to(partner.url, **asks)) == Delivered(applied=3)
    assert await webhooks.send(to(partner.url, answers={"409": "delivered"})) == Delivered()
    assert await webhooks.send(to(partner.url, answers={"409": "dead"})) == Rejected(
        Fault.REFUSED, 'HTTP 409: {"applied": 3}'
    )


async def test_an_answer_that_unpacks_into_much_is_not_unpacked(partner, webhooks):
    partner.will_answer((500, gzip.compress(b"unpacked" * 6_000_000), {"content-encoding": "gzip"}))
    outcome = await webhooks.send(to(partner.url))
    assert outcome.reason is Fault.PARTNER_ERROR
    assert "unpacked" not in outcome.detail
    assert partner.requests[0].headers["accept-encoding"] == "identity"


async def test_nobody_listens(webhooks):
    assert await webhooks.send(to(f"http://127.0.0.1:{free_port()}/")) == Retryable(Fault.CONNECTION_REFUSED)


async def within(seconds, sending):
    """The outcome, which must come in time."""
    begun = time.monotonic()
    outcome = await sending
    assert time.monotonic() - begun < seconds
    return outcome


async def hold(reader, _writer):
    """Says nothing until the other side has gone."""
    await reader.read()


async def test_a_partner_that_never_answers_costs_one_time_out(webhooks):
    async with speaking(hold) as url:
        assert await within(3, webhooks.send(to(url, timeout=0.3))) == Retryable(Fault.ANSWER_TIMEOUT)


async def test_no_destination_takes_longer_than_the_relay_has():
    async with posting(timeout=0.3) as webhooks, speaking(hold) as url:
        assert await within(3, webhooks.send(to(url, timeout=30.0))) == Retryable(Fault.ANSWER_TIMEOUT)


async def test_a_name_that_is_not_found_in_time_is_a_connection_that_was_not_made():
    async def look_up(_name):
        await asyncio.Event().wait()

    async with posting(look_up=look_up) as webhooks:
        sending = webhooks.send(to("http://partner.example/", connect_timeout=0.2))
        assert await within(3, sending) == Retryable(Fault.CONNECT_TIMEOUT)


async def test_a_head_that_comes_byte_by_byte_costs_one_time_out(webhooks):
    async def drip(reader, writer):
        while not reader.at_eof():
            writer.write(b"H")
            await writer.drain()
            await asyncio.wait([asyncio.ensure_future(reader.read(1))], timeout=0.05)

    async def slow(reader, writer):
        writer.write(OK + b"x-slow: ")
        await drip(reader, writer)

    async with speaking(slow) as url:
        outcome = await within(3, webhooks.send(to(url, timeout=0.5)))
    assert outcome == Retryable(Fault.ANSWER_TIMEOUT)


@pytest.mark.parametrize(
    ("head", "outcome"),
    [
        pytest.param(OK, Delivered(), id="good"),
        pytest.param(b"HTTP/1.1 500 No\r\n", Retryable(Fault.PARTNER_ERROR, "HTTP 500: no"), id="bad"),
    ],
)
async def test_a_body_that_never_ends_changes_nothing_of_what_its_status_said(webhooks, head, outcome):
    async def dribble(reader, writer):
        writer.write(head + b"content-length: 1000\r\n\r\nno")
        await hold(reader, writer)

    async with speaking(dribble) as url:
        assert await within(3, webhooks.send(to(url, timeout=0.5))) == outcome


async def test_an_answer_of_a_gigabyte_is_read_to_its_limit(webhooks):
    sent = 0

    async def pour(_reader, writer):
        nonlocal sent
        writer.write(b"HTTP/1.1 500 No\r\ncontent-length: 1073741824\r\n\r\n")
        for _ in range(1024):
            writer.write(b"x" * 1_048_576)
            sent += 1
            await writer.drain()

    async with speaking(pour) as url:
        outcome = await within(5, webhooks.send(to(url)))
    assert outcome == Retryable(Fault.PARTNER_ERROR, f"HTTP 500: {'x' * 500}")
    assert sent < 100


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        pytest.param(b"", Fault.CONNECTION_LOST, id="nothing"),
        pytest.param(b"HTTP/1.1 200", Fault.CONNECTION_LOST, id="half a status"),
        pytest.param(OK + b"content-le", Fault.CONNECTION_LOST, id="half a head"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", Fault.ANSWER_UNREADABLE, id="another protocol"),
        pytest.param(OK + b"a: " + b"x" * 100_000 + b"\r\n\r\n", Fault.ANSWER_UNREADABLE, id="a huge header"),
        pytest.param(OK + b"a: 1\r\n" * 50_000 + b"\r\n", Fault.ANSWER_UNREADABLE, id="too many headers"),
        pytest.param(b"HTTP/1.1 999999 OK\r\n\r\n", Fault.ANSWER_UNREADABLE, id="no status"),
        pytest.param(OK + b"content-length: many\r\n\r\n", Fault.ANSWER_UNREADABLE, id="no length"),
        pytest.param(OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n", Fault.ANSWER_UNREADABLE, id="no chunk"),
        pytest.param(b"\xff\xfe\x00" * 50 + b"\r\n\r\n", Fault.ANSWER_UNREADABLE, id="noise"),
    ],
)
async def test_what_is_no_answer_is_an_outcome(webhooks, said, fault):
    async def say(_reader, writer):
        writer.write(said)
        await writer.drain()

    async with speaking(say) as url:
        outcome = await within(5, webhooks.send(to(url)))
    assert (type(outcome), outcome.reason) == (Retryable, fault)


async def test_a_connection_that_is_reset_is_an_outcome(webhooks):
    async def reset(_reader, writer):
        writer.transport.abort()

    async with speaking(reset) as url:
        assert (await webhooks.send(to(url))).reason is Fault.CONNECTION_LOST


@pytest.mark.parametrize(
    "said",
    [
        b"content-length: 10\r\n\r\nno",
        b"transfer-encoding: chunked\r\n\r\n5\r\nno",
    ],
    ids=["length", "chunk"],
)
async def test_a_body_that_breaks_off_changes_nothing_of_what_its_status_said(webhooks, said):
    async def say(_reader, writer):
        writer.write(OK + said)
        await writer.drain()

    async with speaking(say) as url:
        assert await webhooks.send(to(url)) == Delivered()


async def test_one_that_hangs_takes_nothing_from_another(partner, webhooks):
    async with speaking(hold) as url:
        hanging = [asyncio.create_task(webhooks.send(to(url, timeout=30.0))) for _ in range(256)]
        for _ in range(20):
            assert await within(2, webhooks.send(to(partner.url))) == Delivered()
        for one in hanging:
            one.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)


async def test_a_batch_is_sent_at_once(partner, webhooks):
    """One that hangs is waited for, and the others' outcomes are their own."""
    async with speaking(hold) as url:
        batch = [to(url, timeout=0.5), *(to(partner.url) for _ in range(3))]
        first, *others = await within(3, webhooks.publish(batch))
    assert (first, others) == (Retryable(Fault.ANSWER_TIMEOUT), [Delivered()] * 3)


async def test_whoever_is_cancelled_stops_sending(webhooks):
    came, gone = asyncio.Event(), asyncio.Event()

    async def wait_for_the_end(reader, _writer):
        came.set()
        await reader.read()
        gone.set()

    async with speaking(wait_for_the_end) as url:
        sending = asyncio.create_task(webhooks.publish([to(url)]))
        await asyncio.wait_for(came.wait(), 5)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await asyncio.wait_for(gone.wait(), 5)


async def test_it_closes_while_a_partner_hangs(webhooks):
    async with speaking(hold) as url:
        await webhooks.send(to(url, timeout=0.2))
        await within(2, webhooks.close())


async def test_a_destination_without_settings_is_an_outcome(webhooks):
    broken = Destination(number=3, name="broken", kind="webhook", audience=to("x").destination.audience)
    assert isinstance(await webhooks.send(outgoing(broken, 1)), Rejected)
