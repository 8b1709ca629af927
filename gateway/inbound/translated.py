"""What translation hands to the receiver: a command with everything it points at, in the core's words."""

from __future__ import annotations

import hashlib
from datetime import datetime

import orjson

from gateway.core.commands import Command, Refs
from gateway.core.ids import Ref
from gateway.core.parties import Json, Members, Side
from gateway.core.values import dataclass
from gateway.inbound.words import Word


@dataclass(slots=True, kw_only=True)
class Translated:
    """A record that was understood.

    `side` is who really speaks (answers to surveys come through the booking page's door too). `refs.user` is the user
    who acted, `refs.technician` the one that is to do a visit or that a `user.*` message is about.
    `person` is who acted at an enterprise. `new_visit` and `new_note` are what their sender calls the things that the
    command makes. `organization_members`: the organization is to be matched by them, or created, where `refs` finds
    none; before that by `organization_names`, under which it is known from then on. `brand` is the name that the sender
    gave, not looked up yet. `digest` tells equal content.
    `word` is set where the meaning depends on how the job stands (Connect): then `command` is only the likeliest
    reading, and `words.settle` gives the right one. `repeat_by_text`: without a message id, the same text from the
    same source for that job within 24 hours is a repeat (Connect's notes). `credential` is the user whose own
    key sent it.
    """

    command: Command
    refs: Refs
    side: Side
    source: str
    message_id: str | None = None
    digest: str
    occurred_at: datetime | None = None
    person: str | None = None
    new_visit: Ref | None = None
    new_note: Ref | None = None
    organization_members: Members | None = None
    organization_names: tuple[Ref, ...] = ()
    brand: str | None = None
    word: Word | None = None
    repeat_by_text: bool = False
    credential: int | None = None


def digest_of(kind: str, version: int, subject: str | None, content: dict[str, Json]) -> str:
    """SHA-256 over type, subject and content as key-sorted JSON, in hex."""
    return hashlib.sha256(orjson.dumps([kind, version, subject, content], option=orjson.OPT_SORT_KEYS)).hexdigest()
