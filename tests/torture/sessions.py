"""The sessions that all writers share, and what is done to each."""

from __future__ import annotations

OWNERS = {"owned-1": "ann", "owned-2": "bob"}
SHARED = (
    *("shared-1", "shared-2", "popped-1", "popped-2", "cleared-1", "replaced-1"),
    *("rewound-1", "forked-1", "redacted-1", "deleted-1", *OWNERS, "mixed-1", "mixed-2"),
)
# By the first word of its name, and how often.
_WORK = {
    "alone": {"look": 10, "add": 90},
    "shared": {"look": 10, "add": 90},
    "popped": {"look": 10, "add": 60, "pop": 30},
    "cleared": {"look": 10, "add": 65, "pop": 20, "clear": 5},
    "replaced": {"look": 10, "add": 60, "pop": 15, "replace": 15},
    "rewound": {"look": 10, "add": 60, "pop": 10, "rewind": 20},
    "forked": {"look": 5, "add": 65, "pop": 13, "fork": 15, "clear": 2},
    "redacted": {"look": 10, "add": 64, "pop": 10, "redact": 15, "clear": 1},
    "deleted": {"look": 10, "add": 40, "take_turn": 40, "delete": 10},
    "owned": {"look": 10, "add": 84, "delete_owner": 6},
    "mixed": {
        "look": 10,
        "add": 50,
        "pop": 10,
        "replace": 10,
        "clear": 2,
        "rewind": 6,
        "fork": 4,
        "take_turn": 6,
        "delete": 2,
    },
}


def work_of(session: str) -> dict[str, int]:
    return _WORK[session.partition("-")[0]]
