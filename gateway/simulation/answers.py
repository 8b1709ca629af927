"""How a simulated brand answers on the connection itself: well, or in one of the ways in which partners fail."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson

from gateway.simulation.behaviour import Way
from gateway.simulation.listener import head

if TYPE_CHECKING:
    from gateway.simulation.behaviour import Behaviour

ELSEWHERE = "/elsewhere"
HUGE_BYTES = 1024**3
_CHUNK = b" " * 65_536
_TRICKLE_BYTES = 600
_GARBLED = b'{"applied": \xff\xfe\x00'


def say(writer: asyncio.StreamWriter, status: int, told: dict[str, Any], **headers: str) -> None:
    """An answer in JSON; `_` in names of headers stands for `-`."""
    body = orjson.dumps(told)
    writer.write(head(status, len(body), Content_Type="application/json", **headers) + body)


def refuse(writer: asyncio.StreamWriter, status: int, behaviour: Behaviour, headers: dict[str, str]) -> None:
    """Anything but 2xx."""
    headers = dict(headers)
    if behaviour.retry_after is not None:
        headers["Retry_After"] = str(behaviour.retry_after)
    if behaviour.way is Way.REDIRECT:
        headers["Location"] = ELSEWHERE
    say(writer, status, {"problem": "not taken"}, **headers)


async def accept(
    writer: asyncio.StreamWriter, behaviour: Behaviour, told: dict[str, Any], headers: dict[str, str]
) -> bool:
    """200, in whatever way; returns whether the connection can be used again."""
    match behaviour.way:
        case Way.BREAK_OFF:
            writer.write(head(200, 100) + b"{")
            return False
        case Way.HUGE:
            await _write_slowly(writer, _CHUNK, HUGE_BYTES // len(_CHUNK))
        case Way.TRICKLE:
            await _write_slowly(writer, b" ", _TRICKLE_BYTES, pause=1.0)
        case Way.GARBLED:
            writer.write(head(200, len(_GARBLED), Content_Type="application/json") + _GARBLED)
        case _:
            say(writer, 200, told, **headers)
    return True


async def _write_slowly(writer: asyncio.StreamWriter, piece: bytes, count: int, *, pause: float = 0.0) -> None:
    writer.write(head(200, len(piece) * count))
    for _ in range(count):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause)
