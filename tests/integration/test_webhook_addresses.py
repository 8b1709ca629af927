"""Where webhooks are dialled: what is judged is what is dialled, and who is on the other end is who they say."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from gateway.children import free_port
from gateway.outbound.dialler import Dialler
from gateway.outbound.outcome import Delivered, Fault, Rejected, Retryable
from tests.conversations import conversing
from tests.integration.publisher_conformance import outgoing
from tests.webhooks import HERE, hooks, posting, webhook_to

REFUSED = Retryable(Fault.ADDRESS_REFUSED, "leads inside, and is in none of GATEWAY_WEBHOOK_NETWORKS")


@pytest.fixture
async def partner():
    async with hooks() as partner:
        yield partner


@pytest.fixture
def dialled(monkeypatch):
    """The addresses for which sockets were made, in order."""
    made = []

    def make_socket(dialler, found):
        made.append(found[4][0])
        return original(dialler, found)

    original = Dialler.make_socket
    monkeypatch.setattr(Dialler, "make_socket", make_socket)
    return made


def to(url, **settings):
    return outgoing(webhook_to(url, **{"connect_timeout": 1.0, **settings}), 1)


class Names:
    """A resolver that answers otherwise each time: the next of `answers`, the last one again and again."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def __call__(self, name):
        self.asked.append(name)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
    ],
)
async def test_an_address_inside_is_refused_however_it_is_written(host):
    async with posting(networks=()) as webhooks:
        assert await webhooks.send(to(f"http://{host}:{free_port()}/")) == REFUSED


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0177.0.0.1"])
async def test_old_ways_to_write_an_address_are_no_url(host):
    async with posting(networks=()) as webhooks:
        outcome = await webhooks.send(to(f"http://{host}/"))
    assert outcome == Rejected(Fault.MISCONFIGURED, "the webhook's url is refused by the client")


async def test_a_hexadecimal_address_is_judged_as_what_the_system_reads_in_it():
    async with posting(networks=()) as webhooks:
        assert await webhooks.send(to(f"http://0x7f.0.0.1:{free_port()}/")) == REFUSED


async def test_the_systems_own_name_leads_inside():
    async with posting(networks=()) as webhooks:
        assert await webhooks.send(to(f"http://localhost:{free_port()}/")) == REFUSED


async def test_partners_inside_may_be_allowed(partner):
    async with posting(networks=["127.0.0.0/8"]) as webhooks:
        assert await webhooks.send(to(partner.url)) == Delivered()
    async with posting(networks=["127.0.0.0/8"], look_up=Names([HERE])) as webhooks:
        assert await webhooks.send(to(f"http://partner.example:{partner.port}/")) == Delivered()
    assert partner.requests[-1].headers["host"] == f"partner.example:{partner.port}"


@pytest.mark.parametrize("addresses", [[HERE], ["10.0.0.1", "::1"], ["::ffff:127.0.0.1"], ["fe80::1%1"]], ids=",".join)
async def test_a_name_that_leads_inside_is_refused_and_nothing_is_dialled(addresses, dialled):
    async with posting(networks=(), look_up=Names(addresses)) as webhooks:
        assert await webhooks.send(to("http://partner.example/")) == REFUSED
    assert dialled == []


async def test_of_several_addresses_only_those_that_are_allowed_are_dialled(partner, dialled):
    names = Names(["10.0.0.1", "::1", HERE, "169.254.169.254"])
    async with posting(networks=[f"{HERE}/32"], look_up=names) as webhooks:
        assert await webhooks.send(to(f"http://partner.example:{partner.port}/")) == Delivered()
    assert dialled == [HERE]


async def test_a_name_is_looked_up_once_for_a_connection(partner, dialled):
    """What was judged is dialled: a resolver that answers otherwise the next time is not asked in between."""
    names = Names([HERE], ["10.0.0.1"])
    async with posting(networks=[f"{HERE}/32"], look_up=names) as webhooks:
        assert await webhooks.send(to(f"http://partner.example:{partner.port}/")) == Delivered()
        assert (names.asked, dialled) == (["partner.example"], [HERE])
        # The next look-up, once the first answer is out of date, is judged anew.
        webhooks._session.connector.clear_dns_cache()
        webhooks._session.connector._conns.clear()
        assert await webhooks.send(to(f"http://partner.example:{partner.port}/")) == REFUSED
    assert (names.asked, dialled) == (["partner.example"] * 2, [HERE])


async def test_an_address_that_went_unseen_through_the_look_up_is_refused_at_the_socket(dialled, monkeypatch):
    async with posting(networks=(), look_up=Names(["10.0.0.1"])) as webhooks:
        monkeypatch.setattr(webhooks._opened().connector._resolver, "_may_dial", lambda _address: True)
        assert await webhooks.send(to("http://partner.example/")) == REFUSED
    assert dialled == ["10.0.0.1"]


async def test_a_name_without_addresses_is_an_outcome():
    async with posting(look_up=Names([])) as webhooks:
        assert await webhooks.send(to("http://partner.example/")) == Retryable(Fault.NAME_UNKNOWN)


@pytest.mark.parametrize("host", ["nowhere.invalid", f"{'a' * 70}.example", "a..example"])
async def test_a_name_that_is_not_known_is_an_outcome(host):
    async with posting(networks=()) as webhooks:
        outcome = await webhooks.send(to(f"http://{host}/", connect_timeout=5.0))
    assert outcome == Retryable(Fault.NAME_UNKNOWN)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def ca_file(authority, tmp_path):
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(file)
    return file


def shown(certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


async def sent(tls, ca_file, url="https://partner.example"):
    """What comes of a call to `partner.example`, which is this machine, with this certificate."""
    async with (
        hooks(tls) as partner,
        posting(look_up=Names([HERE]), ca_file=ca_file, plain=False) as webhooks,
    ):
        outcome = await webhooks.send(to(f"{url}:{partner.port}/", connect_timeout=5.0))
    return outcome, len(partner.requests)


async def test_a_certificate_of_a_trusted_authority_for_that_name_is_good(authority, ca_file):
    assert await sent(shown(authority.issue_cert("partner.example")), ca_file) == (Delivered(), 1)


async def test_a_certificate_may_be_for_the_address(authority, ca_file):
    tls = shown(authority.issue_cert(HERE))
    assert await sent(tls, ca_file, url=f"https://{HERE}") == (Delivered(), 1)


async def test_a_certificate_for_another_name_is_refused(authority, ca_file):
    outcome, arrived = await sent(shown(authority.issue_cert("rival.example")), ca_file)
    assert (outcome.reason, arrived) == (Fault.TLS_FAILED, 0)
    assert "Hostname mismatch" in outcome.detail


async def test_an_authority_that_nobody_knows_is_refused(authority):
    outcome, arrived = await sent(shown(authority.issue_cert("partner.example")), None)
    assert (outcome.reason, arrived) == (Fault.TLS_FAILED, 0)
    assert "unable to get local issuer" in outcome.detail or "self-signed" in outcome.detail


async def test_a_certificate_that_is_out_of_date_is_refused(authority, ca_file):
    expired = authority.issue_cert("partner.example", not_after=datetime.now(UTC) - timedelta(days=1))
    outcome, arrived = await sent(shown(expired), ca_file)
    assert (outcome.reason, outcome.detail, arrived) == (Fault.TLS_FAILED, "certificate has expired", 0)


async def test_a_partner_that_speaks_no_tls_is_an_outcome(partner):
    async with posting() as webhooks:
        outcome = await webhooks.send(to(f"https://{HERE}:{partner.port}/", connect_timeout=5.0))
    assert (outcome.reason, partner.requests) == (Fault.TLS_FAILED, [])


async def test_a_handshake_that_never_ends_is_a_connection_that_was_not_made():
    async def hold(reader, _writer):
        await reader.read()

    async with conversing(hold) as port, posting() as webhooks:
        outcome = await webhooks.send(to(f"https://{HERE}:{port}/", connect_timeout=0.3, timeout=30.0))
    assert outcome == Retryable(Fault.CONNECT_TIMEOUT)
