"""Every claim on one page: those tested by an effect with its size, the rest below, all under their verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from helpers import figures, verdict
from helpers.errors import AssessError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = 8.6  # points, of every row
STEP = 0.162  # inches a row
HEAD = 1.35  # rows a heading takes
Row = tuple[str, float, dict[str, Any]]  # words of a heading or "" for a claim, how far down in rows, the claim


def listed(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The claims in the order of a reader's questions: by verdict, then strength, then as given. `frame`: claim, verdict, strength."""
    unknown = sorted(set(frame["verdict"]) - set(verdict.VERDICTS))
    if unknown:
        raise AssessError(f"No verdict {unknown[0]!r}; verdicts are {', '.join(verdict.VERDICTS)}.")
    places = {word: place for place, word in enumerate(verdict.STRENGTHS)}
    return sorted(
        frame.to_dict("records"),
        key=lambda row: (verdict.VERDICTS.index(row["verdict"]), places.get(row["strength"], len(places))),
    )


def placed(claims: list[dict[str, Any]], split: bool = False) -> list[tuple[list[Row], float]]:
    """The claims in one column, or two of about the same length, each with its length in rows; a heading at every new verdict.

    A verdict that runs on into the second column has its heading again there.
    """
    half = -(-len(claims) // 2) if split else len(claims)
    columns, before = [], ""
    for part in (claims[:half], claims[half:]) if split else (claims,):
        rows: list[Row] = []
        down, last = 0.0, ""
        for claim in part:
            if claim["verdict"] != last:
                words = claim["verdict"].capitalize() + (", continued" if claim["verdict"] == before else "")
                rows.append((words, down + HEAD - 0.55, claim))
                down, last = down + HEAD, claim["verdict"]
            rows.append(("", down + 0.5, claim))
            down += 1
        before = last
        columns.append((rows, down))
    return columns


def every(frame: pd.DataFrame, unit_words: str) -> Figure:
    """All claims. `frame`: claim (id and few words), verdict, strength, and for effect tests estimate, lower, upper on one scale
    (`unit_words` names it), missing for the rest."""
    claims = listed(frame)
    sized = [claim for claim in claims if claim["estimate"] == claim["estimate"]]
    rest = [claim for claim in claims if claim["estimate"] != claim["estimate"]]
    ((above, tall),), (left, right) = placed(sized), placed(rest, split=True)
    low = max(left[1], right[1])
    figure, axes = figures.new(
        (tall + low) * STEP + 0.95,
        rows=2,
        columns=2,
        squeeze=False,
        width_ratios=[1, 1],
        height_ratios=[tall + 2, low],
    )
    _write(axes[0][0], above, tall)
    _effects(axes[0][1], above, tall, unit_words)
    for at, (rows, _) in zip(axes[1], (left, right), strict=True):
        _write(at, rows, low)
    return figure


def _write(axes: Axes, rows: list[Row], tall: float) -> None:
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(-tall, 0)
    for words, down, claim in rows:
        if words:
            colour, marker = figures.VERDICTS[claim["verdict"]]
            axes.plot(
                [0.018], [-down], marker=marker, markersize=7, color=colour, markeredgecolor="white", clip_on=False
            )
            axes.text(0.05, -down, words, fontsize=SIZE + 0.9, fontweight="semibold", va="center")
            continue
        axes.text(0, -down, claim["claim"], fontsize=SIZE, va="center")
        axes.text(1, -down, claim["strength"], fontsize=SIZE, va="center", ha="right", color=figures.MUTED)


def _effects(axes: Axes, rows: list[Row], tall: float, unit_words: str) -> None:
    axes.set_ylim(-tall, 0)
    for words, down, claim in rows:
        if words:
            continue
        colour, marker = figures.VERDICTS[claim["verdict"]]
        if claim["lower"] == claim["lower"]:
            axes.hlines(-down, claim["lower"], claim["upper"], color=colour, linewidth=2, zorder=3)
        axes.plot(
            [claim["estimate"]], [-down], marker=marker, markersize=6, color=colour, markeredgecolor="white", zorder=4
        )
    axes.grid(False)
    axes.grid(True, axis="x", color=figures.GRID)
    axes.tick_params(left=False, labelleft=False, labelsize=SIZE)
    figures.zero_line(axes, vertical=True)
    axes.set_xlabel(unit_words, fontsize=SIZE)
    figures.axis_unit(axes, "", "x")
