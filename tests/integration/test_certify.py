"""`gateway certify` against partners that do it right, and against each of the mistakes that partners make."""

import re

import pytest

from gateway.certification.certify import certify_webhook, find_webhook
from gateway.certification.items import Verdict
from gateway.mapping.profile import parse_profile
from gateway.mapping.profile_roads import AnswerMeans
from gateway.outbound.dialler import Dialler
from gateway.simulation.behaviour import Behaviour, Flaw, Way
from gateway.simulation.certificates import make_certificates
from tests.partner_webhook import BRANDS, SECRET, partner, profile_with_webhook

CAREFUL = {"confirms": "{by: answer}", "understands_versions": "true"}


def nothing(*_):
    """Nobody listens."""


async def certified(brand, name="harborline", url=None, ca_file=None, on_list=nothing, webhook=None, **members):
    profile, chosen = profile_with_webhook(name, url or brand.url, **{**CAREFUL, **members})
    if webhook:
        chosen = (chosen[0], chosen[1].model_copy(update=webhook))
    return await certify_webhook(profile, chosen, [SECRET], Dialler(["127.0.0.0/8"], ca_file), on_list, nothing)


def verdicts(report):
    return {item.name: found.verdict for item, found in report.found}


def failed(report):
    return {name for name, verdict in verdicts(report).items() if verdict is Verdict.FAILED}


async def test_a_careful_partner_passes_every_item(tmp_path):
    certificates = make_certificates(tmp_path / "keys", tmp_path / "ca.pem", ("localhost",))
    async with partner(confirms=True, certificates=certificates) as brand:
        report = await certified(brand, ca_file=tmp_path / "ca.pem")
    assert set(verdicts(report).values()) == {Verdict.PASSED}
    assert report.is_passed
    for kind in ("job.offered", "job.snapshot", "note.published", "note.retracted", "survey.answered"):
        assert f"event.{kind}" in verdicts(report)
    assert len(report.found) > 35
    assert brand.arrivals.counts["gap"] == 0, "each job is told from its beginning"


@pytest.mark.parametrize(
    ("flaw", "items"),
    [
        (Flaw.TRUSTS_ANYONE, {"signature.wrong", "signature.of_another_body", "signature.missing", "timestamp.old"}),
        (Flaw.IGNORES_AGE, {"timestamp.old", "timestamp.ahead"}),
        (Flaw.READS_ONE_SIGNATURE, {"signature.second"}),
        (Flaw.SIGNS_WHAT_IT_PARSED, {"signature.raw_bytes", "signature.of_another_body"}),
        (Flaw.REFUSES_REPEATS, {"repeat.answered"}),
        (Flaw.APPLIES_TWICE, {"repeat.applied_once"}),
        (Flaw.GOES_BACK, {"versions.older"}),
        (Flaw.CLOSES_EACH_TIME, {"connection.kept"}),
        (Flaw.TAKES_SMALL_BODIES, {"body.largest"}),
        (Flaw.REFUSES_UNKNOWN_MEMBERS, {"members.unknown"}),
        (Flaw.KNOWS_FEW_KINDS, {"event.job.snapshot", "event.note.retracted"}),
    ],
    ids=[flaw.value for flaw in Flaw],
)
async def test_each_mistake_is_found_where_it_is_made(flaw, items):
    async with partner(confirms=True, flaws=frozenset({flaw})) as brand:
        report = await certified(brand)
    wrong = failed(report)
    assert items <= wrong
    assert not report.is_passed
    # A version that was counted twice stays wrong, and who trusts anybody trusts the future, too.
    allowed = {Flaw.APPLIES_TWICE: {"versions.older", "confirms"}, Flaw.TRUSTS_ANYONE: {"timestamp.ahead"}}
    assert wrong - items <= allowed.get(flaw, set())


async def test_a_partner_that_does_not_confirm_is_not_judged_by_what_it_applied():
    async with partner() as brand:
        report = await certified(brand, confirms="null")
    assert verdicts(report)["repeat.applied_once"] is Verdict.NOT_JUDGED
    assert verdicts(report)["versions.older"] is Verdict.NOT_JUDGED
    assert "confirms" not in verdicts(report)
    assert report.is_passed


async def test_a_partner_that_says_it_confirms_and_does_not_fails():
    async with partner() as brand:
        report = await certified(brand)
    assert {"confirms", "versions.older", "repeat.applied_once"} == failed(report)


async def test_one_that_does_not_claim_to_understand_versions_is_sent_none_that_is_older():
    async with partner(confirms=True) as brand:
        report = await certified(brand, understands_versions="false")
    assert "versions.older" not in verdicts(report)
    assert brand.arrivals.counts["inversion"] == 0


@pytest.mark.parametrize(
    ("behaviour", "came"),
    [
        (Behaviour(way=Way.HANG), "no answer in time"),
        (Behaviour(way=Way.BREAK_OFF), "broke off"),
        (Behaviour(way=Way.TRICKLE), "no answer in time"),
    ],
    ids=["hang", "break_off", "trickle"],
)
async def test_where_the_first_call_is_not_answered_nothing_else_is_tried(behaviour, came):
    async with partner(behaviour=behaviour) as brand:
        report = await certified(brand, webhook={"timeout": 0.3})
    (_, reached), *others = report.found
    assert (reached.verdict, reached.came.partition(",")[0]) == (Verdict.FAILED, came)
    assert {found.verdict for _, found in others} == {Verdict.NOT_JUDGED}
    assert brand.arrivals.counts["received"] == 1


async def test_a_partner_that_is_not_there_is_not_reached():
    async with partner() as brand:
        url = brand.url
    report = await certified(brand, url=url)
    assert report.found[0][1].came.startswith("cannot be reached")


async def test_a_wrong_certificate_is_not_talked_to(tmp_path):
    certificates = make_certificates(tmp_path / "keys", tmp_path / "ca.pem", ("localhost",))
    wrong = Behaviour(way=Way.WRONG_CERTIFICATE)
    async with partner(certificates=certificates, behaviour=wrong) as brand:
        report = await certified(brand, ca_file=tmp_path / "ca.pem")
    assert report.found[0][1].came.startswith("its certificate is not good")
    assert brand.arrivals.counts["received"] == 0


async def test_redirects_are_found_and_not_followed():
    async with partner(behaviour=Behaviour(way=Way.REDIRECT)) as brand:
        report = await certified(brand)
    assert "answers.no_redirect" in failed(report)
    assert brand.arrivals.counts["redirects_followed"] == 0


async def test_answers_without_end_are_not_listened_to():
    async with partner(behaviour=Behaviour(way=Way.HUGE)) as brand:
        report = await certified(brand)
    assert verdicts(report)["reached"] is Verdict.PASSED
    assert verdicts(report)["connection.kept"] is Verdict.FAILED


async def test_what_the_profile_takes_for_delivered_passes():
    async with partner(behaviour=Behaviour(way=Way.REFUSE, status=409)) as brand:
        report = await certified(brand, webhook={"answers": {"409": AnswerMeans.DELIVERED}})
    assert verdicts(report)["event.job.offered"] is Verdict.PASSED
    async with partner(behaviour=Behaviour(way=Way.REFUSE, status=409)) as brand:
        report = await certified(brand)
    assert verdicts(report)["event.job.offered"] is Verdict.FAILED


async def test_an_answer_after_the_time_out_is_none():
    async with partner() as brand:
        profile, (destination, webhook) = profile_with_webhook("harborline", brand.url)
        chosen = (destination, webhook.model_copy(update={"timeout": 0.25}))

        def slow_down(item, _):
            if item.name == "tls":
                brand.behaviour = Behaviour(after_ms=2_000)
            if item.name == "event.job.offered":
                brand.behaviour = Behaviour()

        report = await certify_webhook(profile, chosen, [SECRET], Dialler(["127.0.0.0/8"]), nothing, slow_down)
    assert failed(report) == {"event.job.offered", "answers.in_time"}


async def test_the_list_is_told_before_anything_is_sent():
    async with partner() as brand:
        before = []

        def told(items):
            before.append(([item.name for item in items], brand.arrivals.counts["received"]))

        report = await certified(brand, on_list=told)
    assert before == [([item.name for item, _ in report.found], 0)]


@pytest.mark.parametrize("name", sorted(path.parent.name for path in BRANDS.glob("*/profile.v1.yaml")))
async def test_every_brand_of_the_contract_can_be_certified(name):
    async with partner() as brand:
        report = await certified(brand, name, confirms="null")
    assert failed(report) == set()
    assert brand.arrivals.counts["gap"] == 0


async def test_a_partner_with_json_of_its_own_is_told_of_which_event_as_by_the_relay():
    async with partner(confirms=True) as brand:
        report = await certified(brand, "ironpeak")
    assert failed(report) == set(), "it knows a job's version by headers alone"
    assert verdicts(report)["confirms"] is Verdict.PASSED


async def test_what_is_sent_can_be_told_from_real_work(tmp_path):
    record = (tmp_path / "record").open("wb")
    async with partner(record=record) as brand:
        await certified(brand)
        await certified(brand)
    record.close()
    text = (tmp_path / "record").read_text()
    assert set(re.findall(r"\b(?:job|apt|note|evt)-(\d)\d{15}\b", text)) == {"8"}
    assert not re.search(r"\b(?:job|apt|note|evt)-\d{1,15}\b", text), "no id that something real could have"
    assert text.count("~test") > 100
    assert "WO-88213" not in text


def test_without_a_name_it_is_the_webhook_for_test_work():
    two = profile_with_webhook("harborline", "https://partner.example/hooks")[0]
    assert "name one with --destination; it has feed.harborline.web" in find_webhook(two, None)
    assert find_webhook(two, "feed.harborline.web")[0].name == "feed.harborline.web"
    assert "has no webhook feed.harborline" in find_webhook(two, "feed.harborline")
    sandboxed = profile_with_webhook("harborline", "https://partner.example/hooks", sandbox="true")[0]
    assert find_webhook(sandboxed, None)[0].sandbox
    plain = parse_profile((BRANDS / "harborline" / "profile.v1.yaml").read_text(), file="x")
    assert "it has none" in find_webhook(plain, None)


async def test_the_report_can_be_read_by_both_sides_and_holds_no_secret():
    async with partner(confirms=True, flaws=frozenset({Flaw.IGNORES_AGE})) as brand:
        report = await certified(brand)
    text, told = report.markdown(), report.document()
    assert text.startswith("# Webhook of harborline: not passed\n")
    assert re.search(
        r"\| `timestamp.old` \| .* \| 400, 401 or 403 \| 200 after \d+ ms, applied 1 \| \*\*failed\*\* \|", text
    )
    assert (told["brand"], told["destination"], told["passed"]) == ("harborline", "feed.harborline.web", False)
    assert {row["item"]: row["verdict"] for row in told["items"]}["timestamp.old"] == "failed"
    assert SECRET not in text + str(told)
    assert "/hooks" not in text, "a path may hold a secret, too"
