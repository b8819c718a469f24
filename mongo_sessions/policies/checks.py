"""Checks of arguments at construction. Each error names the argument and its value."""

from __future__ import annotations

from functools import partial
from inspect import iscoroutinefunction

from .names import name_of

_YEAR = 365 * 86_400
MAX_SEQ = 2**63 - 1
"""A seq has 64 bits."""


def check_whole_number(
    name: str, value: object, *, at_least: int, at_most: int | None = None
) -> None:
    """Raise TypeError unless ``value`` is an int, ValueError if it is out of range."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < at_least:
        raise ValueError(f"{name} must be at least {at_least}, got {value!r}")
    if at_most is not None and value > at_most:
        raise ValueError(f"{name} must be at most {at_most}, got {value!r}")


def check_seq(name: str, value: object, *, at_least: int = 1) -> None:
    """Check a seq as :func:`check_whole_number` does. Raise ValueError if no item can have it."""
    check_whole_number(name, value, at_least=at_least, at_most=MAX_SEQ)


def checked_count(count: object) -> int:
    """Return ``count`` of a token counter.

    Raises:
        ValueError: it is anything but a whole number from 0 up.
    """
    if not isinstance(count, int) or count < 0:
        raise ValueError(f"token_counter returned {count!r}, not a whole number from 0 up")
    return count


def check_callable(name: str, value: object) -> None:
    """Raise TypeError unless ``value`` is a callable: no class, no coroutine function."""
    if not callable(value) or isinstance(value, type):
        raise TypeError(f"{name} must be a callable, got {name_of(value)}")
    if _is_coroutine_function(value):
        raise TypeError(
            f"{name} is not awaited: define it with def, without async; got {name_of(value)}"
        )


def check_coroutine_function(name: str, value: object) -> None:
    """Raise TypeError unless calling ``value`` returns a coroutine.

    Accepted are ``async def`` functions and methods, objects with an ``async def __call__``,
    partials of either, and ``unittest.mock.AsyncMock``.
    """
    if not _is_coroutine_function(value):
        raise TypeError(
            f"{name} must be a coroutine function: define it with async def, without yield; "
            f"got {name_of(value)}"
        )


def check_seconds(name: str, value: object, *, may_be_zero: bool = False) -> None:
    """Raise TypeError unless ``value`` is a number, ValueError unless it is in (0, one year]."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number of seconds, got {value!r}")
    if not (value > 0 or (may_be_zero and value == 0)):
        raise ValueError(f"{name} must be positive, got {value!r}")
    if value > _YEAR:
        raise ValueError(f"{name} must be at most a year ({_YEAR} seconds), got {value!r}")


def _is_coroutine_function(value: object) -> bool:
    while isinstance(value, partial):
        value = value.func
    if isinstance(value, type):
        return False
    return iscoroutinefunction(value) or iscoroutinefunction(type(value).__call__)
