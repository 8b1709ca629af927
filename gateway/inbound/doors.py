"""The doors: which topic is for whom, and whom its name binds its records to; and those of HTTP, which keys bind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gateway.core.parties import Side
from gateway.core.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LONGEST_NAME = 200
SHARED = ("offers.v1", "bookings.v1", "actions.v1")
HTTP_DOORS = HTTP_OFFERS, HTTP_ACTIONS, HTTP_BOOKINGS = "http.offers", "http.actions", "http.bookings"
_HTTP = {HTTP_OFFERS: Side.ENTERPRISE, HTTP_ACTIONS: Side.PROVIDER, HTTP_BOOKINGS: Side.BOOKING_PAGE}
_SIDES = {"offers": Side.ENTERPRISE, "actions": Side.PROVIDER, "bookings": Side.BOOKING_PAGE}


@dataclass(frozen=True, slots=True)
class Door:
    """Who sends at a topic. `bound_source` is the name that it binds its records to; None on a shared topic, and at a
    door of HTTP, where each request's key binds its own.

    `brand` is set where that brand's own JSON arrives, `confirms` where that brand says what it has applied.
    """

    side: Side
    bound_source: str | None = None
    brand: str | None = None
    confirms: str | None = None


def confirmations_topic(brand: str) -> str:
    """Where a brand that confirms by topic says what it has applied: without the prefix."""
    return f"applied.{brand}.v1"


@dataclass(frozen=True, slots=True)
class Doors:
    """The topics under one prefix. `own` gives those of brands' own as of now: without the prefix → brand, account.
    Where brands confirm is among them.

    None of them may go while records of it are read.
    """

    prefix: str
    own: Callable[[], Mapping[str, tuple[str, str]]]

    def pattern(self) -> str:
        """A regular expression that matches every inbound topic, those of later sources too."""
        prefix = re.escape(self.prefix)
        own = "".join(rf"|^{prefix}{re.escape(topic)}$" for topic in sorted(self.own()))
        # A name too long to be kept could not even be quarantined: its records would stop whoever reads them.
        return rf"^{prefix}(offers|actions)\.([^.]{{1,{LONGEST_NAME}}}\.)?v1$|^{prefix}bookings\.v1$" + own

    def answers(self) -> str:
        """What the topics begin with that can carry a provider's answer to an offer."""
        return f"{self.prefix}actions."

    def door(self, topic: str) -> Door:
        """The door that a record of `topic` came in by."""
        if topic in _HTTP:
            return Door(_HTTP[topic])
        name = topic.removeprefix(self.prefix)
        own = self.own().get(name)
        if own is not None:
            brand, account = own
            if name == confirmations_topic(brand):
                return Door(Side.ENTERPRISE, account, confirms=brand)
            return Door(Side.ENTERPRISE, account, brand)
        kind, _, rest = name.partition(".")
        bound = rest.removesuffix("v1").rstrip(".")
        return Door(_SIDES[kind], bound or None)

    def find_door(self, topic: str) -> Door | None:
        """The same for a record that was kept; None where nothing is read by that name any more."""
        known = topic in _HTTP or (topic.startswith(self.prefix) and re.fullmatch(self.pattern(), topic))
        return self.door(topic) if known else None
