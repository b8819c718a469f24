"""Tools for the model: to search the stored conversation, and to read a part of it."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from .policies.checks import check_whole_number
from .policies.recall.record import as_record, paragraphs
from .policies.recall.terms import terms_of
from .policies.tokens import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from agents import FunctionTool
    from agents.tool_context import ToolContext

    from .policies import Entry
    from .policies.recall.terms import Term
    from .session.session import MongoSession

    Arguments: TypeAlias = dict[str, Any]
    Answer: TypeAlias = Callable[[Arguments], Awaitable[str]]

_LEAST_TOKENS = 300
# Of the label, the tags and the notes of an answer.
_TOKENS_AROUND = 200
_MOST_HITS = 20
_HITS_AT_LEAST = 4
"""A long item takes no more than this part of an answer to a search."""
_LARGEST_SEQ = 2**53
# A model that reads a range with little text in it gets an answer after this many items.
_MOST_ITEMS = 500

_SEARCH = (
    "Search the whole stored record of this conversation by words, also the part that you no "
    "longer see. Use it before you say that you do not know what may have been said, decided or "
    "done earlier. It returns the best matching items with seq and time; read_history reads around "
    "them."
)
_READ = (
    "Read a part of the stored record of this conversation, word for word, by the seqs that "
    "search_history or a summary names. It returns a page, and says how to continue."
)
_TIME = "Only items {} this time, in ISO 8601, such as 2026-11-24 or 2026-11-24T15:00Z. UTC."


class _BadArgument(Exception):
    """An argument of the model that it can correct; the message is for the model."""


def search_tool(session: MongoSession, *, max_tokens: int = 2_000) -> FunctionTool:
    """The tool ``search_history(query, before, after)``, which searches this session.

    Its answer is a record with seq, time and role of each item, of at most ``max_tokens`` tokens,
    which are estimated. It is marked as data: tags of this package in it are escaped. Calls and
    outputs are shortened to 2,000 characters, and no item takes more than a quarter of the answer:
    of a longer one, the part with the words is shown. A wrong argument of the model is answered by
    a text that says what is wrong. Errors of the database are raised.

    Raises:
        ValueError: ``max_tokens`` is below 300.
    """
    check_whole_number("max_tokens", max_tokens, at_least=_LEAST_TOKENS)
    properties = {
        "query": {"type": "string", "description": "Words to look for; names and numbers count."},
        "before": _or_null("string", _TIME.format("before")),
        "after": _or_null("string", _TIME.format("at or after")),
    }
    answer = partial(_search, session, max_tokens)
    return _tool("search_history", _SEARCH, properties, answer)


def read_tool(session: MongoSession, *, max_tokens: int = 4_000) -> FunctionTool:
    """The tool ``read_history(from_seq, to_seq)``, which reads a part of this session in pages.

    A page has at most ``max_tokens`` tokens, which are estimated, and says where the next one
    begins. An item that is longer is shortened. Otherwise as :func:`search_tool`.

    Raises:
        ValueError: ``max_tokens`` is below 300.
    """
    check_whole_number("max_tokens", max_tokens, at_least=_LEAST_TOKENS)
    properties = {
        "from_seq": {"type": "integer", "description": "The first seq to read, from 1."},
        "to_seq": _or_null("integer", "The last seq to read; null: as far as a page goes."),
    }
    answer = partial(_read, session, max_tokens)
    return _tool("read_history", _READ, properties, answer)


async def _search(session: MongoSession, max_tokens: int, arguments: Arguments) -> str:
    query = arguments.get("query")
    if not isinstance(query, str) or not query.strip():
        raise _BadArgument("query must be a text with at least one word")
    found = await session.search(
        query,
        before=_time("before", arguments.get("before")),
        after=_time("after", arguments.get("after")),
        limit=_MOST_HITS,
    )
    notes = []
    if not found.is_complete:
        notes.append(
            f"The search took too long: only items from seq {found.searched_from_seq} on were "
            "compared. To search older ones, give before."
        )
    if not found.hits:
        return " ".join(["Nothing in the record matches these words. Try other words.", *notes])
    page = _Page(max_tokens, max_tokens // _HITS_AT_LEAST, terms_of(query))
    shown = 0
    for hit in found.hits:
        if not page.add_all(hit.entries):
            break
        shown += 1
    if shown < len(found.hits) or shown == _MOST_HITS:
        notes.append("There are more matches: use rarer words, or before and after.")
    notes.append("To read around an item, call read_history with seqs near it.")
    return page.text(notes)


async def _read(session: MongoSession, max_tokens: int, arguments: Arguments) -> str:
    start = _seq("from_seq", arguments.get("from_seq"))
    end = arguments.get("to_seq")
    end = _LARGEST_SEQ if end is None else _seq("to_seq", end)
    if end < start:
        raise _BadArgument(f"to_seq must be at least from_seq, got {end} and {start}")
    page = _Page(max_tokens)
    read = 0
    async for entry in session.entries(start - 1):
        if entry.seq > end:
            break
        if read == _MOST_ITEMS or not page.add_all([entry]):
            return page.text([f"There is more: continue with from_seq={entry.seq}."])
        read += 1
    if not read:
        return f"There is no item from seq {start} on{'' if end == _LARGEST_SEQ else f' to {end}'}."
    return page.text(["This is the end of the record." if end == _LARGEST_SEQ else "This is all."])


class _Page:
    """A record that is filled up to a number of tokens.

    Args:
        max_tokens: Of the record, with its label and its notes.
        of_item: The most tokens of an item; None for no limit.
        terms: What a longer item is shortened around.
    """

    def __init__(
        self, max_tokens: int, of_item: int | None = None, terms: Sequence[Term] = ()
    ) -> None:
        self._left = self._whole = max_tokens - _TOKENS_AROUND
        self._of_item = of_item or self._whole
        self._terms = terms
        self._texts: list[str] = []

    def add_all(self, entries: list[Entry]) -> bool:
        """Add items that belong together; False, without a change, if they do not fit.

        The first ones always fit: their texts are shortened.
        """
        most = self._of_item
        if not self._texts:
            most = max(1, min(most, self._whole // len(entries)))
        texts = paragraphs(entries, most, estimate_tokens, terms=self._terms)
        tokens = sum(map(estimate_tokens, texts))
        if self._texts and tokens > self._left:
            return False
        self._left -= tokens
        self._texts += texts
        return True

    def text(self, notes: list[str]) -> str:
        return "\n\n".join((as_record(self._texts), " ".join(notes)))


def _tool(name: str, description: str, properties: dict[str, Any], answer: Answer) -> FunctionTool:
    from agents import FunctionTool  # noqa: PLC0415 - importing the SDK takes a second

    async def invoke(context: ToolContext[Any], arguments: str) -> str:
        del context
        try:
            return await answer(_parsed(arguments))
        except _BadArgument as error:
            return f"Nothing was done: {error}."

    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),  # a strict schema requires all of them
        "additionalProperties": False,
    }
    return FunctionTool(name, description, schema, invoke)


def _or_null(kind: str, description: str) -> dict[str, Any]:
    return {"type": [kind, "null"], "description": description}


def _parsed(arguments: str) -> Arguments:
    try:
        parsed = json.loads(arguments)
    except (ValueError, RecursionError) as error:
        raise _BadArgument("the arguments are no JSON") from error
    if not isinstance(parsed, dict):
        raise _BadArgument("the arguments must be a JSON object")
    return parsed


def _time(name: str, value: object) -> datetime | None:
    if value is None or value == "":
        return None
    message = f"{name} must be a time in ISO 8601, such as 2026-11-24 or 2026-11-24T15:00Z"
    if not isinstance(value, str):
        raise _BadArgument(message)
    try:
        # Python 3.10 does not know Z.
        time = datetime.fromisoformat(value.strip().upper().replace("Z", "+00:00"))
        time = time if time.utcoffset() is not None else time.replace(tzinfo=timezone.utc)
        return time.astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        raise _BadArgument(message) from error


def _seq(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _LARGEST_SEQ:
        raise _BadArgument(f"{name} must be a whole number from 1 up")
    return value
