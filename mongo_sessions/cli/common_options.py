"""The common options may stand behind the command, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_WITH_VALUE = ("--uri", "--database", "--collection", "--timeout", "-d", "-c")
_FLAGS = ("--json",)


def hoisted(arguments: Sequence[str]) -> list[str]:
    """The arguments with the common options in front; what follows ``--`` stays in place."""
    common: list[str] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--":
            rest += [argument, *remaining]
        elif argument in _WITH_VALUE:
            value = next(remaining, None)
            if value is None:  # the last argument: a command behind it would be its value
                return [*common, argument]
            common += [argument, value]
        elif argument in _FLAGS or argument.partition("=")[0] in _WITH_VALUE[:4]:
            common.append(argument)
        else:
            rest.append(argument)
    return [*common, *rest]
