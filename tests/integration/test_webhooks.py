"""Webhooks on real connections: the conformance suite, what is sent, and what answers come to."""

import asyncio
import gzip
from datetime import UTC, datetime

import pytest

from gateway.children import free_port
from gateway.core.signing import Verified, sign, verify, write_secret
from gateway.outbound.outcome import Delivered, Fault, Rejected, Retryable
from gateway.store.destinations import Destination
from tests.integration.publisher_conformance import SendingConformance, Silent, outgoing
from tests.webhooks import HERE, SECRET, hooks, posting, speaking, webhook_to

OTHER = write_secret(bytes(range(1, 33)))


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


class TestWebhookPublisher(SendingConformance):
    """Posts to a partner on this machine."""

    @pytest.fixture
    def publisher(self, webhooks):
        return webhooks

    @pytest.fixture
    def reader(self, partner):
        self.url = partner.url
        return Arrived(partner)

    @pytest.fixture
    async def silent(self):
        asked, left = asyncio.Event(), asyncio.Event()

        async def hold(reader, _writer):
            asked.set()
            await reader.read()
            left.set()

        async with speaking(hold) as url:
            yield Silent(webhook_to(url, number=5, timeout=30.0), asked.wait, left.wait)

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


async def test_a_body_of_the_brands_own_comes_with_the_attributes_of_its_event(partner, webhooks):
    one = to(partner.url)
    told = (("ce_jobversion", b"7"), ("ce_source", 'Zoë "100 %"\r\nx: y'.encode()))
    document = type(one.document)(b"k", b"{}", "application/json", told)
    assert await webhooks.send(one._replace(document=document)) == Delivered()
    [request] = partner.requests
    assert request.headers["ce-jobversion"] == "7"
    assert request.headers["ce-source"] == "Zo%C3%AB%20%22100%20%25%22%0D%0Ax:%20y"
    assert "x" not in request.headers


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


async def test_a_destination_without_settings_is_an_outcome(webhooks):
    broken = Destination(number=3, name="broken", kind="webhook", audience=to("x").destination.audience)
    assert isinstance(await webhooks.send(outgoing(broken, 1)), Rejected)
