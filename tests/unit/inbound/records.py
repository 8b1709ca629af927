"""Records for the tests of translation."""

from datetime import UTC, datetime

import orjson

from gateway.core.outcomes import Quarantined, Refused
from gateway.core.parties import Side
from gateway.inbound.envelope import Envelope, read
from gateway.inbound.record import RawRecord
from gateway.inbound.translate import translate
from gateway.inbound.translated import Translated

NOW = datetime(2026, 3, 1, 10, 16, tzinfo=UTC)


def raw_record(value, **known) -> RawRecord:
    settings = {"door": "gateway.offers.v1", "arrived_at": NOW, "side": Side.ENTERPRISE} | known
    return RawRecord(value=value if isinstance(value, bytes | None) else orjson.dumps(value), **settings)


def outcome_of(raw: RawRecord) -> Translated | Quarantined | Refused:
    envelope = read(raw)
    return translate(envelope, raw.side, raw.arrival) if isinstance(envelope, Envelope) else envelope


def event(kind: str = "offer.submit.v1", data=None, **attributes) -> dict:
    named = {"specversion": "1.0", "id": "m-1", "source": "acme", "type": kind, "subject": "A-1"} | attributes
    return {name: value for name, value in named.items() if value is not None} | {"data": data or {}}


def connect(record_type: str, version: str, record, **header) -> dict:
    return {"header": {"record_type": record_type, "version": version, **header}, "record": record}
