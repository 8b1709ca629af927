"""Test work, told by the name of its source: a test key's records bear a mark after their owner's name.

Jobs, visits, notes and customers are known by their source's ids: those of test work and of real work never meet.
Organizations and users are the same in both.
"""

from __future__ import annotations

from gateway.core.commands import Refs
from gateway.core.ids import Ref

# No account, organization or topic can have a name with this in it.
MARK = "~test"


def is_test(source: str) -> bool:
    """Whether what has this source is test work."""
    return source.endswith(MARK)


def source_of_tests(owner: str) -> str:
    """The source of the test work of `owner`."""
    return owner if is_test(owner) else f"{owner}{MARK}"


def owner_of(source: str) -> str:
    """Whose work it is: the name of the account or organization."""
    return source.removesuffix(MARK)


def as_test(refs: Refs) -> Refs:
    """What a test record points at: work among test work, parties as they really are."""
    return Refs(
        job=_work(refs.job),
        appointment=_work(refs.appointment),
        organization=_party(refs.organization),
        technician=_party(refs.technician),
        user=_party(refs.user),
        customer=_work(refs.customer),
        note=_work(refs.note),
    )


def _work(pointer: Ref | int | None) -> Ref | int | None:
    return pointer._replace(source=source_of_tests(pointer.source)) if isinstance(pointer, Ref) else pointer


def _party(pointer: Ref | int | None) -> Ref | int | None:
    return pointer._replace(source=owner_of(pointer.source)) if isinstance(pointer, Ref) else pointer
