"""How much time has passed in this process."""

from __future__ import annotations

import time


def clocks() -> tuple[float, float]:
    """Seconds. The first clock stops while the machine sleeps; the second may be set back."""
    return time.monotonic(), time.time()
