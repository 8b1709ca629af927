"""What is logged when something fails: where and of which kind, and nothing that a record said."""

import logging
from traceback import format_exception

import pytest
from asyncpg import PostgresError
from sqlalchemy.exc import DBAPIError

from gateway.inbound import entry, settle
from gateway.store.bulk import upsert
from gateway.store.tables import customer
from tests.inbound import offer, opened

SAID = "gate code 4711"


@pytest.fixture
async def postgres_road(staffed_postgres_url):
    async with opened(staffed_postgres_url) as road:
        yield road


async def test_a_statement_that_fails_says_nothing_of_its_parameters(road):
    await road.execute("ALTER TABLE customer RENAME COLUMN members TO others")
    with pytest.raises((DBAPIError, PostgresError)) as failed:
        await road.receive(offer("A-1", customer={"name": SAID}))
    told = "".join(format_exception(failed.value))
    assert "INSERT INTO customer" in told
    assert SAID not in told


async def test_a_row_that_the_database_refuses_is_not_shown(postgres_road):
    await postgres_road.execute("ALTER TABLE customer ADD CONSTRAINT short CHECK (length(members) < 5)")
    async with postgres_road.database.transaction() as connection:
        with pytest.raises(PostgresError) as failed:
            await upsert(connection, customer, [{"number": 1, "members": SAID}])
    told = "".join(format_exception(failed.value))
    assert "INSERT INTO customer" in told
    assert SAID not in told


@pytest.mark.parametrize(("module", "function"), [(settle, "decide"), (entry, "translate")])
async def test_a_bug_is_logged_with_its_place_and_without_its_message(road, caplog, monkeypatch, module, function):
    def broken(*_):
        raise ValueError(SAID)

    monkeypatch.setattr(module, function, broken)
    assert await road.receive(offer("A-1", customer={"name": SAID})) == ["quarantined bug"]
    (record,) = (one for one in caplog.records if one.message == "record.bug")
    assert (record.levelno, record.error) == (logging.ERROR, "ValueError")
    assert "in broken" in record.where
    assert SAID not in caplog.text + record.where
