"""A partner's end of the gateway's HTTP edge: one key, a few connections, and what is sent and fetched with them.

Calls block, in threads of the partner's own.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

BATCH = 10
CONNECTIONS = 4
TIMEOUT_SECONDS = 30.0
TRIES = 10
PAUSE_SECONDS = 0.5
SERVICE_UNAVAILABLE = 503


class NotAnswered(Exception):
    """The edge did not take what was sent, or not in time; a sentence."""


@dataclass(frozen=True, slots=True)
class Edge:
    """Where the edge listens, each partner's key by its name, and the folder for what partners are handed."""

    url: str
    keys: Mapping[str, Mapping[str, str]]
    folder: Path


def load_edge(file: Path) -> Edge:
    """The edge as whoever made the keys has written it down."""
    told = orjson.loads(file.read_bytes())
    return Edge(told["url"], told["keys"], file.parent)


class Caller:
    """Calls with the key of `name`. What did not arrive is sent again: every message has an id."""

    def __init__(self, edge: Edge, name: str) -> None:
        place = urlsplit(edge.url)
        self._key = edge.keys[name]
        self._http = HTTPConnection(place.hostname or "", place.port, timeout=TIMEOUT_SECONDS)

    def post_records(self, records: list[dict[str, Any]]) -> None:
        """Sends envelopes of Connect, compressed."""
        self._signed("/agent/in", gzip.compress(orjson.dumps(records)))

    def fetch(self) -> list[dict[str, Any]]:
        """What is due of what the partner is owed."""
        fetched: list[dict[str, Any]] = self._signed("/agent/out", b'{"maxNumberOfMessages": %d}' % BATCH)
        return fetched

    def acknowledge(self, element: Mapping[str, Any]) -> bool:
        """Whether the acknowledgement of a fetched message counted."""
        message = element["Message"]
        told = {
            "Receipt": message["Receipt"],
            "ProcedureID": message["Request"]["ProcedureID"],
            "Result": "success",
            "Error": "",
        }
        settled: bool = self._signed("/agent/ack", orjson.dumps(told))["result"] == "settled"
        return settled

    def command(self, method: str, path: str, content: Mapping[str, Any], message_id: str) -> None:
        """One command of the canonical API. That it is refused is an answer too: its record is kept."""
        headers = {"Authorization": f"Bearer {self._key['token']}", "Idempotency-Key": message_id}
        status, told = self._call(method, path, orjson.dumps(content), headers)
        if "record" not in told:
            raise NotAnswered(f"{method} {path}: {status} {told.get('code')}")

    def close(self) -> None:
        self._http.close()

    def _signed(self, path: str, body: bytes) -> Any:
        signature = hmac.new(bytes.fromhex(self._key["secret"]), body, hashlib.sha256).hexdigest()
        headers = {"X-Dispatch-Key": self._key["key"], "X-Dispatch-Signature": signature}
        status, told = self._call("POST", path, body, headers)
        if status != 200:
            raise NotAnswered(f"{path}: {status} {told.get('code')}")
        return told

    def _call(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Any]:
        for _ in range(TRIES):
            try:
                self._http.request(method, path, body, {"Content-Type": "application/json", **headers})
                answer = self._http.getresponse()
                told = orjson.loads(answer.read())
            except (OSError, HTTPException):
                # Not there yet, or the connection had been idle for too long.
                self._http.close()
                time.sleep(PAUSE_SECONDS)
                continue
            if answer.status != SERVICE_UNAVAILABLE:
                return answer.status, told
            time.sleep(PAUSE_SECONDS)
        raise NotAnswered(f"{method} {path}: no answer in {TRIES} tries")


class Crew:
    """Threads with a connection each, all with the key of `name`. What one has begun it finishes before the end."""

    def __init__(self, edge: Edge, name: str) -> None:
        self.threads = ThreadPoolExecutor(CONNECTIONS)
        self._idle: SimpleQueue[Caller] = SimpleQueue()
        for _ in range(CONNECTIONS):
            self._idle.put(Caller(edge, name))

    @contextmanager
    def caller(self) -> Iterator[Caller]:
        """One of the connections, for as long as the block lasts."""
        one = self._idle.get()
        try:
            yield one
        finally:
            self._idle.put(one)

    def end(self) -> None:
        """Returns when all threads have."""
        self.threads.shutdown()
        while not self._idle.empty():
            self._idle.get().close()
