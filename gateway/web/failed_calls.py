"""Calls that proved nothing: how many there were this minute, which is limited, and by the hour, which is kept.

What is remembered is bounded, whatever is sent.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from gateway.store.refused_calls import RefusedCalls
from gateway.web.minutes import PerMinute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.requests import Request

# After so many failures a minute an address is not looked at until the minute is over, and one key's are told so.
FAILURES_A_MINUTE = 30
# So many different ones are kept by name in an hour: the rest of them together.
MOST_KEPT = 1_000
REST = "others"

_Kept = tuple[datetime, str, str, str]


class Failure(StrEnum):
    """Why a call proved nothing."""

    UNKNOWN_TOKEN = "unknown_token"  # noqa: S105 - a word for a token, and none
    UNKNOWN_KEY = "unknown_key"
    WRONG_SIGNATURE = "wrong_signature"
    KEY_REVOKED = "key_revoked"
    TURNED_AWAY = "turned_away"


class FailedCalls:
    """Counts per minute for the limits, and per hour until `take`."""

    def __init__(self, monotonic: Callable[[], float], now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._this_minute = PerMinute(monotonic)
        self._now = now
        self._hour: datetime | None = None
        self._named: set[_Kept] = set()
        self._kept: Counter[_Kept] = Counter()
        self._last: dict[_Kept, datetime] = {}

    def is_over_limit(self, *, address: str = "", key: str = "") -> bool:
        """Whether the address, or the public key, has failed too often this minute."""
        return self._this_minute.count(f"key {key}" if key else f"address {address}") >= FAILURES_A_MINUTE

    def seconds_left(self) -> int:
        """How long this minute lasts yet, and with it every limit: one at least."""
        return self._this_minute.seconds_left()

    def note(self, address: str, key: str, why: Failure) -> None:
        """One call more that failed; `key` is the public key that it named, if any."""
        for name in (f"address {address}", *((f"key {key}",) if key else ())):
            self._this_minute.add(name)
        self.keep(address, key, why)

    def keep(self, address: str, key: str, why: Failure) -> None:
        """The same for a call that does not count against the limits."""
        now = self._now()
        hour = now.replace(minute=0, second=0, microsecond=0)
        if hour != self._hour:
            self._hour = hour
            self._named.clear()
        kept = (hour, address, key, why.value)
        if kept not in self._named and len(self._named) >= MOST_KEPT:
            kept = (hour, REST, "", why.value)
        self._named.add(kept)
        self._kept[kept] += 1
        self._last[kept] = now

    def take(self) -> list[RefusedCalls]:
        """What was counted since it was last taken."""
        taken = [RefusedCalls(*kept, count, self._last[kept]) for kept, count in self._kept.items()]
        self._kept.clear()
        self._last.clear()
        return taken

    def give_back(self, taken: Iterable[RefusedCalls]) -> None:
        """What could not be written is taken again."""
        for one in taken:
            kept = (one.hour, one.address, one.key, one.reason)
            self._kept[kept] += one.count
            self._last[kept] = max(one.last_at, self._last.get(kept, one.last_at))


def address_of(request: Request) -> str:
    """Where a call came from. Who has one address of IPv6 has its whole network of 64 bits."""
    host = request.client.host if request.client else "unknown"
    try:
        address = ip_address(host)
    except ValueError:
        return host[:64]
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"
