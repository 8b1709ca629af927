"""A brand's own JSON, from its own topic or by its transformation, as a canonical message: its profile says how."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from gateway.core.values import dataclass
from gateway.mapping.expressions import Expression, ExpressionFailed
from gateway.mapping.profile import DEFAULT

if TYPE_CHECKING:
    from gateway.core.parties import Json
    from gateway.mapping.profile import Expressions, Profile


class WhyUntranslated(StrEnum):
    """Why a document is not understood. Values are stable."""

    NOT_AN_OBJECT = "not_an_object"
    NO_INBOUND_FORM = "no_inbound_form"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_RECORD_TYPE = "unknown_record_type"
    EXPRESSION_FAILED = "expression_failed"
    INVALID_MEMBER = "invalid_member"


@dataclass(frozen=True, slots=True)
class CanonicalMessage:
    """What a CloudEvent of the canonical kind would say. `type` is without its version suffix; `time` is RFC 3339."""

    type: str
    id: str | None
    subject: str | None
    time: str | None
    data: dict[str, Json]


@dataclass(frozen=True, slots=True)
class NotTranslated:
    """`field` is the member of the canonical message that could not be made."""

    reason: WhyUntranslated
    field: str
    detail: str = ""


def translate_own(profile: Profile, document: Json, record_type: str | None = None) -> CanonicalMessage | NotTranslated:
    """`document` read by the profile: as one of its topic, or with a `record_type` as one by its transformation.

    Members that come out null are left out of `data`.
    """
    expressions = _find_expressions(profile, record_type)
    if isinstance(expressions, NotTranslated):
        return expressions
    if not isinstance(document, dict):
        return NotTranslated(WhyUntranslated.NOT_AN_OBJECT, "")
    kind = _text(expressions, "type", document)
    if isinstance(kind, NotTranslated):
        return kind
    if not kind or not ({f"data.{kind}", f"data.{DEFAULT}"} & set(expressions)):
        return NotTranslated(WhyUntranslated.UNKNOWN_TYPE, "type")
    texts: list[str | None] = []
    for member in ("id", "subject", "time"):
        text = _text(expressions, member, document)
        if isinstance(text, NotTranslated):
            return text
        texts.append(text)
    members = _members(expressions, kind, document)
    if isinstance(members, NotTranslated):
        return members
    message_id, subject, time = texts
    return CanonicalMessage(kind, message_id, subject, time, members)


def _find_expressions(profile: Profile, record_type: str | None) -> Expressions | NotTranslated:
    has_form = profile.inbound if record_type is None else profile.custom
    if has_form is None:
        return NotTranslated(WhyUntranslated.NO_INBOUND_FORM, "")
    if record_type is None:
        return profile.inbound_expressions
    unknown = NotTranslated(WhyUntranslated.UNKNOWN_RECORD_TYPE, "headers.RecordType")
    return profile.custom_expressions.get(record_type, unknown)


def _text(expressions: Expressions, member: str, document: Json) -> str | NotTranslated | None:
    """A member that is text or nothing; a whole number is taken as text, since ids often are numbers."""
    expression = expressions.get(member)
    if not isinstance(expression, Expression):
        return None
    made = expression.of(document)
    if isinstance(made, ExpressionFailed):
        return NotTranslated(WhyUntranslated.EXPRESSION_FAILED, member, made.detail)
    if isinstance(made, int) and not isinstance(made, bool):
        return str(made)
    if made is None or isinstance(made, str):
        return made or None
    return NotTranslated(WhyUntranslated.INVALID_MEMBER, member, "not text")


def _members(expressions: Expressions, kind: str, document: Json) -> dict[str, Json] | NotTranslated:
    expression = expressions.get(f"data.{kind}") or expressions.get(f"data.{DEFAULT}")
    if not isinstance(expression, Expression):
        return NotTranslated(WhyUntranslated.UNKNOWN_TYPE, "type")
    made = expression.of(document)
    if isinstance(made, ExpressionFailed):
        return NotTranslated(WhyUntranslated.EXPRESSION_FAILED, "data", made.detail)
    if not isinstance(made, dict):
        return NotTranslated(WhyUntranslated.INVALID_MEMBER, "data", "not an object")
    return {name: _without_nulls(member) for name, member in made.items() if member is not None}


def _without_nulls(value: Json) -> Json:
    """What the brand's document lacks is absent, not null: a null would take a member away."""
    if isinstance(value, dict):
        return {name: _without_nulls(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_without_nulls(member) for member in value]
    return value
