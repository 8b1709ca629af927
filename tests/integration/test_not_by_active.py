"""What a redelivery by the version in force is of, and what that version does not tell: a verdict for each."""

import pytest

from gateway.activating import roll_back
from gateway.inbound.operating import Verbs
from gateway.store import tables
from gateway.store.delivery_queries import find_delivery
from gateway.store.numbers import Numbers
from gateway.store.operations import Item
from tests.by_active import NO_CAPACITY, OFFERED, RETIRED, again, declined, latest_told, silence, text_of
from tests.feeds import relay_feeds
from tests.importing import AT_ONCE
from tests.inbound import LAKESIDE, offer, provider
from tests.keys import make_key
from tests.mapping_versions import harborline
from tests.operations import FEED, KIM, Partner
from tests.profiles import bring_in, with_destination


@pytest.fixture
async def partner(road):
    return Partner(road)


BLAMELESS = {"done", "refused_by_profile", "not_wanted"}


async def verdict_of(partner, number):
    """What comes of redelivering it by the version in force, which is a failure where something has to be mapped."""
    asked = await partner.preview("redeliver", numbers=(number,), version="active")
    report = await partner.run(asked)
    [(verb, _, verdict)] = await partner.items(asked)
    assert verb == "redeliver_by_active"
    assert report["failed"] == (verdict not in BLAMELESS)
    return verdict


def refusing_offers():
    return text_of("harborline", 2, (OFFERED, "{status: offered, refuse: not_told_of_offers}"))


@pytest.mark.parametrize(
    ("messages", "text", "verdict"),
    [
        pytest.param([offer("A-1")], refusing_offers(), "refused_by_profile", id="refused"),
        pytest.param(
            [offer("A-1")],
            with_destination(text_of("harborline", 2), "events: [job.completed]"),
            "not_wanted",
            id="kind",
        ),
        pytest.param(
            [offer("A-1")],
            with_destination(text_of("harborline", 2), name="feed.harborline.other", topic="feed.harborline.other"),
            "not_wanted",
            id="destination",
        ),
        pytest.param(
            [offer("A-1"), provider("note.add", "A-1", id="N-1", text="Gate 4711", visibility="public")],
            text_of("harborline", 2, ("notes: true", "notes: false")),
            "not_wanted",
            id="notes",
        ),
    ],
)
async def test_what_the_version_in_force_does_not_tell_is_not_sent_again(partner, messages, text, verdict):
    await partner.road.receive(*messages)
    latest = await latest_told(partner)
    await bring_in(partner.road, text)
    assert await verdict_of(partner, latest) == verdict
    assert await partner.send() == []
    assert await partner.road.is_balanced()
    assert (await again(partner, latest))["done"] == 1, "by the version that decided it goes"
    assert len(await partner.send()) == 1


async def test_a_status_without_a_code_is_refused_and_a_further_text_finds_its_reason(partner):
    road = partner.road
    await road.receive(*declined("harborline"), offer("A-2"))
    latest, other = await latest_told(partner), (await partner.deliveries("A-2"))[-1]
    renamed = (NO_CAPACITY, f"{RETIRED}\n  - {{code: D-FULL, label: Too busy, also: [No capacity]}}")
    await bring_in(road, text_of("harborline", 2, renamed))
    await silence(road, text_of("harborline", 2, renamed), OFFERED)
    assert await verdict_of(partner, other) == "no_code_for_status"
    assert await verdict_of(partner, latest) == "done"
    [told] = await partner.send()
    assert told["data"]["reason"] | {"outcome": None} == {
        "kind": "decline",
        "text": "No capacity",
        "code": "D-FULL",
        "label": "Too busy",
        "outcome": None,
    }


@pytest.mark.parametrize("text", [RETIRED, "{code: D-CAP, label: Too busy}"], ids=["retired", "reworded"])
async def test_a_reason_that_is_not_understood_any_more_is_told_by_the_code_that_was_decided(partner, text):
    await partner.road.receive(*declined("harborline"))
    latest = await latest_told(partner)
    await bring_in(partner.road, text_of("harborline", 2, (NO_CAPACITY, text)))
    assert await verdict_of(partner, latest) == "done"
    [told] = await partner.send()
    assert (told["data"]["reason"]["code"], told["data"]["profile_version"]) == ("D-CAP", 2)
    assert told["data"]["reason"].keys() == {"kind", "text", "code", "label", "outcome"}


async def test_a_reason_that_came_after_the_version_gone_back_to_waits_for_its_mapping(partner):
    road = partner.road
    await bring_in(road, harborline(2, decline="  - {code: D-FULL, label: We are full}\n"))
    await road.receive(offer("A-1"), provider("offer.decline", "A-1", reason="We are full"))
    latest = await latest_told(partner)
    await roll_back(road.database, "harborline", KIM, lead=AT_ONCE)
    await road.gateway.keeper.refresh()
    assert await verdict_of(partner, latest) == "reason_unmapped"
    assert await partner.send() == []


async def test_a_brand_without_a_profile_in_force_has_nothing_sent_by_it(partner):
    road = partner.road
    await road.receive(offer("A-1"))
    latest = await latest_told(partner)
    verbs = Verbs(Numbers(road.database), dict)
    await verbs.reserve(1)
    async with road.database.transaction() as connection:
        now = await road.database.now(connection)
        done = await verbs.do(connection, 1, [Item(1, "redeliver_by_active", latest, None)], KIM, now)
    assert done[1].verdict == "no_profile_in_force"


async def test_a_retraction_is_sent_again_whatever_is_asked_for_by_now(partner):
    road = partner.road
    await road.receive(offer("A-1"), provider("note.add", "A-1", id="N-1", text="Gate 4711", visibility="public"))
    await partner.send()
    await road.receive(provider("note.set_visibility", note="N-1", visibility="private"))
    latest = await latest_told(partner)
    await bring_in(road, text_of("harborline", 2, ("notes: true", "notes: false")))
    assert await verdict_of(partner, latest) == "done"
    [told] = await partner.send()
    assert (told["type"], told["data"]["profile_version"]) == ("note.retracted.v1", 2)


async def test_receipts_and_providers_work_have_no_version_and_are_sent_again_as_they_were(partner):
    road = partner.road
    await make_key(road.database, organization=LAKESIDE)
    await bring_in(road, text_of("harborline", 2) + "\nreceipts: {records: all, to: topic}\n")
    await road.receive(offer("A-1"))
    await partner.send()
    await relay_feeds(road)
    brands = await partner.destination()
    delivered = await road.rows(tables.delivery, tables.delivery.c.state == "delivered")
    others = [row for row in delivered if row["destination"] != brands]
    assert sorted(row["lane"] > 0 for row in others) == [False, True], "a receipt, and the offer to its provider"
    await bring_in(road, refusing_offers().replace("version: 2", "version: 3", 1))
    report = await again(partner, *(row["number"] for row in others), version="active")
    assert (report["done"], report["refused"]) == (2, {})
    made = await road.rows(tables.delivery, tables.delivery.c.operation.is_not(None))
    assert [row["profile_version"] for row in made] == [None, None]
    async with road.database.snapshot() as connection:
        shown = [(await find_delivery(connection, row["number"])).delivery.profile_version for row in made]
    assert shown == [None, None], "none renders it"


async def test_a_preview_counts_what_goes_by_the_version_in_force_and_what_is_told_whole(partner):
    await partner.accepted("A-1", "A-2")
    await partner.send()
    number = await partner.preview("redeliver", destination=FEED, version="active")
    found = await partner.find(number)
    assert (found.kind, found.preview["verbs"]) == ("redeliver_by_active", {"redeliver_by_active": 2, "snapshot": 2})
    assert (found.preview["brands"], found.preview["destinations"]) == ({"harborline": 4}, {FEED: 4})
    assert await partner.preview("reopen", destination=FEED, version="active") == "only_for_redeliveries"


async def test_the_version_is_the_one_in_force_when_it_is_done_and_not_when_it_was_seen(partner):
    await partner.road.receive(offer("A-1"))
    latest = await latest_told(partner)
    number = await partner.preview("redeliver", numbers=(latest,), version="active")
    await bring_in(partner.road, harborline(2))
    await partner.run(number)
    assert [one["data"]["profile_version"] for one in await partner.send()] == [2]


async def test_the_number_of_statements_does_not_grow_with_what_is_sent_again(partner):
    road = partner.road
    jobs = [f"A-{number}" for number in range(1, 8)]
    await road.receive(*map(offer, jobs))
    await partner.send()
    numbers = [(await partner.deliveries(job))[-1] for job in jobs]
    verbs = Verbs(Numbers(road.database), lambda: road.gateway.keeper.directory.active)
    await verbs.reserve(10)

    async def said(some):
        items = [Item(ordinal, "redeliver_by_active", number, None) for ordinal, number in enumerate(some, 1)]
        async with road.counted() as statements, road.database.transaction() as connection:
            done = await verbs.do(connection, 1, items, KIM, await road.database.now(connection))
        assert {one.verdict for one in done.values()} == {"done"}
        return len(statements)

    assert await said(numbers[:1]) == await said(numbers[1:])
