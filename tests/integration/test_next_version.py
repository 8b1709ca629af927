"""One value more is mapped by a next version that is planned, shown, made, and releases what waited for it."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from gateway.activating import Switched, roll_back
from gateway.core.reasons import Ending
from gateway.core.waits import WaitKind
from gateway.next_version import Plan, Unplanned, WhyNot, Wish, carry_out, plan, settle
from gateway.store import tables_control
from gateway.store.deliveries import Operator
from gateway.store.held import list_held
from tests.importing import AT_ONCE, import_profile
from tests.inbound import START, joined, offer, provider, stamp
from tests.mapping_versions import harborline
from tests.operations import Partner
from tests.profiles import bring_in

KIM = Operator(author="kim", reason="their desk says so")
TYPED = "Ready 4 billing"


def wish(value=TYPED, code="RFB", **more):
    return Wish(brand="harborline", value=value, code=code, **more)


async def planned(road, wanted):
    async with road.database.snapshot() as connection:
        return await plan(connection, wanted)


async def get_plan(road, wanted):
    found = await planned(road, wanted)
    assert isinstance(found, Plan), found
    return found


async def why_not(road, wanted):
    found = await planned(road, wanted)
    assert isinstance(found, Unplanned)
    return found.why


async def map_(road, wanted):
    """All that the command does; what waits still."""
    made = await get_plan(road, wanted)
    imported = await carry_out(road.database, made, KIM, lead=AT_ONCE)
    assert imported.profiles, imported.problems
    left = await settle(road.database, made, imported.effective["harborline"])
    await road.gateway.keeper.refresh()
    await road.settle_requeued()
    return made, left


async def completed(partner, *jobs, reason=TYPED):
    await partner.scheduled(*jobs)
    for job in jobs:
        await partner.road.receive(provider("appointment.complete", appointment=f"V-{job}", reason=reason))
        await partner.road.receive(provider("appointment.add", job, id=f"V-{job}b", start=START))


@pytest.fixture
def partner(road):
    return Partner(road)


async def test_a_text_that_means_a_known_reason_is_mapped_and_what_waited_arrives_in_order(road, partner):
    await completed(partner, "A-1", "A-2")
    await partner.send()
    made, left = await map_(road, wish())
    [waited] = made.waiting
    assert (waited.kind, waited.records, waited.jobs) == (WaitKind.COMPLETE, 2, 2)
    assert left == ()
    sent = await partner.send()
    for job in ("A-1", "A-2"):
        told = [one for one in sent if one["data"]["job"]["external_id"] == job]
        assert [(one["jobversion"], one["type"]) for one in told] == [
            (4, "appointment.completed.v1"),
            (5, "appointment.scheduled.v1"),
        ]
        assert told[0]["data"]["reason"]["code"] == "RFB"
        assert told[0]["data"]["reason"]["text"] == TYPED
        assert told[0]["data"]["profile_version"] == 2
    assert await road.is_balanced()


async def test_a_plan_says_what_changes_and_changes_nothing(road, partner):
    await completed(partner, "A-1")
    before = await everything(road)
    made = await get_plan(road, wish())
    assert made.changed.splitlines()[2:] == [
        "@@ -5 +5 @@",
        "-version: 1",
        "+version: 2",
        "@@ -8 +8 @@",
        "-  - {code: RFB, label: Ready for billing, outcome: completes}",
        "+  - {code: RFB, label: Ready for billing, outcome: completes, also: [Ready 4 billing]}",
    ]
    assert (made.before.version, made.after.version, made.warnings) == (1, 2, ())
    assert await everything(road) == before


async def everything(road):
    async with road.database.snapshot() as connection:
        return [
            (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for table in (tables_control.profile, tables_control.activation, tables_control.operator_action)
        ]


async def test_the_version_that_is_made_is_kept_with_who_mapped_what_and_why(road):
    made, _ = await map_(road, wish())
    kept = await road.rows(tables_control.profile, tables_control.profile.c.brand == "harborline")
    assert [(row["version"], row["author"], row["reason"]) for row in kept][1:] == [
        (2, "kim", f"{TYPED} is RFB: their desk says so")
    ]
    assert kept[1]["document"] == made.text


async def test_a_reason_that_is_new_is_added_with_its_text(road, partner):
    await completed(partner, "A-1", reason="Invoice sent")
    made, left = await map_(road, wish("Invoice sent", "INV", outcome=Ending.COMPLETES))
    assert left == ()
    found = made.after.reasons.complete[-1]
    assert (found.code, found.label, found.outcome, found.also) == ("INV", "Invoice sent", Ending.COMPLETES, ())
    sent = await partner.send()
    assert [one["data"]["reason"]["code"] for one in sent if one["type"] == "appointment.completed.v1"] == ["INV"]


async def test_a_new_reason_with_a_label_of_its_own_has_the_text_besides(road):
    made = await get_plan(road, wish("inv snt", "INV", label="Invoice sent", outcome=Ending.COMPLETES))
    assert made.after.reasons.complete[-1].also == ("inv snt",)


async def test_the_list_is_the_one_where_it_waits(road, partner):
    await road.receive(offer("A-1"), provider("offer.decline", "A-1", reason="We are full"))
    await partner.send()
    made, left = await map_(road, wish("We are full", "D-CAP"))
    assert (made.kind, left) == (WaitKind.DECLINE, ())
    assert [one["data"]["reason"]["code"] for one in await partner.send()] == ["D-CAP"]


async def test_what_waits_in_two_lists_has_to_be_told_apart(road, partner):
    await road.receive(offer("A-1"), provider("offer.decline", "A-1", reason="Storm"))
    await completed(partner, "A-2", reason="Storm")
    assert await why_not(road, wish("Storm", "D-CAP")) is WhyNot.UNCLEAR
    made, left = await map_(road, wish("Storm", "D-CAP", kind=WaitKind.DECLINE))
    assert ([one.kind for one in made.waiting], left) == ([WaitKind.DECLINE], ())
    assert [(one.kind, one.value) for one in await held(road)] == [(WaitKind.COMPLETE, "Storm")]


async def held(road):
    async with road.database.snapshot() as connection:
        return await list_held(connection)


async def test_a_cancel_reason_releases_whoever_would_complete_a_job_by_it(road, partner):
    await partner.scheduled("A-1")
    await completed(partner, "A-2", reason="Wrong house")
    await road.receive(provider("job.complete", "A-1", reason="Wrong house"))
    made, left = await map_(road, wish("Wrong house", "C-DUP", kind=WaitKind.CANCEL))
    assert [(one.kind, one.records) for one in made.waiting] == [(WaitKind.COMPLETE, 2)]
    assert [(one.kind, one.records) for one in left] == [(WaitKind.COMPLETE, 1)]
    assert await road.status() == "complete canceled"


async def test_a_reason_that_is_spelled_like_a_standing_is_a_reason(road):
    silent = harborline(1).replace("  - {status: scheduled, code: APPT-SET}\n", "")
    await road.execute("UPDATE profile SET document = :text WHERE brand = 'harborline'", text=silent)
    async with joined(road) as other:
        partner = Partner(other)
        await partner.scheduled("A-1")
        await partner.send()
        found = await planned(other, wish("scheduled / scheduled", "BOOKED"))
        assert "no complete reason has the code 'BOOKED'" in found.told


@pytest.mark.parametrize(
    "typed", ["Ready for billing ", " Ready  for billing", "x" * 500], ids=["behind", "before", "long"]
)
async def test_whatever_can_be_given_can_be_mapped(road, partner, typed):
    await completed(partner, "A-1", reason=typed)
    made, left = await map_(road, wish(typed))
    assert ([one.value for one in made.waiting], left) == ([typed], ())
    told = [one["data"]["reason"] for one in await partner.send() if one["type"] == "appointment.completed.v1"]
    assert [(one["code"], one["text"]) for one in told] == [("RFB", typed)]


async def test_a_new_reason_has_no_spaces_around_its_label(road):
    made = await get_plan(road, wish(" Invoice sent ", "INV", outcome=Ending.COMPLETES))
    found = made.after.reasons.complete[-1]
    assert (found.label, found.also) == ("Invoice sent", (" Invoice sent ",))


async def test_what_a_mapping_makes_doubtful_is_said_beforehand(road):
    [warning] = (await get_plan(road, wish("waiting for parts"))).warnings
    assert warning.startswith("complete_reasons.")
    assert "differs from 'Waiting for parts'" in warning or "differs from 'waiting for parts'" in warning


async def test_a_plan_from_a_version_that_lacks_what_was_used_is_refused_before_anybody_is_asked(road, partner):
    await completed(partner, "A-1")
    await map_(road, wish(code="R4B", outcome=Ending.COMPLETES))
    assert isinstance(await roll_back(road.database, "harborline", KIM, lead=AT_ONCE), Switched)
    found = await planned(road, wish())
    assert isinstance(found, Unplanned)
    assert (found.why, [one.member for one in found.problems]) == (WhyNot.UNFIT, ["complete_reasons"])
    assert "'R4B'" in found.problems[0].what


@pytest.mark.parametrize("draft", [True, False], ids=["as a draft", "and went back from it"])
async def test_a_version_that_somebody_else_made_meanwhile_is_not_taken_for_ones_own(road, draft):
    made = await get_plan(road, wish())
    await import_profile(road.database, made.text, file="p.yaml", author="lee", reason="-", draft=draft)
    if not draft:
        assert isinstance(await roll_back(road.database, "harborline", KIM, lead=AT_ONCE), Switched)
    refused = await carry_out(road.database, made, KIM, lead=AT_ONCE)
    assert refused.profiles == ()
    assert ["meanwhile" in one.what for one in refused.problems] == [True]


async def test_a_standing_without_a_code_gets_one(road):
    silent = harborline(1).replace("  - {status: scheduled, code: APPT-SET}\n", "")
    await road.execute("UPDATE profile SET document = :text WHERE brand = 'harborline'", text=silent)
    async with joined(road) as other:
        partner = Partner(other)
        await partner.scheduled("A-1")
        await partner.send()
        of_visits = wish("scheduled / scheduled", "BOOKED", kind=WaitKind.STATUS)
        assert await why_not(other, of_visits) is WhyNot.UNFIT, "and as a job's status?"
        made, left = await map_(other, wish("scheduled", "BOOKED", kind=WaitKind.STATUS))
        assert [(one.value, one.deliveries) for one in made.waiting] == [("scheduled / scheduled", 1)]
        assert left == ()
        [told] = await partner.send()
        assert told["data"]["code"] == "BOOKED"


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Wish(brand="nobody", value="x", code="y"), WhyNot.NOT_IN_FORCE),
        (wish("Ready for billing"), WhyNot.MAPPED_ALREADY),
        (wish(code="NEW"), WhyNot.UNCLEAR),
        (wish(code="NEW", label="New"), WhyNot.UNCLEAR),
        (wish(code="D-NEW", kind=WaitKind.DECLINE, outcome=Ending.PAUSES), WhyNot.UNCLEAR),
        (wish("asleep", kind=WaitKind.STATUS), WhyNot.UNCLEAR),
        (wish("scheduled", kind=WaitKind.STATUS), WhyNot.MAPPED_ALREADY),
        (wish(code="RFB", label="Once more", outcome=Ending.PAUSES), WhyNot.CANNOT_EDIT),
        (wish("spaced", code=" N ", outcome=Ending.PAUSES), WhyNot.UNFIT),
    ],
    ids=lambda value: value.value if isinstance(value, WhyNot) else "",
)
async def test_what_cannot_be_planned_says_why(road, wanted, why):
    assert await why_not(road, wanted) is why


async def test_a_plan_made_from_a_version_that_decides_no_more_is_not_carried_out(road):
    made = await get_plan(road, wish())
    await bring_in(road, harborline(2, complete="  - {code: INV, label: Invoice sent, outcome: completes}\n"))
    again = await get_plan(road, wish())
    refused = await carry_out(road.database, made, KIM, lead=AT_ONCE)
    assert refused.profiles == ()
    assert (again.before.version, again.after.version) == (2, 3)


async def test_a_version_activated_a_moment_ago_is_not_undone_by_a_plan_from_the_one_before(road):
    await import_profile(road.database, harborline(3), file="p.yaml", author="kim", reason="-", draft=True)
    made = await get_plan(road, wish())
    assert made.after.version == 4
    await road.execute("DELETE FROM profile WHERE version = 3")
    await import_profile(
        road.database, harborline(3), file="p.yaml", author="kim", reason="-", lead=timedelta(seconds=2)
    )
    refused = await carry_out(road.database, made, KIM)
    assert refused.profiles == ()
    assert any("version 3 decides by then" in problem.what for problem in refused.problems)


async def test_a_scheduled_version_that_does_not_know_it_is_named(road):
    moment = stamp(datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1))
    text = harborline(2).replace("account:", f"effective_at: {moment}\naccount:", 1)
    await import_profile(road.database, text, file="p.yaml", author="kim", reason="-")
    [warning] = (await get_plan(road, wish())).warnings
    assert "version 2 takes force at" in warning
    assert (await get_plan(road, wish())).after.version == 3


async def test_who_still_sends_a_retired_code_is_mapped_to_the_reason_that_follows_it(road, partner):
    row = "  - {code: WFP, label: Waiting for parts, outcome: pauses}\n"
    renamed = row.replace("}", ", retired: true}") + row.replace("WFP", "WPT")
    text = harborline(2)
    assert row in text
    await bring_in(road, text.replace(row, renamed))
    await completed(partner, "A-1", reason="WFP")
    made, left = await map_(road, wish("WFP", "WPT"))
    assert ([one.records for one in made.waiting], left) == ([1], ())
    assert [
        one["data"]["reason"]["code"] for one in await partner.send() if one["type"].startswith("appointment.comp")
    ] == ["WPT"]
