"""Accounts: the enterprises that send offers. Few rows, read whole now and then and kept in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from gateway.core.values import dataclass
from gateway.store.bulk import upsert
from gateway.store.tables import account

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Account:
    """An enterprise. `receipts`: which of its records are answered: all | problems | none.

    `receipts_to`: where: topic | poll. Where it has not chosen, the protocol of the record decides.
    """

    number: int
    name: str
    first_party: bool = False
    receipts: str | None = None
    receipts_to: str | None = None


async def load_accounts(connection: AsyncConnection) -> list[Account]:
    rows = await connection.execute(select(account).order_by(account.c.number))
    return [Account(row.number, row.name, row.first_party, row.receipts, row.receipts_to) for row in rows]


async def save_account(connection: AsyncConnection, one: Account) -> None:
    """Makes or changes an account; its number stays."""
    values = {name: getattr(one, name) for name in ("number", "name", "first_party", "receipts", "receipts_to")}
    await upsert(connection, account, [values])


async def make_account(connection: AsyncConnection, name: str, number: int | None = None) -> Account:
    """The account of that name, made where it is new: under `number`, or the next one.

    The caller holds `profiles.lock_profiles`, so that two at once do not take the same number.
    """
    accounts = await load_accounts(connection)
    for one in accounts:
        if one.name == name:
            return one
    made = Account(number or max((one.number for one in accounts), default=0) + 1, name)
    await save_account(connection, made)
    return made
