"""Estimators by name, each giving rows of the effects contract in reported units.

Logs are reported as per cent, 100 (exp(b) - 1): the interval's ends are transformed, the standard error is by the delta
method, and p is that of the log-scale estimate. Levels are reported as they are. Intervals are 95%, normal.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from helpers import inference, regressions
from helpers.errors import AssessError

COLUMNS = (
    "outcome",
    "estimator",
    "controls",
    "event_time",
    "estimate",
    "std_error",
    "lower",
    "upper",
    "p_value",
    "n_treated",
    "n_control",
    "first_year",
    "last_year",
)

NEVER = "never Safety Valve"
NOT_YET = "never or not yet Safety Valve"
WITHOUT_DBV = ", without Delivering Better Value"
NEITHER = NEVER + WITHOUT_DBV
#: What each choice of controls is called in `effects.csv`.
CONTROLS: dict[str, str] = {"never": NEVER, "not_yet": NOT_YET, "no_dbv": NEITHER}

#: Names in `effects.csv`, with what a figure calls them, in the order a forest plot shows them.
ESTIMATORS: dict[str, str] = {
    "callaway_santanna": "Main: Callaway and Sant'Anna, never-treated controls",
    "callaway_santanna_notyet": "Not-yet-treated councils as controls too",
    "no_dbv": "Controls without Delivering Better Value councils",
    "sun_abraham": "Sun and Abraham, weighted by council-years",
    "imputation": "Imputation (Borusyak, Jaravel and Spiess)",
    "anticipation_1": "Allowing one year of anticipation",
    "covariates": "Adjusted for baseline covariates",
    "linear_trend": "Taking off the trend before the agreement",
    "twfe": "Two-way fixed effects (benchmark only)",
    "leave_one_out": "Leaving out one council at a time (range)",
}

#: Estimators whose sign the verdict rule compares: not the range, and not `linear_trend`, which rests on another
#: assumption (that the earlier trend would have gone on) and is shown so that a reader can see what that would change.
SIGNED = tuple(name for name in ESTIMATORS if name not in ("leave_one_out", "linear_trend"))

Z = 1.959963984540054


@dataclass(frozen=True)
class Interval:
    """An estimate in reported units with its standard error, 95% interval and p-value."""

    estimate: float
    std_error: float
    lower: float
    upper: float
    p: float


def reported(estimate: float, se: float, scale: str) -> Interval:
    """From the analysis scale (`level` or `log`) to reported units."""
    from scipy.stats import norm

    p = float(2 * norm.sf(abs(estimate / se))) if se > 0 else float("nan")
    low, high = estimate - Z * se, estimate + Z * se
    if scale == "log":
        return Interval(percent(estimate), 100 * float(np.exp(estimate)) * se, percent(low), percent(high), p)
    return Interval(float(estimate), float(se), float(low), float(high), p)


def percent(log_difference: float) -> float:
    """100 (exp(b) - 1)."""
    return float(100 * np.expm1(log_difference))


def in_units(value: float, scale: str) -> float:
    """A point on the analysis scale in reported units."""
    return percent(value) if scale == "log" else float(value)


def row(
    outcome: str,
    estimator: str,
    controls: str,
    event_time: str | int,
    interval: Interval,
    panel: inference.Panel,
    **counts: int,
) -> dict[str, Any]:
    """One row of the effects contract. `counts` may override n_treated and n_control."""
    return {
        "outcome": outcome,
        "estimator": estimator,
        "controls": controls,
        "event_time": event_time,
        "estimate": interval.estimate,
        "std_error": interval.std_error,
        "lower": interval.lower,
        "upper": interval.upper,
        "p_value": interval.p,
        "n_treated": counts.get("n_treated", panel.n_treated),
        "n_control": counts.get("n_control", panel.n_control),
        "first_year": int(panel.years[0]),
        "last_year": int(panel.years[-1]),
    }


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a frame with the contract's columns, in order."""
    return pd.DataFrame(rows, columns=list(COLUMNS))


def estimate(
    data: pd.DataFrame | inference.Panel,
    estimator: str = "callaway_santanna",
    *,
    outcome: str = "",
    scale: str = "level",
    covariates: pd.DataFrame | None = None,
    base: inference.Base = "universal",
    controls: inference.Controls = "never",
) -> pd.DataFrame:
    """Rows of the effects contract for one estimator: one `overall`, and one an event time where it has a path.

    data: long frame [la_code, year, value, first_year (0 never), group] or a Panel already on the analysis scale;
    covariates: frame indexed by la_code, needed by `covariates` (councils without all of them are left out of that
    row); controls: whom the main estimate's relatives (`anticipation_1`, `leave_one_out`, `linear_trend`, `covariates`)
    compare with; the others have controls of their own. The universal base's reference year is not a row: it is zero by
    construction. Raises AssessError for an unknown estimator.
    """
    if estimator not in ESTIMATORS:
        near = difflib.get_close_matches(estimator, ESTIMATORS, n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise AssessError(f"Unknown estimator {estimator!r}: expected one of {', '.join(ESTIMATORS)}.{hint}")
    panel = data if isinstance(data, inference.Panel) else inference.panel(data, scale)
    if estimator in ("callaway_santanna", "callaway_santanna_notyet", "no_dbv", "anticipation_1"):
        study, name = group_time(panel, estimator, base, controls)
        return frame(rows_of_study(study, outcome, estimator, name, scale))
    if estimator == "leave_one_out":
        return frame([_leave_one_out(inference.study(panel, controls), outcome, scale)])
    if estimator == "linear_trend":
        return frame([_linear_trend(inference.study(panel, controls), outcome, scale)])
    if estimator == "covariates":
        return frame([_covariates(panel, outcome, scale, covariates, controls)])
    simple: dict[str, Callable[[inference.Panel], tuple[float, float]]] = {
        "sun_abraham": regressions.sun_abraham,
        "imputation": regressions.imputation,
        "twfe": regressions.twfe,
    }
    b, se = simple[estimator](panel)
    return frame([row(outcome, estimator, NEVER, "overall", reported(b, se, scale), panel)])


def group_time(
    panel: inference.Panel,
    estimator: str = "callaway_santanna",
    base: inference.Base = "universal",
    controls: inference.Controls = "never",
) -> tuple[inference.Study, str]:
    """The Study behind a Callaway and Sant'Anna variant, and the name of its controls."""
    if estimator == "callaway_santanna":
        return inference.study(panel, controls, base), CONTROLS[controls]
    if estimator == "callaway_santanna_notyet":
        return inference.study(panel, "not_yet", base), NOT_YET
    if estimator == "anticipation_1":
        # The overall effect still averages event times 0 on, so that it answers the same question as the main estimate.
        return inference.study(panel, controls, base, anticipation=1), CONTROLS[controls]
    if estimator == "no_dbv":
        keep = np.array([g != "dbv" for g in panel.group])
        return inference.study(panel.keep(keep | (panel.first > 0), "Delivering Better Value"), "never", base), NEITHER
    raise AssessError(f"{estimator!r} is not a group-time estimator.")


def rows_of_study(
    study: inference.Study, outcome: str, estimator: str, controls: str, scale: str, path: bool = True
) -> list[dict[str, Any]]:
    """The overall row and, with `path`, one row an event time (n_treated: councils behind that event time)."""
    panel = study.panel
    rows = [row(outcome, estimator, controls, "overall", reported(study.overall, study.se, scale), panel)]
    if path:
        for e, b, se, n in zip(study.events, study.event, study.event_se, study.behind, strict=True):
            rows.append(row(outcome, estimator, controls, int(e), reported(b, se, scale), panel, n_treated=int(n)))
    return rows


def _leave_one_out(study: inference.Study, outcome: str, scale: str) -> dict[str, Any]:
    """The main estimate with, as lower and upper, the smallest and largest estimate when one council is left out."""
    without = inference.leave_one_out(study)["estimate"]
    low, high = in_units(without.min(), scale), in_units(without.max(), scale)
    interval = Interval(in_units(study.overall, scale), float("nan"), low, high, float("nan"))
    return row(outcome, "leave_one_out", CONTROLS[study.controls], "overall", interval, study.panel)


def _linear_trend(study: inference.Study, outcome: str, scale: str) -> dict[str, Any]:
    """The main estimate less the straight line through the pre-period path and the reference, carried on.

    The line is fitted to event times with enough councils behind them; both its slope and the effect are linear in the
    group-time effects, so the standard error is exact given their covariance.
    """
    pre = inference.pre_window(study)
    if pre.sum() < 2:
        raise AssessError(
            f"{outcome or 'The series'}: a trend needs two event times before the last one, with enough councils."
        )
    since = (study.events - study.reference).astype(float)
    slope = since[pre] / (since[pre] ** 2).sum()
    cells = (study.grid.event >= 0) & np.isfinite(study.att)
    ahead = float(np.average(study.grid.event[cells] - study.reference, weights=study.n_treated_cell[cells]))
    b = study.overall - ahead * float(slope @ study.event[pre])
    psi = study.overall_psi - ahead * (study.event_psi[:, pre] @ slope)
    interval = reported(b, float(np.sqrt((psi**2).sum())), scale)
    return row(outcome, "linear_trend", CONTROLS[study.controls], "overall", interval, study.panel)


def long(panel: inference.Panel) -> pd.DataFrame:
    """The panel's observed values as long data [la_code, unit, year, value, first_year]; unit is an integer for
    libraries.
    """
    n, years = panel.values.shape
    out = pd.DataFrame(
        {
            "la_code": np.repeat(panel.codes, years),
            "unit": np.repeat(np.arange(n), years),
            "year": np.tile(panel.years, n),
            "value": panel.values.ravel(),
            "first_year": np.repeat(panel.first, years),
        }
    )
    return out[np.isfinite(out["value"])].reset_index(drop=True)


def library(panel: inference.Panel, controls: inference.Controls = "never", base: inference.Base = "universal") -> Any:
    """The same estimate from the `diff-diff` library (its results object): the second implementation results are held
    to.
    """
    from diff_diff import CallawaySantAnna

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # They repeat what the panel already states: gaps, empty cells.
        warnings.simplefilter("ignore")
        return CallawaySantAnna(control_group=_LIBRARY[controls], base_period=base).fit(
            long(panel), outcome="value", unit="unit", time="year", first_treat="first_year"
        )


_LIBRARY = {"never": "never_treated", "not_yet": "not_yet_treated"}


def _covariates(
    panel: inference.Panel,
    outcome: str,
    scale: str,
    covariates: pd.DataFrame | None,
    controls: inference.Controls = "never",
) -> dict[str, Any]:
    """Outcome-regression version: parallel trends given baseline covariates. The propensity-based (doubly robust) one
    is not used because cohorts of four and five councils cannot carry a propensity model with three covariates.
    """
    if covariates is None or covariates.empty:
        raise AssessError("The 'covariates' estimator needs a frame of baseline covariates indexed by la_code.")
    x = covariates.astype(float).reindex(list(panel.codes)).to_numpy()
    complete = np.isfinite(x).all(axis=1)
    used, x = panel.keep(complete, "a baseline covariate is missing"), x[complete]
    spread = x.std(axis=0)
    x = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    b, se = regressions.covariates(used, x, controls)
    return row(outcome, "covariates", CONTROLS[controls], "overall", reported(b, se, scale), used)
