"""What is wrong with the figures, and what is done about it: an explicit list of errors, and areas that were not there yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import councils, files, measures
from helpers.errors import AssessError

if TYPE_CHECKING:
    import pandas as pd


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
    limits = [
        first_valid_year(changed[c], kinds[m]) if c in changed else 0
        for c, m in zip(long["la_code"].tolist(), long["measure"].tolist(), strict=True)
    ]
    early = long["year"] < limits
    shown = long[early & long["value"].notna()]
    for (code, source), rows in shown.groupby(["la_code", "source"]):
        span = (
            f"{rows['year'].min()} to {rows['year'].max()}" if rows["year"].nunique() > 1 else f"{rows['year'].min()}"
        )
        name = councils.get(code).la_name
        notes.append(
            note("reorganised councils", source, "council_year", "dropped",
                 f"{name}, {span}: formed on 1 April {changed[code]}, so earlier figures under its name are for another area"
                 f" ({', '.join(sorted(rows['measure'].unique()))})")
        )  # fmt: skip
    return long[~early]


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
    made = []
    for row in files.read_yaml(Path(__file__).with_name("known_errors.yaml")):
        given = row["measure"] if isinstance(row["measure"], list) else [row["measure"]]
        names = tuple(
            name
            for text in given
            for name in ([m for m in measures.listed() if fnmatch(m, text)] or [measures.get(text).name])
        )
        values = row.get("values", {})
        if row["action"] not in ("correct", "drop", "keep") or (row["action"] == "correct") != bool(values):
            raise AssessError(f"known_errors.yaml, {names[0]}: action {row['action']!r} does not fit its values.")
        if values and sum(values.values()) != row["total"]:
            raise AssessError(
                f"known_errors.yaml, {names[0]}: values add up to {sum(values.values())}; expected {row['total']}."
            )
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
        hit = (
            long["measure"].isin(error.measures)
            & long["year"].isin(error.years)
            & long["la_code"].isin(error.areas)
            & long["value"].notna()
        )
        if error.found is not None:
            hit &= long["value"] == error.found
        source = measures.get(error.measures[0]).source
        names = ", ".join(councils.get(a).la_name for a in error.areas)
        years = (
            " and ".join(map(str, error.years)) if len(error.years) < 3 else f"{error.years[0]} to {error.years[-1]}"
        )
        what = f"{', '.join(error.measures)}, {years}, {names}: {error.reason}"
        if not hit.any():
            notes.append(
                note("known errors", source, "council_year", "noted", f"no longer in the file, so nothing done. {what}")
            )
            continue
        if error.action == "correct":
            long.loc[hit, "value"] = long.loc[hit, "la_code"].map(error.values).astype("float64")
        elif error.action == "drop":
            long.loc[hit, "value"] = float("nan")
            long.loc[hit, "symbol"] = "u"
        outcome = {"correct": "corrected", "drop": "dropped", "keep": "noted"}[error.action]
        notes.append(note("known errors", source, "council_year", outcome, f"{_figures(int(hit.sum()))}. {what}"))
    return long
