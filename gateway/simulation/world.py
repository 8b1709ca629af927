"""Who there is in the simulated world, read from `world.yaml`, and the words that each brand gave to its providers.

A brand's reasons are read from its profile, as a provider would have got them on paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_FILE = Path(__file__).with_name("world.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """`names` says how its offers name the provider: handle, number or routing. `webhook`: the demo adds one."""

    name: str
    prefix: str
    names: str
    provider: str
    other: str
    webhook: bool = False
    stories: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Enterprise:
    """An account. `road` is how it speaks; `dialect` and, for JSON of its own, `own_topic` are for Kafka."""

    account: str
    road: str = "kafka"
    dialect: str = "structured"
    own_topic: str = ""
    brands: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A service company. `number` is what enterprises with numbers of their own call it; `topic` is for Kafka."""

    handle: str
    name: str
    number: str
    road: str = "kafka"
    topic: str = ""
    stories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class World:
    """Everybody."""

    enterprises: Mapping[str, Enterprise]
    brands: Mapping[str, Brand]
    providers: Mapping[str, Provider]
    users: tuple[Mapping[str, str], ...]
    pages: tuple[Mapping[str, str], ...]
    customers: tuple[Mapping[str, str], ...]
    streets: tuple[str, ...]

    @property
    def roads(self) -> dict[str, str]:
        """How each enterprise and each provider speaks."""
        enterprises = {name: one.road for name, one in self.enterprises.items()}
        return enterprises | {name: one.road for name, one in self.providers.items()}

    def first_by(self, road: str) -> str:
        """An enterprise that speaks by this road."""
        return next(name for name, one in self.enterprises.items() if one.road == road)

    @property
    def pollers(self) -> dict[str, tuple[str, ...]]:
        """Who fetches what it is owed, with its brands: enterprises that speak Connect, providers that speak HTTP."""
        enterprises = {name: one.brands for name, one in self.enterprises.items() if one.road == "connect"}
        return enterprises | {name: () for name, one in self.providers.items() if one.road != "kafka"}

    def find_brand(self, number: str) -> str | None:
        """The brand whose jobs have numbers like this one."""
        return next((name for name, one in self.brands.items() if number.startswith(one.prefix)), None)

    def find_enterprise(self, brand: str | None) -> Enterprise | None:
        """Whose brand it is."""
        return next((one for one in self.enterprises.values() if brand in one.brands), None)

    def customer(self, turn: int) -> dict[str, Any]:
        """Somebody with a telephone."""
        one = self.customers[turn % len(self.customers)]
        return {"name": one["name"], "phones": [{"number": one["phone"]}]}

    def address(self, turn: int) -> dict[str, Any]:
        street = self.streets[turn % len(self.streets)]
        return {"street_1": street, "city": "Duluth", "state": "MN", "postal_code": "55802", "country": "US"}


@cache
def load_world() -> World:
    told = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return World(
        enterprises={name: Enterprise(account=name, **one) for name, one in told["enterprises"].items()},
        brands={name: Brand(name=name, **one) for name, one in told["brands"].items()},
        providers={name: Provider(handle=name, **one) for name, one in told["providers"].items()},
        users=tuple(told["users"]),
        pages=tuple(told["pages"]),
        customers=tuple(told["customers"]),
        streets=tuple(told["streets"]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A brand's codes for what a story says: done, waiting (for parts, say), declined, canceled."""

    done: str
    waiting: str
    declined: str
    canceled: str


# Jobs without a brand, and brands without a list: the gateway's default pair, and any words for the rest.
DEFAULT_WORDS = Words(
    done="done", waiting="needs_follow_up", declined="No time this week", canceled="Customer called off"
)


@cache
def load_words(brands: Path, brand: str | None) -> Words:
    """The words of `brand`, by the newest version of its profile in the folder `brands`."""
    if brand is None:
        return DEFAULT_WORDS
    profile = _newest_profile(brands / brand)
    complete = profile.get("complete_reasons") or []
    return Words(
        done=_first(complete, DEFAULT_WORDS.done, outcome="completes"),
        waiting=_first(complete, DEFAULT_WORDS.waiting, outcome="pauses"),
        declined=_first(profile.get("decline_reasons") or [], DEFAULT_WORDS.declined),
        canceled=_first(profile.get("cancel_reasons") or [], DEFAULT_WORDS.canceled),
    )


def _newest_profile(folder: Path) -> dict[str, Any]:
    files = sorted(folder.glob("profile.v*.yaml"), key=lambda path: int(path.stem.rpartition("v")[2]))
    told: dict[str, Any] = yaml.safe_load(files[-1].read_text(encoding="utf-8"))
    return told


def _first(reasons: list[dict[str, Any]], otherwise: str, **like: str) -> str:
    fits = (reason["code"] for reason in reasons if like.items() <= reason.items() and not reason.get("retired"))
    return next(fits, otherwise)
