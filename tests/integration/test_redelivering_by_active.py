"""What was delivered is sent again by the version in force, where an operator asks for it; else by the one that decided."""

import orjson
import pytest

from gateway.core.document import as_given
from gateway.core.visibility import Audience
from gateway.mapping.profile import parse_profile
from gateway.mapping.render import render
from gateway.outbound.lane_relay import LaneRelay
from gateway.outbound.outcome import Fault, Retryable
from gateway.store import tables
from gateway.store.delivery_queries import find_delivery
from tests.by_active import (
    NEW_WORDS,
    OFFERED,
    again,
    declined,
    latest_told,
    make_due,
    redelivered,
    silence,
    text_of,
)
from tests.edge import acknowledge, bearer, poll, put_in
from tests.feeds import import_feed, read_all, relay_feeds
from tests.inbound import EVERGREEN, offer
from tests.keys import make_key
from tests.mapping_versions import harborline
from tests.operations import FEED, Partner
from tests.polling import import_polled
from tests.profiles import bring_in
from tests.webhooks import hooks, posting


@pytest.fixture
async def partner(road):
    return Partner(road)


@pytest.mark.parametrize("brand", sorted(NEW_WORDS))
async def test_each_redelivery_is_what_its_version_renders(partner, brand):
    road = partner.road
    assert await road.receive(*declined(brand)) == ["applied", "applied"]
    await partner.send()
    first = partner.publisher.arrived[-1]
    assert first.destination.name == f"feed.{brand}"
    texts = {1: text_of(brand, 1), 2: text_of(brand, 2, *NEW_WORDS[brand])}
    await bring_in(road, texts[2])
    for version in ("decided", "active"):
        assert (await again(partner, first.delivery.number, version=version))["done"] == 1
        await partner.send()
    by_first, by_second = (one.document for one in partner.publisher.arrived[-2:])

    profiles = {number: parse_profile(text, file="profile.yaml") for number, text in texts.items()}
    terms = {"audience": Audience.ENTERPRISE, "previous": first.delivery.previous, "note_text": None}
    event = first.delivery.event
    assert by_first == first.document == render(profiles[1], event, **terms)
    assert by_second == render(profiles[2], as_given(event), **terms)
    before, after = orjson.loads(by_first.body), orjson.loads(by_second.body)
    if brand == "harborline":
        said = [(one["data"]["code"], one["data"]["reason"]["code"]) for one in (before, after)]
        assert said == [("DECLINED", "D-CAP"), ("TURNED-DOWN", "D-FULL")]
        assert [one["data"]["profile_version"] for one in (before, after)] == [1, 2]
    else:
        assert (before["statusCode"], before["reasonCode"], before["layout"]) == (45, "9002", 1)
        assert (after["statusCode"], after["declinedFor"], after["layout"]) == (44, "9009", 2)
        assert "reasonCode" not in after
    assert await road.is_balanced()


async def test_what_waits_or_is_tried_again_stays_with_the_version_that_was_in_force(partner):
    road = partner.road
    await road.receive(offer("A-1"))
    first = await latest_told(partner)
    await bring_in(road, text_of("harborline", 2, (OFFERED, "{status: offered, code: OFFER-2}")))
    [made] = await redelivered(partner, first)
    await bring_in(road, text_of("harborline", 3, (OFFERED, "{status: offered, code: OFFER-3}")))
    answers = [Retryable(Fault.PARTNER_ERROR)]
    partner.publisher.answers = [lambda _one: answers.pop() if answers else None]
    assert await partner.send() == []
    assert answers == [], "it was tried"
    await bring_in(road, text_of("harborline", 4, (OFFERED, "{status: offered, code: OFFER-4}")))
    await make_due(road)
    [told] = await partner.send()
    assert (told["data"]["code"], told["data"]["profile_version"]) == ("OFFER-2", 2)
    async with road.database.snapshot() as connection:
        found = await find_delivery(connection, made)
        before = await find_delivery(connection, first)
    assert [(one["outcome"], one["profile_version"]) for one in found.attempts] == [("retryable", 2), ("delivered", 2)]
    assert (before.delivery.profile_version, found.delivery.profile_version) == (1, 2)
    assert [one["verb"] for one in before.actions] == ["redeliver_by_active"]


async def test_a_redelivery_of_a_redelivery_goes_by_the_version_that_decided_unless_it_is_asked_for_again(partner):
    await partner.road.receive(offer("A-1"))
    first = await latest_told(partner)
    await bring_in(partner.road, harborline(2))
    [second] = await redelivered(partner, first)
    await partner.send()
    await again(partner, second)
    assert [one["data"]["profile_version"] for one in await partner.send()] == [1]
    await bring_in(partner.road, harborline(3))
    await again(partner, second, version="active")
    assert [one["data"]["profile_version"] for one in await partner.send()] == [3]


async def test_a_feed_by_cursor_has_it_at_its_place_by_its_version(road, client, evergreen):
    partner = Partner(road)
    await import_feed(road)
    await road.receive(offer("A-1"))
    await relay_feeds(road)
    [row] = [row for row in await road.rows(tables.delivery) if row["state"] == "delivered"]
    await import_feed(road, version=3, change=(OFFERED, "{status: offered, code: OFFER-NEW}"))
    await again(partner, row["number"], version="active")
    await import_feed(road, version=4, change=(OFFERED, "{status: offered, code: OFFER-4}"))
    await relay_feeds(road)
    items, _ = await read_all(client, evergreen)
    told = [(one["id"], one["data"]["code"], one["data"]["profile_version"]) for one in items]
    assert [one[1:] for one in told] == [("OFFER-OPEN", 2), ("OFFER-NEW", 3)]
    assert len({one[0] for one in told}) == 1, "the same event"


async def test_a_poller_gets_it_in_the_words_of_its_version(road, client):
    partner = Partner(road)
    await import_polled(road)
    await road.gateway.keeper.refresh()
    key = await make_key(road.database, account=EVERGREEN, brand="harborline", transformation="v3")
    await road.receive(*declined("harborline"))

    async def polled():
        told = []
        while messages := await poll(client, key):
            for message in messages:
                assert await acknowledge(client, key, message)
                told.append(orjson.dumps(put_in(message)).decode())
        return told

    first = await polled()
    assert any("D-CAP" in one for one in first)
    rows = await road.rows(tables.delivery, tables.delivery.c.state == "delivered")
    latest = max(row["number"] for row in rows)
    feed = "\ndestinations:\n  - {name: feed.harborline.poll, kind: poll}\n"
    text = text_of("harborline", 3, *NEW_WORDS["harborline"]) + feed
    await bring_in(road, text)
    # Connect has words of its own for how a job stands.
    await silence(road, text, NEW_WORDS["harborline"][0][1])
    await again(partner, latest, version="active")
    told = "".join(await polled())
    assert "D-FULL" in told
    assert "D-CAP" not in told


async def test_a_webhook_that_fails_at_first_gets_it_again_by_the_same_version(road):
    async with hooks() as hook, posting() as publisher:
        feed = f'destinations:\n  - {{name: {FEED}, kind: webhook, webhook: {{url: "{hook.url}"}}}}\n'

        def version(number):
            changed = (OFFERED, f"{{status: offered, code: OFFER-{number}}}")
            return f"{text_of('harborline', number, changed)}\n{feed}"

        partner = Partner(road)
        relay = LaneRelay(
            road.database, publisher, road.gateway.render, jitter=lambda: 0.0, ready=road.gateway.know_profiles
        )
        await bring_in(road, version(2))
        await road.receive(offer("A-1"))
        await relay.relay_once()
        [first] = await partner.deliveries()
        await bring_in(road, version(3))
        [made] = await redelivered(partner, first)
        hook.will_answer(500, 204)
        await relay.relay_once()
        await bring_in(road, version(4))

        await make_due(road)
        await relay.relay_once()
        told = [orjson.loads(body)["data"] for body in hook.bodies]
        assert [(one["code"], one["profile_version"]) for one in told] == [
            ("OFFER-2", 2),
            ("OFFER-3", 3),
            ("OFFER-3", 3),
        ]
        async with road.database.snapshot() as connection:
            history = await find_delivery(connection, made)
        assert [(one["reason"], one["profile_version"]) for one in history.attempts] == [
            ("partner_error", 3),
            (None, 3),
        ]


async def test_by_http_the_member_version_asks_for_it(partner, client):
    road = partner.road
    kim = bearer(await make_key(road.database, operator="Kim"))
    brand = bearer(await make_key(road.database, account=EVERGREEN, brand="maplegrove", transformation="b"))
    await road.receive(offer("A-1"))
    latest = await latest_told(partner)
    await bring_in(road, harborline(2))
    asked = {"kind": "redeliver", "reason": "new words", "selection": {"ids": [f"dlv-{latest}"]}, "version": "active"}
    refused = await client.post("/v1/operations", json=asked, headers=brand)
    assert (refused.status_code, refused.json()["code"]) == (403, "only_for_operators")

    async def flaw(**others):
        answer = await client.post("/v1/operations", json={**asked, **others}, headers=kim)
        return answer.status_code, answer.json()["code"], answer.json()["field"]

    assert await flaw(kind="skip") == (422, "only_for_redeliveries", "version")
    assert await flaw(version="newest") == (422, "bad_value", "version")
    made = (await client.post("/v1/operations", json=asked, headers=kim)).json()
    assert (made["kind"], made["preview"]["verbs"]) == ("redeliver_by_active", {"redeliver_by_active": 1})
    assert (await partner.run(int(made["id"].removeprefix("op-"))))["done"] == 1
    assert [one["data"]["profile_version"] for one in await partner.send()] == [2]
