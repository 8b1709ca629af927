"""Connect's members by our names: jobs, customers, organizations, users, and what their ids point at.

A number is the gateway's own, an external id the sender's. What a record leaves out, or sends as null, stays as it is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from itertools import combinations

import orjson

from gateway.core.document import stamp
from gateway.core.ids import Kind, Ref
from gateway.core.parties import Json, Role
from gateway.inbound import connect_shapes as shapes
from gateway.inbound.references import Pointer

_AS_THEY_ARE = (
    "title",
    "description",
    "service_type",
    "service_instructions",
    "symptom",
    "service_fee",
    "service_fee_precollected",
    "marketing_attributions",
    "contacts",
    "custom_fields",
)


def pointer(kind: Kind, number: int | None, external_id: str | None, source: str) -> Pointer:
    """The gateway's number where there is one, else the sender's own id."""
    if number is not None:
        return number
    return Ref(kind, source, external_id) if external_id is not None else None


def point_at_job(record: shapes.ConnectJob, source: str) -> Pointer:
    own = record.external_id or (record.external_ids[0] if record.external_ids else None)
    return pointer(Kind.JOB, record.id, own, source)


def point_at_organization(record: shapes.ConnectJob, source: str) -> Pointer:
    """Either-or: by number, by the sender's id, or given in full."""
    named = pointer(Kind.ORGANIZATION, record.organization_id, record.external_organization_id, source)
    full = record.organization
    return named if named is not None or full is None else point_at_company(full, source)


def point_at_company(record: shapes.ConnectOrganization, source: str) -> Pointer:
    """One that is to be another, however like one that is known, is told by the whole of what is said of it."""
    own = _own_id(record)
    if record.always_create and record.id is None and own is None:
        own = f"#{_hashed(organization_members(record))}"
    return pointer(Kind.ORGANIZATION, record.id, own, source)


def other_names(record: shapes.ConnectOrganization, source: str) -> tuple[Ref, ...]:
    """By what else its sender's organization is known: its own id beside a number, and any two of what is said of it.

    Companies that agree in two of name, address, telephone and e-mail are one.
    """
    own = _own_id(record)
    beside = (own,) if record.id is not None and own is not None else ()
    told = {} if record.always_create else _likeness(record)
    pairs = (f"#{'+'.join(pair)}:{_hashed([told[name] for name in pair])}" for pair in combinations(sorted(told), 2))
    return tuple(Ref(Kind.ORGANIZATION, source, name) for name in (*beside, *pairs))


def _own_id(record: shapes.ConnectOrganization) -> str | None:
    return record.external_id or (record.external_ids[0] if record.external_ids else None)


def _likeness(record: shapes.ConnectOrganization) -> dict[str, str]:
    """What tells companies apart, however it is written."""
    place = record.address
    told = {
        "name": _plain(record.name),
        "email": _plain(record.email),
        "phone": re.sub(r"\D", "", record.phone_number or "")[-_NATIONAL_DIGITS:],
        "address": _plain(f"{place.street_1} {place.postal_code}") if place and place.street_1 else "",
    }
    return {name: text for name, text in told.items() if text}


def _plain(text: str | None) -> str:
    return " ".join((text or "").lower().split())


def _hashed(told: Json) -> str:
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()[:40]


def job_details(record: shapes.ConnectJob) -> dict[str, Json]:
    """The details of a job, under our names."""
    told = _told(record)
    details = {name: told[name] for name in _AS_THEY_ARE if name in told}
    if record.address is not None:
        details["address"] = _told(record.address)
    if record.equipment_descriptions is not None:
        details["equipment"] = [_renamed(_told(item), _EQUIPMENT) for item in record.equipment_descriptions]
    if record.suggested_times is not None:
        details["suggested_times"] = [
            {"start": stamp(times.start_time), "end": stamp(times.end_time)} for times in record.suggested_times
        ]
    return details


def customer_members(record: shapes.ConnectCustomer | None) -> dict[str, Json] | None:
    return _renamed(_told(record), _CUSTOMER) if record is not None else None


def organization_members(record: shapes.ConnectOrganization) -> dict[str, Json]:
    told = _renamed(_told(record), _ORGANIZATION)
    return {name: value for name, value in told.items() if name not in _NOT_OF_THE_COMPANY}


def user_members(record: shapes.ConnectUser) -> dict[str, Json]:
    told = _told(record)
    return _renamed({name: told[name] for name in _USER if name in told}, _ORGANIZATION)


def role_of(roles: Sequence[str] | None) -> Role | None:
    """Two roles together are the third."""
    if not roles:
        return None
    return Role.BOTH if len(set(roles)) > 1 else Role(roles[0])


_NATIONAL_DIGITS = 10
_NOT_OF_THE_COMPANY = frozenset({"id", "external_id", "external_ids", "always_create", "action"})
_EQUIPMENT = {"equipment_type": "type"}
_USER = ("first_name", "last_name", "phone_number", "email", "address")
_ORGANIZATION = {"phone_number": "phone"}
_CUSTOMER = {
    "external_id": "id",
    "company_name": "company",
    "phone_numbers": "phones",
    "home_address": "address",
}


def _told(record: shapes.Record) -> dict[str, Json]:
    told: dict[str, Json] = record.model_dump(exclude_none=True)
    return told


def _renamed(told: dict[str, Json], names: dict[str, str]) -> dict[str, Json]:
    return {names.get(name, name): value for name, value in told.items()}
