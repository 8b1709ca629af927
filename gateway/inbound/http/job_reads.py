"""Reads of the canonical API: a caller's own jobs, and of each its appointments, activity, notes and records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import orjson
from starlette.responses import Response

from gateway.core.ids import Kind, Ref, canonical_id, find_number
from gateway.core.job import Closure, JobStatus
from gateway.core.scopes import Scope
from gateway.core.viewing import Sight, Viewer, shown, sight_of, visits_of
from gateway.core.visibility import Audience
from gateway.inbound.http.receipts import told_of
from gateway.inbound.moments import read_moment
from gateway.inbound.parsing import find_flaw
from gateway.inbound.shapes import MAX_ID
from gateway.inbound.unreadable import Unreadable
from gateway.mapping.standing import activity_members, job_members, note_members
from gateway.store.aggregates import load_users
from gateway.store.columns import from_microseconds, to_microseconds
from gateway.store.job_reads import Wanted, find_job, find_number_of, list_events_of, list_jobs_of
from gateway.store.keys import CallerKind
from gateway.store.notes import list_notes, load_notes
from gateway.store.record_queries import list_records_about
from gateway.web.cursors import bad_cursor, read_limit
from gateway.web.paging import MEMBER, MOST, USUAL, page, read_place, write_place
from gateway.web.problems import ProblemError
from gateway.web.reading import reading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from starlette.requests import Request

    from gateway.core.parties import Json, User
    from gateway.mapping.library import Profiles
    from gateway.mapping.profile import Profile
    from gateway.store.database import Database, Transaction
    from gateway.store.job_reads import KeptJob, Logged
    from gateway.store.keys import Caller
    from gateway.web.callers import Callers

T = TypeVar("T")

JOBS, ACTIVITY, NOTES, RECORDS = "jobs", "activity", "notes", "records"
CANCELED = Closure.CANCELED.value
STATUSES = (*(status.value for status in JobStatus), CANCELED)
_LARGEST_POSITION = 2**31 - 1


def viewer_of(caller: Caller) -> Viewer:
    """Who reads by this key. Ends the request where the key is not for reading jobs."""
    match caller.kind:
        case CallerKind.ACCOUNT:
            return Viewer(
                audience=Audience.ENTERPRISE,
                source=caller.source,
                account=caller.number,
                brand=caller.brand,
                tests=caller.sandbox,
            )
        case CallerKind.ORGANIZATION | CallerKind.USER:
            return Viewer(
                audience=Audience.PROVIDER,
                source=caller.source,
                organization=caller.number,
                technician=caller.technician,
                tests=caller.sandbox,
            )
        case CallerKind.OPERATOR:
            raise ProblemError(HTTPStatus.FORBIDDEN, "not_allowed", "this key reads no jobs")


class _Seen(NamedTuple):
    """One job with how much of it the viewer sees, and the profile in whose words."""

    kept: KeptJob
    viewer: Viewer
    sight: Sight
    profile: Profile | None

    @property
    def number(self) -> int:
        return self.kept.job.number

    @property
    def visits(self) -> frozenset[str]:
        """The ids of those of its visits that the viewer sees."""
        return frozenset(canonical_id(Kind.APPOINTMENT, number) for number in visits_of(self.viewer, self.kept.job))

    @property
    def is_whole(self) -> bool:
        return self.sight is Sight.WHOLE

    @property
    def uses_notes(self) -> bool:
        """A brand whose profile is not known here is told of none."""
        return self.kept.job.brand is None if self.profile is None else self.profile.features.notes


class JobReads:
    """The endpoints. What is not the caller's is answered as what does not exist: 404."""

    def __init__(self, callers: Callers, database: Database, profiles: Callable[[], Profiles]) -> None:
        """`profiles` are those at hand, by now."""
        self._callers = callers
        self._database = database
        self._profiles = profiles

    async def jobs(self, request: Request) -> Response:
        """`GET /v1/jobs`: the caller's own, the newest first, without their details."""
        viewer = await self._viewer(request)
        limit, place = _read_limit(request), read_place(request.query_params, JOBS, 1)
        wanted = _wanted(request.query_params)
        async with reading(self._database) as connection:
            found = await list_jobs_of(connection, viewer, wanted, before=place[0] if place else None, limit=limit + 1)
            seen = [self._seen(viewer, kept) for kept in found]
            people = await _technicians(connection, seen)
        items = [_told(one, people) for one in seen[:limit]]
        for item in items:
            item.pop("details", None)
        return _json(page(items, _next(JOBS, seen, limit, lambda one: (one.number,))))

    async def job(self, request: Request) -> Response:
        """`GET /v1/jobs/{id}`: the job as it stands."""
        viewer = await self._viewer(request)
        async with reading(self._database) as connection:
            seen = await self._get_job(connection, viewer, request)
            people = await _technicians(connection, [seen])
        return _json(_told(seen, people))

    async def appointments(self, request: Request) -> Response:
        """`GET /v1/jobs/{id}/appointments`: all of them, in the order in which they were made."""
        viewer = await self._viewer(request)
        async with reading(self._database) as connection:
            seen = await self._get_job(connection, viewer, request)
            people = await _technicians(connection, [seen])
        return _json(page(_visits(seen, people), None))

    async def appointment(self, request: Request) -> Response:
        """`GET /v1/jobs/{id}/appointments/{appointment}`: one of them."""
        viewer = await self._viewer(request)
        async with reading(self._database) as connection:
            seen = await self._get_job(connection, viewer, request)
            number = await _find_number(connection, viewer, Kind.APPOINTMENT, request.path_params["appointment"])
            people = await _technicians(connection, [seen])
        wanted = canonical_id(Kind.APPOINTMENT, number or 0)
        for visit in _visits(seen, people):
            if visit["id"] == wanted:
                return _json(visit)
        raise _not_found("no appointment of this job")

    async def activity(self, request: Request) -> Response:
        """`GET /v1/jobs/{id}/activity`: what happened to it, the newest first."""
        viewer = await self._viewer(request)
        limit, before = _read_limit(request), _read_moment_and_position(request.query_params)
        async with reading(self._database) as connection:
            seen = await self._get_job(connection, viewer, request)
            kinds = shown(viewer.audience, seen.sight, uses_notes=seen.uses_notes)
            logged = await list_events_of(connection, seen.number, kinds, before=before, limit=limit + 1)
            notes = await load_notes(connection, {one.event.note.number for one in logged if one.event.note})
            acting = {one.by_user for one in logged if one.by_user is not None}
            people = await _people(connection, viewer, acting)
        told = (
            activity_members(
                one.event,
                one.by_user,
                audience=viewer.audience,
                profile=self._profile(viewer, one.event.brand, one.event.profile_version),
                notes=notes,
                people=people,
            )
            for one in logged[:limit]
        )
        items: list[Json] = [one for one in told if _keep_own_visits(seen, one["data"])]
        return _json(page(items, _next(ACTIVITY, logged, limit, _place_of)))

    async def notes(self, request: Request) -> Response:
        """`GET /v1/jobs/{id}/notes`: those that the caller may read, as they are now, the newest first."""
        viewer = await self._viewer(request)
        limit, place = _read_limit(request), read_place(request.query_params, NOTES, 1)
        async with reading(self._database) as connection:
            seen = await self._get_job(connection, viewer, request)
            found = await list_notes(
                connection,
                seen.number,
                viewer.audience,
                uses_notes=seen.uses_notes,
                before=place[0] if place else None,
                limit=limit + 1 if seen.is_whole else 0,
            )
            people = await _people(connection, viewer, {one.user for one in found if one.user is not None})
        told = (
            note_members(one, seen.kept.organization, audience=viewer.audience, people=people) for one in found[:limit]
        )
        items: list[Json] = [one for one in told if one is not None]
        return _json(page(items, _next(NOTES, found, limit, lambda one: (one.number,))))

    async def records(self, request: Request) -> Response:
        """`GET /v1/jobs/{id}/records`: what became of the records that the caller sent about it, the newest first."""
        viewer = await self._viewer(request)
        limit, place = _read_limit(request), read_place(request.query_params, RECORDS, 1)
        async with reading(self._database) as connection:
            seen = await self._get_job(connection, viewer, request)
            before = place[0] if place else None
            found = await list_records_about(connection, seen.number, viewer, before=before, limit=limit + 1)
        items: list[Json] = [told_of(one) for one in found[:limit]]
        return _json(page(items, _next(RECORDS, found, limit, lambda one: (one.number,))))

    async def _viewer(self, request: Request) -> Viewer:
        return viewer_of(await self._callers.by_token(request, Scope.READ))

    async def _get_job(self, connection: Transaction, viewer: Viewer, request: Request) -> _Seen:
        number = await _find_number(connection, viewer, Kind.JOB, request.path_params["id"])
        kept = await find_job(connection, number) if number is not None else None
        seen = self._seen(viewer, kept) if kept is not None else None
        if seen is None or seen.sight is Sight.NOTHING:
            raise _not_found("no job of yours")
        return seen

    def _seen(self, viewer: Viewer, kept: KeptJob) -> _Seen:
        return _Seen(kept, viewer, sight_of(viewer, kept.job), self._profile(viewer, kept.job.brand, None))

    def _profile(self, viewer: Viewer, brand: str | None, version: int | None) -> Profile | None:
        """The version that decided, where it is known here; else the one in force. A provider gets the core's words."""
        if viewer.audience is not Audience.ENTERPRISE:
            return None
        profiles = self._profiles()
        return profiles.find_version(brand, version) or profiles.find(brand)


def _told(seen: _Seen, people: Mapping[int, User]) -> dict[str, Json]:
    members = job_members(
        seen.kept.job,
        seen.kept.organization,
        seen.kept.changed_at,
        audience=seen.viewer.audience,
        sight=seen.sight,
        profile=seen.profile,
        people=people,
    )
    _keep_own_visits(seen, members)
    return members


def _keep_own_visits(seen: _Seen, members: Json) -> bool:
    """Takes away the visits that the viewer does not see; False where it speaks of no others."""
    listed = members.get("appointments") if isinstance(members, dict) else None
    if seen.viewer.technician is None or not isinstance(members, dict) or not isinstance(listed, list) or not listed:
        return True
    own: list[Json] = [one for one in listed if isinstance(one, dict) and one.get("id") in seen.visits]
    members["appointments"] = own
    return bool(own)


def _visits(seen: _Seen, people: Mapping[int, User]) -> list[dict[str, Json]]:
    visits = _told(seen, people).get("appointments")
    return [visit for visit in visits if isinstance(visit, dict)] if isinstance(visits, list) else []


async def _technicians(connection: Transaction, seen: Sequence[_Seen]) -> dict[int, User]:
    if not seen:
        return {}
    assigned = {visit.technician for one in seen if one.is_whole for visit in one.kept.job.visits}
    return await _people(connection, seen[0].viewer, {number for number in assigned if number is not None})


async def _people(connection: Transaction, viewer: Viewer, numbers: set[int]) -> dict[int, User]:
    """Of an organization's people only it itself is told."""
    return await load_users(connection, numbers) if viewer.audience is Audience.PROVIDER else {}


async def _find_number(connection: Transaction, viewer: Viewer, kind: Kind, written: str) -> int | None:
    """What is meant by a canonical id, or by an id of the caller's own: as in a command."""
    number = find_number(kind, written)
    if number is not None or not _is_sound(written):
        return number
    return await find_number_of(connection, Ref(kind, viewer.source, written))


def _is_sound(written: str) -> bool:
    return 0 < len(written) <= MAX_ID and find_flaw(written) is None


def _wanted(query: Mapping[str, str]) -> Wanted:
    status, external_id, since = query.get("status"), query.get("external_id"), query.get("changed_since")
    if status is not None and status not in STATUSES:
        raise _bad_value("status", f"one of {', '.join(STATUSES)} is expected")
    if external_id is not None and not _is_sound(external_id):
        raise _bad_value("external_id", f"a text of 1 to {MAX_ID} characters is expected")
    moment = read_moment(since) if since is not None else None
    if isinstance(moment, Unreadable):
        raise _bad_value("changed_since", "an RFC 3339 time with its offset is expected")
    # A canceled job stands among the complete ones.
    is_canceled = status == CANCELED
    return Wanted(
        status=None if is_canceled else status,
        closure=CANCELED if is_canceled else None,
        external_id=external_id,
        changed_since=moment,
    )


def _bad_value(member: str, detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.BAD_REQUEST, "bad_value", detail, member=member)


def _not_found(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.NOT_FOUND, "not_found", detail)


def _next(of: str, rows: Sequence[T], limit: int, place: Callable[[T], tuple[int, ...]]) -> str | None:
    """Where there is one row more than the page holds, the next page begins after the last on this one."""
    return write_place(of, *place(rows[limit - 1])) if len(rows) > limit else None


def _read_limit(request: Request) -> int:
    return read_limit(request.query_params, usual=USUAL, most=MOST)


def _place_of(one: Logged) -> tuple[int, int]:
    return to_microseconds(one.event.occurred_at), one.position


def _read_moment_and_position(query: Mapping[str, str]) -> tuple[datetime, int] | None:
    place = read_place(query, ACTIVITY, 2)
    if place is None:
        return None
    try:
        moment = from_microseconds(place[0])
    except OverflowError:
        raise bad_cursor(MEMBER) from None
    if place[1] > _LARGEST_POSITION:
        raise bad_cursor(MEMBER)
    return moment, place[1]


def _json(body: Mapping[str, Json]) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
