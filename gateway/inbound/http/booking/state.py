"""How a booked job stands, in the customer's words: nothing of notes, reasons or the people behind it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from gateway.core.job import Closure, JobStatus, Visit, VisitStatus
from gateway.core.values import dataclass

if TYPE_CHECKING:
    from gateway.core.job import Job
    from gateway.core.parties import Organization

GREEN = JobStatus.OFFERED.colour
_VISITS = {
    VisitStatus.SCHEDULED: "Scheduled",
    VisitStatus.EN_ROUTE: "On the way",
    VisitStatus.STARTED: "Under way",
    VisitStatus.PAUSED: "On hold",
    VisitStatus.COMPLETE: "Done",
}


class VisitTold(NamedTuple):
    """One visit: its day, its time of day, and how it stands."""

    day: str
    time: str
    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """`colour` is the job status's, the same on every screen. `company` is who comes, once somebody has said so."""

    label: str
    colour: str
    sentence: str
    company: str | None = None
    visits: tuple[VisitTold, ...] = ()
    is_over: bool = False


RECEIVED = Told(
    label="Received",
    colour=GREEN,
    sentence="We have your request. Look at this page again later to see what has become of it.",
)


def told_of(job: Job, organization: Organization, zone: ZoneInfo) -> Told:
    """The state of `job`, with the times of its visits in `zone`."""
    status, closure = job.status, job.closure
    label, sentence = _words(job, status, closure)
    return Told(
        label=label,
        colour=status.colour,
        sentence=sentence,
        company=organization.name if job.accepted else None,
        visits=tuple(_told_of_visit(visit, zone) for visit in _shown(job)),
        is_over=status in {JobStatus.DECLINED, JobStatus.COMPLETE},
    )


def _words(job: Job, status: JobStatus, closure: Closure | None) -> tuple[str, str]:
    match status:
        case JobStatus.OFFERED:
            return "Waiting for an answer", "Your request is with the service company, which has not answered yet."
        case JobStatus.UNSCHEDULED:
            return "Accepted", "Your request is accepted. You will be contacted to agree on a time."
        case JobStatus.SCHEDULED:
            return "Scheduled", "The time below is set aside for you."
        case JobStatus.IN_PROGRESS:
            if any(visit.status is VisitStatus.STARTED for visit in job.visits):
                return "Under way", "The work has begun."
            return "On the way", "Somebody is on the way to you."
        case JobStatus.PAUSED:
            return "On hold", "The work has begun and will be continued. You will be contacted about what comes next."
        case JobStatus.COMPLETE if closure is Closure.CANCELED:
            return "Canceled", "This request has been canceled."
        case JobStatus.COMPLETE:
            return "Finished", "The work is finished."
        case JobStatus.DECLINED if closure is Closure.WITHDRAWN:
            return "Withdrawn", "This request has been taken back."
        case JobStatus.DECLINED:
            return "Not accepted", "Unfortunately nobody could take on this request."


def _shown(job: Job) -> list[Visit]:
    return sorted((visit for visit in job.visits if visit.status in _VISITS), key=lambda visit: visit.start)


def _told_of_visit(visit: Visit, zone: ZoneInfo) -> VisitTold:
    start = visit.start.astimezone(zone)
    if visit.window is None:
        return VisitTold(_day(start), _time(start), _VISITS[visit.status])
    begins, ends = visit.window.start.astimezone(zone), visit.window.end.astimezone(zone)
    until = _time(ends) if begins.date() == ends.date() else f"{_day(ends)}, {_time(ends)}"
    return VisitTold(_day(begins), f"arrival between {_time(begins)} and {until}", _VISITS[visit.status])


def _day(moment: datetime) -> str:
    return f"{moment:%A, %B} {moment.day}, {moment.year}"


def _time(moment: datetime) -> str:
    return f"{moment.hour % 12 or 12}:{moment:%M} {'am' if moment.hour < 12 else 'pm'}"


def zone_name(zone: ZoneInfo, now: datetime) -> str:
    """`America/Chicago` as `CST (Chicago)`."""
    place = zone.key.rpartition("/")[2].replace("_", " ")
    short = now.astimezone(zone).tzname() or ""
    return short if place in {"", short} else f"{short} ({place})"
