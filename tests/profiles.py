"""A brand's next profile version with destinations of a test's own."""

from gateway.core.commands import ConfirmedBy
from gateway.store.applied import Stands, note_applied
from gateway.store.bulk import Writes
from tests.importing import import_profile


def with_destination(text, *members, name="feed.harborline", topic="feed.harborline.v1"):
    """`text`, which names no destination, with one: its topic, and `members` as YAML."""
    assert "\ndestinations:\n" not in text
    return text + f"\ndestinations:\n  - {{{', '.join((f'name: {name}', f'topic: {topic}', *members))}}}\n"


def and_destination(text, *members, name, kind="feed"):
    """`text` with one more destination, after those that it names."""
    return text + f"  - {{{', '.join((f'name: {name}', f'kind: {kind}', *members))}}}\n"


async def bring_in(road, text):
    """Imports `text`, and lets the road's gateway know; returns what the import says."""
    found = await import_profile(road.database, text, file="profile.yaml", author="ops", reason="test")
    assert found.profiles, found.problems
    await road.gateway.keeper.refresh()
    return found


async def confirm(road, job, version, brand="harborline"):
    """The brand says by its feed that it has applied that version."""
    there = (await road.job(job))["number"]
    async with road.database.transaction() as connection:
        writes = Writes(connection)
        note_applied(writes, [Stands(brand, there, version)], ConfirmedBy.FEED, await road.database.now(connection))
        await writes.make()
