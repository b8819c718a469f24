"""Dates in an export: ISO 8601 in UTC, with milliseconds, as MongoDB stores them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone


def to_text(date: datetime) -> str:
    """``2026-01-31T12:00:00.000Z``; a date without a time zone is in UTC."""
    utc = date.astimezone(timezone.utc) if date.tzinfo else date
    return utc.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def from_text(name: str, text: object) -> datetime:
    """The date that :func:`to_text` has written as ``text``; ``name`` is for the error.

    Raises:
        ValueError: the text has another form.
    """
    if isinstance(text, str):
        try:
            date = datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=timezone.utc)
        except ValueError:
            date = None
        if date is not None and to_text(date) == text:
            return date
    raise ValueError(f"{name} must be a date such as 2026-01-31T12:00:00.000Z")


def in_milliseconds(date: datetime) -> datetime:
    """The date as MongoDB stores it."""
    return date - timedelta(microseconds=date.microsecond % 1000)
