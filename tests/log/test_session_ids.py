"""Session ids by prefix, with any characters in both."""

from __future__ import annotations

import operator

from hypothesis import example, given
from hypothesis import strategies as st

from mongo_sessions import MongoSessionStore
from mongo_sessions.log.session_ids import id_range

COMPARE = {"$gte": operator.ge, "$gt": operator.gt, "$lt": operator.lt}

# Near the ends of the range of code points, and of the gap in it, more often than by chance.
characters = st.sampled_from("a\0\ud7ff\ue000\U0010fffe\U0010ffff") | st.characters(codec="utf-8")
ids = st.text(characters, max_size=4)


def is_in(session_id: str, query: dict[str, str]) -> bool:
    """As MongoDB compares: by the bytes of UTF-8."""
    return all(
        COMPARE[operator](session_id.encode(), bound.encode()) for operator, bound in query.items()
    )


@given(prefix=ids, rest=ids, other=ids, after=ids | st.none())
@example(prefix="a", rest="\U0010ffff", other="b", after=None)
@example(prefix="\ud7ff", rest="", other="\ue000", after=None)
@example(prefix="a\U0010ffff", rest="\U0010ffff", other="b", after="a")
def test_a_range_holds_what_starts_with_the_prefix_and_stands_behind(prefix, rest, other, after):
    query = id_range(prefix, after)
    for session_id in (prefix + rest, other):
        expected = session_id.startswith(prefix) and (after is None or session_id > after)
        assert is_in(session_id, query) == expected


async def test_the_longest_id_is_stored_and_listed(database):
    session_id = "ü" * 512
    store = MongoSessionStore(database)
    await store.session(session_id).add_items([{"role": "user", "content": "…"}])
    assert [info.session_id for info in await store.list_sessions(session_id)] == [session_id]


async def test_the_last_characters_that_there_are_are_listed(database):
    store = MongoSessionStore(database)
    inside = ["a", "a\U0010ffff", "a\U0010ffff\U0010ffff", "a\ud7ff"]
    for session_id in [*inside, "b", "A"]:
        await store.session(session_id).add_items([{"role": "user", "content": "…"}])
    assert [info.session_id for info in await store.list_sessions("a")] == sorted(inside)
    assert [info.session_id for info in await store.list_sessions("a\U0010ffff")] == inside[1:3]
    assert len(await store.list_sessions()) == 6
