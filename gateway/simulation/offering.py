"""Offers as a careless sender sends them, by `/v1/offers`: twice, amended in the wrong order; and how that is answered.

Calls block, in threads of their own.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import orjson

_AT_ONCE = 4
_TIMEOUT_SECONDS = 30.0
_TOO_MANY, _UNAVAILABLE = 429, 503
_TRIES = 10
_FIRST, _NEWER, _NEWEST = "Ring twice.", "The key is with the landlord.", "The customer is home after six."


class NotOffered(Exception):
    """The gateway did not answer an offer; a sentence."""


@dataclass(frozen=True, slots=True)
class Step:
    """One sending of the same offer. `message` tells messages apart: the same one twice is the same message."""

    name: str
    message: str
    revision: int
    description: str
    expected: str


# Revisions rise, fall, and come again with other content.
STEPS = (
    Step("offered", "a", 1, _FIRST, "applied"),
    Step("the same message again", "a", 1, _FIRST, "repeat"),
    Step("the same content in another message", "b", 1, _FIRST, "repeat"),
    Step("amended, revision 3", "c", 3, _NEWER, "applied"),
    Step("amended, revision 2, late", "d", 2, _NEWEST, "regression"),
    Step("amended, revision 4", "e", 4, _NEWEST, "applied"),
    Step("revision 4 with other content", "f", 4, _FIRST, "revision_conflict"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Whose token it is, and what its offers name: a provider by its handle, or nobody, where routing finds one."""

    url: str
    token: str
    brand: str
    organization: str | None = None


async def offer_carelessly(sender: Sender, offers: int) -> Counter[tuple[str, str]]:
    """Sends so many offers through all steps; how often each step was answered with which word."""
    waiting = asyncio.Semaphore(_AT_ONCE)
    run = uuid.uuid4().hex[:8]

    async def offer(number: int) -> list[str]:
        async with waiting:
            return await asyncio.to_thread(_offer, sender, f"SIM-{run}-{number}")

    answered = await asyncio.gather(*(offer(number) for number in range(1, offers + 1)))
    return Counter((step.name, word) for words in answered for step, word in zip(STEPS, words, strict=True))


def _offer(sender: Sender, job: str) -> list[str]:
    http = _connection(sender.url)
    try:
        return [_say(http, sender, job, step) for step in STEPS]
    except (OSError, HTTPException) as error:
        raise NotOffered(f"{sender.url} does not answer: {type(error).__name__}") from None
    finally:
        http.close()


def _connection(url: str) -> HTTPConnection:
    try:
        place = urlsplit(url)
        port = place.port
    except ValueError as error:
        raise NotOffered(f"{url} is no address: {error}") from None
    if place.scheme not in {"http", "https"} or not place.hostname:
        raise NotOffered(f"{url} is no address: write http://127.0.0.1:8080")
    kind = HTTPSConnection if place.scheme == "https" else HTTPConnection
    return kind(place.hostname, port, timeout=_TIMEOUT_SECONDS)


def _say(http: HTTPConnection, sender: Sender, job: str, step: Step) -> str:
    content: dict[str, Any] = {
        "job": job,
        "brand": sender.brand,
        "title": "Dishwasher leaks",
        "description": step.description,
        "revision": step.revision,
        "customer": {"name": "Test Customer"},
        "address": {"street_1": "1 Test Street", "city": "Duluth", "state": "MN", "postal_code": "55802"},
    }
    if sender.organization is not None:
        content["organization"] = {"handle": sender.organization}
    headers = {
        "Authorization": f"Bearer {sender.token}",
        "Content-Type": "application/json",
        "Idempotency-Key": f"{job}-{step.message}",
    }
    for _ in range(_TRIES):
        http.request("POST", "/v1/offers", orjson.dumps(content), headers)
        answer = http.getresponse()
        told = _read(sender, answer.read())
        if answer.status not in {_TOO_MANY, _UNAVAILABLE}:
            return str(told.get("code") or told.get("reason") or told.get("outcome"))
        time.sleep(float(answer.headers.get("Retry-After") or 1))
    raise NotOffered(f"{sender.url} is too busy")


def _read(sender: Sender, body: bytes) -> dict[str, Any]:
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        told = None
    if not isinstance(told, dict) or not told.keys() & {"code", "reason", "outcome"}:
        raise NotOffered(f"{sender.url} does not answer as a gateway does")
    return told
