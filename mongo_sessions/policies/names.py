"""What values and errors are called in messages and in the log: without memory addresses."""

from __future__ import annotations

from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType


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


def _qualified(value: FunctionType | MethodType | BuiltinFunctionType | type) -> str:
    is_builtin = value.__module__ in (None, "builtins")
    return value.__qualname__ if is_builtin else f"{value.__module__}.{value.__qualname__}"
