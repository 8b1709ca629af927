"""The set of profiles at hand, and reading it from a folder."""

from datetime import UTC, datetime

import pytest

from gateway.mapping.library import check_text, load_folder
from tests.unit.mapping.texts import PLAIN, with_lines

INBOUND = with_lines("inbound: {topic: acme.own.v1, type: kind, id: id, subject: about, data: {default: content}}")


@pytest.fixture
def folder(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    write("acme/profile.v1.yaml", PLAIN)
    return tmp_path, write


def of_version(version, year):
    return PLAIN.replace("version: 1", f"version: {version}").replace("2026", str(year))


def test_a_brand_goes_by_its_highest_version(folder):
    path, write = folder
    write("acme/profile.v2.yaml", of_version(2, 2027))
    write("acme/profile.v10.yaml", of_version(10, 2028))
    profiles, problems = load_folder(path)
    assert not problems
    assert profiles.find("acme").version == 10
    assert profiles.find_version("acme", 2).version == 2
    assert profiles.find_version("acme", 3) is None
    assert profiles.find("other") is None
    assert profiles.find(None) is None


def test_or_by_the_highest_in_force(folder):
    path, write = folder
    write("acme/profile.v2.yaml", of_version(2, 2027))
    assert load_folder(path, at=datetime(2026, 6, 1, tzinfo=UTC))[0].find("acme").version == 1
    assert load_folder(path, at=datetime(2027, 6, 1, tzinfo=UTC))[0].find("acme").version == 2
    assert load_folder(path, at=datetime(2020, 6, 1, tzinfo=UTC))[0].find("acme") is None


def test_a_bad_one_stops_no_other_and_the_last_good_version_stays(folder):
    path, write = folder
    write("acme/profile.v2.yaml", of_version(2, 2027).replace("{status: paused, code: P}", "{status: paused}"))
    write("broken/profile.v1.yaml", "{{{")
    (path / "binary").mkdir()
    (path / "binary" / "profile.v1.yaml").write_bytes(b"\xff\xfe\x00")
    profiles, problems = load_folder(path)
    assert profiles.find("acme").version == 1
    assert {problem.file for problem in problems} == {
        "acme/profile.v2.yaml",
        "binary/profile.v1.yaml",
        "broken/profile.v1.yaml",
    }


def test_names_say_the_truth(folder):
    path, write = folder
    write("acme/profile.v2.yaml", PLAIN)
    write("bcme/profile.v1.yaml", PLAIN)
    profiles, problems = load_folder(path)
    assert list(profiles.versions) == [("acme", 1)]
    assert [(problem.file, problem.member) for problem in problems] == [
        ("acme/profile.v2.yaml", "version"),
        ("bcme/profile.v1.yaml", "brand"),
    ]


def test_two_brands_cannot_read_one_topic(folder):
    path, write = folder
    write("acme/profile.v1.yaml", PLAIN + INBOUND)
    write("zeta/profile.v1.yaml", PLAIN.replace("brand: acme", "brand: zeta") + INBOUND)
    profiles, problems = load_folder(path)
    assert profiles.find("acme").inbound.topic == "acme.own.v1"
    assert profiles.find("zeta") is None
    assert [problem.member for problem in problems] == ["inbound.topic"]


def test_a_brand_does_not_change_its_owner(folder):
    path, write = folder
    write("acme/profile.v2.yaml", of_version(2, 2027).replace("acme-home", "somebody-else"))
    profiles, problems = load_folder(path)
    assert profiles.find("acme").version == 1
    assert [problem.member for problem in problems] == ["account"]


def test_warnings_do_not_keep_a_profile_from_being_used():
    text = PLAIN + with_lines("complete_reasons:", "  - {code: W, label: Wait, outcome: pauses}")
    profile, problems = check_text(text, file="x")
    assert profile is not None
    assert problems
