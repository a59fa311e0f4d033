"""House style of figures: colours and what they mean, fonts, sizes, and the measured width of words.

Colours mean the same thing in every chapter, and lines also differ by dash and marker, so that they can be told apart
in grey.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.errors import AssessError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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


def lay_out(figure: Figure) -> None:
    """Put the axes where they will be drawn, without drawing anything."""
    engine = figure.get_layout_engine()
    if engine is None:
        figure.draw_without_rendering()
    else:
        engine.execute(figure)


def styles(keys: Sequence[Any]) -> dict[Any, tuple[str, str, Any, str]]:
    """Label, colour, dash and marker for each key: a group, a cohort, or anything else in order."""
    spare = iter(_OTHERS * 3)
    out: dict[Any, tuple[str, str, Any, str]] = {}
    for key in keys:
        known = GROUPS.get(str(key)) or COHORTS.get(str(key))
        out[key] = known or (str(key), *next(spare))
    return out


def darker(colour: str) -> str:
    """A colour dark enough for small text on white (4.5:1)."""
    return {GREY: "#6b6b6b", "#a38a00": "#7d6a00", "#28a197": "#1b756e", ORANGE: "#a8440a"}.get(colour, colour)


def part_colours(parts: int) -> list[str]:
    """Shades from light to dark for so many parts of a whole, as far apart as they can be."""
    if parts > len(PARTS):
        raise AssessError(f"A stacked figure can tell {len(PARTS)} parts apart, not {parts}; join the smallest.")
    # Few parts keep away from both ends, where a shade is nearly paper or nearly ink.
    first, last = (1, len(PARTS) - 2) if parts <= 3 else (0, len(PARTS) - 1)
    return [PARTS[round(first + i * (last - first) / max(1, parts - 1))] for i in range(parts)]


@cache
def word_width(word: str, size: float, weight: str) -> float:
    """The width of a word in the house font, in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=[_register_fonts(), "DejaVu Sans"], size=size, weight=weight)
    return float(text_to_path.get_text_width_height_descent(word, font, ismath=False)[0])


def wrapped(text: str, size: float, weight: str, width: float) -> list[str]:
    """`text` in lines no wider than `width` inches in the house font."""
    lines: list[str] = []
    end = math.inf  # of the last line, in points
    for word in text.split():
        longer = end + word_width(" ", size, weight) + word_width(word, size, weight)
        if longer > 0.98 * width * 72:  # drawn words come out a little wider than measured ones
            lines.append(word)
            end = word_width(word, size, weight)
        else:
            lines[-1] += f" {word}"
            end = longer
    return lines
