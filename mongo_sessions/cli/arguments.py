"""Arguments and options that several commands have."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer


class Order(str, Enum):
    """The order of a list."""

    ACTIVITY = "activity"
    ID = "id"


SessionId = Annotated[str, typer.Argument(metavar="ID", help="Of the session.")]

Policy = Annotated[
    str,
    typer.Option(
        "--policy",
        "-p",
        metavar="POLICY",
        envvar="MONGO_SESSIONS_POLICY",
        help="none, token-limit:16000, last-turns:10, summarize-older:8000, or module:attribute.",
    ),
]

Prefix = Annotated[str, typer.Option(metavar="TEXT", help="Only sessions whose ids begin with it.")]

Owner = Annotated[
    str | None,
    typer.Option(metavar="NAME", show_default=False, help="Only sessions of this owner."),
]

Full = Annotated[bool, typer.Option("--full", help="Whole tool calls, outputs and reasoning.")]
