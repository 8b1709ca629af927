"""From a stored event to the bytes that leave: the canonical CloudEvent, or the brand's own JSON made from it.

Never raises for what an event or a profile holds: what cannot be rendered is an `Unrenderable` with a stable reason.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import orjson

from gateway.core.document import stamp
from gateway.core.events import EventType
from gateway.core.ids import Kind, canonical_id
from gateway.core.values import dataclass
from gateway.core.visibility import Audience
from gateway.mapping.codes import Refusal
from gateway.mapping.expressions import Expression, ExpressionFailed
from gateway.mapping.members import brand_code, event_members, receipt_members
from gateway.mapping.profile import DEFAULT, FeedFormat

if TYPE_CHECKING:
    from gateway.core.document import StoredEvent
    from gateway.core.parties import Json
    from gateway.core.visibility import Withheld
    from gateway.mapping.profile import Profile

SPECVERSION = "1.0"
STRUCTURED = "application/cloudevents+json"
LARGEST_CUSTOM = 64 * 1024
LARGEST_CANONICAL = 4 * 1024 * 1024

_RECEIPT = EventType.RECORD_SETTLED.value
_SNAPSHOT = EventType.JOB_SNAPSHOT.value
_PUBLISHED = EventType.NOTE_PUBLISHED.value
_STRUCTURED_HEADERS = (("content-type", STRUCTURED.encode()),)
# Attributes of an event whose body is the brand's own JSON: CloudEvents binary mode for Kafka.
_BINARY = ("specversion", "id", "source", "type", "subject", "time", "jobversion", "jobprevious")


_INTEGERS = ("jobversion", "jobprevious")


class WhyNot(StrEnum):
    """Why an event cannot be rendered. Values are stable."""

    NO_CODE_FOR_STATUS = "no_code_for_status"
    REFUSED_BY_PROFILE = "refused_by_profile"
    REASON_UNMAPPED = "reason_unmapped"
    NOTES_NOT_USED = "notes_not_used"
    NO_EXPRESSION = "no_expression"
    EXPRESSION_FAILED = "expression_failed"
    EMPTY_KEY = "empty_key"
    NOT_JSON = "not_json"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class Document:
    """What `render` produced, before transport. Headers are Kafka's; an HTTP publisher uses `content_type`."""

    key: bytes
    body: bytes
    content_type: str
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Unrenderable:
    """`detail` is for people and never holds a value of the event."""

    reason: WhyNot
    detail: str = ""


def render(
    profile: Profile | None,
    event: StoredEvent,
    *,
    audience: Audience,
    previous: int | None = None,
    note_text: str | Withheld | None = None,
) -> Document | Unrenderable:
    """`event` for `audience` in the form that `profile` asks for; without one, in canonical form.

    `previous` is the version before it on its lane; `note_text` what was opened of its note for this audience.
    """
    cloud_event = envelope(profile, event, audience=audience, previous=previous, note_text=note_text)
    if isinstance(cloud_event, Unrenderable):
        return cloud_event
    if profile is None or audience is not Audience.ENTERPRISE or profile.feed.format is FeedFormat.CANONICAL:
        return _canonical(event, cloud_event)
    return _custom(profile, event, cloud_event)


def envelope(
    profile: Profile | None,
    event: StoredEvent,
    *,
    audience: Audience,
    previous: int | None = None,
    note_text: str | Withheld | None = None,
) -> dict[str, Json] | Unrenderable:
    """The CloudEvent as a value: what canonical bodies are and what expressions see."""
    if event.type == _RECEIPT:
        members = receipt_members(event.body)
    else:
        members = event_members(event.type, event.body, profile, audience, note_text)
        if profile is not None and audience is Audience.ENTERPRISE:
            refused = _add_brand_words(profile, event, members)
            if refused is not None:
                return refused
    cloud_event: dict[str, Json] = {
        "specversion": SPECVERSION,
        "id": canonical_id(Kind.EVENT, event.number),
        "source": event.source,
        "type": type_of(event),
        "subject": _subject(event),
        "time": stamp(event.occurred_at),
        "dataschema": f"contracts/outbound/{event.type}/v1/schema.json",
        "datacontenttype": "application/json",
    }
    if event.jobversion is not None:
        cloud_event["jobversion"] = event.jobversion
        # A snapshot follows on nothing: all before is in it.
        if event.type != _SNAPSHOT:
            cloud_event["jobprevious"] = previous or 0
    cloud_event["data"] = members
    return cloud_event


def type_of(event: StoredEvent) -> str:
    """What an event is called outside."""
    return f"{event.type}.v1"


def structured(document: Document) -> bytes:
    """`document` as one JSON value, a CloudEvent in structured mode; JSON of a brand's own is its data."""
    if document.content_type == STRUCTURED:
        return document.body
    told = {name.removeprefix("ce_"): value.decode() for name, value in document.headers if name.startswith("ce_")}
    numbers = {name: int(told[name]) for name in _INTEGERS if name in told}
    data = {"datacontenttype": document.content_type, "data": orjson.Fragment(document.body)}
    return orjson.dumps({**told, **numbers, **data})


def _add_brand_words(profile: Profile, event: StoredEvent, members: dict[str, Json]) -> Unrenderable | None:
    if event.type == _PUBLISHED and not profile.features.notes:
        return Unrenderable(WhyNot.NOTES_NOT_USED)
    reason = members.get("reason")
    if isinstance(reason, dict) and reason.get("code") is None:
        return Unrenderable(WhyNot.REASON_UNMAPPED, f"a {reason.get('kind')} reason waits for a mapping")
    code = brand_code(event.type, event.body, profile)
    if code is None:
        return Unrenderable(WhyNot.NO_CODE_FOR_STATUS, f"{event.body.get('status')} / {event.body.get('closure')}")
    if isinstance(code, Refusal):
        return Unrenderable(WhyNot.REFUSED_BY_PROFILE, code.why)
    if code != "":
        members["code"] = code
    members["profile_version"] = profile.version
    return None


def _subject(event: StoredEvent) -> str:
    record = event.body.get("record") if event.type == _RECEIPT else None
    if isinstance(record, dict) and isinstance(record.get("id"), str):
        return str(record["id"])
    return canonical_id(Kind.JOB, event.job) if event.job is not None else ""


def _canonical_key(event: StoredEvent) -> bytes:
    """The job; for a receipt the sender's message id, else the record's."""
    record = event.body.get("record") if event.type == _RECEIPT else None
    message_id = record.get("message_id") if isinstance(record, dict) else None
    return (message_id if isinstance(message_id, str) else _subject(event)).encode()


def _canonical(event: StoredEvent, cloud_event: dict[str, Json]) -> Document | Unrenderable:
    body = _encoded(cloud_event, LARGEST_CANONICAL)
    if isinstance(body, Unrenderable):
        return body
    return Document(_canonical_key(event), body, STRUCTURED, _STRUCTURED_HEADERS)


def _custom(profile: Profile, event: StoredEvent, cloud_event: dict[str, Json]) -> Document | Unrenderable:
    expressions = profile.feed_expressions
    expression = expressions.get(event.type) or expressions.get(DEFAULT)
    if not isinstance(expression, Expression):
        return Unrenderable(WhyNot.NO_EXPRESSION, event.type)
    made = expression.of(cloud_event)
    if isinstance(made, ExpressionFailed):
        return Unrenderable(WhyNot.EXPRESSION_FAILED, made.detail)
    body = _encoded(made, LARGEST_CUSTOM)
    if isinstance(body, Unrenderable):
        return body
    key = _custom_key(profile, event, cloud_event)
    if isinstance(key, Unrenderable):
        return key
    content_type = profile.feed.content_type
    attributes = tuple((f"ce_{name}", str(cloud_event[name]).encode()) for name in _BINARY if name in cloud_event)
    return Document(key, body, content_type, (("content-type", content_type.encode()), *attributes))


def _custom_key(profile: Profile, event: StoredEvent, cloud_event: dict[str, Json]) -> bytes | Unrenderable:
    expression = profile.key_expression
    if not isinstance(expression, Expression):
        return _canonical_key(event)
    key = expression.of(cloud_event)
    if isinstance(key, ExpressionFailed):
        return Unrenderable(WhyNot.EXPRESSION_FAILED, f"key: {key.detail}")
    if isinstance(key, bool) or not isinstance(key, str | int) or key == "":
        return Unrenderable(WhyNot.EMPTY_KEY)
    try:
        return str(key).encode()
    except UnicodeEncodeError:
        return Unrenderable(WhyNot.EXPRESSION_FAILED, "key: half a character")


def _encoded(made: Json, largest: int) -> bytes | Unrenderable:
    try:
        body = orjson.dumps(made)
    except TypeError:
        # Something that is not JSON, such as private text: it goes nowhere, not even into this detail.
        return Unrenderable(WhyNot.NOT_JSON)
    if len(body) > largest:
        return Unrenderable(WhyNot.TOO_LARGE, f"more than {largest} bytes")
    return body
