"""What a booking page says and who may embed it: part of a brand's profile, or of what an organization puts."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictStr, StringConstraints


def _known_zone(name: str) -> str:
    if find_zone(name) is None:
        raise ValueError("is no time zone of the IANA database, such as America/Chicago")
    return name


def find_zone(name: str | None) -> ZoneInfo | None:
    """The time zone of that name, where this machine knows it."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


Line = Annotated[StrictStr, StringConstraints(min_length=1, max_length=120)]
Paragraph = Annotated[StrictStr, StringConstraints(min_length=1, max_length=2_000)]
Zone = Annotated[StrictStr, StringConstraints(min_length=1, max_length=100), AfterValidator(_known_zone)]
# What may stand among the frame-ancestors of a content security policy, and nothing that could end that list.
Origin = Annotated[StrictStr, StringConstraints(pattern=r"^https?://(\*\.)?[A-Za-z0-9.-]{1,200}(:[0-9]{1,5})?$")]


class WorkOffered(BaseModel):
    """A kind of work that the customer may choose: what the job is to say, and what the page says."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    code: Line
    label: Line


class BookingPage(BaseModel):
    """The settings of one page. What an organization leaves out is taken from what else it says of itself.

    `service_types`: the customer chooses one of them. `frame_ancestors`: web sites that may show the page in a frame;
    nobody may where none is named.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    title: Line | None = None
    phone: Line | None = None
    intro: Paragraph | None = None
    consent: Paragraph | None = None
    timezone: Zone | None = None
    country: Literal["US", "CA"] = "US"
    service_types: Annotated[tuple[WorkOffered, ...], Field(max_length=30)] = ()
    frame_ancestors: Annotated[tuple[Origin, ...], Field(max_length=30)] = ()


class BrandsPage(BookingPage):
    """The page of a brand, which has nobody else to take these from."""

    title: Line
    phone: Line
    timezone: Zone
