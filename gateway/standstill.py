"""What stands still in a gateway's database, as findings: expiry, destinations, records, deliveries."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from gateway.core.document import stamp
from gateway.finding import Finding, fine, problem, warning
from gateway.store import checkup
from gateway.store.destinations import REMOVED
from gateway.store.held import count_held_values
from gateway.store.unconfirmed import count_unconfirmed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from gateway.store.checkup import Stopped, Waiting
    from gateway.store.database import Transaction

# Idle partitions are noted every ten seconds; by now an active clock has looked at whatever is due.
SOON = timedelta(minutes=1)
LONG = timedelta(hours=1)
A_DAY = timedelta(days=1)

_RECORDS = {
    "requeued": ("waits for a clock", "is a gateway running with `--role clock`?"),
    "parked": ("waits for what it refers to, or behind another", "`gateway records list --state parked`"),
    "unmapped": ("waits for a reason to be mapped", "`gateway brands held`"),
    "quarantined": ("needs somebody's eyes", "`gateway records list --state quarantined`"),
}
_DELIVERIES = {
    "pending": (
        "waits to be sent",
        "is a gateway running with `--role relay`, and with a broker? `gateway deliveries list`",
    ),
    "held": ("waits for a reason or a code to be mapped", "`gateway brands held`"),
    "dead": ("was given up", "`gateway deliveries show`, then reopen or skip it"),
}


async def examine_standstill(connection: Transaction, answers: str, now: datetime) -> list[Finding]:
    """`answers` is what the topics begin with whose partitions expiry waits for."""
    findings = [await _examine_expiry(connection, answers, now), await _examine_destinations(connection)]
    findings.append(await _examine_polling(connection, now))
    findings.append(await _examine_confirmations(connection, now))
    findings.append(await _examine_mappings(connection, now))
    findings += _waiting("records", await checkup.find_waiting_records(connection), _RECORDS, now)
    findings += _waiting("deliveries", await checkup.find_owed_deliveries(connection, now), _DELIVERIES, now)
    return findings


async def _examine_expiry(connection: Transaction, answers: str, now: datetime) -> Finding:
    unread = await checkup.find_unread(connection, answers, now - SOON)
    overdue = await checkup.count_overdue_offers(connection, now - 2 * SOON)
    if not unread:
        if overdue:
            return problem("expiry", f"{overdue} offers are overdue", "is a gateway running with `--role clock`?")
        return fine("expiry", "every partition that carries answers is read")
    names = ", ".join(f"{one.topic}[{one.partition}]" for one in unread[:3])
    found = f"nobody reads {len(unread)} partitions that carry answers ({names}{', …' if len(unread) > 3 else ''})"
    remedy = "run a gateway with `--role consume`: until they are read, no offer expires"
    if overdue:
        return problem("expiry", f"{found}, and {overdue} offers are overdue", remedy)
    return warning("expiry", found, remedy)


async def _examine_destinations(connection: Transaction) -> Finding:
    stopped = await checkup.find_stopped_destinations(connection)
    if not stopped:
        return fine("destinations", "all active")
    told = ", ".join(map(_told, stopped))
    if any(one.state == "paused" for one in stopped):
        remedy = "paused ones keep what they are owed until `gateway destinations resume`; `… show` says more"
    elif any(one.state == REMOVED for one in stopped):
        remedy = "what is owed to removed ones waits: `gateway deliveries skip`, or name them in a profile again"
    else:
        remedy = "they are tried again by themselves; `gateway destinations show` says when"
    return warning("destinations", told, remedy)


def _told(one: Stopped) -> str:
    since = f" since {stamp(one.since)}" if one.since else ""
    return f"{one.name} {one.state}{since}{f' ({one.reason})' if one.reason else ''}"


async def _examine_polling(connection: Transaction, now: datetime) -> Finding:
    """What is due for a day was taken by no poll in that day: each takes what has been due longest."""
    unpolled = await checkup.find_unpolled(connection, now - A_DAY)
    if not unpolled:
        return fine("polling", "every queue is polled, or nothing waits in it")
    told = ", ".join(f"{one.state} ({one.count} jobs and records since {stamp(one.since)})" for one in unpolled)
    return warning("polling", f"nobody fetches from {told}", "does its client run, and with a key that is live?")


async def _examine_confirmations(connection: Transaction, now: datetime) -> Finding:
    overdue = await count_unconfirmed(connection, now)
    if not overdue:
        return fine("confirmations", "what was delivered to those who confirm is confirmed")
    told = ", ".join(
        f"{one.destination} ({one.deliveries} deliveries of {one.jobs} jobs since {stamp(one.since)})"
        for one in overdue
    )
    remedy = "`gateway deliveries unconfirmed`; if the brand has lost them, `gateway brands reconcile`"
    return warning("confirmations", f"delivered, not confirmed: {told}", remedy)


async def _examine_mappings(connection: Transaction, now: datetime) -> Finding:
    """What was given as a reason stays out of it: it may say anything."""
    missed = [one for one in await count_held_values(connection) if now - one.since > A_DAY]
    if not missed:
        return fine("mappings", "nothing has waited for a day to be mapped")
    told = ", ".join(f"{one.state} ({one.count} values, the first since {stamp(one.since)})" for one in missed)
    remedy = "`gateway brands held` says which; `gateway brands map` makes a version that maps one"
    return warning("mappings", f"not mapped for more than a day: {told}", remedy)


def _waiting(
    subject: str, found: Iterable[Waiting], meanings: dict[str, tuple[str, str]], now: datetime
) -> Iterator[Finding]:
    listed = list(found)
    if not listed:
        yield fine(subject, "none waits")
    for one in listed:
        meaning, remedy = meanings[one.state]
        told = f"{one.count} {one.state}, the oldest since {stamp(one.since)}: {meaning}"
        age = now - one.since
        # What a running gateway ends by itself is a finding only when it did not.
        by_itself = one.state in {"requeued", "pending", "parked"}
        if by_itself and age < (LONG if one.state == "parked" else SOON):
            yield fine(subject, told)
        else:
            yield warning(subject, told, remedy)
