"""A partner's end of webhooks in tests: a simulated brand at a port of its own, and messages signed for it."""

import base64
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from gateway.core.signing import signatures
from gateway.mapping.profile import Profile, parse_profile
from gateway.simulation.brand import SimulatedBrand

SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
OTHER_SECRET = f"whsec_{base64.b64encode(bytes(range(1, 33))).decode()}"
BRANDS = Path(__file__).parents[1] / "contracts" / "brands"


def signed(body, secrets=(SECRET,), at=None, message_id="evt-7"):
    """The headers of a message."""
    moment = datetime.now(UTC) if at is None else datetime.fromtimestamp(at, UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": signatures(secrets, message_id, moment, body),
    }


@asynccontextmanager
async def partner(**members):
    """A simulated brand that listens, and knows the secret."""
    brand = SimulatedBrand(**{"secrets": (SECRET,), **members})
    await brand.start()
    try:
        yield brand
    finally:
        await brand.stop()


def text_with_webhook(name, url, **members):
    """The text of a brand's profile, with a webhook at `url` besides; JSON is YAML, too."""
    text = (BRANDS / name / "profile.v1.yaml").read_text(encoding="utf-8")
    told = "".join(f", {member}: {value}" for member, value in members.items())
    row = f'  - {{name: feed.{name}.web, kind: webhook, webhook: {{url: "{url}"}}{told}}}\n'
    heading = "\ndestinations:\n"
    before, _, after = text.partition(heading)
    return f"{before}{heading}{row}{after}"


def profile_with_webhook(name, url, **members):
    """The same as a profile, and its webhook."""
    profile = parse_profile(text_with_webhook(name, url, **members), file=name)
    assert isinstance(profile, Profile), profile
    destination = profile.asked[f"feed.{name}.web"]
    return profile, (destination, destination.webhook)
