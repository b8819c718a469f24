"""What a query matches: scripts, cases, spellings; the server and a history in memory agree."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mongo_sessions import ListHistory, MongoSessionStore
from mongo_sessions.policies import estimate_tokens
from mongo_sessions.policies.recall.terms import MOST_TERMS, terms_of, words_of
from tests.support.clients import both_at_night
from tests.support.examples import examples

NFD = unicodedata.normalize

FOUND = [
    ("order A-4711", "My order is a-4711."),
    ("4711", "No. 4711!"),
    ("ann@example.org", "Write to Ann@Example.org"),
    ("/etc/hosts.conf", "edit /etc/hosts.conf now"),
    ("snake_case_name", "the variable snake_case_name"),
    ("case", "the variable snake_case_name"),
    ("hello", '{"text": "a\\nhello"}'),
    ("café", "Cafés"),
    ("café", NFD("NFD", "the café")),
    (NFD("NFD", "café"), "the CAFÉ"),
    ("café", '{"place": "caf\\u00e9"}'),
    ("Éclair", '{"food": "\\u00c9CLAIR \\u00e9clair"}'),
    ("İstanbul", "istanbul"),
    ("İzmir", "İZMİR"),
    ("İzmir", "izmir"),
    ("python", "我用python写"),
    ("zebra", "3\u00d7zebra"),
    ("istanbul", "ISTANBUL"),
    ("ISPARTA", "isparta"),
    ("\u0131sparta", "ISPARTA"),
    ("Straße", "STRASSE"),
    ("Straße", "STRAẞE"),
    ("Привет", "привет, мир"),
    ("हिन्दी", "मैं हिन्दी बोलता हूँ"),
    ("सलाम", "सलाम दुनिया"),
    ("مرحبا", "قال مرحبا"),
    ("שלום", "אמר שלום"),
    ("Ελλάδα", "στην ΕΛΛΆΔΑ"),
    ("東京都", "私は東京都に住む"),
    ("京都", "私は東京都に住む"),
    ("สวัสดี", "เขาพูดว่าสวัสดีครับ"),
    ("한국어", "나는 한국어를 배운다"),
    ("한국어", NFD("NFD", "나는 한국어를 배운다")),
    ("who are you", "who are you?"),
    ("parties", "the party"),
]
NOT_FOUND = [
    ("4711", "No. 47110"),
    ("4711", "No. 14711"),
    ("art", "the party"),
    ("caf", "decaf"),
    ("tel", "l'hôtel"),
    ("tel", NFD("NFD", "l'hôtel")),
    ("what are you", "à aré youé"),
    ("русский", "прусский"),
    ("東京", "京東"),
    (".*", "anything"),
    ("what are you", "an area of youth"),
    ("[a-z]", "anything"),
    ("$ne", "1"),
]


@pytest.fixture
def session(database):
    return MongoSessionStore(database).session("a")


@both_at_night
async def test_a_query_finds_what_a_reader_calls_the_same(session):
    for query, text in FOUND:
        await session.clear_session()
        await session.add_items([{"role": "user", "content": text}])
        assert [hit.seq for hit in (await session.search(query, seconds=60)).hits], (query, text)
        assert terms_of(query)[0].is_in(text), (query, text)


async def test_a_query_does_not_find_what_only_looks_alike(session):
    for query, text in NOT_FOUND:
        await session.clear_session()
        await session.add_items([{"role": "user", "content": text}])
        assert not (await session.search(query, seconds=60)).hits, (query, text)
        assert not any(term.is_in(text) for term in terms_of(query)), (query, text)


async def test_a_text_that_is_stored_as_json_text_is_found_in_its_escaped_form(session):
    """An item with half a character: BSON cannot hold it."""
    await session.add_items([{"role": "user", "content": "half \ud83d of a café in 東京"}])
    for query in ("half", "café", "東京"):
        assert (await session.search(query, seconds=60)).hits, query


def test_a_megabyte_is_a_query():
    for text in ("word " * 200_000, "東京" * 500_000, "a" * 1_000_000, "é" * 1_000_000):
        assert 0 < len(terms_of(text)) <= MOST_TERMS
        assert len(words_of(text)) <= MOST_TERMS
        assert all(len(term.pattern) < 16_000 for term in terms_of(text))


ANY_TEXT = st.text(st.characters(codec=None), max_size=200)
PIECES = st.lists(
    st.sampled_from(
        [
            *("zebra", "東京都", "İ", "ß", "é", "e\u0301", "$", '"', "-", "\\", "(?", "[", "\0"),
            *("\ud83d", "{'$ne': 1}", "4711", "a.b", " ", "\n", "ना", "\u0131", "Σ", "x"),
        ]
    ),
    max_size=12,
).map("".join)


@given(query=ANY_TEXT | PIECES, text=ANY_TEXT | PIECES)
@settings(max_examples=examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_server_and_memory_agree_on_any_query_and_text(session, query, text):
    await session.clear_session()
    # An item with half a character is stored as JSON text: see above.
    items = [{"role": "user", "content": text.encode("utf-8", "replace").decode()}]
    await session.add_items(items)
    history = ListHistory(items, token_counter=lambda item: estimate_tokens(str(item)))
    here = {found.entry.item["content"] for found in await history.search(query)}
    there = await (await session._history()).search(query, seconds=60)
    assert {found.entry.item["content"] for found in there} == here
    assert [found.share for found in there] == [f.share for f in await history.search(query)]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["zebra", "", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["text", "stdout", "command", "commands", "content", "refusal", "query"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
FIELDS = ["type", "role", "content", "output", "arguments", "input", "name", "summary", "action"]
FIELDS += ["operation", "queries", "results", "code", "outputs"]
SHAPES = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4)


@given(items=st.lists(SHAPES, min_size=1, max_size=12))
@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_shape_of_an_item_makes_a_search_fail(session, items):
    await session.clear_session()
    await session.add_items(items)
    history = ListHistory(items, token_counter=lambda item: 1)
    there = await (await session._history()).search("zebra", limit=50, seconds=60)
    first = (await session.entries().__anext__()).seq - 1
    found_here = {f.entry.seq for f in await history.search("zebra", limit=50) if f.share}
    assert {f.entry.seq - first for f in there if f.share} == found_here
    await session.search("zebra", neighbours=2)


KINDS = {
    "function_call": {"call_id": "1", "name": "x", "arguments": '{"a": "zebra"}'},
    "function_call_output": {"call_id": "1", "output": [{"type": "input_text", "text": "zebra"}]},
    "custom_tool_call": {"call_id": "1", "name": "x", "input": "zebra"},
    "reasoning": {"id": "1", "summary": [{"type": "summary_text", "text": "zebra"}]},
    "shell_call": {"call_id": "1", "action": {"commands": ["ls zebra"], "timeout_ms": 1}},
    "local_shell_call": {"call_id": "1", "action": {"type": "exec", "command": ["cat", "zebra"]}},
    "shell_call_output": {"call_id": "1", "output": [{"stdout": "zebra", "stderr": ""}]},
    "apply_patch_call": {"call_id": "1", "operation": {"path": "a", "diff": "+zebra"}},
    "mcp_call": {"id": "1", "name": "x", "arguments": "{}", "output": "zebra"},
    "web_search_call": {"id": "1", "action": {"type": "search", "query": "zebra"}},
    "file_search_call": {"id": "1", "queries": ["q"], "results": [{"text": "zebra"}]},
    "code_interpreter_call": {"id": "1", "code": "x", "outputs": [{"logs": "zebra"}]},
    "message": {"role": "assistant", "content": [{"type": "refusal", "refusal": "zebra"}]},
}


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_item_with_text_is_found(session, kind):
    await session.add_items([{"type": kind, **KINDS[kind]}])
    assert [hit.seq for hit in (await session.search("zebra")).hits] == [1]


async def test_a_list_of_a_hundred_thousand_parts_does_not_hold_the_server(session):
    parts = [{"type": "input_text", "text": "zebra " * 20}] * 60_000
    await session.add_items([{"role": "user", "content": parts}])
    assert (await session.search("zebra")).is_complete
