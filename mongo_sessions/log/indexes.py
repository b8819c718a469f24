"""Seeing to it that the indexes of the collection are there, or saying what is to be done."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pymongo import IndexModel
from pymongo.errors import OperationFailure

from ..errors import ForeignCollection, IndexesMissing
from .wanted import wanted_indexes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from .drivers import AnyDriver
    from .wanted import IndexSpec

logger = logging.getLogger("mongo_sessions")

_UNAUTHORIZED = 13
_OPTIONS_CONFLICT, _KEY_SPECS_CONFLICT = 85, 86
_DUPLICATE_KEY = 11000

# What each of our documents has, whatever else it lacks.
_FIELDS = {"session_id": str, "seq": int, "turn": int, "created_at": datetime}


class Indexes:
    """The indexes of one collection, through one client."""

    def __init__(self, database: AnyDriver, collection: str, retention: timedelta | None) -> None:
        self._database = database
        self._collection = collection
        self._items = database.get_collection(collection)
        self._wanted = wanted_indexes(retention)

    def __str__(self) -> str:
        return ".".join(self.namespace)

    @property
    def namespace(self) -> tuple[str, str]:
        """Database and collection."""
        return self._database.name, self._collection

    async def refuse_foreign(self) -> None:
        """Look at one document; a user who may not is believed, for what follows fails.

        Raises:
            ForeignCollection: the document is of another kind.
        """
        try:
            await self.check_one_document()
        except OperationFailure as error:
            if error.code != _UNAUTHORIZED:
                raise

    async def check_one_document(self) -> None:
        """Look at one document: it tells whether the collection is one of ours. Empty is fine.

        Raises:
            ForeignCollection: the document is of another kind.
        """
        found = await self._items.find_one({}, dict.fromkeys(_FIELDS, 1))
        if found is not None and not all(
            isinstance(found.get(field), kind) for field, kind in _FIELDS.items()
        ):
            raise ForeignCollection(
                f"{self} holds documents that are not of mongo-sessions: they lack session_id, "
                "seq, turn or created_at. Nothing was created there. Use another collection: "
                "MongoSessionStore(…, collection=…)"
            )

    async def missing(self) -> IndexesMissing | None:
        """The error about an index that is needed and not there; None if there is no such."""
        existing = await self._existing()
        if existing is None:
            return None
        for index in self._wanted:
            if index.is_needed and not index.is_among(existing):
                in_its_way = index.of_the_same_name(existing)
                return self._missing(index, existing, "as a check has found", in_its_way)
        return None

    async def ensure(self, *, create: bool) -> None:
        """Look whether they are there: one command. Create what is missing, if ``create``.

        A user who may not even look is believed: with ``create`` all are created, which changes
        nothing where they are; without, they are taken to be there. One that somebody else is still
        building looks as if it were there.

        Raises:
            IndexesMissing: one is missing, and is not or cannot be created. If nothing is wrong
                without it, that is logged instead.
        """
        existing = await self._existing()
        if existing is None and not create:
            return
        for index in self._wanted:
            if index.is_among(existing or {}):
                continue
            try:
                await self._provide(index, existing, create=create)
            except IndexesMissing as error:
                if index.is_needed:
                    raise
                logger.warning("%s", error)

    async def _existing(self) -> Mapping[str, Any] | None:
        """All indexes by their names; None if this user may not list them."""
        try:
            existing: Mapping[str, Any] = await self._items.index_information()
        except OperationFailure as error:
            if error.code != _UNAUTHORIZED:
                raise
            return None
        return existing

    async def _provide(
        self, index: IndexSpec, existing: Mapping[str, Any] | None, *, create: bool
    ) -> None:
        known = existing or {}
        in_its_way = index.of_the_same_name(known)
        if not create:
            raise self._missing(index, known, "create_indexes=False", in_its_way)
        try:
            await self._create(index)
        except OperationFailure as error:
            if error.code == _UNAUTHORIZED:
                reason = "this user may not create it"
                if existing is None:
                    reason += ", nor see whether it is there (if it is, pass create_indexes=False)"
            elif error.code in (_OPTIONS_CONFLICT, _KEY_SPECS_CONFLICT):
                reason = "another one is in its way"
                in_its_way = in_its_way or index.of_the_same_key(known)
            elif error.code == _DUPLICATE_KEY:
                reason = (
                    "several documents have one session_id and seq: remove or renumber these first"
                )
            else:
                raise
            raise self._missing(index, known, reason, in_its_way) from error

    async def _create(self, index: IndexSpec) -> None:
        model = IndexModel(index.key, name=index.name, **index.options)
        try:
            await self._items.create_indexes([model])
        except OperationFailure as error:
            if error.code != _OPTIONS_CONFLICT or not index.may_change:
                raise
            # There is one with another number. By its key, for it may have another name, too.
            await self._database.command("collMod", self._collection, index=index.change)

    def _missing(
        self, index: IndexSpec, existing: Mapping[str, Any], reason: str, in_its_way: list[str]
    ) -> IndexesMissing:
        """What is missing, why, and what to do about it: in Python, and for mongosh."""
        database = f"db.getSiblingDB({json.dumps(self._database.name)})"
        items = f"{database}.getCollection({json.dumps(self._collection)})"
        key, options = json.dumps(dict(index.key)), json.dumps(index.options)
        drops = "".join(
            f"Another index, {name}, is in its way, and is to be dropped first: "
            f"{items}.dropIndex({json.dumps(name)}). "
            for name in in_its_way
        )
        if index.is_to_be_changed(existing):
            change = json.dumps(index.change)
            name = json.dumps(self._collection)
            command = f"{database}.runCommand({{collMod: {name}, index: {change}}})"
        else:
            named = json.dumps({"name": index.name, **index.options})
            command = f"{items}.createIndex({key}, {named})"
        return IndexesMissing(
            f"{self} has no index {index.name} on {key} with "
            f"{options} ({reason}), and without it {index.without_it}. {drops}Let a user with the "
            f"right to call `await store.ensure_indexes()`, or in mongosh: {command}"
        )
