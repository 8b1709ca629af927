"""Which of a brand's reasons a text that none of them is may have meant. Only shown, never applied."""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from gateway.core.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway.core.reasons import Reason

MOST_SUGGESTED = 3
MOST_SLIPS = 2
# So many letters for each slip of spelling: shorter words that differ are other words.
LETTERS_A_SLIP = 4
# A slip changes at most two letters of a word, and three pairs of neighbours on either side.
_LETTERS_CHANGED, _PAIRS_CHANGED = 2, 6
_BITS = 192


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A reason that resembles a text, and `why`, in words."""

    code: str
    label: str
    why: str


class _Form(NamedTuple):
    """What of a text is compared. `letters` and `pairs` are sets as bits: unlike words are told apart by them."""

    text: str
    spaced: str
    kept: str
    digits: str
    letters: int
    pairs: int


class _Known:
    """The texts of a list, found by what of them must be the same."""

    def __init__(self, reasons: Iterable[Reason]) -> None:
        self.same: dict[str, list[tuple[_Form, Reason]]] = {}
        self.near: dict[tuple[int, str], list[tuple[_Form, Reason]]] = {}
        for reason in reasons:
            for text in dict.fromkeys((reason.label, reason.code, *reason.also)):
                form = _form(text)
                self.same.setdefault(form.kept, []).append((form, reason))
                self.near.setdefault((len(form.kept), form.digits), []).append((form, reason))

    def nearest(self, text: str) -> tuple[Suggestion, ...]:
        mine = _form(text)
        if not mine.kept:
            return ()
        named = {reason.code for form, reason in self.same.get(mine.kept, ()) if form.text == text}
        best: dict[str, tuple[int, Suggestion]] = {}
        for rank, why, reason in (*self._same(mine), *self._slips(mine)):
            if reason.code not in named and (reason.code not in best or rank < best[reason.code][0]):
                best[reason.code] = rank, Suggestion(reason.code, reason.label, why)
        ranked = sorted(best.values(), key=lambda one: (one[0], one[1].code))
        return tuple(suggestion for _, suggestion in ranked[:MOST_SUGGESTED])

    def _same(self, mine: _Form) -> Iterator[tuple[int, str, Reason]]:
        for form, reason in self.same.get(mine.kept, ()):
            if form.spaced == mine.spaced:
                yield 1, "same but for case", reason
            elif _unspaced(form) == _unspaced(mine):
                yield 2, "same but for spaces", reason
            else:
                yield 3, "same but for punctuation", reason

    def _slips(self, mine: _Form) -> Iterator[tuple[int, str, Reason]]:
        length = len(mine.kept)
        for other in range(length - MOST_SLIPS, length + MOST_SLIPS + 1):
            most = min(MOST_SLIPS, min(length, other) // LETTERS_A_SLIP)
            if abs(length - other) > most:
                continue
            for form, reason in self.near.get((other, mine.digits), ()):
                if (form.letters ^ mine.letters).bit_count() > most * _LETTERS_CHANGED:
                    continue
                if (form.pairs ^ mine.pairs).bit_count() > most * _PAIRS_CHANGED:
                    continue
                slips = _find_slips(mine.kept, form.kept, most)
                if slips:
                    yield 3 + slips, "1 letter differs" if slips == 1 else f"{slips} letters differ", reason


def suggest(texts: Iterable[str], reasons: Iterable[Reason]) -> dict[str, tuple[Suggestion, ...]]:
    """By text, the reasons that it resembles, the likeliest first; texts that resemble none are left out.

    Compared are codes, labels and further texts: what stands for a reason is no near miss of it. Digits are never taken
    for a slip of spelling.
    """
    known = _Known(reasons)
    found = {text: known.nearest(text) for text in texts}
    return {text: nearest for text, nearest in found.items() if nearest}


def _form(text: str) -> _Form:
    spaced = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(letter for letter in spaced if letter.isalnum())
    digits = "".join(letter for letter in kept if letter.isdigit())
    letters = pairs = 0
    for letter in kept:
        letters |= 1 << ord(letter) % _BITS
    for one, other in pairwise(kept):
        pairs |= 1 << (31 * ord(one) + ord(other)) % _BITS
    return _Form(text, spaced, kept, digits, letters, pairs)


def _unspaced(form: _Form) -> str:
    return "".join(form.spaced.split())


def _find_slips(one: str, other: str, most: int) -> int | None:
    """How many letters were added, left out, changed, or swapped with their neighbour; None for more than `most`."""
    width, beyond = len(other), most + 1
    before: list[int] = []
    row, least = list(range(width + 1)), 0
    for i, letter in enumerate(one, 1):
        above, above_least = row, least
        row = [i, *[beyond] * width]
        # Whoever is further off the diagonal is beyond already.
        for j in range(max(1, i - most), min(width, i + most) + 1):
            steps = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != other[j - 1]))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == other[j - 1]:
                steps = min(steps, before[j - 2] + 1)
            row[j] = steps
        before, least = above, min(row)
        if least > most and above_least > most:
            return None
    return row[-1] if row[-1] <= most else None
