"""How a simulated brand answers, and what it does wrong: told by options, and at run time by its control address."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum

import orjson


class Way(StrEnum):
    """How a call is answered."""

    ACCEPT = "accept"
    HANG = "hang"
    TOO_MANY = "too_many"
    ERROR = "error"
    GONE = "gone"
    REFUSE = "refuse"
    REDIRECT = "redirect"
    BREAK_OFF = "break_off"
    HUGE = "huge"
    TRICKLE = "trickle"
    GARBLED = "garbled"
    WRONG_CERTIFICATE = "wrong_certificate"


class Flaw(StrEnum):
    """A mistake of the kind that partners make: for `gateway certify` to find."""

    TRUSTS_ANYONE = "trusts_anyone"
    IGNORES_AGE = "ignores_age"
    READS_ONE_SIGNATURE = "reads_one_signature"
    SIGNS_WHAT_IT_PARSED = "signs_what_it_parsed"
    REFUSES_REPEATS = "refuses_repeats"
    APPLIES_TWICE = "applies_twice"
    GOES_BACK = "goes_back"
    CLOSES_EACH_TIME = "closes_each_time"
    TAKES_SMALL_BODIES = "takes_small_bodies"
    REFUSES_UNKNOWN_MEMBERS = "refuses_unknown_members"
    KNOWS_FEW_KINDS = "knows_few_kinds"


_STATUSES = {Way.TOO_MANY: 429, Way.ERROR: 500, Way.GONE: 410, Way.REFUSE: 400, Way.REDIRECT: 302}
# Answered with 200, however oddly: what came was taken.
_TAKES = frozenset({Way.ACCEPT, Way.BREAK_OFF, Way.HUGE, Way.TRICKLE, Way.GARBLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """`rate` is the share of calls that are answered so, the others are accepted; `after_ms` is waited before each."""

    way: Way = Way.ACCEPT
    status: int | None = None
    after_ms: int = 0
    retry_after: int | None = None
    rate: float = 1.0

    @property
    def takes(self) -> bool:
        return self.way in _TAKES

    @property
    def code(self) -> int:
        """The status of its answer."""
        return self.status or _STATUSES.get(self.way, 200)

    def otherwise(self) -> Behaviour:
        """How those calls are answered that `rate` leaves out."""
        return Behaviour(after_ms=self.after_ms)


def read_behaviour(text: bytes) -> Behaviour | str:
    """The behaviour that a control call names, `{"behaviour": "error", "rate": 0.3}`; or what is wrong with it."""
    try:
        told = orjson.loads(text)
    except orjson.JSONDecodeError:
        return "not JSON"
    if not isinstance(told, dict):
        return "a JSON object is needed, with behaviour"
    members = {("way" if name == "behaviour" else name): value for name, value in told.items()}
    unknown = set(members) - {field.name for field in fields(Behaviour)}
    if unknown:
        return f"no such member: {', '.join(sorted(unknown))}"
    way = members.pop("way", Way.ACCEPT)
    if way not in list(Way):
        return f"no such behaviour: there are {', '.join(Way)}"
    if any(not isinstance(value, int | float) or value < 0 for value in members.values()):
        return f"{', '.join(members)}: numbers are needed, not below 0"
    return Behaviour(way=Way(way), **members)


ACCEPTS = Behaviour()
