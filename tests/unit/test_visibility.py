"""Private notes and people's names leave by no path: three leaks are planted here, and the watch finds each."""

import ast
import io
import json
import logging
import pickle
from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest
import structlog

from gateway.core.notes import Note
from gateway.core.visibility import Audience, Private, Visibility, Withheld, may_see, open_for
from gateway.mapping.examples import examples
from gateway.mapping.render import Document, render
from tests.architecture.syntax import ROOT, parsed, sources
from tests.unit.mapping.texts import PLAIN, custom, profile_of

SECRET = "the key is under the third pot"
PERSON = "Robin Vega"
NOTE = Note(
    number=1,
    job=1041,
    source="lakeside-appliance",
    by_enterprise=False,
    text=Private(SECRET),
    created_at=datetime(2026, 3, 2, tzinfo=UTC),
)
EVERYTHING = profile_of(custom("default: '@'"))
PROFILES = [None, profile_of(PLAIN), EVERYTHING]
# The content of a job, which its source gave, travels whole with these.
WITH_TERMS = {"job.offered", "job.amended", "job.created", "job.snapshot"}


# ---------------------------------------------------------------------------------------------------- the watch


def careless(event):
    """The stored event as it would be if everybody who wrote into it had been careless."""
    body = {**event.body, "user": PERSON, "note_text": SECRET, "technician": {"name": PERSON}}
    body["by"] = {**body.get("by", {}), "user": PERSON, "user_name": PERSON}
    body["note"] = {"id": "note-1", "revision": 1, "text": SECRET}
    body["notes"] = [SECRET]
    if event.type not in WITH_TERMS:
        body["details"] = {**body.get("details", {}), "remark": SECRET, "technician": PERSON}
    if "appointments" in body:
        body["appointments"] = [{**visit, "technician": PERSON, "remark": SECRET} for visit in body["appointments"]]
    if "job" in body and isinstance(body["job"], dict):
        body["job"] = {**body["job"], "notes": [SECRET], "organization": {"id": "org-7", "people": [PERSON]}}
    return replace(event, body=body)


def leaks_of(renderer):
    """Where `renderer(profile, event, audience, note_text)` lets a secret or a person's name out."""
    found = []
    for example in examples():
        for profile in PROFILES:
            for audience in (Audience.ENTERPRISE, Audience.PROVIDER, Audience.CUSTOMER):
                made = renderer(profile, careless(example.stored), audience, Withheld())
                text = repr(made)
                found += [(example.stored.type, audience, each) for each in (SECRET, PERSON) if each in text]
    return found


def rendered(profile, event, audience, note_text):
    return render(profile, event, audience=audience, note_text=note_text)


def test_nothing_private_is_rendered_whatever_a_body_holds():
    assert leaks_of(rendered) == []


def test_the_watch_sees_what_is_rendered():
    event = next(each.stored for each in examples() if each.stored.type == "note.published")
    made = render(None, event, audience=Audience.ENTERPRISE, note_text=SECRET)
    assert isinstance(made, Document)
    assert SECRET in repr(made), "a public note's text does go out"


# ------------------------------------------------------------------------------------------- three planted leaks


def formatting_renderer(profile, event, audience, note_text):
    return Document(b"", f"note: {NOTE.text}".encode(), "text/plain", ())


def renderer_of_whole_bodies(profile, event, audience, note_text):
    return Document(b"", orjson.dumps(event.body), "application/json", ())


def renderer_that_explains_receipts(profile, event, audience, note_text):
    if event.type == "record.settled":
        opened = open_for(replace(NOTE, visibility=Visibility.PUBLIC), Audience.PROVIDER, revision=1)
        event = replace(event, body={**event.body, "detail": f"refused: {opened}"})
    return rendered(profile, event, audience, note_text)


def test_planted_leak_a_renderer_that_formats_private_text():
    with pytest.raises(TypeError):
        leaks_of(formatting_renderer)


def test_planted_leak_a_persons_name_in_the_body_of_an_event():
    assert any(found == PERSON for _, _, found in leaks_of(renderer_of_whole_bodies))


def test_planted_leak_the_text_of_a_note_in_a_receipt():
    assert {(kind, found) for kind, _, found in leaks_of(renderer_that_explains_receipts)} == {
        ("record.settled", SECRET)
    }


# ---------------------------------------------------------------------------------------------- private text itself


@pytest.mark.parametrize(
    "sink",
    [
        str,
        format,
        "{}".format,
        "%s".__mod__,
        "".join,
        lambda text: "note: " + text,
        pickle.dumps,
        json.dumps,
        lambda text: json.dumps(text, default=str),
        orjson.dumps,
        lambda text: orjson.dumps(text, default=str),
        bytes,
        lambda text: f"{text:>10}",
    ],
)
def test_private_text_is_accepted_nowhere(sink):
    with pytest.raises(TypeError):
        sink(Private(SECRET))


def test_its_place_is_taken_where_objects_are_shown():
    shown = repr([Private(SECRET), {"text": Private(SECRET)}]) + repr(NOTE)
    assert SECRET not in shown
    assert "<private>" in shown


def test_it_is_in_no_traceback_and_in_no_log():
    out = io.StringIO()
    log = logging.Logger("visibility")  # noqa: LOG001 - one of the test's own, registered nowhere
    log.addHandler(logging.StreamHandler(out))
    try:
        f"{NOTE.text}"
    except TypeError:
        log.exception("failed with %r", NOTE)
    structlog.wrap_logger(structlog.PrintLogger(out)).info("note", note=NOTE, text=NOTE.text)
    assert SECRET not in out.getvalue()
    assert "<private>" in out.getvalue()


def test_expressions_cannot_open_it():
    profile = profile_of(custom("default: '{a: to_string(data.details), b: data.details.x}'"))
    event = next(each.stored for each in examples() if each.stored.type == "job.amended")
    made = render(
        profile, replace(event, body={**event.body, "details": {"x": Private(SECRET)}}), audience=Audience.ENTERPRISE
    )
    assert not isinstance(made, Document)
    assert SECRET not in repr(made)


# ------------------------------------------------------------------------------------------------- who sees what


@pytest.mark.parametrize(
    ("audience", "private", "public", "of_the_enterprise"),
    [
        (Audience.CUSTOMER, False, False, False),
        (Audience.OPS, False, False, False),
        (Audience.ENTERPRISE, False, True, True),
        (Audience.PROVIDER, True, True, True),
        (Audience.TECHNICIAN, False, False, False),
    ],
)
def test_who_sees_which_note(audience, private, public, of_the_enterprise):
    assert may_see(NOTE, audience) is private
    assert may_see(replace(NOTE, visibility=Visibility.PUBLIC), audience) is public
    assert may_see(replace(NOTE, by_enterprise=True), audience) is of_the_enterprise


def test_a_technician_sees_those_of_jobs_assigned_to_them():
    assert may_see(NOTE, Audience.TECHNICIAN, assigned=True)
    assert not may_see(NOTE, Audience.CUSTOMER, assigned=True)


def test_only_the_revision_that_stands_is_opened():
    public = replace(NOTE, visibility=Visibility.PUBLIC, revision=3)
    assert open_for(public, Audience.ENTERPRISE, revision=3) == SECRET
    assert open_for(public, Audience.ENTERPRISE, revision=2) == Withheld()
    assert open_for(NOTE, Audience.ENTERPRISE, revision=1) == Withheld()


# ------------------------------------------------------------------------------------------------------ the tree


def test_private_text_is_opened_in_one_module_and_for_storage_by_the_store():
    reach_inside, for_storage = set(), set()
    for path in sources("gateway"):
        place = path.relative_to(ROOT).as_posix()
        for node in ast.walk(parsed(path)):
            name = getattr(node, "attr", None) or getattr(node, "id", None) or getattr(node, "name", None)
            if name in {"_Private__text", "__text", "_open"}:
                reach_inside.add(place)
            if name == "open_for_storage":
                for_storage.add(place.split("/")[1])
    assert reach_inside == {"gateway/core/visibility.py"}
    assert for_storage <= {"core", "store"}
