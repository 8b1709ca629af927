"""The few facts of a profile that are read without making a profile of its text."""

import pytest

from gateway.mapping.outline import Outline, find_outline
from tests.contract.corpus import BRANDS
from tests.unit.mapping.texts import PLAIN, profile_of, with_lines

OWN = "type: kind, id: id, subject: about, data: {default: content}"
SHIPPED = sorted(BRANDS.glob("*/profile.v*.yaml"))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.parent.name)
def test_it_says_of_a_shipped_text_what_its_profile_says(file):
    text = file.read_text(encoding="utf-8")
    assert find_outline(text) == Outline.of(profile_of(text))


@pytest.mark.parametrize(
    ("lines", "facts"),
    [
        ("", {}),
        (f"inbound: {{topic: acme.own.v1, {OWN}}}", {"topic": "acme.own.v1"}),
        (f"custom: {{transformation: ax, records: {{order: {{{OWN}}}}}}}", {"transformation": "ax"}),
        ("receipts: {records: problems, to: poll}", {"receipts": ("problems", "poll")}),
        ("receipts: {records: none}", {"receipts": ("none", None)}),
        ("receipts: {}", {"receipts": (None, None)}),
        ("receipts:", {}),
        ("receipts: {records: ~, to: topic}", {"receipts": (None, "topic")}),
        ("inbound: null\ncustom: null", {}),
    ],
)
def test_it_says_of_any_text_what_its_profile_says(lines, facts):
    text = PLAIN + with_lines(lines)
    assert find_outline(text) == Outline(brand="acme", account="acme-home", **facts)
    assert Outline.of(profile_of(text)) == find_outline(text)


@pytest.mark.parametrize(
    "text", ["", "{{{", "brand: [", "- acme", "acme", "brand: acme", "brand: 12\naccount: x", "\x00"]
)
def test_a_text_that_does_not_say_whose_it_is_has_none(text):
    assert find_outline(text) is None


def test_it_is_told_of_a_text_that_is_no_profile_any_more():
    assert find_outline("brand: acme\naccount: acme-home\nversion: none") == Outline("acme", "acme-home")
