"""Poll queues in tests: facts of events as they are stored, and what is read from a message."""

import orjson

from gateway.outbound.poll_queue import PollQueue
from tests.importing import import_profile
from tests.inbound import BRANDS


def queue_of(database, **about):
    return PollQueue(
        database, about.pop("find_profile", lambda _event, _destination: None), jitter=lambda: 0.0, **about
    )


def body(job, *, was="offered", now="unscheduled", visits=(), **more):
    """The stored facts of an event, as JSON."""
    facts = {
        "job": {"id": f"job-{job}", "external_id": f"WO-{job}", "title": "Dishwasher"},
        "previous_status": was,
        "status": now,
        "closure": None,
        **more,
    }
    if visits:
        facts["appointments"] = [
            {"id": f"apt-{number}", "status": "scheduled", "start": "2026-03-03T11:00:00Z", "duration_seconds": 7200}
            for number in visits
        ]
    return orjson.dumps(facts).decode()


def plain(job):
    """One message to a provider or an account: nothing but the job."""
    return body(job, was="unscheduled", now="complete", closure="completed")


async def owe(outbox, *jobs, to, **about):
    for job in jobs:
        await outbox.append(job, to=to, kind="job.completed", body=plain(job), **about)


def put_of(handed):
    [action] = handed.message["Message"]["Request"]["Payload"]["Actions"]
    return action["Put"]


def jobs_of(handed):
    return [one.event.job for one in handed]


async def only_delivery(outbox):
    [row] = (await outbox.deliveries()).values()
    return row


async def import_polled(road, *, version=2, added=(), **about):
    """Harborline's next version, with a poll queue as its only destination; `about`: what is said of that besides.

    `added` are a member of the profile and a row that it gets.
    """
    text = (BRANDS / "harborline" / "profile.v1.yaml").read_text(encoding="utf-8")
    text = text.replace("version: 1\n", f"version: {version}\n", 1)
    for member, row in added:
        text = text.replace(f"{member}:\n", f"{member}:\n  - {row}\n", 1)
    said = "".join(f", {name}: {value}" for name, value in about.items())
    feed = f"destinations:\n  - {{name: feed.harborline.poll, kind: poll{said}}}\n"
    text = text.replace("destinations:\n", feed, 1) if "\ndestinations:\n" in text else f"{text}\n{feed}"
    found = await import_profile(road.database, text, file="profile.yaml", author="ops", reason="test")
    assert found.profiles, found.problems
