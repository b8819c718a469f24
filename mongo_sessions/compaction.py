"""What the SDK's compaction session asks of the session that it wraps, if that can replace items.

These are private names of the SDK: tests/sdk/test_compaction.py fails when it changes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from .log.documents import decode
from .log.retries import run_to_completion

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from agents.items import TResponseInputItem

    from .history import SessionHistory
    from .log.documents import NewItem
    from .log.log import Log
    from .policies import Item

    Encode: TypeAlias = Callable[[Sequence[Item]], Awaitable[list[NewItem]]]

ReplaceSuffix: TypeAlias = "Callable[[int, list[TResponseInputItem]], Awaitable[bool]]"


@dataclass(frozen=True)
class CompactionSnapshot:
    """The newest items, and the way to replace the end of them."""

    items: list[Any]
    complete: bool
    """Whether these are all."""
    replace_suffix: ReplaceSuffix
    """Replace ``items[start:]`` by others, unless the end of the session has changed; whether."""


async def snapshot(
    log: Log,
    history: SessionHistory,
    limit: int,
    prune_prefix: Callable[[Item], bool] | None,
    encode: Encode,
) -> CompactionSnapshot:
    """The newest ``limit`` items as they are stored, whatever a policy would show."""
    documents = await history.newest_documents(limit + 1)
    is_complete = len(documents) <= limit
    documents = documents[-limit:]
    ids = [document["_id"] for document in documents]

    async def replace_suffix(start: int, output: list[TResponseInputItem]) -> bool:
        if not ids[start:]:
            return False
        new = await encode(output)  # type: ignore[arg-type]
        history.forget()
        return await run_to_completion(
            log.replace_end(history.session_id, ids[start:], new, prune_prefix)
        )

    items = [decode(document["item"]) for document in documents]
    return CompactionSnapshot(items, is_complete, replace_suffix)
