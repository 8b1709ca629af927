"""The committed brand profiles: all of them usable, and as different as brands are."""

import json

import pytest

from gateway.core.reasons import DEFAULT_COMPLETE, ReasonKind
from gateway.mapping.library import load_folder
from gateway.mapping.profile import CanceledAs, FeedFormat
from tests.contract.corpus import BRANDS

PROFILES, PROBLEMS = load_folder(BRANDS)


def test_every_profile_passes_its_check_without_a_warning():
    assert not PROBLEMS
    assert len(PROFILES.active) >= 5
    assert len({profile.account for profile in PROFILES.active.values()}) >= 3


def test_the_brands_differ_for_real():
    profiles = list(PROFILES.active.values())
    assert any(len(each.complete_reasons) >= 6 for each in profiles)
    assert any(each.reasons.complete == DEFAULT_COMPLETE for each in profiles)
    assert any(each.canceled_as is CanceledAs.COMPLETE and each.cancel_reasons for each in profiles)
    assert any(not each.features.notes and not each.features.photos for each in profiles)
    own = [each for each in profiles if each.feed.format is FeedFormat.CUSTOM]
    assert any(each.inbound and all(isinstance(row.code, int) for row in each.status_codes) for each in own)


@pytest.mark.parametrize(
    "path",
    sorted([*BRANDS.glob("*/golden/inbound.*.json"), *BRANDS.glob("*/golden/custom.*.json")]),
    ids=lambda path: f"{path.parts[-3]}-{path.stem}",
)
def test_what_a_brand_sends_is_a_canonical_message(path):
    message = json.loads(path.read_text(encoding="utf-8"))
    if "refused" in message:
        assert path.name.endswith(".refused.json")
        assert message["field"]
        return
    reasons, text = PROFILES.active[path.parts[-3]].reasons, message["data"].get("reason")
    assert text is None or reasons.given(ReasonKind.CANCEL, text).code, "it would wait for a mapping"
    catalogue = pytest.importorskip("gateway.inbound.catalogue").CATALOGUE
    catalogue[message["type"]].model.model_validate(message["data"])
