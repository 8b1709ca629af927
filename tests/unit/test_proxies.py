"""The proxies that the edge believes, as the settings name them."""

import pytest

from gateway.settings import load_settings


def test_trusted_proxies_are_addresses_and_networks(monkeypatch):
    assert load_settings().proxies == ()
    monkeypatch.setenv("GATEWAY_TRUSTED_PROXIES", "10.0.0.1, 10.1.0.0/16,fd00::/8")
    assert load_settings().proxies == ("10.0.0.1", "10.1.0.0/16", "fd00::/8")


@pytest.mark.parametrize("wrong", ["*", "proxy.example", "10.0.0.1/8"])
def test_nobody_else_is_named_as_a_proxy(monkeypatch, wrong):
    monkeypatch.setenv("GATEWAY_TRUSTED_PROXIES", f"10.0.0.1,{wrong}")
    (told,) = load_settings()
    assert told.startswith("GATEWAY_TRUSTED_PROXIES: ")
