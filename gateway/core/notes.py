"""A note on a job: who wrote it, its revisions, and whether it is public."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from gateway.core.values import dataclass
from gateway.core.visibility import Private, Visibility

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """`revision` grows with each edit and each change of visibility, so that an event names exact text.

    `source` wrote it; `published` says that some revision was public once.
    """

    number: int
    job: int
    source: str
    by_enterprise: bool
    user: int | None = None
    visibility: Visibility = Visibility.PRIVATE
    revision: int = 1
    published: bool = False
    text: Private
    created_at: datetime
    latest: Mapping[str, str] = field(default_factory=dict)
