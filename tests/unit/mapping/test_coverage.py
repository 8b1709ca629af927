"""The coverage matrix: what becomes of everything that a brand can be told, as its profile has it."""

import pytest

from gateway.core.events import EventType
from gateway.mapping.codes import PRODUCIBLE, Standing, find_code
from gateway.mapping.coverage import Fate, Waits, cover
from gateway.mapping.happenings import COMPLETIONS, happenings
from gateway.mapping.library import load_folder
from tests.inbound import BRANDS
from tests.unit.mapping.texts import CODES, PLAIN, REASONS, custom, profile_of, with_lines

GOOD = load_folder(BRANDS)[0].active
FULL = PLAIN + REASONS
ROWS = [line for line in CODES.splitlines() if "status:" in line]


def covered(text):
    return cover(profile_of(text))


def cells_of(text, kind):
    return [cell for cell in covered(text).cells if cell.happening.type is kind]


def with_destinations(*rows):
    return FULL + with_lines("destinations:", *(f"  - {{{row}}}" for row in rows))


@pytest.mark.parametrize("brand", sorted(GOOD))
def test_every_combination_is_there_once_and_none_is_missing_of_a_good_profile(brand):
    coverage = cover(GOOD[brand])
    assert [cell.happening for cell in coverage.cells] == list(happenings(GOOD[brand].reasons))
    assert coverage.holes == ()
    assert sum(coverage.counts.values()) == len(coverage.cells)
    assert {cell.happening.standing for cell in coverage.cells} == set(PRODUCIBLE)


@pytest.mark.parametrize("row", ROWS)
def test_a_code_that_is_taken_away_is_missing_there_and_nowhere_else(row):
    text = FULL.replace(row + "\n", "")
    profile = profile_of(text)
    expected = {standing for standing in PRODUCIBLE if find_code(profile.codes, standing) is None}
    assert expected
    before = {cell.happening: cell for cell in covered(FULL).cells}
    for cell in cover(profile).cells:
        waits_before = cell.happening.is_any_other and before[cell.happening].fate is Fate.HELD
        if cell.happening.standing in expected and cell.happening.type is EventType.NOTE_RETRACTED:
            assert (cell.fate, cell.code) == (Fate.SENT, None), "a note is taken back all the same"
        elif cell.happening.standing in expected and not waits_before:
            assert (cell.fate, cell.why) == (Fate.MISSING, "no_code_for_status")
        else:
            assert cell == before[cell.happening]


def test_what_is_sent_goes_with_the_code_of_its_standing():
    profile = profile_of(FULL)
    sent = [cell for cell in cover(profile).cells if cell.fate is Fate.SENT]
    assert sent
    assert all(cell.code == find_code(profile.codes, cell.happening.standing) for cell in sent)
    assert all(cell.told == ("feed.acme",) and cell.told_of_changes == () for cell in sent)


def test_a_reason_that_is_not_in_the_list_is_held_and_one_that_is_is_sent():
    for cell in covered(FULL).cells:
        if cell.happening.is_any_other:
            waits = Waits.ACTION if cell.happening.type in COMPLETIONS else Waits.DELIVERY
            assert (cell.fate, cell.why) == (Fate.HELD, waits)
        else:
            assert cell.fate is Fate.SENT


def test_a_brand_without_lists_takes_any_words_but_for_completions():
    for cell in covered(PLAIN).cells:
        kind = cell.happening.type
        waits = cell.happening.is_any_other and (kind in COMPLETIONS or kind is EventType.APPOINTMENT_PAUSED)
        assert cell.fate is (Fate.HELD if waits else Fate.SENT)


def test_a_standing_that_is_refused_is_named_and_no_other_is():
    refusing = FULL.replace(
        "{status: in_progress, code: I}",
        "{status: in_progress, code: I}\n  - {status: in_progress, appointment_status: en_route, refuse: no_travel}",
    )
    for cell in covered(refusing).cells:
        refused = cell.happening.standing == Standing("in_progress", None, "en_route")
        assert (cell.fate is Fate.REFUSED) is refused
        assert not refused or cell.why == "no_travel"


def test_notes_are_refused_where_they_are_not_used():
    text = FULL + "features: {notes: false, photos: false}\n"
    notes = [cell for kind in (EventType.NOTE_PUBLISHED, EventType.NOTE_RETRACTED) for cell in cells_of(text, kind)]
    assert {(cell.fate, cell.why) for cell in notes} == {(Fate.REFUSED, "notes_not_used")}


def test_a_kind_that_no_destination_asks_for_is_told_from_one_that_is_sent():
    text = with_destinations("name: feed.acme, topic: feed.acme.v1, events: [job.accepted]")
    for cell in covered(text).cells:
        kind = cell.happening.type
        if kind in {EventType.JOB_ACCEPTED, EventType.JOB_SNAPSHOT}:
            assert cell.fate in {Fate.SENT, Fate.HELD}
        elif cell.happening.is_any_other and kind in COMPLETIONS:
            assert (cell.fate, cell.why) == (Fate.HELD, Waits.ACTION)
        else:
            assert (cell.fate, cell.why) == (Fate.NOT_ASKED_FOR, "kind_not_asked_for")


def test_a_destination_of_status_changes_gets_what_can_change_it():
    text = with_destinations(
        "name: feed.acme, topic: feed.acme.v1",
        "name: feed.acme.board, kind: feed, events: status_changes_only",
        "name: feed.acme.test, kind: feed, sandbox: true",
    )
    board = "feed.acme.board"
    told = {
        kind: {(board in cell.told, board in cell.told_of_changes) for cell in cells_of(text, kind)}
        for kind in EventType
    }
    assert told[EventType.JOB_ACCEPTED] == {(True, False)}
    assert told[EventType.APPOINTMENT_STARTED] == {(False, True), (False, False)}
    assert told[EventType.NOTE_PUBLISHED] == {(False, False)}
    assert told[EventType.JOB_SNAPSHOT] == {(True, False)}
    assert all("feed.acme.test" not in cell.told for cell in covered(text).cells)


def test_a_profile_without_destinations_is_asked_for_nothing():
    coverage = covered(FULL + "destinations: []\n")
    assert {cell.fate for cell in coverage.cells} == {Fate.NOT_ASKED_FOR, Fate.HELD}
    assert {cell.why for cell in coverage.cells} == {"no_destination", Waits.ACTION}


def test_an_event_that_has_no_expression_or_whose_expression_fails_is_missing():
    text = custom('job.accepted: "{code: data.code}"', 'job.offered: "lower(`1`)"')
    for cell in covered(text).cells:
        if cell.fate is Fate.HELD:
            continue
        expected = {EventType.JOB_ACCEPTED: "", EventType.JOB_OFFERED: "expression_failed"}
        assert cell.why.partition(" ")[0] == expected.get(cell.happening.type, "no_expression")
        assert cell.fate is (Fate.MISSING if cell.why else Fate.SENT)


def test_what_is_rendered_stands_as_the_combination_says():
    rows = ("{status: in_progress, refuse: not_told}", "{status: in_progress, appointment_status: en_route, code: T}")
    profile = profile_of(PLAIN.replace("{status: in_progress, code: I}", "\n  - ".join(rows)))
    for cell in cover(profile).cells:
        assert (cell.fate is Fate.MISSING) is (
            cell.fate is not Fate.HELD and find_code(profile.codes, cell.happening.standing) is None
        )


def test_what_is_rendered_says_the_reason():
    cells = covered(custom('default: "merge(data.reason, `{}`)"')).cells
    assert {cell.fate for cell in cells if cell.happening.reason is None} == {Fate.MISSING}
    assert {cell.fate for cell in cells if cell.happening.reason is not None} == {Fate.SENT, Fate.HELD}
