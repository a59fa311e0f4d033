"""What kinds of figure share inside their frame: what their data must have, axes in their unit, lines at nought and
legends."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from helpers import facts
from helpers.errors import AssessError
from helpers.figure_style import COHORTS, GROUPS, INK, styles

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def need(frame: pd.DataFrame, columns: Sequence[str], kind: str) -> None:
    """Refuse a frame without one of the columns, or without rows, in the words of the `kind` of figure."""
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise AssessError(
            f"A {kind} figure needs the column {missing[0]!r}; the frame has {', '.join(map(str, frame.columns))}."
        )
    if frame.empty:
        raise AssessError(f"A {kind} figure needs at least one row.")


def ordered(frame: pd.DataFrame, by: str | None) -> list[Any]:
    """The values of `by` in the order they are drawn: groups and cohorts in their own, then the rest as they come."""
    if by is None:
        return [""]
    keys = list(dict.fromkeys(frame[by]))
    known = [*GROUPS, *COHORTS]
    return sorted(keys, key=lambda k: (known.index(str(k)) if str(k) in known else len(known), keys.index(k)))


def positions(values: Sequence[Any]) -> tuple[dict[Any, float], bool]:
    """Where each x value stands: numbers where they are, labels such as "2019-20" in order."""
    if all(isinstance(v, int | float) or hasattr(v, "__float__") for v in values):
        return {v: float(v) for v in values}, False
    return {v: float(i) for i, v in enumerate(sorted(set(values), key=str))}, True


def x_axis(axes: Axes, places: Mapping[Any, float], named: bool, most: int = 12) -> None:
    """Write the x values at their places, evenly thinned to no more than `most`, the last always among them."""
    xs = sorted(places.items(), key=lambda item: item[1])
    step = max(1, math.ceil(len(xs) / most))
    shown = xs[::-1][::step][::-1]
    axes.set_xticks([p for _, p in shown], [str(v) if named else f"{v:g}" for v, _ in shown])


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
    """One tick's number, with the decimals that steps of this size need."""
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


def zero_line(axes: Axes, vertical: bool = False) -> None:
    """A firm line at no effect."""
    draw = axes.axvline if vertical else axes.axhline
    draw(0, color=INK, linewidth=0.9, zorder=1.5)


def legend(figure: Figure, handles: Sequence[Any], texts: Sequence[str], columns: int = 4) -> None:
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


def line_legend(figure: Figure, order: Sequence[Any]) -> None:
    """A legend of lines in the looks of the keys in `order`."""
    from matplotlib.lines import Line2D

    looks = styles(order).values()
    legend(
        figure,
        [
            Line2D([], [], color=c, linestyle=d, marker=m, markersize=4.5, markeredgecolor="white")
            for _, c, d, m in looks
        ],
        [t for t, *_ in looks],
    )
