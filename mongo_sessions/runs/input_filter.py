"""The filter that applies a policy to every model call of a run."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast, runtime_checkable

from ..counting.cached_counts import CachedCounts
from ..policies import HasRecall, TiktokenCounter, policy_in_run, view_in_run
from ..policies.checks import check_callable
from ..policies.names import name_of
from ..policy_checks import check_policy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agents.items import TResponseInputItem
    from agents.run_config import CallModelData, CallModelInputFilter, ModelInputData

    from ..policies import Item, RetrievalPolicy, TokenCounter
    from .run_blocks import RunBlocks

RunFilter: TypeAlias = "Callable[[CallModelData[Any]], Awaitable[ModelInputData]]"

_DEFAULT_COUNTER = TiktokenCounter()


@runtime_checkable
class HasOverhead(Protocol):
    """A session that knows what a prompt has besides the history, such as a ``MongoSession``."""

    @property
    def overhead_tokens(self) -> int:
        """Tokens of instructions, tools and additions of the provider; 0 while unknown."""


@runtime_checkable
class HasInputFilter(Protocol):
    """A session that makes filters of its own, such as a ``MongoSession``."""

    def input_filter(
        self,
        policy: RetrievalPolicy | None = None,
        *,
        token_counter: TokenCounter | None = None,
        after: CallModelInputFilter | None = None,
    ) -> RunFilter:
        """The filter of a policy that may search this session."""


def input_filter(
    policy: RetrievalPolicy,
    *,
    token_counter: TokenCounter = _DEFAULT_COUNTER,
    session: HasOverhead | None = None,
    after: CallModelInputFilter | None = None,
) -> RunFilter:
    """Bound the input of every model call of a run: for ``RunConfig(call_model_input_filter=…)``.

    A session is asked for its view once, at the beginning of a run. Then the input grows with each
    tool call. This filter shows the model what ``policy`` shows of it. If everything fits, the
    input is not changed. Nothing is stored, and the run keeps all its items. Cuts fall only where
    the policy makes them, a block at a time, so a provider's prompt cache can reuse the prompts in
    between.

    Always kept, and deducted from the budget: a summary at the beginning, the newest user message,
    and calls of the newest response that have no output yet. The newest group (one item, or one
    model response with its calls and outputs) is always kept, even above the budget;
    ``TrimToolOutputs(…, newest_max_tokens=…)`` bounds the outputs in it. If everything does not
    fit, invalid items (an output without its call, for example) are left out, too.

    :class:`TokenLimit` and :class:`LastTurns` cut. :class:`SummarizeOlder` keeps the summary that
    the run began with, and cuts; it does not summarise. :class:`TrimToolOutputs` shortens.
    :class:`Recall` adds a block in front of the newest user message.

    Do not use it with a conversation that the server stores (``conversation_id`` or
    ``previous_response_id``): there, each call has only the new items.

    Args:
        policy: Any policy. Use the one of the session, or another one.
        token_counter: Use that of the store. Counts are kept by the content of an item, up to
            10,000 of them.
        session: Its ``overhead_tokens`` are deducted by ``TokenLimit(…, whole_prompt=True)``.
            :class:`Recall` searches it, and needs it: ``session.input_filter()`` is shorter.
        after: A filter of yours, which runs first. This one bounds its result.

    Raises:
        TypeError: the policy is not a coroutine function, or another argument not a callable;
            ``session`` does not know its overhead; or the policy is a :class:`Recall`, and
            ``session`` is not a :class:`MongoSession`.
    """
    check_policy(policy, has_token_counts=True)
    if isinstance(policy, HasRecall):
        if not isinstance(session, HasInputFilter):
            raise TypeError(
                f"session must be the MongoSession that {name_of(policy)} searches, "
                f"got {name_of(session)}"
            )
        return session.input_filter(policy, token_counter=token_counter, after=after)
    return run_filter(policy, token_counter=token_counter, session=session, after=after)


def run_filter(
    policy: RetrievalPolicy,
    *,
    token_counter: TokenCounter,
    session: HasOverhead | None,
    after: CallModelInputFilter | None,
    blocks: RunBlocks | None = None,
) -> RunFilter:
    """The filter of :func:`input_filter`. ``blocks`` are added in front of the newest message."""
    check_callable("token_counter", token_counter)
    if session is not None and not isinstance(session, HasOverhead):
        raise TypeError(
            f"session must have overhead_tokens, as a MongoSession does, got {name_of(session)}"
        )
    if after is not None and not callable(after):
        raise TypeError(f"after must be a callable, got {name_of(after)}")
    run_policy = policy_in_run(policy)
    counts = CachedCounts(token_counter)

    async def bounded(data: CallModelData[Any]) -> ModelInputData:
        model_data = data.model_data if after is None else await _result_of(after, data)
        items = cast("list[Item]", model_data.input)
        count_tokens = await counts.prepare(items)
        shown = await view_in_run(
            run_policy,
            items,
            count_tokens=count_tokens,
            overhead_tokens=0 if session is None else session.overhead_tokens,
        )
        if blocks is not None:
            shown = await blocks.added_to(shown, items, counts)
        return replace(model_data, input=cast("list[TResponseInputItem]", shown))

    return bounded


async def _result_of(after: CallModelInputFilter, data: CallModelData[Any]) -> ModelInputData:
    from agents.run_config import ModelInputData  # noqa: PLC0415 - loaded: a run is under way

    result = after(data)
    model_data = await result if inspect.isawaitable(result) else result
    if not isinstance(model_data, ModelInputData):
        raise TypeError(f"after must return a ModelInputData, got {type(model_data).__name__}")
    items: object = model_data.input
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise TypeError("after must return a ModelInputData whose input is a list of dicts")
    return model_data
