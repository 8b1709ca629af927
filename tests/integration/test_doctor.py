"""What the doctor finds: each thing that stands still is a line with what to do about it."""

from datetime import timedelta

import pytest
from pydantic import SecretStr

from gateway import doctor
from gateway.doctor import examine
from gateway.finding import Level
from gateway.sealing import new_sealing_key
from gateway.settings import Settings
from gateway.store.columns import to_microseconds
from gateway.store.refused_calls import RefusedCalls, add_refused_calls
from gateway.topics import prepare
from tests.brokers import create_topics
from tests.eventually import eventually
from tests.inbound import LAKESIDE, ago, offer, provider
from tests.keys import SEALING_KEY, make_key


@pytest.fixture
def settings(staffed_url):
    return Settings(database_url=staffed_url, kafka_servers="off", topic_prefix="t.")


@pytest.fixture(autouse=True)
def _patient_with_kafka(monkeypatch):
    """A broker that answers late on a busy machine is not what any of these ask about."""
    monkeypatch.setattr(doctor, "KAFKA_SECONDS", 60.0)


async def found(settings, subject):
    return [(one.level, one.found) for one in await examine(settings) if one.subject == subject]


async def test_an_installation_in_order_has_no_problem(road, settings):
    await road.receive(offer("A-1"))
    await _read_up_to(road, ago(seconds=1))
    levels = {one.subject: one.level for one in await examine(settings)}
    assert set(levels.values()) == {Level.OK}
    assert {"database", "kafka", "profiles", "expiry", "destinations", "records", "deliveries"} <= levels.keys()


async def test_a_partition_that_nobody_reads_stops_expiry(road, settings):
    await road.receive(offer("A-1", accept_by=ago(hours=1).isoformat()), at=ago(hours=3))
    await road.receive(provider("user.put", "tim", name="Tim", role="technician"), at=ago(hours=2))
    await _read_up_to(road, ago(hours=2))
    ((level, told),) = await found(settings, "expiry")
    assert level is Level.PROBLEM
    assert "nobody reads 1 partitions" in told
    assert "1 offers are overdue" in told


async def _read_up_to(road, moment):
    value = to_microseconds(moment) if road.database.is_sqlite else moment
    await road.execute("UPDATE caught_up SET caught_up_to = :moment", moment=value)


async def test_what_has_waited_too_long_is_told_with_what_to_do(road, settings):
    await road.receive(offer("A-1"), provider("appointment.start", appointment="V-404"), offer("A-2", title=5))
    long_ago = ago(hours=2)
    value = to_microseconds(long_ago) if road.database.is_sqlite else long_ago
    await road.execute("UPDATE inbound_record SET received_at = :moment", moment=value)
    await road.execute("UPDATE lane SET due_at = :moment", moment=value)
    await road.execute("UPDATE destination SET state = 'paused' WHERE name = 'feed.harborline'")

    findings = await examine(settings)
    warned = {(one.subject, one.found.split()[1].rstrip(",")) for one in findings if one.level is Level.WARNING}
    assert warned == {
        ("records", "parked"),
        ("records", "quarantined"),
        ("deliveries", "pending"),
        ("destinations", "paused"),
    }
    assert all(one.remedy for one in findings if one.level is not Level.OK)


async def test_only_what_a_relay_should_have_taken_asks_for_a_relay(road, settings):
    await road.receive(offer("A-1"))
    long_ago = ago(hours=2)
    value = to_microseconds(long_ago) if road.database.is_sqlite else long_ago
    await road.execute("UPDATE lane SET due_at = :moment", moment=value)
    assert [level for level, _ in await found(settings, "deliveries")] == [Level.WARNING]
    await road.execute("UPDATE destination SET state = 'open'")
    assert await found(settings, "deliveries") == [(Level.OK, "none waits")], "the destinations are told of"
    await road.execute("UPDATE destination SET state = 'active'")
    await road.execute("UPDATE lane SET due_at = NULL")
    assert await found(settings, "deliveries") == [(Level.OK, "none waits")], "behind a dead one, which is told of"


@pytest.mark.parametrize(("count", "level"), [(99, Level.OK), (100, Level.WARNING)])
async def test_many_calls_that_proved_nothing_are_told(road, settings, count, level):
    at = ago(minutes=1)
    hour = at.replace(minute=0, second=0, microsecond=0)
    counted = [RefusedCalls(hour, "10.0.0.1", "", "unknown_token", count, at)]
    old = [RefusedCalls(hour - timedelta(hours=3), "10.0.0.1", "", "unknown_token", 1_000, at)]
    async with road.database.transaction() as connection:
        await add_refused_calls(connection, counted + old)
    assert await found(settings, "callers") == [(level, f"{count} calls proved nothing in the last two hours")]


async def test_a_queue_that_nobody_has_polled_for_a_day_is_told(road, settings):
    await make_key(road.database, organization=LAKESIDE)
    await road.gateway.keeper.refresh()
    await road.receive(offer("A-1"), offer("A-2"))
    for when, level in ((ago(hours=23), Level.OK), (ago(hours=25), Level.WARNING)):
        value = to_microseconds(when) if road.database.is_sqlite else when
        await road.execute("UPDATE lane SET due_at = :moment", moment=value)
        ((found_level, told),) = await found(settings, "polling")
        assert found_level is level
    assert f"poll.{LAKESIDE} (2 jobs" in told
    assert "feed.harborline" not in told, "a relay's"
    [queue] = (one for one in road.gateway.keeper.directory.work[LAKESIDE] if one.kind == "poll")
    assert len(await road.gateway.make_poll_queue().hand_out([queue], 10)) == 2
    assert [level for level, _ in await found(settings, "polling")] == [Level.OK]


async def test_secrets_that_no_sealing_key_opens_are_a_problem(road, settings):
    assert [level for level, _ in await found(settings, "secrets")] == [Level.OK], "there is none"
    await make_key(road.database, organization=LAKESIDE)
    given = {
        None: (Level.WARNING, "no signature can be checked"),
        SEALING_KEY: (Level.OK, "the secrets of 1 keys can be opened"),
        f"{new_sealing_key()},{SEALING_KEY}": (Level.OK, "can be opened"),
        new_sealing_key(): (Level.PROBLEM, "opens the secrets of key-1"),
    }
    for keys, (level, told) in given.items():
        changed = settings.model_copy(update={"secret_keys": None if keys is None else SecretStr(keys)})
        ((found_level, found_told),) = await found(changed, "secrets")
        assert (found_level, told in found_told) == (level, True), found_told


async def test_a_profile_that_cannot_be_read_is_a_problem(road, settings):
    await road.execute("UPDATE profile SET document = 'brand: [' WHERE brand = 'maplegrove'")
    assert (Level.PROBLEM, "cannot be read: maplegrove v1") in await found(settings, "profiles")


async def test_topics_are_looked_at_and_never_made(road, kafka, topic_prefix, staffed_url):
    settings = Settings(database_url=staffed_url, kafka_servers=kafka.servers, topic_prefix=topic_prefix)
    ((level, told),) = await found(settings, "topics")
    assert level is Level.PROBLEM
    assert f"{topic_prefix}actions.v1" in told
    assert await found(settings, "topics") == [(level, told)], "asking made none"

    await prepare(settings)

    async def there():
        return [level for level, _ in await found(settings, "topics")] == [Level.OK]

    await eventually(there)
    assert (Level.OK, f"{kafka.servers} answers") in await found(settings, "kafka")
    assert await found(settings, "shared topics")


@pytest.mark.needs_apache_kafka
async def test_a_topic_with_its_senders_times_is_told(road, kafka, topic_prefix, staffed_url):
    settings = Settings(database_url=staffed_url, kafka_servers=kafka.servers, topic_prefix=topic_prefix)
    await create_topics(kafka.servers, [f"{topic_prefix}actions.v1"], message__timestamp__type="CreateTime")
    await prepare(settings)

    async def warned():
        told = [what for level, what in await found(settings, "topics") if level is Level.WARNING]
        return any("actions.v1: message.timestamp.type is CreateTime" in what for what in told)

    # A broker answers for new topics a moment after its controller made them.
    await eventually(warned)


async def test_a_broker_that_is_away_is_a_problem_and_the_rest_is_looked_at(road, staffed_url):
    settings = Settings(database_url=staffed_url, kafka_servers="127.0.0.1:9", topic_prefix="t.")
    levels = {one.subject: one.level for one in await examine(settings)}
    assert levels["kafka"] is Level.PROBLEM
    assert levels["records"] is Level.OK
