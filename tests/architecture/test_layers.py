"""Imports point inwards: the contracts are in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

from tests.architecture.syntax import ROOT


def test_imports_point_inwards():
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
