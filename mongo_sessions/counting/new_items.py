"""Items of the SDK, encoded and counted for the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ..log.documents import NewItem, encode
from ..policies import starts_turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.items import TResponseInputItem

    from ..policies import Item
    from .counting import Counting


def from_sdk(items: list[TResponseInputItem]) -> Sequence[Item]:
    """The same items: the SDK's types describe JSON objects."""
    return cast("Sequence[Item]", items)


def to_sdk(items: list[Item]) -> list[TResponseInputItem]:
    """The same items, as the SDK's types."""
    return cast("list[TResponseInputItem]", items)


async def to_new_items(
    items: list[TResponseInputItem], counting: Counting, first: int = 0
) -> list[NewItem]:
    """Encode and count each item. Errors number them from ``first``.

    Raises:
        InvalidItem: an item is not a JSON object.
        ItemTooLarge: an item does not fit into one document.
    """
    if not items:
        return []
    ours = from_sdk(items)
    encoded, sizes = zip(
        *(encode(item, f"items[{index}]") for index, item in enumerate(ours, first)), strict=True
    )
    counts = await counting.all(ours, sum(sizes))
    return [
        NewItem(document, size, tokens, starts_turn(item))
        for document, size, tokens, item in zip(encoded, sizes, counts, ours, strict=True)
    ]
