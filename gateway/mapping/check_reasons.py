"""Whether the reasons of a profile can be told apart, by the gateway and by people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.reasons import Ending
from gateway.mapping.findings import error, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gateway.mapping.findings import Finding
    from gateway.mapping.profile import PlainReason, Profile
    from gateway.mapping.source import Path


def check_reasons(profile: Profile) -> Iterator[Finding]:
    """Codes, labels and further texts are unique in their list, also to the eye, and one reason completes.

    Of retired reasons only the codes count: no other reason may have one as its code or label, ever. As a further text
    it may be given to another, by whoever sends it still.
    """
    for kind, reasons in profile.written_reasons.items():
        name = f"{kind}_reasons"
        yield from _check_unique(name, reasons)
        yield from _check_alike(name, reasons)
    complete_reasons = [each for each in profile.complete_reasons if not each.retired]
    if profile.complete_reasons and not complete_reasons:
        yield error(("complete_reasons",), "all are retired, and a visit needs one to end with: add one, or keep one")
        return
    completing = [each for each in complete_reasons if each.outcome is Ending.COMPLETES]
    if complete_reasons and len(completing) != 1 and not profile.several_completing:
        what = f"{len(completing)} reasons complete a visit; usually one does (several_completing: true if meant so)"
        yield warning(("complete_reasons",), what)
    complete = {text for each in complete_reasons for _, text in _texts(each)}
    for index, each in enumerate(profile.cancel_reasons):
        for text in () if each.retired else sorted({text for _, text in _texts(each)} & complete):
            yield warning(("cancel_reasons", index), f"{text!r} is a complete reason too, and is looked up as that")


def _texts(reason: PlainReason) -> Iterator[tuple[Path, str]]:
    """All that names it, each with its member; of a retired one the code alone."""
    yield ("code",), reason.code
    if reason.retired:
        return
    yield ("label",), reason.label
    for place, text in enumerate(reason.also):
        yield ("also", place), text


def _check_unique(name: str, reasons: Sequence[PlainReason]) -> Iterator[Finding]:
    owners: dict[str, int] = {}
    retired = {each.code: index for index, each in enumerate(reasons) if each.retired}
    for index, each in enumerate(reasons):
        for member, text in _texts(each):
            is_code = text in retired and member[0] != "also"
            owner = retired[text] if is_code else owners.setdefault(text, index)
            if owner != index:
                yield error((name, index, *member), f"{text!r} stands for the reason number {owner + 1} already")


def _check_alike(name: str, reasons: Sequence[PlainReason]) -> Iterator[Finding]:
    """Reasons are found letter by letter: what differs in case or spaces only will be mistaken by whoever writes it.

    A further text is what somebody sends, spaces at its ends and all.
    """
    owners: dict[str, tuple[int, str]] = {}
    for index, each in enumerate(reasons):
        for member, text in _texts(each):
            if member[0] != "also" and text != text.strip():
                yield error((name, index, *member), f"{text!r} begins or ends with a space: take it out")
            owner, alike = owners.setdefault("".join(text.casefold().split()), (index, text))
            if owner != index and alike != text:
                what = f"{text!r} differs from {alike!r} of the reason number {owner + 1} in case or spaces only"
                yield warning((name, index, *member), f"{what}: reword one of them")
