"""Profile texts that tests build on."""

from gateway.mapping.profile import Profile, parse_profile


def with_lines(*lines: str) -> str:
    return "\n".join(lines) + "\n"


CODES = with_lines(
    "status_codes:",
    "  - {status: offered, code: O}",
    "  - {status: unscheduled, code: U}",
    "  - {status: scheduled, code: S}",
    "  - {status: in_progress, code: I}",
    "  - {status: paused, code: P}",
    "  - {status: complete, closure: completed, code: C}",
    "  - {status: complete, closure: canceled, code: X}",
    "  - {status: declined, closure: declined, code: D}",
    "  - {status: declined, closure: expired, code: E}",
    "  - {status: declined, closure: withdrawn, code: W}",
)
PLAIN = with_lines("brand: acme", "account: acme-home", "version: 1", "effective_at: 2026-01-01T00:00:00Z") + CODES
REASONS = with_lines(
    "complete_reasons:",
    "  - {code: OK, label: All good, outcome: completes}",
    "  - {code: PART, label: Waiting for parts, outcome: pauses}",
    "decline_reasons:",
    "  - {code: FAR, label: Too far}",
    "cancel_reasons:",
    "  - {code: GONE, label: Customer moved}",
)


def custom(*expressions: str, more: str = "") -> str:
    """A profile whose feed has these `type: expression` lines."""
    lines = with_lines("feed:", "  format: custom", "  events:", *(f"    {each}" for each in expressions))
    return PLAIN + lines + more


def profile_of(text: str) -> Profile:
    profile = parse_profile(text, file="acme/profile.v1.yaml")
    assert isinstance(profile, Profile), profile
    return profile
