"""The chart of transitions, row by row, as it can be read from a job's activity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.store.activity import Happening


@dataclass(frozen=True, slots=True)
class Row:
    """`start` and `end` are statuses, `end` with its closure where that tells rows apart; `by` is a side."""

    start: str | None
    action: str
    event: str
    end: str
    closure: str | None = None
    by: str | None = None

    def is_taken_by(self, one: Happening) -> bool:
        body = one.body
        if (one.type, body.get("previous_status"), body.get("status")) != (self.event, self.start, self.end):
            return False
        if self.by is not None and body["by"]["role"] != self.by:
            return False
        return self.closure is None or body.get("closure") == self.closure

    def __str__(self) -> str:
        end = f"{self.end} ({self.closure})" if self.closure else self.end
        return f"{self.start or '–'}: {self.action} → {end}"


_COMPLETES, _CANCELS, _ADDS = "appointment.completed", "job.canceled", "appointment.scheduled"

CHART = (
    Row(None, "create job, no date", "job.created", "unscheduled"),
    Row(None, "create job, with a date", "job.created", "scheduled"),
    Row(None, "offer from an enterprise", "job.offered", "offered", by="enterprise"),
    Row(None, "offer from a booking page", "job.offered", "offered", by="booking_page"),
    Row("offered", "accept", "job.accepted", "unscheduled"),
    Row("offered", "accept with an appointment", "job.accepted", "scheduled"),
    Row("offered", "decline", "job.declined", "declined", "declined"),
    Row("offered", "the accept-by time passes", "job.declined", "declined", "expired"),
    Row("offered", "the source withdraws it", "job.declined", "declined", "withdrawn"),
    Row("unscheduled", "add appointment", _ADDS, "scheduled"),
    Row("scheduled", "delete the last appointment", "appointment.deleted", "unscheduled"),
    Row("scheduled", "on my way", "appointment.en_route", "in_progress"),
    Row("scheduled", "start", "appointment.started", "in_progress"),
    Row("scheduled", "complete the appointment", _COMPLETES, "complete", "completed"),
    Row("scheduled", "complete the appointment, by a reason that pauses", _COMPLETES, "paused"),
    Row("scheduled", "cancel job", _CANCELS, "complete", "canceled"),
    Row("in_progress", "complete the appointment", _COMPLETES, "complete", "completed"),
    Row("in_progress", "complete the appointment, by a reason that pauses", _COMPLETES, "paused"),
    Row("in_progress", "pause", "appointment.paused", "paused"),
    Row("paused", "new appointment", _ADDS, "scheduled"),
    Row("paused", "cancel job", _CANCELS, "complete", "canceled"),
    Row("complete", "new appointment", _ADDS, "scheduled"),
    Row("complete", "restore, nothing scheduled before", "job.restored", "unscheduled"),
    Row("complete", "restore, work was in progress", "job.restored", "in_progress"),
    Row("unscheduled", "cancel job", _CANCELS, "complete", "canceled"),
    Row("in_progress", "cancel job", _CANCELS, "complete", "canceled"),
    Row("unscheduled", "complete the job", "job.completed", "complete", "completed"),
    Row("scheduled", "complete the job", "job.completed", "complete", "completed"),
    Row("in_progress", "complete the job", "job.completed", "complete", "completed"),
    Row("paused", "complete the job", "job.completed", "complete", "completed"),
)


def count_rows(activity: Iterable[Happening]) -> Counter[Row]:
    """How often each row of the chart was taken."""
    return Counter(row for one in activity for row in CHART if row.is_taken_by(one))
