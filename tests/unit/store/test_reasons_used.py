"""The types of events that are looked at for reasons are those that give one."""

import re

from gateway.core.events import EventType
from gateway.mapping.examples import examples
from gateway.mapping.library import load_folder
from gateway.store.tables import GIVES_A_REASON
from tests.contract.corpus import BRANDS

# Told with a reason only where somebody gives one, which the examples do not.
WITHOUT_EXAMPLE = {EventType.APPOINTMENT_CANCELED}
# Says again how an offer or a job ended.
REPEATS = {EventType.JOB_SNAPSHOT}


def test_every_event_that_an_example_gives_a_reason_with_is_looked_at():
    profiles = load_folder(BRANDS)[0].active.values()
    giving = {example.event.type for profile in profiles for example in examples(profile) if example.event.reason}
    asked = set(re.findall(r"'([a-z_.]+)'", GIVES_A_REASON))
    assert asked == (giving | WITHOUT_EXAMPLE) - REPEATS
