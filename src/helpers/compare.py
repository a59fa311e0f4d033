"""Any measure for any councils, side by side: `compare("refusal_to_assess", ["Kent", "Medway"])` gives a labelled figure and its table."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from helpers import councils, figures, measures, panel, peers, profile_words, tables
from helpers.errors import AssessError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

#: More lines than this cannot be told apart.
MOST = 10
ENGLAND = "England"
#: Colour, dash and marker for each line in turn: five colours, then the same with another dash and marker.
_LOOKS: tuple[tuple[str, Any, str], ...] = (
    (figures.BLUE, "-", "o"),
    (figures.ORANGE, (0, (5, 2)), "s"),
    (figures.TEAL, "-", "^"),
    (figures.PLUM, (0, (3, 1.5)), "D"),
    (figures.GREY, "-", "v"),
    (figures.BLUE, (0, (6, 1.5, 1, 1.5)), "P"),
    (figures.ORANGE, "-", "X"),
    (figures.TEAL, (0, (6, 1.5, 1, 1.5)), "<"),
    (figures.PLUM, "-", ">"),
    (figures.GREY, (0, (4, 2)), "p"),
)
_ENGLAND_LOOK: tuple[str, Any, str] = (figures.INK, (0, (1, 1.5)), "")


@dataclass(frozen=True)
class Comparison:
    """A figure and its table (a row for each year, a column for each council and, where published, England); shows both in a notebook."""

    title: str
    subtitle: str
    figure: Figure
    table: pd.DataFrame

    def _repr_html_(self) -> str:
        from helpers.webpage import html_table

        out = io.BytesIO()
        self.figure.savefig(out, format="png", dpi=figures.DPI * figures.PNG_SCALE, bbox_inches="tight")
        width = figures.width_of(out.getvalue()) // figures.PNG_SCALE
        picture = base64.b64encode(out.getvalue()).decode()
        made = tables.make(self.table, "compared", self.subtitle)
        head = f"<p><strong>{html.escape(self.title)}</strong><br>{html.escape(self.subtitle)}</p>"
        return f'{head}<img alt="{html.escape(self.title)}" width="{width}" src="data:image/png;base64,{picture}">{html_table(made, "compared", "")}'

    def __repr__(self) -> str:
        return f"{self.title}\n{self.subtitle}\n{self.table.to_string()}"


def compare(
    measure: str, names: Sequence[str], first: int | None = None, last: int | None = None, england: bool = True
) -> Comparison:
    """One measure over the years for the councils named (names, ONS codes or DfE numbers), with England where it is published.

    `first` and `last` bound the years. Raises AssessError for an unknown measure or council, for none or more than ten councils,
    and when none of them has a figure. Missing years are gaps in the line and missing (NaN) in the table.
    """
    import pandas as pd

    definition = measures.get(measure)
    if isinstance(names, str):
        names = [names]
    found = list(dict.fromkeys(councils.find(name) for name in names))
    if not 1 <= len(found) <= MOST:
        raise AssessError(f"compare: {len(found)} councils; expected one to {MOST}.")
    wide = panel.wide(measure)
    table = wide.reindex([c.la_code for c in found]).T
    table.columns = [profile_words.name(c.la_name) for c in found]
    if england:
        try:
            table[ENGLAND] = panel.england(measure).reindex(table.index)
        except AssessError:
            england = False
        else:
            if table[ENGLAND].isna().all():
                table = table.drop(columns=ENGLAND)
    table = table.loc[first:last]
    theirs = [c for c in table.columns if c != ENGLAND]
    if table.empty or bool(table[theirs].isna().all(axis=None)):
        years = f" from {first or definition.first_year} to {last or definition.last_year}"
        raise AssessError(f"compare: no figure of {measure}{years} for {profile_words.listed(theirs)}.")
    table.index.name = "year"
    # The grid of years keeps gaps: a line must not bridge a year that is missing.
    table = table.reindex(pd.RangeIndex(int(table.index.min()), int(table.index.max()) + 1, name="year"))
    return Comparison(
        definition.title, f"{definition.unit}, {_span(definition, table)}", _draw(table, definition), table
    )


def _span(definition: measures.Measure, table: pd.DataFrame) -> str:
    held = table.dropna(how="all").index
    first, last = (peers.said_year(int(y), definition.kind) for y in (held.min(), held.max()))
    return first if first == last else f"{first} to {last}"


def _draw(table: pd.DataFrame, definition: measures.Measure) -> Figure:
    figure, axes = figures.new(4.0)
    spare = iter(_LOOKS)
    ends = []
    for column in table.columns:
        colour, dash, marker = _ENGLAND_LOOK if column == ENGLAND else next(spare)
        axes.plot(
            table.index,
            table[column],
            color=colour,
            linestyle=dash,
            marker=marker,
            markersize=4.5,
            markeredgecolor="white",
            markeredgewidth=0.6,
        )
        held = table[column].dropna()
        if len(held):
            ends.append((float(held.index[-1]), float(held.iloc[-1]), str(column), figures.darker(colour)))
    step = max(1, len(table) // 9)
    axes.set_xticks(list(table.index[::-1][::step][::-1]))
    unit = "gbp" if definition.unit.startswith("gbp") else "%" if definition.unit.startswith("%") else ""
    figures.axis_unit(axes, unit)
    figures.label_ends(axes, ends)
    return figure
