"""The keys by which accounts, organizations, users and operators call the HTTP edge. Secrets come and go sealed."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, case, insert, or_, select, text, update

from gateway.core.ids import Kind, find_number
from gateway.core.parties import Role
from gateway.core.sandbox import source_of_tests
from gateway.core.values import dataclass
from gateway.store import codec
from gateway.store.columns import Moment, Number
from gateway.store.dialect import any_of, is_sqlite
from gateway.store.given import encode_rows, given
from gateway.store.tables import account, organization, user
from gateway.store.tables_control import access_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import RowMapping, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

# Where whoever changes what a key opens says so (`Database.notify`).
CHANNEL = "gateway_keys"
MOST_LIVE = 2
TRANSFORMATION = re.compile(r"[a-z][a-z0-9_.:-]{0,39}")
_ACTIVE, _REVOKED = "active", "revoked"


class CallerKind(StrEnum):
    """Who can call. The value is the first part of a public key."""

    ACCOUNT = "account"
    ORGANIZATION = "organization"
    USER = "user"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, by one live key: an account, or an organization, whose `number` and `name` (or handle) these are.

    `user` is set where the key is a user's own, of that organization: `role` is theirs, `active` whether they may do
    anything now. `scopes`: none named means whatever callers of the kind may do. `sandbox`: its work is test work.
    """

    key: int
    kind: CallerKind
    number: int
    name: str
    brand: str | None
    transformation: str
    scopes: frozenset[str]
    sandbox: bool
    user: int | None = None
    role: Role | None = None
    active: bool = True

    @property
    def source(self) -> str:
        """The source of its records and jobs: those of test keys are apart from the others."""
        return source_of_tests(self.name) if self.sandbox else self.name

    @property
    def technician(self) -> int | None:
        """The user who may see and do only what is assigned to them; None for whoever sees all of the owner's."""
        return None if self.role is None or self.role.dispatches else self.user


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A live key with its secret, still encrypted: opened, it is the 32 bytes that sign, not their hex digits."""

    caller: Caller
    secret: bytes


@dataclass(frozen=True, slots=True)
class DeadKey:
    """A key that opens nothing any more: it was revoked, or its owner is gone."""

    public_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key before it has a number."""

    kind: CallerKind
    owner: int
    brand: str | None
    transformation: str
    label: str
    secret: bytes | None
    token_hash: str
    scopes: tuple[str, ...]
    sandbox: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyView:
    """A key as operators see it: nothing of it that is secret. `owner_name` is None where there is no owner.

    A user's key has the name of their organization.
    """

    number: int
    kind: CallerKind
    owner: int
    owner_name: str | None
    brand: str | None
    transformation: str
    label: str
    scopes: tuple[str, ...]
    sandbox: bool
    state: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None

    @property
    def public_key(self) -> str:
        return public_key(self.kind, self.owner, self.transformation)

    @property
    def is_live(self) -> bool:
        """Whether it opens anything: neither it nor its owner is gone."""
        return self.state == _ACTIVE and self.owner_name is not None


def public_key(kind: CallerKind, owner: int, transformation: str) -> str:
    """What a caller names its key by: `account|42|noop`. Two live keys share one while they are rotated.

    And so do test keys with the others.
    """
    return f"{kind}|{owner}|{transformation}"


def split_public_key(written: str) -> tuple[CallerKind, int, str] | None:
    """The parts of a public key; None where it is none."""
    parts = written.split("|")
    if len(parts) != len(("kind", "owner", "transformation")) or parts[0] not in set(CallerKind):
        return None
    owner = find_number(Kind.ACCOUNT, f"{Kind.ACCOUNT}-{parts[1]}")
    if owner is None or not TRANSFORMATION.fullmatch(parts[2]):
        return None
    return CallerKind(parts[0]), owner, parts[2]


async def find_by_token(connection: AsyncConnection, token_hash: str) -> Caller | DeadKey | None:
    """Who holds the token of this hash (`sealing.hash_token`)."""
    row = (await connection.execute(_BY_TOKEN, {"hash": token_hash})).mappings().one_or_none()
    if row is None:
        return None
    if row["state"] != _ACTIVE or row["owner_name"] is None:
        return DeadKey(public_key(CallerKind(row["kind"]), row["owner"], row["transformation"]))
    return _caller_from(row)


async def find_by_public_key(connection: AsyncConnection, public_key: str) -> list[SealedKey]:
    """The live keys of that name that sign, the newest first: two at most, and two test keys.

    None where the name is no public key.
    """
    parts = split_public_key(public_key)
    if parts is None:
        return []
    named = dict(zip(("named_kind", "named_owner", "named_transformation"), parts, strict=True))
    rows = (await connection.execute(_BY_PUBLIC_KEY, named)).mappings()
    return [SealedKey(_caller_from(row), row["secret"]) for row in rows]


async def load_callers(connection: AsyncConnection, numbers: Collection[int]) -> dict[int, Caller]:
    """Who calls now by the keys of these numbers; not those that open nothing any more."""
    rows = await connection.execute(_LIVE.where(any_of(connection, access_key.c.number, sorted(numbers))))
    return {row["number"]: _caller_from(row) for row in rows.mappings()}


async def touch(connection: AsyncConnection, keys: Mapping[int, datetime]) -> None:
    """Notes when keys were used last, by their numbers; an earlier moment than is known changes nothing."""
    if not keys:
        return
    used = [{"number": number, "used_at": moment} for number, moment in sorted(keys.items())]
    rows = given(connection.dialect.name, number=Number, used_at=Moment)
    later = or_(access_key.c.last_used_at.is_(None), access_key.c.last_used_at < rows.c.used_at)
    told = update(access_key).where(access_key.c.number == rows.c.number, later).values(last_used_at=rows.c.used_at)
    await connection.execute(told, encode_rows(connection, used))


async def lock_keys(connection: AsyncConnection) -> None:
    """Until the transaction ends nobody else makes or changes a key; whoever reads does not wait."""
    if not is_sqlite(connection):
        await connection.execute(text(f"LOCK TABLE {access_key.name} IN SHARE ROW EXCLUSIVE MODE"))


async def insert_key(connection: AsyncConnection, new: NewKey, now: datetime) -> int:
    """Keeps a key, active at once; returns its number."""
    made = insert(access_key).values(
        kind=new.kind.value,
        owner=new.owner,
        brand=new.brand,
        transformation=new.transformation,
        label=new.label,
        secret=new.secret,
        token_hash=new.token_hash,
        scopes=codec.encode(sorted(new.scopes)),
        sandbox=new.sandbox,
        state=_ACTIVE,
        created_at=now,
    )
    number: int = (await connection.execute(made.returning(access_key.c.number))).scalar_one()
    return number


async def list_keys(connection: AsyncConnection) -> list[KeyView]:
    """Every key that there is or was, in the order in which they were made."""
    return [_view_from(row) for row in (await connection.execute(_ALL)).mappings()]


async def find_operator(connection: AsyncConnection, name: str) -> int:
    """The number by which the keys of that operator are known; the next one where there are none."""
    operators = select(access_key.c.owner, access_key.c.label).where(access_key.c.kind == CallerKind.OPERATOR.value)
    known = {label: owner for owner, label in await connection.execute(operators)}
    return known.get(name) or max(known.values(), default=0) + 1


async def revoke_key(connection: AsyncConnection, number: int, now: datetime) -> None:
    """Ends a key for good: its secret is forgotten."""
    ended = update(access_key).where(access_key.c.number == number)
    await connection.execute(ended.values(state=_REVOKED, revoked_at=now, secret=None))


async def load_sealed(connection: AsyncConnection) -> dict[int, bytes]:
    """The sealed secret of every active key that has one, whether its owner is there or not."""
    query = select(access_key.c.number, access_key.c.secret).where(access_key.c.secret.is_not(None))
    return {row.number: row.secret for row in await connection.execute(query.order_by(access_key.c.number))}


async def save_sealed(connection: AsyncConnection, secrets: Iterable[tuple[int, bytes]]) -> None:
    """Puts secrets that were sealed anew in the places of the old ones."""
    rows = [{"key": number, "sealed": secret} for number, secret in secrets]
    if rows:
        anew = update(access_key).where(access_key.c.number == bindparam("key")).values(secret=bindparam("sealed"))
        await connection.execute(anew, rows)


def _with_owners() -> Select[Any]:
    """Keys with their owners' names: null where there is no such owner. A user's organization is their key's owner."""
    kind, owner = access_key.c.kind, access_key.c.owner
    names = case(
        (kind == CallerKind.OPERATOR.value, access_key.c.label),
        (kind == CallerKind.ACCOUNT.value, account.c.name),
        else_=organization.c.handle,
    )
    of = case((kind == CallerKind.ORGANIZATION.value, owner), else_=user.c.organization)
    joined = access_key.outerjoin(account, and_(kind == CallerKind.ACCOUNT.value, account.c.number == owner))
    joined = joined.outerjoin(user, and_(kind == CallerKind.USER.value, user.c.number == owner))
    joined = joined.outerjoin(organization, organization.c.number == of)
    owners = (names.label("owner_name"), organization.c.number.label("organization"))
    users = (user.c.number.label("user"), user.c.role.label("role"), user.c.active.label("active"))
    return select(access_key, *owners, *users).select_from(joined)


_ALL = _with_owners().order_by(access_key.c.number)
_LIVE = _with_owners().where(
    access_key.c.state == _ACTIVE,
    or_(
        access_key.c.kind == CallerKind.OPERATOR.value,
        account.c.number.is_not(None),
        organization.c.number.is_not(None),
    ),
)
_BY_TOKEN = _with_owners().where(access_key.c.token_hash == bindparam("hash"))
_BY_PUBLIC_KEY = _LIVE.where(
    access_key.c.kind == bindparam("named_kind"),
    access_key.c.owner == bindparam("named_owner"),
    access_key.c.transformation == bindparam("named_transformation"),
    access_key.c.secret.is_not(None),
).order_by(access_key.c.number.desc())


def _caller_from(row: RowMapping) -> Caller:
    return Caller(
        key=row["number"],
        kind=CallerKind(row["kind"]),
        number=row["owner"] if row["user"] is None else row["organization"],
        name=row["owner_name"],
        brand=row["brand"],
        transformation=row["transformation"],
        scopes=frozenset(codec.decode(row["scopes"])),
        sandbox=bool(row["sandbox"]),
        user=row["user"],
        role=Role(row["role"]) if row["role"] is not None else None,
        active=row["user"] is None or bool(row["active"]),
    )


def _view_from(row: RowMapping) -> KeyView:
    return KeyView(
        number=row["number"],
        kind=CallerKind(row["kind"]),
        owner=row["owner"],
        owner_name=row["owner_name"],
        brand=row["brand"],
        transformation=row["transformation"],
        label=row["label"],
        scopes=tuple(codec.decode(row["scopes"])),
        sandbox=bool(row["sandbox"]),
        state=row["state"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        revoked_at=row["revoked_at"],
    )
