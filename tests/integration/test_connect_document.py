"""docs/connect.md holds: its numbers are true, its examples are sent through the edge, its lists leave nothing out."""

import hashlib
import hmac
import re
from pathlib import Path

import orjson
import pytest

from gateway.core.outcomes import Why
from gateway.inbound import connect_shapes, shapes
from gateway.inbound.http import connect as incoming
from gateway.inbound.unreadable import Unreadable
from gateway.outbound import poll_queue
from gateway.outbound.http import connect as outgoing
from gateway.web import bodies, failed_calls
from tests.edge import bearer, post_in, post_signed, serving
from tests.importing import import_profile
from tests.inbound import opened
from tests.keys import make_key
from tests.partners import BRANDS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "connect.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```(\S+) ?(\w*)\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
# What the document calls the offered job.
JOB = b"1041"

# What no record of Connect can end as: its sender is the key's, nobody acts in a person's name, no note is edited, an
# acceptance names no terms, whatever is sent to restore a job that is not canceled means something else, and members
# that nobody knows are passed over.
NEVER = {
    Why.UNKNOWN_SOURCE,
    Why.NOT_YOUR_NOTE,
    Why.NOT_ASSIGNED,
    Why.ROLE_NOT_ALLOWED,
    Why.USER_DEACTIVATED,
    Why.OFFER_CHANGED,
    Why.JOB_NOT_CANCELED,
    Why.MESSAGE_ID_REQUIRED,
    Why.UNKNOWN_JOBVERSION,
    Unreadable.EMPTY_VALUE,
    Unreadable.NOT_JSON,
    Unreadable.UNKNOWN_MEMBER,
}


def cells(label):
    """The code in the second cell of the rows that begin with `label`."""
    return re.findall(rf"^\| {re.escape(label)}[^|]*\| `([^`]*)` \|", DOCUMENT, re.MULTILINE)


def test_the_worked_example_of_a_signature_is_right():
    [secret] = cells("secret")
    [asked] = cells("body of `/agent/out`")
    [packed] = cells("body of `/agent/in`")
    sent = (asked.encode(), bytes.fromhex(packed))
    signed = [hmac.new(bytes.fromhex(secret), body, hashlib.sha256).hexdigest() for body in sent]
    assert signed == cells("`X-Dispatch-Signature`")
    assert bodies.inflate(sent[1]) == b"[]"


def test_every_reason_is_listed_and_none_that_there_is_not():
    answers = DOCUMENT.partition("\n## Answers\n")[2].partition("Any other status")[0]
    listed = set(re.findall(r"`([a-z_]+)`", answers))
    reasons = {why.value for why in (*Why, *Unreadable) if why not in NEVER}
    assert reasons - listed == set()
    outcomes = {"applied", "ignored", "parked", "unmapped", "refused", "quarantined"}
    assert listed - reasons == outcomes | {"updated_at", "outcome", "reason", "about", "field"}


def test_the_limits_are_those_of_the_code():
    limits = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", DOCUMENT.partition("\n## Limits\n")[2], re.MULTILINE))
    days = shapes.MAX_DURATION_SECONDS // 86_400
    most, usual = poll_queue.LARGEST, outgoing.USUAL_NUMBER
    assert {name: told for name, told in limits.items() if name != "ids · notes · descriptions"} == {
        "body of `/agent/in`": f"{mebibytes(bodies.MOST_BYTES)} as sent, {mebibytes(bodies.MOST_INFLATED)} without compression",
        "records in a request": str(incoming.MOST_RECORDS),
        "body of `/agent/out` and `/agent/ack`": f"{outgoing.MOST_BYTES // 1024} KiB",
        "messages in an answer": f"{most} at most, {usual} where no number is given",
        "pauses within a body": f"{bodies.PATIENCE_SECONDS:.0f} s",
        "failed signatures from one address": f"{failed_calls.FAILURES_A_MINUTE} a minute",
        "suggested times · telephones · machines of a job": " · ".join(
            str(longest(model, name))
            for model, name in (
                (connect_shapes.ConnectJob, "suggested_times"),
                (connect_shapes.ConnectCustomer, "phone_numbers"),
                (connect_shapes.ConnectJob, "equipment_descriptions"),
            )
        ),
        "a visit": f"60 s to {days} days",
    }
    lengths = (shapes.MAX_ID, shapes.MAX_NOTE, longest(connect_shapes.ConnectJob, "description"))
    assert limits["ids · notes · descriptions"] == " · ".join(map(str, lengths)) + " characters"
    assert f"after {poll_queue.LEASE.total_seconds():.0f} s" in DOCUMENT


def mebibytes(size):
    return f"{size // 1024**2} MiB"


def longest(model, name):
    [one] = [part for part in model.model_json_schema()["properties"][name]["anyOf"] if part["type"] != "null"]
    return one.get("maxItems") or one["maxLength"]


@pytest.fixture
async def road(staffed_url):
    async with opened(staffed_url) as road:
        text = (BRANDS / "northwind" / "profile.v1.yaml").read_text(encoding="utf-8")
        found = await import_profile(road.database, text, file="profile.v1.yaml", author="test", reason="test")
        assert found.profiles, found.problems
        yield road


async def test_every_example_goes_through_the_edge_as_the_document_tells_it(road):
    keys = {
        "account": await make_key(road.database, account="northwind-warranty"),
        "organization": await make_key(road.database, organization="brook-repair"),
    }
    await road.gateway.keeper.refresh()
    async with serving(road) as client:
        named = await client.put(
            "/v1/organizations/P-77", json={"handle": "brook-repair"}, headers=bearer(keys["account"])
        )
        assert named.json()["outcome"] == "applied"
        told = Told(client, keys)
        for language, about, text in EXAMPLES:
            assert language == "json"
            await getattr(told, about)(text.encode())
    assert told.done == {"account": 7, "organization": 7, "answer": 1, "out": 1, "ack": 1}
    assert "appointment.completed" in await road.told()
    assert await road.is_balanced()


class Told:
    """The document as it is read: what the examples before have brought about is what those after speak of."""

    def __init__(self, client, keys):
        self._client = client
        self._keys = keys
        self._job = JOB
        self._answer = None
        self._handed = None
        self.done = dict.fromkeys(("account", "organization", "answer", "out", "ack"), 0)

    async def account(self, text):
        await self._post("account", text)

    async def organization(self, text):
        await self._post("organization", text)

    async def answer(self, text):
        """What was answered last has these members."""
        self.done["answer"] += 1
        assert shape(orjson.loads(text)) <= shape(self._answer)

    async def out(self, text):
        """The offer, as the organization is handed it, has these members, and more."""
        self.done["out"] += 1
        answer = await post_signed(self._client, "/agent/out", self._keys["organization"], b"")
        number = put(orjson.loads(text))["job"]["external_id"]
        [self._handed] = [one for one in answer.json() if put(one)["job"]["external_id"] == number]
        assert shape(orjson.loads(text)) <= shape(self._handed)

    async def ack(self, text):
        self.done["ack"] += 1
        told = orjson.loads(text)
        told["Receipt"] = self._handed["Message"]["Receipt"]
        answer = await post_signed(self._client, "/agent/ack", self._keys["organization"], orjson.dumps(told))
        assert answer.json() == {"result": "settled"}

    async def _post(self, who, text):
        answer = await post_in(self._client, self._keys[who], text.replace(JOB, self._job))
        self._answer = answer.json()
        self.done[who] += len(self._answer["records"])
        assert {one["outcome"] for one in self._answer["records"]} == {"applied"}, self._answer
        if self._job == JOB:
            self._job = self._answer["records"][0]["job"].removeprefix("job-").encode()


def put(element):
    return element["Message"]["Request"]["Payload"]["Actions"][0]["Put"]


def shape(tree, path=""):
    """Every member there is, by its path; those of a list together."""
    if isinstance(tree, dict):
        found = {f"{path}.{name}" for name in tree}
        return found.union(*(shape(value, f"{path}.{name}") for name, value in tree.items()))
    if isinstance(tree, list):
        return set().union(*(shape(value, f"{path}[]") for value in tree))
    return set()
