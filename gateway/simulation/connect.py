"""Dispatch Connect, as partners speak it: envelopes of a header and a record. It has no word for some messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.simulation.wire import Message

_SAME_NAMES = ("title", "description", "service_type", "address")
_FIRST_UPDATE = datetime(2026, 1, 1, tzinfo=UTC)
_LATE = timedelta(minutes=1)
_PROGRESS = {
    "appointment.on_my_way": "enroute",
    "appointment.undo_on_my_way": "scheduled",
    "appointment.start": "started",
    "appointment.pause": "paused",
    "appointment.complete": "complete",
}
# What an organization says of a job by a word alone, and an account of one that it offered.
_WORDS = {
    "offer.accept": "unscheduled",
    "offer.decline": "rejected",
    "offer.withdraw": "canceled",
    "job.complete": "complete",
    "job.cancel": "canceled",
    "job.restore": "scheduled",
}

Record = tuple[str, dict[str, Any]]


def envelopes(message: Message) -> list[dict[str, Any]]:
    """The records of `message`; none where Connect has no word for it."""
    told = []
    for place, (kind, record) in enumerate(_records(message)):
        own = message.id if place == 0 else f"{message.id}.{place}"
        told.append({"header": {"record_type": kind, "version": "v3", "messageID": own}, "record": record})
    return told


def _records(message: Message) -> list[Record]:
    content = message.content
    match message.type:
        case "offer.submit" if "accept_by" not in content and not isinstance(content.get("organization"), dict):
            return [("job", {**_job(message), "status": "offered"})]
        case "job.create" if "appointment" not in content:
            return [("job", {**_job(message), "status": "unscheduled"})]
        case "offer.accept" if "revision" not in content:
            return [("job", {**_pointed(message), "status": "unscheduled"}), *_first_visit(message)]
        case "offer.decline" | "offer.withdraw" | "job.complete" | "job.cancel" | "job.restore" as kind:
            return [("job", {**_pointed(message), "status": _WORDS[kind], **_reason(message)})]
        case "appointment.add":
            return [("appointment", _visit(message, content))]
        case kind if kind in _PROGRESS and datetime.now(UTC) - message.time < _LATE:
            moved = {**_pointed(message, "job_"), **_visit_pointed(content["appointment"]), "status": _PROGRESS[kind]}
            return [("appointment", {**moved, **_reason(message)})]
        case "note.add":
            shown = {"visibility": content["visibility"]} if "visibility" in content else {}
            note = {"action": "post", **_pointed(message, "job_"), "description": content["text"], **shown}
            return [("attachment", note)]
        case "organization.put" if message.subject is None:
            return [("organization", {"name": content["name"], "phone_number": content["phone"]})]
        case "user.put":
            return [("user", _user(message))]
        case _:
            return []


def _job(message: Message) -> dict[str, Any]:
    content = message.content
    record = {name: content[name] for name in _SAME_NAMES if name in content}
    record["external_id"] = message.subject
    if "organization" in content:
        record["external_organization_id"] = content["organization"]
    if "revision" in content:
        record["updated_at"] = (_FIRST_UPDATE + timedelta(minutes=content["revision"])).isoformat()
    customer = content.get("customer")
    if customer is not None:
        phones = [{"number": phone["number"], "primary": True} for phone in customer["phones"]]
        record["customer"] = {**_names(customer["name"]), "phone_numbers": phones}
    return record


def _first_visit(message: Message) -> list[Record]:
    asked = message.content.get("appointment")
    return [("appointment", _visit(message, asked))] if asked else []


def _visit(message: Message, asked: Any) -> dict[str, Any]:
    named = {"external_id": asked["id"], "time": asked["start"], "external_user_id": asked["technician"]}
    return {"action": "post", **_pointed(message, "job_"), **named}


def _user(message: Message) -> dict[str, Any]:
    role = message.content["role"]
    roles = ["dispatcher", "technician"] if role == "both" else [role]
    return {"external_id": message.subject, **_names(message.content["name"]), "roles": roles}


def _pointed(message: Message, before: str = "") -> dict[str, Any]:
    """The job by the gateway's number where the sender knows it, else by its own: `job_id`, or `external_job_id`."""
    return _by_number(message.subject or "", "job-", before)


def _visit_pointed(visit: str) -> dict[str, Any]:
    return _by_number(visit, "apt-", "")


def _by_number(written: str, prefix: str, before: str) -> dict[str, Any]:
    if written.startswith(prefix):
        return {f"{before}id": int(written.removeprefix(prefix))}
    return {f"external_{before}id": written}


def _reason(message: Message) -> dict[str, Any]:
    return {"status_message": message.content["reason"]} if "reason" in message.content else {}


def _names(name: str) -> dict[str, str]:
    first, _, last = name.rpartition(" ")
    return {"first_name": first, "last_name": last}
