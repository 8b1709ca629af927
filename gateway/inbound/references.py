"""What a message points at: canonical ids become numbers, all else stays a reference by its source's own id.

The one rule. A text of canonical form (`job-12`) is the gateway's number; any other text is the sender's own id. An
object `{"id": …}` is taken literally, so that an own id may look canonical; with `source` it is that source's id, so
that a provider can name a job by its enterprise's number. `{"handle": …}` is an organization's name at the gateway.
"""

from __future__ import annotations

from gateway.core.ids import Kind, Ref, find_number
from gateway.core.outcomes import Quarantined
from gateway.core.parties import Json, Members
from gateway.inbound.unreadable import Unreadable, unreadable

Pointer = Ref | int | None


def point(kind: Kind, value: Json, source: str) -> Pointer:
    """What `value` (a validated id, in any of its forms, or nothing) of a record of `source` points at."""
    if value is None:
        return None
    if isinstance(value, str):
        number = find_number(kind, value)
        return number if number is not None else Ref(kind, source, value)
    if not isinstance(value, dict):
        return None
    handle, own = value.get("handle"), value.get("id")
    if isinstance(handle, str):
        return Ref(kind, "", handle)
    named = value.get("source")
    return Ref(kind, named if isinstance(named, str) else source, own) if isinstance(own, str) else None


def point_at_organization(value: Json, source: str) -> tuple[Pointer, Members | None]:
    """The organization named, and what is said of it (to match or create it by) where it is given in full.

    In an object with members an id of canonical form is the gateway's, as in a text.
    """
    if not isinstance(value, dict):
        return point(Kind.ORGANIZATION, value, source), None
    members = {name: item for name, item in value.items() if name not in {"id", "source", "handle"}}
    own = value.get("id")
    number = find_number(Kind.ORGANIZATION, own) if members and isinstance(own, str) and "source" not in value else None
    return (number if number is not None else point(Kind.ORGANIZATION, value, source)), (members or None)


def point_at_customer(value: Json, source: str) -> tuple[Pointer, Members | None]:
    """The customer named by id, and what is said of them. An own id stays among the members: it is shown to others."""
    if not isinstance(value, dict):
        return point(Kind.CUSTOMER, value, source), None
    ref = point(Kind.CUSTOMER, value.get("id"), source)
    if isinstance(ref, int):
        return ref, {name: item for name, item in value.items() if name != "id"}
    return ref, value


def agree(kind: Kind, subject: str | None, member: Json, source: str, name: str) -> Pointer | Quarantined:
    """What a message is about: `subject` or the member `name`; where both stand they must be the same text."""
    if member is None:
        return point(kind, subject, source)
    text = member.get("id") if isinstance(member, dict) else member
    if subject is not None and text != subject:
        return unreadable(Unreadable.BAD_VALUE, f"data.{name}", "names another one than the subject")
    return point(kind, member, source)
