"""The figures of the documents chapter that no other chapter draws."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from helpers import figures

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
T = TypeVar("T")


def _styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Draw in house style: text and legends take their look when they are made."""

    @functools.wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> T:
        import matplotlib

        settings: Any = figures.style()
        with matplotlib.rc_context(settings):
            return draw(*args, **kwargs)

    return inside


def _grid(rows: int, columns: int, height: float, key: float) -> tuple[Figure, Any, Axes]:
    """A figure of panels under a strip `key` inches high that holds the legend, because `save` moves what stands in axes only."""
    figure, grid = figures.new(
        key + height * rows,
        rows=rows + 1,
        columns=columns,
        squeeze=False,
        gridspec_kw={"height_ratios": [key, *[height] * rows]},
    )
    for axes in grid[0]:
        axes.set_axis_off()
    return figure, grid[1:], grid[0][0]


def _panels(names: list[str], columns: int, height: float) -> tuple[Figure, list[tuple[str, Axes]], Axes]:
    """A figure with a panel for each name, in order, under a strip for the legend; places left over stay empty."""
    figure, grid, strip = _grid(math.ceil(len(names) / columns), columns, height, 0.5)
    panels = list(grid.flat)
    for spare in panels[len(names) :]:
        spare.set_axis_off()
    return figure, list(zip(names, panels, strict=False)), strip


def _sample(words: str, marker: str, size: float, **look: Any) -> Any:
    """A marker without a line, for a legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="", marker=marker, markersize=size, label=words, **look)


def _gross(size: float) -> Any:
    """What a plum edge says, for a legend."""
    look = {"markerfacecolor": "white", "markeredgecolor": figures.PLUM}
    return _sample("Edged plum: before DfE payments", "o", size, **look)


def _faint(size: float, colour: str = figures.MUTED) -> Any:
    """What a faint marker says, for a legend."""
    return _sample("Faint: weak grade", "o", size, color=colour, alpha=0.4)


def _official(size: float, width: float) -> Any:
    """What a dash says, for a legend."""
    return _sample("Return to DfE", "_", size, markeredgewidth=width, color=figures.INK)


def _key(strip: Axes, handles: list[Any], columns: int) -> None:
    legend = strip.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0, 1),
        ncols=columns,
        columnspacing=1.2,
        borderpad=0,
        borderaxespad=0,
        fontsize=8.5,
        handletextpad=0.4,
    )
    legend.set_in_layout(False)


# kind -> marker, face, words
KINDS = {
    "planned": ("D", "white", "Plan"),
    "forecast": ("o", figures.ORANGE, "Forecast"),
    "actual": ("s", figures.BLUE, "Outturn"),
}
_DASH = {"planned": (0, (3, 1.5)), "forecast": (0, (1, 1.5)), "actual": "-"}


@_styled
def matrix(frame: pd.DataFrame, firm: pd.DataFrame, words: dict[str, str]) -> Figure:
    """Counts as shaded cells: councils down, categories across; hollow where `firm`, the count without the weak grade, is nought."""
    figure, axes = figures.new(1.35 + 0.16 * len(frame))  # with its heading it shares a page with the text above
    counted = frame.to_numpy()
    sure = firm.loc[frame.index, frame.columns].to_numpy()
    most = int(counted.max())
    for row, counts in enumerate(counted.tolist()):
        for column, count in enumerate(counts):
            if not count:
                continue
            known = bool(sure[row, column])
            shade = 0.25 + 0.75 * count / most if known else 0.0
            axes.add_patch(_square(column, row, shade))
            axes.text(
                column,
                row,
                str(count),
                ha="center",
                va="center",
                fontsize=8,
                color=_on(shade),
            )
    axes.set_xlim(-0.6, frame.shape[1] - 0.4)
    axes.set_ylim(len(frame) - 0.4, -0.6)
    axes.set_xticks(range(frame.shape[1]), [words[c] for c in frame.columns], rotation=50, ha="left", fontsize=8.5)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(frame)), list(frame.index), fontsize=8.5)
    axes.tick_params(length=0)
    axes.grid(False)
    for tick in range(len(frame)):
        axes.axhline(tick + 0.5, color=figures.GRID, linewidth=0.5, zorder=0)
    axes.spines["bottom"].set_visible(False)
    return figure


def _colour(shade: float) -> tuple[float, ...]:
    """The house blue at a share of its strength, 0 (white) to 1."""
    from matplotlib.colors import to_rgb

    return tuple(1 - shade * (1 - part) for part in to_rgb(figures.BLUE))


def _on(shade: float) -> str:
    """Black or white, whichever can be read better on a cell of that shade."""
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in _colour(shade)]
    light = sum(part * c for part, c in zip((0.2126, 0.7152, 0.0722), channels, strict=True))
    return "black" if light > 0.179 else "white"


def _square(column: int, row: int, shade: float) -> Any:
    from matplotlib.patches import Rectangle

    edge = "none" if shade else figures.RULE
    return Rectangle(
        (column - 0.46, row - 0.4),
        0.92,
        0.8,
        facecolor=_colour(shade),
        edgecolor=edge,
        linewidth=0.8,
        linestyle=(0, (2, 1.5)),
    )


@_styled
def plan_outturn(
    frame: pd.DataFrame, names: list[str], official: dict[str, tuple[int, float]], joins: Any, columns: int = 5
) -> Figure:
    """One panel per council: plans, forecasts and outturns by year. `official`: the DfE return's year and £ million.

    `joins(council, basis, basis)` says whether two outturns may be joined; plans and forecasts join only within one document.
    A panel without figures says so. Each panel has its own scale.
    """
    figure, panels, strip = _panels(names, columns, 0.97)  # eight rows and a heading fit a page
    first, last = int(min(frame["year"].min(), 2019)), int(frame["year"].max())
    held = _by_panel(frame)
    for position, (name, axes) in enumerate(panels):
        axes.set_title(name, fontsize=8.5 if len(name) <= 18 else 7.3 if len(name) <= 24 else 6.4, pad=2)
        part = held.get(name, [])
        if name in official:
            year, value = official[name]
            axes.plot([year], [value], marker="_", markersize=9, color=figures.INK, markeredgewidth=1.6, zorder=4)
        if not part:
            axes.text(
                0.5,
                0.5,
                "nothing found",
                transform=axes.transAxes,
                ha="center",
                va="center",
                color=figures.MUTED,
                fontsize=8,
            )
        else:
            _draw(axes, part, joins)
        axes.set_xlim(first - 0.7, last + 0.7)
        axes.set_xticks([2020, 2025, 2030], ["2020", "2025", "2030"] if position >= len(names) - columns else [""] * 3)
        axes.tick_params(labelsize=7.5, length=2)
        low, high = axes.get_ylim()
        high = high if high > 0.1 else 1.0  # a panel whose only figure is nought
        low = max(low, -0.02) if all(r["value_m"] >= 0 for r in part) and official.get(name, (0, 0.0))[1] >= 0 else low
        axes.set_ylim(min(0.0, low) - 0.05 * (high - min(0.0, low)), high + 0.1 * (high - min(0.0, low)))
        axes.locator_params(axis="y", nbins=3)
        if not part and name not in official:
            axes.set_yticks([])
    _legend(strip, bool(official))
    return figure


_Row = dict[str, Any]


def _by_panel(frame: pd.DataFrame) -> dict[str, list[_Row]]:
    """The rows to draw of each council, by year and then date of report; a row without a date comes last of its year."""
    columns = ["council", "kind", "year", "reported_mid", "value_m", "basis", "grade", "doc_id"]
    held: dict[str, list[_Row]] = {}
    for row in frame[columns].sort_values(["year", "reported_mid"]).to_dict("records"):
        held.setdefault(row["council"], []).append(row)
    return held


def _points(rows: list[_Row]) -> tuple[list[float], list[float]]:
    return [float(r["year"]) for r in rows], [r["value_m"] for r in rows]


def _draw(axes: Axes, part: list[_Row], joins: Any) -> None:
    for kind, (marker, face, _) in KINDS.items():
        rows = [r for r in part if r["kind"] == kind]
        if not rows:
            continue
        if kind == "actual":
            _join_outturns(axes, rows, joins)
        else:
            for group in _papers(rows):
                axes.plot(*_points(group), color=figures.RULE, linestyle=_DASH[kind], linewidth=1, zorder=1)
        for gross, edge in ((True, figures.PLUM), (False, figures.BLUE if kind != "forecast" else "white")):
            for weak, alpha in ((False, 1.0), (True, 0.4)):
                chosen = [r for r in rows if (r["basis"] == "gross") is gross and (r["grade"] == "weak") is weak]
                if not chosen:
                    continue
                axes.plot(*_points(chosen), linestyle="", marker=marker, markersize=4.2, markerfacecolor=face,
                          markeredgecolor=edge, markeredgewidth=0.9, alpha=alpha, zorder=3)  # fmt: skip


def _papers(rows: list[_Row]) -> list[list[_Row]]:
    """Rows of one document and basis together, in order of those two."""
    held: dict[tuple[str, str], list[_Row]] = {}
    for row in rows:
        held.setdefault((row["doc_id"], row["basis"]), []).append(row)
    return [held[key] for key in sorted(held)]


def _join_outturns(axes: Axes, rows: list[_Row], joins: Any) -> None:
    """Join each outturn to the next year's that is on a basis it may be joined to; the last of a year's stands for it."""
    last = list({r["year"]: r for r in rows}.values())
    for one, two in itertools.pairwise(last):
        if two["year"] - one["year"] == 1 and joins(one["council"], one["basis"], two["basis"]):
            axes.plot(*_points([one, two]), color=figures.BLUE, linewidth=1.3, zorder=2)


def _legend(strip: Axes, official: bool) -> None:
    handles = [
        _sample(w, m, 5.5, markerfacecolor=f, markeredgecolor=figures.BLUE if k != "forecast" else "white")
        for k, (m, f, w) in KINDS.items()
    ]
    handles += [_gross(5.5), _faint(5.5)]
    if official:
        handles.append(_official(9, 1.6))
    _key(strip, handles, 3)


@_styled
def vintage_fans(frame: pd.DataFrame, official: dict[str, tuple[int, float]], columns: int = 3) -> Figure:
    """Successive vintages of plans and forecasts: darker is later; points of one document and basis are joined."""
    import matplotlib
    from matplotlib.lines import Line2D

    names = sorted(frame["council"].unique())
    figure, panels, strip = _panels(names, columns, 1.75)
    colours = matplotlib.colormaps["YlGnBu"]
    begin, end = frame["reported_mid"].min(), frame["reported_mid"].max()
    for name, axes in panels:
        part = frame[frame["council"] == name]
        axes.set_title(name, fontsize=9.5)
        for (when, *_), group in part[part["kind"] != "actual"].groupby(["reported_mid", "doc_id", "basis", "kind"]):
            shade = colours(0.25 + 0.7 * float((when - begin) / (end - begin)))
            marker = KINDS[str(group["kind"].iloc[0])][0]
            group = group.sort_values("year")
            axes.plot(group["year"], group["value_m"], color=shade, marker=marker, markersize=5, markeredgecolor=figures.PLUM if group["basis"].iloc[0] == "gross" else figures.MUTED,
                      markeredgewidth=0.7, linewidth=1.4, alpha=0.4 if group["grade"].iloc[0] == "weak" else 1.0, zorder=2)  # fmt: skip
        actual = part[part["kind"] == "actual"]
        axes.plot(
            actual["year"], actual["value_m"], linestyle="", marker="s", markersize=4.5, color=figures.BLUE, zorder=3
        )
        if name in official:
            year, value = official[name]
            axes.plot([year], [value], marker="_", markersize=10, color=figures.INK, markeredgewidth=1.8, zorder=4)
        low, high = int(part["year"].min()), int(part["year"].max())
        axes.set_xlim(low - 0.6, high + 0.6)
        axes.set_xticks(sorted({low, (low + high) // 2, high}))
        axes.tick_params(labelsize=8.5)
        axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
        figures.axis_unit(axes, "gbp_m")
        axes.locator_params(axis="y", nbins=4)
    years = [begin.year, end.year]
    handles = [
        Line2D([], [], color=colours(s), marker="o", label=f"Reported {y}")
        for s, y in zip((0.25, 0.95), years, strict=True)
    ]
    handles += [
        _sample("Plan", "D", 5, markerfacecolor="white", markeredgecolor=figures.MUTED),
        _gross(5),
        _sample("Outturn", "s", 5, color=figures.BLUE),
        _faint(5),
        _official(10, 1.8),
    ]
    _key(strip, handles, 4)
    return figure


@_styled
def polarity(frame: pd.DataFrame, label: str = "stakeholder") -> Figure:
    """Reported effects by party: bars of positive, mixed and negative, strong and middle grades left, the weak grade right."""
    colours = {"positive": "#1b756e", "mixed": "#b9bfc5", "negative": figures.PLUM}
    hatches = {"positive": "", "mixed": "...", "negative": ""}
    height = 0.55 + 0.36 * len(frame)
    figure, grid = figures.new(
        height + 0.28, rows=2, columns=2, gridspec_kw={"width_ratios": [3, 1.3], "height_ratios": [0.28, height]}
    )
    (strip, corner), (left, right) = grid
    strip.set_axis_off()
    corner.set_axis_off()
    for axes, weight, words in ((left, "firm", "Strong and middle grades"), (right, "weak", "Weak grade, shown apart")):
        start = frame[f"{weight}_positive"] * 0
        for polarity_, colour in colours.items():
            values = frame[f"{weight}_{polarity_}"]
            axes.barh(
                range(len(frame)),
                values,
                left=start,
                color=colour,
                hatch=hatches[polarity_],
                edgecolor="white",
                height=0.7,
                label=polarity_.capitalize(),
                zorder=3,
            )
            for place, (value, base) in enumerate(zip(values, start, strict=True)):
                if value >= 3:
                    axes.text(
                        base + value / 2,
                        place,
                        str(int(value)),
                        ha="center",
                        va="center",
                        fontsize=8.5,
                        color="white" if polarity_ != "mixed" else figures.INK,
                        zorder=4,
                    )
            start = start + values
        axes.set_title(words, fontsize=9.5)
        axes.grid(False)
        axes.grid(True, axis="x", color=figures.GRID)
        axes.set_yticks(
            range(len(frame)),
            [w if w == "DfE" else w.capitalize() for w in frame[label]] if axes is left else [""] * len(frame),
        )
        axes.invert_yaxis()
    _key(strip, left.get_legend_handles_labels()[0], 3)
    return figure


# who acted -> colour, words
ACTORS = {
    "council": (figures.BLUE, "o", "Department, towards the council named"),
    "national": (figures.ORANGE, "D", "Department, towards all councils"),
    "other": (figures.GREY, "s", "Sought by a council, or a court"),
}


@_styled
def acts(frame: pd.DataFrame) -> Figure:
    """Dated acts (documents.timeline), one line each in order: a dot for a known date, a bar over the year where no more is known.

    Colour and marker say who acted (ACTORS); acts found in weak documents alone are faint.
    """
    import pandas as pd

    figure, grid, strip = _grid(1, 1, 0.7 + 0.25 * len(frame), 0.42)
    axes = grid[0][0]
    first, last = pd.Timestamp(frame["start"].min().year, 1, 1), pd.Timestamp(frame["start"].max().year + 1, 1, 1)
    for place, record in enumerate(frame.to_dict("records")):
        actor = "other" if record["by"] != "department" else "national" if record["national"] else "council"
        colour, marker, _ = ACTORS[actor]
        strong = 0.4 if record["grade"] == "weak" else 1.0
        if not pd.isna(record["end"]):
            axes.hlines(place, record["start"], record["end"], color=colour, linewidth=5, alpha=0.5 * strong, zorder=2)
        else:
            axes.plot([record["start"]], [place], marker=marker, markersize=6, color=colour, alpha=strong, zorder=3)
        late = record["start"] > first + (last - first) / 2
        end = record["start"] if pd.isna(record["end"]) else record["end"]
        axes.annotate(record["label"], (record["start"] if late else end, place), xytext=(-8 if late else 8, 0), textcoords="offset points",
                      va="center", ha="right" if late else "left", fontsize=8.6, annotation_clip=False)  # fmt: skip
    handles = [_sample(words, marker, 6, color=colour) for colour, marker, words in ACTORS.values()]
    handles.append(_faint(6, figures.BLUE))
    _key(strip, handles, 2)
    axes.set_xlim(first, last)
    axes.set_ylim(len(frame) - 0.4, -0.6)
    axes.set_yticks([])
    axes.grid(False)
    axes.grid(True, axis="x", color=figures.GRID)
    return figure
