"""Whether a version that is good in itself fits beside what is there: other brands, destinations, organizations."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from gateway.core.values import dataclass
from gateway.in_force import destinations_of
from gateway.lost_reasons import find_lost_reasons
from gateway.mapping.library import Version
from gateway.mapping.outline import Outline
from gateway.mapping.problems import Problem
from gateway.mapping.source import dotted
from gateway.mapping.webhook_url import find_url_fault
from gateway.owners import may_name_account
from gateway.store.destinations import NewDestination, load_destinations
from gateway.store.profiles import coming, holding, in_force, load_documents

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from gateway.mapping.profile import Profile
    from gateway.mapping.profile_roads import Destination as Spec
    from gateway.store.database import Transaction
    from gateway.store.destinations import Destination
    from gateway.store.profiles import Activation


class KeptVersions:
    """Versions as they are kept, each asked for once: they never change."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], Version] = {}

    def note(self, profile: Profile) -> None:
        """A version that was kept just now."""
        self._known[profile.brand, profile.version] = Version.of(profile)

    async def load(self, connection: Transaction, wanted: Iterable[tuple[str, int]]) -> list[Version]:
        """Those versions, by brand."""
        keys = sorted(set(wanted))
        missing = [key for key in keys if key not in self._known]
        if missing:
            texts = await load_documents(connection, missing)
            self._known |= {key: Version(*key, text) for key, text in texts.items()}
        return [self._known[key] for key in keys]


@dataclass(frozen=True, slots=True)
class Beside:
    """What a version is to stand beside now. `plain_webhooks`: this installation may post to http:// addresses."""

    activations: Sequence[Activation]
    now: datetime
    kept: KeptVersions = field(default_factory=KeptVersions)
    plain_webhooks: bool = True

    async def load_versions(self, connection: Transaction, brand: str) -> list[Version]:
        """Every brand's versions that are in force, or will be, and those of `brand` that have been."""
        deciding = (*in_force(self.activations, self.now).values(), *coming(self.activations, self.now))
        mine = (one for one in holding(self.activations) if one.brand == brand)
        return await self.kept.load(connection, ((one.brand, one.version) for one in (*deciding, *mine)))

    def find_scheduled(self, versions: Iterable[Version], brand: str) -> list[NewDestination]:
        """What those of `versions` name that `brand` will go by."""
        later = {one.version for one in coming(self.activations, self.now) if one.brand == brand}
        profiles = (one.profile for one in versions if one.brand == brand and one.number in later)
        return [named for profile in profiles if profile is not None for named in destinations_of(profile)]


async def find_misfits(
    connection: Transaction, profile: Profile, beside: Beside, *, file: str, goes_back: bool = False
) -> tuple[Problem, ...]:
    """What keeps a version that is good in itself from being in force beside what is there.

    It stays so under `lock_profiles`.

    `goes_back`: it was in force before, and may lack reasons that have been used since.
    """
    versions = await beside.load_versions(connection, profile.brand)
    endpoints = await load_destinations(connection)
    found = [
        *_find_changed(profile, endpoints, file),
        *_find_mixed(profile, [*endpoints.values(), *beside.find_scheduled(versions, profile.brand)], file),
        *_find_owned(profile, endpoints, file),
        *_find_clashes(profile, versions, file),
    ]
    if not goes_back:
        found += await find_lost_reasons(connection, profile, versions, file)
    if not await may_name_account(connection, profile.account):
        found.append(Problem(file, profile.line_of("account"), "account", "is the name of an organization"))
    return (*found, *(() if beside.plain_webhooks else _find_plain(profile, file)))


def _find_changed(profile: Profile, endpoints: Mapping[str, Destination], file: str) -> Iterator[Problem]:
    """What of destinations that are there cannot be changed by a version."""
    for index, one in enumerate(profile.destinations):
        there = endpoints.get(one.name)
        if there is not None and there.strict != one.strict:
            path = ("destinations", index, "strict")
            what = "stays as it was, since dead deliveries are owed by it: give the destination another name"
            yield Problem(file, profile.line_of(*path), dotted(path), what)
        if there is not None and there.sandbox != one.sandbox:
            path = ("destinations", index, "sandbox")
            what = "stays as it was, since deliveries are owed by it: give the destination another name"
            yield Problem(file, profile.line_of(*path), dotted(path), what)


def _find_mixed(profile: Profile, others: Sequence[Destination | NewDestination], file: str) -> Iterator[Problem]:
    for index, one in enumerate(profile.destinations):
        if any(_share_a_topic(one, other) for other in (*others, *destinations_of(profile))):
            path = ("destinations", index, "topic")
            yield Problem(file, profile.line_of(*path), dotted(path), "has test work and real work on one topic")


def _find_plain(profile: Profile, file: str) -> Iterator[Problem]:
    """Webhooks that would be refused when they are sent."""
    for index, one in enumerate(profile.destinations):
        fault = find_url_fault(one.webhook.url, plain=False) if one.webhook else None
        if fault is not None:
            path = ("destinations", index, "webhook", "url")
            what = f"{fault}: GATEWAY_WEBHOOK_PLAIN allows no other here"
            yield Problem(file, profile.line_of(*path), dotted(path), what)


def _find_owned(profile: Profile, endpoints: Mapping[str, Destination], file: str) -> Iterator[Problem]:
    """What somebody else owns stays theirs, whatever a profile calls its destinations or its account."""
    places: dict[str, tuple[str | int, ...]] = {
        one.name: ("destinations", index, "name") for index, one in enumerate(profile.destinations)
    }
    for wanted in destinations_of(profile):
        there = endpoints.get(wanted.name)
        if there is not None and (there.owner, there.audience) != (wanted.owner, wanted.audience):
            path = places.get(wanted.name, ("account",))
            yield Problem(file, profile.line_of(*path), dotted(path), f"{wanted.name} is of {there.owner}")


def _find_clashes(profile: Profile, versions: Iterable[Version], file: str) -> Iterator[Problem]:
    """Two brands cannot read one topic, nor can one brand change its owner: others' records would become theirs."""
    wanted = Outline.of(profile)
    for one in versions:
        other = one.outline
        if other is None:
            continue
        if one.brand == profile.brand:
            if other.account != wanted.account:
                what = f"version {one.number} is of the account {other.account}"
                yield Problem(file, profile.line_of("account"), "account", what)
                return
            continue
        told = wanted.receipts is not None and other.receipts not in {None, wanted.receipts}
        if told and other.account == wanted.account:
            what = f"{one.brand}, of the same account, says otherwise"
            yield Problem(file, profile.line_of("receipts"), "receipts", what)
        if wanted.topic is not None and other.topic == wanted.topic:
            yield Problem(file, profile.line_of("inbound", "topic"), "inbound.topic", f"{one.brand} reads this topic")


def _share_a_topic(one: Spec, other: Destination | NewDestination) -> bool:
    return one.topic is not None and one.sandbox != other.sandbox and one.topic == other.settings.get("topic")
