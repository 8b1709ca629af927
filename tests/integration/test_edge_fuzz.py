"""Whatever is sent to the edge: no 500, no traceback in an answer, no bug met by a record, and the sums agree."""

import gzip
import json
import os
import random
from urllib.parse import quote

import pytest

from gateway.inbound.http.canonical import ADDRESSES
from tests.edge import bearer, envelope, job_offer, post_in, post_signed, serving
from tests.inbound import EVERGREEN, LAKESIDE, offer
from tests.keys import make_key

BODIES = 20_000 if os.environ.get("GATEWAY_TEST_LENGTH") == "full" else 400

WEIRD = [
    *(None, True, 0, -1, 2**63, 2**70, 1e308, "", "\0", "\ud800", "é" * 300, "x" * 5_000, [], {}, [[[]]]),
    *("job-1", "job-99999999999999999999", "2027-13-45T99:99", "9999-12-31T23:59:59+14:00", {"a": {"b": [1] * 50}}),
]
MEMBERS = ["id", "source", "status", "external_id", "job_id", "time", "customer", "organization", "header", "\0"]
ENVELOPES = [
    job_offer("W-1"),
    envelope("offer", "v2", external_id="O-1", title="x", customer={"first_name": "B"}),
    envelope("appointment", external_job_id="W-1", external_id="V-1", time="2027-01-05T15:00:00.000Z", duration=7200),
    envelope("attachment", action="post", job_id=1, description="hello"),
    envelope("user", external_id="u1", external_organization_id="P1", first_name="A", roles=["technician"]),
    envelope("organization", external_id="P1", name="Prov", phone_number="+15550100"),
    envelope("job", id=30001, status="complete", status_message="Done"),
]
CONTENT = {
    "job": "A-1",
    "brand": "harborline",
    "title": "No heat",
    "organization": {"handle": LAKESIDE},
    "revision": 3,
    "customer": {"name": "Bo", "phones": [{"number": "+15550100"}]},
    "address": {"postal_code": "62701"},
    "accept_by": "2027-01-05T15:00:00Z",
    "appointment": {"id": "V", "start": "2027-01-05T15:00:00Z"},
    "text": "x",
    "id": "N-1",
    "reason": "REP",
    "minutes": 5,
    "visibility": "public",
    "role": "technician",
    "latitude": 1.0,
    "longitude": 2.0,
    "occurred_at": "2026-01-05T15:00:00Z",
}
PLACES = ["job-30001", "A-1", "V-1", "x" * 250, "é\x01", "N-1", "dee", "job-99999999999999999999999"]
POLLS = [
    {"maxNumberOfMessages": 10},
    {"Receipt": f"{'0' * 32}-1-0", "ProcedureID": "x", "Result": "error", "Error": "e"},
]


class Chance:
    """Bodies that are nearly right; the same ones for the same seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def often(self, share):
        return self.random.random() < share

    def one_of(self, values):
        return self.random.choice(values)

    def changed(self, value):
        if self.often(0.12):
            return self.one_of(WEIRD)
        if isinstance(value, dict):
            kept = {name: item for name, item in value.items() if not self.often(0.05)}
            more = {self.one_of(MEMBERS): self.one_of(WEIRD)} if self.often(0.1) else {}
            return {name: self.changed(item) for name, item in kept.items()} | more
        if isinstance(value, list):
            return [self.changed(item) for item in value]
        if isinstance(value, str) and self.often(0.2):
            return value[: self.random.randrange(len(value) + 1)] + self.one_of(["", "'", '"', "\\", "\u2028", "\x01"])
        return value

    def body(self, value):
        kind = self.random.random()
        if kind < 0.05:
            return self.random.randbytes(self.random.randrange(2_000))
        if kind < 0.1:
            return self.one_of([b"[", b'{"a":']) * self.random.randrange(1, 30_000)
        made = json.dumps(self.changed(value), ensure_ascii=self.often(0.7)).encode("utf-8", "surrogatepass")
        made = self.damaged(made) if self.often(0.1) else made
        if self.often(0.5):
            return made
        packed = gzip.compress(made)
        return self.damaged(packed) if self.often(0.2) else packed

    def damaged(self, made):
        at = self.random.randrange(len(made) + 1)
        return made[:at] + self.random.randbytes(self.random.randrange(8)) + self.one_of([made[at:], b""])


@pytest.mark.timeout(1_200)
async def test_nothing_that_is_sent_ends_in_a_failure_of_the_edge(road, request):
    # Told with a failure, to send the same again.
    seed = random.Random().randrange(10**6)
    request.node.add_report_section("setup", "seed", str(seed))
    chance = Chance(seed)
    await road.receive(offer("A-1"), offer("A-2"))
    keys = [await make_key(road.database, account=EVERGREEN), await make_key(road.database, organization=LAKESIDE)]
    async with serving(road) as client:
        for number in range(BODIES):
            answer = await sent(client, chance, chance.one_of(keys), number)
            assert answer.status_code < 500, (seed, answer.request.url, answer.request.content, answer.text)
            assert "Traceback" not in answer.text
    assert {row["reason"] for row in await road.records()}.isdisjoint({"bug", "database_refused"}), seed
    assert await road.is_balanced()


async def sent(client, chance, key, number):
    if chance.often(0.6):
        ids = {"MessageId": chance.one_of(["m1", "x" * 300, str(number)])} if chance.often(0.3) else {}
        several = [chance.one_of(ENVELOPES) for _ in range(chance.random.randrange(1, 4))]
        return await post_in(client, key, chance.body(several), compressed=False, **ids)
    if chance.often(0.15):
        return await post_signed(
            client, chance.one_of(["/agent/out", "/agent/ack"]), key, chance.body(chance.one_of(POLLS))
        )
    address = chance.one_of(ADDRESSES)
    path = address.path
    for name in ("subject", "appointment", "note"):
        path = path.replace(f"{{{name}}}", quote(chance.one_of(PLACES), safe=""))
    content = {name: item for name, item in CONTENT.items() if chance.often(0.6)}
    ids = {"Idempotency-Key": chance.one_of(["k1", "y" * 201, str(number)])} if chance.often(0.5) else {}
    return await client.request(address.method, path, content=chance.body(content), headers=bearer(key) | ids)
