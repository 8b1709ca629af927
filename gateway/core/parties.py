"""Accounts, organizations, their users, and customers: what they are and how they change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from gateway.core.values import dataclass

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Members: TypeAlias = Mapping[str, Json]


class Role(StrEnum):
    """What a user of an organization does."""

    DISPATCHER = "dispatcher"
    TECHNICIAN = "technician"
    BOTH = "both"

    @property
    def dispatches(self) -> bool:
        return self is not Role.TECHNICIAN

    @property
    def visits(self) -> bool:
        return self is not Role.DISPATCHER


class Side(StrEnum):
    """On whose behalf a command comes, or an event came about."""

    ENTERPRISE = "enterprise"
    PROVIDER = "provider"
    BOOKING_PAGE = "booking_page"
    SURVEYS = "surveys"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who sent a command. `source` is the account's, organization's or channel's name.

    `user` acts for an organization; `own_credential` says that the user sent it, not the organization's system.
    `person` is the name that an enterprise gave for one of its own people.
    """

    side: Side
    source: str
    account: int | None = None
    organization: int | None = None
    first_party: bool = False
    user: User | None = None
    own_credential: bool = False
    person: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """A service company. `branch_of` is the first-party account whose branch it is."""

    number: int
    handle: str
    branch_of: int | None = None
    members: Members = field(default_factory=dict)
    latest: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        name = self.members.get("name")
        return name if isinstance(name, str) else self.handle


@dataclass(frozen=True, slots=True)
class Position:
    """Where a user was last seen; `why_none` says why there is no position."""

    at: datetime
    latitude: float | None = None
    longitude: float | None = None
    why_none: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A dispatcher or technician of one organization."""

    number: int
    organization: int
    role: Role
    active: bool = True
    deactivated_at: datetime | None = None
    members: Members = field(default_factory=dict)
    latest: Mapping[str, str] = field(default_factory=dict)
    position: Position | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A person or a company that has work done. Whoever is `source` named them first, and nobody else may name them."""

    number: int
    source: str
    members: Members = field(default_factory=dict)


def merged(held: Members, put: Members) -> dict[str, Json]:
    """`held` after `put`: member by member, a null removes (as a JSON merge patch at the top level)."""
    members = {**held, **put}
    return {name: value for name, value in members.items() if value is not None}
