"""One trial of a partner's webhook: what is sent in it, signed well or badly, and everything that came back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.core.commands import ConfirmedBy
from gateway.core.events import EventType
from gateway.core.signing import signatures
from gateway.mapping.profile_roads import AnswerMeans
from gateway.outbound.certifying import NoReply, Reply
from gateway.outbound.webhook import attributes_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from gateway.certification.specimens import Specimen, Specimens
    from gateway.mapping.profile_roads import Destination, Webhook

    Post = Callable[[Mapping[str, str], bytes], Awaitable[Reply | NoReply]]


@dataclass(slots=True, kw_only=True)
class Trial:
    """`secrets` are the destination's, the newest first. `replies` are those to messages that are as they should be."""

    destination: Destination
    webhook: Webhook
    specimens: Specimens
    secrets: Sequence[str]
    post: Post
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    replies: list[Reply | NoReply] = field(default_factory=list)

    @property
    def confirms(self) -> bool:
        """Whether answers say which version was applied."""
        said = self.destination.confirms
        return said is not None and said.by is ConfirmedBy.ANSWER

    async def send(self, specimen: Specimen, *, body: bytes | None = None) -> Reply | NoReply:
        """Sends it as the relay would, or another `body` in its place."""
        content = specimen.document.body if body is None else body
        return await self.send_signed(specimen, content, self.sign(specimen, content))

    async def send_signed(self, specimen: Specimen, body: bytes, signed: Mapping[str, str]) -> Reply | NoReply:
        """Sends it with these headers, which a partner has to take."""
        reply = await self.send_anyhow(specimen, body, signed)
        self.replies.append(reply)
        return reply

    async def send_anyhow(self, specimen: Specimen, body: bytes, signed: Mapping[str, str]) -> Reply | NoReply:
        """The same, where nothing is expected of how it is answered."""
        headers = {
            "content-type": specimen.document.content_type,
            "user-agent": "enterprise-integration-gateway",
            "accept-encoding": "identity",
        }
        return await self.post({**headers, **attributes_of(specimen.document), **signed}, body)

    def sign(
        self, specimen: Specimen, body: bytes, *, secrets: Sequence[str] = (), at: datetime | None = None
    ) -> dict[str, str]:
        """The headers of a message sent now, or `at`; by the destination's secrets, or others."""
        moment = at or self.clock()
        return {
            "webhook-id": specimen.id,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": signatures(secrets or self.secrets, specimen.id, moment, body),
        }

    async def open_job(self) -> tuple[int, int]:
        """A job that the partner has heard of, where it hears of offers: its number and last version."""
        job = self.specimens.new_job()
        if EventType.JOB_OFFERED not in self.specimens.kinds:
            return job, 0
        await self.send(self.specimens.make(EventType.JOB_OFFERED, job, 1, 0))
        return job, 1

    async def send_some(self) -> tuple[Specimen, Reply | NoReply]:
        """Any ordinary message, and what came of it."""
        specimen = self.some()
        return specimen, await self.send(specimen)

    def some(self) -> Specimen:
        """Any ordinary message, the first about its job."""
        return self.specimens.make(self.opening, self.specimens.new_job(), 1, 0)

    @property
    def opening(self) -> EventType:
        """The kind with which a job begins here."""
        kinds = self.specimens.kinds
        return EventType.JOB_OFFERED if EventType.JOB_OFFERED in kinds else kinds[0]

    def is_taken(self, reply: Reply | NoReply) -> bool:
        """Whether it counts as delivered: 2xx, or what the profile says does."""
        if isinstance(reply, NoReply):
            return False
        said = self.webhook.answers.get(str(reply.status))
        return said is AnswerMeans.DELIVERED or (said is None and 200 <= reply.status < 300)


def said_of(reply: Reply | NoReply) -> str:
    """An answer in a few words."""
    took = f"after {reply.seconds * 1000:.0f} ms"
    if isinstance(reply, NoReply):
        return f"{reply.why}, {took}"
    applied = f", applied {reply.applied}" if reply.applied is not None else ""
    return f"{reply.status} {took}{applied}"
