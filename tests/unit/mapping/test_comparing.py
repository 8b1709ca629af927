"""Two versions of a profile on the same events: what differs, by kind, and what examples show of it."""

from dataclasses import replace

import orjson
import pytest

from gateway.mapping.comparing import Comparison, NotUnderstood, compare_readings
from gateway.mapping.differences import Difference, Example, Groups, Kind, changes_between, disguised
from gateway.mapping.examples import examples
from gateway.mapping.own_json import CanonicalMessage
from gateway.mapping.wanted import seen_in, wants, wants_seen
from tests.inbound import BRANDS
from tests.unit.mapping.texts import PLAIN, REASONS, custom, profile_of, with_lines

ONE = profile_of(PLAIN + REASONS)
EXAMPLES = {(each.stored.type, each.name): each for each in examples(ONE)}


def example(kind, name=None):
    return next(each for key, each in EXAMPLES.items() if key[0] == kind and name in {None, key[1]})


def paused(said):
    """A visit that ended with the reason of a missing part, in these words."""
    events = (each.stored for each in EXAMPLES.values() if each.stored.type == "appointment.paused")
    event = next(each for each in events if each.body["reason"]["code"] == "PART")
    reason = {**event.body["reason"], "text": said}
    visits = [{**each, "reason": reason} for each in event.body["appointments"]]
    return replace(
        example("job.accepted"),
        stored=replace(event, body={**event.body, "reason": reason, "appointments": visits}),
        note_text=None,
    )


def compared(before, after, one=None):
    """What is different about an event, without the destination."""
    one = one or example("job.accepted")
    found = Comparison(profile_of(before), profile_of(after)).differences(one.stored, one.note_text)
    return [(each.kind, each.what) for each in found]


def next_version(text):
    return text.replace("version: 1\n", "version: 2\n")


def test_a_version_that_differs_by_its_number_alone_changes_nothing_anywhere():
    in_own_json = custom("default: '{what: type, layout: data.profile_version}'")
    for text in (PLAIN + REASONS, in_own_json):
        for one in EXAMPLES.values():
            assert compared(text, next_version(text), one) == [], one.name


def test_a_code_that_changes_is_told_from_and_to_wherever_the_brand_has_it():
    expected = [(Kind.CODE_CHANGED, "U → OPEN")]
    assert compared(PLAIN, PLAIN.replace("code: U", "code: OPEN")) == expected
    own = custom("default: '{claim: subject, state: {now: data.code}}'")
    assert compared(own, own.replace("code: U", "code: OPEN")) == expected
    hidden = custom("default: '{claim: subject}'")
    assert compared(hidden, hidden.replace("code: U", "code: OPEN")) == [], "the message says nothing of it"
    more = hidden.replace("code: U", "code: OPEN").replace("subject}", "subject, what: type}")
    assert compared(hidden, more) == [(Kind.MEMBERS_CHANGED, "what")]


def test_reasons_are_found_anew_from_what_was_given():
    one, text = paused("Waiting for parts"), PLAIN + REASONS
    failing = (Kind.NEWLY_FAILS, "reason_unmapped: complete Waiting for parts")
    assert compared(text, text.replace("code: PART", "code: WAIT"), one) == [(Kind.REASON_CHANGED, "PART → WAIT")]
    without = text.replace("  - {code: PART, label: Waiting for parts, outcome: pauses}\n", "")
    assert compared(text, without, one) == [failing]
    assert compared(without, text, one) == [(Kind.NEWLY_PASSES, failing[1])]
    assert compared(without, next_version(without), one) == []
    labels = "data.appointments[].reason.label, data.reason.label"
    relabeled = text.replace("label: Waiting for parts", "label: Parts are late")
    assert compared(text, relabeled, paused("PART")) == [(Kind.MEMBERS_CHANGED, labels)]


def test_members_that_change_are_one_kind_whatever_their_place():
    before = custom("default: '{claim: subject, visits: data.appointments[].{id: id, at: start}}'")
    after = custom(
        "default: '{claim: subject, visits: data.appointments[].{id: id, at: date_only(start)}, more: type}'"
    )
    assert compared(before, after, example("appointment.scheduled")) == [(Kind.MEMBERS_CHANGED, "more, visits[].at")]


def test_a_key_and_a_content_type_that_change_are_told():
    before = custom("default: '{claim: subject}'")
    after = before.replace("  events:", "  key: data.job.external_id\n  content_type: text/json\n  events:")
    assert compared(before, after) == [
        (Kind.KEY_CHANGED, ""),
        (Kind.CONTENT_TYPE_CHANGED, "application/json → text/json"),
    ]


def test_what_is_no_longer_or_newly_wanted_is_told_with_why_by_destination():
    less = PLAIN + with_lines("destinations:", "  - {name: feed.acme, topic: feed.acme.v1, events: [job.declined]}")
    assert compared(PLAIN, less) == [(Kind.NO_LONGER_WANTED, "kind_not_asked_for")]
    assert compared(less, PLAIN) == [(Kind.NEWLY_WANTED, "kind_not_asked_for")]
    refusing = PLAIN.replace("unscheduled, code: U", "unscheduled, refuse: nobody_cares")
    assert compared(PLAIN, refusing) == [(Kind.NO_LONGER_WANTED, "nobody_cares")]
    assert compared(less, refusing) == [], "neither version sends it"
    more = PLAIN + with_lines(
        "destinations:",
        "  - {name: feed.acme, topic: feed.acme.v1}",
        "  - {name: feed.acme.copy, topic: feed.acme.copy.v1}",
    )
    found = Comparison(profile_of(PLAIN), profile_of(more)).differences(example("job.accepted").stored, None)
    assert found == [Difference(Kind.NEWLY_WANTED, "not_in_profile", "feed.acme.copy")]


def test_what_newly_fails_says_why():
    before = custom("default: '{claim: subject}'")
    after = before + "  key: data.nothing\n"
    assert compared(before, after) == [(Kind.NEWLY_FAILS, "empty_key")]
    assert compared(after, before) == [(Kind.NEWLY_PASSES, "empty_key")]
    assert compared(after, before.replace("default:", "job.declined:")) == [
        (Kind.FAILS_OTHERWISE, "empty_key → no_expression: job.accepted")
    ]


def test_test_work_is_compared_for_destinations_of_test_work_only():
    one = example("job.accepted")
    one = replace(one, stored=replace(one.stored, source=f"{one.stored.source}~test"))
    changed = PLAIN.replace("code: U", "code: OPEN")
    assert compared(PLAIN, changed, one) == []
    sandbox = with_lines("destinations:", "  - {name: feed.acme.try, topic: feed.acme.try.v1, sandbox: true}")
    assert compared(PLAIN + sandbox, changed + sandbox, one) == [(Kind.CODE_CHANGED, "U → OPEN")]
    assert compared(PLAIN + sandbox, changed + sandbox) == []


def test_what_pollers_of_connect_are_handed_is_compared_too():
    polled = PLAIN + with_lines("destinations:", "  - {name: feed.acme, kind: poll}")
    worded = polled + "connect: {job_status: {unscheduled: waiting_for_a_date}}\n"
    found = compared(polled, worded)
    assert [kind for kind, _ in found] == [Kind.MEMBERS_CHANGED]
    assert "job" in found[0][1]
    assert compared(polled, next_version(polled)) == []


@pytest.mark.parametrize("brand", ["harborline", "ironpeak", "maplegrove", "quillbrook", "sunfield"])
def test_a_stored_event_is_wanted_as_it_was_when_it_happened(brand):
    profile = profile_of((BRANDS / brand / "profile.v1.yaml").read_text())
    for one in examples(profile):
        for destination in profile.destinations:
            assert wants_seen(profile, destination, seen_in(one.stored)) == wants(profile, destination, one.event)


def test_examples_show_what_changes_and_nothing_that_people_wrote():
    one = example("note.published", "by_the_provider")
    assert isinstance(one.note_text, str)
    before = custom("default: '{said: data.note.text, code: data.code}'")
    after = custom("default: '{words: upper(data.note.text), code: data.code}'").replace("code: S}", "code: SET}")
    comparison = Comparison(profile_of(before), profile_of(after))
    changes = comparison.changes(one.stored, one.note_text, "feed.acme")
    assert changes["words"] == {"after": disguised(one.note_text).upper()}
    assert changes["said"] == {"before": disguised(one.note_text)}
    assert one.note_text.casefold() not in orjson.dumps(changes).decode().casefold()
    offered = example("job.offered")
    named = custom("default: '{who: data.details.customer.name, at: data.details.address.city}'")
    other = custom("default: '{whom: data.details.customer.name, at: upper(data.details.address.city)}'")
    changes = Comparison(profile_of(named), profile_of(other)).changes(offered.stored, None, "feed.acme")
    assert set(changes) == {"who", "whom", "at"}
    assert set(orjson.dumps([list(each.values()) for each in changes.values()]).decode()) <= set('xX1[]," -.')


def test_a_value_in_disguise_keeps_its_shape():
    assert disguised("(218) 555-0142") == "(111) 111-1111"
    assert disguised({"Name": ["Bo Ü", 42, -1.5, True, None]}) == {"Name": ["Xx X", 11, 1.1, True, None]}


def test_members_that_differ_are_named_with_their_places():
    was = {"a": 1, "b": [{"c": 1}, {"c": 2}], "d": [1], "gone": None}
    becomes = {"a": True, "b": [{"c": 1}, {"c": 3}], "d": [1, 2], "new": 0}
    assert changes_between(was, becomes) == {
        "a": {"before": 1, "after": True},
        "b[1].c": {"before": 2, "after": 3},
        "d": {"before": [1], "after": [1, 2]},
        "gone": {"before": None},
        "new": {"after": 0},
    }
    assert changes_between({"a": 1, "b": 2}, {"b": 2, "a": 1}) == {}


def test_a_record_is_newly_understood_or_not_or_means_something_else():
    note = CanonicalMessage("note.add", "m-1", "J-1", None, {"text": "The gate code is 4411"})
    unknown, bad = NotUnderstood("unknown_type", "type"), NotUnderstood("wrong_type", "data.text")
    assert compare_readings(note, note) is None
    assert compare_readings(note, unknown).difference == Difference(Kind.NEWLY_NOT_UNDERSTOOD, "unknown_type: type")
    assert compare_readings(unknown, note).difference == Difference(Kind.NEWLY_UNDERSTOOD, "unknown_type: type")
    assert compare_readings(unknown, unknown) is None
    assert compare_readings(unknown, bad).difference.kind is Kind.NOT_UNDERSTOOD_OTHERWISE
    other = CanonicalMessage("reminder.send", "m-1", "J-1", None, {"message": "The gate code is 4411"})
    found = compare_readings(note, other)
    assert found.difference == Difference(
        Kind.COMMAND_CHANGED, "note.add → reminder.send: data.message, data.text, type"
    )
    assert "gate" not in orjson.dumps(found.changes).decode()


def test_groups_count_all_and_keep_the_first_examples():
    groups = Groups(2)
    made = []
    code, fails = Difference(Kind.CODE_CHANGED, "U → O", "feed.a"), Difference(Kind.NEWLY_FAILS, "empty_key", "feed.a")
    for number in range(5):
        groups.add(code, lambda number=number: made.append(number) or Example(f"evt-{number}", None, {}))
    assert not groups.has_failing
    groups.add(fails, lambda: Example("evt-9", None, {}))
    assert groups.has_failing
    assert [(one, group.count, len(group.examples)) for one, group in groups.ordered] == [(fails, 1, 1), (code, 5, 2)]
    assert made == [0, 1], "an example is made only where it is shown"


def test_a_reason_that_is_retired_would_have_been_held():
    retired = REASONS.replace("outcome: pauses}", "outcome: pauses, retired: true}")
    assert retired != REASONS
    said = compared(PLAIN + REASONS, next_version(PLAIN + retired), paused("PART"))
    assert said == [(Kind.NEWLY_FAILS, "reason_unmapped: complete PART")]
