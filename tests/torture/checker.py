"""Compares the stored documents with the acknowledged operations.

Knows journals and raw documents, and nothing of how either came about: neither the package nor the
faults. It says what it finds; that it finds everything is shown by test_torture_checker.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .batch_rules import BATCH_RULES
from .copy_rules import COPY_RULES
from .edit_rules import EDIT_RULES
from .place_rules import PLACE_RULES
from .redaction_rules import REDACTION_RULES
from .removal_rules import REMOVAL_RULES
from .story import stories

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .journal import History

# What can be wrong with a batch, an item, a place, or what is stored about them. "kept": an item
# is there after its removal was acknowledged. "missed": a poller was not given what is there.
KINDS = (
    "lost",
    "doubled",
    "torn",
    "kept",
    "misordered",
    "misplaced",
    "missed",
    "miscounted",
    "mistold",
    "unheard of",
)


@dataclass
class Findings:
    """The number of checked objects, and the violations: a sentence each, by kind."""

    sessions: int = 0
    items: int = 0
    removed: int = 0
    """Places without an item."""
    copied: int = 0
    """Items in the copies of sessions."""
    seen: int = 0
    """Entries that pollers were given."""
    summaries: int = 0
    wrong: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    @property
    def is_clean(self) -> bool:
        return not any(self.wrong.values())


def check(
    history: History,
    documents: Iterable[dict[str, Any]],
    owners: dict[str, str] | None = None,
    *,
    has_transactions: bool = True,
) -> Findings:
    """Compare the journals with all documents of the collection, and the owners of the cards.

    Without transactions, the first part of a batch may be all that is there of it, unless it was
    acknowledged; and other batches may lie between its items.
    """
    findings = Findings()
    for story in stories(history, documents, owners or {}):
        findings.sessions += 1
        findings.items += len(story.live)
        findings.removed += len(story.everything) - len(story.live)
        findings.seen += sum(len(polled.seen) for polled in story.polled)
        findings.summaries += sum(bool(p.document.get("summary")) for p in story.live)
        findings.copied += sum(place.state == "live" for place in story.copied)
        rules = [*PLACE_RULES, *REMOVAL_RULES, *EDIT_RULES[has_transactions], *COPY_RULES]
        rules += [*BATCH_RULES[has_transactions], *REDACTION_RULES]
        for rule in rules:
            for kind, problem in rule(story):
                findings.wrong[kind].append(f"{story.name}: {problem}")
    return findings
