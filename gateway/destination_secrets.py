"""Secrets that sign webhooks: made, shown, rotated with an audit row each, and kept present for whoever signs."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from gateway.core.signing import write_secret
from gateway.core.values import dataclass
from gateway.mapping.library import Version
from gateway.mapping.profile_roads import DestinationKind
from gateway.sealing import CannotOpen
from gateway.store.destination_secrets import (
    expire_signing_secrets,
    insert_signing_secret,
    load_signing_secrets,
)
from gateway.store.destinations import load_destinations
from gateway.store.keys import lock_keys
from gateway.store.operators import Action, write_action
from gateway.store.profiles import coming, load_activations, load_documents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from gateway.sealing import Sealer
    from gateway.store.database import Database, Transaction
    from gateway.store.deliveries import Operator

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 2.0
_KEY_BYTES = 32


class NoSuchWebhook(Exception):
    """Why there is no secret of that name; a sentence with what to do."""


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """A secret as its partner is told it. `expires_at`: when those before it stop signing."""

    destination: str
    secret: str
    is_new: bool
    expires_at: datetime | None = None


class SigningSecrets:
    """What signs now, by destination: read anew every two seconds while `run` runs. Called, it is a publisher's."""

    def __init__(self, database: Database, sealer: Sealer | None) -> None:
        self._database = database
        self._sealer = sealer
        self._signing: Mapping[int, Sequence[str]] = {}

    def __call__(self, destination: int) -> Sequence[str]:
        """The secrets of a destination, the newest first; none where it has none that can be opened."""
        return self._signing.get(destination, ())

    async def refresh(self) -> None:
        """Reads them now. One that no sealing key opens is left out; the doctor tells of it."""
        if self._sealer is None:
            return
        async with self._database.snapshot() as connection:
            sealed = await load_signing_secrets(connection, await self._database.now(connection))
        signing: dict[int, list[str]] = defaultdict(list)
        for one in sealed:
            with contextlib.suppress(CannotOpen):
                signing[one.destination].append(write_secret(self._sealer.open(one.secret)))
        self._signing = dict(signing)

    async def run(self) -> None:
        """Refreshes until cancelled. While the database is away, what was known last stands."""
        while True:
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001 - the database is away: the next round comes
                log.warning("signing_secrets.wait", error=type(error).__name__)
            await asyncio.sleep(REFRESH_SECONDS)


async def show_secret(database: Database, sealer: Sealer, name: str, by: Operator) -> SigningSecret:
    """The newest secret of the webhook `name`, which is made where there is none.

    Raises `NoSuchWebhook`, or `sealing.CannotOpen`.
    """
    async with database.transaction() as connection:
        await lock_keys(connection)
        destination = await _get_webhook(connection, name)
        now = await database.now(connection)
        signing = [one for one in await load_signing_secrets(connection, now) if one.destination == destination]
        if signing:
            key = sealer.open(signing[0].secret)
            await write_action(connection, _action(by, "show_secret", destination), now)
            return SigningSecret(name, write_secret(key), is_new=False)
        secret = await _make(connection, sealer, destination, by, "make_secret", now)
        return SigningSecret(name, secret, is_new=True)


async def rotate_secret(
    database: Database, sealer: Sealer, name: str, overlap: timedelta, by: Operator
) -> SigningSecret:
    """A new secret of the webhook `name`. Those before it sign beside it until `overlap` has passed.

    Raises `NoSuchWebhook`.
    """
    async with database.transaction() as connection:
        await lock_keys(connection)
        destination = await _get_webhook(connection, name)
        now = await database.now(connection)
        await expire_signing_secrets(connection, destination, now, now + overlap)
        secret = await _make(connection, sealer, destination, by, "rotate_secret", now)
        return SigningSecret(name, secret, is_new=True, expires_at=now + overlap)


async def make_missing_secrets(database: Database, sealer: Sealer, by: Operator) -> list[str]:
    """Makes the first secret of each webhook that has none; returns their names."""
    async with database.transaction() as connection:
        await lock_keys(connection)
        now = await database.now(connection)
        missing = await find_unsigned(connection, now)
        for number in missing.values():
            await _make(connection, sealer, number, by, "make_secret", now)
        return list(missing)


async def find_unsigned(connection: Transaction, now: datetime) -> dict[str, int]:
    """The webhooks without a secret that signs, with those that scheduled versions make webhooks: numbers by name."""
    signed = {one.destination for one in await load_signing_secrets(connection, now)}
    later = await _find_webhooks_to_come(connection, now)
    return {
        name: one.number
        for name, one in (await load_destinations(connection)).items()
        if (one.kind == DestinationKind.WEBHOOK or name in later) and one.number not in signed
    }


async def _find_webhooks_to_come(connection: Transaction, now: datetime) -> set[str]:
    scheduled = {(one.brand, one.version) for one in coming(await load_activations(connection), now)}
    texts = await load_documents(connection, scheduled) if scheduled else {}
    profiles = (Version(*key, text).profile for key, text in texts.items())
    named = (one for profile in profiles if profile is not None for one in profile.destinations)
    return {one.name for one in named if one.kind is DestinationKind.WEBHOOK}


async def _get_webhook(connection: Transaction, name: str) -> int:
    destination = (await load_destinations(connection)).get(name)
    if destination is None:
        raise NoSuchWebhook(f"there is no destination {name}: `gateway destinations list` names them")
    if destination.kind != DestinationKind.WEBHOOK:
        raise NoSuchWebhook(f"{name} is of kind {destination.kind}: only webhooks are signed")
    return destination.number


async def _make(
    connection: Transaction, sealer: Sealer, destination: int, by: Operator, verb: str, now: datetime
) -> str:
    key = secrets.token_bytes(_KEY_BYTES)
    await insert_signing_secret(connection, destination, sealer.seal(key), now)
    await write_action(connection, _action(by, verb, destination), now)
    return write_secret(key)


def _action(by: Operator, verb: str, destination: int) -> Action:
    return Action(by.author, verb, "destination", (destination,), by.reason)
