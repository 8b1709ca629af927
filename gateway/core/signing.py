"""Signatures of webhooks, as Standard Webhooks has them: HMAC-SHA256 over the id, the time stamp and the body."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

_PREFIX = "whsec_"


def sign(secret: str, message_id: str, at: datetime, body: bytes) -> str:
    """The signature of one message under `secret` (`whsec_…`), sent at `at`."""
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    made = hmac.digest(key, f"{message_id}.{int(at.timestamp())}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(made).decode()}"


def signatures(secrets: Iterable[str], message_id: str, at: datetime, body: bytes) -> str:
    """What stands in `webhook-signature`: one signature for each of `secrets`."""
    return " ".join(sign(secret, message_id, at, body) for secret in secrets)
