"""What requests that only read look at: one state of the database, or the answer that it is away."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from gateway.store.failures import may_pass
from gateway.web.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from gateway.store.database import Database, Transaction


@contextmanager
def available() -> Iterator[None]:
    """Ends the request where the database does not answer: whoever called comes again."""
    try:
        yield
    except Exception as error:
        if may_pass(error):
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "come again") from error
        raise


@asynccontextmanager
async def reading(database: Database) -> AsyncIterator[Transaction]:
    """A transaction for reads by keys, all of one state. Ends the request where the database does not answer."""
    with available():
        async with database.snapshot(by_keys=True) as connection:
            yield connection
