"""Names of values and errors for error messages and log records.

Memory addresses are left out. The message of an error is never logged: it may hold text of a
conversation.
"""

from __future__ import annotations

import traceback
from functools import partial
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType

_LONGEST_CHAIN = 5


def name_of(value: object) -> str:
    """The qualified name of a function, method or class; the repr of any other value.

    An object with the default repr is named by its class.
    """
    if isinstance(value, partial):
        return f"a partial of {name_of(value.func)}"
    if isinstance(value, (FunctionType, MethodType, BuiltinFunctionType)):
        return _qualified(value)
    if isinstance(value, type):
        return f"the class {_qualified(value)}"
    if type(value).__repr__ is object.__repr__:
        return f"an object of {_qualified(type(value))}"
    return repr(value)


def describe_error(error: BaseException) -> str:
    """The types and HTTP statuses of an error and its causes, and the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    types = [_type_and_status(cause) for cause in _chain(error)]
    return ", caused by ".join([types[0] + place, *types[1:]])


def _chain(error: BaseException) -> list[BaseException]:
    """The error, its cause, the cause of that, and so on."""
    chain = [error]
    while len(chain) < _LONGEST_CHAIN:
        last = chain[-1]
        cause = last.__cause__ or (None if last.__suppress_context__ else last.__context__)
        if cause is None:
            break
        chain.append(cause)
    return chain


def _type_and_status(error: BaseException) -> str:
    # An attribute of openai.APIStatusError, and of the errors of other HTTP clients.
    status = getattr(error, "status_code", None)
    return _qualified(type(error)) + (f" (HTTP status {status})" if isinstance(status, int) else "")


def _qualified(value: FunctionType | MethodType | BuiltinFunctionType | type) -> str:
    is_builtin = value.__module__ in (None, "builtins")
    return value.__qualname__ if is_builtin else f"{value.__module__}.{value.__qualname__}"
