"""The kind under which the tokens of an item are counted in an explanation."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from .explanation_parts import TokensByKind
from .policies import Added
from .policies.items import traits_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .policies import Item
    from .policies.view import Part


def by_kind(parts: Iterable[tuple[Part, int]]) -> TokensByKind:
    """The tokens of these parts by kind. Each is counted once."""
    tokens: Counter[str] = Counter()
    for part, count in parts:
        is_summary = isinstance(part, Added) and part.kind == "summary"
        tokens["summary" if is_summary else _kind_of(part.item)] += count
    return TokensByKind(**tokens)


def _kind_of(item: Item) -> str:
    traits = traits_of(item)
    if traits.instructs:
        return "user" if traits.starts_turn else "instructions"
    if traits.is_reasoning:
        return "reasoning"
    if traits.is_output:
        return "tool_outputs"
    if item.get("role") == "assistant":
        return "assistant"
    # A call that the provider answers itself, such as web_search_call, needs no output.
    is_call = traits.keys is not None or str(item.get("type")).endswith("_call")
    return "tool_calls" if is_call else "other"
