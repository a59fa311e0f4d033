"""What the processed tables must be, as pandera schemas and a few rules on whole tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers import councils, measures
from helpers.errors import AssessError

if TYPE_CHECKING:
    import pandas as pd

SYMBOLS = ("", "z", "x", "c", "u", "low", ":")
GROUPS = ("safety_valve", "dbv", "neither")
COHORTS = ("", "2020-21", "2021-22", "2022-23", "2023-24")
# How the values of a unit are bounded; a unit not listed must only not be negative.
BOUNDS = {
    "%": (0.0, 100.0),
    "% of DSG": (-60.0, 100.0),
    "points": (-20.0, 100.0),
    "pp": (-100.0, 100.0),
    "gbp": (-1e9, 1e11),
}


def schemas() -> dict[str, object]:
    """A pandera schema for each table that has one."""
    import pandera.pandas as pa

    codes = set(councils.names())
    areas = {councils.ENGLAND, *councils.REGIONS}

    def values(allowed: set[str]) -> pa.DataFrameSchema:
        return pa.DataFrameSchema(
            {
                "la_code": pa.Column(str, pa.Check.isin(sorted(allowed))),
                "la_name": pa.Column(str, pa.Check.str_length(min_value=1)),
                "measure": pa.Column(str, pa.Check.isin(list(measures.listed()))),
                "period": pa.Column(str, pa.Check.str_matches(r"^\d{4}([-/]?\d{2})?( \([A-Za-z]+\))?$")),
                "year": pa.Column("int64", pa.Check.in_range(2010, 2040)),
                "value": pa.Column("float64", nullable=True),
                "unit": pa.Column(str),
                "symbol": pa.Column(str, pa.Check.isin(SYMBOLS)),
                "source": pa.Column(str, pa.Check.str_length(min_value=1)),
            },
            strict=True,
            ordered=True,
            unique=["la_code", "measure", "year"],
        )

    return {
        "council_year": values(codes),
        "area_year": values(areas),
        "councils": pa.DataFrameSchema(
            {
                "la_code": pa.Column(str, pa.Check.isin(sorted(codes)), unique=True),
                "dfe_number": pa.Column(str, pa.Check.str_matches(r"^\d{3}$"), unique=True),
                "la_name": pa.Column(str, unique=True),
                "region_code": pa.Column(str, pa.Check.isin(list(councils.REGIONS))),
                "region_name": pa.Column(str),
                "group": pa.Column(str, pa.Check.isin(GROUPS)),
                "cohort": pa.Column(str, pa.Check.isin(COHORTS)),
                "signed_year": pa.Column("int64", pa.Check.isin([0, 2021, 2022, 2023, 2024])),
                "dbv_tranche": pa.Column(str, pa.Check.isin(["", "1", "2", "3", "unknown"])),
                "pop_0_25": pa.Column("float64", pa.Check.gt(0)),
                "pop_2_18": pa.Column("float64", pa.Check.gt(0)),
                "pop_total": pa.Column("float64", pa.Check.gt(0)),
                "imd2019": pa.Column("float64", pa.Check.in_range(1, 80)),
                "imd2025": pa.Column("float64", pa.Check.in_range(1, 80)),
                "formed": pa.Column("Int64", nullable=True),
                "note": pa.Column(str),
            },
            strict=True,
            ordered=True,
        ),
        "neighbours": pa.DataFrameSchema(
            {
                "la_code": pa.Column(str, pa.Check.isin(sorted(codes))),
                "rank": pa.Column("int64", pa.Check.in_range(1, 10)),
                "neighbour_la_code": pa.Column(str, pa.Check.isin(sorted(codes))),
                "closeness": pa.Column(str),
            },
            strict=True,
            unique=["la_code", "rank"],
        ),
    }


def conform(name: str, table: pd.DataFrame) -> None:
    """AssessError, naming table, column, what was found and what was expected, unless `table` is as its schema says."""
    import pandera.errors

    schema = schemas().get(name)
    if schema is None:
        return
    try:
        schema.validate(table.reset_index(drop=True))  # type: ignore[attr-defined]
    except pandera.errors.SchemaError as error:
        cases = error.failure_cases
        found = str(cases.iloc[0]["failure_case"]) if hasattr(cases, "iloc") and len(cases) else str(cases)
        column = getattr(error.schema, "name", None) or "columns"
        expected = getattr(error.check, "error", None) or getattr(error.check, "name", None) or str(error.check)
        raise AssessError(f"{name}, {column}: found {found}; expected {expected}.") from None


def bounded(name: str, table: pd.DataFrame) -> None:
    """AssessError unless shares lie within 0-100 and counts, rates and money within their bounds."""
    for unit, rows in table[table["value"].notna()].groupby("unit"):
        low, high = BOUNDS.get(str(unit), (0.0, float("inf")))
        bad = rows[(rows["value"] < low) | (rows["value"] > high)]
        if len(bad):
            row = bad.iloc[0]
            raise AssessError(
                f"{row['source']}: {row['measure']} of {row['la_name']} in {row['year']} is {row['value']:,.10g} {unit}; expected {low:g} to {high:g}."
            )


def explained(name: str, table: pd.DataFrame) -> None:
    """AssessError unless every missing value has a symbol and every figure has none."""
    odd = table[table["value"].isna() == (table["symbol"] == "")]
    if len(odd):
        row = odd.iloc[0]
        raise AssessError(
            f"{name}: {row['measure']} of {row['la_name']} in {row['year']} is {row['value']} with symbol {row['symbol']!r}; expected one or the other."
        )


def complete(table: pd.DataFrame) -> list[str]:
    """AssessError unless every measure has every year measures.yaml says it has.

    Only the last year may be missing, as it is from an earlier vintage of a file; returns the measures that end a year early.
    """
    have = table[table["value"].notna()].groupby("measure")["year"].unique().to_dict()
    early = []
    for measure in measures.listed().values():
        absent = [y for y in measure.years if y not in set(have.get(measure.name, []))]
        if absent == [measure.last_year] and len(measure.years) > 1:
            early.append(measure.name)
        elif absent:
            raise AssessError(
                f"{measure.source}: {measure.name} has no figures in {', '.join(map(str, absent))}; "
                f"expected {measure.first_year} to {measure.last_year}."
            )
    return early


def passed(tables: dict[str, pd.DataFrame]) -> list[dict[str, str]]:
    """Run every check; rows for quality.parquet when all pass, AssessError otherwise."""
    for name, table in tables.items():
        conform(name, table)
    for name in ("council_year", "area_year"):
        bounded(name, tables[name])
        explained(name, tables[name])
    rows = []
    for name in complete(tables["council_year"]):
        rows.append(
            {
                "check": "years complete",
                "resource": measures.get(name).source,
                "table": "council_year",
                "outcome": "noted",
                "detail": f"{name} ends before {measures.get(name).last_year}, the last year expected",
            }
        )
    for name, table in tables.items():
        rows.append(
            {
                "check": "schema",
                "resource": "",
                "table": name,
                "outcome": "passed",
                "detail": f"{len(table)} rows: types, codes and unique keys",
            }
        )
    year = tables["council_year"]
    figures = int(year["value"].notna().sum())
    rows.append(
        {
            "check": "ranges",
            "resource": "",
            "table": "council_year",
            "outcome": "passed",
            "detail": f"{figures} figures within their bounds",
        }
    )
    rows.append(
        {
            "check": "years complete",
            "resource": "",
            "table": "council_year",
            "outcome": "passed",
            "detail": f"{year['measure'].nunique()} measures",
        }
    )
    missing = year[year["value"].isna()]
    for symbol, count in missing["symbol"].value_counts().items():
        rows.append(
            {
                "check": "missing",
                "resource": "",
                "table": "council_year",
                "outcome": "noted",
                "detail": f"{count} values missing, symbol {symbol}",
            }
        )
    return rows
