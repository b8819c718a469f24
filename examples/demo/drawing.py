"""A line chart as SVG."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# Matplotlib's keyword arguments have no types.

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# After Okabe and Ito: colours that colour-blind readers can distinguish.
COLOURS = ("#d55e00", "#0072b2", "#007a59", "#cc79a7", "#e69f00", "#56b4e9")


def line_chart(
    title: str, series: Mapping[str, Sequence[float]], *, x_label: str, y_label: str
) -> str:
    """One line for each series, in a group with its name as id: values at 1, 2, 3, … on the x axis.

    Text stays text, and two charts of the same values are equal.
    """
    with mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "demo",
            "font.sans-serif": ["DejaVu Sans"],
            "path.simplify": False,
        }
    ):
        figure = Figure(figsize=(8.4, 4.2), layout="constrained")
        axes = figure.subplots()
        for colour, (name, values) in zip(COLOURS, series.items(), strict=False):
            numbers = range(1, len(values) + 1)
            axes.plot(numbers, values, color=colour, label=name, gid=name)
        axes.set_title(title, loc="left", weight="bold")
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.grid(axis="y", color="#dddddd")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        svg = io.StringIO()
        figure.savefig(svg, format="svg", metadata={"Title": title, "Date": None})
    return svg.getvalue()
