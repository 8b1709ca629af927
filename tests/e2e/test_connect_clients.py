"""Clients of Dispatch Connect in two languages, unchanged but for address and keys: one job from offer to completion."""

import sys

import httpx
import pytest

from tests.edge import bearer, envelope
from tests.eventually import eventually
from tests.partners import BRANDS, CLIENTS, Partner, Program

ACCOUNT, ORGANIZATION, NUMBER = "northwind-warranty", "brook-repair", "P-77"


@pytest.fixture(params=["python", "node"])
def client(request):
    if request.param == "python":
        return [sys.executable, str(CLIENTS / "connect_client.py")]
    return [request.getfixturevalue("node"), str(CLIENTS / "connect_client.mjs")]


@pytest.fixture
def program(database_url):
    return Program(database_url, GATEWAY_BRANDS=str(BRANDS))


def an_offer(**more):
    customer = {
        "external_id": "C-9",
        "first_name": "Ann",
        "last_name": "Lee",
        "email": "ann.lee@example.com",
        "phone_numbers": [{"number": "(218)555-0108", "primary": True, "type": "Mobile"}],
    }
    return {
        "external_id": "NW-1001",
        "external_organization_id": NUMBER,
        "title": "Dishwasher leaks",
        "service_type": "appliance",
        "service_fee": 75,
        "service_fee_precollected": 1,
        "customer": customer,
        "address": {"street_1": "9 Birch Lane", "city": "Duluth", "state": "MN", "postal_code": "55802"},
        "equipment_descriptions": [{"equipment_type": "dishwasher", "installation_date": "2019-05-01"}],
        "suggested_times": [{"start_time": "2027-01-05T15:00:00+0000", "end_time": "2027-01-05T18:00:00.000Z"}],
        **more,
    }


async def introduce(program, enterprise, provider):
    """The enterprise's own number for the provider, and the provider's people."""
    async with httpx.AsyncClient(base_url=program.url, headers=bearer(enterprise)) as http:
        named = await http.put(f"/v1/organizations/{NUMBER}", json={"handle": ORGANIZATION})
    assert (named.status_code, named.json()["outcome"]) == (200, "applied")
    people = [
        envelope("organization", name="Brook Repair", phone_number="218-555-0100"),
        envelope("user", external_id="T-1", first_name="Sam", last_name="Okoye", roles=["dispatcher", "technician"]),
    ]
    assert await provider.post(*people) == ["applied", "applied"]


def statuses(taken):
    # The acks of what an account posts are to be counted here too, once its queue carries them.
    return [(one["entity"], one["put"].get("status")) for one in taken if one["entity"] != "ack"]


# SQLite with either language, PostgreSQL with one.
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("database_url", "client"),
    [("sqlite", "python"), ("sqlite", "node"), ("postgresql", "node")],
    indirect=True,
    ids=["python-sqlite", "node-sqlite", "node-postgresql"],
)
async def test_a_clients_job_lives_its_life(program, client):
    await program.run("brands", "import")
    account = await program.ask("keys", "create", "--account", ACCOUNT)
    organization = await program.ask("keys", "create", "--organization", ORGANIZATION)
    enterprise = Partner(client, program.url, account)
    provider = Partner(client, program.url, organization)
    async with program.running("clock"):
        await introduce(program, account, provider)

        offer = envelope("job", **an_offer(status="offered", updated_at="2026-12-01T08:00:00+0000"))
        assert await enterprise.post(offer, message_id="t-1") == ["applied"]
        assert await enterprise.post(offer, message_id="t-1") == ["ignored repeat"]

        [first], settled = await provider.poll(result="error", error='no "customer" called Lee, sorry')
        assert (first["put"]["status"], settled) == ("offered", ["failed"])
        again = await eventually(provider.take_all)
        assert [one["id"] for one in again] == [first["id"]]
        job = first["put"]["id"]

        changes = {"description": "Ring twice.", "updated_at": "2026-12-01T09:00:00.000Z"}
        assert await enterprise.post(envelope("job", external_id="NW-1001", **changes)) == ["applied"]
        [amended] = await provider.take_all(result="Success")
        assert amended["put"]["description"] == "Ring twice."

        visit = {"job_id": job, "external_id": "V-1", "time": "2027-01-05T15:00:00.000Z", "external_user_id": "T-1"}
        accepted = await provider.post(envelope("job", id=job, status="unscheduled"), envelope("appointment", **visit))
        assert accepted == ["applied", "applied"]
        for word in ("enroute", "started"):
            moved = envelope("appointment", job_id=job, external_id="V-1", status=word)
            assert await provider.post(moved) == ["applied"]
        note = envelope("attachment", action="post", job_id=job, description="Seal replaced", visibility="public")
        ended = envelope(
            "appointment", job_id=job, external_id="V-1", status="complete", status_message="Repaired on site"
        )
        assert await provider.post(note, ended) == ["applied", "applied"]

        told = await enterprise.take_all(result="Success")
        assert {one["put"].get("external_id") for one in told if one["entity"] == "job"} == {"NW-1001"}
        assert statuses(told) == [
            ("job", "offered"),
            ("job", "offered"),
            # The acceptance with its first appointment: one decision.
            ("job", "scheduled"),
            ("joboffer", "accepted"),
            ("appointment", "scheduled"),
            ("job", "scheduled"),
            ("appointment", "enroute"),
            ("appointment", "started"),
            ("attachment", None),
            ("job", "complete"),
            ("appointment", "complete"),
        ]
        assert told[-1]["put"]["status_message"] == "Repaired on site"
        assert told[-1]["put"]["status_code"] == "NW-10"
        assert await provider.take_all() == []
    assert (await program.ask("ledger"))["difference"] == 0
    # Texts to the customer, and what nobody reads by cursor, wait for a relay; nothing else waits.
    waiting = await program.ask("deliveries", "list", "--state", "pending")
    assert {one["destination"] for one in waiting} == {"notifications", f"cursor.{ORGANIZATION}"}
