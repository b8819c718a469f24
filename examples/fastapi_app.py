"""A chat over HTTP: streamed answers, and several workers that share the sessions.

    pip install '.[examples]'
    export MONGODB_URI=mongodb://localhost:27017
    uvicorn fastapi_app:app --app-dir examples --workers 4
    curl --no-buffer 'localhost:8000/chat/user-123?text=Hello'

The last command prints, word by word:

    You said: Hello
"""

import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agents import Agent, Runner, set_tracing_disabled
from agents.testing import ScriptedModel, assistant_message
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse
from openai.types.responses import ResponseTextDeltaEvent

from mongo_sessions import MongoSessionStore, TokenLimit

URI = os.environ.get("MONGODB_URI", "mongodb://localhost:27017")
set_tracing_disabled(True)  # traces are sent to OpenAI and need a key


def agent_for(text: str) -> Agent[Any]:
    """Put your agent here. This one needs no key: its model repeats the user."""
    return Agent("assistant", model=ScriptedModel([[assistant_message(f"You said: {text}")]]))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    # One store per worker. It is closed when the worker ends, after its background work.
    async with MongoSessionStore.from_uri(URI, "fastapi_app", policy=TokenLimit(16_000)) as store:
        app.state.store = store
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/chat/{session_id}")
async def chat(session_id: str, text: str) -> StreamingResponse:
    async def answer() -> AsyncIterator[str]:
        session = app.state.store.session(session_id)
        run = Runner.run_streamed(agent_for(text), text, session=session)
        async for event in run.stream_events():
            if event.type == "raw_response_event" and isinstance(
                event.data, ResponseTextDeltaEvent
            ):
                yield event.data.delta

    return StreamingResponse(answer(), media_type="text/plain")


@app.get("/history/{session_id}")
async def history(session_id: str, after_seq: int = 0) -> list[dict[str, Any]]:
    """Everything after ``after_seq``: a client asks again with the seq of its last entry."""
    entries = app.state.store.session(session_id).entries(after_seq)
    return [{"seq": entry.seq, "item": entry.item} async for entry in entries]


@app.get("/ready")
async def ready() -> Response:
    check = await app.state.store.check(timeout=5)
    return Response(check.reason, status_code=200 if check.ok else 503)
