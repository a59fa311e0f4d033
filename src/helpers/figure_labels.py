"""Words beside what they name: labels at the ends of lines and called-out points, none over another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from helpers.figure_style import INK, darker, lay_out, word_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

Point = tuple[float, float, str, str, str]  # x, y, words, colour, marker
#: Where a label may stand from its point, in points.
_PLACES = [(10 * a, b) for a in (1, -1) for b in (0, 7, -7)] + [
    (a, b) for b in (13, -13, 20, -20, 28, -28) for a in (0, 14, -14, 30, -30)
]


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


def call_outs(axes: Axes, points: Sequence[Point], size: float = 8.5) -> None:
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
        wide, high = word_width(words, size, "semibold") * scale, size * 1.15 * scale
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
            color=darker(colour),
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
