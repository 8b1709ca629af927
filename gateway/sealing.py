"""Seals secrets that are kept, so that a copy of the database opens no door, and makes the secrets that are given out.

Sealing keys are rotated by giving the new one first: every key opens, the first one seals.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

if TYPE_CHECKING:
    from collections.abc import Sequence

TOKEN_PREFIX = "gwt_"  # noqa: S105 - lets scanners of files and logs recognize a token
_RANDOM_BYTES = 32
_SEALING_KEY = re.compile(r"[A-Za-z0-9_-]{43}=")


class CannotOpen(Exception):
    """None of the sealing keys opens what was sealed."""


class UnfitKey(ValueError):
    """A sealing key that is none; says which, and never what it reads."""


class Sealer:
    """Encrypts and authenticates with Fernet. `keys`: the newest first, at least one; raises `UnfitKey`."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise UnfitKey("names no key")
        self._fernet = MultiFernet([_fernet(place, key) for place, key in enumerate(keys, 1)])

    def seal(self, content: bytes) -> bytes:
        """`content` under the newest key."""
        return self._fernet.encrypt(content)

    def open(self, sealed: bytes) -> bytes:
        """What was sealed under any of the keys; raises `CannotOpen`."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            raise CannotOpen(
                "no key of GATEWAY_SECRET_KEYS opens this secret: give the key that sealed it, too"
            ) from None


def _fernet(place: int, key: str) -> Fernet:
    # Decoders pass over what does not belong there; a key that was pasted wrongly must not become another one.
    if not _SEALING_KEY.fullmatch(key):
        raise UnfitKey(f"key {place} is none: each is 32 random bytes in URL-safe base64, 44 characters")
    return Fernet(key)


def split_keys(text: str) -> tuple[str, ...]:
    """The sealing keys in a list with commas."""
    return tuple(key for part in text.split(",") if (key := part.strip()))


def new_sealing_key() -> str:
    return Fernet.generate_key().decode()


def hash_token(token: str) -> str:
    """What is kept of a token. One fast hash is enough: 256 random bits cannot be guessed, as a password can."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_secret() -> str:
    """64 hex digits: the 32 bytes that sign."""
    return secrets.token_hex(_RANDOM_BYTES)


def new_token() -> str:
    """A bearer token of 256 random bits, fit for a URL."""
    return f"{TOKEN_PREFIX}{secrets.token_urlsafe(_RANDOM_BYTES)}"
