"""The keys by which accounts, organizations and operators call the HTTP edge. Secrets come and go sealed."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, insert, or_, select, text, update

from gateway.core.ids import Kind, find_number
from gateway.core.values import dataclass
from gateway.store import codec
from gateway.store.columns import Moment, Number
from gateway.store.dialect import is_sqlite
from gateway.store.given import encode_rows, given
from gateway.store.tables import account, organization
from gateway.store.tables_control import access_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement, RowMapping, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

MOST_LIVE = 2
_ACTIVE, _REVOKED = "active", "revoked"


class CallerKind(StrEnum):
    """Who can call. The value is the first part of a public key."""

    ACCOUNT = "account"
    ORGANIZATION = "organization"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, by one live key. `name` is the source of its records: an account's name, an organization's handle.

    `number` is the owner's. `scopes`: none named means whatever callers of the kind may do.
    """

    key: int
    kind: CallerKind
    number: int
    name: str
    brand: str | None
    transformation: str
    scopes: frozenset[str]
    sandbox: bool


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A live key with its secret, still encrypted: opened, it is the 32 bytes that sign, not their hex digits."""

    caller: Caller
    secret: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key before it has a number."""

    kind: CallerKind
    owner: int
    brand: str | None
    transformation: str
    label: str
    secret: bytes
    token_hash: str
    scopes: tuple[str, ...]
    sandbox: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyView:
    """A key as operators see it: nothing of it that is secret. `owner_name` is None where there is no owner."""

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
    """What a caller names its key by: `account|42|noop`. Two live keys share one while they are rotated."""
    return f"{kind}|{owner}|{transformation}"


def split_public_key(written: str) -> tuple[CallerKind, int, str] | None:
    """The parts of a public key; None where it is none."""
    parts = written.split("|")
    if len(parts) != len(("kind", "owner", "transformation")) or parts[0] not in set(CallerKind):
        return None
    owner = find_number(Kind.ACCOUNT, f"{Kind.ACCOUNT}-{parts[1]}")
    if owner is None or not parts[2].isprintable():
        return None
    return CallerKind(parts[0]), owner, parts[2]


async def find_by_token(connection: AsyncConnection, token_hash: str) -> Caller | None:
    """Who holds the token of this hash (`sealing.hash_token`); None for a revoked key or an owner that is gone."""
    rows = (await connection.execute(_LIVE.where(access_key.c.token_hash == token_hash))).mappings()
    return next((_caller_from(row) for row in rows), None)


async def find_by_public_key(connection: AsyncConnection, public_key: str) -> list[SealedKey]:
    """The live keys of that name, the newest first: two at most. None where the name is no public key."""
    parts = split_public_key(public_key)
    if parts is None:
        return []
    rows = (await connection.execute(_LIVE.where(_named(*parts)).order_by(access_key.c.number.desc()))).mappings()
    return [SealedKey(_caller_from(row), row["secret"]) for row in rows]


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
    """The sealed secret of every active key, whether its owner is there or not."""
    query = select(access_key.c.number, access_key.c.secret).where(access_key.c.state == _ACTIVE)
    return {row.number: row.secret for row in await connection.execute(query.order_by(access_key.c.number))}


async def save_sealed(connection: AsyncConnection, secrets: Iterable[tuple[int, bytes]]) -> None:
    """Puts secrets that were sealed anew in the places of the old ones."""
    for number, secret in secrets:
        await connection.execute(update(access_key).where(access_key.c.number == number).values(secret=secret))


def _named(kind: CallerKind, owner: int, transformation: str) -> ColumnElement[bool]:
    key = access_key.c
    return and_(key.kind == kind.value, key.owner == owner, key.transformation == transformation)


def _with_owners() -> Select[Any]:
    """Keys with their owners' names: null where there is no such owner."""
    kind, owner = access_key.c.kind, access_key.c.owner
    names = case(
        (kind == CallerKind.ACCOUNT.value, account.c.name),
        (kind == CallerKind.ORGANIZATION.value, organization.c.handle),
        else_=access_key.c.label,
    )
    accounts = and_(kind == CallerKind.ACCOUNT.value, account.c.number == owner)
    organizations = and_(kind == CallerKind.ORGANIZATION.value, organization.c.number == owner)
    joined = access_key.outerjoin(account, accounts).outerjoin(organization, organizations)
    return select(access_key, names.label("owner_name")).select_from(joined)


_ALL = _with_owners().order_by(access_key.c.number)
_LIVE = _with_owners().where(
    access_key.c.state == _ACTIVE,
    or_(
        access_key.c.kind == CallerKind.OPERATOR.value,
        account.c.number.is_not(None),
        organization.c.number.is_not(None),
    ),
)


def _caller_from(row: RowMapping) -> Caller:
    return Caller(
        key=row["number"],
        kind=CallerKind(row["kind"]),
        number=row["owner"],
        name=row["owner_name"],
        brand=row["brand"],
        transformation=row["transformation"],
        scopes=frozenset(codec.decode(row["scopes"])),
        sandbox=bool(row["sandbox"]),
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
