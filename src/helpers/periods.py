"""Financial years and dates as people write them, read into one form that keeps how precise the writer was."""

from __future__ import annotations

import calendar
import datetime
import re
from dataclasses import dataclass

_YEAR = r"(?:19|20)\d\d"
_FINANCIAL = re.compile(rf"({_YEAR})[/-](\d\d)")
_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}


@dataclass(frozen=True)
class Period:
    """What a printed period covers.

    `kind` is financial_year, calendar_year, part_year, span, open (no stated end), cumulative (from the start to the year
    given), programme (the whole agreement), relative (a year of the agreement) or unstated. Years are the calendar years in
    which the first and last financial year end; None where the text does not say. `label` is the period as DfE writes it.
    """

    label: str
    kind: str
    first_year: int | None = None
    last_year: int | None = None

    @property
    def year(self) -> int | None:
        """The one year the period stands for: of a cumulative figure its last; None for spans and the rest."""
        return self.last_year if self.kind in {"financial_year", "calendar_year", "cumulative"} else None


def _ends(start: str, end: str) -> int | None:
    year = int(start) + 1
    return year if year % 100 == int(end) else None


def label(year: int) -> str:
    """The financial year ending in `year`: 2023 gives 2022-23."""
    return f"{year - 1}-{year % 100:02d}"


def _financial_year_of(text: str) -> int | None:
    """The end year of the one financial year, or of the one month, found in `text`."""
    if found := re.fullmatch(rf"({_YEAR})-(0[1-9]|1[0-2])", text):
        year, month = int(found[1]), int(found[2])
        # "2024-11" is a month; "2010-11" could be a financial year, but no document here is that old.
        if _ends(found[1], found[2]) is None:
            return year + (month >= 4)
    if found := _FINANCIAL.fullmatch(text):
        return _ends(found[1], found[2])
    if found := re.fullmatch(rf"([A-Z][a-z]{{2}})[a-z]* ({_YEAR})", text):
        month = _MONTHS.get(found[1].lower(), 0)
        return int(found[2]) + (month >= 4) if month else None
    return None


def period(text: str) -> Period | None:
    """Read a printed period, such as 2022/23, 2021-22 to 2025-26, 2023/24 onwards or year 4; None if it cannot be read."""
    text = " ".join(text.split())
    if text in {"", "n/a"}:
        return Period("", "unstated")
    if text == "programme total":
        return Period("whole agreement", "programme")
    if (year := _financial_year_of(text)) is not None and not re.match("[A-Z]", text):
        return Period(label(year), "financial_year", year, year)
    if re.fullmatch(_YEAR, text):
        return Period(text, "calendar_year", int(text), int(text))
    if found := re.fullmatch(rf"({_YEAR})-({_YEAR})", text):
        first, last = int(found[1]), int(found[2])
        return Period(f"{first} to {last}", "span", first, last) if first < last else None
    if found := re.fullmatch(rf"({_YEAR}[/-]\d\d) ?(?:-|to) ?({_YEAR}[/-]\d\d)", text):
        start, end = _financial_year_of(found[1]), _financial_year_of(found[2])
        if start is None or end is None or start >= end:
            return None
        return Period(f"{label(start)} to {label(end)}", "span", start, end)
    if (found := re.fullmatch(r"(.+) onwards", text)) and (year := _financial_year_of(found[1])):
        return Period(f"{label(year)} onwards", "open", year)
    if (found := re.fullmatch(r"after (.+)", text)) and (year := _financial_year_of(found[1])):
        return Period(f"after {found[1]}", "open", year)
    if (found := re.fullmatch(r"cumulative to (.+)", text)) and (year := _financial_year_of(found[1])):
        return Period(f"to {label(year)}", "cumulative", None, year)
    if (found := re.fullmatch(r"year \d+ \((.+)\)", text)) and (year := _financial_year_of(found[1])):
        return Period(label(year), "financial_year", year, year)
    if (found := re.fullmatch(rf"({_YEAR}[/-]\d\d) \(.+\)", text)) and (year := _financial_year_of(found[1])):
        return Period(label(year), "part_year", year, year)
    if found := re.fullmatch(rf"(two|three|four|five|six) years after ({_YEAR}[/-]\d\d)(?: \(.+\))?", text):
        start = _financial_year_of(found[2])
        count = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6}[found[1]]
        return (
            None if start is None else Period(f"{count} years after {label(start)}", "span", start + 1, start + count)
        )
    if re.fullmatch(r"years? \d+(?:-\d+)?", text):
        return Period(text, "relative")
    return None


@dataclass(frozen=True)
class Printed:
    """A printed date: its first and last possible day, and whether it was precise to the day, month or year, or undated."""

    first: datetime.date | None
    last: datetime.date | None
    precision: str


def printed(text: str) -> Printed | None:
    """Read 2024, 2024-03 or 2024-03-12; n.d. is undated; None if it cannot be read."""
    if text in {"", "n.d."}:
        return Printed(None, None, "undated")
    found = re.fullmatch(rf"({_YEAR})(?:-(\d\d))?(?:-(\d\d))?", text)
    if not found:
        return None
    year, month, day = int(found[1]), int(found[2] or 0), int(found[3] or 0)
    try:
        if day:
            date = datetime.date(year, month, day)
            return Printed(date, date, "day")
        if month:
            last = calendar.monthrange(year, month)[1]
            return Printed(datetime.date(year, month, 1), datetime.date(year, month, last), "month")
    except ValueError:
        return None
    return Printed(datetime.date(year, 1, 1), datetime.date(year, 12, 31), "year")
