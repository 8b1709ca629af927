"""In-place back-off while infrastructure is away: seconds, with jitter, never minutes."""

from __future__ import annotations

import asyncio

from tenacity import RetryCallState, Retrying, wait_exponential_jitter


class Backoff:
    """Waits longer after each failure in a row, up to ten seconds."""

    def __init__(self) -> None:
        self._failures = 0
        self._wait = wait_exponential_jitter(multiplier=0.2, max=10.0, jitter=0.2)

    def succeeded(self) -> None:
        self._failures = 0

    async def wait(self) -> None:
        self._failures += 1
        state = RetryCallState(Retrying(), None, (), {})
        state.attempt_number = self._failures
        await asyncio.sleep(self._wait(state))
