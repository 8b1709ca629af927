"""Recovery by operators' keys: the same words as on the command line, and nobody else is let in."""

import pytest

from gateway.core.scopes import Scope
from gateway.store import tables_control
from tests.edge import bearer
from tests.inbound import EVERGREEN, offer
from tests.keys import make_key
from tests.operations import FEED, Partner

DEAD = {"kind": "redeliver", "reason": "they lost a day", "selection": {"destination": FEED}}


@pytest.fixture
async def partner(road):
    return Partner(road)


@pytest.fixture
async def kim(road):
    return bearer(await make_key(road.database, operator="Kim"))


async def test_an_operation_is_previewed_run_and_reported_in_its_operators_name(partner, client, kim):
    await partner.road.receive(offer("A-1"), offer("A-2"))
    await partner.send()
    made = await client.post("/v1/operations", json=DEAD, headers=kim)
    assert made.status_code == 201
    told = made.json()
    assert (told["state"], told["author"], told["reason"]) == ("previewed", "Kim", "they lost a day")
    assert told["preview"]["destinations"] == {FEED: 2}

    path = f"/v1/operations/{told['id']}"
    started = await client.post(f"{path}/start", json={"reason": "agreed", "canary": 0, "rate": 0}, headers=kim)
    assert (started.status_code, started.json()["state"]) == (200, "running")
    assert started.json()["terms"] == {"canary": 0, "rate": 0.0, "stop_at": 0.2}
    while (await client.get(path, headers=kim)).json()["state"] == "running":
        await partner.operating.step()
    await partner.send()
    done = (await client.get(path, headers=kim)).json()
    assert (done["state"], done["made"], done["report"]["deliveries"]) == ("done", 2, {"delivered": 2})
    actions = await partner.road.rows(tables_control.operator_action)
    assert [(row["author"], row["verb"]) for row in actions][-4:] == [
        ("Kim", "preview redeliver"),
        ("Kim", "start"),
        ("Kim", "redeliver"),
        ("gateway", "end"),
    ]
    assert await partner.road.is_balanced()


async def test_what_does_not_fit_is_a_problem_with_its_word(partner, client, kim):
    await partner.road.receive(offer("A-1"))
    await partner.send()

    async def refused(path, body):
        answer = await client.post(path, json=body, headers=kim)
        return answer.status_code, answer.json()["code"], answer.json().get("field")

    assert await refused("/v1/operations", {**DEAD, "selection": {}}) == (422, "selects_everything", "selection")
    nothing = {**DEAD, "selection": {"brand": "nobody"}}
    assert await refused("/v1/operations", nothing) == (422, "selects_nothing", "selection")
    assert await refused("/v1/operations", {**DEAD, "kind": "destroy"}) == (422, "bad_value", "kind")
    assert await refused("/v1/operations", {**DEAD, "reason": ""}) == (422, "bad_value", "reason")
    assert await refused("/v1/operations", {**DEAD, "reason": " \n"}) == (422, "bad_value", "reason")
    assert await refused("/v1/operations", {**DEAD, "selection": {"brand": "a\x00b"}}) == (
        422,
        "bad_value",
        "selection.brand",
    )
    ids = {**DEAD, "selection": {"ids": ["rec-1"]}}
    assert await refused("/v1/operations", ids) == (422, "bad_value", "selection.ids")
    assert await refused("/v1/operations", [1]) == (422, "not_an_object", None)
    assert await refused("/v1/operations/op-7/start", {"reason": "x"}) == (404, "not_found", None)
    assert await refused("/v1/operations/7/start", {"reason": "x"}) == (404, "not_found", None)
    made = (await client.post("/v1/operations", json=DEAD, headers=kim)).json()["id"]
    assert await refused(f"/v1/operations/{made}/pause", {"reason": "x"}) == (409, "wrong_state", None)
    assert await refused(f"/v1/operations/{made}/pause", {}) == (422, "bad_value", "reason")
    high = {"reason": "x", "stop_at": 2}
    assert await refused(f"/v1/operations/{made}/start", high) == (422, "bad_value", "stop_at")


async def test_operations_are_listed_page_by_page(partner, client, kim):
    await partner.road.receive(offer("A-1"))
    await partner.send()
    made = [(await client.post("/v1/operations", json=DEAD, headers=kim)).json()["id"] for _ in range(3)]
    first = (await client.get("/v1/operations?limit=2", headers=kim)).json()
    rest = (await client.get(f"/v1/operations?limit=2&cursor={first['next']}", headers=kim)).json()
    assert [one["id"] for one in first["items"] + rest["items"]] == made[::-1]
    assert rest["next"] is None


async def test_only_operators_are_let_in_and_only_with_the_scope(road, client, evergreen, lakeside):
    limited = await make_key(road.database, operator="Ann", scopes=(Scope.READ,))
    brand = await make_key(road.database, account=EVERGREEN, brand="harborline", transformation="b")
    wanted = [("GET", "/v1/operations"), ("POST", "/v1/operations"), ("GET", "/v1/operations/op-1")]
    wanted += [("POST", f"/v1/operations/op-1/{step}") for step in ("start", "pause", "resume", "cancel")]
    codes = set()
    for method, path in wanted:
        for key, code in ((evergreen, "only_for_operators"), (lakeside, "only_for_operators"), (brand, None)):
            answer = await client.request(method, path, json=DEAD, headers=bearer(key))
            assert (answer.status_code, answer.json()["code"]) == (403, code or "only_for_operators")
        answer = await client.request(method, path, json=DEAD, headers=bearer(limited))
        codes.add((answer.status_code, answer.json()["code"]))
    assert codes == {(403, "scope_missing")}
