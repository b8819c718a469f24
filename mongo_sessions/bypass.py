"""Uses of a session that bypass its policy without an error: each is logged once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .policies import Item

logger = logging.getLogger("mongo_sessions")

_ENVELOPE = {"__enc__", "v", "kid", "payload"}


def is_encrypted(item: Item) -> bool:
    """Whether this is an envelope of the SDK's EncryptedSession, which hides the item."""
    return item.get("__enc__") == 1 and item.keys() >= _ENVELOPE


class Bypasses:
    """Logs a warning at the first bypass of each kind."""

    def __init__(self) -> None:
        self._warned: set[str] = set()

    def by_limit(self, session_id: str, limit: int) -> None:
        """A run asks for the newest ``limit`` items of a session with a policy."""
        self._warn(
            f"RunConfig(session_settings=SessionSettings(limit={limit})) bypasses the policy of "
            f"session {session_id!r}: with a limit, the SDK asks for the newest items as they are. "
            "Take the limit out of the RunConfig, or use a session without a policy: "
            f"store.session({session_id!r}, policy=None)",
            kind="limit",
        )

    def by_encryption(self, session_id: str, items: Sequence[Item]) -> None:
        """Check items added to a session with a policy for the envelopes of EncryptedSession."""
        if any(map(is_encrypted, items)):
            self._warn(
                f"EncryptedSession hides the items of session {session_id!r} from its policy: it "
                "counts encrypted text, and may show an output without its call, which an API "
                "rejects. Limit them by number, with this as the inner session: "
                f"store.session({session_id!r}, policy=None, "
                "session_settings=SessionSettings(limit=100))",
                kind="encryption",
            )

    def _warn(self, message: str, *, kind: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            logger.warning("%s", message)
