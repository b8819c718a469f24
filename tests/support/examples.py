"""How many examples a property is tried on: few after each change, many of every night."""

from __future__ import annotations

import os

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "default")
_FACTORS = {"default": 1, "thorough": 8}


def examples(number: int) -> int:
    """``number``, or more with ``HYPOTHESIS_PROFILE=thorough``."""
    return number * _FACTORS[PROFILE]
