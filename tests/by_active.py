"""Redelivering by the version in force, in tests: brands whose next version says things otherwise, and who asks."""

from tests.inbound import BRANDS, LAKESIDE, enterprise, offer, provider

DECLINED = "{status: declined, closure: declined, code: DECLINED}"
OFFERED = "{status: offered, code: OFFER-OPEN}"
NO_CAPACITY = "{code: D-CAP, label: No capacity}"
IRONPEAK = "ironpeak-appliances"
RETIRED = NO_CAPACITY.replace("}", ", retired: true}")
# What version 2 says otherwise: the codes of a status and of a reason, and, where the JSON is the brand's own, a member.
NEW_WORDS = {
    "harborline": (
        (DECLINED, DECLINED.replace("DECLINED", "TURNED-DOWN")),
        (NO_CAPACITY, f"{RETIRED}\n  - {{code: D-FULL, label: No capacity}}"),
    ),
    "ironpeak": (
        ("{status: declined, closure: declined, code: 45}", "{status: declined, closure: declined, code: 44}"),
        (
            '{code: "9002", label: Schedule full}',
            '{code: "9002", label: Schedule full, retired: true}\n  - {code: "9009", label: Schedule full}',
        ),
        ("        reasonCode: data.reason.code,", "        declinedFor: data.reason.code,"),
    ),
}


def changed(text, *changes):
    for before, after in changes:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


def text_of(brand, version, *changes):
    text = (BRANDS / brand / "profile.v1.yaml").read_text(encoding="utf-8")
    return changed(text.replace("version: 1\n", f"version: {version}\n", 1), *changes)


def declined(brand):
    if brand == "harborline":
        return [offer("A-1"), provider("offer.decline", "A-1", reason="No capacity")]
    content = {"brand": "ironpeak", "organization": {"handle": LAKESIDE}, "customer": {"name": "Bo"}}
    job = {"id": "A-1", "source": IRONPEAK}
    return [
        enterprise("offer.submit", "A-1", source=IRONPEAK, **content),
        provider("offer.decline", job=job, reason="Schedule full"),
    ]


async def again(partner, *numbers, **terms):
    """Redelivers; the report."""
    number = await partner.preview("redeliver", numbers=numbers, **terms)
    return await partner.run(number)


async def latest_told(partner, job="A-1"):
    """Sends all, and returns the number of the last delivery of a job."""
    await partner.send()
    return (await partner.deliveries(job))[-1]


async def silence(road, text, row):
    """Takes a row out of a version that is kept: as if an earlier release had taken one with holes."""
    silent = changed(text, (f"  - {row}\n", ""))
    await road.execute("UPDATE profile SET document = :silent WHERE document = :text", silent=silent, text=text)
    road.gateway.keeper._stamp = None
    await road.gateway.keeper.refresh()


async def make_due(road):
    """What waits for its next try is tried now."""
    await road.execute("UPDATE lane SET due_at = (SELECT min(created_at) FROM delivery) WHERE due_at IS NOT NULL")


async def redelivered(partner, *numbers):
    """The deliveries that redelivering these by the version in force makes."""
    before = set(await partner.deliveries())
    assert (await again(partner, *numbers, version="active"))["done"] == len(numbers)
    return [one for one in await partner.deliveries() if one not in before]
