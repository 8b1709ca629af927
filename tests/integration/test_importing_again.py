"""A deployment imports its folder each time: what is kept stays as it is, and no brand stands in another's way."""

import pytest

from gateway.brands import import_folder
from gateway.mapping.problems import Level
from gateway.store.profiles import State
from gateway.store.tables_control import activation
from tests.importing import import_profile
from tests.inbound import BRANDS
from tests.mapping_versions import harborline
from tests.statements import statements_within

MAPLEGROVE = (BRANDS / "maplegrove" / "profile.v1.yaml").read_text(encoding="utf-8")
# Of a brand whose version is there already.
STATEMENTS = 12
INVOICE = "  - {code: INV, label: Invoice sent, outcome: completes}\n"


async def import_(road, text, **terms):
    return await import_profile(road.database, text, file="profile.yaml", author="kim", reason="new words", **terms)


@pytest.fixture
def folder(tmp_path):
    """Of harborline's and maplegrove's first versions."""
    for brand, text in (("harborline", harborline(1)), ("maplegrove", MAPLEGROVE)):
        (tmp_path / brand).mkdir()
        (tmp_path / brand / "profile.v1.yaml").write_text(text, encoding="utf-8")
    return tmp_path


async def again(road, folder):
    return await import_folder(road.database, folder, author="ops", reason="deployment")


@pytest.mark.parametrize(
    ("draft", "state"), [(True, State.ACTIVE), (False, State.RETIRED)], ids=["newer-is-a-draft", "newer-is-in-force"]
)
async def test_a_version_stays_as_it_is_where_a_newer_one_was_made_here(road, folder, draft, state):
    await import_(road, harborline(2), draft=draft)
    before = await road.rows(activation)
    found = await again(road, folder)
    assert found.states == {"harborline": state, "maplegrove": State.ACTIVE}
    [warned] = found.problems
    assert (warned.level, warned.member, warned.line) == (Level.WARNING, "version", 5)
    assert warned.what == (
        "version 2 is kept here and not in this folder: `gateway brands show harborline 2 --document` prints it"
    )
    assert await road.rows(activation) == before


async def test_a_draft_stays_a_draft_where_a_newer_one_was_made_here(road):
    for version in (2, 3):
        await import_(road, harborline(version), draft=True)
    found = await import_(road, harborline(2))
    assert found.states == {"harborline": State.DRAFT}


@pytest.mark.parametrize("text", [harborline(2, complete=INVOICE), harborline(1, complete=INVOICE)], ids=["2", "1"])
async def test_other_content_under_an_old_number_stays_a_problem(road, text):
    for version in (2, 3):
        await import_(road, harborline(version))
    found = await import_(road, text)
    assert found.profiles == ()
    assert [problem.what for problem in found.problems] == ["is taken by other content: give the next one"]


async def test_a_file_that_cannot_be_read_keeps_no_other_from_coming_in(road, folder):
    (folder / "harborline" / "profile.v2.yaml").write_bytes(b"brand: harborline\naccount: \xff\n")
    (folder / "birch").mkdir()
    (folder / "birch" / "profile.v1.yaml").mkdir()
    (folder / "maplegrove" / "profile.v2.yaml").write_text(MAPLEGROVE.replace("version: 1\n", "version: 2\n", 1))
    found = await again(road, folder)
    assert found.states == {"maplegrove": State.SCHEDULED}
    assert [(problem.file, problem.line, problem.what) for problem in found.problems] == [
        (str(folder / "birch" / "profile.v1.yaml"), 1, "cannot be read: IsADirectoryError"),
        (str(folder / "harborline" / "profile.v2.yaml"), 2, "profile.v2.yaml is not UTF-8: save it as that"),
    ]


async def test_an_unchanged_folder_takes_a_fixed_number_of_statements_for_each_brand(road, folder):
    async with statements_within(road.database) as said:
        await again(road, folder)
    of_two = len(said)
    for number in range(4):
        (folder / f"birch-{number}").mkdir()
        text = MAPLEGROVE.replace("brand: maplegrove", f"brand: birch-{number}")
        text = text.replace("feed.maplegrove", f"feed.birch-{number}")
        (folder / f"birch-{number}" / "profile.v1.yaml").write_text(text, encoding="utf-8")
    async with statements_within(road.database) as said:
        assert len((await again(road, folder)).profiles) == 6
    assert len([one for one in said if "JOIN profile" in one]) == 1, "others' texts are read once"
    async with statements_within(road.database) as said:
        await again(road, folder)
    assert len(said) == 3 * of_two
    assert of_two <= 2 * STATEMENTS
