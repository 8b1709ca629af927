"""`gateway brands coverage` as operators meet it: its tables, files and exit codes."""

import shutil

import pytest

from tests.e2e.test_cli import NOT_SO, USAGE, Terminal
from tests.inbound import BRANDS
from tests.mapping_versions import harborline

PAUSED = "  - {status: paused, code: ON-HOLD}\n"


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(BRANDS, tmp_path / "brands")
    return tmp_path / "brands"


@pytest.fixture
def terminal(tmp_path):
    return Terminal(tmp_path, BRANDS=str(tmp_path / "brands"))


def test_one_brand_is_shown_in_full(terminal, folder):
    said = terminal.run("brands", "coverage", "--brand", "quillbrook")
    assert "⊘ refused: travel_is_not_tracked" in said
    assert "✓ sent as PLANNED" in said
    assert "0 missing" in said


def test_several_are_counted(terminal, folder):
    said = terminal.run("brands", "coverage")
    for brand in ("harborline", "ironpeak", "maplegrove", "quillbrook", "sunfield"):
        assert brand in said


def test_the_newest_version_counts_and_what_it_lacks_is_named(terminal, folder):
    for version, text in ((2, harborline(2)), (10, harborline(10).replace(PAUSED, ""))):
        (folder / "harborline" / f"profile.v{version}.yaml").write_text(text, encoding="utf-8")
    said = terminal.run("brands", "coverage", code=NOT_SO)
    assert "no_code_for_status" in said
    rows = terminal.ask("brands", "coverage", "--brand", "harborline", code=NOT_SO)
    assert {row["version"] for row in rows} == {10}
    missing = {(row["status"], row["appointment_status"]) for row in rows if row["becomes"] == "missing"}
    assert missing == {("paused", each) for each in (None, "paused", "complete", "canceled", "deleted")}


def test_files_are_written_beside_the_table(terminal, folder, tmp_path):
    terminal.run("brands", "coverage", "--html", "coverage.html", "--csv", "coverage.csv")
    assert "<!doctype html>" in (tmp_path / "coverage.html").read_text(encoding="utf-8")
    rows = terminal.ask("brands", "coverage")
    assert len((tmp_path / "coverage.csv").read_text(encoding="utf-8").splitlines()) == len(rows) + 1


def test_a_file_that_cannot_be_written_is_said(terminal, folder):
    assert "cannot be written" in terminal.run("brands", "coverage", "--csv", "nowhere/x.csv", code=USAGE)


def test_one_bad_profile_is_said_and_the_others_are_shown(terminal, folder):
    bad = folder / "sunfield" / "profile.v1.yaml"
    bad.write_text(bad.read_text(encoding="utf-8").replace("code: RETURN,", "code: PART,"), encoding="utf-8")
    (folder / "maplegrove" / "profile.v1.yaml").write_text("brand: [", encoding="utf-8")
    (folder / "ironpeak" / "profile.v1.yaml").write_bytes(b"brand: \xff")
    (folder / "quillbrook" / "profile.v1.yaml").unlink()
    (folder / "quillbrook" / "profile.v1.yaml").symlink_to("nowhere")
    said = terminal.run("brands", "coverage", code=NOT_SO)
    assert "profile.v1.yaml is not UTF-8" in said
    assert "quillbrook/profile.v1.yaml:1: error: cannot be read" in said
    assert "complete_reasons.2.code" in said
    assert "maplegrove/profile.v1.yaml" in said
    assert "harborline" in said


def test_a_brand_that_is_not_there_is_wrong_usage(terminal, folder):
    assert "there is no brand nobody" in terminal.run("brands", "coverage", "--brand", "nobody", code=USAGE)
    assert "there is no" in terminal.run("brands", "coverage", "nowhere", code=USAGE)
