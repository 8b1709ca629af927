"""(e) SQL statements and rows written: per batch, per record, per claim."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from bench.ground import ACCOUNT, BRAND
from bench.traffic import offer
from gateway.app import Gateway
from gateway.brands import import_folder
from gateway.core.parties import Side
from gateway.inbound.record import RawRecord
from gateway.outbound.outcome import Delivered
from gateway.outbound.relay import Relay
from gateway.settings import Settings
from gateway.store.tables import metadata
from tests.statements import statements_within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.ground import Ground
    from gateway.outbound.outcome import Outcome
    from gateway.outbound.publisher import Outgoing

BATCH = 500


class Acknowledging:
    """Takes everything at once: what remains is the relay's own work."""

    kind = "kafka"
    timeout = 5.0

    async def publish(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        return [Delivered()] * len(batch)

    async def close(self) -> None:
        return


async def count_statements(base: Ground) -> dict[str, float]:
    """Statements of one batch of 500 new offers and of the claim that delivers them; rows written per record."""
    with base.run() as run:
        gateway = Gateway(Settings(database_url=run.database_url, topic_prefix=run.prefix, kafka_servers="off"))
        settings = gateway.settings
        await import_folder(gateway.database, settings.brands, author="bench", reason="bench")
        await gateway.keeper.refresh()
        receiver = gateway.make_receiver()
        relay = Relay(gateway.database, Acknowledging(), gateway.render)
        await receiver.receive(_records(run.prefix, 0))
        await relay.relay_once()
        rows = await _rows(gateway)
        async with statements_within(gateway.database) as in_batch:
            await receiver.receive(_records(run.prefix, BATCH))
        written = await _rows(gateway) - rows
        async with statements_within(gateway.database) as in_claim:
            await relay.relay_once()
        await gateway.database.close()
    return {
        "statements_per_batch": len(in_batch),
        "statements_per_claim": len(in_claim),
        "rows_per_record": written / BATCH,
    }


def _records(prefix: str, first: int) -> list[RawRecord]:
    now = datetime.now(UTC)
    return [
        RawRecord(
            door=f"{prefix}offers.{ACCOUNT}.v1",
            partition=0,
            offset=number,
            append_time=now,
            arrived_at=now,
            value=offer(number, BRAND),
            bound_source=ACCOUNT,
            side=Side.ENTERPRISE,
        )
        for number in range(first, first + BATCH)
    ]


async def _rows(gateway: Gateway) -> int:
    async with gateway.database.transaction() as connection:
        counts: list[Any] = [
            (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for table in metadata.sorted_tables
        ]
    return sum(counts)
