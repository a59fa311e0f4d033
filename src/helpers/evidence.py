"""The evidence tables: checked row by row, graded, and brought to council codes, financial years, pounds and percentages.

`load(name)` gives one normalised table; `normalise_all()` gives them all and is what 01_sources writes to
data/processed/evidence. Nothing is returned while any row breaks a rule of evidence_rules.yaml.
"""

from __future__ import annotations

import csv
import datetime
import difflib
import functools
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from helpers import files, paths, periods
from helpers.errors import AssessError

if TYPE_CHECKING:
    import pandas as pd

TABLES = (
    "agreements",
    "payments",
    "comparison_groups",
    "documents",
    "trajectories",
    "conditions",
    "effects",
    "claims",
    "events",
    "transfers",
)
GRADES = ("strong", "middle", "weak")
_COUNTED = ("trajectories", "conditions", "effects", "transfers")  # tables of what documents say, row by row
_HERE = Path(__file__).parent


@functools.cache
def rules() -> dict[str, Any]:
    """What each table's rows must be, from evidence_rules.yaml."""
    return _yaml("evidence_rules.yaml")


@functools.cache
def _grading() -> dict[str, Any]:
    return _yaml("grades.yaml")


def _yaml(name: str) -> dict[str, Any]:
    held = files.read_yaml(_HERE / name)
    if not isinstance(held, dict):
        raise AssessError(f"src/helpers/{name} does not hold the rules it should.")
    return held


# Grades


def grade(doc_type: str, body: str, url: str = "") -> tuple[str, str]:
    """The grade of a document, strong, middle or weak, and why. AssessError when its type has no line in grades.yaml."""
    held = _grading()
    line = next(
        (b for b in held["bodies"] if b["doc_type"] == doc_type and b["body"] == body), held["doc_types"].get(doc_type)
    )
    if line is None:
        raise AssessError(
            f"src/helpers/grades.yaml has no grade for the document type {doc_type!r}{_near(doc_type, held['doc_types'])}."
        )
    found, why = line["grade"], line["why"]
    host = urlsplit(url).hostname or ""
    copy = next((c for c in held["copies"] if c["host"] == host), None)
    if copy and GRADES.index(copy["grade"]) > GRADES.index(found):
        return copy["grade"], f"{why}, read in a copy"
    return found, why


# Checking


@dataclass(frozen=True)
class Problem:
    """One broken rule: where, what was found, what was expected. Row 1 is the header."""

    table: str
    file: str
    row: int
    column: str
    found: str
    expected: str

    def __str__(self) -> str:
        where = f"data/raw/councils/{self.file}, row {self.row}, column {self.column}"
        stop = "" if self.expected.endswith("?") else "."
        return f"{where}: found {self.found!r}; expected {self.expected}{stop}"


Row = dict[str, str]


def folder() -> Path:
    """Where the evidence tables are kept."""
    return paths.raw() / "councils"


def read(name: str) -> list[Row]:
    """The rows of one table as printed, stripped of blanks at either end. AssessError for a missing file or column."""
    table = _table(name)
    path = folder() / table["file"]
    shown = f"data/raw/councils/{table['file']}"
    if not path.is_file():
        raise AssessError(f"{shown} is missing.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.reader(handle, strict=True)
            header = next(reader, [])
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise AssessError(f"{shown} is not a readable CSV in UTF-8: {error}.") from error
    missing = [c for c in table["columns"] if c not in header]
    if missing:
        raise AssessError(f"{shown}, row 1: found no column {missing[0]!r}; expected {', '.join(table['columns'])}.")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise AssessError(
                f"{shown}, row {number}: found {len(row)} cells; expected {len(header)} ({', '.join(header)})."
            )
    return [{column: cell.strip() for column, cell in zip(header, row, strict=True)} for row in rows]


def _table(name: str) -> dict[str, Any]:
    tables: dict[str, dict[str, Any]] = rules()["tables"]
    if name not in tables:
        raise AssessError(f"There is no evidence table {name!r}{_near(name, tables)}.")
    return tables[name]


def problems(name: str, rows: list[Row] | None = None, today: datetime.date | None = None) -> list[Problem]:
    """Every broken rule of one table, in row order. `rows` checks other rows than the file's; `today` bounds the dates."""
    table = _table(name)
    rows = read(name) if rows is None else rows
    today = today or datetime.date.today()
    documents = {row["doc_id"] for row in (rows if name == "documents" else read("documents"))}
    accepted = {(a["key"], a["column"]) for a in rules()["accepted"] if a["table"] == name}
    found: list[Problem] = []
    seen: dict[tuple[str, ...], int] = {}
    for number, row in enumerate(rows, start=2):
        note = functools.partial(Problem, name, table["file"], number)
        for column, rule in table["columns"].items():
            if (row[table["key"][0]], column) in accepted:
                continue
            expected = _broken(row, column, rule, documents, today)
            if expected:
                found.append(note(column, row[column], expected))
        key = tuple(row[c] for c in table["key"])
        if key in seen:
            found.append(note(", ".join(table["key"]), " | ".join(key), f"no second row like row {seen[key]}"))
        seen.setdefault(key, number)
        if name == "agreements":
            found += [note(column, row[column], expected) for column, expected in _mismatched_codes(row)]
    return found


def check(name: str, rows: list[Row] | None = None, today: datetime.date | None = None) -> None:
    """Raise AssessError naming the first row that breaks a rule, and how many more do."""
    found = problems(name, rows, today)
    if found:
        more = f" ({len(found) - 1} more like it in this file)" if len(found) > 1 else ""
        raise AssessError(f"{found[0]}{more}")


def _broken(row: Row, column: str, rule: Mapping[str, Any], documents: set[str], today: datetime.date) -> str:
    """What the cell should have been, or nothing when it is right."""
    text = row[column]
    if not text:
        return "" if rule.get("optional") else f"{_KINDS[rule['kind']].what}, not a blank"
    return _KINDS[rule["kind"]].broken(text, rule, row, documents, today)


@dataclass(frozen=True)
class _Kind:
    what: str
    broken: Callable[[str, Mapping[str, Any], Row, set[str], datetime.date], str]


def _not_council(text: str, rule: Mapping[str, Any], *_: Any) -> str:
    if text in rule.get("also", ()):
        return ""
    try:
        _council(text)
    except AssessError as error:
        also = f" (or {' or '.join(rule['also'])})" if rule.get("also") else ""
        return f"a council in England{also}: {str(error).rstrip('.')}"
    return ""


def _not_choice(text: str, rule: Mapping[str, Any], *_: Any) -> str:
    allowed = _choices(rule)
    return "" if text in allowed else f"one of {', '.join(allowed)}{_near(text, allowed)}"


def _choices(rule: Mapping[str, Any]) -> list[str]:
    allowed: list[str] = rules()["lists"][rule["of"]] if isinstance(rule["of"], str) else rule["of"]
    return allowed


def _not_number(text: str, rule: Mapping[str, Any], *_: Any) -> str:
    try:
        value = float(text)
    except ValueError:
        return "a number, without unit or comma"
    if not math.isfinite(value):
        return "a number"
    least = rule.get("least")
    return f"a number not below {least}" if least is not None and value < least else ""


def _not_date(text: str, rule: Mapping[str, Any], row: Row, documents: set[str], today: datetime.date) -> str:
    read_as = periods.printed(text)
    if read_as is None:
        return "a date as year, year-month or year-month-day"
    if read_as.first is None:
        return "" if rule.get("undated") else "a date"
    return f"a date not after today, {today.isoformat()}" if read_as.first > today else ""


def _not_period(text: str, *_: Any) -> str:
    return (
        "" if periods.period(text) else "a financial year such as 2022/23, a range of them, 'programme total' or 'n/a'"
    )


def _not_address(text: str, *_: Any) -> str:
    for address in addresses(text):
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or "." not in (parts.hostname or "") or " " in address:
            return "a web address, http:// or https:// (several separated by ' ; ')"
    return ""


def addresses(text: str) -> list[str]:
    """The web addresses of a cell."""
    return [part.strip() for part in text.split(" ; ") if part.strip()]


def _not_document(text: str, rule: Mapping[str, Any], row: Row, documents: set[str], today: datetime.date) -> str:
    return "" if text in documents else f"a doc_id of documents.csv{_near(text, documents)}"


def _not_measure(text: str, rule: Mapping[str, Any], row: Row, *_: Any) -> str:
    known = rules()["measures"]
    return "" if text in known else f"a measure listed in evidence_rules.yaml{_near(text, known)}"


def _not_unit(text: str, rule: Mapping[str, Any], row: Row, *_: Any) -> str:
    known = rules()["units"]
    if text not in known:
        return f"one of {', '.join(known)}{_near(text, known)}"
    measure = rules()["measures"].get(row["measure"])
    if measure and measure["unit"] != text:
        return f"{measure['unit']}, the unit of {row['measure']}"
    return ""


def _not_graded(text: str, rule: Mapping[str, Any], row: Row, *_: Any) -> str:
    known = _grading()["doc_types"]
    return "" if text in known else f"a document type listed in src/helpers/grades.yaml{_near(text, known)}"


def _not_id(text: str, rule: Mapping[str, Any], *_: Any) -> str:
    return "" if re.fullmatch(rule["pattern"], text) else f"the form {rule['pattern']}"


def _value(text: str, rule: Mapping[str, Any], row: Row, documents: set[str], today: datetime.date) -> str:
    """A number, and for a measure of trajectories one with the right sign and size."""
    wrong = _not_number(text, rule)
    measure = rules()["measures"].get(row.get("measure", ""))
    if wrong or not measure:
        return wrong
    value = float(text)
    if value < 0 and measure.get("sign", "positive") == "positive":
        surplus = (
            "; a surplus is entered under in_year_surplus or cumulative_surplus" if "deficit" in row["measure"] else ""
        )
        return f"zero or more ({row['measure']} is positive{surplus})"
    most = rules()["units"].get(row.get("unit", ""), {}).get("most")
    return f"a percentage, at most {most}" if most is not None and abs(value) > most else ""


_KINDS = {
    "council": _Kind("a council", _not_council),
    "choice": _Kind("one of the allowed words", _not_choice),
    "number": _Kind("a number", _value),
    "date": _Kind("a date", _not_date),
    "period": _Kind("a financial year", _not_period),
    "address": _Kind("a web address", _not_address),
    "document": _Kind("a doc_id of documents.csv", _not_document),
    "measure": _Kind("a measure", _not_measure),
    "unit": _Kind("a unit", _not_unit),
    "graded": _Kind("a document type", _not_graded),
    "text": _Kind("text", lambda *_: ""),
    "id": _Kind("an identifier", _not_id),
}


def _mismatched_codes(row: Row) -> list[tuple[str, str]]:
    """An agreement whose codes are not those of the council it names."""
    try:
        council = _council(row["la_name"])
    except AssessError:
        return []  # already reported under la_name
    wrong = []
    if row["ons_code"] != council["la_code"]:
        wrong.append(("ons_code", f"{council['la_code']}, the code of {council['la_name']}"))
    if row["dfe_la_number"] != council["dfe_number"]:
        wrong.append(("dfe_la_number", f"{council['dfe_number']}, the number of {council['la_name']}"))
    return wrong


def _near(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


# Normalising


def _council(name: str) -> dict[str, str]:
    """la_code, dfe_number and la_name of a council named in a table. AssessError with the nearest name otherwise."""
    from helpers import councils

    found = councils.find(name)
    return {"la_code": found.la_code, "dfe_number": found.dfe_number, "la_name": found.la_name}


def load(name: str, weak: bool = False) -> pd.DataFrame:
    """One evidence table, checked and normalised: codes, years, pounds, percentages, grades. `row` is its row in the CSV.

    Figures, conditions, effects and transfers of weak documents are left out unless `weak`, so that no count rests on that grade
    unawares. Tables: agreements, payments, comparison_groups, documents, trajectories, conditions, effects, claims, events, transfers, policy_figures.
    """
    rows = read(name)
    check(name, rows)
    make = {
        "documents": _documents,
        "trajectories": _trajectories,
        "conditions": _coded,
        "effects": _coded,
        "agreements": _agreements,
        "payments": _payments,
        "comparison_groups": _comparison_groups,
        "events": _events,
        "transfers": _transfers,
    }.get(name, _plain)
    made = make(rows)
    return made if weak or name not in _COUNTED else made[made["grade"] != "weak"].reset_index(drop=True)


def normalise_all() -> dict[str, pd.DataFrame]:
    """Every evidence table, normalised, by name: what 01_sources writes to data/processed/evidence/NAME.parquet.

    Rows of every grade are kept: a reader of the tables has the grade beside them. Checks all of them first (the policy figures
    too), so that one broken row stops the build before anything is written.
    """
    for name in rules()["tables"]:
        check(name)
    return {name: load(name, weak=True) for name in TABLES}


def _frame(records: list[dict[str, Any]], integers: tuple[str, ...] = ()) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(records)
    for column in ("row", *integers):
        frame[column] = frame[column].astype("Int64")
    return frame


def _named(row: Row) -> dict[str, str]:
    """Codes and name; a row about several councils, all of them or England keeps its word and has no code."""
    if row["la_name"] in {"multiple", "all", "England"}:
        return {
            "la_code": "E92000001" if row["la_name"] == "England" else "",
            "dfe_number": "",
            "la_name": row["la_name"],
        }
    return _council(row["la_name"])


def _dated(text: str, name: str) -> dict[str, Any]:
    """A printed date as its first and last possible day and its precision."""
    import pandas as pd

    found = periods.printed(text)
    assert found is not None  # checked before
    return {
        name: pd.Timestamp(found.first) if found.first else pd.NaT,
        f"{name}_last": pd.Timestamp(found.last) if found.last else pd.NaT,
        f"{name}_precision": found.precision,
    }


def _timed(text: str) -> dict[str, Any]:
    """A printed period as label, kind and years."""
    found = periods.period(text)
    assert found is not None  # checked before
    return {
        "as_printed": text,
        "period": found.label,
        "period_kind": found.kind,
        "year": found.year,
        "first_year": found.first_year,
        "last_year": found.last_year,
    }


def _pounds(text: str, times: int = 1_000_000) -> float:
    # Rounded to the penny, because 16.1 million is not exactly 16.1 times a million in floating point.
    return round(float(text) * times, 2) if text else math.nan


def _spelled(text: str) -> str:
    """A title or body with its short forms written out (`spelled` of evidence_rules.yaml)."""
    for short, full in rules()["spelled"].items():
        text = re.sub(rf"\b{short}\b", full, text)
    return text


def _plain(rows: list[Row]) -> pd.DataFrame:
    return _frame([{**row, "row": number} for number, row in enumerate(rows, start=2)])


def _documents(rows: list[Row]) -> pd.DataFrame:
    records = []
    for number, row in enumerate(rows, start=2):
        found, why = grade(row["doc_type"], row["body"], row["url"])
        records.append(
            {
                "doc_id": row["doc_id"],
                **_named(row),
                **{c: _spelled(row[c]) for c in ("title", "body")},
                "doc_type": row["doc_type"],
                "grade": found,
                "grade_reason": why,
                **_dated(row["date"], "date"),
                "url": row["url"],
                "row": number,
            }
        )
    return _frame(records)


@functools.cache
def _grades_of(stamp: tuple[int, int]) -> dict[str, str]:
    return {row["doc_id"]: grade(row["doc_type"], row["body"], row["url"])[0] for row in read("documents")}


def _grades() -> dict[str, str]:
    state = (folder() / _table("documents")["file"]).stat()
    return _grades_of((state.st_mtime_ns, state.st_size))


def _coded(rows: list[Row]) -> pd.DataFrame:
    grades = _grades()
    records = []
    for number, row in enumerate(rows, start=2):
        rest = {c: v for c, v in row.items() if c not in {"la_name", "doc_id", "url"}}
        records.append(
            {
                **_named(row),
                "doc_id": row["doc_id"],
                **rest,
                "grade": grades[row["doc_id"]],
                "url": row["url"],
                "row": number,
            }
        )
    return _frame(records)


def basis(row: Mapping[str, str], year: int | None, signed_year: int) -> str:
    """Whether a printed deficit is before DfE payments (gross), after them (net), before the agreement, or unstated.

    `year` is the calendar year in which its financial year ends, `signed_year` that of the agreement (0 when none).
    """
    if "deficit" not in row["measure"]:
        return ""
    if row["measure"] == "cumulative_deficit_before_dfe_payment":
        return "gross"
    if signed_year and year and year < signed_year:
        return "before agreement"
    held = rules()["bases"]
    for line in held["rows"]:
        fits = line.get("year") in (None, year) and line.get("measure") in (None, row["measure"])
        if line["doc_id"] == row["doc_id"] and fits:
            return str(line["basis"])
    for line in held["phrases"]:
        if any(words in row["note"] for words in line["words"]):
            return str(line["basis"])
    return "unstated"


def _signed_years() -> dict[str, int]:
    return {row["ons_code"]: int(row["agreement_date"][:4]) for row in read("agreements")}


def _trajectories(rows: list[Row]) -> pd.DataFrame:
    grades, signed = _grades(), _signed_years()
    records = []
    for number, row in enumerate(rows, start=2):
        unit = rules()["units"][row["unit"]]
        council, time = _named(row), _timed(row["financial_year"])
        records.append(
            {
                **council,
                "measure": row["measure"],
                "kind": row["kind"],
                **time,
                "value": _pounds(row["value"], unit["times"]),
                "unit": unit["unit"],
                "basis": basis(row, time["year"], signed.get(council["la_code"], 0)),
                **_dated(row["as_reported_date"], "reported"),
                "doc_id": row["doc_id"],
                "grade": grades[row["doc_id"]],
                "note": row["note"],
                "row": number,
            }
        )
    return _frame(records, ("year", "first_year", "last_year"))


def _agreements(rows: list[Row]) -> pd.DataFrame:
    records = []
    for number, row in enumerate(rows, start=2):
        end = periods.period(row["end_financial_year"])
        assert end is not None
        records.append(
            {
                **_council(row["la_name"]),
                "region": row["region"],
                "cohort": row["cohort"],
                "signed_year": int(row["agreement_date"][:4]),
                **_dated(row["agreement_date"], "signed"),
                "total_dfe_funding": _pounds(row["total_dfe_funding_gbp_m"]),
                "first_payment": _pounds(row["first_payment_gbp_m"]),
                "end_financial_year": end.label,
                "end_year": end.year,
                "deficit_at_agreement": _pounds(row["deficit_at_agreement_gbp_m"]),
                "deficit_description": row["deficit_description"],
                "status": row["status"],
                "capital_topup": _pounds(row["capital_topup_gbp"], 1),
                "confidence": row["confidence"],
                "source_url": row["source_url"],
                "note": row["note"],
                "row": number,
            }
        )
    return _frame(records, ("signed_year", "end_year"))


def _payments(rows: list[Row]) -> pd.DataFrame:
    records = [
        {
            **_council(row["la_name"]),
            **_timed(row["financial_year"]),
            "row_type": row["row_type"],
            "planned_payment": _pounds(row["planned_payment_gbp_m"]),
            "actual_payment": _pounds(row["actual_payment_gbp_m"]),
            "source_url": row["source_url"],
            "note": row["note"],
            "row": number,
        }
        for number, row in enumerate(rows, start=2)
    ]
    return _frame(records, ("year", "first_year", "last_year"))


def _comparison_groups(rows: list[Row]) -> pd.DataFrame:
    return _frame(
        [
            {**_council(row["la_name"]), **{c: v for c, v in row.items() if c != "la_name"}, "row": number}
            for number, row in enumerate(rows, start=2)
        ]
    )


def _events(rows: list[Row]) -> pd.DataFrame:
    grades = _grades()
    return _frame(
        [
            {
                **_named(row),
                "event": row["event"],
                **_dated(row["date"], "date"),
                "text": row["text"],
                "doc_id": row["doc_id"],
                "grade": grades[row["doc_id"]] if row["doc_id"] else "",
                "source_url": row["source_url"],
                "row": number,
            }
            for number, row in enumerate(rows, start=2)
        ]
    )


def _transfers(rows: list[Row]) -> pd.DataFrame:
    grades = _grades()
    records = [
        {
            **_council(row["la_name"]),
            **_timed(row["financial_year"]),
            "stage": row["stage"],
            "share_pct": float(row["share_pct"]) if row["share_pct"] else math.nan,
            "amount": _pounds(row["amount_gbp_m"]),
            "schools": row["schools"],
            "outcome": row["outcome"],
            "doc_id": row["doc_id"],
            "grade": grades[row["doc_id"]],
            "note": row["note"],
            "row": number,
        }
        for number, row in enumerate(rows, start=2)
    ]
    return _frame(records, ("year", "first_year", "last_year"))
