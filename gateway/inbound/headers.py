"""Headers of a record, made safe: text by lower-case name, and the first that is not."""

from __future__ import annotations

from gateway.core.outcomes import Quarantined
from gateway.core.values import dataclass
from gateway.inbound.parsing import is_sound
from gateway.inbound.record import RawRecord
from gateway.inbound.unreadable import Unreadable, field_path, unreadable


@dataclass(frozen=True, slots=True)
class Headers:
    """The headers that can be read; of two with one name the last. `flaw` is the first that cannot be."""

    texts: dict[str, str]
    flaw: Quarantined | None = None


def read_headers(raw: RawRecord) -> Headers:
    """Every header of `raw` must be UTF-8 text, ours or not."""
    texts: dict[str, str] = {}
    flaw: Quarantined | None = None
    for name, content in raw.headers:
        try:
            texts[name.lower()] = _text(name, content)
        except ValueError as error:
            flaw = flaw or unreadable(Unreadable.BAD_HEADER, field_path(("headers", name)), _SAYS[type(error)])
    return Headers(texts, flaw)


_SAYS: dict[type[ValueError], str] = {
    ValueError: "null, or text that cannot be stored",
    UnicodeDecodeError: "not UTF-8",
}


def _text(name: str, content: bytes | None) -> str:
    if content is None:
        raise ValueError(name)
    text = content.decode()
    if not is_sound(text) or not is_sound(name):
        raise ValueError(name)
    return text
