"""Only type-checked, never run: the API as a user's type checker sees it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from agents import Agent, RunConfig, RunContextWrapper, Runner
from agents.memory import Session, SessionSettings

from mongo_sessions import (
    AgentSummarizer,
    Card,
    Deleted,
    Entry,
    Explanation,
    FoldFailure,
    FoldProgress,
    FoldReport,
    GapMarkers,
    History,
    Imported,
    Item,
    LastTurns,
    ListHistory,
    MongoSession,
    MongoSessionStore,
    OwnerStore,
    PolicySession,
    Recall,
    RecountProgress,
    RetrievalPolicy,
    SearchResult,
    SessionInfo,
    SessionSummary,
    SummarizeOlder,
    Summarizer,
    SummaryRequest,
    TextIndex,
    TiktokenCounter,
    TokenCounter,
    TokenLimit,
    TrimToolOutputs,
    import_session,
    input_filter,
    read_tool,
    search_tool,
)
from mongo_sessions.testing import EmbeddedMongo

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorDatabase
    from pymongo.asynchronous.database import AsyncDatabase


def both_drivers(motor: AsyncIOMotorDatabase[Any], pymongo: AsyncDatabase[Any]) -> None:
    MongoSessionStore(motor)
    MongoSessionStore(pymongo, collection="items", retention=timedelta(days=90))
    MongoSessionStore(motor, search=TextIndex())


async def newest_item(log: History) -> list[Item]:
    async for entry in log.newest_first():
        return [entry.item]
    return []


def policies() -> list[RetrievalPolicy]:
    return [
        TokenLimit(8_000),
        TokenLimit(8_000, block_tokens=1_000),
        LastTurns(5, block_turns=10),
        TrimToolOutputs(newest_item, max_tokens=500, keep_turns=2),
        newest_item,
    ]


async def in_a_run(inner: Session) -> None:
    session = PolicySession(inner, LastTurns(5))
    as_sdk: Session = session
    config = RunConfig(call_model_input_filter=input_filter(TokenLimit(8_000)))
    await Runner.run(Agent("a"), "Hello", session=as_sdk, run_config=config)
    await session.flush()


async def shout(request: SummaryRequest) -> str:
    return request.transcript.upper()[: request.wanted_tokens]


def summarizers() -> list[Summarizer]:
    return [shout, AgentSummarizer(), AgentSummarizer("gpt-5-mini", timeout=30)]


def bill(report: FoldReport) -> None:
    print(report.session_id, report.usage.requests, report.usage.input_tokens, report.seconds)


def alarm(failure: FoldFailure) -> None:
    print(failure.session_id, type(failure.error), failure.failures, failure.usage.requests)


def summarising() -> list[RetrievalPolicy]:
    return [
        SummarizeOlder(shout, on_summary=bill, on_failure=alarm),
        SummarizeOlder(AgentSummarizer(), max_tokens=32_000, role="developer", background=False),
    ]


async def cron_job(store: MongoSessionStore) -> int:
    def tell(progress: FoldProgress) -> None:
        print(progress.session_id, progress.session_number, progress.sessions)
        bill(progress.report)

    return await store.fold_pending(SummarizeOlder(shout), prefix="user/", progress=tell)


async def another_counter(store: MongoSessionStore) -> int:
    def tell(progress: RecountProgress) -> None:
        print(progress.session_id, progress.session_number, progress.documents, progress.changed)

    return await store.recount(prefix="user/", progress=tell)


def counters() -> list[TokenCounter]:
    return [TiktokenCounter(), TiktokenCounter("gpt-4o"), len]


async def session_is_the_sdks(store: MongoSessionStore) -> None:
    session: Session = store.session("a", policy=None, session_settings=SessionSettings(limit=5))
    await session.add_items([{"role": "user", "content": "hello"}])
    own = store.session("a", session_settings={"limit": 5})
    await Runner.run(Agent("assistant"), "hello", session=own)
    overhead: int = own.overhead_tokens
    print(overhead)
    explained: Explanation = await own.explain()
    same: Explanation = await own.explain(at_seq=2)
    share: float | None = None if same.prefix is None else same.prefix.share
    reason: str | None = None if explained.fold is None else explained.fold.reason
    summary: SessionSummary | None = await own.summary()
    dropped: int = await own.forget_summary()
    print(explained, explained.tokens, share, reason, summary, dropped)
    await own.get_items(wrapper=RunContextWrapper(None))
    if own.session_settings is not None:
        own.session_settings.limit = 7
    own.session_settings = None


async def recalled(store: MongoSessionStore) -> None:
    session = store.session("a", policy=Recall(GapMarkers(TokenLimit(4_000)), max_tokens=500))
    config = RunConfig(call_model_input_filter=session.input_filter())
    agent = Agent("assistant", tools=[search_tool(session), read_tool(session, max_tokens=1_000)])
    await Runner.run(agent, "hello", session=session, run_config=config)
    found: SearchResult = await session.search("order 4711", limit=3, max_tokens=500)
    for hit in found.hits:
        await session.pin(hit.seq)
    pinned: list[int] = [pin.seq for pin in await session.pinned()]
    await session.unpin(pinned[0])


async def script(uri: str) -> None:
    async with MongoSession.from_uri("a", uri=uri, policy=TokenLimit(8_000)) as session:
        entries: list[Entry] = [entry async for entry in session.entries(after_seq=5)]
        assert entries
    MongoSessionStore.from_uri(uri, "chats", driver="pymongo", retention=timedelta(days=90))
    async with EmbeddedMongo() as own, MongoSessionStore.from_uri(own, token_counter=None) as store:
        infos: list[SessionInfo] = await store.list_sessions("user/", after="user/5", limit=10)
        assert infos


async def cards(store: MongoSessionStore) -> None:
    session = store.session("a", owner="u1", policy=None)
    card: Card = await session.update_card(title="t", metadata={"a": [1]})
    maybe: Card | None = await session.card()
    of_owner: list[Card] = await store.list_sessions(owner="u1", after=card.cursor)
    active: list[Card] = await store.list_sessions(order="active", limit=5)
    by_id: list[SessionInfo] = await store.list_sessions(order="id")
    mine: OwnerStore = store.for_owner("u1")
    deleted: Deleted = await mine.delete_all(progress=lambda so_far: print(so_far.items))
    deleted = await store.delete_idle(timedelta(days=400))
    assert [maybe, of_owner, active, by_id, deleted]


async def in_memory(items: list[Item]) -> list[Item]:
    history: History = ListHistory(items, token_counter=len)
    return await TokenLimit(100)(history)


async def out_and_in(
    store: MongoSessionStore, source: Session, copy: MongoSessionStore
) -> Imported:
    lines = [line async for line in store.export("user-", owner="ann")]
    await copy.import_lines(lines, progress=lambda done: print(done.items))
    await copy.import_lines(store.export(session_ids=["a", "b"]))
    await copy.import_lines([b"{}"])
    await import_session(copy, source, "a", created_at=[datetime.now(timezone.utc)])
    return await import_session(copy, copy.session("a"), "b", created_at=datetime.now(timezone.utc))
