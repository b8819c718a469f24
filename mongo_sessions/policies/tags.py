"""Tags around text that is data, and text that cannot end them or pretend to be one."""

from __future__ import annotations

import re

CONVERSATION_SUMMARY = "conversation_summary"
EARLIER_SUMMARY = "earlier_summary"
TRANSCRIPT = "transcript"

# Also < / TRANSCRIPT >, with full-width brackets, or with invisible characters in between.
_NAMES = "|".join(
    r"\W{0,4}".join(map(re.escape, tag))
    for tag in (CONVERSATION_SUMMARY, EARLIER_SUMMARY, TRANSCRIPT)
)
_TAG = re.compile(rf"[<\uff1c\ufe64](?=[\W_]{{0,100}}(?:{_NAMES})\b)", re.IGNORECASE)


def neutralised(text: str) -> str:
    """``text`` with the ``<`` of everything that looks like one of our tags as ``&lt;``."""
    return _TAG.sub("&lt;", text)


def enclosed(tag: str, text: str) -> str:
    return f"<{tag}>\n{neutralised(text)}\n</{tag}>"
