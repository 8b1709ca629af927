"""Whether the version in force renders what another one decided: asked where an operator has that sent again by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.events import EventType
from gateway.core.reasons import ReasonKind
from gateway.core.visibility import Audience
from gateway.core.waits import Telling
from gateway.mapping.profile_roads import DestinationKind
from gateway.mapping.wanted import Wanted, seen_in, tells, wants_seen
from gateway.store.deliveries import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.core.document import StoredEvent
    from gateway.mapping.profile import Profile
    from gateway.store.destinations import Destination


def find_active_version(
    active: Mapping[str, Profile], event: StoredEvent, destination: Destination
) -> int | Verdict | None:
    """The version in force of the event's brand, or why that does not tell `destination` of it.

    None where no profile has a say: receipts, and what goes to providers and customers.
    """
    if destination.audience is not Audience.ENTERPRISE or event.brand is None:
        return None
    profile = active.get(event.brand)
    if profile is None:
        return Verdict.NO_PROFILE
    telling = tells(profile, event.type, event.body)
    if telling is Telling.REFUSED:
        return Verdict.REFUSED
    if not _is_wanted(profile, event, destination):
        return Verdict.NOT_WANTED
    if not _knows_reason(profile, event):
        return Verdict.UNMAPPED
    # Connect has words of its own for how a job stands.
    if telling is Telling.SILENT and destination.kind != DestinationKind.POLL:
        return Verdict.NO_CODE
    return profile.version


def _is_wanted(profile: Profile, event: StoredEvent, destination: Destination) -> bool:
    if event.type == EventType.NOTE_RETRACTED:
        # Whoever has the note takes it back, whatever is asked for by now.
        return True
    spec = profile.asked.get(destination.name)
    return spec is not None and isinstance(wants_seen(profile, spec, seen_in(event)), Wanted)


def _knows_reason(profile: Profile, event: StoredEvent) -> bool:
    reason = event.body.get("reason")
    if not isinstance(reason, dict):
        return True
    decided = reason.get("code")
    kind, text = ReasonKind(str(reason["kind"])), str(reason["text"])
    return profile.told_reason(kind, text, decided if isinstance(decided, str) else None).code is not None
