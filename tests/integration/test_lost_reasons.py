"""A reason that recorded events use is in every later version, live or retired, and none is asked for that was not."""

import pytest
from sqlalchemy import select

from gateway.activating import Refused, Switched, WhyNot, activate, roll_back
from gateway.core.reasons import ReasonKind
from gateway.mapping.problems import Level
from gateway.store.deliveries import Operator
from gateway.store.profiles import State
from gateway.store.reasons_used import load_last_used
from gateway.store.tables import event
from tests.importing import AT_ONCE, import_profile
from tests.inbound import BRANDS, START, offer, provider
from tests.mapping_versions import harborline
from tests.profiles import bring_in

KIM = Operator(author="kim", reason="asked by the brand")
REPAIRED = "  - {code: REP, label: Repaired, outcome: completes}\n"
AREA = "  - {code: D-AREA, label: Outside the service area}\n"
WAITING = "  - {code: WFP, label: Waiting for parts, outcome: pauses}\n"
DUPLICATE = "  - {code: C-DUP, label: Duplicate claim}\n"
INVOICE = "  - {code: INV, label: Invoice sent, outcome: completes}\n"
MAPLEGROVE = (
    (BRANDS / "maplegrove" / "profile.v1.yaml").read_text(encoding="utf-8").replace("version: 1\n", "version: 2\n")
)
OWN = "complete_reasons:\n  - {code: FIX, label: Fixed, outcome: completes}\n"
RETIRED = "  - {code: done, label: Done, outcome: completes, retired: true}\n"


def without(row, instead="", version=2):
    made = harborline(version)
    assert made.count(row) == 1
    return made.replace(row, instead)


async def import_(road, document, **terms):
    return await import_profile(road.database, document, file="profile.yaml", author="kim", reason="test", **terms)


async def errors(road, document, **terms):
    found = await import_(road, document, **terms)
    assert bool(found.profiles) != any(one.level is Level.ERROR for one in found.problems)
    return [one for one in found.problems if one.level is Level.ERROR]


async def done(road, subject="A-1", reason="REP", **members):
    """A job whose visit has ended."""
    visit = f"V-{subject}"
    messages = [offer(subject, **members), provider("offer.accept", subject)]
    messages.append(provider("appointment.add", subject, id=visit, start=START))
    messages.append(provider("appointment.start", appointment=visit))
    messages.append(provider("appointment.complete", appointment=visit, reason=reason))
    assert set(await road.receive(*messages)) == {"applied"}


VISIT = (
    provider("appointment.add", "A-1", id="V-1", start=START),
    provider("appointment.start", appointment="V-1"),
)
GIVEN = {
    "to end a visit": (REPAIRED, "REP", provider("appointment.complete", appointment="V-1", reason="REP")),
    "by its label": (REPAIRED, "REP", provider("appointment.complete", appointment="V-1", reason="Repaired")),
    "to end a job": (REPAIRED, "REP", provider("job.complete", "A-1", reason="REP")),
    "to pause a visit": (WAITING, "WFP", provider("appointment.pause", appointment="V-1", reason="WFP")),
    "to cancel a visit": (DUPLICATE, "C-DUP", provider("appointment.cancel", appointment="V-1", reason="C-DUP")),
    "to cancel a job": (DUPLICATE, "C-DUP", provider("job.cancel", "A-1", reason="C-DUP")),
    "to decline an offer": (AREA, "D-AREA", provider("offer.decline", "A-2", reason="D-AREA")),
}
LISTS = {
    REPAIRED: "complete_reasons",
    WAITING: "complete_reasons",
    DUPLICATE: "cancel_reasons",
    AREA: "decline_reasons",
}


@pytest.mark.parametrize("how", GIVEN)
async def test_a_reason_that_was_given_is_not_left_out_but_retired(road, how):
    row, code, message = GIVEN[how]
    await road.receive(offer("A-1"), offer("A-2"), provider("offer.accept", "A-1"), *VISIT)
    assert await road.receive(message) == ["applied"]
    [used] = [one for one in await road.events() if (one["body"].get("reason") or {}).get("code") == code]
    document = without(row)
    [told] = await errors(road, document)
    member, lines = LISTS[row], document.splitlines()
    assert (told.file, told.line, told.member) == ("profile.yaml", 1 + lines.index(f"{member}:"), member)
    day = used["recorded_at"].date().isoformat()
    assert told.what == f"recorded events use '{code}' (the last on {day}): keep it, or keep it as `retired: true`"
    retired = without(row, row.replace("}", ", retired: true}"))
    assert await errors(road, retired) == []


async def test_a_reason_that_nothing_uses_goes_and_its_name_elsewhere_does_not_keep_it(road):
    """It is given by another brand, as another kind of reason, and as words that no list knew."""
    await road.receive(offer("A-1"), provider("offer.decline", "A-1", reason="REP"))
    await road.receive(offer("A-2", brand="maplegrove"), provider("offer.decline", "A-2", reason="D-AREA"))
    await road.receive(offer("A-3"), provider("offer.accept", "A-3"), provider("job.cancel", "A-3", reason="C-DUP "))
    document = without(REPAIRED).replace(AREA, "").replace(DUPLICATE, "")
    assert await errors(road, document) == []


async def test_a_code_that_two_lists_have_counts_for_the_one_that_it_was_given_from(road):
    other = "  - {code: REP, label: Repaired by somebody else}\n"
    await bring_in(road, harborline(2, cancel=other))
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"), provider("job.cancel", "A-1", reason="REP"))
    assert await road.status() == "complete canceled"
    [told] = await errors(road, without(REPAIRED, version=3))
    assert told.member == "cancel_reasons"
    assert await errors(road, without(REPAIRED, version=3).replace(DUPLICATE, DUPLICATE + other)) == []


@pytest.mark.parametrize("code", ["Ä ß 漢 🙂", "50%_a", "it''s \"so\" \\ /"])
async def test_a_code_of_any_letters_is_found(road, code):
    await bring_in(road, harborline(2, complete=f"  - {{code: '{code}', label: Odd, outcome: completes}}\n"))
    await done(road, reason="Odd")
    [told] = await errors(road, harborline(3))
    assert repr(code.replace("''", "'")) in told.what


async def test_all_that_are_gone_are_told_and_asked_for_in_one_statement(road):
    await done(road)
    await road.receive(offer("A-2"), provider("offer.decline", "A-2", reason="D-AREA"))
    document = without(REPAIRED).replace(AREA, "").replace(DUPLICATE, "")
    async with road.counted() as seen:
        found = await errors(road, document)
    assert [one.member for one in found] == ["complete_reasons", "decline_reasons"]
    assert len(asking(seen)) == 1


async def test_nothing_is_asked_where_no_reason_is_gone(road):
    await done(road)
    async with road.counted() as seen:
        assert await errors(road, harborline(2, complete=INVOICE)) == []
    assert asking(seen) == []


def asking(statements):
    return [one for one in statements if "json_extract" in one and "event.body" in one]


async def test_another_code_for_the_same_words_is_another_reason(road):
    await done(road)
    [told] = await errors(road, without(REPAIRED, REPAIRED.replace("REP", "REPAIR")))
    assert "'REP'" in told.what
    both = REPAIRED.replace("REP", "REPAIR") + REPAIRED.replace("}", ", retired: true}")
    assert await errors(road, without(REPAIRED, both)) == []


async def test_what_a_reason_does_may_change_since_versions_keep_what_they_meant(road):
    await done(road)
    assert await errors(road, without(REPAIRED, REPAIRED.replace("completes", "pauses"))) == []


async def test_of_a_brand_without_a_list_the_default_pair_counts(road):
    await done(road, reason="done", brand="maplegrove")
    assert await errors(road, MAPLEGROVE, draft=True) == []
    third = MAPLEGROVE.replace("version: 2\n", "version: 3\n")
    [told] = await errors(road, third + OWN)
    assert (told.line, told.member) == (1 + len(third.splitlines()), "complete_reasons")
    assert "'done'" in told.what
    assert await errors(road, third + OWN + RETIRED) == []


async def test_a_retired_reason_waits_for_a_mapping_when_it_is_given_anew(road):
    await done(road)
    await bring_in(road, without(REPAIRED, REPAIRED.replace("}", ", retired: true}")))
    await road.receive(offer("A-2"), provider("offer.accept", "A-2"))
    await road.receive(provider("appointment.add", "A-2", id="V-2", start=START))
    await road.receive(provider("appointment.start", appointment="V-2"))
    assert await road.receive(provider("appointment.complete", appointment="V-2", reason="REP")) == [
        "unmapped unmapped_reason"
    ]


async def test_a_draft_is_held_against_what_is_used_too(road):
    await done(road)
    [told] = await errors(road, without(REPAIRED), draft=True)
    assert told.member == "complete_reasons"


async def test_a_draft_that_has_lost_a_reason_meanwhile_is_not_activated(road):
    found = await import_(road, without(REPAIRED), draft=True)
    assert found.states == {"harborline": State.DRAFT}
    await done(road)
    refused = await activate(road.database, "harborline", 2, KIM, lead=AT_ONCE)
    assert isinstance(refused, Refused)
    assert refused.why is WhyNot.UNFIT
    assert [(one.file, one.member) for one in refused.problems] == [("harborline v2", "complete_reasons")]
    assert "'REP'" in refused.problems[0].what


async def test_a_reason_of_a_version_long_ago_that_was_gone_back_to_counts(road):
    await bring_in(road, without(REPAIRED))
    assert isinstance(await roll_back(road.database, "harborline", KIM, lead=AT_ONCE), Switched)
    await road.gateway.keeper.refresh()
    await done(road)
    assert [one.member for one in await errors(road, without(REPAIRED, version=3))] == ["complete_reasons"]


async def test_a_roll_back_is_always_possible_and_so_is_activating_an_older_version(road):
    await bring_in(road, harborline(2, complete=INVOICE))
    await done(road, reason="INV")
    found = await roll_back(road.database, "harborline", KIM, lead=AT_ONCE)
    assert (type(found), found.version) == (Switched, 1)
    assert isinstance(await activate(road.database, "harborline", 2, KIM, lead=AT_ONCE), Switched)
    assert isinstance(await activate(road.database, "harborline", 1, KIM, lead=AT_ONCE), Switched)


async def test_a_version_that_was_in_force_is_not_activated_again_once_what_it_lacks_is_used(road):
    await bring_in(road, without(REPAIRED))
    assert isinstance(await roll_back(road.database, "harborline", KIM, lead=AT_ONCE), Switched)
    await road.gateway.keeper.refresh()
    await done(road)
    assert (await activate(road.database, "harborline", 2, KIM, lead=AT_ONCE)).why is WhyNot.UNFIT


async def test_a_roll_back_to_a_later_version_that_lacks_what_was_used_meanwhile_is_possible_too(road):
    await import_(road, harborline(2), draft=True)
    await bring_in(road, without(REPAIRED, version=3))
    assert isinstance(await activate(road.database, "harborline", 2, KIM, lead=AT_ONCE), Switched)
    await road.gateway.keeper.refresh()
    await done(road)
    found = await roll_back(road.database, "harborline", KIM, lead=AT_ONCE)
    assert (type(found), found.version) == (Switched, 3)


async def test_of_several_events_the_last_is_told(road):
    await done(road)
    await done(road, "A-2")
    asked = [(ReasonKind.COMPLETE, "REP"), (ReasonKind.COMPLETE, "WFP"), (ReasonKind.CANCEL, "REP")]
    async with road.database.snapshot() as connection:
        found = await load_last_used(connection, "harborline", asked)
        last = (await connection.execute(select(event.c.recorded_at).order_by(event.c.number.desc()))).scalars()
        assert found == {asked[0]: next(iter(last))}
        assert await load_last_used(connection, "maplegrove", asked) == {}
