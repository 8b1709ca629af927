"""Whatever the style of a profile's text: the edit says what it is to say, and all else stays as it was."""

import re

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reasons import DEFAULT_COMPLETE, Ending, Reason, ReasonKind
from gateway.mapping.codes import Standing
from gateway.mapping.editing import with_reason, with_status_code, with_text
from gateway.mapping.source import Source, read_source
from tests.unit.mapping.styles import Styles

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
SIGNS = r"""
    no Yes y ~ null NULL 12 010 0x1F 1e3 .5 1_000 12:30:45 2026-01-01 -1 +1 - -- --- ... ? : = << # , [ ] { } é 修
    a:b a: :a a:, a#b #a a,b [a] {a} a] a} 'a a' 'a' a'b "a a"b \n a\ %a @a `a &a *a !a |a >a ?a -a
"""
SPACES = ["a: b", "a #b", "a, b", "a], [b", "a}, {b: c", " a", "a ", "\t", "a\tb", "- a", "--- a", "a\nb", "a\r\n"]
UNSEEN = ["\ufeff", "a\ufeff", "\x85", "a\u2028b", "\x7f", "\0", "\ufffe", "😀", "e\u0301", "\u200b", "\ue000"]
WRITTEN_LIKE_YAML = st.sampled_from([*SIGNS.split(), *SPACES, *UNSEEN])
WORDS = st.sampled_from(["Alpha", "Gewährleistung", "Über-Nacht", "130", "no", "修理", "parts: x", "😀"])
OUTCOMES = {ReasonKind.COMPLETE: Ending.PAUSES}


@st.composite
def profiles(draw):
    def name(place):
        return draw(st.sampled_from([f"w{'x' * place}", f"{draw(WORDS)} {place}"]))

    def entry(place, kind):
        members = {"code": name(3 * place), "label": name(3 * place + 1)}
        if kind in OUTCOMES:
            members["outcome"] = OUTCOMES[kind].value
        more = draw(st.sampled_from([None, 0, 1, 2]))
        if more is not None:
            members["also"] = [f"{name(3 * place + 2)}{'y' * each}" for each in range(more)]
        return dict(draw(st.permutations(list(members.items()))))

    members = {
        "brand": "acme",
        "account": "acme-home",
        "version": draw(st.integers(1, 12)),
        "status_codes": [{"status": "offered", "code": "O"}, {"status": "unscheduled", "code": 5}],
        "features": {"notes": True},
    }
    if draw(st.booleans()):
        members["effective_at"] = "2026-01-01T00:00:00Z"
    for kind in ReasonKind:
        number = draw(st.integers(0, 3))
        if number or draw(st.booleans()):
            members[f"{kind}_reasons"] = [entry(place, kind) for place in range(number)]
    return dict(draw(st.permutations(list(members.items()))))


STYLES = st.randoms(use_true_random=False).map(Styles)


def read(text):
    source = read_source(text, file="")
    assert isinstance(source, Source), (source, text)
    return source.members


def listed(members, kind):
    """The list that is to be edited; None where any words are taken."""
    found = members.get(f"{kind}_reasons")
    if found or kind is not ReasonKind.COMPLETE:
        return found
    return [{"code": each.code, "label": each.label, "outcome": each.outcome.value} for each in DEFAULT_COMPLETE]


def assert_only_that(old, new, name, entries, version):
    """`new` says `old` with these entries and that version, and keeps its lines, comments and line ends."""
    assert isinstance(new, str), (new, old)
    members = read(old)
    members.pop("effective_at", None)
    assert read(new) == {**members, "version": version, name: entries}, (old, new)
    lost = lost_lines(old, new)
    # The version's, the moment's with a comma before it, and the one behind which something stands now.
    assert len(lost) <= 4, (lost, old, new)
    gone = {comment for line in lost if "effective_at" in line for comment in comments(line)}
    assert [each for each in comments(old) if each not in gone] == [
        each for each in comments(new) if each not in gone
    ], (old, new)
    assert ("\r\n" in old) == ("\r\n" in new)
    assert "\n" not in new.replace("\r\n", "") or "\r\n" not in new
    assert old.startswith("\ufeff") == new.startswith("\ufeff")


def lost_lines(old, new):
    """The fewest lines of `old` that must go so that `new` has the others in their order."""
    old, new = old.splitlines(), new.splitlines()
    # By how many lines of `new` are looked at: what is lost of the lines of `old` so far.
    lost = [[] for _ in range(len(new) + 1)]
    for line in old:
        before, lost = lost, [[*lost[0], line]]
        for place, other in enumerate(new):
            skipped = min(lost[place], [*before[place + 1], line], key=len)
            lost.append(before[place] if line == other and len(before[place]) <= len(skipped) else skipped)
    return lost[-1]


def comments(text):
    return re.findall(r"# c\d+", text)


@given(
    members=profiles(),
    styles=STYLES,
    kind=st.sampled_from(ReasonKind),
    more=TEXTS | WRITTEN_LIKE_YAML,
    place=st.integers(0, 2),
)
def test_a_further_text_is_the_only_change(members, styles, kind, more, place):
    text = styles.text_of(members)
    entries = listed(read(text), kind)
    if not entries:
        return
    place %= len(entries)
    entries[place]["also"] = [*entries[place].get("also", ()), more]
    new = with_text(text, kind, entries[place]["code"], more, version=13)
    assert_only_that(text, new, f"{kind}_reasons", entries, 13)


@given(
    members=profiles(),
    styles=STYLES,
    kind=st.sampled_from(ReasonKind),
    texts=st.lists(TEXTS | WRITTEN_LIKE_YAML, min_size=2, max_size=4, unique=True),
)
def test_a_further_reason_is_the_only_change(members, styles, kind, texts):
    text = styles.text_of(members)
    entries = listed(read(text), kind)
    if not entries:
        return
    code, label, *also = texts
    added = {"code": code, "label": label}
    if kind in OUTCOMES:
        added["outcome"] = OUTCOMES[kind].value
    if also:
        added["also"] = also
    new = with_reason(text, kind, Reason(code, label, OUTCOMES.get(kind), tuple(also)), version=13)
    assert_only_that(text, new, f"{kind}_reasons", [*entries, added], 13)


@given(members=profiles(), styles=STYLES, code=st.integers() | TEXTS | WRITTEN_LIKE_YAML)
def test_a_further_status_code_is_the_only_change(members, styles, code):
    text = styles.text_of(members)
    row = {"status": "complete", "closure": "completed", "appointment_status": "paused", "code": code}
    new = with_status_code(text, Standing("complete", "completed", "paused"), code, version=13)
    assert_only_that(text, new, "status_codes", [*read(text)["status_codes"], row], 13)
