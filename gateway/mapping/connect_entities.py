"""The entities of Dispatch Connect, outbound: our members under the names and words that its published clients read.

What clients reach into without asking (address, customer, lists) is always there; other members are left out where
nothing is known. Nothing is null: readers with fixed types fail on a number that is. Moments are in milliseconds with
`Z`: such readers take a longer fraction for as many milliseconds. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from gateway.core.events import EventType
from gateway.core.ids import Kind, find_number
from gateway.core.job import Closure, JobStatus, VisitStatus
from gateway.core.offers import ADDED_TIMES, MOST_TIMES

if TYPE_CHECKING:
    from gateway.core.document import KeptJob
    from gateway.core.parties import Json

Body = Mapping[str, "Json"]
Made = dict[str, "Json"]
Words = Mapping[str, str]

# By closure where there is one, else by status. What is not named here is called the same.
JOB_WORDS: Final[Words] = {
    JobStatus.IN_PROGRESS.value: "scheduled",
    Closure.COMPLETED.value: "complete",
    Closure.DECLINED.value: "rejected",
    Closure.EXPIRED.value: "canceled",
    Closure.WITHDRAWN.value: "canceled",
}
VISIT_WORDS: Final[Words] = {
    VisitStatus.EN_ROUTE.value: "enroute",
    VisitStatus.PAUSED.value: "started",
    VisitStatus.DELETED.value: "canceled",
}
_JOB_DETAILS = (
    "description",
    "service_type",
    "service_instructions",
    "symptom",
    "service_fee",
    "marketing_attributions",
    "contacts",
)
# By the event that a record made; what makes none (organizations, users) is saved.
_DONE: Final[Words] = {
    EventType.JOB_OFFERED.value: "Created offer",
    EventType.JOB_CREATED.value: "Created job",
    EventType.JOB_AMENDED.value: "Updated job",
    EventType.JOB_DECLINED.value: "Canceled offer",
    EventType.JOB_CANCELED.value: "Canceled job",
    EventType.JOB_RESTORED.value: "Restored job",
    EventType.JOB_COMPLETED.value: "Completed job",
    EventType.APPOINTMENT_SCHEDULED.value: "Created appointment",
    EventType.APPOINTMENT_CHANGED.value: "Updated appointment",
    EventType.APPOINTMENT_EN_ROUTE.value: "Updated appointment",
    EventType.APPOINTMENT_STARTED.value: "Updated appointment",
    EventType.APPOINTMENT_PAUSED.value: "Updated appointment",
    EventType.APPOINTMENT_COMPLETED.value: "Completed appointment",
    EventType.APPOINTMENT_CANCELED.value: "Canceled appointment",
    EventType.APPOINTMENT_DELETED.value: "Canceled appointment",
    EventType.NOTE_ADDED.value: "Created attachment",
    EventType.NOTE_PUBLISHED.value: "Created attachment",
    EventType.REMINDER_SENT.value: "Created reminder",
}


def job_entity(members: Body, details: Body | None, words: Words) -> Made:
    """`job`, with all `details` where they are open to the receiver."""
    job = _part(members, "job")
    made: Made = {**_identity(job), "title": _text(job.get("title")), **_details(details or {})}
    ended, status = members.get("closure"), _text(members.get("status"))
    made["status"] = words.get(ended, ended) if isinstance(ended, str) else words.get(status, status)
    _add_reason(made, members)
    made |= {"accept_by": _moment(members.get("accept_by")), "revision": members.get("revision")}
    organization = _part(job, "organization")
    number = _number(Kind.ORGANIZATION, organization)
    if number is not None:
        made |= {"organization_id": number, "organization": {"id": number, "name": _text(organization.get("name"))}}
    return made


def offer_entity(members: Body, words: Words) -> Made:
    """`joboffer`: what became of an offer."""
    job = _part(members, "job")
    closure = members.get("closure")
    word = words.get(closure, closure) if isinstance(closure, str) else "accepted"
    made: Made = {"status": word, "job_id": _number(Kind.JOB, job), "job": _identity(job)}
    _add_reason(made, members)
    return made


def appointment_entity(visit: Json, members: Body, words: Words) -> Made:
    """`appointment`, as it stands after the event."""
    held: Body = visit if isinstance(visit, dict) else {}
    status = _text(held.get("status"))
    made: Made = {
        "id": _number(Kind.APPOINTMENT, held),
        "job_id": _number(Kind.JOB, _part(members, "job")),
        "status": words.get(status, status),
    }
    start, seconds = held.get("start"), held.get("duration_seconds")
    if isinstance(start, str) and isinstance(seconds, int):
        begins = datetime.fromisoformat(start)
        ends = begins + timedelta(seconds=seconds)
        made |= {"time": milliseconds(begins), "duration": seconds}
        made |= {"start_time": milliseconds(begins), "end_time": milliseconds(ends)}
    window = _part(held, "window")
    made |= {"window_start_time": _moment(window.get("start")), "window_end_time": _moment(window.get("end"))}
    _add_reason(made, held)
    return made


def attachment_entity(event_type: str, members: Body) -> Made:
    """`attachment`: a public note, a reminder's words, or that a note is to be forgotten."""
    note = _part(members, "note")
    made: Made = {"entity_type": "Job"}
    number = _number(Kind.NOTE, note)
    if number is not None:
        made["id"] = number
    job = _part(members, "job")
    made |= {"entity_id": _number(Kind.JOB, job), "job_id": _number(Kind.JOB, job), "job": _identity(job)}
    if event_type == EventType.REMINDER_SENT:
        return {**made, "description": _text(_part(members, "details").get("message"))}
    is_open = isinstance(note.get("text"), str)
    return {**made, "description": _text(note.get("text")), "visibility": "public" if is_open else "private"}


def survey_entity(members: Body) -> Made:
    """`survey_response`: the customer's answer, by the names of the REST interface."""
    job = _part(members, "job")
    answer = _part(members, "details")
    return {
        "job_id": _number(Kind.JOB, job),
        "job": _identity(job),
        "rating": answer.get("rating"),
        "message": answer.get("message"),
    }


def ack_entity(receipt: Body, kept: KeptJob | None) -> Made:
    """`ack`: what became of a record that the poller had sent, with what was made of it."""
    record = _part(receipt, "record")
    kind = _text(record.get("type"))
    told: Made = {name: value for name, value in receipt.items() if name in {"outcome", "reason", "field", "detail"}}
    told["record_type"] = kind
    told["messageID"] = record.get("message_id")
    # What the answer to the request called it: not every record has a message id.
    told["record"] = record.get("id")
    number = find_number(Kind.JOB, _text(receipt.get("job")))
    if number is not None:
        told["job_id"] = number
    if kept is not None and number == kept.number:
        customer = _part(kept.details, "customer")
        told["status"] = JOB_WORDS.get(kept.closure or kept.status, kept.closure or kept.status)
        told["customer"] = _customer(customer, kept.details)
        told["job"] = {
            "id": kept.number,
            "external_id": kept.external_id,
            "title": _text(kept.details.get("title")),
            "description": _text(kept.details.get("description")),
        }
    return {"ack_message": _told(receipt, kind), "data": told}


def _told(receipt: Body, kind: str) -> str:
    """A sentence: what was done, or why nothing was."""
    outcome, reason = _text(receipt.get("outcome")), _text(receipt.get("reason"))
    if outcome == "applied":
        return _DONE.get(_text(receipt.get("event"))) or f"Saved {kind or 'record'}"
    why = [reason.replace("_", " "), _text(receipt.get("field")), _text(receipt.get("detail"))]
    return f"{outcome.capitalize()} {kind or 'record'}: {', '.join(filter(None, why))}"


def _details(details: Body) -> Made:
    made: Made = {name: details.get(name) for name in _JOB_DETAILS}
    if isinstance(details.get("title"), str):
        made["title"] = details["title"]
    paid = details.get("service_fee_precollected")
    if isinstance(paid, bool):
        # Both spellings: the inbound one, and the one with another underscore, which is a number to its readers.
        made |= {"service_fee_precollected": paid, "service_fee_pre_collected": int(paid)}
    address = _part(details, "address")
    made |= {"address": dict(address), "timezone": address.get("timezone")}
    made["customer"] = _customer(_part(details, "customer"), details)
    made["equipment_descriptions"] = [_machine(one) for one in _listed(details, "equipment")]
    # What was suggested last comes first: Connect has room for three.
    made["suggested_times"] = [
        {"start_time": _moment(one.get("start")), "end_time": _moment(one.get("end"))}
        for one in [*_listed(details, ADDED_TIMES)[::-1], *_listed(details, "suggested_times")][:MOST_TIMES]
    ]
    custom = details.get("custom_fields")
    made["custom_fields"] = custom if isinstance(custom, dict) else {}
    return made


def _customer(customer: Body, details: Body) -> Made:
    """First and last name are told from each other where only the whole name is known."""
    first, last = customer.get("first_name"), customer.get("last_name")
    if not isinstance(first, str) and not isinstance(last, str):
        first, _, last = _text(customer.get("name")).rpartition(" ")
        first, last = (first, last) if first else (last, "")
    made: Made = {"first_name": _text(first), "last_name": _text(last), "email": _text(customer.get("email"))}
    phones = customer.get("phones")
    numbers = [one for one in phones if isinstance(one, dict)] if isinstance(phones, list) else []
    main = next((one for one in numbers if one.get("primary") is True), numbers[0] if numbers else {})
    made["phone_number"] = _text(main.get("number"))
    made["phone_numbers"] = [dict(one) for one in numbers]
    home, work = _part(customer, "address"), _part(details, "address")
    made["city"] = _text(home.get("city") or work.get("city"))
    if home:
        made["home_address"] = dict(home)
    for ours, theirs in (("id", "external_id"), ("company", "company_name"), ("notes", "notes")):
        if isinstance(customer.get(ours), str):
            made[theirs] = customer[ours]
    return made


def _machine(machine: Body) -> Made:
    return {"equipment_type" if name == "type" else name: value for name, value in machine.items()}


def _identity(job: Body) -> Made:
    """The list of external ids is there even where the job has none, for clients that index into it."""
    own = job.get("external_id")
    return {
        "id": _number(Kind.JOB, job),
        "external_id": own,
        "external_ids": [own] if isinstance(own, str) else [],
    }


def _add_reason(made: Made, members: Body) -> None:
    """The brand's own words where its profile knows the reason, else those that it was given in."""
    reason = members.get("reason")
    if isinstance(reason, dict):
        words = reason.get("label") or reason.get("text")
        if isinstance(words, str):
            made["status_message"] = words
        if isinstance(reason.get("code"), str):
            made["status_code"] = reason["code"]


def _number(kind: Kind, members: Body) -> int | None:
    return find_number(kind, _text(members.get("id")))


def without_nulls(value: Json) -> Json:
    """The same without members that are null, however deep."""
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value


def milliseconds(moment: datetime) -> str:
    """RFC 3339 in UTC with three digits of a second and `Z`, as Connect's own samples write it."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _moment(text: Json) -> str | None:
    return milliseconds(datetime.fromisoformat(text)) if isinstance(text, str) else None


def _part(members: Body, name: str) -> Body:
    found = members.get(name)
    return found if isinstance(found, dict) else {}


def _listed(members: Body, name: str) -> list[Body]:
    found = members.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
