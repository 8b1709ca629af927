"""What a code meant stays known: a version has every reason that recorded events use, were it retired."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.reasons import ReasonKind
from gateway.mapping.problems import Problem
from gateway.mapping.profile import Profile, parse_profile
from gateway.store.reasons_used import load_last_used

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.store.database import Transaction
    from gateway.store.profiles import ProfileRow


async def find_lost_reasons(
    connection: Transaction, profile: Profile, kept: Iterable[ProfileRow], file: str
) -> list[Problem]:
    """Reasons of earlier versions that events of the brand use and that `profile` has not, not even retired.

    The database is asked only where a reason is gone.
    """
    earlier = [row for row in kept if row.brand == profile.brand and row.version < profile.version]
    gone = {reason for row in earlier for reason in _codes_of(row)} - profile.codes_taken
    used = await load_last_used(connection, profile.brand, gone)
    return [_problem(profile, file, kind, code, used[kind, code].date().isoformat()) for kind, code in sorted(used)]


def _codes_of(row: ProfileRow) -> frozenset[tuple[ReasonKind, str]]:
    read = parse_profile(row.document, file=f"{row.brand} v{row.version}")
    return read.codes_taken if isinstance(read, Profile) else frozenset()


def _problem(profile: Profile, file: str, kind: ReasonKind, code: str, day: str) -> Problem:
    member = f"{kind}_reasons"
    what = f"recorded events use {code!r} (the last on {day}): keep it, or keep it as `retired: true`"
    return Problem(file, profile.line_of(member), member, what)
