"""What becomes of a command: one of six values, and the stable reason words they carry.

The words are the same in the database, the log, receipts, the API and the runbook.
"""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING

from gateway.core.values import dataclass

if TYPE_CHECKING:
    from gateway.core.events import Event
    from gateway.core.ids import Ref
    from gateway.core.job import Job
    from gateway.core.notes import Note
    from gateway.core.parties import Customer, Members, Organization, User


class Why(StrEnum):
    """Reasons for not applying a command. Values are stable: outsiders branch on them."""

    # ignored
    REPEAT = "repeat"
    STALE = "stale"
    REGRESSION = "regression"
    NO_CHANGE = "no_change"
    # refused: who may
    UNKNOWN_SOURCE = "unknown_source"
    NOT_ALLOWED = "not_allowed"
    NOT_YOUR_JOB = "not_your_job"
    NOT_YOUR_BRANCH = "not_your_branch"
    NOT_YOUR_NOTE = "not_your_note"
    NOT_YOUR_USER = "not_your_user"
    NOT_ASSIGNED = "not_assigned"
    ROLE_NOT_ALLOWED = "role_not_allowed"
    USER_DEACTIVATED = "user_deactivated"
    SCOPE_MISSING = "scope_missing"
    LAST_DISPATCHER = "last_dispatcher"
    CANCELED_BY_SOURCE = "canceled_by_source"
    # refused: the state of things
    OFFER_OPEN = "offer_open"
    OFFER_CLOSED = "offer_closed"
    OFFER_CHANGED = "offer_changed"
    ORGANIZATION_FIXED = "organization_fixed"
    NO_PROVIDER = "no_provider"
    JOB_CLOSED = "job_closed"
    JOB_CANCELED = "job_canceled"
    JOB_NOT_CANCELED = "job_not_canceled"
    JOB_REPLACED = "job_replaced"
    APPOINTMENT_ENDED = "appointment_ended"
    APPOINTMENT_BEGUN = "appointment_begun"
    TRANSITION_NOT_ALLOWED = "transition_not_allowed"
    TOO_MANY_APPOINTMENTS = "too_many_appointments"
    NOT_A_TECHNICIAN = "not_a_technician"
    UNKNOWN_JOBVERSION = "unknown_jobversion"
    CUSTOMER_REQUIRED = "customer_required"
    UNKNOWN_CUSTOMER = "unknown_customer"
    # refused: at the edge
    MESSAGE_ID_REQUIRED = "message_id_required"
    PHOTOS_NOT_SUPPORTED = "photos_not_supported"
    BRAND_REQUIRED = "brand_required"
    UNKNOWN_BRAND = "unknown_brand"
    ALREADY_EXISTS = "already_exists"
    # refused: brand reasons
    REASON_REQUIRED = "reason_required"
    REASON_COMPLETES = "reason_completes"
    REASON_PAUSES = "reason_pauses"
    UNKNOWN_REASON = "unknown_reason"
    # parked
    UNKNOWN_REFERENCE = "unknown_reference"
    JOB_HELD = "job_held"
    # unmapped
    UNMAPPED_REASON = "unmapped_reason"
    # quarantined
    REVISION_CONFLICT = "revision_conflict"
    MESSAGE_CONFLICT = "message_conflict"
    REFERENCE_TIMEOUT = "reference_timeout"
    BUG = "bug"
    DATABASE_REFUSED = "database_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """It happened. What is to be saved, and the events it made (the first one is the decision's own)."""

    job: Job | None = None
    replaced: Job | None = None
    events: tuple[Event, ...] = ()
    saved: tuple[Organization | User | Customer | Note, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """Nothing had to change. `job` is given where bookkeeping moves on, `events` go to the activity log only."""

    why: Why
    job: Job | None = None
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Not allowed, and why. `member` names the member at fault, `detail` is a sentence for people.

    `about` is what the sender needs to know besides: what closed the offer and when, or its new terms.
    `job` is given where bookkeeping moves on: what was held for this record waits no longer.
    """

    why: Why
    member: str | None = None
    detail: str = ""
    about: Members = field(default_factory=dict)
    job: Job | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """Waits for `ref` to appear, or, with no `ref`, behind the record that holds the job."""

    ref: Ref | None
    why: Why = Why.UNKNOWN_REFERENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmapped:
    """Waits until the brand's profile knows `text` as a complete reason; `job` is held by it meanwhile."""

    job: Job
    text: str
    why: Why = Why.UNMAPPED_REASON


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """Unreadable or in conflict; kept with its bytes for a person to look at."""

    why: StrEnum
    member: str | None = None
    detail: str = ""


Outcome = Applied | Ignored | Refused | Parked | Unmapped | Quarantined
