"""What a demo counts of the records and messages that partners were given."""

from gateway.demo.checks import read_back
from gateway.demo.watch import Seen
from gateway.simulation.wire import Told


def seen(number, *, job="job-1", version=None, previous=None, topic="summit"):
    told = Told(type="job.accepted", id=number, job=job, external_id=None, version=version, previous=previous, body={})
    return Seen(topic, told, b"{}")


def test_the_messages_of_one_event_are_one_event():
    feed = read_back([seen("evt-1.1"), seen("evt-1.2"), seen("evt-2.1", job="job-2"), seen("evt-2.1", job="job-2")])
    assert feed["summit"].events == 2
    assert (feed["summit"].records, feed["summit"].duplicates, feed["summit"].gaps) == (4, 1, ())


def test_a_message_whose_first_part_never_came_is_a_gap():
    [gap] = read_back([seen("evt-1.2")])["summit"].gaps
    assert "evt-1.2 comes before evt-1.1" in gap


def test_a_version_that_does_not_follow_is_a_gap():
    told = [seen("evt-1", version=1, previous=0), seen("evt-3", version=3, previous=2)]
    [gap] = read_back(told)["summit"].gaps
    assert "version 3 follows 2, not 1" in gap
