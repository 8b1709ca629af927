"""The profiles at hand: which one a brand goes by, and every version that events may still name.

A new set takes the place of the old one as a whole. A version is read when it is first asked for, and stays as it is.
Only `load_folder`, `check_file` and `read_file` read files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from gateway.mapping.check import check_profile
from gateway.mapping.outline import Outline, find_outline
from gateway.mapping.problems import Problem, has_errors
from gateway.mapping.profile import Profile, parse_profile

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

_Key = TypeVar("_Key")
_FILE = re.compile(r"profile\.v([1-9]\d{0,5})\.yaml")


class Version:
    """One version that is kept: its text, made a profile when it is first asked for."""

    def __init__(self, brand: str, number: int, text: str) -> None:
        self.brand = brand
        self.number = number
        self.text = text

    @classmethod
    def of(cls, profile: Profile) -> Version:
        """A version that has been read already; its text is not kept."""
        made = cls(profile.brand, profile.version, "")
        made.profile, made.outline = profile, Outline.of(profile)
        return made

    @cached_property
    def profile(self) -> Profile | None:
        """None where the text, which was checked when it came, cannot be read by now."""
        profile = parse_profile(self.text, file=f"{self.brand} v{self.number}")
        return profile if isinstance(profile, Profile) else None

    @cached_property
    def outline(self) -> Outline | None:
        """None where the text does not even say whose it is."""
        return find_outline(self.text)


class Shelf(Mapping[_Key, Profile]):
    """Versions by their keys, as profiles: each is read when it is first asked for; going through all reads all.

    What cannot be read is not in it.
    """

    def __init__(self, kept: Mapping[_Key, Version]) -> None:
        self._kept = kept

    def __getitem__(self, key: _Key) -> Profile:
        profile = self._kept[key].profile
        if profile is None:
            raise KeyError(key)
        return profile

    def __iter__(self) -> Iterator[_Key]:
        return (key for key, each in self._kept.items() if each.profile is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Profiles:
    """`active` is by brand, `versions` by (brand, version) and holds the active ones too, as `kept` does with texts.

    `outlines` are those of the active ones, by brand: they are there before any profile is read.
    """

    def __init__(self, kept: Mapping[tuple[str, int], Version], active: Mapping[str, int]) -> None:
        in_force = {brand: kept[brand, number] for brand, number in active.items()}
        self.kept = kept
        self.versions = Shelf(kept)
        self.active = Shelf(in_force)
        self.outlines = {brand: each.outline for brand, each in in_force.items() if each.outline is not None}

    @classmethod
    def of(cls, profiles: Iterable[Profile], *, active: Mapping[str, int] | None = None) -> Profiles:
        """A set of profiles that have been read; `active` names the version each brand goes by, else the highest."""
        kept = {(each.brand, each.version): Version.of(each) for each in profiles}
        return cls(kept, dict(sorted(kept)) if active is None else active)

    def followed_by(self, texts: Mapping[tuple[str, int], str], active: Mapping[str, int]) -> Profiles:
        """A set of the versions that have these texts; those that are in this one too are not read again."""
        kept = {key: Version(*key, text) for key, text in texts.items()}
        same = {key: known for key, known in self.kept.items() if key in kept and kept[key].text == known.text}
        return Profiles(kept | same, active)

    def knows(self, versions: AbstractSet[tuple[str, int]]) -> bool:
        """Whether all these are kept, whether or not they can be read."""
        return versions <= self.kept.keys()

    def find(self, brand: str | None) -> Profile | None:
        """The profile that `brand` goes by."""
        return self.active.get(brand) if brand is not None else None

    def find_version(self, brand: str | None, version: int | None) -> Profile | None:
        """The version that an event names."""
        return self.versions.get((brand, version)) if brand is not None and version is not None else None


NO_PROFILES = Profiles({}, {})


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
        profile, found = check_file(file, place=place)
        problems += found
        if profile is not None:
            good.append(profile)
    good, clashes = _without_clashes(good)
    in_force = [each for each in good if at is None or each.effective_at is None or each.effective_at <= at]
    active = {each.brand: each.version for each in sorted(in_force, key=lambda each: each.version)}
    return Profiles.of(good, active=active), (*problems, *clashes)


def find_file_version(file: Path) -> int | None:
    """The version that a profile's file has in its name."""
    named = _FILE.fullmatch(file.name)
    return int(named[1]) if named else None


def newest_files(path: Path) -> list[Path]:
    """The profile with the highest version in each brand's folder of `path`, which may be a single profile, too."""
    newest = {path: path} if path.is_file() else {}
    for file in path.glob("*/profile.v*.yaml"):
        newest[file.parent] = max(newest.get(file.parent, file), file, key=lambda each: find_file_version(each) or 0)
    return sorted(newest.values())


def read_file(file: Path, *, place: str) -> str | Problem:
    """The text of a profile's file, or why there is none."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return Problem(place, line, "", f"{file.name} is not UTF-8: save it as that")
    except OSError as error:
        return Problem(place, 1, "", f"cannot be read: {type(error).__name__}")


def check_file(file: Path, *, place: str, named: bool = True) -> tuple[Profile | None, tuple[Problem, ...]]:
    """`check_text` of a file; where it is `named`, its folder and its name have to say which profile it is."""
    text = read_file(file, place=place)
    if isinstance(text, Problem):
        return None, (text,)
    profile, problems = check_text(text, file=place)
    if profile is None or not named:
        return profile, problems
    if profile.brand != file.parent.name:
        what = f"is not the name of its folder, {file.parent.name}: write that, or move the file"
        return None, (*problems, Problem(place, profile.line_of("brand"), "brand", what))
    if find_file_version(file) != profile.version:
        what = f"is not that of its file's name, {file.name}: write that, or rename the file"
        return None, (*problems, Problem(place, profile.line_of("version"), "version", what))
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
