"""What a session tells about itself: its prompts, and its summary."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from ..concurrency.cancellation import run_to_completion
from ..explanations import Explainer, Prompts, summary_on
from ..log.server.server import explaining
from ..policies.checks import check_seq
from .pinning import Pinning

if TYPE_CHECKING:
    from agents.memory import SessionSettings

    from ..connection.connections import Connections
    from ..explanations import Explanation, SessionSummary
    from ..history.session_state import SessionState
    from ..policies import RetrievalPolicy


class Inspection(Pinning):
    """The methods of a session for whoever wants to know what its model sees."""

    session_id: str
    policy: RetrievalPolicy | None
    _connections: Connections
    _settings: SessionSettings | None
    _state: SessionState

    @explaining
    async def explain(self, *, at_seq: int | None = None) -> Explanation:
        """Tell what the model sees of this session, and why. ``print`` draws the result.

        Nothing is changed, and no summariser is asked. The time is linear in the number of stored
        items, which the server counts.

        Args:
            at_seq: None explains what :meth:`get_items` would return now. The ``seq`` of an item
                that a model wrote in a run explains what the model was shown for it: the view with
                which the run began, and the items that followed. Not known are an input filter and
                a ``session_input_callback`` of the application, the instructions, items that were
                removed since, and, in the prompt of a run, which of the items that followed were
                added by another worker.

        Raises:
            CannotExplain: there is no such item, no model wrote it in a run, or the summary that
                was shown is removed.
            ValueError: ``at_seq`` is below 1, or has more than 64 bits.
        """
        if at_seq is not None:
            check_seq("at_seq", at_seq)
        explainer = await self._explainer()
        return await (explainer.now() if at_seq is None else explainer.at(at_seq))

    @explaining
    async def summary(self) -> SessionSummary | None:
        """The newest summary as text, with the range of each segment; None if there is none.

        None also if a policy other than :class:`SummarizeOlder` has stored it.
        """
        history = await self._history()
        anchor, log = await history.latest_summary(), history.session_log.log
        return None if anchor is None else await summary_on(log, self.session_id, anchor)

    @explaining
    async def forget_summary(self) -> int:
        """Remove every summary of this session; return how many there were.

        For a better prompt, or another model: the next folds make the summary anew, from the oldest
        items on. The items are not touched. It costs as many requests to the summariser as all
        folds before. Each write starts one fold, and ``store.fold_pending`` makes all of them.
        Until they are made, the view shows no summary of what they will cover, and leaves it out.

        A fold under way, in any process, cannot store its result. A pause after a failure ends. The
        total of the summariser's tokens, which is stored with each summary, begins at 0 again.
        """
        log = await self._log()
        try:
            return await run_to_completion(log.log.claims.forget(self.session_id))
        finally:
            self._state.skip_maintenance_until = 0

    async def _explainer(self) -> Explainer:
        state = copy(self._state)  # the reads must not change what the session remembers
        state.counts_are_checked = True
        log = await self._log(state)
        history = self._connections.current().history(log)
        limit = None if self._settings is None else self._settings.limit
        prompts = Prompts(history, log.log.receipts, self.policy, limit)
        counting = self._connections.state.counting
        return Explainer(log.log, prompts, has_token_counts=counting.is_on)
