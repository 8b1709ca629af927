"""Offers through `receive`: repeats, amendments, revisions, brands, organizations, receipts."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from gateway.store import codec
from gateway.store.tables import account, event, organization
from tests.inbound import (
    EVERGREEN,
    LAKESIDE,
    PREFIX,
    START,
    Message,
    ago,
    enterprise,
    offer,
    opened,
    provider,
    stamp,
)


async def one_by_one(road, *messages):
    return [end for message in messages for end in await road.receive(message)]


# What an offer is that arrives after another: (the first, the second, what the second is, events of the job).
REVISIONS = {
    "the same content again is a repeat": ({"revision": 1}, {"revision": 1}, "ignored repeat", 1),
    "a newer revision with new content is an amendment": (
        {"revision": 1},
        {"revision": 2, "title": "New"},
        "applied",
        2,
    ),
    "without revisions different content is an amendment": ({}, {"title": "New"}, "applied", 2),
    "without revisions the same content is a repeat": ({}, {}, "ignored repeat", 1),
    "a newer revision of the same content is a repeat": ({"revision": 1}, {"revision": 2}, "ignored repeat", 1),
    "an older revision is a regression": ({"revision": 2}, {"revision": 1, "title": "Old"}, "ignored regression", 1),
    "another content of the same revision is in conflict": (
        {"revision": 1},
        {"revision": 1, "title": "New"},
        "quarantined revision_conflict",
        1,
    ),
    "a later update with new content is an amendment": (
        {"updated_at": "2026-05-01T10:00:00Z"},
        {"updated_at": "2026-05-01T10:00:01Z", "title": "New"},
        "applied",
        2,
    ),
    "an earlier update is a regression": (
        {"updated_at": "2026-05-01T10:00:01Z"},
        {"updated_at": "2026-05-01T10:00:00Z", "title": "Old"},
        "ignored regression",
        1,
    ),
    "an open offer stays with its organization": (
        {"revision": 1},
        {"revision": 2, "organization": {"id": "P-9", "name": "Other"}},
        "refused organization_fixed",
        1,
    ),
}


@pytest.mark.parametrize("case", REVISIONS)
async def test_an_offer_that_comes_again(road, case):
    first, second, expected, events = REVISIONS[case]
    assert await one_by_one(road, offer("A-1", **first), offer("A-1", **second)) == ["applied", expected]
    assert await road.receive(offer("A-2", **first), offer("A-2", **second)) == ["applied", expected]

    assert len(await road.told()) == 2 * events
    assert [len(jobs) for jobs in (await road.jobs()).values()] == [1, 1]
    assert await road.is_balanced()


async def test_a_newer_revision_of_the_same_content_is_held_from_then_on(road):
    ends = await one_by_one(
        road, offer("A-1", revision=1), offer("A-1", revision=5), offer("A-1", revision=3, title="Late")
    )
    assert ends == ["applied", "ignored repeat", "ignored regression"]


async def test_an_amendment_after_the_acceptance_changes_details_and_no_status(road):
    await road.receive(offer("A-1", revision=1), provider("offer.accept", "A-1"))
    assert await road.receive(offer("A-1", revision=2, title="Boiler")) == ["applied"]
    assert await road.status() == "unscheduled"
    amended = (await road.events())[-1]
    assert amended["type"] == "job.amended"
    assert amended["body"]["details"] == {"title": "Boiler"}


async def test_an_accept_that_saw_an_older_offer_is_refused_with_the_new_terms(road):
    await road.receive(offer("A-1", revision=1), offer("A-1", revision=2, title="Boiler"))
    assert await road.receive(provider("offer.accept", "A-1", revision=1)) == ["refused offer_changed"]
    assert await road.receive(provider("offer.accept", "A-1", revision=2)) == ["applied"]


@pytest.mark.parametrize(
    ("before", "expected", "status"),
    [
        ((), "applied", "declined withdrawn"),
        (("offer.accept",), "applied", "complete canceled"),
        (("offer.accept", "job.complete"), "refused job_closed", "complete completed"),
    ],
)
async def test_a_withdrawal_closes_an_open_offer_and_cancels_an_accepted_job(road, before, expected, status):
    reasons = {"job.complete": {"reason": "REP"}}
    await road.receive(offer("A-1"), *(provider(kind, "A-1", **reasons.get(kind, {})) for kind in before))
    assert await road.receive(enterprise("offer.withdraw", "A-1", reason="C-DUP")) == [expected]
    assert await road.status() == status


ENDS = {
    "declined": [provider("offer.decline", "A-1", message_id=None, reason="D-CAP")],
    "withdrawn": [enterprise("offer.withdraw", "A-1", message_id=None)],
    "canceled": [provider("offer.accept", "A-1", message_id=None), provider("job.cancel", "A-1", message_id=None, reason="C-CUST")],
}  # fmt: skip


@pytest.mark.parametrize("apart", [True, False], ids=["in batches of one", "in one batch"])
@pytest.mark.parametrize("how", ENDS)
async def test_work_is_reassigned_by_a_newer_offer_under_the_same_id(road, how, apart):
    messages = [
        offer("A-1", revision=1),
        *ENDS[how],
        offer("A-1", revision=2, organization={"id": "P-9", "name": "Other"}),
        enterprise("reminder.send", "A-1"),
    ]
    ends = await one_by_one(road, *messages) if apart else await road.receive(*messages)

    assert set(ends) == {"applied"}
    old, new = (await road.jobs())["A-1"]
    assert codec.decode(new["state"])["replaces"] == old["number"]
    assert codec.decode(old["state"])["replaced_by"] == new["number"]
    assert new["organization"] != old["organization"]
    reminded = (await road.events())[-1]
    assert (reminded["type"], reminded["job"]) == ("reminder.sent", new["number"])
    # By its number the old one is still reached; it does not come back.
    restore = enterprise("job.restore", f"job-{old['number']}")
    assert await road.receive(restore) == ["refused job_replaced"]


async def test_work_reassigned_by_the_old_jobs_number_takes_the_external_id_along(road):
    await road.receive(offer("A-1", revision=1), provider("offer.decline", "A-1", reason="D-CAP"))
    assert await road.receive(offer(await road.job_id("A-1"), revision=2)) == ["applied"]
    _, new = (await road.jobs())["A-1"]
    assert await road.receive(provider("offer.accept", "A-1")) == ["applied"]
    assert await road.status("A-1") == "unscheduled"
    assert (await road.events(new["number"]))[-1]["type"] == "job.accepted"


async def test_the_same_offer_after_a_decline_is_a_repeat_and_no_new_job(road):
    first = offer("A-1", revision=1, message_id=None)
    ends = await one_by_one(road, first, provider("offer.decline", "A-1", reason="D-CAP"), first)
    assert ends[-1] == "ignored repeat"
    assert len((await road.jobs())["A-1"]) == 1


async def test_a_completed_jobs_newer_content_amends_it_and_another_organization_is_refused(road):
    await road.receive(offer("A-1", revision=1), provider("offer.accept", "A-1"))
    await road.receive(provider("job.complete", "A-1", reason="REP"))
    ends = await one_by_one(
        road,
        offer("A-1", revision=2, title="Invoice"),
        offer("A-1", revision=3, organization={"id": "P-9", "name": "Other"}),
    )
    assert ends == ["applied", "refused organization_fixed"]
    assert await road.status() == "complete completed"


async def test_the_loser_of_the_race_for_an_offer_is_told_what_closed_it(road):
    ends = await road.receive(offer("A-1"), enterprise("offer.withdraw", "A-1"), provider("offer.accept", "A-1"))
    assert ends == ["applied", "applied", "refused offer_closed"]


# ------------------------------------------------------------------------------------------------------------ brands


async def test_an_account_with_several_brands_must_name_one(road):
    assert await road.receive(offer("A-1", brand=None)) == ["refused brand_required"]
    assert await road.receive(offer("A-1", brand="maplegrove")) == ["applied"]
    assert (await road.job())["brand"] == "maplegrove"


@pytest.mark.parametrize("brand", ["nobody", "sunfield"])
async def test_only_an_accounts_own_brands_are_known_to_it(staffed_url, brand):
    async with opened(staffed_url, "sunfield") as road:
        assert await road.receive(offer("A-1", brand=brand)) == ["refused unknown_brand"]


# ----------------------------------------------------------------------------------------------------- organizations


async def test_an_organization_in_an_offer_is_made_once_and_matched_by_its_id(road):
    named = {"id": "P-1", "name": "Smith Heating"}
    await road.receive(offer("A-1", organization=named), offer("A-2", organization=named))
    await road.receive(offer("A-3", organization="P-1"))
    assert len({row["organization"] for rows in (await road.jobs()).values() for row in rows}) == 1


async def test_an_organization_without_an_id_is_matched_by_its_members(road):
    named = {"name": "Smith Heating", "phone": "+15550101"}
    await road.receive(offer("A-1", organization=named))
    await road.receive(offer("A-2", organization={**named, "name": "  SMITH heating "}))
    await road.receive(offer("A-3", organization={**named, "name": "Smyth"}))
    jobs = await road.jobs()
    one, two, three = (jobs[name][0]["organization"] for name in ("A-1", "A-2", "A-3"))
    assert (one == two, one == three) == (True, False)


async def test_an_organization_is_not_made_by_an_offer_that_is_refused(road):
    before = len(await road.rows(organization))
    ends = await road.receive(offer("A-1", organization={"id": "P-1", "name": "Smith"}, customer=None))
    assert ends == ["refused customer_required"]
    assert len(await road.rows(organization)) == before
    assert await road.receive(offer("A-2", organization="P-1")) == ["parked unknown_reference"]


async def test_an_offer_without_an_organization_is_routed_by_its_postal_code_or_service(road):
    address = {"city": "Duluth", "postal_code": "55802"}
    assert await road.receive(offer("A-1", organization=None, address=address)) == ["applied"]
    assert (await road.events())[-1]["body"]["job"]["organization"]["name"] == "Lakeside Appliance"


@pytest.mark.parametrize("service", ["roofing", "plumbing"], ids=["no rule", "a rule for nobody who is here"])
async def test_an_offer_that_is_routed_to_nobody_is_refused(road, service):
    ends = await road.receive(offer("A-1", organization=None, service_type=service))
    assert ends == ["refused no_provider"]


async def test_a_handle_that_is_taken_means_the_organization_that_has_it(road):
    """Otherwise two organizations would ask for one name, and the batch with it would never be taken in."""
    put = enterprise("organization.put", "P-7", handle=LAKESIDE, name="Their name for it")
    assert await road.receive(put, offer("A-1", organization="P-7")) == ["applied", "applied"]
    assert (await road.events())[-1]["body"]["job"]["organization"]["name"] == "Lakeside Appliance"


async def test_what_another_account_puts_changes_nothing(road):
    put = enterprise("organization.put", None, id={"id": LAKESIDE, "source": ""}, name="Hijacked")
    await road.receive(put)
    await road.receive(offer("A-1"))
    assert (await road.events())[-1]["body"]["job"]["organization"]["name"] == "Lakeside Appliance"


# ----------------------------------------------------------------------------------------------------------- receipts


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("all", ["applied", "ignored", "refused", "quarantined"]),
        ("problems", ["refused", "quarantined"]),
        ("none", []),
    ],
)
async def test_receipts_go_to_the_sender_as_its_account_says(road, wanted, told):
    async with road.database.transaction() as connection:
        await connection.execute(update(account).where(account.c.name == EVERGREEN).values(receipts=wanted))
    await road.gateway.keeper.refresh()
    first = offer("A-1", message_id="m-first")
    ends = await road.receive(first, first, offer("A-2", brand="nobody"), Message(first.door, b"{"))
    assert [end.split()[0] for end in ends] == ["applied", "ignored", "refused", "quarantined"]

    receipts = await road.receipts()

    assert [receipt["outcome"] for receipt in receipts] == told
    assert await road.is_balanced()


async def test_a_receipt_does_not_tell_the_number_of_somebody_elses_job(staffed_url):
    async with opened(staffed_url, "sunfield") as road:
        await road.receive(offer("A-1"))
        theirs = {"id": "A-1", "source": EVERGREEN}
        message = enterprise("reminder.send", None, source="sunfield-home", job=theirs)
        assert await road.receive(message) == ["refused not_your_job"]
        (receipt,) = await road.receipts()
        assert "job" not in receipt


# ---------------------------------------------------------------------------------------------------------------- time


async def test_an_answer_is_in_time_if_it_arrived_by_accept_by_however_late_it_is_read(road):
    await road.receive(offer("A-1", accept_by=stamp(ago(minutes=5))), offer("A-2", accept_by=stamp(ago(minutes=5))))
    assert await road.receive(provider("offer.accept", "A-1"), at=ago(minutes=6)) == ["applied"]
    assert await road.receive(provider("offer.accept", "A-2"), at=ago(minutes=4)) == ["refused offer_closed"]


@pytest.mark.parametrize(("ahead", "is_flagged"), [(timedelta(minutes=2), None), (timedelta(minutes=20), True)])
async def test_a_clock_that_runs_ahead_is_read_as_arrival(road, ahead, is_flagged):
    arrival = ago(minutes=1)
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    await road.receive(provider("appointment.add", "A-1", id="V-1", start=START))
    await road.receive(provider("appointment.start", appointment="V-1", occurred_at=stamp(arrival + ahead)), at=arrival)
    started = next(row for row in await road.events() if row["type"] == "appointment.started")
    assert started["occurred_at"] == arrival
    assert started["body"].get("clock_ahead") is is_flagged


async def test_late_progress_is_stale_and_told_at_its_own_time(road):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    await road.receive(provider("appointment.add", "A-1", id="V-1", start=START))
    ends = await one_by_one(
        road,
        provider("appointment.complete", appointment="V-1", reason="REP", occurred_at=stamp(ago(minutes=10))),
        provider("appointment.on_my_way", appointment="V-1", occurred_at=stamp(ago(minutes=30))),
    )
    assert ends == ["applied", "ignored stale"]
    assert await road.status() == "complete completed"
    assert [row["type"] for row in await road.events()][-1] == "progress.stale"


# --------------------------------------------------------------------------------------------------------------- notes


async def test_a_notes_text_is_in_no_event_and_a_private_one_is_owed_to_nobody(road):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    secret = "Gate code 4711"
    ends = await one_by_one(
        road,
        provider("note.add", "A-1", id="N-1", text=secret),
        provider("note.edit", note="N-1", text=f"{secret}!"),
        provider("note.set_visibility", note="N-1", visibility="public"),
        provider("note.set_visibility", note="N-1", visibility="private"),
        provider("note.add", "A-1", id="N-1", text="again"),
    )
    assert ends[:4] == ["applied"] * 4
    told = [(row["type"], row["recipients"] > 0) for row in await road.events()][-5:]
    assert told[:4] == [
        ("note.added", False),
        ("note.edited", False),
        ("note.published", True),
        ("note.retracted", True),
    ]
    assert secret not in "".join(row["body"] for row in await road.rows(event))


async def test_a_provider_names_a_job_by_its_enterprises_id(road):
    """The id is that source's; the same text from another source is another job."""
    await road.receive(offer("A-1"))
    assert await road.receive(provider("offer.accept", None, job="A-1")) == ["parked unknown_reference"]
    assert await road.receive(provider("offer.accept", None, job={"id": "A-1", "source": EVERGREEN})) == ["applied"]
    assert await road.receive(provider("job.cancel", await road.job_id(), reason="C-CUST")) == ["applied"]


async def test_a_providers_own_job_is_known_by_its_own_id(road):
    create = provider("job.create", None, job="own-1", title="Walk-in", customer={"name": "Kim"})
    assert await road.receive(create, provider("appointment.add", None, job="own-1", start=START)) == ["applied"] * 2
    assert (await road.job("own-1"))["source"] == LAKESIDE
    assert await road.receive(enterprise("reminder.send", "own-1", door=f"{PREFIX}offers.{EVERGREEN}.v1")) == [
        "parked unknown_reference"
    ]


async def test_a_visit_named_by_its_number_alone_implies_its_job(road):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    await road.receive(provider("appointment.add", "A-1", start=START))
    moved = next(row for row in await road.events() if row["type"] == "appointment.scheduled")
    visit = moved["body"]["appointments"][0]["id"]
    assert await road.receive(provider("appointment.start", appointment=visit)) == ["applied"]
    assert await road.status() == "in_progress"
