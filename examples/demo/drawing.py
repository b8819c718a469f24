"""A line chart as SVG: one picture needs no plotting library."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WIDTH, HEIGHT = 840, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 690, 70, 360  # of the plot
LABEL_HEIGHT = 18
# Okabe and Ito's palette: distinguishable with colour blindness.
COLOURS = ("#d55e00", "#0072b2", "#007a59", "#cc79a7", "#e69f00", "#56b4e9")


def line_chart(
    title: str, series: Mapping[str, Sequence[float]], *, x_label: str, y_label: str
) -> str:
    """One labelled line per series: its values at 1, 2, 3, … on the x axis."""
    x_end = max(map(len, series.values()))
    x_ticks = [tick for tick in ticks(x_end) if tick <= x_end]
    y_ticks = ticks(max(map(max, series.values())))

    def x(value: float) -> float:
        return LEFT + (RIGHT - LEFT) * value / x_end

    def y(value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * value / y_ticks[-1]

    def parts() -> Iterator[str]:
        # A white background: the page around the picture may be dark.
        yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
        yield _text(LEFT, 28, title, 'font-size="17" font-weight="bold"')
        yield _text(LEFT, TOP - 14, y_label)
        yield _text((LEFT + RIGHT) / 2, BOTTOM + 44, x_label, 'text-anchor="middle"')
        for tick in y_ticks:
            yield f'<path d="M{LEFT} {y(tick):.1f}H{RIGHT}" stroke="#dddddd"/>'
            yield _text(LEFT - 8, y(tick) + 4, f"{tick:,}", 'text-anchor="end"')
        for tick in x_ticks:
            yield f'<path d="M{x(tick):.1f} {BOTTOM}v5" stroke="#444444"/>'
            yield _text(x(tick), BOTTOM + 22, f"{tick:,}", 'text-anchor="middle"')
        yield f'<path d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}" fill="none" stroke="#444444"/>'
        label_ys = _apart({name: y(values[-1]) for name, values in series.items()})
        for colour, (name, values) in zip(COLOURS, series.items(), strict=False):
            points = " ".join(f"{x(n):.1f},{y(value):.1f}" for n, value in enumerate(values, 1))
            yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
            yield _text(RIGHT + 8, label_ys[name] + 4, name, f'fill="{colour}"')

    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="13" fill="#222222" role="img">'
    )
    return "\n".join([head, f"<title>{escape(title)}</title>", *parts(), "</svg>", ""])


def ticks(largest: float, about: int = 6) -> list[int]:
    """Round numbers from 0 to at least ``largest``, in approximately ``about`` steps."""
    rough = max(1.0, largest / about)
    magnitude = 10 ** math.floor(math.log10(rough))
    step = next(n * magnitude for n in (1, 2, 5, 10) if n * magnitude >= rough)
    return list(range(0, math.ceil(largest / step) * step + 1, step))


def _apart(wanted: Mapping[str, float]) -> dict[str, float]:
    """Heights for labels: as wanted, but moved down where two labels would overlap."""
    heights: dict[str, float] = {}
    free_from = -math.inf
    for name in sorted(wanted, key=wanted.__getitem__):
        heights[name] = max(wanted[name], free_from)
        free_from = heights[name] + LABEL_HEIGHT
    return heights


def _text(x: float, y: float, text: str, attributes: str = "") -> str:
    position = f'x="{x:.1f}" y="{y:.1f}"'
    return f"<text {position} {attributes}".rstrip() + f">{escape(text)}</text>"
