"""Whether new data may replace old without a person looking: the schema, the areas, the periods and the totals."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.differences import (
    AREA,
    MEASURE,
    PERIOD,
    catalogue,
    first,
    keys_of,
    match_rows,
    one_path,
    read_table,
    values_of,
)
from helpers.errors import AssessError

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 20  # a total over fewer values than this may well move; its rows are listed, not stopped
JUMP = 3.0  # a new period whose typical value is this many times its predecessor's (or a third) is a change of unit
SLIP, LARGE = 10.0, 100  # a revision by this factor, of values of at least this size, is a slipped decimal point
LOST = 5.0  # per cent of rows that may disappear


@dataclass
class Problem:
    """One reason why a person must look, in words and with the figures."""

    resource: str
    rule: str
    found: str
    expected: str

    def sentence(self) -> str:
        """The problem as one sentence."""
        return f"{self.resource}: {self.rule}: found {self.found}; expected {self.expected}."


def _fields(resource: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item.get("type", "any") for item in (resource.get("schema") or {}).get("fields", [])}


def screen(before: Path, after: Path, names: list[str], bound: float, today: date | None = None) -> list[Problem]:
    """Compare the named resources of two folders of raw data; an empty list means the new ones may be used."""
    old, new = catalogue(before), catalogue(after)
    problems = []
    for name in names:
        if name not in new:
            problems.append(Problem(name, "the table is gone", "no table", "the table of the last vintage"))
            continue
        if name not in old:
            continue
        first, second = one_path(before, old[name]), one_path(after, new[name])
        if first.is_file() and second.is_file() and first.read_bytes() == second.read_bytes():
            continue
        was, now = _fields(old[name]), _fields(new[name])
        gone = [column for column in was if column not in now]
        if gone:
            problems.append(Problem(name, "columns are gone", ", ".join(gone), ", ".join(was)))
        changed = [f"{key} is {now[key]}, was {was[key]}" for key in was if key in now and now[key] != was[key]]
        if changed:
            problems.append(Problem(name, "columns changed their type", "; ".join(changed), "the same types"))
        if gone or changed:
            continue
        try:
            tables = read_table(first), read_table(second)
        except AssessError:
            continue
        problems += screen_tables(name, *tables, bound=bound, schema=new[name].get("schema"), today=today)
    return problems


def screen_tables(
    name: str,
    before: pd.DataFrame,
    after: pd.DataFrame,
    bound: float,
    schema: dict[str, Any] | None = None,
    today: date | None = None,
) -> list[Problem]:
    """The rules, for one table whose columns have not gone or changed type."""
    import pandas as pd

    shared = [column for column in before.columns if column in after.columns]
    values = values_of(before[shared], schema)
    keys = keys_of(before[shared], schema)
    area, period, measure = first(shared, AREA), first(shared, PERIOD), first(shared, MEASURE)
    code = first(shared, ("la_code", "new_la_code", "ons_code", "la_number", "LA Number", "old_la_code", "code"))
    label = first(shared, ("la_name", "la_and_regions", "LA and Regions", "name"))
    problems = []

    def stop(rule: str, found: str, expected: str) -> None:
        problems.append(Problem(name, rule, found, expected))

    if not keys or not values:
        if len(after) < len(before) * (1 - LOST / 100):
            stop("rows are gone", f"{len(after):,} rows", f"about {len(before):,}")
        return problems
    twins_before, twins_after = (int(frame.duplicated(keys).sum()) for frame in (before, after))
    if twins_after > twins_before:
        example = after[after.duplicated(keys)].iloc[0][keys].to_dict()
        stop("rows repeat the same key", f"{twins_after} repeats, such as {json.dumps(example)}", f"{twins_before}")
        return problems
    if code and label:
        pairs = before[[code, label]].drop_duplicates().set_index(code)[label].to_dict()
        moved = after[[code, label]].drop_duplicates()
        wrong = [
            f"{row[code]} is {row[label]}, was {pairs[row[code]]}"
            for row in moved.to_dict("records")
            if row[code] and row[code] in pairs and pairs[row[code]] != row[label]
        ]
        if wrong:
            stop("codes name other areas", "; ".join(wrong[:5]), "the same name for each code")
    if code or area:
        by = code or area
        lost = sorted(set(before[by]) - set(after[by]))
        if lost:
            stop("areas are gone", ", ".join(lost[:10]), "every area of the last vintage")
        fresh = sorted(set(after[by]) - set(before[by]) - {""})
        if fresh:
            stop("areas are new", ", ".join(fresh[:10]), "only areas of the last vintage")
    if period:
        years = pd.to_numeric(after[period].str.extract(r"(\d{4})", expand=False), errors="coerce")
        latest = (today or date.today()).year + 2
        ahead = sorted(set(after.loc[(years > latest) & ~after[period].isin(set(before[period])), period]))
        if ahead:
            stop("periods lie in the future", ", ".join(ahead), f"none after {latest}")
        # By year, not by label: a provisional year ("2024 (prov)") gives way to its final one.
        old_years = pd.to_numeric(before[period].str.extract(r"(\d{4})", expand=False), errors="coerce")
        lost_years = sorted(set(old_years.dropna()) - set(years.dropna()))
        if lost_years and max(lost_years) > years.min():
            found = ", ".join(f"{year:.0f}" for year in lost_years)
            stop("periods are gone", found, "every period but perhaps the oldest")
    merged, _ = match_rows(before[shared], after[shared], keys)
    merged = merged[merged["_merge"] != "right_only"]

    def of(column: str, side: str = "old") -> pd.Series:
        return merged[column if column in keys else f"{column}|{side}"]

    gone = merged["_merge"].eq("left_only")
    oldest = before[period].min() if period else None
    # A publisher may drop its oldest period; anything else that vanishes is counted.
    if period and oldest not in set(after[period]):
        gone &= of(period).ne(oldest)
    if gone.mean() * 100 > LOST:
        share = f"{100 * gone.mean():.1f}% of rows ({int(gone.sum()):,} of {len(merged):,})"
        stop("rows are gone", share, f"at most {LOST:.0f}%")
    for value in values:
        old, new = (pd.to_numeric(merged[f"{value}|{side}"], errors="coerce") for side in ("old", "new"))
        text = merged[f"{value}|new"].where(new.isna() & merged["_merge"].eq("both"), "")
        known = set(before[value][pd.to_numeric(before[value], errors="coerce").isna()])
        known |= set((schema or {}).get("missingValues", []))
        strange = sorted(set(text) - known - {""})
        if strange:
            stop(
                f"{value} holds something that is no number",
                ", ".join(map(repr, strange[:5])),
                "numbers or known symbols",
            )
        labels = of(measure) if measure else pd.Series(value, index=merged.index)
        # A slipped decimal point in one row is lost in a total, so it is looked for by itself.
        large = pd.concat([old, new], axis=1).abs().max(axis=1) >= LARGE
        slipped = large & (old != 0) & (new != 0) & ((new / old).abs().ge(SLIP) | (old / new).abs().ge(SLIP))
        if slipped.any():
            row = merged[slipped].iloc[0]
            which = " ".join(str(row[key]) for key in keys if row[key])
            one = f"{int(slipped.sum())} values, such as {which}: {old[slipped].iloc[0]:g} to {new[slipped].iloc[0]:g}"
            stop(f"{value} has revisions of ten times or more", one, "smaller revisions")
        held = old.notna() & new.notna()
        emptied = (old.notna() & ~new.notna() & merged["_merge"].eq("both")).groupby(labels).mean()
        for which, rate in emptied[emptied * 100 > LOST].head(5).items():
            stop(f"{which} has lost values", f"{100 * rate:.1f}% of values now missing", f"at most {LOST:.0f}%")
        totals = pd.DataFrame({"old": old[held].abs(), "new": new[held].abs(), "moved": (new - old)[held].abs()})
        totals = totals.groupby(labels[held]).agg(["sum", "count"])
        for which, row in totals.iterrows():
            base, many = row[("old", "sum")], row[("old", "count")]
            if many < FEWEST or base <= 0:
                continue
            total = 100 * (row[("new", "sum")] - base) / base
            moved = 100 * row[("moved", "sum")] / base
            if abs(total) > bound or moved > 2 * bound:
                stop(
                    f"{which} has moved" if measure else f"total of {value} has moved",
                    f"total {base:,.6g} to {row[('new', 'sum')]:,.6g} ({total:+.1f}%), sum of revisions {moved:.1f}%",
                    f"total within {bound:g}%, revisions within {2 * bound:g}%",
                )
        numbers = pd.to_numeric(after[value], errors="coerce")
        names = after[measure] if measure else pd.Series(value, index=after.index)
        earlier = pd.to_numeric(before[value], errors="coerce")
        were = (earlier < 0).groupby(before[measure] if measure else pd.Series(value, index=before.index)).any()
        are = (numbers < 0).groupby(names).any()
        for which in are[are].index:
            if which in were.index and not were[which]:
                stop(f"{which} has negative values", f"{numbers[names.eq(which)].min():g}", "none, as before")
        if period:
            problems += _jumps(name, after, numbers, names, period, set(before[period]), keys)
    return problems


def _jumps(
    name: str,
    after: pd.DataFrame,
    numbers: pd.Series,
    names: pd.Series,
    period: str,
    known: set[str],
    keys: list[str],
) -> list[Problem]:
    """New periods whose typical value, area by area, is several times that of the period before."""
    import pandas as pd

    fresh = sorted(set(after[period]) - known)
    if not fresh:
        return []
    frame = pd.DataFrame({"number": numbers, "which": names, "period": after[period], "row": ""})
    for key in keys:
        if key != period:
            frame["row"] += "|" + after[key]
    frame["row"] += "|" + frame["which"].astype(str)
    frame = frame[frame["number"] > 0].sort_values("period", kind="stable")
    problems = []
    for label in fresh:
        then = frame[frame["period"] < label].drop_duplicates("row", keep="last")
        now = frame[frame["period"] == label].drop_duplicates("row")
        both = now.merge(then, on="row", suffixes=("", "_then"))
        both["ratio"] = both["number"] / both["number_then"]
        for which, group in both.groupby("which"):
            ratio = float(group["ratio"].median())
            if len(group) >= FEWEST and not 1 / JUMP <= ratio <= JUMP:
                found = f"typically {ratio:.3g} times {group['period_then'].max()}"
                problems.append(
                    Problem(name, f"{which} jumps in {label}", found, f"between a third and {JUMP:g} times")
                )
    return problems
