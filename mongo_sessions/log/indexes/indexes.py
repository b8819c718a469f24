"""Create the required indexes, or raise `IndexesMissing` with the command that creates them."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from pymongo import IndexModel
from pymongo.errors import OperationFailure

from ...errors import ForeignCollection, IndexesMissing
from ..server.retries import DUPLICATE_KEY, UNAUTHORIZED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..server.drivers import AnyDriver
    from .index_specs import Existing, IndexSpec

logger = logging.getLogger("mongo_sessions")

_CANNOT_CREATE, _OPTIONS_CONFLICT, _KEY_SPECS_CONFLICT = 67, 85, 86

# Every document of a session has these fields, whatever its state.
_FIELDS = {"session_id": str, "seq": int, "turn": int, "created_at": datetime}


class IndexDefect(NamedTuple):
    """A required index that is missing, or that serves no purpose as it is."""

    name: str
    defect: str
    """``"missing"``, ``"hidden"``, ``"not unique"``, ``"without its expiry"`` (it has none, or
    another one), or ``"different"``."""
    consequence: str
    error: IndexesMissing
    """Has the command that creates the index."""


class Indexes:
    """The indexes of one collection, through one client."""

    def __init__(
        self,
        database: AnyDriver,
        collection: str,
        specs: Sequence[IndexSpec],
    ) -> None:
        self._database = database
        self._collection = collection
        self._items = database.get_collection(collection)
        self._specs = specs

    def __str__(self) -> str:
        return ".".join(self.namespace)

    @property
    def namespace(self) -> tuple[str, str]:
        return self._database.name, self._collection

    async def refuse_foreign(self) -> None:
        """Call ``check_one_document``, and ignore that this user may not read."""
        try:
            await self.check_one_document()
        except OperationFailure as error:
            if error.code != UNAUTHORIZED:
                raise

    async def check_one_document(self) -> None:
        """Check that this package wrote the documents of the collection; it may be empty.

        Raises:
            ForeignCollection: the document was not written by this package.
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
        """The error for the first required index that is missing; None if all exist."""
        existing = await self._existing()
        if existing is None:
            return None
        for spec in self._specs:
            if spec.is_required and not spec.is_among(existing):
                to_drop = spec.with_its_name(existing)
                return self._error(spec, existing, "as a check has found", to_drop)
        return None

    async def has_collection(self) -> bool:
        """Whether the collection exists, as far as this user may see: its first index is there."""
        return await self._existing() != {}

    async def defects(self) -> list[IndexDefect] | None:
        """What is wrong with the indexes; None if this user may not list them."""
        existing = await self._existing()
        if existing is None:
            return None
        return [
            IndexDefect(
                spec.name,
                spec.defect(existing),
                spec.without_it,
                self._error(spec, existing, "as a check has found", spec.with_its_name(existing)),
            )
            for spec in self._specs
            if not spec.is_among(existing)
        ]

    async def ensure(self, *, create: bool) -> None:
        """List the indexes in one command; create the missing ones if ``create``.

        A user without the right to list them is assumed to have them all, unless ``create``: then
        all are created, which changes nothing if they exist. An index that is still being built
        is listed, and so counts as existing.

        Raises:
            IndexesMissing: a required index is missing, and is not or cannot be created. The
                absence of an index that is not required is logged.
        """
        existing = await self._existing()
        if existing is None and not create:
            return
        for spec in self._specs:
            if spec.is_among(existing or {}):
                continue
            try:
                await self._provide(spec, existing, create=create)
            except IndexesMissing as error:
                if spec.is_required:
                    raise
                logger.warning("%s", error)

    async def _existing(self) -> Existing | None:
        """All indexes by their names; None if this user may not list them."""
        try:
            return dict(await self._items.index_information())
        except OperationFailure as error:
            if error.code != UNAUTHORIZED:
                raise
            return None

    async def _provide(self, spec: IndexSpec, existing: Existing | None, *, create: bool) -> None:
        known = existing or {}
        to_drop = spec.with_its_name(known)
        if not create:
            raise self._error(spec, known, "create_indexes=False", to_drop)
        try:
            await self._create(spec)
        except OperationFailure as error:
            if error.code == UNAUTHORIZED:
                reason = "this user may not create it"
                if existing is None:
                    reason += ", nor see whether it is there (if it is, pass create_indexes=False)"
            elif error.code in (_OPTIONS_CONFLICT, _KEY_SPECS_CONFLICT) or (
                error.code == _CANNOT_CREATE and spec.with_its_key(known)  # a second text index
            ):
                reason = "another one is in its way"
                to_drop = to_drop or spec.with_its_key(known)
            elif error.code == DUPLICATE_KEY:
                reason = (
                    "several documents have one session_id and seq: remove or renumber these first"
                )
            else:
                raise
            raise self._error(spec, known, reason, to_drop) from error

    async def _create(self, spec: IndexSpec) -> None:
        try:
            await self._items.create_indexes([IndexModel(spec.key, name=spec.name, **spec.options)])
        except OperationFailure as error:
            if error.code != _OPTIONS_CONFLICT or spec.coll_mod is None:
                raise
            # A TTL index with this key exists, with another expiry and perhaps another name.
            await self._database.command("collMod", self._collection, index=spec.coll_mod)

    def _error(
        self, spec: IndexSpec, existing: Existing, reason: str, to_drop: list[str]
    ) -> IndexesMissing:
        """Say which index is missing, why, and how to create it in Python and in mongosh."""
        database = f"db.getSiblingDB({json.dumps(self._database.name)})"
        collection = json.dumps(self._collection)
        items = f"{database}.getCollection({collection})"
        key, options = json.dumps(dict(spec.key)), json.dumps(spec.options)
        drops = "".join(
            f"Another index, {name}, is in its way, and is to be dropped first: "
            f"{items}.dropIndex({json.dumps(name)}). "
            for name in to_drop
        )
        if spec.needs_coll_mod(existing):
            change = json.dumps(spec.coll_mod)
            command = f"{database}.runCommand({{collMod: {collection}, index: {change}}})"
        else:
            named = json.dumps({"name": spec.name, **spec.options})
            command = f"{items}.createIndex({key}, {named})"
        return IndexesMissing(
            f"{self} has no index {spec.name} on {key} with "
            f"{options} ({reason}), and without it {spec.without_it}. {drops}Let a user with the "
            f"right to call `await store.ensure_indexes()`, or in mongosh: {command}"
        )
