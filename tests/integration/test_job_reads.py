"""Reads of jobs by HTTP: each caller sees its own, in its own words, and never what is private."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from gateway.inbound.http.job_reads import JobReads
from gateway.store import tables
from gateway.store.database import Database
from gateway.web.callers import Callers
from gateway.web.problems import ProblemError, answer_problem
from tests.edge import bearer
from tests.inbound import EVERGREEN, LAKESIDE, START, enterprise, offer, opened, provider
from tests.keys import make_key

OTHER_ACCOUNT, OTHER_PROVIDER = "ironpeak-appliances", "bayside-repair"
PRIVATE, PUBLIC, EDITED = "the dog bites whoever rings", "the part is on its way", "the part has come"
WITHIN_A_JOB = ("", "/appointments", "/activity", "/notes", "/records")


@pytest.fixture
async def road(staffed_url):
    async with opened(staffed_url, "quillbrook") as road:
        yield road


class Reader:
    """One caller's reads. Everything that it was ever answered is kept."""

    def __init__(self, client, key):
        self.client = client
        self.key = key
        self.told = b""

    async def answer(self, path, **query):
        answer = await self.client.get(f"/v1/{path}", params=query, headers=bearer(self.key))
        self.told += answer.content
        return answer

    async def read(self, path, **query):
        answer = await self.answer(path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def items(self, path, **query):
        return (await self.read(path, **query))["items"]

    async def refusal(self, path, **query):
        answer = await self.answer(path, **query)
        assert answer.headers["Content-Type"] == "application/problem+json"
        return answer.status_code, answer.json()["code"]

    async def everything_about(self, job):
        return [await self.read(f"jobs/{job}{part}") for part in WITHIN_A_JOB]


@pytest.fixture
async def evergreen(road, client):
    return Reader(client, await make_key(road.database, account=EVERGREEN))


@pytest.fixture
async def lakeside(road, client):
    return Reader(client, await make_key(road.database, organization=LAKESIDE))


async def a_visited_job(road, **about):
    """A-1: offered, accepted, visited by Tom; with a private note and a public one."""
    ends = await road.receive(
        offer("A-1", revision=3, **about),
        provider("offer.accept", "A-1", user="dee"),
        provider("appointment.add", "A-1", id="V-1", start=START, technician="tom", user="dee"),
        provider("appointment.start", appointment="V-1", user="tom"),
        provider("note.add", "A-1", id="N-1", text=PRIVATE, user="tom"),
        provider("note.add", "A-1", id="N-2", text=PUBLIC, visibility="public", user="dee"),
    )
    assert set(ends) == {"applied"}, ends
    return await road.job_id("A-1")


def types(items):
    return [item["type"].removesuffix(".v1") for item in items]


async def test_both_parties_read_a_job_as_it_stands(road, evergreen, lakeside):
    job = await a_visited_job(road)
    told = await evergreen.read(f"jobs/{job}")
    assert (told["job"]["id"], told["job"]["external_id"], told["status"]) == (job, "A-1", "in_progress")
    assert (told["details"]["title"], told["revision"], told["code"]) == ("No heat", 3, "IN-PROGRESS")
    assert told["job"]["organization"]["name"] == "Lakeside Appliance"
    [visit] = told["appointments"]
    assert (visit["status"], visit["assigned"]) == ("started", True)
    own = await lakeside.read(f"jobs/{job}")
    assert own["appointments"] == [
        visit | {"technician": {"id": own["appointments"][0]["technician"]["id"], "name": "Tom"}}
    ]
    assert own["jobversion"] == told["jobversion"] > 0


async def test_a_job_is_read_by_the_callers_own_number_as_in_commands(road, evergreen, lakeside):
    job = await a_visited_job(road)
    assert (await evergreen.read("jobs/A-1"))["job"]["id"] == job
    assert await lakeside.refusal("jobs/A-1") == (404, "not_found")
    [visit] = await evergreen.items(f"jobs/{job}/appointments")
    assert await evergreen.read(f"jobs/A-1/appointments/{visit['id']}") == visit
    assert (await lakeside.read(f"jobs/{job}/appointments/V-1"))["id"] == visit["id"]
    for unknown in ("V-1", "apt-404", "x" * 300):
        assert await evergreen.refusal(f"jobs/{job}/appointments/{unknown}") == (404, "not_found")


async def test_a_canceled_job_and_its_reason_are_told_in_the_words_of_the_feed(road, evergreen, lakeside):
    job = await a_visited_job(road)
    await road.receive(provider("job.cancel", "A-1", reason="C-DUP"))
    told, own = await evergreen.read(f"jobs/{job}"), await lakeside.read(f"jobs/{job}")
    assert (told["status"], told["closure"], told["code"]) == ("canceled", "canceled", "CANCELED")
    assert (own["status"], own["closure"], "code" in own) == ("complete", "canceled", False)
    assert told["reason"]["label"] == "Duplicate claim"
    assert (await evergreen.items(f"jobs/{job}/activity"))[0]["data"]["status"] == "canceled"


async def test_the_activity_names_people_to_their_own_side_only(road, evergreen, lakeside):
    job = await a_visited_job(road)
    await road.receive(enterprise("job.cancel", "A-1", person="Erin"))
    seen = await evergreen.items(f"jobs/{job}/activity")
    assert types(seen) == [
        "job.canceled",
        "note.published",
        "appointment.started",
        "appointment.scheduled",
        "job.accepted",
        "job.offered",
    ]
    assert [one["data"]["by"]["name"] for one in seen] == ["Erin", *["Lakeside Appliance"] * 4, EVERGREEN]
    assert b"Tom" not in evergreen.told
    assert b"Dee" not in evergreen.told
    own = await lakeside.items(f"jobs/{job}/activity")
    assert types(own) == [*types(seen)[:2], "note.added", *types(seen)[2:]]
    names = [one["data"]["by"].get("user", {}).get("name") for one in own]
    assert names == [None, "Dee", "Tom", "Tom", "Dee", "Dee", None]


async def test_a_private_note_is_in_no_answer_to_the_enterprise(road, evergreen, lakeside):
    job = await a_visited_job(road)
    await evergreen.everything_about(job)
    await evergreen.read("jobs")
    assert PRIVATE.encode() not in evergreen.told
    assert PUBLIC.encode() in evergreen.told
    assert [one["text"] for one in await evergreen.items(f"jobs/{job}/notes")] == [PUBLIC]
    assert "note.added" not in types(await evergreen.items(f"jobs/{job}/activity"))
    assert [one["text"] for one in await lakeside.items(f"jobs/{job}/notes")] == [PUBLIC, PRIVATE]
    assert [one["by"]["user"]["name"] for one in await lakeside.items(f"jobs/{job}/notes")] == ["Dee", "Tom"]


async def test_how_many_private_notes_there_are_shows_in_no_page(road, evergreen):
    job = await a_visited_job(road)
    await road.receive(*(provider("note.add", "A-1", id=f"P-{n}", text=PRIVATE) for n in range(5)))
    pages = await read_all(evergreen, f"jobs/{job}/notes", limit=1)
    assert [[one["text"] for one in items] for items in pages] == [[PUBLIC]]


async def test_a_note_that_was_taken_back_or_edited_is_withheld_from_then_on(road, evergreen):
    job = await a_visited_job(road)
    await road.receive(provider("note.edit", note="N-2", text=EDITED))
    first, second = [
        one["data"]["note"] for one in await evergreen.items(f"jobs/{job}/activity") if "note" in one["data"]
    ]
    assert (first["text"], second["text"], second["withheld"]) == (EDITED, None, True)
    await road.receive(provider("note.set_visibility", note="N-2", visibility="private"))
    evergreen.told = b""
    await evergreen.everything_about(job)
    assert EDITED.encode() not in evergreen.told
    assert await evergreen.items(f"jobs/{job}/notes") == []
    shown = [one["data"]["note"] for one in await evergreen.items(f"jobs/{job}/activity") if "note" in one["data"]]
    assert [one.get("withheld") for one in shown] == [None, True, True]


async def test_a_brand_that_uses_no_notes_reads_none_but_its_own(road, client):
    account = "meridian-homecare"
    meridian = Reader(client, await make_key(road.database, account=account))
    ends = await road.receive(
        enterprise(
            "offer.submit",
            "Q-1",
            source=account,
            brand="quillbrook",
            title="Leak",
            organization={"handle": LAKESIDE},
            customer={"name": "Bo"},
        ),
        provider("offer.accept", job={"id": "Q-1", "source": account}),
        provider("note.add", job={"id": "Q-1", "source": account}, id="N-1", text=PUBLIC, visibility="public"),
        enterprise("note.add", "Q-1", source=account, id="E-1", text="call first"),
    )
    assert set(ends) == {"applied"}, ends
    assert [one["text"] for one in await meridian.items("jobs/Q-1/notes")] == ["call first"]
    await meridian.everything_about("Q-1")
    assert PUBLIC.encode() not in meridian.told


async def test_whoever_has_no_part_in_a_job_is_not_told_that_there_is_one(road, client, evergreen):
    job = await a_visited_job(road)
    await road.receive(provider("organization.put", None, source=OTHER_PROVIDER, handle=OTHER_PROVIDER, name="Bayside"))
    strangers = [
        await make_key(road.database, account=OTHER_ACCOUNT),
        await make_key(road.database, organization=OTHER_PROVIDER),
        await make_key(road.database, account=EVERGREEN, brand="maplegrove", transformation="t2"),
    ]
    for stranger in (Reader(client, key) for key in strangers):
        assert await stranger.items("jobs") == []
        for part in WITHIN_A_JOB:
            theirs, nobodys = await stranger.answer(f"jobs/{job}{part}"), await stranger.answer(f"jobs/job-999{part}")
            assert theirs.status_code == nobodys.status_code == 404
            assert theirs.content == nobodys.content
    assert len(await evergreen.items("jobs")) == 1


async def test_a_key_that_is_bound_to_a_brand_reads_that_brands_jobs(road, client, evergreen):
    await road.receive(offer("A-1"), offer("A-2", brand="maplegrove"))
    bound = Reader(client, await make_key(road.database, account=EVERGREEN, brand="maplegrove", transformation="t2"))
    assert [one["job"]["external_id"] for one in await bound.items("jobs")] == ["A-2"]
    assert (await bound.read("jobs/A-2"))["job"]["brand"] == "maplegrove"
    assert await bound.refusal("jobs/A-1") == (404, "not_found")
    assert len(await evergreen.items("jobs")) == 2


@pytest.mark.parametrize(
    ("closing", "closure"),
    [
        (provider("offer.decline", "A-1", reason="D-CAP"), "declined"),
        (enterprise("offer.withdraw", "A-1"), "withdrawn"),
    ],
    ids=["declined", "withdrawn"],
)
async def test_a_provider_keeps_of_a_closed_offer_no_more_than_the_fact(road, evergreen, lakeside, closing, closure):
    await road.receive(offer("A-1"))
    job = await road.job_id("A-1")
    assert (await lakeside.read(f"jobs/{job}"))["details"]["customer"]["name"] == "Bo Berg"
    await road.receive(closing)
    lakeside.told = b""
    told, appointments, activity, notes, _ = await lakeside.everything_about(job)
    assert (told["status"], told["closure"]) == ("declined", closure)
    assert told.keys() <= {"job", "status", "closure", "reason"}
    assert (appointments["items"], types(activity["items"]), notes["items"]) == ([], ["job.declined"], [])
    [line] = await lakeside.items("jobs")
    assert line == told
    assert b"Bo Berg" not in lakeside.told
    assert (await evergreen.read(f"jobs/{job}"))["details"]["customer"]["name"] == "Bo Berg"


async def test_each_party_reads_the_records_that_it_sent_itself(road, evergreen, lakeside):
    job = await a_visited_job(road)
    await road.receive(provider("offer.decline", "A-1"))
    own = await lakeside.items(f"jobs/{job}/records")
    assert [(one["record"]["type"], one["outcome"]) for one in own][:2] == [
        ("offer.decline", "refused"),
        ("note.add", "applied"),
    ]
    [sent] = await evergreen.items(f"jobs/{job}/records")
    assert (sent["record"]["type"], sent["job"]) == ("offer.submit", job)
    assert sent == await evergreen.read(f"records/{sent['record']['id']}")


async def test_operators_keys_and_those_of_nobody_read_no_jobs(road, client):
    operator = Reader(client, await make_key(road.database, operator="ops", name="ops"))
    for path in ("jobs", "jobs/job-1", "jobs/job-1/activity"):
        assert await operator.refusal(path) == (403, "not_for_operators")
        assert (await client.get(f"/v1/{path}")).status_code == 401


# -------------------------------------------------------------------------------------------------------------- pages


async def read_all(reader, path, between=None, **query):
    pages, cursor = [], {}
    while True:
        told = await reader.read(path, **query, **cursor)
        pages.append(told["items"])
        if told["next"] is None:
            return pages
        cursor = {"cursor": told["next"]}
        if between is not None:
            await between(len(pages))


async def test_250_jobs_are_paged_without_gap_or_repeat_while_new_ones_come_in(road, evergreen, lakeside):
    await road.receive(*(offer(f"A-{number}") for number in range(250)))

    async def newcomers(turn):
        await road.receive(offer(f"B-{turn}"), provider("offer.accept", f"A-{turn}"))

    for reader in (evergreen, lakeside):
        pages = await read_all(reader, "jobs", newcomers, limit=30)
        numbers = [one["job"]["external_id"] for items in pages for one in items]
        assert len(numbers) == len(set(numbers))
        assert {f"A-{number}" for number in range(250)} <= set(numbers)
        assert {len(items) for items in pages[:-1]} == {30}


async def test_a_long_activity_is_paged_without_gap_or_repeat(road, evergreen, lakeside):
    job = await a_visited_job(road)
    await road.receive(*(enterprise("reminder.send", "A-1", message=str(number)) for number in range(25)))
    for reader in (evergreen, lakeside):
        whole = await reader.items(f"jobs/{job}/activity", limit=100)
        pages = await read_all(reader, f"jobs/{job}/activity", limit=7)
        assert [one for items in pages for one in items] == whole
    records = await read_all(evergreen, f"jobs/{job}/records", limit=10)
    assert [len(items) for items in records] == [10, 10, 6]


async def test_jobs_are_found_by_status_number_and_last_change(road, evergreen):
    await road.receive(*(offer(f"A-{number}") for number in range(4)))
    await road.receive(provider("offer.accept", "A-1"), provider("offer.accept", "A-2"))
    await road.receive(provider("job.cancel", "A-2", reason="C-DUP"))
    [last] = [row["updated_at"] for row in await road.rows(tables.job) if row["external_id"] == "A-2"]

    async def found(**query):
        return [one["job"]["external_id"] for one in await evergreen.items("jobs", **query)]

    assert await found(status="offered") == ["A-3", "A-0"]
    assert await found(status="complete") == await found(status="canceled") == ["A-2"]
    assert await found(external_id="A-1") == ["A-1"]
    assert await found(changed_since=last.isoformat()) == ["A-2"]
    assert await found(external_id="A-1", status="offered") == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        *(
            ({"cursor": cursor}, "bad_cursor")
            for cursor in ("", "x", "é", "!!!!", "am9iczox0", "bm90ZXM6MQ", "am9iczo5OTk5OTk5OTk5OTk5OTk5OTk5")
        ),
        *(({"limit": limit}, "bad_value") for limit in ("0", "101", "-1", "1.5", "ten", "", "٣")),
        ({"status": "gone"}, "bad_value"),
        ({"changed_since": "2026-01-01T00:00:00"}, "bad_value"),
        ({"changed_since": "soon"}, "bad_value"),
        ({"external_id": ""}, "bad_value"),
        ({"external_id": "x" * 201}, "bad_value"),
        ({"external_id": "\0"}, "bad_value"),
    ],
)
async def test_what_cannot_be_read_of_a_query_is_named(evergreen, query, code):
    answer = await evergreen.answer("jobs", **query)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, code, next(iter(query)))


@pytest.mark.parametrize(
    "cursor", ["YWN0aXZpdHk6OTIyMzM3MjAzNjg1NDc3NTgwNzox", "YWN0aXZpdHk6MTo5MjIzMzcyMDM2ODU0Nzc1ODA3", "am9iczox"]
)
async def test_a_cursor_beyond_all_time_is_none(road, evergreen, cursor):
    await road.receive(offer("A-1"))
    assert await evergreen.refusal("jobs/A-1/activity", cursor=cursor) == (400, "bad_cursor")


@pytest.mark.parametrize("name", ["%00", "x" * 201, "%ED%A0%80", "job-99999999999999999999", "job-01", " "])
async def test_ids_that_cannot_be_are_nobodys(evergreen, name):
    assert await evergreen.refusal(f"jobs/{name}") == (404, "not_found")


async def test_a_page_takes_the_same_number_of_statements_whatever_it_holds(road, evergreen, lakeside):
    await road.receive(*(offer(f"A-{number}") for number in range(40)))
    await road.receive(*(provider("offer.accept", f"A-{number}") for number in range(40)))
    await road.receive(
        *(
            provider("appointment.add", f"A-{number}", id=f"V-{number}", start=START, technician="tom")
            for number in range(40)
        )
    )
    counts = {}
    for limit in (1, 40):
        for reader in (evergreen, lakeside):
            await reader.read("jobs", limit=1)
            async with road.counted() as seen:
                await reader.read("jobs", limit=limit)
            counts[reader is lakeside, limit] = len(seen)
    assert counts[True, 1] == counts[True, 40] <= 5
    assert counts[False, 1] == counts[False, 40] <= 4


async def test_while_the_database_is_away_readers_are_told_to_come_again(road, lakeside):
    away = Database("postgresql+asyncpg://127.0.0.1:1/nowhere")
    reads = JobReads(Callers(road.database, None), away, lambda: road.gateway.keeper.profiles)
    app = Starlette(routes=[Route("/v1/jobs", reads.jobs)], exception_handlers={ProblemError: answer_problem})
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        answer = await client.get("/v1/jobs", headers=bearer(lakeside.key))
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"] == "1"
