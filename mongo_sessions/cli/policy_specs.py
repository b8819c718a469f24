"""Policies by name on the command line: ``token-limit:16000``, or an object of the application."""

from __future__ import annotations

import importlib
import sys
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..policies import LastTurns, SummarizeOlder, TokenLimit
from ..policy_checks import check_policy
from .target import wrong_usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..policies import RetrievalPolicy, Summarizer, SummaryRequest

FORMS = "none, token-limit:TOKENS, last-turns:TURNS, summarize-older:TOKENS, or module:attribute"


def policy_of(text: str, summarizer: Summarizer | None = None) -> RetrievalPolicy | None:
    """The policy that ``text`` names; None for none.

    Raises:
        CommandError: it names none.
    """
    name, _, argument = text.partition(":")
    makers: dict[str, Callable[[int], RetrievalPolicy]] = {
        "token-limit": TokenLimit,
        "last-turns": LastTurns,
        "summarize-older": lambda tokens: SummarizeOlder(
            summarizer or _NoSummarizer(), max_tokens=tokens
        ),
    }
    if text == "none":
        return None
    if name in makers:
        digits = argument.replace("_", "").replace(",", "")
        if not digits.isdecimal():
            raise wrong_usage(f"--policy {name} needs a number, as in {name}:16000, got {text!r}")
        return makers[name](int(digits))
    if not argument:
        raise wrong_usage(f"--policy must be {FORMS}, got {text!r}")
    try:
        policy = cast("RetrievalPolicy", loaded(text, "--policy"))
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise
        raise wrong_usage(
            f"--policy must be {FORMS}, got {text!r}: there is no module {error.name!r} in this "
            "folder or on PYTHONPATH"
        ) from None
    check_policy(policy, has_token_counts=True)
    return policy


def loaded(text: str, option: str) -> object:
    """The object ``module:attribute``, from the current folder, too. It runs that module.

    Raises:
        CommandError: there is no such attribute.
        ImportError: there is no such module.
    """
    module_name, _, attribute = text.partition(":")
    if not module_name or not attribute:
        raise wrong_usage(f"{option} must be module:attribute, got {text!r}")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    found: object = importlib.import_module(module_name)
    try:
        return attrgetter(attribute)(found)
    except AttributeError as error:
        raise wrong_usage(f"{option} {text}: {error}") from None


class _NoSummarizer:
    """Stands in for a summariser where no summary is made."""

    def __repr__(self) -> str:
        return "no summariser"

    async def __call__(self, request: SummaryRequest, /) -> str:
        raise NotImplementedError(f"no summariser for {request.kind}")
