"""Which addresses may be dialled: every form in which an inner one can be said."""

import socket
from ipaddress import ip_address

import pytest

from gateway.outbound.dialler import AddressRefused, Dialler, meanings

INSIDE = {
    "unspecified": "0.0.0.0",
    "this network": "0.1.2.3",
    "private 10": "10.0.0.5",
    "private 172": "172.31.255.255",
    "private 192": "192.168.1.1",
    "shared": "100.64.0.1",
    "end of shared": "100.127.255.255",
    "a cloud's metadata in shared": "100.100.100.200",
    "loopback": "127.0.0.1",
    "all of loopback": "127.255.0.3",
    "link-local": "169.254.1.1",
    "metadata": "169.254.169.254",
    "another cloud's metadata": "168.63.129.16",
    "protocol assignments": "192.0.0.192",
    "documentation 1": "192.0.2.1",
    "documentation 2": "198.51.100.1",
    "documentation 3": "203.0.113.1",
    "6to4 relays": "192.88.99.1",
    "measurements": "198.18.0.1",
    "multicast": "224.0.0.1",
    "last multicast": "239.255.255.255",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
}
INSIDE_6 = {
    "unspecified": "::",
    "loopback": "::1",
    "link-local": "fe80::1",
    "link-local with a zone": "fe80::1%eth0",
    "site-local": "fec0::1",
    "unique local": "fc00::1",
    "metadata": "fd00:ec2::254",
    "multicast": "ff02::1",
    "documentation": "2001:db8::1",
    "new documentation": "3fff::1",
    "protocol assignments": "2001:2::1",
    "discard only": "100::1",
    "local NAT64": "64:ff9b:1::808:808",
    "segment routing": "5f00::1",
    "unassigned": "4000::1",
}
FORMS = {
    "mapped": "::ffff:{}",
    "compatible": "::{}",
    "translated": "::ffff:0:{}",
    "NAT64": "64:ff9b::{}",
    "ISATAP": "2606:4700::5efe:{}",
    "global ISATAP": "2606:4700::200:5efe:{}",
}
OUTSIDE = ["8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"]


# Each reads the system's certificates.
PUBLIC = Dialler()


def hexed(address):
    number = int(ip_address(address))
    return f"{number >> 16:x}:{number & 0xFFFF:x}"


def forms_of(address):
    yield from (form.format(hexed(address)) for form in FORMS.values())
    yield f"2002:{hexed(address)}::1"
    # Teredo: as the server, and as the client behind it, whose bits are turned over.
    yield f"2001:0:{hexed(address)}::{hexed('247.247.247.247')}"
    yield f"2001:0:{hexed('8.8.8.8')}::{int(ip_address(address)) >> 16 ^ 0xFFFF:x}:{int(ip_address(address)) & 0xFFFF ^ 0xFFFF:x}"


@pytest.mark.parametrize(
    "address", [*INSIDE.values(), *INSIDE_6.values()], ids=[*INSIDE, *(f"{x} 6" for x in INSIDE_6)]
)
def test_what_is_inside_is_refused(address):
    assert not PUBLIC.may_dial(address)


@pytest.mark.parametrize("address", [*INSIDE.values()], ids=[*INSIDE])
def test_no_other_form_leads_inside(address):
    allowed = [form for form in forms_of(address) if PUBLIC.may_dial(form)]
    assert allowed == []


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_is_public_may_be_dialled(address):
    assert PUBLIC.may_dial(address)


@pytest.mark.parametrize("form", [*forms_of("8.8.8.8")])
def test_another_form_of_a_public_address_leads_there(form):
    assert PUBLIC.may_dial(form)


def test_whoever_is_inside_may_be_allowed_in_every_form():
    dialler = Dialler(["10.1.0.0/16", "fd00:1::/32", "::1"])
    for address in ("10.1.2.3", "fd00:1::5", "::1", *forms_of("10.1.2.3")):
        if ":5efe:" not in address and not address.startswith("2001:0:808:"):
            assert dialler.may_dial(address), address
    assert not dialler.may_dial("10.2.0.1")
    assert not dialler.may_dial("127.0.0.1")
    assert not any(map(dialler.may_dial, forms_of("10.2.0.1")))


def test_an_allowed_network_does_not_open_what_its_addresses_stand_for():
    """Whoever allows all of IPv6 has not allowed the loopback written as IPv6."""
    dialler = Dialler(["::/0"])
    assert dialler.may_dial("fd00::1")
    assert [form for form in forms_of("127.0.0.1") if dialler.may_dial(form)] == []


def test_a_tunnel_inside_an_own_network_is_of_that_network():
    assert not PUBLIC.may_dial("fd00::5efe:808:808")
    assert Dialler(["fd00::/8"]).may_dial("fd00::5efe:808:808")
    assert not Dialler(["fd00::/8"]).may_dial("fd00::5efe:a00:1")


@pytest.mark.parametrize("written", ["localhost", "127.1", "0x7f.0.0.1", "2130706433", "", "1.2.3.4.5", "v1.x"])
def test_what_is_no_address_is_refused(written):
    assert not PUBLIC.may_dial(written)


def test_a_socket_is_made_for_what_may_be_dialled_and_nothing_else():
    dialler = Dialler(["127.0.0.0/8"])
    found = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 80))
    with dialler.make_socket(found) as made:
        assert made.family == socket.AF_INET
    with pytest.raises(AddressRefused):
        PUBLIC.make_socket(found)
    found_6 = (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("::ffff:10.0.0.1", 80, 0, 0))
    with pytest.raises(AddressRefused):
        dialler.make_socket(found_6)


def test_an_address_means_itself_or_what_it_stands_for():
    assert meanings(ip_address("::1")) == (ip_address("::1"),)
    assert meanings(ip_address("2606:4700::1")) == (ip_address("2606:4700::1"),)
    assert meanings(ip_address("::ffff:10.0.0.1")) == (ip_address("10.0.0.1"),)
    assert meanings(ip_address("2002:a00:1::")) == (ip_address("10.0.0.1"),)
