"""How a job stands in the customer's words: one for every standing, in the status's own colour."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from gateway.core.job import Ended, EndedHow, JobStatus, Offer, OfferState, VisitStatus, Window
from gateway.core.parties import Organization, Side
from gateway.inbound.http.booking.state import told_of, zone_name
from tests import factories as make

LAKESIDE = Organization(number=7, handle="lakeside", members={"name": "Lakeside"})
CHICAGO = ZoneInfo("America/Chicago")
NOW = datetime(2027, 1, 5, 15, 0, tzinfo=UTC)
CANCELED = Ended(how=EndedHow.CANCELED, by=Side.PROVIDER, source="lakeside", at=NOW)
COMPLETED = Ended(how=EndedHow.COMPLETED, by=Side.PROVIDER, source="lakeside", at=NOW)


def visit(status=VisitStatus.SCHEDULED, start=NOW, **more):
    return make.visit(status=status, start=start, **more)


def told(*, visits=(), **job):
    return told_of(make.job(*visits, **job), LAKESIDE, CHICAGO)


@pytest.mark.parametrize(
    ("job", "label", "colour"),
    [
        ({"offer": Offer()}, "Waiting for an answer", "green"),
        ({}, "Accepted", "red"),
        ({"visits": (visit(),)}, "Scheduled", "blue"),
        ({"visits": (visit(VisitStatus.EN_ROUTE),)}, "On the way", "orange"),
        ({"visits": (visit(VisitStatus.STARTED),)}, "Under way", "orange"),
        ({"visits": (visit(VisitStatus.PAUSED),)}, "On hold", "yellow"),
        ({"ended": COMPLETED}, "Finished", "gray"),
        ({"ended": CANCELED}, "Canceled", "gray"),
        ({"offer": Offer(state=OfferState.DECLINED)}, "Not accepted", "none"),
        ({"offer": Offer(state=OfferState.EXPIRED)}, "Not accepted", "none"),
        ({"offer": Offer(state=OfferState.WITHDRAWN)}, "Withdrawn", "none"),
    ],
)
def test_every_standing_has_words_and_the_colour_of_its_status(job, label, colour):
    found = told(**job)
    assert (found.label, found.colour) == (label, colour)
    assert found.sentence
    assert found.is_over is (colour in {"gray", "none"})


def test_every_colour_has_a_style():
    from gateway.inbound.http.booking.answers import TEMPLATES

    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    assert all(f".{status.colour} {{" in style for status in JobStatus)


def test_who_comes_is_told_once_the_offer_is_accepted():
    assert told(offer=Offer()).company is None
    assert told(offer=Offer(state=OfferState.DECLINED)).company is None
    assert told().company == "Lakeside"


def test_visits_are_told_in_their_order_without_those_that_are_off():
    off = [visit(status, NOW) for status in (VisitStatus.CANCELED, VisitStatus.DELETED)]
    found = told(visits=(visit(start=NOW + timedelta(days=1)), *off, visit(VisitStatus.COMPLETE)))
    assert [(one.day, one.time, one.word) for one in found.visits] == [
        ("Tuesday, January 5, 2027", "9:00 am", "Done"),
        ("Wednesday, January 6, 2027", "9:00 am", "Scheduled"),
    ]


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        ((3, 6), "arrival between 12:00 pm and 3:00 pm"),
        ((-9, -8), "arrival between 12:00 am and 1:00 am"),
        ((12, 16), "arrival between 9:00 pm and Wednesday, January 6, 2027, 1:00 am"),
    ],
)
def test_a_window_is_told_as_the_time_of_arrival(hours, words):
    begins, ends = (NOW + timedelta(hours=each) for each in hours)
    assert told(visits=(visit(window=Window(begins, ends)),)).visits[0].time == words


@pytest.mark.parametrize(
    ("zone", "words"),
    [("America/Chicago", "CST (Chicago)"), ("America/New_York", "EST (New York)"), ("UTC", "UTC")],
)
def test_a_zone_is_named_by_its_letters_and_a_place(zone, words):
    assert zone_name(ZoneInfo(zone), NOW) == words
