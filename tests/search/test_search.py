"""``session.search``: what is found, with which group, and within which bounds."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from mongo_sessions import MongoSessionStore
from tests.support.faults import failing


def user(text):
    return {"role": "user", "content": text}


def answer(text):
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "role": "assistant", "id": "msg_1", "content": content}


def call(call_id, arguments="{}"):
    return {"type": "function_call", "call_id": call_id, "name": "look_up", "arguments": arguments}


def output(call_id, text):
    return {"type": "function_call_output", "call_id": call_id, "output": text}


FILLER = [
    item for n in range(12) for item in (user(f"What about {n}?"), answer(f"That is row {n}."))
]


@pytest.fixture
def session(any_database):
    return MongoSessionStore(any_database).session("mine")


async def seqs(session, query, seconds=60, **options):
    found = await session.search(query, seconds=seconds, **options)
    return [[entry.seq for entry in hit.entries] for hit in found.hits]


async def test_an_answer_is_found_with_its_question(session):
    await session.add_items([*FILLER, user("My order?"), answer("It is A-4711."), *FILLER])
    found = await session.search("a-4711", limit=1)
    [hit] = found.hits
    assert [entry.item for entry in hit.entries] == [user("My order?"), answer("It is A-4711.")]
    assert hit.seq == 26
    assert hit.score > 0
    assert hit.created_at == hit.entries[1].created_at
    assert found.is_complete
    assert found.searched_from_seq == 1


async def test_a_call_is_found_with_an_output_that_came_much_later(session):
    late = [user("Pay it"), call("7", '{"invoice": "zebra"}'), *FILLER * 3, output("7", "giraffe")]
    await session.add_items([*late, *FILLER])
    assert await seqs(session, "zebra", limit=1) == [[2, 75]]
    assert await seqs(session, "giraffe", limit=1) == [[2, 75]]


async def test_a_question_far_in_front_of_its_answer_is_found(session):
    steps = [item for n in range(40) for item in (call(f"c{n}"), output(f"c{n}", "fine"))]
    await session.add_items([user("Run it all"), *steps, answer("The zebra is done."), *FILLER])
    assert await seqs(session, "zebra", limit=1) == [[1, 82]]


async def test_two_hits_of_one_group_are_one_hit(session):
    await session.add_items([*FILLER, call("1", "zebra"), output("1", "zebra"), *FILLER])
    found = await seqs(session, "zebra", limit=5)
    assert found[0] == [25, 26]
    assert len([seq for hit in found for seq in hit]) == len({s for hit in found for s in hit})


async def test_neighbours_are_on_either_side_and_in_one_hit_only(session):
    await session.add_items([*FILLER, user("zebra one"), user("zebra two"), *FILLER])
    assert await seqs(session, "zebra", limit=1, neighbours=2) in (
        [[24, 25, 26, 27, 28]],
        [[23, 24, 25, 26, 27]],
    )
    found = await seqs(session, "zebra", limit=2, neighbours=2)
    flat = sorted(seq for hit in found for seq in hit)
    assert flat == [23, 24, 25, 26, 27, 28]


async def test_what_was_popped_or_cleared_is_never_found(session):
    await session.add_items([*FILLER, user("the zebra")])
    await session.pop_item()
    assert await seqs(session, "zebra") == []
    await session.add_items([user("the zebra again")])
    await session.clear_session()
    assert await seqs(session, "zebra") == []
    await session.add_items([user("a zebra"), answer("Yes.")])
    assert len(await seqs(session, "zebra")) == 1


async def test_another_session_is_never_found(any_database):
    store = MongoSessionStore(any_database)
    await store.session("mine").add_items(FILLER)
    secret = [user("the zebra"), call("zebra"), output("zebra", "zebra")]
    for other in ("yours", "mine2", "Mine", "min", '{"$ne": "mine"}'):
        # At the places of ours, and at later ones.
        await store.session(other).add_items([*secret, *FILLER, *secret])
    session = store.session("mine")
    for query in (
        "zebra",
        '{"$ne": 1}',
        '", session_id: "yours"',
        "yours zebra",
        "session_id yours",
    ):
        for hit in (await session.search(query, neighbours=9)).hits:
            assert all("zebra" not in str(entry.item) for entry in hit.entries)


async def test_dates_bound_the_hits_and_must_have_a_time_zone(session):
    await session.add_items([user("the zebra"), answer("Yes.")])
    now = datetime.now(timezone.utc)
    hour = timedelta(hours=1)
    elsewhere = timezone(timedelta(hours=9))
    assert await seqs(session, "zebra", after=now - hour, before=now + hour) == [[1, 2]]
    assert await seqs(session, "zebra", after=(now - hour).astimezone(elsewhere)) == [[1, 2]]
    assert await seqs(session, "zebra", after=now + hour) == []
    assert await seqs(session, "zebra", before=now - hour) == []
    with pytest.raises(ValueError, match="after must have a time zone, got datetime"):
        await session.search("zebra", after=datetime(2026, 11, 24))  # noqa: DTZ001 - the mistake
    with pytest.raises(TypeError, match="before must be a datetime, got '2026'"):
        await session.search("zebra", before="2026")


@pytest.mark.parametrize(
    ("option", "value"),
    [("limit", 0), ("limit", 101), ("neighbours", 17), ("seconds", 0), ("max_tokens", 0)],
)
async def test_an_argument_out_of_range_is_named(session, option, value):
    with pytest.raises(ValueError, match=f"{option} must be .*, got {value}"):
        await session.search("zebra", **{option: value})


async def test_max_tokens_is_of_all_entries(session):
    await session.add_items([*FILLER, user("zebra " * 200), *FILLER, user("a zebra"), *FILLER])
    found = await session.search("zebra", max_tokens=60)
    entries = [entry for hit in found.hits for entry in hit.entries]
    assert 0 < sum(entry.tokens for entry in entries) <= 60
    assert "a zebra" in [entry.item["content"] for entry in entries]


async def test_max_tokens_needs_counts(any_database):
    session = MongoSessionStore(any_database, token_counter=None).session("a")
    await session.add_items([user("zebra")])
    with pytest.raises(ValueError, match="max_tokens needs a store with a token_counter"):
        await session.search("zebra", max_tokens=9)
    assert await seqs(session, "zebra") == [[1]]


async def test_an_empty_session_and_an_empty_query_find_nothing(session):
    assert (await session.search("zebra")).hits == []
    await session.add_items(FILLER)
    for query in ("", " \n", "?!", "\0", "\ud83d"):
        found = await session.search(query)
        assert (found.hits, found.is_complete) == ([], True)


async def test_when_the_time_is_over_the_newest_part_was_searched(database):
    session = MongoSessionStore(database).session("a")
    await session.add_items([user("the zebra"), *FILLER * 100])
    await session.add_items([*FILLER, user("a zebra")])
    whole = await session.search("zebra")
    assert whole.is_complete
    async with failing(database, "aggregate", times={"skip": 1}, errorCode=50):
        found = await session.search("zebra")
    assert [hit.seq for hit in found.hits][:1] == [2426]
    assert (found.is_complete, found.searched_from_seq) == (False, 427)
    nothing = await session.search("zebra", seconds=0.000_001)
    assert (nothing.hits, nothing.is_complete, nothing.searched_from_seq) == ([], False, 2427)


async def test_the_server_gets_a_limit_of_time(database, sent):
    session = MongoSessionStore(database).session("a")
    await session.add_items(FILLER)
    sent.clear()
    await session.search("row", seconds=1.5)
    [aggregate] = [
        event.command for event in sent.started_events if event.command_name == "aggregate"
    ]
    assert 0 < aggregate["maxTimeMS"] <= 1500
    assert aggregate["pipeline"][0]["$match"]["session_id"] == "a"
