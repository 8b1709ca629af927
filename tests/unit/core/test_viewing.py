"""Who sees how much of a job, and which happenings its activity shows: the whole table."""

import pytest

from gateway.core.events import CUSTOMER_EVENTS, LOG_ONLY, EventType
from gateway.core.values import replace
from gateway.core.viewing import Sight, Viewer, shown, sight_of
from gateway.core.visibility import Audience
from tests import factories as make

STANDINGS = sorted(make.STANDINGS)
CLOSED = {"declined", "expired", "withdrawn"}
A_JOB = replace(make.job(), brand="harborline")


def enterprise(**about):
    return Viewer(**{"audience": Audience.ENTERPRISE, "source": "e", "account": A_JOB.account, **about})


def provider(**about):
    return Viewer(**{"audience": Audience.PROVIDER, "source": "p", "organization": A_JOB.organization, **about})


@pytest.mark.parametrize("standing", STANDINGS)
def test_the_source_sees_its_jobs_whole_whatever_became_of_them(standing):
    assert sight_of(enterprise(), make.job_in(standing)) is Sight.WHOLE


@pytest.mark.parametrize("standing", STANDINGS)
def test_a_provider_sees_its_jobs_whole_but_of_closed_offers_the_fact_alone(standing):
    assert sight_of(provider(), make.job_in(standing)) is (Sight.FACT if standing in CLOSED else Sight.WHOLE)


@pytest.mark.parametrize(
    ("viewer", "sight"),
    [
        (enterprise(brand="harborline"), Sight.WHOLE),
        (enterprise(brand="maplegrove"), Sight.NOTHING),
        (enterprise(account=A_JOB.account + 1), Sight.NOTHING),
        (enterprise(account=None), Sight.NOTHING),
        (provider(organization=A_JOB.organization + 1), Sight.NOTHING),
        (provider(organization=None), Sight.NOTHING),
        *((provider(audience=other), Sight.NOTHING) for other in (Audience.CUSTOMER, Audience.OPS)),
    ],
    ids=["brand", "other brand", "other account", "no account", "other provider", "no provider", "customer", "ops"],
)
def test_anybody_else_sees_nothing(viewer, sight):
    assert sight_of(viewer, A_JOB) is sight


def test_a_job_without_an_account_is_no_enterprises():
    assert sight_of(enterprise(account=None), replace(A_JOB, account=None)) is Sight.NOTHING


def test_an_activity_shows_what_its_reader_did_and_may_be_told_of():
    everything = frozenset(EventType) - CUSTOMER_EVENTS - {EventType.RECORD_SETTLED, EventType.JOB_SNAPSHOT}
    told = {one: shown(one, Sight.WHOLE, uses_notes=True) for one in Audience}
    assert told[Audience.ENTERPRISE] == everything - LOG_ONLY
    assert told[Audience.PROVIDER] == everything - {EventType.SURVEY_ANSWERED}
    assert told[Audience.CUSTOMER] == told[Audience.OPS] == frozenset()


@pytest.mark.parametrize("audience", [Audience.ENTERPRISE, Audience.PROVIDER])
def test_of_a_closed_offer_it_shows_the_end_and_of_nothing_nothing(audience):
    assert shown(audience, Sight.FACT, uses_notes=True) == {EventType.JOB_DECLINED}
    assert shown(audience, Sight.NOTHING, uses_notes=True) == frozenset()


def test_a_brand_without_the_feature_is_shown_no_notes_and_its_provider_is():
    of_notes = {EventType.NOTE_PUBLISHED, EventType.NOTE_RETRACTED}
    assert not shown(Audience.ENTERPRISE, Sight.WHOLE, uses_notes=False) & of_notes
    assert of_notes <= shown(Audience.PROVIDER, Sight.WHOLE, uses_notes=False)
