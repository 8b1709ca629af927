"""Notes made private again: the retraction goes to whoever was to get the publication, whatever a profile asks by now."""

import orjson
import pytest

from gateway.outbound.relay import Relay
from tests.importing import import_profile
from tests.inbound import BRANDS, offer, provider
from tests.outbound import RecordingPublisher

MAPLEGROVE = (BRANDS / "maplegrove" / "profile.v1.yaml").read_text(encoding="utf-8")
# What Maplegrove may have asked for before, and what it asks for from then on.
CHANGES = {
    "notes are not used any more": ("notes: true", "notes: false"),
    "how the job stands is not told": (
        "{status: offered, code: new}",
        "{status: offered, refuse: not_before_accepted}",
    ),
    "the feed is of other kinds": ("events: all", "events: [job.offered, note.published]"),
}


async def arrived(road):
    """(type, whether there is a text) of every document about a note that a relay has sent."""
    publisher = RecordingPublisher()
    publisher.kind = "kafka"
    relay = Relay(road.database, publisher, road.gateway.render, ready=road.gateway.know_profiles)
    while await relay.relay_once():
        pass
    told = [orjson.loads(one.document.body) for one in publisher.arrived]
    return [(one["type"], bool(one["data"]["note"].get("text"))) for one in told if "note" in one["data"]]


@pytest.mark.parametrize("change", CHANGES)
async def test_a_note_is_taken_back_where_it_was_published(road, change):
    await road.receive(
        offer("A-1", brand="maplegrove"),
        provider("note.add", "A-1", id="N-1", text="Gate code 4711", visibility="public"),
    )
    assert await arrived(road) == [("note.published.v1", True)]
    text = MAPLEGROVE.replace("version: 1\n", "version: 2\n").replace(*CHANGES[change])
    imported = await import_profile(road.database, text, file="profile.yaml", author="ops", reason="test")
    assert imported.profiles, imported.problems
    await road.gateway.keeper.refresh()

    await road.receive(provider("note.set_visibility", note="N-1", visibility="private"))
    assert await arrived(road) == [("note.retracted.v1", False)]
    assert await road.is_balanced()


async def test_a_note_that_was_not_published_is_not_taken_back(road):
    text = MAPLEGROVE.replace("version: 1\n", "version: 2\n").replace("notes: true", "notes: false")
    await import_profile(road.database, text, file="profile.yaml", author="ops", reason="test")
    await road.gateway.keeper.refresh()
    await road.receive(
        offer("A-1", brand="maplegrove"),
        provider("note.add", "A-1", id="N-1", text="Gate code 4711", visibility="public"),
    )
    await road.receive(provider("note.set_visibility", note="N-1", visibility="private"))
    assert await arrived(road) == []
