"""Marks in the text of items: they identify batch and part, in summaries, too."""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

_MARK = re.compile(r"#([\w.-]+):(\d+)/(\d+)#")


class Mark(NamedTuple):
    """One item: part ``part`` of the ``size`` parts of a batch."""

    batch: str
    part: int
    size: int

    def __str__(self) -> str:
        return f"#{self.batch}:{self.part}/{self.size}#"


def marks_in(text: str) -> list[Mark]:
    return [Mark(batch, int(part), int(size)) for batch, part, size in _MARK.findall(text)]


def items(batch: str, size: int) -> list[dict]:
    """A batch as the SDK writes them: a user message, or calls with their outputs and an answer."""
    marks = [Mark(batch, part, size) for part in range(size)]
    if size == 1:
        return [{"role": "user", "content": f"{marks[0]} {'A question. ' * 8}"}]
    found: list[dict] = []
    for call, output in zip(marks[0::2], marks[1::2], strict=False):
        call_id = f"call-{batch}-{call.part}"
        found += [
            {"type": "function_call", "call_id": call_id, "name": "look", "arguments": str(call)},
            {"type": "function_call_output", "call_id": call_id, "output": f"{output} found."},
        ]
    if size % 2:
        found.append({"role": "assistant", "content": f"{marks[-1]} {'An answer. ' * 8}"})
    return found


class Covered(NamedTuple):
    """A set of items: their number, and the sum of a checksum of each."""

    items: int
    checksum: int

    @classmethod
    def of(cls, marks: list[Mark]) -> Covered:
        return cls(len(marks), sum(zlib.crc32(str(mark).encode()) for mark in marks))

    @classmethod
    def told_in(cls, text: str) -> Covered:
        """All that is told in ``text``, together."""
        found = re.findall(r"items=(\d+) checksum=(\d+)", text)
        return cls(sum(int(n) for n, _ in found), sum(int(c) for _, c in found))

    def __str__(self) -> str:
        return f"items={self.items} checksum={self.checksum}"
