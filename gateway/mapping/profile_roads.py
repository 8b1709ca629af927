"""What a brand profile says of its roads: where its feed and receipts go, how it is polled, what its own JSON means."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, StringConstraints, model_validator

from gateway.core.commands import ConfirmedBy
from gateway.core.events import EventType
from gateway.core.job import Closure, JobStatus, VisitStatus
from gateway.mapping.profile_parts import ExpressionText, Name, Part, Text, Topic, Word

if TYPE_CHECKING:
    from gateway.core.parties import Json

NO_TRANSFORMATION = "noop"

# Members of a destination that are not columns of its row.
_SETTINGS = {"topic", "on_error", "webhook", "schedule", "superseding", "understands_versions", "confirms"}

# "409": a code of an HTTP answer, as text, since YAML's keys become JSON's.
StatusCode = Annotated[StrictStr, StringConstraints(pattern=r"^[2-5][0-9]{2}$")]
Wait = Annotated[StrictFloat, Field(ge=0.1, le=7 * 86_400)]


class DestinationKind(StrEnum):
    """Who serves a destination: the publisher to Kafka, the one that posts signed webhooks, the queue that its owner
    polls by Dispatch Connect, or the feed that its owner reads by cursor.
    """

    KAFKA = "kafka"
    WEBHOOK = "webhook"
    POLL = "poll"
    FEED = "feed"


class OnError(StrEnum):
    """What a poller's `error` does: the message comes again on the schedule, or is dead with the poller's words."""

    RETRY = "retry"
    DEAD = "dead"


class Some(StrEnum):
    """Shorthands for which events a destination gets."""

    ALL = "all"
    STATUS_CHANGES_ONLY = "status_changes_only"


class AnswerMeans(StrEnum):
    """What a webhook's answer is taken for: delivered, to be tried again, given up, or a destination to be paused."""

    DELIVERED = "delivered"
    RETRY = "retry"
    DEAD = "dead"
    PAUSE = "pause"


class Webhook(Part):
    """Where signed webhooks are posted, and how much the partner takes at a time.

    `timeout` and `connect_timeout` are seconds of a whole call and of reaching the partner. `concurrency` is how many
    jobs are told of at once, `rate` how many calls a second at most, whatever the number of relays. `largest_body` is
    bytes. `answers` says by status code what differs from the usual meaning.
    """

    url: Text
    timeout: Annotated[StrictFloat, Field(ge=0.1, le=30)] = 10.0
    connect_timeout: Annotated[StrictFloat, Field(ge=0.1, le=30)] = 3.0
    concurrency: Annotated[StrictInt, Field(ge=1, le=256)] = 32
    rate: Annotated[StrictFloat, Field(gt=0, le=10_000)] | None = None
    largest_body: Annotated[StrictInt, Field(ge=1024, le=4 * 1024 * 1024)] = 256 * 1024
    answers: Mapping[StatusCode, AnswerMeans] = Field(default_factory=dict)


class Confirms(Part):
    """That the brand confirms what it applied: how, and within how many seconds of a delivery."""

    by: ConfirmedBy
    within: Annotated[StrictInt, Field(ge=1, le=30 * 86_400)] = 86_400


class Destination(Part):
    """Where the brand's feed goes. `strict`: a dead delivery stops its lane until someone looks at it.

    What is polled is handed out in Connect's form, whatever the form of the feed; `on_error` is for it alone. With
    `sandbox` it gets what becomes of jobs that test keys send, and nothing else; the others get nothing of these.

    `schedule` are the seconds to wait after the first, second, ... failed try, in place of the usual ones. With
    `superseding` a visit's progress that has not left yet gives way to a later one's, save in a poll queue, which is
    handed out one by one. `understands_versions`: it keeps the newest version of a job, so that an old event may be
    sent to it again. `confirms`: it says what it applied.
    """

    name: Topic
    kind: DestinationKind = DestinationKind.KAFKA
    topic: Topic | None = None
    events: Some | tuple[EventType, ...] = Some.ALL
    strict: StrictBool = True
    sandbox: StrictBool = False
    on_error: OnError | None = None
    webhook: Webhook | None = None
    schedule: tuple[Wait, ...] | None = Field(None, min_length=1, max_length=100)
    superseding: StrictBool = False
    understands_versions: StrictBool = False
    confirms: Confirms | None = None

    @model_validator(mode="after")
    def _has_a_topic_where_it_needs_one(self) -> Destination:
        if self.kind is DestinationKind.KAFKA and self.topic is None:
            raise ValueError("a destination of kind kafka needs a topic")
        if self.kind is not DestinationKind.KAFKA and self.topic is not None:
            raise ValueError(f"a destination of kind {self.kind} has no topic")
        if self.kind is not DestinationKind.POLL and self.on_error is not None:
            raise ValueError("on_error is for destinations of kind poll")
        if (self.kind is DestinationKind.WEBHOOK) != (self.webhook is not None):
            raise ValueError("a destination of kind webhook, and no other, needs webhook: with its url")
        if self.confirms and self.confirms.by is ConfirmedBy.ANSWER and self.webhook is None:
            raise ValueError("only a webhook has an answer that confirms")
        return self

    @cached_property
    def settings(self) -> dict[str, Json]:
        """What its publisher and its relay need, as JSON has it, flat; what is not said is not there."""
        said = self.model_dump(mode="json", include=_SETTINGS, exclude_none=True)
        webhook = said.pop("webhook", {})
        return {**{name: value for name, value in said.items() if value is not False}, **webhook}


class ReceiptsFor(StrEnum):
    """Of which records an account is told what became of them."""

    ALL = "all"
    PROBLEMS = "problems"
    NONE = "none"


class ReceiptsTo(StrEnum):
    """Where it is told: its topic, or the queue that it polls by Dispatch Connect."""

    TOPIC = "topic"
    POLL = "poll"


class Receipts(Part):
    """What the brand's account is told of its records, of every brand. What is not said is as the protocol has it:
    all those that came by Connect in the poll queue, of others the problems on the topic.
    """

    records: ReceiptsFor | None = None
    to: ReceiptsTo | None = None


class ConnectWords(Part):
    """Status words for pollers that differ from Connect's usual ones.

    `job_status` is by closure for a job that has ended, else by status; `appointment_status` by the visit's status.
    """

    job_status: Mapping[StrictStr, Word] = Field(default_factory=dict)
    appointment_status: Mapping[StrictStr, Word] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_what_there_is(self) -> ConnectWords:
        unknown = set(self.job_status) - {each.value for each in (*JobStatus, *Closure)}
        unknown |= set(self.appointment_status) - {each.value for each in VisitStatus}
        if unknown:
            raise ValueError(f"no such status: {', '.join(sorted(unknown))}")
        return self


class Translation(Part):
    """How one kind of the brand's own JSON is read: each expression sees the whole document.

    `data` maps a canonical message type, or `default`, to the expression that makes its data.
    """

    type: ExpressionText
    id: ExpressionText
    subject: ExpressionText
    time: ExpressionText | None = None
    data: Mapping[str, ExpressionText] = Field(min_length=1)


class Inbound(Translation):
    """The brand's own JSON on its own topic."""

    topic: Topic


class Custom(Part):
    """The brand's own JSON by Dispatch Connect: of keys that name `transformation`, by a request's `RecordType`."""

    transformation: Name
    records: Mapping[Text, Translation] = Field(min_length=1)
