"""Dispatch Connect, as an enterprise speaks it: envelopes of a header and a record. What it has no word for goes as a
CloudEvent.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from gateway.simulation.wire import Message, Wire, structured

_SAME_NAMES = ("title", "description", "service_type", "address")
_FIRST_UPDATE = datetime(2026, 1, 1, tzinfo=UTC)


def connect(message: Message, topic: str) -> Wire:
    """The record of `message`; the account is the topic's, so that no header names it."""
    said = _record(message)
    if said is None:
        return structured(message, topic)
    kind, record = said
    value = {"header": {"record_type": kind, "version": "v3", "messageID": message.id}, "record": record}
    return Wire(topic=topic, key=message.key, value=orjson.dumps(value))


def _record(message: Message) -> tuple[str, dict[str, Any]] | None:
    content = message.content
    match message.type:
        case "offer.submit" if "accept_by" not in content and not isinstance(content.get("organization"), dict):
            return "job", {**_job(message), "status": "offered"}
        case "job.create" if "appointment" not in content:
            return "job", {**_job(message), "status": "unscheduled"}
        case "offer.withdraw":
            return "job", {"external_id": message.subject, "status": "canceled", "status_message": content["reason"]}
        case "job.restore" if not (message.subject or "").startswith("job-"):
            return "job", {"external_id": message.subject, "status": "scheduled"}
        case "note.add":
            return "attachment", {
                "action": "post",
                "external_job_id": message.subject,
                "description": content["text"],
            }
        case _:
            return None


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
        first, _, last = customer["name"].rpartition(" ")
        phones = [{"number": phone["number"], "primary": True} for phone in customer["phones"]]
        record["customer"] = {"first_name": first, "last_name": last, "phone_numbers": phones}
    return record
