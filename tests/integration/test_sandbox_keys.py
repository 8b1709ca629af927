"""Test keys: their work is apart from real work in everything, whatever ids and numbers either side names."""

import pytest

from gateway.core.ids import Kind, canonical_id
from gateway.keys import Wanted
from gateway.store import tables
from gateway.store.keys import CallerKind
from tests.edge import bearer, envelope, job_offer, post_in, post_signed, serving
from tests.importing import import_profile
from tests.inbound import BRANDS, EVERGREEN, LAKESIDE, enterprise, offer, opened, provider
from tests.keys import make_key

CUSTOMER = {"id": "C-1", "name": "Bo Berg", "phones": [{"number": "+15550100"}]}
OFFER = {"brand": "harborline", "title": "No heat", "organization": {"handle": LAKESIDE}, "customer": CUSTOMER}
DESTINATIONS = """
destinations:
  - {name: feed.harborline, topic: feed.harborline.v1}
  - {name: feed.harborline.poll, kind: poll}
  - {name: feed.harborline.try.poll, kind: poll, sandbox: true}
  - {name: feed.harborline.try, topic: feed.harborline.try.v1, sandbox: true}
"""
OF_TESTS = {
    f"sandbox-cursor.{LAKESIDE}",
    f"acks.{EVERGREEN}~test",
    "feed.harborline.try",
    "feed.harborline.try.poll",
    f"sandbox.{LAKESIDE}",
}


@pytest.fixture
async def road(staffed_url):
    async with opened(staffed_url) as road:
        assert not await bring(road, harborline(2, DESTINATIONS))
        yield road


@pytest.fixture
async def keys(road):
    """Of each party a key and a test key."""
    made = {
        ("evergreen", test): await make_key(road.database, account=EVERGREEN, brand="harborline", sandbox=test)
        for test in (False, True)
    }
    for test in (False, True):
        made["lakeside", test] = await make_key(road.database, organization=LAKESIDE, sandbox=test)
    await road.gateway.keeper.refresh()
    return made


@pytest.fixture
async def client(road, keys):
    async with serving(road) as client:
        yield client


def harborline(version, destinations):
    text = (BRANDS / "harborline" / "profile.v1.yaml").read_text(encoding="utf-8")
    head, _, tail = text.partition("\ndestinations:")
    kept = [line for line in tail.splitlines(keepends=True) if line and not line.startswith((" ", "\n"))]
    return head.replace("version: 1\n", f"version: {version}\n", 1) + "".join(kept) + destinations


async def bring(road, text):
    found = await import_profile(road.database, text, file="profile.yaml", author="ops", reason="test")
    await road.gateway.keeper.refresh()
    return [(one.member, one.what) for one in found.problems] if not found.profiles else []


async def send(client, key, path, body=None, *, method="POST"):
    headers = bearer(key) | (
        {"Idempotency-Key": path + key["token"]} if path.endswith(("/notes", "/positions")) else {}
    )
    return await client.request(method, path, json=body or {}, headers=headers)


async def play(client, keys, *, test):
    """The life of a job and one that is turned down, with all that anybody is told of on the way."""
    giver, taker = keys["evergreen", test], keys["lakeside", test]
    done = [await send(client, giver, "/v1/offers", {**OFFER, "job": name}) for name in ("A-1", "A-2")]
    first, second = (one.json()["job"] for one in done)
    visit = {"id": "V-1", "start": "2027-01-05T15:00:00Z", "technician": "tom"}
    done += [
        await send(client, giver, "/v1/offers", {**OFFER, "job": "A-1", "title": "No heat at all"}),
        await send(client, giver, f"/v1/offers/{second}/withdraw"),
        await send(client, taker, f"/v1/offers/{first}/accept"),
        await send(client, taker, f"/v1/jobs/{first}/appointments", visit),
        await send(client, taker, "/v1/appointments/V-1/on-my-way", {"minutes": 10}),
        await send(client, taker, f"/v1/jobs/{first}/notes", {"id": "N-1", "text": "Gate", "visibility": "public"}),
        await send(client, taker, "/v1/notes/N-1/visibility", {"visibility": "private"}, method="PUT"),
        await send(client, giver, f"/v1/jobs/{first}/notes", {"text": "Ring twice"}),
        await send(client, taker, "/v1/appointments/V-1/complete", {"reason": "REP"}),
    ]
    assert [(one.status_code, one.json()["outcome"]) for one in done] == [(200, "applied")] * len(done)
    return {int(one.removeprefix("job-")) for one in (first, second)}


async def told(road):
    """By destination: the jobs of which anything is owed there."""
    names = {row["number"]: row["name"] for row in await road.rows(tables.destination)}
    found = {}
    for row in await road.rows(tables.delivery):
        found.setdefault(names[row["destination"]], set()).add(row["lane"])
    return found


async def fetch(client, key):
    answer = await post_signed(client, "/agent/out", key, b'{"maxNumberOfMessages": 100}')
    assert answer.status_code == 200
    return answer.json()


async def test_neither_side_is_ever_told_of_the_others_jobs(road, client, keys):
    real = await play(client, keys, test=False)
    tests = await play(client, keys, test=True)
    assert not real & tests
    owed = await told(road)
    assert owed.keys() >= OF_TESTS - {f"acks.{EVERGREEN}~test"} | {
        "feed.harborline",
        "notifications",
        f"poll.{LAKESIDE}",
    }
    for name, jobs in owed.items():
        assert jobs <= (tests if name in OF_TESTS else real), name
    assert await road.is_balanced()


async def test_what_is_fetched_is_of_the_keys_own_kind(road, client, keys):
    real = await play(client, keys, test=False)
    tests = await play(client, keys, test=True)
    for (_, test), key in keys.items():
        messages = await fetch(client, key)
        jobs = {
            action["Put"]["job"]["id"] for one in messages for action in one["Message"]["Request"]["Payload"]["Actions"]
        }
        assert jobs
        assert jobs <= (tests if test else real)


async def test_a_provider_tries_connect_with_two_test_keys(road, client, keys):
    (row,) = await road.rows(tables.organization, tables.organization.c.handle == LAKESIDE)
    offered = job_offer("W-1")
    offered["record"] |= {"organization_id": row["number"]}
    del offered["record"]["organization"]
    evergreen, lakeside = keys["evergreen", True], keys["lakeside", True]
    (sent,) = (await post_in(client, evergreen, [offered])).json()["records"]
    assert sent["outcome"] == "applied", sent
    assert await fetch(client, keys["lakeside", False]) == []
    (message,) = await fetch(client, lakeside)
    (action,) = message["Message"]["Request"]["Payload"]["Actions"]
    job = action["Put"]["job"]
    assert job["status"] == "offered"
    accept = envelope("job", id=job["id"], status="unscheduled")
    (other,) = (await post_in(client, keys["lakeside", False], [accept])).json()["records"]
    assert (other["outcome"], other["reason"]) == ("refused", "not_your_job")
    (answer,) = (await post_in(client, lakeside, [accept])).json()["records"]
    assert answer["outcome"] == "applied"
    assert await fetch(client, evergreen)
    assert await fetch(client, keys["evergreen", False]) == []


@pytest.mark.parametrize("test", [False, True])
async def test_a_job_of_the_other_kind_is_nobodys(road, client, keys, test):
    offered = await send(client, keys["evergreen", test], "/v1/offers", {**OFFER, "job": "A-1"})
    job, number = offered.json()["job"], int(offered.json()["job"].removeprefix("job-"))
    before = await road.job("A-1")
    giver, taker = keys["evergreen", not test], keys["lakeside", not test]
    for key, path in (
        (giver, f"/v1/offers/{job}/withdraw"),
        (giver, f"/v1/jobs/{job}/cancel"),
        (taker, f"/v1/offers/{job}/accept"),
        (taker, f"/v1/offers/{job}/decline"),
    ):
        answer = await send(client, key, path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_your_job"), path
        assert "job" not in answer.json()
    for key, status in ((taker, "unscheduled"), (taker, "scheduled"), (taker, "paused"), (giver, "canceled")):
        (one,) = (await post_in(client, key, [envelope("job", id=number, status=status)])).json()["records"]
        assert (one["outcome"], one["reason"]) == ("refused", "not_your_job"), status
    seen = await client.get(offered.headers["Location"], headers=bearer(giver))
    assert seen.status_code == 404
    assert await road.job("A-1") == before


async def test_an_id_of_the_enterprise_means_the_job_of_the_providers_own_kind(road, client, keys):
    await road.receive(offer("A-1"))
    await send(client, keys["evergreen", True], "/v1/offers", {**OFFER, "job": "A-1"})
    accepted = provider("offer.accept", "A-1", source=f"{LAKESIDE}~test")
    assert await road.receive(accepted) == ["applied"]
    real, tried = (await road.jobs())["A-1"]
    assert [real["status"], tried["status"]] == ["offered", "unscheduled"]


async def test_customers_of_tests_are_not_real_customers(road, client, keys):
    await send(client, keys["evergreen", False], "/v1/offers", {**OFFER, "job": "A-1"})
    (before,) = await road.rows(tables.customer)
    other = {**OFFER, "job": "T-1", "customer": {**CUSTOMER, "name": "Test Person"}}
    assert (await send(client, keys["evergreen", True], "/v1/offers", other)).status_code == 200
    by_number = {**other, "job": "T-2", "customer": canonical_id(Kind.CUSTOMER, before["number"])}
    answer = await send(client, keys["evergreen", True], "/v1/offers", by_number)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    assert before in await road.rows(tables.customer)


async def test_a_test_key_changes_nobody(road, client, keys):
    before = [await road.rows(table) for table in (tables.user, tables.organization)]
    lakeside = keys["lakeside", True]
    for method, path, body in (
        ("PUT", "/v1/users/tom", {"name": "Thomas"}),
        ("PUT", "/v1/users/new", {"name": "New"}),
        ("POST", "/v1/users/tom/deactivate", {}),
        ("POST", "/v1/users/tom/positions", {"latitude": 1.0, "longitude": 1.0}),
        ("PUT", f"/v1/organizations/{LAKESIDE}", {"work_topic": True}),
    ):
        answer = await send(client, lakeside, path, body, method=method)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed"), path
    assert [await road.rows(table) for table in (tables.user, tables.organization)] == before


async def test_what_waited_is_decided_as_the_test_that_it_is(road, client, keys):
    waiting = await send(client, keys["lakeside", True], "/v1/appointments/V-1/start")
    assert waiting.status_code == 202
    real = await play(client, keys, test=False)
    seen = await client.get(waiting.headers["Location"], headers=bearer(keys["lakeside", True]))
    assert seen.json()["outcome"] == "parked", "it is another V-1 that has come"
    tests = await play_until_visit(client, keys)
    seen = await client.get(waiting.headers["Location"], headers=bearer(keys["lakeside", True]))
    assert seen.json()["outcome"] == "applied"
    for name, jobs in (await told(road)).items():
        assert jobs <= (tests if name in OF_TESTS else real), name


async def play_until_visit(client, keys):
    offered = await send(client, keys["evergreen", True], "/v1/offers", {**OFFER, "job": "A-1"})
    job = offered.json()["job"]
    await send(client, keys["lakeside", True], f"/v1/offers/{job}/accept")
    visit = {"id": "V-1", "start": "2027-01-05T15:00:00Z", "technician": "tom"}
    assert (await send(client, keys["lakeside", True], f"/v1/jobs/{job}/appointments", visit)).status_code == 200
    return {int(job.removeprefix("job-"))}


async def test_no_name_reads_like_a_tests(road):
    for name in ("sly~test", f"{LAKESIDE}~test"):
        ends = await road.receive(provider("organization.put", None, source="sly", handle=name))
        assert ends == ["refused already_exists"]
    assert await road.receive(provider("organization.put", None, source="sly~test", name="Sly")) == [
        "refused not_allowed"
    ]
    assert await road.receive(enterprise("organization.put", "P-1", handle="sly~test")) == ["refused already_exists"]


async def test_live_and_test_keys_of_one_name_are_rotated_apart(road):
    wanted = Wanted(kind=CallerKind.ACCOUNT, owner=EVERGREEN)
    made = [await make_key(road.database, account=wanted.owner, sandbox=test) for test in (True, False, True, False)]
    assert len({one["key"] for one in made}) == 1


@pytest.mark.parametrize(
    ("destinations", "member"),
    [
        ("  - {name: feed.harborline.try.poll, kind: poll}\n", "destinations.0.sandbox"),
        ("  - {name: feed.harborline.poll, kind: poll, sandbox: true}\n", "destinations.0.sandbox"),
        ("  - {name: feed.harborline.new, topic: feed.harborline.v1, sandbox: true}\n", "destinations.0.topic"),
        ("  - {name: feed.harborline.new, topic: feed.harborline.try.v1}\n", "destinations.0.topic"),
        (
            "  - {name: feed.harborline.new, topic: feed.harborline.new.v1}\n  - {name: feed.harborline.newer, topic: feed.harborline.new.v1, sandbox: true}\n",
            "destinations.0.topic",
        ),
    ],
    ids=["test-to-real", "real-to-test", "tests-on-real", "real-on-tests", "both-on-one"],
)
async def test_a_destination_stays_what_it_is_and_shares_no_topic_with_the_others(road, destinations, member):
    found = await bring(road, harborline(3, f"\ndestinations:\n{destinations}"))
    assert member in [where for where, _ in found]


@pytest.mark.parametrize("party", ["evergreen", "lakeside"])
async def test_a_booking_by_a_test_key_is_test_work(road, client, keys, party):
    booking = {"title": "No heat", "customer": {"name": "Bo"}, "organization": {"handle": LAKESIDE}}
    answer = await send(client, keys[party, True], "/v1/bookings/B-1", booking)
    assert answer.status_code == 200, answer.text
    assert [row["source"] for row in await road.rows(tables.job)] == [
        {"evergreen": f"{EVERGREEN}~test", "lakeside": f"{LAKESIDE}~test"}[party]
    ]
    job = int(answer.json()["job"].removeprefix("job-"))
    assert {name for name, jobs in (await told(road)).items() if job in jobs} <= OF_TESTS


async def test_a_test_key_books_on_no_brand_of_another_account(road, client):
    rival = await make_key(road.database, account="rival-warranty", sandbox=True)
    await road.gateway.keeper.refresh()
    booking = {"title": "No heat", "brand": "harborline", "customer": {"name": "Bo"}}
    answer = await send(client, rival, "/v1/bookings/B-1", {**booking, "organization": {"handle": LAKESIDE}})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_brand")
