"""Our totals against the publishers': stated totals, England against its councils and regions, and one publication against another."""

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


@dataclass(frozen=True)
class Total:
    """A publisher's stated total; see totals.yaml."""

    what: str
    measure: tuple[str, ...]
    year: int
    expected: float
    digits: int
    publisher: str
    group: str = ""


@cache
def totals() -> tuple[Total, ...]:
    """The publishers' totals the build must meet."""
    rows = files.read_yaml(Path(__file__).with_name("totals.yaml"))
    made = []
    for row in rows:
        names = tuple(row.pop("measure")) if isinstance(row["measure"], list) else (row.pop("measure"),)
        for name in names:
            measures.get(name)
        # YAML reads 1.735e9 as text.
        made.append(Total(**{**row, "measure": names, "expected": float(row["expected"])}))
    return tuple(made)


def _row(what: str, expected: float, found: float, source: str, explanation: str = "") -> dict[str, Any]:
    return {"what": what, "expected": float(expected), "found": float(found), "difference": float(found) - float(expected), "source": source,
            "explanation": explanation}  # fmt: skip


def stated(table: pd.DataFrame, groups: pd.Series) -> list[dict[str, Any]]:
    """Every total of totals.yaml. `table`: long rows of all areas; `groups`: group by la_code. AssessError at the first mismatch."""
    rows = []
    for total in totals():
        found = _found(total, table, groups)
        label = " / ".join(measures.get(m).title for m in total.measure)
        where = {
            "england": "England",
            "share": "England",
            "sum": "sum of councils",
            "gross": "sum of councils in deficit",
            "councils": "councils",
        }
        who = ", Safety Valve councils" if total.group == "safety_valve" else ""
        what = f"{label}, {total.year}, {where[total.what]}{who}"
        source = measures.get(total.measure[0]).source
        if found is None or round(found, total.digits) != round(float(total.expected), total.digits):
            shown = "nothing" if found is None else f"{found:,.10g}"
            raise AssessError(
                f"{source}: {what} is {shown}; the publisher's total is {total.expected:,.10g} ({total.publisher})."
            )
        rows.append(_row(what, total.expected, found, source, total.publisher))
    return rows


def _found(total: Total, table: pd.DataFrame, groups: pd.Series) -> float | None:
    rows = table[(table["measure"] == total.measure[0]) & (table["year"] == total.year) & table["value"].notna()]
    if total.group:
        rows = rows[rows["la_code"].map(groups) == total.group]
    if total.what in ("england", "share"):
        england = table[(table["kind"] == "england") & (table["year"] == total.year)].set_index("measure")["value"]
        if any(name not in england.index for name in total.measure):
            return None
        if total.what == "england":
            return float(england[total.measure[0]])
        return 100 * float(england[total.measure[0]]) / float(england[total.measure[1]])
    rows = rows[rows["kind"].isin(["council", "predecessor"])]
    if total.what == "councils":
        return float(len(rows))
    values = rows["value"].clip(lower=0) if total.what == "gross" else rows["value"]
    return float(values.sum()) if len(rows) else None


def national(published: pd.DataFrame) -> list[dict[str, Any]]:
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
