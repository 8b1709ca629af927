"""500 records of which every tenth is bad: each bad one ends as a row with a reason, a field and its bytes, a receipt
goes to its sender, and its neighbours are applied as if it were not there."""

import random
from dataclasses import dataclass, replace

import orjson
import pytest
from sqlalchemy import select

from gateway.inbound.receive import TooManyBugs
from gateway.store import codec
from gateway.store.tables import event
from tests.inbound import EVERGREEN, LAKESIDE, PREFIX, START, Message, cloud_event, enterprise, offer, opened, provider

OFFERS = f"{PREFIX}offers.{EVERGREEN}.v1"
# Where the sender is known by the topic alone, whatever is in the record.
LAKESIDES = f"{PREFIX}actions.{LAKESIDE}.v1"


@dataclass(frozen=True)
class Bad:
    """A bad record, and how it ends."""

    message: Message
    state: str
    reason: str
    field: str | None = None


def quarantined(message, reason, field=None):
    return Bad(message, "quarantined", reason, field)


def refused(message, reason, field=None):
    return Bad(message, "refused", reason, field)


def raw(value: bytes | None, *headers) -> Message:
    return Message(OFFERS, value, headers)


def with_member(message: Message, old: bytes, new: bytes) -> Message:
    """The bytes of `message`, changed where no JSON library would."""
    assert old in message.value
    return replace(message, value=message.value.replace(old, new))


def bad_records(theirs: str) -> dict[str, Bad]:
    """Every way of the list of bad input, by name; `theirs` is the number of a job of another enterprise."""
    good = offer("Z-1", title="@@", service_fee=77.0)
    return {
        "not JSON": quarantined(raw(b"{no"), "not_json"),
        "not UTF-8": quarantined(raw(b'{"a": "\xff"}'), "not_json"),
        "an array": quarantined(raw(b"[1]"), "not_an_object"),
        "JSON of the wrong shape": quarantined(raw(b'{"hello": 1}'), "missing_type", "specversion"),
        "a wrong type deep inside": quarantined(
            offer("Z-1", customer={"name": "Bo", "phones": [{"number": "1"}, {"number": 7}]}),
            "wrong_type",
            "data.customer.phones[1].number",
        ),
        "an unknown member": quarantined(offer("Z-1", colour="red"), "unknown_member", "data.colour"),
        "an unknown member with a long odd name": quarantined(
            offer("Z-1", custom_fields={"a": 1}, **{"\U0001f600" * 300: 1}), "unknown_member", ...
        ),
        "an unknown type": quarantined(enterprise("offer.dance", "Z-1"), "unknown_type", "type"),
        "no type": quarantined(with_member(good, b'"offer.submit.v1"', b'""'), "missing_type", "type"),
        "a version that we do not know": quarantined(enterprise("offer.submit.v2", "Z-1"), "unknown_version", "type"),
        "a header that is not UTF-8": quarantined(
            replace(good, headers=(("trace", b"\xff\xfe"),)), "bad_header", "headers.trace"
        ),
        "a null header": quarantined(replace(good, headers=(("trace", None),)), "bad_header", "headers.trace"),
        "an empty value": quarantined(raw(b""), "empty_value"),
        "no value": quarantined(raw(None), "empty_value"),
        "6 MB": quarantined(raw(b'{"specversion": "1.0", "data": "' + b"x" * 6_000_000 + b'"}'), "too_large"),
        "\\u0000": quarantined(with_member(good, b'"@@"', b'"a\\u0000b"'), "bad_text", "data.title"),
        "\\u0000 in a name": quarantined(with_member(good, b'"title"', b'"ti\\u0000tle"'), "bad_text", ...),
        "\\u0000 in the id": quarantined(
            with_member(offer("Z-1", message_id="zz"), b'"zz"', b'"z\\u0000"'), "bad_text", "id"
        ),
        "a lone surrogate": quarantined(with_member(good, b'"@@"', b'"\\ud800"'), "bad_text", "data.title"),
        "2**64": quarantined(offer("Z-1", revision=2**64 - 1), "number_out_of_range", "data.revision"),
        "more than 2**64": quarantined(with_member(good, b"77.0", str(2**70).encode()), "number_out_of_range", ...),
        "NaN": quarantined(with_member(good, b"77.0", b"NaN"), "number_out_of_range", "data.service_fee"),
        "1e999": quarantined(with_member(good, b"77.0", b"1e999"), "number_out_of_range", "data.service_fee"),
        "the year 10000": quarantined(offer("Z-1", accept_by="10000-01-01T00:00:00Z"), "bad_time", "data.accept_by"),
        "a day that is none": quarantined(offer("Z-1", accept_by="2026-02-30T00:00:00Z"), "bad_time", "data.accept_by"),
        "a time without zone": quarantined(
            offer("Z-1", accept_by="2026-01-01T00:00:00"), "time_without_zone", "data.accept_by"
        ),
        "a message id of 3,000 characters": quarantined(offer("Z-1", message_id="x" * 3000), "id_too_long", "id"),
        "a subject of 3,000 characters": quarantined(offer("x" * 3000), "id_too_long", "subject"),
        "nested too deep": quarantined(raw(b'{"a":' * 5000 + b"1" + b"}" * 5000), "too_deep"),
        "a job of another enterprise": refused(enterprise("reminder.send", theirs), "not_your_job", "subject"),
        "a brand of another enterprise": refused(offer("Z-1", brand="ironpeak"), "unknown_brand", "data.brand"),
        "a job that does not exist": refused(enterprise("reminder.send", "job-999999999"), "not_your_job", ...),
        "an organization that does not exist": refused(
            offer("Z-1", organization="org-999999999"), "no_provider", "data.organization"
        ),
        "no customer": refused(offer("Z-1", customer=None), "customer_required", "data.customer"),
        "what only a provider sends": refused(enterprise("offer.accept", "A-0"), "not_allowed", "type"),
        "a reminder without an id": refused(
            enterprise("reminder.send", "A-0", message_id=None), "message_id_required", "id"
        ),
        "a deactivated user": refused(
            provider("appointment.start", appointment="V-0", user="tia", door=LAKESIDES),
            "user_deactivated",
            "data.user",
        ),
        "a technician on a visit not theirs": refused(
            provider("appointment.start", appointment="V-0", user="zoe", door=LAKESIDES), "not_assigned", "data.user"
        ),
        "a technician at the desk": refused(
            provider("job.cancel", "A-0", user="zoe", door=LAKESIDES), "role_not_allowed", "data.user"
        ),
        "a completing reason for a pause": refused(
            provider("appointment.pause", appointment="V-0", reason="REP", door=LAKESIDES),
            "reason_completes",
            "data.reason",
        ),
        "an unknown reason where there is no list": refused(
            provider("appointment.complete", appointment="W-0", reason="Nobody's", door=LAKESIDES),
            "unknown_reason",
            "data.reason",
        ),
        "an unknown reason": Bad(
            provider("appointment.complete", appointment="V-1", reason="Nobody's", door=LAKESIDES),
            "unmapped",
            "unmapped_reason",
        ),
    }


@pytest.fixture
async def road(staffed_url):
    async with opened(staffed_url, "sunfield") as road:
        yield road


async def prepared(road) -> dict[str, Bad]:
    """What the bad records are about: two jobs with a visit, one of Lakeside's own, and one of another enterprise."""
    ends = await road.receive(
        provider("user.put", "zoe", role="technician"),
        provider("user.deactivate", "tia"),
        offer("A-0"),
        offer("A-1"),
        provider("offer.accept", "A-0"),
        provider("offer.accept", "A-1"),
        provider("appointment.add", "A-0", id="V-0", start=START, technician="tom"),
        provider("appointment.add", "A-1", id="V-1", start=START),
        provider("job.create", None, job="W", customer={"name": "Kim"}, appointment={"id": "W-0", "start": START}),
        enterprise("offer.submit", "S-1", source="sunfield-home", organization={"handle": LAKESIDE}, customer={"name": "x"}),
    )  # fmt: skip
    assert set(ends) == {"applied"}
    return bad_records(await road.job_id("S-1"))


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_500_records_of_which_every_tenth_is_bad(road, seed):
    chance = random.Random(seed)
    bad = await prepared(road)
    names = [*bad, *chance.choices(sorted(bad.keys() - {"6 MB"}), k=50)][:50]
    # One that holds its job when it comes again would be a repeat.
    names = [name if name not in names[:index] else "not JSON" for index, name in enumerate(names)]
    chance.shuffle(names)
    before, receipts = len(await road.records()), len(await road.receipts())
    messages, expected = [], []
    for number in range(500):
        is_bad = number % 10 == 9
        message = bad[names[number // 10]].message if is_bad else offer(f"G-{number}", message_id=f"g-{number}")
        messages.append(message)
        expected.append(bad[names[number // 10]] if is_bad else None)

    entries = await road.entries(*messages)

    rows = (await road.records())[before:]
    assert len(entries) == len(rows) == 500
    for row, message, want in zip(rows, messages, expected, strict=True):
        if want is None:
            assert (row["state"], row["reason"]) == ("applied", None)
            continue
        assert (row["state"], row["reason"]) == (want.state, want.reason), names
        assert want.field is ... or row["field"] == want.field
        assert row["raw"] == message.value
        kept = codec.decode(row["headers"]) if row["headers"] else []
        assert kept == [[name, value and value.hex()] for name, value in message.headers]
    told = (await road.receipts())[receipts:]
    theirs = [want for want, message in zip(expected, messages, strict=True) if want and message.door == OFFERS]
    assert sorted(receipt["reason"] for receipt in told) == sorted(want.reason for want in theirs)
    assert all(
        receipt.get("field") == want.field for receipt, want in zip(told, theirs, strict=True) if want.field is not ...
    )
    assert len(await road.jobs()) == 4 + 450
    assert await road.is_balanced()


async def test_each_bad_record_ends_alike_alone(road):
    bad = await prepared(road)
    for name, want in bad.items():
        (entry,) = await road.entries(want.message)
        assert (name, entry.state, entry.reason) == (name, want.state, want.reason)
    assert await road.is_balanced()


@pytest.mark.parametrize(
    ("changed", "reason", "field"),
    [
        ({"messageNumber": "x" * 3000}, "id_too_long", "id"),
        ({"claim": {"number": "x" * 3000}}, "id_too_long", "subject"),
        ({"claim": {"number": "a\0b"}}, "bad_text", "claim.number"),
        ({"action": "DANCE"}, "unknown_type", "type"),
        ({"action": 7}, None, None),
        ({"sentAt": "yesterday"}, None, None),
        ({"claim": [1]}, None, None),
    ],
)
async def test_a_brands_own_json_ends_as_a_row_too(road, changed, reason, field):
    value = {"action": "REMIND", "messageNumber": "1", "claim": {"number": "C-1"}, **changed}
    door = f"{PREFIX}claims.ironpeak.v1"
    ends = await road.receive(
        Message(door, orjson.dumps(value)), offer("A-1"), Message(door, b"{"), Message(door, b"[]")
    )
    assert ends[1] == "applied"
    assert [end.split()[0] for end in ends] == ["quarantined", "applied", "quarantined", "quarantined"]
    row = (await road.records())[4]
    assert reason is None or (row["reason"], row["field"]) == (reason, field)
    assert len(await road.receipts()) == 3
    assert await road.is_balanced()


# ------------------------------------------------------------------------------- what only the database, or a bug, finds


@pytest.mark.parametrize("position", [0, 7, 19])
async def test_a_value_that_cannot_be_stored_is_quarantined_alone(road, position, monkeypatch):
    """Translation lets one title through that no encoder takes: the batch is cut in two until it stands alone."""
    from gateway.inbound import entry as module

    honest = module.translate

    def careless(envelope, side, arrived_at):
        reading = honest(envelope, side, arrived_at)
        if envelope.id == "evil":
            command = replace(reading.command, details={**reading.command.details, "title": "\ud800"})
            return replace(reading, command=command)
        return reading

    monkeypatch.setattr(module, "translate", careless)
    messages = [offer(f"G-{number}", message_id=f"g-{number}") for number in range(20)]
    messages[position] = offer("E-1", message_id="evil")

    await road.entries(*messages)

    rows = (await road.records())[4:]
    assert len(rows) == 20
    odd = [row for row in rows if row["state"] != "applied"]
    assert [(row["state"], row["raw"]) for row in odd] == [("quarantined", messages[position].value)]
    assert odd[0]["reason"] in {"database_refused", "bug"}
    assert await road.is_balanced()
    assert len(await road.receipts()) == 1


async def test_what_the_database_refuses_is_quarantined_alone_and_says_so(road, monkeypatch):
    from gateway.inbound import entry as module

    honest = module.translate

    def careless(envelope, side, arrived_at):
        reading = honest(envelope, side, arrived_at)
        return replace(reading, message_id="x" * 3000 + "\0") if envelope.id == "evil" else reading

    monkeypatch.setattr(module, "translate", careless)
    if not road.database.is_sqlite:  # SQLite stores it
        ends = await road.receive(offer("G-1"), offer("E-1", message_id="evil"), offer("G-2"))
        assert ends == ["applied", "quarantined database_refused", "applied"]
        assert await road.is_balanced()


async def test_a_key_that_is_anothers_for_good_takes_one_record_aside_and_not_the_partition(road, monkeypatch):
    """A unique violation is run again; where it does not end, no second receiver was there."""
    from gateway.inbound import settle as module

    honest = module.decide

    def careless(job, request, facts):
        outcome = honest(job, request, facts)
        made = [replace(one, handle=LAKESIDE) if hasattr(one, "handle") else one for one in outcome.saved] if hasattr(outcome, "saved") else []  # fmt: skip
        return replace(outcome, saved=tuple(made)) if made else outcome

    monkeypatch.setattr(module, "decide", careless)
    ends = await road.receive(offer("G-1"), enterprise("organization.put", "P-1", name="x"), offer("G-2"))
    assert ends == ["applied", "quarantined database_refused", "applied"]
    assert await road.is_balanced()


@pytest.mark.parametrize("where", ["translate", "decide", "append"])
async def test_a_bug_takes_its_record_aside_and_leaves_nothing_half_done(road, monkeypatch, where):
    from gateway.inbound import entry, recipients, settle

    module, name = {
        "translate": (entry, "translate"),
        "decide": (settle, "decide"),
        "append": (recipients, "event_body"),
    }[where]
    honest = getattr(module, name)

    def broken(*arguments):
        if any("E-1" in str(one) for one in arguments):
            raise KeyError("a bug")
        return honest(*arguments)

    monkeypatch.setattr(module, name, broken)
    named = {"id": "P-1", "name": "Smith"}
    ends = await road.receive(offer("G-1"), offer("E-1", organization=named), offer("G-2"))
    assert ends == ["applied", "quarantined bug", "applied"]
    assert len(await road.jobs()) == 2
    assert await road.is_balanced()
    async with road.database.transaction() as connection:
        types = (await connection.execute(select(event.c.type))).scalars().all()
    assert types.count("job.offered") == 2


async def test_a_receiver_that_fails_on_a_fifth_of_its_records_stops_and_takes_nothing_in(road, monkeypatch):
    from gateway.inbound import settle

    honest = settle.decide

    def broken(job, request, facts):
        if request.number % 3 == 0:
            raise KeyError("a wrong deployment")
        return honest(job, request, facts)

    monkeypatch.setattr(settle, "decide", broken)
    with pytest.raises(TooManyBugs):
        await road.entries(*(offer(f"G-{number}") for number in range(500)))
    assert len(await road.records()) == 4


async def test_a_sender_is_told_nothing_where_it_is_not_known_who_it_was(road):
    shared = Message(f"{PREFIX}offers.v1", b"{")
    unnamed = cloud_event(f"{PREFIX}offers.v1", "offer.submit", "A-1", None)
    assert [end.split()[0] for end in await road.receive(shared, unnamed)] == ["quarantined"] * 2
    assert await road.receipts() == []
