"""Printed years and dates, read with the precision they were written with."""

from __future__ import annotations

import datetime

import pytest

from helpers import periods


@pytest.mark.parametrize(
    ("text", "label", "kind", "first", "last"),
    [
        ("2022/23", "2022-23", "financial_year", 2023, 2023),
        ("2020-21", "2020-21", "financial_year", 2021, 2021),
        ("1999/00", "1999-00", "financial_year", 2000, 2000),
        ("2023/24 onwards", "2023-24 onwards", "open", 2024, None),
        ("after Nov 2024", "after Nov 2024", "open", 2025, None),
        ("after Mar 2025", "after Mar 2025", "open", 2025, None),
        ("2021/22-2025/26", "2021-22 to 2025-26", "span", 2022, 2026),
        ("2022-23 to 2025-26", "2022-23 to 2025-26", "span", 2023, 2026),
        ("2017-2022", "2017 to 2022", "span", 2017, 2022),
        ("2024", "2024", "calendar_year", 2024, 2024),
        ("cumulative to 2024-25", "to 2024-25", "cumulative", None, 2025),
        ("cumulative to 2025-10", "to 2025-26", "cumulative", None, 2026),
        ("cumulative to 2025-03", "to 2024-25", "cumulative", None, 2025),
        ("2022-23 (July instalment only)", "2022-23", "part_year", 2023, 2023),
        ("four years after 2022-23 (multi-year)", "4 years after 2022-23", "span", 2024, 2027),
        ("year 1 (2021/22)", "2021-22", "financial_year", 2022, 2022),
        ("year 4", "year 4", "relative", None, None),
        ("years 2-5", "years 2-5", "relative", None, None),
        ("programme total", "whole agreement", "programme", None, None),
        ("n/a", "", "unstated", None, None),
    ],
)
def test_periods(text: str, label: str, kind: str, first: int | None, last: int | None) -> None:
    assert periods.period(text) == periods.Period(label, kind, first, last)


@pytest.mark.parametrize(
    "text", ["2022/24", "2022", "22/23", "next year", "2022/23-2021/22", "2022-2022", "2022/23 to", "year four"]
)
def test_what_is_not_a_period(text: str) -> None:
    expected = periods.Period("2022", "calendar_year", 2022, 2022) if text == "2022" else None
    assert periods.period(text) == expected


def test_only_one_year_is_a_year() -> None:
    years = {
        t: p.year
        for t in ("2022/23", "2021/22-2025/26", "2023/24 onwards", "cumulative to 2024-25")
        if (p := periods.period(t))
    }
    assert years == {"2022/23": 2023, "2021/22-2025/26": None, "2023/24 onwards": None, "cumulative to 2024-25": 2025}


@pytest.mark.parametrize(
    ("text", "first", "last", "precision"),
    [
        ("2024-03-12", (2024, 3, 12), (2024, 3, 12), "day"),
        ("2024-02", (2024, 2, 1), (2024, 2, 29), "month"),
        ("2023", (2023, 1, 1), (2023, 12, 31), "year"),
    ],
)
def test_dates(text: str, first: tuple[int, int, int], last: tuple[int, int, int], precision: str) -> None:
    assert periods.printed(text) == periods.Printed(datetime.date(*first), datetime.date(*last), precision)


def test_undated_and_unreadable() -> None:
    assert periods.printed("n.d.") == periods.Printed(None, None, "undated")
    assert [periods.printed(t) for t in ("2024-13", "2024-02-30", "March 2024", "2024/25", "24-03")] == [None] * 5
