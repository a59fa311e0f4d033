"""Measures made from other measures: shares, sums, differences, rates per head, and series joined end to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers import councils, measures
from helpers.errors import AssessError
from helpers.measures import Measure

if TYPE_CHECKING:
    import pandas as pd


def derived(measure: Measure, table: pd.DataFrame, population: pd.Series) -> pd.DataFrame:
    """One derived measure for every area and year that has all its parts. `table`: long rows so far; `population`: by area code.

    A part that is missing makes the result missing, with the part's symbol; nothing divided by nought has the symbol z.
    """
    import pandas as pd

    rows = table[table["measure"].isin(measure.parts)]
    if measure.way == "splice":
        return rows[rows["value"].notna() | ~rows.duplicated(["la_code", "year"], keep=False)].drop_duplicates(["la_code", "year"]).assign(
            measure=measure.name, source=measure.source
        )  # fmt: skip
    value = rows.pivot(index=["la_code", "year"], columns="measure", values="value")
    symbol = rows.pivot(index=["la_code", "year"], columns="measure", values="symbol")
    have = symbol.notna().reindex(columns=list(dict.fromkeys(measure.parts)), fill_value=False).all(axis=1)
    value, symbol = value[have], symbol[have]
    if measure.way == "ratio":
        above = value[list(measure.of["numerator"])].sum(axis=1, skipna=False)
        below = value[list(measure.of["denominator"])].sum(axis=1, skipna=False)
        result = measure.of["per"] * above / below.where(below != 0)
    elif measure.way == "sum":
        result = value[list(measure.of)].sum(axis=1, skipna=False)
    elif measure.way == "difference":
        result = value[measure.of[0]] - value[measure.of[1]]
    elif measure.way == "per_population":
        people = population.reindex(value.index.get_level_values("la_code")).to_numpy()
        result = measure.of["per"] * value[measure.of["measure"]] / people
    else:  # pragma: no cover - measures.parse allows no other
        raise AssessError(f"{measure.name}: cannot be derived by {measure.way!r}.")
    why = pd.Series("", index=result.index, dtype="string")
    for part in measure.parts:
        why = why.where(why != "", symbol[part])
    why = why.where(why != "", "z").where(result.isna(), "")
    first = rows[rows["measure"] == measure.parts[0]].set_index(["la_code", "year"])[["period", "kind", "place_name"]]
    made = pd.DataFrame({"value": result, "symbol": why}).join(first).reset_index()
    return made.assign(measure=measure.name, source=measure.source)


def with_derived(long: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
    """Adds the derived measures. `people`: the council table; regions and England use the sum of their councils."""
    import pandas as pd

    base = people.set_index("la_code")["pop_0_25"]
    regions = people.groupby("region_code")["pop_0_25"].sum()
    long = long.reset_index(drop=True)
    population = pd.concat([base, regions, pd.Series({councils.ENGLAND: base.sum()})])
    held = {str(name): rows for name, rows in long.groupby("measure", sort=False)}
    made: list[pd.DataFrame] = []
    for measure in measures.ordered():
        if measure.parts:
            # In the order of the whole table, on which a spliced series depends.
            parts = pd.concat([held[part] for part in dict.fromkeys(measure.parts) if part in held]).sort_index()
            made.append(derived(measure, parts, population))
            start = len(long) + sum(map(len, made[:-1]))
            held[measure.name] = made[-1].set_axis(range(start, start + len(made[-1])))
    return pd.concat([long, *made], ignore_index=True)
