"""Which group each council belongs to, with its population and deprivation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers import councils
from helpers.errors import AssessError
from helpers.reading import Reader, year_of

if TYPE_CHECKING:
    import pandas as pd

COHORT_SIZES = {"2020-21": 5, "2021-22": 9, "2022-23": 20, "2023-24": 4}


def council_table(read: Reader) -> pd.DataFrame:
    """One row for each of the 153 councils: codes, region, group, cohort, population of mid-2020 and deprivation.

    Raises AssessError unless there are 38 agreements in cohorts of 5, 9, 20 and 4 and every name is that of a present council.
    """
    import pandas as pd

    table = pd.DataFrame(
        [
            {"la_code": c.la_code, "dfe_number": c.dfe_number, "la_name": c.la_name, "region_code": c.region_code,
             "region_name": c.region_name, "formed": c.formed}
            for c in councils.listed()
        ]
    ).set_index("la_code")  # fmt: skip
    table["formed"] = table["formed"].astype("Int64")
    signed = agreements(read("agreements"))
    table = table.join(signed[["cohort", "signed_year"]])
    table["cohort"] = table["cohort"].fillna("").astype("string")
    table["signed_year"] = table["signed_year"].fillna(0).astype("int64")
    dbv = delivering_better_value(read("comparison_groups"))
    table["dbv_tranche"] = dbv["tranche"].reindex(table.index).fillna("").astype("string")
    table["group"] = "neither"
    table.loc[table.index.isin(dbv.index), "group"] = "dbv"
    table.loc[table["cohort"] != "", "group"] = "safety_valve"
    later = set(dbv.index[dbv["later"]])
    if later != set(dbv.index) & set(signed.index):
        odd = sorted(later ^ (set(dbv.index) & set(signed.index)))
        raise AssessError(
            f"comparison_groups: {councils.get(odd[0]).la_name} does not agree with agreements about a later Safety Valve agreement."
        )
    people = population(read("population_deprivation"))
    table = table.join(people)
    table["note"] = ""
    table.loc[list(later), "note"] = (
        "in Delivering Better Value first, later a Safety Valve agreement: counted as Safety Valve only"
    )
    table.loc[table["dbv_tranche"] == "unknown", "note"] = (
        "in Delivering Better Value, tranche not stated by the source"
    )
    table = table.reset_index()
    return table[
        ["la_code", "dfe_number", "la_name", "region_code", "region_name", "group", "cohort", "signed_year", "dbv_tranche",
         "pop_0_25", "pop_2_18", "pop_total", "imd2019", "imd2025", "formed", "note"]
    ]  # fmt: skip


def agreements(frame: pd.DataFrame) -> pd.DataFrame:
    """Cohort and signed_year by la_code from the table of agreements; AssessError unless exactly the 38 expected."""
    frame = frame.astype("string").fillna("")
    code = [
        _council("agreements", i, n, o)
        for i, (n, o) in enumerate(zip(frame["la_name"], frame["ons_code"], strict=True))
    ]
    out = frame.assign(la_code=code).set_index("la_code")
    if out.index.has_duplicates:
        twice = out.index[out.index.duplicated()][0]
        raise AssessError(f"agreements: {councils.get(twice).la_name} stands twice; expected one row for each council.")
    sizes = {k: int(v) for k, v in out["cohort"].value_counts().items()}
    if sizes != COHORT_SIZES:
        raise AssessError(
            f"agreements: cohorts of {sizes}; expected {COHORT_SIZES}, {sum(COHORT_SIZES.values())} in all."
        )
    out["signed_year"] = [year_of(c) for c in out["cohort"]]
    for name, when, year in zip(out["la_name"], out["agreement_date"], out["signed_year"], strict=True):
        if not str(when).startswith(str(year)):
            raise AssessError(
                f"agreements: {name} has agreement_date {when!r}; expected the year {year} of its cohort."
            )
    return out[["cohort", "signed_year"]]


def delivering_better_value(frame: pd.DataFrame) -> pd.DataFrame:
    """Tranche ("1", "2" or "unknown") and whether a Safety Valve agreement came later, by la_code."""
    frame = frame.astype("string").fillna("")
    code = [_council("comparison_groups", i, n, "") for i, n in enumerate(frame["la_name"])]
    out = frame.assign(la_code=code).set_index("la_code")
    if out.index.has_duplicates:
        twice = out.index[out.index.duplicated()][0]
        raise AssessError(
            f"comparison_groups: {councils.get(twice).la_name} stands twice; expected one row for each council."
        )
    out["tranche"] = out["tranche"].where(out["tranche"] != "", "unknown")
    out["later"] = out["later_safety_valve"].str.startswith("yes").astype(bool)
    return out[["tranche", "later"]]


def _council(resource: str, row: int, name: str, code: str) -> str:
    try:
        found = councils.find(name)
    except AssessError as error:
        raise AssessError(f"{resource}, row {row + 2}: {error}") from None
    if code and found.la_code != code:
        raise AssessError(f"{resource}, row {row + 2}: {name} has ons_code {code}; expected {found.la_code}.")
    return found.la_code


def population(frame: pd.DataFrame) -> pd.DataFrame:
    """People by age at mid-2020 and mean deprivation scores, by la_code; AssessError unless all 153 councils are there."""
    import pandas as pd

    renamed = {"pop_0_25": "pop_0_25", "pop_2_18": "pop_2_18", "pop_total_mid2020": "pop_total",
               "imd2019_avg_score_popw": "imd2019", "imd2025_avg_score_popw": "imd2025"}  # fmt: skip
    for column in ("utla23cd", *renamed):
        if column not in frame.columns:
            raise AssessError(
                f"population_deprivation: no column {column!r}; found {', '.join(map(str, frame.columns))}."
            )
    out = frame.set_index(frame["utla23cd"].astype("string"))[list(renamed)].rename(columns=renamed)
    out.index.name = "la_code"
    missing = sorted(set(councils.names()) ^ set(out.index))
    if missing or out.index.has_duplicates:
        raise AssessError(
            f"population_deprivation: expected each of the {councils.COUNT} councils once; {', '.join(missing[:3]) or 'one'} does not fit."
        )
    out = out.apply(pd.to_numeric, errors="coerce").astype("float64")
    if out.isna().any().any() or (out[["pop_0_25", "pop_2_18", "pop_total"]] <= 0).any().any():
        raise AssessError("population_deprivation: a population or deprivation score is missing or not positive.")
    return out
