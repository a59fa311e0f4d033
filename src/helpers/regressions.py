"""The checks beside the main estimate that are regressions, in plain arrays: Sun and Abraham, two-way fixed effects,
imputation, covariates.

Each gives the overall effect and its standard error, clustered by council, on the analysis scale. The libraries
`diff-diff` and `pyfixest` have them; they take ten times as long over panels as small as these, most of it spent on
frames and formulas. The tests hold every estimate and standard error to the library's, on each outcome of the project
and on panels with gaps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from helpers import inference
from helpers.errors import AssessError
from helpers.inference import Array, Controls, Panel


def _centred(values: Array, seen: NDArray[np.bool_]) -> Array:
    """`values` (n x T x K) less each council's mean over the years seen; nought where nothing was seen."""
    held = np.where(seen[..., None], values, 0.0)
    mean = held.sum(axis=1) / np.maximum(seen.sum(axis=1), 1)[:, None]
    return np.asarray(np.where(seen[..., None], held - mean[:, None, :], 0.0))


def sun_abraham(panel: Panel) -> tuple[float, float]:
    """Interaction-weighted event study (Sun and Abraham 2021), averaged over post-agreement council-years.

    Council and year effects, and one effect for each cohort and year but the last before its first exposed one. A cohort
    is who was first exposed by the same year of those there are figures for.
    """
    seen = np.isfinite(panel.values)
    never = len(panel.years)
    start = np.where(panel.first > 0, np.searchsorted(panel.years, panel.first), never)
    columns, treated = [], []
    for first in np.unique(start[start < never]):
        for place in range(never):
            cell = (start == first)[:, None] & seen & (np.arange(never) == place)
            if place != first - 1 and cell.any():
                columns.append(cell.astype(float))
                treated.append(int(cell.sum()) if place >= first else 0)
    weights = np.array(treated) / sum(treated)
    return _two_way(panel, np.stack(columns, axis=-1), weights)


def twfe(panel: Panel) -> tuple[float, float]:
    """Two-way fixed effects with one effect of all exposed council-years: a benchmark only, biased when effects vary."""
    exposed = (panel.first[:, None] > 0) & (panel.years[None, :] >= panel.first[:, None])
    return _two_way(panel, exposed[..., None].astype(float), np.ones(1))


def _two_way(panel: Panel, columns: Array, weights: Array) -> tuple[float, float]:
    """Least squares on `columns` (n x T x K) beside council and year effects: the sum of their coefficients by `weights`
    (K) and its standard error.

    The small-sample factor counts year effects and leaves out councils', which are nested in the clusters.
    """
    seen = np.isfinite(panel.values)
    years = np.broadcast_to(np.eye(len(panel.years))[:, 1:], (*seen.shape, len(panel.years) - 1))
    design = _centred(np.concatenate([columns, years], axis=-1), seen)
    outcome = _centred(panel.values[..., None], seen)[..., 0]
    bread = np.linalg.pinv(np.einsum("itk,itl->kl", design, design), hermitian=True)
    found = bread @ np.einsum("itk,it->k", design, outcome)
    scores = np.einsum("itk,it->ik", design, outcome - design @ found)
    every = np.concatenate([weights, np.zeros(len(found) - len(weights))])
    councils, rows, parameters = len(panel.codes), int(seen.sum()), len(found) + 1
    factor = councils / (councils - 1) * (rows - 1) / (rows - parameters)
    return float(every @ found), float(np.sqrt(factor * ((scores @ (bread @ every)) ** 2).sum()))


def imputation(panel: Panel) -> tuple[float, float]:
    """Untreated outcomes imputed from council and year effects fitted on untreated council-years (Borusyak, Jaravel and
    Spiess 2024); the conservative standard error, effects taken as alike within cohort and year.
    """
    seen = np.asarray(np.isfinite(panel.values))
    exposed = np.asarray((panel.first[:, None] > 0) & (panel.years[None, :] >= panel.first[:, None]))
    plain = seen & ~exposed
    by_council, by_year = plain.sum(axis=1).astype(float), plain.sum(axis=0).astype(float)
    # A year or council without an untreated figure has nothing to impute from.
    told = seen & exposed & (by_council > 0)[:, None] & (by_year > 0)[None, :]
    if not told.any():
        return float("nan"), float("nan")
    values = np.where(seen, panel.values, 0.0)
    weight = told / told.sum()
    # Least squares on the untreated, and the weights that it gives each of them, from one set of normal equations.
    normal = np.block([[np.diag(by_council), plain.astype(float)], [plain.T.astype(float), np.diag(by_year)]])
    right = [np.concatenate([a.sum(axis=1), a.sum(axis=0)]) for a in (np.where(plain, values, 0.0), weight)]
    n = len(panel.codes)
    solved = np.array(right) @ np.linalg.pinv(normal, hermitian=True)
    fitted, implied = (solution[:n, None] + solution[None, n:] for solution in solved)
    effect = values - fitted
    left = np.where(plain, effect, 0.0)
    for g in panel.cohorts:
        own = (panel.first == g)[:, None] & told
        mean = np.where(own, effect, 0.0).sum(axis=0) / np.maximum(own.sum(axis=0), 1)
        left = np.where(own, effect - mean, left)
    by_cluster = (np.where(told, weight, np.where(plain, -implied, 0.0)) * left).sum(axis=1)
    return float((weight * effect).sum()), float(np.sqrt((by_cluster**2).sum()))


def covariates(panel: Panel, x: Array, controls: Controls = "never") -> tuple[float, float]:
    """The main estimate given baseline covariates x (n x k, complete): the change of the controls is predicted from them
    by least squares, cell by cell (the outcome regression of Callaway and Sant'Anna 2021).
    """
    if x.shape[0] != len(panel.codes) or not np.isfinite(x).all():
        raise AssessError(f"Covariates must be known for each of {len(panel.codes)} councils; found {x.shape[0]} rows.")
    plain = inference.comparisons(panel, controls)
    made = np.full(len(plain.grid), np.nan)
    psi = np.zeros((len(panel.codes), len(plain.grid)))
    for cell in range(len(plain.grid)):
        treated, control, change = plain.treated[:, cell], plain.control[:, cell], plain.change[:, cell]
        if not (treated.any() and control.any()):
            continue
        centre = x[control].mean(axis=0)
        near, far = x[control] - centre, x[treated] - centre
        bread = np.linalg.pinv(near.T @ near, hermitian=True)
        mean = change[control].mean()
        slope = bread @ (near.T @ (change[control] - mean))
        gaps = change[treated] - mean - far @ slope
        made[cell] = gaps.mean()
        psi[treated, cell] = (gaps - made[cell]) / len(gaps)
        projected = 1 / len(near) + near @ (bread @ far.mean(axis=0))
        psi[control, cell] = -(change[control] - mean - near @ slope) * projected
    effect, influence = plain.aggregate(made, psi, plain.grid.event >= 0)
    return effect, float(np.sqrt((influence**2).sum()))
