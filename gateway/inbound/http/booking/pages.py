"""Which booking pages there are: a brand's, where its profile has one, and an organization's that asked for one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from gateway.core.values import dataclass
from gateway.mapping.booking_page import BookingPage, WorkOffered, find_zone
from gateway.store.bookings import find_organization

if TYPE_CHECKING:
    from gateway.core.parties import Json, Organization
    from gateway.inbound.directory import Directory
    from gateway.store.database import Database

UTC = ZoneInfo("UTC")
# Names that stand in an address as they are, and leave room for the source's name around them.
_FITS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,149}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One booking page. `whose` are the members of a booking that say for whom it is.

    `organization` is the name of the provider whose page it is; None on a brand's.
    """

    slug: str
    title: str
    phone: str | None
    intro: str | None
    consent: str
    zone: ZoneInfo
    country: str
    service_types: tuple[WorkOffered, ...]
    frame_ancestors: tuple[str, ...]
    whose: Mapping[str, Json]
    organization: str | None

    @property
    def source(self) -> str:
        """The name of the channel: bookings are known by it and their own id."""
        return f"/book/{self.slug}"


async def find_page(slug: str, database: Database, directory: Directory) -> Page | None:
    """The page of that name. A brand's name goes before an organization's handle."""
    if not _FITS.fullmatch(slug):
        return None
    profile = directory.active.get(slug)
    if profile is not None and profile.booking_page is not None:
        return _page(slug, profile.booking_page, {"brand": slug}, None)
    async with database.transaction() as connection:
        organization = await find_organization(connection, slug)
    return _page_of(organization) if organization is not None else None


def _page_of(organization: Organization) -> Page | None:
    asked = organization.members.get("booking_page")
    try:
        settings = BookingPage.model_validate(asked) if isinstance(asked, dict) else None
    except ValidationError:
        # Put by a version of the gateway that allowed what this one does not.
        settings = None
    whose: dict[str, Json] = {"organization": {"handle": organization.handle}}
    return _page(organization.handle, settings, whose, organization) if settings is not None else None


def _page(slug: str, settings: BookingPage, whose: Mapping[str, Json], organization: Organization | None) -> Page:
    members = organization.members if organization is not None else {}
    title = settings.title or (organization.name if organization is not None else slug)
    phone, address = members.get("phone"), members.get("address")
    zone = address.get("timezone") if isinstance(address, dict) else None
    return Page(
        slug=slug,
        title=title,
        phone=settings.phone or (phone if isinstance(phone, str) and phone else None),
        intro=settings.intro,
        consent=settings.consent or _consent(title, organization),
        zone=find_zone(settings.timezone) or find_zone(zone if isinstance(zone, str) else None) or UTC,
        country=settings.country,
        service_types=settings.service_types,
        frame_ancestors=settings.frame_ancestors,
        whose=whose,
        organization=organization.name if organization is not None else None,
    )


def _consent(title: str, organization: Organization | None) -> str:
    who = title if organization is not None else f"{title} and the company that it sends"
    return f"I agree that {who} may use what I entered to arrange this visit, and may call, text or e-mail me about it."
