"""The updates of cards, as pipelines: each is one atomic step, and may be repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ..places import MARK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from bson import ObjectId

    from ..documents import Document
    from ..server.clock import Time

    Pipeline: TypeAlias = "list[dict[str, Any]]"

# No touch is that old. It is less than the time of a mark: when the marks of an empty session are
# deleted, its places begin anew, and the place of the deletion must not count any more.
_RECENT_SECONDS = MARK_SECONDS / 2

_ALIVE = "$active_at"
_CARD = ("owner", "title", "is_made_title", "metadata", "created_at", "active_at", "closing")
_NO_PLACE = -1


class Touch(NamedTuple):
    """An append that a card is to tell."""

    session_id: str
    seq: int
    """The newest place after it; 0 if that is not known."""
    owner: str | None
    """For a new card."""


class CardUpdates:
    """Makes the updates.

    Args:
        time: The server's time.
        gone: The value of a field that is removed: mongomock has no ``$$REMOVE`` inside a
            condition, and stores a null instead.
    """

    def __init__(self, time: Time, gone: str | None) -> None:
        self._time = time
        self._gone = gone

    def touched(self, touch: Touch) -> Pipeline:
        """Set ``active_at``, unless the append was deleted; a missing card is made."""
        now = self._time(0)
        owner = self._gone if touch.owner is None else _literal(touch.owner)
        fields = {
            "owner": _if(_ALIVE, "$owner", owner),
            "created_at": {"$ifNull": ["$created_at", now]},
            "active_at": now,
            "deleted_at": self._gone,
        }
        return _set_if({"$lt": [self._deleted_seq(), touch.seq]}, fields)

    def claimed(self, owner: str) -> Pipeline:
        """Make a card for ``owner``, unless there is a card."""
        now = self._time(0)
        fields = {
            "owner": _literal(owner),
            "created_at": now,
            "active_at": now,
            "deleted_at": self._gone,
        }
        return _set({name: _if(_ALIVE, f"${name}", new) for name, new in fields.items()})

    def changed(self, changes: Mapping[str, Any], active_at: datetime | None) -> Pipeline:
        """Change fields; None removes one. See :meth:`Cards.update`."""
        now = self._time(0)
        fields: dict[str, Any] = {
            name: self._gone if value is None else _literal(value)
            for name, value in changes.items()
        }
        if "title" in changes:
            fields.setdefault("is_made_title", self._gone)
        fields |= {
            "created_at": {"$ifNull": ["$created_at", now]},
            "active_at": {"$ifNull": ["$active_at", now if active_at is None else active_at]},
            "deleted_at": self._gone,
        }
        return _set_if(_is_owner(changes["owner"]), fields) if "owner" in changes else _set(fields)

    def closed(self, closing: Mapping[str, Any]) -> Pipeline:
        """Mark a card, unless it is marked."""
        return _set({"closing": {"$ifNull": ["$closing", _literal(dict(closing))]}})

    def buried(self, seq: int, token: ObjectId) -> Pipeline:
        """Make a tombstone, unless a later deletion did, or the card has an owner and no mark."""
        now = self._time(0)
        fields: dict[str, Any] = dict.fromkeys(_CARD, self._gone)
        fields |= {"deleted_seq": seq, "deleted_on": now, "deleted_at": now}
        has_owner = {"$gt": [{"$ifNull": ["$owner", ""]}, ""]}
        is_marked = {"$eq": [{"$ifNull": ["$closing.token", None]}, token]}
        may = _if(_ALIVE, {"$or": [{"$not": [has_owner]}, is_marked]}, True)  # noqa: FBT003
        return _set_if({"$and": [{"$lte": [self._deleted_seq(), seq]}, may]}, fields)

    def _deleted_seq(self) -> Document:
        """The place of the last deletion, if it is recent; below all places without one."""
        deleted_on = {"$ifNull": ["$deleted_on", self._time(0)]}
        is_recent = {"$gt": [deleted_on, self._time(-_RECENT_SECONDS)]}
        return _if(is_recent, {"$ifNull": ["$deleted_seq", _NO_PLACE]}, _NO_PLACE)


def _is_owner(owner: str) -> Document:
    """Whether the card has this owner, or none."""
    return {"$eq": [{"$ifNull": ["$owner", _literal(owner)]}, _literal(owner)]}


def _set(fields: Mapping[str, Any]) -> Pipeline:
    return [{"$set": dict(fields)}]


def _set_if(condition: Document, fields: Mapping[str, Any]) -> Pipeline:
    """Set all of the fields, or none: each expression sees the document as it was before."""
    return _set({name: _if(condition, new, f"${name}") for name, new in fields.items()})


def _if(condition: Any, then: Any, otherwise: Any) -> Document:  # noqa: ANN401 - expressions
    """An expression. One that yields a missing field leaves the field out."""
    return {"$cond": [condition, then, otherwise]}


def _literal(value: object) -> Document:
    """The value itself: a text that begins with $ would be an expression."""
    return {"$literal": value}
