"""Whom a new key is for: an account or organization by number, canonical id or name, made where it is new."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gateway.core.ids import Kind, Ref, canonical_id, find_number
from gateway.core.parties import Organization
from gateway.store.accounts import load_accounts, make_account
from gateway.store.aggregates import load_organizations, save_organizations
from gateway.store.bulk import Writes
from gateway.store.numbers import claim_record_number, take_one
from gateway.store.references import Target, find_targets, save_targets

if TYPE_CHECKING:
    from gateway.store.database import Transaction

# What stands in the names of topics: no dots, no spaces.
_FIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


class CannotOwn(Exception):
    """Why somebody cannot be given a key; a sentence."""


def find_named(kind: Kind, written: str) -> int | None:
    """The number in `42` or a canonical id; None where it is a name."""
    return find_number(kind, f"{kind}-{written}" if written.isdecimal() else written)


async def own_account(connection: Transaction, written: str, name: str | None) -> int:
    """The number of the account `written`; a new one is called `name`. The caller holds `lock_profiles`."""
    accounts = await load_accounts(connection)
    number = find_named(Kind.ACCOUNT, written)
    for one in accounts:
        if one.number == number or (number is None and one.name == written):
            return one.number
    called = _fit(name or canonical_id(Kind.ACCOUNT, number)) if number is not None else _fit(written)
    if any(one.name == called for one in accounts):
        raise CannotOwn(f"another account has the name {called}")
    if not await may_name_account(connection, called):
        raise CannotOwn(f"an organization has the name {called}")
    return (await make_account(connection, called, number)).number


async def may_name_account(connection: Transaction, name: str) -> bool:
    """Whether an account may have the name: no organization has it, since ids and receipts are told apart by names."""
    ref = Ref(Kind.ORGANIZATION, "", name)
    return (await find_targets(connection, [ref])).get(ref, Target(None)).number is None


async def own_organization(connection: Transaction, written: str, name: str | None) -> int:
    """The number of the organization `written`; a new one is called `name`."""
    number = find_named(Kind.ORGANIZATION, written)
    if number is not None:
        if number in await load_organizations(connection, [number]):
            return number
        if not await claim_record_number(connection, number):
            raise CannotOwn(
                f"there is no {canonical_id(Kind.ORGANIZATION, number)}, and a record may have its number: "
                "name the organization by a handle, and it gets a number of its own"
            )
    handle = canonical_id(Kind.ORGANIZATION, number) if number is not None else written
    ref = Ref(Kind.ORGANIZATION, "", handle)
    found = await find_targets(connection, [ref])
    held = found.get(ref, Target(None))
    if number is None and held.number is not None:
        return held.number
    if held.number not in {None, number}:
        raise CannotOwn(f"another organization has the handle {handle}")
    made = number if number is not None else await take_one(connection, "record")
    members = {"name": name} if name else {}
    writes = Writes(connection)
    save_organizations(writes, [Organization(number=made, handle=_fit(handle), members=members)])
    # What was parked for it is decided by the clock, now that the name stands for something.
    absent = frozenset() if found else frozenset({ref})
    save_targets(writes, {ref: Target(made, waiting=held.waiting)}, absent)
    await writes.make()
    return made


def _fit(name: str) -> str:
    if not _FIT.fullmatch(name):
        raise CannotOwn(f"{name!r} cannot be a name: letters, digits, - and _, since topics are called by it")
    return name
