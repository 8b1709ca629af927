"""A dry run: what another version of a brand's profile would have made of what was recorded. Only reads."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from gateway.core.ids import Kind as Id
from gateway.core.ids import canonical_id
from gateway.core.sandbox import source_of_tests
from gateway.core.values import dataclass
from gateway.core.visibility import Audience
from gateway.inbound.directory import Directory
from gateway.inbound.doors import Doors
from gateway.inbound.entry import entry_of
from gateway.inbound.parsing import Parsed, parse
from gateway.inbound.record import CUSTOM_BRAND, RECORD_TYPE
from gateway.inbound.translated import Translated
from gateway.mapping.comparing import Comparison, NotUnderstood, compare_readings
from gateway.mapping.differences import Example, Groups
from gateway.mapping.own_json import CanonicalMessage, translate_own
from gateway.outbound.texts import text_of
from gateway.store.notes import load_notes
from gateway.store.recorded import OwnRecords, count_events, count_own_records, read_events, read_own_records

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from gateway.core.document import StoredEvent
    from gateway.core.visibility import Withheld
    from gateway.mapping.differences import Changes, Difference
    from gateway.mapping.library import Profiles
    from gateway.mapping.profile import Profile
    from gateway.store.database import Transaction
    from gateway.store.inbox import RecordRow

ACTIVE, DRAFT = "active", "draft"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Which versions of one brand are held against each other, on what, and how much of it is shown.

    `limit` bounds the events, and the records, that are looked at; `prefix` is that of the topics.
    """

    before: Profile
    after: Profile
    since: datetime
    limit: int
    examples: int
    prefix: str


class Size(NamedTuple):
    """How many events and records are looked at."""

    events: int
    records: int


class Found(NamedTuple):
    """How many of them differ, and in which ways."""

    differing: int
    groups: Groups


def find_version(library: Profiles, brand: str, word: str) -> Profile | None:
    """The version that an operator names: `active`, `draft` (the newest, where it is later than that), or a number."""
    in_force = library.find(brand)
    if word == ACTIVE:
        return in_force
    if word == DRAFT:
        newest = max((version for name, version in library.versions if name == brand), default=0)
        is_draft = in_force is None or newest > in_force.version
        return library.find_version(brand, newest) if is_draft else None
    return library.find_version(brand, int(word)) if word.isascii() and word.isdecimal() else None


async def measure(connection: Transaction, terms: Terms) -> Size:
    """How much `compare` is going to look at, in the same snapshot."""
    events = await count_events(connection, terms.before.brand, terms.since)
    records = await count_own_records(connection, _own_records(terms), terms.since)
    return Size(min(terms.limit, events), min(terms.limit, records))


async def compare(connection: Transaction, terms: Terms, advance: Callable[[int], None]) -> Found:
    """Holds both versions against each event, and each record in the brand's own JSON, the newest first.

    `advance` is told how many more are done. Nothing is kept but counts and examples.
    """
    groups = Groups(terms.examples)
    differing = await _compare_events(connection, terms, groups, advance)
    differing += await _compare_records(connection, terms, groups, advance)
    return Found(differing, groups)


async def _compare_events(connection: Transaction, terms: Terms, groups: Groups, advance: Callable[[int], None]) -> int:
    comparison, differing = Comparison(terms.before, terms.after), 0
    async for page in read_events(connection, terms.before.brand, terms.since, terms.limit):
        notes = await load_notes(connection, {event.note.number for event in page if event.note})
        for event in page:
            text = text_of(event, notes, Audience.ENTERPRISE)
            found = comparison.differences(event, text)
            for one in found:
                groups.add(one, partial(_example, comparison, event, text, one))
            differing += bool(found)
        advance(len(page))
    return differing


async def _compare_records(
    connection: Transaction, terms: Terms, groups: Groups, advance: Callable[[int], None]
) -> int:
    doors, differing = _doors(terms), 0
    async for page in read_own_records(connection, _own_records(terms), terms.since, terms.limit):
        for row in page:
            found = compare_readings(_read(row, terms.before, doors), _read(row, terms.after, doors))
            if found is not None:
                groups.add(found.difference, partial(_record_example, row, found.changes))
                differing += 1
        advance(len(page))
    return differing


def _example(comparison: Comparison, event: StoredEvent, text: str | Withheld | None, found: Difference) -> Example:
    job = canonical_id(Id.JOB, event.job) if event.job is not None else None
    return Example(canonical_id(Id.EVENT, event.number), job, comparison.changes(event, text, found.destination))


def _record_example(row: RecordRow, changes: Changes) -> Example:
    job = canonical_id(Id.JOB, row.job) if row.job is not None else None
    return Example(canonical_id(Id.RECORD, row.number), job, changes)


def _read(row: RecordRow, profile: Profile, doors: Doors) -> CanonicalMessage | NotUnderstood:
    """What the record says by that version, where a command comes of it."""
    entry = entry_of(row, doors, Directory(active={profile.brand: profile}))
    if not isinstance(entry.reading, Translated):
        return NotUnderstood(str(entry.reading.why), entry.reading.member or "")
    parsed = parse(row.raw)
    tree = parsed.tree if isinstance(parsed, Parsed) else None
    message = translate_own(profile, tree, entry.raw.find_mark(RECORD_TYPE))
    return message if isinstance(message, CanonicalMessage) else NotUnderstood(message.reason, message.field)


def _topics(terms: Terms) -> set[str]:
    return {one.inbound.topic for one in (terms.before, terms.after) if one.inbound}


def _doors(terms: Terms) -> Doors:
    own = dict.fromkeys(_topics(terms), (terms.before.brand, terms.before.account))
    return Doors(terms.prefix, lambda: own)


def _own_records(terms: Terms) -> OwnRecords:
    account, brand = terms.before.account, terms.before.brand
    return OwnRecords(
        (account, source_of_tests(account)),
        tuple(sorted(f"{terms.prefix}{topic}" for topic in _topics(terms))),
        (CUSTOM_BRAND, brand),
    )
