"""A Redis of RedisSession."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from agents.extensions.memory import RedisSession
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ..target import wrong_usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

_BEFORE, _BEHIND = b"agents:session:", b":messages"
_PAGE = 1_000


class _RedisSource:
    errors = (RedisError, OSError)

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def session_ids(self) -> AsyncIterator[str]:
        # Lists alone: the hash of a session "a:messages" has a key of this form, too.
        scan = self._client.scan_iter(b"%b*%b" % (_BEFORE, _BEHIND), _PAGE, "LIST")
        keys = {key async for key in scan}  # it may return a key twice
        for key in sorted(keys):
            yield key[len(_BEFORE) : -len(_BEHIND)].decode()

    @asynccontextmanager
    async def session(self, session_id: str) -> AsyncIterator[RedisSession]:
        yield RedisSession(session_id, redis_client=self._client)

    async def dates(self, session_id: str) -> list[datetime] | None:  # noqa: ARG002 - Redis has none
        return None


@asynccontextmanager
async def redis_source(url: str) -> AsyncIterator[_RedisSource]:
    """The sessions of a server."""
    try:
        client = Redis.from_url(url)
    except ValueError:  # its message may have the URL
        raise wrong_usage("--from: this is no URL of a Redis, as in redis://host:6379/0") from None
    try:
        yield _RedisSource(client)
    finally:
        await client.aclose()
