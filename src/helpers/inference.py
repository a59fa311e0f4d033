"""Group-time effects in plain arrays, fast enough to be recomputed for a thousand reassignments of the agreements.

The estimator is Callaway and Sant'Anna (2021) without covariates: for each cohort g and year t, the mean change since
the base year among the cohort's councils less the mean change among controls. Influence functions, weights and their
sampling error follow the R package `did`; the tests hold the results to those of the `diff-diff` library on balanced
and unbalanced panels. Everything here is on the analysis scale (logs stay logs): `estimation` converts to per cent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from numbers import Integral
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.errors import AssessError
from helpers.facts import P_LEVELS

Array = NDArray[np.float64]
Controls = Literal["never", "not_yet"]
Base = Literal["universal", "varying"]

#: An event time resting on fewer treated councils than this takes no part in tests, bounds or verdicts (it is still
#: shown).
MIN_BEHIND = 10

EXCLUDED = -1  # assignment code of a council left out altogether


@dataclass(frozen=True)
class Panel:
    """Council by year values ready for estimation.

    codes (n), years (T, sorted), values (n x T, NaN where missing), first (n; first exposed year, 0 never), group (n),
    dropped: frame [la_code, reason] of councils that could not be used.
    """

    codes: tuple[str, ...]
    years: NDArray[np.int64]
    values: Array
    first: NDArray[np.int64]
    group: tuple[str, ...]
    dropped: pd.DataFrame

    @cached_property
    def cohorts(self) -> NDArray[np.int64]:
        """The first exposed years of the treated councils, each once, in order."""
        return np.unique(self.first[self.first > 0])

    @property
    def n_treated(self) -> int:
        """Councils with an agreement that entered the panel."""
        return int((self.first > 0).sum())

    @property
    def n_control(self) -> int:
        """Councils that never had one."""
        return int((self.first == 0).sum())

    def keep(self, mask: Any, reason: str) -> Panel:
        """The panel without the councils where `mask` is false; they join `dropped` with `reason`."""
        if np.all(mask):
            return self
        gone = pd.DataFrame({"la_code": [c for c, m in zip(self.codes, mask, strict=True) if not m], "reason": reason})
        return replace(
            self,
            codes=tuple(c for c, m in zip(self.codes, mask, strict=True) if m),
            values=self.values[mask],
            first=self.first[mask],
            group=tuple(g for g, m in zip(self.group, mask, strict=True) if m),
            dropped=pd.concat([self.dropped, gone], ignore_index=True),
        )


def panel(data: pd.DataFrame, scale: str = "level") -> Panel:
    """A Panel from long data [la_code, year, value, first_year, group].

    `first_year` is 0 for councils never treated; `group` may be absent. `scale="log"` takes natural logs, leaving
    values of zero or less out. A missing council-year is left out of the comparisons that need it. A council is
    dropped, and named in `dropped` with the reason, when it can enter no comparison: no value at all, no value in its
    base year or none after it, exposed from the first year of the series on, or exposed only after its end (such a
    council is no control either: it signed an agreement). Raises AssessError for missing columns, duplicates, or when
    no treated or no control council is left.
    """
    wanted = ["la_code", "year", "value", "first_year"]
    missing = [c for c in wanted if c not in data.columns]
    if missing:
        raise AssessError(f"Estimation needs the columns {', '.join(wanted)}: {', '.join(missing)} not found.")
    if scale not in ("level", "log"):
        raise AssessError(f"Unknown scale {scale!r}: expected 'level' or 'log'.")
    nameless = data[["la_code", "year"]].isna().any(axis=1)
    if nameless.any():
        place = int(np.flatnonzero(nameless)[0]) + 1
        raise AssessError(f"Row {place} for estimation has no council or no year: expected both.")
    # Arrays rather than a pivot: a chapter makes hundreds of panels.
    council, codes = pd.factorize(data["la_code"].to_numpy(dtype=object), sort=True)
    column, years = pd.factorize(data["year"].to_numpy(), sort=True)
    cell = council * len(years) + column
    order = np.argsort(cell, kind="stable")
    again = order[1:][cell[order[1:]] == cell[order[:-1]]]
    if len(again):
        row = data.iloc[int(again.min())]
        raise AssessError(f"Two values for council {row['la_code']} in {row['year']}: expected one.")
    start = np.unique(council, return_index=True)[1]  # each council's first row
    firsts = data["first_year"].to_numpy(dtype=float, na_value=np.nan)
    differs = ~((firsts == firsts[start][council]) | (np.isnan(firsts) & np.isnan(firsts[start][council])))
    if differs.any():
        named = codes[council[differs].min()]
        raise AssessError(f"Council {named} has more than one first exposed year: expected one.")

    values = np.full((len(codes), len(years)), np.nan)
    values[council, column] = data["value"].to_numpy(dtype=float, na_value=np.nan)
    shown = ~np.isnan(values).all(axis=0)
    values = values[:, shown]
    if scale == "log":
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.where(values > 0, np.log(np.where(values > 0, values, 1.0)), np.nan)
    groups = data["group"].iloc[start].astype(str) if "group" in data else [""] * len(codes)
    full = Panel(
        codes=tuple(str(c) for c in codes),
        years=years[shown].astype(np.int64),
        values=values,
        first=np.nan_to_num(firsts[start]).astype(np.int64),
        group=tuple(groups),
        dropped=pd.DataFrame({"la_code": pd.Series(dtype=str), "reason": pd.Series(dtype=str)}),
    )
    return _usable(full)


def _usable(full: Panel) -> Panel:
    seen = np.isfinite(full.values)
    full = full.keep(seen.any(axis=1), "no value in any year")
    if not len(full.codes):
        raise AssessError("No council has a value: nothing to estimate.")
    already = (full.first > 0) & (full.first <= full.years[0])
    full = full.keep(~already, f"exposed from the first year, {full.years[0]}, on")
    full = full.keep(
        np.asarray(full.first <= full.years[-1]), f"first exposed after the last year of the series, {full.years[-1]}"
    )
    for g in full.cohorts:
        base = full.years[full.years < g][-1]
        column = int(np.flatnonzero(full.years == base)[0])
        seen = np.isfinite(full.values)
        cohort = full.first == g
        full = full.keep(~cohort | seen[:, column], f"no value in its base year, {base}")
        seen, cohort = np.isfinite(full.values), full.first == g
        full = full.keep(~cohort | seen[:, full.years >= g].any(axis=1), f"no value after its agreement (from {g} on)")
    full = full.keep(
        (full.first > 0) | (np.isfinite(full.values).sum(axis=1) > 1), "a single value: no change to compare"
    )
    if not full.n_treated or not full.n_control:
        raise AssessError(
            f"Nothing to compare: {full.n_treated} treated and {full.n_control} control councils have usable values."
        )
    return full


@dataclass(frozen=True)
class Cells:
    """The group-time comparisons: parallel arrays of cohort, year, base year, event time and the two column numbers."""

    cohort: NDArray[np.int64]
    year: NDArray[np.int64]
    base: NDArray[np.int64]
    event: NDArray[np.int64]
    column: NDArray[np.int64]
    base_column: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.cohort)

    def where(self, mask: NDArray[np.bool_]) -> Cells:
        """The comparisons for which `mask` is true."""
        return Cells(*(getattr(self, field.name)[mask] for field in fields(self)))


def cells(
    years: NDArray[np.int64],
    cohorts: Sequence[int] | NDArray[np.int64],
    base: Base = "universal",
    anticipation: int = 0,
) -> Cells:
    """Every cohort-year comparison; base years are chosen among the years that exist, so gaps in a series are no
    obstacle.

    universal: always the last year before exposure less `anticipation`. varying: before exposure, the year before.
    """
    rows = []
    for g in (int(c) for c in cohorts):
        before = np.flatnonzero(years + anticipation < g)
        if not len(before):
            continue
        last = int(before[-1])
        for j, t in enumerate(years):
            b = last if (t >= g or base == "universal") else j - 1
            if b >= 0 and b != j:
                rows.append((g, int(t), int(years[b]), int(t) - g, j, b))
    table = np.array(rows, dtype=np.int64).reshape(-1, 6)
    return Cells(*(table[:, k] for k in range(6)))


@dataclass(frozen=True)
class Aggregates:
    """Many assignments at once: overall (B), event (B x E) over `events`, and the overall standard errors when asked
    for.
    """

    overall: Array
    event: Array
    events: NDArray[np.int64]
    overall_se: Array | None = None


def _weighted(att: Array, weight: Array) -> Array:
    """Weighted mean over the last axis, ignoring cells that could not be estimated."""
    ok = np.isfinite(att)
    w = np.where(ok, weight, 0.0)
    total: Array = w.sum(axis=-1)
    top: Array = (w * np.where(ok, att, 0.0)).sum(axis=-1)
    mean: Array = np.divide(top, total, out=np.full_like(total, np.nan), where=total > 0)
    return mean


def batch(
    values: Array,
    assignments: NDArray[np.int64],
    grid: Cells,
    controls: Controls = "never",
    errors: bool = False,
    anticipation: int = 0,
) -> Aggregates:
    """Overall and event-time effects for many assignments of first exposed years.

    values n x T; assignments B x n (a first exposed year, 0 never, EXCLUDED left out). Returns B results, in the order
    given. `errors` adds the standard error of each overall effect.
    """
    change = values[:, grid.column] - values[:, grid.base_column]  # n x C
    seen = np.isfinite(change)
    filled, mask = np.where(seen, change, 0.0), seen.astype(float)
    cohorts = np.unique(grid.cohort)
    members = {int(g): (assignments == g).astype(float) for g in (0, *cohorts)}
    sums = {g: m @ filled for g, m in members.items()}
    counts = {g: m @ mask for g, m in members.items()}

    shape = (len(assignments), len(grid))
    top_t, n_t, top_c, n_c = (np.zeros(shape) for _ in range(4))
    for g in cohorts:
        own = grid.cohort == g
        top_t[:, own], n_t[:, own] = sums[int(g)][:, own], counts[int(g)][:, own]
    serves = {int(g): _serves(int(g), grid, controls, anticipation) for g in members}
    for g, cells_of in serves.items():
        top_c[:, cells_of] += sums[g][:, cells_of]
        n_c[:, cells_of] += counts[g][:, cells_of]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_t, mean_c = top_t / n_t, top_c / n_c
    att = mean_t - mean_c

    events = np.unique(grid.event)
    event = np.column_stack([_weighted(att[:, grid.event == e], n_t[:, grid.event == e]) for e in events])
    post = grid.event >= 0
    overall = _weighted(att[:, post], n_t[:, post])
    se = None
    if errors:
        se = _batch_errors(filled, mask, members, serves, grid, att, mean_t, mean_c, n_t, n_c, post)
    return Aggregates(overall, event, events, se)


def _serves(cohort: int, grid: Cells, controls: Controls, anticipation: int) -> NDArray[np.bool_]:
    """The comparisons in which a cohort (0: never treated) is among the controls."""
    if cohort == 0:
        return np.ones(len(grid), dtype=bool)
    if controls == "never":
        return np.zeros(len(grid), dtype=bool)
    until = np.maximum(grid.year, grid.base) + anticipation
    return np.asarray((cohort > until) & (grid.cohort != cohort))


def _batch_errors(
    filled: Array,
    mask: Array,
    members: dict[int, Array],
    serves: dict[int, NDArray[np.bool_]],
    grid: Cells,
    att: Array,
    mean_t: Array,
    mean_c: Array,
    n_t: Array,
    n_c: Array,
    post: NDArray[np.bool_],
) -> Array:
    """Standard errors of the overall effect, including the sampling error of the cohort weights."""
    use = np.isfinite(att) & post
    effect = np.where(use, att, 0.0)
    weight = np.where(use, n_t, 0.0)
    weight /= weight.sum(axis=1, keepdims=True)
    draws, n = members[0].shape
    psi = np.zeros((draws, n))
    # A council of cohort g contributes sum over its cells of w/n (change - mean): two matrix products per cohort.
    for g, member in members.items():
        roles = ((1.0, post & (grid.cohort == g), n_t, mean_t), (-1.0, post & serves[g], n_c, mean_c))
        for sign, own, count, mean in roles:
            if own.any():
                a = np.divide(weight, count, out=np.zeros_like(weight), where=count > 0)[:, own]
                centre = a * np.where(np.isfinite(mean), mean, 0.0)[:, own]
                psi += sign * member * (a @ filled[:, own].T - centre @ mask[:, own].T)
    share = np.zeros_like(weight)
    for g, member in members.items():
        if g:
            share[:, grid.cohort == g] = member.sum(axis=1, keepdims=True) / n
    share = np.where(use, share, 0.0)
    total = share.sum(axis=1)
    mean_effect = (share * effect).sum(axis=1)
    for g, member in members.items():
        if g:
            own = grid.cohort == g
            lift = effect[:, own].sum(axis=1) / total - use[:, own].sum(axis=1) * mean_effect / total**2
            psi += member * (lift / n)[:, None]
    return np.asarray(np.sqrt((psi**2).sum(axis=1)))


@dataclass(frozen=True)
class Study:
    """One estimate in full.

    grid and its effects att (C); overall with se and n; events (E), event (E), event_se (E), behind (E: treated
    councils with a usable comparison); overall_psi (n), event_psi (n x E): influence functions, one row a council, so
    that `psi.T @ psi` is the covariance clustered by council. `controls` and `anticipation` say how it was made.
    """

    panel: Panel
    grid: Cells
    att: Array
    n_treated_cell: Array
    overall: float
    se: float
    overall_psi: Array
    events: NDArray[np.int64]
    event: Array
    event_psi: Array
    behind: NDArray[np.int64]
    anticipation: int
    controls: Controls = "never"

    @property
    def reference(self) -> int:
        """The event time that is zero by construction with a universal base (in a series without gaps)."""
        return -1 - self.anticipation

    @property
    def event_se(self) -> Array:
        """Standard error of each event-time effect (E), clustered by council, on the analysis scale."""
        return np.asarray(np.sqrt((self.event_psi**2).sum(axis=0)))

    @property
    def covariance(self) -> Array:
        """Covariance of the event-time effects (E x E), clustered by council: the product of influence functions."""
        return np.asarray(self.event_psi.T @ self.event_psi)

    def window(self, least: int = MIN_BEHIND) -> NDArray[np.bool_]:
        """Which event times rest on at least `least` treated councils (all of them, when none does)."""
        mask = self.behind >= min(least, int(self.behind.max(initial=0)))
        return np.asarray(mask)


@dataclass(frozen=True)
class Comparisons:
    """Who is compared with whom in each group-time comparison of a panel.

    grid (C comparisons); change (n x C; NaN where a council has no figure in the year or the base year); treated and
    control (n x C): who takes part on either side.
    """

    panel: Panel
    grid: Cells
    change: Array
    treated: NDArray[np.bool_]
    control: NDArray[np.bool_]

    def aggregate(self, att: Array, psi: Array, which: NDArray[np.bool_]) -> tuple[float, Array]:
        """The mean of the effects `att` (C) over the comparisons `which` (C), by treated councils in each, and its
        influence function (n), from theirs (`psi`, n x C) and with that of the weights. Effects that are NaN have no
        part; NaN when none is left."""
        n = len(self.panel.codes)
        use = which & np.isfinite(att)
        if not use.any():
            return float("nan"), np.full(n, np.nan)
        n_t = self.treated[:, use].sum(axis=0).astype(float)
        weight, effect = n_t / n_t.sum(), att[use]
        own = self.panel.first[:, None] == self.grid.cohort[use][None, :]
        share = own.sum(axis=0) / n
        total, mean = share.sum(), share @ effect
        wif = (own @ effect) / total - own.sum(axis=1) * mean / total**2
        return float(weight @ effect), psi[:, use] @ weight + wif / n


def comparisons(
    data: Panel, controls: Controls = "never", base: Base = "universal", anticipation: int = 0
) -> Comparisons:
    """The group-time comparisons that a panel allows."""
    grid = cells(data.years, data.cohorts, base, anticipation)
    change = data.values[:, grid.column] - data.values[:, grid.base_column]
    seen = np.isfinite(change)
    treated = (data.first[:, None] == grid.cohort[None, :]) & seen
    control = np.vstack([_serves(int(first), grid, controls, anticipation) for first in data.first]) & seen
    return Comparisons(data, grid, change, treated, control)


def study(data: Panel, controls: Controls = "never", base: Base = "universal", anticipation: int = 0) -> Study:
    """Group-time effects of one panel, aggregated overall (`simple`: by councils in each cell, event time 0 on) and by
    event time.

    With a universal base the reference year (event time -1 - anticipation where the series has no gap) is zero by
    construction and left out of `events`. Everything is on the analysis scale. Source: Callaway and Sant'Anna (2021),
    as the R package `did` computes it.
    """
    compared = comparisons(data, controls, base, anticipation)
    grid, treated, control = compared.grid, compared.treated, compared.control
    n_t, n_c = treated.sum(axis=0).astype(float), control.sum(axis=0).astype(float)
    filled = np.where(treated | control, compared.change, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_t, mean_c = (filled * treated).sum(axis=0) / n_t, (filled * control).sum(axis=0) / n_c
        psi = treated * (filled - mean_t) / n_t - control * (filled - mean_c) / n_c
    att = mean_t - mean_c
    ok = np.isfinite(att)
    psi = np.where(ok, psi, 0.0)

    overall, overall_psi = compared.aggregate(att, psi, grid.event >= 0)
    found = [e for e in np.unique(grid.event) if (ok & (grid.event == e)).any()]
    by_event = [compared.aggregate(att, psi, grid.event == e) for e in found]
    behind = [int((treated[:, grid.event == e].any(axis=1)).sum()) for e in found]
    return Study(
        panel=data,
        grid=grid,
        att=att,
        n_treated_cell=n_t,
        overall=overall,
        se=float(np.sqrt((overall_psi**2).sum())),
        overall_psi=overall_psi,
        events=np.array(found, dtype=np.int64),
        event=np.array([b for b, _ in by_event]),
        event_psi=np.column_stack([p for _, p in by_event]) if by_event else np.zeros((len(data.codes), 0)),
        behind=np.array(behind, dtype=np.int64),
        anticipation=anticipation,
        controls=controls,
    )


def reassignments(first: NDArray[np.int64], draws: int, seed: int | Sequence[int]) -> NDArray[np.int64]:
    """`draws` random reallocations of the first exposed years among all councils, cohort sizes kept (draws x n).

    Drawn in one go from the seed, so the result does not depend on how many processes run. Raises AssessError when
    `draws` is not a whole number of at least 1.
    """
    if not isinstance(draws, Integral) or isinstance(draws, bool) or draws < 1:
        raise AssessError(f"draws={draws!r}: expected a whole number of at least 1; the report uses 999.")
    rng = np.random.default_rng(seed)
    return np.asarray(rng.permuted(np.broadcast_to(first, (draws, len(first))), axis=1))


@dataclass(frozen=True)
class Randomisation:
    """Randomisation inference: p overall (raw effect) and from how many draws, p of the studentised effect, p by event
    time, and the first draws."""

    p: float
    drawn: int
    p_studentised: float
    events: NDArray[np.int64]
    event_p: Array
    draws: Array
    pretrend_p: float


def _share(extreme: NDArray[np.bool_]) -> float:
    """Two-sided p counting the observed assignment among the draws, so never zero and exact for any number of draws."""
    return float((1 + extreme.sum()) / (1 + len(extreme)))


MORE = 100  # times the draws, at most, for a p that chance in the drawing could put on either side of one of P_LEVELS
PARTS = 10  # in which they are drawn


def drawing_error(p: float, draws: int) -> float:
    """The standard error of a p that comes from so many draws."""
    return float((p * (1 - p) / draws) ** 0.5)


def near_a_level(p: float, draws: int) -> bool:
    """Whether a p from so many draws lies within three of its standard errors of one of P_LEVELS."""
    return min(abs(p - level) for level in P_LEVELS) < 3 * drawing_error(p, draws)


def _sharpened(result: Study, p: float, draws: int, seed: int, tolerance: float) -> tuple[float, int]:
    """The p of the overall effect and the draws behind it: as it is when it is near no level, else from more draws,
    until it is near none or there are MORE times as many."""
    data = result.panel
    after = result.grid.where(result.grid.event >= 0)  # no other comparison enters the overall effect
    drawn, extreme = draws, 0
    # In parts, so that memory stays small and few are drawn where few will do; each part has a stream of its own.
    for part in range(1, PARTS + 1):
        if not near_a_level(p, drawn):
            break
        first = reassignments(data.first, MORE * draws // PARTS, [seed, part])
        many = batch(data.values, first, after, result.controls, False, result.anticipation)
        extreme += int((np.abs(many.overall) >= abs(result.overall) - tolerance).sum())
        drawn = part * MORE * draws // PARTS
        p = (1 + extreme) / (1 + drawn)
    return p, drawn


def randomisation(result: Study, draws: int = 999, seed: int = 2021) -> Randomisation:
    """p-values from reassigning the agreements at random among all councils in the panel, keeping cohort sizes.

    The p is that of the effect itself (two-sided), from up to MORE times the draws where fewer leave it too near to
    one of P_LEVELS to tell its side; the studentised version divides each draw by its own standard error. The pre-trend p
    compares the joint pre-period statistic with its distribution over the draws; it is NaN when there are no more draws
    than pre-period event times. Raises AssessError for fewer than one draw.
    """
    data, grid = result.panel, result.grid
    many = batch(data.values, reassignments(data.first, draws, seed), grid, result.controls, True, result.anticipation)
    assert many.overall_se is not None
    tolerance = 1e-12
    p = _share(np.abs(many.overall) >= abs(result.overall) - tolerance)
    p, counted = _sharpened(result, p, draws, seed, tolerance)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(many.overall / many.overall_se)
    p_t = _share(t >= abs(result.overall / result.se) - tolerance) if result.se > 0 else float("nan")
    columns = [int(np.flatnonzero(many.events == e)[0]) for e in result.events]
    event_p = np.array(
        [_share(np.abs(many.event[:, k]) >= abs(b) - tolerance) for k, b in zip(columns, result.event, strict=True)]
    )
    pre = pre_window(result)
    pretrend = float("nan")
    if pre.any():
        drawn = many.event[:, np.array(columns)[pre]]
        drawn = drawn[np.isfinite(drawn).all(axis=1)]
        if len(drawn) > pre.sum():  # fewer draws than event times have no covariance to speak of
            inverse = np.linalg.pinv(np.atleast_2d(np.cov(drawn, rowvar=False)))
            wald = np.einsum("bi,ij,bj->b", drawn, inverse, drawn)
            own = result.event[pre]
            pretrend = _share(wald >= own @ inverse @ own - tolerance)
    return Randomisation(p, counted, p_t, result.events, event_p, many.overall, pretrend)


def pre_window(result: Study, least: int = MIN_BEHIND) -> NDArray[np.bool_]:
    """The pre-period event times that enter the joint test: before exposure (and anticipation), enough councils
    behind.
    """
    return np.asarray((result.events < -result.anticipation) & result.window(least))


@dataclass(frozen=True)
class Wald:
    """A joint test: statistic (chi-squared scale), number of restrictions, treated councils, p."""

    statistic: float
    restrictions: int
    councils: int
    p: float


def pretrend(result: Study, least: int = MIN_BEHIND) -> Wald:
    """Are all pre-period effects zero? Wald test on the event-study path, covariance clustered by council.

    With few clusters the chi-squared law rejects too often, so the statistic is read as Hotelling's T-squared with the
    number of treated councils behind it: F = W (G - q) / (q (G - 1)) on q and G - q degrees of freedom. Event times
    with fewer than `least` treated councils stay out. p is NaN when the series has no usable pre-period beside the
    reference.
    """
    from scipy.stats import f

    pre = pre_window(result, least)
    q = int(pre.sum())
    councils = int(result.behind[pre].max(initial=0))
    if q == 0 or councils <= q:
        return Wald(float("nan"), q, councils, float("nan"))
    b = result.event[pre]
    variance = result.covariance[np.ix_(pre, pre)]
    statistic = float(b @ np.linalg.pinv(variance) @ b)
    scaled = statistic * (councils - q) / (q * (councils - 1))
    return Wald(statistic, q, councils, float(f.sf(scaled, q, councils - q)))


def critical_value(result: Study, draws: int = 999, seed: int = 2021, level: float = 0.95) -> float:
    """The sup-t critical value: an event-study band of estimate +- c s.e. holds the whole path with probability
    `level`.

    Multiplier bootstrap (Rademacher weights by council) on the influence functions of all event times shown, as in
    Callaway and Sant'Anna (2021). At least 1.96; NaN when no event time has a standard error.
    """
    se = result.event_se
    use = se > 0
    if not use.any():
        return float("nan")
    rng = np.random.default_rng(seed)
    signs = rng.integers(0, 2, size=(draws, len(result.panel.codes))) * 2.0 - 1.0
    largest = np.abs(signs @ (result.event_psi[:, use] / se[use])).max(axis=1)
    # A band narrower than the pointwise interval would be an artefact of few draws.
    return float(max(np.quantile(largest, level), 1.959963984540054))


def leave_one_out(result: Study) -> pd.DataFrame:
    """The overall effect without each council in turn, with the controls of the study.

    Frame [la_code, treated, estimate], one row a council of the panel, on the analysis scale.
    """
    data = result.panel
    without = np.tile(data.first, (len(data.codes), 1))
    np.fill_diagonal(without, EXCLUDED)
    many = batch(data.values, without, result.grid, result.controls, False, result.anticipation)
    return pd.DataFrame({"la_code": data.codes, "treated": data.first > 0, "estimate": many.overall})


def benjamini_hochberg(p_values: pd.Series) -> pd.Series:
    """Benjamini and Hochberg (1995) adjusted p-values within one family, indexed as given; missing stays missing and
    does not count.
    """
    known = p_values.dropna().astype(float).sort_values()
    m = len(known)
    raised = known.to_numpy() * m / np.arange(1, m + 1)
    adjusted = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0)
    return pd.Series(adjusted, index=known.index).reindex(p_values.index)
