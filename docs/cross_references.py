"""Turns the roles in docstrings (``:class:`Entry```) into links of the API reference."""

from __future__ import annotations

import re

import griffe

import mongo_sessions
from mongo_sessions import policies

ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`~?([\w.]+)`")
PACKAGES = (mongo_sessions, policies)


def link(match: re.Match[str]) -> str:
    """A link where the reference has the name, otherwise code."""
    path = match[1]
    for package in PACKAGES:
        name = path.removeprefix(f"{package.__name__}.")
        if name.partition(".")[0] in package.__all__:
            return f"[`{name}`][{package.__name__}.{name}]"
    return f"`{path}`"


class CrossReferences(griffe.Extension):
    """Rewrites each docstring when griffe has loaded it."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        if obj.docstring is not None:
            obj.docstring.value = ROLE.sub(link, obj.docstring.value)
