"""The title of a session, by the summariser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..logger import logger
from ..titles import HasTitle
from .checked_summarizer import CheckedSummarizer, SummaryFailedError
from .segments import from_summary
from .summarizers import SummaryRequest
from .summary_tokens import SummaryTokens
from .usage import UsageMeter

if TYPE_CHECKING:
    from ..policy import History
    from .summarizers import Summarizer
    from .usage import TotalUsage

_TITLE_TOKENS = 24
# Of the answer: a longer one is cut, and not refused.
_MOST_TOKENS = 2_000
_LONGEST_TITLE = 120
"""In characters."""


class Titler:
    """Asks for a title from the summary of a session, if it has none.

    Two workers may both ask: the first title is kept.
    """

    def __init__(
        self, summarizer: Summarizer, *, role: str, timeout: float, total: TotalUsage
    ) -> None:
        self._summarizer = summarizer
        self._role = role
        self._timeout = timeout
        self._total = total

    async def run(self, history: History) -> None:
        """Save a title, if the history takes one. A failure is logged; the next fold asks again."""
        if not isinstance(history, HasTitle) or not await history.wants_title():
            return
        anchor = await history.latest_summary()
        segments = from_summary(None if anchor is None else anchor.summary)
        if anchor is None or not segments:
            return
        text = "\n\n".join(segment.text for segment in segments)
        tokens = SummaryTokens(history.count_tokens, self._role, anchor.created_at)
        meter = UsageMeter(tokens.message)
        asked = CheckedSummarizer(self._summarizer, self._timeout, tokens, _NoLease(), meter)
        try:
            answer = await asked.ask(SummaryRequest("title", text, "", _TITLE_TOKENS), _MOST_TOKENS)
            title = as_title(answer)
        except SummaryFailedError as error:
            logger.warning("No title of session %r: %s", history.session_id, error)
        else:
            await history.save_title(title)
        finally:
            self._total.add(meter.usage)


def as_title(answer: str) -> str:
    """The first line of an answer, without quotation marks, and shortened.

    Raises:
        SummaryFailedError: nothing is left.
    """
    line = answer.lstrip().partition("\n")[0][: 10 * _LONGEST_TITLE]
    title = re.sub(r"\s+", " ", line).strip(" \"'“”„«»#*_`")
    if len(title) > _LONGEST_TITLE:
        title = title[: _LONGEST_TITLE - 1].rstrip() + "…"
    if not title:
        raise SummaryFailedError("the title was empty")
    return title


class _NoLease:
    """A title needs no lease."""

    async def acquire(self) -> bool:
        return True
