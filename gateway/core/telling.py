"""Makes the event of a decision from the job before and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.events import By, Change, Event, EventType, NoteRevision, VisitMoved
from gateway.core.parties import Side

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.core.commands import Request
    from gateway.core.facts import Facts
    from gateway.core.job import Job, Visit
    from gateway.core.notes import Note
    from gateway.core.parties import Members
    from gateway.core.reasons import GivenReason


def by(request: Request, facts: Facts) -> By:
    """Who did it: an organization's people act under its name, an enterprise's under their own where given."""
    actor = request.actor
    user = actor.user.number if actor.user else None
    if actor.side is Side.PROVIDER:
        return By(side=actor.side, name=facts.organization_name, user=user)
    return By(side=actor.side, name=actor.person or actor.source, user=user)


def happened(
    kind: EventType,
    before: Job | None,
    after: Job,
    request: Request,
    facts: Facts,
    *,
    reason: GivenReason | None = None,
    details: Members | None = None,
    note: Note | None = None,
) -> Event:
    """The event `kind` that took `before` to `after`, with the visits it moved and what it touched."""
    previous = before.status if before else None
    moved = tuple(_moved(before, after))
    touched = {
        Change.STATUS: previous is not after.status or (before is not None and before.closure is not after.closure),
        Change.APPOINTMENT: bool(moved),
        Change.REASON: reason is not None,
        Change.DETAILS: kind is EventType.JOB_AMENDED,
        Change.NOTE: note is not None,
    }
    return Event(
        type=kind,
        by=by(request, facts),
        occurred_at=request.occurred_at,
        previous_status=previous,
        status=after.status,
        closure=after.closure,
        changes=tuple(change for change, is_touched in touched.items() if is_touched),
        visits=moved,
        reason=reason,
        details=details or {},
        note=NoteRevision(note.number, note.revision) if note else None,
        clock_ahead=request.clock_ahead,
    )


def _moved(before: Job | None, after: Job) -> Iterable[VisitMoved]:
    if before is not None and before.visits is after.visits:
        return
    held: dict[int, Visit] = {visit.number: visit for visit in before.visits} if before else {}
    for visit in after.visits:
        old = held.get(visit.number)
        if old is None:
            yield VisitMoved(visit, None)
        elif _face(old) != _face(visit):
            yield VisitMoved(visit, old.status)


def _face(visit: Visit) -> tuple[object, ...]:
    """What of a visit is worth telling about."""
    return (visit.status, visit.start, visit.duration, visit.window, visit.technician, visit.reason, visit.was)
