"""Feeds by cursor in tests: brands with one, relays that fill them, and reading them by HTTP."""

from gateway.outbound.feed import FeedPublisher
from gateway.outbound.relay import Relay
from tests.edge import bearer
from tests.importing import import_profile
from tests.inbound import BRANDS


async def import_feed(road, brand="harborline", version=2, change=("", "")):
    """The brand's next version, with a feed beside its topic."""
    text = (BRANDS / brand / "profile.v1.yaml").read_text(encoding="utf-8")
    text = text.replace("version: 1\n", f"version: {version}\n", 1).replace(*change)
    feed = f"destinations:\n  - {{name: feed.{brand}.cursor, kind: feed}}\n"
    if "\ndestinations:\n" in text:
        text = text.replace("destinations:\n", feed, 1)
    else:
        text += f"\n{feed}  - {{name: feed.{brand}, topic: feed.{brand}.v1}}\n"
    found = await import_profile(road.database, text, file="profile.yaml", author="ops", reason="test")
    assert found.profiles, found.problems
    await road.gateway.keeper.refresh()


async def relay_feeds(road):
    """Gives everything that is due its position."""
    relay = Relay(
        road.database, FeedPublisher(road.gateway.live.wake), road.gateway.render, ready=road.gateway.know_profiles
    )
    while await relay.relay_once():
        pass


async def read(client, key, after=None, limit=None, *, path="/v1/feed"):
    """One page."""
    asked = {"after": after, "limit": limit}
    params = {name: value for name, value in asked.items() if value is not None}
    return await client.get(path, params=params, headers=bearer(key))


async def read_all(client, key, after=None, limit=None, *, path="/v1/feed"):
    """Every item after a cursor, page by page, and the cursor to go on from."""
    items = []
    while True:
        answer = await read(client, key, after, limit, path=path)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        if not page["items"]:
            return items, page["next"]
        items += page["items"]
        after = page["next"]
