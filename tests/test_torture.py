"""A minute of faults (kills, elections, frozen members, lost answers), and nothing is wrong.

``make torture`` runs ten minutes of it.
"""

from __future__ import annotations

import random

from rich.console import Console

from .torture.report import show
from .torture.round import run
from .torture.schedule import KINDS


async def test_a_minute_of_torture_loses_nothing(capsys):
    result = await run(random.randrange(10**6), 60, lambda *_: None)
    with capsys.disabled():
        show(result, Console(width=100))
    assert result.is_clean
    assert result.elections >= 3
    assert set(result.faults) == set(KINDS)
    assert sum(a.acknowledged for a in result.history.added.values()) > 200
    assert result.findings.summaries > 0
