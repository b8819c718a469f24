"""Creates the contenders for which a server and its packages are available."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from .contenders import BARE, OURS, SDK_MONGO, SDK_ON, SDK_SQLITE
from .ours import Bare, Ours, clients
from .peers import SdkMongo, SdkSQLite

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mongo_sessions.log.server.drivers import AnyDriver

    from .contenders import Contender
    from .servers import Servers


@asynccontextmanager
async def contenders(
    servers: Servers, folder: Path, namespace: str
) -> AsyncIterator[list[Contender]]:
    """All available contenders; at the end, data outside of ``folder`` and MongoDB is removed."""
    async with clients(servers.mongo) as (motor, pymongo):
        field = on_mongo(motor[namespace], pymongo[namespace])
        field.append(SdkSQLite(SDK_SQLITE, folder / f"{namespace}.sqlite"))
        if url := servers.others.get("PostgreSQL"):
            from .peers import SdkPostgres  # noqa: PLC0415 - of packages that may be missing

            field.append(SdkPostgres(SDK_ON["PostgreSQL"], url, namespace))
        if url := servers.others.get("Redis"):
            from .peers import SdkRedis  # noqa: PLC0415

            field.append(SdkRedis(SDK_ON["Redis"], url, namespace))
        try:
            yield field
        finally:
            for contender in field:
                await contender.close()


def on_mongo(motor: AnyDriver, pymongo: AnyDriver) -> list[Contender]:
    """The contenders in MongoDB, on databases of the two drivers."""
    return [
        Ours(OURS["Motor"], motor),
        Ours(OURS["PyMongo"], pymongo),
        Bare(BARE["Motor"], motor),
        Bare(BARE["PyMongo"], pymongo),
        SdkMongo(SDK_MONGO, pymongo),
    ]
