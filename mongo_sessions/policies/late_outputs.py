"""Late outputs: a window is completed with the earlier calls that its outputs belong to.

An approval may be answered after a long chat, when its call has left the window or was folded into
a summary. An API rejects the output alone, so without its call it would be dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .items import counterpart_ids, traits_of
from .structure import LONGEST_RESPONSE
from .window import Stretch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from .policy import Entry, History, Item
    from .window import Window


async def complete_window(history: History, stretch: Stretch, position: int) -> Window:
    """The window of ``stretch`` from ``position`` on, after the earlier calls of its outputs.

    A call is looked up in the stretch, and only if it is missing there, by one query for all in the
    history before it. An output without any call is dropped.
    """
    calls = await earlier_calls(history, stretch, position)
    if not calls:
        return stretch.window(position)
    return Stretch([*calls, *stretch.entries]).window(len(calls) + position)


async def earlier_calls(history: History, stretch: Stretch, position: int = 0) -> list[Entry]:
    """The calls before ``stretch`` of its outputs, with the responses that contain them.

    Empty, without a query, if every output from ``position`` on has its call in the stretch.
    """
    late = stretch.without_call(position)
    if not late or (first_seq := stretch.entries[0].seq) == 1:
        return []
    ids = dict.fromkeys(one for entry in reversed(late) for one in counterpart_ids(entry.item))
    found = await history.find(list(ids), before_seq=first_seq)
    # Some providers reuse an id: read the response only around a call that is answered late.
    calls = Stretch([*found, *stretch.entries]).brought_along(len(found) + position)
    around: dict[int, Entry] = {}
    for call in reversed(calls):
        if call.seq < first_seq and call.seq not in around and traits_of(call.item).from_model:
            around |= await _response_around(history, call, first_seq)
    known = {entry.seq: entry for entry in found} | around
    return [known[seq] for seq in sorted(known)]


async def _response_around(history: History, call: Entry, end_seq: int) -> dict[int, Entry]:
    """The response that contains ``call``, and the outputs after it, by seq.

    Includes one item on either side, which marks where the response begins and ends.
    """
    older = await _until(
        history.newest_first(call.seq), lambda item: not traits_of(item).from_model
    )
    newer = await _until(history.oldest_first(call.seq), lambda item: traits_of(item).instructs)
    return {entry.seq: entry for entry in (*older, *newer) if entry.seq < end_seq}


async def _until(entries: AsyncIterator[Entry], is_end: Callable[[Item], bool]) -> list[Entry]:
    found: list[Entry] = []
    async for entry in entries:
        found.append(entry)
        if len(found) == LONGEST_RESPONSE or is_end(entry.item):
            break
    return found
