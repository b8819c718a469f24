"""The command ``mongo-sessions``. Nothing else imports it.

``looking`` and ``changing`` declare the commands and their options with typer; ``commands`` holds
what each does. Only the command that runs is imported, so ``--help`` needs neither driver nor
tokenizer.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MISSING = "mongo-sessions: the command needs typer and rich: pip install 'mongo-sessions[cli]'"
_USAGE, _INTERRUPTED = 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code. None takes the arguments of the process."""
    try:
        try:
            import rich  # noqa: F401, PLC0415 - the extra
            import typer  # noqa: F401, PLC0415
        except ImportError:
            print(_MISSING, file=sys.stderr)  # noqa: T201
            return _USAGE
        from .app import run  # noqa: PLC0415

        return run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:  # while modules are imported
        print("mongo-sessions: stopped", file=sys.stderr)  # noqa: T201
        return _INTERRUPTED
