"""The figures as a picture: how long our sessions take where the SDK's MongoDBSession takes 1."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

from .field import BARE, OURS, SDK_MONGO
from .figures import TIME, find

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .figures import Figure

WIDTH, LEFT, RIGHT, TOP = 860, 330, 810, 86
_BAR, _GAP = 11, 14
# After Okabe and Ito: the colour-blind can tell them apart.
_COLOURS = {
    OURS["Motor"]: "#0072b2",
    OURS["PyMongo"]: "#56b4e9",
    BARE["Motor"]: "#999999",
}


class Bars(NamedTuple):
    """One piece of work, and how long each contender takes for it."""

    work: str
    ratios: dict[str, float]


def bars(figures: Sequence[Figure]) -> list[Bars]:
    """Of all work that the SDK's MongoDBSession does, too."""
    found = []
    for figure in figures:
        if (figure.measure, figure.contender) != (TIME, SDK_MONGO):
            continue
        others = {name: find(figures, TIME, figure.work, name) for name in _COLOURS}
        ratios = {n: other.median / figure.median for n, other in others.items() if other}
        found.append(Bars(figure.work, ratios))
    return found


def picture(figures: Sequence[Figure]) -> str:
    """An SVG, with a bar for each contender and piece of work."""
    shown = bars(figures)
    longest = max([1.0, *(ratio for work in shown for ratio in work.ratios.values())])
    height = TOP + sum(_height(work) for work in shown) + 20

    def x(ratio: float) -> float:
        return LEFT + (RIGHT - LEFT) * ratio / longest

    def parts() -> Iterator[str]:
        # White of its own: the page around it may be dark.
        yield f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
        yield _text(20, 28, "Time, where the SDK's MongoDBSession takes 1", 'font-weight="bold"')
        for number, (name, colour) in enumerate(_COLOURS.items()):
            yield f'<rect x="{20 + 150 * number}" y="44" width="12" height="12" fill="{colour}"/>'
            yield _text(38 + 150 * number, 54, name)
        top = TOP
        for work in shown:
            yield _text(LEFT - 8, top + _height(work) / 2 - 3, work.work, 'text-anchor="end"')
            for number, (name, ratio) in enumerate(work.ratios.items()):
                y = top + number * _BAR
                size = f'width="{x(ratio) - LEFT:.1f}" height="{_BAR - 1}"'
                yield f'<rect x="{LEFT}" y="{y}" {size} fill="{_COLOURS[name]}"/>'
                yield _text(x(ratio) + 4, y + _BAR - 2, f"{ratio:.2f}", 'font-size="10"')
            top += _height(work)
        yield f'<path d="M{x(1):.1f} {TOP - 8}V{top}" stroke="#d55e00" stroke-width="1.5"/>'
        yield _text(x(1), TOP - 12, "SDK", 'fill="#d55e00" text-anchor="middle"')

    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="13" fill="#222222" role="img">'
    )
    return "\n".join([head, *parts(), "</svg>", ""])


def _height(work: Bars) -> int:
    return len(work.ratios) * _BAR + _GAP


def _text(x: float, y: float, text: str, attributes: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(text)}</text>'
