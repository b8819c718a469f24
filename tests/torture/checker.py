"""Whether what is stored agrees with what was acknowledged.

Knows journals and raw documents, and nothing of how either came about: neither the package nor the
faults. It says what it finds; that it finds everything is shown by test_torture_checker.py.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from .marks import Covered, Mark, marks_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .journal import Added, History, Popped

# What can be wrong with a batch, with an item, or with what is stored about them.
KINDS = ("lost", "doubled", "torn", "misordered", "miscounted", "mistold", "unheard of")


@dataclass
class Findings:
    """What the checker looked at, and what is wrong with it: a sentence each, by kind."""

    sessions: int = 0
    items: int = 0
    summaries: int = 0
    back_again: int = 0
    """Items that were popped while their writer could not know whether they had been written, and
    that it then wrote again: see MongoSession.add_items."""
    wrong: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    @property
    def is_clean(self) -> bool:
        return not any(self.wrong.values())


def check(history: History, documents: Iterable[dict[str, Any]]) -> Findings:
    """Compare the journals with all documents of the collection."""
    findings = Findings()
    sessions: defaultdict[str, _Session] = defaultdict(_Session)
    for added in history.added.values():
        sessions[added.session].added[added.batch] = added
    for popped in history.popped:
        sessions[popped.session].popped.append(popped)
    for document in documents:
        sessions[document["session_id"]].documents.append(document)
    for name, session in sessions.items():
        session.documents.sort(key=lambda document: document["seq"])
        _SessionChecker(name, session, findings).check()
    return findings


@dataclass
class _Session:
    added: dict[str, Added] = field(default_factory=dict)
    popped: list[Popped] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)


class _SessionChecker:
    def __init__(self, name: str, session: _Session, findings: Findings) -> None:
        self._name = name
        self._session = session
        self._findings = findings
        self._marks = [_mark_of(document) for document in session.documents]
        self._places: defaultdict[str, dict[int, list[int]]] = defaultdict(dict)
        for place, mark in enumerate(self._marks):
            self._places[mark.batch].setdefault(mark.part, []).append(place)
        self._handed_out = Counter(p.mark for p in session.popped if p.mark is not None)

    def check(self) -> None:
        self._findings.sessions += 1
        self._findings.items += len(self._marks)
        self._check_that_all_were_tried()
        self._check_that_nothing_is_there_twice()
        self._check_that_batches_are_whole()
        self._check_order()
        self._check_order_of_pops()
        self._check_numbers()
        self._check_summaries()

    def _report(self, kind: str, text: str) -> None:
        self._findings.wrong[kind].append(f"{self._name}: {text}")

    def _check_that_all_were_tried(self) -> None:
        for mark in [*self._marks, *self._handed_out]:
            added = self._session.added.get(mark.batch)
            if added is None or mark.part >= added.size or mark.size != added.size:
                self._report("unheard of", f"nobody added {mark} here")

    def _check_that_nothing_is_there_twice(self) -> None:
        stored = Counter(self._marks)
        for mark in {*stored, *self._handed_out}:
            times = stored[mark] + self._handed_out[mark]
            if times == 2 and self._was_popped_before_its_writer_knew(mark):
                self._findings.back_again += 1
            elif times > 1:
                often = f"{stored[mark]} times, and was handed out {self._handed_out[mark]} times"
                self._report("doubled", f"{mark} is stored {often}")

    def _was_popped_before_its_writer_knew(self, mark: Mark) -> bool:
        added = self._session.added.get(mark.batch)
        return (
            added is not None
            and added.size == 1
            and any(p.mark == mark and p.begin < added.end for p in self._session.popped)
        )

    def _check_that_batches_are_whole(self) -> None:
        # A pop of which nobody heard may have removed one item, and no more.
        unheard = sum(p.outcome != "acknowledged" for p in self._session.popped)
        for added in self._session.added.values():
            stored = self._places.get(added.batch, {})
            handed_out = {m.part for m in self._handed_out if m.batch == added.batch}
            missing = set(range(added.size)) - set(stored) - handed_out
            if not stored and not handed_out and not added.acknowledged:
                continue
            if missing:
                unheard -= len(missing)
                if unheard < 0:
                    whole = len(missing) == added.size
                    self._report("lost" if whole else "torn", f"{added} lacks {sorted(missing)}")
            if stored and (handed_out | missing) and max(stored) > min(handed_out | missing):
                self._report("torn", f"{added} lacks what is not at its end")
            places = [place for part in sorted(stored) for place in stored[part][:1]]
            if any(b != a + 1 for a, b in pairwise(places)):
                self._report("torn", f"{added} is at {places}: not together, or not in its order")

    def _check_order(self) -> None:
        """No batch stands behind one that was begun after it had ended."""
        latest: Added | None = None
        for mark in self._marks:
            added = self._session.added.get(mark.batch)
            if added is None:
                continue
            if latest is not None and added.end < latest.begin:
                self._report("misordered", f"{added} stands behind {latest}")
            if latest is None or added.begin > latest.begin:
                latest = added

    def _check_order_of_pops(self) -> None:
        """Nobody is handed out an item while there is one that was surely newer."""
        there = sorted(
            (self._session.added[batch] for batch in self._places if batch in self._session.added),
            key=lambda added: added.end,
        )
        ends = [added.end for added in there]
        begins = list(accumulate((added.begin for added in there), max))
        for popped in self._session.popped:
            mine = popped.mark and self._session.added.get(popped.mark.batch)
            before = bisect_left(ends, popped.begin)
            if mine and before and mine.end < begins[before - 1]:
                self._report("misordered", f"{popped} had newer ones behind it")

    def _check_numbers(self) -> None:
        documents = self._session.documents
        for a, b in pairwise(documents):
            if b["total_tokens"] < a["total_tokens"] + b["tokens"] or b["turn"] < a["turn"]:
                self._report("miscounted", f"the numbers of {_numbers(b)} follow {_numbers(a)}")
        if self._session.popped:
            return
        totals = accumulate(document["tokens"] for document in documents)
        for place, (document, total) in enumerate(zip(documents, totals, strict=True), 1):
            if (document["seq"], document["total_tokens"]) != (place, total):
                self._report("miscounted", f"{_numbers(document)} should be {place}, {total}")

    def _check_summaries(self) -> None:
        """Each covers what is up to the item that it is on: all of it, once, and nothing else."""
        for place, document in enumerate(self._session.documents):
            if "summary" not in document:
                continue
            self._findings.summaries += 1
            segments = document["summary"]["segments"]
            told = Covered.told_in("\n".join(segment["text"] for segment in segments))
            there = Covered.of(self._marks[: place + 1])
            if told != there or segments[-1]["last_seq"] != document["seq"]:
                self._report("mistold", f"at seq {document['seq']}: {told}, there is {there}")


def _mark_of(document: dict[str, Any]) -> Mark:
    marks = marks_in(json.dumps(document["item"]))
    return marks[0] if marks else Mark(f"no-mark-{document['_id']}", 0, 0)


def _numbers(document: dict[str, Any]) -> tuple[int, ...]:
    return tuple(document[field] for field in ("seq", "tokens", "total_tokens", "turn"))
