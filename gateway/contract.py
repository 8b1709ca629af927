"""The AsyncAPI document of the gateway's topics, made from the catalogue of messages and the types of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.events import CUSTOMER_EVENTS, LOG_ONLY, WORK_ONLY, EventType
from gateway.core.parties import Side
from gateway.inbound.catalogue import CATALOGUE, VERSION
from gateway.inbound.confirmations import TYPE as CONFIRMATION
from gateway.schemas import definitions_of, moved, read_schema

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gateway.core.parties import Json

ASYNCAPI = "3.0.0"
SCHEMA_FORMAT = "application/schema+json;version=draft-2020-12"

_RECEIPTS = frozenset({EventType.RECORD_SETTLED})
_OF_JOBS = frozenset(EventType) - CUSTOMER_EVENTS - LOG_ONLY - _RECEIPTS

# Address, what its key is, what it is for, who sends at it.
_IN = {
    "offers": (
        "offers.v1",
        "the source's job id",
        "What enterprises ask. Shared: it trusts its writers.",
        Side.ENTERPRISE,
    ),
    "offersOfSource": ("offers.{source}.v1", "the source's job id", "What one enterprise asks.", Side.ENTERPRISE),
    "bookings": ("bookings.v1", "the booking's id", "What customers ask and answer.", Side.BOOKING_PAGE),
    "actions": ("actions.v1", "the job's id", "What providers do. Shared: it trusts its writers.", Side.PROVIDER),
    "actionsOfOrganization": ("actions.{organization}.v1", "the job's id", "What one provider does.", Side.PROVIDER),
}
# A brand's, without an envelope if it likes.
_CONFIRMATIONS = "applied"
_APPLIED = ("applied.{brand}.v1", "any", "What a brand has applied, where its profile confirms by topic.")
_OUT = {
    "feed": ("feed.{brand}.v1", "the job's id", "A brand's Manage feed.", _OF_JOBS - WORK_ONLY),
    "work": ("work.{organization}.v1", "the job's id", "A provider's work feed, where it asked for one.", _OF_JOBS),
    "receipts": ("receipts.{source}.v1", "the record's id", "What became of a sender's records.", _RECEIPTS),
    "notifications": ("notifications.v1", "the job's id", "What customers are to be told.", CUSTOMER_EVENTS),
}
_PARAMETERS = {
    "source": "An account's name.",
    "organization": "An organization's handle.",
    "brand": "A brand's name.",
}


def asyncapi(contracts: Path | None = None) -> dict[str, Json]:
    """AsyncAPI 3.0.0. Addresses stand after the topic prefix; payloads are CloudEvents 1.0 in structured JSON.

    Their schemas are the files beside it; with `contracts`, the folder of these files, they are in the document.
    """
    schemas = {} if contracts is None else definitions_of(read_schema(contracts / "outbound" / "parts.json"))

    def schema_of(folder: str, kind: str) -> Json:
        place = f"{folder}/{kind}/v{VERSION}/schema.json"
        if contracts is None:
            return {"$ref": f"./{place}"}
        schema = read_schema(contracts / place)
        schemas.update(definitions_of(schema))
        return {name: moved(part) for name, part in schema.items() if name not in {"$id", "$defs"}}

    received = {
        name: [kind for kind, message in CATALOGUE.items() if side in message.sides and kind != CONFIRMATION]
        for name, (*_, side) in _IN.items()
    }
    received[_CONFIRMATIONS] = [CONFIRMATION]
    sent = {name: sorted(kind.value for kind in kinds) for name, (*_, kinds) in _OUT.items()}
    channels: dict[str, Json] = {}
    operations: dict[str, Json] = {}
    for name, (address, key, meaning, *_) in {**_IN, _CONFIRMATIONS: _APPLIED}.items():
        channels[name] = _channel(address, key, meaning, received[name])
        operations[f"receive{name[0].upper()}{name[1:]}"] = _operation("receive", name)
    for name, (address, key, meaning, _) in _OUT.items():
        channels[name] = _channel(address, key, meaning, sent[name])
        operations[f"send{name[0].upper()}{name[1:]}"] = _operation("send", name)
    inbound = {_component(kind): _message(kind, schema_of("inbound", kind)) for kind in CATALOGUE}
    outbound = {
        _component(kind): _message(kind, schema_of("outbound", kind))
        for kind in sorted({kind for each in sent.values() for kind in each})
    }
    components: dict[str, Json] = {"messages": {**inbound, **outbound}}
    return {
        "asyncapi": ASYNCAPI,
        "info": {
            "title": "Enterprise integration gateway",
            "version": "1",
            "description": "Addresses stand after the topic prefix (by default `gateway.`).",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": channels,
        "operations": operations,
        "components": {**components, "schemas": schemas} if schemas else components,
    }


def _channel(address: str, key: str, meaning: str, kinds: Iterable[str]) -> Json:
    parameters: dict[str, Json] = {
        name: {"description": text} for name, text in _PARAMETERS.items() if f"{{{name}}}" in address
    }
    channel: dict[str, Json] = {
        "address": address,
        "description": f"{meaning} The key is {key}.",
        "messages": {_component(kind): {"$ref": f"#/components/messages/{_component(kind)}"} for kind in kinds},
    }
    return {**channel, "parameters": parameters} if parameters else channel


def _operation(action: str, channel: str) -> Json:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}}


def _message(kind: str, schema: Json) -> Json:
    return {
        "name": f"{kind}.v1",
        "contentType": "application/cloudevents+json",
        "payload": {"schemaFormat": SCHEMA_FORMAT, "schema": schema},
    }


def _component(kind: str) -> str:
    return kind.replace(".", "_")
