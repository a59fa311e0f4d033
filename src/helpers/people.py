"""How many people an effect stands for: an estimate times the size of what it bears on in Safety Valve councils."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from helpers import estimation, inference, measures, panel, protocol
from helpers.errors import AssessError


@dataclass(frozen=True)
class Count:
    """A number of people, plans or cases a year with its 95% interval; `base`: the total of `councils` it was taken
    from."""

    value: float
    lower: float
    upper: float
    base: float
    councils: int
    year: int


def total(measure: str, year: int, group: str = "safety_valve") -> tuple[float, int]:
    """The sum of a count over the councils of a group in one year, and how many councils have a figure."""
    frame = panel.series(measure, years=(year, year))
    known = frame[(frame["group"] == group) & frame["value"].notna()]
    if known.empty:
        raise AssessError(f"No {group} council has {measure} in {year}.")
    return float(known["value"].sum()), len(known)


def effect_in(measure: str, year: int) -> dict[str, float]:
    """The effect of the agreements in one year alone, by the main estimator: each cohort's effect in that year, weighted
    by its councils. Keys estimate, lower, upper (95%), in percentage points or, for measures in logs, per cent.

    The exposed years of Safety Valve councils other than `year` are left out, so that only that year's effects enter.
    """
    data = protocol.prepare(measure)
    exposed = (data["first_year"] > 0) & (data["year"] >= data["first_year"])
    scale = str(measures.get(measure).scale)
    found = inference.study(inference.panel(data[~exposed | (data["year"] == year)], scale))
    made = estimation.reported(found.overall, found.se, scale)
    return {"estimate": made.estimate, "lower": made.lower, "upper": made.upper}


def from_points(effect: Mapping[str, Any], measure: str, year: int) -> Count:
    """People for an effect in percentage points (estimate, lower, upper) of `measure` in Safety Valve councils.

    The sampling error of the effect only: the total is taken as known, and the effect as the same whatever a council's
    size.
    """
    base, councils = total(measure, year)
    value, lower, upper = (float(effect[k]) * base / 100 for k in ("estimate", "lower", "upper"))
    return Count(value, lower, upper, base, councils, year)


def from_percent(effect: Mapping[str, Any], measure: str, year: int) -> Count:
    """People for an effect in per cent of what `measure` would have been: observed total less that total without the
    effect.

    Negative when the effect is a fall. `effect` holds estimate, lower and upper in per cent, all above -100.
    """
    base, councils = total(measure, year)
    if float(effect["lower"]) <= -100:
        raise AssessError(f"An effect of {effect['lower']}% on {measure} leaves nothing: expected above -100%.")
    value, lower, upper = (base * p / (100 + p) for p in (float(effect[k]) for k in ("estimate", "lower", "upper")))
    return Count(value, lower, upper, base, councils, year)
