"""`gateway brands diff`: another version of a profile on what was recorded, by the command, on both databases."""

import asyncio
import os

import orjson
import pytest
import structlog
from sqlalchemy import func, select
from typer.testing import CliRunner

from gateway.brands import load_library
from gateway.cli import app
from gateway.core.values import replace
from gateway.dry_run import Terms, compare, find_version, measure
from gateway.mapping.library import Profiles
from gateway.mapping.profile import parse_profile
from gateway.store import recorded
from gateway.store.tables import delivery, event, inbound_record
from tests.edge import post_in
from tests.inbound import BRANDS, PREFIX, Message, ago, offer, provider
from tests.keys import make_key
from tests.mapping_versions import harborline
from tests.profiles import bring_in

IRONPEAK = (BRANDS / "ironpeak" / "profile.v1.yaml").read_text(encoding="utf-8")
PLANTED = "the quince password is swordfish"
START = "2027-01-05T15:00:00Z"
RENAMED = harborline(2).replace("code: ACCEPTED", "code: TAKEN")


@pytest.fixture(autouse=True)
def _quiet():
    yield
    structlog.reset_defaults()


@pytest.fixture
def said(road, tmp_path):
    """What the command says, as (exit code, standard output, standard error)."""

    def run(*words):
        settings = {"GATEWAY_DATABASE_URL": road.gateway.settings.database_url, "GATEWAY_TOPIC_PREFIX": PREFIX}
        unset = {name: None for name in os.environ if name.startswith("GATEWAY_")}
        done = CliRunner().invoke(app, ("brands", "diff", *words), env={**unset, **settings}, catch_exceptions=False)
        return done.exit_code, done.stdout, done.stderr

    async def said(*words):
        return await asyncio.to_thread(run, *words)

    return said


@pytest.fixture
def draft(tmp_path):
    """The name of a file with a profile that is not imported."""

    def draft(text):
        file = tmp_path / "draft.yaml"
        file.write_text(text, encoding="utf-8")
        return str(file)

    return draft


async def differences(said, *words):
    code, out, err = await said(*words, "--json")
    assert code == 0, err
    return orjson.loads(out)


def counted(found):
    return {(one["kind"], one["what"]): one["count"] for one in found["differences"]}


def own(**members):
    """One record in Ironpeak's own JSON, on its topic."""
    return Message(f"{PREFIX}claims.ironpeak.v1", orjson.dumps(members))


def assignment(number, **members):
    claim = {"number": f"C-{number}", "rev": 1, "product": "DW", "problem": "Does not drain"}
    content = {"action": "ASSIGN", "messageNumber": number, "sentAt": 1772463600, "vendor": "lakeside-appliance"}
    return own(**content, claim=claim, insured={"name": "Jordan Ellis"}, location={"zip": "55802"}, **members)


async def test_a_file_that_is_not_imported_is_held_against_the_version_in_force(road, said, draft):
    await road.receive(offer("A-1"), offer("A-2"), provider("offer.accept", "A-1"))
    found = await differences(said, "harborline", "--to", draft(RENAMED))
    assert (found["from"], found["to"], found["events"], found["differing"]) == (1, 2, 3, 1)
    assert counted(found) == {("code_changed", "ACCEPTED → TAKEN"): 1}
    [one] = found["differences"]
    [shown] = one["examples"]
    assert one["destination"] == "feed.harborline"
    assert shown["changes"] == {"data.code": {"before": "ACCEPTED", "after": "TAKEN"}}
    assert shown["job"] == await road.job_id("A-1")
    code, out, _ = await said("harborline", "--to", draft(RENAMED))
    assert code == 0
    assert "3 events and 0 records" in out
    assert 'data.code: "ACCEPTED" → "TAKEN"' in out
    code, out, _ = await said("harborline", "--to", "active")
    assert (code, "of which 0 would differ" in out) == (0, True)


async def test_imported_versions_are_named_by_word_and_number(road, said):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    await bring_in(road, RENAMED)
    assert counted(await differences(said, "harborline", "--from", "1", "--to", "active")) == {
        ("code_changed", "ACCEPTED → TAKEN"): 1
    }
    assert counted(await differences(said, "harborline", "--to", "1")) == {("code_changed", "TAKEN → ACCEPTED"): 1}
    for wrong in ("draft", "3", "latest"):
        code, _, err = await said("harborline", "--to", wrong)
        assert (code, "harborline has no version" in err) == (1, True), wrong


def test_a_draft_is_the_newest_version_that_is_later_than_the_active_one():
    one, two, three = (parse_profile(harborline(version), file="x") for version in (1, 2, 3))
    library = Profiles.of([one, two, three], active={"harborline": 2})
    assert [find_version(library, "harborline", word) for word in ("active", "draft", "1", "4")] == [
        two,
        three,
        one,
        None,
    ]
    assert find_version(Profiles.of([one, two]), "harborline", "draft") is None
    assert find_version(library, "maplegrove", "draft") is None


async def test_what_would_newly_fail_is_told_by_reason_and_is_an_exit_code_where_asked(road, said, draft):
    await road.receive(offer("A-1"), provider("offer.decline", "A-1", reason="No capacity"))
    without = draft(harborline(2).replace("  - {code: D-CAP, label: No capacity}\n", ""))
    assert counted(await differences(said, "harborline", "--to", without)) == {
        ("newly_fails", "reason_unmapped: decline No capacity"): 1
    }
    assert (await said("harborline", "--to", without, "--check"))[0] == 1
    assert (await said("harborline", "--to", draft(RENAMED), "--check"))[0] == 0


async def test_private_notes_never_appear(road, said, draft):
    await road.receive(
        offer("A-1"),
        provider("offer.accept", "A-1"),
        provider("note.add", "A-1", text=PLANTED),
        provider("note.add", "A-1", text=f"public: {PLANTED}", visibility="public"),
    )
    assert "note.published" in await road.told()
    own_json = "feed:\n  format: custom\n  events: {default: '{all: [data, data.note.text]}'}\n"
    file = draft(harborline(2) + own_json)
    for words in (("--json",), ()):
        code, out, err = await said("harborline", "--to", file, "--examples", "100", *words)
        assert code == 0, err
        assert "members_changed" in out
        assert not any(word in out + err for word in ("quince", "swordfish"))
        assert "Bo Berg" not in out, "nor who the customer is"


async def test_records_in_the_brands_own_json_are_read_by_both_versions(road, client, said, draft):
    await road.receive(assignment(1), assignment(2), own(action="VANISH", messageNumber=3, claim={"number": "C-1"}))
    key = await make_key(road.database, account="ironpeak-appliances", transformation="ax")
    message = {"messageId": "M-1", "messageType": "CHASE", "workOrderId": "C-1", "sentAt": 1772463600, "body": PLANTED}
    await post_in(client, key, message, RecordType="message")
    text = IRONPEAK.replace("version: 1\n", "version: 2\n").replace(
        "    ASSIGN: offer.submit\n", "    ASSIGN: offer.submit\n    VANISH: offer.withdraw\n"
    )
    text = text.replace("title: claim.problem,", "title: upper(claim.problem),").replace(
        "CHASE: reminder.send", "CHASE: note.add"
    )
    found = await differences(said, "ironpeak", "--to", draft(text))
    assert (found["records"], counted(found)) == (
        4,
        {
            ("newly_understood", "unknown_type: type"): 1,
            ("command_changed", "offer.submit: data.title"): 2,
            ("command_changed", "reminder.send → note.add: data.message, data.text, type"): 1,
        },
    )
    assert PLANTED not in orjson.dumps(found).decode()
    dropping = IRONPEAK.replace("    ASSIGN: offer.submit\n", "")
    refused = await differences(said, "ironpeak", "--to", draft(dropping))
    assert counted(refused)["newly_not_understood", "unknown_type: type"] == 2
    assert (await said("ironpeak", "--to", draft(dropping), "--check"))[0] == 1


async def test_a_title_that_no_offer_may_have_is_newly_not_understood(road, said, draft):
    """What the translation makes is held to what messages may be, too."""
    await road.receive(assignment(1))
    found = await differences(
        said, "ironpeak", "--to", draft(IRONPEAK.replace("title: claim.problem", "title: claim.rev"))
    )
    [(kind, what)] = counted(found)
    assert (kind, what.partition(": ")[2]) == ("newly_not_understood", "data.title")


async def test_only_what_was_recorded_since_then_and_at_most_so_much_is_looked_at(road, said, draft):
    await road.receive(*(offer(f"A-{number}") for number in range(5)), offer("M-1", brand="maplegrove"))
    file = draft(harborline(2).replace("OFFER-OPEN", "ASKED"))
    limited = await differences(said, "harborline", "--to", file, "--limit", "3", "--examples", "1")
    assert (limited["events"], counted(limited)) == (3, {("code_changed", "OFFER-OPEN → ASKED"): 3})
    [newest] = limited["differences"][0]["examples"]
    assert newest["job"] == await road.job_id("A-4")
    later = await differences(said, "harborline", "--to", file, "--since", "2999-01-01T00:00:00Z")
    assert (later["events"], later["differing"]) == (0, 0)
    for long_enough in ("1h", "999999d"):
        assert (await differences(said, "harborline", "--to", file, "--since", long_enough))["events"] == 5


@pytest.mark.parametrize(
    ("words", "code", "said_is"),
    [
        (("harborline", "--since", "a week"), 2, "--since a week"),
        (("harborline", "--to", "nowhere.yaml"), 2, "there is no nowhere.yaml"),
        (("nobody", "--to", "active"), 1, "nothing of nobody is in force yet"),
        (("harborline", "--to", "9"), 1, "harborline has no version '9'"),
    ],
    ids=["since", "file", "brand", "version"],
)
async def test_what_cannot_be_compared_is_said(said, words, code, said_is):
    ended, _, err = await said(*words)
    assert (ended, said_is in err) == (code, True), err


async def test_a_file_with_problems_or_of_another_brand_is_refused(said, draft):
    code, _, err = await said("harborline", "--to", draft(RENAMED.replace("code: TAKEN", "code: [1]")))
    assert (code, "draft.yaml:" in err, "status_codes" in err) == (1, True, True)
    code, _, err = await said("harborline", "--to", draft(IRONPEAK))
    assert (code, "of the brand ironpeak" in err) == (1, True)


async def test_pages_follow_each_other_without_a_gap_and_nothing_is_written(road, monkeypatch):
    monkeypatch.setattr(recorded, "PAGE", 2)
    await road.receive(*(offer(f"A-{number}") for number in range(5)), *(assignment(number) for number in range(5)))
    before = [await rows_in(road, table) for table in (event, delivery, inbound_record)]
    async with road.database.snapshot() as connection:
        library = await load_library(connection)
        for brand, size, told in (("harborline", (5, 0), [2, 2, 1]), ("ironpeak", (0, 5), [2, 2, 1])):
            profile = library.find(brand)
            terms = Terms(before=profile, after=profile, since=ago(days=1), limit=100, examples=1, prefix=PREFIX)
            assert await measure(connection, terms) == size
            done = []
            assert (await compare(connection, terms, done.append)).differing == 0
            assert done == told
            assert await measure(connection, replace(terms, limit=3)) == tuple(min(3, each) for each in size)
    assert before == [await rows_in(road, table) for table in (event, delivery, inbound_record)]


async def rows_in(road, table):
    async with road.database.snapshot() as connection:
        return (await connection.execute(select(func.count()).select_from(table))).scalar_one()
