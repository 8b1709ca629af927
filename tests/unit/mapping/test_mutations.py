"""A change of a rule is noticed where a golden file would fail, and listed with its line where none would."""

import json

from gateway.mapping.goldens import OwnDocument, understood_reasons
from gateway.mapping.mutations import mutations, try_mutations
from gateway.mapping.source import Source, read_source
from tests.unit.mapping.texts import CODES, PLAIN, REASONS, custom, profile_of, with_lines


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


def test_what_is_retired_and_what_else_a_reason_is_called_are_rules():
    further = with_lines("decline_reasons:", "  - {code: FAR, label: Too far, also: [Far off], retired: true}")
    changed = [mutation.path[2:] for mutation in mutations(source_of(PLAIN + further).members)]
    assert changed.count(("also", 0)) == 2
    assert changed.count(("retired",)) == 1


def test_what_a_feed_does_not_tell_is_listed_with_its_line():
    text = custom("default: '{id: id, status: data.status}'", more=REASONS)
    assert unnoticed(text) == {
        (f"status_codes.{row}.code", f"{code} changed to another text"): line_of(text, f"code: {code}}}")
        for row, code in enumerate("OUSIPCXDEW")
    }


def test_what_a_text_is_understood_as_is_noticed_whatever_a_feed_tells():
    reasons = with_lines(
        "complete_reasons:",
        "  - {code: OK, label: All good, outcome: completes, also: [fine, ok]}",
        "  - {code: PART, label: Waiting for parts, outcome: pauses, retired: false}",
        "  - {code: OLD, label: Old words, outcome: pauses, also: [older], retired: true}",
        "decline_reasons:",
        "  - {code: FAR, label: Too far, also: [too far]}",
    )
    text = custom("default: '{id: id, code: data.code}'", more=reasons)
    tried = [
        (mutation.path[2:], mutation.what)
        for mutation in mutations(source_of(text).members)
        if mutation.path[:2] == ("complete_reasons", 0)
    ]
    assert tried == [
        (("code",), "OK changed to another text"),
        (("label",), "All good changed to another text"),
        (("outcome",), "completes changed to pauses"),
        (("also", 0), "fine changed to another text"),
        (("also", 0), "fine taken from the list"),
        (("also", 1), "ok changed to another text"),
        (("also", 1), "ok taken from the list"),
    ]
    assert unnoticed(text) == {}


def test_the_file_of_reasons_says_what_each_text_stands_for_and_what_is_retired():
    text = PLAIN + with_lines(
        "complete_reasons:",
        "  - {code: OK, label: All good, outcome: completes, also: [fine]}",
        "  - {code: OLD, label: fine, outcome: pauses, also: [older], retired: true}",
    )
    name, file = understood_reasons(profile_of(text))
    ok = {"code": "OK", "label": "All good", "outcome": "completes"}
    assert (name, json.loads(file)) == (
        "reasons.json",
        {
            "complete": {
                "understood": {"OK": ok, "All good": ok, "fine": ok, "OLD": "unknown", "older": "unknown"},
                "any_other": "unknown",
                "retired": [{"code": "OLD", "label": "fine", "also": ["older"], "outcome": "pauses"}],
            },
            "decline": {"understood": {}, "any_other": "taken as it is"},
            "cancel": {"understood": {}, "any_other": "taken as it is"},
        },
    )


def test_the_file_of_reasons_shows_the_default_pair_of_who_has_none():
    found = json.loads(understood_reasons(profile_of(PLAIN))[1])["complete"]
    meant = {text: reason["code"] for text, reason in found["understood"].items()}
    pair = {"done": "done", "Done": "done", "needs_follow_up": "needs_follow_up", "Needs follow-up": "needs_follow_up"}
    assert (meant, found["any_other"]) == (pair, "unknown")


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
