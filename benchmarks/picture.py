"""The figures as a picture: time of each contender as a share of the SDK's MongoDBSession's."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

from .contenders import BARE, OURS, SDK_MONGO
from .race import TIME, find

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .race import Figure

# After Okabe and Ito: colours that colour-blind readers can distinguish.
_COLOURS = {
    OURS["Motor"]: "#0072b2",
    OURS["PyMongo"]: "#56b4e9",
    BARE["Motor"]: "#999999",
}
_SDK_COLOUR = "#d55e00"
_WIDTH, _WORK_HEIGHT, _MARGIN = 8.6, 0.5, 1.1  # inches
_BAR = 0.27  # of the height of a piece of work


class Bars(NamedTuple):
    """One piece of work, and the time of each contender relative to the SDK's MongoDBSession."""

    work: str
    ratios: dict[str, float]


def bars(figures: Sequence[Figure]) -> list[Bars]:
    """Of all work that the SDK's MongoDBSession does, too."""
    found = []
    for figure in figures:
        if (figure.measure, figure.contender) != (TIME, SDK_MONGO):
            continue
        timed = {name: find(figures, TIME, figure.work, name) for name in _COLOURS}
        ratios = {name: one.median / figure.median for name, one in timed.items() if one}
        found.append(Bars(figure.work, ratios))
    return found


def picture(figures: Sequence[Figure]) -> str:
    """An SVG, with a bar for each contender and piece of work."""
    shown = bars(figures)
    # Text stays text, and two pictures of the same figures are equal.
    with mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "bench",
            "font.sans-serif": ["DejaVu Sans"],
            "font.size": 9,
        }
    ):
        height = _MARGIN + _WORK_HEIGHT * len(shown)
        canvas = Canvas(figsize=(_WIDTH, height), layout="constrained")
        axes = canvas.subplots()
        for place, (name, colour) in enumerate(_COLOURS.items()):
            at = {
                n + place * _BAR: work.ratios[name]
                for n, work in enumerate(shown)
                if name in work.ratios
            }
            drawn = axes.barh(list(at), list(at.values()), _BAR * 0.9, color=colour, label=name)
            axes.bar_label(drawn, fmt="%.2f", padding=2, fontsize=7)
        axes.axvline(1, color=_SDK_COLOUR, label=SDK_MONGO)
        axes.set_yticks([n + _BAR for n in range(len(shown))], [work.work for work in shown])
        axes.margins(y=0.01)
        axes.invert_yaxis()
        axes.tick_params(left=False)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.set_title("Time relative to the SDK's MongoDBSession", loc="left", weight="bold")
        canvas.legend(loc="outside upper right", ncols=len(_COLOURS) + 1, frameon=False)
        svg = io.StringIO()
        canvas.savefig(svg, format="svg", metadata={"Date": None})
    return svg.getvalue()
