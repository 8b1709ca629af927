"""What differs between clients of Dispatch Connect in several languages and makes no difference to the gateway."""

import gzip
import io

import orjson
import pytest

from gateway.store import tables
from tests.edge import job_offer, post_in, post_signed
from tests.inbound import offer, opened
from tests.keys import make_key

JAVA, DOTNET, UNIX, UNKNOWN = 0, 10, 3, 255


def compressed(body, *, os=UNIX, level=6, extra_flags=0, name="", mtime=0):
    """RFC 1952 as this or that library writes its header."""
    raw = io.BytesIO()
    with gzip.GzipFile(filename=name, mode="wb", fileobj=raw, compresslevel=level, mtime=mtime) as file:
        file.write(body)
    written = bytearray(raw.getvalue())
    written[8:10] = bytes((extra_flags, os))
    return bytes(written)


@pytest.fixture
async def road(staffed_url):
    async with opened(staffed_url, "quillbrook") as road:
        yield road


@pytest.fixture
async def meridian(road):
    """The key of an account with one brand, which no record has to name."""
    return await make_key(road.database, account="meridian-homecare")


@pytest.mark.parametrize(
    "header",
    [
        {"os": JAVA},
        {"os": DOTNET, "extra_flags": 4, "level": 1},
        {"os": UNIX, "extra_flags": 2, "level": 9},
        {"os": UNKNOWN, "name": "records.json", "mtime": 1_767_225_600},
        {"level": 0},
    ],
    ids=["java", "dotnet", "php", "python-file", "stored"],
)
async def test_every_librarys_gzip_is_read(client, meridian, header):
    raw = compressed(orjson.dumps([job_offer("W-1")]), **header)
    answer = await post_in(client, meridian, raw, compressed=False)
    assert (answer.status_code, [one["outcome"] for one in answer.json()["records"]]) == (200, ["applied"])


async def test_compression_may_be_left_out(client, meridian):
    answer = await post_in(client, meridian, [job_offer("W-1")], compressed=False)
    assert [one["outcome"] for one in answer.json()["records"]] == ["applied"]


@pytest.mark.parametrize(
    "body", [b'{"maxNumberOfMessages":10}', b'{"maxNumberOfMessages": 10}', b' {\n\t"maxNumberOfMessages" : 10\n}\n']
)
async def test_spaces_in_a_poll_are_signed_as_they_are_sent(client, meridian, body):
    answer = await post_signed(client, "/agent/out", meridian, body)
    assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize(
    "written",
    ["2027-01-05T15:00:00Z", "2027-01-05T15:00:00.000Z", "2027-01-05T15:00:00+0000", "2027-01-05T16:00:00.000+01:00"],
)
async def test_a_time_is_the_same_however_it_is_written(road, client, meridian, written):
    times = [{"start_time": written, "end_time": "2027-01-05T18:00:00Z"}]
    answer = await post_in(client, meridian, [job_offer("W-1", suggested_times=times)])
    assert [one["outcome"] for one in answer.json()["records"]] == ["applied"]
    [event] = await road.events()
    [told] = event["body"]["details"]["suggested_times"]
    assert told["start"].startswith("2027-01-05T15:00:00")


async def test_zero_and_one_are_booleans_and_ids_may_be_listed(road, client, meridian):
    listed = job_offer("W-1", service_fee_precollected=1)
    listed["record"]["external_ids"] = [listed["record"].pop("external_id")]
    answer = await post_in(client, meridian, [listed])
    assert [one["outcome"] for one in answer.json()["records"]] == ["applied"]
    [job] = await road.rows(tables.job)
    assert job["external_id"] == "W-1"


@pytest.mark.parametrize("result", ["success", "Success", "SUCCESS"])
async def test_success_is_understood_in_any_case(road, client, result):
    lakeside = await make_key(road.database, organization="lakeside-appliance")
    await road.gateway.keeper.refresh()
    await road.receive(offer("A-1"))
    [one] = (await post_signed(client, "/agent/out", lakeside, b"{}")).json()
    receipt, procedure = one["Message"]["Receipt"], one["Message"]["Request"]["ProcedureID"]
    told = f'{{"Receipt":"{receipt}","ProcedureID":"{procedure}","Result":"{result}"}}'
    answer = await post_signed(client, "/agent/ack", lakeside, told.encode())
    assert answer.json() == {"result": "settled"}
