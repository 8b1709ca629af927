"""A brand profile: what varies by brand, as a checked value made from one versioned YAML file.

Its shape is checked here; whether it covers everything that can happen is `check`'s to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Annotated

from pydantic import (
    Field,
    JsonValue,
    PrivateAttr,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from gateway.core.events import EventType
from gateway.core.job import JobStatus, VisitStatus
from gateway.core.reasons import DEFAULT_COMPLETE, Ending, GivenReason, Reason, ReasonKind, ReasonLists
from gateway.core.values import replace
from gateway.mapping.booking_page import BrandsPage
from gateway.mapping.codes import CLOSURES, Code, CodeTable, Refusal, Standing
from gateway.mapping.expressions import Expression, NotAnExpression, compile_expression
from gateway.mapping.problems import Problem
from gateway.mapping.profile_parts import ExpressionText, Given, Moment, Name, Part, Text, Word
from gateway.mapping.profile_problems import problems_in
from gateway.mapping.profile_roads import ConnectWords, Custom, Destination, Inbound, Receipts, Translation
from gateway.mapping.source import Path, Source, line_of, read_source

# By member: `type`, `id`, `subject`, `time`, and `data.<type>`.
Expressions = Mapping[str, Expression | NotAnExpression]

# Types a destination can be sent at all; of these an account's feed gets those that are for enterprises.
EVENT_NAMES = frozenset(kind.value for kind in EventType)
DEFAULT = "default"
# Nobody mends more at a time.
MOST_PROBLEMS = 200


class PlainReason(Part):
    """A decline or cancel reason in the brand's words; `also` are further texts by which it is given.

    A retired one is not understood any more: it says what its code meant, and keeps that from meaning anything else.
    """

    code: Text
    label: Text
    also: tuple[Given, ...] = ()
    retired: StrictBool = False


class CompleteReason(PlainReason):
    """A complete reason; `outcome` says what it does to the job."""

    outcome: Ending


class StatusCode(Part):
    """The brand's code for a standing, or its name for not being told of it."""

    status: JobStatus
    closure: StrictStr | None = None
    appointment_status: VisitStatus | None = None
    code: Text | StrictInt | None = None
    refuse: Word | None = None

    @model_validator(mode="after")
    def _is_one_row(self) -> StatusCode:
        if (self.code is None) == (self.refuse is None):
            raise ValueError("give either a code or refuse: <name of the reason>")
        closures = CLOSURES[self.status.value]
        if closures and self.closure not in closures:
            raise ValueError(f"{self.status.value} needs a closure: {', '.join(sorted(closures))}")
        if not closures and self.closure is not None:
            raise ValueError(f"{self.status.value} has no closure")
        return self

    @property
    def standing(self) -> Standing:
        visit = self.appointment_status
        return Standing(self.status.value, self.closure, visit.value if visit else None)

    @property
    def entry(self) -> Code | Refusal:
        return Refusal(self.refuse) if self.refuse is not None else self.code if self.code is not None else ""


class CanceledAs(StrEnum):
    """The status word for a canceled job on the wire."""

    CANCELED = "canceled"
    COMPLETE = "complete"


class Features(Part):
    """What of the gateway the brand uses."""

    notes: StrictBool = True
    photos: StrictBool = True


class Route(Part):
    """Work for these postal codes and service types goes to `organization`; an empty list means any."""

    postal_prefixes: tuple[Text, ...] = ()
    service_types: tuple[Text, ...] = ()
    organization: Text


class FeedFormat(StrEnum):
    """Canonical: CloudEvents in structured JSON. Custom: the brand's own JSON, by expressions."""

    CANONICAL = "canonical"
    CUSTOM = "custom"


class Feed(Part):
    """The wire form of the brand's events. Expressions see the canonical CloudEvent.

    `events` maps an event type, or `default`, to the expression that makes its body; `schemas` to the brand's own JSON
    Schema of that body.
    """

    format: FeedFormat = FeedFormat.CANONICAL
    content_type: Text = "application/json"
    key: ExpressionText | None = None
    events: Mapping[str, ExpressionText] = Field(default_factory=dict)
    schemas: Mapping[str, dict[str, JsonValue]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_what_its_format_needs(self) -> Feed:
        if self.format is FeedFormat.CANONICAL and (self.events or self.key is not None):
            raise ValueError("the canonical format takes no expressions")
        if self.format is FeedFormat.CUSTOM and not self.events:
            raise ValueError("the custom format needs expressions in events")
        unknown = sorted({*self.events, *self.schemas} - EVENT_NAMES - {DEFAULT})
        if unknown:
            raise ValueError(f"no such event type: {', '.join(unknown)}")
        return self


# As many digits as the name of its file has at most.
MAX_VERSION = 999_999


class Profile(Part):
    """One version of a brand's profile. `account` is the name of the enterprise that owns the brand.

    `effective_at` is the moment that the version is to take force; None: as soon as it is activated.
    """

    brand: Name
    account: Name
    version: Annotated[StrictInt, Field(ge=1, le=MAX_VERSION)]
    effective_at: Moment | None = None
    complete_reasons: tuple[CompleteReason, ...] = ()
    decline_reasons: tuple[PlainReason, ...] = ()
    cancel_reasons: tuple[PlainReason, ...] = ()
    several_completing: StrictBool = False
    status_codes: tuple[StatusCode, ...]
    canceled_as: CanceledAs = CanceledAs.CANCELED
    features: Features = Features()
    accept_within: Annotated[StrictInt, Field(ge=60, le=90 * 86_400)] | None = None
    routing: tuple[Route, ...] = ()
    tables: Mapping[Word, Mapping[Text, StrictStr | StrictInt]] = Field(default_factory=dict)
    feed: Feed = Feed()
    connect: ConnectWords = ConnectWords()
    receipts: Receipts | None = None
    destinations: tuple[Destination, ...] = ()
    inbound: Inbound | None = None
    booking_page: BrandsPage | None = None
    custom: Custom | None = None
    _lines: dict[Path, int] = PrivateAttr(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _with_its_feed_topic(cls, members: object) -> object:
        """A profile that names no destination has one: the topic of its feed."""
        if isinstance(members, dict) and "destinations" not in members and isinstance(members.get("brand"), str):
            feed = f"feed.{members['brand']}"
            return {**members, "destinations": [{"name": feed, "topic": f"{feed}.v1"}]}
        return members

    @cached_property
    def reasons(self) -> ReasonLists:
        """The lists as the core reads them: nothing retired, and the default pair for complete reasons of its own."""
        return ReasonLists(
            _listed(each for each in self.complete_reasons if not each.retired) or DEFAULT_COMPLETE,
            _listed(each for each in self.decline_reasons if not each.retired),
            _listed(each for each in self.cancel_reasons if not each.retired),
            open_ended=True,
        )

    @cached_property
    def written_reasons(self) -> Mapping[ReasonKind, tuple[PlainReason, ...]]:
        """The lists as they are written, with what is retired."""
        return {
            ReasonKind.COMPLETE: self.complete_reasons,
            ReasonKind.DECLINE: self.decline_reasons,
            ReasonKind.CANCEL: self.cancel_reasons,
        }

    def told_reason(self, kind: ReasonKind, text: str, decided: str | None) -> GivenReason:
        """What is told of a reason that was given before: what its text means now, else the code that was `decided`,
        as long as the version has that, were it retired.
        """
        given = self.reasons.given(kind, text)
        if given.code is not None:
            return given
        kept = next((each for each in _listed(self.written_reasons[kind]) if each.code == decided), None)
        if kept is None:
            return given
        return GivenReason(kind=kind, text=text, code=kept.code, label=kept.label, outcome=kept.outcome)

    @cached_property
    def codes_taken(self) -> frozenset[tuple[ReasonKind, str]]:
        """By their lists, the codes of all reasons that are understood or retired."""
        understood = frozenset((kind, each.code) for kind in ReasonKind for each in self.reasons.listed(kind))
        return understood | {(kind, each.code) for kind, listed in self.written_reasons.items() for each in listed}

    @cached_property
    def asked(self) -> Mapping[str, Destination]:
        """Its destinations by name."""
        return {destination.name: destination for destination in self.destinations}

    @cached_property
    def accept_by_default(self) -> timedelta | None:
        """How long an offer without `accept_by` stays open; None: until somebody decides."""
        return None if self.accept_within is None else timedelta(seconds=self.accept_within)

    @cached_property
    def codes(self) -> CodeTable:
        return {row.standing: row.entry for row in self.status_codes}

    @cached_property
    def feed_expressions(self) -> Mapping[str, Expression | NotAnExpression]:
        return {name: compile_expression(text, self.tables) for name, text in self.feed.events.items()}

    @cached_property
    def key_expression(self) -> Expression | NotAnExpression | None:
        return compile_expression(self.feed.key, self.tables) if self.feed.key is not None else None

    @cached_property
    def inbound_expressions(self) -> Expressions:
        """How what comes on its topic is read."""
        return self._compiled(self.inbound) if self.inbound else {}

    @cached_property
    def custom_expressions(self) -> Mapping[str, Expressions]:
        """How what comes by its transformation is read, by record type."""
        records = self.custom.records if self.custom else {}
        return {record_type: self._compiled(translation) for record_type, translation in records.items()}

    def _compiled(self, translation: Translation) -> Expressions:
        texts = {"type": translation.type, "id": translation.id, "subject": translation.subject}
        if translation.time is not None:
            texts["time"] = translation.time
        texts |= {f"data.{kind}": text for kind, text in translation.data.items()}
        return {member: compile_expression(text, self.tables) for member, text in texts.items()}

    @cached_property
    def _routes(self) -> Mapping[str, list[tuple[int, frozenset[str], str]]]:
        """By postal prefix, "" for none: the place of each route, its service types and its organization."""
        routes: dict[str, list[tuple[int, frozenset[str], str]]] = {}
        for place, route in enumerate(self.routing):
            for prefix in route.postal_prefixes or ("",):
                routes.setdefault(prefix, []).append((place, frozenset(route.service_types), route.organization))
        return routes

    @cached_property
    def _longest_prefix(self) -> int:
        return max(map(len, self._routes), default=0)

    def find_organization(self, postal_code: str, service_type: str | None) -> str | None:
        """The organization that the first matching route names."""
        prefixes = {postal_code[:length] for length in range(self._longest_prefix + 1)}
        near = (route for prefix in prefixes for route in self._routes.get(prefix, ()))
        serving = ((place, name) for place, types, name in near if not types or service_type in types)
        return min(serving, default=(0, None))[1]

    def line_of(self, *path: str | int) -> int:
        """The line of a member in the file that the profile was read from."""
        return line_of(self._lines, path)


def _listed(written: Iterable[PlainReason]) -> tuple[Reason, ...]:
    return tuple(
        Reason(each.code, each.label, each.outcome if isinstance(each, CompleteReason) else None, each.also)
        for each in written
    )


def parse_profile(text: str, *, file: str) -> Profile | tuple[Problem, ...]:
    """The profile that `text` holds, or all that is wrong with its shape. `file` is only for the problems' sake."""
    source = read_source(text, file=file)
    if not isinstance(source, Source):
        return _first_of(source)
    try:
        profile = Profile.model_validate(source.members)
    except ValidationError as error:
        return _first_of(problems_in(error, source, Profile))
    profile._lines.update(source.lines)  # noqa: SLF001 - set once, here
    return profile


def _first_of(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    if len(problems) <= MOST_PROBLEMS:
        return problems
    last = problems[MOST_PROBLEMS]
    return (*problems[:MOST_PROBLEMS], replace(last, what=f"and {len(problems) - MOST_PROBLEMS} more from here on"))
