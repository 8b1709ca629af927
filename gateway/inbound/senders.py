"""Who sent a record: the actor that the core judges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.commands import PutOrganization
from gateway.core.ids import Ref
from gateway.core.outcomes import Parked, Refused, Why
from gateway.core.parties import Actor, Side
from gateway.core.sandbox import is_test, owner_of, source_of_tests
from gateway.inbound.pointing import sender_pointer

if TYPE_CHECKING:
    from gateway.inbound.directory import Directory
    from gateway.inbound.known import Known
    from gateway.inbound.translated import Translated


def find_actor(reading: Translated, known: Known, directory: Directory) -> Actor | Parked | Refused:
    """An account, an organization that is known, or a channel; where there is none, what becomes of the record."""
    side, source = reading.side, reading.source
    if side is Side.ENTERPRISE:
        account = directory.accounts.get(owner_of(source))
        if account is None:
            return Refused(why=Why.UNKNOWN_SOURCE, member="source")
        return Actor(
            side=side,
            source=source,
            account=account.number,
            first_party=account.first_party,
            person=reading.person,
        )
    if side is Side.PROVIDER:
        return _find_provider(reading, known)
    profile = directory.active.get(reading.brand) if reading.brand else None
    if side is Side.BOOKING_PAGE and profile is not None:
        owner = owner_of(source)
        if owner in directory.accounts and owner != profile.account:
            return Refused(why=Why.UNKNOWN_BRAND, member="data.brand")
        account = directory.accounts.get(profile.account)
        if account is not None:
            name = source_of_tests(account.name) if is_test(source) else account.name
            return Actor(side=side, source=name, account=account.number)
    return Actor(side=side, source=source)


def _find_provider(reading: Translated, known: Known) -> Actor | Parked | Refused:
    pointer = sender_pointer(reading)
    number = known.number(pointer)
    organization = known.organizations.get(number) if number is not None else None
    if organization is None:
        if isinstance(reading.command, PutOrganization) and isinstance(pointer, Ref):
            return Actor(side=Side.PROVIDER, source=reading.source)
        return Parked(ref=pointer) if isinstance(pointer, Ref) else Refused(why=Why.UNKNOWN_SOURCE, member="source")
    user = known.number(reading.refs.user)
    if reading.credential is not None:
        if reading.refs.user is not None and user != reading.credential:
            return Refused(why=Why.NOT_YOUR_USER, member="data.user", detail="the key says who acts")
        user = reading.credential
    acting = known.users.get(user) if user is not None else None
    if user is not None and acting is None:
        return Refused(why=Why.NOT_YOUR_USER, member="data.user")
    return Actor(
        side=Side.PROVIDER,
        source=reading.source,
        organization=organization.number,
        user=acting,
        own_credential=reading.credential is not None,
    )
