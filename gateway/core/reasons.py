"""A brand's own complete, decline and cancel reasons, and how a text finds its reason.

The lists come from the brand profile in force; jobs without a brand use `DEFAULT_REASONS`.
"""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum

from gateway.core.values import dataclass


class Ending(StrEnum):
    """What a complete reason does to the job."""

    COMPLETES = "completes"
    PAUSES = "pauses"


class ReasonKind(StrEnum):
    """Which list a reason belongs to."""

    COMPLETE = "complete"
    DECLINE = "decline"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Reason:
    """One entry of a list. `outcome` is set for complete reasons only; `also` are further texts that mean it."""

    code: str
    label: str
    outcome: Ending | None = None
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenReason:
    """A reason as it was given with a command: `code` is None where no list knows the text."""

    kind: ReasonKind
    text: str
    code: str | None = None
    label: str | None = None
    outcome: Ending | None = None


@dataclass(frozen=True, slots=True)
class ReasonLists:
    """The lists of one profile version. A text finds a reason by code, by label or by a further text, exactly.

    `open_ended`: an unknown complete reason waits for a mapping (a brand can still add it); where there is no
    brand nobody could, so it is refused.
    """

    complete: tuple[Reason, ...]
    decline: tuple[Reason, ...] = ()
    cancel: tuple[Reason, ...] = ()
    open_ended: bool = True
    _index: dict[tuple[ReasonKind, str], Reason] = field(init=False, repr=False, compare=False)
    _only_completing: Reason | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index: dict[tuple[ReasonKind, str], Reason] = {}
        for kind in ReasonKind:
            reasons = self.listed(kind)
            named = [
                *((reason.code, reason) for reason in reasons),
                *((reason.label, reason) for reason in reasons),
                *((text, reason) for reason in reasons for text in reason.also),
            ]
            # The first one wins: a code over another reason's label, and that over a further text.
            for text, reason in named:
                index.setdefault((kind, text), reason)
        object.__setattr__(self, "_index", index)
        completing = [reason for reason in self.complete if reason.outcome is Ending.COMPLETES]
        object.__setattr__(self, "_only_completing", completing[0] if len(completing) == 1 else None)

    def listed(self, kind: ReasonKind) -> tuple[Reason, ...]:
        """The list `kind`, in the brand's order."""
        match kind:
            case ReasonKind.COMPLETE:
                return self.complete
            case ReasonKind.DECLINE:
                return self.decline
            case ReasonKind.CANCEL:
                return self.cancel

    def find(self, kind: ReasonKind, text: str) -> Reason | None:
        """The reason of the list `kind` that `text` stands for; None where none does."""
        return self._index.get((kind, text))

    def given(self, kind: ReasonKind, text: str) -> GivenReason:
        """`text` as a reason of `kind`: with code, label and outcome where the list knows it.

        A brand without a decline or cancel list takes any words as they are.
        """
        reason = self.find(kind, text)
        if reason is not None:
            return GivenReason(kind=kind, text=text, code=reason.code, label=reason.label, outcome=reason.outcome)
        free = (kind is ReasonKind.DECLINE and not self.decline) or (kind is ReasonKind.CANCEL and not self.cancel)
        return GivenReason(kind=kind, text=text, code=text if free else None, label=text if free else None)

    def find_only_completing(self) -> Reason | None:
        """The one reason that completes; None where there are several or none."""
        return self._only_completing


DEFAULT_COMPLETE = (
    Reason("done", "Done", Ending.COMPLETES),
    Reason("needs_follow_up", "Needs follow-up", Ending.PAUSES),
)
DEFAULT_REASONS = ReasonLists(DEFAULT_COMPLETE, open_ended=False)
