"""The two wide log events: one for each record that was settled, one for each delivery that was tried.

What went as it should is logged at `debug`, everything else at `info`. Bodies and personal members are in neither.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import structlog

from gateway.core.ids import Kind, canonical_id
from gateway.core.outcomes import Applied

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.inbound.entry import Entry
    from gateway.store.destinations import Destination
    from gateway.store.recording import Tried

log = structlog.get_logger(__name__)


def log_records(entries: Iterable[Entry]) -> None:
    """`record.received`, once for each time that a record was settled."""
    is_verbose = log.is_enabled_for(logging.DEBUG)
    for entry in entries:
        applied = isinstance(entry.outcome, Applied)
        if applied and not is_verbose:
            continue
        (log.debug if applied else log.info)(
            "record.received",
            record=canonical_id(Kind.RECORD, entry.number),
            door=entry.raw.door,
            partition=entry.raw.partition,
            offset=entry.raw.offset,
            source=entry.source,
            type=entry.type,
            state=entry.state,
            reason=entry.reason,
            job=canonical_id(Kind.JOB, entry.job) if entry.job is not None else None,
            again=entry.kept is not None,
        )


def log_attempt(destination: Destination, tried: Tried) -> None:
    """`delivery.attempted`, once for each try that was recorded."""
    (log.debug if tried.outcome == "delivered" else log.info)(
        "delivery.attempted",
        delivery=canonical_id(Kind.DELIVERY, tried.delivery.number),
        event_id=canonical_id(Kind.EVENT, tried.delivery.event.number),
        destination=destination.name,
        outcome=tried.outcome,
        state=tried.state,
        reason=tried.reason,
        fault_domain=tried.fault_domain,
        duration_ms=tried.duration_ms,
    )
