"""House style of figures, and the kinds of figure the chapters draw.

Every kind takes a DataFrame and gives a matplotlib `Figure` without a title: `book.show` adds the title (which states
the finding) and the subtitle (measure, units, years) to the saved copies, and the report prints them as text. Colours
mean the same thing in every chapter, and lines also differ by dash and marker, so that they can be told apart in grey.
"""

from __future__ import annotations

import html
import io
import itertools
import logging
import math
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import facts
from helpers.errors import AssessError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox
    from numpy.typing import NDArray

PNG_SCALE = 2
DPI = 100
WIDTH = 7.2  # inches: the text width of the report
SANS = "Assess Sans"
FONTS = Path(__file__).parent / "templates" / "fonts"

INK = "#1d2730"
MUTED = "#56616b"
GRID = "#dfe3e7"
RULE = "#8a949d"
BLUE, ORANGE, GREY, TEAL, PLUM = "#12436d", "#c4500a", "#949494", "#1f8a80", "#801650"

# key -> (label, colour, dash, marker)
GROUPS: dict[str, tuple[str, str, str, str]] = {
    "safety_valve": ("Safety Valve", BLUE, "-", "o"),
    "dbv": ("Delivering Better Value", ORANGE, (0, (5, 2)), "s"),  # type: ignore[dict-item]
    "neither": ("Neither programme", GREY, "-", "D"),
    "england": ("England", INK, (0, (1, 1.5)), ""),  # type: ignore[dict-item]
}
COHORTS: dict[str, tuple[str, str, str, str]] = {
    "2020-21": ("2020-21", "#3b1a5a", "-", "o"),
    "2021-22": ("2021-22", "#12608c", (0, (6, 2)), "s"),  # type: ignore[dict-item]
    "2022-23": ("2022-23", "#28a197", "-", "^"),
    "2023-24": ("2023-24", "#a38a00", (0, (3, 1.5)), "D"),  # type: ignore[dict-item]
}
_OTHERS = [
    (BLUE, "-", "o"),
    (ORANGE, (0, (5, 2)), "s"),
    (TEAL, "-", "^"),
    (PLUM, (0, (3, 1.5)), "D"),
    (GREY, "-", "v"),
    (INK, (0, (1, 1.5)), "P"),
]
VERDICTS: dict[str, tuple[str, str]] = {  # verdict -> (colour, marker)
    "supported": (BLUE, "o"),
    "partly supported": ("#5b8fbf", "o"),
    "contradicted": (PLUM, "X"),
    "no effect found": ("#6b6b6b", "s"),
    "cannot tell": ("#949494", "D"),
    "documents only": ("#a38a00", "^"),
    "not testable": ("#b9bfc5", "v"),
}
# Parts of a whole, from the first to the last: one hue of its own, so that no part is taken for a group or a cohort,
# and dark enough apart to be told from its neighbours in grey.
PARTS = ("#ead6b4", "#d6b583", "#bf9355", "#a17437", "#805726", "#5f3d19", "#3f270e")
_UNIT_AXIS: dict[str, Callable[[float], str]] = {}


@cache
def _register_fonts() -> str:
    """The house font's name, or the one matplotlib brings when the font files are missing."""
    from matplotlib import font_manager

    # The fallback for rare signs has no semibold; that is no news to a reader of a notebook.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    found = sorted(FONTS.glob("AssessSans-*.ttf"))
    for path in found:
        font_manager.fontManager.addfont(str(path))
    return SANS if found else "DejaVu Sans"


def style() -> dict[Any, Any]:
    """The house style as matplotlib settings; `new` applies it."""
    return {
        "font.family": [_register_fonts(), "DejaVu Sans"],
        "font.size": 10,
        "text.color": INK,
        "axes.edgecolor": RULE,
        "axes.labelcolor": MUTED,
        "axes.labelsize": 10,
        "axes.titlesize": 10.5,
        "axes.titleweight": "semibold",
        "axes.titlelocation": "left",
        "axes.titlecolor": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.linewidth": 0.8,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "grid.color": GRID,
        "grid.linewidth": 0.8,
        "xtick.color": RULE,
        "ytick.color": RULE,
        "xtick.labelcolor": MUTED,
        "ytick.labelcolor": MUTED,
        "xtick.labelsize": 9.5,
        "ytick.labelsize": 9.5,
        "xtick.major.size": 3.5,
        "ytick.major.size": 0,
        "lines.linewidth": 2,
        "lines.markersize": 5,
        "legend.frameon": False,
        "figure.facecolor": "white",
        "svg.fonttype": "none",
        "axes.titley": 1.0,  # where it stands anyway; matplotlib would look for it again and again
    }


def new(
    height: float = 3.8, width: float = WIDTH, rows: int = 1, columns: int = 1, **kwargs: Any
) -> tuple[Figure, Any]:
    """A figure in house style and its axes (one, or an array when `rows` or `columns` is above one); sizes in
    inches."""
    import matplotlib
    from matplotlib.figure import Figure

    # Set for the session, not only here: text that a notebook adds to the figure later takes its font from these
    # settings.
    matplotlib.rcParams.update(style())
    figure = Figure(figsize=(width, height), layout="constrained")
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.06, h_pad=0.06)
    return figure, figure.subplots(rows, columns, **kwargs)


# Words and numbers on a figure


def styles(keys: Sequence[Any]) -> dict[Any, tuple[str, str, Any, str]]:
    """Label, colour, dash and marker for each key: a group, a cohort, or anything else in order."""
    spare = iter(_OTHERS * 3)
    out: dict[Any, tuple[str, str, Any, str]] = {}
    for key in keys:
        known = GROUPS.get(str(key)) or COHORTS.get(str(key))
        out[key] = known or (str(key), *next(spare))
    return out


def axis_unit(axes: Axes, unit: str, which: str = "y") -> None:
    """Write an axis's numbers in their unit: thousands separators, %, £, £ million."""
    from matplotlib.ticker import Formatter

    class InUnit(Formatter):
        """Ticks with as many decimals as their spacing needs."""

        def format_ticks(self, values: Any) -> list[str]:
            places = [float(v) for v in values]
            step = min((abs(b - a) for a, b in itertools.pairwise(places)), default=1.0)
            return [_tick(v, unit, step) for v in places]

        def __call__(self, x: float, pos: int | None = None) -> str:
            return _tick(x, unit, 1.0)

    (axes.yaxis if which == "y" else axes.xaxis).set_major_formatter(InUnit())


def _tick(value: float, unit: str, step: float) -> str:
    scale, before, after = 1.0, "", ""
    if unit == "gbp":
        before = "£"
        for size, letter in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
            if step >= size / 10 and (abs(value) >= size or value == 0 or step >= size):
                scale, after = size, letter
                break
    elif unit == "gbp_m":
        before, after = "£", "m"
    elif unit == "%":
        after = "%"
    if value == 0:
        return f"{before}0{after if unit == '%' else ''}"
    step = step / scale
    digits = next((d for d in range(5) if math.isclose(round(step, d), step, rel_tol=1e-6)), 4)
    text = facts.number(value / scale, digits)
    return f"{facts.MINUS}{before}{text[1:]}{after}" if text.startswith(facts.MINUS) else f"{before}{text}{after}"


def lay_out(figure: Figure) -> None:
    """Put the axes where they will be drawn, without drawing anything."""
    engine = figure.get_layout_engine()
    if engine is None:
        figure.draw_without_rendering()
    else:
        engine.execute(figure)


def label_ends(
    axes: Axes, labels: Sequence[tuple[float, float, str, str]], gap: float = 11.5, offset: float = 7, size: float = 9.5
) -> None:
    """Write labels right of the points (x, y, text, colour), moved apart so that none overlap; `gap` in points per
    line."""
    figure: Any = axes.figure
    lay_out(figure)
    to_screen = axes.transData
    points = 72 / figure.dpi
    wanted = sorted(
        ((to_screen.transform((x, y))[1] * points, x, y, text, colour) for x, y, text, colour in labels),
        key=lambda t: t[0],
    )
    placed: list[float] = []
    tall = [text.count("\n") + 1 for *_, text, _ in wanted]
    for i, (height, *_rest) in enumerate(wanted):
        floor = placed[-1] + gap * (tall[i - 1] + tall[i]) / 2 if placed else -math.inf
        placed.append(max(height, floor))
    # Pushing up can leave a cluster too high: slide each run of touching labels back towards its points.
    start = 0
    while start < len(placed):
        end = start
        while end + 1 < len(placed) and placed[end + 1] - placed[end] <= gap * (tall[end] + tall[end + 1]) / 2 + 1e-6:
            end += 1
        drift = sum(placed[i] - wanted[i][0] for i in range(start, end + 1)) / (end - start + 1)
        low = placed[start - 1] + gap * (tall[start - 1] + tall[start]) / 2 if start else -math.inf
        drift = min(drift, placed[start] - low)
        for i in range(start, end + 1):
            placed[i] -= drift
        start = end + 1
    for height, (natural, x, y, text, colour) in zip(placed, wanted, strict=True):
        axes.annotate(
            text,
            (x, y),
            xytext=(offset, height - natural),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=size,
            fontweight="semibold",
            annotation_clip=False,
            linespacing=1.05,
        )


def zero_line(axes: Axes, vertical: bool = False) -> None:
    """A firm line at no effect."""
    draw = axes.axvline if vertical else axes.axhline
    draw(0, color=INK, linewidth=0.9, zorder=1.5)


def _darker(colour: str) -> str:
    """A colour dark enough for small text on white (4.5:1)."""
    return {GREY: "#6b6b6b", "#a38a00": "#7d6a00", "#28a197": "#1b756e", ORANGE: "#a8440a"}.get(colour, colour)


def _need(frame: pd.DataFrame, columns: Sequence[str], kind: str) -> None:
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise AssessError(
            f"A {kind} figure needs the column {missing[0]!r}; the frame has {', '.join(map(str, frame.columns))}."
        )
    if frame.empty:
        raise AssessError(f"A {kind} figure needs at least one row.")


def _positions(values: Sequence[Any]) -> tuple[dict[Any, float], bool]:
    """Where each x value stands: numbers where they are, labels such as "2019-20" in order."""
    if all(isinstance(v, int | float) or hasattr(v, "__float__") for v in values):
        return {v: float(v) for v in values}, False
    return {v: float(i) for i, v in enumerate(sorted(set(values), key=str))}, True


def _x_axis(axes: Axes, places: Mapping[Any, float], named: bool, most: int = 12) -> None:
    xs = sorted(places.items(), key=lambda item: item[1])
    step = max(1, math.ceil(len(xs) / most))
    shown = xs[::-1][::step][::-1]
    axes.set_xticks([p for _, p in shown], [str(v) if named else f"{v:g}" for v, _ in shown])


# Kinds of figure


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
        ends.append((xs[-1], float(part[y].iloc[-1]), label, _darker(colour)))
    return ends


def _order(frame: pd.DataFrame, by: str | None) -> list[Any]:
    if by is None:
        return [""]
    keys = list(dict.fromkeys(frame[by]))
    known = [*GROUPS, *COHORTS]
    return sorted(keys, key=lambda k: (known.index(str(k)) if str(k) in known else len(known), keys.index(k)))


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
    _need(frame, [c for c in (x, y, by, lower, upper) if c], "line")
    figure, axes = new(height)
    places, named = _positions(list(frame[x]))
    ends = _draw_lines(axes, frame, x, y, by, lower, upper, places, _order(frame, by))
    _x_axis(axes, places, named)
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


def event_study(
    frame: pd.DataFrame, unit: str = "%", unit_words: str = "", exposed: str = "first exposed year", height: float = 4.2
) -> Figure:
    """Estimates by event time: points with pointwise 95% intervals, the simultaneous band behind them, and under the
    axis how many councils stand behind each point.

    `frame`: event_time, estimate, lower, upper, and where known band_lower, band_upper, n_treated. Estimates before
    event time 0 are drawn hollow: they test whether the groups already differed.
    """
    _need(frame, EVENT_COLUMNS, "event-study")
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


EVENT_COLUMNS = ("event_time", "estimate", "lower", "upper")


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


def event_studies(frame: pd.DataFrame, panel: str = "outcome", panel_height: float = 2.15) -> Figure:
    """Event studies side by side, as `event_study` draws them, one panel per value of `panel`, each on its own scale.

    `frame` has the columns of `event_study`, `panel`, and optionally `unit_words`, written under the panel's name.
    """
    _need(frame, [panel, *EVENT_COLUMNS], "event-studies")
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
    _need(frame, ["estimator", "estimate", "lower", "upper"], "forest")
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
    _need(frame, [panel, "estimator", "estimate", "lower", "upper"], "forests")
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


def dots(
    frame: pd.DataFrame,
    label: str,
    values: Mapping[str, str] | Sequence[str],
    unit: str = "",
    colours: Sequence[str] | None = None,
    arrow: bool = False,
    height: float | None = None,
) -> Figure:
    """A dot comparison: one row per `label`, one dot per value column, joined by a line (`arrow`: pointing from the
    first to the last).

    `values` maps columns to the words that name them. Rows come in the frame's order, the first at the top.
    """
    named = dict(values) if isinstance(values, Mapping) else {v: v for v in values}
    _need(frame, [label, *named], "dot")
    figure, axes = new(height or max(2.0, 0.8 + 0.24 * len(frame)))
    colours = colours or ([GREY, BLUE] if len(named) == 2 else [BLUE, ORANGE, TEAL, PLUM][: len(named)])
    markers = ["D", "o", "s", "^"]
    ys = [-i for i in range(len(frame))]
    held = frame[list(named)]
    for y, low, high in zip(ys, held.min(axis=1), held.max(axis=1), strict=True):
        if low == low and high > low:
            axes.hlines(y, low, high, color=GRID if not arrow else RULE, linewidth=2 if not arrow else 1.2, zorder=1)
    for (column, words), colour, marker in zip(named.items(), colours, markers, strict=False):
        axes.plot(
            frame[column],
            ys,
            linestyle="",
            marker=marker,
            markersize=6.5,
            color=colour,
            markeredgecolor="white",
            markeredgewidth=0.8,
            label=words,
            zorder=3,
        )
    axes.set_yticks(ys, [textwrap.fill(str(t), 42) for t in frame[label]])
    for tick in axes.get_yticklabels():
        tick.set_color(INK)
    axes.set_ylim(ys[-1] - 0.6, 0.6)
    axes.grid(False)
    axes.grid(True, axis="x", color=GRID)
    low, high = axes.get_xlim()
    if low < 0 < high:
        zero_line(axes, vertical=True)
    axis_unit(axes, unit, "x")
    if len(named) > 1:
        _legend(figure, *axes.get_legend_handles_labels())
    return figure


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

    _need(frame, [by, value, *([name] if name else [])], "strip")
    order = _order(frame, by)
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
    _call_out(axes, called)
    return figure


Point = tuple[float, float, str, str, str]  # x, y, words, colour, marker


def _call_out(axes: Axes, points: Sequence[Point], size: float = 8.5) -> None:
    """Points ringed and named: each label on white, beside its point or, with a line that leads to it, further off,
    where it lies over no other point, label or number. `size` of the letters in points."""
    from matplotlib.transforms import Bbox

    if not points:
        return
    figure: Any = axes.figure
    lay_out(figure)
    scale = figure.dpi / 72
    taken = _drawn_on(axes, 3 * scale)
    for x, y, words, colour, marker in sorted(points, key=lambda p: (-p[1], p[0])):
        axes.plot(
            [x],
            [y],
            linestyle="",
            marker=marker,
            markersize=8.5,
            color=colour,
            markeredgecolor=INK,
            markeredgewidth=1.3,
            zorder=5,
        )
        at = [float(side) for side in axes.transData.transform((x, y))]
        wide, high = _wide(words, size, "semibold") * scale, size * 1.15 * scale
        boxes = []
        for dx, dy in _PLACES:
            left = at[0] + dx * scale - (0 if dx > 0 else wide if dx < 0 else wide / 2)
            boxes.append(Bbox.from_bounds(left, at[1] + dy * scale - high / 2, wide, high))
        frame = axes.get_window_extent()
        crowding = [_crowding(place, box, at, frame, taken) for place, box in zip(_PLACES, boxes, strict=True)]
        best = crowding.index(min(crowding))
        (dx, dy), box = _PLACES[best], boxes[best]
        taken.append(box)
        line = {"arrowstyle": "-", "color": INK, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 4}
        axes.annotate(
            words,
            (x, y),
            xytext=(dx, dy),
            textcoords="offset points",
            ha="left" if dx > 0 else "right" if dx < 0 else "center",
            va="center",
            fontsize=size,
            fontweight="semibold",
            color=_darker(colour),
            zorder=6,
            bbox={"boxstyle": "square,pad=0.08", "facecolor": "white", "edgecolor": "none"},
            arrowprops=line if _far((dx, dy)) else None,
        )


def _drawn_on(axes: Axes, half: float) -> list[Bbox]:
    """Where marks (`half` as wide as this), words and lines stand, and the line at nought, in pixels."""
    from matplotlib.transforms import Bbox

    taken = [
        Bbox.from_bounds(x - half, y - half, 2 * half, 2 * half)
        for line in axes.lines
        if line.get_transform() == axes.transData
        for x, y in axes.transData.transform(line.get_xydata())
    ]
    taken += [text.get_window_extent() for text in axes.texts]
    for lines in axes.collections:
        if lines.get_transform() == axes.transData:
            taken += [Bbox(axes.transData.transform(ends)) for ends in getattr(lines, "get_segments", list)()]
    frame, nought = axes.get_window_extent(), axes.transData.transform((0, 0))[0]
    return [*taken, Bbox.from_extents(nought, frame.y0, nought, frame.y1)]


def _crowding(place: tuple[float, float], box: Bbox, at: Sequence[float], frame: Bbox, taken: Sequence[Bbox]) -> float:
    """How ill a label stands in `box`, `place` points from its mark at `at`: outside the frame worst, then over other
    things, then far away."""
    from matplotlib.transforms import Bbox

    inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
    over = sum(box.overlaps(other) for other in taken)
    if _far(place):
        line = Bbox.from_extents(at[0], at[1], (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
        over += sum(line.overlaps(other) for other in taken)
    return (0 if inside else 1000) + 12 * over + math.hypot(*place)


def _far(place: tuple[float, float]) -> bool:
    """Whether a label so many points from its mark needs a line to it."""
    return math.hypot(*place) > 14


#: Where a label may stand from its point, in points.
_PLACES = [(10 * a, b) for a in (1, -1) for b in (0, 7, -7)] + [
    (a, b) for b in (13, -13, 20, -20, 28, -28) for a in (0, 14, -14, 30, -30)
]


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
    _need(frame, [c for c in (panel, x, y, by) if c], "small-multiples")
    names = list(dict.fromkeys([*frame[panel], *(empty or {})]))
    columns = min(columns, len(names))
    rows = math.ceil(len(names) / columns)
    figure, grid = new(0.55 + panel_height * rows, rows=rows, columns=columns, squeeze=False, sharex=True, sharey=share)
    places, labelled = _positions(list(frame[x]))
    order = _order(frame, by)
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
        _line_legend(figure, order)
    return figure


def _legend(figure: Figure, handles: Sequence[Any], texts: Sequence[str], columns: int = 4) -> None:
    """A legend along the top edge, with room made for it."""
    rows = math.ceil(len(texts) / columns)
    engine: Any = figure.get_layout_engine()
    engine.set(rect=(0, 0, 1, 1 - (0.2 * rows + 0.06) / float(figure.get_size_inches()[1])))
    figure.legend(
        handles,
        texts,
        loc="upper left",
        ncols=columns,
        columnspacing=1.4,
        handletextpad=0.5,
        borderpad=0.1,
        borderaxespad=0.3,
    )


def _line_legend(figure: Figure, order: Sequence[Any]) -> None:
    from matplotlib.lines import Line2D

    looks = styles(order).values()
    _legend(
        figure,
        [
            Line2D([], [], color=c, linestyle=d, marker=m, markersize=4.5, markeredgecolor="white")
            for _, c, d, m in looks
        ],
        [t for t, *_ in looks],
    )


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
    _need(frame, [label, value, total], "waterfall")
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


def part_colours(parts: int) -> list[str]:
    """Shades from light to dark for so many parts of a whole, as far apart as they can be."""
    if parts > len(PARTS):
        raise AssessError(f"A stacked figure can tell {len(PARTS)} parts apart, not {parts}; join the smallest.")
    # Few parts keep away from both ends, where a shade is nearly paper or nearly ink.
    first, last = (1, len(PARTS) - 2) if parts <= 3 else (0, len(PARTS) - 1)
    return [PARTS[round(first + i * (last - first) / max(1, parts - 1))] for i in range(parts)]


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
    _need(frame, [x, *named], "stacked")
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
    _need(frame, [label, value, *([by] if by else [])], "bar")
    figure, axes = new(height or 0.6 + 0.29 * len(frame))
    looks = styles(_order(frame, by)) if by else {}
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

        _legend(figure, [Patch(color=c) for _, c, *_ in looks.values()], [t for t, *_ in looks.values()])
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
    _need(frame, [c for c in (x, y, by, name) if c], "scatter")
    figure, axes = new(height)
    order = _order(frame, by)
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
        _legend(figure, handles[::-1], texts[::-1])
    _call_out(axes, called)
    return figure


def verdicts(
    frame: pd.DataFrame, unit_words: str = "Effect, in standard deviations of the outcome", height: float | None = None
) -> Figure:
    """The claims at a glance: one row per claim, its verdict as a coloured, shaped mark, and the size of the effect
    across.

    `frame`: claim (short words), verdict, and where an effect was estimated estimate, lower, upper on one common
    scale; optional strength and group (a heading above each run of rows). A claim without an estimate shows its
    verdict alone.
    """
    _need(frame, ["claim", "verdict"], "verdict")
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

    _need(frame, [c for c in (start, label, end, kind) if c], "timeline")
    part = frame.assign(**{start: pd.to_datetime(frame[start])})
    if end:
        part[end] = pd.to_datetime(part[end])
    part = part.sort_values(start, kind="stable")
    figure, axes = new(height or 0.8 + 0.3 * len(part))
    order = _order(part, kind)
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
        _line_legend(figure, order)
    return figure


# Saving


def width_of(png: bytes) -> int:
    """The width of a PNG in pixels."""
    return int.from_bytes(png[16:20], "big")


def wrapped(text: str, size: float, weight: str, width: float) -> list[str]:
    """`text` in lines no wider than `width` inches in the house font."""
    lines: list[str] = []
    end = math.inf  # of the last line, in points
    for word in text.split():
        longer = end + _wide(" ", size, weight) + _wide(word, size, weight)
        if longer > 0.98 * width * 72:  # drawn words come out a little wider than measured ones
            lines.append(word)
            end = _wide(word, size, weight)
        else:
            lines[-1] += f" {word}"
            end = longer
    return lines


@cache
def _wide(word: str, size: float, weight: str) -> float:
    """The width of a word in the house font, in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=[_register_fonts(), "DejaVu Sans"], size=size, weight=weight)
    return float(text_to_path.get_text_width_height_descent(word, font, ismath=False)[0])


# Inches from the edge to the words around a figure; size, weight, colour and step in inches of each kind of line.
EDGE = 0.08
LINES = {
    "title": (13.0, "semibold", INK, 0.235),
    "subtitle": (10.5, "normal", MUTED, 0.19),
    "source": (8.5, "normal", MUTED, 0.155),
}


@dataclass(frozen=True)
class _Line:
    """One line of words above or below a figure; `top` in inches from the top of the whole."""

    words: str
    kind: str
    top: float


def save(
    figure: Figure, title: str, subtitle: str = "", sources: Sequence[str] = (), salt: str = "figure"
) -> dict[str, bytes]:
    """The figure's files by ending: `.svg` and `.png` with title, subtitle and sources, for use on their own, and
    `.plain.svg` and `.plain.png` without, for the report, which prints them as text.

    Drawing is what takes the time, so each format is drawn once: the plain PNG is cut out of the whole one, and the
    whole SVG is the plain one between its words.
    """
    import matplotlib
    from matplotlib.text import Text

    with matplotlib.rc_context(style() | {"svg.hashsalt": salt, "svg.fonttype": "none"}):
        for text in figure.findobj(Text):  # also what was drawn without `new`
            if SANS not in text.get_fontfamily():
                text.set_fontfamily(style()["font.family"])
        # Whole pixels, so that the plain picture can be cut out of the whole one.
        width, height = (_whole(side) for side in figure.get_size_inches())
        figure.set_size_inches(width, height)
        # The layout is worked out once; both formats are then drawn where everything stands.
        engine = figure.get_layout_engine()
        lay_out(figure)
        # The solver's last digits differ from run to run; with many panels they show in the SVG.
        for axes in figure.axes:
            x, y, wide, high = (round(float(side), 8) for side in axes.get_position().bounds)
            axes.set_position((x, y, wide, high))
        figure.set_layout_engine(None)  # "none" would leave a stand-in, for which matplotlib draws everything twice
        buffer = io.BytesIO()
        # A fixed salt and no date, so that the same figure is the same bytes.
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        plain = buffer.getvalue().decode()
        above, heading = _lines([(title, "title"), (subtitle, "subtitle")], EDGE, width)
        above = _whole(above + 0.12)
        words = "Source: " + "; ".join(sources) if sources else ""
        end, footing = _lines([(words, "source")], above + height, width)
        below = _whole(end + (0.1 if footing else 0) - above - height)
        restore = _make_room(figure, height, above, below)
        tall = above + height + below
        added = [_write(figure, line, width, tall) for line in (*heading, *footing)]
        try:
            pixels = _pixels(figure)
        finally:
            for artist in added:
                artist.remove()
            restore()
            if engine is not None:
                figure.set_layout_engine(engine)
    top, rows = round(above * DPI * PNG_SCALE), round(height * DPI * PNG_SCALE)
    return {
        ".svg": _frame(plain, [*heading, *footing], width, height, above, tall).encode(),
        ".png": _png(pixels),
        ".plain.svg": plain.encode(),
        ".plain.png": _png(pixels[top : top + rows]),
    }


def _whole(inches: float) -> float:
    """The length in whole pixels of the PNG, in inches."""
    return math.ceil(round(inches * DPI * PNG_SCALE, 6)) / (DPI * PNG_SCALE)


def _lines(texts: Sequence[tuple[str, str]], top: float, width: float) -> tuple[float, list[_Line]]:
    """The texts in lines from `top` down, and where they end; all in inches."""
    lines = []
    for text, kind in texts:
        size, weight, _, step = LINES[kind]
        for words in wrapped(text, size, weight, width - 2 * EDGE):
            lines.append(_Line(words, kind, top))
            top += step
    return top, lines


def _write(figure: Figure, line: _Line, width: float, tall: float) -> Text:
    size, weight, colour, _ = LINES[line.kind]
    return figure.text(
        EDGE / width,
        1 - line.top / tall,
        line.words,
        fontsize=size,
        fontweight=weight,
        color=colour,
        va="top",
        parse_math=False,
    )


def _pixels(figure: Figure) -> NDArray[np.uint8]:
    """The figure drawn, as rows of pixels (height, width, 4)."""
    import numpy as np

    buffer = io.BytesIO()
    figure.savefig(buffer, format="rgba", dpi=DPI * PNG_SCALE)
    width, height = (round(side * DPI * PNG_SCALE) for side in figure.get_size_inches())
    return np.frombuffer(buffer.getvalue(), dtype=np.uint8).reshape(height, width, 4)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    # Nothing in a figure is see-through. Harder packing takes half as long again and saves a twentieth.
    picture = Image.fromarray(pixels).convert("RGB")
    picture.save(buffer, format="png", dpi=(DPI * PNG_SCALE, DPI * PNG_SCALE), compress_level=3)
    return buffer.getvalue()


@cache
def _faces() -> str:
    """The house font's upright faces as CSS, so that a figure's words look the same where the font is not installed."""
    path = FONTS / "fonts.css"
    faces = re.findall(r"@font-face\s*{[^}]*}", path.read_text(encoding="utf-8")) if path.is_file() else []
    return "".join(face for face in faces if SANS in face and "italic" not in face)


def _frame(plain: str, lines: Sequence[_Line], width: float, height: float, above: float, tall: float) -> str:
    """The plain SVG between the words above and below it; matplotlib's SVGs are in points."""
    texts = []
    for line in lines:
        size, weight, colour, _ = LINES[line.kind]
        weighed = ' font-weight="600"' if weight == "semibold" else ""
        texts.append(
            f'<text x="{EDGE * 72:g}" y="{line.top * 72 + 0.95 * size:.4g}" font-size="{size:g}"{weighed} fill="{colour}">'
            f"{html.escape(line.words, quote=False)}</text>"
        )
    w, h, t = (f"{side * 72:.6g}" for side in (width, height, tall))
    inner = plain[plain.index("<svg") :]
    start, body = inner[: inner.index(">") + 1], inner[inner.index(">") + 1 :]
    namespaces = " ".join(re.findall(r'xmlns(?::\w+)?="[^"]*"', start))
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<svg {namespaces} width="{w}pt" height="{t}pt" viewBox="0 0 {w} {t}" version="1.1">\n'
        f"<style>{_faces()}</style>\n"
        '<rect width="100%" height="100%" fill="#ffffff"/>\n'
        f"<g font-family=\"'{SANS}', 'Source Sans 3', 'DejaVu Sans', sans-serif\">\n" + "\n".join(texts) + "\n</g>\n"
        f'<svg y="{above * 72:.6g}" width="{w}" height="{h}" viewBox="0 0 {w} {h}">{body.rstrip()}\n</svg>\n'
    )


def _make_room(figure: Figure, height: float, above: float, below: float) -> Callable[[], None]:
    """Make a figure whose layout is settled taller and keep what is drawn in its old place; gives the undoing."""
    tall = height + above + below
    width = float(figure.get_size_inches()[0])
    boxes = [(axes, axes.get_position()) for axes in figure.axes]
    words = [(text, text.get_position()) for text in figure.texts]
    figure.set_size_inches(width, tall)
    for axes, box in boxes:
        axes.set_position((box.x0, (box.y0 * height + below) / tall, box.width, box.height * height / tall))
    for text, (x, y) in words:
        text.set_position((x, (y * height + below) / tall))
    for legend in figure.legends:
        legend.set_bbox_to_anchor((0, below / tall, 1, height / tall), transform=figure.transFigure)

    def put_back() -> None:
        figure.set_size_inches(width, height)
        for axes, box in boxes:
            axes.set_position(box)
        for text, place in words:
            text.set_position(place)
        for legend in figure.legends:
            legend.set_bbox_to_anchor(None)

    return put_back
