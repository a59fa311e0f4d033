"""What differs between two vintages of the raw data: rows added and removed, values revised, and by how much."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.errors import AssessError

if TYPE_CHECKING:
    import pandas as pd

TOP = 20  # how many of the largest revisions are kept
# Columns that say what a row is about even when they hold numbers.
NAMING = re.compile(r"(^|[_ ])(year|years|period|code|id|number|cohort|upn|urn|sheet|row|line|date)s?$|^time[_ ]", re.I)
YEARS = ("year", "signed_year", "first_year", "last_year", "time_period", "period", "cohort", "rank")
MEASURE = ("measure", "indicator", "short_desc", "short desc", "category", "line", "item")
AREA = ("la_name", "la_and_regions", "la and regions", "council", "area_name", "name", "la_code", "new_la_code", "code")
PERIOD = ("year", "period", "time_period", "years", "financial_year")


@dataclass
class Difference:
    """How one table differs from its earlier self."""

    resource: str
    rows_before: int = 0
    rows_after: int = 0
    added: int = 0
    removed: int = 0
    revised: int = 0
    columns_added: list[str] = field(default_factory=list)
    columns_removed: list[str] = field(default_factory=list)
    measures: dict[str, dict[str, int]] = field(default_factory=dict)
    largest: list[dict[str, Any]] = field(default_factory=list)
    examples_added: list[dict[str, Any]] = field(default_factory=list)
    examples_removed: list[dict[str, Any]] = field(default_factory=list)
    note: str = ""

    @property
    def nothing(self) -> bool:
        """Whether the two are the same."""
        counts = self.added + self.removed + self.revised
        return not counts and not self.columns_added and not self.columns_removed and not self.note


def read_table(path: Path) -> pd.DataFrame:
    """A catalogued table with every cell as text and missing cells blank; other formats give no rows and one column."""
    import pandas as pd

    if path.suffix == ".csv" or path.name.endswith(".csv.gz"):
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    if path.suffix == ".parquet":
        frame = pd.read_parquet(path)
        for name in frame.columns:
            column = frame[name]
            if column.dtype.kind in "fiu":
                frame[name] = column.map(lambda value: "" if pd.isna(value) else f"{value:.15g}")
            else:
                frame[name] = column.astype(object).where(column.notna(), "").astype(str)
        return frame
    raise AssessError(f"{path.name} is neither CSV nor parquet, so its rows cannot be compared.")


def _tidy(text: object) -> str:
    """A number without the noise of its last binary digit; other text as it is."""
    try:
        return f"{float(str(text)):.12g}"
    except ValueError:
        return str(text)


def _zero(text: object) -> bool:
    return str(text) in ("0", "-0", "")


def first(names: list[str], wanted: tuple[str, ...]) -> str | None:
    """The first of the wanted columns that there is, whatever its capitals; None when there is none."""
    lower = {name.lower(): name for name in names}
    return next((lower[name.lower()] for name in wanted if name.lower() in lower), None)


def keys_of(frame: pd.DataFrame, schema: dict[str, Any] | None = None) -> list[str]:
    """The columns that tell rows apart: the declared primary key, else every column that is not a measured value."""
    declared = (schema or {}).get("primaryKey")
    keys = [declared] if isinstance(declared, str) else list(declared or [])
    if keys and all(name in frame.columns for name in keys):
        return keys
    values = values_of(frame, schema)
    return [name for name in frame.columns if name not in values]


def values_of(frame: pd.DataFrame, schema: dict[str, Any] | None = None) -> list[str]:
    """The columns that hold measured values: declared as numbers, or, where nothing is declared, filled with them."""
    import pandas as pd

    declared = (schema or {}).get("primaryKey")
    keys = [declared] if isinstance(declared, str) else list(declared or [])
    types = {item["name"]: item.get("type") for item in (schema or {}).get("fields", [])}
    found = []
    for name in frame.columns:
        if name in keys:
            continue
        # A declared type says more than a name: "requests_received_in_year" counts requests.
        if str(name).lower() in YEARS or (name not in types and NAMING.search(str(name))):
            continue
        if str(name).lower() in ("value", "values") or types.get(name) in ("number", "integer"):
            found.append(name)
        elif not types:
            filled = frame[name][frame[name] != ""]
            if len(filled) and pd.to_numeric(filled.head(2000), errors="coerce").notna().mean() > 0.5:
                found.append(name)
    return found


def compare_tables(
    resource: str, before: pd.DataFrame, after: pd.DataFrame, schema: dict[str, Any] | None = None
) -> Difference:
    """Compare two vintages of one table, row by row and value by value."""
    import pandas as pd

    result = Difference(resource, len(before), len(after))
    result.columns_added = [str(name) for name in after.columns if name not in before.columns]
    result.columns_removed = [str(name) for name in before.columns if name not in after.columns]
    shared = [name for name in before.columns if name in after.columns]
    keys = keys_of(before[shared], schema) or shared
    rest = [name for name in shared if name not in keys]
    merged, twins = match_rows(before[shared], after[shared], keys)
    if twins[0] != twins[1]:
        result.note = f"{twins[1]} rows repeat the key of another row (before: {twins[0]})"
    left, right, both = (merged[merged["_merge"] == side] for side in ("left_only", "right_only", "both"))
    result.added, result.removed = len(right), len(left)
    measure, area, period = first(shared, MEASURE), first(shared, AREA), first(shared, PERIOD)

    def of(frame: pd.DataFrame, name: str | None, side: str) -> pd.Series:
        """A naming column of matched rows, whether or not it is part of the key."""
        if name is None:
            return pd.Series("", index=frame.index, dtype=str)
        return frame[name if name in keys else f"{name}|{side}"].astype(str)

    def count(names: pd.Series, kind: str) -> None:
        for name, number in names.value_counts().items():
            result.measures.setdefault(str(name) or "(all)", {"added": 0, "removed": 0, "revised": 0})[kind] += int(
                number
            )

    count(of(right, measure, "new"), "added")
    count(of(left, measure, "old"), "removed")
    result.examples_added = right[keys].head(3).to_dict("records")
    result.examples_removed = left[keys].head(3).to_dict("records")
    revisions = []
    for value in rest:
        old, new = both[f"{value}|old"], both[f"{value}|new"]
        old_number, new_number = pd.to_numeric(old, errors="coerce"), pd.to_numeric(new, errors="coerce")
        # The same number written with another last digit (33.3 and 33.299999999999997) has not been revised.
        close = (old_number - new_number).abs() <= 1e-9 * old_number.abs()
        alike = (old == new) | close
        changed = both[~alike]
        if not len(changed):
            continue
        result.revised += len(changed)
        label = of(changed, measure, "new") if measure else pd.Series(str(value), index=changed.index)
        count(label, "revised")
        moved = pd.DataFrame(
            {
                "area": of(changed, area, "new"),
                "period": of(changed, period, "new"),
                "measure": label,
                "column": str(value),
                "before": old[~alike].map(_tidy),
                "after": new[~alike].map(_tidy),
                "change": new_number[~alike] - old_number[~alike],
            }
        )
        base = old_number[~alike].abs().where(lambda number: number > 0)
        # Measures have different units, so revisions are ranked by their share of the old value (a change from zero
        # counts as the whole of it); values that appeared or vanished come last.
        moved["size"] = (
            (moved["change"].abs() / base).where(old_number[~alike] != 0, 1.0).where(moved["change"].notna(), -1)
        )
        revisions.append(_ranked(moved).head(TOP))
    if revisions:
        for row in _ranked(pd.concat(revisions)).head(TOP).to_dict("records"):
            size = row.pop("size")
            row["change"] = None if pd.isna(row["change"]) else round(float(row["change"]), 6)
            row["percent"] = None if size < 0 or _zero(row["before"]) else round(100 * size, 1)
            result.largest.append({str(key): value for key, value in row.items()})
    return result


def _ranked(moved: pd.DataFrame) -> pd.DataFrame:
    return moved.sort_values(["size", "measure", "area", "period"], ascending=[False, True, True, True])


def match_rows(before: pd.DataFrame, after: pd.DataFrame, keys: list[str]) -> tuple[pd.DataFrame, tuple[int, int]]:
    """Rows of two vintages side by side (`|old`, `|new`, `_merge`), and how many rows of each repeat another's key.

    Rows that their keys do not tell apart are told apart by their order.
    """
    frames, twins = [], []
    for frame in (before, after):
        frame = frame.assign(_nth=frame.groupby(keys, sort=False).cumcount().astype(str) if len(frame) else "")
        twins.append(int((frame["_nth"] != "0").sum()) if len(frame) else 0)
        frames.append(frame)
    merged = frames[0].merge(frames[1], on=[*keys, "_nth"], how="outer", suffixes=("|old", "|new"), indicator=True)
    return merged, (twins[0], twins[1])


def catalogue(raw: Path) -> dict[str, dict[str, Any]]:
    """The resources of a folder of raw data by name; none when it has no catalogue."""
    path = raw / "datapackage.json"
    if not path.is_file():
        return {}
    try:
        package = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise AssessError(f"{path} is not readable JSON: {error}") from None
    return {item["name"]: item for item in package.get("resources", [])}


def one_path(raw: Path, resource: dict[str, Any]) -> Path:
    """Where a resource is on disk."""
    path: str | list[str] = resource["path"]
    return raw / (path[0] if isinstance(path, list) else path)


def compare_raw(before: Path, after: Path) -> list[Difference]:
    """Every resource of two folders of raw data that differs, in the order of the newer catalogue."""
    old, new = catalogue(before), catalogue(after)
    found = []
    for name in [*new, *(name for name in old if name not in new)]:
        if name not in old:
            found.append(Difference(name, 0, _rows(after, new[name]), added=_rows(after, new[name]), note="new table"))
            continue
        if name not in new:
            rows = _rows(before, old[name])
            found.append(Difference(name, rows, 0, removed=rows, note="table no longer there"))
            continue
        first, second = one_path(before, old[name]), one_path(after, new[name])
        if not first.is_file() or not second.is_file():
            missing = first if not first.is_file() else second
            found.append(Difference(name, note=f"{missing.name} is missing, so not compared"))
            continue
        if first.read_bytes() == second.read_bytes():
            continue
        try:
            tables = read_table(first), read_table(second)
        except AssessError:
            found.append(Difference(name, note="contents differ (not a table)"))
            continue
        difference = compare_tables(name, *tables, schema=new[name].get("schema"))
        if difference.nothing:
            difference.note = "only the order or the writing of the same values differs"
        found.append(difference)
    return found


def _rows(raw: Path, resource: dict[str, Any]) -> int:
    declared = resource.get("rows") or resource.get("row_count") or resource.get("rowCount")
    if isinstance(declared, int):
        return declared
    try:
        return len(read_table(one_path(raw, resource)))
    except (AssessError, OSError):
        return 0
