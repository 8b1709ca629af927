"""`gateway brands golden` and `mutate`, as somebody who writes a profile uses them."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.corpus import folder_of, read_documents
from gateway.mapping.mutations import try_mutations
from gateway.mapping.source import read_source
from tests.contract.corpus import BRANDS, PROFILES

DONE, NOT_SO, USAGE = 0, 1, 2
MORE = '  - {code: "%s", label: Any signs, outcome: pauses}\n'


@pytest.fixture
def brand(tmp_path):
    """A folder of brands with ironpeak alone, which has documents of its own."""
    return shutil.copytree(BRANDS / "ironpeak", tmp_path / "brands" / "ironpeak")


def said(*words, code=DONE):
    done = CliRunner().invoke(app, ["brands", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout if code == DONE else done.output


def stale(path):
    """What the command finds, as JSON."""
    done = CliRunner().invoke(app, ["brands", "golden", str(path), "--json"], catch_exceptions=False)
    return [(row["file"].removeprefix(f"{path}/"), row["wrong"]) for row in json.loads(done.stdout)]


def as_version(brand, version, old="code: 30", new="code: 31"):
    """The brand's next version, with another code for what is scheduled."""
    text = (brand / "profile.v1.yaml").read_text(encoding="utf-8")
    text = text.replace("version: 1\n", f"version: {version}\n").replace(old, new)
    (brand / f"profile.v{version}.yaml").write_text(text, encoding="utf-8")


def test_the_shipped_brands_are_as_they_are_made():
    assert "all as they are made" in said("golden", BRANDS)


def test_a_changed_code_is_shown_as_a_diff_and_written_on_demand(brand):
    profile = brand / "profile.v1.yaml"
    profile.write_text(profile.read_text(encoding="utf-8").replace("code: 30", "code: 31"), encoding="utf-8")
    told = said("golden", brand.parent, code=NOT_SO)
    assert '-    "statusCode": 30,' in told
    assert '+    "statusCode": 31,' in told
    changed = [name for name, wrong in stale(brand.parent) if wrong == "different"]
    assert "ironpeak/golden/appointment.scheduled.first.json" in changed
    assert f"{len(changed)} changed" in said("golden", profile, "--write")
    assert stale(brand.parent) == []
    assert '"statusCode": 31' in (brand / "golden" / "appointment.scheduled.first.json").read_text(encoding="utf-8")


def test_what_is_missing_or_left_over_is_named_and_mended(brand):
    (brand / "golden" / "job.offered.new.json").unlink()
    (brand / "golden" / "job.offered.old.json").write_text("{}\n", encoding="utf-8")
    said("golden", brand.parent, code=NOT_SO)
    found = [("ironpeak/golden/job.offered.new.json", "missing"), ("ironpeak/golden/job.offered.old.json", "left_over")]
    assert stale(brand.parent) == found
    said("golden", brand.parent, "--write")
    assert stale(brand.parent) == []


def test_a_document_of_the_brands_own_has_a_golden_file_and_one_that_is_not_json_is_a_problem(brand):
    (brand / "inbound" / "late.json").write_text('{"action": "REMIND", "messageNumber": 1}', encoding="utf-8")
    assert stale(brand.parent) == [("ironpeak/golden/inbound.late.json", "missing")]
    said("golden", brand.parent, "--write")
    made = json.loads((brand / "golden" / "inbound.late.json").read_text(encoding="utf-8"))
    assert (made["type"], made["id"]) == ("reminder.send", "1")
    (brand / "inbound" / "late.json").write_text('{\n "action": ', encoding="utf-8")
    assert "late.json" in said("golden", brand.parent, code=NOT_SO)


def test_golden_is_of_the_newest_version_and_older_ones_keep_theirs_beside_it(brand):
    before = {file.name: file.read_bytes() for file in (brand / "golden").iterdir()}
    as_version(brand, 2)
    said("golden", brand.parent, "--write")
    assert {file.name: file.read_bytes() for file in (brand / "golden.v1").iterdir()} == before
    assert '"statusCode": 31' in (brand / "golden" / "appointment.scheduled.first.json").read_text(encoding="utf-8")
    as_version(brand, 10)
    assert folder_of(brand / "profile.v10.yaml") == brand / "golden"
    assert folder_of(brand / "profile.v2.yaml") == brand / "golden.v2"
    said("golden", brand.parent, "--write")
    assert stale(brand.parent) == []


def test_the_files_of_a_version_that_is_gone_are_left_over(brand):
    as_version(brand, 2)
    said("golden", brand.parent, "--write")
    (brand / "profile.v1.yaml").unlink()
    assert {wrong for _, wrong in stale(brand.parent)} == {"left_over"}
    said("golden", brand.parent, "--write")
    assert not (brand / "golden.v1").exists()


@pytest.mark.parametrize("code", ["N/A", "../../out", "é" * 150, "a b%2F"])
def test_a_code_of_any_signs_has_a_golden_file_in_its_folder(brand, code):
    profile = brand / "profile.v1.yaml"
    text = profile.read_text(encoding="utf-8")
    profile.write_text(text.replace("complete_reasons:\n", f"complete_reasons:\n{MORE % code}"), encoding="utf-8")
    said("golden", brand.parent, "--write")
    assert stale(brand.parent) == []
    assert {file.name for file in brand.iterdir()} == {"custom", "golden", "inbound", "profile.v1.yaml"}
    assert {file.name for file in brand.parent.iterdir()} == {"ironpeak"}


@pytest.mark.parametrize("command", ["golden", "mutate", "check"])
def test_a_profile_that_cannot_be_read_is_told(brand, command):
    (brand / "profile.v2.yaml").symlink_to("nowhere")
    told = said(command, brand.parent, code=NOT_SO)
    assert "ironpeak/profile.v2.yaml" in told
    assert "cannot be read" in told


def test_a_profile_in_a_folder_is_the_one_that_its_name_says(brand):
    as_version(brand, 2)
    (brand / "profile.v2.yaml").rename(brand / "profile.v3.yaml")
    told = said("check", brand.parent, code=NOT_SO)
    assert "is not that of its file's name, profile.v3.yaml" in told
    said("check", brand / "profile.v3.yaml")
    (brand / "profile.v3.yaml").unlink()
    brand.rename(brand.parent / "copperhill")
    assert "is not the name of its folder, copperhill" in said("check", brand.parent, code=NOT_SO)


def test_a_profile_that_fails_its_check_is_told_and_nothing_is_written(brand):
    as_version(brand, 1, "{status: offered, code: 5}", "{status: offered, code: no}")
    before = {file: file.read_bytes() for file in (brand / "golden").iterdir()}
    assert "status_codes" in said("golden", brand.parent, "--write", code=NOT_SO)
    assert {file: file.read_bytes() for file in (brand / "golden").iterdir()} == before


@pytest.mark.parametrize("file", PROFILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_every_rule_of_a_shipped_profile_is_noticed_by_a_golden_file(file):
    documents, unread = read_documents(file.parent)
    assert not unread
    tried = try_mutations(read_source(file.read_text(encoding="utf-8"), file=str(file)), documents)
    assert tried.changes > 10
    assert [f"{one}" for one in tried.unnoticed] == []


def test_mutate_lists_what_nothing_would_notice_with_file_and_line(tmp_path):
    text = (BRANDS / "maplegrove" / "profile.v1.yaml").read_text(encoding="utf-8")
    file = tmp_path / "maplegrove" / "profile.v1.yaml"
    file.parent.mkdir()
    anchor = "  - {status: declined, closure: declined,"
    row = "  - {status: complete, closure: canceled, appointment_status: canceled, code: void}\n"
    file.write_text(text.replace(anchor, row + anchor), encoding="utf-8")
    told = said("mutate", tmp_path, code=NOT_SO)
    assert "status_codes.7.code" in told
    assert "unnoticed: 1" in told
    done = CliRunner().invoke(app, ["brands", "mutate", str(tmp_path), "--brand", "maplegrove", "--json"])
    line = 1 + text[: text.index(anchor)].count("\n")
    assert [(row["file"], row["line"]) for row in json.loads(done.stdout)] == [(str(file), line)]
    assert done.exit_code == NOT_SO
    assert "no profile of acme" in said("mutate", tmp_path, "--brand", "acme", code=USAGE)
