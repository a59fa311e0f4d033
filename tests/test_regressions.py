"""Sun and Abraham, imputation and covariates in plain arrays, held to the `diff-diff` library, and two-way fixed effects
to `pyfixest`.

The libraries are called on the outcomes of the shipped data and on made-up panels with holes. They may differ from ours
by a millionth of a standard error.
"""

import warnings

import numpy as np
import pandas as pd
import pytest

import real_tables
from helpers import estimation, inference, measures, protocol, regressions, simulation
from helpers.errors import AssessError

CLOSE = 1e-6


def fitted(estimator, data: pd.DataFrame, **options) -> tuple[float, float]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        result = estimator.fit(data, outcome="value", unit="unit", time="year", first_treat="first_year", **options)
    return float(result.overall_att), float(result.overall_se)


def by_pyfixest(data: pd.DataFrame) -> tuple[float, float]:
    import pyfixest

    exposed = (data["first_year"] > 0) & (data["year"] >= data["first_year"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = pyfixest.feols(
            "value ~ exposed | unit + year",
            data.assign(exposed=exposed.astype(int)),
            vcov={"CRV1": "unit"},
            fixef_tol=1e-12,
        )
    return float(fit.coef()["exposed"]), float(fit.se()["exposed"])


def by_library(name: str, panel: inference.Panel, x: np.ndarray, controls: str = "never") -> tuple[float, float]:
    import diff_diff

    data = estimation.long(panel)
    if name == "twfe":
        return by_pyfixest(data)
    if name == "imputation":
        return fitted(diff_diff.ImputationDiD(), data)
    if name == "sun_abraham":
        # The library measures from the year before exposure: years are numbered in the order there are.
        place = {year: k for k, year in enumerate(panel.years, 1)}
        start = {g: int(np.searchsorted(panel.years, g)) + 1 if g else 0 for g in data["first_year"].unique()}
        ordered = data.assign(year=data["year"].map(place), first_year=data["first_year"].map(start))
        return fitted(diff_diff.SunAbraham(), ordered)
    names = [f"x{k}" for k in range(x.shape[1])]
    joined = data.merge(pd.DataFrame(x, index=list(panel.codes), columns=names), left_on="la_code", right_index=True)
    kept = {"never": "never_treated", "not_yet": "not_yet_treated"}[controls]
    return fitted(diff_diff.CallawaySantAnna(control_group=kept, estimation_method="reg"), joined, covariates=names)


def ours(name: str, panel: inference.Panel, x: np.ndarray, controls: str = "never") -> tuple[float, float]:
    if name == "covariates":
        return regressions.covariates(panel, x, controls)
    simple = {"sun_abraham": regressions.sun_abraham, "twfe": regressions.twfe, "imputation": regressions.imputation}
    return simple[name](panel)


def agree(one: tuple[float, float], other: tuple[float, float]) -> None:
    assert np.isfinite([*one, *other]).all() and other[1] > 0
    assert max(abs(one[0] - other[0]), abs(one[1] - other[1])) < CLOSE * other[1]


def baseline(panel: inference.Panel) -> tuple[inference.Panel, np.ndarray]:
    x = protocol.baseline().astype(float).reindex(list(panel.codes)).to_numpy()
    whole = np.isfinite(x).all(axis=1)
    x = x[whole]
    return panel.keep(whole, "no covariate"), (x - x.mean(axis=0)) / x.std(axis=0)


@pytest.mark.parametrize("name", ["sun_abraham", "twfe", "imputation", "covariates"])
def test_every_outcome_of_the_project_equals_the_library(name):
    real_tables.ensure()
    tried = 0
    for measure, definition in measures.listed().items():
        try:
            panel = inference.panel(protocol.prepare(measure), str(definition.scale))
        except AssessError:  # a single year, or figures of one side only
            continue
        panel, x = baseline(panel) if name == "covariates" else (panel, np.empty(0))
        agree(ours(name, panel, x), by_library(name, panel, x))
        tried += 1
    assert tried > 100


def gapped(missing: float, years=None, seed: int = 5) -> inference.Panel:
    data = simulation.frame(simulation.worlds(simulation.SCENARIOS[1], 1, seed)[0])
    if years is not None:
        data = data[data["year"].isin(years)]
    hidden = np.random.default_rng(seed).random(len(data)) < missing
    return inference.panel(data.assign(value=data["value"].mask(hidden)))


@pytest.mark.parametrize("name", ["sun_abraham", "twfe", "imputation", "covariates"])
@pytest.mark.parametrize("missing, years", [(0.0, None), (0.1, None), (0.1, [2017, 2018, 2020, 2023, 2025])])
def test_made_up_panels_with_holes_equal_the_library(name, missing, years):
    panel = gapped(missing, years)
    x = np.random.default_rng(1).normal(size=(len(panel.codes), 2))
    agree(ours(name, panel, x), by_library(name, panel, x))


def test_controls_not_yet_exposed_equal_the_library():
    panel = gapped(0.1)
    x = np.random.default_rng(1).normal(size=(len(panel.codes), 2))
    agree(ours("covariates", panel, x, "not_yet"), by_library("covariates", panel, x, "not_yet"))


def test_without_variation_covariates_change_nothing():
    panel = gapped(0.0)
    plain = inference.study(panel)
    assert regressions.covariates(panel, np.zeros((len(panel.codes), 1))) == pytest.approx((plain.overall, plain.se))


def test_imputation_by_hand():
    # B and C set the year effects: +1, then +2. A was at 5 in the first year, so 6 and 8 are expected; 9 and 10 came.
    data = pd.DataFrame(
        {
            "la_code": np.repeat(["A", "B", "C"], 3),
            "year": [2020, 2021, 2022] * 3,
            "value": [5.0, 9, 10, 0, 1, 3, 7, 8, 10],
            "first_year": np.repeat([2021, 0, 0], 3),
        }
    )
    assert regressions.imputation(inference.panel(data))[0] == pytest.approx(((9 - 6) + (10 - 8)) / 2)


def test_imputation_needs_someone_untreated_in_the_year():
    # Nobody without an agreement has a figure for 2022, so that year is not imputed.
    data = pd.DataFrame(
        {
            "la_code": np.repeat(["A", "B", "C"], 3),
            "year": [2020, 2021, 2022] * 3,
            "value": [5.0, 9, 100, 0, 1, np.nan, 7, 8, np.nan],
            "first_year": np.repeat([2021, 0, 0], 3),
        }
    )
    assert regressions.imputation(inference.panel(data))[0] == pytest.approx(9 - 6)


def test_a_covariate_is_known_for_everybody():
    panel = gapped(0.0)
    x = np.zeros((len(panel.codes), 1))
    x[3] = np.nan
    with pytest.raises(AssessError, match="known for each of 153 councils"):
        regressions.covariates(panel, x)
