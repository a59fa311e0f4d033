"""Kinds of figure that show estimates: paths by event time, forests of checks, and claims under their verdicts."""

from __future__ import annotations

import itertools
import math
import textwrap
from typing import TYPE_CHECKING, Any

from helpers import facts
from helpers.errors import AssessError
from helpers.figure_axes import axis_unit, need, zero_line
from helpers.figure_style import BLUE, GRID, INK, MUTED, VERDICTS, WIDTH, new, wrapped

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EVENT_COLUMNS = ("event_time", "estimate", "lower", "upper")


def event_study(
    frame: pd.DataFrame, unit: str = "%", unit_words: str = "", exposed: str = "first exposed year", height: float = 4.2
) -> Figure:
    """Estimates by event time: points with pointwise 95% intervals, the simultaneous band behind them, and under the
    axis how many councils stand behind each point.

    `frame`: event_time, estimate, lower, upper, and where known band_lower, band_upper, n_treated. Estimates before
    event time 0 are drawn hollow: they test whether the groups already differed.
    """
    need(frame, EVENT_COLUMNS, "event-study")
    figure, axes = new(height)
    _draw_events(axes, frame)
    times = frame["event_time"]
    if times.min() < 0 <= times.max():
        for words, place, align in (("Before the agreement", -0.6, "right"), ("After", -0.4, "left")):
            axes.annotate(
                words,
                (place, 1),
                xycoords=("data", "axes fraction"),
                xytext=(0, 2),
                textcoords="offset points",
                va="bottom",
                ha=align,
                color=MUTED,
                fontsize=9.5,
            )
    note = f"Years from the {exposed}"
    axes.set_xlabel(
        f"{note} (above) and councils behind each estimate (below)" if "n_treated" in frame.columns else note
    )
    axis_unit(axes, unit)
    if unit_words:
        axes.set_ylabel(unit_words)
    return figure


def event_studies(frame: pd.DataFrame, panel: str = "outcome", panel_height: float = 2.15) -> Figure:
    """Event studies side by side, as `event_study` draws them, one panel per value of `panel`, each on its own scale.

    `frame` has the columns of `event_study`, `panel`, and optionally `unit_words`, written under the panel's name.
    """
    need(frame, [panel, *EVENT_COLUMNS], "event-studies")
    names = list(dict.fromkeys(frame[panel]))
    rows, columns = _grid(len(names))
    figure, grid = new(0.35 + panel_height * rows, rows=rows, columns=columns, squeeze=False)
    for axes, name in itertools.zip_longest(grid.flat, names):
        if name is None:
            axes.set_axis_off()
            continue
        part = frame[frame[panel] == name]
        _draw_events(axes, part, size=5.5)
        axes.tick_params(labelsize=8.5 if columns < 3 else 8)
        axis_unit(axes, "")
        _panel_title(axes, str(name), str(part["unit_words"].iloc[0]) if "unit_words" in part.columns else "")
    figure.supxlabel(
        "Years from the first exposed year (above) and councils behind each estimate (below)",
        fontsize=9.5,
        color=MUTED,
    )
    return figure


def _draw_events(axes: Axes, frame: pd.DataFrame, size: float = 7) -> None:
    """One event-study path: band, intervals, points (`size` in points), and councils under the event times."""
    import numpy as np

    part = frame.sort_values("event_time")
    times = part["event_time"].astype(int).to_numpy()
    if {"band_lower", "band_upper"} <= set(part.columns) and part["band_lower"].notna().any():
        # A step band, so that it is not read as a path between the points.
        steps = np.repeat(times, 3) + np.tile([-0.36, 0.36, 0.5], len(times))
        low, high = (np.repeat(part[c].to_numpy(float), 3) for c in ("band_lower", "band_upper"))
        low[2::3] = np.nan
        axes.fill_between(steps, low, high, color=BLUE, alpha=0.13, linewidth=0, zorder=1)
    estimates, low, high = (part[c].to_numpy(float) for c in ("estimate", "lower", "upper"))
    # A reference period is nought by construction and has no interval.
    axes.vlines(
        times,
        np.where(np.isnan(low), estimates, low),
        np.where(np.isnan(high), estimates, high),
        color=BLUE,
        linewidth=1.8,
        zorder=3,
    )
    before = times < 0
    for which, face, edge, width in ((before, "white", BLUE, 1.6), (~before, BLUE, "white", 0.8)):
        axes.plot(
            times[which],
            estimates[which],
            linestyle="",
            marker="o",
            markersize=size if face == "white" else size + 0.5,
            markerfacecolor=face,
            markeredgecolor=edge,
            markeredgewidth=width,
            zorder=4,
        )
    zero_line(axes)
    if before.any() and (~before).any():
        axes.axvline(-0.5, color=MUTED, linewidth=1, linestyle=(0, (3, 3)), zorder=1)
    axes.set_xlim(times.min() - 0.6, times.max() + 0.6)
    counts = dict(zip(times, part["n_treated"], strict=True)) if "n_treated" in part.columns else {}
    ticks = []
    for time in times:
        held = counts.get(time)
        ticks.append(
            f"{facts.number(time, 0) if time <= 0 else f'+{time}'}"
            + (f"\n{int(held)}" if held is not None and held == held else "")
        )
    axes.set_xticks(times, ticks, linespacing=1.5)


def forest(
    frame: pd.DataFrame,
    unit: str = "%",
    unit_words: str = "",
    digits: int = 1,
    main: str | None = None,
    height: float | None = None,
) -> Figure:
    """Estimates with 95% intervals, one row each, and their numbers at the right.

    `frame`: estimator, estimate, lower, upper; optional `group` (a heading above each run of rows). `main` names the
    row drawn strongest, the first when not given. A row without an interval is drawn as a point alone.
    """
    need(frame, ["estimator", "estimate", "lower", "upper"], "forest")
    rows: list[tuple[str, Any]] = []
    last = None
    for record in frame.to_dict("records"):
        head = record.get("group")
        if head is not None and head != last:
            rows.append(("head", head))
            last = head
        rows.append(("row", record))
    figure, axes = new(height or 0.75 + 0.3 * len(rows))
    main = main or str(frame["estimator"].iloc[0])
    names = []
    for place, (kind, record) in enumerate(rows):
        y = -place
        if kind == "head":
            names.append((y, str(record), True))
            continue
        strong = str(record["estimator"]) == main
        colour = BLUE if strong else MUTED
        if record["lower"] == record["lower"] and record["lower"] is not None:
            axes.hlines(y, record["lower"], record["upper"], color=colour, linewidth=2.6 if strong else 1.6, zorder=3)
        axes.plot(
            [record["estimate"]],
            [y],
            marker="o",
            markersize=8 if strong else 6,
            color=colour,
            markeredgecolor="white",
            markeredgewidth=0.8,
            zorder=4,
        )
        names.append((y, str(record["estimator"]), strong))
        text = facts.number(record["estimate"], digits)
        if record["lower"] == record["lower"] and record["lower"] is not None:
            text += f"  ({facts.number(record['lower'], digits)} to {facts.number(record['upper'], digits)})"
        axes.annotate(
            text,
            (1, y),
            xycoords=("axes fraction", "data"),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            color=INK if strong else MUTED,
            fontsize=9.5,
            fontweight="semibold" if strong else "normal",
            annotation_clip=False,
        )
    axes.set_yticks([y for y, *_ in names], [textwrap.fill(text, 38) for _, text, _ in names])
    for tick, (_, _, strong) in zip(axes.get_yticklabels(), names, strict=True):
        tick.set_color(INK)
        tick.set_fontweight("semibold" if strong else "normal")
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    axes.grid(False)
    axes.grid(True, axis="x", color=GRID)
    zero_line(axes, vertical=True)
    axis_unit(axes, unit, "x")
    if unit_words:
        axes.set_xlabel(unit_words)
    return figure


def forests(frame: pd.DataFrame, panel: str = "outcome", row_height: float = 0.175) -> Figure:
    """Forest plots side by side that share their rows: one panel per value of `panel`, each on its own scale.

    `frame`: `panel`, estimator, estimate, lower, upper, and optionally `unit_words`. The first row is the main
    estimate: drawn strongest, its number under the panel's name, its interval shaded over all rows. A panel without
    one of the rows says so. `row_height` in inches.
    """
    need(frame, [panel, "estimator", "estimate", "lower", "upper"], "forests")
    from matplotlib.ticker import MaxNLocator

    names, shown = list(dict.fromkeys(frame[panel])), list(dict.fromkeys(frame["estimator"]))
    rows, columns = _grid(len(names))
    figure, grid = new(0.2 + rows * (0.85 + row_height * len(shown)), rows=rows, columns=columns, squeeze=False)
    for position, (axes, name) in enumerate(itertools.zip_longest(grid.flat, names)):
        if name is None:
            axes.set_axis_off()
            continue
        part = frame[frame[panel] == name]
        main = part.iloc[0]
        _draw_rows(axes, part.assign(place=[-shown.index(row) for row in part["estimator"]]))
        for place in set(range(len(shown))) - {shown.index(row) for row in part["estimator"]}:
            axes.annotate("not possible", (main["estimate"], -place), ha="center", va="center", color=MUTED, fontsize=8)
        axes.grid(False)
        axes.grid(True, axis="x", color=GRID)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, min_n_ticks=3))
        axes.tick_params(labelsize=8.5)
        axis_unit(axes, "", "x")
        axes.set_ylim(-len(shown) + 0.4, 0.6)
        axes.set_yticks([-i for i in range(len(shown))] if position % columns == 0 else [])
        _panel_title(axes, str(name), _in_words(main))
    for axes in grid[:, 0]:
        for label in axes.set_yticklabels(shown, color=INK)[:1]:
            label.set_fontweight("semibold")
    return figure


def _draw_rows(axes: Axes, part: pd.DataFrame) -> None:
    """Intervals and points of one forest at heights `place`, the first row strongest and its interval shaded."""
    main, rest = part.iloc[0], part.iloc[1:]
    axes.axvspan(main["lower"], main["upper"], color=BLUE, alpha=0.08, linewidth=0, zorder=0)
    zero_line(axes, vertical=True)
    for rows, colour, width, size in ((rest, MUTED, 1.5, 5), (part.head(1), BLUE, 2.4, 6.5)):
        axes.hlines(rows["place"], rows["lower"], rows["upper"], color=colour, linewidth=width, zorder=3)
        axes.plot(
            rows["estimate"],
            rows["place"],
            linestyle="",
            marker="o",
            markersize=size,
            color=colour,
            markeredgecolor="white",
            markeredgewidth=0.7,
            zorder=4,
        )


def _in_words(row: pd.Series) -> str:
    """An estimate with its unit and interval, "-3.4% (-13.7 to 8.0)", with two decimals where it is small."""
    digits = 2 if max(abs(row["lower"]), abs(row["upper"])) < 1 else 1
    number, low, high = (facts.number(row[c], digits) for c in ("estimate", "lower", "upper"))
    unit = str(row["unit_words"]) if "unit_words" in row.index else ""
    return f"{number}{unit if unit == '%' else f' {unit}'.rstrip()} ({low} to {high})"


def _grid(panels: int) -> tuple[int, int]:
    """Rows and columns for so many panels: three to a row, four as two by two."""
    columns = panels if panels < 4 else 2 if panels == 4 else 3
    return math.ceil(panels / columns), columns


def _panel_title(axes: Axes, name: str, words: str) -> None:
    """A panel's name above it, and under the name a line of small print that does not make the panel narrower."""
    # Title and axis labels in stated places: to find them, matplotlib would measure every tick several times over.
    axes.set_title(name, fontsize=9.5, pad=16 if words else 6, y=1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_label_coords(0, 0)
    small = axes.annotate(
        words,
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 4),
        textcoords="offset points",
        va="bottom",
        color=MUTED,
        fontsize=8.5,
    )
    small.set_in_layout(False)


def verdicts(
    frame: pd.DataFrame, unit_words: str = "Effect, in standard deviations of the outcome", height: float | None = None
) -> Figure:
    """The claims at a glance: one row per claim, its verdict as a coloured, shaped mark, and the size of the effect
    across.

    `frame`: claim (short words), verdict, and where an effect was estimated estimate, lower, upper on one common
    scale; optional strength and group (a heading above each run of rows). A claim without an estimate shows its
    verdict alone.
    """
    need(frame, ["claim", "verdict"], "verdict")
    unknown = sorted(set(frame["verdict"]) - set(VERDICTS))
    if unknown:
        raise AssessError(
            f"No verdict {unknown[0]!r}{facts.near(unknown[0], VERDICTS)}; verdicts are {', '.join(VERDICTS)}."
        )
    rows: list[tuple[str, Any]] = []
    last = None
    for record in frame.to_dict("records"):
        head = record.get("group")
        if head is not None and head == head and head != last:
            rows.append(("head", head))
            last = head
        rows.append(("row", record))
    sized = "estimate" in frame.columns and bool(frame["estimate"].notna().any())
    claim_width, mark_width = (2.75, 1.5) if sized else (5.0, 2.0)
    texts = [
        "\n".join(wrapped(str(r if kind == "head" else r["claim"]), 9.5, "normal", claim_width)) for kind, r in rows
    ]
    deep = [max(text.count("\n") + 1, 1.45) for text in texts]
    across = [claim_width + mark_width, WIDTH - claim_width - mark_width - 0.35] if sized else [1]
    figure, both = new(
        height or 0.75 + 0.185 * sum(deep), columns=len(across), squeeze=False, sharey=True, width_ratios=across
    )
    left = both[0][0]
    right = both[0][1] if sized else None
    mark = claim_width / (claim_width + mark_width) + 0.035
    place, places = 0.0, []
    for depth in deep:
        places.append(-(place + depth / 2))
        place += depth
    for y, (kind, record), text in zip(places, rows, texts, strict=True):
        if kind == "head":
            left.text(0, y, text, fontweight="semibold", fontsize=10.5, va="center", color=INK)
            continue
        colour, marker = VERDICTS[record["verdict"]]
        left.text(0, y, text, fontsize=9.5, va="center", linespacing=1.1)
        strength = record.get("strength")
        words = str(record["verdict"]) + (
            f", {strength}" if isinstance(strength, str) and strength.strip("-– ") else ""
        )
        left.plot([mark], [y], marker=marker, markersize=8, color=colour, markeredgecolor="white", clip_on=False)
        left.text(
            mark + 0.03,
            y,
            "\n".join(wrapped(words, 9, "normal", mark_width - 0.3)),
            fontsize=9,
            va="center",
            linespacing=1.05,
        )
        if (
            right is not None
            and record.get("estimate") == record.get("estimate")
            and record.get("estimate") is not None
        ):
            if record.get("lower") == record.get("lower") and record.get("lower") is not None:
                right.hlines(y, record["lower"], record["upper"], color=colour, linewidth=2.2, zorder=3)
            right.plot(
                [record["estimate"]], [y], marker=marker, markersize=7, color=colour, markeredgecolor="white", zorder=4
            )
    left.set_axis_off()
    left.set_xlim(0, 1)
    left.set_ylim(-place, 0.2)
    if right is not None:
        right.grid(False)
        right.grid(True, axis="x", color=GRID)
        right.tick_params(left=False, labelleft=False)
        zero_line(right, vertical=True)
        right.set_xlabel(unit_words)
        axis_unit(right, "", "x")
    return figure
