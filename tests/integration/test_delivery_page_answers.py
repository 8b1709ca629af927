"""docs/delivery.md holds: what each answer does."""

import re
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

from gateway.outbound.answers import LONGEST_WAIT, Answer, outcome_of
from gateway.outbound.breaker import FAILURES
from gateway.outbound.outcome import Delivered, Retryable

DOCUMENT = (Path(__file__).parents[2] / "docs" / "delivery.md").read_text(encoding="utf-8")
NOW = datetime(2026, 3, 2, tzinfo=UTC)
WORDS = {"is": "delivered", "comes": "again", "stays": "paused"}


def told():
    """What the page says of each status: of single ones first, then of those of a class."""
    rows = re.findall(
        r"^\| ([^|]+) \| [^|]+ \| (\w+) (\w+)[^|]*\|$", DOCUMENT.partition("\n## Your answer\n")[2], re.MULTILINE
    )
    single, classes = {}, {}
    for statuses, word, then in rows[: rows.index(next(row for row in rows if row[0].startswith("none")))]:
        means = "dead" if (word, then) == ("is", "given") else WORDS.get(word)
        if means is None:
            continue
        single |= dict.fromkeys(map(int, re.findall(r"\b\d{3}\b", statuses)), means)
        classes |= dict.fromkeys(map(int, re.findall(r"(\d)xx", statuses)), means)
    return single, classes


def outcome(status, **more):
    return outcome_of(Answer(int(status), **more), {}, now=NOW)


def word(found):
    match found:
        case Delivered():
            return "delivered"
        case Retryable(pauses=True):
            return "paused"
        case Retryable():
            return "again"
        case _:
            return "dead"


def test_each_answer_does_what_the_page_says():
    single, classes = told()
    assert set(classes) == {2, 3, 4, 5}
    statuses = [one for one in HTTPStatus if one >= 200]
    assert {one: word(outcome(one)) for one in statuses} == {
        one: single.get(one, classes[one // 100]) for one in statuses
    }


def test_retry_after_is_honored_a_day_at_most():
    assert "a day at most" in DOCUMENT
    assert LONGEST_WAIT == 86_400
    for status in (408, 425, 429, 500, 503):
        assert outcome(status, retry_after="90").after == 90


def test_the_breaker_opens_after_as_many_failures_as_the_page_says():
    assert FAILURES == 10
    assert "While ten documents in a row fail" in DOCUMENT
