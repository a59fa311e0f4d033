"""From the raw extracts to the processed tables: checked, recoded to the 153 councils of December 2023, reconciled, written whole.

`build()` reads through `helpers.catalogue`, raises AssessError at the first thing that is wrong, and returns everything in memory;
`write(built)` then replaces the processed tables. Nothing is written before every check has passed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import checks, councils, files, measures, paths, reconciliation
from helpers.errors import AssessError
from helpers.measures import Measure

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["la_code", "la_name", "measure", "period", "year", "value", "unit", "symbol", "source"]
SYMBOLS = {"z": "z", "x": "x", "c": "c", "u": "u", "low": "low", ":": ":", "..": ":", "-": ":", "": ":", "~": "c", "NA": ":"}
SYMBOL_MEANINGS = {
    "z": "not applicable",
    "x": "not available",
    "c": "suppressed to protect people",
    "u": "unreliable",
    "low": "rounds to nought",
    ":": "not available",
}
# Rows that are about neither a council, a region of the Office for National Statistics nor all England.
NOT_AREAS = {"London (Inner)", "London (Outer)", "England (discontinued)", "England total excluding suppressed"}

Reader = Callable[[str], "pd.DataFrame"]


@dataclass(frozen=True)
class Shape:
    """Which columns of a resource say what a row is about. `rows` keeps only rows whose column starts with a text;
    `measure` names the column that holds the measure when the resource is long, `value` the one that holds its value;
    `misprinted` a column of DfE numbers that is not to be trusted and only compared; `fixed_period` the period of a file about one;
    `ages` the counts of a resource with a row for each year of age, added up to AGE_BANDS."""

    code: str = ""
    number: str = ""
    name: str = "la_name"
    level: str = ""
    period: str = "time_period"
    rows: dict[str, tuple[str, ...]] = field(default_factory=dict)
    measure: str = ""
    value: str = ""
    misprinted: str = ""
    fixed_period: str = ""
    ages: tuple[str, ...] = ()


def _ehc(*starts: str) -> Shape:
    return Shape(code="new_la_code", number="old_la_code", level="geographic_level", rows={"breakdown": starts})


def _ehc_ages(*columns: str) -> Shape:
    return Shape(code="new_la_code", number="old_la_code", level="geographic_level", ages=columns)


SHAPES = {
    "ehc_requests": _ehc("All requests"),
    "ehc_assessments": _ehc("All EHC needs"),
    "ehc_new_plans": _ehc("New EHC plans"),
    "ehc_caseload": _ehc("All EHC plans"),
    "ehc_ceased_plans": _ehc("All ceased", "All EHC plans", "Ceased"),
    "ehc_timeliness": _ehc("All EHC plans"),
    "ehc_annual_reviews": _ehc("All annual reviews"),
    "ehc_requests_by_age": _ehc_ages("requests_received_in_year", "requests_decided_not_to_assess"),
    "ehc_new_plans_by_age": _ehc_ages("new_ehc_plans"),
    "ehc_caseload_by_age": _ehc_ages("ehcplans"),
    "ehc_ceased_plans_by_age": _ehc_ages("total_ceased"),
    # Joined by name: the table gives Nottingham, Nottinghamshire and Northamptonshire each other's numbers.
    "send_tribunal_appeals": Shape(misprinted="old_la_code", level="geographic_level"),
    "lait_sen": Shape(number="LA Number", name="LA and Regions", period="Years", measure="Short Desc", value="Values"),
    "dsg_balance_percent": Shape(level="geographic_level"),
    "dsg_allocations": Shape(
        number="la_code", level="geographic_level", period="financial_year", rows={"deductions": ("before",)}, measure="block", value="amount"
    ),
    "dsg_balance_2023_24": Shape(code="la_code", period="", fixed_period="2023-24"),
    "s251_high_needs_spend": Shape(code="la_code", period="financial_year"),
    "council_net_expenditure": Shape(
        code="ons_code", period="financial_year", rows={"class": ("Unitary", "Met", "London", "Shire County"), "status": ("submitted",)}
    ),
}


def year_of(period: str) -> int:
    """The calendar year in which a publisher's period ends: 2024 -> 2024, 202425 and 2024-25 (OT) -> 2025."""
    text = re.sub(r" \((OT|Rev|Final|prov)\)$", "", str(period).strip())
    if re.fullmatch(r"\d{4}", text):
        return int(text)
    found = re.fullmatch(r"(\d{4})[-/]?(\d{2})", text)
    if not found or (int(found[1]) + 1) % 100 != int(found[2]):
        raise AssessError(f"period {text!r} is not a year, an academic year or a financial year")
    return int(found[1]) + 1


# Reading and recoding -------------------------------------------------------------------------------------------------------------


def published(resource: str, frame: pd.DataFrame, notes: list[dict[str, str]]) -> pd.DataFrame:
    """One resource as long rows: la_code, kind (council, region, england, predecessor), name, measure, period, year, value, symbol.

    `notes` collects what was recoded and skipped. Raises AssessError for a missing column, an unknown area, a period or a number
    that cannot be read, or a second row for one area, measure and period.
    """
    import pandas as pd

    shape = SHAPES[resource]
    period = "period" if shape.fixed_period else shape.period
    wanted = measures.made_from(resource)
    needed = {c for c in (shape.code, shape.number, shape.name, shape.level, shape.period, shape.measure, shape.value) if c}
    needed |= set(shape.rows) | {m.of.split("|")[0] for m in wanted if m.way == "column"} | ({"breakdown"} if shape.ages else set())
    for column in sorted(needed):
        if column not in frame.columns:
            raise AssessError(f"{resource}: no column {column!r}; found {', '.join(map(str, frame.columns))}.")
    frame = frame.astype("string").fillna("")
    if shape.fixed_period:
        frame = frame.assign(period=shape.fixed_period)
    if shape.ages:
        frame = age_bands(resource, frame, shape.ages)
    for column, starts in shape.rows.items():
        frame = frame[frame[column].str.startswith(starts)]
    if shape.measure:
        frame = frame[frame[shape.measure].isin({m.of for m in wanted})]
    if frame.empty:
        raise AssessError(f"{resource}: no rows left to read; expected {next(iter(shape.rows.values()), ('some',))[0]!r} rows.")
    frame = frame[~frame[shape.name].str.strip().isin(NOT_AREAS)]
    frame = _with_places(resource, frame, shape, notes)
    frame["year"] = frame[period].map(_years(resource, frame[period]))
    if shape.measure:
        names = {m.of: m.name for m in wanted}
        long = frame.assign(measure=frame[shape.measure].map(names), text=frame[shape.value])
    else:
        columns = {m.of: m.name for m in wanted}
        parts = [frame.assign(measure=name, text=frame[column]) for column, name in columns.items()]
        long = pd.concat(parts, ignore_index=True)
    long = long.rename(columns={period: "period"})
    long = _numbers(resource, long)
    keys = ["kind", "la_code", "place_name", "measure", "year"]
    twice = long[long.duplicated(keys, keep=False)]
    if len(twice):
        row = twice.iloc[0]
        raise AssessError(f"{resource}: {row.place_name} has {len(twice[(twice[keys] == row[keys]).all(axis=1)])} rows for {row.measure} in {row.period}; expected one.")
    return long[[*keys, "period", "value", "symbol"]].assign(source=resource)


AGE_BANDS = {"under_5": range(0, 5), "5_to_10": range(5, 11), "11_to_15": range(11, 16), "16_to_19": range(16, 20), "20_to_25": range(20, 26)}


def age_bands(resource: str, frame: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    """Rows by year of age added up to AGE_BANDS: one row for each area and period, columns such as "ehcplans|under_5".

    A symbol in any age makes the band that symbol; people of unknown age are in no band; an age without a row counts nobody.
    """
    import pandas as pd

    found: dict[str, str] = {}
    for text in frame["breakdown"].unique():
        number = re.search(r"\d+", text)
        if number is None and text.casefold() != "age unknown":
            raise AssessError(f"{resource}: breakdown {text!r} is not an age.")
        age = -1 if number is None else int(number[0]) - (text.casefold().startswith("under"))
        found[text] = next((band for band, ages in AGE_BANDS.items() if age in ages), "")
    frame = frame.assign(band=frame["breakdown"].map(found))
    frame = frame[frame["band"] != ""]
    place = [c for c in ("time_period", "geographic_level", "region_code", "region_name", "new_la_code", "old_la_code", "la_name") if c in frame]
    parts = []
    for column in columns:
        text = frame[column].str.strip()
        number = pd.to_numeric(text.where(~text.isin(list(SYMBOLS))), errors="coerce")
        bad = number.isna() & ~text.isin(list(SYMBOLS))
        if bad.any():
            row = frame[bad].iloc[0]
            raise AssessError(f"{resource}: {column} of {row.la_name or row.region_code}, {row.breakdown}, {row.time_period} is {row[column]!r}; expected a number.")
        symbol = text.where(number.isna(), "")
        grouped = frame.assign(_n=number, _s=symbol).groupby([*place, "band"])
        total = grouped["_n"].sum(min_count=0).astype("Int64").astype("string")
        worst = grouped["_s"].max()
        total = total.where(worst == "", worst)
        wide = total.unstack("band")
        wide.columns = [f"{column}|{band}" for band in wide.columns]
        parts.append(wide)
    return pd.concat(parts, axis=1).fillna("0").reset_index().astype("string")


def _years(resource: str, periods: pd.Series) -> dict[str, int]:
    try:
        return {p: year_of(p) for p in periods.unique()}
    except AssessError as error:
        raise AssessError(f"{resource}: {error}.") from None


def _with_places(resource: str, frame: pd.DataFrame, shape: Shape, notes: list[dict[str, str]]) -> pd.DataFrame:
    """Adds kind, la_code and place_name to each row; rows of areas that are neither council nor region are left out, and noted."""
    import pandas as pd

    def column(name: str) -> pd.Series:
        return frame[name].str.strip() if name else pd.Series("", index=frame.index)

    code, number, name = column(shape.code), column(shape.number), column(shape.name)
    if shape.level:
        regional, national = frame[shape.level] == "Regional", frame[shape.level] == "National"
        if "region_code" in frame.columns and shape.code:
            code = code.where(~regional, frame["region_code"])
        if "region_name" in frame.columns:
            name = name.where(~regional | (name != ""), frame["region_name"])
        code = code.where(~national, councils.ENGLAND)
    asked = pd.DataFrame({"code": code, "number": number, "name": name})
    found: dict[tuple[str, str, str], councils.Place] = {}
    for key in asked.drop_duplicates().itertuples(index=False, name=None):
        place = councils.place(*key)
        if place.kind == "unknown":
            row = asked.index[(asked == pd.Series(dict(zip(asked.columns, key, strict=True)))).all(axis=1)][0]
            raise AssessError(
                f"{resource}, row {int(row) + 2}: unknown local authority {' '.join(k for k in key if k)!r}; "
                f"expected one of the {councils.COUNT} councils, a region, England or a council in reorganisations.yaml."
            )
        found[key] = place
    places = [found[key] for key in asked.itertuples(index=False, name=None)]
    out = frame.copy()
    out["kind"] = [p.kind for p in places]
    out["la_code"] = [p.code for p in places]
    names = councils.names() | councils.REGIONS | {councils.ENGLAND: "England"}
    out["place_name"] = [names.get(p.code) or (p.predecessor.name if p.predecessor else n) for p, n in zip(places, name, strict=True)]
    if shape.misprinted:
        printed = frame[shape.misprinted].str.strip()
        numbers = {c.la_code: c.dfe_number for c in councils.listed()}
        odd = {
            f"{n} has {given}, expected {numbers[c]}"
            for c, n, given in zip(out["la_code"], name, printed, strict=True)
            if c in numbers and given and given != numbers[c]
        }
        if odd:
            notes.append(note("council codes", resource, "council_year", "explained", f"wrong DfE numbers, so joined by name: {'; '.join(sorted(odd))}"))
    for old in councils.predecessors():
        rows = [i for i, p in enumerate(places) if p.predecessor is not None and p.predecessor.name == old.name]
        if not rows:
            continue
        periods = sorted(set(out["period" if shape.fixed_period else shape.period].iloc[rows]))
        span = periods[0] if len(periods) == 1 else f"{periods[0]} to {periods[-1]}"
        outcome = "recoded" if old.action == "recode" else "dropped"
        target = f" to {councils.get(old.successors[0]).la_name}" if outcome == "recoded" else ""
        notes.append(note("reorganised councils", resource, "council_year", outcome, f"{old.name}, {span}{target}: {old.reason}"))
    return out


def _numbers(resource: str, long: pd.DataFrame) -> pd.DataFrame:
    """Adds value (NaN when missing) and symbol (why) from the publisher's text."""
    import pandas as pd

    text = long["text"].str.strip()
    symbol = text.map(SYMBOLS).fillna("")
    value = pd.to_numeric(text.where(symbol == "").str.replace(",", "", regex=False).str.rstrip("%"), errors="coerce")
    bad = (symbol == "") & value.isna()
    if bad.any():
        row = long[bad].iloc[0]
        raise AssessError(
            f"{resource}: {row.place_name}, {row.measure}, {row.period} is {row.text!r}; "
            f"expected a number or one of the symbols {' '.join(s for s in SYMBOLS if s)}."
        )
    return long.assign(value=value.astype("float64"), symbol=symbol.astype("string"))


def note(check: str, resource: str, table: str, outcome: str, detail: str) -> dict[str, str]:
    """A row of quality.parquet. `outcome`: passed, recoded, dropped, explained or noted."""
    return {"check": check, "resource": resource, "table": table, "outcome": outcome, "detail": detail}


def first_valid_year(formed: int, kind: str) -> int:
    """The first year in which a measure of this kind can be about a council formed on 1 April of `formed`."""
    return formed + 1 if kind in ("january_count", "financial_flow", "balance") else formed


def present_areas_only(long: pd.DataFrame, notes: list[dict[str, str]]) -> pd.DataFrame:
    """Leaves out figures printed under a council's name for years before it had its present boundary."""
    changed = {
        c.la_code: c.formed
        for c in councils.listed()
        if c.formed and any(c.la_code in p.successors and p.action == "drop" for p in councils.predecessors())
    }
    kinds = {name: m.kind for name, m in measures.listed().items()}
    limits = [first_valid_year(changed[c], kinds[m]) if c in changed else 0 for c, m in zip(long["la_code"], long["measure"], strict=True)]
    early = long["year"] < limits
    shown = long[early & long["value"].notna()]
    for (code, source), rows in shown.groupby(["la_code", "source"]):
        span = f"{rows['year'].min()} to {rows['year'].max()}" if rows["year"].nunique() > 1 else f"{rows['year'].min()}"
        name = councils.get(code).la_name
        notes.append(
            note("reorganised councils", source, "council_year", "dropped",
                 f"{name}, {span}: formed on 1 April {changed[code]}, so earlier figures under its name are for another area"
                 f" ({', '.join(sorted(rows['measure'].unique()))})")
        )  # fmt: skip
    return long[~early]


# Known errors ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class KnownError:
    """A figure in a publisher's file known to be wrong or doubtful; `action` is correct, drop or keep."""

    measures: tuple[str, ...]
    years: tuple[int, ...]
    areas: tuple[str, ...]
    action: str
    reason: str
    found: float | None = None
    values: dict[str, float] = field(default_factory=dict)


@cache
def known_errors() -> tuple[KnownError, ...]:
    """The explicit list, known_errors.yaml; AssessError when an entry cannot be right."""
    import yaml

    made = []
    for row in yaml.safe_load(resources.files("helpers").joinpath("known_errors.yaml").read_text(encoding="utf-8")):
        names = tuple(row["measure"]) if isinstance(row["measure"], list) else (row["measure"],)
        values = row.get("values", {})
        for name in names:
            measures.get(name)
        if row["action"] not in ("correct", "drop", "keep") or (row["action"] == "correct") != bool(values):
            raise AssessError(f"known_errors.yaml, {names[0]}: action {row['action']!r} does not fit its values.")
        if values and sum(values.values()) != row["total"]:
            raise AssessError(f"known_errors.yaml, {names[0]}: values add up to {sum(values.values())}; expected {row['total']}.")
        made.append(
            KnownError(names, tuple(row.get("years") or [row["year"]]), tuple(row.get("areas") or values), row["action"], row["reason"],
                       row.get("found"), values)
        )  # fmt: skip
    return tuple(made)


def _figures(number: int) -> str:
    return f"{number} figure" if number == 1 else f"{number} figures"


def without_known_errors(long: pd.DataFrame, notes: list[dict[str, str]], only: str = "") -> pd.DataFrame:
    """Corrects, drops or only notes the listed figures (or those of one action). An entry whose figure the file no longer holds is
    noted and not applied."""
    long = long.copy()
    for error in known_errors():
        if only and error.action != only:
            continue
        hit = long["measure"].isin(error.measures) & long["year"].isin(error.years) & long["la_code"].isin(error.areas) & long["value"].notna()
        if error.found is not None:
            hit &= long["value"] == error.found
        source = measures.get(error.measures[0]).source
        names = ", ".join(councils.get(a).la_name for a in error.areas)
        years = " and ".join(map(str, error.years)) if len(error.years) < 3 else f"{error.years[0]} to {error.years[-1]}"
        what = f"{', '.join(error.measures)}, {years}, {names}: {error.reason}"
        if not hit.any():
            notes.append(note("known errors", source, "council_year", "noted", f"no longer in the file, so nothing done. {what}"))
            continue
        if error.action == "correct":
            long.loc[hit, "value"] = long.loc[hit, "la_code"].map(error.values).astype("float64")
        elif error.action == "drop":
            long.loc[hit, "value"] = float("nan")
            long.loc[hit, "symbol"] = "u"
        outcome = {"correct": "corrected", "drop": "dropped", "keep": "noted"}[error.action]
        notes.append(note("known errors", source, "council_year", outcome, f"{_figures(int(hit.sum()))}. {what}"))
    return long


# Derived measures -----------------------------------------------------------------------------------------------------------------


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


# Councils -------------------------------------------------------------------------------------------------------------------------

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
    table.loc[list(later), "note"] = "in Delivering Better Value first, later a Safety Valve agreement: counted as Safety Valve only"
    table.loc[table["dbv_tranche"] == "unknown", "note"] = "in Delivering Better Value, tranche not stated by the source"
    table = table.reset_index()
    return table[
        ["la_code", "dfe_number", "la_name", "region_code", "region_name", "group", "cohort", "signed_year", "dbv_tranche",
         "pop_0_25", "pop_2_18", "pop_total", "imd2019", "imd2025", "formed", "note"]
    ]  # fmt: skip


def agreements(frame: pd.DataFrame) -> pd.DataFrame:
    """Cohort and signed_year by la_code from the table of agreements; AssessError unless exactly the 38 expected."""
    frame = frame.astype("string").fillna("")
    code = [_council("agreements", i, n, o) for i, (n, o) in enumerate(zip(frame["la_name"], frame["ons_code"], strict=True))]
    out = frame.assign(la_code=code).set_index("la_code")
    if out.index.has_duplicates:
        twice = out.index[out.index.duplicated()][0]
        raise AssessError(f"agreements: {councils.get(twice).la_name} stands twice; expected one row for each council.")
    sizes = {k: int(v) for k, v in out["cohort"].value_counts().items()}
    if sizes != COHORT_SIZES:
        raise AssessError(f"agreements: cohorts of {sizes}; expected {COHORT_SIZES}, {sum(COHORT_SIZES.values())} in all.")
    out["signed_year"] = [year_of(c) for c in out["cohort"]]
    for name, when, year in zip(out["la_name"], out["agreement_date"], out["signed_year"], strict=True):
        if not str(when).startswith(str(year)):
            raise AssessError(f"agreements: {name} has agreement_date {when!r}; expected the year {year} of its cohort.")
    return out[["cohort", "signed_year"]]


def delivering_better_value(frame: pd.DataFrame) -> pd.DataFrame:
    """Tranche ("1", "2" or "unknown") and whether a Safety Valve agreement came later, by la_code."""
    frame = frame.astype("string").fillna("")
    code = [_council("comparison_groups", i, n, "") for i, n in enumerate(frame["la_name"])]
    out = frame.assign(la_code=code).set_index("la_code")
    if out.index.has_duplicates:
        twice = out.index[out.index.duplicated()][0]
        raise AssessError(f"comparison_groups: {councils.get(twice).la_name} stands twice; expected one row for each council.")
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
            raise AssessError(f"population_deprivation: no column {column!r}; found {', '.join(map(str, frame.columns))}.")
    out = frame.set_index(frame["utla23cd"].astype("string"))[list(renamed)].rename(columns=renamed)
    out.index.name = "la_code"
    missing = sorted(set(councils.names()) ^ set(out.index))
    if missing or out.index.has_duplicates:
        raise AssessError(f"population_deprivation: expected each of the {councils.COUNT} councils once; {', '.join(missing[:3]) or 'one'} does not fit.")
    out = out.apply(pd.to_numeric, errors="coerce").astype("float64")
    if out.isna().any().any() or (out[["pop_0_25", "pop_2_18", "pop_total"]] <= 0).any().any():
        raise AssessError("population_deprivation: a population or deprivation score is missing or not positive.")
    return out


# The build ------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Built:
    """Everything 01_sources makes, in memory. `tables`: file name without ending -> frame, `evidence/...` included."""

    tables: dict[str, pd.DataFrame]
    quality: pd.DataFrame
    reconciliation: pd.DataFrame


def collect(read: Reader, notes: list[dict[str, str]]) -> pd.DataFrame:
    """Every measure read straight from a file, long, for councils, predecessors, regions and England."""
    import pandas as pd

    return pd.concat([published(resource, read(resource), notes) for resource in SHAPES if measures.made_from(resource)], ignore_index=True)


def with_derived(long: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
    """Adds the derived measures. `people`: the council table; regions and England use the sum of their councils."""
    import pandas as pd

    base = people.set_index("la_code")["pop_0_25"]
    regions = people.groupby("region_code")["pop_0_25"].sum()
    population = pd.concat([base, regions, pd.Series({councils.ENGLAND: base.sum()})])
    table = long
    for measure in measures.ordered():
        if measure.parts:
            table = pd.concat([table, derived(measure, table, population)], ignore_index=True)
    return table


def finished(table: pd.DataFrame) -> pd.DataFrame:
    """The contract's columns, in order, without measure-years in which nobody has a figure."""
    names = councils.names() | councils.REGIONS | {councils.ENGLAND: "England"}
    units = {name: m.unit for name, m in measures.listed().items()}
    order = {name: i for i, name in enumerate(measures.listed())}
    table = table[table.groupby(["measure", "year"])["value"].transform("count") > 0]
    table = table.assign(la_name=table["la_code"].map(names), unit=table["measure"].map(units), year=table["year"].astype("int64"))
    table = table.assign(_order=table["measure"].map(order)).sort_values(["_order", "la_code", "year"], ignore_index=True)
    for column in ("la_code", "la_name", "measure", "period", "unit", "symbol", "source"):
        table[column] = table[column].astype("string")
    return table[COLUMNS]


def built_from(read: Reader, evidence_tables: dict[str, pd.DataFrame]) -> Built:
    """All processed tables from a reader of raw resources. Raises AssessError before anything is written."""
    import pandas as pd

    read = cache(read)
    notes: list[dict[str, str]] = []
    people = council_table(read)
    long = collect(read, notes)
    sums = reconciliation.national(with_corrections(long))
    sums += reconciliation.stated(with_corrections(long), people.set_index("la_code")["group"])
    sums += reconciliation.between(as_printed(long), tool_items(read))
    kept = long[long["kind"] != "predecessor"]
    kept = without_known_errors(present_areas_only(kept, notes), notes)
    full = with_derived(kept, people)
    tables = {
        "council_year": finished(full[full["kind"] == "council"]),
        "area_year": finished(full[full["kind"] != "council"]),
        "councils": people,
        "neighbours": neighbours(read, notes),
        "inspections": inspections(read, notes),
        "support": support(read, notes),
    }
    notes.append(balance_scale(tables["council_year"]))
    notes += checks.passed(tables)
    tables |= {f"evidence/{name}": table for name, table in evidence_tables.items()}
    quality = pd.DataFrame(notes)[["check", "resource", "table", "outcome", "detail"]]
    order = {o: i for i, o in enumerate(("corrected", "dropped", "recoded", "explained", "noted", "passed"))}
    quality = quality.assign(_o=quality["outcome"].map(order)).sort_values(["_o", "check", "resource"], kind="stable").drop(columns="_o")
    quality = quality.reset_index(drop=True)
    sums_table = pd.DataFrame(sums)[reconciliation.COLUMNS]
    return Built(tables | {"quality": quality, "reconciliation": sums_table}, quality, sums_table)


def build() -> Built:
    """Read data/raw, check, recode, derive and reconcile; everything in memory. `write` puts it on disk."""
    from helpers import catalogue, evidence

    return built_from(catalogue.read, evidence.normalise_all())


def write(built: Built, folder: Path | None = None) -> list[Path]:
    """Replace the processed tables: all are written beside the old ones first, then each takes its place."""
    folder = folder or paths.processed()
    with ExitStack() as stack:
        for name, table in built.tables.items():
            table.to_parquet(stack.enter_context(files.whole(folder / f"{name}.parquet")), index=False)
    return [folder / f"{name}.parquet" for name in built.tables]


def balance_scale(year: pd.DataFrame) -> dict[str, str]:
    """Whether the derived share of the 2024 balance is on the scale of the published shares; AssessError when it cannot be."""
    wide = year[year["measure"] == "dsg_balance"].pivot(index="la_code", columns="year", values="value")
    pair = wide[[2022, 2024]].dropna()
    alike = pair[2022].corr(pair[2024], method="spearman")
    spread = pair[2024].std() / pair[2022].std()
    if not (alike > 0.5 and 0.5 < spread < 2.5):
        raise AssessError(
            f"dsg_balance_2023_24: the derived shares do not fit the published ones (rank correlation {alike:.2f}, ratio of spreads {spread:.2f})."
        )
    detail = (
        f"2023-24 shares, derived from pounds, against the published 2021-22 shares of {len(pair)} councils: rank correlation {alike:.2f}, "
        f"medians {pair[2022].median():.1f} and {pair[2024].median():.1f}, standard deviations {pair[2022].std():.1f} and {pair[2024].std():.1f}"
    )
    return note("scale of two definitions", "dsg_balance_2023_24", "council_year", "noted", detail)


def as_printed(long: pd.DataFrame) -> pd.DataFrame:
    """The rows as read, and the derived measures that another publication prints too."""
    import pandas as pd

    areas = long[long["kind"].isin(["council", "england"])]
    repeated = [measures.get(name) for name, _, _ in reconciliation.PAIRS]
    made = [derived(m, areas, pd.Series(dtype="float64")) for m in repeated if m.parts]
    return pd.concat([long, *made], ignore_index=True)


def with_corrections(long: pd.DataFrame) -> pd.DataFrame:
    """The rows as read, with only the exact corrections made: what publishers' totals are compared with."""
    return without_known_errors(long, [], only="correct")


def tool_items(read: Reader) -> pd.DataFrame:
    """The interactive tool's items that repeat figures of another publication, long, under their own names."""
    import pandas as pd

    shape = SHAPES["lait_sen"]
    frame = read("lait_sen").astype("string").fillna("")
    frame = frame[frame[shape.measure].isin([item for _, item, _ in reconciliation.PAIRS]) & ~frame[shape.name].isin(NOT_AREAS)]
    frame = _with_places("lait_sen", frame, shape, [])
    frame["year"] = frame[shape.period].map(_years("lait_sen", frame[shape.period]))
    frame = frame.rename(columns={shape.measure: "measure", shape.value: "text", shape.period: "period"})
    return pd.DataFrame(_numbers("lait_sen", frame)[["kind", "la_code", "year", "measure", "value"]])


# Neighbours, inspections, support -------------------------------------------------------------------------------------------------


def neighbours(read: Reader, notes: list[dict[str, str]]) -> pd.DataFrame:
    """DfE statistical neighbours: la_code, rank (1 nearest to 10), neighbour_la_code, closeness."""
    frame = read("statistical_neighbours")
    missing = {"la_number", "rank", "neighbour_la_number", "closeness"} - set(frame.columns)
    if missing:
        raise AssessError(f"statistical_neighbours: no column {sorted(missing)[0]!r}; found {', '.join(frame.columns)}.")
    numbers = {c.dfe_number: c.la_code for c in councils.listed()}
    old = {n: p for p in councils.predecessors() for n in p.numbers}
    for column in ("la_number", "neighbour_la_number"):
        unknown = set(frame[column].astype(str)) - set(numbers) - set(old)
        if unknown:
            raise AssessError(f"statistical_neighbours: unknown DfE number {sorted(unknown)[0]!r} in {column}.")
    gone = frame["la_number"].isin(old) | frame["neighbour_la_number"].isin(old)
    if gone.any():
        named = sorted({old[n].name for c in ("la_number", "neighbour_la_number") for n in frame[c] if n in old})
        notes.append(note("reorganised councils", "statistical_neighbours", "neighbours", "dropped", f"{int(gone.sum())} rows naming {', '.join(named)}"))
    out = frame[~gone].assign(
        la_code=frame["la_number"].map(numbers), neighbour_la_code=frame["neighbour_la_number"].map(numbers), rank=frame["rank"].astype(int)
    )
    return out.sort_values(["la_code", "rank"])[["la_code", "rank", "neighbour_la_code", "closeness"]].reset_index(drop=True)


INSPECTION_OUTCOMES = {1: "typically positive experiences and outcomes", 2: "inconsistent experiences and outcomes", 3: "widespread or systemic failings"}


def inspections(read: Reader, notes: list[dict[str, str]]) -> pd.DataFrame:
    """Area SEND inspections under both frameworks, one row each: la_code, la_name, framework ("2016" or "2023"), start_date, year
    (of the start, or of publication where no start is printed), published, grade, outcome, revisit_date, revisit_outcome, url.

    grade: 1 positive, 2 inconsistent, 3 systemic failings (2023); 0 no written statement of action, 1 one was required (2016).
    """
    import pandas as pd

    now, then = read("area_send_inspections_2023"), read("area_send_inspections_2016")
    rows = []
    for number, row in enumerate(now.to_dict("records"), start=2):
        place = _inspected("area_send_inspections_2023", number, row["ltla23cd"], row["la_code"], row["local_authority"], notes)
        grade = str(row["outcome_grade"]).strip()
        if place is None:
            continue
        if grade not in ("1", "2", "3", "1.0", "2.0", "3.0"):
            notes.append(note("inspections", "area_send_inspections_2023", "inspections", "dropped", f"{councils.get(place).la_name}: no outcome printed"))
            continue
        value = int(float(grade))
        start, published = _day(row["inspection_start_date"]), _day(row["publication_date"])
        rows.append({"la_code": place, "framework": "2023", "start_date": start, "published": published, "grade": value,
                     "outcome": INSPECTION_OUTCOMES[value], "revisit_date": "", "revisit_outcome": "", "url": row["inspection_url"]})  # fmt: skip
    for number, row in enumerate(then.to_dict("records"), start=2):
        place = _inspected("area_send_inspections_2016", number, row["Local authority code"], "", row["Area name"], notes)
        if place is None:
            continue
        needed = str(row["Inspection outcome: written statement of action required?"]).strip()
        revisit = str(row["Revisit outcome: sufficient progress in addressing all significant weaknesses?"]).strip()
        if needed not in ("Yes", "No"):
            raise AssessError(f"area_send_inspections_2016, row {number}: statement of action is {needed!r}; expected Yes or No.")
        rows.append({"la_code": place, "framework": "2016", "start_date": _day(row["Inspection start date"]),
                     "published": _day(row["Inspection publication date"]), "grade": int(needed == "Yes"),
                     "outcome": "written statement of action required" if needed == "Yes" else "no written statement of action",
                     "revisit_date": _day(row["Revisit start date"]), "revisit_outcome": revisit, "url": ""})  # fmt: skip
    table = pd.DataFrame(rows)
    table["year"] = [int((a or b)[:4]) for a, b in zip(table["start_date"], table["published"], strict=True)]
    table["la_name"] = table["la_code"].map(councils.names())
    table = table[["la_code", "la_name", "framework", "start_date", "year", "published", "grade", "outcome", "revisit_date", "revisit_outcome", "url"]]
    return table.sort_values(["la_code", "framework", "start_date"]).reset_index(drop=True)


def _inspected(resource: str, row: int, code: str, number: str, name: str, notes: list[dict[str, str]]) -> str | None:
    # The number first: the newer file gives present councils the codes of their predecessors.
    place = councils.place("", str(number), "") if number else councils.place(str(code), "", "")
    if place.kind == "council":
        return place.code
    if place.kind == "predecessor" and place.predecessor is not None:
        notes.append(note("reorganised councils", resource, "inspections", "dropped", f"{place.predecessor.name}: {place.predecessor.reason}"))
        return None
    raise AssessError(f"{resource}, row {row}: unknown local authority {name!r} ({code}).")


def _day(text: str) -> str:
    """A date as YYYY-MM-DD, from that or from DD/MM/YY(YY); empty when there is none (1900 stands for none)."""
    text = str(text).strip()
    if found := re.match(r"(\d{4})-(\d{2})-(\d{2})", text):
        year, month, day = found.groups()
    elif found := re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{2}|\d{4})", text):
        day, month, year = found[1].zfill(2), found[2].zfill(2), found[3] if len(found[3]) == 4 else f"20{found[3]}"
    else:
        return ""
    return "" if year == "1900" else f"{year}-{month}-{day}"


def support(read: Reader, notes: list[dict[str, str]]) -> pd.DataFrame:
    """Exceptional financial support and section 114 notices: la_code, la_name, kind (exceptional_support, section_114), financial_year,
    year, amount_gbp (NaN for notices), revised (the page also gives another figure), date, reason, url. Other kinds of council are left out."""
    import pandas as pd

    rows = []
    for row in read("exceptional_financial_support").to_dict("records"):
        amount = pd.to_numeric(row["amount_gbp_m_first_figure_on_page"], errors="coerce")
        rows.append({"name": row["council"], "code": "", "kind": "exceptional_support", "financial_year": row["financial_year"],
                     "amount_gbp": amount * 1e6, "revised": str(row["page_also_gives_a_revised_figure"]) == "True", "date": "", "reason": "", "url": ""})  # fmt: skip
    for row in read("section_114_notices").to_dict("records"):
        rows.append({"name": row["la_name"], "code": "", "kind": "section_114", "financial_year": row["financial_year"], "amount_gbp": float("nan"),
                     "revised": False, "date": row["notice_date"], "reason": row["reason"], "url": row["evidence_url"]})  # fmt: skip
    table = pd.DataFrame(rows)
    table["la_code"] = [councils.place("", "", n).code for n in table["name"]]
    outside = sorted(set(table.loc[table["la_code"] == "", "name"]))
    notes.append(note("councils", "exceptional_financial_support", "support", "dropped", f"not one of the {councils.COUNT} councils: {', '.join(outside)}"))
    table = table[table["la_code"] != ""].copy()
    table["year"] = [year_of(y) for y in table["financial_year"]]
    table["la_name"] = table["la_code"].map(councils.names())
    columns = ["la_code", "la_name", "kind", "financial_year", "year", "amount_gbp", "revised", "date", "reason", "url"]
    return table.sort_values(["kind", "la_code", "year"])[columns].reset_index(drop=True)
