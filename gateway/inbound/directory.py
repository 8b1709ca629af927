"""What a batch may know without asking: accounts, destinations and brand profiles, as of a few seconds ago."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from gateway.core.sandbox import owner_of
from gateway.core.values import dataclass, replace
from gateway.core.visibility import Audience
from gateway.mapping.library import NO_PROFILES

NOTIFICATIONS = "notifications"


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.mapping.library import Profiles
    from gateway.mapping.profile import Profile
    from gateway.store.accounts import Account
    from gateway.store.destinations import Destination


@dataclass(frozen=True, slots=True)
class Directory:
    """One immutable state of it. `active` are the profiles in force, by brand, each read when it is first asked for.

    By sender: `receipts` are the topics of what became of records, `acks` the poll queues of the same. `brands` are
    by their account, and `customs` those that read a transformation, by account and transformation.
    """

    accounts: Mapping[str, Account] = field(default_factory=dict)
    active: Mapping[str, Profile] = field(default_factory=dict)
    feeds: Mapping[str, tuple[Destination, ...]] = field(default_factory=dict)
    work: Mapping[str, tuple[Destination, ...]] = field(default_factory=dict)
    receipts: Mapping[str, Destination] = field(default_factory=dict)
    acks: Mapping[str, Destination] = field(default_factory=dict)
    notifications: tuple[Destination, ...] = ()
    brands: Mapping[str, Sequence[str]] = field(default_factory=dict)
    customs: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)

    def brands_of(self, source: str) -> Sequence[str]:
        """The brands of the account whose work, or test work, is of this source."""
        return self.brands.get(owner_of(source), ())

    def find_custom(self, account: str, brand: str | None, transformation: str) -> Profile | None:
        """The profile that reads `transformation` for a key of `account`: of the key's brand, else the only one."""
        knows = self.customs.get((account, transformation), ())
        named = [each for each in knows if brand in {None, each}]
        return self.active.get(named[0]) if len(named) == 1 else None

    def knows(self, name: str, owner: str) -> bool:
        """Whether the organization `owner` has a destination of that name."""
        receipts = self.receipts.get(owner)
        owned = self.work.get(owner, ()) if receipts is None else (*self.work.get(owner, ()), receipts)
        return any(one.name == name for one in owned)

    def joined_by(self, more: Iterable[Destination]) -> Directory:
        """This state with destinations of organizations that it does not have yet."""
        added = make_directory((), more, NO_PROFILES)
        work = {owner: (*self.work.get(owner, ()), *feeds) for owner, feeds in added.work.items()}
        return replace(self, work={**self.work, **work}, receipts={**self.receipts, **added.receipts})


def is_feed(one: Destination) -> bool:
    """Whether jobs' events go there: not receipts, acks or messages to customers."""
    return one.name != NOTIFICATIONS and not one.name.startswith(("receipts.", "acks."))


def make_directory(accounts: Iterable[Account], endpoints: Iterable[Destination], profiles: Profiles) -> Directory:
    """Sorts destinations by whom they serve: a brand, an organization's handle, a sender's name."""
    brands: dict[str, list[str]] = {}
    customs: dict[tuple[str, str], list[str]] = {}
    for each in profiles.outlines.values():
        brands.setdefault(each.account, []).append(each.brand)
        if each.transformation is not None:
            customs.setdefault((each.account, each.transformation), []).append(each.brand)
    feeds: dict[str, tuple[Destination, ...]] = {}
    work: dict[str, tuple[Destination, ...]] = {}
    receipts: dict[str, Destination] = {}
    acks: dict[str, Destination] = {}
    notifications: tuple[Destination, ...] = ()
    for one in endpoints:
        if one.name == NOTIFICATIONS:
            notifications = (one,)
        elif one.name.startswith("receipts."):
            receipts[one.owner] = one
        elif one.name.startswith("acks."):
            acks[one.owner] = one
        elif one.audience is Audience.ENTERPRISE:
            feeds[one.owner] = (*feeds.get(one.owner, ()), one)
        elif one.audience is Audience.PROVIDER:
            work[one.owner] = (*work.get(one.owner, ()), one)
    return Directory(
        accounts={one.name: one for one in accounts},
        active=profiles.active,
        feeds=feeds,
        work=work,
        receipts=receipts,
        acks=acks,
        notifications=notifications,
        brands=brands,
        customs=customs,
    )
