"""What tests are about, with sensible defaults: parties, jobs in every status, requests. One account, one organization.

Times are minutes after `NOW`. Numbers of records come from one counter; where it matters a test names its own.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count

from gateway.core import commands
from gateway.core.commands import Command, NewVisit, Refs, Request
from gateway.core.facts import Facts
from gateway.core.job import Ended, EndedHow, Job, JobStatus, Offer, OfferState, ProgressKey, Rank, Visit, VisitStatus
from gateway.core.notes import Note
from gateway.core.parties import Actor, Customer, Organization, Role, Side, User
from gateway.core.reasons import DEFAULT_REASONS, Ending, GivenReason, Reason, ReasonKind, ReasonLists
from gateway.core.visibility import Private, Visibility

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ACCOUNT, OTHER_ACCOUNT = 42, 43
ACME, OTHER_SOURCE = "acme-warranty", "nadir-appliance"
ORGANIZATION, OTHER_ORGANIZATION = 7, 8
LAKESIDE = "lakeside-appliance"
JOB, VISIT, SECOND_VISIT, NOTE, CUSTOMER = 1041, 2071, 2072, 3011, 5
DISPATCHER, TECHNICIAN, OTHER_TECHNICIAN, BOTH = 18, 19, 20, 21

BRAND_REASONS = ReasonLists(
    complete=(
        Reason("RPR", "Repaired – job completed", Ending.COMPLETES),
        Reason("WFP", "Waiting for parts", Ending.PAUSES),
        Reason("NSH", "No show", Ending.PAUSES),
    ),
    decline=(Reason("AREA", "Out of area"), Reason("BUSY", "No capacity")),
    cancel=(Reason("CUST", "Customer canceled"), Reason("DUP", "Duplicate")),
)
TWO_ENDINGS = ReasonLists(
    complete=(
        Reason("RPR", "Repaired", Ending.COMPLETES),
        Reason("BILL", "Ready for billing", Ending.COMPLETES),
        Reason("WFP", "Waiting for parts", Ending.PAUSES),
    )
)

DETAILS = {"title": "Dishwasher does not drain", "address": {"city": "Duluth", "latitude": 46.78, "longitude": -92.1}}
JORDAN = {"name": "Jordan Ellis", "phone": "(218) 555-0142"}

_records = count(900_000)


def minutes(number: float) -> datetime:
    """`number` minutes after `NOW`."""
    return NOW + timedelta(minutes=number)


# ------------------------------------------------------------------------------------------------------------ parties


def organization(number: int = ORGANIZATION, *, handle: str = LAKESIDE, **fields) -> Organization:
    members = fields.pop("members", {"name": "Lakeside Appliance Repair"})
    return Organization(number=number, handle=handle, members=members, **fields)


def user(number: int = TECHNICIAN, role: Role = Role.TECHNICIAN, **fields) -> User:
    fields.setdefault("members", {"name": f"Robin Vega {number}", "phone": "(218) 555-0199"})
    return User(number=number, organization=fields.pop("organization", ORGANIZATION), role=role, **fields)


def team(**changed: User) -> dict[int, User]:
    """A dispatcher, two technicians, and one who does both."""
    people = {
        "dispatcher": user(DISPATCHER, Role.DISPATCHER),
        "technician": user(TECHNICIAN),
        "other_technician": user(OTHER_TECHNICIAN),
        "both": user(BOTH, Role.BOTH),
    }
    return {person.number: person for person in {**people, **changed}.values()}


def enterprise(account: int = ACCOUNT, source: str = ACME, **fields) -> Actor:
    return Actor(side=Side.ENTERPRISE, source=source, account=account, **fields)


def provider(acting: User | None = None, organization: int = ORGANIZATION, source: str = LAKESIDE, **fields) -> Actor:
    """The organization's system, or with `acting` one of its people."""
    return Actor(side=Side.PROVIDER, source=source, organization=organization, user=acting, **fields)


def booking_page(source: str = "book-lakeside", **fields) -> Actor:
    return Actor(side=Side.BOOKING_PAGE, source=source, **fields)


CLOCK = Actor(side=Side.GATEWAY, source="gateway")
SURVEYS = Actor(side=Side.SURVEYS, source="surveys")


# --------------------------------------------------------------------------------------------------------------- jobs


def visit(number: int = VISIT, status: VisitStatus = VisitStatus.SCHEDULED, **fields) -> Visit:
    """An appointment tomorrow. What has begun did so at `NOW`; a paused one waits for parts, a complete one is done."""
    ranks = {
        VisitStatus.EN_ROUTE: Rank.EN_ROUTE,
        VisitStatus.STARTED: Rank.STARTED,
        VisitStatus.PAUSED: Rank.PAUSED,
        VisitStatus.COMPLETE: Rank.COMPLETE,
    }
    reasons = {VisitStatus.PAUSED: "WFP", VisitStatus.COMPLETE: "RPR"}
    if status in ranks:
        fields.setdefault("progress", ProgressKey(NOW, ranks[status], f"before-{number}"))
    if status in reasons:
        fields.setdefault("reason", given(reasons[status]))
    if status in {VisitStatus.COMPLETE, VisitStatus.CANCELED, VisitStatus.DELETED}:
        fields.setdefault("ended_at", NOW)
    return Visit(number=number, status=status, start=fields.pop("start", minutes(24 * 60)), **fields)


def given(code: str, kind: ReasonKind = ReasonKind.COMPLETE, reasons: ReasonLists = BRAND_REASONS) -> GivenReason:
    return reasons.given(kind, code)


def offer(state: OfferState = OfferState.ACCEPTED, **fields) -> Offer:
    """Closed at `NOW` where it is not open; to be answered within an hour."""
    fields.setdefault("accept_by", minutes(60))
    fields.setdefault("closed_at", None if state is OfferState.OPEN else NOW)
    return Offer(state=state, **fields)


def job(*visits: Visit, **fields) -> Job:
    """A job that Acme offered and Lakeside accepted."""
    defaults = {
        "number": JOB,
        "source": ACME,
        "side": Side.ENTERPRISE,
        "account": ACCOUNT,
        "brand": "acme-home",
        "organization": ORGANIZATION,
        "external_id": "A-1",
        "customer": CUSTOMER,
        "details": {**DETAILS, "customer": dict(JORDAN)},
        "offer": offer(),
    }
    return Job(visits=visits, **{**defaults, **fields})


def canceled(by: Side = Side.PROVIDER, at: float = 0, **fields) -> Ended:
    source = ACME if by is Side.ENTERPRISE else LAKESIDE
    return Ended(how=EndedHow.CANCELED, by=by, source=source, at=minutes(at), **fields)


def completed(at: float = 0, reason: str = "RPR") -> Ended:
    return Ended(how=EndedHow.COMPLETED, by=Side.PROVIDER, source=LAKESIDE, at=minutes(at), reason=given(reason))


def job_in(standing: str) -> Job:
    """A job of each status, with every visit that it needs numbered `VISIT`; `canceled` was scheduled before."""
    was_scheduled = visit(status=VisitStatus.CANCELED, was=VisitStatus.SCHEDULED)
    jobs = {
        "offered": job(offer=offer(OfferState.OPEN)),
        "unscheduled": job(),
        "scheduled": job(visit()),
        "in_progress": job(visit(status=VisitStatus.STARTED)),
        "paused": job(visit(status=VisitStatus.PAUSED)),
        "completed": job(visit(status=VisitStatus.COMPLETE)),
        "canceled": job(was_scheduled, ended=canceled()),
        "declined": job(offer=offer(OfferState.DECLINED)),
        "expired": job(offer=offer(OfferState.EXPIRED)),
        "withdrawn": job(offer=offer(OfferState.WITHDRAWN)),
    }
    return jobs[standing]


STANDINGS = {
    "offered": JobStatus.OFFERED,
    "unscheduled": JobStatus.UNSCHEDULED,
    "scheduled": JobStatus.SCHEDULED,
    "in_progress": JobStatus.IN_PROGRESS,
    "paused": JobStatus.PAUSED,
    "completed": JobStatus.COMPLETE,
    "canceled": JobStatus.COMPLETE,
    "declined": JobStatus.DECLINED,
    "expired": JobStatus.DECLINED,
    "withdrawn": JobStatus.DECLINED,
}


def note(text: str = "Gate code 4711", visibility: Visibility = Visibility.PRIVATE, **fields) -> Note:
    defaults = {"number": NOTE, "job": JOB, "source": LAKESIDE, "by_enterprise": False, "created_at": NOW}
    return Note(text=Private(text), visibility=visibility, **{**defaults, **fields})


# ----------------------------------------------------------------------------------------------------------- requests


def new_visit(start: float = 24 * 60, **fields) -> NewVisit:
    return NewVisit(start=minutes(start), **fields)


def submit(**fields) -> commands.SubmitOffer:
    return commands.SubmitOffer(**{"details": DETAILS, "customer": JORDAN, **fields})


def create(**fields) -> commands.CreateJob:
    return commands.CreateJob(**{"details": DETAILS, "customer": JORDAN, **fields})


_ENTERPRISE_SAYS = (commands.SubmitOffer, commands.WithdrawOffer, commands.SendReminder)
_ABOUT_VISIT = (
    commands.ChangeAppointment,
    commands.DeleteAppointment,
    commands.CancelAppointment,
    commands.OnMyWay,
    commands.UndoOnMyWay,
    commands.StartAppointment,
    commands.PauseAppointment,
    commands.CompleteAppointment,
)
_ABOUT_NOTE = (commands.EditNote, commands.SetNoteVisibility)
_MAKES_JOB = (commands.SubmitOffer, commands.CreateJob)
_ABOUT_PARTY = (
    commands.PutOrganization,
    commands.PutUser,
    commands.DeactivateUser,
    commands.ReactivateUser,
    commands.ReportPosition,
)


def usual_actor(command: Command) -> Actor:
    """Who sends such a command in most cases."""
    if isinstance(command, _ENTERPRISE_SAYS):
        return enterprise()
    if isinstance(command, commands.ExpireOffer):
        return CLOCK
    return SURVEYS if isinstance(command, commands.AnswerSurvey) else provider()


def request(
    command: Command,
    actor: Actor | None = None,
    *,
    at: float = 1,
    arrived: float | None = None,
    number: int | None = None,
    message_id: str | None = "",
    digest: str | None = None,
    clock_ahead: bool = False,
    **refs,
) -> Request:
    """`command` at `at` minutes after `NOW`, about `JOB` and `VISIT` unless `refs` say otherwise.

    Each has a message id of its own, unless it is None; the digest is the command's.
    """
    number = next(_records) if number is None else number
    actor = actor or usual_actor(command)
    if not isinstance(command, _ABOUT_PARTY):
        refs.setdefault("job", JOB)
    if isinstance(command, _ABOUT_VISIT):
        refs.setdefault("appointment", VISIT)
    if isinstance(command, _ABOUT_NOTE):
        refs.setdefault("note", NOTE)
    return Request(
        number=number,
        actor=actor,
        message_id=f"m-{number}" if message_id == "" else message_id,
        digest=digest or digest_of(command, refs),
        occurred_at=minutes(at),
        arrived_at=minutes(at if arrived is None else arrived),
        command=command,
        refs=Refs(**refs),
        clock_ahead=clock_ahead,
    )


def digest_of(command: Command, refs: Mapping[str, object]) -> str:
    return hashlib.sha256(f"{command!r} {sorted(refs.items())!r}".encode()).hexdigest()


def facts(**fields) -> Facts:
    """The brand's reasons, Lakeside and its team, an hour after `NOW`."""
    defaults = {"now": minutes(60), "reasons": BRAND_REASONS, "organization": organization(), "users": team()}
    return Facts(**{**defaults, **fields})


def default_facts(**fields) -> Facts:
    """The same for a job without a brand."""
    return facts(reasons=DEFAULT_REASONS, **fields)


def customer(**fields) -> Customer:
    return Customer(**{"number": CUSTOMER, "source": ACME, "members": JORDAN, **fields})
