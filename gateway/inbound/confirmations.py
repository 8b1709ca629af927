"""What a brand says it has applied, on a topic of its own: with an envelope or without, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from gateway.core.commands import ConfirmApplied
from gateway.core.outcomes import Applied, Quarantined, Refused, Why
from gateway.inbound.envelope import Envelope, read
from gateway.inbound.headers import read_headers
from gateway.inbound.parsing import parse
from gateway.inbound.translated import Translated
from gateway.store.applied import Stands

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.inbound.entry import Entry
    from gateway.inbound.record import RawRecord

TYPE = "feed.applied"
_R = TypeVar("_R", bound=Translated | Quarantined | Refused)


def read_confirmation(raw: RawRecord) -> Envelope | Quarantined:
    """The envelope of `raw`, which may be left out: then the value is the content, and the topic says the rest."""
    headers, parsed = read_headers(raw), parse(raw.value)
    if raw.bound_source is None or isinstance(parsed, Quarantined) or not isinstance(parsed.tree, dict):
        return read(raw)
    if "ce_specversion" in headers.texts or "job" not in parsed.tree:
        return read(raw)
    flaw = headers.flaw or parsed.flaw
    content = parsed.tree if flaw is None else {}
    return Envelope(type=TYPE, version=1, source=raw.bound_source, data=content, flaw=flaw)


def only_confirming(reading: _R) -> _R | Refused:
    """`reading`, or why nothing else comes in where a brand confirms."""
    if isinstance(reading, Translated) and not isinstance(reading.command, ConfirmApplied):
        return Refused(why=Why.NOT_ALLOWED, member="type", detail=f"{TYPE} alone is sent here")
    return reading


def confirmed_by(settled: Iterable[Entry]) -> list[Stands]:
    """What the records among `settled` confirm that a brand has applied."""
    return [
        Stands(entry.brand, entry.job, entry.reading.command.version)
        for entry in settled
        if isinstance(entry.outcome, Applied) and isinstance(entry.reading, Translated)
        if isinstance(entry.reading.command, ConfirmApplied) and entry.brand is not None and entry.job is not None
    ]
