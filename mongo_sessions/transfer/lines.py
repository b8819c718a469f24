"""The lines of an export: one JSON object each, whose text is the same for the same value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import InvalidLine

if TYPE_CHECKING:
    from collections.abc import Collection

FORMAT = "mongo-sessions"
VERSION = 1
"""It grows when a reader of the version before cannot read the lines, or would lose something."""

HEADER: dict[str, Any] = {"format": FORMAT, "version": VERSION}


def to_line(value: object) -> str:
    """A JSON text without line ends. ASCII: it survives every encoding, lone surrogates, too."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def from_line(line: str | bytes) -> dict[str, Any]:
    """The object in a line.

    Raises:
        ValueError: the line is not a JSON object.
    """
    try:
        text = line.decode() if isinstance(line, bytes) else line
        value = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except json.JSONDecodeError as error:  # its message has no part of the line
        raise ValueError(f"it is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"it is not a JSON object, but of type {type(value).__name__}")  # noqa: TRY004 - the type of a text
    return value


def check_header(value: dict[str, Any], number: int) -> None:
    """Check the first line of an export, which has this number.

    Raises:
        InvalidLine: it is not the beginning of an export, or of one of a newer version.
    """
    if value.get("format") != FORMAT:
        raise InvalidLine(f"line {number}: an export begins with {to_line(HEADER)}")
    version = value.get("version")
    if type(version) is not int or version < 1:
        raise InvalidLine(
            f"line {number}: the version of the format must be a whole number from 1 up"
        )
    if version > VERSION:
        raise InvalidLine(
            f"line {number}: the export has version {version} of the format, and this version of "
            f"mongo-sessions reads {VERSION}: import it with a newer one"
        )


def check_fields(value: dict[str, Any], allowed: Collection[str]) -> None:
    """Raise ValueError if there is another field: it would be lost."""
    for field in value:
        if field not in allowed:
            raise ValueError(f"the field {field[:60]!r} is not known")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
