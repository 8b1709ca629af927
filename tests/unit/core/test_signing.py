"""Signatures of webhooks: against the published example of Standard Webhooks, and what a receiver must not believe."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from gateway.core.signing import (
    NotASecret,
    Unverified,
    Verified,
    read_secret,
    sign,
    signatures,
    verify,
    write_secret,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = write_secret(bytes(range(32)))
MESSAGE = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = datetime.fromtimestamp(1614265330, UTC)
BODY = b'{"test": 2432232314}'
PUBLISHED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def headers(signature=PUBLISHED, message=MESSAGE, at="1614265330"):
    return {"Webhook-Id": message, "WEBHOOK-TIMESTAMP": at, "webhook-signature": signature}


def test_the_published_example_is_signed_as_published():
    assert sign(SECRET, MESSAGE, AT, BODY) == PUBLISHED


def test_a_fraction_of_a_second_signs_as_the_second_that_is_sent():
    assert sign(SECRET, MESSAGE, AT + timedelta(milliseconds=999), BODY) == PUBLISHED


def test_a_receiver_verifies_the_published_example():
    assert verify([SECRET], headers(), BODY, AT) == Verified(MESSAGE, AT)


def test_while_secrets_are_rotated_either_one_is_enough():
    both = signatures([OTHER, SECRET], MESSAGE, AT, BODY)
    assert both.split(" ") == [sign(OTHER, MESSAGE, AT, BODY), PUBLISHED]
    for mine in (SECRET, OTHER):
        assert verify([mine], headers(both), BODY, AT) == Verified(MESSAGE, AT)
    # A receiver may keep both, too.
    assert verify([OTHER, SECRET], headers(), BODY, AT) == Verified(MESSAGE, AT)


@pytest.mark.parametrize(
    ("told", "body", "secret"),
    [
        pytest.param(headers(), BODY + b" ", SECRET, id="another body"),
        pytest.param(headers(message="msg_other"), BODY, SECRET, id="another id"),
        pytest.param(headers(at="1614265331"), BODY, SECRET, id="another moment"),
        pytest.param(headers(), BODY, OTHER, id="another secret"),
        pytest.param(headers(PUBLISHED.replace("v1,", "v2,")), BODY, SECRET, id="another version"),
        pytest.param(headers(PUBLISHED[:-1]), BODY, SECRET, id="cut off"),
        pytest.param(headers("\udcff\udcfe é"), BODY, SECRET, id="not text"),
        pytest.param(headers(message="\udcff"), BODY, SECRET, id="an id that is not text"),
    ],
)
def test_what_was_not_signed_so_is_not_believed(told, body, secret):
    assert verify([secret], told, body, AT) is Unverified.WRONG_SIGNATURE


def test_clocks_may_be_five_minutes_apart_and_no_more():
    minutes, second = timedelta(minutes=5), timedelta(seconds=1)
    for now in (AT + minutes, AT - minutes):
        assert verify([SECRET], headers(), BODY, now) == Verified(MESSAGE, AT)
    assert verify([SECRET], headers(), BODY, AT + minutes + second) is Unverified.TOO_OLD
    assert verify([SECRET], headers(), BODY, AT - minutes - second) is Unverified.TOO_NEW


@pytest.mark.parametrize("name", ["Webhook-Id", "WEBHOOK-TIMESTAMP", "webhook-signature"])
def test_without_all_three_headers_there_is_no_signature(name):
    told = {each: value for each, value in headers().items() if each != name}
    assert verify([SECRET], told, BODY, AT) is Unverified.HEADER_MISSING


@pytest.mark.parametrize("written", ["soon", "-5", "1614265330.5", "1" * 13, "²", "1" * 5000])
def test_a_moment_that_is_none_is_said(written):
    assert verify([SECRET], headers(at=written), BODY, AT) is Unverified.TIMESTAMP_UNREADABLE


@pytest.mark.parametrize("size", [24, 32, 64])
def test_secrets_are_written_as_they_are_read(size):
    key = bytes(range(size))
    assert read_secret(write_secret(key)) == key


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param(base64.b64encode(bytes(32)).decode(), id="no prefix"),
        pytest.param("whsec_*not base64*", id="no base64"),
        pytest.param(f"whsec_{base64.b64encode(bytes(23)).decode()}", id="too short"),
        pytest.param(f"whsec_{base64.b64encode(bytes(65)).decode()}", id="too long"),
        pytest.param("whsec_", id="empty"),
    ],
)
def test_what_is_no_secret_signs_nothing_and_is_not_repeated(secret):
    with pytest.raises(NotASecret) as refused:
        sign(secret, MESSAGE, AT, BODY)
    assert secret.removeprefix("whsec_") == "" or secret.removeprefix("whsec_") not in str(refused.value)


def test_a_key_of_another_size_is_not_given_out():
    with pytest.raises(NotASecret):
        write_secret(bytes(16))
