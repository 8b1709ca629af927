"""What a profile makes of every example, as golden files: a message each, what the brand's own documents say, and how
the texts of its reasons are understood.

Pure. `gateway.corpus` reads the documents and keeps the files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from gateway.core.reasons import ReasonKind
from gateway.core.values import dataclass
from gateway.core.visibility import Audience
from gateway.mapping.connect_out import parts, put
from gateway.mapping.examples import Example, examples
from gateway.mapping.happenings import ANY_OTHER
from gateway.mapping.own_json import NotTranslated, translate_own
from gateway.mapping.profile_roads import DestinationKind
from gateway.mapping.render import Document, Unrenderable, render
from gateway.mapping.wanted import NotWanted, wants

if TYPE_CHECKING:
    from gateway.core.parties import Json
    from gateway.core.reasons import GivenReason
    from gateway.mapping.profile import Profile
    from gateway.mapping.profile_roads import Destination

# A file's name and its text.
Golden = tuple[str, str]

_LONGEST_NAME = 150
_SAID = ("type", "id", "subject", "time", "data")


@dataclass(frozen=True, slots=True)
class OwnDocument:
    """A document in the brand's own JSON; `name` is its golden file's, and `record_type` that of a custom one."""

    name: str
    document: Json
    record_type: str | None = None


def goldens(profile: Profile, documents: Sequence[OwnDocument] = ()) -> Iterator[Golden]:
    """Every golden file of `profile`."""
    yield understood_reasons(profile)
    yield from translations(profile, documents)
    yield from messages(profile, examples(profile))


def understood_reasons(profile: Profile) -> Golden:
    """What each text of each list stands for when it is given, and any other text; with what is retired."""
    return "reasons.json", pretty({kind.value: _understood(profile, kind) for kind in ReasonKind})


def _understood(profile: Profile, kind: ReasonKind) -> dict[str, object]:
    listed, written = profile.reasons.listed(kind), profile.written_reasons[kind]
    texts = [text for each in listed for text in (each.code, each.label, *each.also)]
    texts += [text for each in written for text in (each.code, each.label, *each.also)]
    understood = {text: _meaning(profile.reasons.given(kind, text)) for text in texts}
    retired = [each.model_dump(mode="json", exclude={"retired"}) for each in written if each.retired]
    made: dict[str, object] = {"understood": understood, "any_other": _meaning(profile.reasons.given(kind, ANY_OTHER))}
    return {**made, "retired": retired} if retired else made


def _meaning(reason: GivenReason) -> object:
    if reason.code is None:
        return "unknown"
    if reason.label == reason.text == ANY_OTHER:
        return "taken as it is"
    return {"code": reason.code, "label": reason.label, "outcome": reason.outcome}


def translations(profile: Profile, documents: Sequence[OwnDocument]) -> Iterator[Golden]:
    """What each document says as a canonical message, or why it says nothing."""
    for own in documents:
        message = translate_own(profile, own.document, own.record_type)
        if isinstance(message, NotTranslated):
            refusal = {"refused": message.reason.value, "field": message.field, "detail": message.detail}
            yield f"{own.name}.refused.json", pretty(refusal)
        else:
            yield f"{own.name}.json", pretty({member: getattr(message, member) for member in _SAID})


def messages(profile: Profile, told: Sequence[Example]) -> Iterator[Golden]:
    """What the destinations get of the examples that are `told`.

    The first has a file for every message, or for why it is not sent; each other one has a single file that says which
    of them it gets, and a polled one in which words of Connect.
    """
    for destination in profile.destinations[:1]:
        for example in told:
            yield _message(profile, destination, example)
    for index, destination in enumerate(profile.destinations):
        if index > 0 or destination.kind is DestinationKind.POLL:
            got = {_name(example): _got(profile, destination, example) for example in told}
            yield f"destination.{destination.name}.json", pretty(got)


def rendered(profile: Profile | None, example: Example, audience: Audience) -> Document | Unrenderable:
    """`example` as it would be sent after the version before it."""
    version = example.stored.jobversion
    previous = version - 1 if version else None
    return render(profile, example.stored, audience=audience, previous=previous, note_text=example.note_text)


def short_name(example: Example) -> str:
    """What tells an example from others of its type in the name of a file."""
    return example.name if example.audience is not Audience.CUSTOMER else "example"


def pretty(value: object) -> str:
    """`value` as a JSON file for people: two spaces deep, with a last line's end."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _name(example: Example) -> str:
    return f"{example.stored.type}.{short_name(example)}"


def _file_name(name: str) -> str:
    """`name`, which may hold any code of a brand (N/A), as one that every file system takes."""
    quoted = quote(name, safe=" ")
    if len(quoted) <= _LONGEST_NAME:
        return quoted
    return f"{quoted[:_LONGEST_NAME]}~{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def _message(profile: Profile, destination: Destination, example: Example) -> Golden:
    name = _file_name(_name(example))
    verdict = wants(profile, destination, example.event)
    if isinstance(verdict, NotWanted):
        return f"{name}.refused.json", pretty({"refused": str(verdict.why)})
    made = rendered(profile, example, Audience.ENTERPRISE)
    if isinstance(made, Unrenderable):
        return f"{name}.refused.json", pretty({"refused": made.reason.value, "detail": made.detail})
    return f"{name}.json", pretty(_in_words(made))


def _in_words(document: Document) -> dict[str, object]:
    return {
        "key": document.key.decode(),
        "content_type": document.content_type,
        "headers": {name: value.decode() for name, value in document.headers},
        "body": json.loads(document.body),
    }


def _got(profile: Profile, destination: Destination, example: Example) -> object:
    verdict = wants(profile, destination, example.event)
    if isinstance(verdict, NotWanted):
        return f"not sent: {verdict.why}"
    if destination.kind is DestinationKind.POLL:
        return list(_handed_out(profile, example))
    return "sent"


def _handed_out(profile: Profile, example: Example) -> Iterator[object]:
    """Each entity with its status, which is what a profile has words for; its other members are Connect's own."""
    for part in parts(example.stored, Audience.ENTERPRISE):
        action = put(part, example.stored, audience=Audience.ENTERPRISE, profile=profile, note_text=example.note_text)
        if isinstance(action, Unrenderable):
            yield {"refused": action.reason.value, "detail": action.detail}
            continue
        made = action["Put"]
        entity = made.get(part.entity.value) if isinstance(made, dict) else None
        yield {part.entity.value: entity.get("status") if isinstance(entity, dict) else None}
