"""Which URLs a webhook may have: what can be said of one without looking up its name."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# No spaces, no control characters, nothing that parsers read in several ways: other letters are percent-encoded.
_PRINTABLE = re.compile(r"[!-\[\]-~]+")
_LONGEST = 2000
# Brackets stand round an address, and nothing stands beside them but a port.
_BRACKETED = re.compile(r"\[[^\[\]]+\](:[0-9]*)?")


def find_url_fault(url: str, *, plain: bool) -> str | None:
    """Why nothing can be posted to `url`, in words that do not repeat it. `plain`: http:// is allowed, too."""
    if not _PRINTABLE.fullmatch(url) or len(url) > _LONGEST:
        return f"must be 1 to {_LONGEST} printable ASCII characters, without spaces and backslashes"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme != "https" and not (plain and parts.scheme == "http"):
        return "must begin with https://"
    if "@" in parts.netloc:
        return "must hold no user and no password"
    if ("[" in parts.netloc or "]" in parts.netloc) and not _BRACKETED.fullmatch(parts.netloc):
        return "is not a URL"
    if not parts.hostname or port == 0:
        return "names no host"
    if "#" in url:
        return "must have no fragment"
    return None
