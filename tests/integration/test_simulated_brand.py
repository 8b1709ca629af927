"""The simulated brand over real connections: each way to answer, its control address, and what it says it has seen."""

import io
import ssl
from contextlib import asynccontextmanager

import httpx
import orjson
import pytest

from gateway.simulation.answers import HUGE_BYTES
from gateway.simulation.behaviour import Behaviour, Flaw, Way
from gateway.simulation.certificates import make_certificates
from tests.eventually import eventually
from tests.partner_webhook import OTHER_SECRET, SECRET, partner, signed

PATIENCE = 20.0


def event(version=1, previous=0, job="job-3"):
    told = {"specversion": "1.0", "type": "job.amended.v1", "subject": job}
    return orjson.dumps({**told, "jobversion": version, "jobprevious": previous, "data": {}})


@asynccontextmanager
async def calling(brand, patience=PATIENCE, **members):
    place = brand.url.removesuffix("/hooks").replace("localhost", "127.0.0.1")
    async with httpx.AsyncClient(base_url=place, timeout=patience, **members) as client:
        yield client


async def post(client, body=None, message_id="evt-1", **how):
    body = event() if body is None else body
    return await client.post("/hooks", content=body, headers=signed(body, message_id=message_id, **how))


async def control(client, **told):
    return await client.post("/control", content=orjson.dumps(told))


async def test_it_takes_what_is_signed_and_confirms_what_stands():
    async with partner(confirms=True) as brand, calling(brand) as client:
        for number, version in enumerate((1, 2, 4), 1):
            previous = (0, 1, 2)[number - 1]
            answer = await post(client, event(version, previous), f"evt-{number}")
            assert (answer.status_code, answer.json()) == (200, {"applied": version})
        again = await post(client, event(2, 1), "evt-2")
        assert again.json() == {"applied": 4}, "what stands, not what came"
        seen = (await client.get("/seen")).json()
    assert (seen["received"], seen["taken"], seen["duplicate"], seen["jobs"], seen["well"]) == (4, 4, 1, 1, True)


async def test_it_turns_away_what_is_not_signed_and_tells_it_at_its_end():
    async with partner() as brand, calling(brand) as client:
        assert (await post(client, secrets=[OTHER_SECRET])).status_code == 401
        assert (await post(client, at=1_700_000_000)).status_code == 401
        assert (await client.post("/hooks", content=event())).status_code == 401
    summary = brand.arrivals.summary()
    assert (summary["wrong_signature"], summary["wrong_time"], summary["unsigned"]) == (1, 1, 1)
    assert (summary["taken"], summary["well"]) == (0, False)


async def test_what_it_turned_away_has_no_place_in_the_order():
    async with partner() as brand, calling(brand) as client:
        await control(client, behaviour="error")
        assert (await post(client, event(1, 0), "evt-1")).status_code == 500
        await control(client, behaviour="accept")
        assert (await post(client, event(1, 0), "evt-1")).status_code == 200
        assert (await post(client, event(2, 1), "evt-2")).status_code == 200
    summary = brand.arrivals.summary()
    assert (summary["received"], summary["taken"], summary["duplicate"], summary["well"]) == (3, 2, 0, True)


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"behaviour": "accept"}, 200),
        ({"behaviour": "error"}, 500),
        ({"behaviour": "error", "status": 503}, 503),
        ({"behaviour": "gone"}, 410),
        ({"behaviour": "refuse"}, 400),
        ({"behaviour": "refuse", "status": 404}, 404),
        ({"behaviour": "garbled"}, 200),
    ],
    ids=lambda value: "_".join(map(str, value.values())) if isinstance(value, dict) else str(value),
)
async def test_it_answers_as_it_is_told_to(told, status):
    async with partner() as brand, calling(brand) as client:
        assert (await control(client, **told)).status_code == 200
        answer = await post(client)
        assert answer.status_code == status
        with pytest.raises(UnicodeDecodeError) if told["behaviour"] == "garbled" else pytest.raises(KeyError):
            answer.content.decode("utf-8")
            raise KeyError
        assert brand.arrivals.counts["taken"] == (status == 200)


async def test_it_asks_for_time():
    async with partner() as brand, calling(brand) as client:
        await control(client, behaviour="too_many", retry_after=7)
        answer = await post(client)
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")


async def test_it_sees_who_follows_its_redirects():
    async with partner() as brand, calling(brand) as client:
        await control(client, behaviour="redirect")
        answer = await post(client)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/elsewhere")
        assert brand.arrivals.is_well
        await client.get("/elsewhere")
        assert "a redirect was followed" in brand.arrivals.troubles


async def test_it_answers_late():
    async with partner(behaviour=Behaviour(after_ms=150)) as brand, calling(brand) as client:
        answer = await post(client)
        assert answer.elapsed.total_seconds() >= 0.15


async def test_what_it_answers_too_late_was_taken_all_the_same():
    async with partner(behaviour=Behaviour(after_ms=60_000)) as brand, calling(brand, patience=0.2) as client:
        with pytest.raises(httpx.ReadTimeout):
            await post(client)
        assert brand.arrivals.counts["taken"] == 1


async def test_it_hangs_until_the_other_side_has_had_enough():
    async with partner(behaviour=Behaviour(way=Way.HANG)) as brand:
        async with calling(brand, patience=0.2) as client:
            with pytest.raises(httpx.ReadTimeout):
                await post(client)
        assert (brand.arrivals.counts["received"], brand.arrivals.counts["taken"]) == (1, 0)
        await eventually(lambda: not brand._listener._serving)


async def test_it_breaks_off_in_the_middle_of_an_answer():
    async with partner(behaviour=Behaviour(way=Way.BREAK_OFF)) as brand, calling(brand) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await post(client)
        assert brand.arrivals.counts["taken"] == 1, "and it was taken"


@pytest.mark.parametrize(("way", "least"), [(Way.HUGE, 1_000_000), (Way.TRICKLE, 1)], ids=["huge", "trickle"])
async def test_it_says_more_than_anybody_wants_to_hear(way, least):
    body, got = event(), 0
    async with partner(behaviour=Behaviour(way=way)) as brand, calling(brand) as client:
        async with client.stream("POST", "/hooks", content=body, headers=signed(body)) as answer:
            assert answer.status_code == 200
            async for part in answer.aiter_raw():
                got += len(part)
                if got >= least:
                    break
        assert int(answer.headers["Content-Length"]) == (HUGE_BYTES if way is Way.HUGE else 600)
        assert got < 100_000_000


async def fates(seed):
    behaviour = Behaviour(way=Way.ERROR, rate=0.3)
    async with partner(behaviour=behaviour, seed=seed) as brand, calling(brand) as client:
        return [(await post(client, event(job=f"job-{number}"), f"evt-{number}")).status_code for number in range(60)]


async def test_by_its_seed_the_same_calls_fail_in_each_run():
    first, same, other = [await fates(seed) for seed in (1, 1, 2)]
    assert first == same
    assert first != other
    assert 5 <= first.count(500) <= 35
    assert first.count(500) + first.count(200) == 60


@pytest.mark.parametrize(
    "text",
    [b"{", b"[]", b'{"behaviour": "dance"}', b'{"mood": 3}', b'{"rate": "often"}', b'{"after_ms": -1}'],
    ids=["not_json", "no_object", "unknown_behaviour", "unknown_member", "word", "negative"],
)
async def test_a_wrong_control_call_changes_nothing(text):
    async with partner() as brand, calling(brand) as client:
        answer = await client.post("/control", content=text)
        assert answer.status_code == 400
        assert answer.json()["problem"]
        assert brand.behaviour == Behaviour()


async def test_it_goes_down_and_comes_back_at_the_same_place_with_what_it_has_seen():
    async with partner() as brand, calling(brand) as client:
        await post(client)
        await brand.stop()
        with pytest.raises(httpx.ConnectError):
            await post(client, event(2, 1), "evt-2")
        await brand.start()
        assert (await post(client, event(2, 1), "evt-2")).status_code == 200
        assert (brand.arrivals.counts["taken"], brand.arrivals.is_well) == (2, True)


async def test_it_keeps_a_record_of_every_call():
    record = io.BytesIO()
    async with partner(record=record) as brand, calling(brand) as client:
        await post(client, event(1, 0), "evt-1")
        await post(client, event(3, 2), "evt-3")
        await post(client, b"\xff", "evt-4", secrets=[OTHER_SECRET])
    first, second, third = [orjson.loads(line) for line in record.getvalue().splitlines()]
    assert (first["id"], first["job"], first["version"], first["place"]) == ("evt-1", "job-3", 1, "in_order")
    assert (first["trust"], first["answered"], first["body"]) == ("good", 200, event(1, 0).decode())
    assert (second["place"], second["previous"]) == ("gap", 2)
    assert (third["trust"], third["answered"], third["place"]) == ("wrong_signature", 401, None)
    assert SECRET.encode() not in record.getvalue()


@pytest.fixture
def certificates(tmp_path):
    return make_certificates(tmp_path / "keys", tmp_path / "ca.pem", ("localhost", "127.0.0.1"))


async def test_its_certificate_holds_until_it_is_told_to_show_another(certificates, tmp_path):
    trusted = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    async with partner(certificates=certificates) as brand:
        async with calling(brand, verify=trusted) as client:
            assert (await post(client)).status_code == 200
            assert (await control(client, behaviour="wrong_certificate")).status_code == 200
        async with calling(brand, verify=trusted) as client:
            with pytest.raises(httpx.ConnectError, match=r"CERTIFICATE_VERIFY_FAILED.*mismatch"):
                await post(client)
    assert (tmp_path / "keys" / "partner.key").stat().st_mode & 0o077 == 0


async def test_a_body_without_a_length_ends_the_connection():
    async with partner() as brand, calling(brand) as client:

        async def parts():
            yield b"{}"

        with pytest.raises(httpx.TransportError):
            await client.post("/hooks", content=parts())
        assert brand.arrivals.counts["received"] == 0


async def test_a_partner_with_a_flaw_makes_its_mistake():
    async with partner(flaws=frozenset({Flaw.CLOSES_EACH_TIME, Flaw.TRUSTS_ANYONE})) as brand:
        async with calling(brand) as client:
            assert (await post(client, secrets=[OTHER_SECRET])).status_code == 200
            await eventually(lambda: not brand._listener._serving)
        assert brand.arrivals.counts["wrong_signature"] == 1
