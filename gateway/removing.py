"""Takes a brand's destination out of service, once no profile names it and nothing is owed there any more."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from gateway.brands import load_versions
from gateway.core.values import dataclass
from gateway.core.visibility import Audience
from gateway.inbound.directory import is_feed
from gateway.store import standings
from gateway.store.destinations import REMOVED, load_destinations
from gateway.store.profiles import coming, in_force, lock_profiles
from gateway.store.removing import count_owed_to
from gateway.store.standings import lock_standings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from gateway.store.database import Database, Transaction
    from gateway.store.deliveries import Operator
    from gateway.store.destinations import Destination

# By then every process has the version in force that names it no more, and owes it nothing new.
KNOWN_WITHIN = timedelta(seconds=10)


class Verdict(StrEnum):
    """What came of it. Values are stable."""

    DONE = "done"
    UNKNOWN_DESTINATION = "unknown_destination"
    ALREADY_REMOVED = "already_removed"
    # Work feeds go with their organization; receipts and notifications are the gateway's own.
    NOT_A_BRANDS_FEED = "not_a_brands_feed"
    NAMED_BY_PROFILE = "named_by_profile"
    # The profile that names it no more took force a moment ago: ask again.
    DROPPED_JUST_NOW = "dropped_just_now"
    OWED = "owed"


@dataclass(frozen=True, slots=True)
class Removal:
    """`owed` is by state what keeps it: to be drained or skipped."""

    verdict: Verdict
    owed: Mapping[str, int]


async def remove(database: Database, name: str, operator: Operator) -> Removal:
    """Removes the destination of that name, or says why not. A profile that names it again brings it back."""
    async with database.transaction() as connection:
        await lock_profiles(connection)
        one = (await load_destinations(connection)).get(name)
        now = await database.now(connection)
        verdict = await _judge(connection, one, now)
        if one is None or verdict is not Verdict.DONE:
            return Removal(verdict, {})
        await lock_standings(connection, [one.number])
        owed = await count_owed_to(connection, one.number)
        if owed:
            return Removal(Verdict.OWED, owed)
        await standings.remove(connection, one.number, operator, now)
    return Removal(Verdict.DONE, {})


async def _judge(connection: Transaction, one: Destination | None, now: datetime) -> Verdict:
    if one is None:
        return Verdict.UNKNOWN_DESTINATION
    if one.state == REMOVED:
        return Verdict.ALREADY_REMOVED
    if one.audience is not Audience.ENTERPRISE or not is_feed(one):
        return Verdict.NOT_A_BRANDS_FEED
    versions = await load_versions(connection)
    mine = [each for each in versions.activations if each.brand == one.owner]
    deciding = in_force(mine, now).get(one.owner)
    for each in (*([deciding] if deciding else []), *coming(mine, now)):
        profile = versions.kept.find_version(each.brand, each.version)
        # One that cannot be read may name anything.
        if profile is None or one.name in profile.asked:
            return Verdict.NAMED_BY_PROFILE
    if deciding is not None and now - deciding.effective_at < KNOWN_WITHIN:
        return Verdict.DROPPED_JUST_NOW
    return Verdict.DONE
