"""Whether a profile may be used: everything the core can produce is mapped or refused on purpose, and renders.

Its shape has been checked already, by `profile.parse_profile`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from gateway.core.events import CUSTOMER_EVENTS, LOG_ONLY, WORK_ONLY, EventType
from gateway.mapping.check_reasons import check_reasons
from gateway.mapping.check_renderings import check_renderings
from gateway.mapping.check_round_trip import check_round_trip
from gateway.mapping.codes import PRODUCIBLE, find_code
from gateway.mapping.examples import examples
from gateway.mapping.expressions import NotAnExpression
from gateway.mapping.feed_schemas import check_schemas
from gateway.mapping.findings import Finding, error, warning
from gateway.mapping.problems import Level, Problem
from gateway.mapping.profile import DEFAULT, FeedFormat
from gateway.mapping.profile_parts import MEDIA_TYPE
from gateway.mapping.profile_roads import NO_TRANSFORMATION
from gateway.mapping.source import Path, dotted
from gateway.mapping.webhook_url import find_url_fault

if TYPE_CHECKING:
    from gateway.mapping.profile import Expressions, Profile

_OUTGOING = frozenset(EventType) - LOG_ONLY - WORK_ONLY - CUSTOMER_EVENTS - {EventType.RECORD_SETTLED}

# What the gateway's own topics begin with: no brand's own JSON is read from, or in the place of, one of them.
_TAKEN = frozenset({"offers", "actions", "bookings", "feed", "work", "receipts", "notifications", "applied"})


def check_profile(profile: Profile, file: str) -> tuple[Problem, ...]:
    """All that speaks against `profile`, in the order of its lines; warnings alone do not keep it from being used."""
    found = [finding for check in _CHECKS for finding in check(profile)]
    if all(level is not Level.ERROR for _, _, level in found):
        # Asked last: examples are made with the profile's reasons, which must be told apart for that.
        told = examples(profile)
        found += [*check_renderings(profile, told), *check_round_trip(profile, told)]
    problems = {Problem(file, profile.line_of(*path), dotted(path), what, level) for path, what, level in found}
    return tuple(sorted(problems))


def _check_codes(profile: Profile) -> Iterator[Finding]:
    seen: dict[object, int] = {}
    for index, row in enumerate(profile.status_codes):
        if row.standing in seen:
            yield error(
                ("status_codes", index), f"{row.standing} is in row {seen[row.standing] + 1} already: keep one of them"
            )
        seen.setdefault(row.standing, index)
        if row.standing not in PRODUCIBLE:
            yield warning(("status_codes", index), f"{row.standing} never happens: take the row out")
    for standing in PRODUCIBLE:
        if find_code(profile.codes, standing) is None:
            yield error(
                ("status_codes",), f"{standing} has neither a code nor a refusal: give it `code:`, or `refuse: <why>`"
            )


def _check_expressions(profile: Profile) -> Iterator[Finding]:
    for name, expression in profile.feed_expressions.items():
        if isinstance(expression, NotAnExpression):
            yield error(("feed", "events", name), expression.what)
    if isinstance(profile.key_expression, NotAnExpression):
        yield error(("feed", "key"), profile.key_expression.what)
    yield from _check_compiled(("inbound",), profile.inbound_expressions)
    for record_type, expressions in profile.custom_expressions.items():
        yield from _check_compiled(("custom", "records", record_type), expressions)
    if profile.feed.format is FeedFormat.CUSTOM and DEFAULT not in profile.feed.events:
        missing = sorted(kind.value for kind in _OUTGOING if kind.value not in profile.feed.events)
        if missing:
            yield error(("feed", "events"), f"no expression, and no default, for {', '.join(missing)}")


def _check_compiled(path: Path, expressions: Expressions) -> Iterator[Finding]:
    for member, expression in expressions.items():
        if isinstance(expression, NotAnExpression):
            inner = ("data", member.removeprefix("data.")) if member.startswith("data.") else (member,)
            yield error((*path, *inner), expression.what)


def _check_destinations(profile: Profile) -> Iterator[Finding]:
    feed = f"feed.{profile.brand}"
    names: set[str] = set()
    for index, destination in enumerate(profile.destinations):
        for member, name in (("name", destination.name), ("topic", destination.topic)):
            if name is not None and name != feed and not name.startswith(f"{feed}."):
                yield error(("destinations", index, member), f"must be {feed} or begin with {feed}.")
        if destination.name in names:
            yield error(("destinations", index, "name"), "another destination has this name")
        names.add(destination.name)
        # Whether this installation may post unencrypted is its own affair, and said when it would.
        fault = find_url_fault(destination.webhook.url, plain=True) if destination.webhook else None
        if fault is not None:
            yield error(("destinations", index, "webhook", "url"), fault)


def _check_content_type(profile: Profile) -> Iterator[Finding]:
    if MEDIA_TYPE.fullmatch(profile.feed.content_type) is None:
        yield error(("feed", "content_type"), "is no media type: `application/json`, or what the partner reads")


def _check_inbound(profile: Profile) -> Iterator[Finding]:
    kind = profile.inbound.topic.partition(".")[0] if profile.inbound else None
    if kind in _TAKEN:
        yield error(("inbound", "topic"), f"topics that begin with {kind}. have a meaning of their own")
    if profile.custom and profile.custom.transformation == NO_TRANSFORMATION:
        yield error(("custom", "transformation"), f"{NO_TRANSFORMATION} stands for Connect's own records")


_CHECKS: tuple[Callable[[Profile], Iterator[Finding]], ...] = (
    check_reasons,
    _check_codes,
    _check_expressions,
    check_schemas,
    _check_content_type,
    _check_destinations,
    _check_inbound,
)
