"""Does the protocol say the right thing when the truth is known?

Data shaped like ours are made up here, and only here: 153 councils, 38 of them with agreements in cohorts of 5, 9, 20
and 4, ten years, council and year effects, persistent shocks, and a break in 2023 common to all. A known effect is
planted, or none, or the agreements are given to councils with a high passing shock, so that reversion to the mean
looks like an effect.

On a balanced panel every estimate is a fixed weighted sum of the data, so whole studies are a few matrix products. The
tests hold each number to that of the ordinary protocol on the same data.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers import estimation, inference, power, sensitivity, verdict

Array = NDArray[np.float64]

COHORTS: dict[int, int] = {2021: 5, 2022: 9, 2023: 20, 2024: 4}
COUNCILS = 153
YEARS = np.arange(2016, 2026)
BREAK = 2023


@dataclass(frozen=True)
class Scenario:
    """A made-up world. effect: planted, log points; noise: sd of a council's yearly shock; persistence: of the shock
    from year to year; selection: how far the agreements follow the 2020 shock (0 not at all, 1 entirely); matters:
    smallest effect that matters (%); claim: direction claimed; right: verdicts that are right; wrong: verdicts that
    would mislead.
    """

    name: str
    effect: float = 0.0
    noise: float = 0.10
    persistence: float = 0.5
    selection: float = 0.0
    matters: float = 10.0
    claim: int = 1
    right: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


_FALSE_ALARM = ("supported", "partly supported", "contradicted")

SCENARIOS: tuple[Scenario, ...] = (
    Scenario("no effect", right=("no effect found",), wrong=_FALSE_ALARM),
    Scenario("effect of 10%", effect=0.0953, right=("supported",), wrong=("contradicted", "no effect found")),
    Scenario("effect of 5%", effect=0.0488, right=("supported", "partly supported"), wrong=("contradicted",)),
    Scenario(
        "effect of -10%, claimed the other way",
        effect=-0.1054,
        right=("contradicted",),
        wrong=("supported", "partly supported"),
    ),
    Scenario("no effect, noisy series", noise=0.30, right=("cannot tell",), wrong=_FALSE_ALARM),
    Scenario("no effect, claimed none", claim=0, right=("supported", "partly supported"), wrong=("contradicted",)),
    *(
        Scenario(
            f"no effect, {how} chosen on a passing shock",
            selection=much,
            claim=-1,
            right=("no effect found", "cannot tell"),
            wrong=_FALSE_ALARM,
        )
        for how, much in (("weakly", 0.3), ("strongly", 0.7))
    ),
)


def first_years() -> NDArray[np.int64]:
    """First exposed years of the 153 councils: treated first, by cohort, then the never treated (0)."""
    return np.repeat(np.array([*COHORTS, 0]), [*COHORTS.values(), COUNCILS - sum(COHORTS.values())]).astype(np.int64)


def worlds(scenario: Scenario, n: int, seed: int) -> Array:
    """`n` data sets of one scenario: n x councils x years, logs.

    Selection orders the councils by their 2020 shock (blurred when `selection` is below 1) and gives the agreements,
    in random cohort order, to the highest.
    """
    rng = np.random.default_rng(seed)
    years = len(YEARS)
    shock = np.empty((n, COUNCILS, years))
    kept = np.sqrt(1 - scenario.persistence**2)
    shock[:, :, 0] = rng.standard_normal((n, COUNCILS))
    for t in range(1, years):
        shock[:, :, t] = scenario.persistence * shock[:, :, t - 1] + kept * rng.standard_normal((n, COUNCILS))
    if scenario.selection:
        treated = sum(COHORTS.values())
        at = int(np.flatnonzero(YEARS == 2020)[0])
        blur = np.sqrt(1 - scenario.selection**2)
        score = scenario.selection * shock[:, :, at] + blur * rng.standard_normal((n, COUNCILS))
        order = np.argsort(-score, axis=1, kind="stable")
        order[:, :treated] = rng.permuted(order[:, :treated], axis=1)
        shock = np.take_along_axis(shock, order[:, :, None], axis=1)
    level = rng.normal(6.0, 0.6, size=(n, COUNCILS, 1))
    common = np.cumsum(rng.normal(0.07, 0.03, size=(n, 1, years)), axis=2) - 0.15 * (YEARS >= BREAK)
    first = first_years()
    exposed = (first[:, None] > 0) & (YEARS[None, :] >= first[:, None])
    return np.asarray(level + common + scenario.noise * shock + scenario.effect * exposed)


def frame(values: Array) -> pd.DataFrame:
    """One data set (councils x years) as the long data the protocol takes; values are logs. A third of controls are
    `dbv`.
    """
    first = first_years()
    codes = [f"E{k:08d}" for k in range(COUNCILS)]
    group = np.where(first > 0, "safety_valve", np.where(np.arange(COUNCILS) % 3 == 0, "dbv", "neither"))
    return pd.DataFrame(
        {
            "la_code": np.repeat(codes, len(YEARS)),
            "year": np.tile(YEARS, COUNCILS),
            "value": values.ravel(),
            "first_year": np.repeat(first, len(YEARS)),
            "group": np.repeat(group, len(YEARS)),
        }
    )


# Every estimate as a weighted sum of the data


def _loadings(
    first: NDArray[np.int64], grid: inference.Cells, wanted: NDArray[np.bool_], not_yet: bool = False, ahead: int = 0
) -> Array:
    """Weights (councils x years) whose sum of products with balanced data is the average of the wanted cells."""
    out = np.zeros((len(first), len(YEARS)))
    sizes = {int(g): int((first == g).sum()) for g in np.unique(grid.cohort)}
    total = sum(sizes[int(g)] for g in grid.cohort[wanted])
    for k in np.flatnonzero(wanted):
        g, t = int(grid.cohort[k]), int(grid.year[k])
        control = first == 0
        if not_yet:
            control = control | ((first > max(t, int(grid.base[k])) + ahead) & (first != g))
        for members, sign in ((first == g, 1.0), (control, -1.0)):
            weight = sign * sizes[g] / total / members.sum()
            out[members, grid.column[k]] += weight
            out[members, grid.base_column[k]] -= weight
    return out


def _benchmarks(first: NDArray[np.int64]) -> dict[str, Array]:
    """Weights of the two regression-based estimators, from their normal equations."""
    n, years = len(first), len(YEARS)
    exposed = ((first[:, None] > 0) & (YEARS[None, :] >= first[:, None])).astype(float)
    residual = exposed - exposed.mean(axis=0) - exposed.mean(axis=1, keepdims=True) + exposed.mean()
    twfe = residual / (residual**2).sum()
    # Imputation: fit council and year effects on untreated cells, predict the treated ones, average the differences.
    design = np.zeros((n * years, n + years))
    rows = np.arange(n * years)
    design[rows, rows // years] = 1.0
    design[rows, n + rows % years] = 1.0
    treated = exposed.ravel() > 0
    fit = np.linalg.pinv(design[~treated])
    imputation = np.where(treated, 1.0 / treated.sum(), 0.0)
    imputation[~treated] -= (design[treated].mean(axis=0)) @ fit
    return {"twfe": twfe, "imputation": imputation.reshape(n, years)}


@dataclass(frozen=True)
class Results:
    """One row a data set, log points: overall, se, ri_p, pretrend_p, mde, breakdown, path, same_sign, loo_low,
    loo_high, adjusted (overall adjusted for the 2020 level, the regression-to-the-mean check).
    """

    overall: Array
    se: Array
    ri_p: Array
    pretrend_p: Array
    mde: Array
    breakdown: Array
    path: NDArray[np.int64]
    same_sign: NDArray[np.bool_]
    loo_low: Array
    loo_high: Array
    by_estimator: dict[str, Array]


def _influence(
    values: Array, first: NDArray[np.int64], grid: inference.Cells, wanted: NDArray[np.bool_]
) -> tuple[Array, Array]:
    """Estimates (n) and influence functions (n x councils) of the average of the wanted cells, weights' error
    included.
    """
    loading = _loadings(first, grid, wanted)
    part = (values * loading).sum(axis=2)  # what each council contributes
    psi = part.copy()
    for g in np.unique(first):
        own = first == g
        psi[:, own] -= part[:, own].mean(axis=1, keepdims=True)
    # Sampling error of the cohort weights, from each cohort's summed effects.
    councils = len(first)
    cohorts = np.unique(grid.cohort[wanted])
    mass = np.array([(first == g).sum() / councils for g in cohorts])
    number = np.array([(wanted & (grid.cohort == g)).sum() for g in cohorts])
    sums = np.stack([_cohort_sum(values, first, grid, wanted & (grid.cohort == g)) for g in cohorts], axis=1)
    total = float(mass @ number)
    mean = sums @ mass / total
    for k, g in enumerate(cohorts):
        psi[:, first == g] += ((sums[:, k] - number[k] * mean) / total / councils)[:, None]
    return part.sum(axis=1), psi


def _cohort_sum(values: Array, first: NDArray[np.int64], grid: inference.Cells, wanted: NDArray[np.bool_]) -> Array:
    loading = _loadings(first, grid, wanted) * wanted.sum()
    return np.asarray((values * loading).sum(axis=(1, 2)))


def analyse(values: Array, draws: int = 999, seed: int = 2021) -> Results:
    """The protocol on many balanced data sets at once (n x councils x years, logs)."""
    from scipy.stats import f

    first = first_years()
    grid = inference.cells(YEARS, np.array([*COHORTS]))
    n, councils, years = values.shape
    flat = values.reshape(n, councils * years)
    post = grid.event >= 0
    overall, psi = _influence(values, first, grid, post)
    se = np.sqrt((psi**2).sum(axis=1))

    # Randomisation: a council's contribution depends on its label alone.
    main = _loadings(first, grid, post)
    labels = inference.reassignments(first, draws, seed)
    drawn = np.zeros((n, draws))
    for g in np.unique(first):
        contribution = values @ main[first == g][0]  # n x councils, as if each were in cohort g
        drawn += contribution @ (labels == g).astype(float).T
    # Without the further draws of `inference.randomisation` near a level: a share over many data sets needs none.
    ri_p = (1 + (np.abs(drawn) >= np.abs(overall)[:, None] - 1e-12).sum(axis=1)) / (1 + draws)
    centred = drawn - drawn.mean(axis=1, keepdims=True)
    needed = np.quantile(np.abs(centred), 0.95, axis=1) + np.quantile(-centred, 0.8, axis=1)
    mde = np.maximum(power.multiple() * se, needed)

    # The event-study path, its covariance, the joint pre-trend test and the simultaneous band.
    events = np.unique(grid.event)
    behind = np.array([sum(COHORTS[int(g)] for g in np.unique(grid.cohort[grid.event == e])) for e in events])
    pairs = [_influence(values, first, grid, grid.event == e) for e in events]
    path = np.stack([b for b, _ in pairs], axis=1)
    psis = np.stack([p for _, p in pairs], axis=2)  # n x councils x events
    path_se = np.sqrt((psis**2).sum(axis=1))
    used = behind >= inference.MIN_BEHIND
    pre, after = used & (events < -1), used & (events >= 0)
    q, behind_pre = int(pre.sum()), int(behind[pre].max())
    covariance = np.einsum("nie,nif->nef", psis, psis)
    inverse = np.linalg.pinv(covariance[:, pre][:, :, pre])
    wald = np.einsum("ne,nef,nf->n", path[:, pre], inverse, path[:, pre])
    pretrend_p = f.sf(wald * (behind_pre - q) / (q * (behind_pre - 1)), q, behind_pre - q)
    signs = np.random.default_rng(seed).integers(0, 2, size=(draws, councils)) * 2.0 - 1.0
    critical = np.empty(n)
    for k in range(n):
        largest = np.abs(signs @ (psis[k] / path_se[k])).max(axis=1)
        critical[k] = max(np.quantile(largest, 0.95), estimation.Z)
    band = critical[:, None] * path_se[:, after]
    side = (path[:, after] - band > 0).any(axis=1).astype(int) - (path[:, after] + band < 0).any(axis=1).astype(int)

    # Bounds on relative magnitudes.
    weights = behind[after] / behind[after].sum()
    target = path[:, after] @ weights
    target_se = np.sqrt(np.einsum("e,nef,f->n", weights, covariance[:, after][:, :, after], weights))
    moves = np.diff(np.concatenate([path[:, pre], np.zeros((n, 1))], axis=1), axis=1)
    gaps = np.diff(np.append(events[pre], -1))
    largest_move = np.abs(moves / gaps).max(axis=1)
    steps = np.diff(np.concatenate([[-1], events[after]])).astype(float)
    room = np.abs(target) - estimation.Z * target_se
    breakdown = np.where(room > 0, room / (sensitivity.worst_bias(weights, steps) * largest_move), 0.0)

    # The other estimators, and every council left out in turn.
    ahead = inference.cells(YEARS, np.array([*COHORTS]), anticipation=1)
    without_dbv = first.copy()
    without_dbv[(first == 0) & (np.arange(councils) % 3 == 0)] = inference.EXCLUDED
    sums = {
        "callaway_santanna_notyet": _loadings(first, grid, post, not_yet=True),
        "no_dbv": _loadings(without_dbv, grid, post),
        "anticipation_1": _loadings(first, ahead, ahead.event >= 0),
        **_benchmarks(first),
    }
    others = {name: flat @ weight.ravel() for name, weight in sums.items()}
    others["adjusted"] = _adjusted(values, first, grid, post)
    loo = np.empty((n, councils))
    for i in range(councils):
        kept = first.copy()
        kept[i] = inference.EXCLUDED
        loo[:, i] = flat @ _loadings(kept, grid, post).ravel()
    together = np.sign(np.stack([overall, *others.values()], axis=1))
    return Results(
        overall=overall,
        se=se,
        ri_p=ri_p,
        pretrend_p=np.asarray(pretrend_p),
        mde=mde,
        breakdown=breakdown,
        path=side,
        same_sign=np.asarray((together == together[:, :1]).all(axis=1)),
        loo_low=loo.min(axis=1),
        loo_high=loo.max(axis=1),
        by_estimator={"callaway_santanna": overall, **others},
    )


def _adjusted(values: Array, first: NDArray[np.int64], grid: inference.Cells, wanted: NDArray[np.bool_]) -> Array:
    """The overall effect after taking off the change expected from the 2020 level, fitted on controls cell by cell.

    Levels are measured from each council's mean over the years before, so that size is not mistaken for a shock.
    """
    at = int(np.flatnonzero(YEARS == 2020)[0])
    x = values[:, :, at] - values[:, :, :at].mean(axis=2)
    control = first == 0
    centred = x[:, control] - x[:, control].mean(axis=1, keepdims=True)
    spread = (centred**2).sum(axis=1)
    out: NDArray[np.float64] = (values * _loadings(first, grid, wanted)).sum(axis=(1, 2))
    size = {int(g): int((first == g).sum()) for g in np.unique(grid.cohort)}
    total = sum(size[int(g)] for g in grid.cohort[wanted])
    for k in np.flatnonzero(wanted):
        g = int(grid.cohort[k])
        change = values[:, :, grid.column[k]] - values[:, :, grid.base_column[k]]
        slope = (centred * change[:, control]).sum(axis=1) / spread
        out -= size[g] / total * slope * (x[:, first == g].mean(axis=1) - x[:, control].mean(axis=1))
    return out


def verdicts(results: Results, scenario: Scenario) -> list[str]:
    """What the verdict rule says of each data set (the family is this one outcome, so the adjusted p is the p)."""
    out = []
    for k in range(len(results.overall)):
        interval = estimation.reported(float(results.overall[k]), float(results.se[k]), "log")
        evidence = verdict.Evidence(
            estimate=interval.estimate,
            lower=interval.lower,
            upper=interval.upper,
            ri_p=float(results.ri_p[k]),
            pretrend_p=float(results.pretrend_p[k]),
            same_sign=bool(results.same_sign[k]),
            mde=estimation.percent(float(results.mde[k])),
            path=int(results.path[k]),
            breakdown=float(results.breakdown[k]),
            loo_lower=float(results.loo_low[k]),
            loo_upper=float(results.loo_high[k]),
        )
        out.append(verdict.decide(evidence, scenario.claim, scenario.matters, float(results.ri_p[k])).verdict)
    return out


def study(
    n: int = 200, seed: int = 2021, draws: int = 999, scenarios: tuple[Scenario, ...] = SCENARIOS
) -> pd.DataFrame:
    """How the protocol does over `n` data sets of each scenario: one row a scenario.

    effect, mean_estimate, mean_adjusted: per cent (adjusted: for the level in 2020); sd: of the estimate, log points x
    100; mean_se likewise; coverage: share of 95% intervals that hold the truth; rejected, rejected_ri: share with
    analytic and randomisation p below 5% (size under no effect, power otherwise); rejected_pretrend: share with the
    pre-trend rejected; median_mde: per cent; then the share of each verdict, of right ones and of misleading ones.
    Shares run from 0 to 1; their Monte-Carlo error is at most 0.5 / sqrt(n).
    """
    rows = []
    # The work is numpy's, outside Python, so threads use the cores; each scenario has its own seed, so nothing else changes.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda k: analyse(worlds(scenarios[k], n, seed + k), draws, seed), range(len(scenarios)))
    for scenario, result in zip(scenarios, results, strict=True):
        said = pd.Series(verdicts(result, scenario))
        shares = said.value_counts(normalize=True)
        z = np.abs(result.overall / result.se)
        rows.append(
            {
                "scenario": scenario.name,
                "claim": scenario.claim,
                "n": n,
                "effect": estimation.percent(scenario.effect),
                "mean_estimate": estimation.percent(float(result.overall.mean())),
                "mean_adjusted": estimation.percent(float(result.by_estimator["adjusted"].mean())),
                "sd": 100 * float(result.overall.std(ddof=1)),
                "mean_se": 100 * float(result.se.mean()),
                "coverage": float((np.abs(result.overall - scenario.effect) <= estimation.Z * result.se).mean()),
                "rejected": float((z > estimation.Z).mean()),
                "rejected_ri": float((result.ri_p < 0.05).mean()),
                "rejected_pretrend": float((result.pretrend_p < 0.05).mean()),
                "median_mde": estimation.percent(float(np.median(result.mde))),
                **{name: float(shares.get(name, 0.0)) for name in verdict.VERDICTS[:5]},
                "right": float(said.isin(scenario.right).mean()),
                "misleading": float(said.isin(scenario.wrong).mean()),
            }
        )
    return pd.DataFrame(rows)
