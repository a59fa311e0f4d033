"""How far parallel trends may fail before a result is lost: bounds on relative magnitudes (Rambachan and Roth, 2023).

The year-to-year departure from parallel trends after the agreement is allowed to be up to M-bar times the largest one
seen before it. The target is the average effect over a stated window of event times, weighted by the councils behind
each: event times resting on a handful of councils neither set the bound nor enter the target.

The interval is the identified set widened by the sampling error of the target, as in the `diff-diff` library, in
closed form (no optimiser). It takes the largest pre-period departure as it was estimated, noise included; `noise` says
how large that departure would be expected to be from sampling error alone, so that a small breakdown value can be read
for what it is. The published interval, the conditional and least favourable hybrid test inverted, allows for that noise
and is wider: `accepted` and `robust` give it, slower, for results that carry weight.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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


#: Share of the test's size spent on its first, least favourable, stage (as in Rambachan and Roth's package).
LF_SHARE = 0.1
ALPHA = 0.05
#: Vertices solved for at once, to bound memory.
_BATCH = 50_000


def _constraints(events: np.ndarray, reference: int, mbar: float, largest: int, sign: float) -> np.ndarray:
    """Rows a with a'delta <= 0: no yearly move before passes the `largest`-th one (of this sign), none after passes mbar times it.

    events: event times of delta, the reference left out, where delta is zero.
    """
    times = np.sort(np.append(events, reference))
    moves = (np.eye(len(times))[1:] - np.eye(len(times))[:-1]) / np.diff(times)[:, None]
    moves = moves[:, times != reference]
    top = sign * moves[largest]
    room = np.where(times[1:] <= reference, 1.0, mbar)[:, None] * top
    rows = np.vstack([moves - room, -moves - room])
    return np.asarray(rows[np.abs(rows).max(axis=1) > 1e-12])


def _vertices(nuisance: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Vertices (V x m) of the weights g >= 0 with g'nuisance = 0 and g'spread = 1, among which the test's maximum lies."""
    system = np.column_stack([nuisance, spread]).T  # (k + 1) x m
    size, m = system.shape
    goal = np.zeros(size)
    goal[-1] = 1.0
    found = []
    bases = itertools.combinations(range(m), size)
    while batch := list(itertools.islice(bases, _BATCH)):
        chosen = np.array(batch)
        square = system[:, chosen].transpose(1, 0, 2)
        regular = np.abs(np.linalg.det(square / np.abs(square).max(axis=(1, 2), keepdims=True))) > 1e-12
        chosen, square = chosen[regular], square[regular]
        weights = np.linalg.solve(square, np.broadcast_to(goal, (len(square), size))[..., None])[..., 0]
        fine = (weights >= -1e-10).all(axis=1)
        full = np.zeros((int(fine.sum()), m))
        np.put_along_axis(full, chosen[fine], np.clip(weights[fine], 0, None), axis=1)
        found.append(full)
    return np.unique(np.vstack(found).round(12), axis=0)


def _rejected(moment: np.ndarray, vertices: np.ndarray, variance: np.ndarray, least: float, size: float) -> bool:
    """The conditional test of one hypothesis: is the largest weighted moment too large, given which weights attain it?

    least: the first stage's critical value, infinite without one.
    """
    from scipy.stats import truncnorm

    values = vertices @ moment
    best = vertices[int(values.argmax())]
    largest = float(values.max())
    if largest > least:
        return True
    own = float(best @ variance @ best)
    if own <= 1e-18:
        return largest > 0
    slope = vertices @ (variance @ best) / own
    rest, room = values - slope * largest, 1 - slope
    low = float(np.max(rest[room > 1e-9] / room[room > 1e-9], initial=-np.inf))
    high = min(float(np.min(rest[room < -1e-9] / room[room < -1e-9], initial=np.inf)), least)
    if high <= low:
        return largest > max(0.0, low)
    sd = float(np.sqrt(own))
    return bool(largest > max(0.0, float(truncnorm.ppf(1 - size, low / sd, high / sd, scale=sd))))


def accepted(
    effects: np.ndarray,
    covariance: np.ndarray,
    events: np.ndarray,
    weights: np.ndarray,
    mbar: float,
    values: np.ndarray,
    reference: int = -1,
    hybrid: bool = True,
    draws: int = 1000,
    seed: int = 2021,
) -> np.ndarray:
    """Which `values` of the weighted post-period effect are not rejected at 5% when departures may be `mbar` times the largest before.

    effects, covariance: the event study at `events` (in order, without the reference, where it is zero); weights: over the events after
    the reference. The test of Andrews, Roth and Pakes, as Rambachan and Roth (2023) use it, for each place and sign that the largest
    earlier move may have; a value stands when one of them accepts it. hybrid: with the least favourable first stage (their C-LF), else
    the conditional test alone.
    """
    post = events > reference
    aim = np.column_stack([weights / (weights @ weights), _others(weights)])  # post effects from (target, nuisance)
    kept = np.zeros(len(values), dtype=bool)
    rng = np.random.default_rng(seed)
    for largest, sign in itertools.product(range(int((~post).sum())), (1.0, -1.0)):
        rows = _constraints(events, reference, mbar, largest, sign)
        variance = rows @ covariance @ rows.T
        directions = rows[:, post] @ aim
        spread = np.sqrt(np.diag(variance))
        vertices = _vertices(directions[:, 1:], spread)
        least, size = np.inf, ALPHA
        if hybrid:
            drawn = rng.multivariate_normal(np.zeros(len(rows)), variance, size=draws, method="svd")
            least = float(np.quantile((drawn @ vertices.T).max(axis=1), 1 - LF_SHARE * ALPHA))
            size = ALPHA * (1 - LF_SHARE) / (1 - LF_SHARE * ALPHA)
        for k in np.flatnonzero(~kept):
            moment = rows @ effects - directions[:, 0] * values[k]
            kept[k] = not _rejected(moment, vertices, variance, least, size)
    return kept


def _others(weights: np.ndarray) -> np.ndarray:
    """Directions of the post-period effects that leave the weighted average as it is: a basis, in columns."""
    _, _, rotation = np.linalg.svd(weights[None, :])
    return np.asarray(rotation[1:].T)


def _parts(study: inference.Study, least: int) -> dict[str, Any]:
    """A study's event times with enough councils behind them, as `accepted` takes them."""
    use = study.window(least) & (study.events != study.reference)
    behind = study.behind[use & (study.events >= 0)]
    use &= (study.events < study.reference) | (study.events >= 0)
    return {
        "effects": study.event[use],
        "covariance": study.covariance[np.ix_(use, use)],
        "events": study.events[use],
        "weights": behind / behind.sum(),
        "reference": study.reference,
    }


def robust(
    study: inference.Study,
    scale: str = "level",
    mbars: Sequence[float] = MBARS[1:],
    least: int = inference.MIN_BEHIND,
    points: int = 241,
) -> pd.DataFrame:
    """The published interval for a study, on a grid of `points`: frame [mbar, lower, upper], reported units.

    An end is infinite where the grid, twice as wide as the plug-in interval, does not hold it.
    """
    parts = _parts(study, least)
    post = parts["events"] > study.reference
    estimate = float(parts["weights"] @ parts["effects"][post])
    plain = relative_magnitudes(study, "level", mbars, least=least).table.set_index("mbar")
    rows = []
    for m in mbars:
        half = 2 * float(plain.loc[m, "upper"] - estimate)
        grid = np.linspace(estimate - half, estimate + half, points)
        held = np.flatnonzero(accepted(**parts, mbar=m, values=grid))
        low = -np.inf if held[0] == 0 else grid[held[0]]
        high = np.inf if held[-1] == points - 1 else grid[held[-1]]
        rows.append((float(m), in_units(float(low), scale), in_units(float(high), scale)))
    return pd.DataFrame(rows, columns=["mbar", "lower", "upper"])


def robust_breakdown(
    study: inference.Study, least: int = inference.MIN_BEHIND, most: float = 4.0, steps: int = 9
) -> float:
    """The M-bar at which the published interval first includes zero, by halving between 0 and `most` (infinite beyond it)."""
    parts = _parts(study, least)

    def holds(m: float) -> bool:
        return bool(accepted(**parts, mbar=m, values=np.zeros(1))[0])

    if holds(1e-6):
        return 0.0
    if not holds(most):
        return float("inf")
    low, high = 0.0, most
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
