"""What a trial found, for both sides to read: as Markdown for people, as JSON for programs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gateway.certification.items import Found, Item, Verdict
from gateway.core.document import stamp
from gateway.core.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from gateway.mapping.profile import Profile
    from gateway.mapping.profile_roads import Destination

_MARKS = {Verdict.PASSED: "passed", Verdict.FAILED: "**failed**", Verdict.NOT_JUDGED: "not judged"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`found` is by item, in the order of the list. The address is told without its path, which may be a secret."""

    profile: Profile
    destination: Destination
    url: str
    at: datetime
    found: Sequence[tuple[Item, Found]]

    @property
    def is_passed(self) -> bool:
        """Whether nothing failed; what could not be judged is said, and stands in nobody's way."""
        return all(found.verdict is not Verdict.FAILED for _, found in self.found)

    def rows(self) -> list[dict[str, Any]]:
        """One for each item."""
        return [
            {
                "item": item.name,
                "sent": item.sent,
                "expected": item.expected,
                "came": found.came,
                "verdict": found.verdict.value,
            }
            for item, found in self.found
        ]

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "brand": self.profile.brand,
            "profile_version": self.profile.version,
            "destination": self.destination.name,
            "address": self._address(),
            "at": stamp(self.at),
            "passed": self.is_passed,
            "items": self.rows(),
        }

    def markdown(self) -> str:
        """For people."""
        counted = Counter(found.verdict for _, found in self.found)
        told = ", ".join(f"{counted[verdict]} {verdict.value.replace('_', ' ')}" for verdict in Verdict)
        lines = [
            f"# Webhook of {self.profile.brand}: {'passed' if self.is_passed else 'not passed'}",
            "",
            f"* destination `{self.destination.name}` at `{self._address()}`",
            f"* by version {self.profile.version} of the brand's profile, on {stamp(self.at)}",
            f"* {told}",
            "",
            "Everything that was sent is about jobs that do not exist: their ids begin with 8, their titles with",
            '"Test:", and their source ends in `~test`.',
            "",
            "| item | sent | expected | came | |",
            "|---|---|---|---|---|",
        ]
        for item, found in self.found:
            cells = (f"`{item.name}`", item.sent, item.expected, found.came, _MARKS[found.verdict])
            lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
        return "\n".join([*lines, ""])

    def _address(self) -> str:
        place = urlsplit(self.url)
        return f"{place.scheme}://{place.hostname}{f':{place.port}' if place.port else ''}"
