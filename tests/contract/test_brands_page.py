"""docs/brands.md holds: its profiles pass, its message is what is sent, its tables are those of the code."""

import json
import re

import pytest
import yaml
from jmespath.functions import Functions

from gateway.core.reasons import ReasonKind
from gateway.mapping.functions import ProfileFunctions
from gateway.mapping.library import check_text
from gateway.mapping.profile import Profile
from tests.contract.corpus import BRANDS, ROOT

PAGE = (ROOT / "docs" / "brands.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\S+) (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
WRITTEN = "".join(text for _, name, text in BLOCKS if name == "profile")


def block(wanted):
    [text] = [text for _, name, text in BLOCKS if name == wanted]
    return text


def section(heading):
    return PAGE.partition(f"\n{heading}\n")[2].partition("\n##")[0]


def rows(heading):
    """The cells of each row of the tables of a section, their headings too."""
    lines = [line for line in section(heading).splitlines() if line.startswith("|") and not line.startswith("|-")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def checked(text):
    """The profile that `text` holds, and what is said of it."""
    profile, problems = check_text(text, file="brands.md")
    return profile, tuple(problem.what for problem in problems)


def changed(members):
    """The page's profile with other `members`."""
    return yaml.safe_dump(yaml.safe_load(WRITTEN) | members)


def test_the_profile_that_the_page_writes_is_the_committed_one_by_another_road():
    profile, problems = checked(WRITTEN)
    assert not problems
    committed, _ = checked((BRANDS / "fernhollow" / "profile.v1.yaml").read_text(encoding="utf-8"))
    assert profile.model_dump(exclude={"destinations"}) == committed.model_dump(exclude={"destinations"})
    assert profile.asked["feed.fernhollow"].events == committed.asked["feed.fernhollow"].events
    assert [one.name for one in profile.destinations if one.sandbox] == ["feed.fernhollow.trial"]


def test_the_second_version_knows_one_reason_more_and_another_by_a_new_code():
    profile, problems = checked(changed(yaml.safe_load(block("second")) | {"version": 2}))
    assert not problems
    first, _ = checked(WRITTEN)
    codes = [{reason.code for reason in one.reasons.complete} for one in (first, profile)]
    assert codes[1] - codes[0] == {"135", "140"}
    assert codes[0] - codes[1] == {"130"}
    assert profile.reasons.find(ReasonKind.COMPLETE, "Possible denial").code == "135"
    assert first.codes_taken <= profile.codes_taken
    assert profile.tables["why_paused"] == {"100": 100, "135": 135, "140": 140}


GOOD = "  - {status: declined, closure: declined, code: 40}\n"
CODES = "status_codes:\n"
MISTAKES = {
    "no code": (GOOD, block("wrong")),
    "no row": (GOOD, ""),
    "one text twice": ("label: Possible denial", "label: Parts on order"),
    "two that complete": ("label: On hold, outcome: pauses", "label: On hold, outcome: completes"),
    "in both lists": (CODES, f"cancel_reasons:\n  - {{code: X, label: On hold}}\n{CODES}"),
    "an expression that fails": ("since: time", "since: upper(jobversion)"),
    "a name of another": ("name: feed.fernhollow.trial", "name: feed.another"),
}


@pytest.mark.parametrize("mistake", sorted(MISTAKES))
def test_what_the_check_says_is_on_the_page(mistake):
    before, after = MISTAKES[mistake]
    assert before in WRITTEN
    _, said = checked(WRITTEN.replace(before, after, 1))
    told = [re.escape(row[0]).replace("…", ".*") for row in rows("## Is it right?")]
    assert said
    assert all(any(re.match(one, what) for one in told) for what in said), said


def test_the_message_is_what_is_sent():
    golden = BRANDS / "fernhollow" / "golden" / "appointment.completed.reason_100.json"
    assert json.loads(block("body")) == json.loads(golden.read_bytes())["body"]


@pytest.mark.parametrize("row", re.findall(r"^\|[^|]*\| `(\{name: [^`]*\})`", PAGE, re.MULTILINE))
def test_other_roads_are_roads(row):
    profile, problems = checked(changed({"destinations": [yaml.safe_load(row)]}))
    assert not problems
    assert [one.name for one in profile.destinations] == ["feed.fernhollow"]


def standings(heading, column):
    """By standing, the code in a column of a table; None where it is refused."""
    found = {}
    for cells in rows(heading):
        names = tuple(re.findall(r"`([a-z_]+)`", cells[0]))
        if names and names[0] in {row.status.value for row in FERNHOLLOW.status_codes}:
            found[names] = None if cells[column] in {"–", "refused"} else cells[column].partition(" ")[0]
    return found


def kept(profile):
    """The same of a profile."""
    return {
        tuple(part for part in row.standing if part is not None): None if row.refuse else str(row.code)
        for row in profile.status_codes
    }


FERNHOLLOW, _ = checked((BRANDS / "fernhollow" / "profile.v1.yaml").read_text(encoding="utf-8"))
TARNMARK, _ = checked((BRANDS / "tarnmark" / "profile.v1.yaml").read_text(encoding="utf-8"))


def test_the_tables_of_standings_are_those_of_the_profiles():
    assert standings("## Reading it", 2) == kept(FERNHOLLOW)
    assert standings("## Two lists, worked out", 1) == kept(FERNHOLLOW)
    assert standings("## Two lists, worked out", 2) == kept(TARNMARK)


def test_every_number_of_the_e_mail_has_found_its_place():
    asked_for = dict(re.findall(r"\b(\d{2,3})  ([A-Z][a-z]+(?: [a-z]+)*)", section("## The e-mail")))
    assert len(asked_for) == 9
    reasons = {each.code: each.label for each in FERNHOLLOW.complete_reasons}
    assert reasons.items() <= asked_for.items()
    assert set(asked_for) == set(reasons) | {str(row.code) for row in FERNHOLLOW.status_codes if row.code is not None}


def test_every_member_of_a_profile_is_named():
    named = [name for cells in rows("## All members") for name in re.findall(r"`([a-z_]+)`", cells[0])]
    assert sorted(named) == sorted(Profile.model_fields)


def test_every_function_of_expressions_is_named():
    named = [name for cells in rows("### Functions of expressions") for name in re.findall(r"`(\w+)\(", cells[0])]
    assert sorted(named) == sorted(ProfileFunctions.FUNCTION_TABLE.keys() - Functions.FUNCTION_TABLE.keys())
