"""The demo, as `make demo` starts it, with fewer turns."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parent.parent / "examples" / "long_running_assistant.py"


def test_the_demo_ends_with_its_totals_and_stays_within_the_budget():
    command = [sys.executable, str(DEMO), "--turns", "12", "--max-tokens", "600"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    lines = {line.split("│")[1].strip(): line for line in ended.stdout.splitlines() if "│" in line}
    assert "12" in lines, "the last turn"
    largest, budget = lines["largest view"].split("│")[2].split(" of ")
    assert 0 < int(largest) <= int(budget) == 600
    assert float(lines["sent, compared"].split("│")[2].strip(" %")) < 100
