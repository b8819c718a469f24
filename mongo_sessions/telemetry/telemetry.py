"""What is told to OpenTelemetry where ``opentelemetry-api`` is installed; otherwise nothing.

Without a provider, which its SDK has, the objects of the API do nothing. An application that wants
no telemetry of this package sets none, or disables it in the SDK.
"""

from __future__ import annotations

from contextlib import nullcontext
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from ..policies.summarize.fold_observers import fold_observers
from ..policies.view import Added

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractContextManager

    from ..log.documents import Document, Head, NewItem
    from ..policies import View

    Work = Callable[[], Awaitable[bool]]

_OLDEST_API = (1, 30)  # the first whose histograms are given their bucket boundaries


def _has_api() -> bool:
    try:
        major, minor, *_ = version("opentelemetry-api").split(".")
    except PackageNotFoundError:
        return False
    return (int(major), int(minor)) >= _OLDEST_API


IS_ON = _has_api()
if IS_ON:
    from . import spans

    fold_observers.append(spans.observe_fold)


def operation(name: str, session_id: str, collection: str) -> AbstractContextManager[object]:
    """Surround an operation. The functions below add to it what is known inside."""
    if not IS_ON:
        return nullcontext()
    return spans.OperationRecording(name, session_id, collection)


def note_added(items: Sequence[NewItem], head: Head | None) -> None:
    """The operation has stored these items; ``head`` is the newest place after them, if known."""
    if not (IS_ON and (recording := spans.recording.get())):
        return
    counts = [item.tokens for item in items if item.tokens is not None]
    tokens = sum(counts) if len(counts) == len(items) else None
    recording.attributes["mongo_sessions.items"] = len(items)
    if tokens is not None:
        recording.attributes["mongo_sessions.tokens"] = tokens
    if head is not None:
        recording.attributes["mongo_sessions.seq"] = head.seq
    recording.added_items, recording.added_tokens = len(items), tokens or 0


def note_removed(items: int) -> None:
    """The operation has removed this number of items."""
    if IS_ON and (recording := spans.recording.get()):
        recording.attributes["mongo_sessions.items"] = items


def note_read(documents: Sequence[Document], limit: int | None) -> None:
    """The operation returns these documents, without a policy."""
    if not (IS_ON and (recording := spans.recording.get())):
        return
    recording.attributes["mongo_sessions.items"] = len(documents)
    recording.attributes["mongo_sessions.tokens"] = sum(
        document.get("tokens") or 0 for document in documents
    )
    if limit is not None:
        recording.attributes["mongo_sessions.limit"] = limit


def note_view(view: View) -> None:
    """The operation returns this view."""
    if not (IS_ON and (recording := spans.recording.get())):
        return
    tokens = _tokens(view)
    recording.attributes |= {
        "mongo_sessions.items": len(view.parts),
        "mongo_sessions.tokens": tokens,
        "mongo_sessions.cut.reason": view.reason.name.lower(),
    }
    optional = {
        "mongo_sessions.cut.seq": view.start_seq,
        "mongo_sessions.budget": view.budget,
        "mongo_sessions.summary.seq": view.anchor.seq if view.anchor else None,
    }
    recording.attributes |= {name: value for name, value in optional.items() if value is not None}
    recording.view_tokens = tokens


def note_usage(input_tokens: int, cached_tokens: int | None) -> None:
    """The items of the operation come from a model call that had this usage. None: not known."""
    if not (IS_ON and (recording := spans.recording.get())):
        return
    recording.attributes["gen_ai.usage.input_tokens"] = input_tokens
    if cached_tokens is not None and input_tokens:
        recording.attributes["gen_ai.usage.cache_read.input_tokens"] = cached_tokens
        recording.attributes["mongo_sessions.cached_share"] = cached_tokens / input_tokens


def linked(work: Work) -> Work:
    """``work`` for the background, whose spans name the span that is current now as their cause."""
    return spans.linked(work) if IS_ON else work


def _tokens(view: View) -> int:
    """Stored counts. Of the items that a policy has made, only a summary has one."""
    summary = view.anchor.summary if view.anchor else None
    made = (summary or {}).get("tokens") or 0
    return made + sum(part.tokens for part in view.parts if not isinstance(part, Added))
