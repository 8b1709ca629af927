"""Whether a destination is owed an event, and whether its delivery waits for a mapping: asked when it is appended."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from gateway.core.events import Change, EventType, audiences, audiences_of
from gateway.core.parties import Side
from gateway.core.values import dataclass
from gateway.core.visibility import Audience
from gateway.core.waits import Telling, Wait, WaitKind
from gateway.mapping.codes import Refusal, find_code, standing_in, standing_of
from gateway.mapping.members import brand_code
from gateway.mapping.profile_roads import Some

if TYPE_CHECKING:
    from collections.abc import Collection

    from gateway.core.document import StoredEvent
    from gateway.core.events import Event
    from gateway.mapping.codes import Standing
    from gateway.mapping.members import Body
    from gateway.mapping.profile import Profile
    from gateway.mapping.profile_roads import Destination

_NOTES = frozenset({EventType.NOTE_PUBLISHED, EventType.NOTE_RETRACTED})


class WhyUnwanted(StrEnum):
    """Why a brand's destination is not owed an event; a profile adds names of its own for standings."""

    NOT_IN_PROFILE = "not_in_profile"
    NOT_FOR_FEED = "not_for_feed"
    KIND_NOT_ASKED_FOR = "kind_not_asked_for"
    NOTES_NOT_USED = "notes_not_used"
    PHOTOS_NOT_USED = "photos_not_used"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The destination is owed the event."""


@dataclass(frozen=True, slots=True)
class NotWanted:
    """Not owed: one of `WhyUnwanted`, or the profile's own name for a standing that the brand is not told of."""

    why: str


_WANTED = Wanted()


class Seen(NamedTuple):
    """All of an event that its being wanted depends on."""

    type: EventType
    is_for_enterprise: bool
    changes: Collection[str]
    standing: Standing | None


def seen_in(stored: StoredEvent) -> Seen:
    """The same of an event that is stored."""
    kind, by, changes = EventType(stored.type), stored.body.get("by"), stored.body.get("changes")
    side = by.get("role") if isinstance(by, dict) else None
    told = audiences_of(kind, Side(side)) if isinstance(side, str) else frozenset()
    changed = [str(each) for each in changes] if isinstance(changes, list) else []
    return Seen(kind, Audience.ENTERPRISE in told, changed, standing_in(stored.type, stored.body))


def wants(profile: Profile, destination: Destination, event: Event) -> Wanted | NotWanted:
    """Whether `destination` of the brand is owed `event`.

    A snapshot passes every filter of kinds; receipts and messages to customers have destinations of their own.
    """
    seen = Seen(event.type, Audience.ENTERPRISE in audiences(event), event.changes, standing_of(event))
    return wants_seen(profile, destination, seen)


def wants_seen(profile: Profile, destination: Destination, event: Seen) -> Wanted | NotWanted:
    """The same, by what it depends on."""
    if not event.is_for_enterprise:
        return NotWanted(WhyUnwanted.NOT_FOR_FEED)
    if event.type in _NOTES and not profile.features.notes:
        return NotWanted(WhyUnwanted.NOTES_NOT_USED)
    if Change.PHOTO in event.changes and not profile.features.photos:
        return NotWanted(WhyUnwanted.PHOTOS_NOT_USED)
    if not _asks_for(destination, event):
        return NotWanted(WhyUnwanted.KIND_NOT_ASKED_FOR)
    # Who was told of a note is told that it is taken back, however the job stands by then.
    standing = event.standing if event.type is not EventType.NOTE_RETRACTED else None
    code = find_code(profile.codes, standing) if standing is not None else None
    return NotWanted(code.why) if isinstance(code, Refusal) else _WANTED


def why_unwanted(profile: Profile, name: str, event: Event) -> str | None:
    """Why the brand's destination of this name is not owed `event`; None where it wants it.

    One of `WhyUnwanted`, or the profile's own name for a standing that the brand is not told of.
    """
    destination = profile.asked.get(name)
    if destination is None:
        return WhyUnwanted.NOT_IN_PROFILE
    verdict = wants(profile, destination, event)
    return verdict.why if isinstance(verdict, NotWanted) else None


def _asks_for(destination: Destination, event: Seen) -> bool:
    if destination.events is Some.ALL or event.type is EventType.JOB_SNAPSHOT:
        return True
    if destination.events is Some.STATUS_CHANGES_ONLY:
        return Change.STATUS in event.changes
    return event.type in destination.events


def find_wait(profile: Profile | None, event: Event, *, coded: bool) -> Wait | None:
    """What has to be mapped before `event` can go to the brand: its reason first; None: nothing waits.

    `coded`: its documents carry the brand's code for how the job stands, so that one must be there.
    """
    if profile is None:
        return None
    reason = event.reason
    if reason is not None and reason.code is None and profile.reasons.given(reason.kind, reason.text).code is None:
        return Wait(WaitKind(reason.kind), reason.text)
    # A note that was told of is taken back without a code, too.
    standing = standing_of(event) if coded and event.type is not EventType.NOTE_RETRACTED else None
    if standing is None or find_code(profile.codes, standing) is not None:
        return None
    return Wait(WaitKind.STATUS, str(standing))


def tells(profile: Profile, event_type: str, body: Body) -> Telling:
    """Whether `profile` has a code for how the job stands in a stored event, refuses it, or is silent."""
    code = brand_code(event_type, body, profile)
    if code is None:
        return Telling.SILENT
    return Telling.REFUSED if isinstance(code, Refusal) else Telling.TOLD
