"""The logger that the whole package shares; its name is the package's name."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__.partition(".")[0])
