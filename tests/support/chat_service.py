"""The chat service of examples/ in processes of its own, and a client of it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

# Not beside the package: that may be an installed wheel.
ROOT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").exists())
FOLDER = ROOT / "examples" / "chat_service"


class Event(NamedTuple):
    """A server-sent event."""

    kind: str
    data: Any
    id: int | None


class Service(NamedTuple):
    address: str
    process: subprocess.Popen[str]

    def user(self, name: str) -> User:
        return User(self.address, name)


@contextmanager
def serve(
    uri: str, *, driver: str = "motor", workers: int = 1, lease: float = 30
) -> Iterator[Service]:
    """A server on a free port, when all of its workers are ready."""
    command = [sys.executable, "-m", "uvicorn", "app:app", "--app-dir", str(FOLDER)]
    command += ["--port", "0", "--timeout-graceful-shutdown", "2", "--no-access-log"]
    command += ["--workers", str(workers)] if workers > 1 else []
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    env = {"MONGODB_URI": uri, "MONGODB_DRIVER": driver, "CHAT_LEASE": str(lease)}
    process = subprocess.Popen(
        command, env=os.environ | env | {"PYTHONPATH": path}, stderr=subprocess.PIPE, text=True
    )
    try:
        log = read_until_ready(process, workers)
        match = re.search(r"running on (http://[\d.:]+)", log)
        assert match, log
        assert log.count("Started server process") == workers
        yield Service(match[1], process)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def read_until_ready(process: subprocess.Popen[str], workers: int) -> str:
    log = ""
    assert process.stderr
    for line in process.stderr:
        log += line
        if log.count("startup complete") == workers and "running on" in log:
            break
    return log


class User:
    """What one user asks of a service."""

    def __init__(self, address: str, name: str) -> None:
        self.address = address
        self.headers = {"X-User": name}

    async def request(self, method: str, path: str, body: object = None) -> httpx2.Response:
        # A connection for each: so the workers of one port take turns.
        async with httpx2.AsyncClient(base_url=self.address, timeout=60) as client:
            return await client.request(method, path, headers=self.headers, json=body)

    async def get(self, path: str) -> Any:
        return (await self.request("GET", path)).raise_for_status().json()

    async def create(self) -> str:
        """A new conversation; return its path."""
        response = await self.request("POST", "/chats")
        assert response.status_code == 201
        return f"/chats/{response.json()['id']}"

    async def titles(self) -> list[str]:
        return [chat["title"] for chat in (await self.get("/chats"))["chats"]]

    async def ask(self, chat: str, text: str, **edit: int) -> list[Event]:
        """The events of the answer.

        Raises:
            HTTPStatusError: the service has refused the question.
        """
        async with self.asked(chat, text, **edit) as events:
            return [event async for event in events]

    @asynccontextmanager
    async def asked(self, chat: str, text: str, **edit: int) -> AsyncIterator[AsyncIterator[Event]]:
        body = {"text": text, **edit}
        async with (
            httpx2.AsyncClient(base_url=self.address, timeout=60) as client,
            client.stream("POST", f"{chat}/messages", headers=self.headers, json=body) as response,
        ):
            yield events_of(response.raise_for_status())

    @asynccontextmanager
    async def following(self, chat: str, after_seq: int = 0) -> AsyncIterator[AsyncIterator[Event]]:
        headers = self.headers | {"Last-Event-ID": str(after_seq)}
        async with (
            httpx2.AsyncClient(base_url=self.address, timeout=60) as client,
            client.stream("GET", f"{chat}/events", headers=headers) as response,
        ):
            yield events_of(response.raise_for_status())

    async def entries(self, chat: str) -> list[tuple[int, str]]:
        """What is stored: the places and the texts."""
        page = await self.get(f"{chat}/messages?limit=200")
        return [(entry["seq"], text_of(entry["item"])) for entry in page["entries"]]


async def events_of(response: httpx2.Response) -> AsyncIterator[Event]:
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            number = int(fields["id"]) if "id" in fields else None
            yield Event(fields.get("event", "message"), json.loads(fields["data"]), number)
            fields = {}


def text_of(item: dict[str, Any]) -> str:
    content = item.get("content") or item.get("output") or item.get("name")
    return content if isinstance(content, str) else content[0]["text"]


def answer(events: list[Event]) -> str:
    """The text of a complete answer."""
    assert [event.kind for event in events[-2:]] == ["delta", "end"]
    return "".join(event.data for event in events[:-1])


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Ask until it is true: for what another process does."""
    for _ in range(1_200):
        if await condition():
            return
        await asyncio.sleep(0.05)
    raise TimeoutError("it never became true")


async def status_of(asking: Awaitable[object]) -> int:
    """The status with which a question is answered."""
    try:
        await asking
    except httpx2.HTTPStatusError as error:
        return error.response.status_code
    return 200
