"""Where a council stands: its figures beside its ten statistical neighbours, its region, its programme group and England.

What is shown is data: indicators.yaml. Region and England are as published where they are; neighbours and groups are simple
averages of councils. Everything is worked out once for all councils and kept while the processed tables stay as they are.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from helpers import councils, files, measures, panel, paths

#: Fewer neighbours than this with a figure make no average.
LEAST = 5
SYMBOLS = {
    "x": "not applicable",
    "c": "withheld to protect people",
    "z": "not applicable",
    "u": "unreliable, left out",
    "low": "too small to publish",
    ":": "not published",
}
ABSENT = "not published"


@dataclass(frozen=True)
class Indicator:
    """One row of a council's page: a measure at its last year, or its growth (%) since `growth_from`."""

    id: str
    measure: str
    section: str
    label: str
    of: str
    growth_from: int | None = None

    @property
    def definition(self) -> measures.Measure:
        """The measure behind it."""
        return measures.get(self.measure)

    @property
    def unit(self) -> str:
        """A unit of `helpers.facts`, or nothing for a plain number."""
        if self.growth_from:
            return "%"
        unit = self.definition.unit
        return "%" if unit.startswith("%") else "gbp" if unit.startswith("gbp") else ""

    @property
    def digits(self) -> int:
        """Decimals shown."""
        return 1 if self.growth_from else self.definition.digits

    @property
    def when(self) -> str:
        """The year, said as its kind of year is: "2024", "January 2025", "2024/25", "2024-25", "31 March 2024"."""
        last = said_year(self.definition.last_year, self.definition.kind)
        return f"{said_year(self.growth_from, self.definition.kind)} to {last}" if self.growth_from else last


@dataclass(frozen=True)
class Place:
    """One council's figure beside the others'. Missing figures are None and `why` says so in words.

    `rank` counts from the highest; `of` is how many councils have a figure; `averaged` names the columns that are averages of
    councils because nothing was published.
    """

    indicator: Indicator
    value: float | None
    why: str
    neighbours: float | None
    region: float | None
    group: float | None
    england: float | None
    rank: int | None
    of: int
    averaged: tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    """Everything of one indicator: all councils in the last year, and all years of councils, regions and England."""

    indicator: Indicator
    now: Mapping[str, float]
    symbols: Mapping[str, str]
    series: Mapping[str, Mapping[int, float]]
    areas: Mapping[str, Mapping[int, float]]


def said_year(year: int, kind: str) -> str:
    """A year of the panel as readers say it: ("academic_year", 2025) is "2024/25"."""
    if kind == "january_count":
        return f"January {year}"
    if kind == "academic_year":
        return f"{year - 1}/{year % 100:02d}"
    if kind == "financial_flow":
        return f"{year - 1}-{year % 100:02d}"
    return f"31 March {year}" if kind == "balance" else str(year)


@cache
def indicators() -> tuple[Indicator, ...]:
    """The rows of a council's page, in order."""
    return tuple(Indicator(**row) for row in files.read_yaml(Path(__file__).with_name("indicators.yaml")))


def pictures() -> dict[str, Picture]:
    """All indicators by id."""
    return _pictures(_stamp())


def _stamp() -> tuple[Any, ...]:
    folder = paths.processed()
    names = ("council_year", "area_year", "neighbours", "councils")
    held = [folder / f"{name}.parquet" for name in names]
    return (str(folder), *((f.stat().st_mtime_ns, f.stat().st_size) if f.is_file() else None for f in held))


@lru_cache(maxsize=2)
def _pictures(stamp: tuple[Any, ...]) -> dict[str, Picture]:
    from helpers.errors import AssessError

    made = {}
    for indicator in indicators():
        rows = panel.series(indicator.measure, groups=False)
        series = _nested(rows["la_code"], rows["year"], rows["value"])
        last = indicator.definition.last_year
        at = rows[rows["year"] == last]
        symbols = {str(c): str(s) for c, s in zip(at["la_code"], at["symbol"], strict=True)}
        try:
            held = panel.area(indicator.measure)
            areas = _nested(held["la_code"], held["year"], held["value"])
        except AssessError:
            areas = {}
        if indicator.growth_from:
            first = indicator.growth_from
            now = {
                c: 100 * (v[last] / v[first] - 1) for c, v in series.items() if v.get(last) is not None and v.get(first)
            }
            symbols = {c: "" for c in series}
        else:
            now = {c: v[last] for c, v in series.items() if last in v}
        made[indicator.id] = Picture(indicator, now, symbols, series, areas)
    return made


def _nested(codes: Iterable[Any], years: Iterable[Any], values: Iterable[Any]) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for code, year, value in zip(codes, years, values, strict=True):
        held = found.setdefault(str(code), {})
        if value == value:
            held[int(year)] = float(value)
    return found


@dataclass(frozen=True)
class Circle:
    """Who a council is compared with: codes of its neighbours (nearest first), of its region's and of its group's councils."""

    neighbours: tuple[str, ...]
    region: tuple[str, ...]
    group: tuple[str, ...]
    group_key: str


def circle(la_code: str) -> Circle:
    """The council's neighbours, region and group; its own figures count in its region's and group's averages."""
    return _circles(_stamp())[la_code]


@lru_cache(maxsize=2)
def _circles(stamp: tuple[Any, ...]) -> dict[str, Circle]:
    near: dict[str, list[str]] = {}
    rows = panel.table("neighbours").sort_values(["la_code", "rank"])
    for code, other in zip(rows["la_code"], rows["neighbour_la_code"], strict=True):
        near.setdefault(str(code), []).append(str(other))
    listed = panel.councils()
    regions = {str(k): tuple(map(str, v)) for k, v in listed.groupby("region_code")["la_code"]}
    groups = {str(k): tuple(map(str, v)) for k, v in listed.groupby("group")["la_code"]}
    return {
        str(row.la_code): Circle(
            tuple(near.get(str(row.la_code), ())), regions[str(row.region_code)], groups[str(row.group)], str(row.group)
        )
        for row in listed.itertuples()
    }


def _mean(values: Iterable[float], least: int = 1) -> float | None:
    held = list(values)
    return statistics.fmean(held) if len(held) >= least else None


def average(picture: Picture, codes: Iterable[str], year: int, least: int = 1) -> float | None:
    """The simple average of councils in one year of the measure (not of growth); None when too few have a figure."""
    return _mean((picture.series[c][year] for c in codes if year in picture.series.get(c, {})), least)


def place(la_code: str, id: str) -> Place:
    """Where one council stands on one indicator."""
    picture, around = pictures()[id], circle(la_code)
    indicator, last = picture.indicator, picture.indicator.definition.last_year
    value = picture.now.get(la_code)
    averaged = []

    def area(code: str, members: Iterable[str], column: str) -> float | None:
        published = picture.areas.get(code, {}).get(last)
        if published is not None and not indicator.growth_from:
            return published
        averaged.append(column)
        return _mean(picture.now[c] for c in members if c in picture.now)

    region = area(councils.get(la_code).region_code, around.region, "region")
    england = area(councils.ENGLAND, picture.now, "England")
    return Place(
        indicator=indicator,
        value=value,
        why="" if value is not None else SYMBOLS.get(picture.symbols.get(la_code, ""), ABSENT),
        neighbours=_mean((picture.now[c] for c in around.neighbours if c in picture.now), LEAST),
        region=region,
        group=_mean(picture.now[c] for c in around.group if c in picture.now),
        england=england,
        rank=None if value is None else 1 + sum(v > value for v in picture.now.values()),
        of=len(picture.now),
        averaged=tuple(averaged),
    )


def places(la_code: str) -> list[Place]:
    """Where one council stands on every indicator, in order."""
    return [place(la_code, indicator.id) for indicator in indicators()]
