"""What a compressed body is read as: all of it, or nothing."""

import gzip

import pytest

from gateway.web.bodies import inflate
from gateway.web.problems import ProblemError

WHOLE = gzip.compress(b"[1, 2]")


@pytest.mark.parametrize(
    "body", [b"[1, 2]", WHOLE, gzip.compress(b"[1,") + gzip.compress(b" 2]")], ids=["plain", "packed", "two_members"]
)
def test_all_of_it_is_read(body):
    assert inflate(body, most=6) == b"[1, 2]"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (WHOLE[:-1], "bad_gzip"),
        (WHOLE + b"[3]", "bad_gzip"),
        (WHOLE + WHOLE[:4], "bad_gzip"),
        (WHOLE[:12] + b"\x00" + WHOLE[13:], "bad_gzip"),
        (gzip.compress(b"[1, 23]"), "too_large"),
        (WHOLE + gzip.compress(b" "), "too_large"),
        (gzip.compress(bytes(10_000_000)), "too_large"),
    ],
    ids=["cut_short", "more_behind", "half_a_member_behind", "damaged", "a_byte_too_many", "two_are_too_many", "bomb"],
)
def test_what_is_not_whole_or_too_large_is_refused(body, code):
    with pytest.raises(ProblemError) as refused:
        inflate(body, most=6)
    assert refused.value.code == code
