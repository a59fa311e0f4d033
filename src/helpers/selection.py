"""Who was chosen, and how much of an "effect" their starting point alone would produce.

Agreements went to the councils with the worst deficits, and extremes tend to be followed by something less extreme. The
checks here compare Safety Valve councils with councils that stood as badly at the start and signed nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from helpers import estimation, inference
from helpers.errors import AssessError


def balance(covariates: pd.DataFrame, treated: pd.Series) -> pd.DataFrame:
    """How the treated differ at the start: frame [covariate, treated, control, difference, standardised, n_treated,
    n_control].

    covariates: numeric frame indexed by la_code (make dummies of a region first); treated: boolean by la_code.
    `standardised` is the difference in units of the pooled standard deviation; beyond 0.25 either way, adjustment is
    usually wanted.
    """
    flag = treated.reindex(covariates.index).fillna(False).astype(bool)
    rows = []
    for name in covariates.columns:
        x = covariates[name].astype(float)
        one, other = x[flag].dropna(), x[~flag].dropna()
        spread = float(np.sqrt((one.var() + other.var()) / 2))
        gap = float(one.mean() - other.mean())
        rows.append(
            {
                "covariate": name,
                "treated": float(one.mean()),
                "control": float(other.mean()),
                "difference": gap,
                "standardised": gap / spread if spread > 0 else float("nan"),
                "n_treated": len(one),
                "n_control": len(other),
            }
        )
    return pd.DataFrame(rows)


def matched(baseline: pd.Series, treated: pd.Series) -> pd.DataFrame:
    """Each treated council's nearest untreated one by baseline, without replacement: frame [treated, control, gap].

    The most extreme councils choose first, because they are the hardest to match. Councils without a baseline are left
    out.
    """
    known = baseline.dropna().astype(float).sort_index()
    flag = treated.reindex(known.index).fillna(False).astype(bool)
    free = known[~flag]
    rows = []
    for code, value in known[flag].sort_values(ascending=False, kind="stable").items():
        if free.empty:
            break
        near = (free - value).abs().idxmin()
        rows.append({"treated": code, "control": near, "gap": float(value - free[near])})
        free = free.drop(near)
    return pd.DataFrame(rows, columns=["treated", "control", "gap"])


def same_start(
    outcome: str, data: pd.DataFrame, baseline: pd.Series, threshold: float | None = None, scale: str = "level"
) -> pd.DataFrame:
    """The main estimate against councils that stood as badly at the start without an agreement.

    data: long frame [la_code, year, value, first_year]; baseline: by la_code, such as the deficit at 31 March 2020 as
    % of dedicated schools grant (deficits positive); threshold: the baseline that counts as having crossed, by default
    the lower quartile of the treated councils'. Returns rows of the effects contract, reported units, with
    `estimator`:

    - `all_controls`: the main estimate, on councils with a known baseline;
    - `crossed_threshold`: councils at or above the threshold only, treated and not;
    - `matched_baseline`: each treated council's nearest untreated one by baseline (`matched`), used once;
    - `baseline_adjusted`: change expected from the baseline, fitted on councils without an agreement, taken off.

    A result that shrinks towards zero down the rows was partly regression to the mean. Raises AssessError when a
    comparison has no council on one side.
    """
    panel = inference.panel(data, scale)
    start = baseline.reindex(list(panel.codes)).to_numpy(dtype=float)
    panel = panel.keep(np.isfinite(start), "no baseline")
    start = start[np.isfinite(start)]
    treated = panel.first > 0
    if not treated.any() or treated.all():
        raise AssessError(f"{outcome}: no baseline is known for treated or for control councils.")
    limit = float(np.quantile(start[treated], 0.25)) if threshold is None else float(threshold)
    codes = pd.Index(panel.codes)
    pairs = matched(pd.Series(start, index=codes), pd.Series(treated, index=codes))
    inside = codes.isin(pairs["treated"]) | codes.isin(pairs["control"])
    rows: list[dict[str, Any]] = []
    for name, controls, mask in (
        ("all_controls", estimation.NEVER, np.ones(len(codes), dtype=bool)),
        ("crossed_threshold", f"never Safety Valve, baseline at or above {limit:.3g}", start >= limit),
        ("matched_baseline", "never Safety Valve, nearest by baseline", inside),
    ):
        part = panel.keep(mask, f"outside {name}")
        if not part.n_treated or not part.n_control:
            raise AssessError(
                f"{outcome}: {name} leaves {part.n_treated} treated and {part.n_control} control councils."
            )
        rows += estimation.rows_of_study(inference.study(part), outcome, name, controls, scale, path=False)
    adjusted = estimation.estimate(
        panel, "covariates", outcome=outcome, scale=scale, covariates=pd.DataFrame({"baseline": start}, index=codes)
    )
    rows += adjusted.assign(estimator="baseline_adjusted").to_dict("records")
    return estimation.frame(rows)
