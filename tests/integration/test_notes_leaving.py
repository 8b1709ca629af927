"""Texts of notes on their way out: opened for the right audience, at the last moment, or not at all."""

from datetime import UTC, datetime

from gateway.core.events import NoteRevision
from gateway.core.notes import Note
from gateway.core.visibility import Audience, Private, Visibility
from gateway.outbound.outcome import Fault, Retryable
from gateway.outbound.relay import Relay
from gateway.store.bulk import Writes
from gateway.store.claims import claim
from gateway.store.destinations import find_due_destinations
from gateway.store.notes import save_notes
from tests.outbound import LEASE, RecordingPublisher, render_plainly

SECRET = "the dog bites"


async def put_note(outbox, *, visibility=Visibility.PUBLIC, revision=1):
    note = Note(
        number=5,
        job=1,
        source="acme",
        by_enterprise=False,
        visibility=visibility,
        revision=revision,
        published=True,
        text=Private(SECRET),
        created_at=datetime.now(UTC),
    )
    async with outbox.database.transaction() as connection:
        writes = Writes(connection)
        save_notes(writes, [note])
        await writes.make()


async def publish(outbox, feed, revision=1):
    await put_note(outbox, revision=revision)
    await outbox.append(1, to=feed, kind="note.published", note=NoteRevision(5, revision))


async def retract(outbox, feed, revision=2):
    await put_note(outbox, visibility=Visibility.PRIVATE, revision=revision)
    await outbox.append(1, to=feed, kind="note.retracted", note=NoteRevision(5, revision))


async def sent_by(outbox, *answers):
    """What one round sends: (version, body) of each arrival."""
    publisher = RecordingPublisher(*answers)
    await Relay(outbox.database, publisher, render_plainly, jitter=lambda: 0.0).relay_once()
    return [(one.delivery.event.jobversion, one.document.body.decode()) for one in publisher.arrived]


async def of_each_version(outbox, *names):
    rows = sorted((await outbox.deliveries()).values(), key=lambda row: row["position"])
    return [tuple(row[name] for name in names) for row in rows]


async def test_a_public_note_is_opened_for_the_enterprise(outbox):
    feed = await outbox.add_destination("feed.acme")
    await publish(outbox, feed)
    [(_, body)] = await sent_by(outbox)
    assert SECRET in body


async def test_a_private_note_is_not_opened_for_the_enterprise(outbox):
    feed = await outbox.add_destination("feed.acme")
    await publish(outbox, feed)
    await put_note(outbox, visibility=Visibility.PRIVATE)
    [(_, body)] = await sent_by(outbox)
    assert SECRET not in body


async def test_a_note_is_never_opened_for_customers(outbox):
    notifications = await outbox.add_destination("texts", audience=Audience.CUSTOMER)
    await publish(outbox, notifications)
    [(_, body)] = await sent_by(outbox)
    assert SECRET not in body


async def test_an_older_revision_is_not_opened(outbox):
    feed = await outbox.add_destination("feed.acme")
    await publish(outbox, feed, revision=1)
    await publish(outbox, feed, revision=2)
    [(_, first), (_, second)] = await sent_by(outbox)
    assert SECRET not in first
    assert SECRET in second


async def test_a_note_made_private_before_any_claim_never_leaves_and_is_bridged(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, to=feed)
    await publish(outbox, feed)
    await retract(outbox, feed)
    await outbox.append(1, to=feed)
    sent = await sent_by(outbox)
    assert [version for version, _ in sent] == [1, 4]
    assert sent[1][1].split(":")[1] == "1", "version 4 follows on version 1"
    assert await of_each_version(outbox, "state") == [("delivered",), ("superseded",), ("superseded",), ("delivered",)]
    [_, (published, retraction), (_, by), _] = await of_each_version(outbox, "number", "superseded_by")
    assert retraction != published
    assert by == published
    assert await outbox.lanes() == {}


async def test_what_is_appended_after_everything_was_superseded_is_bridged(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, to=feed)
    await publish(outbox, feed)
    await retract(outbox, feed)
    await sent_by(outbox)
    await outbox.append(1, to=feed)
    [(version, body)] = await sent_by(outbox)
    assert (version, body.split(":")[1]) == (4, "1")


async def test_a_publication_that_an_unrecorded_claim_covered_is_dropped_and_taken_back(outbox):
    """The relay that had it may have sent it before it died."""
    feed = await outbox.add_destination("feed.acme")
    await publish(outbox, feed)
    async with outbox.database.transaction() as connection:
        now = datetime.now(UTC)
        due = await find_due_destinations(connection, "recording", now)
        await claim(connection, due, now=now, lease=LEASE)
    await retract(outbox, feed)
    await outbox.end_leases()
    assert [version for version, _ in await sent_by(outbox)] == [2]
    assert await of_each_version(outbox, "state") == [("superseded",), ("delivered",)]


async def test_a_publication_tried_in_vain_is_not_tried_again_once_taken_back(outbox):
    feed = await outbox.add_destination("feed.acme")
    await publish(outbox, feed)
    assert await sent_by(outbox, lambda _one: Retryable(Fault.TIMEOUT)) == []
    await retract(outbox, feed)
    await outbox.end_leases()
    assert [version for version, _ in await sent_by(outbox)] == [2]


async def test_a_retraction_far_behind_still_stops_its_publication(outbox):
    feed = await outbox.add_destination("feed.acme")
    await publish(outbox, feed)
    for _ in range(12):
        await outbox.append(1, to=feed)
    await retract(outbox, feed)
    sent = await sent_by(outbox)
    assert [version for version, _ in sent] == list(range(2, 9))
    assert sent[0][1].split(":")[1] == "None", "the first that arrives follows on nothing"


async def test_what_comes_after_a_relay_died_with_everything_superseded_still_leaves(outbox):
    feed = await outbox.add_destination("feed.acme")
    await publish(outbox, feed)
    await retract(outbox, feed)
    async with outbox.database.transaction() as connection:
        now = datetime.now(UTC)
        due = await find_due_destinations(connection, "recording", now)
        await claim(connection, due, now=now, lease=LEASE)
    await outbox.end_leases()
    assert await sent_by(outbox) == []
    assert await outbox.lanes() == {}
    await outbox.append(1, to=feed)
    assert [version for version, _ in await sent_by(outbox)] == [3]
