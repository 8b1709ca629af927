"""Two public code lists as brands: every code of a list is used, and each is told when it is meant."""

import json

import pytest

from tests.contract.corpus import BRANDS, messages_of


def sent(brand, example):
    return json.loads((BRANDS / brand / "golden" / f"{example}.json").read_bytes())["body"]


def told(brand):
    """Everything that the brand is sent of the examples."""
    return [json.loads(file.read_bytes())["body"] for file in messages_of(brand)]


def refused(brand, example):
    return json.loads((BRANDS / brand / "golden" / f"{example}.refused.json").read_bytes())["refused"]


def test_every_claim_status_is_told():
    assert {body["status"] for body in told("fernhollow")} == {10, 20, 30, 40, 70, 90, 100, 130, 150}


@pytest.mark.parametrize(
    ("example", "status"),
    [
        ("job.accepted.plain", 20),
        ("job.accepted.with_an_appointment", 30),
        ("appointment.en_route.on_my_way", 70),
        ("appointment.started.arrived", 90),
        ("appointment.completed.reason_10", 10),
        ("appointment.completed.reason_100", 100),
        ("appointment.completed.reason_130", 130),
        ("appointment.completed.reason_150", 150),
        ("appointment.paused.reason_100", 100),
        ("appointment.paused.without_reason", 150),
        ("appointment.completed.another_scheduled", 30),
        ("job.canceled.by_the_source", 40),
        ("job.declined.expired", 40),
    ],
)
def test_a_claim_has_the_status_that_says_how_it_stands_and_why_it_waits(example, status):
    assert sent("fernhollow", example)["status"] == status


def test_every_st_code_is_told():
    codes = {body["data"]["code"] for body in told("tarnmark")}
    reasons = {body["data"].get("reason", {}).get("code") for body in told("tarnmark")}
    assert codes == {"ST010", "ST015", "ST025", "ST030", "ST035", "ST051", "ST052"}
    assert "ST040" in reasons


@pytest.mark.parametrize("reason", ["PARTS", "ABSENT", "QUOTE"])
def test_what_is_pending_says_why(reason):
    data = sent("tarnmark", f"appointment.completed.reason_{reason}")["data"]
    assert (data["code"], data["reason"]["code"]) == ("ST030", reason)


@pytest.mark.parametrize(
    ("brand", "example", "why"),
    [
        ("fernhollow", "job.offered.new", "sent_by_the_brand_itself"),
        ("fernhollow", "job.declined.withdrawn", "withdrawn_by_the_brand_itself"),
        ("tarnmark", "appointment.en_route.on_my_way", "list_has_no_travel"),
        ("tarnmark", "appointment.started.arrived", "list_has_no_arrival"),
        ("tarnmark", "job.declined.withdrawn", "withdrawn_by_the_brand_itself"),
    ],
)
def test_what_a_list_has_no_code_for_is_refused_on_purpose(brand, example, why):
    assert refused(brand, example) == why
