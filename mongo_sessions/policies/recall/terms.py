"""The terms of a query: beginnings of words, and pairs of characters of scripts without spaces.

A term is text, never an operator. Its pattern holds letters, digits and marks of the query alone.
"""

from __future__ import annotations

import json
import re
import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_TERMS = 24
"""The server compares every item with every term, and reports the matches as bits of an int64."""

_LONGEST_QUERY = 20_000
_LONGEST_WORD = 64

_IN_WORD = r"[\p{L}\p{N}\p{M}]"
# The Latin letters outside ASCII, and the marks that are combined with them.
_LATIN = "\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0300-\u036f\u1e00-\u1eff"
# Behind no letter or digit, unless that escapes a line end in JSON text.
_ASCII_BEGIN = r"(?<!(?<!\\)[a-z0-9])"
_TURKISH_I = "(?:[i\u0131\u0130]\u0307?)"
_CASES = str.maketrans({"i": _TURKISH_I, "\u0131": _TURKISH_I, "\u00df": "(?:\u00df|\u1e9e|ss)"})

# Where an index of words begins no word: "find_order", "€50".
_JOINED = re.compile(r"[\w\u20a0-\u20bf]{2,64}")

# English words that say nothing about a topic. A rare word of another language gains more by its
# rarity than a list could give.
STOP_WORDS = frozenset(
    """a about after all also an and any are as at be been before being but by can could did do does
    doing down during each for from further had has have having he her here hers him his how i if in
    into is it its just me more most my no nor not now of off on once only or other our out over own
    please s same she should so some such t than that the their them then there these they this
    those through to too under until up us very was we were what when where which while who whom
    whose why will with would you your""".split()  # noqa: SIM905 - a hundred quoted words are no list to read
)

# Endings that English words of one meaning differ in, longest first.
_ENDINGS = ("ingly", "edly", "ing", "ied", "ies", "ed", "es", "ly", "er", "s", "e", "y")
_SHORTEST_STEM = 3

# The first and the last character of blocks whose scripts put no spaces between words: Thai and
# Lao, Myanmar, Hangul (whose particles hang on the words), Khmer, Chinese and Japanese.
_UNSPACED = (
    ("\u0e00", "\u0eff"),
    ("\u1000", "\u109f"),
    ("\u1100", "\u11ff"),
    ("\u1780", "\u17ff"),
    ("\u3040", "\u30ff"),
    ("\u3400", "\u4dbf"),
    ("\u4e00", "\u9fff"),
    ("\uac00", "\ud7af"),
    ("\uf900", "\ufaff"),
    ("\U00020000", "\U0003ffff"),
)


class Term(NamedTuple):
    """What an item is compared with."""

    text: str
    """In lower case and NFC: letters, digits and marks."""
    is_name: bool = False
    """Whether the query capitalises it within a sentence."""
    is_whole: bool = False
    """Whether a word must be equal to it, and not only begin with it."""

    @property
    def is_ascii(self) -> bool:
        """Whether it is compared with a text in lower case, and not by ignoring the case."""
        return self.text.isascii()

    @property
    def pattern(self) -> str:
        """A regular expression (PCRE) that matches the term in a text.

        It also matches the escapes of JSON for letters: calls and outputs often are JSON.
        """
        if self.is_ascii:
            if self.text.isdecimal():
                return f"(?<![0-9]){self.text}(?![0-9])"
            end = f"(?![a-z0-9{_LATIN}])" if self.is_whole else ""
            # A word of ASCII may follow a letter of a script without spaces, but no Latin letter.
            # That is compared last, and so for few texts.
            return f"{_ASCII_BEGIN}{self.text}(?<![{_LATIN}]{self.text}){end}"
        forms = "|".join(dict.fromkeys(map(_flexible, self._forms)))
        begin = "" if is_unspaced(self.text[0]) else rf"(?<!{_IN_WORD})"
        return "|".join((f"{begin}(?:{forms})", *self._escaped))

    def is_in(self, text: str) -> bool:
        """Whether ``pattern`` matches, for a history in memory."""
        if self.is_ascii:
            lower = text.lower()
            # To look for a text first takes a fraction of the time of an expression.
            return self.text in lower and re.search(self.pattern, lower) is not None
        patterns = (*map(_flexible, self._forms), *self._escaped)
        found = re.finditer("|".join(patterns), text, re.IGNORECASE)
        anywhere = is_unspaced(self.text[0])
        return any(
            anywhere or one[0][0] == "\\" or not _is_in_word(text[one.start() - 1 : one.start()])
            for one in found
        )

    @property
    def _forms(self) -> list[str]:
        return [unicodedata.normalize(form, self.text) for form in ("NFC", "NFD")]

    @property
    def _escaped(self) -> list[str]:
        """As JSON escapes it in each case, which is other hexadecimal digits."""
        cases = (self.text, self.text.upper(), self.text[0].upper() + self.text[1:])
        escaped = dict.fromkeys(json.dumps(text)[1:-1] for text in cases)
        return [text.replace("\\", r"\\") for text in escaped if "\\" in text]


def terms_of(
    query: str, *, stop_words: frozenset[str] = STOP_WORDS, has_stems: bool = True
) -> list[Term]:
    """The terms of ``query``: at most :data:`MOST_TERMS`, without words that say little.

    Of a longer query, the longest words are taken, and numbers first. A query of nothing but words
    that say little ("who are you") has these words.
    """
    text = unicodedata.normalize("NFC", query[:_LONGEST_QUERY])
    found = _terms(text, stop_words, has_stems=has_stems)
    return found or _terms(text, None, has_stems=False)


def words_of(query: str) -> list[str]:
    """The words of the same query, as they are: for an index of words. At most 24.

    Such an index does not divide a name with underscores, nor an amount with its currency.
    """
    text = unicodedata.normalize("NFC", query[:_LONGEST_QUERY])
    words = [word[:_LONGEST_WORD] for word, _ in _words(text)]
    telling = [word for word in words if word.lower() not in STOP_WORDS]
    joined = (word for word in _JOINED.findall(text) if not word.isalnum())
    longest = sorted(dict.fromkeys([*joined, *(telling or words)]), key=len, reverse=True)
    return longest[:MOST_TERMS]


def _terms(query: str, stop_words: frozenset[str] | None, *, has_stems: bool) -> list[Term]:
    found: dict[str, Term] = {}
    for word, begins_sentence in _words(query):
        for text in _texts(word, stop_words, has_stems=has_stems):
            is_name = word[0].isupper() and not begins_sentence
            known = found.get(text)
            if known is None or (is_name and not known.is_name):
                found[text] = Term(text, is_name=is_name, is_whole=not stop_words)
    if len(found) <= MOST_TERMS:
        return list(found.values())
    best = sorted(found.values(), key=lambda term: (not term.text.isdecimal(), -len(term.text)))
    return best[:MOST_TERMS]


def is_unspaced(char: str) -> bool:
    """Whether ``char`` belongs to a script without spaces between words."""
    return any(first <= char <= last for first, last in _UNSPACED)


def _flexible(form: str) -> str:
    """The pattern of letters whose other case is no single letter, or depends on the language."""
    return form.translate(_CASES)


def _is_in_word(char: str) -> bool:
    return char != "" and unicodedata.category(char)[0] in "LNM"


def _texts(word: str, stop_words: frozenset[str] | None, *, has_stems: bool) -> Iterator[str]:
    """The terms of a word. None: every word is one, as it is."""
    if is_unspaced(word[0]):
        yield from map("".join, pairwise(word)) if len(word) > 1 else (word,)
        return
    text = word.lower().replace("i\u0307", "\u0131")  # of the Turkish capital with a dot
    if stop_words is None:
        yield text[:_LONGEST_WORD]
    elif text not in stop_words and (len(text) > 1 or text.isdecimal()):
        yield (_stem(text) if has_stems else text)[:_LONGEST_WORD]


def _stem(word: str) -> str:
    """The part that the forms of a word have in common: the words of an item may begin with it."""
    if word.isascii():
        for ending in _ENDINGS:
            if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
                return word.removesuffix(ending)
        return word
    return word if len(word) <= 2 * _SHORTEST_STEM else word[:-2]


def _words(text: str) -> Iterator[tuple[str, bool]]:
    """Runs of letters, digits and marks of one kind of script; whether each begins a sentence."""
    word: list[str] = []
    begins, next_begins = True, True
    for char in text:
        if unicodedata.category(char)[0] in "LNM":
            if word and is_unspaced(word[-1]) != is_unspaced(char):
                yield "".join(word), begins
                word = []
            if not word:
                begins, next_begins = next_begins, False
            word.append(char)
            continue
        if word:
            yield "".join(word), begins
            word = []
        next_begins = next_begins or char in ".!?\n"
    if word:
        yield "".join(word), begins
