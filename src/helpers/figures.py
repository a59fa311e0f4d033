"""The kinds of figure the chapters draw, their house style and their files.

Every kind takes a DataFrame and gives a matplotlib `Figure` without a title: `book.show` adds the title (which states
the finding) and the subtitle (measure, units, years) to the saved copies, and the report prints them as text.

Over time:

- `lines`: lines over the years, one per group, each labelled at its end
- `multiples`: small panels of lines that can be compared
- `stacked`: columns split into the parts of a whole
- `timeline`: events and spans on a calendar

Amounts beside each other:

- `strip`: every council as a dot, in a row for each group, with the median
- `scatter`: councils as points between two measures
- `bars`: horizontal bars with their numbers
- `waterfall`: an account from one total to another

Estimates:

- `event_study`: estimates by years since exposure, with intervals, band and numbers of councils
- `event_studies`: several of them side by side
- `forest`: estimates with intervals, one row each, and their numbers
- `forests`: several of them side by side that share their rows
- `verdicts`: claims under their verdicts, with the size of the effect

For a figure of another kind start with `new`, a figure in house style; `styles` gives the look of a group or cohort,
`axis_unit` writes an axis in its unit, `label_ends` and `zero_line` do what they say. `save` gives a figure's files.
"""

from helpers.amount_figures import bars, scatter, strip, waterfall
from helpers.estimate_figures import EVENT_COLUMNS, event_studies, event_study, forest, forests, verdicts
from helpers.figure_axes import axis_unit, zero_line
from helpers.figure_files import EDGE, LINES, save, width_of
from helpers.figure_labels import Point, label_ends
from helpers.figure_style import (
    BLUE,
    COHORTS,
    DPI,
    FONTS,
    GREY,
    GRID,
    GROUPS,
    INK,
    MUTED,
    ORANGE,
    PARTS,
    PLUM,
    PNG_SCALE,
    RULE,
    SANS,
    TEAL,
    VERDICTS,
    WIDTH,
    darker,
    lay_out,
    new,
    part_colours,
    style,
    styles,
    wrapped,
)
from helpers.time_figures import lines, multiples, stacked, timeline

__all__ = [
    "BLUE",
    "COHORTS",
    "DPI",
    "EDGE",
    "EVENT_COLUMNS",
    "FONTS",
    "GREY",
    "GRID",
    "GROUPS",
    "INK",
    "LINES",
    "MUTED",
    "ORANGE",
    "PARTS",
    "PLUM",
    "PNG_SCALE",
    "RULE",
    "SANS",
    "TEAL",
    "VERDICTS",
    "WIDTH",
    "Point",
    "axis_unit",
    "bars",
    "darker",
    "event_studies",
    "event_study",
    "forest",
    "forests",
    "label_ends",
    "lay_out",
    "lines",
    "multiples",
    "new",
    "part_colours",
    "save",
    "scatter",
    "stacked",
    "strip",
    "style",
    "styles",
    "timeline",
    "verdicts",
    "waterfall",
    "width_of",
    "wrapped",
    "zero_line",
]
