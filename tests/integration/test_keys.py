"""Keys of callers: found while they live, two of one name at most, and never a secret where it does not belong."""

import asyncio
import logging
from dataclasses import asdict
from datetime import timedelta

import pytest
from sqlalchemy.exc import DBAPIError

from gateway.keys import KeyRefused, Wanted, create_key, end_key, key_id, rotate_key, seal_again
from gateway.owners import CannotOwn
from gateway.sealing import CannotOpen, Sealer, hash_token, new_sealing_key
from gateway.store.deliveries import Operator
from gateway.store.keys import (
    Caller,
    CallerKind,
    NewKey,
    find_by_public_key,
    find_by_token,
    insert_key,
    list_keys,
    split_public_key,
    touch,
)
from gateway.store.numbers import FIRST_RECORD
from gateway.store.tables import account, organization, reference
from gateway.store.tables_control import access_key, operator_action
from tests.inbound import EVERGREEN, LAKESIDE, joined, now, offer, provider

SEALING_KEY = new_sealing_key()
SEALER = Sealer([SEALING_KEY])
OPS = Operator(author="ops", reason="asked for")
FORTY_TWO = Wanted(kind=CallerKind.ACCOUNT, owner="42")


async def create(road, wanted=FORTY_TWO):
    return await create_key(road.database, SEALER, wanted, OPS)


async def live(road, public_key):
    async with road.database.transaction() as connection:
        return await find_by_public_key(connection, public_key)


async def by_token(road, token):
    """Who holds the token; None where it opens nothing."""
    async with road.database.transaction() as connection:
        found = await find_by_token(connection, hash_token(token))
    return found if isinstance(found, Caller) else None


async def views(road):
    async with road.database.transaction() as connection:
        return {one.number: one for one in await list_keys(connection)}


def of(kind, owner, **more):
    return Wanted(kind=CallerKind(kind), owner=owner, **more)


async def test_a_key_is_found_by_its_token_and_by_its_public_key(road):
    wanted = of("account", EVERGREEN, brand="harborline", scopes=("offers", "feed"), sandbox=True)
    made = await create(road, wanted)
    (evergreen,) = await road.rows(account, account.c.name == EVERGREEN)
    caller = Caller(
        key=made.number,
        kind=CallerKind.ACCOUNT,
        number=evergreen["number"],
        name=EVERGREEN,
        brand="harborline",
        transformation="noop",
        scopes=frozenset({"feed", "offers"}),
        sandbox=True,
    )
    assert made.key == f"account|{evergreen['number']}|noop"
    assert await by_token(road, made.token) == caller
    (sealed,) = await live(road, made.key)
    assert sealed.caller == caller
    assert SEALER.open(sealed.secret).hex() == made.secret
    assert await by_token(road, made.token + "x") is None


@pytest.mark.parametrize(
    "named",
    [
        *("account|43|noop", "organization|42|noop", "account|42|ax", "account|042|noop", "account|-1|noop"),
        *("", "||", "account|42", "account|42|noop|", f"account|{9 * 10**19}|noop", "account|4²|noop"),
        *("user|42|noop", "account|42|\0"),
    ],
)
async def test_what_names_no_live_key_finds_none(road, named):
    await create(road)
    assert await live(road, named) == []


async def test_an_account_that_is_new_is_made_under_its_number_and_name(road):
    await create(road, of("account", "42", name="acme"))
    await create(road, of("account", "acc-43"))
    await create(road, of("account", "zenith"))
    names = {row["number"]: row["name"] for row in await road.rows(account)}
    assert (names[42], names[43], names[44]) == ("acme", "acc-43", "zenith")
    again = await create(road, of("account", "acme", name="the second"))
    assert again.key == "account|42|noop"
    with pytest.raises(CannotOwn):
        await create(road, of("account", "45", name="acme"))
    with pytest.raises(CannotOwn):
        await create(road, of("account", "no spaces"))


async def test_an_organization_that_is_there_is_found_by_handle_number_and_canonical_id(road):
    (lakeside,) = await road.rows(organization, organization.c.handle == LAKESIDE)
    number = lakeside["number"]
    for ordinal, named in enumerate((LAKESIDE, str(number), f"org-{number}")):
        made = await create(road, of("organization", named, transformation=f"t{ordinal}"))
        assert made.key == f"organization|{number}|t{ordinal}"
        assert (await by_token(road, made.token)).name == LAKESIDE
    assert await road.rows(organization, organization.c.handle == LAKESIDE) == [lakeside]


async def test_an_organization_that_is_new_can_be_offered_work_under_its_handle_and_act(road):
    assert await road.receive(offer("A-1", organization={"handle": "hillside"})) == ["parked unknown_reference"]
    made = await create(road, of("organization", "hillside"))
    while await road.clock.resolved():
        pass
    assert await road.status("A-1") == "offered"
    assert (await road.job("A-1"))["organization"] == (await by_token(road, made.token)).number
    (found,) = await road.rows(reference, reference.c.external_id == "hillside")
    assert not found["waiting"]
    assert await road.receive(provider("offer.accept", "A-1", source="hillside")) == ["applied"]


async def test_an_organization_of_a_number_of_ones_own_is_no_records(road):
    made = await create(road, of("organization", "42", name="Hillside Heating"))
    (row,) = await road.rows(organization, organization.c.number == 42)
    assert (row["handle"], row["members"]) == ("org-42", '{"name":"Hillside Heating"}')
    assert (await by_token(road, made.token)).name == "org-42"
    assert await road.receive(provider("organization.put", None, source="org-42", handle="org-42", phone="+1")) == [
        "applied"
    ]
    assert min(row["number"] for row in await road.records()) >= FIRST_RECORD


async def test_a_number_that_a_record_may_have_is_no_organizations(road):
    with pytest.raises(CannotOwn):
        await create(road, of("organization", str(FIRST_RECORD + 15_000)))
    far = FIRST_RECORD + 1_000_000
    await create(road, of("organization", str(far)))
    async with joined(road) as other:
        await other.receive(offer("A-2"))
        assert max(row["number"] for row in await road.records()) > far
    with pytest.raises(CannotOwn):
        await create(road, of("organization", str(2**62)))


async def test_a_handle_that_reads_like_a_number_is_its_owners(road):
    put = provider("organization.put", None, source="sly", handle="org-42")
    assert await road.receive(put) == ["refused already_exists"]
    assert (await create(road, of("organization", "42"))).key == "organization|42|noop"


async def test_operators_are_known_by_their_names(road):
    made = [await create(road, of("operator", name)) for name in ("Ann Lee", "Bo", "Ann Lee")]
    assert [one.key for one in made] == ["operator|1|noop", "operator|2|noop", "operator|1|noop"]
    assert [(await by_token(road, one.token)).name for one in made] == ["Ann Lee", "Bo", "Ann Lee"]


async def test_a_brand_is_its_own_accounts(road):
    for brand, owner in (("nobodys", EVERGREEN), ("harborline", "42")):
        with pytest.raises(KeyRefused):
            await create(road, of("account", owner, brand=brand))
    assert await road.rows(access_key) == []
    assert not await road.rows(account, account.c.number == 42), "what is refused makes nothing"


async def test_rotating_makes_a_second_live_key_and_never_a_third(road):
    like = of("account", EVERGREEN, brand="harborline", scopes=("feed",), sandbox=True)
    first = await create(road, like)
    second = await rotate_key(road.database, SEALER, key_id(first.number), OPS)
    assert (second.key, second.secret == first.secret, second.token == first.token) == (first.key, False, False)
    found = await live(road, first.key)
    assert [SEALER.open(one.secret).hex() for one in found] == [second.secret, first.secret]
    one, other = (asdict(sealed.caller) | {"key": 0} for sealed in found)
    assert one == other
    for refused in (rotate_key(road.database, SEALER, first.key, OPS), create(road, like)):
        with pytest.raises(KeyRefused, match=f"key-{first.number} or key-{second.number}"):
            await refused
    with pytest.raises(KeyRefused, match="say which"):
        await end_key(road.database, first.key, OPS)
    await end_key(road.database, str(first.number), OPS)
    assert await by_token(road, first.token) is None
    assert [one.caller.key for one in await live(road, first.key)] == [second.number]
    third = await rotate_key(road.database, SEALER, first.key, OPS)
    assert len(await live(road, third.key)) == 2


async def test_of_many_who_rotate_at_once_one_has_the_second_key(road):
    made = await create(road)
    tries = (rotate_key(road.database, SEALER, made.key, OPS) for _ in range(4))
    ends = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(end, KeyRefused) for end in ends) == 3
    assert len(await live(road, made.key)) == 2


async def test_a_revoked_key_is_over_and_its_secret_forgotten(road):
    made = await create(road)
    await end_key(road.database, made.key, OPS)
    assert await live(road, made.key) == []
    assert await by_token(road, made.token) is None
    (row,) = await road.rows(access_key)
    assert (row["state"], row["secret"], row["revoked_at"] is None) == ("revoked", None, False)
    for verb in (
        end_key(road.database, key_id(made.number), OPS),
        rotate_key(road.database, SEALER, made.key, OPS),
        end_key(road.database, "key-999", OPS),
    ):
        with pytest.raises(KeyRefused):
            await verb


async def test_an_owner_that_is_not_there_has_no_live_key(road):
    lost = [await create(road), await create(road, of("organization", "42"))]
    await road.execute("DELETE FROM account WHERE number = 42")
    await road.execute("DELETE FROM organization WHERE number = 42")
    for made in lost:
        assert await by_token(road, made.token) is None
        assert await live(road, made.key) == []
        assert (await views(road))[made.number].owner_name is None
        await end_key(road.database, made.key, OPS)


async def test_last_use_is_noted_in_bulk_and_never_goes_back(road):
    keys = [(await create(road, of("account", name))).number for name in ("one", "two", "three")]
    moment = now()
    async with road.database.transaction() as connection:
        await touch(connection, {})
        await touch(connection, {keys[1]: moment, keys[0]: moment, 999_999: moment})
        await touch(connection, {keys[0]: moment - timedelta(minutes=1), keys[1]: moment + timedelta(minutes=1)})
    found = await views(road)
    assert [found[number].last_used_at for number in keys] == [moment, moment + timedelta(minutes=1), None]


async def test_sealing_keys_are_rotated_without_touching_callers(road):
    made = await create(road)
    revoked = await create(road, of("account", "gone"))
    await end_key(road.database, revoked.key, OPS)
    new = new_sealing_key()
    with pytest.raises(CannotOpen):
        await seal_again(road.database, Sealer([new]), OPS)
    old = (await live(road, made.key))[0].secret
    assert await seal_again(road.database, Sealer([new, SEALING_KEY]), OPS) == 1
    (sealed,) = await live(road, made.key)
    assert sealed.secret != old
    assert Sealer([new]).open(sealed.secret).hex() == made.secret
    assert (await by_token(road, made.token)).name == "acc-42"


async def test_every_change_has_an_audit_row_and_no_secret_is_in_rows_or_logs(road, caplog):
    caplog.set_level(logging.DEBUG)
    first = await create(road)
    second = await rotate_key(road.database, SEALER, first.key, OPS)
    await end_key(road.database, key_id(first.number), OPS)
    await seal_again(road.database, SEALER, OPS)
    actions = await road.rows(operator_action, operator_action.c.subject == "key")
    assert [(row["verb"], row["author"], row["numbers"]) for row in actions] == [
        ("create", "ops", f"[{first.number}]"),
        ("rotate", "ops", f"[{second.number}]"),
        ("revoke", "ops", f"[{first.number}]"),
        ("reseal", "ops", f"[{second.number}]"),
    ]
    assert actions[0]["reason"] == "account|42|noop: asked for"
    kept = repr(actions) + repr(await road.rows(access_key)) + repr(await views(road)) + caplog.text
    for made in (first, second):
        for secret in (made.secret, made.token, repr(bytes.fromhex(made.secret))):
            assert secret not in kept


async def test_a_statement_that_fails_says_nothing_of_what_is_secret(road, caplog):
    new = NewKey(
        kind=CallerKind.ACCOUNT,
        owner=1,
        brand=None,
        transformation="noop",
        label="",
        secret=b"sealed-4711",
        token_hash="f" * 64,
        scopes=(),
        sandbox=False,
    )
    async with road.database.transaction() as connection:
        await insert_key(connection, new, now())
    with pytest.raises(DBAPIError) as failed:
        async with road.database.transaction() as connection:
            await insert_key(connection, new, now())
    assert "sealed-4711" not in str(failed.value) + caplog.text


def test_a_public_key_has_three_parts():
    assert split_public_key("organization|42|dynamics") == (CallerKind.ORGANIZATION, 42, "dynamics")
