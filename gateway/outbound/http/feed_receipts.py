"""`POST /v1/feed/receipts`: a brand says which versions of its jobs stand in its own system."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response

from gateway.core.ids import MAX_NUMBER, Kind, Ref, find_number
from gateway.core.scopes import Scope
from gateway.store.applied import Confirming, Verdict, save_confirmed
from gateway.store.keys import CallerKind
from gateway.store.references import find_numbers
from gateway.web.bodies import read_body, read_json
from gateway.web.problems import ProblemError
from gateway.web.reading import available

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request

    from gateway.core.parties import Json
    from gateway.store.database import Database
    from gateway.store.keys import Caller
    from gateway.web.callers import Callers

MOST_BYTES = 1_048_576
MOST_RECEIPTS = 1_000
LONGEST_ID = 200


def feed_receipts(callers: Callers, database: Database) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint. 200 with what came of each receipt, in order; what is not one ends the request, with none noted."""

    async def endpoint(request: Request) -> Response:
        caller = await callers.by_token(request, Scope.FEED)
        if caller.kind is not CallerKind.ACCOUNT:
            raise ProblemError(HTTPStatus.FORBIDDEN, "not_allowed", "brands confirm what they have applied")
        said = _read(read_json(await read_body(request, most=MOST_BYTES)))
        with available():
            verdicts = await _save(database, caller, said)
        told = [_told(one, verdict) for one, verdict in zip(said, verdicts, strict=True)]
        return Response(orjson.dumps({"receipts": told}), media_type="application/json")

    return endpoint


async def _save(database: Database, caller: Caller, said: Sequence[tuple[str, int]]) -> list[Verdict]:
    refs = {name: Ref(Kind.JOB, caller.source, name) for name, _ in said if find_number(Kind.JOB, name) is None}
    whose = Confirming(caller.number, caller.brand, caller.sandbox)
    async with database.transaction() as connection:
        own = await find_numbers(connection, refs.values())
        meant = [
            (own.get(refs[name]) if name in refs else find_number(Kind.JOB, name), version) for name, version in said
        ]
        return await save_confirmed(connection, whose, meant, await database.now(connection))


def _told(one: tuple[str, int], verdict: Verdict) -> dict[str, Json]:
    name, version = one
    told: dict[str, Json] = {"job": name, "version": version}
    if verdict is Verdict.APPLIED:
        return {**told, "outcome": verdict.value}
    return {**told, "outcome": "refused", "reason": verdict.value}


def _read(tree: Json) -> list[tuple[str, int]]:
    receipts = tree.get("receipts") if isinstance(tree, dict) else None
    if not isinstance(receipts, list):
        raise _unreadable("wrong_type", "receipts", "a list is expected")
    if len(receipts) > MOST_RECEIPTS:
        raise _unreadable("too_many", "receipts", f"at most {MOST_RECEIPTS} at a time")
    return [_read_one(one, f"receipts[{index}]") for index, one in enumerate(receipts)]


def _read_one(one: Json, at: str) -> tuple[str, int]:
    if not isinstance(one, dict):
        raise _unreadable("wrong_type", at, "an object is expected")
    if one.keys() - {"job", "version"}:
        raise _unreadable("unknown_member", at, "a receipt has a job and a version")
    name, version = one.get("job"), one.get("version")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_ID or "\0" in name:
        raise _unreadable("bad_value", f"{at}.job", "the id of a job is expected")
    if not isinstance(version, int) or isinstance(version, bool) or not 0 < version <= MAX_NUMBER:
        raise _unreadable("bad_value", f"{at}.version", "a jobversion is expected")
    return name, version


def _unreadable(code: str, member: str, detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, code, detail, member=member)
