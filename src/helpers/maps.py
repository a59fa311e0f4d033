"""Maps of England's 153 upper-tier councils, with London enlarged beside the country.

Boundaries are the committed ONS extract `data/raw/ons/boundaries.geojson` (December 2023, longitude and latitude in degrees).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import paths
from helpers.errors import AssessError
from helpers.figure_style import INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# One degree of longitude is about 0.6 of a degree of latitude at England's middle (52.8 degrees north).
ASPECT = 1 / math.cos(math.radians(52.8))
LONDON = "E09"
NO_DATA = "#e7e5e1"
EDGE = "#ffffff"


def _file() -> Path:
    path = paths.raw() / "ons" / "boundaries.geojson"
    if not path.is_file():
        raise AssessError(
            f"{path.name} is missing from data/raw/ons; expected the boundaries of 153 councils. Run `assess verify`."
        )
    return path


@cache
def _rings(stamp: float) -> dict[str, list[list[tuple[float, float]]]]:
    """Outer rings of every council by code; inner rings (holes) are drawn over by the council inside them, so they are left out."""
    found: dict[str, list[list[tuple[float, float]]]] = {}
    for feature in json.loads(_file().read_text(encoding="utf-8"))["features"]:
        shape: dict[str, Any] = feature["geometry"]
        polygons = shape["coordinates"] if shape["type"] == "MultiPolygon" else [shape["coordinates"]]
        found[feature["properties"]["code"]] = [[(x, y) for x, y, *_ in polygon[0]] for polygon in polygons]
    return found


def boundaries() -> dict[str, list[list[tuple[float, float]]]]:
    """Outer rings (longitude, latitude) of each council by ONS code."""
    return _rings(_file().stat().st_mtime)


def _draw(axes: Axes, colours: Mapping[str, str], codes: Sequence[str], width: float) -> None:
    from matplotlib.collections import PolyCollection

    shapes, faces = [], []
    for code in codes:
        for ring in boundaries()[code]:
            shapes.append(ring)
            faces.append(colours.get(code, NO_DATA))
    axes.add_collection(PolyCollection(shapes, facecolors=faces, edgecolors=EDGE, linewidths=width))
    axes.autoscale_view()
    axes.set_aspect(ASPECT)
    axes.set_axis_off()


def england(colours: Mapping[str, str], labels: Mapping[str, str] | None = None) -> Figure:
    """A map of England with each council in `colours[la_code]` (any matplotlib colour; councils not named are pale grey).

    `labels`: what each colour means, {colour: words}, drawn as a key in the given order. London is drawn again, larger, at the side.
    Raises AssessError for a code that is not one of the 153.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    known = boundaries()
    unknown = sorted(set(colours) - set(known))
    if unknown:
        raise AssessError(
            f"No boundary for {unknown[0]!r}; expected ONS codes of December 2023, such as 'E10000016' (Kent)."
        )
    figure = Figure(figsize=(7.2, 6.4))
    country = figure.add_axes((0.0, 0.0, 0.66, 1.0))
    london = figure.add_axes((0.66, 0.03, 0.33, 0.34))
    codes = sorted(known)
    _draw(country, colours, codes, 0.3)
    _draw(london, colours, [c for c in codes if c.startswith(LONDON)], 0.5)
    london.set_title("London, enlarged", fontsize=8, loc="left", color=MUTED)
    if labels:
        figure.legend(
            handles=[
                Patch(facecolor=colour, edgecolor="#999999", linewidth=0.4, label=words)
                for colour, words in labels.items()
            ],
            loc="upper left",
            bbox_to_anchor=(0.64, 0.86),
            frameon=False,
            fontsize=9,
            labelcolor=INK,
            handlelength=1.2,
            handleheight=1.2,
        )
    return figure


def bands(
    values: Mapping[str, float], edges: Sequence[float], colours: Sequence[str], words: Sequence[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Colours for a banded map: ({la_code: colour}, {colour: words}) for `england`.

    `edges`: the inner limits, ascending; a value equal to an edge falls in the higher band. len(colours) == len(words) == len(edges) + 1.
    Missing values (nan) stay pale grey and are added to the key as "no figure".
    """
    import bisect

    if not len(colours) == len(words) == len(edges) + 1:
        raise AssessError(
            f"bands: {len(edges)} edges make {len(edges) + 1} bands; found {len(colours)} colours and {len(words)} descriptions."
        )
    filled = {
        code: colours[bisect.bisect_right(list(edges), value)] for code, value in values.items() if value == value
    }
    key = dict(zip(colours, words, strict=True))
    if len(filled) < len(boundaries()):
        key[NO_DATA] = "no figure"
    return filled, key
