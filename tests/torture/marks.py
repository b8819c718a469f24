"""Marks in the text of items: they identify batch and part, in summaries, too."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_MARK = re.compile(r"#([\w.-]+):(\d+)/(\d+)#(?:~([\w.-]+)~)?")


class Mark(NamedTuple):
    """One item: part ``part`` of the ``size`` parts of a batch."""

    batch: str
    part: int
    size: int

    def __str__(self) -> str:
        return f"#{self.batch}:{self.part}/{self.size}#"


class Version(NamedTuple):
    """What an item says: its mark, and which redaction has written that (None: its batch)."""

    mark: Mark
    redaction: str | None = None

    def __str__(self) -> str:
        return str(self.mark) + (f"~{self.redaction}~" if self.redaction else "")


def versions_in(text: str) -> list[Version]:
    return [
        Version(Mark(batch, int(part), int(size)), redaction or None)
        for batch, part, size, redaction in _MARK.findall(text)
    ]


def marks_in(text: str) -> list[Mark]:
    return [version.mark for version in versions_in(text)]


def redacted(item: dict, version: Version) -> dict:
    """The item with another text, in which its mark stays."""
    field = {"function_call": "arguments", "function_call_output": "output"}
    return {**item, field.get(item.get("type", ""), "content"): f"{version} Redacted."}


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


def checksum(item: Mark | Version) -> int:
    return zlib.crc32(str(item).encode())


class Covered(NamedTuple):
    """A set of items: their number, and the sum of a checksum of each."""

    items: int
    checksum: int

    @classmethod
    def of(cls, items: Iterable[Mark | Version]) -> Covered:
        checksums = [checksum(item) for item in items]
        return cls(len(checksums), sum(checksums))

    @classmethod
    def told_in(cls, text: str) -> Covered:
        """All that is told in ``text``, together."""
        found = re.findall(r"items=(\d+) checksum=(\d+)", text)
        return cls(sum(int(n) for n, _ in found), sum(int(c) for _, c in found))

    def __str__(self) -> str:
        return f"items={self.items} checksum={self.checksum}"
