"""Five kinds of figure, from data made up here, look as they did; and what is drawn is what was given.

After a change of style that is meant, draw the references again and look at them:

    python tests/test_figure_images.py
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from helpers import figures, maps
from test_figures import EVENTS, FOREST, LONG, YEARS

HELD = Path(__file__).parent / "data" / "figures"
DOTS = 60  # per inch
#: Root of the mean squared difference of pixels, 0 to 255. The same figure by another release of the drawing library
#: is below it, a figure with one line less or one value changed by a tenth of its axis above.
TOLERANCE = 1.5
PARTS = pd.DataFrame({"year": YEARS, "m": [60.0, 55.0, 50.0, 45.0], "s": [40.0, 45.0, 50.0, 55.0]})
FILLED = {"E10000016": figures.BLUE, "E08000001": figures.ORANGE, "E09000003": figures.TEAL}
KEY = {figures.BLUE: "Kent", figures.ORANGE: "Bolton", figures.TEAL: "Barnet"}


def stacked(frame: pd.DataFrame) -> Figure:
    return figures.stacked(frame, "year", {"m": "Mainstream", "s": "Special"}, share=True)


KINDS: dict[str, Callable[[], Figure]] = {
    "lines": lambda: figures.lines(LONG, unit="%"),
    "event_study": lambda: figures.event_study(EVENTS, unit="pp", unit_words="Points"),
    "forest": lambda: figures.forest(FOREST, unit="%"),
    "stacked": lambda: stacked(PARTS),
    "map": lambda: maps.england(FILLED, KEY),
}


def drawn(figure: Figure) -> bytes:
    """The figure as PNG."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=DOTS, metadata={"Software": None})
    return out.getvalue()


def distance(png: bytes, kind: str) -> float:
    """How far a picture is from the reference of its kind; infinite when it has another size."""
    now, then = (imread(source)[..., :3] * 255.0 for source in (io.BytesIO(png), HELD / f"{kind}.png"))
    return float(np.sqrt(np.mean((now - then) ** 2))) if now.shape == then.shape else float("inf")


@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_looks_as_it_did(kind):
    assert distance(drawn(KINDS[kind]()), kind) < TOLERANCE


def _less_a_line() -> Figure:
    figure = KINDS["lines"]()
    figure.axes[0].lines[1].remove()
    return figure


def _moved(frame: pd.DataFrame, row: int, column: str, by: float) -> pd.DataFrame:
    out = frame.astype({column: float})
    out.loc[row, column] += by
    return out


BROKEN: dict[str, tuple[str, Callable[[], Figure]]] = {
    "a line is gone": ("lines", _less_a_line),
    "one value of a line is moved": ("lines", lambda: figures.lines(_moved(LONG, 5, "value", 0.4), unit="%")),
    "one estimate is moved": ("event_study", lambda: figures.event_study(_moved(EVENTS, 2, "estimate", 0.6), unit="pp", unit_words="Points")),
    "an interval is shorter": ("event_study", lambda: figures.event_study(_moved(EVENTS, 3, "upper", -0.6), unit="pp", unit_words="Points")),
    "one row is moved": ("forest", lambda: figures.forest(_moved(FOREST, 1, "estimate", 0.6), unit="%")),
    "an interval is gone": ("forest", lambda: figures.forest(FOREST.assign(lower=[-4, np.nan, np.nan], upper=[-1, np.nan, np.nan]), unit="%")),
    "one part is larger": ("stacked", lambda: stacked(_moved(_moved(PARTS, 2, "m", 5), 2, "s", -5))),
    "the parts change places": ("stacked", lambda: stacked(PARTS.rename(columns={"m": "s", "s": "m"}))),
    "a council is not filled": ("map", lambda: maps.england({k: v for k, v in FILLED.items() if k != "E10000016"}, KEY)),
    "a council is in another colour": ("map", lambda: maps.england(FILLED | {"E09000003": figures.PLUM}, KEY)),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_figure_does_not(what):
    kind, draw = BROKEN[what]
    assert distance(drawn(draw()), kind) > TOLERANCE


def test_references_are_small():
    assert {path.stem for path in HELD.glob("*.png")} == set(KINDS)
    assert sum(path.stat().st_size for path in HELD.glob("*.png")) < 300_000


# What is drawn is what was given; lines and event studies are in test_figures.


def test_a_forest_draws_its_estimates_and_intervals():
    axes = KINDS["forest"]().axes[0]
    points = {float(x) for line in axes.lines if line.get_marker() not in ("", "None") for x in line.get_xdata()}
    points |= {float(x) for c in axes.collections if not hasattr(c, "get_segments") for x, _ in c.get_offsets()}
    assert points >= {-2.0, -1.0, 0.5}
    spans = {tuple(map(float, line.get_xdata())) for line in axes.lines if len(line.get_xdata()) == 2}
    spans |= {(float(s[0][0]), float(s[1][0])) for c in axes.collections if hasattr(c, "get_segments") for s in c.get_segments()}  # fmt: skip
    assert {(-4.0, -1.0), (-2.0, 0.0)} <= spans


def test_a_stack_is_as_high_as_its_parts():
    axes = KINDS["stacked"]().axes[0]
    heights = [round(patch.get_height(), 6) for patch in axes.patches]
    assert heights == [*PARTS["m"], *PARTS["s"]]
    assert [round(patch.get_y(), 6) for patch in axes.patches] == [0, 0, 0, 0, *PARTS["m"]]


def test_a_map_fills_the_councils_it_is_given():
    from matplotlib.colors import to_hex

    country, london = KINDS["map"]().axes
    for axes, codes in ((country, sorted(maps.boundaries())), (london, [c for c in sorted(maps.boundaries()) if c.startswith("E09")])):  # fmt: skip
        (collection,) = axes.collections
        wanted = [FILLED.get(code, maps.NO_DATA) for code in codes for _ in maps.boundaries()[code]]
        assert [to_hex(colour) for colour in collection.get_facecolors()] == wanted
        outline = collection.get_paths()[0].vertices[:2].tolist()
        assert outline == [list(point) for point in maps.boundaries()[codes[0]][0][:2]]


if __name__ == "__main__":
    HELD.mkdir(parents=True, exist_ok=True)
    for kind, draw in KINDS.items():
        (HELD / f"{kind}.png").write_bytes(drawn(draw()))
