"""The golden files of brands: what they have to hold, how those that are there differ from it, and writing them anew.

`golden/` beside a brand's profiles is of its newest version, `golden.v<N>/` of an older one that is still there.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from gateway.mapping.goldens import OwnDocument, goldens
from gateway.mapping.library import check_text, find_file_version
from gateway.mapping.problems import Problem, has_errors

if TYPE_CHECKING:
    from pathlib import Path

_ROADS_IN = ("inbound", "custom")


class Wrong(StrEnum):
    """What is the matter with a file."""

    MISSING = "missing"
    DIFFERENT = "different"
    LEFT_OVER = "left_over"


@dataclass(frozen=True, slots=True)
class Stale:
    """A file that is not as it would be made now: `there` is its text, `made` the one it ought to have."""

    file: Path
    wrong: Wrong
    there: str = ""
    made: str = ""

    @property
    def diff(self) -> str:
        """From what is there to what is made, as a unified diff."""
        lines = self.there.splitlines(keepends=True), self.made.splitlines(keepends=True)
        return "".join(difflib.unified_diff(*lines, f"{self.file} (there)", f"{self.file} (made)"))

    def write(self) -> None:
        """Makes the file what it ought to be, or takes it away."""
        if self.wrong is Wrong.LEFT_OVER:
            self.file.unlink()
            if not any(self.file.parent.iterdir()):
                self.file.parent.rmdir()
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(self.made, encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Corpus:
    """`made` is every file with its text, `there` what stands in their folders; profiles that fail have no files."""

    made: Mapping[Path, str] = field(default_factory=dict)
    there: frozenset[Path] = frozenset()
    problems: tuple[Problem, ...] = ()

    def stale(self) -> tuple[Stale, ...]:
        """What would have to be written, in the order of names."""
        return find_stale(self.made, self.there)


def find_stale(made: Mapping[Path, str], there: Iterable[Path]) -> tuple[Stale, ...]:
    """Where the files that are `there` are not those that are `made`."""
    known = frozenset(there)
    found = [_left_over(file) for file in known - set(made)]
    for file, text in made.items():
        if file not in known:
            found.append(Stale(file, Wrong.MISSING, made=text))
            continue
        was = file.read_text(encoding="utf-8")
        if was != text:
            found.append(Stale(file, Wrong.DIFFERENT, there=was, made=text))
    return tuple(sorted(found, key=lambda one: one.file))


def make_corpus(files: Iterable[Path]) -> Corpus:
    """The golden files of these profiles; folders of versions that are gone are left over."""
    made: dict[Path, str] = {}
    there: set[Path] = set()
    problems: list[Problem] = []
    for file in files:
        folder = folder_of(file)
        documents, unread = read_documents(file.parent)
        profile, found = check_text(file.read_text(encoding="utf-8"), file=str(file))
        problems += [*found, *unread]
        there.update(*(_files_in(gone) for gone in _folders_of_nobody(file.parent)))
        if profile is None or has_errors(unread):
            continue
        there.update(_files_in(folder))
        made |= {folder / name: text for name, text in goldens(profile, documents)}
    return Corpus(made, frozenset(there), tuple(sorted(set(problems))))


def folder_of(file: Path) -> Path:
    """Where the golden files of the profile in `file` stand."""
    version = find_file_version(file)
    if version is None or version == max(_versions_in(file.parent)):
        return file.parent / "golden"
    return file.parent / f"golden.v{version}"


def read_documents(brand: Path) -> tuple[tuple[OwnDocument, ...], tuple[Problem, ...]]:
    """The documents in the brand's own JSON that stand beside its profiles; a custom one is named by its type first."""
    documents: list[OwnDocument] = []
    problems: list[Problem] = []
    for road in _ROADS_IN:
        for file in sorted((brand / road).glob("*.json")):
            record_type = file.name.partition(".")[0] if road == "custom" else None
            try:
                document = json.loads(file.read_bytes())
            except ValueError as error:
                problems.append(Problem(str(file), getattr(error, "lineno", 1), "", "is not JSON: mend or remove it"))
                continue
            documents.append(OwnDocument(f"{road}.{file.stem}", document, record_type))
    return tuple(documents), tuple(problems)


def _left_over(file: Path) -> Stale:
    try:
        return Stale(file, Wrong.LEFT_OVER, there=file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        return Stale(file, Wrong.LEFT_OVER)


def _versions_in(brand: Path) -> list[int]:
    found = (find_file_version(file) for file in brand.glob("profile.v*.yaml"))
    return [version for version in found if version is not None]


def _files_in(folder: Path) -> Iterator[Path]:
    return (file for file in folder.glob("*") if file.is_file())


def _folders_of_nobody(brand: Path) -> list[Path]:
    older = sorted(_versions_in(brand))[:-1]
    mine = {"golden", *(f"golden.v{version}" for version in older)}
    return [folder for folder in brand.glob("golden*") if folder.is_dir() and folder.name not in mine]
