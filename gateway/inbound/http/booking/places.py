"""States and provinces of the two countries that are served, and their postal codes as each country writes them."""

from __future__ import annotations

import re

_STATES = (
    "AL Alabama|AK Alaska|AZ Arizona|AR Arkansas|CA California|CO Colorado|CT Connecticut|DE Delaware"
    "|DC District of Columbia|FL Florida|GA Georgia|HI Hawaii|ID Idaho|IL Illinois|IN Indiana|IA Iowa|KS Kansas"
    "|KY Kentucky|LA Louisiana|ME Maine|MD Maryland|MA Massachusetts|MI Michigan|MN Minnesota|MS Mississippi"
    "|MO Missouri|MT Montana|NE Nebraska|NV Nevada|NH New Hampshire|NJ New Jersey|NM New Mexico|NY New York"
    "|NC North Carolina|ND North Dakota|OH Ohio|OK Oklahoma|OR Oregon|PA Pennsylvania|PR Puerto Rico|RI Rhode Island"
    "|SC South Carolina|SD South Dakota|TN Tennessee|TX Texas|UT Utah|VT Vermont|VA Virginia|WA Washington"
    "|WV West Virginia|WI Wisconsin|WY Wyoming"
)
_PROVINCES = (
    "AB Alberta|BC British Columbia|MB Manitoba|NB New Brunswick|NL Newfoundland and Labrador"
    "|NT Northwest Territories|NS Nova Scotia|NU Nunavut|ON Ontario|PE Prince Edward Island|QC Quebec"
    "|SK Saskatchewan|YT Yukon"
)
_ZIP = re.compile(r"(\d{5})(?:[- ]?\d{4})?", re.ASCII)
_CANADIAN = re.compile(r"([A-Z]\d[A-Z])[- ]?(\d[A-Z]\d)", re.ASCII)


def _split(listed: str) -> dict[str, str]:
    return dict(one.split(" ", 1) for one in listed.split("|"))


# By country: two letters, and the name.
REGIONS = {"US": _split(_STATES), "CA": _split(_PROVINCES)}
COUNTRIES = {"US": "United States", "CA": "Canada"}


def find_country(region: str) -> str | None:
    """The country of a state or province."""
    return next((country for country, regions in REGIONS.items() if region in regions), None)


def find_postal_code(written: str, country: str) -> str | None:
    """Five digits for the United States, `K1A 0B1` for Canada; None for what is neither."""
    if country == "CA":
        match = _CANADIAN.fullmatch(written.upper())
        return f"{match[1]} {match[2]}" if match else None
    match = _ZIP.fullmatch(written)
    return match[1] if match else None
