"""What the customer is told by text message: made beside the event of a decision, never with notes or photos."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gateway.core.document import stamp
from gateway.core.events import By, Event, EventType, VisitMoved
from gateway.core.job import VisitStatus

if TYPE_CHECKING:
    from gateway.core.job import Job, Visit
    from gateway.core.parties import Json, Position

SURVEY_PAUSE = timedelta(hours=24)
FRESH_POSITION = timedelta(minutes=10)
EARTH_RADIUS_KM = 6371.0
ROAD_FACTOR = 1.3
ROAD_KM_PER_HOUR = 40.0


def customer_event(kind: EventType, job: Job, visit: Visit, by: By, at: datetime, **details: Json) -> Event:
    """A `customer.*` event about one visit. It carries whom to tell, as the job's details name them."""
    return Event(
        type=kind,
        by=by,
        occurred_at=at,
        visits=(VisitMoved(visit, None),),
        details={"customer": job.details.get("customer"), **details},
    )


def survey_is_due(job: Job, now: datetime) -> bool:
    """Whether a completed visit asks for a survey: not twice within 24 hours for one job."""
    return job.surveyed_at is None or now - job.surveyed_at >= SURVEY_PAUSE


def estimate_arrival(job: Job, visit: Visit, minutes: int | None, position: Position | None, now: datetime) -> Json:
    """When the technician should be there, and what that is based on.

    The sender's minutes; else the straight line from a position under ten minutes old, lengthened to a road at a
    town's speed; else the appointment's start.
    """
    if minutes is not None:
        return {"at": stamp(now + timedelta(minutes=minutes)), "basis": "sender"}
    place = _place(job)
    here = _fresh_place(position, now)
    if here is not None and place is not None:
        km = _distance_km(here, place) * ROAD_FACTOR
        return {"at": stamp(now + timedelta(hours=km / ROAD_KM_PER_HOUR)), "basis": "position"}
    return {"at": stamp(visit.start), "basis": "appointment"}


def _place(job: Job) -> tuple[float, float] | None:
    address = job.details.get("address")
    if not isinstance(address, dict):
        return None
    latitude, longitude = address.get("latitude"), address.get("longitude")
    if isinstance(latitude, int | float) and isinstance(longitude, int | float):
        return float(latitude), float(longitude)
    return None


def _fresh_place(position: Position | None, now: datetime) -> tuple[float, float] | None:
    if position is None or position.latitude is None or position.longitude is None:
        return None
    return (position.latitude, position.longitude) if now - position.at < FRESH_POSITION else None


def _distance_km(here: tuple[float, float], there: tuple[float, float]) -> float:
    """The great-circle distance, by the haversine formula."""
    latitude, other = math.radians(here[0]), math.radians(there[0])
    east = math.radians(there[1] - here[1])
    half = math.sin((other - latitude) / 2) ** 2 + math.cos(latitude) * math.cos(other) * math.sin(east / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(half)))


def told_of_end(visit: Visit) -> bool:
    """Whether the customer hears that `visit` is off: only of one that was still to come."""
    return visit.status in {VisitStatus.SCHEDULED, VisitStatus.EN_ROUTE}
