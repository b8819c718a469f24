"""The pinned items of a session: shown word for word when a summary covers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..concurrency.cancellation import run_to_completion
from ..errors import CannotPin
from ..history.history import to_pinned
from ..log.pins import MOST_PINS
from ..log.server.server import explaining
from ..policies import HasPins
from ..policies.checks import check_seq
from ..policies.names import name_of
from .session_card import HasCard

if TYPE_CHECKING:
    from ..connection.connections import Connections
    from ..history.history import SessionHistory
    from ..history.session_log import SessionLog
    from ..history.session_state import SessionState
    from ..policies import PinnedItem, RetrievalPolicy


# They are stored with each summary. It bounds their size if a token counter counts too little.
_MOST_CHARACTERS = 200_000


class Pinning(HasCard):
    """The methods of a session about its pinned items."""

    session_id: str
    policy: RetrievalPolicy | None
    _connections: Connections
    _state: SessionState

    @explaining
    async def pin(self, seq: int) -> None:
        """Keep an item visible for ever, word for word, also when a summary covers it.

        :class:`SummarizeOlder` shows pinned items at the end of its summary message, in a quarter
        of ``summary_tokens``. Pinning an item again changes nothing. ``pop_item`` and
        ``clear_session`` remove pinned items, too, and so does the store's retention.

        Raises:
            CannotPin: there is no such item, the pinned items have no room for it, or the session's
                policy shows no pinned items.
            ValueError: ``seq`` is below 1.
        """
        check_seq("seq", seq)
        policy = self.policy
        if not isinstance(policy, HasPins):
            given = "no policy" if policy is None else name_of(policy)
            raise CannotPin(
                f"session {self.session_id!r} has {given}: SummarizeOlder shows pinned items"
            )
        log, history = await self._pins_of()
        was_pinned = seq in {pin.seq for pin in await self._all(log)}
        # Marked first, and counted then: of two pins at the same time, one counts both.
        if not await run_to_completion(log.log.pins.pin(self.session_id, seq)):
            raise CannotPin(f"there is no item {seq} in session {self.session_id!r}")
        if was_pinned:
            return
        pins = await self._all(log)
        tokens = policy.tokens_of_pins(history, pins)
        characters = sum(len(str(pin.item)) for pin in pins)
        has_room = tokens <= policy.pin_tokens and characters <= _MOST_CHARACTERS
        if not has_room or len(pins) > MOST_PINS:
            await run_to_completion(log.log.pins.unpin(self.session_id, seq))
            raise CannotPin(
                f"with item {seq}, the pinned items of session {self.session_id!r} would have "
                f"{tokens} tokens in {len(pins)} items; there is room for {policy.pin_tokens} "
                f"tokens (a quarter of summary_tokens), {_MOST_CHARACTERS:,} characters and "
                f"{MOST_PINS} items"
            )

    @explaining
    async def unpin(self, seq: int) -> None:
        """Show the item as any other again. If it is not pinned, nothing is changed."""
        check_seq("seq", seq)
        log, _ = await self._pins_of()
        await run_to_completion(log.log.pins.unpin(self.session_id, seq))

    @explaining
    async def pinned(self) -> list[PinnedItem]:
        """The pinned items, oldest first: ``seq``, ``item`` and ``created_at`` of each."""
        log, _ = await self._pins_of()
        return await self._all(log)

    async def _pins_of(self) -> tuple[SessionLog, SessionHistory]:
        history = await self._history()
        return history.session_log, history

    async def _all(self, log: SessionLog) -> list[PinnedItem]:
        return [*to_pinned(await log.log.pins.all(self.session_id))]
