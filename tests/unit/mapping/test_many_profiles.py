"""Many profiles, and large ones: read when they are first asked for, and found without a search."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reasons import ReasonKind
from gateway.inbound.directory import make_directory
from gateway.mapping.library import NO_PROFILES, check_text
from gateway.mapping.profile import Profile
from gateway.mapping.source import read_source
from tests.unit.mapping.texts import PLAIN, with_lines

MANY = 500
MEMBERS = read_source(PLAIN, file="profile.v1.yaml").members
CUSTOM = (
    "custom: {transformation: ax, records: {order: {type: kind, id: id, subject: about, data: {default: content}}}}"
)


def text_of(brand="acme", version=1, *lines, account="acme-home"):
    text = PLAIN.replace("brand: acme", f"brand: {brand}").replace("account: acme-home", f"account: {account}")
    return text.replace("version: 1\n", f"version: {version}\n") + with_lines(*lines)


def kept(**active):
    """Versions 1 to the one named, of each brand; that one is active."""
    texts = {
        (brand, version): text_of(brand, version) for brand, last in active.items() for version in range(1, last + 1)
    }
    return NO_PROFILES.followed_by(texts, active), texts


def read(profiles):
    """The versions of which a profile has been made so far."""
    return {key for key, each in profiles.kept.items() if "profile" in vars(each)}


def test_a_version_is_not_read_before_it_is_asked_for():
    profiles, _ = kept(acme=3, zeta=2)
    assert set(profiles.outlines) == {"acme", "zeta"}
    assert profiles.knows({("acme", 1), ("zeta", 2)})
    assert not profiles.knows({("acme", 1), ("acme", 4)})
    assert read(profiles) == set()
    assert profiles.find("acme").version == 3
    assert read(profiles) == {("acme", 3)}
    assert profiles.find_version("acme", 1).version == 1
    assert read(profiles) == {("acme", 1), ("acme", 3)}
    assert profiles.find_version("acme", 3) is profiles.find("acme")


def test_what_has_been_read_is_not_read_again_when_a_version_comes():
    before, texts = kept(acme=2, zeta=1)
    known = before.find("acme"), before.find("zeta")
    after = before.followed_by({**texts, ("zeta", 2): text_of("zeta", 2)}, {"acme": 2, "zeta": 2})
    assert (after.find("acme"), after.find_version("zeta", 1)) == known
    assert after.find("acme") is known[0]
    assert read(after) == {("acme", 2), ("zeta", 1)}
    assert after.find("zeta").version == 2
    assert before.find("zeta").version == 1, "who holds the set before has it as it was"


def test_a_version_whose_text_is_another_now_is_read_again():
    before, texts = kept(acme=1)
    assert before.find("acme").accept_within is None
    after = before.followed_by({**texts, ("acme", 1): text_of("acme", 1, "accept_within: 600")}, {"acme": 1})
    assert after.find("acme").accept_within == 600


def test_a_text_that_cannot_be_read_by_now_harms_no_other_version_and_no_other_brand():
    broken = text_of("acme", 2).replace("status_codes", "codes")
    texts = {("acme", 1): text_of(), ("acme", 2): broken, ("zeta", 1): text_of("zeta"), ("yard", 1): "{{{"}
    profiles = NO_PROFILES.followed_by(texts, {"acme": 2, "zeta": 1, "yard": 1})
    assert profiles.knows({("acme", 2), ("yard", 1)})
    assert [profiles.find(brand) for brand in ("acme", "yard")] == [None, None]
    assert profiles.find_version("acme", 2) is None
    assert profiles.find_version("acme", 1).version == 1
    assert [profile.brand for profile in profiles.active.values()] == ["zeta"]
    assert (len(profiles.active), "acme" in profiles.active, "zeta" in profiles.active) == (1, False, True)
    assert set(profiles.outlines) == {"acme", "zeta"}, "whose it is can still be said of one of them"


def test_of_five_hundred_brands_only_those_that_work_comes_for_are_read():
    texts = {
        (f"brand-{nth}", version): text_of(f"brand-{nth}", version, CUSTOM, account=f"account-{nth // 2}")
        for nth in range(MANY)
        for version in (1, 2)
    }
    profiles = NO_PROFILES.followed_by(texts, {f"brand-{nth}": 2 for nth in range(MANY)})
    directory = make_directory((), (), profiles)
    assert list(directory.brands_of("account-7")) == ["brand-14", "brand-15"]
    assert list(directory.brands_of("nobody")) == []
    assert directory.find_custom("account-7", None, "ax") is None, "two brands read it"
    assert directory.find_custom("account-7", "brand-16", "ax") is None, "the brand of somebody else"
    assert directory.find_custom("account-7", "brand-14", "other") is None
    assert read(profiles) == set()
    assert directory.find_custom("account-7", "brand-15", "ax").brand == "brand-15"
    assert read(profiles) == {("brand-15", 2)}


def test_a_profile_may_have_five_hundred_reasons():
    lines = [f"  - {{code: R{nth}, label: Reason {nth}, outcome: pauses}}" for nth in range(MANY)]
    text = PLAIN + with_lines("complete_reasons:", "  - {code: OK, label: Good, outcome: completes}", *lines)
    profile, problems = check_text(text, file="profile.v1.yaml")
    assert not problems
    found = [profile.reasons.find(ReasonKind.COMPLETE, f"Reason {nth}").code for nth in range(MANY)]
    assert found == [f"R{nth}" for nth in range(MANY)]
    assert profile.reasons.find_only_completing().code == "OK"


ROUTES = st.lists(
    st.tuples(
        st.lists(st.text("56", min_size=1, max_size=3), max_size=2),
        st.lists(st.sampled_from(["roof", "sink"]), max_size=2),
    ),
    max_size=6,
)


@given(ROUTES, st.text("567", max_size=4), st.sampled_from([None, "roof", "sink", "lawn"]))
def test_work_goes_where_the_first_route_that_serves_it_says(routes, postal_code, service_type):
    routing = [
        {"postal_prefixes": prefixes, "service_types": types, "organization": f"org-{place}"}
        for place, (prefixes, types) in enumerate(routes)
    ]
    profile = Profile.model_validate({**MEMBERS, "routing": routing})
    serving = (
        route["organization"]
        for route in routing
        if not route["postal_prefixes"] or postal_code.startswith(tuple(route["postal_prefixes"]))
        if not route["service_types"] or service_type in route["service_types"]
    )
    assert profile.find_organization(postal_code, service_type) == next(serving, None)
