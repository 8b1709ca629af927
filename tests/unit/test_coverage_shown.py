"""The coverage matrix on paper: CSV and HTML say what the value says, and run nothing."""

import csv
import html.parser
import io

import pytest

from gateway.coverage_shown import SIGNS, destinations_of, folded, rows, to_csv, to_html
from gateway.mapping.coverage import Fate, cover
from gateway.mapping.library import load_folder
from tests.inbound import BRANDS
from tests.unit.mapping.texts import PLAIN, REASONS, profile_of

GOOD = [cover(profile) for profile in load_folder(BRANDS)[0].active.values()]
HOLED = cover(profile_of((PLAIN + REASONS).replace("  - {status: paused, code: P}\n", "")))
HOSTILE = PLAIN.replace("code: S}", "code: '=cmd(1)'}").replace("code: U}", "code: '<b>U</b>'}") + REASONS.replace(
    "label: Too far", "label: '<script>alert(1)</script>'"
).replace("code: PART, label: Waiting for parts", "code: '@SUM(A1)', label: '=cmd()|calc'").replace(
    "code: GONE", "code: '-1+2'"
)


class Cells(html.parser.HTMLParser):
    """The text of every cell of the matrices, with its class, and every tag there is."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.cells, self.codes, self.matrix, self.inside, self.tag = set(), [], [], False, False, ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        self.tags.add(tag)
        self.tag = tag
        if tag == "table":
            self.matrix = said.get("class") == "matrix"
        if self.matrix and tag == "td" and said["class"] in {fate.value for fate in Fate}:
            self.cells.append([said["class"], ""])
            self.inside = True

    def handle_endtag(self, tag):
        self.inside = self.inside and tag != "td"
        self.tag = ""

    def handle_data(self, said):
        if self.inside:
            self.cells[-1][1] += said
        if self.inside and self.tag == "code":
            self.codes.append(said)


def read(coverages):
    return list(csv.DictReader(io.StringIO(to_csv(coverages))))


@pytest.mark.parametrize("coverages", [GOOD, [HOLED]], ids=["good", "holed"])
def test_the_csv_says_what_the_value_says(coverages):
    expected = [row for each in coverages for row in rows(each)]
    assert len(expected) == sum(len(each.cells) for each in coverages)
    for said, row in zip(read(coverages), expected, strict=True):
        lists = {
            "destinations": " ".join(row["destinations"]),
            "on_status_change_only": " ".join(row["on_status_change_only"]),
        }
        assert said == {name: "" if value is None else str(value) for name, value in {**row, **lists}.items()}


@pytest.mark.parametrize("coverage", [*GOOD, HOLED], ids=lambda each: each.brand)
def test_the_page_says_what_the_value_says(coverage):
    page = Cells(to_html([coverage]))
    assert len(page.cells) == len(coverage.cells)
    assert {fate: sum(said == fate.value for said, _ in page.cells) for fate in Fate} == coverage.counts
    sent = [cell.code for cell in coverage.cells if cell.fate is Fate.SENT]
    # What takes a note back goes without one where there is none.
    assert sorted(page.codes) == sorted(str(code) for code in sent if code is not None)
    assert all(text.startswith(SIGNS[Fate(said)]) for said, text in page.cells)


def test_what_is_missing_stands_above_the_matrix_by_name():
    page = to_html([HOLED])
    assert f"missing: {len(HOLED.holes)}" in page
    assert "appointment.paused, paused / paused, PART: no_code_for_status" in page


def test_folding_loses_no_reason():
    for coverage in (*GOOD, HOLED):
        assert sum(len(reasons) for _, reasons in folded(coverage)) == len(coverage.cells)
        assert set(destinations_of(coverage)) >= {name for cell in coverage.cells for name in cell.told}


def test_labels_and_codes_are_text_to_a_browser():
    page = to_html([cover(profile_of(HOSTILE))])
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&lt;b&gt;U&lt;/b&gt;" in page
    assert Cells(page).tags & {"script", "b", "img", "link", "iframe"} == set()


def test_labels_and_codes_are_text_to_a_spreadsheet():
    written = to_csv([cover(profile_of(HOSTILE))])
    values = [value for row in csv.reader(io.StringIO(written)) for value in row]
    assert {"'=cmd(1)", "'@SUM(A1)", "'=cmd()|calc", "'-1+2"} <= set(values)
    assert not [value for value in values if value.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]
