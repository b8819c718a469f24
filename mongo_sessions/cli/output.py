"""What a command prints: JSON, plain text for a pipe, or tables and colours in a terminal."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .times import iso

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console, RenderableType

_PROGRESS_SECONDS = 0.1
_LEAST_SHARE = 8

# Control characters but for line ends and tabs, marks that change the direction of writing, and
# lone surrogates, which no encoding has.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Output:
    """Results go to stdout; progress, warnings and errors to stderr."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.is_terminal = not as_json and (
            sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))
        )
        self._console: Console | None = None
        self._progress_until = 0.0
        self._has_progress = False

    def record(self, record: Mapping[str, Any]) -> None:
        """One object of JSON, on a line of its own."""
        self._write(json.dumps(record, default=_to_json))

    def line(self, text: str = "", style: str = "") -> None:
        """A line of text; ``style`` is for a terminal."""
        text = printable(text)
        if self.is_terminal:
            from rich.text import Text  # noqa: PLC0415 - a pipe needs no rich

            self.render(Text(text, style))
        else:
            self._write(text)

    def render(self, renderable: RenderableType) -> None:
        """Anything that rich draws; a pipe gets its ``str``."""
        if self.is_terminal:
            self.console.print(renderable)
        else:
            self._write(printable(str(renderable)))

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[object]],
        *,
        right: Sequence[str] = (),
        cut: Sequence[str] = (),
    ) -> None:
        """A table; in a pipe one row a line, its columns separated by tabs, below their names.

        In a terminal that is too narrow, the columns of ``cut`` are cut, and the rest is folded.
        """
        if not self.is_terminal:
            for row in (columns, *rows):
                self._write("\t".join(_on_a_line(_plain(cell)) for cell in row))
            return
        from rich.table import Table  # noqa: PLC0415 - a pipe needs no rich
        from rich.text import Text  # noqa: PLC0415

        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        cells = [[_on_a_line(_shown(cell)) for cell in row] for row in rows]
        widths = cut_widths(columns, cells, cut, self.console.width)
        for column in columns:
            is_right = column in right
            table.add_column(
                column,
                justify="right" if is_right else "left",
                no_wrap=is_right or column in cut,
                overflow="ellipsis" if column in cut else "fold",
                max_width=widths.get(column),
            )
        for row in cells:
            table.add_row(*map(Text, row))
        self.console.print(table)

    def flush(self) -> None:
        """Let the reader of a pipe see what was printed so far."""
        sys.stdout.flush()

    def warn(self, text: str) -> None:
        """A line on stderr."""
        self.end_progress()
        self.complain(text)

    def complain(self, text: str) -> None:
        """A line on stderr, behind the name of the command."""
        print(f"mongo-sessions: {printable(text)}", file=sys.stderr)  # noqa: T201

    def progress(self, text: str) -> None:
        """Replace the line of progress. Without a terminal, nothing is shown."""
        now = time.monotonic()
        if not sys.stderr.isatty() or now < self._progress_until:
            return
        self._progress_until = now + _PROGRESS_SECONDS
        self._has_progress = True
        sys.stderr.write(f"\r\x1b[K{printable(text)}")
        sys.stderr.flush()

    def end_progress(self) -> None:
        """Remove the line of progress."""
        if self._has_progress:
            self._has_progress = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    @property
    def console(self) -> Console:
        """Rich's console: only in a terminal."""
        if self._console is None:
            from rich.console import Console  # noqa: PLC0415

            self._console = Console(highlight=False)
        return self._console

    def _write(self, text: str) -> None:
        try:
            sys.stdout.write(text + "\n")
        except UnicodeEncodeError:  # stdout is not of UTF-8
            encoding = sys.stdout.encoding
            sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        if self.is_terminal:
            sys.stdout.flush()


def cut_widths(
    columns: Sequence[str], rows: Sequence[Sequence[str]], cut: Sequence[str], width: int
) -> dict[str, int]:
    """The widths of the columns to cut, in cells: what is left for them, at least an eighth."""
    from rich.cells import cell_len  # noqa: PLC0415 - a pipe needs no rich

    needed = {
        column: max(map(cell_len, (column, *(row[index] for row in rows))))
        for index, column in enumerate(columns)
    }
    free = width - 2 * (len(columns) - 1) - sum(needed[one] for one in columns if one not in cut)
    widths: dict[str, int] = {}
    for number, column in enumerate(sorted(cut, key=needed.__getitem__)):
        share = max(width // _LEAST_SHARE, free // (len(cut) - number))
        widths[column] = min(needed[column], share)
        free -= widths[column]
    return widths


def _on_a_line(text: str) -> str:
    return " ".join(printable(text).split())


def printable(text: str) -> str:
    """``text`` without control characters: what a user has typed must not control a terminal."""
    return _UNSAFE.sub(lambda found: _escaped(found[0]), text)


def _escaped(char: str) -> str:
    return f"\\u{ord(char):04x}" if char > "\xff" else f"\\x{ord(char):02x}"


def _to_json(value: object) -> str | None:
    return iso(value) if isinstance(value, datetime) else str(value)


def _shown(cell: object) -> str:
    if cell is None:
        return ""
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def _plain(cell: object) -> str:
    return "" if cell is None else str(cell)
