"""The one way from a claim to the text of a note: through the gate, for the destination's audience."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.visibility import Withheld, open_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.core.document import StoredEvent
    from gateway.core.notes import Note
    from gateway.core.visibility import Audience


def text_of(event: StoredEvent, notes: Mapping[int, Note], audience: Audience) -> str | Withheld | None:
    """The text that `event` may show to `audience`, of the notes as they are now; None for an event without one."""
    if event.note is None:
        return None
    held = notes.get(event.note.number)
    return Withheld() if held is None else open_for(held, audience, revision=event.note.revision)
