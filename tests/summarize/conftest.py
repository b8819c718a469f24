"""Fixtures of the tests of summaries."""

from __future__ import annotations

import pytest


@pytest.fixture
def no_proxy(monkeypatch) -> None:
    """The client would use a proxy from the environment even for loopback addresses."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
