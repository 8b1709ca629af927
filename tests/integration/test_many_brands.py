"""What a process knows by heart of its brands: each version is read when work comes for it, and only then."""

from gateway.app import Gateway
from gateway.keeper import Keeper
from gateway.outbound.relay import Relay
from gateway.store.tables import delivery
from tests.inbound import offer, provider
from tests.mapping_versions import harborline
from tests.outbound import RecordingPublisher
from tests.profiles import bring_in

LATER = harborline(2, cancel="  - {code: MOON, label: The moon was full}\n")


def read(keeper):
    """The versions of which a profile has been made so far."""
    return {key for key, each in keeper.profiles.kept.items() if "profile" in vars(each)}


async def relay_as(road, gateway):
    """What brands' topics get from one round of a relay of `gateway`, by brand."""
    publisher = RecordingPublisher()
    publisher.kind = "kafka"
    await Relay(road.database, publisher, gateway.render, ready=gateway.know_profiles).relay_once()
    return {one.delivery.event.brand for one in publisher.arrived if one.destination.name.startswith("feed.")}


async def test_a_process_that_starts_reads_no_profile_and_knows_whose_each_is(road):
    await bring_in(road, LATER)
    keeper = Keeper(road.database)
    await keeper.refresh()
    assert read(keeper) == set()
    assert {("harborline", 1), ("harborline", 2), ("maplegrove", 1)} <= keeper.profiles.kept.keys()
    assert set(keeper.directory.brands_of("evergreen-warranty")) >= {"harborline", "maplegrove"}
    assert keeper.directory.active["harborline"].version == 2
    assert read(keeper) == {("harborline", 2)}


async def test_a_round_leaves_what_was_read_and_a_version_that_came_is_read_when_it_is_used(road):
    keeper = Keeper(road.database)
    await keeper.refresh()
    one, other = (keeper.profiles.find(brand) for brand in ("harborline", "maplegrove"))
    await keeper.refresh()
    assert keeper.profiles.find("harborline") is one
    await bring_in(road, LATER)
    await keeper.refresh()
    assert keeper.profiles.find_version("harborline", 1) is one
    assert keeper.profiles.find("maplegrove") is other
    assert ("harborline", 2) not in read(keeper)
    assert keeper.profiles.find("harborline").version == 2


async def test_events_of_an_old_version_are_rendered_by_it_and_no_other_is_read_for_them(road):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    await bring_in(road, LATER)
    gateway = Gateway(road.gateway.settings)
    try:
        assert await relay_as(road, gateway) == {"harborline"}
        assert read(gateway.keeper) == {("harborline", 1)}
    finally:
        await gateway.database.close()


async def test_a_document_that_cannot_be_read_any_more_harms_only_its_own_brand(road):
    await road.receive(offer("A-1"), offer("B-1", brand="maplegrove"))
    await road.receive(provider("offer.accept", "A-1"), provider("offer.accept", "B-1"))
    await road.execute("UPDATE profile SET document = 'brand: [' WHERE brand = 'maplegrove'")
    gateway = Gateway(road.gateway.settings)
    try:
        assert await relay_as(road, gateway) == {"harborline"}
    finally:
        await gateway.database.close()
    dead = await road.rows(delivery, delivery.c.state == "dead")
    assert {row["reason"] for row in dead} == {"renderer_bug"}
    await road.gateway.keeper.refresh()
    assert await road.receive(offer("A-2"), provider("offer.accept", "A-2")) == ["applied", "applied"]
