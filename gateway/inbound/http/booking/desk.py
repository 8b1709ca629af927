"""The addresses under `/book`: the form, what becomes of it, and how the request stands. Every answer is a page.

A booking becomes a record of the door `http.bookings` and ends in the same `receive` as all others.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.core.outcomes import Quarantined, Refused, Why
from gateway.core.parties import Side
from gateway.core.values import dataclass
from gateway.inbound.doors import HTTP_BOOKINGS
from gateway.inbound.http.booking.answers import Remark, form_again, form_page, page_headers, state_page, trouble_page
from gateway.inbound.http.booking.form import TRAP, Faults, read_booking, read_form
from gateway.inbound.http.booking.pages import Page, find_page
from gateway.inbound.http.booking.state import RECEIVED, told_of
from gateway.inbound.http.booking.tokens import Tokens, new_number
from gateway.inbound.http.taking import take_in
from gateway.inbound.record import RawRecord
from gateway.store.bookings import count_booking, find_booked
from gateway.store.failures import may_pass
from gateway.web.failed_calls import address_of
from gateway.web.minutes import PerMinute
from gateway.web.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

    from gateway.core.parties import Json
    from gateway.inbound.directory import Directory
    from gateway.inbound.entry import Entry
    from gateway.inbound.gathering import Gathering
    from gateway.sealing import Signer
    from gateway.store.database import Database

log = logging.getLogger(__name__)

HOUR = 3_600
AGAIN_SECONDS = 60
# Forms that one address may send in a minute to one process, whatever is in them: reading them costs something, too.
FORMS_A_MINUTE = 30

_STALE = (
    "This page was open for too long, or did not come from here. What you typed is still there: please send it again."
)
_NO_PROVIDER = "We have nobody who could come to this address for this. What you typed is still there."
_NOT_TAKEN = "This request could not be taken. What you typed is still there."
_NOT_NOW = "Your request could not be kept just now. What you typed is still there: please send it again in a minute."
_TOO_MANY = "Too many requests have come from your connection, or for this page. What you typed is still there."

_TROUBLE = {
    HTTPStatus.NOT_FOUND: ("Page not found", "There is no such page. Please check the address."),
    HTTPStatus.METHOD_NOT_ALLOWED: ("This cannot be done here", "Please open the page anew."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
        "Too much text",
        "That is more than we can read. Please go back and shorten it.",
    ),
    HTTPStatus.REQUEST_TIMEOUT: ("The connection is slow", "Your request did not arrive whole. Please send it again."),
    HTTPStatus.TOO_MANY_REQUESTS: ("Too many attempts", "Please wait a minute, go back, and try again."),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "Not available",
        "This page cannot be used just now. Please try again in a minute.",
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("Something went wrong", "The fault is ours. Please try again later."),
}
_UNREADABLE = ("This could not be read", "Please open the page anew and try again.")
_COME_AGAIN = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


@dataclass(frozen=True, slots=True)
class Limits:
    """Bookings that are taken in an hour."""

    per_address: int = 10
    per_page: int = 200


class Desk:
    """Answers customers. Without `signer` (no `GATEWAY_SECRET_KEYS`) no page can be used."""

    def __init__(
        self,
        database: Database,
        gathering: Gathering,
        directory: Callable[[], Directory],
        signer: Signer | None,
        limits: Limits,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._gathering = gathering
        self._directory = directory
        self._tokens = Tokens(signer) if signer is not None else None
        self._limits = limits
        self._now = now
        self._forms = PerMinute(lambda: now().timestamp())

    def application(self) -> Starlette:
        """The pages, to be mounted at `/book`."""
        routes = [
            Route("/{page}", self._in_words(self._answer_form), methods=["GET", "POST"]),
            Route("/{page}/requests/{token}", self._in_words(self._tell_state), methods=["GET"]),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: _answer_nowhere})

    def _in_words(self, endpoint: Callable[[Request, Page, Tokens], Awaitable[Response]]) -> Callable[..., object]:
        async def answered(request: Request) -> Response:
            page = None
            try:
                page = await find_page(request.path_params["page"], self._database, self._directory())
                if page is None:
                    return _trouble(None, HTTPStatus.NOT_FOUND)
                if self._tokens is None:
                    return _trouble(page, HTTPStatus.SERVICE_UNAVAILABLE)
                return await endpoint(request, page, self._tokens)
            except ProblemError as problem:
                waits = problem.status is HTTPStatus.TOO_MANY_REQUESTS
                return _trouble(page, problem.status, problem.retry_after if waits else AGAIN_SECONDS)
            except ClientDisconnect:
                # Nobody reads it.
                return Response(status_code=HTTPStatus.BAD_REQUEST.value)
            except Exception as error:
                if may_pass(error):
                    return _trouble(page, HTTPStatus.SERVICE_UNAVAILABLE)
                log.exception("booking.bug")
                return _trouble(page, HTTPStatus.INTERNAL_SERVER_ERROR)

        return answered

    async def _answer_form(self, request: Request, page: Page, tokens: Tokens) -> Response:
        if request.method == "POST":
            return await self._book(request, page, tokens)
        now = self._now()
        return form_page(page, tokens.form(page.slug, new_number(), now), now, embedded=_is_embedded(request))

    async def _book(self, request: Request, page: Page, tokens: Tokens) -> Response:
        visitor = address_of(request)
        self._insist_on_patience(visitor)
        typed = await read_form(request)
        now, embedded = self._now(), _is_embedded(request)
        if typed.get(TRAP):
            log.info("booking.trapped", extra={"page": page.slug})
            return _see(page, tokens, new_number(), embedded=embedded)
        token = typed.get("token", "")
        booking = tokens.find_booking(page.slug, token, now)
        if booking is None:
            fresh, stale = tokens.form(page.slug, new_number(), now), Remark(status=HTTPStatus.FORBIDDEN, alert=_STALE)
            return form_again(page, fresh, now, typed, stale, embedded=embedded)
        remark = await self._take(page, booking, typed, tokens.visitor(visitor), now)
        if remark is not None:
            return form_again(page, token, now, typed, remark, embedded=embedded)
        return _see(page, tokens, booking, embedded=embedded)

    async def _take(
        self, page: Page, booking: str, typed: Mapping[str, str], visitor: str, now: datetime
    ) -> Remark | None:
        """Takes a booking in; returns what to say where that cannot be."""
        content = read_booking(typed, page, now)
        if isinstance(content, Faults):
            return Remark(status=HTTPStatus.UNPROCESSABLE_ENTITY, faults=content.by_field)
        try:
            if not await self._count(page, visitor, now):
                log.warning("booking.limited", extra={"page": page.slug})
                left = HOUR - int(now.timestamp()) % HOUR
                return Remark(status=HTTPStatus.TOO_MANY_REQUESTS, alert=_TOO_MANY, retry_after=left)
            [entry] = await take_in(self._gathering, [_record(page, booking, content, now)])
        except ProblemError as problem:
            return Remark(status=problem.status, alert=_NOT_NOW, retry_after=AGAIN_SECONDS)
        except Exception as error:
            if not may_pass(error):
                raise
            return Remark(status=HTTPStatus.SERVICE_UNAVAILABLE, alert=_NOT_NOW, retry_after=AGAIN_SECONDS)
        refusal = _find_refusal(entry)
        return Remark(status=HTTPStatus.CONFLICT, alert=refusal) if refusal is not None else None

    async def _tell_state(self, request: Request, page: Page, tokens: Tokens) -> Response:
        number = tokens.find_told(page.slug, request.path_params["token"])
        if number is None:
            return _trouble(page, HTTPStatus.NOT_FOUND)
        async with self._database.transaction() as connection:
            found = await find_booked(connection, page.source, number)
        # Not there: it waits for something yet, or was never kept (see TRAP).
        told = told_of(*found, page.zone) if found is not None else RECEIVED
        just_sent = request.query_params.get("sent") == "1"
        return state_page(page, number, told, self._now(), embedded=_is_embedded(request), just_sent=just_sent)

    async def _count(self, page: Page, visitor: str, now: datetime) -> bool:
        """Whether one more may be taken now. Counted in the database, for all processes together."""
        hour = int(now.timestamp()) // HOUR
        async with self._database.transaction() as connection:
            return await count_booking(
                connection, f"address {visitor}", hour, self._limits.per_address
            ) and await count_booking(connection, f"page {page.slug}", hour, self._limits.per_page)

    def _insist_on_patience(self, visitor: str) -> None:
        self._forms.add(visitor)
        if self._forms.count(visitor) > FORMS_A_MINUTE:
            raise ProblemError(HTTPStatus.TOO_MANY_REQUESTS, "too_many_forms", retry_after=self._forms.seconds_left())


def _record(page: Page, booking: str, content: Mapping[str, Json], now: datetime) -> RawRecord:
    """Without a message id: what equals the booking's latest word is a repeat, anything else corrects it."""
    event = {
        "specversion": "1.0",
        "source": page.source,
        "type": "booking.request.v1",
        "subject": booking,
        "data": content,
    }
    return RawRecord(
        door=HTTP_BOOKINGS,
        arrived_at=now,
        value=orjson.dumps(event),
        bound_source=page.source,
        side=Side.BOOKING_PAGE,
    )


def _find_refusal(entry: Entry) -> str | None:
    """What to tell the customer where nothing came of the booking."""
    match entry.outcome:
        case Refused(why=Why.NO_PROVIDER):
            return _NO_PROVIDER
        case Refused() | Quarantined():
            log.warning("booking.refused", extra={"record": entry.number, "reason": entry.reason})
            return _NOT_TAKEN
    return None


def _see(page: Page, tokens: Tokens, booking: str, *, embedded: bool) -> Response:
    """To the page of its state: reloading that sends nothing."""
    more = "&embedded=1" if embedded else ""
    place = f"{page.slug}/requests/{tokens.state(page.slug, booking)}?sent=1{more}"
    headers = {"Cache-Control": "no-store"} | page_headers(page)
    return RedirectResponse(place, HTTPStatus.SEE_OTHER.value, headers)


def _is_embedded(request: Request) -> bool:
    return request.query_params.get("embedded") == "1"


def _trouble(page: Page | None, status: HTTPStatus, again: int = AGAIN_SECONDS) -> Response:
    title, sentence = _TROUBLE.get(status, _UNREADABLE)
    return trouble_page(page, status, title, sentence, retry_after=again if status in _COME_AGAIN else None)


async def _answer_nowhere(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    answer = _trouble(None, HTTPStatus(error.status_code))
    answer.headers.update(error.headers or {})
    return answer
