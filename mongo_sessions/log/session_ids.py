"""Validate session ids, and query the ids with a prefix."""

from __future__ import annotations

from .documents import is_utf8

MAX_ID_BYTES = 1024
"""In UTF-8. MongoDB's own limit is the size of a document: 16 MB."""

_LAST_CHARACTER = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


def check_session_id(session_id: object) -> None:
    """Raise TypeError unless it is a str, ValueError if it is empty, too long or not Unicode."""
    check_part_of_id("session_id", session_id)  # a dict would be a query operator
    if not session_id:
        raise ValueError("session_id must not be empty")


def check_part_of_id(name: str, text: object) -> None:
    """The same check, except that the text may be empty: a prefix, or the last id of a page."""
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a str, got {text!r}")
    if not is_utf8(text):
        raise ValueError(f"{name} must be valid Unicode, got {text[:MAX_ID_BYTES]!r}")
    if (size := len(text.encode())) > MAX_ID_BYTES:
        raise ValueError(f"{name} must have at most {MAX_ID_BYTES:,} bytes, got {size:,}")


def id_range(prefix: str, after: str | None) -> dict[str, str]:
    """A query for the ids that start with ``prefix`` and are greater than ``after``.

    MongoDB compares strings by their UTF-8 bytes: the order of code points, as in Python.
    """
    ids = {"$gte": prefix} if after is None or after < prefix else {"$gt": after}
    end = _end_of(prefix)
    return ids if end is None else {**ids, "$lt": end}


def _end_of(prefix: str) -> str | None:
    """The least string that is greater than every string with the prefix; None if none is."""
    stem = prefix.rstrip(chr(_LAST_CHARACTER))
    if not stem:
        return None
    following = ord(stem[-1]) + 1
    if following in _SURROGATES:  # surrogates are not characters, and have no UTF-8
        following = _SURROGATES.stop
    return stem[:-1] + chr(following)
