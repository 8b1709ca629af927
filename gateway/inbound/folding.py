"""An organization's acceptance and its job's first appointment, sent in one request of Connect: one decision.

Says which two belong together, and what they ask for as one; `settle` decides it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from gateway.core.commands import AcceptOffer, AddAppointment
from gateway.core.job import JobStatus
from gateway.core.outcomes import Parked
from gateway.core.values import replace
from gateway.inbound.translated import Translated
from gateway.inbound.words import Meaning

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.inbound.entry import Entry
    from gateway.inbound.known import Known
    from gateway.inbound.references import Pointer

Companions: TypeAlias = "Mapping[tuple[str, Pointer], Sequence[Entry]]"

_ACCEPTS = frozenset({Meaning.ACCEPT_OR_NOTHING, Meaning.ACCEPT_OR_RESTORE})


def find_companions(entries: Iterable[Entry]) -> Companions:
    """Acceptances and new visits of one job that came in one request, in the order received, where there are both."""
    found: dict[tuple[str, Pointer], list[Entry]] = {}
    for entry in entries:
        if entry.request is not None and (_accepts(entry) or _adds(entry)):
            found.setdefault((entry.request, _job(entry)), []).append(entry)
    both = {key: same for key, same in found.items() if any(map(_accepts, same)) and any(map(_adds, same))}
    return {key: sorted(same, key=lambda entry: entry.number) for key, same in both.items()}


def find_folded(entry: Entry, companions: Companions, known: Known) -> tuple[Entry, Entry] | None:
    """The acceptance of an offer and the first new visit for it, where `entry` is one of the two.

    An offer that is not known yet may still be there when both are decided. Where the job is no offer any more, or the
    visit is known by its key, each is decided by itself.
    """
    same = companions.get((entry.request, _job(entry))) if entry.request is not None else None
    if same is None:
        return None
    number = known.number(_job(entry))
    job = known.jobs.get(number) if number is not None else None
    if job is not None and job.status is not JobStatus.OFFERED:
        return None
    undecided = [one for one in same if is_undecided(one, known)]
    accept = next(filter(_accepts, undecided), None)
    appointment = next((one for one in undecided if _adds(one) and not _is_known(one, known)), None)
    if accept is None or appointment is None or (entry is not accept and entry is not appointment):
        return None
    return accept, appointment


def is_undecided(entry: Entry, known: Known) -> bool:
    """Whether nothing has been decided about `entry` yet, alone or with its companion, and it does not wait."""
    return entry.number not in known.parked and (entry.outcome is None or isinstance(entry.outcome, Parked))


def folded(accept: Entry, appointment: Entry) -> Translated:
    """The acceptance with that visit, whose key is the appointment's and whose word is the latest about both."""
    plain, first = accept.reading, appointment.reading
    assert isinstance(plain, Translated)
    assert isinstance(first, Translated)
    assert isinstance(first.command, AddAppointment)
    return replace(
        plain,
        command=AcceptOffer(visit=first.command.visit),
        refs=replace(plain.refs, technician=first.refs.technician),
        new_visit=first.new_visit,
        digest=first.digest,
    )


def _accepts(entry: Entry) -> bool:
    reading = entry.reading
    return isinstance(reading, Translated) and reading.word is not None and reading.word.meaning in _ACCEPTS


def _adds(entry: Entry) -> bool:
    reading = entry.reading
    return isinstance(reading, Translated) and isinstance(reading.command, AddAppointment) and reading.word is not None


def _is_known(entry: Entry, known: Known) -> bool:
    reading = entry.reading
    return isinstance(reading, Translated) and known.number(reading.new_visit) is not None


def _job(entry: Entry) -> Pointer:
    reading = entry.reading
    return reading.refs.job if isinstance(reading, Translated) else None
