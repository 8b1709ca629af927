"""What a kind of destination must provide. One publisher serves all destinations of its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.mapping.render import Document
    from gateway.outbound.outcome import Outcome
    from gateway.store.claims import ClaimedDelivery
    from gateway.store.database import Transaction
    from gateway.store.destinations import Destination


class Outgoing(NamedTuple):
    """One document on its way. `delivery` says what it is for logs and identity; only `document` leaves."""

    destination: Destination
    delivery: ClaimedDelivery
    document: Document


class Publisher(Protocol):
    """Implemented once per kind of destination; `tests/integration/publisher_conformance.py` says what each must do.

    The relay is the only caller. It calls `publish` from several tasks at once, with no transaction open.
    """

    @property
    def kind(self) -> str:
        """The `kind` of the destinations that it serves."""

    @property
    def timeout(self) -> float:
        """Seconds after which `publish` has returned, whatever happens. The relay begins none with less lease left."""

    async def publish(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        """Sends `batch`, no two of which are of one lane, and returns one outcome each, in the same order.

        May wait for the network, up to `timeout`; must not block the event loop. Returns `Delivered` only for what is
        durable at the destination. Whatever the destination or the way to it does is an outcome, never an exception,
        and touches no neighbour's outcome. An exception is a bug: the relay records `publisher_bug` for the batch.
        Cancelled, it stops sending; what was sent by then may arrive and will be sent again.
        """

    async def close(self) -> None:
        """Lets go of connections. Called once, after the last `publish` has returned; returns within `timeout`."""


@runtime_checkable
class Sending(Protocol):
    """What a publisher provides besides, whose destinations are each at their own pace: the relay then sends lane by
    lane (`lane_relay`), and no answer is waited for by another lane.
    """

    async def send(self, one: Outgoing) -> Outcome:
        """`publish` for one document."""


@runtime_checkable
class Recording(Protocol):
    """What a publisher may provide besides, whose destinations are in the database: its part of the recording."""

    async def on_record(self, transaction: Transaction, delivered: Sequence[ClaimedDelivery]) -> None:
        """Called in the transaction that records `delivered`, once for each: those of a lane in its order.

        What it raises undoes the recording, which is tried again. A constant number of statements.
        """
