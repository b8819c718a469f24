"""The filter of a session for the model calls of its runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from ..policies import HasRecall, TiktokenCounter
from ..policy_checks import check_policy
from ..runs.input_filter import run_filter
from ..runs.run_blocks import RunBlocks
from .ownership import Ownership

if TYPE_CHECKING:
    from agents.run_config import CallModelInputFilter

    from ..connection.connections import Connections
    from ..history.session_state import SessionState
    from ..policies import RetrievalPolicy, TokenCounter
    from ..runs.input_filter import RunFilter

_DEFAULT_COUNTER = TiktokenCounter()


class RunFilters(Ownership, ABC):
    """The method of a session that makes filters."""

    policy: RetrievalPolicy | None
    _connections: Connections
    _state: SessionState

    @property
    @abstractmethod
    def overhead_tokens(self) -> int: ...

    def input_filter(
        self,
        policy: RetrievalPolicy | None = None,
        *,
        token_counter: TokenCounter | None = None,
        after: CallModelInputFilter | None = None,
    ) -> RunFilter:
        """The filter for ``RunConfig(call_model_input_filter=…)``: see :func:`input_filter`.

        It does no I/O. Use it for runs with this session object: :class:`Recall` recalls what the
        view that was read last does not show.

        Args:
            policy: By default the one of the session.
            token_counter: By default that of the store.
            after: A filter of yours, which runs first.

        Raises:
            TypeError: an argument has the wrong type.
            ValueError: neither ``policy`` nor the session has a policy.
        """
        chosen = self.policy if policy is None else policy
        if chosen is None:
            raise ValueError("policy must be given, because the session has none")
        check_policy(chosen, has_token_counts=True)
        counting = self._connections.state.counting
        counter = token_counter or (counting.one if counting.is_on else _DEFAULT_COUNTER)
        blocks = (
            RunBlocks(chosen, self._history, self._state) if isinstance(chosen, HasRecall) else None
        )
        return run_filter(chosen, token_counter=counter, session=self, after=after, blocks=blocks)
