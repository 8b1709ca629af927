"""By which road a partner speaks and is told: Kafka, Dispatch Connect, or the canonical API `/v1`.

Who speaks Connect says by `/v1`, with the same key, what Connect has no word for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from gateway.simulation.connect import envelopes
from gateway.simulation.edge import Crew
from gateway.simulation.post import Post
from gateway.simulation.wire import structured

if TYPE_CHECKING:
    from gateway.simulation.edge import Caller, Edge
    from gateway.simulation.post import Line
    from gateway.simulation.wire import Dialect, Message

# What is told later than this was not said as it happened.
_BEFORE = timedelta(minutes=1)
KAFKA, CONNECT, V1 = "kafka", "connect", "v1"
LABELS = {KAFKA: "Kafka", CONNECT: "Connect", V1: "/v1"}

# The address of each command; `{subject}` is what the message is about, other names are members of it.
_ADDRESSES = {
    "offer.submit": ("POST", "/v1/offers"),
    "offer.withdraw": ("POST", "/v1/offers/{subject}/withdraw"),
    "offer.accept": ("POST", "/v1/offers/{subject}/accept"),
    "offer.decline": ("POST", "/v1/offers/{subject}/decline"),
    "reminder.send": ("POST", "/v1/offers/{subject}/reminders"),
    "job.create": ("POST", "/v1/jobs"),
    "job.complete": ("POST", "/v1/jobs/{subject}/complete"),
    "job.cancel": ("POST", "/v1/jobs/{subject}/cancel"),
    "job.restore": ("POST", "/v1/jobs/{subject}/restore"),
    "appointment.add": ("POST", "/v1/jobs/{subject}/appointments"),
    "note.add": ("POST", "/v1/jobs/{subject}/notes"),
    "appointment.change": ("PATCH", "/v1/appointments/{appointment}"),
    "appointment.delete": ("DELETE", "/v1/appointments/{appointment}"),
    "appointment.on_my_way": ("POST", "/v1/appointments/{appointment}/on-my-way"),
    "appointment.undo_on_my_way": ("POST", "/v1/appointments/{appointment}/undo-on-my-way"),
    "appointment.start": ("POST", "/v1/appointments/{appointment}/start"),
    "appointment.pause": ("POST", "/v1/appointments/{appointment}/pause"),
    "appointment.complete": ("POST", "/v1/appointments/{appointment}/complete"),
    "note.edit": ("PATCH", "/v1/notes/{note}"),
    "note.set_visibility": ("PUT", "/v1/notes/{note}/visibility"),
    "organization.put": ("PUT", "/v1/organizations/{subject}"),
    "user.put": ("PUT", "/v1/users/{subject}"),
    "user.deactivate": ("POST", "/v1/users/{subject}/deactivate"),
    "user.reactivate": ("POST", "/v1/users/{subject}/reactivate"),
    "user.position": ("POST", "/v1/users/{subject}/positions"),
}


class Road(Protocol):
    """Where a partner's messages go. `plainly`: not in a dialect of its own."""

    async def say(self, message: Message, *, plainly: bool = False) -> None: ...


@asynccontextmanager
async def opened(line: Line, name: str, road: str, dialect: Dialect, topic: str) -> AsyncIterator[Road]:
    """The road of the partner `name`: Kafka for everybody where no edge is known."""
    if line.edge is None or road == KAFKA:
        async with Post(line) as post:
            yield _KafkaRoad(post, dialect, topic)
        return
    way = _EdgeRoad(line.edge, name, speaks_connect=road == CONNECT)
    try:
        yield way
    finally:
        await way.close()


class _KafkaRoad:
    def __init__(self, post: Post, dialect: Dialect, topic: str) -> None:
        self._post = post
        self._dialect = dialect
        self._topic = topic

    async def say(self, message: Message, *, plainly: bool = False) -> None:
        await self._post.send((structured if plainly else self._dialect)(message, self._topic))


class _EdgeRoad:
    """What it has begun to send it sends and counts. Messages of one job stand in line for each other's answers."""

    def __init__(self, edge: Edge, name: str, *, speaks_connect: bool) -> None:
        self._crew = Crew(edge, name)
        self._speaks_connect = speaks_connect
        self._organization = f"org-{edge.keys[name]['key'].split('|')[1]}"
        self._sent: SimpleQueue[int] = SimpleQueue()

    async def say(self, message: Message, *, plainly: bool = False) -> None:
        await asyncio.get_running_loop().run_in_executor(self._crew.threads, self._send, message, plainly)

    async def close(self) -> None:
        await asyncio.to_thread(self._crew.end)
        sent = sum(self._sent.get() for _ in range(self._sent.qsize()))
        print(f"sent {sent} records", flush=True)  # noqa: T201 - whoever started this partner counts them

    def _send(self, message: Message, plainly: bool) -> None:  # noqa: FBT001 - an executor passes no keywords
        told = envelopes(message) if self._speaks_connect and not plainly else []
        with self._crew.caller() as caller:
            if told:
                caller.post_records(told)
            else:
                self._command(caller, message)
        self._sent.put(len(told) or 1)

    def _command(self, caller: Caller, message: Message) -> None:
        method, path = _ADDRESSES[message.type]
        content = dict(message.content)
        subject = message.subject or self._organization
        if "{subject}" not in path:
            content["job"] = subject
        if datetime.now(UTC) - message.time > _BEFORE:
            content["occurred_at"] = message.time.isoformat()
        named = {name: content.pop(name) for name in ("appointment", "note") if f"{{{name}}}" in path}
        path = path.format(**{name: quote(value, safe="") for name, value in {"subject": subject, **named}.items()})
        caller.command(method, path, content, message.id)
