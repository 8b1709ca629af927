"""What partners' answers mean: the table row by row, and what answers say besides."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from gateway.core.signing import write_secret
from gateway.outbound.answers import LONGEST_WAIT, Answer, excerpt, find_applied, find_wait, outcome_of
from gateway.outbound.outcome import Delivered, Fault, Rejected, Retryable

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
SECRET = write_secret(bytes(range(32)))


def meant(status, answers=None, **more):
    return outcome_of(Answer(status, **more), answers or {}, now=NOW)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 226, 299])
def test_every_200_is_delivered(status):
    assert meant(status) == Delivered()


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (301, Fault.REDIRECTED),
        (302, Fault.REDIRECTED),
        (304, Fault.REDIRECTED),
        (307, Fault.REDIRECTED),
        (308, Fault.REDIRECTED),
        (401, Fault.NOT_AUTHORIZED),
        (402, Fault.REFUSED),
        (403, Fault.NOT_AUTHORIZED),
        (404, Fault.NO_ENDPOINT),
        (405, Fault.NO_ENDPOINT),
        (407, Fault.NOT_AUTHORIZED),
        (408, Fault.BUSY),
        (409, Fault.REFUSED),
        (425, Fault.BUSY),
        (429, Fault.THROTTLED),
        (499, Fault.REFUSED),
        (500, Fault.PARTNER_ERROR),
        (501, Fault.NO_ENDPOINT),
        (502, Fault.PARTNER_ERROR),
        (503, Fault.BUSY),
        (504, Fault.PARTNER_ERROR),
        (599, Fault.PARTNER_ERROR),
        (101, Fault.REFUSED),
        (999, Fault.REFUSED),
    ],
)
def test_what_may_work_later_is_tried_again(status, fault):
    assert meant(status, body=b"no") == Retryable(fault, f"HTTP {status}: no")


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, Fault.DOCUMENT_REFUSED),
        (413, Fault.TOO_LARGE),
        (415, Fault.DOCUMENT_REFUSED),
        (422, Fault.DOCUMENT_REFUSED),
    ],
)
def test_what_judges_the_document_is_given_up(status, fault):
    assert meant(status) == Rejected(fault, f"HTTP {status}")


def test_gone_pauses_the_destination():
    assert meant(410) == Retryable(Fault.GONE, "HTTP 410", pauses=True)


@pytest.mark.parametrize(
    ("status", "said", "outcome"),
    [
        (409, "delivered", Delivered()),
        (400, "retry", Retryable(Fault.DOCUMENT_REFUSED, "HTTP 400")),
        (404, "dead", Rejected(Fault.NO_ENDPOINT, "HTTP 404")),
        (403, "pause", Retryable(Fault.NOT_AUTHORIZED, "HTTP 403", pauses=True)),
        (410, "retry", Retryable(Fault.GONE, "HTTP 410")),
        (202, "retry", Retryable(Fault.REFUSED, "HTTP 202")),
        (200, "dead", Rejected(Fault.REFUSED, "HTTP 200")),
    ],
)
def test_a_profile_says_otherwise(status, said, outcome):
    assert meant(status, {str(status): said}) == outcome
    assert meant(503, {str(status): said}) == Retryable(Fault.BUSY, "HTTP 503")


@pytest.mark.parametrize("status", [429, 503, 500, 409])
def test_whoever_asks_for_time_gets_it(status):
    assert meant(status, retry_after="120").after == 120.0
    assert meant(status, {str(status): "retry"}, retry_after="120").after == 120.0


@pytest.mark.parametrize(
    ("written", "date", "seconds"),
    [
        pytest.param("0", None, 0.0, id="at once"),
        pytest.param(" 7 ", None, 7.0, id="with spaces"),
        pytest.param("86401", None, LONGEST_WAIT, id="more than a day"),
        pytest.param("9" * 5000, None, LONGEST_WAIT, id="huge"),
        pytest.param(format_datetime(NOW + timedelta(minutes=3), usegmt=True), None, 180.0, id="date"),
        pytest.param(format_datetime(NOW - timedelta(minutes=3), usegmt=True), None, 0.0, id="date in the past"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", None, LONGEST_WAIT, id="date far ahead"),
        pytest.param(
            "Thu, 01 Jan 1970 00:02:00 GMT", "Thu, 01 Jan 1970 00:00:30 GMT", 90.0, id="date by a clock that is off"
        ),
        pytest.param("Thu, 01 Jan 1970 00:02:00 GMT", "soon", 0.0, id="with a date of its own that is none"),
        pytest.param("-5", None, None, id="negative"),
        pytest.param("1.5", None, None, id="fraction"),
        pytest.param("soon", None, None, id="garbage"),
        pytest.param("²", None, None, id="another digit"),
        pytest.param("Wed, 99 Foo 2026 99:99:99 GMT", None, None, id="no date"),
        pytest.param("", None, None, id="empty"),
        pytest.param(None, None, None, id="none"),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_a_day_at_most(written, date, seconds):
    assert find_wait(Answer(503, retry_after=written, date=date), NOW) == seconds


@pytest.mark.parametrize(
    ("body", "version"),
    [
        (b'{"applied": 7}', 7),
        (b' {"applied": 1, "note": "x"} ', 1),
        (b'{"applied": 0}', None),
        (b'{"applied": -1}', None),
        (b'{"applied": true}', None),
        (b'{"applied": "7"}', None),
        (b'{"applied": 7.0}', None),
        (b'{"applied": 2147483648}', None),
        (b'{"applied": null}', None),
        (b"[7]", None),
        (b"7", None),
        (b"", None),
        (b"OK", None),
        (b"\xff\xfe", None),
        (b'{"applied": 7', None),
        (b"[" * 60_000, None),
    ],
    ids=lambda value: None if value is None or isinstance(value, int) else repr(value[:24]),
)
def test_a_good_answer_may_say_which_version_is_applied(body, version):
    assert find_applied(body) == version


def test_only_a_destination_that_confirms_by_its_answer_is_asked():
    answer = Answer(200, b'{"applied": 7}')
    assert outcome_of(answer, {}, confirms=True, now=NOW) == Delivered(7)
    assert outcome_of(answer, {}, confirms=False, now=NOW) == Delivered()
    assert outcome_of(answer._replace(status=409), {"409": "delivered"}, confirms=True, now=NOW) == Delivered(7)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        pytest.param(b"  no\r\n\tsuch\x00job\x1b[31m ", "no such job [31m", id="one line, printable"),
        pytest.param(b"caf\xe9 \xff", "caf� �", id="not UTF-8"),
        pytest.param("zażółć\u202e".encode(), "zażółć", id="turned around"),
        pytest.param(b"", "", id="nothing"),
        pytest.param(b"x" * 100_000, "x" * 500, id="long"),
        pytest.param(SECRET.encode(), "***", id="our secret"),
        pytest.param(SECRET.removeprefix("whsec_").encode(), "***", id="our secret without its prefix"),
        pytest.param(b"got whsec_bm90IG91cnM= here", "got *** here", id="a secret like ours"),
        pytest.param(b"Authorization: Bearer abc.def-g", "Authorization: ***", id="authorization"),
        pytest.param(b"sent bearer abc.def", "sent ***", id="bearer"),
        pytest.param(b'{"password": "hun\\"ter2", "a": 1}', '{"password": ***, "a": 1}', id="password"),
        pytest.param(b'{"db_password":"hunter2"}', '{"db_password":***}', id="some password"),
        pytest.param(b'{"client_secret_v2" : "x y"}', '{"client_secret_v2" : ***}', id="client secret"),
        pytest.param(b"?access_token=abc&page=2", "?access_token=***&page=2", id="query"),
        pytest.param(b"api-key=abc; x", "api-key=***; x", id="key"),
        pytest.param(b'{"token": "cut off', '{"token": ***', id="cut off"),
        pytest.param(b"Set-Cookie: sid=abc", "Set-Cookie: ***", id="cookie"),
        pytest.param(b"password wrong", "password wrong", id="a word alone"),
    ],
)
def test_the_excerpt_is_one_line_of_text_without_secrets(body, shown):
    assert excerpt(body, [SECRET]) == shown


def test_what_is_said_of_an_answer_is_its_status_and_its_beginning():
    outcome = outcome_of(Answer(500, f"bad signature {SECRET}".encode()), {}, secrets=[SECRET], now=NOW)
    assert outcome == Retryable(Fault.PARTNER_ERROR, "HTTP 500: bad signature ***")
