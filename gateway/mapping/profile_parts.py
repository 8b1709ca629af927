"""What the pieces of a brand profile are made of."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, StrictStr, StringConstraints
from pydantic_core import PydanticCustomError

Name = Annotated[StrictStr, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
Word = Annotated[StrictStr, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Topic = Annotated[StrictStr, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,180}$")]
Text = Annotated[StrictStr, StringConstraints(min_length=1, max_length=200)]
# A reason as it may be given (`inbound.shapes.Reason`).
Given = Annotated[StrictStr, StringConstraints(min_length=1, max_length=500)]
ExpressionText = Annotated[StrictStr, StringConstraints(min_length=1)]

# What a body may say that it is, in a header.
MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]{1,100}/[\w!#$&^.+-]{1,100}(?:; ?[\w-]{1,40}=[\w.+-]{1,100}){0,4}", re.ASCII)


def _insist_on_writing(value: object) -> object:
    """Seconds since 1970 are moments to pydantic, and to nobody who reads the file."""
    if isinstance(value, int | float) or (isinstance(value, str) and value.isdecimal()):
        raise PydanticCustomError("datetime_type", "must be a moment")
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("datetime_type", "must be a moment") from None


Moment = Annotated[AwareDatetime, BeforeValidator(_insist_on_writing), AfterValidator(_in_utc)]


class Part(BaseModel):
    """A piece of a profile: frozen, and closed to members that nobody reads."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
