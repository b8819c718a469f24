"""Tags around text that is data, and text that cannot end them or imitate one."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

CONVERSATION_SUMMARY = "conversation_summary"
EARLIER_SUMMARY = "earlier_summary"
TRANSCRIPT = "transcript"

_TAGS = (CONVERSATION_SUMMARY, EARLIER_SUMMARY, TRANSCRIPT)
_NAMES = frozenset(tag.replace("_", "") for tag in _TAGS)
_BEGINNINGS = frozenset(name[:length] for name in _NAMES for length in range(1, len(name) + 1))

# The characters whose compatibility decomposition (NFKD) begins with "<".
_BRACKET = re.compile("[<\u226e\ufe64\uff1c]")

# Of the characters with the Unicode property Default_Ignorable_Code_Point, which are not displayed,
# the only letters: HANGUL CHOSEONG FILLER and HANGUL JUNGSEONG FILLER. NFKD makes the latter of the
# other two, U+3164 and U+FFA0. Source: DerivedCoreProperties.txt of Unicode 16.0.
_FILLERS = frozenset("\u115f\u1160")


def escape_tags(text: str) -> str:
    """``text`` with ``&lt;`` for each ``<`` that begins one of our tags.

    Compared are letters and digits alone, after NFKD and case folding: spaces, slashes,
    punctuation, accents and invisible characters make no difference. Letters of other scripts that
    look alike are not compared. Takes time linear in the length of ``text``.
    """
    pieces: list[str] = []
    copied = 0
    ahead, is_tag = 0, False
    for bracket in _BRACKET.finditer(text):
        place = bracket.start()
        # Brackets with no letter in between have the same letters ahead: read those once.
        if place >= ahead:
            ahead, is_tag = _tag_ahead(text, place + 1)
        if is_tag:
            pieces += (text[copied:place], "&lt;")
            copied = place + 1
    return "".join((*pieces, text[copied:]))


def wrap_in_tag(tag: str, text: str) -> str:
    return f"<{tag}>\n{escape_tags(text)}\n</{tag}>"


def _tag_ahead(text: str, start: int) -> tuple[int, bool]:
    """The place of the first letter from ``start`` on, and whether the letters spell a tag's name.

    Stops at the first letter that does not fit. So a character is read again only for a bracket in
    the middle of what may become a name, which has at most 19 letters.
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
    """The letters and digits that a character is compared by; nothing for all others."""
    parts = unicodedata.normalize("NFKD", char)
    return "".join(part for part in parts if part.isalnum() and part not in _FILLERS).casefold()
