"""Secrets that sign webhooks: made when asked for, rotated under way, kept sealed, and in force within seconds."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from gateway.core.signing import Unverified, Verified, read_secret, verify
from gateway.destination_secrets import (
    NoSuchWebhook,
    SigningSecrets,
    make_missing_secrets,
    rotate_secret,
    show_secret,
)
from gateway.doctor import examine
from gateway.finding import Level
from gateway.keys import seal_again
from gateway.outbound.outcome import Delivered, Fault
from gateway.sealing import CannotOpen, Sealer, new_sealing_key
from gateway.settings import Settings
from gateway.store.deliveries import Operator
from gateway.store.operators import find_actions
from gateway.store.tables_control import destination_secret
from gateway.topics import CannotRun
from gateway.webhooks import make_webhooks
from tests.eventually import eventually
from tests.integration.publisher_conformance import outgoing
from tests.keys import SEALING_KEY
from tests.webhooks import HERE, hooks

SEALER = Sealer([SEALING_KEY])
OPS = Operator(author="ops", reason="asked for")
DAY = timedelta(days=1)


@pytest.fixture
async def partner():
    async with hooks() as partner:
        yield partner


@pytest.fixture
async def feed(outbox, partner):
    """A webhook to the partner."""
    return await outbox.add_destination("feed.acme", kind="webhook", url=partner.url)


@pytest.fixture
def settings(outbox):
    return Settings(
        database_url=outbox.database.engine.url.render_as_string(hide_password=False),
        kafka_servers="off",
        webhook_networks=HERE,
        webhook_plain=True,
        secret_keys=SEALING_KEY,
    )


@pytest.fixture
async def webhooks(outbox, settings):
    """What posts, and what keeps its secrets."""
    signing = SigningSecrets(outbox.database, settings.sealer)
    publisher = make_webhooks(settings, signing, timeout=5.0)
    yield publisher, signing
    await publisher.close()


async def shown(outbox):
    return await show_secret(outbox.database, SEALER, "feed.acme", OPS)


async def rotated(outbox, overlap=DAY):
    return await rotate_secret(outbox.database, SEALER, "feed.acme", overlap, OPS)


async def verbs(outbox, destination):
    async with outbox.database.transaction() as connection:
        actions = await find_actions(connection, "destination", destination.number)
    return [(row["verb"], row["author"], row["reason"]) for row in actions]


async def pass_overlaps(outbox):
    """As if every overlap had ended a moment ago."""
    ended = datetime.now(UTC) - timedelta(seconds=5)
    kept = destination_secret.c.expires_at
    async with outbox.database.transaction() as connection:
        await connection.execute(update(destination_secret).where(kept.is_not(None)).values(expires_at=ended))


async def test_a_secret_is_made_when_it_is_asked_for_and_told_again(outbox, feed):
    first = await shown(outbox)
    assert len(read_secret(first.secret)) == 32
    assert first.is_new
    again = await shown(outbox)
    assert (again.secret, again.is_new) == (first.secret, False)
    assert await verbs(outbox, feed) == [("make_secret", "ops", "asked for"), ("show_secret", "ops", "asked for")]


async def test_all_who_ask_at_once_are_told_the_same(outbox, feed):
    told = await asyncio.gather(*(shown(outbox) for _ in range(8)))
    assert len({one.secret for one in told}) == 1


async def test_only_webhooks_have_secrets(outbox):
    await outbox.add_destination("feed.kafka", kind="kafka", topic="feed.kafka.v1")
    for name, told in (("feed.kafka", "only webhooks"), ("feed.nobody", "no destination")):
        with pytest.raises(NoSuchWebhook, match=told):
            await show_secret(outbox.database, SEALER, name, OPS)
        with pytest.raises(NoSuchWebhook, match=told):
            await rotate_secret(outbox.database, SEALER, name, DAY, OPS)


async def test_no_secret_is_in_rows_or_logs(outbox, feed, caplog):
    caplog.set_level(logging.DEBUG)
    told = [await shown(outbox), await rotated(outbox)]
    kept = repr(await outbox.rows(destination_secret)) + repr(await verbs(outbox, feed)) + caplog.text
    for one in told:
        assert one.secret not in kept
        assert repr(read_secret(one.secret)) not in kept


async def test_a_secret_that_no_key_opens_is_said(outbox, feed):
    await shown(outbox)
    with pytest.raises(CannotOpen):
        await show_secret(outbox.database, Sealer([new_sealing_key()]), "feed.acme", OPS)


def believed(request, *secrets):
    found = verify([one.secret for one in secrets], request.headers, request.body, datetime.now(UTC))
    return isinstance(found, Verified) or found


async def test_a_rotation_is_noticed_by_no_receiver_end_to_end(outbox, feed, partner, webhooks):
    publisher, signing = webhooks
    one = outgoing(feed, 1)
    await signing.refresh()
    assert (await publisher.send(one)).reason is Fault.NO_SECRET
    assert partner.requests == []

    old = await shown(outbox)
    await signing.refresh()
    assert await publisher.send(one) == Delivered()
    assert believed(partner.requests[-1], old) is True

    new = await rotated(outbox)
    await signing.refresh()
    assert await publisher.send(one) == Delivered()
    assert len(partner.requests[-1].headers["webhook-signature"].split()) == 2
    for known in (old, new):
        assert believed(partner.requests[-1], known) is True

    await pass_overlaps(outbox)
    await signing.refresh()
    assert await publisher.send(one) == Delivered()
    assert believed(partner.requests[-1], new) is True
    assert believed(partner.requests[-1], old) is Unverified.WRONG_SIGNATURE
    assert (await shown(outbox)).secret == new.secret


async def test_a_rotation_is_in_force_by_itself_within_seconds(outbox, feed, webhooks):
    _, signing = webhooks
    running = asyncio.create_task(signing.run())
    try:
        first = await shown(outbox)
        await eventually(lambda: list(signing(feed.number)) == [first.secret], within=10)
        second = await rotated(outbox)
        await eventually(lambda: list(signing(feed.number)) == [second.secret, first.secret], within=10)
    finally:
        running.cancel()


async def test_without_an_overlap_the_old_secret_signs_no_more(outbox, feed, webhooks):
    _, signing = webhooks
    await shown(outbox)
    new = await rotated(outbox, timedelta())
    await signing.refresh()
    assert signing(feed.number) == [new.secret]


async def test_a_second_rotation_makes_no_overlap_longer_and_forgets_what_is_over(outbox, feed, webhooks):
    _, signing = webhooks
    first = await shown(outbox)
    second = await rotated(outbox, timedelta(hours=1))
    until = (await outbox.rows(destination_secret, destination_secret.c.number))[0]["expires_at"]
    third = await rotated(outbox, DAY)
    await signing.refresh()
    assert signing(feed.number) == [third.secret, second.secret, first.secret]
    assert (await outbox.rows(destination_secret, destination_secret.c.number))[0]["expires_at"] == until
    await pass_overlaps(outbox)
    await rotated(outbox)
    assert len(await outbox.rows(destination_secret)) == 2


async def test_a_secret_that_no_key_opens_signs_nothing(outbox, feed):
    await shown(outbox)
    for sealer in (Sealer([new_sealing_key()]), None):
        signing = SigningSecrets(outbox.database, sealer)
        await signing.refresh()
        assert list(signing(feed.number)) == []


async def test_webhooks_without_a_secret_are_given_one_once(outbox, feed):
    await outbox.add_destination("feed.other", kind="webhook", url="https://partner.example/")
    await outbox.add_destination("feed.kafka", kind="kafka", topic="feed.kafka.v1")
    first = await shown(outbox)
    assert await make_missing_secrets(outbox.database, SEALER, OPS) == ["feed.other"]
    assert await make_missing_secrets(outbox.database, SEALER, OPS) == []
    assert (await shown(outbox)).secret == first.secret


async def test_they_are_sealed_anew_with_the_other_secrets(outbox, feed):
    made = await shown(outbox)
    new = new_sealing_key()
    with pytest.raises(CannotOpen):
        await seal_again(outbox.database, Sealer([new]), OPS)
    assert await seal_again(outbox.database, Sealer([new, SEALING_KEY]), OPS) == 1
    assert (await show_secret(outbox.database, Sealer([new]), "feed.acme", OPS)).secret == made.secret
    assert ("reseal", "ops", "asked for") in await verbs(outbox, feed)


async def test_the_doctor_tells_of_webhooks_that_nothing_signs(outbox, feed, settings):
    async def told(settings):
        (found,) = [one for one in await examine(settings) if one.subject == "webhooks"]
        return found.level, found.found

    level, found = await told(settings)
    assert level is Level.PROBLEM
    assert "feed.acme" in found
    await shown(outbox)
    assert await told(settings) == (Level.OK, "1 are signed")
    closed = settings.model_copy(update={"secret_keys": None})
    assert (await told(closed))[0] is Level.PROBLEM


async def test_certificates_that_cannot_be_read_end_the_start(outbox, settings, tmp_path):
    (tmp_path / "empty.pem").write_text("no certificate")
    for name in ("missing.pem", "empty.pem"):
        wrong = settings.model_copy(update={"webhook_ca_file": tmp_path / name})
        with pytest.raises(CannotRun, match="GATEWAY_WEBHOOK_CA_FILE"):
            make_webhooks(wrong, SigningSecrets(outbox.database, None), timeout=5.0)
