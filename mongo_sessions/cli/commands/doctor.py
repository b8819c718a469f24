"""``mongo-sessions doctor``: is anything wrong with the database?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..checkup import Checkup
from ..findings import PROBLEM, Finding
from ..output import printable
from ..target import NO, CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..output import Output
    from ..target import Target

_STYLES = {"ok": "green", "note": "yellow", "problem": "bold red", "not checked": "dim"}


async def doctor(target: Target, output: Output, *, seconds: float, sessions: int) -> None:
    """Check, print each finding with what to do, and exit with 1 if there is a problem."""
    findings: list[Finding] = []
    async for finding in Checkup(target, seconds, sessions).findings():
        findings.append(finding)
        output.progress(f"checked: {finding.check}")
    output.end_progress()
    is_healthy = all(finding.status != PROBLEM for finding in findings)
    if output.as_json:
        checks = [finding.record for finding in findings]
        output.record({"ok": is_healthy, "collection": str(target), "checks": checks})
    else:
        _print(output, findings)
    if not is_healthy:
        raise CommandError("", NO)


def _print(output: Output, findings: Sequence[Finding]) -> None:
    if not output.is_terminal:
        rows = [(one.status, one.check, one.found, one.advice) for one in findings]
        output.table(("status", "check", "found", "what to do"), rows)
        return
    from rich.table import Table  # noqa: PLC0415 - a pipe needs no rich
    from rich.text import Text  # noqa: PLC0415

    table = Table.grid(padding=(0, 2, 0, 0))
    for one in findings:
        text = Text(printable(one.found))
        if one.advice:
            text.append(f"\n→ {printable(one.advice)}", "italic")
        table.add_row(Text(one.status, _STYLES[one.status]), Text(one.check, "bold"), text)
    output.render(table)
