"""Users' own keys: what they may do is judged when it arrives, by who they are and what is assigned to them then."""

import pytest

from gateway.keys import KeyRefused, Wanted, create_key
from gateway.sealing import Sealer
from gateway.store import tables
from gateway.store.deliveries import Operator
from gateway.store.keys import CallerKind
from tests.edge import bearer, post_in
from tests.inbound import ACTIONS, LAKESIDE, ago, cloud_event, offer, opened, provider, stamp
from tests.keys import SEALING_KEY, make_key

VISITS = {"V-1": "tom", "V-2": "tia"}


@pytest.fixture
async def road(staffed_url):
    """A job of Lakeside's with a visit for each of its technicians."""
    async with opened(staffed_url) as road:
        await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
        added = [
            provider("appointment.add", "A-1", id=one, start="2027-01-05T15:00:00Z", technician=who)
            for one, who in VISITS.items()
        ]
        assert await road.receive(*added) == ["applied"] * len(added)
        yield road


@pytest.fixture
async def keys(road):
    return {name: await make_key(road.database, organization=LAKESIDE, user=name) for name in ("dee", "tom", "tia")}


async def act(client, key, visit, word="start", **body):
    return await client.post(f"/v1/appointments/{visit}/{word}", json=body, headers=bearer(key))


async def test_a_technician_acts_on_visits_of_their_own_alone(road, client, keys):
    own = await act(client, keys["tom"], "V-1")
    assert (own.status_code, own.json()["outcome"]) == (200, "applied")
    others = await act(client, keys["tom"], "V-2")
    assert (others.status_code, others.json()["code"]) == (403, "not_assigned")
    desk = await client.post(f"/v1/jobs/{own.json()['job']}/cancel", json={}, headers=bearer(keys["tom"]))
    assert (desk.status_code, desk.json()["code"]) == (403, "role_not_allowed")
    assert (await act(client, keys["dee"], "V-2")).status_code == 200
    tom, tia = (row["by_user"] for row in await road.events() if row["type"] == "appointment.started")
    assert tom != tia
    assert await road.is_balanced()


async def test_what_a_technician_sent_is_seen_by_them_and_the_desk(client, keys):
    sent = await act(client, keys["tom"], "V-2")
    place = f"/v1/records/{sent.json()['record']['id']}"
    seen = {name: (await client.get(place, headers=bearer(key))).status_code for name, key in keys.items()}
    assert seen == {"dee": 200, "tom": 200, "tia": 404}
    told = (await client.get(place, headers=bearer(keys["dee"]))).json()
    assert (told["outcome"], told["reason"]) == ("refused", "not_assigned")


async def test_who_is_deactivated_is_refused_at_once_and_reactivation_restores_everything(road, client, keys):
    tia = keys["tia"]
    own = (await act(client, tia, "V-2", "on-my-way")).headers["Location"]
    assert await road.receive(provider("user.deactivate", "tia")) == ["applied"]
    await road.settle_requeued()
    refused = await act(client, tia, "V-2")
    assert (refused.status_code, refused.json()["code"]) == (403, "user_deactivated")
    seen = await client.get(own, headers=bearer(tia))
    assert (seen.status_code, seen.json()["code"]) == (403, "user_deactivated")
    shown = await client.get(f"/v1/records/{refused.json()['record']['id']}", headers=bearer(keys["dee"]))
    assert shown.json()["reason"] == "user_deactivated"
    assert await road.receive(provider("user.reactivate", "tia")) == ["applied"]
    assert (await client.get(own, headers=bearer(tia))).status_code == 200
    assert (await act(client, tia, "V-2")).status_code == 200


async def test_what_was_refused_can_be_repeated_by_the_desk_as_it_happened(road, client, keys):
    at = stamp(ago(minutes=5))
    await road.receive(provider("appointment.change", None, appointment="V-1", technician="tia"))
    assert (await act(client, keys["tom"], "V-1", occurred_at=at)).json()["code"] == "not_assigned"
    assert (await act(client, keys["dee"], "V-1", occurred_at=at)).status_code == 200
    [started] = [row for row in await road.events() if row["type"] == "appointment.started"]
    assert stamp(started["occurred_at"]) == at


async def test_the_system_may_tell_later_what_the_user_may_not(road, client, keys):
    at = stamp(ago(minutes=5))
    await road.receive(provider("appointment.change", None, appointment="V-1", technician="tia"))
    system = await make_key(road.database, organization=LAKESIDE)
    assert (await act(client, system, "V-1", occurred_at=at, user="tom")).status_code == 200


async def test_nobody_acts_in_anothers_name(road, client, keys):
    for named in ("tia", "nobody", "usr-1"):
        answer = await act(client, keys["tom"], "V-1", user=named)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_your_user"), named
    assert (await act(client, keys["tom"], "V-1", user="tom")).status_code == 200


async def test_what_waits_is_decided_as_the_users_own(road, client, keys):
    waiting = await act(client, keys["tom"], "V-3")
    assert waiting.status_code == 202
    visit = {"id": "V-3", "start": "2027-01-06T15:00:00Z", "technician": "tia"}
    await road.receive(provider("appointment.add", "A-1", **visit))
    seen = await client.get(waiting.headers["Location"], headers=bearer(keys["tom"]))
    assert (seen.json()["outcome"], seen.json()["reason"]) == ("refused", "not_assigned")


async def test_a_user_who_changes_role_has_the_new_one_at_once(road, client, keys):
    sent = await act(client, keys["tom"], "V-1")
    place = sent.headers["Location"]
    assert (await client.get(place, headers=bearer(keys["tia"]))).status_code == 404
    assert await road.receive(provider("user.put", "tia", role="both")) == ["applied"]
    assert (await client.get(place, headers=bearer(keys["tia"]))).status_code == 200


async def test_a_user_signs_nothing(client, keys):
    assert keys["tom"]["secret"] is None
    assert keys["tom"]["key"].startswith("user|")
    answer = await post_in(client, {**keys["tom"], "secret": ""}, [])
    assert answer.status_code == 401


async def test_a_users_test_key_reaches_test_jobs_alone(road, client):
    key = await make_key(road.database, organization=LAKESIDE, user="tom", sandbox=True)
    answer = await act(client, key, "V-1")
    assert answer.status_code == 202, "no test visit has this id"
    tom = await number_of(road, "tom")
    [number] = [row["number"] for row in await road.rows(tables.appointment) if row["technician"] == tom]
    answer = await act(client, key, f"apt-{number}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_your_job")


@pytest.mark.parametrize("user", ["nobody", "usr-1", "org-1", ""])
async def test_a_key_is_for_a_user_of_the_organization(road, user):
    wanted = Wanted(kind=CallerKind.USER, owner=LAKESIDE, user=user)
    with pytest.raises(KeyRefused, match="has no user"):
        await create_key(road.database, Sealer([SEALING_KEY]), wanted, Operator(author="ops", reason=""))


async def test_a_user_of_another_organization_is_not_named(road):
    await road.receive(
        cloud_event(ACTIONS, "organization.put", None, "hillside", handle="hillside"),
        cloud_event(ACTIONS, "user.put", "hal", "hillside", role="technician"),
    )
    number = await number_of(road, "hal", source="hillside")
    for named in ("hal", f"usr-{number}"):
        with pytest.raises(KeyRefused):
            await make_key(road.database, organization=LAKESIDE, user=named)
    key = await make_key(road.database, organization="hillside", user=f"usr-{number}")
    assert key["key"] == f"user|{number}|noop"


async def number_of(road, user, source=LAKESIDE):
    rows = await road.rows(
        tables.reference, tables.reference.c.external_id == user, tables.reference.c.source == source
    )
    return rows[0]["number"]
