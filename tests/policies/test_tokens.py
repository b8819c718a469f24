"""Token counts: equal to tiktoken's without its network access, and fixed without text."""

# ruff: noqa: RUF001 - the punctuation of Chinese and Japanese

from __future__ import annotations

import base64
import json
import logging
import shutil
import socket
from importlib import resources

import pytest
import tiktoken

from mongo_sessions import TiktokenCounter
from mongo_sessions.policies import estimate_tokens, tiktoken_counter, tokens

TEXTS = {
    "english": "It was the best of times, it was the worst of times, it was the age of wisdom. "
    * 20,
    "chinese": "我们今天讨论数据库事务的一致性问题，以及如何在多个副本之间保持同步。" * 10,
    "japanese": "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。" * 10,
    "korean": "한국어 문장도 있습니다. 데이터베이스 트랜잭션의 일관성에 대해 이야기합니다. " * 10,
    "json": json.dumps(
        [{"id": n, "values": [1, 2, n * 7], "ok": True, "none": None} for n in range(40)]
    ),
    "dense json": json.dumps([1, 2, 3] * 100, separators=(",", ":")),
    "code": "def f(x):\n    return {k: v for k, v in x.items() if v is not None}\n" * 10,
}


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("there is no network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")


def message(text: str) -> dict:
    return {"role": "user", "content": text}


@pytest.fixture(scope="module")
def counter() -> TiktokenCounter:
    return TiktokenCounter()


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> tiktoken.Encoding:
    """tiktoken's own o200k_base, from a cache that holds the vocabulary that we ship."""
    cache = tmp_path_factory.mktemp("tiktoken")
    vocabulary = resources.files("mongo_sessions.policies") / "o200k_base.tiktoken"
    with pytest.MonkeyPatch.context() as patch, resources.as_file(vocabulary) as path:
        # The name under which tiktoken looks for it: the SHA-1 of its address.
        shutil.copy(path, cache / "fb374d419588a4632f3f557e76b4b70aebbca790")
        patch.setenv("TIKTOKEN_CACHE_DIR", str(cache))
        return tiktoken.get_encoding("o200k_base")


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_texts_are_counted_as_tiktoken_does(no_network, counter, reference, text):
    assert counter(message(text)) == tokens.MESSAGE_TOKENS + len(reference.encode(text))


def test_text_that_looks_like_a_special_token_is_text(counter):
    assert counter(message("<|endoftext|>")) > tokens.MESSAGE_TOKENS + 1


def test_lone_surrogates_are_counted(counter):
    assert counter(message("half a \ud800 character")) > tokens.MESSAGE_TOKENS


def test_a_long_text_is_counted_in_pieces(counter, reference):
    text = TEXTS["english"] * 50
    assert len(text) > 3 * tiktoken_counter._PIECE_CHARS
    exact = tokens.MESSAGE_TOKENS + len(reference.encode(text))
    assert exact <= counter(message(text)) <= exact + len(text) // tiktoken_counter._PIECE_CHARS + 1


@pytest.mark.parametrize(
    "model", ["gpt-4o", "gpt-5-that-nobody-knows", "o200k_base", "my-own-model"]
)
def test_an_unknown_model_counts_with_the_newest_encoding(no_network, counter, model):
    assert TiktokenCounter(model)(message("hello world")) == counter(message("hello world"))


def test_an_unavailable_encoding_is_replaced_by_an_estimate_with_one_warning(no_network, caplog):
    counter = TiktokenCounter("cl100k_base")
    # tiktoken keeps what it has loaded: not this one, in this process.
    with caplog.at_level(logging.WARNING, "mongo_sessions"):
        counts = [counter(message("hello world")) for _ in range(3)]
    assert counts == [tokens.MESSAGE_TOKENS + estimate_tokens("hello world")] * 3
    assert len(caplog.records) == 1
    assert "cl100k_base could not be loaded" in caplog.text
    assert "hello" not in caplog.text


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_an_estimate_is_not_below_the_count_and_not_far_above(reference, text):
    exact = len(reference.encode(text))
    assert exact <= estimate_tokens(text) <= 4 * exact


PICTURE = "data:image/png;base64," + base64.b64encode(bytes(30_000)).decode()


def user(part: dict) -> dict:
    return {"role": "user", "content": [part]}


SCREENSHOT = {"type": "computer_screenshot", "image_url": PICTURE}
IMAGE = {"type": "input_image", "image_url": PICTURE}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (user(IMAGE), tokens.IMAGE_TOKENS),
        (user({"type": "input_image", "file_id": "f"}), tokens.IMAGE_TOKENS),
        (user({"type": "input_file", "file_data": PICTURE}), tokens.FILE_TOKENS),
        (user({"type": "input_audio", "input_audio": {"data": "A" * 9_000}}), tokens.AUDIO_TOKENS),
        (
            {"type": "reasoning", "summary": [], "encrypted_content": "A" * 9_000},
            tokens.ENCRYPTED_TOKENS,
        ),
        ({"type": "compaction", "encrypted_content": "A" * 9_000}, tokens.ENCRYPTED_TOKENS),
        ({"type": "image_generation_call", "result": "A" * 9_000}, tokens.IMAGE_TOKENS),
        (
            {"type": "computer_call_output", "call_id": "c", "output": SCREENSHOT},
            tokens.IMAGE_TOKENS,
        ),
        ({"type": "function_call_output", "call_id": "c", "output": [IMAGE]}, tokens.IMAGE_TOKENS),
        ({"type": "function_call_output", "call_id": "c", "output": PICTURE}, tokens.IMAGE_TOKENS),
        (
            {"type": "code_interpreter_call", "outputs": [{"type": "image", "url": PICTURE}]},
            tokens.IMAGE_TOKENS,
        ),
        ({"type": "reasoning", "summary": [], "encrypted_content": None}, 0),
        ({"type": "message", "id": "m" * 500, "status": "completed", "content": []}, 0),
        ({"role": "assistant", "content": None}, 0),
    ],
)
def test_content_other_than_text_has_a_fixed_cost(counter, item, expected):
    assert counter(item) == tokens.MESSAGE_TOKENS + expected


@pytest.mark.parametrize(
    "text",
    [
        "data: 5",
        'data: {"a": 1}\n\n' * 200,
        "data:text/plain,hello",
        "data:a/b" + ";x" * 50 + ";base64,AAAA",
    ],
)
def test_text_that_begins_like_a_data_url_is_text(counter, reference, text):
    assert counter(message(text)) == tokens.MESSAGE_TOKENS + len(reference.encode(text))


def test_all_text_of_a_tool_call_counts(counter, reference):
    arguments = json.dumps({"city": "Lisbon", "days": 3})
    call = {"type": "function_call", "call_id": "c" * 50, "name": "weather", "arguments": arguments}
    expected = len(reference.encode("weather")) + len(reference.encode(arguments))
    assert counter(call) == tokens.MESSAGE_TOKENS + expected


def test_structures_are_counted_as_the_json_that_they_are(counter, reference):
    tool = {"name": "a", "input_schema": {"type": "object", "id": [1, None]}}
    expected = len(reference.encode(json.dumps(tool)))
    item = {"type": "mcp_list_tools", "id": "m", "tools": [tool, tool]}
    assert counter(item) == tokens.MESSAGE_TOKENS + 2 * expected


def test_refusals_and_summaries_are_text(counter, reference):
    expected = tokens.MESSAGE_TOKENS + len(reference.encode("I cannot"))
    refusal = {"type": "message", "content": [{"type": "refusal", "refusal": "I cannot"}]}
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "I cannot"}]}
    assert counter(refusal) == counter(thought) == expected
