"""One record on its way through a batch: how it was read, and the row that it ends as."""

from __future__ import annotations

import hashlib
import logging
import traceback
from typing import TYPE_CHECKING, TypeAlias

from gateway.core.outcomes import Applied, Ignored, Outcome, Parked, Quarantined, Refused, Unmapped, Why
from gateway.core.parties import Side
from gateway.core.values import dataclass
from gateway.inbound.confirmations import only_confirming, read_confirmation
from gateway.inbound.connect import translate_connect
from gateway.inbound.credentials import as_sent
from gateway.inbound.doors import Door
from gateway.inbound.envelope import Envelope, Form, read
from gateway.inbound.headers import read_headers
from gateway.inbound.moments import read_moment
from gateway.inbound.parsing import is_sound, parse
from gateway.inbound.record import CUSTOM_BRAND, MESSAGE_ID, RECORD_TYPE, REQUEST, RawRecord
from gateway.inbound.shapes import MAX_ID
from gateway.inbound.translate import translate
from gateway.inbound.translated import Translated
from gateway.inbound.unreadable import Unreadable, unreadable
from gateway.mapping.own_json import CanonicalMessage, translate_own
from gateway.store.inbox import RecordRow

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from gateway.inbound.directory import Directory
    from gateway.inbound.doors import Doors

log = logging.getLogger(__name__)

Reading: TypeAlias = Translated | Quarantined | Refused

_STATES: dict[type[Outcome], str] = {
    Applied: "applied",
    Ignored: "ignored",
    Refused: "refused",
    Parked: "parked",
    Unmapped: "unmapped",
    Quarantined: "quarantined",
}


@dataclass(slots=True, kw_only=True)
class Entry:
    """`kept` is the row that it has already, when it is decided again; what is not `is_recorded` never has one.

    `form` is the protocol that it speaks, where it could be read; `first` the record that a repeat repeats; `receipts`
    how many it has had. `request` is what records of one request have in common.
    """

    number: int
    raw: RawRecord
    received_at: datetime
    reading: Reading
    source: str | None
    message_id: str | None
    type: str | None
    digest: str
    kept: RecordRow | None = None
    is_recorded: bool = True
    outcome: Outcome | None = None
    first: int | None = None
    job: int | None = None
    brand: str | None = None
    form: Form | None = None
    receipts: int = 0
    request: str | None = None

    @property
    def was_parked(self) -> bool:
        """Whether it comes from among those that waited, and not anew."""
        return self.kept is not None and self.kept.state == "parked"

    @property
    def state(self) -> str:
        """The state of its row; an entry that nothing has decided yet has none."""
        if self.outcome is None:
            raise LookupError(f"record {self.number} has not been decided")
        return _STATES[type(self.outcome)]

    @property
    def reason(self) -> str | None:
        """The stable word for why it was not applied."""
        outcome = self.outcome
        return None if outcome is None or isinstance(outcome, Applied) else str(outcome.why.value)

    @property
    def holds_id(self) -> bool:
        """Whether later records of this message id are its repeats: not for what may be sent again and decided anew."""
        if self.message_id is None or isinstance(self.outcome, Refused | Quarantined):
            return False
        return not (isinstance(self.outcome, Ignored) and self.outcome.why is Why.REPEAT)


def read_entry(number: int, raw: RawRecord, received_at: datetime, doors: Doors, directory: Directory) -> Entry:
    """Reads `raw` by the protocol of its door. Never raises: a bug met by one record takes that one aside."""
    try:
        return _read_entry(number, raw, received_at, doors, directory)
    except Exception as error:  # noqa: BLE001 - one record is taken aside, whatever it is
        log_bug(number, error)
        bug = Quarantined(why=Why.BUG, detail="the gateway failed to read this record")
        return _unread(number, raw, received_at, bug)


def log_bug(record: int, error: Exception) -> None:
    """Where a bug is, and of which type. Its message is left out, for it may quote what no log may hold."""
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error("record.bug", extra={"record": record, "error": type(error).__name__, "where": where})


def _unread(number: int, raw: RawRecord, received_at: datetime, why: Quarantined) -> Entry:
    return Entry(
        number=number,
        raw=raw,
        received_at=received_at,
        reading=why,
        source=raw.bound_source,
        message_id=None,
        type=None,
        digest=hashlib.sha256(raw.value or b"").hexdigest(),
        brand=raw.brand,
    )


def _read_entry(number: int, raw: RawRecord, received_at: datetime, doors: Doors, directory: Directory) -> Entry:
    door = OWN_DOOR if raw.door == INTERNAL_DOOR else doors.door(raw.door)
    brand = door.brand
    record_type = raw.find_mark(RECORD_TYPE)
    if record_type is not None:
        brand = raw.find_mark(CUSTOM_BRAND)
    if door.confirms is not None:
        envelope = read_confirmation(raw)
    else:
        envelope = read(raw) if brand is None else _read_own(raw, brand, record_type, directory)
    if isinstance(envelope, Quarantined):
        return _unread(number, raw, received_at, envelope)
    if envelope.form is Form.CONNECT:
        reading = translate_connect(envelope, raw.side)
    else:
        reading = translate(envelope, raw.side, raw.arrived_at)
    if door.confirms is not None:
        reading = only_confirming(reading)
    if isinstance(reading, Translated):
        reading = as_sent(reading, raw)
    translated = isinstance(reading, Translated)
    return Entry(
        number=number,
        raw=raw,
        received_at=received_at,
        reading=reading,
        source=envelope.source,
        message_id=reading.message_id if isinstance(reading, Translated) else envelope.id,
        type=envelope.type[:100] or None,
        digest=reading.digest if isinstance(reading, Translated) else hashlib.sha256(raw.value or b"").hexdigest(),
        brand=brand if brand is not None and translated else raw.brand,
        form=envelope.form,
        request=raw.find_mark(REQUEST),
    )


def _read_own(raw: RawRecord, brand: str, record_type: str | None, directory: Directory) -> Envelope | Quarantined:
    """A brand's own JSON, translated by its profile into what a CloudEvent would have said.

    A record without an id of its own has the one that its request gave it.
    """
    profile = directory.active.get(brand)
    if profile is None or raw.bound_source is None:
        return unreadable(Unreadable.UNKNOWN_TYPE, "", "the brand has no active profile")
    headers, parsed = read_headers(raw), parse(raw.value)
    flaw = headers.flaw or (parsed if isinstance(parsed, Quarantined) else parsed.flaw)
    if flaw is not None or isinstance(parsed, Quarantined):
        return Envelope(type="", version=1, source=raw.bound_source, data={}, flaw=flaw)
    message = translate_own(profile, parsed.tree, record_type)
    if not isinstance(message, CanonicalMessage):
        flaw = Quarantined(why=message.reason, member=message.field or None, detail=message.detail)
        return Envelope(type="", version=1, source=raw.bound_source, data={}, flaw=flaw)
    moment = read_moment(message.time) if message.time is not None else None
    flaw_in_time = unreadable(moment, "time") if isinstance(moment, Unreadable) else None
    own_id = message.id or raw.find_mark(MESSAGE_ID)
    flaw = _refuse_id(own_id, "id") or _refuse_id(message.subject, "subject") or flaw_in_time
    return Envelope(
        type=message.type,
        version=1,
        source=raw.bound_source,
        id=own_id if flaw is None else None,
        subject=message.subject,
        time=moment if not isinstance(moment, Unreadable) else None,
        data={**message.data, "brand": brand} if message.type in _NAMES_A_BRAND else message.data,
        flaw=flaw,
    )


def _refuse_id(text: str | None, member: str) -> Quarantined | None:
    if text is None:
        return None
    if len(text) > MAX_ID:
        return unreadable(Unreadable.ID_TOO_LONG, member, f"at most {MAX_ID} characters")
    return None if is_sound(text) else unreadable(Unreadable.BAD_TEXT, member)


_NAMES_A_BRAND = frozenset({"offer.submit", "job.create"})


def entry_of(row: RecordRow, doors: Doors, directory: Directory) -> Entry:
    """A kept record, read again from its bytes: by today's profile, as it would be if it came now."""
    door = OWN_DOOR if row.door == INTERNAL_DOOR else doors.find_door(row.door)
    raw = RawRecord(
        door=row.door,
        partition=row.partition,
        offset=row.offset,
        append_time=row.append_time,
        arrived_at=row.arrived_at,
        headers=row.headers,
        value=row.raw,
        bound_source=(door.bound_source if door else None) or row.source,
        side=door.side if door else Side.GATEWAY,
        user=row.by_user,
        # Where the job is known, the key's brand was held against it then.
        brand=row.brand if row.job is None else None,
    )
    if door is None:
        why = unreadable(Unreadable.UNKNOWN_TYPE, "", "nothing is read at that door any more")
        entry = _unread(row.number, raw, row.received_at, why)
    else:
        entry = read_entry(row.number, raw, row.received_at, doors, directory)
    entry.kept, entry.receipts = row, row.receipts
    return entry


def set_aside(entries: Iterable[Entry], code: str) -> None:
    """The one record that the database refused with `code`: kept with its bytes, without what was read of them."""
    for entry in entries:
        kept = entry.kept
        why = Quarantined(why=Why.DATABASE_REFUSED, detail=f"the database answered {code}")
        unread = _unread(entry.number, entry.raw, entry.received_at, why)
        entry.reading = unread.reading
        entry.source, entry.message_id = (kept.source, kept.message_id) if kept else (unread.source, None)
        entry.type, entry.digest = (kept.type, kept.digest) if kept else (None, unread.digest)


INTERNAL_DOOR = "internal"
GATEWAY = "gateway"
OWN_DOOR = Door(Side.GATEWAY, GATEWAY)
LONGEST_FIELD = 200


def row_of(entry: Entry, now: datetime) -> RecordRow:
    """The row of a decided entry. A repeat points at the first and keeps no bytes."""
    outcome, raw = entry.outcome, entry.raw
    waits = outcome.ref if isinstance(outcome, Parked) else None
    is_repeat = isinstance(outcome, Ignored) and outcome.why is Why.REPEAT and entry.first is not None
    settled = not isinstance(outcome, Parked | Unmapped)
    return RecordRow(
        number=entry.number,
        door=raw.door,
        partition=raw.partition,
        offset=raw.offset,
        append_time=raw.append_time,
        arrived_at=raw.arrived_at,
        received_at=entry.received_at,
        source=entry.source,
        message_id=entry.message_id,
        type=entry.type,
        digest=entry.digest,
        holds_id=entry.holds_id,
        state=entry.state,
        reason=entry.reason,
        member=(outcome.member or "")[:LONGEST_FIELD] or None if isinstance(outcome, Refused | Quarantined) else None,
        detail=(outcome.detail or None) if isinstance(outcome, Refused | Quarantined) else None,
        first=entry.first,
        job=entry.job,
        brand=entry.brand,
        by_user=raw.user,
        waits_for=waits,
        waits_text=outcome.text if isinstance(outcome, Unmapped) else None,
        settled_at=now if settled else None,
        receipts=entry.receipts,
        headers=() if is_repeat else raw.headers,
        raw=None if is_repeat else raw.value,
    )
