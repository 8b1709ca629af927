"""Telephone numbers as people write them, read into the one form that machines dial (E.164)."""

from __future__ import annotations

import phonenumbers

_LONGEST = 40


def find_e164(written: str, region: str) -> str | None:
    """`(218) 555-0100` in the region `US` is `+12185550100`; None where nobody could be reached by what is written.

    Numbers of other countries begin with `+`. An extension is not kept: there would be nobody to dial it.
    """
    if len(written) > _LONGEST:
        return None
    try:
        number = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def shown(number: str, region: str) -> str:
    """A number as people of `region` write it; what cannot be read stays as it is."""
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return number
    national = parsed.country_code == phonenumbers.country_code_for_region(region)
    style = phonenumbers.PhoneNumberFormat
    return phonenumbers.format_number(parsed, style.NATIONAL if national else style.INTERNATIONAL)
