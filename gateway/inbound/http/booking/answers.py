"""The pages themselves: templates that escape whatever stands in them, and headers that let nobody else in."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from gateway.core.values import dataclass
from gateway.inbound.http.booking.form import CHOICES, FURTHEST, MOST, PARTS, TRAP
from gateway.inbound.http.booking.places import COUNTRIES, REGIONS
from gateway.inbound.http.booking.state import Told, zone_name
from gateway.inbound.phones import find_e164, shown

if TYPE_CHECKING:
    from gateway.inbound.http.booking.pages import Page

TEMPLATES = Path(__file__).parent / "templates"
_STYLE = (TEMPLATES / "style.css").read_text(encoding="utf-8")
_STYLE_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# Nothing is kept anywhere; of a form that holds nothing yet, only where the browser's own *back* needs it.
_KEPT_NOWHERE, _KEPT_FOR_BACK = "no-store", "private, no-cache"


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "style": _STYLE,
        "most": MOST,
        "parts": PARTS,
        "choices": CHOICES,
        "trap": TRAP,
        "regions": REGIONS,
        "countries": COUNTRIES,
    }
    return made


_PAGES = _environment()


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What is to be said about a form that was sent: beside which fields, and above all of them."""

    status: HTTPStatus
    alert: str | None = None
    faults: Mapping[str, str] = field(default_factory=dict)
    retry_after: int | None = None


def form_page(page: Page, token: str, now: datetime, *, embedded: bool) -> Response:
    """The form, empty. It may be kept by the browser, so that *back* shows the one that was sent."""
    return _answer(_form(page, token, now, {}, None, embedded=embedded), page, HTTPStatus.OK, kept=_KEPT_FOR_BACK)


def form_again(
    page: Page, token: str, now: datetime, typed: Mapping[str, str], remark: Remark, *, embedded: bool
) -> Response:
    """The form with everything that was typed in it, and what is to be said about it."""
    text = _form(page, token, now, typed, remark, embedded=embedded)
    return _answer(text, page, remark.status, retry_after=remark.retry_after)


def _form(
    page: Page, token: str, now: datetime, typed: Mapping[str, str], remark: Remark | None, *, embedded: bool
) -> str:
    today = now.astimezone(page.zone).date()
    return _PAGES.get_template("form.html").render(
        page=page,
        call=_call(page),
        token=token,
        typed=typed,
        faults=remark.faults if remark else {},
        alert=remark.alert if remark else None,
        zone=zone_name(page.zone, now),
        first_day=today.isoformat(),
        last_day=(today + FURTHEST).isoformat(),
        embedded=embedded,
    )


def state_page(page: Page, number: str, told: Told, now: datetime, *, embedded: bool, just_sent: bool) -> Response:
    """How a booking stands."""
    text = _PAGES.get_template("state.html").render(
        page=page,
        call=_call(page),
        number=number,
        told=told,
        zone=zone_name(page.zone, now),
        embedded=embedded,
        just_sent=just_sent,
    )
    return _answer(text, page, HTTPStatus.OK)


def trouble_page(
    page: Page | None, status: HTTPStatus, title: str, sentence: str, *, retry_after: int | None = None
) -> Response:
    """What cannot be shown, and whom to call."""
    text = _PAGES.get_template("trouble.html").render(
        page=page, call=_call(page), title=title, sentence=sentence, embedded=False
    )
    return _answer(text, page, status, retry_after=retry_after)


def _call(page: Page | None) -> dict[str, str] | None:
    """Whom to call: the number as people read it, and as a telephone dials it."""
    if page is None or page.phone is None:
        return None
    return {"shown": shown(page.phone, page.country), "dialled": find_e164(page.phone, page.country) or page.phone}


def _answer(
    text: str,
    page: Page | None,
    status: HTTPStatus,
    *,
    kept: str = _KEPT_NOWHERE,
    retry_after: int | None = None,
) -> Response:
    headers = {"Cache-Control": kept} | page_headers(page)
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return Response(text, status.value, headers, "text/html; charset=utf-8")


def page_headers(page: Page | None) -> dict[str, str]:
    """What every answer carries: no script, no stranger's frame, no address told to others, no search engine."""
    ancestors = " ".join(page.frame_ancestors) if page is not None and page.frame_ancestors else "'none'"
    policy = (
        "default-src 'none'",
        f"style-src 'sha256-{_STYLE_DIGEST}'",
        "form-action 'self'",
        "base-uri 'none'",
        f"frame-ancestors {ancestors}",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
    }
