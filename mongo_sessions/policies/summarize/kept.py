"""What a summary message shows word for word, below the text of the summariser."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from . import keepsakes as kept_keepsakes
from .keepsakes import Keepsake, line_of
from .transcript import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ..policy import Entry, PinnedItem, Summary

KEEPSAKES_HEADING = "Word for word, by item number; where two differ, the later one holds:"
_MESSAGES = "The user's newest messages in this part, word for word:"
_PINS = "Pinned items, word for word:"

_MOST_QUOTED_CHARS = 50_000  # if a token counter counts too little


@dataclass(frozen=True, slots=True)
class Quote:
    """An item, or the beginning of it, as a paragraph."""

    seq: int
    text: str


@dataclass(frozen=True, slots=True)
class Kept:
    """Oldest first, each."""

    keepsakes: tuple[Keepsake, ...] = ()
    messages: tuple[Quote, ...] = ()
    """Of the user."""
    pins: tuple[Quote, ...] = ()

    def render(self) -> str:
        """The text below the summary; empty if there is nothing."""
        sections = (
            (KEEPSAKES_HEADING, map(line_of, self.keepsakes)),
            (_MESSAGES, (quote.text for quote in self.messages)),
            (_PINS, (quote.text for quote in self.pins)),
        )
        texts = ["\n".join([heading, *rest]) for heading, lines in sections if (rest := [*lines])]
        return "\n\n".join(texts)

    def less(self) -> Kept:
        """Without the older half of the keepsakes, then of the messages, then of the pins."""
        if self.keepsakes:
            return replace(self, keepsakes=_newer_half(self.keepsakes))
        if self.messages:
            return replace(self, messages=_newer_half(self.messages))
        return replace(self, pins=_newer_half(self.pins))

    @property
    def seqs(self) -> list[int]:
        """Of the pins."""
        return [quote.seq for quote in self.pins]


NOTHING_KEPT = Kept()


def _newer_half(things: tuple[Any, ...]) -> tuple[Any, ...]:
    return things[(len(things) + 1) // 2 :]


def kept_on(anchor: Entry, *, keepsakes: bool, messages: bool) -> Kept:
    """What the summary on this item shows word for word."""
    shown = kept_keepsakes.from_stored(anchor.summary, "keepsakes") if keepsakes else []
    quotes = messages_of(anchor.summary) if messages else ()
    return Kept(tuple(shown), quotes, quotes_of(anchor.pins))


def quotes_of(pins: Iterable[PinnedItem]) -> tuple[Quote, ...]:
    """Pinned items as paragraphs."""
    return tuple(
        Quote(pin.seq, quoted(pin.item, pin.created_at, pin.seq))
        for pin in sorted(pins, key=lambda pin: pin.seq)
    )


def messages_of(summary: Summary | None) -> tuple[Quote, ...]:
    """The user messages in a stored summary; empty if another version has stored it."""
    stored: Sequence[Mapping[str, Any]] = (summary or {}).get("user_messages") or ()
    try:
        return tuple(Quote(**one) for one in stored)
    except TypeError:
        return ()


def newest_messages(
    older: Iterable[Quote], newer: Iterable[Quote], tokens: int, count: Callable[[str], int]
) -> tuple[Quote, ...]:
    """As many of the newest messages as have ``tokens`` together, oldest first.

    If the newest one alone has more, it is cut at its end.
    """
    kept: list[Quote] = []
    chars = _MOST_QUOTED_CHARS
    for quote in reversed([*older, *newer]):
        cost = count("\n" + quote.text)
        if cost > tokens or len(quote.text) > chars:
            if not kept and (text := _beginning(quote.text, tokens, count)):
                kept.append(replace(quote, text=text))
            break
        kept.append(quote)
        tokens -= cost
        chars -= len(quote.text)
    return tuple(kept[::-1])


def _beginning(text: str, tokens: int, count: Callable[[str], int]) -> str:
    text = text[:_MOST_QUOTED_CHARS]
    fits, too_long = 0, len(text) + 1
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        is_short = count("\n" + text[:middle] + " […]") <= tokens
        fits, too_long = (middle, too_long) if is_short else (fits, middle)
    return f"{text[:fits]} […]" if fits else ""
