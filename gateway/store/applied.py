"""Which version of each job a brand has said that it applied: the newest only. An older word changes nothing."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select, true

from gateway.core.commands import ConfirmedBy
from gateway.core.sandbox import is_test
from gateway.store.bulk import Writes
from gateway.store.dialect import insert_into, key_set, one_of
from gateway.store.given import encode_rows, given
from gateway.store.prepared import fetch
from gateway.store.tables import event, job
from gateway.store.tables_control import applied_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from typing import Any

    from sqlalchemy import Executable, Select
    from sqlalchemy.ext.asyncio import AsyncConnection


class Verdict(StrEnum):
    """What came of one confirmation. Values are stable: the same words as of records."""

    APPLIED = "applied"
    NOT_YOUR_JOB = "not_your_job"
    UNKNOWN_JOBVERSION = "unknown_jobversion"


class Stands(NamedTuple):
    """A version of a job, and all before it, stands in the brand's own system."""

    brand: str
    job: int
    version: int


class Confirming(NamedTuple):
    """Whose jobs may be confirmed: an account's, of one brand or of all; test work or the rest."""

    account: int
    brand: str | None
    tests: bool


class _Kept(NamedTuple):
    """A job as far as confirming it needs. `version` is its newest; 0 where it has none."""

    account: int | None
    brand: str | None
    source: str
    version: int

    def has(self, version: int) -> bool:
        return 0 < version <= self.version


async def save_confirmed(
    connection: AsyncConnection, whose: Confirming, said: Sequence[tuple[int | None, int]], now: datetime
) -> list[Verdict]:
    """Notes what a caller says of jobs and their versions (None: a job that is not known), in its transaction.

    A verdict for each, in order; two statements, whatever their number.
    """
    kept = await _load(connection, {number for number, _ in said if number is not None})
    verdicts, stands = [], []
    for number, version in said:
        one = kept.get(number) if number is not None else None
        verdict = _judge(whose, one, version)
        verdicts.append(verdict)
        if verdict is Verdict.APPLIED and number is not None and one is not None and one.brand is not None:
            stands.append(Stands(one.brand, number, version))
    await _save(connection, stands, ConfirmedBy.FEED, now)
    return verdicts


async def save_answered(connection: AsyncConnection, answers: Iterable[Stands], now: datetime) -> None:
    """Notes what answers to deliveries confirm, in the recording transaction, after the locks of its lanes.

    What is not so (another brand's job, a version that there is not) is passed over. Two statements, none for nothing.
    """
    listed = list(answers)
    if not listed:
        return
    kept = await _load(connection, {one.job for one in listed})
    true_ones = [
        one for one in listed if one.job in kept and kept[one.job].brand == one.brand and kept[one.job].has(one.version)
    ]
    await _save(connection, true_ones, ConfirmedBy.ANSWER, now)


def note_applied(writes: Writes, stands: Iterable[Stands], by: ConfirmedBy, now: datetime) -> None:
    """Plans to note versions that are known to be there. Lanes are locked before these rows, by everybody."""
    newest: dict[tuple[str, int], int] = {}
    for one in stands:
        newest[one.brand, one.job] = max(one.version, newest.get((one.brand, one.job), 0))
    if newest:
        rows = [
            {"brand": brand, "job": number, "version": version, "confirmed_by": by.value, "at": now}
            for (brand, number), version in sorted(newest.items())
        ]
        writes.add(_upsert_newer(writes.dialect), encode_rows(writes.connection, rows))


async def _save(connection: AsyncConnection, stands: Iterable[Stands], by: ConfirmedBy, now: datetime) -> None:
    writes = Writes(connection)
    note_applied(writes, stands, by, now)
    await writes.make()


def _judge(whose: Confirming, kept: _Kept | None, version: int) -> Verdict:
    if kept is None or kept.account != whose.account or is_test(kept.source) is not whose.tests:
        return Verdict.NOT_YOUR_JOB
    if whose.brand not in {None, kept.brand}:
        return Verdict.NOT_YOUR_JOB
    return Verdict.APPLIED if kept.has(version) else Verdict.UNKNOWN_JOBVERSION


async def _load(connection: AsyncConnection, jobs: set[int]) -> dict[int, _Kept]:
    if not jobs:
        return {}
    keys = {"keys": key_set(connection, sorted(jobs))}
    rows = await fetch(connection, _newest_versions(connection.dialect.name), keys)
    return {number: _Kept(account, brand, source, version or 0) for number, account, brand, source, version in rows}


@cache
def _newest_versions(dialect: str) -> Select[Any]:
    newest = (
        select(event.c.jobversion)
        .where(event.c.job == job.c.number, event.c.jobversion.is_not(None))
        .order_by(event.c.position.desc())
        .limit(1)
        .scalar_subquery()
    )
    columns = (job.c.number, job.c.account, job.c.brand, job.c.source, newest.label("newest"))
    return select(*columns).where(one_of(dialect, job.c.number, "keys"))


@cache
def _upsert_newer(dialect: str) -> Executable:
    names = [column.name for column in applied_version.columns]
    rows = given(dialect, **{column.name: column.type for column in applied_version.columns})
    # SQLite needs the WHERE to tell ON CONFLICT from a join's ON.
    listed = select(*(rows.c[name] for name in names)).where(true())
    said = insert_into(dialect, applied_version).from_select(names, listed)
    return said.on_conflict_do_update(
        index_elements=[applied_version.c.brand, applied_version.c.job],
        set_={name: said.excluded[name] for name in ("version", "confirmed_by", "at")},
        where=applied_version.c.version < said.excluded.version,
    )
