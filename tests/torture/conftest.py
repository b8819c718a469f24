"""The recorded session that tests of the checker damage."""

from __future__ import annotations

import pytest

from tests.support.torture_story import Story


@pytest.fixture
def story() -> Story:
    return Story()
