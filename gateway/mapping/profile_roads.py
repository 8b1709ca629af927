"""What a brand profile says of its roads: where its feed and receipts go, how it is polled, what its own JSON means."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pydantic import Field, StrictBool, StrictStr, model_validator

from gateway.core.events import EventType
from gateway.core.job import Closure, JobStatus, VisitStatus
from gateway.mapping.profile_parts import ExpressionText, Name, Part, Text, Topic, Word

NO_TRANSFORMATION = "noop"


class DestinationKind(StrEnum):
    """Who serves a destination: the publisher to Kafka, the queue that its owner polls by Dispatch Connect, or the
    feed that its owner reads by cursor.
    """

    KAFKA = "kafka"
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


class Destination(Part):
    """Where the brand's feed goes. `strict`: a dead delivery stops its lane until someone looks at it.

    What is polled is handed out in Connect's form, whatever the form of the feed; `on_error` is for it alone. With
    `sandbox` it gets what becomes of jobs that test keys send, and nothing else; the others get nothing of these.
    """

    name: Topic
    kind: DestinationKind = DestinationKind.KAFKA
    topic: Topic | None = None
    events: Some | tuple[EventType, ...] = Some.ALL
    strict: StrictBool = True
    sandbox: StrictBool = False
    on_error: OnError | None = None

    @model_validator(mode="after")
    def _has_a_topic_where_it_needs_one(self) -> Destination:
        if self.kind is DestinationKind.KAFKA and self.topic is None:
            raise ValueError("a destination of kind kafka needs a topic")
        if self.kind is not DestinationKind.KAFKA and self.topic is not None:
            raise ValueError(f"a destination of kind {self.kind} has no topic")
        if self.kind is not DestinationKind.POLL and self.on_error is not None:
            raise ValueError("on_error is for destinations of kind poll")
        return self


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
