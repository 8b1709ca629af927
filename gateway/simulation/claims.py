"""A manufacturer's claims system: its own JSON on its own topic. What that has no word for goes as a CloudEvent."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from gateway.simulation.wire import Content, Message, Wire, structured

_PRODUCTS = {"dishwasher": "DW", "refrigerator": "RF", "washer": "WM"}


def claims(message: Message, topic: str, *, own_topic: str) -> Wire:
    """The claim document of `message`, on the system's `own_topic`."""
    said = _claim(message)
    if said is None:
        return structured(message, topic)
    document = {
        "messageNumber": int(message.id.rpartition("-")[2]),
        "sentAt": int(message.time.timestamp()),
        **said,
    }
    return Wire(topic=own_topic, key=message.key, value=orjson.dumps(document))


def _claim(message: Message) -> dict[str, Any] | None:
    number, content = {"number": message.subject}, message.content
    match message.type:
        case "offer.submit" if not isinstance(content.get("organization"), dict):
            return {"action": "ASSIGN", "vendor": content.get("organization"), **_assignment(message)}
        case "offer.withdraw":
            return {"action": "CANCEL", "claim": number, "reason": content["reason"]}
        case "reminder.send":
            return {"action": "REMIND", "claim": number, "text": content["message"]}
        case "note.add":
            return {"action": "REMARK", "claim": number, "text": content["text"]}
        case _:
            return None


def _assignment(message: Message) -> dict[str, Any]:
    content = message.content
    claim = {
        "number": message.subject,
        "rev": content.get("revision"),
        "product": _PRODUCTS.get(content.get("service_type", "")),
        "problem": content.get("title"),
        "remarks": content.get("description"),
    }
    if "accept_by" in content:
        claim["respondBy"] = int(datetime.fromisoformat(content["accept_by"]).timestamp())
    return {"claim": claim, **_insured(content)}


def _insured(content: Content) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if "customer" in content:
        customer = content["customer"]
        said["insured"] = {"name": customer["name"], "phone1": customer["phones"][0]["number"]}
    if "address" in content:
        place = content["address"]
        said["location"] = {
            "addr1": place["street_1"],
            "city": place["city"],
            "state": place["state"],
            "zip": place["postal_code"],
        }
    return said
