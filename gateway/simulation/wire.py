"""What a partner says, and how it stands on the wire: as CloudEvents, structured or binary; what it reads there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something said, in canonical words: `type` is without its version.

    `lane` is the key where it must come after what was said of another subject: Kafka keeps the order of a key only.
    """

    type: str
    id: str
    source: str
    subject: str | None
    time: datetime
    content: Content
    lane: str | None = None

    @property
    def key(self) -> bytes:
        return (self.lane or self.subject or self.source).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A Kafka record; `topic` is without the prefix."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


# How a partner says a message on its topic of the canonical protocols.
Dialect = Callable[[Message, str], Wire]


def structured(message: Message, topic: str) -> Wire:
    """CloudEvents 1.0, all of it in the value."""
    value = {**_attributes(message), "datacontenttype": "application/json", "data": message.content}
    headers = (("content-type", b"application/cloudevents+json"),)
    return Wire(topic=topic, key=message.key, value=orjson.dumps(value), headers=headers)


def binary(message: Message, topic: str) -> Wire:
    """CloudEvents 1.0 with the attributes as headers."""
    attributes = tuple((f"ce_{name}", text.encode()) for name, text in _attributes(message).items())
    headers = (("content-type", b"application/json"), *attributes)
    return Wire(topic=topic, key=message.key, value=orjson.dumps(message.content), headers=headers)


def _attributes(message: Message) -> dict[str, str]:
    attributes = {
        "specversion": "1.0",
        "id": message.id,
        "source": message.source,
        "type": f"{message.type}.v1",
        "time": message.time.isoformat(),
    }
    if message.subject is not None:
        attributes["subject"] = message.subject
    return attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event as a partner reads it from its feed. `type` is without its version; `body` the whole document."""

    type: str
    id: str
    job: str
    external_id: str | None
    version: int | None
    previous: int | None
    body: Mapping[str, Any]

    @property
    def event(self) -> str:
        """What happened: the messages that a poller is handed of one event have ids of their own, numbered after it."""
        return self.id.partition(".")[0]

    @property
    def details(self) -> Mapping[str, Any]:
        """The `data` of a canonical event."""
        inner: Mapping[str, Any] = self.body.get("data") or {}
        return inner


def read_told(value: bytes, headers: tuple[tuple[str, bytes], ...]) -> Told:
    """A canonical event, or a brand's own JSON whose attributes travel as headers."""
    body = orjson.loads(value)
    if "specversion" in body:
        attributes = body
        job = body["data"].get("job")
        external_id = job.get("external_id") if isinstance(job, dict) else None
    else:
        attributes = {name.removeprefix("ce_"): text.decode() for name, text in headers if name.startswith("ce_")}
        external_id = body.get("claimNumber")
    return Told(
        type=attributes["type"].rpartition(".")[0],
        id=attributes["id"],
        job=attributes.get("subject") or "",
        external_id=external_id,
        version=_number(attributes.get("jobversion")),
        previous=_number(attributes.get("jobprevious")),
        body=body,
    )


def _number(value: Any) -> int | None:
    return None if value is None else int(value)
