"""What a destination is owed, and what waits for a mapping."""

from dataclasses import replace

import pytest

from gateway.core.events import Change
from gateway.core.job import Closure, JobStatus
from gateway.core.reasons import GivenReason, ReasonKind
from gateway.core.visibility import Audience
from gateway.core.waits import Telling, Wait, WaitKind
from gateway.inbound.held import find_wait_at
from gateway.mapping.examples import examples
from gateway.mapping.wanted import NotWanted, Wanted, WhyUnwanted, find_wait, tells, wants
from gateway.store.destinations import Destination
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


def test_a_note_is_taken_back_where_it_was_told_however_the_job_stands_by_then():
    row = "  - {status: declined, closure: withdrawn, code: W}\n"
    assert row in PLAIN
    text = PLAIN.replace(row, "  - {status: declined, closure: withdrawn, refuse: known_to_them}\n")
    withdrawn = {"status": JobStatus.DECLINED, "closure": Closure.WITHDRAWN}
    assert answer(text, replace(event_of("note.retracted"), **withdrawn)) == Wanted()
    published = replace(event_of("note.published", "by_the_provider"), **withdrawn)
    assert answer(text, published) == NotWanted("known_to_them")


def test_a_standing_that_the_brand_is_not_told_of_gives_its_own_name():
    row = "  - {status: in_progress, appointment_status: en_route, refuse: travel_is_private}\n"
    assert answer(PLAIN + row, event_of("appointment.en_route")) == NotWanted("travel_is_private")
    assert answer(PLAIN + row, event_of("appointment.started")) == Wanted()


def giving(kind, text, code=None):
    """An event of a brand's job with a reason."""
    return replace(event_of("job.declined"), reason=GivenReason(kind=kind, text=text, code=code))


@pytest.mark.parametrize("kind", list(ReasonKind))
def test_an_unknown_reason_waits_where_the_brand_has_a_list(kind):
    profile = profile_of(PLAIN + REASONS)
    assert find_wait(profile, giving(kind, "Some other words"), coded=True) == Wait(WaitKind(kind), "Some other words")
    assert find_wait(profile, giving(kind, "Some other words", code="KNOWN"), coded=True) is None
    assert find_wait(profile, event_of("job.accepted"), coded=True) is None
    assert find_wait(None, giving(kind, "Some other words"), coded=True) is None


def test_words_wait_for_nothing_where_there_is_no_list():
    profile = profile_of(PLAIN)
    assert find_wait(profile, giving(ReasonKind.DECLINE, "No time"), coded=True) is None
    assert find_wait(profile, giving(ReasonKind.CANCEL, "Moved"), coded=True) is None
    waiting = giving(ReasonKind.COMPLETE, "Half done")
    assert find_wait(profile, waiting, coded=True) == Wait(WaitKind.COMPLETE, "Half done")


def test_a_reason_that_this_version_knows_waits_no_more():
    assert find_wait(profile_of(PLAIN + REASONS), giving(ReasonKind.CANCEL, "Customer moved"), coded=True) is None


@pytest.mark.parametrize("kind", list(ReasonKind))
def test_a_code_or_label_of_its_list_never_waits(kind):
    profile = profile_of(PLAIN + REASONS)
    for reason in profile.reasons.listed(kind):
        assert find_wait(profile, giving(kind, reason.code), coded=True) is None
        assert find_wait(profile, giving(kind, reason.label), coded=True) is None
    assert profile.reasons.listed(kind)


def test_a_standing_that_the_version_says_nothing_of_waits_where_documents_carry_codes():
    silent = profile_of((PLAIN + REASONS).replace("  - {status: declined, closure: declined, code: D}\n", ""))
    declined = replace(giving(ReasonKind.DECLINE, "FAR"), closure=Closure.DECLINED)
    assert find_wait(silent, declined, coded=True) == Wait(WaitKind.STATUS, "declined / declined")
    assert find_wait(silent, declined, coded=False) is None
    assert find_wait(silent, giving(ReasonKind.DECLINE, "Odd"), coded=True) == Wait(WaitKind.DECLINE, "Odd")
    assert find_wait(silent, event_of("job.accepted"), coded=True) is None
    assert find_wait(silent, event_of("survey.answered"), coded=True) is None


def test_what_takes_a_note_back_waits_for_no_code():
    silent = profile_of(PLAIN.replace("  - {status: declined, closure: declined, code: D}\n", ""))
    as_declined = {"status": JobStatus.DECLINED, "closure": Closure.DECLINED}
    assert find_wait(silent, replace(event_of("note.published"), **as_declined), coded=True) is not None
    assert find_wait(silent, replace(event_of("note.retracted"), **as_declined), coded=True) is None


@pytest.mark.parametrize(
    ("entry", "telling"), [("code: D", Telling.TOLD), ("refuse: never", Telling.REFUSED), (None, Telling.SILENT)]
)
def test_a_version_tells_a_standing_refuses_it_or_is_silent(entry, telling):
    row = "  - {{status: declined, closure: declined, {}}}\n"
    text = PLAIN.replace(row.format("code: D"), row.format(entry) if entry else "")
    declined = next(each.stored for each in examples() if each.stored.type == "job.declined")
    assert tells(profile_of(text), declined.type, {**declined.body, "closure": "declined"}) is telling


def test_only_the_brands_own_words_can_be_missing():
    silent = profile_of(PLAIN.replace("  - {status: declined, closure: declined, code: D}\n", ""))
    declined = replace(event_of("job.declined"), closure=Closure.DECLINED)
    feed = Destination(number=1, name="feed.acme", kind="kafka", audience=Audience.ENTERPRISE)
    assert find_wait_at(feed, silent, declined) == Wait(WaitKind.STATUS, "declined / declined")
    assert find_wait_at(replace(feed, kind="poll"), silent, declined) is None
    assert find_wait_at(replace(feed, audience=Audience.PROVIDER), silent, declined) is None
