"""How much one evaluation of an expression may do: so that no profile stops the process that uses it.

What is visited once for each element of a list is charged before the loop begins: counting costs nearly nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

# About fifty times what the fullest message needs; some twenty milliseconds in which nothing else runs.
MOST_NODES: Final = 50_000
# As large as the largest message that leaves in canonical form, and half of the largest record that comes.
MOST_BYTES: Final = 4 * 1024 * 1024


class Bound(StrEnum):
    """Why an evaluation was given up. Values are stable."""

    TOO_MANY_NODES = "too_many_nodes"
    TOO_MANY_BYTES = "too_many_bytes"


class OutOfBounds(Exception):
    """An evaluation has used up what it may."""

    def __init__(self, bound: Bound) -> None:
        super().__init__(bound.value)
        self.bound = bound


class Spent:
    """What one evaluation has visited and produced so far."""

    __slots__ = ("_nodes", "_size")

    def __init__(self, nodes: int) -> None:
        self._nodes = nodes
        self._size = 0

    def visit(self, nodes: int) -> None:
        """Before that many more nodes are visited, or elements copied."""
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            raise OutOfBounds(Bound.TOO_MANY_NODES)

    def produce(self, size: int) -> None:
        """Before, or after, a text of about this size is made; characters are taken for bytes."""
        self._size += size
        if self._size > MOST_BYTES:
            raise OutOfBounds(Bound.TOO_MANY_BYTES)

    def walk(self, root: object) -> None:
        """Before all of `root` is looked at, written out or compared.

        Its parts count as often as they occur: what is small in memory, since it is shared, can be endless on paper.
        """
        waiting, size = [root], 0
        while waiting:
            value = waiting.pop()
            if isinstance(value, str):
                size += len(value)
            elif isinstance(value, dict):
                self.visit(len(value))
                size += sum(map(len, value))
                waiting.extend(value.values())
            elif isinstance(value, list):
                self.visit(len(value))
                waiting.extend(value)
            if size > MOST_BYTES:
                break
        self.produce(size)
