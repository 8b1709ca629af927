"""Two versions of a brand's profile, held against each other: on events that go out, and on what was read of records.

Pure. An event is taken as if each version had been in force when it was decided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import orjson

from gateway.core.document import as_given
from gateway.core.reasons import ReasonKind
from gateway.core.sandbox import is_test
from gateway.core.values import replace
from gateway.core.visibility import Audience
from gateway.mapping import connect_out
from gateway.mapping.differences import Changes, Difference, Kind, changes_between, disguised, without_places
from gateway.mapping.own_json import CanonicalMessage
from gateway.mapping.profile_roads import DestinationKind
from gateway.mapping.render import Document, Unrenderable, WhyNot, envelope, render
from gateway.mapping.wanted import NotWanted, WhyUnwanted, seen_in, wants_seen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.core.document import StoredEvent
    from gateway.core.parties import Json
    from gateway.core.visibility import Withheld
    from gateway.mapping.profile import Profile
    from gateway.mapping.wanted import Seen

Made: TypeAlias = "Document | Unrenderable"
Said: TypeAlias = "tuple[Kind, str]"

_KEY, _CONTENT_TYPE = "(key)", "(content type)"


class NotUnderstood(NamedTuple):
    """A record that does not become a command: why, and by which member."""

    why: str
    member: str


class ReadOtherwise(NamedTuple):
    """How a record is read differently, and the members of its command that change."""

    difference: Difference
    changes: Changes


class Comparison:
    """Of `before` with `after`, which says the version of `before`: that alone is no difference, wherever it stands."""

    def __init__(self, before: Profile, after: Profile) -> None:
        self._before = before
        self._after = after.model_copy(update={"version": before.version})
        self._names = tuple(dict.fromkeys((*before.asked, *after.asked)))

    def differences(self, event: StoredEvent, note_text: str | Withheld | None) -> list[Difference]:
        """What is different about the messages of `event`, one for each destination that either version names."""
        seen, anew = seen_in(event), as_given(event)
        made: dict[bool, tuple[Made, Made]] = {}
        found: list[Difference] = []
        for name in self._names:
            unwanted, becomes_unwanted = (self._find_unwanted(each, name, seen, event) for each in self._versions)
            if unwanted is not None and becomes_unwanted is not None:
                continue
            polled = self._is_polled(name)
            if polled not in made:
                made[polled] = self._make(anew, note_text, polled=polled)
            was, becomes = made[polled]
            said = self._compare(unwanted or was, becomes_unwanted or becomes, anew)
            found += [Difference(kind, what, name) for kind, what in said]
        return found

    def changes(self, event: StoredEvent, note_text: str | Withheld | None, name: str) -> Changes:
        """Which members of the message to that destination change: with values of the same event in disguise, where it
        renders so.
        """
        polled = self._is_polled(name)
        real = _changes(*self._make(as_given(event), note_text, polled=polled))
        text = disguised(note_text) if isinstance(note_text, str) else note_text
        in_disguise = replace(event, body={**event.body, "details": disguised(event.body.get("details"))})
        shown = _changes(*self._make(as_given(in_disguise), text, polled=polled))  # type: ignore[arg-type]
        return {member: shown.get(member, {}) for member in real}

    @property
    def _versions(self) -> tuple[Profile, Profile]:
        return self._before, self._after

    def _is_polled(self, name: str) -> bool:
        asked = self._after.asked.get(name) or self._before.asked[name]
        return asked.kind is DestinationKind.POLL

    def _find_unwanted(self, profile: Profile, name: str, seen: Seen, event: StoredEvent) -> NotWanted | None:
        destination = profile.asked.get(name)
        if destination is None or destination.sandbox is not is_test(event.source):
            return NotWanted(WhyUnwanted.NOT_IN_PROFILE)
        verdict = wants_seen(profile, destination, seen)
        return verdict if isinstance(verdict, NotWanted) else None

    def _make(self, event: StoredEvent, text: str | Withheld | None, *, polled: bool) -> tuple[Made, Made]:
        make = _for_poller if polled else _document
        before, after = (_find_unknown(each, event) or make(each, event, text) for each in self._versions)
        return before, after

    def _compare(self, was: Made | NotWanted, becomes: Made | NotWanted, event: StoredEvent) -> list[Said]:
        if isinstance(becomes, NotWanted):
            return [(Kind.NO_LONGER_WANTED, becomes.why)]
        if isinstance(becomes, Unrenderable):
            if not isinstance(was, Unrenderable):
                return [(Kind.NEWLY_FAILS, _failure(becomes, event))]
            return [] if was == becomes else [(Kind.FAILS_OTHERWISE, f"{was.reason} → {_failure(becomes, event)}")]
        if isinstance(was, NotWanted):
            return [(Kind.NEWLY_WANTED, was.why)]
        if isinstance(was, Unrenderable):
            return [(Kind.NEWLY_PASSES, _failure(was, event))]
        return [] if was == becomes else list(self._compare_documents(was, becomes, event))

    def _compare_documents(self, was: Document, becomes: Document, event: StoredEvent) -> Iterator[Said]:
        if was.key != becomes.key:
            yield Kind.KEY_CHANGED, ""
        if was.content_type != becomes.content_type:
            yield Kind.CONTENT_TYPE_CHANGED, f"{was.content_type} → {becomes.content_type}"
        changes = changes_between(orjson.loads(was.body), orjson.loads(becomes.body))
        for kind, of_code in self._changed_codes(event):
            same = [member for member, change in changes.items() if change == of_code]
            if same:
                yield kind, f"{_word(of_code['before'])} → {_word(of_code['after'])}"
            changes = {member: change for member, change in changes.items() if member not in same}
        if changes:
            yield Kind.MEMBERS_CHANGED, _members(changes)

    def _changed_codes(self, event: StoredEvent) -> Iterator[tuple[Kind, dict[str, Json]]]:
        """The brand's codes that differ, as a change of whichever member they stand in."""
        (code, reason), (next_code, next_reason) = (_codes(profile, event) for profile in self._versions)
        if code != next_code:
            yield Kind.CODE_CHANGED, {"before": code, "after": next_code}
        if reason != next_reason:
            yield Kind.REASON_CHANGED, {"before": reason, "after": next_reason}


def compare_readings(
    was: CanonicalMessage | NotUnderstood, becomes: CanonicalMessage | NotUnderstood
) -> ReadOtherwise | None:
    """The difference that reading a record by the other version makes; values are disguised."""
    if was == becomes:
        return None
    if isinstance(was, NotUnderstood) and isinstance(becomes, NotUnderstood):
        return ReadOtherwise(Difference(Kind.NOT_UNDERSTOOD_OTHERWISE, f"{_why(was)} → {_why(becomes)}"), {})
    if isinstance(becomes, NotUnderstood):
        return ReadOtherwise(Difference(Kind.NEWLY_NOT_UNDERSTOOD, _why(becomes)), {})
    if isinstance(was, NotUnderstood):
        return ReadOtherwise(Difference(Kind.NEWLY_UNDERSTOOD, _why(was)), {})
    changes = changes_between(_tree(was), _tree(becomes))
    types = was.type if was.type == becomes.type else f"{was.type} → {becomes.type}"
    said = f"{types}: {_members(changes)}"
    return ReadOtherwise(Difference(Kind.COMMAND_CHANGED, said), {each: _hidden(one) for each, one in changes.items()})


def _find_unknown(profile: Profile, event: StoredEvent) -> Unrenderable | None:
    """A reason that would have been held: one that is retired is told of still, and not understood any more."""
    reason = event.body.get("reason")
    if not isinstance(reason, dict):
        return None
    known = profile.reasons.given(ReasonKind(str(reason["kind"])), str(reason["text"]))
    return None if known.code is not None else Unrenderable(WhyNot.REASON_UNMAPPED)


def _document(profile: Profile, event: StoredEvent, text: str | Withheld | None) -> Made:
    # As if every version before had been sent.
    previous = event.jobversion - 1 if event.jobversion else None
    return render(profile, event, audience=Audience.ENTERPRISE, previous=previous, note_text=text)


def _for_poller(profile: Profile, event: StoredEvent, text: str | Withheld | None) -> Made:
    """The messages of Dispatch Connect as one document, without what only the job as it is now would add."""
    said = [
        connect_out.put(part, event, audience=Audience.ENTERPRISE, profile=profile, note_text=text)
        for part in connect_out.parts(event, Audience.ENTERPRISE)
    ]
    failed = next((one for one in said if isinstance(one, Unrenderable)), None)
    return failed or Document(b"", orjson.dumps(said), "application/json", ())


def _changes(was: Made, becomes: Made) -> Changes:
    if isinstance(was, Unrenderable) or isinstance(becomes, Unrenderable):
        return {}
    found = changes_between(orjson.loads(was.body), orjson.loads(becomes.body))
    if was.content_type != becomes.content_type:
        found[_CONTENT_TYPE] = {"before": was.content_type, "after": becomes.content_type}
    if was.key != becomes.key:
        found[_KEY] = {"before": was.key.decode(), "after": becomes.key.decode()}
    return found


def _members(changes: Changes) -> str:
    return ", ".join(sorted({without_places(member) for member in changes}))


def _hidden(change: dict[str, Json]) -> dict[str, Json]:
    return {side: disguised(value) for side, value in change.items()}


def _codes(profile: Profile, event: StoredEvent) -> tuple[Json, Json]:
    """The brand's code for the standing, and for the reason."""
    made = envelope(profile, event, audience=Audience.ENTERPRISE)
    members = made["data"] if not isinstance(made, Unrenderable) else None
    if not isinstance(members, dict):
        return None, None
    reason = members.get("reason")
    return members.get("code"), reason.get("code") if isinstance(reason, dict) else None


def _failure(failed: Unrenderable, event: StoredEvent) -> str:
    reason = event.body.get("reason")
    if failed.reason is WhyNot.REASON_UNMAPPED and isinstance(reason, dict):
        return f"{failed.reason}: {reason.get('kind')} {reason.get('text')}"
    return f"{failed.reason}: {failed.detail}" if failed.detail else str(failed.reason)


def _why(one: NotUnderstood) -> str:
    return f"{one.why}: {one.member}" if one.member else one.why


def _tree(message: CanonicalMessage) -> dict[str, Json]:
    return {
        "type": message.type,
        "id": message.id,
        "subject": message.subject,
        "time": message.time,
        "data": message.data,
    }


def _word(code: Json) -> str:
    return "nothing" if code is None else str(code)
