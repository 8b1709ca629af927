"""A brand's next profile version, with reasons that the version before did not know."""

from tests.inbound import BRANDS

_COMPLETE = "  - {code: AUT, label: Waiting for authorization, outcome: pauses}\n"
_DECLINE = "  - {code: D-SKILL, label: Not our trade}\n"
_CANCEL = "  - {code: C-COV, label: Not covered}\n"


def harborline(version: int, *, complete: str = "", decline: str = "", cancel: str = "") -> str:
    """Harborline's profile as `version`, with lines added to its lists."""
    text = (BRANDS / "harborline" / "profile.v1.yaml").read_text(encoding="utf-8")
    text = text.replace("version: 1\n", f"version: {version}\n", 1)
    for anchor, added in ((_COMPLETE, complete), (_DECLINE, decline), (_CANCEL, cancel)):
        assert anchor in text
        text = text.replace(anchor, f"{anchor}{added}")
    return text
