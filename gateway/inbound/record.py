"""A record as it stood at a door: bytes, where they lay, and what the door knows of the sender."""

from __future__ import annotations

from datetime import datetime

from gateway.core.parties import Side
from gateway.core.values import dataclass

REQUEST_HEADER = "gateway_request"


@dataclass(slots=True, kw_only=True)
class RawRecord:
    """What was taken in, unread. `door` is the whole topic name, or the name of an HTTP door.

    `partition`, `offset` and `append_time` are the broker's (the time may be its sender's: then `arrived_at` is when it
    was read). `bound_source` is the name that the door binds its records to (the topic's, or the key's of HTTP),
    whatever they claim; None on a shared topic. `side` is who sends at this door.
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

    @property
    def arrival(self) -> datetime:
        """When it counts as arrived: the broker's append time, or where that is not what its records carry, when it
        was read.
        """
        return self.arrived_at

    @property
    def request(self) -> bytes | None:
        """The mark that records of one request carry. A message of a topic is a request of its own."""
        if self.partition is not None or not self.headers:
            return None
        return next((content for name, content in self.headers if name == REQUEST_HEADER), None)
