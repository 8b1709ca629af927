"""Which URLs webhooks may have."""

import pytest

from gateway.mapping.webhook_url import find_url_fault


@pytest.mark.parametrize(
    "url",
    [
        "https://partner.example/hooks?brand=acme",
        "https://partner.example:8443/",
        "HTTPS://partner.example",
        "https://[2001:db8::1]/hooks",
        "https://203.0.113.9/a%20b",
    ],
)
def test_an_ordinary_address_has_no_fault(url):
    assert find_url_fault(url, plain=False) is None


@pytest.mark.parametrize(
    ("url", "word"),
    [
        pytest.param("http://partner.example/", "https://", id="plain"),
        pytest.param("ftp://partner.example/", "https://", id="ftp"),
        pytest.param("file:///etc/passwd", "https://", id="file"),
        pytest.param("partner.example/hooks", "https://", id="no scheme"),
        pytest.param("https://user:pass@partner.example/", "password", id="credentials"),
        pytest.param("https://@partner.example/", "password", id="empty credentials"),
        pytest.param("https://", "host", id="nothing"),
        pytest.param("https:///hooks", "host", id="no host"),
        pytest.param("https://:443/", "host", id="port alone"),
        pytest.param("https://partner.example:0/", "host", id="port 0"),
        pytest.param("https://partner.example/#here", "fragment", id="fragment"),
        pytest.param("https://partner.example/#", "fragment", id="empty fragment"),
        pytest.param("https://partner.example:port/", "URL", id="no port"),
        pytest.param("https://partner.example:99999/", "URL", id="port too large"),
        pytest.param("https://[::1/", "URL", id="half an address"),
        pytest.param("https://[2001:db8::1]x/", "URL", id="more than an address"),
        pytest.param("https://a[v1.x]/", "URL", id="less than an address"),
        pytest.param("https://partner.example/a b", "printable", id="space"),
        pytest.param("https://partner.example/\r\nx-a: b", "printable", id="lines"),
        pytest.param("https://partner.example\\@inside/", "printable", id="backslash"),
        pytest.param("https://bücher.example/", "printable", id="not ASCII"),
        pytest.param("", "printable", id="empty"),
        pytest.param(f"https://partner.example/{'a' * 2000}", "2000", id="too long"),
    ],
)
def test_what_nothing_can_be_posted_to_is_said_and_not_repeated(url, word):
    fault = find_url_fault(url, plain=False)
    assert fault is not None
    assert word in fault
    assert not url or url not in fault


def test_plain_addresses_are_for_those_who_allow_them():
    assert find_url_fault("http://127.0.0.1:8080/hooks", plain=True) is None
    assert find_url_fault("ftp://127.0.0.1/", plain=True) == "must begin with https://"
