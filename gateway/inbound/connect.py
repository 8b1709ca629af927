"""Dispatch Connect: a header and a record."""

from __future__ import annotations

from gateway.core.outcomes import Quarantined, Refused
from gateway.core.parties import Side
from gateway.inbound.envelope import Envelope
from gateway.inbound.translated import Translated
from gateway.inbound.unreadable import Unreadable, unreadable


def translate_connect(envelope: Envelope, side: Side) -> Translated | Quarantined | Refused:
    return unreadable(Unreadable.UNKNOWN_TYPE, "header.record_type")
