"""The reader in docs/feed.md, as it stands there: it hears everything once, though its stream is ended."""

import asyncio
import os
import re
import subprocess
from pathlib import Path

from gateway.outbound.http import live as live_http
from tests.edge import listening
from tests.eventually import eventually
from tests.feeds import import_feed, relay_feeds
from tests.inbound import EVERGREEN, offer, opened
from tests.keys import make_key

PAGE = Path(__file__).parents[2] / "docs" / "feed.md"


async def test_the_reader_in_the_docs_hears_everything_once(staffed_url, node, tmp_path, monkeypatch):
    monkeypatch.setattr(live_http, "RETRY", 50)
    monkeypatch.setattr(live_http, "RETRY_JITTER", 0)
    [example] = re.findall(r"```js\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    reader = tmp_path / "reader.mjs"
    reader.write_text(example)
    async with opened(staffed_url) as road:
        await import_feed(road)
        key = await make_key(road.database, account=EVERGREEN)
        async with listening(road) as place:
            environment = {**os.environ, "GATEWAY": place, "TOKEN": key["token"]}
            process = await asyncio.create_subprocess_exec(node, reader, env=environment, stdout=subprocess.PIPE)
            try:
                told = []
                for number in range(3):
                    await eventually(lambda: road.gateway.live._listeners)
                    await road.receive(offer(f"A-{number}"), offer(f"B-{number}"))
                    await relay_feeds(road)
                    async with asyncio.timeout(30):
                        told += [await process.stdout.readline() for _ in range(2)]
                    for listener in list(road.gateway.live._listeners):
                        listener.end()
                    await eventually(lambda: not road.gateway.live._listeners)
            finally:
                process.kill()
                await process.wait()
    assert len(set(told)) == len(told) == 6
    assert all(line.endswith(b" job.offered.v1\n") for line in told)
