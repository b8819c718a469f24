"""The SDK's RedisSession: where there is a server, and the package for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.extensions.memory.redis_session import RedisSession
from redis.asyncio import BlockingConnectionPool, Redis

from .contenders import Stored
from .peers import fill_by_adding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.items import TResponseInputItem

# As many as a client of MongoDB has.
_CONNECTIONS = 100


class SdkRedis:
    """RedisSession, with a client for all sessions."""

    kept_as = "a list in Redis"
    guarantee = "in one server's memory; its file is synced every second (appendfsync everysec)"

    def __init__(self, name: str, url: str, namespace: str) -> None:
        self.name = name
        # Not the default, which has an error for who finds all connections in use.
        pool = BlockingConnectionPool.from_url(url, max_connections=_CONNECTIONS)
        self._redis = Redis.from_pool(pool)
        self._prefix = namespace

    def session(self, session_id: str) -> RedisSession:
        return RedisSession(session_id, redis_client=self._redis, key_prefix=self._prefix)

    async def fill(self, session_id: str, items: Sequence[TResponseInputItem]) -> None:
        await fill_by_adding(self.session(session_id), items)

    async def stored(self) -> Stored:
        """In memory: that is where it keeps things."""
        sizes = [await self._redis.memory_usage(key, samples=0) for key in await self._keys()]
        return Stored(None, sum(size or 0 for size in sizes))

    async def version(self) -> str:
        return f"Redis {(await self._redis.info('server'))['redis_version']}"

    async def close(self) -> None:
        if keys := await self._keys():
            await self._redis.delete(*keys)
        await self._redis.aclose()

    async def _keys(self) -> list[bytes]:
        return [key async for key in self._redis.scan_iter(f"{self._prefix}:*", count=1_000)]
