"""Fixtures of the tests of summaries, which do not depend on the driver."""

from __future__ import annotations

import pytest

from tests.support.clients import driver_above_the_log

__all__ = ["driver_above_the_log"]


@pytest.fixture
def no_proxy(monkeypatch) -> None:
    """The client would use a proxy from the environment even for loopback addresses."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
