"""Canonical ids (`job-1041`) and references to things by a sender's own id.

Every entity has a number of its own kind; the canonical id is the kind's prefix and that number.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What a reference can point at; the value is the prefix of its canonical ids."""

    ACCOUNT = "acc"
    ORGANIZATION = "org"
    USER = "usr"
    CUSTOMER = "cus"
    JOB = "job"
    APPOINTMENT = "apt"
    NOTE = "note"
    EVENT = "evt"
    RECORD = "rec"
    DELIVERY = "dlv"
    OPERATION = "op"


class Ref(NamedTuple):
    """A thing as one source calls it. `source` is empty for names that are the gateway's own."""

    kind: Kind
    source: str
    external_id: str


MAX_NUMBER = 2**63 - 1


def canonical_id(kind: Kind, number: int) -> str:
    """The id under which outsiders know entity `number` of `kind`."""
    return f"{kind}-{number}"


def find_number(kind: Kind, text: str) -> int | None:
    """The number in a canonical id of `kind`; None where `text` is not one."""
    prefix, _, digits = text.partition("-")
    if prefix != kind.value or not digits.isascii() or not digits.isdecimal() or len(digits) > len(str(MAX_NUMBER)):
        return None
    number = int(digits)
    return number if 0 < number <= MAX_NUMBER and str(number) == digits else None
