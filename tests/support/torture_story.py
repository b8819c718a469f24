"""A recorded session of the torture test, to be damaged on purpose."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.torture.checker import check
from tests.torture.journal import (
    Added,
    Cleared,
    Deleted,
    Forked,
    History,
    Polled,
    Popped,
    Redacted,
    Replaced,
    Rewound,
    Seen,
)
from tests.torture.marks import Covered, Mark, Version, items, marks_in, redacted

SIZES = [1, 3, 2, 1, 4, 1]


class Story:
    """Batches b0 to b5 in one session, one after the other, each acknowledged and stored."""

    def __init__(self) -> None:
        self.history = History()
        self.documents: list[dict] = []
        self.twin: list[dict] = []
        """The documents of a copy."""
        self.owners: dict[str, str] = {}
        self.has_transactions = True
        for number, size in enumerate(SIZES):
            self.add(f"b{number}", size, begin=10 * number, end=10 * number + 5)

    def add(self, batch: str, size: int, begin: float, end: float) -> None:
        self.history.added[batch] = Added(batch, "a", size, begin, end, "acknowledged")
        for item in items(batch, size):
            tokens = len(json.dumps(item))
            last = self.live()[-1] if self.live() else {}
            self.documents.append(
                {
                    "_id": f"{batch}/{len(self.documents)}",
                    "session_id": "a",
                    "seq": len(self.documents) + 1,
                    "item": item,
                    "tokens": tokens,
                    "total_tokens": last.get("total_tokens", 0) + tokens,
                    "turn": last.get("turn", 0) + (size == 1),
                }
            )

    def live(self) -> list[dict]:
        barrier = max((d["seq"] for d in self.documents if "barrier" in d), default=0)
        return [d for d in self.documents if "item" in d and d["seq"] > barrier]

    def change(self, batch: str, **facts: object) -> None:
        self.history.added[batch] = replace(self.history.added[batch], **facts)

    def pop(self, begin: float = 70, outcome: str = "acknowledged") -> dict:
        document = self.live()[-1]
        (mark,) = marks([document])
        self.history.popped.append(
            Popped("a", begin, begin + 5, outcome, mark if outcome == "acknowledged" else None)
        )
        document["popped"] = {"item": document.pop("item"), "token": f"pop-{mark}"}
        document["gone_at"] = "now"
        return document

    def clear(
        self, begin: float = 70, outcome: str = "acknowledged", *, strip: bool = True
    ) -> dict:
        self.history.cleared.append(Cleared("a", begin, begin + 5, outcome))
        barrier = self.documents[-1]
        barrier |= {"barrier": f"clear-{begin}", "summary": None}
        barrier.pop("item", None)
        for document in self.documents[:-1]:
            if strip and "item" in document:
                self.strip(document)
        return barrier

    def replace(self, last: int, begin: float = 70, outcome: str = "acknowledged") -> list[dict]:
        """The newest ``last`` items by a batch of one."""
        gone = self.live()[-last:]
        batch, marks_gone = f"new-{begin}", tuple(marks(gone))
        self.history.replaced.append(Replaced("a", batch, marks_gone, begin, begin + 5, outcome))
        for document in gone:
            self.strip(document)
        self.add(batch, 1, begin, begin + 5)
        self.change(batch, outcome=outcome)
        return gone

    def rewind(
        self,
        seq: int,
        begin: float = 70,
        outcome: str = "acknowledged",
        expected: int | None = None,
    ) -> list[dict]:
        self.history.rewound.append(Rewound("a", seq, expected, begin, begin + 5, outcome))
        gone = [document for document in self.live() if document["seq"] > seq]
        for document in gone:
            self.strip(document)
        self.take(f"rewind-{begin}")
        return gone

    def delete(
        self, begin: float = 70, outcome: str = "acknowledged", owner: str | None = None
    ) -> dict:
        self.history.deleted.append(Deleted(("a",), begin, begin + 5, outcome, owner))
        for document in self.live():
            self.strip(document)
        token = f"delete-{begin}"
        return self.take(token, barrier=token, deleted=True, summary=None)

    def redact(
        self, batch: str, part: int = 0, begin: float = 70, outcome: str = "acknowledged"
    ) -> dict:
        document = self.documents[self.place(batch, part)]
        (mark,) = marks([document])
        redaction = f"redact-{begin:g}"
        self.history.redacted.append(Redacted("a", mark, redaction, begin, begin + 5, outcome))
        document["item"] = redacted(document["item"], Version(mark, redaction))
        change = len(json.dumps(document["item"])) - document["tokens"]
        document["tokens"] += change
        for later in self.documents:
            if later["seq"] >= document["seq"] and "total_tokens" in later:
                later["total_tokens"] += change
        self.take(redaction)
        return document

    def take(self, document_id: str, **fields: object) -> dict:
        """A place that never has an item."""
        seq = len(self.documents) + 1
        taken = {"_id": document_id, "session_id": "a", "seq": seq, "turn": 0, "gone_at": "now"}
        self.documents.append({**taken, **fields})
        return self.documents[-1]

    def fork(
        self, upto: int | None = None, begin: float = 70, outcome: str = "acknowledged"
    ) -> None:
        self.history.forked.append(Forked("a", "twin", upto, begin, begin + 10, outcome))
        live = [d for d in self.live() if upto is None or d["seq"] <= upto]
        self.twin = [{**d, "_id": f"copy of {d['_id']}", "session_id": "twin"} for d in live]
        mark = {"session_id": "twin", "turn": 0, "gone_at": "now"}
        if live and live[0]["seq"] > 1:
            self.twin.insert(0, {**mark, "_id": "first", "seq": 1, "copy": "fork"})
        end = live[-1]["seq"] + 1 if live else 1
        self.twin.append({**mark, "_id": "fork", "seq": end})

    def strip(self, document: dict) -> None:
        del document["item"]
        document.pop("summary", None)
        document["gone_at"] = "now"

    def poll(self, poller: str = "p") -> list[Seen]:
        before = [s.seq for polled in self.history.polled for s in polled.seen]
        after = max(before, default=0)
        seen = [Seen(d["seq"], d["_id"], *marks([d])) for d in self.live() if d["seq"] > after]
        self.history.polled.append(Polled("a", poller, after, tuple(seen)))
        return seen

    def see(self, *seen: Seen) -> None:
        """Replace the polled items."""
        self.history.polled = [Polled("a", "p", 0, seen)]

    def place(self, batch: str, part: int = 0) -> int:
        (found,) = [
            n
            for n, document in enumerate(self.documents)
            for mark in marks([document] if "item" in document else [])
            if (mark.batch, mark.part) == (batch, part)
        ]
        return found

    def remove(self, batch: str, part: int = 0) -> None:
        """Close the gap, too, so that the numbers do not reveal it."""
        del self.documents[self.place(batch, part)]
        self.renumber()

    def order(self, *places: int) -> None:
        self.documents = [self.documents[place] for place in places]
        self.renumber()

    def renumber(self) -> None:
        total = turn = 0
        for seq, document in enumerate(self.documents, 1):
            total += document["tokens"]
            turn += document["item"].get("role") == "user"
            document |= {"seq": seq, "total_tokens": total, "turn": turn}

    def summarise(self, batch: str, part: int = 0) -> dict:
        place = self.place(batch, part)
        middle = place // 2
        told = [marks(self.documents[:middle]), marks(self.documents[middle : place + 1])]
        document = self.documents[place]
        document["summary"] = {
            "segments": [
                {"text": f"items: {Covered.of(part)}", "last_seq": document["seq"]} for part in told
            ]
        }
        return document["summary"]

    def wrong(self) -> dict[str, list[str]]:
        documents = [*self.documents, *self.twin]
        findings = check(
            self.history, documents, self.owners, has_transactions=self.has_transactions
        )
        return {kind: found for kind, found in findings.wrong.items() if found}


def marks(documents: list[dict]) -> list[Mark]:
    return [mark for d in documents for mark in marks_in(json.dumps(d["item"]))]
