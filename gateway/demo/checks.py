"""What has to be so at the end of a demo: each check says what it saw and, where it is not so, what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.demo.chart import CHART, Row, count_rows
from gateway.demo.watch import Seen
from gateway.inbound.entry import INTERNAL_DOOR
from gateway.simulation.stories import STORIES, find_story
from gateway.simulation.wire import Told
from gateway.simulation.world import World
from gateway.store.activity import Happening, JobLine
from gateway.store.ledger import Flow

FEWEST_JOBS = 60
PRIVATE_WORDS = "The fan motor is broken"
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything that was read when the traffic had come to rest.

    `topic_of` maps a destination to its topic, to whoever polls it, or to itself where it is a webhook; feeds by cursor
    are not in it. `webhooks` is what the partner behind each has counted.
    """

    jobs: Sequence[JobLine]
    activity: Sequence[Happening]
    outcomes: Counter[tuple[str, str]]
    doors: Mapping[str, Flow]
    by_destination: Mapping[str, Counter[str]]
    topic_of: Mapping[str, str]
    ledger: Mapping[str, Any]
    seen: Sequence[Seen]
    sent: int
    released: str
    pollers: tuple[str, ...] = ()
    webhooks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def delivered(self) -> Counter[str]:
        """How many deliveries each topic, or poller, was given."""
        counted: Counter[str] = Counter()
        for name, topic in self.topic_of.items():
            counted[topic] += self.by_destination.get(name, Counter())["delivered"]
        return counted

    def rows(self) -> Counter[Row]:
        return count_rows(self.activity)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`wrong` is empty where all is well; `more` is what else was seen."""

    said: str
    wrong: tuple[str, ...] = ()
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Feed:
    """One topic, or what one poller was handed, read back: an event may be several records of a poller.

    `gaps` names jobs whose versions, or events whose messages, do not follow on each other.
    """

    records: int
    duplicates: int
    events: int
    jobs: int
    gaps: tuple[str, ...]


def read_back(seen: Sequence[Seen]) -> dict[str, Feed]:
    """What each topic holds: its records, its events, and whether each job's versions follow on each other."""
    topics: dict[str, list[Told]] = {}
    for one in seen:
        topics.setdefault(one.topic, []).append(one.told)
    return {topic: _feed(told) for topic, told in sorted(topics.items())}


def _feed(told: Sequence[Told]) -> Feed:
    first = {one.id: one for one in reversed(told)}
    last: dict[str, int] = {}
    gaps = []
    for one in told:
        if first[one.id] is not one or one.version is None or one.previous is None:
            continue
        if one.previous != last.get(one.job, 0):
            gaps.append(f"{one.job}: version {one.version} follows {one.previous}, not {last.get(one.job, 0)}")
        last[one.job] = one.version
    events = {one.event for one in told}
    jobs = {one.job for one in told}
    return Feed(len(told), len(told) - len(first), len(events), len(jobs), (*gaps, *_missing_parts(told)))


def _missing_parts(told: Sequence[Told]) -> Iterator[str]:
    """Of a polled event its messages are handed over one after the other, the first one first."""
    known = {""}
    for one in told:
        event, _, place = one.id.partition(".")
        before = f"{event}.{int(place) - 1}" if place and place != "1" else ""
        if before not in known:
            yield f"{one.job}: {one.id} comes before {before}"
        known.add(one.id)


def check_all(found: Findings, world: World) -> list[Verdict]:
    """Every check, in the order in which they are told."""
    return [
        check_chart(found),
        _check_jobs(found, world),
        _check_parts(found),
        _check_answers(found, world),
        _check_waiting(found),
        _check_private(found),
        *_check_webhooks(found),
        *check_counts(found),
    ]


def check_counts(found: Findings, *, alone: bool = True) -> list[Verdict]:
    """What has to be so at any moment at which nothing is under way; not `alone`: somebody else may have sent too."""
    return [_check_doors(found, alone=alone), _check_feeds(found), _check_ledger(found)]


def check_chart(found: Findings) -> Verdict:
    taken = found.rows()
    missing = tuple(f"not taken: {row}" for row in CHART if row not in taken)
    return Verdict(f"chart: {len(taken)} of {len(CHART)} rows taken", missing)


def count_expected(world: World) -> int:
    """How many jobs one round of all stories makes."""
    offered = sum(len(brand.stories) + brand.stories.count("anew") for brand in world.brands.values())
    return offered + len(world.pages) + sum(len(provider.stories) for provider in world.providers.values())


def unfinished(jobs: Sequence[JobLine]) -> list[str]:
    """The jobs that do not stand where their stories end."""
    return [said for job in jobs if (said := _find_unfinished(job))]


def _find_unfinished(job: JobLine) -> str:
    story = find_story(job.title)
    stands = (job.status.value, job.closure.value if job.closure else "")
    if story is None:
        return f"{_named(job)} ({job.title}) belongs to no story"
    if stands == story.ends:
        return ""
    return f"{_named(job)} ({job.title}) is {' '.join(stands).strip()}, not {' '.join(story.ends)}"


def _named(job: JobLine) -> str:
    return f"{job.brand or job.source} {job.external_id}"


def _check_jobs(found: Findings, world: World) -> Verdict:
    wrong = unfinished(found.jobs)
    if len(found.jobs) < max(FEWEST_JOBS, count_expected(world)):
        wrong.append(f"{len(found.jobs)} jobs, expected {count_expected(world)}")
    brands = len({job.brand for job in found.jobs if job.brand})
    return Verdict(f"{len(found.jobs)} jobs of {brands} brands ended as their stories say", tuple(wrong))


def _check_parts(found: Findings) -> Verdict:
    title = STORIES["parts"].title
    wanted = ("appointment.completed", "appointment.scheduled", "appointment.completed")
    done = 0
    for job in (job for job in found.jobs if job.title == title):
        told = [one.type for one in reversed(found.activity) if one.job == job.number and one.type in wanted]
        done += job.visits == 2 and tuple(told) == wanted
    said = f"two appointments with ordered parts in between: {done} jobs"
    return Verdict(said, () if done else ("no job was paused for parts and completed by a second visit",))


# What an offer can meet when it comes again, and who loses a race for one: (state, reason) → what it is called.
_ANSWERS = {
    ("ignored", "repeat"): "repeat",
    ("ignored", "regression"): "regression",
    ("quarantined", "revision_conflict"): "revision conflict",
    ("quarantined", "message_conflict"): "message conflict",
    ("refused", "organization_fixed"): "organization fixed",
    ("refused", "offer_changed"): "offer changed",
    ("refused", "offer_closed"): "offer closed",
    ("refused", "job_replaced"): "job replaced",
    ("ignored", "stale"): "stale",
}


def count_answers(found: Findings) -> dict[str, int]:
    """How often each answer to an offer that came again was given; the first two of a story's repeats are alike."""
    counted = {name: found.outcomes[key] for key, name in _ANSWERS.items()}
    numbers = Counter((job.source, job.external_id) for job in found.jobs if job.external_id)
    counted["amendment"] = sum(one.type == "job.amended" for one in found.activity)
    counted["new job under the same number"] = sum(count == 2 for count in numbers.values())
    return counted


def _check_answers(found: Findings, world: World) -> Verdict:
    counted = count_answers(found)
    stories = sum(brand.stories.count("terms") for brand in world.brands.values())
    # The same record again, the same content again, and the same content under a newer revision.
    least = {"repeat": 3 * stories, "amendment": 2 * stories}
    wrong = [f"{name}: {count}" for name, count in counted.items() if count < least.get(name, 1)]
    told = [f"{name} {count}" for name, count in counted.items()]
    half = len(told) // 2
    said = f"every answer to an offer that came again, and to one that came too late: {len(told)} kinds"
    return Verdict(said, tuple(wrong), (", ".join(told[:half]), ", ".join(told[half:])))


def _check_waiting(found: Findings) -> Verdict:
    left = {key: found.outcomes[key] for key in found.outcomes if key[0] in {"parked", "unmapped", "requeued"}}
    wrong = [f"{count} records still {state} ({reason})" for (state, reason), count in left.items()]
    if not found.released:
        wrong.append("no unmapped reason was waited for and released")
    poison = sum(count for (state, _), count in found.outcomes.items() if state == "quarantined")
    said = f"an unmapped reason was mapped and released; {poison} records are quarantined, the poison among them"
    return Verdict(said, tuple(wrong))


def _check_private(found: Findings) -> Verdict:
    leaked = {one.topic for one in found.seen if PRIVATE_WORDS.encode() in one.raw}
    return Verdict(
        f"private notes stayed inside: {len(found.seen)} records read",
        tuple(f"a private note stands in {topic}" for topic in sorted(leaked)),
    )


def _check_webhooks(found: Findings) -> Iterator[Verdict]:
    for name, seen in found.webhooks.items():
        said = (
            f"{name}: {seen['taken']} webhooks, {seen['waited']} of them after it had been down; each signature good, "
            f"each job in order, {seen['duplicate']} twice"
        )
        wrong = list(seen["troubles"])
        if not seen["waited"]:
            wrong.append("nothing had to wait for it")
        yield Verdict(said, tuple(wrong))


def _check_doors(found: Findings, *, alone: bool) -> Verdict:
    counted = sum(flow.total for door, flow in found.doors.items() if door != INTERNAL_DOOR)
    said = f"doors: {counted} records counted in, {found.sent} sent by the partners"
    if not alone and counted > found.sent:
        return Verdict(f"{said}, {counted - found.sent} by others")
    return Verdict(said, () if counted == found.sent else (f"{abs(counted - found.sent)} records make the difference",))


def _check_feeds(found: Findings) -> Verdict:
    feeds = read_back(found.seen)
    wrong = list(_wrong_feeds(found, feeds))
    records, duplicates = sum(feed.records for feed in feeds.values()), sum(feed.duplicates for feed in feeds.values())
    fetched = sum(feed.records for topic, feed in feeds.items() if topic in found.pollers)
    posted = sum(feed.records for topic, feed in feeds.items() if topic in found.webhooks)
    topics = len(feeds) - len(found.pollers) - len(found.webhooks)
    said = (
        f"feeds: {records} records read back, {records - fetched - posted} from {topics} topics, {posted} by webhook "
        f"and {fetched} by {len(found.pollers)} pollers, {duplicates} of them duplicates, no gaps"
    )
    return Verdict(said, tuple(wrong))


def _wrong_feeds(found: Findings, feeds: Mapping[str, Feed]) -> Iterator[str]:
    for name, delivered in found.delivered().items():
        feed = feeds.get(name, Feed(0, 0, 0, 0, ()))
        if delivered != feed.events:
            yield f"{name}: {delivered} delivered, {feed.events} read back"
        yield from (f"{name}: {gap}" for gap in feed.gaps[:_NAMED])


def _check_ledger(found: Findings) -> Verdict:
    ledger = found.ledger
    inbound, outbound = ledger["inbound"]["total"], ledger["outbound"]["total"]
    said = f"ledger: {inbound} records in, {outbound} deliveries owed, difference {ledger['difference']}"
    wrong = [f"the ledger differs by {ledger['difference']}"] if ledger["difference"] else []
    for state in ("pending", "held", "dead"):
        count = ledger["outbound"]["states"].get(state, 0)
        wrong += [f"{count} deliveries are {state}"] if count else []
    return Verdict(said, tuple(wrong))
