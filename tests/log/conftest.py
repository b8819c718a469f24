"""Two stores on one database, of which one may lose answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from mongo_sessions import MongoSessionStore
from tests.conftest import open_database
from tests.support.clients import open_client
from tests.support.faults import LossyProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    LossyPair = tuple[LossyProxy, MongoSessionStore, MongoSessionStore, Any]


@pytest.fixture
async def lossy_pair(driver: str, replica_set: str) -> AsyncIterator[LossyPair]:
    """The proxy, the store behind it, the store beside it, and the database of the latter."""
    with LossyProxy(urlsplit(replica_set).port) as lossy:
        async with (
            open_database(driver, f"{lossy.uri}&retryWrites=false") as one,
            open_client(driver, replica_set) as client,
        ):
            other = client.get_database(one.name)
            yield lossy, MongoSessionStore(one), MongoSessionStore(other), other
