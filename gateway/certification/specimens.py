"""Documents to try a webhook out with: what the profile makes of examples, about jobs that do not exist.

Their ids are of a range that no real ones reach, new in each run; their source and title say that they are tests.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from gateway.core.events import EventType
from gateway.core.ids import Kind, canonical_id
from gateway.core.sandbox import source_of_tests
from gateway.core.values import dataclass, replace
from gateway.core.visibility import Audience
from gateway.mapping.examples import examples
from gateway.mapping.render import Document, render
from gateway.mapping.wanted import Wanted, wants

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.core.parties import Json
    from gateway.mapping.examples import Example
    from gateway.mapping.profile import Profile
    from gateway.mapping.profile_roads import Destination

# Still exact where ids are read as floating-point numbers.
_FIRST_NUMBER = 8_000_000_000_000_000
_PER_SECOND = 100_000
_PER_JOB = 100
_IDS = re.compile(r"(apt|note|usr|cus)-(\d+)")


@dataclass(frozen=True, slots=True)
class Specimen:
    """One message: `id` is its `webhook-id`, `version` the job's where the kind has one."""

    id: str
    kind: EventType
    version: int | None
    document: Document


class Specimens:
    """Makes what `destination` of the brand would be sent. `at` sets this run's ids apart from those of other runs."""

    def __init__(self, profile: Profile, destination: Destination, at: datetime) -> None:
        first = _FIRST_NUMBER + int(at.timestamp()) * _PER_SECOND
        self._profile = profile
        self._events, self._jobs = itertools.count(first), itertools.count(first, _PER_JOB)
        self._examples: dict[EventType, Example] = {}
        for example in examples(profile):
            if isinstance(wants(profile, destination, example.event), Wanted) and self._renders(example):
                self._examples.setdefault(example.event.type, example)

    @property
    def kinds(self) -> tuple[EventType, ...]:
        """Every kind of event that the destination is sent."""
        return tuple(kind for kind in EventType if kind in self._examples)

    def new_job(self) -> int:
        """The number of a job that nobody has heard of."""
        return next(self._jobs)

    def make(self, kind: EventType, job: int, version: int, previous: int, *, description: str = "") -> Specimen:
        """An event of `kind` about `job`; with `description` the job has this one."""
        example = self._examples[kind]
        stored = replace(
            example.stored,
            number=next(self._events),
            job=job,
            source=source_of_tests(example.stored.source),
            jobversion=version if example.stored.jobversion is not None else None,
            body=_as_test(example.stored.body, job, description),
        )
        made = render(
            self._profile, stored, audience=Audience.ENTERPRISE, previous=previous, note_text=example.note_text
        )
        if not isinstance(made, Document):
            raise TypeError(f"an example of {kind} that rendered before does not any more: {made.reason}")
        return Specimen(canonical_id(Kind.EVENT, stored.number), kind, stored.jobversion, made)

    def _renders(self, example: Example) -> bool:
        made = render(self._profile, example.stored, audience=Audience.ENTERPRISE, note_text=example.note_text)
        return isinstance(made, Document)


def _as_test(body: dict[str, Json], job: int, description: str) -> dict[str, Json]:
    """`body` about another job, all of whose things have ids of its own."""
    made = {name: _renumbered(value, job) for name, value in body.items()}
    about, details = made.get("job"), made.get("details")
    if isinstance(about, dict):
        source = source_of_tests(str(about["source"]))
        title = f"Test: {about['title']}"
        number = canonical_id(Kind.JOB, job)
        made["job"] = {**about, "id": number, "external_id": f"TEST-{job}", "source": source, "title": title}
    if description and isinstance(details, dict):
        made["details"] = {**details, "description": description}
    return made


def _renumbered(value: Json, job: int) -> Json:
    match value:
        case dict():
            return {name: _renumbered(one, job) for name, one in value.items()}
        case list():
            return [_renumbered(one, job) for one in value]
        case str() if found := _IDS.fullmatch(value):
            return f"{found[1]}-{job + int(found[2]) % _PER_JOB}"
        case _:
            return value
