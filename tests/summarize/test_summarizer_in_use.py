"""``AgentSummarizer`` in runs and policies: sessions, traces, views and logs."""

from __future__ import annotations

import logging
from itertools import repeat
from typing import TYPE_CHECKING

import agents
import openai
import pytest
from agents import Agent, Runner, function_tool
from agents.testing import ScriptedModel, assistant_message, function_call
from agents.tracing import (
    TracingProcessor,
    custom_span,
    get_trace_provider,
    set_trace_provider,
    trace,
)
from agents.tracing.provider import DefaultTraceProvider

from mongo_sessions import (
    AgentSummarizer,
    FoldFailure,
    ListHistory,
    MongoSessionStore,
    SummarizeOlder,
    TiktokenCounter,
)
from mongo_sessions.policies import SummaryError, drop_unpaired
from tests.support.provider import FOLD, MESSAGES, SAID, SUMMARY, model, prompt
from tests.support.responses_server import (
    completed,
    cut_off,
    refused,
    server_error,
    too_many_requests,
    unauthorized,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class SpanTypes(TracingProcessor):
    """The types of all spans, and the names of all traces."""

    def __init__(self) -> None:
        self.spans: list[str] = []
        self.traces: list[str] = []

    def on_trace_start(self, trace) -> None:
        self.traces.append(trace.name)

    def on_span_start(self, span) -> None:
        self.spans.append(span.span_data.type)

    def on_trace_end(self, trace) -> None:
        pass

    def on_span_end(self, span) -> None:
        pass

    def shutdown(self) -> None:
        pass

    def force_flush(self) -> None:
        pass


pytestmark = pytest.mark.usefixtures("no_proxy")


@pytest.fixture
def traced() -> Iterator[SpanTypes]:
    """Tracing is on, and goes nowhere but here."""
    untraced = get_trace_provider()
    set_trace_provider(DefaultTraceProvider())
    processor = SpanTypes()
    agents.set_trace_processors([processor])
    agents.set_tracing_disabled(False)
    yield processor
    set_trace_provider(untraced)


async def test_a_summary_is_not_traced(traced):
    """Neither as a part of the trace around it nor as one of its own."""
    async with model([completed("Hi."), completed(SUMMARY), completed(SUMMARY)]) as (_, small):
        with trace("outer"):
            await Runner.run(Agent("assistant", model=small), "Hello")
            before = list(traced.spans)
            assert "response" in before  # so the application's own runs are
            with custom_span("inner"):
                await AgentSummarizer(small)(FOLD)
        await AgentSummarizer(small)(FOLD)
    assert traced.spans == [*before, "custom"]
    assert traced.traces == ["outer"]


async def test_within_a_run_nothing_is_added_to_its_session(store):
    """A tool asks for a summary: the run around it, and its session, have nothing to do with it."""
    session = store.session("a")
    async with model([completed(SUMMARY)]) as (_, small):

        @function_tool
        async def summarize() -> str:
            return "Summary: " + await AgentSummarizer(small)(FOLD)

        script = [[function_call("summarize", {}, call_id="1")], [assistant_message("Done")]]
        agent = Agent("assistant", model=ScriptedModel(script), tools=[summarize])
        await Runner.run(agent, "Go", session=session)
    user, call, output, answer = [entry.item async for entry in session.entries()]
    assert user == {"role": "user", "content": "Go"}
    assert call["type"] == "function_call"
    assert output["output"] == f"Summary: {SUMMARY}"
    assert answer["content"][0]["text"] == "Done"


async def test_a_run_that_reads_a_summary_in_the_making_adds_only_its_own_items(database):
    """The summariser runs inside of the run then, which waits for it."""
    async with model(repeat(completed(SUMMARY))) as (server, small):
        policy = SummarizeOlder(AgentSummarizer(small), max_tokens=1_000, background=False)
        session = MongoSessionStore(database, policy=policy).session("a")
        await session.add_items(MESSAGES)
        assert server.requests == []
        scripted = ScriptedModel([[assistant_message("Done")]])
        await Runner.run(Agent("assistant", model=scripted), "Go", session=session)
    assert len(server.requests) >= 1
    [call] = scripted.calls
    assert SUMMARY in call.input[0]["content"]
    *before, user, answer = [entry.item async for entry in session.entries()]
    assert before == MESSAGES
    assert user == {"role": "user", "content": "Go"}
    assert answer["content"][0]["text"] == "Done"


def summarized(database, small: agents.Model) -> MongoSessionStore:
    policy = SummarizeOlder(AgentSummarizer(small), max_tokens=1_000, retry_after=0.01)
    return MongoSessionStore(database, policy=policy)


def tokens(items: list) -> int:
    counter = TiktokenCounter()
    return sum(map(counter, items))


async def test_a_view_begins_with_the_summary_that_the_model_wrote(database):
    """The whole way: a write, a request, a summary that is stored, and a view."""
    async with model([completed(SUMMARY), completed("She likes tea.")]) as (server, small):
        session = summarized(database, small).session("a")
        await session.add_items(MESSAGES[:-1])
        await session.flush()
        assert "user: Message 0: " in prompt(server)
        summary, *newest = await session.get_items()
        assert summary["role"] == "user"
        assert summary["content"].startswith("<conversation_summary>\n")
        assert summary["content"].endswith(f"\n\n{SUMMARY}\n</conversation_summary>")
        assert newest == MESSAGES[:-1][-len(newest) :]
        await session.add_items(MESSAGES[-1:])
        await session.flush()
        assert f"<earlier_summary>\n{SUMMARY}\n</earlier_summary>" in prompt(server)
        summary, *newest = view = await session.get_items()
    assert f"\n\n{SUMMARY}\n\nShe likes tea.\n" in summary["content"]
    assert newest == MESSAGES[-len(newest) :]
    assert tokens(view) <= 1_000
    assert len(server.requests) == 2
    assert [entry.item async for entry in session.entries()] == MESSAGES


@pytest.mark.parametrize(
    ("answer", "requests"),
    [
        pytest.param(server_error(), 3, id="an error, again and again"),
        pytest.param(refused(f"I cannot talk about {SAID}."), 1, id="a refusal"),
        pytest.param(cut_off(f"They spoke of {SAID}"), 1, id="cut off"),
        pytest.param(cut_off(f"They spoke of {SAID}", "completed"), 1, id="quietly cut off"),
        pytest.param(completed(" \n"), 1, id="nothing"),
        pytest.param(completed(f"{SAID} " * 2_000), 1, id="longer than what it is about"),
    ],
)
async def test_without_a_good_answer_there_is_no_summary(database, caplog, answer, requests):
    """The view does without, one line of the log says so, and it tells nothing of what was said."""
    caplog.set_level(logging.DEBUG, "mongo_sessions")
    async with model(repeat(answer)) as (server, small):
        session = summarized(database, small).session("a")
        await session.add_items(MESSAGES)
        await session.flush()
        view = await session.get_items()
    assert len(server.requests) == requests
    assert view
    assert view == MESSAGES[-len(view) :] == drop_unpaired(view)
    assert tokens(view) <= 1_000
    items = database.get_collection("session_items")
    assert await items.count_documents({}) == len(MESSAGES)
    assert await items.count_documents({"summary": {"$exists": True}}) == 0
    ours = [record for record in caplog.records if record.name == "mongo_sessions"]
    assert [record.levelname for record in ours if record.levelno > logging.DEBUG] == ["WARNING"]
    assert SAID not in caplog.text


@pytest.mark.parametrize(
    ("answer", "error", "told"),
    [
        (
            unauthorized(),
            openai.AuthenticationError,
            "openai.AuthenticationError (HTTP status 401)",
        ),
        (too_many_requests(), openai.RateLimitError, "openai.RateLimitError (HTTP status 429)"),
        (
            server_error(),
            openai.InternalServerError,
            "openai.InternalServerError (HTTP status 500)",
        ),
        (
            cut_off(f"They spoke of {SAID}"),
            SummaryError,
            f"{SummaryError.__module__}.SummaryError in summarizers.py",
        ),
    ],
)
async def test_the_error_of_a_provider_is_logged_and_reported(
    database, caplog, answer, error, told
):
    """By the type and the status, from the background, too: a wrong key and a busy provider."""
    failures: list[FoldFailure] = []
    async with model(repeat(answer)) as (_, small):
        policy = SummarizeOlder(
            AgentSummarizer(small), max_tokens=1_000, on_failure=failures.append
        )
        session = MongoSessionStore(database, policy=policy).session("a")
        await session.add_items(MESSAGES)
        await session.flush()
    [failure] = failures
    assert type(failure.error) is error
    assert (failure.session_id, failure.failures, failure.retry_after) == ("a", 1, 30)
    assert failure.usage.requests == 1
    assert failure.usage.input_tokens > 100
    assert f"No summary of session 'a': the summariser raised {told}" in caplog.text
    assert SAID not in caplog.text


async def test_a_client_without_a_key_is_found_out_from_the_log(caplog, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    history = ListHistory(MESSAGES, token_counter=TiktokenCounter())
    policy = SummarizeOlder(AgentSummarizer("small"), max_tokens=1_000)
    assert not (await policy.fold(history)).report
    assert "the summariser raised openai.OpenAIError in " in caplog.text
