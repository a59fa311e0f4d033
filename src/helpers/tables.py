"""Tables as readers see them: numbers formatted, columns aligned, missing values said to be missing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from helpers import facts

if TYPE_CHECKING:
    import pandas as pd

MISSING = "–"


@dataclass(frozen=True)
class Column:
    """A column's heading and whether it holds numbers (right-aligned, sorted by value)."""

    name: str
    numeric: bool


@dataclass(frozen=True)
class Table:
    """A table ready to print: `cells` are texts, `values` what to sort by."""

    name: str
    title: str
    columns: tuple[Column, ...]
    cells: tuple[tuple[str, ...], ...]
    values: tuple[tuple[Any, ...], ...]
    note: str = ""
    sources: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """The table as plain data, for the chapter's tables/NAME.json."""
        return asdict(self)

    def markdown(self) -> str:
        """A Markdown pipe table under its title."""
        heads = [_escaped(c.name) for c in self.columns]
        rule = ["---:" if c.numeric else ":---" for c in self.columns]
        rows = [[_escaped(cell) for cell in row] for row in self.cells]
        lines = ["| " + " | ".join(row) + " |" for row in [heads, rule, *rows]]
        text = f"**{self.title}**\n\n" + "\n".join(lines)
        return f"{text}\n\n{self.note}" if self.note else text


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _digits(column: pd.Series, name: str) -> int:
    held = column.dropna()
    if held.empty or bool((held == held.round()).all()):
        return 0
    small = float(held.abs().max()) < 1
    return 3 if small else 1


def make(
    frame: pd.DataFrame,
    name: str,
    title: str,
    units: Mapping[str, str] | None = None,
    digits: Mapping[str, int] | None = None,
    note: str = "",
    sources: tuple[str, ...] = (),
) -> Table:
    """A Table from a frame. `units` and `digits` map column headings to how their numbers read ("%", "gbp_m", ...).

    Without them whole numbers get thousands separators, columns whose heading contains "year" do not, others one
    decimal (three when all are below one). Missing values are a dash. A p-value (heading "p", "p, ..." or "... p") below
    a thousandth says so. An index that is not a plain range becomes columns.
    """
    import pandas as pd

    if not isinstance(frame.index, pd.RangeIndex):
        named = any(n is not None for n in frame.index.names)
        frame = frame.reset_index() if named else frame.reset_index(drop=True)
    units, digits = dict(units or {}), dict(digits or {})
    columns, cells, values = [], [], []
    for position, heading in enumerate(frame.columns):
        series, label = frame.iloc[:, position], str(heading)
        numeric = pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series)
        columns.append(Column(label, bool(numeric)))
        values.append([_value(v) for v in series])
        if numeric:
            places = digits.get(label, None if label in units else _digits(series, label))
            plain_year = "year" in label.lower() and label not in units and places == 0
            # No p-value is nought, and three decimals would say so of a small one.
            probability = label == "p" or label.startswith("p, ") or label.endswith(" p")
            cells.append(
                [
                    MISSING
                    if pd.isna(v)
                    else str(int(v))
                    if plain_year
                    else "<0.001"
                    if probability and v < 0.001
                    else facts.shown(float(v), units.get(label, ""), places)
                    for v in series
                ]
            )
        else:
            cells.append(
                [MISSING if _absent(v) else facts.shown(v) if isinstance(v, bool | str) else str(v) for v in series]
            )
    return Table(
        name=name,
        title=title,
        columns=tuple(columns),
        cells=tuple(zip(*cells, strict=True)) if cells else (),
        values=tuple(zip(*values, strict=True)) if values else (),
        note=note,
        sources=tuple(sources),
    )


def _absent(value: Any) -> bool:
    import pandas as pd

    return value is None or (not isinstance(value, list | tuple | dict) and bool(pd.isna(value))) or value == ""


def _value(value: Any) -> Any:
    if _absent(value):
        return None
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.10g}")
    return value if isinstance(value, int | str | bool) else str(value)


_AMOUNT = re.compile(
    r"([+\u2212-]?)\s*(?:about |over |under |[<>~])?(£?)(\d[\d,]*(?:\.\d+)?)\s?(bn|billion|m|million|k|thousand)?"
    r"(?:%| [a-z][a-z ]*)?(?: \([^)]*\))?"
)
_SIZES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "bn": 1e9, "billion": 1e9}


def amount(text: str) -> float | None:
    """The number a cell of text says, without its unit: "£1,735 million" is 1735000000, "−3.2%" -3.2, "2023-24" and
    "Kent" none."""
    found = _AMOUNT.fullmatch(text.strip())
    if not found:
        return None
    sign, _, digits, size = found.groups()
    value = float(digits.replace(",", "")) * _SIZES.get(size or "", 1.0)
    return -value if sign in ("-", facts.MINUS) else value


def sort_values(table: Table) -> tuple[tuple[Any, ...], ...]:
    """What to sort each cell by: a number's value, also where a column of text holds nothing but numbers with units;
    None where the text itself is the order."""
    columns = []
    for place, column in enumerate(table.columns):
        texts = [row[place] for row in table.cells]
        if column.numeric:
            columns.append([row[place] for row in table.values])
            continue
        read = [amount(text) for text in texts]
        told = [value for text, value in zip(texts, read, strict=True) if text != MISSING]
        columns.append(read if told and None not in told else [None] * len(texts))
    return tuple(zip(*columns, strict=True))


def from_record(record: Mapping[str, Any]) -> Table:
    """The Table that `record` was made from."""
    return Table(
        name=record["name"],
        title=record["title"],
        columns=tuple(Column(**c) for c in record["columns"]),
        cells=tuple(tuple(r) for r in record["cells"]),
        values=tuple(tuple(r) for r in record["values"]),
        note=record.get("note", ""),
        sources=tuple(record.get("sources", ())),
    )


def address(text: str) -> str | None:
    """The first web address of a cell, if it holds one."""
    found = re.match(r"\s*(https?://\S+?)[;,]?(?:\s|$)", text)
    return found[1] if found else None


def domain(url: str) -> str:
    """The site of an address, as readers know it."""
    return urlparse(url).netloc.removeprefix("www.")
