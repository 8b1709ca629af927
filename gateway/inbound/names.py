"""Names that a record may not use: brands of others, and what accounts are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.commands import PutOrganization
from gateway.core.ids import Kind, find_number
from gateway.core.outcomes import Refused, Why
from gateway.core.parties import Side
from gateway.core.sandbox import is_test
from gateway.inbound.entry import GATEWAY
from gateway.inbound.pointing import organization_named

if TYPE_CHECKING:
    from gateway.core.parties import Actor
    from gateway.inbound.directory import Directory
    from gateway.inbound.translated import Translated


def refuse_brand(
    brand: str | None, reading: Translated, actor: Actor, directory: Directory, only: str | None
) -> Refused | None:
    """Why a new job cannot be of `brand`: not the account's own, not the `only` one of its key, or none of several."""
    if brand is None:
        several = actor.side is Side.ENTERPRISE and directory.brands_of(reading.source)
        return Refused(why=Why.BRAND_REQUIRED, member="data.brand") if several else None
    profile = directory.active.get(brand)
    owner = directory.accounts.get(profile.account) if profile else None
    if owner is None or owner.number != actor.account or only not in {None, brand}:
        return Refused(why=Why.UNKNOWN_BRAND, member="data.brand")
    return None


def takes_an_accounts_name(reading: Translated, directory: Directory) -> bool:
    """Names of senders tell their ids, message ids and receipts apart: no organization is made under another's."""
    named = organization_named(reading)
    names = {named.external_id} if named is not None else set()
    if reading.side is Side.PROVIDER:
        names.add(reading.source)
    taken = any(
        name == GATEWAY or name in directory.accounts or is_test(name) or find_number(Kind.ORGANIZATION, name)
        for name in names
    )
    return taken and isinstance(reading.command, PutOrganization)
