"""Spans and metrics of the operations on a session."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys

import pytest
from agents import Agent, Runner
from agents.testing import assistant_message
from opentelemetry.trace import SpanKind, StatusCode
from pymongo.errors import OperationFailure

from mongo_sessions import InvalidItem, MongoSessionStore, TokenLimit
from mongo_sessions.telemetry import telemetry
from tests.support.faults import failing
from tests.support.reporting import ReportingModel
from tests.support.scribes import tokens, turns

COMMON = {
    "db.system.name": "mongodb",
    "db.collection.name": "session_items",
    "gen_ai.conversation.id": "a",
}
COMMANDS = ["find", "insert", "update", "findAndModify"]
LABELS = {"db.collection.name": "session_items"}


@pytest.fixture
def session(any_database):
    return MongoSessionStore(any_database, token_counter=tokens).session("a")


async def test_each_operation_has_a_span(session, recorded):
    await session.add_items(turns(1, 2))
    await session.get_items()
    await session.get_items(limit=3)
    await session.pop_item()
    await session.clear_session()
    spans = await recorded.spans()
    assert [(span.name, dict(span.attributes)) for span in spans] == [
        (
            f"{operation} session_items",
            {**COMMON, "db.operation.name": operation}
            | {f"mongo_sessions.{name}": value for name, value in own.items()},
        )
        for operation, own in [
            ("add_items", {"items": 4, "tokens": 200, "seq": 4}),
            ("get_items", {"items": 4, "tokens": 200}),
            ("get_items", {"items": 3, "tokens": 150, "limit": 3}),
            ("pop_item", {"items": 1}),
            ("clear_session", {"items": 3}),
        ]
    ]
    assert {span.kind for span in spans} == {SpanKind.INTERNAL}
    assert all(span.status.status_code is StatusCode.UNSET for span in spans)
    assert all(span.start_time < span.end_time for span in spans)


async def test_an_operation_is_a_child_of_the_callers_span_and_a_driver_may_nest_in_it(
    database, recorded
):
    inner = []

    def counter(item):
        with recorded.tracer.start_as_current_span("inner") as span:
            inner.append(span)
        return 1

    session = MongoSessionStore(database, token_counter=counter).session("a")
    with recorded.tracer.start_as_current_span("outer") as outer:
        await session.add_items(turns(1, 1))
    [span] = await recorded.spans("add_items")
    assert span.parent.span_id == outer.get_span_context().span_id
    assert {one.parent.span_id for one in inner} == {span.context.span_id}


async def test_a_view_tells_its_cut(database, recorded):
    policy = TokenLimit(1_000, block_tokens=300)
    session = MongoSessionStore(database, token_counter=tokens, policy=policy).session("a")
    await session.add_items(turns(1, 12))
    view = await session.get_items()
    assert len(view) == 18
    assert await recorded.attributes("get_items") == {
        **COMMON,
        "db.operation.name": "get_items",
        "mongo_sessions.items": 18,
        "mongo_sessions.tokens": 900,
        "mongo_sessions.budget": 1_000,
        "mongo_sessions.cut.seq": 7,
        "mongo_sessions.cut.reason": "budget",
    }
    [point] = await recorded.points("mongo_sessions.view.tokens")
    assert (point.sum, point.count) == (900, 1)
    assert dict(point.attributes) == {"db.operation.name": "get_items", **LABELS}


async def test_metrics_have_no_session_ids(session, recorded):
    for _ in range(2):
        await session.add_items(turns(1, 2))
    await session.get_items()
    for name, total in [("items.added", 8), ("tokens.added", 400)]:
        [point] = await recorded.points(f"mongo_sessions.{name}")
        assert point.value == total
        assert dict(point.attributes) == {"db.operation.name": "add_items", **LABELS}
    durations = await recorded.points("mongo_sessions.operation.duration")
    assert {point.attributes["db.operation.name"]: point.count for point in durations} == {
        "add_items": 2,
        "get_items": 1,
    }
    assert all(0 < point.sum < 60 for point in durations)
    assert all(point.explicit_bounds[0] == 0.001 for point in durations), "seconds"


async def test_an_error_is_recorded_by_its_type(database, recorded):
    session = MongoSessionStore(database, token_counter=tokens).session("a")
    await session.add_items(turns(1, 1))
    await recorded.clear()
    with pytest.raises(InvalidItem):
        await session.add_items([{"role": "user", "content": {"canary"}}])
    async with failing(database, "find", errorCode=13):
        with pytest.raises(OperationFailure):
            await session.get_items()
    errors = ["mongo_sessions.errors.InvalidItem", "pymongo.errors.OperationFailure"]
    spans = await recorded.spans()
    assert [span.attributes["error.type"] for span in spans] == errors
    assert all(span.status.status_code is StatusCode.ERROR for span in spans)
    assert all(span.status.description is None and not span.events for span in spans)
    durations = await recorded.points("mongo_sessions.operation.duration")
    assert [p.attributes["error.type"] for p in durations if "error.type" in p.attributes] == errors


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [("get_items", ()), ("add_items", (turns(1, 2),)), ("pop_item", ()), ("clear_session", ())],
)
async def test_retries_are_counted(operation, arguments, database, recorded):
    """Also the retries of a group commit, whose task runs in a context of its own."""
    session = MongoSessionStore(database, token_counter=tokens).session("a")
    await session.add_items(turns(1, 2))
    await recorded.clear()
    async with failing(database, *COMMANDS, times=2, errorCode=112):  # a write conflict
        await getattr(session, operation)(*arguments)
    attributes = await recorded.attributes(operation)
    retries = attributes["mongo_sessions.retries"]
    assert retries == 2
    points = await recorded.points("mongo_sessions.retries")
    assert sum(point.value for point in points) == retries
    assert {point.attributes["db.operation.name"] for point in points} == {operation}
    assert all(point.attributes["error.type"].startswith("pymongo.errors.") for point in points)


async def test_each_append_of_a_retried_group_counts_the_retry(database, recorded):
    session = MongoSessionStore(database, token_counter=tokens).session("a")
    await session.add_items(turns(1, 2))
    await recorded.clear()
    async with failing(database, *COMMANDS, times=2, errorCode=112):
        await asyncio.gather(*(session.add_items(turns(n, n)) for n in range(5)))
    spans = await recorded.spans("add_items")
    assert len(spans) == 5
    assert sum(span.attributes.get("mongo_sessions.retries", 0) for span in spans) >= 2
    assert all(span.attributes["mongo_sessions.items"] == 2 for span in spans)


async def test_an_operation_tells_the_cached_share_of_its_model_call(recorded):
    with telemetry.operation("add_items", "a", "session_items"):
        telemetry.note_usage(2_000, 1_500)
    assert await recorded.attributes("add_items") == {
        **COMMON,
        "db.operation.name": "add_items",
        "gen_ai.usage.input_tokens": 2_000,
        "gen_ai.usage.cache_read.input_tokens": 1_500,
        "mongo_sessions.cached_share": 0.75,
    }
    telemetry.note_usage(1, 1)  # outside of an operation: nothing
    with telemetry.operation("add_items", "b", "session_items"):
        telemetry.note_usage(0, 0)
    [_, span] = await recorded.spans("add_items")
    assert "mongo_sessions.cached_share" not in span.attributes


async def test_nothing_but_numbers_and_names_leaves_the_process(database, recorded):
    canary = [{"role": "user", "content": "canary " * 20}]
    session = MongoSessionStore(database, token_counter=tokens, policy=TokenLimit(1_000)).session(
        "a"
    )
    await session.add_items(canary)
    await session.get_items()
    with pytest.raises(InvalidItem):
        await session.add_items([*canary, "canary"])
    await session.pop_item()
    told = await recorded.everything()
    assert "add_items session_items" in told
    assert "canary" not in told
    assert not re.search("mongodb://|127\\.0\\.0\\.1|localhost", told)


async def test_a_deleted_coroutine_ends_its_span(database, recorded):
    session = MongoSessionStore(database, token_counter=tokens).session("a")
    reading = session.get_items()
    with pytest.raises(AttributeError):
        reading.send(None).send  # noqa: B018 - a future: it has suspended
    reading.close()
    assert (await recorded.attributes("get_items"))["error.type"] == "GeneratorExit"


WITHOUT = """if True:
    import asyncio, sys

    class Blocked:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] == "opentelemetry":
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Blocked())
    import importlib.metadata
    installed = importlib.metadata.version

    def version(name):
        if name.startswith("opentelemetry"):
            raise importlib.metadata.PackageNotFoundError(name)
        return installed(name)

    importlib.metadata.version = version
    from mongo_sessions import MongoSessionStore, TokenLimit

    async def main(uri):
        async with MongoSessionStore.from_uri(uri, policy=TokenLimit(1_000)) as store:
            session = store.session("without telemetry")
            await session.add_items([{"role": "user", "content": "Hello"}])
            assert len(await session.get_items()) == 1
            assert await session.pop_item() is not None
            await session.clear_session()

    asyncio.run(main(sys.argv[1]))
    assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""


def test_without_opentelemetry_nothing_is_imported_and_everything_works(replica_set):
    subprocess.run([sys.executable, "-c", WITHOUT, replica_set], check=True)


async def test_the_append_of_a_response_has_the_providers_tokens(session, recorded):
    model = ReportingModel([[assistant_message("Hello.")]])
    await Runner.run(Agent("Assistant", model=model), "Hi", session=session)
    added = [span for span in await recorded.spans() if span.name.startswith("add_items")]
    of_input, of_response = (dict(span.attributes) for span in added)
    prompt = model.prompts[0]
    assert of_response["gen_ai.usage.input_tokens"] == prompt
    assert of_response["gen_ai.usage.cache_read.input_tokens"] == 7
    assert of_response["mongo_sessions.cached_share"] == 7 / prompt
    assert "gen_ai.usage.input_tokens" not in of_input
