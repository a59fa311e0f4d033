"""Reading the processed tables: councils, one measure for all of them, regions and England.

Tables are kept in memory and read again when their file has changed.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import councils as register
from helpers import measures, paths
from helpers.errors import AssessError

if TYPE_CHECKING:
    import pandas as pd

GROUPS = {"safety_valve": "Safety Valve", "dbv": "Delivering Better Value", "neither": "Neither"}
_GROUPED_BY = ["group", "cohort", "signed_year", "region_name"]
_held: dict[Path, tuple[Any, Any]] = {}


def table(name: str) -> pd.DataFrame:
    """A processed table by name, "councils" or "evidence/agreements"; a fresh copy each time.

    Raises AssessError, with the nearest names, when there is no such table or 01_sources has not been run.
    """
    return _read(name).copy()


def _read(name: str) -> pd.DataFrame:
    import pandas as pd

    path = paths.processed() / f"{name}.parquet"
    try:
        status = path.stat()
    except FileNotFoundError:
        there = sorted(
            str(p.relative_to(paths.processed()).with_suffix("")) for p in paths.processed().glob("**/*.parquet")
        )
        if not there:
            raise AssessError(
                "data/processed holds no tables yet: run notebooks/01_sources.ipynb or `assess run` first."
            ) from None
        close = difflib.get_close_matches(name, there, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(close)}?" if close else f" There are: {', '.join(there)}."
        raise AssessError(f"data/processed holds no table {name!r}.{hint}") from None
    mark = (status.st_mtime_ns, status.st_size)
    held = _held.get(path)
    if held is None or held[0] != mark:
        try:
            held = (mark, pd.read_parquet(path))
        except Exception as error:
            raise AssessError(
                f"data/processed/{name}.parquet cannot be read ({type(error).__name__}): run `assess run` to make it again."
            ) from error
        _held[path] = held
    return held[1]


def councils(group: str | None = None) -> pd.DataFrame:
    """One row for each of the 153 councils: la_code, dfe_number, la_name, region, group, cohort, signed_year, dbv_tranche,
    population of mid-2020, deprivation, formed, note. `group` keeps one of safety_valve, dbv, neither; AssessError for another."""
    frame = table("councils")
    if group is None:
        return frame
    if group not in GROUPS:
        raise AssessError(f"No group is called {group!r}: expected {', '.join(GROUPS)}.")
    return frame[frame["group"] == group].reset_index(drop=True)


def _rows(name: str, measure: str) -> pd.DataFrame:
    """Rows of one measure, those of councils with their groups; the split by measure is kept with the table."""
    measures.get(measure)
    frame = _read(name)
    path = paths.processed() / f"{name}.parquet"
    split = path.with_suffix(".split")
    mark: Any = _held[path][0]
    joined = name == "council_year"
    if joined:
        councils = _read("councils")
        mark = (mark, _held[paths.processed() / "councils.parquet"][0])
    held = _held.get(split)
    if held is None or held[0] != mark:
        if joined:  # all measures at once take hardly longer than one
            frame = frame.merge(councils[["la_code", *_GROUPED_BY]], on="la_code", how="left")
        held = (mark, {str(key): rows for key, rows in frame.groupby("measure", sort=False)})
        _held[split] = held
    try:
        return held[1][measure]
    except KeyError:
        raise AssessError(
            f"Measure {measure!r} is defined but not in data/processed/{name}.parquet: run `assess run` to make it again."
        ) from None


def _year(measure: str, year: Any) -> int:
    """A year as a whole number; AssessError, with the years there are, when it is text or anything else."""
    if not isinstance(year, Integral) or isinstance(year, bool):
        raise AssessError(f"{year!r} is not a year of {measure}: expected a whole number. {_years_held(measure)}")
    return int(year)


def _years_held(measure: str) -> str:
    return f"Years there are: {', '.join(map(str, held(measure)))}."


def held(measure: str) -> list[int]:
    """The years in which any council has a figure of the measure, in order. Raises AssessError for an unknown measure."""
    return sorted(int(year) for year in _rows("council_year", measure)["year"].unique())


def span(measure: str, years: Sequence[int | None]) -> tuple[int, int]:
    """First and last year of the figures asked for, within those there are; None at either end leaves that end open.

    Raises AssessError for anything but a pair of whole numbers in order, or when no year between them has a figure.
    """
    if isinstance(years, str) or not isinstance(years, Sequence) or len(years) != 2:
        raise AssessError(f"years={years!r}: expected the first and the last year, such as (2019, 2024).")
    there = held(measure)
    first, last = (
        end if year is None else _year(measure, year) for year, end in zip(years, (there[0], there[-1]), strict=True)
    )
    if years[0] is not None and years[1] is not None and first > last:
        raise AssessError(f"years={tuple(years)}: {first} is after {last}; expected the first year first.")
    if not any(first <= year <= last for year in there):
        raise AssessError(f"years={tuple(years)}: {measure} has no figures then. {_years_held(measure)}")
    return first, last


def series(measure: str, groups: bool = True, years: Sequence[int | None] | None = None) -> pd.DataFrame:
    """One measure for every council and year, long, in the unit that `measures.get(measure).unit` states.

    measure: a name of measures.yaml; years: first and last, both included, None for an open end. Returns la_code, la_name,
    year (int), value (float, NaN when missing), symbol (the publisher's reason when missing, else empty), and with
    `groups` also group (safety_valve, dbv, neither), cohort, signed_year (0: no agreement) and region_name. Source: the
    processed table `council_year`, whose column `source` names the resource. Raises AssessError for an unknown measure,
    for years that are no pair in order, and when none of them has a figure.
    """
    columns = ["la_code", "la_name", "year", "value", "symbol", *(_GROUPED_BY if groups else [])]
    frame = _rows("council_year", measure)[columns]
    if years is not None:
        frame = frame[frame["year"].between(*span(measure, years))]
    return frame.reset_index(drop=True)


def wide(measure: str) -> pd.DataFrame:
    """One measure with a row for each council (index la_code) and a column for each year; NaN when missing.

    Unit and errors as for `series`.
    """
    frame = _rows("council_year", measure)
    out = frame.pivot(index="la_code", columns="year", values="value").sort_index()
    out.columns.name = None
    return out


def several(names: list[str], groups: bool = True) -> pd.DataFrame:
    """Several measures side by side: one row for each council and year, a column for each measure, each in its own unit.

    Columns: la_code, la_name, year, the measures, and with `groups` group, cohort, signed_year, region_name. A year that
    a measure lacks is NaN. Raises AssessError for an unknown measure.
    """
    import pandas as pd

    parts = [
        _rows("council_year", name).set_index(["la_code", "la_name", "year"])["value"].rename(name) for name in names
    ]
    frame = pd.concat(parts, axis=1).sort_index().reset_index()
    if groups:
        frame = frame.merge(_read("councils")[["la_code", *_GROUPED_BY]], on="la_code", how="left")
    return frame


def area(measure: str) -> pd.DataFrame:
    """One measure for regions and England as published or made from what is published: la_code, la_name, year, value, symbol.

    In the measure's unit; la_code is E12... for a region, E92000001 for England. Raises AssessError for an unknown measure.
    """
    return _rows("area_year", measure)[["la_code", "la_name", "year", "value", "symbol"]].reset_index(drop=True)


def england(measure: str, year: int | None = None) -> Any:
    """England's published figure in one year (float), or in all years (Series by year) when `year` is not given.

    In the measure's unit; source: the processed table `area_year`. Raises AssessError when there is none for that year.
    """
    frame = area(measure)
    frame = frame[(frame["la_code"] == register.ENGLAND) & frame["value"].notna()]
    figures = frame.set_index("year")["value"]
    if year is None:
        return figures
    if year not in figures.index:
        there = ", ".join(map(str, figures.index)) or "none"
        raise AssessError(f"No figure for England: {measure} in {year}. Years there are: {there}.")
    return float(figures[year])


def value(measure: str, council: str, year: int) -> float:
    """One council's figure in one year, in the measure's unit; NaN when the council's own is missing.

    `council` is a name, ONS code or DfE number. Source: the processed table `council_year`. Raises AssessError for an
    unknown measure or council (with the nearest names), a year that is not a whole number, or one in which no council has
    a figure (with the years there are).
    """
    found = register.find(council)
    frame = _rows("council_year", measure)
    if _year(measure, year) not in held(measure):
        raise AssessError(f"No council has a figure of {measure} in {year}. {_years_held(measure)}")
    rows = frame[(frame["la_code"] == found.la_code) & (frame["year"] == year)]
    return float(rows["value"].iloc[0]) if len(rows) else float("nan")


def group_means(measure: str, weights: str | None = None, by: str = "group", balanced: bool = False) -> pd.DataFrame:
    """Mean by group (or `by` cohort, signed_year, region_name) and year: columns by, year, mean, councils (how many with a figure).

    `weights="population"` weights each council by its people aged 0 to 25; otherwise councils count alike. `balanced` keeps only
    councils with a figure in every year of the measure that any council has. The mean is in the measure's unit. Raises
    AssessError for an unknown measure, `weights` or `by`.
    """
    import pandas as pd

    if weights not in (None, "population"):
        raise AssessError(f"weights={weights!r}: expected None or 'population'.")
    if by not in ("group", "cohort", "signed_year", "region_name"):
        raise AssessError(f"by={by!r}: expected group, cohort, signed_year or region_name.")
    frame = series(measure)
    frame = frame[frame["value"].notna()]
    if balanced:
        full = frame.groupby("la_code")["year"].transform("nunique") == frame["year"].nunique()
        frame = frame[full]
    people = _read("councils").set_index("la_code")["pop_0_25"]
    frame = frame.assign(w=frame["la_code"].map(people) if weights else 1.0)
    frame = frame.assign(vw=frame["value"] * frame["w"])
    grouped = frame.groupby([by, "year"])
    out = pd.DataFrame({"mean": grouped["vw"].sum() / grouped["w"].sum(), "councils": grouped["la_code"].nunique()})
    return out.reset_index()


def coverage(measure: str) -> pd.DataFrame:
    """How many of the 153 councils have a figure in each year: year, councils, missing (counts of councils).

    Raises AssessError for an unknown measure.
    """
    frame = _rows("council_year", measure)
    have = frame[frame["value"].notna()].groupby("year")["la_code"].nunique()
    out = have.rename("councils").reset_index()
    out["missing"] = register.COUNT - out["councils"]
    return out
