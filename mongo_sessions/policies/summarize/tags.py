"""Tags that mark text as data, and the escaping of text that imitates such a tag."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

CONVERSATION_SUMMARY = "conversation_summary"
EARLIER_SUMMARY = "earlier_summary"
TRANSCRIPT = "transcript"
CONVERSATION_RECORD = "conversation_record"

_TAGS = (CONVERSATION_RECORD, CONVERSATION_SUMMARY, EARLIER_SUMMARY, TRANSCRIPT)
_NAMES = frozenset(tag.replace("_", "") for tag in _TAGS)
_BEGINNINGS = frozenset(name[:length] for name in _NAMES for length in range(1, len(name) + 1))

# The characters whose compatibility decomposition (NFKD) begins with "<".
_BRACKET = re.compile("[<\u226e\ufe64\uff1c]")

# HANGUL CHOSEONG FILLER and HANGUL JUNGSEONG FILLER: letters that are not displayed (Unicode
# property Default_Ignorable_Code_Point). NFKD maps the two further ones, U+3164 and U+FFA0, to the
# latter. Source: DerivedCoreProperties.txt of Unicode 16.0.
_FILLERS = frozenset("\u115f\u1160")


def escape_tags(text: str) -> str:
    """``text`` with ``&lt;`` for each ``<`` that begins one of our tags.

    Only letters and digits are compared, after NFKD and case folding: spaces, slashes, punctuation,
    accents and invisible characters are ignored. Look-alike letters of other scripts are not
    recognised. Takes time linear in the length of ``text``.
    """
    pieces: list[str] = []
    copied = 0
    ahead, is_tag = 0, False
    for bracket in _BRACKET.finditer(text):
        place = bracket.start()
        # Consecutive brackets without a letter in between share the letters ahead: read once.
        if place >= ahead:
            ahead, is_tag = _tag_ahead(text, place + 1)
        if is_tag:
            pieces += (text[copied:place], "&lt;")
            copied = place + 1
    return "".join((*pieces, text[copied:]))


def wrap_in_tag(tag: str, text: str) -> str:
    return f"<{tag}>\n{escape_tags(text)}\n</{tag}>"


def is_wrapped_in(tag: str, text: str) -> bool:
    return text.startswith(f"<{tag}>\n") and text.endswith(f"\n</{tag}>")


def _tag_ahead(text: str, start: int) -> tuple[int, bool]:
    """The position of the first letter from ``start`` on, and whether a tag's name follows.

    Stops at the first letter that does not fit. So a character is read again only for a bracket
    inside a possible name, which has at most 19 letters.
    """
    first = len(text)
    spelled = ""
    for place in range(start, len(text)):
        letters = _letters(text[place])
        if not letters:
            continue
        first = min(first, place)
        spelled += letters
        if spelled not in _BEGINNINGS:
            break
        if spelled in _NAMES:
            return first, not _letters(text[place + 1 : place + 2])  # not "transcripts"
    return first, False


@lru_cache(maxsize=4_096)
def _letters(char: str) -> str:
    """The letters and digits that a character stands for; empty for any other character."""
    parts = unicodedata.normalize("NFKD", char)
    return "".join(part for part in parts if part.isalnum() and part not in _FILLERS).casefold()
