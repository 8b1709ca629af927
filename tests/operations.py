"""What tests of recovery share: a road whose deliveries a double of a partner takes, and what operators do there."""

from itertools import count

import orjson
from sqlalchemy import select

from gateway.inbound.operating import Operating, Verbs
from gateway.outbound.relay import Relay
from gateway.store import codec, tables, tables_control
from gateway.store.deliveries import Operator
from gateway.store.numbers import Numbers
from gateway.store.operation_reports import report_of
from gateway.store.operations import Step, Terms, find_operation, move
from gateway.store.redelivering import ByVersion, redeliver
from gateway.store.selecting import OperationKind, Selection, freeze
from tests.inbound import START, offer, provider
from tests.outbound import RecordingPublisher

KIM = Operator(author="kim", reason="asked by the brand")
FEED = "feed.harborline"


class Partner:
    """What Harborline gets, by a relay of the same gateway, and what operators do about it."""

    def __init__(self, road):
        self.road = road
        self.database = road.database
        self.publisher = RecordingPublisher()
        self.publisher.kind = "kafka"
        gateway = road.gateway
        jitterless = {"jitter": lambda: 0.0, "ready": gateway.know_profiles}
        self.relay = Relay(gateway.database, self.publisher, gateway.render, **jitterless)
        self.operating = self.another()

    def another(self):
        """Another process that runs operations. Between any two looks at its clock two seconds pass."""
        gateway, ticks = self.road.gateway, count(step=2)
        verbs = Verbs(Numbers(gateway.database), lambda: gateway.keeper.directory.active)
        return Operating(
            gateway.database,
            verbs,
            refresh=gateway.keeper.refresh,
            wake=gateway._wake,
            monotonic=lambda: next(ticks),
        )

    async def send(self):
        """Everything that is due; the documents that arrive at Harborline by it."""
        before = len(self.publisher.arrived)
        while await self.relay.relay_once():
            pass
        arrived = self.publisher.arrived[before:]
        return [orjson.loads(one.document.body) for one in arrived if one.destination.name == FEED]

    async def told(self):
        """The same, each as (type, version, version before)."""
        return [
            (one["type"].removesuffix(".v1"), one.get("jobversion"), one.get("jobprevious"))
            for one in await self.send()
        ]

    async def accepted(self, *jobs):
        for job in jobs:
            await self.road.receive(offer(job), provider("offer.accept", job))

    async def scheduled(self, *jobs):
        """Jobs of three versions: offered, accepted, scheduled."""
        await self.accepted(*jobs)
        for job in jobs:
            await self.road.receive(provider("appointment.add", job, id=f"V-{job}", start=START))

    async def settings(self, **settings):
        """Changes what the destination is, as a profile would."""
        async with self.database.transaction() as connection:
            row = (await connection.execute(select(tables.destination).where(tables.destination.c.name == FEED))).one()
            strict = settings.pop("strict", row.strict)
            told = codec.encode({**codec.decode(row.settings), **settings})
            changed = tables.destination.update().where(tables.destination.c.name == FEED)
            await connection.execute(changed.values(settings=told, strict=strict))
        await self.road.gateway.keeper.refresh()

    async def destination(self):
        (row,) = await self.road.rows(tables.destination, tables.destination.c.name == FEED)
        return row["number"]

    async def deliveries(self, job="A-1", **wanted):
        """Numbers of the deliveries of a job to Harborline, in their order."""
        number, feed = (await self.road.job(job))["number"], await self.destination()
        mine = (tables.delivery.c.lane == number, tables.delivery.c.destination == feed)
        rows = await self.road.rows(tables.delivery, *mine)
        rows = sorted(rows, key=lambda row: row["position"])
        return [row["number"] for row in rows if all(row[name] == value for name, value in wanted.items())]

    async def redeliver(self, *numbers):
        """By hand, without an operation that counts what it made: verdicts only."""
        numbers_of = Numbers(self.database, block=1)
        await numbers_of.reserve("delivery", len(numbers))
        async with self.database.transaction() as connection:
            now = await self.database.now(connection)
            fresh = numbers_of.take("delivery", len(numbers))
            done = await redeliver(connection, numbers, fresh, 1, KIM, now)
        return [done[number].verdict for number in numbers]

    async def preview(self, kind, *, version=ByVersion.DECIDED, **selected):
        """The number of a frozen operation, or why there is none."""
        async with self.database.transaction() as connection:
            now = await self.database.now(connection)
            kind, selection = OperationKind(kind), Selection(**selected)
            return await freeze(connection, kind, selection, KIM, now, version=ByVersion(version))

    async def move(self, number, step, **terms):
        async with self.database.transaction() as connection:
            now = await self.database.now(connection)
            return await move(connection, number, Step(step), KIM, now, terms=Terms(**terms) if terms else None)

    async def find(self, number):
        async with self.database.transaction() as connection:
            return await find_operation(connection, number)

    async def state(self, number):
        return (await self.find(number)).state.value

    async def report(self, number):
        async with self.database.snapshot() as connection:
            found = await find_operation(connection, number)
            return await report_of(connection, found, await self.database.now(connection))

    async def run(self, number, **terms):
        """Starts an operation and runs it to its end; returns its report."""
        assert await self.move(number, "start", **(terms or {"rate": 0.0})) == "done"
        while await self.state(number) == "running":
            await self.operating.step()
        return await self.report(number)

    async def items(self, number):
        """(verb, state, verdict) of its items, in order."""
        rows = await self.road.rows(tables_control.operation_item, tables_control.operation_item.c.operation == number)
        rows = sorted(rows, key=lambda row: row["ordinal"])
        return [(row["verb"], row["state"], row["verdict"]) for row in rows]
