"""How far parallel trends may fail before a result is lost: bounds on relative magnitudes (Rambachan and Roth, 2023).

The year-to-year departure from parallel trends after the agreement is allowed to be up to M-bar times the largest one
seen before it. The target is the average effect over a stated window of event times, weighted by the councils behind
each: event times resting on a handful of councils neither set the bound nor enter the target.

The interval is the identified set widened by the sampling error of the target, as in the `diff-diff` library, in
closed form (no optimiser). It takes the largest pre-period departure as it was estimated, noise included; `noise` says
how large that departure would be expected to be from sampling error alone, so that a small breakdown value can be read
for what it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers import inference
from helpers.estimation import Z, in_units

MBARS = (0.0, 0.5, 1.0, 1.5, 2.0)


@dataclass(frozen=True)
class Sensitivity:
    """Bounds for one estimate.

    estimate, lower, upper: the target and its ordinary 95% interval, reported units; events: the event times averaged,
    with `weights`; pre_events: those that set the bound; largest: largest yearly departure before (analysis scale);
    noise: what sampling error alone would lead one to expect of it; breakdown: the M-bar at which the interval first
    includes zero (0 when it does from the start, NaN without pre-periods); table: frame [mbar, lower, upper], reported
    units.
    """

    estimate: float
    lower: float
    upper: float
    events: tuple[int, ...]
    weights: tuple[float, ...]
    pre_events: tuple[int, ...]
    largest: float
    noise: float
    breakdown: float
    table: pd.DataFrame


def _steps(events: np.ndarray, start: int) -> np.ndarray:
    """Years between successive event times, the first counted from `start`."""
    return np.diff(np.concatenate([[start], events])).astype(float)


def departures(pre_effects: np.ndarray, pre_events: np.ndarray, reference: int = -1) -> np.ndarray:
    """Yearly changes of the pre-period path up to the reference, where it is zero by construction."""
    path = np.append(pre_effects, 0.0)
    at = np.append(pre_events, reference).astype(float)
    return np.asarray(np.diff(path) / np.diff(at))


def worst_bias(weights: np.ndarray, steps: np.ndarray) -> float:
    """Largest bias of the weighted post-period average when the departure moves by at most one unit a year."""
    tails = np.cumsum(weights[::-1])[::-1]
    return float(np.sum(steps * np.abs(tails)))


def relative_magnitudes(
    study: inference.Study,
    scale: str = "level",
    mbars: Sequence[float] = MBARS,
    window: tuple[int, int] | None = None,
    least: int = inference.MIN_BEHIND,
    draws: int = 4000,
    seed: int = 2021,
) -> Sensitivity:
    """Bounds on relative magnitudes for a study with a universal base.

    `window` states the first and last event time used; by default all that rest on at least `least` treated councils.
    """
    use = study.window(least)
    if window is not None:
        use = (study.events >= window[0]) & (study.events <= window[1])
    post = use & (study.events >= 0)
    pre = use & (study.events < study.reference)
    weights = study.behind[post] / study.behind[post].sum()
    estimate = float(weights @ study.event[post])
    covariance = study.covariance
    se = float(np.sqrt(weights @ covariance[np.ix_(post, post)] @ weights))
    bias = worst_bias(weights, _steps(study.events[post], study.reference))
    largest = noise = breakdown = float("nan")
    if pre.any():
        at = study.events[pre]
        largest = float(np.abs(departures(study.event[pre], at, study.reference)).max())
        rng = np.random.default_rng(seed)
        drawn = rng.multivariate_normal(
            np.zeros(int(pre.sum())), covariance[np.ix_(pre, pre)], size=draws, method="svd"
        )
        paths = np.column_stack([drawn, np.zeros(draws)])
        noise = float(np.abs(np.diff(paths) / np.diff(np.append(at, study.reference))).max(axis=1).mean())
        room = abs(estimate) - Z * se
        breakdown = 0.0 if room <= 0 else (room / (bias * largest) if largest > 0 else float("inf"))
    rows = []
    for m in mbars:
        half = Z * se + (m * largest * bias if m else 0.0)
        rows.append((float(m), in_units(estimate - half, scale), in_units(estimate + half, scale)))
    return Sensitivity(
        estimate=in_units(estimate, scale),
        lower=in_units(estimate - Z * se, scale),
        upper=in_units(estimate + Z * se, scale),
        events=tuple(int(e) for e in study.events[post]),
        weights=tuple(float(w) for w in weights),
        pre_events=tuple(int(e) for e in study.events[pre]),
        largest=largest,
        noise=noise,
        breakdown=breakdown,
        table=pd.DataFrame(rows, columns=["mbar", "lower", "upper"]).dropna(ignore_index=True),
    )
