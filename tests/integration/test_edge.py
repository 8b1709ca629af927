"""The HTTP edge on real databases: Connect's signed batches and the canonical API end where the topics end."""

import gzip
import logging
import re

import httpx
import pytest
from starlette.routing import Mount

from gateway.core.ids import Kind, canonical_id
from gateway.inbound.gathering import Gathering
from gateway.sealing import Sealer
from gateway.store import tables
from gateway.store.database import Database
from gateway.web.callers import Callers
from gateway.web.failed_calls import FAILURES_A_MINUTE
from tests.edge import bearer, envelope, job_offer, post_in, post_signed, serving
from tests.inbound import LAKESIDE, offer
from tests.keys import SEALING_KEY

CUSTOMER = {"name": "Bo Berg", "phones": [{"number": "+15550100"}]}


async def post_offer(client, key, job="A-1", *, idempotency_key=None, **more):
    body = {"job": job, "brand": "harborline", "title": "No heat", "organization": {"handle": LAKESIDE}}
    headers = bearer(key) | ({"Idempotency-Key": idempotency_key} if idempotency_key else {})
    return await client.post("/v1/offers", json={**body, "customer": CUSTOMER, **more}, headers=headers)


async def test_a_signed_batch_is_settled_record_by_record_in_order(road, client, evergreen):
    body = [
        job_offer("W-1"),
        envelope("appointment", external_job_id="W-1", external_id="V-1", time="2027-01-05T15:00:00.000Z"),
        envelope("job", title=5),
        {"not": "an envelope"},
    ]
    answer = await post_in(client, evergreen, body)
    assert answer.status_code == 200
    told = answer.json()["records"]
    assert [one["index"] for one in told] == [0, 1, 2, 3]
    assert {one["id"].partition("-")[0] for one in told} == {"rec"}
    assert [one["outcome"] for one in told[2:]] == ["quarantined", "quarantined"]
    assert await road.is_balanced()


async def test_a_request_that_is_sent_again_under_its_id_is_a_repeat(road, client, lakeside, evergreen):
    assert (await post_offer(client, evergreen)).status_code == 200
    [job] = [row["number"] for row in await road.rows(tables.job)]
    note = envelope("attachment", action="post", job_id=job, description="Gate code 12")
    first = await post_in(client, lakeside, [note], MessageId="t-1")
    again = await post_in(client, lakeside, [note], MessageId="t-1")
    assert [one["message_id"] for one in first.json()["records"]] == ["t-1#0"]
    assert [one.get("reason") for one in again.json()["records"]] == ["repeat"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"signature": "0" * 64}, 401, "not_authenticated"),
        ({"signature": "none"}, 401, "not_authenticated"),
        ({"body": b"\x1f\x8b\x08\x00broken"}, 400, "bad_gzip"),
        ({"body": gzip.compress(b"[]")[:-6]}, 400, "bad_gzip"),
        ({"body": b"{no"}, 400, "not_json"),
        ({"body": b"[" * 100_000}, 400, "too_deep"),
        ({"body": b'{"header": {}}'}, 400, "not_an_array"),
        ({"body": b"[" + b"{}," * 1000 + b"{}]"}, 413, "too_many_records"),
        ({"body": gzip.compress(b" " * 20_000_000)}, 413, "too_large"),
        ({"body": b"x" * 5_000_000}, 413, "too_large"),
    ],
)
async def test_what_cannot_be_authenticated_or_read_is_refused_whole(road, client, evergreen, change, status, code):
    before = len(await road.records())
    body = change.get("body", [job_offer("W-1")])
    answer = await post_in(
        client,
        evergreen,
        body,
        compressed=not isinstance(body, bytes),
        signature=change.get("signature"),
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert len(await road.records()) == before


async def test_an_offer_by_the_canonical_api_is_decided_within_the_request(road, client, evergreen, lakeside):
    answer = await post_offer(client, evergreen, idempotency_key="k-1")
    assert (answer.status_code, answer.json()["outcome"]) == (200, "applied")
    assert answer.headers["Location"] == f"/v1/records/{answer.json()['record']['id']}"
    again = await post_offer(client, evergreen, idempotency_key="k-1")
    assert (again.status_code, again.json()["reason"]) == (200, "repeat")
    other = await post_offer(client, evergreen, idempotency_key="k-1", title="Another")
    assert (other.status_code, other.json()["code"]) == (409, "message_conflict")
    assert other.headers["Content-Type"] == "application/problem+json"
    job = answer.json()["job"]
    accepted = await client.post(f"/v1/offers/{job}/accept", headers=bearer(lakeside))
    assert (accepted.status_code, accepted.json()["outcome"]) == (200, "applied")
    again = await client.post(f"/v1/offers/{job}/accept", headers=bearer(lakeside))
    assert (again.status_code, again.json()["reason"]) == (200, "repeat")
    late = await client.post(f"/v1/offers/{job}/decline", headers=bearer(lakeside))
    assert (late.status_code, late.json()["code"]) == (409, "offer_closed")
    assert late.json()["about"]["closed_by"] == "accepted"
    assert (await road.told()).count("job.accepted") == 1
    assert await road.is_balanced()


async def test_a_visit_lives_its_life_by_the_canonical_api(road, client, evergreen, lakeside):
    job = (await post_offer(client, evergreen)).json()["job"]
    headers = bearer(lakeside)
    await client.post(f"/v1/offers/{job}/accept", headers=headers)
    visit = {"id": "V-1", "start": "2027-01-05T15:00:00Z", "technician": "tom"}
    added = await client.post(f"/v1/jobs/{job}/appointments", json=visit, headers=headers)
    assert added.status_code == 200, added.text
    for word, body in (("on-my-way", {"minutes": 10}), ("start", {}), ("complete", {"reason": "REP"})):
        answer = await client.post(f"/v1/appointments/V-1/{word}", json=body, headers=headers)
        assert (answer.status_code, answer.json()["outcome"]) == (200, "applied"), answer.text
    assert (await road.told())[-1] == "appointment.completed"


async def test_what_waits_for_something_is_accepted_with_where_to_look(client, lakeside):
    answer = await client.post("/v1/appointments/V-404/start", json={}, headers=bearer(lakeside))
    assert (answer.status_code, answer.json()["outcome"], answer.json()["reason"]) == (
        202,
        "parked",
        "unknown_reference",
    )
    seen = await client.get(answer.headers["Location"], headers=bearer(lakeside))
    assert (seen.status_code, seen.json()) == (200, answer.json())


async def test_what_became_of_a_record_is_for_its_sender_alone(client, evergreen, lakeside):
    sent = await post_offer(client, evergreen)
    place = sent.headers["Location"]
    assert (await client.get(place, headers=bearer(evergreen))).json() == sent.json()
    assert (await client.get(place, headers=bearer(lakeside))).status_code == 404
    assert (await client.get("/v1/records/rec-x", headers=bearer(evergreen))).status_code == 404


async def test_problems_say_why_and_where(client, evergreen, lakeside):
    unreadable = await post_offer(client, evergreen, title=5)
    assert (unreadable.status_code, unreadable.json()["code"]) == (422, "wrong_type")
    assert unreadable.json()["field"] == "data.title"
    wrong_side = await post_offer(client, lakeside)
    assert (wrong_side.status_code, wrong_side.json()["code"]) == (403, "not_allowed")
    not_theirs = await client.post("/v1/jobs/job-404/cancel", json={}, headers=bearer(evergreen))
    assert (not_theirs.status_code, not_theirs.json()["code"]) == (404, "not_your_job")
    nowhere = await client.get("/v1/nowhere", headers=bearer(evergreen))
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not_found")


async def test_nobody_is_known_without_a_live_key(client, evergreen):
    for headers in ({}, {"Authorization": "Bearer nobody"}, {"Authorization": "Basic x"}):
        answer = await client.post("/v1/offers", json={}, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.fixture
async def timeless(road):
    """A client for whom no minute is ever over."""
    async with serving(road, monotonic=lambda: 43.9) as client:
        yield client


async def test_whoever_fails_too_often_waits(timeless, evergreen):
    client, headers = timeless, {"Authorization": "Bearer nobody"}
    for _ in range(FAILURES_A_MINUTE):
        assert (await client.post("/v1/offers", json={}, headers=headers)).status_code == 401
    answer = await client.post("/v1/offers", json={}, headers=headers)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "17"), "as long as the minute lasts"
    assert (await client.post("/v1/offers", json={}, headers=bearer(evergreen))).status_code == 429


async def test_nobody_locks_another_out_by_failing_with_their_key(timeless, evergreen):
    edge = timeless._transport.app
    transport = httpx.ASGITransport(edge, client=("10.9.8.7", 1))
    wrong = {"signature": "0" * 64}
    for host in range(2):
        guessing = httpx.ASGITransport(edge, client=(f"10.0.0.{host}", 1))
        async with httpx.AsyncClient(transport=guessing, base_url="http://gateway") as guesser:
            codes = [(await post_in(guesser, evergreen, [], **wrong)).status_code for _ in range(FAILURES_A_MINUTE)]
    assert set(codes) == {429}
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as partner:
        assert (await post_in(partner, evergreen, [])).status_code == 200


async def test_nothing_is_lost_while_the_database_is_away(road, evergreen):
    async def away(_records):
        raise ConnectionRefusedError

    async with serving(road, away) as client:
        answer = await post_offer(client, evergreen)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize("path", ["/v1/offers", "/v1/feed", "/agent/in", "/agent/out", "/agent/ack"])
async def test_while_no_key_can_be_looked_up_callers_are_told_to_come_again(road, evergreen, path):
    away = Callers(Database("postgresql+asyncpg://127.0.0.1:1/nowhere"), Sealer([SEALING_KEY]))
    gathering = Gathering(road.receiver.receive)
    edge = road.gateway.make_edge(away, gathering, road.gateway.make_booking(gathering))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(edge), base_url="http://gateway") as client:
        if path.startswith("/v1"):
            method = "GET" if path == "/v1/feed" else "POST"
            answer = await client.request(method, path, headers=bearer(evergreen))
        else:
            answer = await post_signed(client, path, evergreen, b"[]")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize("path", ["/v1/offers", "/agent/in", "/agent/out", "/book/harborline"])
async def test_a_client_that_goes_away_in_the_middle_is_no_bug(client, evergreen, caplog, path):
    edge, sent = client._transport.app, []
    headers = [(b"authorization", f"Bearer {evergreen['token']}".encode())]
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": path, "raw_path": path.encode()}
    scope |= {"headers": headers, "query_string": b"", "client": ("127.0.0.1", 1), "server": ("gateway", 80)}
    told = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def receive():
        return next(told)

    async def send(message):
        sent.append(message)

    with caplog.at_level(logging.ERROR):
        await edge({**scope, "scheme": "http", "root_path": ""}, receive, send)
    assert [record.getMessage() for record in caplog.records] == []
    assert [one.get("status") for one in sent if one["type"] == "http.response.start"] in ([], [400])


async def test_an_organization_may_put_itself_by_its_own_name(road, client, lakeside):
    for number, name in enumerate((LAKESIDE, canonical_id(Kind.ORGANIZATION, await own_number(road)))):
        path = f"/v1/organizations/{name}"
        answer = await client.put(path, json={"name": f"Lakeside {number}"}, headers=bearer(lakeside))
        assert answer.status_code == 200, answer.text
    (row,) = await road.rows(tables.organization, tables.organization.c.handle == LAKESIDE)
    assert '"Lakeside 1"' in row["members"]
    other = await client.put("/v1/organizations/somebody", json={"name": "Mine"}, headers=bearer(lakeside))
    assert (other.status_code, other.json()["code"]) == (403, "not_allowed")


async def own_number(road):
    (row,) = await road.rows(tables.organization, tables.organization.c.handle == LAKESIDE)
    return row["number"]


@pytest.mark.parametrize(
    ("text", "code"), [('"\\ud800"', "bad_text"), ("99999999999999999999999", "number_out_of_range")]
)
async def test_what_json_can_say_and_text_cannot_is_quarantined_by_its_reason(client, evergreen, text, code):
    body = f'{{"job": "A-1", "brand": "harborline", "custom_fields": {{"x": {text}}}}}'
    answer = await client.post("/v1/offers", content=body, headers=bearer(evergreen))
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["outcome"] == "quarantined"


async def test_it_says_whether_it_is_alive_and_ready(road, client):
    assert (await client.get("/healthz")).status_code == 200
    assert (await client.get("/readyz")).status_code == 200


async def test_what_was_parked_at_a_door_of_http_is_decided_as_its_senders_own(road, client, evergreen, lakeside):
    waiting = await client.post(
        "/v1/jobs/A-1/notes",
        json={"text": "Hello", "id": "N-1"},
        headers=bearer(evergreen) | {"Idempotency-Key": "n-1"},
    )
    assert waiting.status_code == 202
    await road.receive(offer("A-1"))
    rows = {row["message_id"]: row["state"] for row in await road.records()}
    assert rows["n-1"] == "applied"


async def test_its_documents_are_served_and_describe_every_address(client):
    described = (await client.get("/openapi.json")).json()
    served = {
        (re.sub(r"{subject}", "{id}", route.path), method.lower())
        for route in client._transport.app.rest.routes
        if not isinstance(route, Mount)
        for method in route.methods - {"HEAD"}
    }
    told = {(path, method) for path, methods in described["paths"].items() for method in methods}
    assert served - told == {(path, "get") for path in ("/openapi.json", "/asyncapi.json", "/docs")}
    assert told <= served
    assert (await client.get("/asyncapi.json")).json()["asyncapi"] == "3.0.0"
    page = await client.get("/docs")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "offer.accept" in page.text
