"""Indexes of words, which a store may use to search: which items are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ..indexes.index_specs import TextIndexSpec
from .search_text import TEXT_PATHS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..documents import Document

_MOST_CANDIDATES = 1_000


@dataclass(frozen=True, kw_only=True)
class TextIndex:
    """A text index of MongoDB: ``MongoSessionStore(…, search=TextIndex())``.

    The index ``session_text`` begins with the session id, so a search reads the keys of one
    session. Only whole words are found, and no parts of texts without spaces. The index makes each
    append slower, and is about as large as the texts. A collection can have one text index.

    Args:
        language: Whose stop words the index leaves out and whose word endings it removes, as
            MongoDB names it. The default, "none", leaves each word as it is. Another language needs
            another index: drop ``session_text`` first.
    """

    language: str = "none"

    is_lasting = True
    """The reads see every acknowledged write."""

    def __post_init__(self) -> None:
        if not isinstance(self.language, str) or not self.language:
            raise ValueError(f"language must be a language of MongoDB, got {self.language!r}")

    @property
    def specs(self) -> list[TextIndexSpec]:
        """The indexes that the collection must have."""
        return [TextIndexSpec.of(TEXT_PATHS, self.language)]

    def stages(self, query: Document, words: Sequence[str]) -> list[Document]:
        """The first stages of a search: the documents of ``query`` with any of these words.

        ``$search`` is a language of its own. Words of letters and digits have no operators.
        """
        return [{"$match": {**query, "$text": {"$search": " ".join(words)}}}]


@dataclass(frozen=True, kw_only=True)
class AtlasSearch:
    """An index of Atlas Search: ``MongoSessionStore(…, search=AtlasSearch(index="sessions"))``.

    You create the index: ``session_id`` must be of type ``token``, and ``item`` a dynamic document
    and a string. Atlas updates the index a moment after a write; until then, an item is not found.
    The 1,000 best matches of the index are compared.

    The stage is written from the documentation of Atlas. It has not been run on Atlas.

    Args:
        index: The name of the index.
    """

    index: str

    is_lasting = False
    """``$search`` reads an index of its own; a read concern does not apply to it."""

    def __post_init__(self) -> None:
        if not isinstance(self.index, str) or not self.index:
            raise ValueError(f"index must be the name of an index, got {self.index!r}")

    @property
    def specs(self) -> list[TextIndexSpec]:
        """None: an index of Atlas Search is not an index of the collection."""
        return []

    def stages(self, query: Document, words: Sequence[str]) -> list[Document]:
        """The first stages of a search. ``$search`` must be the first one.

        The last stage makes sure of the session and of its part, whatever the index returned.
        """
        session: dict[str, Any] = {"path": "session_id", "value": query["session_id"]}
        search = {
            "index": self.index,
            "compound": {
                "must": [{"text": {"query": list(words), "path": list(TEXT_PATHS)}}],
                "filter": [{"equals": session}],
            },
        }
        return [{"$search": search}, {"$match": dict(query)}, {"$limit": _MOST_CANDIDATES}]


WordIndex: TypeAlias = "TextIndex | AtlasSearch"
