"""Gives out, rotates, revokes and seals anew the keys of callers: each in one transaction, with its audit row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.brands import load_library
from gateway.core.ids import Kind, Ref
from gateway.core.sandbox import source_of_tests
from gateway.core.values import dataclass, replace
from gateway.inbound.receipts import polled_receipts
from gateway.inbound.work_topics import fetched_by
from gateway.owners import find_named, own_account, own_organization
from gateway.sealing import hash_token, new_secret, new_token
from gateway.store.accounts import load_accounts
from gateway.store.aggregates import load_organizations, load_users
from gateway.store.bulk import notify
from gateway.store.destination_secrets import load_signing_secrets, save_signing_secrets
from gateway.store.destinations import put_destinations
from gateway.store.keys import (
    CHANNEL,
    MOST_LIVE,
    CallerKind,
    KeyView,
    NewKey,
    find_operator,
    insert_key,
    list_keys,
    load_sealed,
    lock_keys,
    public_key,
    revoke_key,
    save_sealed,
    split_public_key,
)
from gateway.store.operators import Action, write_action
from gateway.store.profiles import lock_profiles
from gateway.store.references import Target, find_targets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.core.scopes import Scope
    from gateway.sealing import Sealer
    from gateway.store.database import Database, Transaction
    from gateway.store.deliveries import Operator


class KeyRefused(Exception):
    """Why a key is not given out, or not changed; a sentence with what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The key that is asked for. `owner`: a number, canonical id or name; `name` names a new owner, and the key.

    A user's has their organization for `owner`, and `user`: a number, canonical id, or the organization's own id.
    """

    kind: CallerKind
    owner: str
    name: str | None = None
    user: str | None = None
    brand: str | None = None
    transformation: str = "noop"
    scopes: tuple[Scope, ...] = ()
    sandbox: bool = False


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key with what is told this once, and kept nowhere in the clear. A user signs nothing, and has no secret."""

    number: int
    key: str
    secret: str | None
    token: str


async def create_key(database: Database, sealer: Sealer, wanted: Wanted, by: Operator) -> IssuedKey:
    """Makes a key, and its owner where that is new; raises `KeyRefused` or `owners.CannotOwn`."""
    async with database.transaction() as connection:
        await lock_profiles(connection)
        await lock_keys(connection)
        owner = await _find_owner(connection, wanted)
        if wanted.kind is CallerKind.ORGANIZATION:
            # By default its work waits for it to be fetched.
            found = await load_organizations(connection, [owner])
            made = [fetched_by(one, sandbox=wanted.sandbox) for one in found.values()]
            await put_destinations(connection, [one for each in made for one in each])
        if wanted.kind is CallerKind.ACCOUNT and wanted.brand is None:
            # What became of its records, too: its Connect clients expect it there.
            names = (one.name for one in await load_accounts(connection) if one.number == owner)
            sources = [source_of_tests(name) if wanted.sandbox else name for name in names]
            await put_destinations(connection, map(polled_receipts, sources))
        if wanted.brand is not None:
            await _insist_on_brand(connection, wanted.brand, owner)
        is_operator = wanted.kind is CallerKind.OPERATOR
        new = NewKey(
            kind=wanted.kind,
            owner=owner,
            brand=wanted.brand,
            transformation=wanted.transformation,
            label=wanted.owner if is_operator else wanted.name or "",
            secret=None,
            token_hash="",
            scopes=wanted.scopes,
            sandbox=wanted.sandbox,
        )
        return await _issue(connection, database, sealer, new, by, "create")


async def rotate_key(database: Database, sealer: Sealer, written: str, by: Operator) -> IssuedKey:
    """Makes a second live key like the one named, by number or public key; that one lives until it is revoked."""
    async with database.transaction() as connection:
        await lock_keys(connection)
        *others, held = _find_live(await list_keys(connection), written)
        if any(one.sandbox != held.sandbox for one in others):
            raise KeyRefused(f"{written} names a test key, too: say which, of {_numbers((*others, held))}")
        new = NewKey(
            kind=held.kind,
            owner=held.owner,
            brand=held.brand,
            transformation=held.transformation,
            label=held.label,
            secret=None,
            token_hash="",
            scopes=held.scopes,
            sandbox=held.sandbox,
        )
        return await _issue(connection, database, sealer, new, by, "rotate")


async def end_key(database: Database, written: str, by: Operator) -> KeyView:
    """Revokes the live key named, by number, or by public key where that names one alone."""
    async with database.transaction() as connection:
        await lock_keys(connection)
        held, *others = _find_live(await list_keys(connection), written)
        if others:
            raise KeyRefused(f"{written} names several live keys: say which, of {_numbers((held, *others))}")
        now = await database.now(connection)
        await revoke_key(connection, held.number, now)
        await write_action(connection, _action(by, "revoke", held.number, held.public_key), now)
        await notify(connection, CHANNEL)
        return held


async def seal_again(database: Database, sealer: Sealer, by: Operator) -> int:
    """Seals every kept secret with the newest sealing key, so that older ones may go; raises `sealing.CannotOpen`."""
    async with database.transaction() as connection:
        await lock_keys(connection)
        sealed = await load_sealed(connection)
        await save_sealed(connection, [(number, sealer.seal(sealer.open(old))) for number, old in sealed.items()])
        now = await database.now(connection)
        signing = await load_signing_secrets(connection, now)
        await save_signing_secrets(connection, [(one.number, sealer.seal(sealer.open(one.secret))) for one in signing])
        if sealed:
            await write_action(connection, Action(by.author, "reseal", "key", tuple(sealed), by.reason), now)
        if signing:
            webhooks = tuple(sorted({one.destination for one in signing}))
            await write_action(connection, Action(by.author, "reseal", "destination", webhooks, by.reason), now)
        return len(sealed) + len(signing)


def key_id(number: int) -> str:
    """The id under which operators know a key."""
    return f"key-{number}"


async def _find_owner(connection: Transaction, wanted: Wanted) -> int:
    match wanted.kind:
        case CallerKind.ACCOUNT:
            return await own_account(connection, wanted.owner, wanted.name)
        case CallerKind.ORGANIZATION:
            return await own_organization(connection, wanted.owner, wanted.name)
        case CallerKind.USER:
            return await _find_user(connection, wanted)
        case CallerKind.OPERATOR:
            return await find_operator(connection, wanted.owner)


async def _find_user(connection: Transaction, wanted: Wanted) -> int:
    organization = await own_organization(connection, wanted.owner, None)
    handle = (await load_organizations(connection, [organization]))[organization].handle
    written = wanted.user or ""
    number = find_named(Kind.USER, written)
    if number is None:
        ref = Ref(Kind.USER, handle, written)
        number = (await find_targets(connection, [ref])).get(ref, Target(None)).number
    user = (await load_users(connection, [number])).get(number) if number is not None else None
    if user is None or user.organization != organization:
        raise KeyRefused(f"{handle} has no user {written}: its own id of them, or usr-…")
    return user.number


async def _issue(
    connection: Transaction, database: Database, sealer: Sealer, new: NewKey, by: Operator, verb: str
) -> IssuedKey:
    named = public_key(new.kind, new.owner, new.transformation)
    like = [one for one in await list_keys(connection) if (one.public_key, one.sandbox) == (named, new.sandbox)]
    live = [one for one in like if one.is_live]
    if len(live) >= MOST_LIVE:
        numbers = " or ".join(key_id(one.number) for one in live)
        raise KeyRefused(f"{named} has {MOST_LIVE} live keys already: `gateway keys revoke` {numbers} first")
    secret, token = None if new.kind is CallerKind.USER else new_secret(), new_token()
    now = await database.now(connection)
    sealed = None if secret is None else sealer.seal(bytes.fromhex(secret))
    number = await insert_key(connection, replace(new, secret=sealed, token_hash=hash_token(token)), now)
    await write_action(connection, _action(by, verb, number, named), now)
    await notify(connection, CHANNEL)
    return IssuedKey(number, named, secret, token)


async def _insist_on_brand(connection: Transaction, brand: str, owner: int) -> None:
    profile = (await load_library(connection)).active.get(brand)
    if profile is None:
        raise KeyRefused(f"no profile of the brand {brand} is in force: `gateway brands import` it first")
    if not any((one.number, one.name) == (owner, profile.account) for one in await load_accounts(connection)):
        raise KeyRefused(f"the brand {brand} is of the account {profile.account}")


def _find_live(keys: list[KeyView], written: str) -> list[KeyView]:
    """The live keys meant by `key-3`, `3` or `account|42|noop`, the oldest first: one at least."""
    if split_public_key(written) is not None:
        found = [one for one in keys if one.public_key == written]
    else:
        found = [one for one in keys if written in {key_id(one.number), str(one.number)}]
    if not found:
        raise KeyRefused(f"there is no key {written}: `gateway keys list` names them")
    # An owner that is gone has no live key, and its keys can be revoked all the same.
    live = [one for one in found if one.state == "active"]
    if not live:
        raise KeyRefused(f"{written} is revoked already")
    return live


def _numbers(held: Iterable[KeyView]) -> str:
    return ", ".join(key_id(one.number) for one in held)


def _action(by: Operator, verb: str, number: int, named: str) -> Action:
    return Action(by.author, verb, "key", (number,), f"{named}: {by.reason}" if by.reason else named)
