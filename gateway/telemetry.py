"""Structured logs: an event's name and its fields, one line of JSON each. Never bodies, texts or personal members."""

from __future__ import annotations

import logging
import sys

import structlog

# A database driver at `debug` would log the parameters of statements.
_QUIET = {
    "aiokafka": logging.ERROR,
    "faststream": logging.WARNING,
    "aiosqlite": logging.WARNING,
    "uvicorn": logging.WARNING,
}


def start_logging(level: str) -> None:
    """Sends all logs to standard error: the program's own and, where they matter, the libraries'."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared, structlog.processors.format_exc_info],
    )
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name, quiet in _QUIET.items():
        library = logging.getLogger(name)
        library.setLevel(quiet)
        # FastStream brings a handler that writes coloured text.
        library.handlers.clear()
        library.propagate = True
