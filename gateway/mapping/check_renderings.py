"""Whether every example of every event renders, and is what the brand's own schema allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from gateway.core.visibility import Audience
from gateway.mapping.bounds import MOST_BYTES, MOST_NODES, Bound
from gateway.mapping.feed_schemas import find_breach, find_schema_name
from gateway.mapping.findings import error
from gateway.mapping.profile import DEFAULT
from gateway.mapping.render import Unrenderable, WhyNot, render
from gateway.mapping.wanted import Wanted, wants

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gateway.mapping.examples import Example
    from gateway.mapping.findings import Finding
    from gateway.mapping.profile import Profile
    from gateway.mapping.source import Path

# How `render` begins the details of what the key's expression could not do.
_OF_THE_KEY = "key: "
_REMEDIES = {
    Bound.TOO_MANY_NODES.value: f"more than {MOST_NODES} steps: take the part of a list that is needed, once",
    Bound.TOO_MANY_BYTES.value: f"more than {MOST_BYTES} characters: take the members that are needed, once",
}


def check_renderings(profile: Profile, told: Sequence[Example]) -> Iterator[Finding]:
    """`told` has the examples; one finding for each place and fault."""
    seen: set[tuple[Path, str]] = set()
    for example in told:
        if not any(isinstance(wants(profile, each, example.event), Wanted) for each in profile.destinations):
            continue
        for path, fault in _faults(profile, example):
            if (path, fault) not in seen:
                seen.add((path, fault))
                yield error(path, f"the example {example.stored.type} {example.name} {fault}")


def _faults(profile: Profile, example: Example) -> Iterator[tuple[Path, str]]:
    made = render(profile, example.stored, audience=Audience.ENTERPRISE, previous=None, note_text=example.note_text)
    if isinstance(made, Unrenderable):
        yield _place_of(profile, example, made), f"does not render: {made.reason} {_explained(made)}".rstrip()
        return
    name = find_schema_name(profile, example.stored.type)
    if name is None:
        return
    breach = find_breach(profile.feed.schemas[name], orjson.loads(made.body))
    if breach is not None:
        yield ("feed", "schemas", name, *breach.rule), f"breaks the brand's schema: {breach.what}"


def _place_of(profile: Profile, example: Example, made: Unrenderable) -> Path:
    if made.reason is WhyNot.EMPTY_KEY or made.detail.startswith(_OF_THE_KEY):
        return "feed", "key"
    return "feed", "events", example.stored.type if example.stored.type in profile.feed.events else DEFAULT


def _explained(made: Unrenderable) -> str:
    """With a remedy for what ran out of bounds."""
    word = made.detail.removeprefix(_OF_THE_KEY)
    if made.reason is not WhyNot.EXPRESSION_FAILED or word not in _REMEDIES:
        return made.detail
    return f"{made.detail}: {_REMEDIES[word]}"
