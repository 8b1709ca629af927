"""The migrated schema is what the code believes it to be."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import inspect, select

from gateway.store import tables, tables_control
from gateway.store.database import Database
from gateway.store.migrate import upgrade
from gateway.store.numbers import FIRST_RECORD

PARTS = ("get_columns", "get_pk_constraint", "get_unique_constraints", "get_foreign_keys", "get_indexes")


def described(connection):
    """Everything that the database says of its tables, in an order that does not matter."""
    inspector = inspect(connection)
    names = set(inspector.get_table_names()) - {"alembic_version"}
    return {name: {part: _plain(getattr(inspector, part)(name)) for part in PARTS} for name in names}


def _plain(found):
    if isinstance(found, list):
        return sorted((_plain(one) for one in found), key=repr)
    if isinstance(found, dict):
        return {key: _plain(value) for key, value in found.items()}
    return found if isinstance(found, (bool, int, type(None))) else str(found)


async def schema_of(url, prepare=None):
    database = Database(url)
    try:
        async with database.transaction() as connection:
            if prepare is not None:
                await connection.run_sync(prepare)
            return await connection.run_sync(described)
    finally:
        await database.close()


def test_migrations_make_exactly_the_tables_of_the_code(blank_database_url, tmp_path):
    declared = asyncio.run(schema_of(blank_database_url, tables_control.metadata.create_all))
    asyncio.run(schema_of(blank_database_url, tables_control.metadata.drop_all))
    upgrade(blank_database_url)
    assert asyncio.run(schema_of(blank_database_url)) == declared


def test_migrating_twice_and_at_once_does_nothing_more(blank_database_url):
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(upgrade, [blank_database_url] * 3))
    counters, destinations = asyncio.run(_seeded(blank_database_url))
    assert counters == {"record": FIRST_RECORD, "event": 1, "delivery": 1}
    assert destinations == [("notifications", "kafka", "customer", "active", '{"topic": "notifications.v1"}')]


async def _seeded(url):
    database = Database(url)
    wanted = [tables.destination.c[name] for name in ("name", "kind", "audience", "state", "settings")]
    try:
        async with database.transaction() as connection:
            counters = (await connection.execute(select(tables.counter.c.kind, tables.counter.c.next))).all()
            destinations = (await connection.execute(select(*wanted))).all()
    finally:
        await database.close()
    return dict(map(tuple, counters)), [tuple(row) for row in destinations]
