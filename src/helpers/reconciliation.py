"""Our totals against the publishers': stated totals, England against its councils and regions, and one publication against another.

Counts must add up; a rate must lie between its parts, and be what its own counts give.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import councils, files, measures
from helpers.errors import AssessError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["what", "expected", "found", "difference", "source", "explanation"]
# Counts and money add up over councils; shares and rates do not.
ADDITIVE = ("requests", "plans", "assessments", "cases", "appeals", "decisions", "gbp")
# The same figure in two publications: measure here, item of the interactive tool, largest difference that rounding explains.
PAIRS = (
    ("requests", "SEN_INIT_REQ", 0.0),
    ("refusal_to_assess_sen2", "EHCP_Initial_req_refused", 0.0501),
    ("new_plans", "SEN_CASES_DUR_YEAR", 0.0),
    ("plans", "SEN_CASES_JAN", 0.0),
    ("ceased_plans", "SEN_TOT_CEASED_EHC_PLAN", 0.0),
    ("timeliness_sen2", "SEN_EHC_Excpt_20wks", 0.0),
    ("appeal_rate", "SEN_AppealableDec", 0.0501),
)


# Rates whose two counts are measures too: rate, numerator, denominator. All are printed to 0.1.
RATIOS = (
    ("refusal_to_assess", "refusals", "requests"),
    ("appeal_rate", "appeals", "appealable_decisions"),
)


@dataclass(frozen=True)
class Total:
    """A publisher's stated total; see totals.yaml. One with `seen`, where it was copied, may be revised by its publisher later."""

    what: str
    measure: tuple[str, ...]
    year: int
    expected: float
    digits: int
    publisher: str
    group: str = ""
    seen: str = ""

    def named(self, years: str) -> str:
        """What it is a total of, for a reader, with the years given."""
        where = {"sum": "sum of councils", "gross": "sum of councils in deficit", "councils": "councils"}
        who = ", Safety Valve councils" if self.group == "safety_valve" else ""
        titles = " / ".join(measures.get(name).title for name in self.measure)
        return f"{titles}, {years}, {where.get(self.what, 'England')}{who}"

    @property
    def label(self) -> str:
        """What it is a total of, for a reader."""
        return self.named(str(self.year))

    def met_by(self, found: float) -> bool:
        """Whether a figure of ours rounds to this one; of a copied one, also when ours was already rounded to one digit more."""
        if not self.seen:
            return round(found, self.digits) == round(self.expected, self.digits)
        return abs(found - self.expected) <= 0.55 * 10.0**-self.digits + 1e-9


@cache
def totals() -> tuple[Total, ...]:
    """The publishers' totals, one for each year. AssessError for a measure that does not exist."""
    rows = files.read_yaml(Path(__file__).with_name("totals.yaml"))
    made = []
    for row in rows:
        names = tuple(row["measure"]) if isinstance(row["measure"], list) else (row["measure"],)
        for name in names:
            measures.get(name)
        rest = {key: value for key, value in row.items() if key not in ("years", "year", "expected", "measure")}
        for year, expected in row.get("years", {row.get("year"): row.get("expected")}).items():
            # YAML reads 1.735e9 as text.
            made.append(Total(measure=names, year=int(year), expected=float(expected), **rest))
    return tuple(made)


def _row(what: str, expected: float, found: float, source: str, explanation: str = "") -> dict[str, Any]:
    return {"what": what, "expected": float(expected), "found": float(found), "difference": float(found) - float(expected), "source": source,
            "explanation": explanation}  # fmt: skip


def stated(table: pd.DataFrame, groups: pd.Series) -> list[dict[str, Any]]:
    """Every total of totals.yaml beside ours. `table`: long rows of all areas; `groups`: group by la_code.

    AssessError at the first mismatch of a total without `seen`. One with it is left out where the data lack it, and where they
    differ the row says so: publishers revise earlier years.
    """
    known = table[table["value"].notna()]
    held = {str(name): part for name, part in known.groupby("measure", sort=False)}
    national = known[known["kind"] == "england"].groupby("year")
    england = {year: part.set_index("measure")["value"] for year, part in national}
    rows = []
    for total in totals():
        if total.what in ("england", "share"):
            found = _england(total, england.get(total.year, known["value"].iloc[:0]))
        else:
            found = _summed(total, held.get(total.measure[0], known.iloc[:0]), groups)
        source = measures.get(total.measure[0]).source
        if total.seen and found is None:
            continue
        if not total.seen and (found is None or not total.met_by(found)):
            shown = "nothing" if found is None else f"{found:,.10g}"
            raise AssessError(
                f"{source}: {total.label} is {shown}; the publisher's total is {total.expected:,.10g} ({total.publisher})."
            )
        assert found is not None
        rows.append(_row(total.label, total.expected, found, source, total.publisher))
    return rows


def _summed(total: Total, rows: pd.DataFrame, groups: pd.Series) -> float | None:
    """A total over councils, from the rows of its measure; None when there are none to add up."""
    rows = rows[(rows["year"] == total.year) & rows["kind"].isin(["council", "predecessor"])]
    if total.group:
        rows = rows[rows["la_code"].map(groups) == total.group]
    if total.what == "councils":
        return float(len(rows))
    values = rows["value"].clip(lower=0) if total.what == "gross" else rows["value"]
    return float(values.sum()) if len(rows) else None


def _england(total: Total, england: pd.Series) -> float | None:
    """England's figure, or the share that two of them make; a sum or a share of other measures is made from its parts."""
    measure = measures.get(total.measure[0])
    if total.what == "share":
        above, below, per = total.measure[:1], total.measure[1:], 100.0
    elif measure.way == "ratio":
        above, below, per = tuple(measure.of["numerator"]), tuple(measure.of["denominator"]), float(measure.of["per"])
    else:
        above, below, per = measure.parts if measure.way == "sum" else total.measure, (), 1.0
    if any(part not in england.index for name in (*above, *below) for part in _parts(name)):
        return None
    value = per * sum(float(england[part]) for name in above for part in _parts(name))
    return value / sum(float(england[part]) for name in below for part in _parts(name)) if below else value


def _parts(name: str) -> tuple[str, ...]:
    """A measure, or the measures it is the sum of."""
    measure = measures.get(name)
    return measure.parts if measure.way == "sum" else (name,)


def national(published: pd.DataFrame) -> list[dict[str, Any]]:
    """Counts and rates of England against those of its councils and regions: `counts`, `rates`, `ratios`. `published`: long rows as read."""
    return counts(published) + rates(published) + ratios(published)


OUTSIDE = "years in which England is outside its regions, or a region outside its councils"


def rates(published: pd.DataFrame) -> list[dict[str, Any]]:
    """England's rates against its regions', and theirs against their councils': an average lies between the lowest and the highest.

    One row for each rate that a file prints for England and all regions (for a region that it leaves out, the councils stand in): in
    how many years one is outside, which must be none (AssessError).
    """
    import pandas as pd

    wanted = [m.name for m in measures.listed().values() if m.way in ("column", "item") and m.unit not in ADDITIVE]
    rows = published[published["measure"].isin(wanted) & published["value"].notna()]
    local = rows[rows["kind"] == "council"]
    local = local.assign(region=local["la_code"].map({c.la_code: c.region_code for c in councils.listed()}))
    regions = rows[rows["kind"] == "region"].assign(region=lambda frame: frame["la_code"])
    keys = ["measure", "year", "region"]
    unprinted = local[~pd.MultiIndex.from_frame(local[keys]).isin(pd.MultiIndex.from_frame(regions[keys]))]
    parts = pd.concat([regions, unprinted]).assign(whole=councils.ENGLAND)
    covered = parts.groupby(["measure", "year"])["region"].nunique() == len(councils.REGIONS)
    span = (
        pd.concat([parts, local.assign(whole=local["region"])])
        .groupby(["measure", "year", "whole"])["value"]
        .agg(["min", "max"])
    )
    wholes = rows[rows["kind"].isin(["england", "region"])].assign(whole=lambda frame: frame["la_code"])
    wholes = wholes.join(span, on=["measure", "year", "whole"], how="inner")
    wholes = wholes.join(covered.rename("covered"), on=["measure", "year"])
    wholes = wholes[wholes["covered"].eq(True)]
    outside = wholes[(wholes["value"] < wholes["min"] - 1e-9) | (wholes["value"] > wholes["max"] + 1e-9)]
    for row in outside.itertuples():
        measure = measures.get(row.measure)
        raise AssessError(
            f"{measure.source}: {measure.title}, {row.year}: the row of {row.place_name} says {row.value:,.10g}; "
            f"its parts run from {row.min:,.10g} to {row.max:,.10g}."
        )
    years = wholes[wholes["kind"] == "england"].groupby("measure")["year"].agg(["min", "max", "count"])
    made = []
    for name in (name for name in wanted if name in years.index):
        measure, (first, last, number) = measures.get(name), years.loc[name]
        what = f"{measure.title}, {first} to {last}, {OUTSIDE}"
        made.append(_row(what, 0, 0, measure.source, _years(number)))
    return made


def _years(number: int) -> str:
    return f"{number} year{'s' if number > 1 else ''}"


def ratios(published: pd.DataFrame) -> list[dict[str, Any]]:
    """England's printed rates against the counts that stand beside them: the largest difference, which must be rounding (AssessError)."""
    england = published[(published["kind"] == "england") & published["value"].notna()]
    wide = england.pivot(index="year", columns="measure", values="value")
    made = []
    for name, above, below in RATIOS:
        if not {name, above, below} <= set(wide.columns):
            continue
        years = wide[[name, above, below]].dropna()
        gap = (years[name] - 100 * years[above] / years[below]).abs()
        measure = measures.get(name)
        if gap.max() > 0.0501:
            year = int(gap.idxmax())
            raise AssessError(
                f"{measure.source}: {measure.title}, {year}: England's own row says {years[name][year]:,.10g}; its counts give "
                f"{100 * years[above][year] / years[below][year]:,.10g}."
            )
        what = f"{measure.title}, {years.index.min()} to {years.index.max()}, England's rate against its counts, largest difference"
        made.append(_row(what, 0, gap.max(), measure.source, f"{_years(len(years))}, differences are rounding"))
    return made


def counts(published: pd.DataFrame) -> list[dict[str, Any]]:
    """England's row against the sum of its councils (predecessors included) and of its regions, for every count and year that has one.

    The sums may fall short only where a council has no figure of its own that year; AssessError otherwise. `published`: long rows
    as read, before anything was dropped.
    """
    import pandas as pd

    wanted = [m.name for m in measures.listed().values() if m.way in ("column", "item") and m.unit in ADDITIVE]
    rows = published[published["measure"].isin(wanted)]
    keys = ["measure", "year"]
    england = rows[(rows["kind"] == "england") & rows["value"].notna()].set_index(keys)["value"]
    local = rows[rows["kind"].isin(["council", "predecessor"])]
    regions = rows[rows["kind"] == "region"]
    table = pd.DataFrame(
        {"england": england, "councils": local.groupby(keys)["value"].sum(), "regions": regions.groupby(keys)["value"].sum(),
         "region_rows": regions.groupby(keys)["value"].count()}
    ).loc[england.index]  # fmt: skip
    made = []
    for (name, year), row in table.iterrows():
        measure = measures.get(name)
        slack = 1.0 if measure.unit == "gbp" else 0.0
        what = f"{measure.title}, {year}, councils against England"
        short = row["councils"] - row["england"]
        explanation = ""
        if abs(short) > slack:
            without = _without(local, name, int(year))
            if short > 0 or not without:
                raise AssessError(
                    f"{measure.source}: {measure.title}, {year}: councils add up to {row['councils']:,.10g}; England's own row says {row['england']:,.10g}."
                )
            explanation = f"in England's figure but without one of their own: {', '.join(without)}"
        made.append(_row(what, row["england"], row["councils"], measure.source, explanation))
        if row["region_rows"] == len(councils.REGIONS):
            if abs(row["regions"] - row["england"]) > max(slack, 9 * slack):
                raise AssessError(
                    f"{measure.source}: {measure.title}, {year}: regions add up to {row['regions']:,.10g}; England's own row says {row['england']:,.10g}."
                )
            made.append(
                _row(
                    f"{measure.title}, {year}, regions against England", row["england"], row["regions"], measure.source
                )
            )
    return made


def _without(local: pd.DataFrame, name: str, year: int) -> list[str]:
    """Present councils without a figure of their own, leaving out those whose predecessor has one."""
    rows = local[(local["measure"] == name) & (local["year"] == year) & local["value"].notna()]
    have = set(rows["la_code"])
    old = set(rows.loc[rows["kind"] == "predecessor", "place_name"])
    for predecessor in councils.predecessors():
        if predecessor.name in old:
            have |= set(predecessor.successors)
    return [title for code, title in councils.names().items() if code not in have]


def between(published: pd.DataFrame, tool: pd.DataFrame) -> list[dict[str, Any]]:
    """Figures that stand in two publications: the largest difference over councils and years, and how many rounding cannot explain.

    Councils may differ while one publication is newer than the other; England may not: AssessError. `published`: long rows as read; `tool`: the same for the items of the interactive tool, its item names as measures.
    """
    keys = ["kind", "la_code", "year"]
    made = []
    for name, item, most in PAIRS:
        ours = published[(published["measure"] == name) & published["kind"].isin(["council", "england"])]
        theirs = tool[(tool["measure"] == item) & tool["kind"].isin(["council", "england"])]
        both = ours.merge(theirs, on=keys, suffixes=("", "_tool"))
        both = both[both["value"].notna() & both["value_tool"].notna()]
        if both.empty:
            continue
        gap = (both["value"] - both["value_tool"]).abs()
        apart = both[gap > most + 1e-9]
        measure = measures.get(name)
        for row in apart[apart["kind"] == "england"].itertuples():
            raise AssessError(
                f"{measure.source} and lait_sen: {measure.title}, England, {row.year} is {row.value:,.10g} in one and "
                f"{row.value_tool:,.10g} ({item}) in the other."
            )
        why = f"{len(both)} figures in both"
        if len(apart):
            worst = both.loc[gap.idxmax()]
            why += (
                f", {len(apart)} differ by more than rounding, the most {worst['place_name']}, {worst['year']}: "
                f"{worst['value']:,.10g} here, {worst['value_tool']:,.10g} in the tool"
            )
        elif gap.max():
            why += ", differences are rounding"
        made.append(
            {"what": f"{measure.title}: interactive tool ({item}) against {measure.source}, largest difference", "expected": 0.0,
             "found": float(gap.max()), "difference": float(gap.max()), "source": f"lait_sen, {measure.source}",
             "explanation": why}
        )  # fmt: skip
    return made
