"""The inbound messages about offers and jobs: one model each, of the CloudEvents `data`.

`job` may stand in `subject` instead. Who acted: an enterprise's own person by name in `person`, a provider's user by id
in `user`. Visits, notes and the parties have modules of their own.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.core.ids import MAX_NUMBER
from gateway.inbound.shapes import (
    CustomerNamed,
    Details,
    Id,
    Line,
    Moment,
    Name,
    NewAppointment,
    Number,
    Organization,
    Reason,
    Shape,
    Text,
)


class Dated(Shape):
    """What every message may say: when it happened. Default: the envelope's `time`, else its arrival."""

    occurred_at: Moment | None = None


class Message(Dated):
    """A message that may say who acted."""

    person: Line | None = None
    user: Id | None = None


class AboutJob(Message):
    """A message about a job: `subject`, or `job`, names it."""

    job: Id | None = None


class Terms(AboutJob, Details):
    """The content of a job, for whom it is and by whom it is to be done."""

    organization: Organization | None = None
    customer: CustomerNamed | None = None
    brand: Name | None = None
    revision: Number | None = None
    updated_at: Moment | None = None


class OfferSubmit(Terms):
    """`offer.submit`: a new offer; of a known job, an amendment."""

    accept_by: Moment | None = None


class OfferWithdraw(AboutJob):
    """`offer.withdraw`: takes the offer back; after acceptance, cancels the job."""

    reason: Reason | None = None


class OfferAccept(AboutJob):
    """`offer.accept`, with a first visit or without; `revision` (or `updated_at`) is the one that the provider saw."""

    appointment: NewAppointment | None = None
    revision: Number | None = None
    updated_at: Moment | None = None


class OfferDecline(AboutJob):
    """`offer.decline`."""

    reason: Reason | None = None


class JobCreate(Terms):
    """`job.create`: a provider's own job, or one that an enterprise assigns without an offer."""

    appointment: NewAppointment | None = None


class JobComplete(AboutJob):
    """`job.complete`: the whole job, not a visit."""

    reason: Reason | None = None


class JobCancel(AboutJob):
    """`job.cancel`."""

    reason: Reason | None = None


class JobRestore(AboutJob):
    """`job.restore`: brings a canceled job back, with its visits."""


class ReminderSend(AboutJob):
    """`reminder.send`: asks the provider how the job stands. Needs a message id."""

    message: Text | None = None


class BookingRequest(Dated, Details):
    """`booking.request`: a customer asks for service on a page. Its subject is the booking."""

    brand: Name | None = None
    organization: Organization | None = None
    customer: CustomerNamed
    accept_by: Moment | None = None


class FeedApplied(Dated):
    """`feed.applied`: the brand's own system has this version of the job, and all before it."""

    job: Id | None = None
    version: Annotated[int, Field(strict=True, ge=1, le=MAX_NUMBER)]


class SurveyAnswer(AboutJob):
    """`survey.answer`: what the customer says of a visit."""

    appointment: Id | None = None
    rating: Annotated[int, Field(strict=True, ge=0, le=5)]
    message: Text | None = None
