"""What the SDK's compaction session asks of a session whose items can be replaced.

These are private names of the SDK: tests/sdk/test_compaction.py fails when it changes them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ..counting.new_items import to_new_items
from ..log.documents import decode
from ..log.server.server import explaining

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agents.items import TResponseInputItem

    from ..connection.connections import Connections
    from ..counting.counting import Counting
    from ..history.session_log import SessionLog
    from ..policies import Item

ReplaceSuffix: TypeAlias = "Callable[[int, list[TResponseInputItem]], Awaitable[bool]]"
MayPrune: TypeAlias = "Callable[[TResponseInputItem], bool]"


@dataclass(frozen=True, slots=True)
class CompactionSnapshot:
    """The newest items, and a function that replaces the end of them."""

    items: list[Any]
    complete: bool
    """Whether these are all items of the session."""
    replace_suffix: ReplaceSuffix
    """Replace ``items[start:]``. False if the end of the session has changed since."""


class CompactionHooks(ABC):
    """The two private methods that the SDK's compaction session looks for on a session."""

    session_id: str
    _connections: Connections

    @abstractmethod
    async def _replaceable_log(self) -> SessionLog | None:
        """The log of the session; None if its items can only be cleared and added again."""

    @explaining
    async def _get_compaction_snapshot(
        self, limit: int, *, prune_prefix: MayPrune | None = None
    ) -> CompactionSnapshot | None:
        """The newest items, to be replaced by fewer; None if only clear and add can do it."""
        log = await self._replaceable_log()
        if log is None:
            return None
        return await _snapshot(log, limit, prune_prefix, self._connections.state.counting)

    @explaining
    async def _atomic_replace_items(self, items: list[TResponseInputItem]) -> bool:
        """Replace everything; return False if only clear and add can do it."""
        log = await self._replaceable_log()
        if log is None:
            return False
        await log.replace_all(await to_new_items(items, self._connections.state.counting))
        return True


async def _snapshot(
    log: SessionLog, limit: int, prune_prefix: MayPrune | None, counting: Counting
) -> CompactionSnapshot:
    """The newest ``limit`` items as they are stored, whatever a policy would show."""
    documents = await log.newest_documents(limit + 1)
    is_complete = len(documents) <= limit
    documents = documents[-limit:]
    ids = [document["_id"] for document in documents]
    may_prune = cast("Callable[[Item], bool] | None", prune_prefix)

    async def replace_suffix(start: int, output: list[TResponseInputItem]) -> bool:
        if not ids[start:]:
            return False
        new = await to_new_items(output, counting)
        return await log.replace_end(ids[start:], new, may_prune)

    items = [decode(document["item"]) for document in documents]
    return CompactionSnapshot(items, is_complete, replace_suffix)
