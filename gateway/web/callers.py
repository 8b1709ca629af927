"""Who calls: a bearer token, or Connect's public key with a signature over the bytes as they came."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import time
from collections import Counter
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.sealing import hash_token
from gateway.store.keys import find_by_public_key, find_by_token, touch
from gateway.web.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from gateway.sealing import Sealer
    from gateway.store.database import Database, Transaction
    from gateway.store.keys import Caller, SealedKey

_T = TypeVar("_T")
log = logging.getLogger(__name__)

# How long a key is believed after it was looked up: so soon at the latest a revoked one is refused.
BELIEVED_SECONDS = 1.0
MOST_BELIEVED = 10_000
# After so many failures a minute an address is not looked at until the minute is over, and one key's are told so.
FAILURES_A_MINUTE = 30


class Callers:
    """Knows callers by their keys. A refusal never says which part was wrong."""

    def __init__(
        self, database: Database, sealer: Sealer | None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Without `sealer` (no `GATEWAY_SECRET_KEYS`) no signature can be checked: tokens only."""
        self._database = database
        self._sealer = sealer
        self._monotonic = monotonic
        self._believed: dict[str, tuple[float, asyncio.Task[Any]]] = {}
        self._failures: Counter[str] = Counter()
        self._minute = 0
        self._used: dict[int, datetime] = {}

    async def by_token(self, request: Request) -> Caller:
        """The caller whose bearer token the request carries."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        self._insist_on_patience(request)
        if kind.lower() != "bearer" or not token:
            raise ProblemError(HTTPStatus.UNAUTHORIZED, "token_required", "send Authorization: Bearer <token>")
        hashed = hash_token(token.strip())
        found = await self._look_up(f"token {hashed}", lambda connection: find_by_token(connection, hashed))
        if found is None:
            raise self._failed(request, "")
        return self._succeeded(found)

    async def by_signature(self, request: Request, body: bytes) -> Caller:
        """The caller whose key signed `body`: HMAC-SHA256 under the hex-decoded secret, in lower-case hex."""
        public, signature = request.headers.get("X-Dispatch-Key", ""), request.headers.get("X-Dispatch-Signature", "")
        self._insist_on_patience(request)
        if self._sealer is None:
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "no_secret_keys", "signatures cannot be checked here")
        keys: list[SealedKey] = await self._look_up(
            f"key {public}", lambda connection: find_by_public_key(connection, public)
        )
        for key in keys:
            secret = self._sealer.open(key.secret)
            if hmac.compare_digest(hmac.new(secret, body, hashlib.sha256).hexdigest().encode(), signature.encode()):
                return self._succeeded(key.caller)
        raise self._failed(request, public)

    async def note_use(self) -> None:
        """Writes when keys were last used, all together."""
        used, self._used = self._used, {}
        if used:
            async with self._database.transaction() as connection:
                await touch(connection, used)

    async def _look_up(self, name: str, read: Callable[[Transaction], Awaitable[_T]]) -> _T:
        """What `read` finds, or has found a moment ago; whoever asks meanwhile waits for the same look."""
        now = self._monotonic()
        at, looking = self._believed.get(name, (float("-inf"), None))
        if looking is None or now - at >= BELIEVED_SECONDS:
            if len(self._believed) >= MOST_BELIEVED:
                self._believed.clear()
            looking = asyncio.create_task(self._read(name, read))
            self._believed[name] = (now, looking)
        # Whoever goes away ends nobody else's look.
        found: _T = await asyncio.shield(looking)
        return found

    async def _read(self, name: str, read: Callable[[Transaction], Awaitable[_T]]) -> _T:
        try:
            async with self._database.transaction() as connection:
                return await read(connection)
        except BaseException:
            self._believed.pop(name, None)
            raise

    def _succeeded(self, caller: Caller) -> Caller:
        self._used[caller.key] = datetime.now(UTC)
        return caller

    def _failed(self, request: Request, public: str) -> ProblemError:
        address = _address(request)
        self._failures.update({f"address {address}", f"key {public}"} - {"key "})
        log.warning("authentication.failed", extra={"address": address, "key": public[:100]})
        # Public keys are easily guessed: whoever can prove theirs is let in, however often others failed with it.
        if self._failures[f"key {public}"] > FAILURES_A_MINUTE:
            return _too_many()
        return ProblemError(HTTPStatus.UNAUTHORIZED, "not_authenticated", "the key is unknown or its proof is wrong")

    def _insist_on_patience(self, request: Request) -> None:
        minute = int(self._monotonic() // 60)
        if minute != self._minute:
            self._minute = minute
            self._failures.clear()
        if self._failures[f"address {_address(request)}"] >= FAILURES_A_MINUTE:
            raise _too_many()


def _too_many() -> ProblemError:
    return ProblemError(HTTPStatus.TOO_MANY_REQUESTS, "too_many_failures", "wait a minute")


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"
