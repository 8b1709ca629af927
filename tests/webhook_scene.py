"""A relay as a process on a database, the partner that it posts webhooks to, and what came of what was owed to it."""

import os
import sys
from collections import Counter
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
from sqlalchemy import func, select

from gateway.children import Child
from gateway.core.ids import Kind, canonical_id
from gateway.destination_secrets import show_secret
from gateway.simulation.behaviour import Behaviour
from gateway.simulation.brand import SimulatedBrand
from gateway.store import codec
from gateway.store.deliveries import Operator
from gateway.store.tables import delivery, destination, lane
from tests.faults.forked import Forked
from tests.importing import import_profile
from tests.inbound import START, Road, make_gateway, offer, provider
from tests.keys import SEALING_KEY
from tests.partner_webhook import text_with_webhook

ROOT = Path(__file__).parents[1]
WEBHOOK = "feed.harborline.web"
JOBS_AT_A_TIME = 6
VERSIONS = 5


class WebhookScene:
    """`brand` keeps what it took in `taken`, in the order of arrival."""

    def __init__(self, road, brand, folder):
        self.road, self.brand, self.folder = road, brand, folder
        self.jobs = 0
        self.taken = []
        brand.on_taken = lambda body: self.taken.append(orjson.loads(body))

    def settings(self, lease_seconds=10, **others):
        """As environment variables."""
        return {
            "GATEWAY_DATABASE_URL": self.road.gateway.settings.database_url,
            "GATEWAY_KAFKA_SERVERS": "off",
            "GATEWAY_SECRET_KEYS": SEALING_KEY,
            "GATEWAY_WEBHOOK_PLAIN": "true",
            "GATEWAY_WEBHOOK_NETWORKS": "127.0.0.0/8,::1",
            "GATEWAY_RELAY_LEASE_SECONDS": str(lease_seconds),
            "GATEWAY_LOG_LEVEL": "warning",
            **others,
        }

    def process(self, name="gateway", **settings):
        """The program with the one role, which nothing happens to."""
        argv = [sys.executable, "-m", "gateway", "run", "--role", "relay"]
        env = {**os.environ, "PYTHONPATH": str(ROOT), **self.settings(**settings)}
        return Child(name, argv, self.folder / f"{name}.log", env=env)

    def mortal(self, step, **settings):
        """One that is killed as soon as it comes to `step`."""
        return Forked(step, self.folder, ("relay",), self.folder / "mortal.log", self.settings(**settings))

    async def owe(self, name, jobs=JOBS_AT_A_TIME):
        """A few jobs with their whole lives, all told in one batch."""
        lives = []
        for number in range(jobs):
            job = f"{name}-{number}"
            lives += [
                offer(job),
                provider("offer.accept", job),
                provider("appointment.add", job, id=f"V-{job}", start=START),
                provider("appointment.start", appointment=f"V-{job}"),
                provider("appointment.complete", appointment=f"V-{job}", reason="REP"),
            ]
        assert set(await self.road.receive(*lives)) == {"applied"}
        self.jobs += jobs

    async def end_leases(self):
        """As if the time had passed for which the dead one's claims were its own."""
        await self._set_due(lane.c.token.is_not(None))

    async def retry_now(self):
        """As if the time had passed after which a partner that was away is asked again."""
        await self._set_due(lane.c.token.is_(None))
        webhook = destination.c.name == WEBHOOK
        async with self.road.database.transaction() as connection:
            is_open = select(destination.c.breaker).where(webhook, destination.c.state == "open").with_for_update()
            for kept in (await connection.execute(is_open)).scalars():
                probed = codec.encode({**codec.decode(kept), "until": 1.0})
                await connection.execute(destination.update().where(webhook).values(breaker=probed))

    async def is_given_up(self):
        """Nothing is under way, and the breaker lets nothing begin."""
        async with self.road.database.snapshot() as connection:
            query = select(destination.c.state).where(destination.c.name == WEBHOOK)
            state = (await connection.execute(query)).scalar_one()
        return state == "open" and await self._count_lanes(lane.c.token.is_not(None)) == 0

    async def _set_due(self, which):
        past = datetime.now(UTC) - timedelta(seconds=1)
        async with self.road.database.transaction() as connection:
            await connection.execute(lane.update().where(lane.c.due_at.is_not(None), which).values(due_at=past))

    async def is_quiet(self):
        """Nothing is owed any more."""
        return await self._count_lanes() == 0

    async def _count_lanes(self, *which):
        query = select(func.count()).select_from(lane.join(destination, lane.c.destination == destination.c.number))
        async with self.road.database.snapshot() as connection:
            return (await connection.execute(query.where(destination.c.name == WEBHOOK, *which))).scalar_one()

    async def recorded(self):
        """By state, the ids of the events whose deliveries are in it."""
        query = select(delivery.c.event, delivery.c.state).join(
            destination, delivery.c.destination == destination.c.number
        )
        async with self.road.database.snapshot() as connection:
            rows = (await connection.execute(query.where(destination.c.name == WEBHOOK))).all()
        states = {}
        for row in rows:
            states.setdefault(row.state, set()).add(canonical_id(Kind.EVENT, row.event))
        return states

    async def unrecorded(self):
        """The ids of what the partner took, and of which no record says so."""
        return {one["id"] for one in self.taken} - (await self.recorded()).get("delivered", set())

    @property
    def repeated(self):
        """How often the partner took an id again."""
        return Counter({one: times - 1 for one, times in Counter(one["id"] for one in self.taken).items() if times > 1})

    async def assert_all_is_told_in_order(self):
        """Whatever was acknowledged is delivered, and each version of a job first arrived after the one before."""
        recorded = await self.recorded()
        assert recorded.keys() == {"delivered"}
        assert len(recorded["delivered"]) == self.jobs * VERSIONS
        assert {one["id"] for one in self.taken} == recorded["delivered"]
        assert await self.road.is_balanced()
        seen = self.brand.arrivals.summary()
        assert (seen["troubles"], seen["jobs"]) == ([], self.jobs)
        assert len(self.taken) == seen["taken"] == len(recorded["delivered"]) + seen["duplicate"]


@asynccontextmanager
async def opened_webhook_scene(database_url, folder, brand=None, **webhook):
    """A migrated database with one brand, which has a webhook and nothing else, and a provider."""
    gateway = make_gateway(database_url)
    brand = brand or SimulatedBrand()
    await brand.start()
    try:
        settings = {"timeout": 2, **webhook}
        told = ", ".join(f"{name}: {value}" for name, value in settings.items())
        text = text_with_webhook("harborline", brand.url).replace(f'url: "{brand.url}"', f'url: "{brand.url}", {told}')
        found = await import_profile(gateway.database, text, file="profile.yaml", author="test", reason="test")
        assert found.profiles, found.problems
        by = Operator(author="test", reason="test")
        made = await show_secret(gateway.database, gateway.settings.sealer, WEBHOOK, by)
        brand.secrets = (made.secret,)
        await gateway.keeper.refresh()
        road = Road(gateway)
        await road.open_lakeside()
        yield WebhookScene(road, brand, folder)
    finally:
        await brand.stop()
        await gateway.database.close()


def answers_after(milliseconds):
    return Behaviour(after_ms=milliseconds)
