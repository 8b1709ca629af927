"""Whether a profile may be used: everything the core can produce is mapped or refused on purpose, and renders.

Its shape has been checked already, by `profile.parse_profile`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from gateway.core.events import CUSTOMER_EVENTS, LOG_ONLY, WORK_ONLY, EventType
from gateway.core.reasons import Ending
from gateway.core.visibility import Audience
from gateway.mapping.codes import PRODUCIBLE, find_code
from gateway.mapping.examples import examples
from gateway.mapping.expressions import NotAnExpression
from gateway.mapping.problems import Level, Problem
from gateway.mapping.profile import DEFAULT, FeedFormat
from gateway.mapping.profile_roads import NO_TRANSFORMATION
from gateway.mapping.render import Unrenderable, render
from gateway.mapping.source import Path, dotted
from gateway.mapping.wanted import Wanted, wants
from gateway.mapping.webhook_url import find_url_fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.mapping.profile import Expressions, PlainReason, Profile

# A member's path, what is wrong with it, and how bad that is.
Finding = tuple[Path, str, Level]

_OUTGOING = frozenset(EventType) - LOG_ONLY - WORK_ONLY - CUSTOMER_EVENTS - {EventType.RECORD_SETTLED}

# What the gateway's own topics begin with: no brand's own JSON is read from, or in the place of, one of them.
_TAKEN = frozenset({"offers", "actions", "bookings", "feed", "work", "receipts", "notifications", "applied"})


def check_profile(profile: Profile, file: str) -> tuple[Problem, ...]:
    """All that speaks against `profile`, in the order of its lines; warnings alone do not keep it from being used."""
    found = [finding for check in _CHECKS for finding in check(profile)]
    if all(level is not Level.ERROR for _, _, level in found):
        found += _check_renderings(profile)
    problems = {Problem(file, profile.line_of(*path), dotted(path), what, level) for path, what, level in found}
    return tuple(sorted(problems))


def _error(path: Path, what: str) -> Finding:
    return path, what, Level.ERROR


def _warning(path: Path, what: str) -> Finding:
    return path, what, Level.WARNING


def _check_reasons(profile: Profile) -> Iterator[Finding]:
    yield from _check_unique("complete_reasons", profile.complete_reasons)
    yield from _check_unique("decline_reasons", profile.decline_reasons)
    yield from _check_unique("cancel_reasons", profile.cancel_reasons)
    completing = [each for each in profile.complete_reasons if each.outcome is Ending.COMPLETES]
    if profile.complete_reasons and len(completing) != 1 and not profile.several_completing:
        what = f"{len(completing)} reasons complete a visit; usually one does (several_completing: true if meant so)"
        yield _warning(("complete_reasons",), what)
    complete = {text for each in profile.complete_reasons for text in (each.code, each.label)}
    for index, each in enumerate(profile.cancel_reasons):
        for text in sorted({each.code, each.label} & complete):
            yield _warning(("cancel_reasons", index), f"{text!r} is a complete reason too, and is looked up as that")


def _check_unique(name: str, reasons: Sequence[PlainReason]) -> Iterator[Finding]:
    owners: dict[str, int] = {}
    for index, each in enumerate(reasons):
        for member, text in (("code", each.code), ("label", each.label)):
            owner = owners.setdefault(text, index)
            if owner != index:
                yield _error((name, index, member), f"{text!r} stands for the reason number {owner + 1} already")


def _check_codes(profile: Profile) -> Iterator[Finding]:
    seen: dict[object, int] = {}
    for index, row in enumerate(profile.status_codes):
        if row.standing in seen:
            yield _error(("status_codes", index), f"{row.standing} is in row {seen[row.standing] + 1} already")
        seen.setdefault(row.standing, index)
        if row.standing not in PRODUCIBLE:
            yield _warning(("status_codes", index), f"{row.standing} never happens")
    for standing in PRODUCIBLE:
        if find_code(profile.codes, standing) is None:
            yield _error(("status_codes",), f"{standing} has neither a code nor a refusal")


def _check_expressions(profile: Profile) -> Iterator[Finding]:
    for name, expression in profile.feed_expressions.items():
        if isinstance(expression, NotAnExpression):
            yield _error(("feed", "events", name), expression.what)
    if isinstance(profile.key_expression, NotAnExpression):
        yield _error(("feed", "key"), profile.key_expression.what)
    yield from _check_compiled(("inbound",), profile.inbound_expressions)
    for record_type, expressions in profile.custom_expressions.items():
        yield from _check_compiled(("custom", "records", record_type), expressions)
    if profile.feed.format is FeedFormat.CUSTOM and DEFAULT not in profile.feed.events:
        missing = sorted(kind.value for kind in _OUTGOING if kind.value not in profile.feed.events)
        if missing:
            yield _error(("feed", "events"), f"no expression, and no default, for {', '.join(missing)}")


def _check_compiled(path: Path, expressions: Expressions) -> Iterator[Finding]:
    for member, expression in expressions.items():
        if isinstance(expression, NotAnExpression):
            inner = ("data", member.removeprefix("data.")) if member.startswith("data.") else (member,)
            yield _error((*path, *inner), expression.what)


def _check_destinations(profile: Profile) -> Iterator[Finding]:
    feed = f"feed.{profile.brand}"
    names: set[str] = set()
    for index, destination in enumerate(profile.destinations):
        for member, name in (("name", destination.name), ("topic", destination.topic)):
            if name is not None and name != feed and not name.startswith(f"{feed}."):
                yield _error(("destinations", index, member), f"must be {feed} or begin with {feed}.")
        if destination.name in names:
            yield _error(("destinations", index, "name"), "another destination has this name")
        names.add(destination.name)
        # Whether this installation may post unencrypted is its own affair, and said when it would.
        fault = find_url_fault(destination.webhook.url, plain=True) if destination.webhook else None
        if fault is not None:
            yield _error(("destinations", index, "webhook", "url"), fault)


def _check_inbound(profile: Profile) -> Iterator[Finding]:
    kind = profile.inbound.topic.partition(".")[0] if profile.inbound else None
    if kind in _TAKEN:
        yield _error(("inbound", "topic"), f"topics that begin with {kind}. have a meaning of their own")
    if profile.custom and profile.custom.transformation == NO_TRANSFORMATION:
        yield _error(("custom", "transformation"), f"{NO_TRANSFORMATION} stands for Connect's own records")


def _check_renderings(profile: Profile) -> Iterator[Finding]:
    """Asked last: examples are made with the profile's reasons, which must be told apart for that."""
    for example in examples(profile):
        if not any(isinstance(wants(profile, each, example.event), Wanted) for each in profile.destinations):
            continue
        made = render(profile, example.stored, audience=Audience.ENTERPRISE, previous=None, note_text=example.note_text)
        if isinstance(made, Unrenderable):
            name = example.stored.type if example.stored.type in profile.feed.events else DEFAULT
            what = f"the example {example.stored.type} {example.name} does not render: {made.reason} {made.detail}"
            yield _error(("feed", "events", name), what.rstrip())


_CHECKS: tuple[Callable[[Profile], Iterator[Finding]], ...] = (
    _check_reasons,
    _check_codes,
    _check_expressions,
    _check_destinations,
    _check_inbound,
)
