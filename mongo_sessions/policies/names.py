"""What values and errors are called in messages and in the log.

No memory address helps a reader, and no message of an error may be logged: it may hold text of a
conversation.
"""

from __future__ import annotations

import traceback
from functools import partial
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType

_LONGEST_CHAIN = 5


def name_of(value: object) -> str:
    """A function, method or class by its qualified name, anything else by its repr.

    An object without a repr of its own is named by its class.
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
    """The types of an error and of its causes, their HTTP statuses, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    types = [_type_and_status(cause) for cause in _chain(error)]
    return ", caused by ".join([types[0] + place, *types[1:]])


def _chain(error: BaseException) -> list[BaseException]:
    """The error, what it was raised from, and so on."""
    chain = [error]
    while len(chain) < _LONGEST_CHAIN:
        last = chain[-1]
        cause = last.__cause__ or (None if last.__suppress_context__ else last.__context__)
        if cause is None:
            break
        chain.append(cause)
    return chain


def _type_and_status(error: BaseException) -> str:
    # openai.APIStatusError has it, and so have the errors of other clients.
    status = getattr(error, "status_code", None)
    return _qualified(type(error)) + (f" (HTTP status {status})" if isinstance(status, int) else "")


def _qualified(value: FunctionType | MethodType | BuiltinFunctionType | type) -> str:
    is_builtin = value.__module__ in (None, "builtins")
    return value.__qualname__ if is_builtin else f"{value.__module__}.{value.__qualname__}"
