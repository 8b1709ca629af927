"""The few facts of a profile that are asked of every brand at once, read without making a profile of its text."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from gateway.core.values import dataclass
from gateway.mapping.source import find_members

if TYPE_CHECKING:
    from gateway.mapping.profile import Profile

# As many texts as an import of every brand of a large installation looks at again and again.
_REMEMBERED = 2_000


@dataclass(frozen=True, slots=True)
class Outline:
    """Whose a brand is, and how its own JSON comes: on a `topic`, or by a `transformation` of Dispatch Connect.

    `receipts` is what it says of its account's receipts, as (records, to); None where it says nothing.
    """

    brand: str
    account: str
    topic: str | None = None
    transformation: str | None = None
    receipts: tuple[str | None, str | None] | None = None

    @classmethod
    def of(cls, profile: Profile) -> Outline:
        """The same facts, of a profile that has been read."""
        said = profile.receipts
        return cls(
            brand=profile.brand,
            account=profile.account,
            topic=profile.inbound.topic if profile.inbound else None,
            transformation=profile.custom.transformation if profile.custom else None,
            receipts=(said.records, said.to) if said else None,
        )


@lru_cache(maxsize=_REMEMBERED)
def find_outline(text: str) -> Outline | None:
    """The outline of a profile's text, which was checked before it was kept; None where it is none by now."""
    said = find_members(text)
    brand, account = said.get(("brand",)), said.get(("account",))
    if brand is None or account is None:
        return None
    receipts = (said.get(("receipts", "records")), said.get(("receipts", "to")))
    return Outline(
        brand=brand,
        account=account,
        topic=said.get(("inbound", "topic")),
        transformation=said.get(("custom", "transformation")),
        receipts=receipts if ("receipts",) in said else None,
    )
