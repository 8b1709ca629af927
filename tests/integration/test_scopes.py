"""What keys are limited to: scopes, brands, and nothing for operators."""

from gateway.core.scopes import Scope
from gateway.keys import Wanted, create_key
from gateway.sealing import Sealer
from gateway.store.deliveries import Operator
from gateway.store.keys import CallerKind
from tests.edge import bearer, envelope, job_offer, post_in, post_signed
from tests.inbound import EVERGREEN, LAKESIDE, offer, provider
from tests.keys import SEALING_KEY, make_key

OFFER = {"title": "No heat", "organization": {"handle": LAKESIDE}, "customer": {"name": "Bo Berg"}}
NEEDED = {
    "/v1/offers/job-404/accept": Scope.OFFERS,
    "/v1/offers/job-404/decline": Scope.OFFERS,
    "/v1/jobs/job-404/cancel": Scope.ACTIONS,
    "/v1/appointments/apt-404/start": Scope.ACTIONS,
    "/v1/jobs/job-404/notes": Scope.NOTES,
    "/v1/users/usr-404/deactivate": Scope.USERS,
}


async def scoped(road, *scopes, **whose):
    return await make_key(road.database, **(whose or {"organization": LAKESIDE}), scopes=scopes)


async def test_each_command_needs_its_scope_and_no_other(road, client):
    # Of a transformation each: two keys of one name may live.
    keys = {
        scope: await make_key(road.database, organization=LAKESIDE, scopes=(scope,), transformation=scope)
        for scope in Scope
    }
    bodies = {"/v1/jobs/job-404/notes": {"text": "Hello"}}
    for path, needed in NEEDED.items():
        for scope, key in keys.items():
            headers = bearer(key) | {"Idempotency-Key": f"{path} {scope}"}
            answer = await client.post(path, json=bodies.get(path, {}), headers=headers)
            told = answer.json()
            if scope is needed:
                assert told.get("code") != "scope_missing", (path, scope)
            else:
                assert (answer.status_code, told["code"]) == (403, "scope_missing"), (path, scope)
                assert told["detail"] == f"the key has no scope {needed}"
    assert await road.is_balanced()


async def test_a_connect_record_beyond_the_scope_is_refused_by_itself(road, client):
    key = await scoped(road, Scope.OFFERS, account=EVERGREEN)
    visit = envelope("appointment", external_job_id="W-1", external_id="V-1", time="2027-01-05T15:00:00.000Z")
    answer = await post_in(client, key, [visit, job_offer("W-1")])
    told = answer.json()["records"]
    assert answer.status_code == 200
    assert (told[0]["outcome"], told[0]["reason"]) == ("refused", "scope_missing")
    assert told[1].get("reason") != "scope_missing"


async def test_a_word_that_may_mean_two_things_needs_both_scopes(road, client):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"), provider("job.cancel", "A-1"))
    job = (await road.job("A-1"))["number"]
    for scopes, outcome in (((Scope.OFFERS,), "refused"), ((Scope.OFFERS, Scope.ACTIONS), "applied")):
        key = await scoped(road, *scopes)
        (told,) = (await post_in(client, key, [envelope("job", id=job, status="scheduled")])).json()["records"]
        assert told["outcome"] == outcome, scopes


async def test_reading_and_fetching_need_their_scopes(road, client):
    sender = await scoped(road, Scope.ACTIONS)
    place = (await client.post("/v1/appointments/V-404/start", json={}, headers=bearer(sender))).headers["Location"]
    reader = await scoped(road, Scope.READ)
    for key, status in ((sender, 403), (reader, 200)):
        answer = await client.get(place, headers=bearer(key))
        assert (answer.status_code, answer.json().get("code")) == (status, "scope_missing" if status == 403 else None)
    fetcher = await make_key(road.database, account=EVERGREEN, scopes=(Scope.FEED,))
    other = await make_key(road.database, account=EVERGREEN, scopes=(Scope.READ,), transformation="ax")
    for path, body in (("/agent/out", b"{}"), ("/agent/ack", b'{"Receipt": "x", "Result": "success"}')):
        assert (await post_signed(client, path, fetcher, body)).status_code == 200
        answer = await post_signed(client, path, other, body)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


async def test_a_brands_key_is_for_that_brand(road, client):
    ours = await make_key(road.database, account=EVERGREEN, brand="harborline")
    (told,) = (await post_in(client, ours, [job_offer("W-1")])).json()["records"]
    assert told["outcome"] == "applied"
    assert (await road.job("W-1"))["brand"] == "harborline"
    other = await client.post("/v1/offers", json={**OFFER, "job": "W-2", "brand": "maplegrove"}, headers=bearer(ours))
    assert (other.status_code, other.json()["code"]) == (422, "unknown_brand")
    theirs = await make_key(road.database, account=EVERGREEN, brand="maplegrove", transformation="ax")
    answer = await client.post("/v1/offers/W-1/withdraw", json={}, headers=bearer(theirs))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_your_job")
    assert (await client.get(f"/v1/records/{told['id']}", headers=bearer(theirs))).status_code == 404
    assert (await client.get(f"/v1/records/{told['id']}", headers=bearer(ours))).status_code == 200


async def test_what_waits_is_decided_under_the_keys_brand(road, client):
    ours = await make_key(road.database, account=EVERGREEN, brand="harborline")
    body = {**OFFER, "job": "W-1", "organization": {"handle": "hillside"}}
    assert (await client.post("/v1/offers", json=body, headers=bearer(ours))).status_code == 202
    waiting = await client.post("/v1/offers/W-2/withdraw", json={}, headers=bearer(ours))
    assert waiting.status_code == 202
    await road.receive(
        provider("organization.put", None, source="hillside", handle="hillside"),
        offer("W-2", brand="maplegrove"),
    )
    assert (await road.job("W-1"))["brand"] == "harborline"
    assert await road.status("W-2") == "offered"
    seen = await client.get(waiting.headers["Location"], headers=bearer(ours))
    assert seen.json()["reason"] == "not_your_job"


async def test_operators_are_told_where_they_act(road, client):
    wanted = Wanted(kind=CallerKind.OPERATOR, owner="Ann")
    made = await create_key(road.database, Sealer([SEALING_KEY]), wanted, Operator(author="ops", reason=""))
    key = {"key": made.key, "secret": made.secret, "token": made.token}
    answers = [
        await client.post("/v1/offers", json=OFFER, headers=bearer(key)),
        await client.get("/v1/records/rec-10001", headers=bearer(key)),
        await post_in(client, key, [job_offer("W-1")]),
        await post_signed(client, "/agent/out", key, b"{}"),
    ]
    assert {(one.status_code, one.json()["code"]) for one in answers} == {(403, "not_for_operators")}
