"""A record as it stood at a door: bytes, where they lay, and what the door knows of the sender."""

from __future__ import annotations

from datetime import datetime

from gateway.core.parties import Side
from gateway.core.values import dataclass

# What the endpoints note beside a record, kept with its headers.
MESSAGE_ID, REQUEST = "ce_id", "gateway_request"
CUSTOM_BRAND, RECORD_TYPE = "gateway_brand", "gateway_record_type"


@dataclass(slots=True, kw_only=True)
class RawRecord:
    """What was taken in, unread. `door` is the whole topic name, or the name of an HTTP door.

    `partition`, `offset` and `append_time` are the broker's (the time may be its sender's: then `arrived_at` is when it
    was read). `bound_source` is the name that the door binds its records to (the topic's, or the key's of HTTP),
    whatever they claim; None on a shared topic. `side` is who sends at this door.
    `user` is whose own key sent it, `brand` the one that the key, or the topic, is for; `scopes` are what
    the key is limited to, told only of what comes in now.
    """

    door: str
    partition: int | None = None
    offset: int | None = None
    append_time: datetime | None = None
    arrived_at: datetime
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    value: bytes | None
    bound_source: str | None = None
    side: Side
    user: int | None = None
    brand: str | None = None
    scopes: frozenset[str] = frozenset()

    @property
    def arrival(self) -> datetime:
        """When it counts as arrived: the broker's append time, or where that is not what its records carry, when it
        was read.
        """
        return self.arrived_at

    def find_mark(self, name: str) -> str | None:
        """What the endpoint noted under `name`. A message of a topic has no such marks, whatever its headers say."""
        if self.partition is not None or not self.headers:
            return None
        return next((text.decode() for own, text in self.headers if own == name and text is not None), None)
