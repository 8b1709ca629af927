"""The one way to addresses that data names: each is judged at the moment of dialling, whatever it was looked up as.

What is judged is what is dialled: there is no look-up in between. Where a resolver or an address says an inner address
in other words (mapped, translated, tunnelled), the inner one is judged.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from pathlib import Path

    from aiohappyeyeballs import AddrInfoType

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# New connections follow a partner that moves within so many seconds.
DNS_SECONDS = 10
# Shorter than what servers usually keep a connection for: one that is reused is not just being closed over there.
IDLE_SECONDS = 4.0
_LOOKUPS = 32

# What no public service has: private, shared, loopback, link-local, for documentation and tests, multicast, reserved,
# and an address at which a cloud tells its machines their secrets.
_NOT_PUBLIC = tuple(
    IPv4Network(each)
    for each in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
# Of IPv6 only this is public, but for what is set apart in it.
_PUBLIC_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(IPv6Network(each) for each in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))

_LAST_32 = 0xFFFF_FFFF
# An IPv4 address in the last 32 bits: compatible, mapped, translated (two ways).
_TRANSLATED = tuple(IPv6Network(each) for each in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96"))
_ISATAP = {0x0000_5EFE, 0x0200_5EFE}


class AddressRefused(OSError):
    """An address that webhooks may not go to. Its text names none: of several the first one stands for all."""

    def __init__(self) -> None:
        super().__init__(errno.EACCES, "leads inside, and is in none of GATEWAY_WEBHOOK_NETWORKS")


class Dialler:
    """Makes the connector through which all of a publisher's calls go; lets go of its threads with `close`.

    `networks` are what may be dialled besides public addresses. `ca_file` holds certificates trusted besides the usual
    ones. `look_up` gives the addresses of a name, the system's resolver by default.
    """

    def __init__(
        self,
        networks: Iterable[str] = (),
        ca_file: Path | None = None,
        look_up: Callable[[str], Awaitable[Sequence[str]]] | None = None,
    ) -> None:
        self._networks: tuple[Network, ...] = tuple(ip_network(each) for each in networks)
        self._tls = ssl.create_default_context()
        self._tls.set_alpn_protocols(["http/1.1"])
        if ca_file is not None:
            self._tls.load_verify_locations(ca_file)
        # Names that nobody answers for must not use up the threads that everything else needs.
        self._threads = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="look-up")
        self._look_up = look_up or self._ask_system

    def make_connector(self) -> aiohttp.TCPConnector:
        """A connector for one session, in the running event loop. How many calls it makes at once is its user's."""
        return aiohttp.TCPConnector(
            limit=0,
            ssl=self._tls,
            resolver=_Resolver(self._look_up, self.may_dial),
            ttl_dns_cache=DNS_SECONDS,
            keepalive_timeout=IDLE_SECONDS,
            socket_factory=self.make_socket,
        )

    def may_dial(self, written: str) -> bool:
        """Whether connections to this address, in numbers, are allowed; what cannot be read is not."""
        try:
            address = ip_address(written)
        except ValueError:
            return False
        return all(self._is_allowed(meant) for meant in meanings(address))

    def make_socket(self, found: AddrInfoType) -> socket.socket:
        """A socket for exactly this address, which is connected next; raises `AddressRefused`."""
        family, kind, protocol, _, place = found
        if not self.may_dial(str(place[0])):
            raise AddressRefused
        return socket.socket(family, kind, protocol)

    def close(self) -> None:
        """Waits for no look-up that is under way."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _is_allowed(self, meant: Address) -> bool:
        return is_public(meant) or any(meant in network for network in self._networks)

    async def _ask_system(self, name: str) -> list[str]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, name)


class _Resolver(AbstractResolver):
    """Gives what may be dialled of a name's addresses, the same ones that are then dialled."""

    def __init__(self, look_up: Callable[[str], Awaitable[Sequence[str]]], may_dial: Callable[[str], bool]) -> None:
        self._look_up = look_up
        self._may_dial = may_dial

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - the connector wants both
    ) -> list[ResolveResult]:
        """Raises `AddressRefused` where no address may be dialled, another `OSError` where there is none."""
        addresses = await self._look_up(host)
        fit = [address for address in addresses if self._may_dial(address)]
        if addresses and not fit:
            raise AddressRefused
        if not fit:
            raise OSError(socket.EAI_NONAME, "has no address")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in fit
        ]

    async def close(self) -> None:
        """Has nothing of its own."""


def meanings(address: Address) -> tuple[Address, ...]:
    """Where packets to `address` go: there, or to IPv4 addresses that it says in other words."""
    if isinstance(address, IPv4Address) or address.is_loopback or address.is_unspecified:
        return (address,)
    inner = IPv4Address(int(address) & _LAST_32)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    if any(address in network for network in _TRANSLATED):
        return (inner,)
    # A network's own way to reach machines that have IPv4 alone: that network must be allowed, too.
    return (address, inner) if (int(address) >> 32) & _LAST_32 in _ISATAP else (address,)


def is_public(address: Address) -> bool:
    """Whether `address`, which means itself, is one that anybody could reach."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC)
    return address in _PUBLIC_6 and not any(address in network for network in _NOT_PUBLIC_6)


def _look_up(name: str) -> list[str]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except UnicodeError:
        raise OSError(socket.EAI_NONAME, "is no name") from None
    return list(dict.fromkeys(str(place[0]) for *_, place in found))
