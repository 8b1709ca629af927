"""`GET /v1/feed`: whose events a caller gets, in which form, and how it reads on."""

import base64

import orjson
import pytest
from sqlalchemy import delete

from gateway.outbound.relay import Relay
from gateway.store import tables
from gateway.store.tables_control import feed_position
from tests.edge import bearer
from tests.feeds import import_feed, read, read_all, relay_feeds
from tests.inbound import EVERGREEN, LAKESIDE, START, enterprise, offer, opened, provider
from tests.keys import make_key
from tests.outbound import RecordingPublisher


@pytest.fixture
async def road(staffed_url):
    async with opened(staffed_url) as road:
        await import_feed(road)
        yield road


@pytest.fixture
async def lakeside(road):
    key = await make_key(road.database, organization=LAKESIDE)
    await road.gateway.keeper.refresh()
    return key


async def on_kafka(road):
    """What goes to the brands' topics meanwhile."""
    publisher = RecordingPublisher()
    publisher.kind = "kafka"
    relay = Relay(road.database, publisher, road.gateway.render, ready=road.gateway.know_profiles)
    while await relay.relay_once():
        pass
    feeds = [one for one in publisher.arrived if one.destination.owner in {"harborline", "ironpeak"}]
    return [one.document for one in feeds]


def without_cursor(item):
    return {name: value for name, value in item.items() if name != "cursor"}


def types(items):
    return [one["type"].removesuffix(".v1") for one in items]


def whole_life():
    return [
        offer("A-1"),
        provider("offer.accept", "A-1"),
        provider("appointment.add", "A-1", id="V-1", start=START),
        provider("note.add", "A-1", id="N-1", text="Gate code 4711", visibility="public"),
        provider("appointment.complete", appointment="V-1", reason="REP"),
    ]


async def test_items_are_the_events_that_the_topic_carries_each_with_a_cursor(road, client, evergreen):
    await road.receive(*whole_life())
    await relay_feeds(road)
    items, _ = await read_all(client, evergreen)
    documents = await on_kafka(road)
    assert len(documents) == 5
    assert [without_cursor(one) for one in items] == [orjson.loads(one.body) for one in documents]
    assert items[3]["data"]["note"]["text"] == "Gate code 4711"
    assert await road.is_balanced()


async def test_a_brands_own_json_is_the_data_of_its_events(road, client):
    await import_feed(road, "ironpeak")
    key = await make_key(road.database, account="ironpeak-appliances")
    await road.receive(
        enterprise(
            "offer.submit",
            "P-1",
            source="ironpeak-appliances",
            brand="ironpeak",
            organization={"handle": LAKESIDE},
            customer={"name": "Bo"},
        )
    )
    await relay_feeds(road)
    [item], _ = await read_all(client, key)
    [document] = await on_kafka(road)
    assert item["data"] == orjson.loads(document.body)
    assert (item["datacontenttype"], item["type"], item["jobversion"]) == ("application/json", "job.offered.v1", 1)
    told = {f"ce_{name}": str(value).encode() for name, value in without_cursor(item).items()}
    assert {name: value for name, value in document.headers if name.startswith("ce_")}.items() <= told.items()


async def test_an_organization_with_a_key_reads_its_work(road, client, lakeside):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"), enterprise("note.add", "A-1", text="Ring twice"))
    await relay_feeds(road)
    items, _ = await read_all(client, lakeside)
    assert types(items) == ["job.offered", "note.published"]
    assert items[1]["data"]["note"]["text"] == "Ring twice"
    assert "profile_version" not in items[0]["data"]


async def test_every_cursor_is_good_to_go_on_from_an_empty_pages_too(road, client, evergreen):
    _, start = await read_all(client, evergreen)
    await road.receive(*whole_life())
    await relay_feeds(road)
    items, end = await read_all(client, evergreen, limit=2)
    assert len(items) == 5
    assert (await read_all(client, evergreen, start, 3))[0] == items
    for place, one in enumerate(items, 1):
        assert (await read_all(client, evergreen, one["cursor"]))[0] == items[place:]
    answer = await read(client, evergreen, end)
    assert answer.json() == {"items": [], "next": end}
    await road.receive(provider("appointment.add", "A-1", id="V-2", start=START))
    await relay_feeds(road)
    assert types((await read_all(client, evergreen, end))[0]) == ["appointment.scheduled"]


async def test_an_event_is_rendered_by_the_profile_version_that_it_was_decided_under(road, client, evergreen):
    await road.receive(offer("A-1"))
    await import_feed(road, version=3, change=("code: OFFER-OPEN", "code: OFFER-NEW"))
    await road.receive(offer("A-2"))
    await relay_feeds(road)
    items, _ = await read_all(client, evergreen)
    told = [(one["data"]["code"], one["data"]["profile_version"]) for one in items]
    assert told == [("OFFER-OPEN", 2), ("OFFER-NEW", 3)]


async def test_a_note_that_was_taken_back_is_withheld_from_whoever_reads_it_later(road, client, evergreen, lakeside):
    await road.receive(*whole_life()[:4])
    await relay_feeds(road)
    await road.receive(provider("note.set_visibility", note="N-1", visibility="private"))
    items, _ = await read_all(client, evergreen)
    assert items[-1]["data"]["note"] | {"id": "", "revision": 0} == {
        "id": "",
        "revision": 0,
        "text": None,
        "withheld": True,
    }
    assert "4711" not in (await read(client, evergreen)).text
    await relay_feeds(road)
    assert types((await read_all(client, evergreen))[0])[-1] == "note.retracted"


async def test_a_note_that_was_edited_is_shown_as_it_is_now_only(road, client, evergreen):
    await road.receive(*whole_life()[:4])
    await relay_feeds(road)
    await road.receive(provider("note.edit", note="N-1", text="Use the back door"))
    await relay_feeds(road)
    items, _ = await read_all(client, evergreen)
    notes = [one["data"]["note"] for one in items if "note" in one["data"]]
    assert [(one["text"], one["withheld"]) for one in notes] == [(None, True), ("Use the back door", False)]


async def test_a_key_of_one_brand_reads_that_brand_only(road, client, evergreen):
    await import_feed(road, "maplegrove")
    bound = await make_key(road.database, account=EVERGREEN, brand="maplegrove", transformation="board")
    await road.receive(offer("A-1"), offer("B-1", brand="maplegrove"), offer("A-2"))
    await relay_feeds(road)
    everything, end = await read_all(client, evergreen)
    assert sorted(one["data"]["job"]["brand"] for one in everything) == ["harborline", "harborline", "maplegrove"]
    assert len({one["id"] for one in everything}) == 3
    mine, own_end = await read_all(client, bound)
    assert [one["data"]["job"]["external_id"] for one in mine] == ["B-1"]
    await refused(client, bound, end, 400, "bad_cursor")
    # What it does not name is read from the beginning.
    assert len((await read_all(client, evergreen, own_end))[0]) == 2


async def refused(client, key, after, status, code, path="/v1/feed"):
    answer = await read(client, key, after, path=path)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (status, code, "after")
    assert answer.headers["content-type"] == "application/problem+json"


def disguised(*content):
    return base64.urlsafe_b64encode(orjson.dumps(content)).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "nonsense",
        "ä",
        "%00",
        "=" * 8,
        "x" * 5_000,
        disguised(),
        disguised("feed", 1),
        disguised("feed", 1.0, 2),
        disguised("feed", True, 2),
        disguised("feed", 10_000, 0),
        disguised("records", 1),
        disguised("feed", 2**63, 0),
        disguised("feed", -1, 0),
    ],
)
async def test_what_is_no_cursor_of_the_feed_is_refused(client, evergreen, cursor):
    await refused(client, evergreen, cursor, 400, "bad_cursor")


async def test_a_cursor_of_anothers_feed_is_refused(road, client, evergreen, lakeside):
    _, theirs = await read_all(client, lakeside)
    await refused(client, evergreen, theirs, 400, "bad_cursor")


async def test_a_cursor_beyond_what_was_ever_given_is_refused(road, client, evergreen):
    [feed] = await road.rows(tables.destination, tables.destination.c.name == "feed.harborline.cursor")
    await refused(client, evergreen, disguised("feed", feed["number"], 1), 400, "bad_cursor")


async def test_a_cursor_older_than_what_is_kept_has_expired(road, client, evergreen):
    await road.receive(offer("A-1"), offer("A-2"), offer("A-3"))
    await relay_feeds(road)
    items, _ = await read_all(client, evergreen)
    async with road.database.transaction() as connection:
        await connection.execute(delete(feed_position).where(feed_position.c.position <= 2))
    await refused(client, evergreen, items[0]["cursor"], 410, "cursor_expired")
    assert (await read_all(client, evergreen, items[1]["cursor"]))[0] == items[2:]
    assert (await read_all(client, evergreen))[0] == items[2:]


@pytest.mark.parametrize("limit", ["0", "501", "-1", "ten", "1.0", "", "9" * 30])
async def test_a_limit_is_1_to_500(client, evergreen, limit):
    answer = await read(client, evergreen, limit=limit)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "bad_value", "limit")


async def test_whoever_has_no_feed_is_told_so(road, client):
    key = await make_key(road.database, account="ironpeak-appliances")
    answer = await read(client, key)
    assert (answer.status_code, answer.json()["code"]) == (404, "no_feed")
    operator = await make_key(road.database, operator="ops")
    assert (await read(client, operator)).status_code == 403


async def test_nobody_reads_without_a_token(client):
    assert (await client.get("/v1/feed")).status_code == 401
    assert (await client.get("/v1/feed", headers=bearer({"token": "wrong"}))).status_code == 401


async def test_a_name_of_an_organization_takes_no_brands_feed(road, client):
    """An organization may be called like a brand."""
    await make_key(road.database, organization="harborline")
    names = {row["name"]: row["owner"] for row in await road.rows(tables.destination)}
    assert {name for name, owner in names.items() if owner == "harborline"} >= {
        "feed.harborline",
        "cursor.harborline",
        "poll.harborline",
    }
