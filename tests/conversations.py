"""Bare servers of tests: every conversation ends with its server."""

import asyncio
from contextlib import asynccontextmanager, suppress

HERE = "127.0.0.1"


@asynccontextmanager
async def conversing(talk):
    """Listens at the port that it gives; `talk(reader, writer)` is one conversation."""
    going = {}

    async def meet(reader, writer):
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    def begin(reader, writer):
        task = asyncio.create_task(meet(reader, writer))
        going[task] = writer
        task.add_done_callback(going.pop)

    server = await asyncio.start_server(begin, HERE, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        left = dict(going)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for writer in left.values():
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()
