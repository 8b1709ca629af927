"""What a booking page signs: the form, whose one-time number becomes the booking's, and the link to its state."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.sealing import Signer

FORM_LIVES = timedelta(hours=12)
# Crockford's: no letter that is taken for a digit.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_FORM, _STATE = "booking form", "booking state"


def new_number() -> str:
    """60 random bits that people can read to each other over a telephone: `7F3K-9QXM-2B4C`."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(3))


class Tokens:
    """Makes and reads the tokens of pages; each is good on its own page only."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def form(self, slug: str, number: str, now: datetime) -> str:
        """What a form brings back."""
        signed = f"{number}.{int(now.timestamp())}"
        return f"{signed}.{self._signer.sign(_FORM, f'{slug} {signed}')}"

    def find_booking(self, slug: str, token: str, now: datetime) -> str | None:
        """The one-time number of a form of this page, not older than it may be."""
        signed, _, signature = token.rpartition(".")
        if not self._signer.is_signed(_FORM, f"{slug} {signed}", signature):
            return None
        number, _, seconds = signed.partition(".")
        return number if now - datetime.fromtimestamp(int(seconds), UTC) <= FORM_LIVES else None

    def state(self, slug: str, number: str) -> str:
        """The last part of the address where a booking's state is told."""
        return f"{number}.{self._signer.sign(_STATE, f'{slug} {number}')}"

    def find_told(self, slug: str, token: str) -> str | None:
        """The booking whose state this token opens."""
        number, _, signature = token.rpartition(".")
        return number if self._signer.is_signed(_STATE, f"{slug} {number}", signature) else None

    def visitor(self, address: str) -> str:
        """Stands for an address in what is counted: who came is not kept."""
        return self._signer.sign("booking visitor", address)
