"""The profiles at hand: which one a brand goes by, and every version that events may still name.

Immutable: a new set takes the place of the old one as a whole. Only `load_folder` reads files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from gateway.core.values import dataclass
from gateway.mapping.check import check_profile
from gateway.mapping.problems import Problem, has_errors
from gateway.mapping.profile import Profile, parse_profile

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

_FILE = re.compile(r"profile\.v([1-9]\d{0,5})\.yaml")


@dataclass(frozen=True, slots=True)
class Profiles:
    """`active` is by brand, `versions` by (brand, version) and holds the active ones too."""

    active: Mapping[str, Profile] = field(default_factory=dict)
    versions: Mapping[tuple[str, int], Profile] = field(default_factory=dict)

    @classmethod
    def of(cls, profiles: Iterable[Profile], *, active: Mapping[str, int] | None = None) -> Profiles:
        """A set of `profiles`; `active` names the version each brand goes by, else it is the highest."""
        versions = {(each.brand, each.version): each for each in profiles}
        if active is None:
            active = dict(sorted(versions))
        return cls({brand: versions[brand, version] for brand, version in active.items()}, versions)

    def find(self, brand: str | None) -> Profile | None:
        """The profile that `brand` goes by."""
        return self.active.get(brand) if brand is not None else None

    def find_version(self, brand: str | None, version: int | None) -> Profile | None:
        """The version that an event names."""
        return self.versions.get((brand, version)) if brand is not None and version is not None else None


def check_text(text: str, *, file: str) -> tuple[Profile | None, tuple[Problem, ...]]:
    """The profile that `text` holds if it may be used, and all that was found about it."""
    profile = parse_profile(text, file=file)
    if not isinstance(profile, Profile):
        return None, profile
    problems = check_profile(profile, file)
    return (None if has_errors(problems) else profile), problems


def load_folder(path: Path, *, at: datetime | None = None) -> tuple[Profiles, tuple[Problem, ...]]:
    """Every `<brand>/profile.v<N>.yaml` under `path` that passes its check; a bad one stops no other.

    A brand goes by its highest version, or, with `at`, by the highest that is in force then.
    """
    good: list[Profile] = []
    problems: list[Problem] = []
    for file in sorted(path.glob("*/profile.v*.yaml")):
        place = f"{file.parent.name}/{file.name}"
        profile, found = _load(file, place)
        problems += found
        if profile is not None:
            good.append(profile)
    good, clashes = _without_clashes(good)
    in_force = [each for each in good if at is None or each.effective_at is None or each.effective_at <= at]
    active = {each.brand: each.version for each in sorted(in_force, key=lambda each: each.version)}
    return Profiles.of(good, active=active), (*problems, *clashes)


def _load(file: Path, place: str) -> tuple[Profile | None, tuple[Problem, ...]]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return None, (Problem(place, 1, "", f"cannot be read: {type(error).__name__}"),)
    profile, problems = check_text(text, file=place)
    if profile is None:
        return None, problems
    named = _FILE.fullmatch(file.name)
    if profile.brand != file.parent.name:
        return None, (*problems, Problem(place, profile.line_of("brand"), "brand", "is not the name of its folder"))
    if named is None or int(named[1]) != profile.version:
        return None, (*problems, Problem(place, profile.line_of("version"), "version", "is not that of its file name"))
    return profile, problems


def _without_clashes(profiles: list[Profile]) -> tuple[list[Profile], list[Problem]]:
    """Two brands cannot read one topic, nor can one brand change its owner: the later of them is left out."""
    topics: dict[str, str] = {}
    owners: dict[str, str] = {}
    good: list[Profile] = []
    problems: list[Problem] = []
    for each in profiles:
        file = f"{each.brand}/profile.v{each.version}.yaml"
        topic = each.inbound.topic if each.inbound else None
        if topic is not None and topics.setdefault(topic, each.brand) != each.brand:
            what = f"the brand {topics[topic]} reads this topic"
            problems.append(Problem(file, each.line_of("inbound", "topic"), "inbound.topic", what))
        elif owners.setdefault(each.brand, each.account) != each.account:
            problems.append(Problem(file, each.line_of("account"), "account", "another version names another account"))
        else:
            good.append(each)
    return good, problems
