"""What waits for a brand's profile: found when it is appended, and what a version makes of it later."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gateway.core.visibility import Audience
from gateway.mapping.profile_roads import DestinationKind
from gateway.mapping.wanted import find_wait, tells
from gateway.store.releasing import InForce

if TYPE_CHECKING:
    from gateway.core.events import Event
    from gateway.core.waits import Wait
    from gateway.inbound.directory import Directory
    from gateway.mapping.profile import Profile
    from gateway.store.destinations import Destination
    from gateway.store.releasing import FindInForce


def find_wait_at(destination: Destination, profile: Profile | None, event: Event) -> Wait | None:
    """What has to be mapped before `event` can go to `destination`; only a brand's own words can be missing.

    Connect has words of its own for how a job stands: what is polled never waits for a code.
    """
    if destination.audience is not Audience.ENTERPRISE:
        return None
    return find_wait(profile, event, coded=destination.kind != DestinationKind.POLL)


def in_force(profile: Profile) -> InForce:
    """What `profile` knows, for whoever releases by it."""
    return InForce(profile.brand, profile.reasons, profile.version, partial(tells, profile))


def in_force_of(directory: Directory) -> FindInForce:
    """The same of every brand that has a version in force."""

    def find_in_force(brand: str) -> InForce | None:
        profile = directory.active.get(brand)
        return in_force(profile) if profile is not None else None

    return find_in_force
