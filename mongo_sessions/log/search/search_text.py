"""The text of an item as an expression of the server: the fields that a search compares.

``mongo_sessions/policies/recall/texts.py`` reads the same fields in memory; a test compares the
two. No shape of an item makes an expression fail: each value is used only if it is a string.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Expression: TypeAlias = "dict[str, Any] | str"

MOST_PARTS = 64
"""The parts of a list that are read: the server copies the text of all parts before each one."""

OWN_TOOLS = ("search_history", "read_history")
OWN_RECORD = "<conversation_record>"
"""The tools of this package, and the beginning of their outputs: they repeat what is found."""

_PART_FIELDS = ("text", "refusal", "transcript", "stdout", "stderr", "logs", "filename")
_OBJECT_FIELDS = ("text", "command", "commands", "query", "queries", "path", "diff")
_FIELDS = (
    *("content", "output", "arguments", "input", "name", "summary", "action", "operation"),
    *("queries", "results", "code", "outputs"),
)

TEXT_PATHS = (
    "item",
    *(f"item.{field}" for field in _FIELDS),
    *(f"item.{field}.{part}" for field in ("content", "output") for part in _PART_FIELDS),
    *(f"item.{field}.text" for field in ("summary", "results")),
    "item.outputs.logs",
    *(f"item.{field}.{inner}" for field in ("action", "operation") for inner in _OBJECT_FIELDS),
)
"""The paths of the same fields, for an index of words."""


def item_text() -> Expression:
    """The texts of an item, one a line. An item that is stored as JSON text is one text.

    The common shapes come first: most of the time of a search is spent here.
    """
    call: Expression = {"$concat": [_if_string("$item.name"), "\n", "$item.arguments"]}
    is_own_call = {"$in": ["$item.name", list(OWN_TOOLS)]}
    beginning = {"$substrCP": ["$item.output", 0, len(OWN_RECORD)]}
    is_own_output = {"$eq": [beginning, OWN_RECORD]}
    is_call = [_is("string", "$item.arguments"), *_missing("output", "action")]
    is_output = [_is("string", "$item.output"), *_missing("arguments", "action")]
    return _switch(
        (_is("string", "$item.content"), "$item.content"),
        ({"$isArray": ["$item.content"]}, _list("$item.content")),
        ({"$and": is_call}, {"$cond": [is_own_call, "", call]}),
        ({"$and": is_output}, {"$cond": [is_own_output, "", "$item.output"]}),
        (_is("string", "$item"), "$item"),
        default=_lines([_value(f"$item.{field}") for field in _FIELDS]),
    )


def _missing(*fields: str) -> list[Expression]:
    return [{"$eq": [{"$type": f"$item.{field}"}, "missing"]} for field in fields]


def _value(value: str) -> Expression:
    fields = [_string_or_strings(f"{value}.{field}") for field in _OBJECT_FIELDS]
    return _switch(
        (_is("string", value), value),
        ({"$isArray": [value]}, _list(value)),
        (_is("object", value), _lines(fields)),
    )


def _list(value: str) -> Expression:
    """The strings of a list, and the texts of its objects."""
    texts = [_if_string(f"$$this.{field}") for field in _PART_FIELDS]
    part = _switch(
        (_is("string", "$$this.text"), "$$this.text"),
        (_is("string", "$$this"), "$$this"),
        default=_lines(texts),
    )
    return {
        "$reduce": {
            "input": {"$slice": [value, MOST_PARTS]},
            "initialValue": "",
            "in": {"$concat": ["$$value", part, "\n"]},
        }
    }


def _string_or_strings(value: str) -> Expression:
    strings = {
        "$reduce": {
            "input": {"$slice": [value, MOST_PARTS]},
            "initialValue": "",
            "in": {"$concat": ["$$value", _if_string("$$this"), "\n"]},
        }
    }
    return _switch((_is("string", value), value), ({"$isArray": [value]}, strings))


def _lines(texts: list[Expression]) -> Expression:
    return {"$concat": [part for text in texts for part in (text, "\n")]}


def _if_string(value: str) -> Expression:
    return {"$cond": [_is("string", value), value, ""]}


def _switch(*branches: tuple[Expression, Expression], default: Expression = "") -> Expression:
    cases = [{"case": case, "then": then} for case, then in branches]
    return {"$switch": {"branches": cases, "default": default}}


def _is(kind: str, value: str) -> Expression:
    return {"$eq": [{"$type": value}, kind]}
