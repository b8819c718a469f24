"""A model provider on loopback, and a short conversation to summarise."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import agents
import openai
from agents import OpenAIResponsesModel

from mongo_sessions import SummaryRequest
from tests.support.responses_server import ResponsesServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from tests.support.responses_server import Answer


TRANSCRIPT = "[2025-03-01 10:00] user: I am Ann.\n[2025-03-01 10:01] assistant: Hello Ann."
FOLD = SummaryRequest("fold", TRANSCRIPT, "", 123)
SUMMARY = "The user is called Ann."
# A word of what was said, which must not be in a log.
SAID = "Zanzibar"
MESSAGES = [
    {"role": ("user", "assistant")[n % 2], "content": f"Message {n}: {SAID}" + " word" * 37}
    for n in range(60)
]


@asynccontextmanager
async def provider(
    script: Iterable[Answer],
) -> AsyncIterator[tuple[ResponsesServer, openai.AsyncOpenAI]]:
    with ResponsesServer(script) as server:
        async with openai.AsyncOpenAI(base_url=server.url, api_key="test", max_retries=2) as client:
            yield server, client


@asynccontextmanager
async def model(script: Iterable[Answer]) -> AsyncIterator[tuple[ResponsesServer, agents.Model]]:
    async with provider(script) as (server, client):
        yield server, OpenAIResponsesModel(model="small", openai_client=client)


def prompt(server: ResponsesServer) -> str:
    """The text of the only message in the last request."""
    [message] = server.requests[-1].body["input"]
    assert message.keys() == {"role", "content"}
    assert message["role"] == "user"
    return message["content"]
