"""What a record points at, before anything is looked up: all that it refers to, or creates under an id of its own."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from gateway.core.commands import DeactivateUser, PutOrganization, PutUser, ReactivateUser, Refs, ReportPosition
from gateway.core.ids import Kind, Ref, find_number
from gateway.core.parties import Side
from gateway.core.sandbox import owner_of
from gateway.inbound.translated import Translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.inbound.directory import Directory
    from gateway.inbound.entry import Entry

USER_COMMANDS = (PutUser, DeactivateUser, ReactivateUser, ReportPosition)
_ROLES = tuple(role.name for role in fields(Refs))


def pointers(entry: Entry) -> Iterator[Ref | int]:
    """Everything that an entry points at, or creates under an id of its sender's."""
    reading = entry.reading
    if not isinstance(reading, Translated):
        return
    for role in _ROLES:
        pointer = getattr(reading.refs, role)
        if pointer is not None:
            yield pointer
    made = (organization_pointer(reading), organization_named(reading), reading.new_visit, reading.new_note)
    yield from (ref for ref in made if ref is not None)
    yield from reading.organization_names
    if reading.side is Side.PROVIDER:
        yield sender_pointer(reading)


def sender_pointer(reading: Translated) -> Ref | int:
    """The organization that a provider's record comes from: by its handle, or its canonical id."""
    name = owner_of(reading.source)
    number = find_number(Kind.ORGANIZATION, name)
    return number if number is not None else Ref(Kind.ORGANIZATION, "", name)


def organization_pointer(reading: Translated) -> Ref | int | None:
    """The organization that a message names; one that is given without an id is known by what is said of it."""
    command = reading.command
    named = reading.refs.organization
    if reading.side is Side.PROVIDER and named == Ref(Kind.ORGANIZATION, reading.source, owner_of(reading.source)):
        # Its own name is no id of somebody else's.
        return sender_pointer(reading)
    if named is not None:
        return named
    if reading.side is Side.PROVIDER:
        return sender_pointer(reading) if isinstance(command, (PutOrganization, *USER_COMMANDS)) else None
    members = command.members if isinstance(command, PutOrganization) else reading.organization_members
    if not members:
        return None
    told = [str(members.get(name, "")).strip().lower() for name in ("name", "phone", "email")]
    return Ref(Kind.ORGANIZATION, owner_of(reading.source), f"#{'|'.join(told)}"[:200])


def organization_named(reading: Translated) -> Ref | None:
    """The name at the gateway that a put gives its organization: the one that has it already is meant."""
    handle = reading.command.members.get("handle") if isinstance(reading.command, PutOrganization) else None
    return Ref(Kind.ORGANIZATION, "", handle) if isinstance(handle, str) else None


def routes(entry: Entry, directory: Directory) -> Iterator[Ref]:
    """The organization that an entry is routed to, where it is."""
    reading = entry.reading
    if isinstance(reading, Translated):
        routed = route(reading, directory)
        if routed is not None:
            yield routed


def route(reading: Translated, directory: Directory) -> Ref | None:
    """Where the brand's routing sends an offer that names no organization."""
    details = getattr(reading.command, "details", None)
    if details is None or reading.refs.organization is not None or reading.organization_members is not None:
        return None
    profile = directory.active.get(find_brand(reading, directory) or "")
    address = details.get("address")
    code = address.get("postal_code") if isinstance(address, dict) else None
    kind = details.get("service_type")
    if profile is None:
        return None
    handle = profile.find_organization(code if isinstance(code, str) else "", kind if isinstance(kind, str) else None)
    return Ref(Kind.ORGANIZATION, "", handle) if handle else None


def find_brand(reading: Translated, directory: Directory) -> str | None:
    """The brand that a new offer is for: the one it names, else the only one of its account."""
    if reading.brand is not None:
        return reading.brand
    brands = directory.brands_of(reading.source) if reading.side is Side.ENTERPRISE else []
    return brands[0] if len(brands) == 1 else None
