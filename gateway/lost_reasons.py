"""What a code meant stays known: a version has every reason that recorded events use, were it retired."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.reasons import ReasonKind
from gateway.mapping.problems import Problem
from gateway.store.reasons_used import load_last_used

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.mapping.library import Version
    from gateway.mapping.profile import Profile
    from gateway.store.database import Transaction


async def find_lost_reasons(
    connection: Transaction, profile: Profile, versions: Iterable[Version], file: str
) -> list[Problem]:
    """Reasons of earlier ones of `versions` that the brand's events use and that `profile` has not, not even retired.

    The database is asked only where a reason is gone.
    """
    earlier = (one.profile for one in versions if one.brand == profile.brand and one.number < profile.version)
    gone = {reason for one in earlier if one is not None for reason in one.codes_taken} - profile.codes_taken
    used = await load_last_used(connection, profile.brand, gone)
    return [_problem(profile, file, kind, code, used[kind, code].date().isoformat()) for kind, code in sorted(used)]


def _problem(profile: Profile, file: str, kind: ReasonKind, code: str, day: str) -> Problem:
    member = f"{kind}_reasons"
    what = f"recorded events use {code!r} (the last on {day}): keep it, or keep it as `retired: true`"
    return Problem(file, profile.line_of(member), member, what)
