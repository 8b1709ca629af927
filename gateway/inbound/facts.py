"""What the core is told beside a command: reasons, people, and what else it would have to look up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.facts import Facts
from gateway.core.reasons import DEFAULT_REASONS

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.core.commands import Command, Refs
    from gateway.core.job import Job
    from gateway.core.parties import Organization
    from gateway.inbound.directory import Directory
    from gateway.inbound.known import Known


def facts_for(
    known: Known,
    directory: Directory,
    now: datetime,
    command: Command,
    refs: Refs,
    *,
    job: Job | None,
    organization: Organization | None,
) -> Facts:
    """The facts of one decision: of the job's brand, or of the one that the command names."""
    brand = job.brand if job is not None else getattr(command, "brand", None)
    profile = directory.active.get(brand) if brand else None
    return Facts(
        now=now,
        reasons=profile.reasons if profile else DEFAULT_REASONS,
        accept_within=profile.accept_by_default if profile else None,
        organization=organization,
        customer=known.customers.get(refs.customer) if isinstance(refs.customer, int) else None,
        users=known.users,
        note=known.notes.get(refs.note) if isinstance(refs.note, int) else None,
    )
