"""Aggregates to rows and back. JSON columns are encoded here, once, by orjson; moments as RFC 3339."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from gateway.core.job import (
    Ended,
    EndedHow,
    Job,
    Offer,
    OfferState,
    ProgressKey,
    Rank,
    Revision,
    Tenure,
    Visit,
    VisitStatus,
    Window,
    standing,
)
from gateway.core.parties import Customer, Organization, Position, Role, Side, User
from gateway.core.reasons import Ending, GivenReason, ReasonKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import RowMapping

Row = dict[str, Any]


def encode(value: Any) -> str:
    """JSON text, keys as they come."""
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def nested(value: Any) -> orjson.Fragment:
    """The same, for rows that travel as JSON themselves (`given`): its text arrives as it is, without being quoted."""
    return orjson.Fragment(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))


def decode(text: str) -> Any:
    return orjson.loads(text)


def job_row(job: Job, now: datetime) -> Row:
    """The row of `job` without its visits; its version is the next one."""
    status, closure = standing(job)
    is_open = job.offer is not None and job.offer.state is OfferState.OPEN
    return {
        "number": job.number,
        "version": job.version + 1,
        "source": job.source,
        "account": job.account,
        "brand": job.brand,
        "organization": job.organization,
        "external_id": job.external_id,
        "customer": job.customer,
        "status": status,
        "closure": closure,
        "accept_by": job.offer.accept_by if job.offer and is_open else None,
        "held_by": job.held_by,
        "state": nested(_job_state(job)),
        "updated_at": now,
    }


def sent_row(job: Job) -> Row:
    """The columns of `job` that change where it was told of once more, and nothing was decided."""
    return {"number": job.number, "version": job.version + 1, "state": nested(_job_state(job))}


def _job_state(job: Job) -> Row:
    return {
        "side": job.side,
        "details": job.details,
        "revision": [job.revision.scheme, job.revision.value] if job.revision else None,
        "terms": [job.terms.scheme, job.terms.value] if job.terms else None,
        "offer": _offer_state(job.offer) if job.offer else None,
        "ended": _ended_state(job.ended) if job.ended else None,
        "replaces": job.replaces,
        "replaced_by": job.replaced_by,
        "surveyed_at": job.surveyed_at,
        "jobversion": job.jobversion,
        "sequence": job.sequence,
        "last_sent": job.last_sent,
        "latest": job.latest,
    }


def job_from(row: RowMapping, visits: Iterable[Visit]) -> Job:
    """The aggregate, from its row and its visits in order of their numbers."""
    state = decode(row["state"])
    return Job(
        number=row["number"],
        version=row["version"],
        source=row["source"],
        side=Side(state["side"]),
        account=row["account"],
        brand=row["brand"],
        organization=row["organization"],
        external_id=row["external_id"],
        customer=row["customer"],
        details=state["details"],
        revision=Revision(*state["revision"]) if state["revision"] else None,
        terms=Revision(*state["terms"]) if state["terms"] else None,
        offer=_offer_from(state["offer"]) if state["offer"] else None,
        ended=_ended_from(state["ended"]) if state["ended"] else None,
        visits=tuple(visits),
        held_by=row["held_by"],
        replaces=state["replaces"],
        replaced_by=state["replaced_by"],
        surveyed_at=_moment(state["surveyed_at"]),
        jobversion=state["jobversion"],
        sequence=state["sequence"],
        last_sent=state["last_sent"],
        latest=state["latest"],
    )


def _offer_state(offer: Offer) -> Row:
    return {
        "state": offer.state,
        "accept_by": offer.accept_by,
        "closed_at": offer.closed_at,
        "reason": _reason_state(offer.reason),
    }


def _offer_from(state: Row) -> Offer:
    return Offer(
        state=OfferState(state["state"]),
        accept_by=_moment(state["accept_by"]),
        closed_at=_moment(state["closed_at"]),
        reason=_reason_from(state["reason"]),
    )


def _ended_state(ended: Ended) -> Row:
    return {
        "how": ended.how,
        "by": ended.by,
        "source": ended.source,
        "at": ended.at,
        "reason": _reason_state(ended.reason),
    }


def _ended_from(state: Row) -> Ended:
    return Ended(
        how=EndedHow(state["how"]),
        by=Side(state["by"]),
        source=state["source"],
        at=datetime.fromisoformat(state["at"]),
        reason=_reason_from(state["reason"]),
    )


def visit_row(job: int, visit: Visit) -> Row:
    """The row of one visit of `job`."""
    progress = visit.progress
    return {
        "number": visit.number,
        "job": job,
        "status": visit.status,
        "technician": visit.technician,
        "start_at": visit.start,
        "state": nested(
            {
                "duration": visit.duration.total_seconds(),
                "window": [visit.window.start, visit.window.end] if visit.window else None,
                "technician_before": visit.technician_before,
                "reassigned_at": visit.reassigned_at,
                "earlier": [[tenure.technician, tenure.until] for tenure in visit.earlier],
                "unassigned_by_gateway": visit.unassigned_by_gateway,
                "progress": [progress.occurred_at, int(progress.rank), progress.message_id] if progress else None,
                "reason": _reason_state(visit.reason),
                "ended_at": visit.ended_at,
                "was": visit.was,
                "latest": visit.latest,
            }
        ),
    }


def visit_from(row: RowMapping) -> Visit:
    """One visit, from its row."""
    state = decode(row["state"])
    window, progress = state["window"], state["progress"]
    return Visit(
        number=row["number"],
        status=VisitStatus(row["status"]),
        start=row["start_at"],
        duration=timedelta(seconds=state["duration"]),
        window=Window(*map(datetime.fromisoformat, window)) if window else None,
        technician=row["technician"],
        technician_before=state["technician_before"],
        reassigned_at=_moment(state["reassigned_at"]),
        earlier=tuple(Tenure(technician, datetime.fromisoformat(until)) for technician, until in state["earlier"]),
        unassigned_by_gateway=state["unassigned_by_gateway"],
        progress=ProgressKey(datetime.fromisoformat(progress[0]), Rank(progress[1]), progress[2]) if progress else None,
        reason=_reason_from(state["reason"]),
        ended_at=_moment(state["ended_at"]),
        was=VisitStatus(state["was"]) if state["was"] else None,
        latest=state["latest"],
    )


def organization_row(organization: Organization) -> Row:
    return {
        "number": organization.number,
        "handle": organization.handle,
        "branch_of": organization.branch_of,
        "members": nested(organization.members),
        "latest": nested(organization.latest),
    }


def organization_from(row: RowMapping) -> Organization:
    return Organization(
        number=row["number"],
        handle=row["handle"],
        branch_of=row["branch_of"],
        members=decode(row["members"]),
        latest=decode(row["latest"]),
    )


def user_row(user: User) -> Row:
    position = user.position
    return {
        "number": user.number,
        "organization": user.organization,
        "role": user.role.value,
        "active": user.active,
        "deactivated_at": user.deactivated_at,
        "members": nested(user.members),
        "latest": nested(user.latest),
        "position_at": position.at if position else None,
        "latitude": position.latitude if position else None,
        "longitude": position.longitude if position else None,
        "position_why_none": position.why_none if position else None,
    }


def user_from(row: RowMapping) -> User:
    at = row["position_at"]
    return User(
        number=row["number"],
        organization=row["organization"],
        role=Role(row["role"]),
        active=row["active"],
        deactivated_at=row["deactivated_at"],
        members=decode(row["members"]),
        latest=decode(row["latest"]),
        position=Position(at, row["latitude"], row["longitude"], row["position_why_none"]) if at else None,
    )


def customer_row(customer: Customer) -> Row:
    return {"number": customer.number, "source": customer.source, "members": nested(customer.members)}


def customer_from(row: RowMapping) -> Customer:
    return Customer(number=row["number"], source=row["source"], members=decode(row["members"]))


def _reason_state(reason: GivenReason | None) -> Row | None:
    if reason is None:
        return None
    return {
        "kind": reason.kind,
        "text": reason.text,
        "code": reason.code,
        "label": reason.label,
        "outcome": reason.outcome,
    }


def _reason_from(state: Row | None) -> GivenReason | None:
    if state is None:
        return None
    return GivenReason(
        kind=ReasonKind(state["kind"]),
        text=state["text"],
        code=state["code"],
        label=state["label"],
        outcome=Ending(state["outcome"]) if state["outcome"] else None,
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
