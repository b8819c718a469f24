"""Spans of OpenTelemetry: one for each operation on a session, one for each fold.

No attribute holds text of a conversation, a message of an error, or a URI. An error is recorded by
its type alone. See :mod:`.instruments` for the names.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from opentelemetry import context, trace
from opentelemetry.trace import Link, Status, StatusCode

from ..log.server.retry_listener import retry_listener
from ..policies import FoldStatus
from . import instruments as own

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from opentelemetry.trace import SpanContext
    from opentelemetry.util.types import AttributeValue
    from pymongo.errors import PyMongoError
    from typing_extensions import Self

    from ..policies import FoldResult

recording: ContextVar[OperationRecording | None] = ContextVar("recording", default=None)
"""The operation that runs in this context."""

_cause: ContextVar[SpanContext | None] = ContextVar("cause", default=None)
_FAILED = Status(StatusCode.ERROR)


class Recording:
    """A span that is current while it is open, its duration, and the retries meanwhile.

    Inside another recording, retries are counted by the inner one alone.

    Ending a span and recording metrics takes longer than starting a span, so the caller does not
    wait for it: it is done in the next step of the event loop, with the times of the operation.
    """

    def __init__(self, operation: str, name: str, attributes: dict[str, AttributeValue]) -> None:
        self.instruments = own.instruments
        self.labels: dict[str, AttributeValue] = {"db.operation.name": operation}
        """The attributes of metrics."""
        self.attributes = attributes
        """Set on the span at its end: a sampler knows operation and collection by the name."""
        self._retries = 0
        cause = _cause.get()
        links = [Link(cause)] if cause else None
        self._span = self.instruments.tracer.start_span(name, links=links)
        self.context = trace.set_span_in_context(self._span)
        """For the exemplars of the metrics: they name the span."""

    def __enter__(self) -> Self:
        self._token = context.attach(self.context)
        self._listener = retry_listener.set(self._has_retried)
        self._began = time.perf_counter()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        seconds, end = time.perf_counter() - self._began, time.time_ns()
        if error is not None:
            self.fail(error)
        if isinstance(error, GeneratorExit):
            # An unfinished coroutine is deleted, in any context, and perhaps without a loop.
            self._finish(seconds, end)
            return
        retry_listener.reset(self._listener)
        context.detach(self._token)
        asyncio.get_running_loop().call_soon(self._finish, seconds, end)

    def _finish(self, seconds: float, end: int) -> None:
        if self._retries:
            self.attributes["mongo_sessions.retries"] = self._retries
        self.measure(seconds)
        if self._span.is_recording():
            self._span.set_attributes(self.attributes)
            self._span.end(end)

    def fail(self, error: BaseException) -> None:
        self.labels["error.type"] = self.attributes["error.type"] = error_type(error)
        self._span.set_status(_FAILED)

    def measure(self, seconds: float) -> None:
        """Record the duration."""
        raise NotImplementedError

    def _has_retried(self, error: PyMongoError) -> None:
        self._retries += 1
        labels = {**self.labels, "error.type": error_type(error)}
        self.instruments.retries.add(1, labels, self.context)


class OperationRecording(Recording):
    """An operation on a session."""

    def __init__(self, operation: str, session_id: str, collection: str) -> None:
        attributes: dict[str, AttributeValue] = {
            "db.system.name": "mongodb",
            "db.collection.name": collection,
            "db.operation.name": operation,
            "gen_ai.conversation.id": session_id,
        }
        super().__init__(operation, f"{operation} {collection}", attributes)
        self.labels["db.collection.name"] = collection
        self.added_items = self.added_tokens = 0
        self.view_tokens: int | None = None

    def __enter__(self) -> Self:
        self._recording = recording.set(self)
        return super().__enter__()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        super().__exit__(kind, error, traceback)
        if not isinstance(error, GeneratorExit):
            recording.reset(self._recording)

    def measure(self, seconds: float) -> None:
        made, labels = self.instruments, self.labels
        made.operation_seconds.record(seconds, labels, self.context)
        if self.added_items:
            made.items_added.add(self.added_items, labels)
        if self.added_tokens:
            made.tokens_added.add(self.added_tokens, labels)
        if self.view_tokens is not None:
            made.view_tokens.record(self.view_tokens, labels, self.context)


class FoldRecording(Recording):
    """An attempt to fold a block."""

    def __init__(self, session_id: str) -> None:
        super().__init__("fold", "fold", {"gen_ai.conversation.id": session_id})
        self._status = "cancelled"

    def measure(self, seconds: float) -> None:
        self.attributes["mongo_sessions.fold.status"] = self._status
        labels = {**self.labels, "mongo_sessions.fold.status": self._status}
        self.instruments.fold_seconds.record(seconds, labels, self.context)

    def tell(self, result: FoldResult) -> None:
        """Record the result and what it has cost."""
        # Claimed, and then nothing to fold: removed, or folded by another worker.
        is_lost = result.status is FoldStatus.NOTHING_DUE
        self._status = "lost" if is_lost else result.status.name.lower()
        if result.failure is not None:
            self.fail(result.failure.error)
        usage = result.usage
        self.attributes |= {
            "mongo_sessions.summarizer.requests": usage.requests,
            "gen_ai.usage.input_tokens": usage.input_tokens,
            "gen_ai.usage.output_tokens": usage.output_tokens,
        }
        if report := result.report:
            self.attributes |= {
                "mongo_sessions.fold.first_seq": report.first_seq,
                "mongo_sessions.fold.last_seq": report.last_seq,
                "mongo_sessions.fold.tokens": report.folded_tokens,
                "mongo_sessions.summary.tokens": report.summary_tokens,
            }
        if usage.requests:
            self.instruments.summarizer_requests.add(usage.requests)
            for kind, tokens in (("input", usage.input_tokens), ("output", usage.output_tokens)):
                self.instruments.summarizer_tokens.add(tokens, {"gen_ai.token.type": kind})


@contextmanager
def observe_fold(session_id: str) -> Iterator[Callable[[FoldResult], object]]:
    """The :class:`FoldObserver` of this process."""
    with FoldRecording(session_id) as fold:
        yield fold.tell


def linked(work: Callable[[], Awaitable[bool]]) -> Callable[[], Awaitable[bool]]:
    """``work`` for the background, whose spans have a link to the caller's span.

    They are not its children: the caller ends before them.
    """
    cause = trace.get_current_span().get_span_context()
    if not cause.is_valid:
        return work

    async def run() -> bool:
        token = _cause.set(cause)
        try:
            return await work()
        finally:
            _cause.reset(token)

    return run


def error_type(error: BaseException) -> str:
    """The qualified name of its class."""
    module, name = type(error).__module__, type(error).__qualname__
    return name if module == "builtins" else f"{module}.{name}"
