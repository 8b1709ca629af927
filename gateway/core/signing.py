"""Signatures of webhooks by the Standard Webhooks specification: how they are made, and how a receiver checks them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from gateway.core.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"

# How far a receiver's clock and ours may be apart, and how long a call may be on its way.
TOLERANCE = timedelta(minutes=5)
KEY_BYTES = range(24, 65)

_PREFIX = "whsec_"
_VERSION = "v1"
_LONGEST_TIMESTAMP = 12


@dataclass(frozen=True, slots=True)
class Verified:
    """The message is from whoever has the secret, and was sent just now."""

    message_id: str
    at: datetime


class Unverified(StrEnum):
    """Why a receiver must not believe a message. Values are stable."""

    HEADER_MISSING = "header_missing"
    TIMESTAMP_UNREADABLE = "timestamp_unreadable"
    TOO_OLD = "too_old"
    TOO_NEW = "too_new"
    WRONG_SIGNATURE = "wrong_signature"


class NotASecret(ValueError):
    """A text that is no signing secret; says what is wrong, and never what it reads."""


def write_secret(key: bytes) -> str:
    """`key`, 24 to 64 random bytes, as partners are given it."""
    if len(key) not in KEY_BYTES:
        raise NotASecret("a signing key has 24 to 64 bytes")
    return f"{_PREFIX}{base64.b64encode(key).decode()}"


def read_secret(secret: str) -> bytes:
    """The key in `whsec_…`; raises `NotASecret`."""
    if not secret.startswith(_PREFIX):
        raise NotASecret(f"a signing secret begins with {_PREFIX}")
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise NotASecret(f"a signing secret is base64 after {_PREFIX}") from None
    if len(key) not in KEY_BYTES:
        raise NotASecret("a signing key has 24 to 64 bytes")
    return key


def sign(secret: str, message_id: str, at: datetime, body: bytes) -> str:
    """The signature of a message sent at `at`, whole seconds; raises `NotASecret`."""
    return _sign(secret, f"{message_id}.{int(at.timestamp())}.".encode() + body)


def signatures(secrets: Iterable[str], message_id: str, at: datetime, body: bytes) -> str:
    """The header's value: a signature by each of `secrets`, several while they are rotated."""
    signed = f"{message_id}.{int(at.timestamp())}.".encode() + body
    return " ".join([_sign(secret, signed) for secret in secrets])


def verify(
    secrets: Iterable[str], headers: Mapping[str, str], body: bytes, now: datetime, tolerance: timedelta = TOLERANCE
) -> Verified | Unverified:
    """What a receiver may believe of a message that came at `now`: good is a signature by one of `secrets`.

    Compares in constant time; raises `NotASecret`.
    """
    told = {name.lower(): value for name, value in headers.items()}
    message_id, written, given = (told.get(name) for name in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER))
    if not message_id or not written or not given:
        return Unverified.HEADER_MISSING
    if not (written.isascii() and written.isdecimal() and len(written) <= _LONGEST_TIMESTAMP):
        return Unverified.TIMESTAMP_UNREADABLE
    seconds = int(written)
    if seconds < (now - tolerance).timestamp():
        return Unverified.TOO_OLD
    if seconds > (now + tolerance).timestamp():
        return Unverified.TOO_NEW
    # Bytes that are no text come escaped from some servers.
    signed = f"{message_id}.{written}.".encode(errors="surrogateescape") + body
    offered = given.encode(errors="surrogateescape").split()
    good = [_sign(secret, signed).encode() for secret in secrets]
    if not any(hmac.compare_digest(one, each) for one in good for each in offered):
        return Unverified.WRONG_SIGNATURE
    return Verified(message_id, datetime.fromtimestamp(seconds, UTC))


def _sign(secret: str, signed: bytes) -> str:
    digest = hmac.digest(read_secret(secret), signed, hashlib.sha256)
    return f"{_VERSION},{base64.b64encode(digest).decode()}"
