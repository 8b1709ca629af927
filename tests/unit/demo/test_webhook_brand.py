"""The brand of the demo that gets a webhook: what is added to its profile, and what is made of what it counted."""

import shutil
from collections import Counter

import pytest

from gateway.demo.checks import Findings, check_all
from gateway.demo.webhook_brand import set_webhook
from gateway.mapping.library import check_text
from gateway.mapping.problems import has_errors
from gateway.simulation.world import load_world
from tests.partner_webhook import BRANDS


def test_the_webhook_stands_beside_what_the_brand_has(tmp_path):
    shutil.copytree(BRANDS, tmp_path / "brands")
    webhook = set_webhook(tmp_path, load_world())
    file = tmp_path / "brands" / webhook.brand / "profile.v1.yaml"
    before, _ = check_text((BRANDS / webhook.brand / file.name).read_text(encoding="utf-8"), file="before")
    after, problems = check_text(file.read_text(encoding="utf-8"), file="after")
    assert not has_errors(problems)
    assert set(after.asked) - set(before.asked) == {webhook.destination}
    assert set(before.asked) < set(after.asked)
    assert after.asked[webhook.destination].webhook.url == f"https://localhost:{webhook.port}/hooks"
    assert webhook.ca_file.read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({}, ()),
        ({"waited": 0}, ("nothing had to wait for it",)),
        ({"troubles": ["job-1: a gap"]}, ("job-1: a gap",)),
    ],
    ids=["well", "nothing_waited", "a_gap"],
)
def test_a_webhook_is_well_when_it_was_down_and_nothing_is_missing(changed, wrong):
    counted = {"taken": 70, "waited": 16, "duplicate": 1, "troubles": [], **changed}
    empty = {"inbound": {"total": 0}, "outbound": {"total": 0, "states": {}}, "difference": 0}
    found = Findings(
        jobs=(),
        activity=(),
        outcomes=Counter(),
        doors={},
        by_destination={},
        topic_of={},
        ledger=empty,
        seen=(),
        sent=0,
        released="",
        webhooks={"feed.maplegrove.web": counted},
    )
    [verdict] = [one for one in check_all(found, load_world()) if one.said.startswith("feed.maplegrove.web: ")]
    assert verdict.wrong == wrong
    assert "70 webhooks, " in verdict.said
