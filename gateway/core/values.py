"""Values: records that nobody changes after they are made, cheap enough to make a hundred of for every record.

`dataclass` and `replace` are the standard library's to the type checker, which alone sees to it that a frozen one is
not changed: at run time freezing costs three quarters of the making.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING

__all__ = ["dataclass", "replace"]

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass, replace
else:

    def dataclass(*, frozen: bool = False, **options: bool) -> Callable[[type], type]:
        """As `dataclasses.dataclass`; a frozen one is hashable, and its members can be set by nobody but `replace`."""
        return dataclasses.dataclass(unsafe_hash=frozen, **options)

    def replace(value: object, **changes: object) -> object:
        """A copy of `value` with some members changed; members that do not exist are an AttributeError."""
        names, read = _members(type(value))
        copy = object.__new__(type(value))
        for name, member in zip(names, read(value), strict=True):
            setattr(copy, name, member)
        for name, member in changes.items():
            setattr(copy, name, member)
        return copy


@cache
def _members(kind: type) -> tuple[tuple[str, ...], Callable[[object], tuple[object, ...]]]:
    names = tuple(member.name for member in dataclasses.fields(kind))
    if len(names) == 1:
        read = attrgetter(names[0])
        return names, lambda value: (read(value),)
    return names, attrgetter(*names)
