"""The README: its length, and that its quickstart is what the type checkers see."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text("utf-8")
(QUICKSTART,) = re.findall(r"^```python\n(.*?)```", TEXT, re.DOTALL | re.MULTILINE)


def with_pymongo(quickstart: str) -> str:
    """The quickstart, changed as the README's diff says."""
    (diff,) = re.findall(r"```diff\n(.*?)```", TEXT, re.DOTALL)
    removed = re.findall(r"^-(.*)$", diff, re.MULTILINE)
    added = re.findall(r"^\+(.*)$", diff, re.MULTILINE)
    for old, new in zip(removed, added, strict=True):
        assert old in quickstart
        quickstart = quickstart.replace(old, new)
    return quickstart


def test_the_quickstart_equals_the_type_checked_file():
    typed = ROOT / "tests" / "typing"
    for driver, quickstart in [("motor", QUICKSTART), ("pymongo", with_pymongo(QUICKSTART))]:
        checked = (typed / f"quickstart_{driver}.py").read_text("utf-8")
        assert checked.endswith(f"\n\n{quickstart}"), f"tests/typing/quickstart_{driver}.py"


def test_the_readme_fits_on_a_few_screens():
    assert len(TEXT.splitlines()) <= 150
