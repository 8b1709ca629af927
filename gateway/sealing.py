"""Seals secrets that are kept, so that a copy of the database opens no door, and makes the secrets that are given out.

Sealing keys are rotated by giving the new one first: every key opens and verifies, the first one seals and signs.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

if TYPE_CHECKING:
    from collections.abc import Sequence

TOKEN_PREFIX = "gwt_"  # noqa: S105 - lets scanners of files and logs recognize a token
_RANDOM_BYTES = 32
_SIGNATURE_BYTES = 16
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


class Signer:
    """Signs short texts that strangers bring back, each for one purpose only. `keys` are the sealing keys.

    A signature is 128 bits of HMAC-SHA256 under a key derived for the purpose, fit for a URL.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [base64.urlsafe_b64decode(key) for key in keys]

    def sign(self, purpose: str, text: str) -> str:
        """The signature of `text` by the newest key."""
        return _signature(self._keys[0], purpose, text)

    def is_signed(self, purpose: str, text: str, signature: str) -> bool:
        """Whether one of the keys signed `text` for this purpose."""
        good = (_signature(key, purpose, text) for key in self._keys)
        return any(hmac.compare_digest(one.encode(), signature.encode()) for one in good)


def _signature(key: bytes, purpose: str, text: str) -> str:
    derived = hmac.digest(key, f"sign {purpose}".encode(), hashlib.sha256)
    signed = hmac.digest(derived, text.encode(), hashlib.sha256)[:_SIGNATURE_BYTES]
    return base64.urlsafe_b64encode(signed).rstrip(b"=").decode()


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
