"""The double-coding check: a random sample coded a second time, how far the two passes agree, and where they do not."""

from __future__ import annotations

import csv
import hashlib
import io
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import evidence, files
from helpers.errors import AssessError

if TYPE_CHECKING:
    import pandas as pd

FILE = "double_coding.csv"
SEED = 20260309
SIZE = 60
FIELDS = {"conditions": ("category",), "effects": ("stakeholder", "polarity")}
LISTS = {"category": "categories", "stakeholder": "stakeholders", "polarity": "polarities"}
COLUMNS = ("table", "row_id", "summary", "field", "first", "second", "settled", "reason")


def row_id(table: str, row: evidence.Row) -> str:
    """A row's identifier: the same however the file is sorted, and telling a coder nothing."""
    text = "|".join((table, row["doc_id"], row["la_name"], row["summary"]))
    return f"{table[0]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def draw(table: str, size: int = SIZE, seed: int = SEED) -> list[evidence.Row]:
    """`size` rows of a table drawn at random, the same ones every time for the same seed and rows."""
    rows = {row_id(table, row): row for row in evidence.read(table)}
    if len(rows) < size:
        raise AssessError(f"data/raw/councils/{table}.csv has {len(rows)} rows; expected at least {size} to draw from.")
    return [{"row_id": key, **rows[key]} for key in random.Random(seed).sample(sorted(rows), size)]


def sheets(folder: Path) -> list[Path]:
    """Write a blank coding sheet for each table into `folder`: the row's identifier, its summary and empty columns to fill."""
    made = []
    for table, fields in FIELDS.items():
        path = folder / f"{table}.csv"
        lines = [
            ["row_id", "summary", *fields],
            *([r["row_id"], r["summary"], *[""] * len(fields)] for r in draw(table)),
        ]
        files.write_text(path, _csv(lines))
        made.append(path)
    return made


def collect(folder: Path) -> Path:
    """Put the filled sheets of `folder` beside the first codes, as data/raw/councils/double_coding.csv.

    Raises AssessError for a row without a code, or with one the guide does not have.
    """
    lines: list[list[str]] = [list(COLUMNS)]
    for table, fields in FIELDS.items():
        path = folder / f"{table}.csv"
        with path.open(encoding="utf-8-sig", newline="") as handle:
            filled = {row["row_id"]: row for row in csv.DictReader(handle)}
        for row in draw(table):
            for field in fields:
                code = (filled.get(row["row_id"], {}).get(field) or "").strip()
                allowed = evidence.rules()["lists"][LISTS[field]]
                if code not in allowed:
                    raise AssessError(
                        f"{path}, row {row['row_id']}, column {field}: found {code!r}; expected one of {', '.join(allowed)}."
                    )
                lines.append([table, row["row_id"], row["summary"], field, row[field], code, "", ""])
    target = evidence.folder() / FILE
    files.write_text(target, _csv(lines))
    return target


def _csv(lines: Sequence[Sequence[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(lines)
    return buffer.getvalue()


def done() -> bool:
    """Whether the second pass has been made."""
    return (evidence.folder() / FILE).is_file()


def none() -> pd.DataFrame:
    """No rows, in the columns of the file: before the second pass."""
    import pandas as pd

    return pd.DataFrame(columns=list(COLUMNS), dtype=str)


def codes() -> pd.DataFrame:
    """Both codes of every row coded twice. Raises AssessError when the file is missing or lacks a column."""
    import pandas as pd

    path = evidence.folder() / FILE
    if not path.is_file():
        raise AssessError(f"data/raw/councils/{FILE} is missing; make it with helpers.double_coding.collect.")
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    missing = [c for c in COLUMNS if c not in frame]
    if missing:
        raise AssessError(
            f"data/raw/councils/{FILE}, row 1: found no column {missing[0]!r}; expected {', '.join(COLUMNS)}."
        )
    return frame


def kappa(first: Sequence[str], second: Sequence[str]) -> float:
    """Cohen's kappa: agreement beyond what two coders would reach by chance with these frequencies of codes.

    1 is full agreement, 0 what chance gives. Raises AssessError when the lists differ in length, are empty, or each coder used
    one and the same code throughout, when kappa has no value.
    """
    if not first or len(first) != len(second):
        raise AssessError(f"Kappa needs two lists of the same length; found {len(first)} and {len(second)}.")
    n = len(first)
    ones, twos = Counter(first), Counter(second)
    agreed = sum(a == b for a, b in zip(first, second, strict=True)) / n
    chance = sum(ones[code] * twos[code] for code in ones) / n**2
    if chance == 1:
        raise AssessError("Kappa has no value when both coders used one code throughout.")
    return (agreed - chance) / (1 - chance)


def kappa_interval(
    first: Sequence[str], second: Sequence[str], draws: int = 2000, seed: int = SEED
) -> tuple[float, float]:
    """A 95% bootstrap interval of kappa: rows redrawn with replacement, with a fixed seed."""
    rng = random.Random(seed)
    pairs = list(zip(first, second, strict=True))
    found: list[float] = []
    while len(found) < draws:
        again = rng.choices(pairs, k=len(pairs))
        try:
            found.append(kappa([a for a, _ in again], [b for _, b in again]))
        except AssessError:
            continue
    found.sort()
    return found[int(0.025 * draws)], found[int(0.975 * draws) - 1]


def agreement(frame: pd.DataFrame) -> pd.DataFrame:
    """One row for each coded column: rows coded twice, how many agreed, kappa with its interval."""
    import pandas as pd

    records = []
    for (table, field), group in frame.groupby(["table", "field"], sort=False):
        first, second = group["first"].tolist(), group["second"].tolist()
        lower, upper = kappa_interval(first, second)
        agreed = int((group["first"] == group["second"]).sum())
        records.append(
            {
                "table": table,
                "field": field,
                "rows": len(group),
                "agreed": agreed,
                "agreed_pct": 100 * agreed / len(group),
                "kappa": kappa(first, second),
                "lower": lower,
                "upper": upper,
            }
        )
    return pd.DataFrame(records)


def disagreements(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows on which the two passes differ, with what was settled and why where a correction was made."""
    return frame[frame["first"] != frame["second"]].reset_index(drop=True)
