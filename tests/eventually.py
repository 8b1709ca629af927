"""Waiting for what another process or task will do, bounded in time: the one place in the tests that polls."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(find: Callable[[], T | Awaitable[T]], within: float = 15.0, every: float = 0.02) -> T:
    """Ask until the answer is true, and return it; fail when the time is over, telling the last answer."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + within
    while True:
        answer = find()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        if clock() > deadline:
            raise AssertionError(f"not so within {within} s; the last answer was {answer!r}")
        await asyncio.sleep(every)
