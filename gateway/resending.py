"""Freezes operations that tell jobs again as they stand now: what differs at a brand's, what a destination lacks."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from gateway.brands import load_library
from gateway.core.values import dataclass
from gateway.core.visibility import Audience
from gateway.inbound.directory import is_feed
from gateway.store.destinations import REMOVED, load_destinations
from gateway.store.operations import NewItem, Terms, create_operation
from gateway.store.resending import find_differing, find_untold
from gateway.store.unconfirmed import confirming

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from gateway.store.database import Database, Transaction
    from gateway.store.deliveries import Operator
    from gateway.store.destinations import Destination
    from gateway.store.resending import Differing

NAMED = 20


class WhyNot(StrEnum):
    """Why nothing was looked at. Values are stable."""

    UNKNOWN_DESTINATION = "unknown_destination"
    NOT_THE_BRANDS = "not_the_brands"
    # Nobody says there what was applied.
    NOT_CONFIRMED_THERE = "not_confirmed_there"
    # Receipts, acks, messages to customers: what they get is no job as it stands.
    NO_FEED = "no_feed"
    REMOVED = "removed"
    # It gets what it is owed, and nothing new.
    NOT_NAMED_BY_PROFILE = "not_named_by_profile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One job of a preview: what was sent of it, what the brand has confirmed, since when that is less."""

    destination: str
    job: int
    sent: int | None = None
    applied: int | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What an operation is to do; `operation` is None where there is nothing to do, and none was made.

    `on_their_way` were left out, since something is owed there still. `examples` begin with the oldest.
    """

    kind: str
    operation: int | None
    destinations: tuple[str, ...]
    jobs: int
    on_their_way: int
    oldest: datetime | None
    examples: tuple[Example, ...]


async def reconcile(database: Database, brand: str, destination: str | None, operator: Operator) -> Preview | WhyNot:
    """Freezes a snapshot of each job of which `brand` has not confirmed what it was sent.

    To `destination`, or to each of those that the brand's profile names and that confirm.
    """
    async with database.snapshot() as connection:
        there = await load_destinations(connection)
        if destination is not None and destination not in there:
            return WhyNot.UNKNOWN_DESTINATION
        chosen = [there[destination]] if destination is not None else confirming(there.values(), brand)
        for one in chosen:
            if one.owner != brand or one.audience is not Audience.ENTERPRISE:
                return WhyNot.NOT_THE_BRANDS
        named = await _named(connection, brand)
        targets = [one for one in confirming(chosen) if one.name in named and one.state != REMOVED]
        if not targets:
            return WhyNot.NOT_CONFIRMED_THERE
        found = [(one, each) for one in targets for each in await find_differing(connection, one)]
    differing = [(one, each) for one, each in found if not each.owed]
    examples = sorted((_example(one, each) for one, each in differing), key=_age)
    items = [NewItem("snapshot", each.job, one.number) for one, each in differing]
    return Preview(
        kind="reconcile",
        operation=await _freeze(database, "reconcile", items, operator),
        destinations=tuple(one.name for one in targets),
        jobs=len(items),
        on_their_way=len(found) - len(differing),
        oldest=examples[0].since if examples else None,
        examples=tuple(examples[:NAMED]),
    )


async def backfill(database: Database, name: str, since: datetime | None, operator: Operator) -> Preview | WhyNot:
    """Freezes a snapshot of each job of the destination's owner of which it has nothing yet."""
    async with database.snapshot() as connection:
        destination = (await load_destinations(connection)).get(name)
        if destination is None:
            return WhyNot.UNKNOWN_DESTINATION
        if destination.state == REMOVED:
            return WhyNot.REMOVED
        if not is_feed(destination):
            return WhyNot.NO_FEED
        is_brands = destination.audience is Audience.ENTERPRISE
        if is_brands and name not in await _named(connection, destination.owner):
            return WhyNot.NOT_NAMED_BY_PROFILE
        jobs = await find_untold(connection, destination, since)
    items = [NewItem("snapshot", number, destination.number) for number in jobs]
    return Preview(
        kind="backfill",
        operation=await _freeze(database, "backfill", items, operator),
        destinations=(name,),
        jobs=len(items),
        on_their_way=0,
        oldest=None,
        examples=tuple(Example(destination=name, job=number) for number in jobs[:NAMED]),
    )


async def _named(connection: Transaction, brand: str) -> Collection[str]:
    """The destinations that the brand's profile in force names."""
    profile = (await load_library(connection)).active.get(brand)
    return () if profile is None else profile.asked.keys()


async def _freeze(database: Database, kind: str, items: Sequence[NewItem], operator: Operator) -> int | None:
    if not items:
        return None
    async with database.transaction() as connection:
        return await create_operation(connection, kind, items, Terms(), operator, await database.now(connection))


def _example(destination: Destination, one: Differing) -> Example:
    return Example(destination=destination.name, job=one.job, sent=one.sent, applied=one.applied, since=one.since)


def _age(one: Example) -> tuple[bool, float, int]:
    """The oldest first; last those of which nothing says since when."""
    return one.since is None, one.since.timestamp() if one.since else 0.0, one.job
