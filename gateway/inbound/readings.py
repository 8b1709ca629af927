"""What was read out of one Connect record, before it gets its envelope's part."""

from __future__ import annotations

from gateway.core.commands import Command, Refs
from gateway.core.ids import Ref
from gateway.core.parties import Members, Side
from gateway.core.values import dataclass
from gateway.inbound.envelope import Envelope
from gateway.inbound.translated import Translated, digest_of
from gateway.inbound.words import Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """As the members of the same names of `Translated`."""

    command: Command
    refs: Refs
    new_visit: Ref | None = None
    organization_members: Members | None = None
    organization_names: tuple[Ref, ...] = ()
    word: Word | None = None
    repeat_by_text: bool = False


def translated(envelope: Envelope, side: Side, reading: Reading) -> Translated:
    """`reading` with what the envelope says."""
    return Translated(
        command=reading.command,
        refs=reading.refs,
        side=side,
        source=envelope.source,
        message_id=envelope.id,
        digest=digest_of(f"connect.{envelope.type}", envelope.version, None, envelope.data),
        new_visit=reading.new_visit,
        organization_members=reading.organization_members,
        organization_names=reading.organization_names,
        word=reading.word,
        repeat_by_text=reading.repeat_by_text,
    )
