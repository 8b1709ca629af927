"""How a bug of ours that met one delivery is told."""

from __future__ import annotations

import traceback

import structlog

log = structlog.get_logger(__name__)


def tell_bug(what: str, error: Exception, **about: object) -> None:
    """Logs a bug: where, and of which type. Its message is left out, for it may quote what no log may hold."""
    log.error(what, error=type(error).__name__, where="".join(traceback.format_tb(error.__traceback__)), **about)
