"""Identifiers in a text, found by rule: what a summary loses first, and cannot guess again.

Every quantifier is bounded, and an attempt starts only where a word or a number starts. So the time
is linear in the length of the text, whatever it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_CHARS = 50_000
"""The most that is examined of one text: its beginning."""

STANDING_WORDS = (
    "always",
    "never",
    "remember",
    "don't forget",
    "do not forget",
    "from now on",
    "going forward",
    "in future",
    "in the future",
    "every time",
    "by default",
    "unless i say",
    "i prefer",
)
"""A sentence of a user with one of these is a standing instruction. English only."""

_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_UNITS = (
    r"%|percent|°[CF]?|degrees|[kcm]?m|mi|ft|[km]?g|lbs?|oz|m?l|[kKMGT]i?B|[mµn]?s|min|h|hrs?|hours?|minutes?|seconds?"
    r"|days?|weeks?|months?|years?|px|[kM]?Wh?|[km]?V|m?A|[kMG]?Hz|tokens?|rpm|mph|km/h|m²|m³"
)
_CURRENCIES = r"USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|[€$£¥₹]|euros?|dollars?|pounds?|cents?"
_EXTENSIONS = (
    "c|cc|cfg|conf|cpp|cs|css|csv|db|docx?|env|gif|go|gz|h|html?|ini|ipynb|java|jpe?g|jsx?|json|kt|lock"
    "|log|md|parquet|pdf|php|png|pptx?|py|pyi|rb|rs|rst|sh|sql|svg|swift|tar|toml|tsx?|txt|xlsx?|xml"
    "|ya?ml|zip"
)
_SCALES = "k|K|m|M|mn|bn|thousand|million|billion"
_NUMBER = r"\d{1,15}(?:[.,' ]\d{3}){0,4}(?:[.,]\d{1,6})?"
_CLOCK = r"\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:\d{2})?"
_BEFORE = r"(?<![\w.,/-])"  # a number starts here

_RULES = tuple(
    re.compile(pattern, flags)
    for pattern, flags in (
        # URLs and e-mail addresses.
        (r"\b(?:(?:https?|ftp|ssh|git|s3)://|www\.)[^\s<>\"'`]{1,300}", re.IGNORECASE),
        (r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}", 0),
        # Paths: of two parts, from a folder "~" or ".", or with a common extension. Windows, too.
        (r"(?<![\w/.~-])(?:/[\w.@+-]{1,80}){2,20}/?", 0),
        (r"(?<![\w/.~-])(?:~|\.{1,2})(?:/[\w.@+-]{1,80}){1,20}/?", 0),
        (
            rf"(?<![\w/.~-])[\w-]{{1,80}}(?:[./][\w-]{{1,80}}){{0,8}}\.(?:{_EXTENSIONS})(?![\w/])",
            re.ASCII,
        ),
        (r"(?<!\w)[A-Za-z]:\\[\w.\\-]{1,200}", 0),
        # Words of letters and digits: in one, or with separators (UUIDs and hashes among them).
        (
            r"(?<![\w-])(?=[A-Za-z]{0,63}\d)(?=\d{0,63}[A-Za-z])[A-Za-z0-9]{4,64}(?![\w-])",
            re.ASCII,
        ),
        (
            r"(?<![\w-])(?=[A-Z_/.:-]{0,80}\d)#?[A-Z0-9]{1,40}(?:[-_/.:][A-Z0-9]{1,40}){1,8}(?!\w)",
            re.ASCII | re.IGNORECASE,
        ),
        # A name with a value that has a digit: "port = 8080".
        (r"(?<![\w-])[\w.-]{1,40} ?[=:] ?(?=[^\s\d]{0,10}\d)[\w.,:/-]{1,40}\w", 0),
        # Order and phone numbers: long, after "#" or "No.", or in groups.
        (r"(?<![\w.,-])\d{6,30}(?!\w)", re.ASCII),
        (r"(?<!\w)(?:#|[Nn]o\.? |[Nn]r\.? |[Nn]umber )\d{2,30}(?!\w)", re.ASCII),
        (r"(?<![\w.])(?:\+|\(0?)?\d{1,5}\)?(?:[ /-]\(?\d{2,8}\)?){2,6}(?!\w)", re.ASCII),
        (r"(?<!\w)\+\d{1,4}[ /-]?\d{3,15}(?:[ /-]\d{2,8}){0,4}(?!\w)", re.ASCII),
        # Numbers with units, and amounts of money.
        (rf"{_BEFORE}{_NUMBER} ?(?:{_UNITS}|{_CURRENCIES})(?!\w)", 0),
        (rf"{_BEFORE}{_NUMBER} ?(?:{_SCALES}) (?:{_CURRENCIES})(?!\w)", 0),
        (
            rf"(?<!\w)(?:USD|EUR|GBP|CHF|JPY|[€$£¥₹]) ?{_NUMBER}(?: ?(?:{_SCALES}))?(?!\w)",
            0,
        ),
        # Dates and times.
        (rf"{_BEFORE}\d{{4}}-\d{{2}}-\d{{2}}(?:[T ]{_CLOCK})?(?!\w)", 0),
        (rf"{_BEFORE}\d{{1,2}}([./])\d{{1,2}}\1(?:\d{{4}}|\d{{2}})?(?!\w)", 0),
        (rf"{_BEFORE}\d{{1,2}}(?:st|nd|rd|th|\.)? (?:{_MONTHS})[a-z]{{0,6}}(?:,? \d{{4}})?", 0),
        (rf"\b(?:{_MONTHS})[a-z]{{0,6}}\.? \d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?(?!\w)", 0),
        (rf"{_BEFORE}\d{{1,2}}:\d{{2}}(?::\d{{2}})?(?: ?[ap]\.?m\b)?(?!\w)", re.IGNORECASE),
        (rf"{_BEFORE}\d{{1,2}} ?[ap]m(?!\w)", re.IGNORECASE),
        # Commands: a line after a prompt, or back-ticks.
        (r"^[ \t]{0,8}\$ [^\n]{1,200}", re.MULTILINE),
        (r"`[^`\n]{2,120}`", 0),
    )
)
_QUOTED = re.compile(
    r"\"[^\"\n]{2,80}\"|\u201c[^\u201d\n]{2,80}\u201d|\u201e[^\u201c\n]{2,80}\u201c|\xab[^\xbb\n]{2,80}\xbb"
)
_FENCE = re.compile(r"^[ \t]{0,3}```")
_MOST_FENCED_LINES = 10  # of one fence: a command, not a program
_SENTENCE = re.compile(r"(?<=[.!?])\s|\n")
_STANDING = re.compile(
    # Either apostrophe: a phone writes the other one.
    r"(?<!\w)(?:" + "|".join(map(re.escape, STANDING_WORDS)).replace("'", "['\u2019]") + r")(?!\w)",
    re.IGNORECASE,
)
_LONGEST_SENTENCE = 300


class Span(NamedTuple):
    """Where an identifier stands in a text."""

    start: int
    end: int


def identifiers(text: str, *, with_quotes: bool = True) -> list[Span]:
    """The identifiers in the first :data:`MOST_CHARS`, in order, without any inside a longer one.

    ``with_quotes``: whether a quoted string is one. In JSON, every name would be.
    """
    text = text[:MOST_CHARS]
    found = [_trimmed(text, match) for rule in _RULES for match in rule.finditer(text)]
    if with_quotes:
        found += [Span(*match.span()) for match in _QUOTED.finditer(text)]
    found += _fenced(text)
    return list(_outermost(found))


def standing_instructions(text: str) -> Iterator[str]:
    """The sentences with one of :data:`STANDING_WORDS`, each on one line."""
    for sentence in _SENTENCE.split(text[:MOST_CHARS]):
        if len(sentence) <= _LONGEST_SENTENCE and _STANDING.search(sentence):
            yield on_one_line(sentence)


def on_one_line(text: str) -> str:
    return " ".join(text.split())


def _trimmed(text: str, match: re.Match[str]) -> Span:
    """A match without the punctuation of the sentence around it."""
    start, end = match.span()
    while end > start and text[end - 1] in ".,:;!?)]}":
        end -= 1
    return Span(start, end)


def _fenced(text: str) -> Iterator[Span]:
    """The first lines inside each code fence."""
    start = 0
    inside = lines = 0
    for line in text.splitlines(keepends=True):
        if _FENCE.match(line):
            inside, lines = 1 - inside, 0
        elif inside and line.strip() and len(line) <= _LONGEST_SENTENCE:
            lines += 1
            if lines <= _MOST_FENCED_LINES:
                indent = len(line) - len(line.lstrip())
                yield Span(start + indent, start + len(line.rstrip()))
        start += len(line)


def _outermost(spans: Iterable[Span]) -> Iterator[Span]:
    end = 0
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if span.end > end:
            yield span
            end = span.end
