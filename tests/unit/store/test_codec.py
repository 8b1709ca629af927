"""Jobs and visits come back from their rows as they went in."""

from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from gateway.core.job import Job, ProgressKey, Rank, Revision, VisitStatus, Window
from gateway.core.reasons import ReasonKind
from gateway.store.codec import Row, job_from, job_row, visit_from, visit_row
from tests import factories as make

FULL = replace(
    make.visit(status=VisitStatus.CANCELED, was=VisitStatus.PAUSED, technician=make.TECHNICIAN),
    duration=timedelta(hours=3, seconds=1),
    window=Window(make.minutes(1), make.minutes(2)),
    progress=ProgressKey(make.minutes(0.001), Rank.PAUSED, "m-1"),
    reason=make.given("WFP"),
    unassigned_by_gateway=True,
    latest={make.LAKESIDE: "d1"},
)
REASSIGNED = make.visit(5).assigned_to(1, make.minutes(1)).assigned_to(2, make.minutes(2)).assigned_to(None, make.NOW)


def again(job: Job) -> Job:
    visits = [visit_from(stored(visit_row(job.number, visit))) for visit in job.visits]
    return job_from(stored(job_row(job, make.NOW)), visits)


def stored(row: Row) -> Row:
    """As a database gives it back: what was nested is a text."""
    return {**row, "state": orjson.dumps(row["state"]).decode()}


@pytest.mark.parametrize("standing", list(make.STANDINGS))
def test_a_job_in_any_standing_comes_back_with_its_next_version(standing):
    job = make.job_in(standing)
    assert again(job) == replace(job, version=1)


def test_so_does_one_with_everything():
    job = make.job(
        FULL,
        REASSIGNED,
        revision=Revision("revision", 4),
        terms=Revision("updated_at", 2),
        ended=make.canceled(reason=make.given("Moved", ReasonKind.CANCEL)),
        held_by=7,
        replaces=8,
        replaced_by=9,
        surveyed_at=make.minutes(3),
        jobversion=5,
        sequence=6,
        last_sent={"feed": 5},
        latest={make.ACME: "d2"},
    )
    assert again(job) == replace(job, version=1)
