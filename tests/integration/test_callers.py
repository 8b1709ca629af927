"""Who is believed, for how long, and what is kept of those who prove nothing."""

import asyncio
import logging
from collections import Counter
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from starlette.requests import Request

from gateway.keys import end_key
from gateway.sealing import Sealer
from gateway.store.deliveries import Operator
from gateway.store.keys import CHANNEL
from gateway.store.refused_calls import RefusedCalls, add_refused_calls, list_refused_calls, sum_refused_calls
from gateway.store.tables_control import access_key, refused_call
from gateway.store.wakeups import listen
from gateway.web.callers import Callers
from gateway.web.failed_calls import FAILURES_A_MINUTE
from gateway.web.problems import ProblemError
from tests.edge import listening
from tests.eventually import eventually
from tests.inbound import EVERGREEN, opened, provider
from tests.keys import SEALING_KEY, make_key

OPS = Operator(author="ops", reason="test")


@pytest.fixture
async def callers(road):
    """Callers for whom no minute is ever over."""
    return Callers(road.database, Sealer([SEALING_KEY]), lambda: 0.0)


def call(*, token="", key="", signature="", address="10.0.0.1"):
    sent = {"Authorization": f"Bearer {token}", "X-Dispatch-Key": key, "X-Dispatch-Signature": signature}
    headers = [(name.lower().encode(), value.encode()) for name, value in sent.items() if value != "Bearer "]
    return Request({"type": "http", "method": "GET", "headers": headers, "client": (address, 1)})


async def status_of(calling):
    """Of the answer that a call comes to; 200 where it is let in."""
    try:
        await calling
    except ProblemError as problem:
        return problem.status.value
    return 200


async def counted(road):
    """Over all hours, since a test may see the next one."""
    found = Counter()
    for row in await road.rows(refused_call):
        found[row["address"], row["key"], row["reason"]] += row["count"]
    return found


async def test_a_revoked_key_is_refused_at_the_next_call(road, callers, evergreen):
    signed = call(key=evergreen["key"], signature="0" * 64)
    assert await status_of(callers.by_token(call(token=evergreen["token"]))) == 200
    await end_key(road.database, evergreen["key"], OPS)
    assert await status_of(callers.by_token(call(token=evergreen["token"]))) == 401
    assert await status_of(callers.by_signature(signed, b"")) == 401


async def test_a_new_key_is_known_at_the_next_call(road, callers):
    key = await make_key(road.database, account=EVERGREEN)
    await end_key(road.database, key["key"], OPS)
    assert await status_of(callers.by_token(call(token=key["token"]))) == 401
    await road.execute("UPDATE access_key SET state = 'active'")
    assert await status_of(callers.by_token(call(token=key["token"]))) == 200


async def test_whoever_is_told_of_changes_believes_for_a_moment(road, callers, evergreen):
    callers.hear()
    async with road.counted() as statements:
        for _ in range(5):
            assert await status_of(callers.by_token(call(token=evergreen["token"]))) == 200
    assert len([one for one in statements if "access_key" in one]) == 1
    await end_key(road.database, evergreen["key"], OPS)
    callers.hear()
    assert await status_of(callers.by_token(call(token=evergreen["token"]))) == 401
    callers.doubt()
    await road.execute("UPDATE access_key SET state = 'active'")
    assert await status_of(callers.by_token(call(token=evergreen["token"]))) == 200


async def test_who_comes_at_once_shares_a_look(road, callers, evergreen):
    async with road.counted() as statements:
        tries = (callers.by_token(call(token=evergreen["token"])) for _ in range(20))
        assert {caller.name for caller in await asyncio.gather(*tries)} == {EVERGREEN}
    assert len([one for one in statements if "access_key" in one]) == 1


async def test_changes_of_keys_and_users_are_announced(staffed_postgres_url):
    heard, there, lost = [], asyncio.Event(), []

    def hear():
        heard.append(1)
        there.set()

    async with opened(staffed_postgres_url) as road:
        listening = asyncio.create_task(listen(staffed_postgres_url, CHANNEL, hear, lambda: lost.append(1)))
        await there.wait()
        key = await make_key(road.database, account=EVERGREEN)
        await eventually(lambda: len(heard) == 2)
        await end_key(road.database, key["key"], OPS)
        await eventually(lambda: len(heard) == 3)
        for ordinal, kind in enumerate(("user.put", "user.deactivate", "user.reactivate"), 4):
            await road.receive(provider(kind, "tia", **({"name": "Tia T"} if kind == "user.put" else {})))
            await eventually(lambda ordinal=ordinal: len(heard) == ordinal)
        listening.cancel()
        await asyncio.wait([listening])
        assert lost


async def test_what_proves_nothing_is_counted_by_the_hour_and_never_with_a_token(road, callers, evergreen, caplog):
    caplog.set_level(logging.DEBUG)
    dead = await make_key(road.database, account="42")
    await end_key(road.database, dead["key"], OPS)
    tries = [
        *(callers.by_token(call(token="gwt_guess")) for _ in range(3)),
        callers.by_token(call(token=dead["token"])),
        callers.by_signature(call(key=evergreen["key"], signature="0" * 64), b""),
        callers.by_signature(call(key="account|77|noop", signature="0" * 64), b""),
        callers.by_signature(call(key=f"account|77|{evergreen['token']}"), b""),
        callers.by_signature(call(key=evergreen["token"], address="2001:db8::1"), b""),
        callers.by_signature(call(key=evergreen["token"], address="2001:db8::2"), b""),
        callers.by_signature(call(key=evergreen["token"], address="::ffff:10.0.0.2"), b""),
    ]
    assert {await status_of(one) for one in tries} == {401}
    await callers.note_failures()
    await callers.note_failures()
    assert await counted(road) == {
        ("10.0.0.1", "", "unknown_token"): 3,
        ("10.0.0.1", dead["key"], "key_revoked"): 1,
        ("10.0.0.1", evergreen["key"], "wrong_signature"): 1,
        ("10.0.0.1", "account|77|noop", "unknown_key"): 1,
        ("10.0.0.1", "", "unknown_key"): 1,
        ("2001:db8::/64", "", "unknown_key"): 2,
        ("10.0.0.2", "", "unknown_key"): 1,
    }
    await status_of(callers.by_token(call(token="gwt_guess")))
    await callers.note_failures()
    assert (await counted(road))["10.0.0.1", "", "unknown_token"] == 4
    kept = repr(await road.rows(refused_call)) + caplog.text
    assert evergreen["token"] not in kept
    assert "gwt_" not in kept
    async with road.database.snapshot() as connection:
        since = datetime.now(UTC) - timedelta(hours=1)
        assert await sum_refused_calls(connection, since) == 11
        assert sum(one.count for one in await list_refused_calls(connection, since)) == 11


async def test_counts_cost_a_fixed_number_of_statements(road, callers):
    for ordinal in range(50):
        await status_of(callers.by_token(call(token="gwt_guess", address=f"10.0.1.{ordinal}")))
    async with road.counted() as statements:
        await callers.note_failures()
    assert len([one for one in statements if "refused_call" in one]) == 2
    assert len(await counted(road)) == 50


async def test_counts_go_after_a_month(road, callers):
    old = RefusedCalls(datetime.now(UTC) - timedelta(days=31), "10.9.9.9", "", "unknown_token", 1, datetime.now(UTC))
    async with road.database.transaction() as connection:
        await add_refused_calls(connection, [old])
    await status_of(callers.by_token(call(token="gwt_guess")))
    await callers.note_failures()
    assert [key[0] for key in await counted(road)] == ["10.0.0.1"]


async def test_what_cannot_be_written_is_written_later(road, callers):
    await status_of(callers.by_token(call(token="gwt_guess")))
    await road.execute("ALTER TABLE refused_call RENAME TO away")
    with pytest.raises(Exception, match="refused_call"):
        await callers.note_failures()
    await road.execute("ALTER TABLE away RENAME TO refused_call")
    await status_of(callers.by_token(call(token="gwt_guess")))
    await callers.note_failures()
    assert await counted(road) == {("10.0.0.1", "", "unknown_token"): 2}


async def test_last_use_is_written_with_the_moment(road, callers, evergreen):
    await callers.by_token(call(token=evergreen["token"]))
    await callers.note_use()
    (row,) = await road.rows(access_key)
    assert datetime.now(UTC) - row["last_used_at"] < timedelta(minutes=5)


@pytest.mark.parametrize(
    ("proxies", "told"),
    [
        ((), "127.0.0.1"),
        (("127.0.0.1",), "203.0.113.9"),
        (("127.0.0.0/8",), "203.0.113.9"),
        (("10.0.0.1",), "127.0.0.1"),
    ],
    ids=["none", "address", "network", "another"],
)
async def test_only_a_trusted_proxy_says_for_whom_it_calls(road, callers, proxies, told):
    async with listening(road, callers, proxies) as place, httpx.AsyncClient(base_url=place) as client:
        headers = {"Authorization": "Bearer gwt_guess", "X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
        for _ in range(FAILURES_A_MINUTE + 1):
            answer = await client.get("/v1/records/rec-1", headers=headers)
        assert answer.status_code == 429
    await callers.note_failures()
    assert (await counted(road))[told, "", "turned_away"] == 1
    assert {address for address, _, _ in await counted(road)} == {told}
