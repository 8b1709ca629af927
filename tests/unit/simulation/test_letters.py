"""How a partner reads and checks a webhook; against the example that the specification prints, too."""

import orjson
import pytest

from gateway.simulation.letters import Trust, find_trust, read_letter
from tests.partner_webhook import OTHER_SECRET, SECRET, signed

NOW = 1_800_000_000
BODY = b'{"specversion":"1.0","id":"evt-7","type":"job.amended.v1","subject":"job-3","jobversion":4,"jobprevious":2}'


def test_a_canonical_event_says_of_which_job_it_is_which_version():
    letter = read_letter({"webhook-id": "evt-7"}, BODY)
    assert (letter.id, letter.type, letter.job, letter.version, letter.previous) == (
        "evt-7",
        "job.amended",
        "job-3",
        4,
        2,
    )


def test_json_of_a_brands_own_says_it_by_headers_or_not_at_all():
    headers = {"webhook-id": "evt-7", "ce-type": "job.amended.v1", "ce-subject": "job-3", "ce-jobversion": "4"}
    letter = read_letter(headers, b'{"claimNumber": "C-1"}')
    assert (letter.job, letter.version, letter.previous) == ("job-3", 4, None)
    silent = read_letter({"webhook-id": "evt-7"}, b"not json")
    assert (silent.job, silent.version) == ("", None)


@pytest.mark.parametrize(
    ("headers", "body"),
    [({}, BODY), ({"webhook-id": "evt-7"}, BODY.replace(b":4", b':"four"'))],
    ids=["no_id", "version_in_words"],
)
def test_what_cannot_be_told_apart_is_no_letter(headers, body):
    assert read_letter(headers, body) is None


def trust(secrets=(SECRET,), body=BODY, now=NOW, **changed):
    headers = {**signed(BODY, [SECRET], at=NOW), **changed}
    return find_trust(secrets, headers, body, now)


def test_a_good_signature_is_by_any_of_the_secrets():
    assert trust() is Trust.GOOD
    assert trust(secrets=[OTHER_SECRET, SECRET]) is Trust.GOOD
    assert trust(secrets=[]) is Trust.UNCHECKED


def test_while_secrets_are_rotated_one_of_the_signatures_is_enough():
    headers = signed(BODY, [OTHER_SECRET, SECRET], at=NOW)
    assert find_trust([SECRET], headers, BODY, NOW) is Trust.GOOD
    headers["webhook-signature"] = headers["webhook-signature"].partition(" ")[0]
    assert find_trust([SECRET], headers, BODY, NOW) is Trust.WRONG_SIGNATURE


@pytest.mark.parametrize("late", [301, -301])
def test_a_message_from_another_time_is_not_believed(late):
    assert trust(now=NOW + late) is Trust.WRONG_TIME
    assert trust(now=NOW + late - (late > 0) + (late < 0)) is Trust.GOOD


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("webhook-timestamp", "soon", Trust.WRONG_TIME),
        ("webhook-timestamp", "\u0661", Trust.WRONG_TIME),
        ("webhook-timestamp", str(NOW + 1), Trust.WRONG_SIGNATURE),
        ("webhook-id", "evt-8", Trust.WRONG_SIGNATURE),
        ("webhook-id", "", Trust.UNSIGNED),
        ("webhook-signature", "", Trust.UNSIGNED),
        ("webhook-signature", "v1,not base64", Trust.WRONG_SIGNATURE),
        ("webhook-signature", "v2,AAAA", Trust.WRONG_SIGNATURE),
    ],
)
def test_what_was_changed_on_the_way_is_found(name, value, found):
    assert trust(**{name: value}) is found


def test_a_changed_body_is_found():
    assert trust(body=orjson.dumps(orjson.loads(BODY), option=orjson.OPT_INDENT_2)) is Trust.WRONG_SIGNATURE


def test_the_example_of_the_specification_holds():
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert find_trust([secret], headers, b'{"test": 2432232314}', 1614265330) is Trust.GOOD
