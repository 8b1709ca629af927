"""Whether what we send for a reason is what we would understand if the brand sent it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.reasons import ReasonKind
from gateway.core.visibility import Audience
from gateway.mapping.expressions import Expression, ExpressionFailed
from gateway.mapping.findings import error, warning
from gateway.mapping.profile import DEFAULT, FeedFormat
from gateway.mapping.render import Unrenderable, envelope
from gateway.mapping.wanted import Wanted, wants

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gateway.core.parties import Json
    from gateway.core.reasons import Reason
    from gateway.mapping.examples import Example
    from gateway.mapping.findings import Finding
    from gateway.mapping.profile import Profile
    from gateway.mapping.source import Path


def check_round_trip(profile: Profile, told: Sequence[Example]) -> Iterator[Finding]:
    """Canonical bodies name a reason by its code and its label; bodies made by expressions are judged by one example of
    `told` for each list, rendered with each of its reasons in turn: what differs then is what is sent for the reason.
    """
    for kind, written in profile.written_reasons.items():
        places = [index for index, each in enumerate(written) if not each.retired]
        reasons = profile.reasons.listed(kind) if places else ()
        for index, reason in zip(places, reasons, strict=True):
            for text in (reason.code, reason.label, *reason.also):
                if profile.reasons.find(kind, text) != reason:
                    what = f"{text!r} given back is understood as another reason: reword it"
                    yield error((f"{kind}_reasons", index), what)
        if profile.feed.format is FeedFormat.CUSTOM and len(reasons) > 1:
            yield from _check_own_words(profile, kind, reasons, told)


def _check_own_words(
    profile: Profile, kind: ReasonKind, reasons: tuple[Reason, ...], told: Sequence[Example]
) -> Iterator[Finding]:
    for event_type, example in _examples_with(profile, kind, told).items():
        bodies = [_texts(_body_with(profile, example, reason)) for reason in reasons]
        same = frozenset.intersection(*bodies)
        path: Path = ("feed", "events", event_type if event_type in profile.feed.events else DEFAULT)
        silent = [reason.code for reason, texts in zip(reasons, bodies, strict=True) if not texts - same]
        if silent:
            yield warning(path, f"{event_type} does not tell {', '.join(silent)} apart: name data.reason.code in it")
        for reason, texts in zip(reasons, bodies, strict=True):
            understood = {found.code for text in texts - same if (found := profile.reasons.find(kind, text))}
            if understood and reason.code not in understood:
                others = ", ".join(sorted(understood))
                yield error(path, f"{event_type} says for {reason.code} what is understood as {others}")
            elif texts - same and not understood:
                what = f"{event_type} says for {reason.code} what would not be understood if the brand sent it"
                yield warning(path, f"{what}: name data.reason.code or .label in it")


def _examples_with(profile: Profile, kind: ReasonKind, told: Sequence[Example]) -> dict[str, Example]:
    """The first example of each type of event that carries a reason of `kind` to one of the destinations."""
    found: dict[str, Example] = {}
    for example in told:
        reason = example.stored.body.get("reason")
        wanted = any(isinstance(wants(profile, each, example.event), Wanted) for each in profile.destinations)
        if isinstance(reason, dict) and reason.get("kind") == kind.value and wanted:
            found.setdefault(example.stored.type, example)
    return found


def _body_with(profile: Profile, example: Example, reason: Reason) -> Json:
    """The body of `example` as if that reason had been given, and nothing else been different."""
    cloud_event = envelope(profile, example.stored, audience=Audience.ENTERPRISE, note_text=example.note_text)
    expressions = profile.feed_expressions
    expression = expressions.get(example.stored.type) or expressions.get(DEFAULT)
    if isinstance(cloud_event, Unrenderable) or not isinstance(expression, Expression):
        return None
    members = cloud_event["data"]
    given = members.get("reason") if isinstance(members, dict) else None
    if not isinstance(members, dict) or not isinstance(given, dict):
        return None
    said: dict[str, Json] = {"text": reason.code, "code": reason.code, "label": reason.label}
    made = expression.of({**cloud_event, "data": {**members, "reason": {**given, **said}}})
    return None if isinstance(made, ExpressionFailed) else made


def _texts(body: Json) -> frozenset[str]:
    """All texts and numbers that stand in `body`, as texts: reasons are looked up by text."""
    if isinstance(body, dict):
        return frozenset().union(*map(_texts, body.values()))
    if isinstance(body, list):
        return frozenset().union(*map(_texts, body))
    is_said = isinstance(body, str | int) and not isinstance(body, bool)
    return frozenset({str(body)}) if is_said else frozenset()
