"""Topics of an organization's own: one that asks for them in a put has its work feed and its receipts from then on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gateway.core.commands import PutOrganization
from gateway.core.ids import Kind, canonical_id
from gateway.core.outcomes import Applied
from gateway.core.parties import Organization, Side
from gateway.core.visibility import Audience
from gateway.inbound.translated import Translated
from gateway.store.destinations import NewDestination

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway.inbound.entry import Entry

# What may stand in a topic's name without ending the part that names the organization.
_FITS = re.compile(r"[A-Za-z0-9_-]{1,150}")


def asked_for(settled: Iterable[Entry]) -> list[NewDestination]:
    """The destinations that the puts among `settled` ask for; one that is there already changes nothing."""
    return [
        destination
        for entry in settled
        if isinstance(entry.outcome, Applied) and isinstance(entry.reading, Translated)
        if isinstance(entry.reading.command, PutOrganization) and entry.reading.side is Side.PROVIDER
        for saved in entry.outcome.saved
        if isinstance(saved, Organization) and saved.members.get("work_topic") is True
        for destination in _destinations(saved)
    ]


def is_wanted(organization: Organization) -> bool:
    """Whether an organization that has a work feed by topic has not said that it wants none."""
    return organization.members.get("work_topic") is not False


def _destinations(organization: Organization) -> Iterator[NewDestination]:
    name = _name(organization)
    for feed in ("work", "receipts"):
        yield NewDestination(
            name=f"{feed}.{name}",
            kind="kafka",
            audience=Audience.PROVIDER,
            owner=organization.handle,
            settings={"topic": f"{feed}.{name}.v1"},
        )


def _name(organization: Organization) -> str:
    name = organization.handle
    return name if _FITS.fullmatch(name) else canonical_id(Kind.ORGANIZATION, organization.number)


def fetched_by(organization: Organization, *, sandbox: bool = False) -> list[NewDestination]:
    """The work, or the test work, of an organization that fetches it: by Dispatch Connect, and by cursor.

    Whoever gives it its key makes these. `feed.` begins the names of brands' own.
    """
    kinds = {"poll": "sandbox", "feed": "sandbox-cursor"} if sandbox else {"poll": "poll", "feed": "cursor"}
    return [
        NewDestination(
            name=f"{begin}.{_name(organization)}",
            kind=kind,
            audience=Audience.PROVIDER,
            owner=organization.handle,
            sandbox=sandbox,
        )
        for kind, begin in kinds.items()
    ]
