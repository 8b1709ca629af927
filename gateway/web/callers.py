"""Who calls: a bearer token, or Connect's public key with a signature over the bytes as they came."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import time
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.core.scopes import Scope
from gateway.core.values import dataclass
from gateway.sealing import hash_token
from gateway.store.keys import (
    Caller,
    CallerKind,
    DeadKey,
    find_by_public_key,
    find_by_token,
    split_public_key,
    touch,
)
from gateway.store.refused_calls import add_refused_calls, forget_refused_calls
from gateway.web.failed_calls import FailedCalls, Failure, address_of
from gateway.web.problems import ProblemError
from gateway.web.reading import available

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from gateway.sealing import Sealer
    from gateway.store.database import Database, Transaction
    from gateway.store.keys import SealedKey

_T = TypeVar("_T")
log = logging.getLogger(__name__)

# How long at most a key is believed after it was looked up, by whoever is told when a key or a user changes.
BELIEVED_SECONDS = 1.0
MOST_BELIEVED = 10_000
KEPT = timedelta(days=30)


@dataclass(slots=True, kw_only=True)
class _Look:
    """A look at a key: since when, and whether it has begun to read. Until then it is as good as one made later."""

    at: float
    begun: bool = False
    reading: asyncio.Task[Any] | None = None


class Callers:
    """Knows callers by their keys. A refusal never says which part was wrong.

    While it is told by `hear` whenever a key or a user changes, it believes what it has seen a moment ago; else every
    call has a look that began after it came.
    """

    def __init__(
        self, database: Database, sealer: Sealer | None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Without `sealer` (no `GATEWAY_SECRET_KEYS`) no signature can be checked: tokens only."""
        self._is_told = False
        self._database = database
        self._sealer = sealer
        self._monotonic = monotonic
        self._looks: dict[str, _Look] = {}
        self._failed = FailedCalls(monotonic)
        self._used: dict[int, datetime] = {}

    async def by_token(self, request: Request, scope: Scope | None = None) -> Caller:
        """The caller whose bearer token the request carries, who may do now what needs `scope`."""
        caller = await self.sender(request)
        insist(caller, scope)
        return caller

    async def operator(self, request: Request, scope: Scope) -> Caller:
        """The operator whose bearer token the request carries, with a key for what needs `scope`."""
        caller = await self.sender(request)
        if caller.kind is not CallerKind.OPERATOR:
            raise ProblemError(HTTPStatus.FORBIDDEN, "only_for_operators", "this is done in an operator's name")
        if caller.scopes and scope not in caller.scopes:
            raise ProblemError(HTTPStatus.FORBIDDEN, "scope_missing", f"the key has no scope {scope.value}")
        return caller

    async def sender(self, request: Request) -> Caller:
        """The same for whoever sends records: what they may send, each record's own outcome says."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        address = self._insist_on_patience(request)
        if kind.lower() != "bearer" or not token:
            raise ProblemError(HTTPStatus.UNAUTHORIZED, "token_required", "send Authorization: Bearer <token>")
        hashed = hash_token(token.strip())
        found = await self._look_up(f"token {hashed}", lambda connection: find_by_token(connection, hashed))
        if isinstance(found, Caller):
            return self._succeeded(found)
        if isinstance(found, DeadKey):
            raise self._refusal(address, found.public_key, Failure.KEY_REVOKED)
        raise self._refusal(address, "", Failure.UNKNOWN_TOKEN)

    async def by_signature(self, request: Request, body: bytes, scope: Scope | None = None) -> Caller:
        """The caller whose key signed `body`: HMAC-SHA256 under the hex-decoded secret, in lower-case hex."""
        public, signature = request.headers.get("X-Dispatch-Key", ""), request.headers.get("X-Dispatch-Signature", "")
        address = self._insist_on_patience(request)
        if self._sealer is None:
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "no_secret_keys", "signatures cannot be checked here")
        if split_public_key(public) is None:
            raise self._refusal(address, "", Failure.UNKNOWN_KEY)
        keys: list[SealedKey] = await self._look_up(
            f"key {public}", lambda connection: find_by_public_key(connection, public)
        )
        for key in keys:
            secret = self._sealer.open(key.secret)
            if hmac.compare_digest(hmac.new(secret, body, hashlib.sha256).hexdigest().encode(), signature.encode()):
                insist(key.caller, scope)
                return self._succeeded(key.caller)
        raise self._refusal(address, public, Failure.WRONG_SIGNATURE if keys else Failure.UNKNOWN_KEY)

    def hear(self) -> None:
        """It is told from now on, or a key or a user has changed: what was looked up before counts no more."""
        self._is_told = True
        self._looks.clear()

    def doubt(self) -> None:
        """It is not told any more: nothing that was looked up before counts."""
        self._is_told = False

    async def note_use(self) -> None:
        """Writes when keys were used last, all together."""
        used, self._used = self._used, {}
        if used:
            async with self._database.transaction() as connection:
                await touch(connection, used)

    async def note_failures(self) -> None:
        """Writes how many calls proved nothing, all together; what is a month old goes. What fails is written later."""
        failed = self._failed.take()
        if not failed:
            return
        try:
            async with self._database.transaction() as connection:
                await add_refused_calls(connection, failed)
                await forget_refused_calls(connection, max(one.hour for one in failed) - KEPT)
        except BaseException:
            self._failed.give_back(failed)
            raise

    async def _look_up(self, name: str, read: Callable[[Transaction], Awaitable[_T]]) -> _T:
        """What `read` finds, or has found as far as that may be believed; whoever can waits for the same look."""
        now = self._monotonic()
        look = self._looks.get(name)
        if look is None or look.reading is None or (look.begun and not self._is_believed(look, now)):
            if len(self._looks) >= MOST_BELIEVED:
                self._looks.clear()
            look = self._looks[name] = _Look(at=now)
            look.reading = asyncio.create_task(self._read(name, look, read))
        if look.reading.done():
            return look.reading.result()  # type: ignore[no-any-return]
        with available():
            # Whoever goes away ends nobody else's look.
            found: _T = await asyncio.shield(look.reading)
        return found

    def _is_believed(self, look: _Look, now: float) -> bool:
        return self._is_told and now - look.at < BELIEVED_SECONDS

    async def _read(self, name: str, look: _Look, read: Callable[[Transaction], Awaitable[_T]]) -> _T:
        try:
            async with self._database.transaction() as connection:
                look.begun = True
                return await read(connection)
        except BaseException:
            if self._looks.get(name) is look:
                del self._looks[name]
            raise

    def _succeeded(self, caller: Caller) -> Caller:
        self._used[caller.key] = datetime.now(UTC)
        return caller

    def _refusal(self, address: str, public: str, why: Failure) -> ProblemError:
        self._failed.note(address, public, why)
        log.warning("authentication.failed", extra={"address": address, "key": public, "reason": why.value})
        # Public keys are easily guessed: whoever can prove theirs is let in, however often others failed with it.
        if public and self._failed.is_over_limit(key=public):
            return self._too_many()
        return ProblemError(HTTPStatus.UNAUTHORIZED, "not_authenticated", "the key is unknown or its proof is wrong")

    def _insist_on_patience(self, request: Request) -> str:
        address = address_of(request)
        if self._failed.is_over_limit(address=address):
            self._failed.keep(address, "", Failure.TURNED_AWAY)
            raise self._too_many()
        return address

    def _too_many(self) -> ProblemError:
        left = self._failed.seconds_left()
        detail = f"wait {left} seconds"
        return ProblemError(HTTPStatus.TOO_MANY_REQUESTS, "too_many_failures", detail, retry_after=left)


def insist(caller: Caller, scope: Scope | None) -> None:
    """Raises the problem that keeps `caller` from doing now what needs `scope` (None: what any caller may)."""
    if caller.kind is CallerKind.OPERATOR:
        raise ProblemError(HTTPStatus.FORBIDDEN, "not_for_operators", "operators act at the console, in their own name")
    if not caller.active:
        raise ProblemError(HTTPStatus.FORBIDDEN, "user_deactivated", "a dispatcher can reactivate the user")
    if scope is None:
        return
    if caller.scopes and scope not in caller.scopes:
        raise ProblemError(HTTPStatus.FORBIDDEN, "scope_missing", f"the key has no scope {scope.value}")
    if scope is Scope.FEED and caller.technician is not None:
        raise ProblemError(HTTPStatus.FORBIDDEN, "role_not_allowed", "the feed is for dispatchers")
