"""When a version takes force, and what comes with it: destinations, settings of its account, what waited for it.

Destinations that a version names and that are not there yet are made with its activation, so that none misses an event
that it decided, and so is its account; everything else is changed at its moment, by whoever comes first.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from gateway.core.document import stamp
from gateway.core.values import replace
from gateway.core.visibility import Audience
from gateway.inbound import held
from gateway.inbound.receipts import polled_receipts
from gateway.mapping.outline import find_outline
from gateway.mapping.profile import Profile, parse_profile
from gateway.mapping.profile_roads import ReceiptsTo
from gateway.store.accounts import load_accounts, make_account, save_account
from gateway.store.bulk import notify
from gateway.store.deliveries import Operator
from gateway.store.destinations import REMOVED, NewDestination, load_destinations, save_destinations
from gateway.store.outbox import CHANNEL
from gateway.store.profiles import (
    add_activation,
    coming,
    find_profile,
    in_force,
    load_activations,
    load_documents,
    load_in_place,
    lock_profiles,
    note_in_place,
)
from gateway.store.releasing import Released, release_mapped

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from gateway.store.accounts import Account
    from gateway.store.database import Database, Transaction
    from gateway.store.profiles import Activation, NewActivation

# By then every process knows of an activation: each reads again every two seconds, or before it decides.
LEAD = timedelta(seconds=3)


def moment_of(
    activations: Iterable[Activation], brand: str, now: datetime, wanted: datetime | None, lead: timedelta
) -> datetime | str:
    """When an activation that is made now takes force, or why it cannot be made and what to do.

    A brand that goes by no version yet needs no lead: nobody decides by another.
    """
    mine = [one for one in activations if one.brand == brand]
    deciding = in_force(mine, now).get(brand)
    if wanted is not None and wanted <= now and deciding is not None:
        return (
            f"{stamp(wanted)} is past, and version {deciding.version} decides since {stamp(deciding.effective_at)}: "
            "leave it out, or name a moment to come"
        )
    soonest = now if deciding is None else now + lead
    moment = max(wanted or soonest, soonest)
    for one in coming(mine, now):
        if one.effective_at == moment:
            return f"version {one.version} takes force at {stamp(moment)}: name another moment, or take that back first"
    return moment


async def bring_in(connection: Transaction, profile: Profile, new: NewActivation, now: datetime) -> Released:
    """Keeps an activation of `profile`, in the caller's transaction, which holds `lock_profiles`.

    One whose moment is now is put in force; of a later one the destinations and the account are made that are missing.
    """
    one = await add_activation(connection, new)
    if one.effective_at <= now:
        return await put_in_force(connection, profile, one, now)
    known = {account.name for account in await load_accounts(connection)}
    named = _feeds(profile) if profile.account in known else destinations_of(profile)
    await make_account(connection, profile.account)
    there = await load_destinations(connection)
    missing = [one for one in named if one.name not in there or there[one.name].state == REMOVED]
    await save_destinations(connection, missing)
    return Released()


async def put_in_force(connection: Transaction, profile: Profile, one: Activation, now: datetime) -> Released:
    """Brings destinations and settings in line with `profile`, and releases the first of what waited for it.

    In the caller's transaction, which holds `lock_profiles`; done again it changes nothing.
    The clock releases the rest.
    """
    account = await make_account(connection, profile.account)
    if profile.receipts is not None:
        said = profile.receipts
        await save_account(connection, replace(account, receipts=said.records, receipts_to=said.to))
    elif await _nobody_chooses(connection, profile.brand, account, now):
        await save_account(connection, replace(account, receipts=None, receipts_to=None))
    operator = Operator(author=one.author, reason=one.reason)
    released = await release_mapped(connection, held.in_force(profile), operator, now)
    # After the lanes of what is released: relays, too, lock lanes before the destinations that they learn of.
    await save_destinations(connection, destinations_of(profile))
    await note_in_place(connection, one)
    if released.deliveries:
        await notify(connection, CHANNEL)
    return released


async def _nobody_chooses(connection: Transaction, brand: str, account: Account, now: datetime) -> bool:
    """Whether the version of `brand` that is in place chose the account's receipts, and no other brand's does."""
    if account.receipts is None and account.receipts_to is None:
        return False
    activations, placed = await load_activations(connection), (await load_in_place(connection)).get(brand)
    before = ((one.brand, one.version) for one in activations if one.number == placed)
    others = ((one.brand, one.version) for one in in_force(activations, now).values() if one.brand != brand)
    return await _choose(connection, before, account) and not await _choose(connection, others, account)


async def _choose(connection: Transaction, versions: Iterable[tuple[str, int]], account: Account) -> bool:
    texts = await load_documents(connection, versions)
    outlines = filter(None, map(find_outline, texts.values()))
    return any(one.account == account.name and one.receipts is not None for one in outlines)


async def catch_up(database: Database, brand: str) -> Released | None:
    """Puts the version in force whose moment has come; None where somebody was first, or where it cannot be read."""
    async with database.transaction() as connection:
        await lock_profiles(connection)
        now = await database.now(connection)
        one = in_force(await load_activations(connection, brand), now).get(brand)
        if one is None or (await load_in_place(connection)).get(brand) == one.number:
            return None
        row = await find_profile(connection, brand, one.version)
        profile = parse_profile(row.document, file=f"{brand} v{one.version}") if row is not None else ()
        if not isinstance(profile, Profile):
            return None
        return await put_in_force(connection, profile, one, now)


def destinations_of(profile: Profile) -> list[NewDestination]:
    """What a version in force has: the destinations that it names, and one for its account's receipts."""
    if profile.receipts is not None and profile.receipts.to is ReceiptsTo.POLL:
        return [*_feeds(profile), polled_receipts(profile.account)]
    receipts = NewDestination(
        name=f"receipts.{profile.account}",
        kind="kafka",
        audience=Audience.ENTERPRISE,
        owner=profile.account,
        settings={"topic": f"receipts.{profile.account}.v1"},
    )
    return [*_feeds(profile), receipts]


def _feeds(profile: Profile) -> list[NewDestination]:
    return [
        NewDestination(
            name=one.name,
            kind=one.kind.value,
            audience=Audience.ENTERPRISE,
            owner=profile.brand,
            settings=one.settings,
            strict=one.strict,
            sandbox=one.sandbox,
        )
        for one in profile.destinations
    ]
