"""A chat service: conversations in MongoDB, several workers, and a page for the browser.

    pip install '.[examples]'
    export MONGODB_URI=mongodb://localhost:27017
    uvicorn app:app --app-dir examples/chat_service --workers 2 --timeout-graceful-shutdown 5

Open http://localhost:8000 in two windows. No key is needed: the assistant repeats what you say.
"""

import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import uuid4

from access import Chat, ChatId, Owner, Seq, Store
from agents import Runner
from assistant import POLICY, agent_for
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from openai.types.responses import ResponseTextDeltaEvent
from pydantic import BaseModel, Field

from mongo_sessions import (
    CannotExplain,
    Card,
    Conflict,
    ItemTooLarge,
    MongoSessionStore,
    NoSuchEntry,
    ServerUnavailable,
    SessionBusy,
    SessionDeleted,
    WrongOwner,
)
from mongo_sessions.policies import Entry

URI = os.environ.get("MONGODB_URI", "mongodb://localhost:27017")
DRIVER: Literal["motor", "pymongo"] = (
    "pymongo" if os.environ.get("MONGODB_DRIVER") == "pymongo" else "motor"
)
# Seconds for which a conversation stays busy after its worker was killed.
LEASE = float(os.environ.get("CHAT_LEASE", "30"))

NEW = "New conversation"
"""A title, until there is a question."""

STATUS: dict[type[Exception], int] = {
    WrongOwner: 403,
    CannotExplain: 404,
    NoSuchEntry: 404,
    Conflict: 409,
    SessionBusy: 409,
    SessionDeleted: 410,
    ItemTooLarge: 413,
    ServerUnavailable: 503,
}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    # One store per worker. It is closed when the worker ends, after its background work.
    opened = MongoSessionStore.from_uri(URI, "chat_service", driver=DRIVER, policy=POLICY)
    async with opened as app.state.store:
        yield


app = FastAPI(title="Chat", lifespan=lifespan)


async def refuse(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, STATUS[type(error)])


for kind in STATUS:
    app.add_exception_handler(kind, refuse)


class Question(BaseModel):
    text: Annotated[str, Field(min_length=1, max_length=20_000)]
    edit_seq: Seq | None = None
    """The question that this one replaces, with everything after it."""
    expected_last_seq: Seq | None = None
    """For an edit: the newest entry that the user has seen."""


async def turn(chat: Chat, question: Question) -> AsyncIterator[None]:
    """One run at a time. The turn ends when the answer is sent, or the client has left."""
    async with chat.turn(lease=LEASE):
        if question.edit_seq is not None:
            before = await chat.page(question.edit_seq, limit=1)
            last = before.entries[-1].seq if before.entries else 0
            await chat.rewind(last, question.expected_last_seq)
        yield


# One conversation.


@app.post(
    "/chats/{chat_id}/messages",
    response_class=EventSourceResponse,
    dependencies=[Depends(turn)],
)
async def ask(chat: Chat, question: Question) -> AsyncIterator[ServerSentEvent]:
    """Events ``delta`` with the words of the answer; then ``end``, or ``error`` with its status."""
    card = await chat.card()
    if card is not None and card.title == NEW:
        await chat.update_card(title=question.text[:60])
    run = Runner.run_streamed(agent_for(question.text), question.text, session=chat)
    try:
        async for event in run.stream_events():
            if event.type == "raw_response_event" and isinstance(
                event.data, ResponseTextDeltaEvent
            ):
                yield ServerSentEvent(event="delta", data=event.data.delta)
    except tuple(STATUS) as error:  # too late for a status: the answer has begun
        problem = {"status": STATUS[type(error)], "detail": str(error)}
        yield ServerSentEvent(event="error", data=problem)
    else:
        yield ServerSentEvent(event="end", data={})


@app.get("/chats/{chat_id}/messages")
async def messages(
    chat: Chat, before_seq: Seq | None = None, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> dict[str, Any]:
    """The newest page; with ``before_seq`` of a page, the page before it."""
    page = await chat.page(before_seq, limit)
    return {"entries": [as_json(entry) for entry in page.entries], "before_seq": page.before_seq}


@app.get("/chats/{chat_id}/events", response_class=EventSourceResponse)
async def events(
    chat: Chat, last_event_id: Annotated[int, Header(ge=0, lt=2**63)] = 0
) -> AsyncIterator[ServerSentEvent]:
    """Each entry after ``Last-Event-ID``, and then each new one, whichever worker stores it."""
    async with aclosing(chat.watch(last_event_id)) as entries:
        async for entry in entries:
            yield ServerSentEvent(id=str(entry.seq), data=as_json(entry))


@app.get("/chats/{chat_id}/explain")
async def explain(chat: Chat, at_seq: Seq | None = None) -> dict[str, Any]:
    """What the model sees now, or saw when it wrote the entry ``at_seq``."""
    explained = await chat.explain(at_seq=at_seq)
    return asdict(explained) | {"tokens": explained.tokens, "text": str(explained)}


def as_json(entry: Entry) -> dict[str, Any]:
    return {"seq": entry.seq, "created_at": entry.created_at, "item": entry.item}


# The conversations of a user.


class Title(BaseModel):
    title: Annotated[str, Field(min_length=1, max_length=200)]


class Branch(BaseModel):
    upto_seq: Seq | None = None


@app.get("/chats")
async def chats(
    owner: Owner, after: str | None = None, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> dict[str, Any]:
    """The conversation that was active last first. ``after`` of a page begins the next page."""
    try:
        cards = await owner.list_sessions(after, limit)
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
    return {
        "chats": [shown(card) for card in cards if card.title is not None],
        "after": cards[-1].cursor if len(cards) == limit else None,
    }


@app.post("/chats", status_code=201)
async def create(owner: Owner) -> dict[str, Any]:
    return shown(await owner.session(uuid4().hex).update_card(title=NEW))


@app.patch("/chats/{chat_id}")
async def rename(chat: Chat, body: Title) -> dict[str, Any]:
    return shown(await chat.update_card(title=body.title))


@app.post("/chats/{chat_id}/fork", status_code=201)
async def fork(chat: Chat, branch: Branch) -> dict[str, Any]:
    """A copy, up to an entry: to try another question, and keep this conversation."""
    copy = await chat.fork(uuid4().hex, branch.upto_seq)
    return {"id": copy.session_id}


@app.delete("/chats/{chat_id}")
async def delete(chat_id: ChatId, owner: Owner) -> dict[str, int]:
    """A run under way gets SessionDeleted: no late answer brings the conversation back."""
    return {"items": await owner.delete_session(chat_id)}


def shown(card: Card) -> dict[str, Any]:
    return {"id": card.session_id, "title": card.title, "active_at": card.active_at}


@app.get("/ready")
async def ready(store: Store) -> Response:
    check = await store.check(timeout=5)
    return Response(check.reason, status_code=200 if check.ok else 503)


@app.get("/", include_in_schema=False)
async def page() -> FileResponse:
    return FileResponse(Path(__file__).with_name("page.html"))
