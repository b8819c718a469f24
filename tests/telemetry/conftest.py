from __future__ import annotations

import pytest

from mongo_sessions.telemetry import instruments
from tests.support.telemetry import Recorded


@pytest.fixture
def recorded(monkeypatch) -> Recorded:
    recorded = Recorded()
    monkeypatch.setattr(instruments, "instruments", recorded.instruments)
    return recorded
