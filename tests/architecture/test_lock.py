"""The lock file is complete, and installs the same everywhere."""

import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.syntax import ROOT

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PINS = {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", LOCK, re.MULTILINE)}


def test_every_dependency_is_pinned_within_its_range():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = project["project"]["dependencies"] + project["build-system"]["requires"]
    asked += [line for extra in project["project"]["optional-dependencies"].values() for line in extra]
    asked += [line for group in project["dependency-groups"].values() for line in group]
    unmet = [
        line
        for line in map(Requirement, asked)
        if not line.specifier.contains(PINS.get(canonicalize_name(line.name), "0"))
    ]
    assert not unmet, f"run `make lock`: {[str(line) for line in unmet]}"


def test_every_pin_has_a_digest():
    blocks = re.split(r"^(?=[\w.-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(PINS)
    assert all("--hash=sha256:" in block for block in blocks)


def test_it_names_no_address():
    assert "://" not in LOCK
    assert not re.search(r"^-", LOCK, re.MULTILINE)
