"""Publishers' tables as long rows: which area, measure and year a figure is about, its value, or the reason there is none."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from helpers import councils, layouts, measures
from helpers.errors import AssessError
from helpers.quality import note

if TYPE_CHECKING:
    import pandas as pd

SYMBOLS = {
    "z": "z",
    "x": "x",
    "c": "c",
    "u": "u",
    "low": "low",
    ":": ":",
    "..": ":",
    "-": ":",
    "": ":",
    "~": "c",
    "NA": ":",
}
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
    """Which columns of a resource say what a row is about: `about` in its entry in `helpers/layouts/*.yaml`.

    `code`, `number`, `name` and `level` are the columns of the area's ONS code, DfE number, name and geographic level (empty:
    none); `period` that of the year. `rows` keeps only rows whose column starts with one of some texts; `measure` names the
    column that holds the measure when the resource is long, `value` the one that holds its value; `misprinted` a column of
    DfE numbers that is not to be trusted and only compared; `fixed_period` the period of a file about one, which has no
    column of it; `ages` the counts of a resource with a row for each year of age, added up to AGE_BANDS.
    """

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


def shape_of(resource: str) -> Shape:
    """How a resource's rows are read: what its entry in `helpers/layouts/*.yaml` says under `about`.

    Raises AssessError when there is no such resource, when it says nothing about its rows, or says what no Shape has.
    """
    known = layouts.known().resources
    if resource not in known:
        close = difflib.get_close_matches(resource, known, n=1, cutoff=0.5)
        raise AssessError(
            f"No resource is called {resource!r} in src/helpers/layouts.{f' Did you mean {close[0]}?' if close else ''}"
        )
    told = dict(known[resource].about)
    if not told:
        raise AssessError(
            f"{resource} has no `about` in src/helpers/layouts: expected which columns say what a row is about, "
            "such as {code: new_la_code, period: time_period} (docs/layouts.md)."
        )
    allowed = [f.name for f in fields(Shape)]
    for key in told:
        if key not in allowed:
            raise AssessError(
                f"{resource}: `about` has an unknown word {key!r}; expected some of {', '.join(allowed)}."
            )
    rows = {column: tuple(starts) for column, starts in told.pop("rows", {}).items()}
    return Shape(rows=rows, ages=tuple(told.pop("ages", ())), **told)


def sources_of_measures() -> list[str]:
    """The resources that measures are read from, in the order of the layout files.

    Raises AssessError for a measure whose source is no resource, or one that does not say what its rows are about.
    """
    used = {m.source for m in measures.listed().values() if m.way in ("column", "item")}
    for source in sorted(used):
        shape_of(source)
    return [name for name in layouts.known().resources if name in used]


def year_of(period: str) -> int:
    """The calendar year in which a publisher's period ends: 2024 -> 2024, 202425 and 2024-25 (OT) -> 2025."""
    text = re.sub(r" \((OT|Rev|Final|prov)\)$", "", str(period).strip())
    if re.fullmatch(r"\d{4}", text):
        return int(text)
    found = re.fullmatch(r"(\d{4})[-/]?(\d{2})", text)
    if not found or (int(found[1]) + 1) % 100 != int(found[2]):
        raise AssessError(f"period {text!r} is not a year, an academic year or a financial year")
    return int(found[1]) + 1


def published(resource: str, frame: pd.DataFrame, notes: list[dict[str, str]]) -> pd.DataFrame:
    """One resource as long rows: la_code, kind (council, region, england, predecessor), name, measure, period, year, value, symbol.

    `notes` collects what was recoded and skipped. Raises AssessError for a missing column, an unknown area, a period or a number
    that cannot be read, or a second row for one area, measure and period.
    """
    import pandas as pd

    shape = shape_of(resource)
    period = "period" if shape.fixed_period else shape.period
    wanted = measures.made_from(resource)
    needed = {c for c in (shape.code, shape.number, shape.name, shape.level, shape.measure, shape.value) if c} | (
        set() if shape.fixed_period else {period}
    )
    needed |= (
        set(shape.rows)
        | {m.of.split("|")[0] for m in wanted if m.way == "column"}
        | ({"breakdown"} if shape.ages else set())
    )
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
        raise AssessError(
            f"{resource}: no rows left to read; expected {next(iter(shape.rows.values()), ('some',))[0]!r} rows."
        )
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
        raise AssessError(
            f"{resource}: {row.place_name} has {len(twice[(twice[keys] == row[keys]).all(axis=1)])} rows for {row.measure} in {row.period}; expected one."
        )
    return long[[*keys, "period", "value", "symbol"]].assign(source=resource)


AGE_BANDS = {
    "under_5": range(0, 5),
    "5_to_10": range(5, 11),
    "11_to_15": range(11, 16),
    "16_to_19": range(16, 20),
    "20_to_25": range(20, 26),
}


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
    place = [
        c
        for c in (
            "time_period",
            "geographic_level",
            "region_code",
            "region_name",
            "new_la_code",
            "old_la_code",
            "la_name",
        )
        if c in frame
    ]
    parts = []
    for column in columns:
        text = frame[column].str.strip()
        number = pd.to_numeric(text.where(~text.isin(list(SYMBOLS))), errors="coerce")
        bad = number.isna() & ~text.isin(list(SYMBOLS))
        if bad.any():
            row = frame[bad].iloc[0]
            raise AssessError(
                f"{resource}: {column} of {row.la_name or row.region_code}, {row.breakdown}, {row.time_period} is {row[column]!r}; expected a number."
            )
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
    # As plain text: pandas gives its own strings out one by one slowly.
    keys = list(zip(*(asked[part].to_numpy(dtype=object) for part in asked), strict=True))
    found: dict[tuple[str, str, str], councils.Place] = {}
    for key in dict.fromkeys(keys):
        place = councils.place(*key)
        if place.kind == "unknown":
            row = asked.index[keys.index(key)]
            raise AssessError(
                f"{resource}, row {int(row) + 2}: unknown local authority {' '.join(k for k in key if k)!r}; "
                f"expected one of the {councils.COUNT} councils, a region, England or a council in reorganisations.yaml."
            )
        found[key] = place
    places = [found[key] for key in keys]
    out = frame.copy()
    out["kind"] = [p.kind for p in places]
    out["la_code"] = [p.code for p in places]
    names = councils.names() | councils.REGIONS | {councils.ENGLAND: "England"}
    out["place_name"] = [
        names.get(p.code) or (p.predecessor.name if p.predecessor else n)
        for p, (_, _, n) in zip(places, keys, strict=True)
    ]
    if shape.misprinted:
        printed = frame[shape.misprinted].str.strip()
        numbers = {c.la_code: c.dfe_number for c in councils.listed()}
        odd = {
            f"{n} has {given}, expected {numbers[c]}"
            for c, n, given in zip(out["la_code"], name, printed, strict=True)
            if c in numbers and given and given != numbers[c]
        }
        if odd:
            notes.append(
                note(
                    "council codes",
                    resource,
                    "council_year",
                    "explained",
                    f"wrong DfE numbers, so joined by name: {'; '.join(sorted(odd))}",
                )
            )
    rows_of: dict[str, list[int]] = {}
    for i, p in enumerate(places):
        if p.predecessor is not None:
            rows_of.setdefault(p.predecessor.name, []).append(i)
    for old in councils.predecessors():
        rows = rows_of.get(old.name)
        if not rows:
            continue
        periods = sorted(set(out["period" if shape.fixed_period else shape.period].iloc[rows]))
        span = periods[0] if len(periods) == 1 else f"{periods[0]} to {periods[-1]}"
        outcome = "recoded" if old.action == "recode" else "dropped"
        target = f", now {councils.get(old.successors[0]).la_name}" if outcome == "recoded" else ""
        notes.append(
            note("reorganised councils", resource, "council_year", outcome, f"{old.name}, {span}{target}: {old.reason}")
        )
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


def tool_items(read: Reader, items: list[str]) -> pd.DataFrame:
    """The interactive tool's items that repeat figures of another publication, long, under their own names."""
    import pandas as pd

    shape = shape_of("lait_sen")
    frame = read("lait_sen").astype("string").fillna("")
    frame = frame[frame[shape.measure].isin(items) & ~frame[shape.name].isin(NOT_AREAS)]
    frame = _with_places("lait_sen", frame, shape, [])
    frame["year"] = frame[shape.period].map(_years("lait_sen", frame[shape.period]))
    frame = frame.rename(columns={shape.measure: "measure", shape.value: "text", shape.period: "period"})
    return pd.DataFrame(_numbers("lait_sen", frame)[["kind", "la_code", "year", "measure", "value"]])
