"""The JSON Schema of a brand profile, for editors: its shape as pydantic knows it, with words for whoever types.

It refuses nothing that the program takes; what it cannot say, such as that expressions compile, is the check's.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, cast

from gateway.mapping.codes import CLOSURES
from gateway.mapping.profile import DEFAULT, EVENT_NAMES, Profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.core.parties import Json

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"

_REASONS = "Codes, labels and further texts are unique in the list; each is understood."
_ALSO = "Further texts that are understood as this reason, letter by letter."
_RETIRED = "Say true to take the reason out: it is not understood any more, and its code stays taken for good."
_EXPRESSION = "A JMESPath expression; it sees the whole document."
# By part and member: what stands there. Parts are explained by their docstrings.
WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "Profile": {
        "brand": "The brand's name, which is its folder's too.",
        "account": "The enterprise that owns the brand. It stays the same in all versions.",
        "version": "One more than the version before; the file is called profile.v<version>.yaml.",
        "effective_at": "From when on the version may be in force.",
        "complete_reasons": f"How a visit ends. {_REASONS} Without a list: done, needs_follow_up.",
        "decline_reasons": f"Why an offer is declined. {_REASONS} Without a list any words are taken.",
        "cancel_reasons": f"Why a job is canceled. {_REASONS} Without a list any words are taken.",
        "several_completing": "Say true if more than one complete reason, or none, completes a visit.",
        "status_codes": "A code, or a refusal on purpose, for every standing that a job can be in.",
        "canceled_as": "The status word for a canceled job.",
        "features": "What of the gateway the brand uses.",
        "accept_within": "Seconds that an offer without accept_by stays open; left out: until somebody decides.",
        "routing": "Which organization gets work that names none: the first route that serves it.",
        "tables": "Tables for code('<table>', key) in expressions.",
        "feed": "The form of what the brand is sent.",
        "connect": "Status words for those who poll by Dispatch Connect.",
        "receipts": "What the account is told of what it sends.",
        "destinations": "Where the feed goes; left out: to the topic feed.<brand>.v1.",
        "inbound": "How the brand's own JSON on its own topic is read.",
        "booking_page": "The page on which the brand's customers ask for work.",
        "custom": "How the brand's own JSON by Dispatch Connect is read.",
    },
    "PlainReason": {
        "code": "The brand's code, in quotes if it is a number.",
        "label": "What people read.",
        "also": _ALSO,
        "retired": _RETIRED,
    },
    "CompleteReason": {
        "code": "The brand's code, in quotes if it is a number.",
        "label": "What people read.",
        "also": _ALSO,
        "retired": _RETIRED,
        "outcome": "completes: the visit is done and the job with it; pauses: there is more to come.",
    },
    "StatusCode": {
        "status": "How the job stands.",
        "closure": "How it ended; for complete and declined.",
        "appointment_status": "Only for what is told of a visit that stands so.",
        "code": "The brand's code: text, or a whole number.",
        "refuse": "In the place of a code: why the brand is not told.",
    },
    "Features": {"notes": "Whether the brand takes notes.", "photos": "Whether the brand takes photos."},
    "Route": {
        "postal_prefixes": "How its postal codes begin; left out: any.",
        "service_types": "Its types of service; left out: any.",
        "organization": "The handle of the organization that gets the work.",
    },
    "Feed": {
        "format": "canonical: CloudEvents; custom: the brand's own JSON.",
        "content_type": "The media type of a custom body.",
        "key": f"What the Kafka key of a custom body is; left out: the job. {_EXPRESSION}",
        "events": "By event type, or default: the expression that makes the body.",
        "schemas": "By event type, or default: the brand's own JSON Schema of the body (draft 2020-12, no other file).",
    },
    "ConnectWords": {
        "job_status": "By status, or by closure for a job that has ended.",
        "appointment_status": "By the status of the visit.",
    },
    "Receipts": {"records": "Of which records.", "to": "Where."},
    "Destination": {
        "name": "feed.<brand>, or what begins with feed.<brand>.",
        "kind": "Who serves it: Kafka, signed webhooks, the queue for pollers, the feed by cursor.",
        "topic": "For kind kafka: feed.<brand>, or what begins with feed.<brand>.",
        "events": "all, status_changes_only, or a list of event types.",
        "strict": "A dead delivery stops the job's events until somebody looks at it.",
        "sandbox": "It gets what becomes of the jobs of test keys, and nothing else.",
        "on_error": "For kind poll: what a poller's error does.",
        "webhook": "For kind webhook: where, and how much at a time.",
        "schedule": "Seconds to wait after the first, second, ... failed try.",
        "superseding": "Progress that has not left yet gives way to later progress of the visit.",
        "understands_versions": "The partner keeps the newest version of a job and drops older ones.",
        "confirms": "The partner says what it has applied.",
    },
    "Webhook": {
        "url": "An https address without user and password.",
        "timeout": "Seconds of a whole call.",
        "connect_timeout": "Seconds to reach the partner.",
        "concurrency": "Jobs that are told of at once.",
        "rate": "Calls a second at most.",
        "largest_body": "Bytes.",
        "answers": "By status code, in quotes: what an answer means where it differs from the usual.",
    },
    "Confirms": {"by": "How.", "within": "Within how many seconds."},
    "Translation": {
        "type": f"The canonical message type. {_EXPRESSION}",
        "id": f"The message's id. {_EXPRESSION}",
        "subject": f"The brand's id of the job. {_EXPRESSION}",
        "time": f"When it happened, as RFC 3339. {_EXPRESSION}",
        "data": "By message type, or default: the expression that makes its data.",
    },
    "Custom": {
        "transformation": "Its name, which keys carry.",
        "records": "By RecordType: how such a record is read.",
    },
    "BrandsPage": {
        "title": "The brand's name for its customers.",
        "phone": "Whom customers call.",
        "intro": "The first paragraph.",
        "consent": "What customers agree to.",
        "timezone": "The zone of the times on the page, such as America/Chicago.",
        "country": "Where addresses and phone numbers are from.",
        "service_types": "What customers choose from.",
        "frame_ancestors": "Web sites that may show the page in a frame.",
    },
    "WorkOffered": {"code": "What the job is to say.", "label": "What the page says."},
}


def profile_schema() -> dict[str, Json]:
    """Draft 2020-12, closed: what is no member is refused."""
    made = cast("dict[str, Json]", Profile.model_json_schema(mode="validation"))
    definitions = made.pop("$defs")
    parts = cast("dict[str, dict[str, Json]]", definitions)
    for name, part in (*parts.items(), ("Profile", made)):
        members = cast("dict[str, dict[str, Json]]", part.get("properties", {}))
        for member, words in _words_of(name).items():
            members[member]["description"] = words
    parts["StatusCode"] |= _status_code_rules()
    feed = cast("dict[str, dict[str, Json]]", parts["Feed"]["properties"])
    for member in ("events", "schemas"):
        feed[member]["propertyNames"] = {"enum": [*sorted(EVENT_NAMES), DEFAULT]}
    _close(made)
    _close(definitions)
    made["title"] = "Brand profile"
    return {"$schema": DRAFT, **made, "$defs": definitions}


def _close(part: Json) -> None:
    """A mapping whose keys have a pattern has no others."""
    if isinstance(part, list):
        for each in part:
            _close(each)
    if not isinstance(part, dict):
        return
    if "patternProperties" in part:
        part["additionalProperties"] = False
    for each in part.values():
        _close(each)


def schema_text() -> str:
    """As the file in the contracts folder has it."""
    return json.dumps(profile_schema(), indent=2, ensure_ascii=False) + "\n"


def _words_of(part: str) -> Mapping[str, str]:
    if part == "Inbound":
        return {**WORDS["Translation"], "topic": "The brand's own topic."}
    return WORDS.get(part, {})


def _status_code_rules() -> dict[str, Json]:
    """A code or a refusal; a closure where the status has closures, and no other."""
    said: dict[str, Json] = {"code": {"type": ["string", "integer"]}, "refuse": {"type": "string"}}
    either: Json = [{"required": [name], "properties": {name: rule}} for name, rule in said.items()]
    closures: list[Json] = []
    for status, known in CLOSURES.items():
        then: Json = {"properties": {"closure": {"type": "null"}}}
        if known:
            then = {"required": ["closure"], "properties": {"closure": {"enum": [*sorted(known)]}}}
        condition: Json = {"required": ["status"], "properties": {"status": {"const": status}}}
        closures.append({"if": condition, "then": then})
    return {"oneOf": either, "allOf": closures}
