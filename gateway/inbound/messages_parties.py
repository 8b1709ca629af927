"""The inbound messages about organizations and their users: one model each, of the CloudEvents `data`.

The one that a message is about stands in `subject`, or in `id`.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import StrictBool, model_validator
from pydantic_core import PydanticCustomError

from gateway.inbound.messages import Message
from gateway.inbound.shapes import (
    Address,
    Id,
    IdText,
    Latitude,
    Line,
    Longitude,
    Organization,
    OrganizationMembers,
    RoleWord,
)
from gateway.mapping.booking_page import BookingPage


class OrganizationPut(Message, OrganizationMembers):
    """`organization.put`: matches or creates; member by member, a null takes one away.

    A provider's system that names none means its own. `notes_public`: its notes are public unless they say otherwise.
    `work_topic`: its work feed goes to a topic too; false stops that. `booking_page`: customers may book there, at its
    handle.
    """

    id: Id | None = None
    handle: IdText | None = None
    notes_public: StrictBool | None = None
    work_topic: StrictBool | None = None
    booking_page: BookingPage | None = None


class AboutUser(Message):
    """A message about a user of an organization; a provider's system that names none means its own."""

    id: Id | None = None
    organization: Organization | None = None


class UserPut(AboutUser):
    """`user.put`: member by member; nobody is reactivated by it."""

    name: Line | None = None
    first_name: Line | None = None
    last_name: Line | None = None
    phone: Line | None = None
    email: Line | None = None
    address: Address | None = None
    role: RoleWord | None = None


class UserDeactivate(AboutUser):
    """`user.deactivate`."""


class UserReactivate(AboutUser):
    """`user.reactivate`."""


class UserPosition(AboutUser):
    """`user.position`: where the user is, or why that is not known. Needs a message id."""

    latitude: Latitude | None = None
    longitude: Longitude | None = None
    why_none: Literal["sharing_off", "app_too_old"] | None = None

    @model_validator(mode="after")
    def _says_where_or_why_not(self) -> Self:
        if self.why_none is None and self.latitude is None:
            raise PydanticCustomError(
                "missing_member", "a position or why there is none is expected", {"at": "latitude"}
            )
        if self.why_none is None and self.longitude is None:
            raise PydanticCustomError(
                "missing_member", "a position or why there is none is expected", {"at": "longitude"}
            )
        return self
