"""What `doctor` finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

OK, NOTE, PROBLEM, UNCHECKED = "ok", "note", "problem", "not checked"


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    check: str
    status: str
    """``"ok"``, ``"note"``, ``"problem"`` or ``"not checked"``."""
    found: str
    advice: str = ""
    """What to do; empty if there is nothing to do."""

    @property
    def record(self) -> dict[str, Any]:
        """As an object of JSON."""
        return asdict(self)
