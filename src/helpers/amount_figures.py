"""Kinds of figure that set amounts beside each other: councils as dots or points, bars, and an account in steps."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from helpers import facts
from helpers.figure_axes import axis_unit, legend, need, ordered, zero_line
from helpers.figure_labels import Point, call_outs
from helpers.figure_style import BLUE, GREY, GRID, INK, MUTED, ORANGE, RULE, TEAL, new, styles

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def strip(
    frame: pd.DataFrame,
    by: str = "group",
    value: str = "value",
    unit: str = "",
    name: str | None = None,
    call_out: Sequence[str] = (),
    height: float | None = None,
) -> Figure:
    """Every council as a dot, in a row for each value of `by`, with the median marked; `call_out` labels councils by
    `name`."""
    import numpy as np

    need(frame, [by, value, *([name] if name else [])], "strip")
    order = ordered(frame, by)
    figure, axes = new(height or 1.0 + 0.75 * len(order))
    looks = styles(order)
    called: list[Point] = []
    for place, key in enumerate(order):
        part = frame[(frame[by] == key) & frame[value].notna()].sort_values(value)
        if part.empty:
            continue
        _, colour, _, marker = looks[key]
        # A fixed, even spread: the same data always give the same picture.
        spread = ((np.arange(len(part)) * 0.618034) % 1 - 0.5) * 0.5
        axes.plot(
            part[value],
            -place + spread,
            linestyle="",
            marker=marker or "o",
            markersize=5,
            color=colour,
            alpha=0.75,
            markeredgecolor="white",
            markeredgewidth=0.5,
            zorder=2,
        )
        middle = float(part[value].median())
        axes.vlines(middle, -place - 0.38, -place + 0.38, color=INK, linewidth=2.4, zorder=4)
        axes.annotate(
            facts.shown(middle, unit).replace(" percentage points", "").replace(" million", "m"),
            (middle, -place + 0.38),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=9,
            fontweight="semibold",
        )
        if name:
            for at, (who, amount) in zip(spread, part[[name, value]].itertuples(index=False), strict=True):
                if who in call_out:
                    called.append((float(amount), float(-place + at), str(who), colour, marker or "o"))
    counts = frame[frame[value].notna()].groupby(by, observed=True).size()
    axes.set_yticks(
        [-i for i in range(len(order))], [f"{textwrap.fill(looks[k][0], 16)}\n({counts.get(k, 0)})" for k in order]
    )
    for tick in axes.get_yticklabels():
        tick.set_color(INK)
    axes.set_ylim(-len(order) + 0.4, 0.75)
    axes.grid(False)
    axes.grid(True, axis="x", color=GRID)
    low, high = axes.get_xlim()
    if low < 0 < high:
        zero_line(axes, vertical=True)
    axis_unit(axes, unit, "x")
    call_outs(axes, called)
    return figure


def scatter(
    frame: pd.DataFrame,
    x: str,
    y: str,
    by: str | None = "group",
    x_unit: str = "",
    y_unit: str = "",
    x_words: str = "",
    y_words: str = "",
    name: str | None = None,
    call_out: Sequence[str] = (),
    height: float = 4.4,
) -> Figure:
    """Councils as points, coloured by group; `call_out` labels some by `name`. Axes need words: `x_words`,
    `y_words`."""
    need(frame, [c for c in (x, y, by, name) if c], "scatter")
    figure, axes = new(height)
    order = ordered(frame, by)
    looks = styles(order)
    called: list[Point] = []
    for key in reversed(order):
        part = frame if by is None else frame[frame[by] == key]
        label, colour, _, marker = looks[key]
        axes.plot(
            part[x],
            part[y],
            linestyle="",
            marker=marker or "o",
            markersize=5.5,
            color=colour,
            alpha=0.8,
            markeredgecolor="white",
            markeredgewidth=0.5,
            label=label,
            zorder=3 if str(key) == "safety_valve" else 2,
        )
        if name:
            for who, px, py in part[[name, x, y]].itertuples(index=False):
                if who in call_out and px == px and py == py:
                    called.append((float(px), float(py), str(who), colour, marker or "o"))
    axes.grid(True, axis="both", color=GRID)
    axis_unit(axes, x_unit, "x")
    axis_unit(axes, y_unit, "y")
    axes.set_xlabel(x_words)
    axes.set_ylabel(y_words)
    if by and len(order) > 1:
        handles, texts = axes.get_legend_handles_labels()
        legend(figure, handles[::-1], texts[::-1])
    call_outs(axes, called)
    return figure


def bars(
    frame: pd.DataFrame,
    label: str,
    value: str,
    unit: str = "",
    digits: int | None = None,
    highlight: Sequence[str] = (),
    by: str | None = None,
    height: float | None = None,
) -> Figure:
    """Horizontal bars with their numbers, in the frame's order; `highlight` draws named rows strongest, or `by`
    colours by group."""
    need(frame, [label, value, *([by] if by else [])], "bar")
    figure, axes = new(height or 0.6 + 0.29 * len(frame))
    looks = styles(ordered(frame, by)) if by else {}
    for place, record in enumerate(frame.to_dict("records")):
        colour = looks[record[by]][1] if by else BLUE if not highlight or str(record[label]) in highlight else GREY
        amount = record[value]
        if amount is None or amount != amount:
            axes.annotate(
                "not known",
                (0, -place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                color=MUTED,
                fontsize=9,
            )
            continue
        axes.barh(-place, amount, height=0.7, color=colour, zorder=3)
        text = facts.shown(float(amount), unit, digits).replace(" million", "m").replace(" percentage points", "")
        axes.annotate(
            text,
            (amount, -place),
            xytext=(5 if amount >= 0 else -5, 0),
            textcoords="offset points",
            va="center",
            ha="left" if amount >= 0 else "right",
            fontsize=9.5,
            annotation_clip=False,
        )
    axes.set_yticks([-i for i in range(len(frame))], [textwrap.fill(str(t), 40) for t in frame[label]])
    for tick in axes.get_yticklabels():
        tick.set_color(INK)
    axes.set_ylim(-len(frame) + 0.4, 0.6)
    axes.grid(False)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    low, high = axes.get_xlim()
    room = 0.13 * (high - low)
    axes.set_xlim(low - room if low < 0 else 0, high + room)
    zero_line(axes, vertical=True)
    if by:
        from matplotlib.patches import Patch

        legend(figure, [Patch(color=c) for _, c, *_ in looks.values()], [t for t, *_ in looks.values()])
    return figure


def waterfall(
    frame: pd.DataFrame,
    label: str = "label",
    value: str = "value",
    total: str = "total",
    unit: str = "gbp_m",
    digits: int = 0,
    height: float | None = None,
) -> Figure:
    """An account from one total to another. `frame`: a label, a value and whether the row is a total (True) or a step
    (False).

    Rises are orange (deficits grow), falls teal, totals dark; every bar carries its number.
    """
    need(frame, [label, value, total], "waterfall")
    figure, axes = new(height or 0.7 + 0.38 * len(frame))
    level, ends = 0.0, []
    for place, record in enumerate(frame.to_dict("records")):
        amount = float(record[value])
        if bool(record[total]):
            left, width, colour, level = 0.0, amount, BLUE, amount
        else:
            left, width, colour = min(level, level + amount), abs(amount), ORANGE if amount > 0 else TEAL
            axes.vlines(level, -place - 0.36, -place + 1, color=RULE, linewidth=0.8, zorder=1)
            level += amount
        axes.barh(-place, width, left=left, height=0.68, color=colour, zorder=3)
        text = facts.shown(amount, unit, digits)
        if unit == "gbp_m":
            text = text.replace(" million", "m")
        ends.append((max(left, left + width), -place, text if bool(record[total]) or amount < 0 else f"+{text}"))
    for x, y, text in ends:
        axes.annotate(
            text,
            (x, y),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=9.5,
            fontweight="semibold",
            annotation_clip=False,
        )
    axes.set_yticks([-i for i in range(len(frame))], [textwrap.fill(str(t), 34) for t in frame[label]])
    for tick in axes.get_yticklabels():
        tick.set_color(INK)
    axes.grid(False)
    axes.grid(True, axis="x", color=GRID)
    axes.margins(x=0.12)
    low, high = axes.get_xlim()
    axes.set_xlim(min(0, low), high)
    zero_line(axes, vertical=True)
    axis_unit(axes, unit, "x")
    return figure
