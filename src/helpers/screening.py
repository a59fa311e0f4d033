"""Whether new data may replace old without a person looking: the schema, the areas, the periods and the totals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
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


@dataclass(frozen=True)
class _Pair:
    """Two vintages of one table: the columns they share and what those columns are for.

    values: columns of figures; keys: the columns that tell rows apart; area, period, measure, code, label: the first column
    of that kind, or None. matched: rows of the earlier one beside their successors, figures as `VALUE|old` and `VALUE|new`.
    """

    name: str
    before: pd.DataFrame
    after: pd.DataFrame
    bound: float
    schema: dict[str, Any]

    @cached_property
    def shared(self) -> list[str]:
        return [column for column in self.before.columns if column in self.after.columns]

    @cached_property
    def values(self) -> list[str]:
        return values_of(self.before[self.shared], self.schema)

    @cached_property
    def keys(self) -> list[str]:
        return keys_of(self.before[self.shared], self.schema)

    @property
    def area(self) -> str | None:
        return first(self.shared, AREA)

    @property
    def period(self) -> str | None:
        return first(self.shared, PERIOD)

    @property
    def measure(self) -> str | None:
        return first(self.shared, MEASURE)

    @property
    def code(self) -> str | None:
        return first(
            self.shared, ("la_code", "new_la_code", "ons_code", "la_number", "LA Number", "old_la_code", "code")
        )

    @property
    def label(self) -> str | None:
        return first(self.shared, ("la_name", "la_and_regions", "LA and Regions", "name"))

    @cached_property
    def matched(self) -> pd.DataFrame:
        merged, _ = match_rows(self.before[self.shared], self.after[self.shared], self.keys)
        return merged[merged["_merge"] != "right_only"]

    def old(self, column: str) -> pd.Series:
        """A column of the matched rows as it was."""
        return self.matched[column if column in self.keys else f"{column}|old"]

    def names(self, frame: pd.DataFrame, value: str) -> pd.Series:
        """What each row's figure is called: its measure, or the column when the table has a column for each."""
        import pandas as pd

        return frame[self.measure] if self.measure else pd.Series(value, index=frame.index)

    def problem(self, rule: str, found: str, expected: str) -> Problem:
        """A rule that the table breaks."""
        return Problem(self.name, rule, found, expected)


def screen_tables(
    name: str,
    before: pd.DataFrame,
    after: pd.DataFrame,
    bound: float,
    schema: dict[str, Any] | None = None,
    today: date | None = None,
) -> list[Problem]:
    """The rules, for one table whose columns have not gone or changed type.

    before, after: two vintages, all columns as text; bound: per cent by which a total may move; schema: the Table Schema of
    the new one. Returns a Problem for each rule broken; none when the new table may be used.
    """
    pair = _Pair(name, before, after, bound, schema or {})
    if not pair.keys or not pair.values:
        return list(_fewer(pair))
    repeats = list(_repeats(pair))
    if repeats:
        return repeats
    problems = [*_renamed(pair), *_areas(pair), *_periods(pair, today or date.today()), *_vanished(pair)]
    for value in pair.values:
        problems += _figures(pair, value)
    return problems


def _fewer(pair: _Pair) -> Iterator[Problem]:
    """Rows lost from a table without keys or figures."""
    if len(pair.after) < len(pair.before) * (1 - LOST / 100):
        yield pair.problem("rows are gone", f"{len(pair.after):,} rows", f"about {len(pair.before):,}")


def _repeats(pair: _Pair) -> Iterator[Problem]:
    """More rows than before that share a key."""
    were, are = (int(frame.duplicated(pair.keys).sum()) for frame in (pair.before, pair.after))
    if are > were:
        example = pair.after[pair.after.duplicated(pair.keys)].iloc[0][pair.keys].to_dict()
        yield pair.problem("rows repeat the same key", f"{are} repeats, such as {json.dumps(example)}", f"{were}")


def _renamed(pair: _Pair) -> Iterator[Problem]:
    """Codes that now stand for an area of another name."""
    if not (pair.code and pair.label):
        return
    known = pair.before[[pair.code, pair.label]].drop_duplicates().set_index(pair.code)[pair.label].to_dict()
    wrong = [
        f"{row[pair.code]} is {row[pair.label]}, was {known[row[pair.code]]}"
        for row in pair.after[[pair.code, pair.label]].drop_duplicates().to_dict("records")
        if row[pair.code] and row[pair.code] in known and known[row[pair.code]] != row[pair.label]
    ]
    if wrong:
        yield pair.problem("codes name other areas", "; ".join(wrong[:5]), "the same name for each code")


def _areas(pair: _Pair) -> Iterator[Problem]:
    """Areas that were not there before, or are no longer."""
    by = pair.code or pair.area
    if not by:
        return
    lost = sorted(set(pair.before[by]) - set(pair.after[by]))
    if lost:
        yield pair.problem("areas are gone", ", ".join(lost[:10]), "every area of the last vintage")
    fresh = sorted(set(pair.after[by]) - set(pair.before[by]) - {""})
    if fresh:
        yield pair.problem("areas are new", ", ".join(fresh[:10]), "only areas of the last vintage")


def _periods(pair: _Pair, today: date) -> Iterator[Problem]:
    """New periods in the future, and old ones that are gone (but for the oldest)."""
    import pandas as pd

    period = pair.period
    if not period:
        return
    # By year, not by label: a provisional year ("2024 (prov)") gives way to its final one.
    old_years, years = (
        pd.to_numeric(frame[period].str.extract(r"(\d{4})", expand=False), errors="coerce")
        for frame in (pair.before, pair.after)
    )
    latest = today.year + 2
    known = set(pair.before[period])
    ahead = sorted(set(pair.after.loc[(years > latest) & ~pair.after[period].isin(known), period]))
    if ahead:
        yield pair.problem("periods lie in the future", ", ".join(ahead), f"none after {latest}")
    lost = sorted(set(old_years.dropna()) - set(years.dropna()))
    if lost and max(lost) > years.min():
        found = ", ".join(f"{year:.0f}" for year in lost)
        yield pair.problem("periods are gone", found, "every period but perhaps the oldest")


def _vanished(pair: _Pair) -> Iterator[Problem]:
    """A share of rows gone, not counting the oldest period, which a publisher may drop."""
    gone = pair.matched["_merge"].eq("left_only")
    oldest = pair.before[pair.period].min() if pair.period else None
    if pair.period and oldest not in set(pair.after[pair.period]):
        gone &= pair.old(pair.period).ne(oldest)
    if gone.mean() * 100 > LOST:
        share = f"{100 * gone.mean():.1f}% of rows ({int(gone.sum()):,} of {len(pair.matched):,})"
        yield pair.problem("rows are gone", share, f"at most {LOST:.0f}%")


def _figures(pair: _Pair, value: str) -> Iterator[Problem]:
    """The rules about one column of figures."""
    import pandas as pd

    old, new = (pd.to_numeric(pair.matched[f"{value}|{side}"], errors="coerce") for side in ("old", "new"))
    labels = pair.old(pair.measure) if pair.measure else pd.Series(value, index=pair.matched.index)
    yield from _strange(pair, value, new)
    yield from _slipped(pair, value, old, new)
    yield from _emptied(pair, labels, old, new)
    yield from _moved(pair, value, labels, old, new)
    yield from _negative(pair, value)
    if pair.period:
        numbers, names = pd.to_numeric(pair.after[value], errors="coerce"), pair.names(pair.after, value)
        yield from _jumps(pair.name, pair.after, numbers, names, pair.period, set(pair.before[pair.period]), pair.keys)


def _strange(pair: _Pair, value: str, new: pd.Series) -> Iterator[Problem]:
    """Texts that are neither numbers nor symbols already known."""
    import pandas as pd

    text = pair.matched[f"{value}|new"].where(new.isna() & pair.matched["_merge"].eq("both"), "")
    known = set(pair.before[value][pd.to_numeric(pair.before[value], errors="coerce").isna()])
    strange = sorted(set(text) - known - set(pair.schema.get("missingValues", [])) - {""})
    if strange:
        found = ", ".join(map(repr, strange[:5]))
        yield pair.problem(f"{value} holds something that is no number", found, "numbers or known symbols")


def _slipped(pair: _Pair, value: str, old: pd.Series, new: pd.Series) -> Iterator[Problem]:
    """Single revisions of ten times or more: a slipped decimal point in one row is lost in a total."""
    import pandas as pd

    large = pd.concat([old, new], axis=1).abs().max(axis=1) >= LARGE
    slipped = large & (old != 0) & (new != 0) & ((new / old).abs().ge(SLIP) | (old / new).abs().ge(SLIP))
    if slipped.any():
        row = pair.matched[slipped].iloc[0]
        which = " ".join(str(row[key]) for key in pair.keys if row[key])
        one = f"{int(slipped.sum())} values, such as {which}: {old[slipped].iloc[0]:g} to {new[slipped].iloc[0]:g}"
        yield pair.problem(f"{value} has revisions of ten times or more", one, "smaller revisions")


def _emptied(pair: _Pair, labels: pd.Series, old: pd.Series, new: pd.Series) -> Iterator[Problem]:
    """Measures of which a share of the values is now missing."""
    emptied = (old.notna() & ~new.notna() & pair.matched["_merge"].eq("both")).groupby(labels).mean()
    for which, rate in emptied[emptied * 100 > LOST].head(5).items():
        yield pair.problem(
            f"{which} has lost values", f"{100 * rate:.1f}% of values now missing", f"at most {LOST:.0f}%"
        )


def _moved(pair: _Pair, value: str, labels: pd.Series, old: pd.Series, new: pd.Series) -> Iterator[Problem]:
    """Totals that moved by more than the bound, or whose revisions add up to more than twice that."""
    import pandas as pd

    held = old.notna() & new.notna()
    totals = pd.DataFrame({"old": old[held].abs(), "new": new[held].abs(), "moved": (new - old)[held].abs()})
    for which, row in totals.groupby(labels[held]).agg(["sum", "count"]).iterrows():
        base, many = row[("old", "sum")], row[("old", "count")]
        if many < FEWEST or base <= 0:
            continue
        total = 100 * (row[("new", "sum")] - base) / base
        moved = 100 * row[("moved", "sum")] / base
        if abs(total) > pair.bound or moved > 2 * pair.bound:
            yield pair.problem(
                f"{which} has moved" if pair.measure else f"total of {value} has moved",
                f"total {base:,.6g} to {row[('new', 'sum')]:,.6g} ({total:+.1f}%), sum of revisions {moved:.1f}%",
                f"total within {pair.bound:g}%, revisions within {2 * pair.bound:g}%",
            )


def _negative(pair: _Pair, value: str) -> Iterator[Problem]:
    """Measures that have negative values and had none."""
    import pandas as pd

    earlier, numbers = (pd.to_numeric(frame[value], errors="coerce") for frame in (pair.before, pair.after))
    were = (earlier < 0).groupby(pair.names(pair.before, value)).any()
    names = pair.names(pair.after, value)
    are = (numbers < 0).groupby(names).any()
    for which in are[are].index:
        if which in were.index and not were[which]:
            yield pair.problem(f"{which} has negative values", f"{numbers[names.eq(which)].min():g}", "none, as before")


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
