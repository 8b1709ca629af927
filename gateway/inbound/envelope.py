"""The envelope around a message: CloudEvents 1.0 (structured or binary), or Dispatch Connect's header and record.

`read` answers with the envelope as soon as it knows who sent the record, so that its sender can be told what is wrong:
what is wrong inside then stands in `flaw`, and `translate` returns it. Without a sender it answers with a quarantine.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from gateway.core.outcomes import Quarantined
from gateway.core.parties import Json
from gateway.core.values import dataclass
from gateway.inbound.headers import Headers, read_headers
from gateway.inbound.moments import read_moment
from gateway.inbound.parsing import Parsed, is_sound, parse
from gateway.inbound.record import RawRecord
from gateway.inbound.shapes import MAX_ID
from gateway.inbound.unreadable import Unreadable, unreadable

SPECVERSION = "1.0"
STRUCTURED = "application/cloudevents+json"


class Form(StrEnum):
    """Which protocol the record speaks."""

    CLOUDEVENTS = "cloudevents"
    CONNECT = "connect"


@dataclass(slots=True, kw_only=True)
class Envelope:
    """A message before translation. `type` is without its version (`offer.submit`; in Connect the record type).

    `source` is who sent it: the name that the door binds the record to, else the one it claims. `data` is the content;
    empty where there is a flaw, since nothing of it may be stored.
    """

    form: Form = Form.CLOUDEVENTS
    type: str
    version: int
    source: str
    id: str | None = None
    subject: str | None = None
    time: datetime | None = None
    data: dict[str, Json]
    flaw: Quarantined | None = None


def read(raw: RawRecord) -> Envelope | Quarantined:
    """The envelope of `raw`, or why it has none. Never raises; reads no clock, keeps no state."""
    headers = read_headers(raw)
    parsed = parse(raw.value)
    if isinstance(parsed, Quarantined):
        return headers.flaw or parsed
    tree = parsed.tree
    if "ce_specversion" in headers.texts and not _is_structured(headers):
        return _read_cloudevent(raw, _from_headers(headers, tree), _also_in_content(parsed), headers.flaw)
    if not isinstance(tree, dict):
        return headers.flaw or unreadable(Unreadable.NOT_AN_OBJECT)
    if "specversion" in tree:
        return _read_cloudevent(raw, tree, parsed.flaw, headers.flaw)
    if "header" in tree and "record" in tree:
        return _read_connect(raw, tree, headers, parsed.flaw)
    return headers.flaw or unreadable(Unreadable.MISSING_TYPE, "specversion", "neither CloudEvents nor Connect")


def _is_structured(headers: Headers) -> bool:
    return headers.texts.get("content-type", "").lower().startswith(STRUCTURED)


def _from_headers(headers: Headers, tree: Json) -> dict[str, Json]:
    """Binary mode: the attributes are headers, the value is the data."""
    attributes: dict[str, Json] = {name[3:]: text for name, text in headers.texts.items() if name.startswith("ce_")}
    content_type = headers.texts.get("content-type")
    if content_type is not None:
        attributes["datacontenttype"] = content_type
    attributes["data"] = tree
    return attributes


def _also_in_content(parsed: Parsed) -> Quarantined | None:
    flaw = parsed.flaw
    if flaw is None or not isinstance(flaw.why, Unreadable):
        return flaw
    return unreadable(flaw.why, f"data.{flaw.member}" if flaw.member else "data", flaw.detail)


def _read_cloudevent(
    raw: RawRecord, tree: dict[str, Json], flaw: Quarantined | None, header_flaw: Quarantined | None
) -> Envelope | Quarantined:
    sender = _read_source(raw, tree.get("source"))
    if isinstance(sender, Quarantined):
        return header_flaw or flaw or sender
    kind, version = _split(tree.get("type"))
    identity = _read_attribute(tree, "id")
    subject = _read_attribute(tree, "subject")
    time = _read_time(tree)
    content = _read_content(tree)
    found = (header_flaw, flaw, _refuse_envelope(tree), identity, subject, time, content)
    worst = next((item for item in found if isinstance(item, Quarantined)), None)
    return Envelope(
        type=kind,
        version=version,
        source=sender,
        id=identity if isinstance(identity, str) else None,
        subject=subject if isinstance(subject, str) else None,
        time=time if isinstance(time, datetime) else None,
        data=content if isinstance(content, dict) and worst is None else {},
        flaw=worst,
    )


def _read_connect(
    raw: RawRecord, tree: dict[str, Json], headers: Headers, flaw: Quarantined | None
) -> Envelope | Quarantined:
    """Connect itself names no sender: the door does, or on a shared topic the header `ce_source`.

    A record without an id of its own has the one that its request gave it, in `ce_id`.
    """
    sender = _read_source(raw, headers.texts.get("ce_source"))
    if isinstance(sender, Quarantined):
        return headers.flaw or flaw or sender
    header, record = tree["header"], tree["record"]
    top = header if isinstance(header, dict) else {}
    identity = _read_attribute(top, "messageID", "header.") or _read_attribute(headers.texts, "ce_id", "headers.")
    wrong_header = None if isinstance(header, dict) else unreadable(Unreadable.WRONG_TYPE, "header")
    wrong_record = None if isinstance(record, dict) else unreadable(Unreadable.WRONG_TYPE, "record")
    kind, version = top.get("record_type"), top.get("version")
    missing = None if isinstance(kind, str) and kind else unreadable(Unreadable.MISSING_TYPE, "header.record_type")
    found = (headers.flaw, flaw, wrong_header, missing, identity, wrong_record)
    worst = next((item for item in found if isinstance(item, Quarantined)), None)
    return Envelope(
        form=Form.CONNECT,
        type=kind if isinstance(kind, str) and len(kind) <= MAX_ID and is_sound(kind) else "",
        version=_number_after_v(version) if isinstance(version, str) else 0,
        source=sender,
        id=identity if isinstance(identity, str) else None,
        data=record if isinstance(record, dict) and worst is None else {},
        flaw=worst,
    )


def _refuse_envelope(tree: dict[str, Json]) -> Quarantined | None:
    if tree.get("specversion") != SPECVERSION:
        return unreadable(Unreadable.UNKNOWN_VERSION, "specversion", f"only {SPECVERSION} is read")
    kind = tree.get("type")
    if kind is None or kind == "":
        return unreadable(Unreadable.MISSING_TYPE, "type")
    if not isinstance(kind, str):
        return unreadable(Unreadable.WRONG_TYPE, "type")
    if "data_base64" in tree:
        return unreadable(Unreadable.BAD_VALUE, "data_base64", "data is read as JSON only")
    content_type = tree.get("datacontenttype")
    if content_type is not None and not _is_json(content_type):
        return unreadable(Unreadable.BAD_VALUE, "datacontenttype", "data is read as JSON only")
    return None


def _is_json(content_type: Json) -> bool:
    if not isinstance(content_type, str):
        return False
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


def _read_source(raw: RawRecord, claimed: Json) -> str | Quarantined:
    if raw.bound_source is not None:
        return raw.bound_source
    if claimed is None or claimed == "":
        return unreadable(Unreadable.MISSING_MEMBER, "source")
    return _read_id(claimed, "source")


def _read_attribute(tree: Mapping[str, Json], name: str, before: str = "") -> str | Quarantined | None:
    value = tree.get(name)
    return None if value is None or value == "" else _read_id(value, before + name)


def _read_id(value: Json, member: str) -> str | Quarantined:
    if not isinstance(value, str):
        return unreadable(Unreadable.WRONG_TYPE, member)
    if len(value) > MAX_ID:
        return unreadable(Unreadable.ID_TOO_LONG, member, f"at most {MAX_ID} characters")
    return value if is_sound(value) else unreadable(Unreadable.BAD_TEXT, member)


def _read_time(tree: dict[str, Json]) -> datetime | Quarantined | None:
    value = tree.get("time")
    if value is None:
        return None
    if not isinstance(value, str):
        return unreadable(Unreadable.WRONG_TYPE, "time")
    moment = read_moment(value)
    return unreadable(moment, "time") if isinstance(moment, Unreadable) else moment


def _read_content(tree: dict[str, Json]) -> dict[str, Json] | Quarantined:
    content = tree.get("data")
    if content is None:
        return {}
    return content if isinstance(content, dict) else unreadable(Unreadable.WRONG_TYPE, "data")


def _split(kind: Json) -> tuple[str, int]:
    """`offer.submit.v1` → (`offer.submit`, 1); version 0 where none is named."""
    if not isinstance(kind, str) or len(kind) > MAX_ID or not is_sound(kind):
        return "", 0
    name, _, tail = kind.rpartition(".")
    version = _number_after_v(tail)
    return (name, version) if version else (kind, 0)


def _number_after_v(text: str) -> int:
    digits = text[1:]
    known = text[:1] == "v" and digits.isascii() and digits.isdecimal() and len(digits) <= 4
    return int(digits) if known else 0
