"""Kinds of figure that run over time: lines, small multiples of lines, stacked columns and a calendar of events."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from helpers.figure_axes import axis_unit, line_legend, need, ordered, positions, x_axis, zero_line
from helpers.figure_labels import label_ends
from helpers.figure_style import GRID, GROUPS, INK, MUTED, darker, new, part_colours, styles

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def lines(
    frame: pd.DataFrame,
    x: str = "year",
    y: str = "value",
    by: str | None = "group",
    unit: str = "",
    lower: str | None = None,
    upper: str | None = None,
    mark: Mapping[Any, str] | None = None,
    zero: bool = False,
    labels: Mapping[str, str] | None = None,
    height: float = 3.8,
) -> Figure:
    """Lines over time, one per value of `by`, each labelled at its end; `lower` and `upper` draw an interval band.

    `frame` is long: one row per x and `by`. `unit` writes the axis ("%", "gbp", "count", ...). `mark` draws a dashed
    upright at an x with a few words. `zero` starts the axis at nought. `labels` renames lines.
    """
    need(frame, [c for c in (x, y, by, lower, upper) if c], "line")
    figure, axes = new(height)
    places, named = positions(list(frame[x]))
    ends = _draw_lines(axes, frame, x, y, by, lower, upper, places, ordered(frame, by))
    x_axis(axes, places, named)
    axis_unit(axes, unit)
    low, high = axes.get_ylim()
    if zero:
        axes.set_ylim(min(0, low), high)
    elif low < 0 < high:
        zero_line(axes)
    for at, words in (mark or {}).items():
        place = places.get(at, at)
        axes.axvline(place, color=MUTED, linewidth=1, linestyle=(0, (3, 3)), zorder=1)
        axes.annotate(
            words,
            (place, 1),
            xycoords=("data", "axes fraction"),
            xytext=(4, -2),
            textcoords="offset points",
            va="top",
            color=MUTED,
            fontsize=9,
        )
    if by is not None:
        renamed = dict(labels or {})
        ends = [(px, py, textwrap.fill(renamed.get(text, text), 16), colour) for px, py, text, colour in ends]
        label_ends(axes, ends)
    return figure


def multiples(
    frame: pd.DataFrame,
    panel: str,
    x: str = "year",
    y: str = "value",
    by: str | None = None,
    unit: str = "",
    columns: int = 4,
    share: bool = True,
    lower: str | None = None,
    upper: str | None = None,
    empty: Mapping[str, str] | None = None,
    panel_height: float = 1.45,
) -> Figure:
    """Small multiples: one panel per value of `panel`, lines by `by`. `share` keeps one scale, so that panels can be
    compared.

    `empty` maps panels without data to the few words shown in their place.
    """
    need(frame, [c for c in (panel, x, y, by) if c], "small-multiples")
    names = list(dict.fromkeys([*frame[panel], *(empty or {})]))
    columns = min(columns, len(names))
    rows = math.ceil(len(names) / columns)
    figure, grid = new(0.55 + panel_height * rows, rows=rows, columns=columns, squeeze=False, sharex=True, sharey=share)
    places, labelled = positions(list(frame[x]))
    order = ordered(frame, by)
    for position, axes in enumerate(grid.flat):
        if position >= len(names):
            axes.set_axis_off()
            continue
        name = names[position]
        axes.set_title(
            textwrap.fill(GROUPS[name][0] if name in GROUPS else str(name), max(10, 60 // columns)), fontsize=9.5
        )
        part = frame[frame[panel] == name]
        if part[y].notna().any():
            _draw_lines(axes, part, x, y, by, lower, upper, places, order)
            if part[y].min() < 0 < part[y].max():
                zero_line(axes)
        else:
            words = (empty or {}).get(name, "no data")
            axes.text(
                0.5,
                0.5,
                textwrap.fill(words, 18),
                transform=axes.transAxes,
                ha="center",
                va="center",
                color=MUTED,
                fontsize=8.5,
            )
        xs = sorted(places.items(), key=lambda item: item[1])
        shown = [xs[0], xs[-1]] if len(xs) > 1 else xs
        axes.set_xticks([p for _, p in shown], [str(v) if labelled else f"{v:g}" for v, _ in shown])
        axes.tick_params(labelsize=8.5)
        axis_unit(axes, unit)
    if by is not None and len(order) > 1:
        line_legend(figure, order)
    return figure


def _draw_lines(
    axes: Axes,
    frame: pd.DataFrame,
    x: str,
    y: str,
    by: str | None,
    lower: str | None,
    upper: str | None,
    places: Mapping[Any, float],
    order: Sequence[Any],
) -> list[tuple[float, float, str, str]]:
    ends = []
    looks = styles(order)
    for key in order:
        part = frame if by is None else frame[frame[by] == key]
        part = part.dropna(subset=[y]).sort_values(x)
        if part.empty:
            continue
        label, colour, dash, marker = looks[key]
        xs = [places[v] for v in part[x]]
        top = 3 if str(key) in ("safety_valve", "england") else 2.5
        if lower and upper:
            axes.fill_between(xs, part[lower], part[upper], color=colour, alpha=0.15, linewidth=0, zorder=top - 1)
        axes.plot(
            xs,
            part[y],
            color=colour,
            linestyle=dash,
            marker=marker,
            markersize=4,
            markeredgecolor="white",
            markeredgewidth=0.6,
            zorder=top,
        )
        ends.append((xs[-1], float(part[y].iloc[-1]), label, darker(colour)))
    return ends


def stacked(
    frame: pd.DataFrame,
    x: str,
    parts: Mapping[str, str] | Sequence[str],
    unit: str = "",
    share: bool = False,
    height: float = 3.9,
) -> Figure:
    """Stacked columns: one per row's `x`, split into `parts` (columns, with the words that name them), shaded from
    light at the foot to dark at the top. `share` scales each to 100%."""
    named = dict(parts) if isinstance(parts, Mapping) else {p: p for p in parts}
    need(frame, [x, *named], "stacked")
    figure, axes = new(height)
    data = frame[list(named)].astype(float)
    if share:
        data = data.div(data.sum(axis=1), axis=0) * 100
    shades = part_colours(len(named))
    base = data.iloc[:, 0] * 0
    places = list(range(len(frame)))
    ends = []
    for (column, words), colour in zip(named.items(), shades, strict=True):
        axes.bar(
            places,
            data[column].fillna(0),
            bottom=base,
            width=0.78,
            color=colour,
            edgecolor="white",
            linewidth=0.7,
            zorder=3,
        )
        middle = float((base + data[column].fillna(0) / 2).iloc[-1])
        ends.append((places[-1] + 0.39, middle, textwrap.fill(words, 20), INK))
        base = base + data[column].fillna(0)
    axes.set_xticks(places, [f"{v:g}" if isinstance(v, float) else str(v) for v in frame[x]])
    axis_unit(axes, "%" if share else unit)
    if share:
        axes.set_ylim(0, 100)
    from matplotlib.patches import Patch

    if len(named) <= 6 and float(base.iloc[-1]) > 0:
        axes.legend(
            handles=[
                Patch(facecolor=shade, edgecolor="white", label=textwrap.fill(words, 20))
                for shade, words in reversed(list(zip(shades, named.values(), strict=True)))
            ],
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            handlelength=1,
            handleheight=1,
            labelspacing=0.9,
        )
    else:
        label_ends(axes, ends)
    return figure


def timeline(
    frame: pd.DataFrame,
    start: str = "start",
    label: str = "label",
    end: str | None = None,
    kind: str | None = None,
    height: float | None = None,
) -> Figure:
    """Events and spans on a calendar: one row each in order of start. `frame`: dates (anything pandas reads as one),
    words; optional end and kind."""
    import pandas as pd

    need(frame, [c for c in (start, label, end, kind) if c], "timeline")
    part = frame.assign(**{start: pd.to_datetime(frame[start])})
    if end:
        part[end] = pd.to_datetime(part[end])
    part = part.sort_values(start, kind="stable")
    figure, axes = new(height or 0.8 + 0.3 * len(part))
    order = ordered(part, kind)
    looks = styles(order)
    for place, record in enumerate(part.to_dict("records")):
        _, colour, _, marker = looks[record[kind] if kind else ""]
        stop = record[end] if end else None
        last = record[start]
        if stop is not None and not pd.isna(stop):
            axes.hlines(-place, record[start], stop, color=colour, linewidth=6, alpha=0.55, zorder=2)
            last = stop
        axes.plot(
            [record[start]],
            [-place],
            marker=marker or "o",
            markersize=7,
            color=colour,
            markeredgecolor="white",
            zorder=3,
        )
        axes.annotate(
            str(record[label]),
            (last, -place),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            fontsize=9.2,
            annotation_clip=False,
        )
    axes.set_yticks([])
    axes.set_ylim(-len(part) + 0.4, 0.6)
    axes.grid(False)
    axes.grid(True, axis="x", color=GRID)
    if kind and len(order) > 1:
        line_legend(figure, order)
    return figure
