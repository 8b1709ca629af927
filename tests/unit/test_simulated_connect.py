"""What simulated partners say by Dispatch Connect, and what they make of what they are handed."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.simulation.connect import envelopes
from gateway.simulation.polled import Reader
from gateway.simulation.wire import Message
from gateway.simulation.world import load_world


def message(kind, subject="job-7", ago=timedelta(0), **content):
    time = datetime.now(UTC) - ago
    return Message(type=kind, id="m-1", source="summit", subject=subject, time=time, content=content)


def records(one):
    return [(told["header"]["record_type"], told["record"]) for told in envelopes(one)]


def test_an_acceptance_with_a_visit_is_two_records_with_ids_of_their_own():
    visit = {"id": "V-1", "start": "2027-01-05T15:00:00Z", "technician": "T-1"}
    told = envelopes(message("offer.accept", appointment=visit))
    assert [one["header"]["messageID"] for one in told] == ["m-1", "m-1.1"]
    assert told[0]["record"] == {"id": 7, "status": "unscheduled"}
    assert told[1]["record"]["job_id"] == 7


@pytest.mark.parametrize(
    "one",
    [
        message("offer.accept", revision=2),
        message("appointment.delete", appointment="V-1"),
        message("appointment.on_my_way", appointment="V-1", ago=timedelta(minutes=30)),
        message("reminder.send", subject="QB101", message="Will you take it?"),
        message("organization.put", subject="V-417", handle="summit", name="Summit"),
    ],
    ids=lambda one: one.type,
)
def test_connect_has_no_word_for_these(one):
    assert records(one) == []


def test_a_job_is_named_by_whichever_number_the_sender_knows():
    started = message("appointment.start", subject="SU-1", appointment="V-1")
    assert records(started) == [("appointment", {"external_job_id": "SU-1", "external_id": "V-1", "status": "started"})]
    [(_, moved)] = records(message("appointment.start", appointment="apt-9"))
    assert (moved["job_id"], moved["id"]) == (7, 9)


def handed(status, number=7, event=1):
    entity = {"id": number, "external_id": "QB101", "title": "Dishwasher leaks", "status": status}
    request = {"Payload": {"Actions": [{"Put": {"job": entity}}]}}
    return {"Message": {"ID": f"evt-{event}.1", "Request": request}}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["offered", "unscheduled", "scheduled", "canceled"], ["offered", "accepted", "moved", "canceled"]),
        (["offered", "offered", "rejected"], ["offered", "amended", "declined"]),
        (["offered", "canceled"], ["offered", "declined"]),
        (["unscheduled", "canceled", "scheduled"], ["created", "canceled", "restored"]),
    ],
)
def test_a_word_means_what_it_means_after_the_one_before_it(words, told):
    reader = Reader(load_world())
    assert [reader.read(handed(word)).type for word in words] == [f"job.{kind}" for kind in told]


def test_whoever_took_an_offer_knows_a_cancellation_from_a_withdrawal():
    reader = Reader(load_world())
    reader.read(handed("offered"))
    reader.take("job-7")
    canceled = reader.read(handed("canceled", event=2))
    assert (canceled.type, canceled.event, canceled.details["job"]["brand"]) == ("job.canceled", "evt-2", "quillbrook")
