"""What a destination is owed, and what waits for a mapping."""

from dataclasses import replace

import pytest

from gateway.core.events import Change
from gateway.core.reasons import GivenReason, ReasonKind
from gateway.mapping.examples import examples
from gateway.mapping.wanted import NotWanted, Wanted, WhyUnwanted, holds, wants
from tests.unit.mapping.texts import PLAIN, REASONS, profile_of, with_lines

EXAMPLES = {(each.stored.type, each.name): each.event for each in examples()}


def event_of(kind, name=None):
    return next(event for key, event in EXAMPLES.items() if key[0] == kind and name in {None, key[1]})


def answer(text, event):
    profile = profile_of(text)
    return wants(profile, profile.destinations[0], event)


def asking(events):
    return PLAIN + with_lines("destinations:", f"  - {{name: feed.acme, topic: feed.acme.v1, events: {events}}}")


def test_a_feed_of_everything_gets_all_that_is_for_the_enterprise():
    for (kind, name), event in EXAMPLES.items():
        not_its = kind.startswith(("customer.", "record.", "reminder.")) or name == "by_the_enterprise"
        assert answer(PLAIN, event) == (NotWanted(WhyUnwanted.NOT_FOR_FEED) if not_its else Wanted()), (kind, name)


@pytest.mark.parametrize(
    ("events", "kind", "name", "wanted"),
    [
        ("status_changes_only", "appointment.started", None, False),
        ("status_changes_only", "appointment.en_route", None, True),
        ("status_changes_only", "note.published", "by_the_provider", False),
        ("status_changes_only", "job.snapshot", None, True),
        ("[job.accepted]", "job.accepted", None, True),
        ("[job.accepted]", "job.declined", None, False),
        ("[job.accepted]", "job.snapshot", None, True),
    ],
)
def test_a_destination_may_ask_for_less(events, kind, name, wanted):
    expected = Wanted() if wanted else NotWanted(WhyUnwanted.KIND_NOT_ASKED_FOR)
    assert answer(asking(events), event_of(kind, name)) == expected


def test_notes_and_photos_go_where_they_are_used():
    text = PLAIN + "features: {notes: false, photos: false}\n"
    assert answer(text, event_of("note.published", "by_the_provider")) == NotWanted(WhyUnwanted.NOTES_NOT_USED)
    assert answer(text, event_of("note.retracted")) == NotWanted(WhyUnwanted.NOTES_NOT_USED)
    photo = replace(event_of("job.accepted"), changes=(Change.PHOTO,))
    assert answer(text, photo) == NotWanted(WhyUnwanted.PHOTOS_NOT_USED)
    assert answer(PLAIN, photo) == Wanted()


def test_a_standing_that_the_brand_is_not_told_of_gives_its_own_name():
    row = "  - {status: in_progress, appointment_status: en_route, refuse: travel_is_private}\n"
    assert answer(PLAIN + row, event_of("appointment.en_route")) == NotWanted("travel_is_private")
    assert answer(PLAIN + row, event_of("appointment.started")) == Wanted()


def given(kind, text, code=None):
    return GivenReason(kind=kind, text=text, code=code)


@pytest.mark.parametrize("kind", list(ReasonKind))
def test_an_unknown_reason_waits_where_the_brand_has_a_list(kind):
    profile = profile_of(PLAIN + REASONS)
    assert holds(profile, given(kind, "Some other words")) == "Some other words"
    assert holds(profile, given(kind, "Some other words", code="KNOWN")) is None
    assert holds(profile, None) is None
    assert holds(None, given(kind, "Some other words")) is None


def test_words_wait_for_nothing_where_there_is_no_list():
    profile = profile_of(PLAIN)
    assert holds(profile, given(ReasonKind.DECLINE, "No time")) is None
    assert holds(profile, given(ReasonKind.CANCEL, "Moved")) is None
    assert holds(profile, given(ReasonKind.COMPLETE, "Half done")) == "Half done"


def test_a_reason_that_this_version_knows_waits_no_more():
    assert holds(profile_of(PLAIN + REASONS), given(ReasonKind.CANCEL, "Customer moved")) is None
