"""Tells which statements a database is asked to execute: by SQLAlchemy, and by the driver itself."""

import asyncio
from contextlib import asynccontextmanager

from sqlalchemy import event

_OF_TRANSACTIONS = ("BEGIN", "COMMIT", "ROLLBACK")
# The driver's own questions about types, once for each connection.
_OF_TYPES = ("typeinfo_tree", "current_setting('jit')")


class Said(str):
    """A statement, with the `parameters` that went with it."""

    __slots__ = ("parameters",)


@asynccontextmanager
async def statements_within(database):
    """What is executed within, but for what begins and ends transactions."""
    said = []
    drivers = set()

    def note(statement, parameters):
        if not statement.startswith(_OF_TRANSACTIONS) and not any(words in statement for words in _OF_TYPES):
            said.append(Said(statement))
            said[-1].parameters = parameters

    def by_engine(_connection, _cursor, statement, parameters, *_):
        note(statement, parameters)

    def by_driver(query):
        note(query.query, query.args)

    def on_checkout(connection, *_):
        if not database.is_sqlite:
            drivers.add(connection.driver_connection)
            connection.driver_connection.add_query_logger(by_driver)

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", by_engine)
    event.listen(engine, "checkout", on_checkout)
    try:
        yield said
        # The driver tells it in the loop's next turn.
        await asyncio.sleep(0)
    finally:
        event.remove(engine, "before_cursor_execute", by_engine)
        event.remove(engine, "checkout", on_checkout)
        for driver in drivers:
            driver.remove_query_logger(by_driver)
