"""What a decision may know besides the job and the request: all of it is handed in."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from gateway.core.reasons import DEFAULT_REASONS, ReasonLists
from gateway.core.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from gateway.core.notes import Note
    from gateway.core.parties import Customer, Organization, User


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`organization` is the job's (for a new job the one named), `customer` the one referred to, `users` the
    organization's people as far as the request concerns them: the technician it names and those of the job's visits;
    all of them for commands about users.

    `reasons` and `accept_within` are the brand's, from the profile version in force now.
    """

    now: datetime
    reasons: ReasonLists = DEFAULT_REASONS
    accept_within: timedelta | None = None
    organization: Organization | None = None
    customer: Customer | None = None
    users: Mapping[int, User] = field(default_factory=dict)
    note: Note | None = None

    @property
    def organization_name(self) -> str:
        return self.organization.name if self.organization else ""
