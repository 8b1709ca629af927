"""A change of a rule is noticed where a golden file would fail, and listed with its line where none would."""

from gateway.mapping.goldens import OwnDocument
from gateway.mapping.mutations import mutations, try_mutations
from gateway.mapping.source import Source, read_source
from tests.unit.mapping.texts import CODES, PLAIN, REASONS, custom, with_lines


def source_of(text):
    source = read_source(text, file="acme/profile.v1.yaml")
    assert isinstance(source, Source), source
    return source


def unnoticed(text, *documents):
    tried = try_mutations(source_of(text), documents)
    assert tried.changes > len(tried.unnoticed)
    return {(one.member, one.what): one.line for one in tried.unnoticed}


def line_of(text, words):
    return next(number for number, line in enumerate(text.splitlines(), start=1) if words in line)


def test_a_plain_profile_has_no_rule_that_nothing_notices():
    assert unnoticed(PLAIN + REASONS + "features: {notes: false}\ncanceled_as: complete\n") == {}


def test_every_rule_is_changed():
    text = PLAIN + REASONS + "features: {notes: true, photos: true}\ncanceled_as: canceled\n"
    changed = {mutation.path for mutation in mutations(source_of(text).members)}
    assert changed == {
        *(("complete_reasons", index, member) for index in (0, 1) for member in ("code", "label", "outcome")),
        *((kind, 0, member) for kind in ("decline_reasons", "cancel_reasons") for member in ("code", "label")),
        *(("status_codes", index, "code") for index in range(10)),
        ("features", "notes"),
        ("canceled_as",),
    }


def test_what_a_feed_does_not_tell_is_listed_with_its_line():
    text = custom("default: '{id: id, code: data.code}'", more=REASONS)
    found = unnoticed(text)
    assert found == {
        ("complete_reasons.0.code", "OK changed to another text"): line_of(text, "code: OK"),
        ("complete_reasons.0.label", "All good changed to another text"): line_of(text, "code: OK"),
        ("complete_reasons.1.code", "PART changed to another text"): line_of(text, "code: PART"),
        ("complete_reasons.1.label", "Waiting for parts changed to another text"): line_of(text, "code: PART"),
        ("decline_reasons.0.code", "FAR changed to another text"): line_of(text, "code: FAR"),
        ("decline_reasons.0.label", "Too far changed to another text"): line_of(text, "code: FAR"),
        ("cancel_reasons.0.code", "GONE changed to another text"): line_of(text, "code: GONE"),
        ("cancel_reasons.0.label", "Customer moved changed to another text"): line_of(text, "code: GONE"),
    }


def test_a_code_that_no_example_reaches_is_listed():
    row = "  - {status: complete, closure: canceled, appointment_status: canceled, code: Y}\n"
    text = PLAIN.replace(CODES, CODES + row)
    assert unnoticed(text) == {("status_codes.10.code", "Y changed to another text"): line_of(text, "code: Y")}


def test_an_entry_and_a_leaf_that_nothing_uses_are_listed_on_their_own_lines():
    text = custom(
        "default: |",
        "  {",
        "    id: id,",
        "    code: data.code,",
        "    state: code('states', data.status),",
        "    title: default(data.job.title, data.job.number)",
        "  }",
        more=with_lines("tables:", "  states:", "    offered: new", "    forgotten: lost"),
    )
    assert unnoticed(text) == {
        ("tables.states.forgotten", "lost changed to another text"): line_of(text, "forgotten"),
        ("feed.events.default", "the member number changed to another"): line_of(text, "title:"),
        ("feed.events.default", "default() left out, its first argument in its place"): line_of(text, "title:"),
    }


def test_what_nobody_sends_leaves_the_way_in_unnoticed():
    way_in = with_lines(
        "inbound:", "  topic: claims.acme.v1", "  type: kind", "  id: number", "  subject: claim", "  data:",
        "    note.add: '{text: words}'",
    )  # fmt: skip
    document = OwnDocument("inbound.note", {"kind": "note.add", "number": 1, "claim": "C-1", "words": "Hello"})
    assert {member for member, _ in unnoticed(PLAIN + way_in)} == {
        *("inbound.type", "inbound.id", "inbound.subject", "inbound.data.note.add")
    }
    assert unnoticed(PLAIN + way_in, document) == {}


def test_what_only_a_further_destination_gets_is_noticed_too():
    text = PLAIN + with_lines(
        "connect: {job_status: {unscheduled: waiting}}",
        "destinations:",
        "  - {name: feed.acme, topic: feed.acme.v1}",
        "  - {name: feed.acme.board, topic: feed.acme.board.v1, events: status_changes_only}",
        "  - {name: feed.acme.poll, kind: poll, events: [job.offered, job.accepted]}",
    )
    assert len(list(mutations(source_of(text).members))) == 10 + 1 + 1 + 2
    assert unnoticed(text) == {}
