"""What is explained does not depend on the driver."""

from __future__ import annotations

from tests.support.clients import driver_above_the_log

__all__ = ["driver_above_the_log"]
