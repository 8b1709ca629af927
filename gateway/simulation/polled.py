"""Polling by Dispatch Connect: what a partner is handed it keeps, acknowledges, and reads as what happened to a job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from gateway.simulation.edge import Crew
from gateway.simulation.wire import Told

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.simulation.edge import Edge
    from gateway.simulation.world import World

POLL_SECONDS = 0.3

# Connect's words where ours are others.
_STATUSES = {"rejected": "declined"}


class Reader:
    """Reads one poller's messages in their order: what a job's word says depends on the one before it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stood: dict[str, str] = {}

    def take(self, job: str) -> None:
        """The poller itself has accepted the offer, which nobody tells it."""
        self._stood[job] = "unscheduled"

    def read(self, element: Mapping[str, Any]) -> Told:
        """One element of an answer."""
        message = element["Message"]
        [(name, entity)] = message["Request"]["Payload"]["Actions"][0]["Put"].items()
        number = entity["id"] if name == "job" else entity.get("job_id")
        job = f"job-{number}" if number is not None else ""
        kind, details = self._job(job, entity) if name == "job" else _other(name, entity)
        return Told(
            type=kind,
            id=message["ID"],
            job=job,
            external_id=entity.get("external_id"),
            version=None,
            previous=None,
            body={"data": details},
        )

    def _job(self, job: str, entity: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        status, number = entity["status"], entity.get("external_id")
        kind = _happened(self._stood.get(job), status)
        self._stood[job] = status
        named = {"external_id": number, "title": entity.get("title"), "brand": self._world.find_brand(number or "")}
        terms = {name: entity[name] for name in ("revision",) if name in entity}
        return kind, {"job": named, "status": _STATUSES.get(status, status), **terms}


def _happened(before: str | None, status: str) -> str:
    """What has happened to a job that stood at one word and stands at another now."""
    if before is None:
        return "job.offered" if status == "offered" else "job.created"
    if before == status:
        return "job.amended"
    if status == "rejected" or (status == "canceled" and before == "offered"):
        return "job.declined"
    if status == "canceled":
        return "job.canceled"
    if before == "offered":
        return "job.accepted"
    return "job.restored" if before == "canceled" else "job.moved"


def _other(name: str, entity: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    match name:
        case "appointment":
            return "appointment", {"appointments": [{"id": f"apt-{entity['id']}"}]}
        case "attachment":
            return ("note.published" if "id" in entity else "reminder.sent"), {}
        case _:
            return name, {}


def kept_file(folder: Path, name: str) -> Path:
    """Where the partner `name` keeps what it was handed: one message a line, those that it has acknowledged."""
    return folder / f"polled-{name}.jsonl"


async def poll(edge: Edge, name: str, reader: Reader, hear: Callable[[Told], None]) -> None:
    """Polls without end; what it has begun to fetch it acknowledges and keeps."""
    crew = Crew(edge, name)
    file = kept_file(edge.folder, name)
    try:
        while True:
            fetching = asyncio.create_task(asyncio.to_thread(_fetch, crew, file))
            try:
                settled = await asyncio.shield(fetching)
            except asyncio.CancelledError:
                await fetching
                raise
            for element in settled:
                hear(reader.read(element))
            if not settled:
                await asyncio.sleep(POLL_SECONDS)
    finally:
        await asyncio.to_thread(crew.end)


def _fetch(crew: Crew, file: Path) -> list[dict[str, Any]]:
    """What was handed over, and is acknowledged: messages of different jobs, so that their order is nobody's."""
    with crew.caller() as caller:
        fetched = caller.fetch()
    counted = crew.threads.map(lambda element: _acknowledge(crew, element), fetched)
    settled = [element for element, counts in zip(fetched, counted, strict=True) if counts]
    if settled:
        with file.open("ab") as kept:
            kept.write(b"".join(orjson.dumps(element) + b"\n" for element in settled))
    return settled


def _acknowledge(crew: Crew, element: Mapping[str, Any]) -> bool:
    with crew.caller() as caller:
        return caller.acknowledge(element)
