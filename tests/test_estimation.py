"""Estimators by name: contract columns, reported units, and what each one does with the controls."""

import numpy as np
import pandas as pd
import pytest

from helpers import estimation, inference, simulation
from helpers.errors import AssessError


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return simulation.frame(simulation.worlds(simulation.SCENARIOS[1], 1, 1)[0])


@pytest.fixture(scope="module")
def covariates(data) -> pd.DataFrame:
    codes = data["la_code"].unique()
    rng = np.random.default_rng(2)
    return pd.DataFrame(rng.normal(size=(len(codes), 2)), index=codes, columns=["deficit", "imd"])


@pytest.mark.parametrize("name", estimation.ESTIMATORS)
def test_every_estimator_gives_contract_rows(name, data, covariates):
    rows = estimation.estimate(data, name, outcome="x", covariates=covariates)
    assert list(rows.columns) == list(estimation.COLUMNS)
    overall = rows[rows["event_time"] == "overall"]
    assert len(overall) == 1
    one = overall.iloc[0]
    assert (one["outcome"], one["estimator"], one["n_treated"]) == ("x", name, 38)
    assert one["lower"] <= one["estimate"] <= one["upper"]
    assert (one["first_year"], one["last_year"]) == (2016, 2025)
    # The planted effect is 0.0953 on this scale; every estimator is within three of its own standard errors of it.
    assert name == "leave_one_out" or one["std_error"] > 0
    if name != "leave_one_out":
        assert abs(one["estimate"] - 0.0953) < 3 * one["std_error"]


def test_controls_without_delivering_better_value(data):
    row = estimation.estimate(data, "no_dbv").iloc[0]
    dbv = data[data["group"] == "dbv"]["la_code"].nunique()
    assert row["n_control"] == 115 - dbv and row["n_treated"] == 38
    by_hand = estimation.estimate(data[data["group"] != "dbv"], "callaway_santanna").iloc[0]
    assert row["estimate"] == pytest.approx(by_hand["estimate"], abs=1e-12)


def test_anticipation_moves_the_base_one_year_earlier():
    # One cohort, exposed in 2022: with anticipation the base is 2020, so the effect is the change since 2020.
    data = pd.DataFrame(
        {
            "la_code": np.repeat(["A", "B", "C", "D"], 3),
            "year": [2020, 2021, 2022] * 4,
            "value": [1.0, 4.0, 9.0, 1.0, 4.0, 11.0, 0.0, 1.0, 2.0, 0.0, 1.0, 4.0],
            "first_year": np.repeat([2022, 2022, 0, 0], 3),
        }
    )
    assert estimation.estimate(data, "callaway_santanna").iloc[0]["estimate"] == pytest.approx(6 - 2)
    assert estimation.estimate(data, "anticipation_1").iloc[0]["estimate"] == pytest.approx(9 - 3)


def test_covariates_take_off_what_the_baseline_explains(data):
    # The outcome drifts with x, and treated councils have more of it: adjustment must take the drift off again.
    codes = data["la_code"].unique()
    rng = np.random.default_rng(3)
    treated = data.drop_duplicates("la_code").set_index("la_code")["first_year"].reindex(codes) > 0
    x = pd.Series(rng.normal(size=len(codes)) + treated.to_numpy(), index=codes)
    drifting = data.assign(value=data["value"] + 0.05 * (data["year"] - 2016) * data["la_code"].map(x))
    plain = estimation.estimate(drifting, "callaway_santanna").iloc[0]["estimate"]
    adjusted = estimation.estimate(drifting, "covariates", covariates=x.to_frame("x")).iloc[0]["estimate"]
    clean = estimation.estimate(data, "callaway_santanna").iloc[0]["estimate"]
    assert plain - clean > 0.05
    assert abs(adjusted - clean) < 0.02


def test_councils_without_a_covariate_leave_that_row_only(data, covariates):
    holes = covariates.copy()
    holes.iloc[[0, -1], 0] = np.nan
    row = estimation.estimate(data, "covariates", covariates=holes).iloc[0]
    assert (row["n_treated"], row["n_control"]) == (37, 114)


def test_twfe_equals_its_closed_form(data):
    row = estimation.estimate(data, "twfe").iloc[0]
    panel = inference.panel(data)
    d = ((panel.first[:, None] > 0) & (panel.years[None, :] >= panel.first[:, None])).astype(float)
    r = d - d.mean(axis=0) - d.mean(axis=1, keepdims=True) + d.mean()
    assert row["estimate"] == pytest.approx((r * panel.values).sum() / (r**2).sum(), abs=1e-8)


def test_linear_trend_takes_off_a_straight_line_exactly(data):
    # A drift of 0.03 a year in treated councils: the main estimate takes it for an effect, the trend-adjusted one does
    # not.
    clean = estimation.estimate(data, "linear_trend").iloc[0]["estimate"]
    drifting = data.assign(value=data["value"] + 0.03 * (data["year"] - 2016) * (data["first_year"] > 0))
    assert estimation.estimate(drifting, "linear_trend").iloc[0]["estimate"] == pytest.approx(clean, abs=1e-10)
    assert estimation.estimate(drifting).iloc[0]["estimate"] > estimation.estimate(data).iloc[0]["estimate"] + 0.05


def test_linear_trend_by_hand():
    # Treated less control, by event time -3 to 1: -2, -1, 0, 4, 5. The line through zero at -1 has slope
    # (2 x 2 + 1 x 1) / (4 + 1) = 1, so the effects are 4 - 1 = 3 and 5 - 2 = 3.
    data = pd.DataFrame(
        {
            "la_code": np.repeat(["A", "B", "C", "D"], 5),
            "year": [2019, 2020, 2021, 2022, 2023] * 4,
            "value": [0.0, 1, 2, 6, 7, 1, 2, 3, 7, 8, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1],
            "first_year": np.repeat([2022, 2022, 0, 0], 5),
        }
    )
    assert estimation.estimate(data, "linear_trend").iloc[0]["estimate"] == pytest.approx(3.0)
    with pytest.raises(AssessError, match="a trend needs two"):
        estimation.estimate(data[data["year"] > 2019], "linear_trend")


def test_leave_one_out_row_holds_the_range(data):
    row = estimation.estimate(data, "leave_one_out").iloc[0]
    codes = data["la_code"].unique()
    some = [estimation.estimate(data[data["la_code"] != c]).iloc[0]["estimate"] for c in codes[:5]]
    assert row["lower"] <= min(some) + 1e-12 and max(some) <= row["upper"] + 1e-12
    assert np.isnan(row["std_error"])


def test_logs_are_reported_as_per_cent():
    one = estimation.reported(np.log(1.1), 0.02, "log")
    assert one.estimate == pytest.approx(10.0)
    assert one.lower == pytest.approx(100 * (1.1 * np.exp(-0.02 * estimation.Z) - 1))
    assert one.upper == pytest.approx(100 * (1.1 * np.exp(0.02 * estimation.Z) - 1))
    assert one.std_error == pytest.approx(100 * 1.1 * 0.02)
    assert one.p == pytest.approx(estimation.reported(np.log(1.1), 0.02, "level").p)


def test_scale_is_the_callers_word(data):
    raised = data.assign(value=np.exp(data["value"]))
    logs = estimation.estimate(raised, "callaway_santanna", scale="log")
    levels = estimation.estimate(data, "callaway_santanna")
    np.testing.assert_allclose(logs["estimate"], 100 * np.expm1(levels["estimate"]), rtol=1e-9)


def test_a_wrong_name_suggests_the_nearest(data):
    with pytest.raises(AssessError, match="Did you mean 'callaway_santanna'"):
        estimation.estimate(data, "calaway_santana")


def test_covariates_are_asked_for(data):
    with pytest.raises(AssessError, match="baseline covariates"):
        estimation.estimate(data, "covariates")


def test_sun_abraham_measures_from_the_last_year_there_is(data):
    """A year that was never published must not cost a cohort its reference: exposed in 2023, last seen unexposed in 2021."""
    whole = data[data["year"] != 2022]
    years = sorted(whole["year"].unique())
    place = {year: 2000 + k for k, year in enumerate(years)}
    first = {g: min((y for y in years if y >= g), default=0) if g else 0 for g in whole["first_year"].unique()}
    closed = whole.assign(
        year=whole["year"].map(place), first_year=whole["first_year"].map(first).map(place).fillna(0).astype(int)
    )
    gap, shut = (estimation.estimate(d, "sun_abraham").iloc[0] for d in (whole, closed))
    assert gap["estimate"] == pytest.approx(shut["estimate"], abs=1e-12)
    main = estimation.estimate(whole, "callaway_santanna").iloc[0]
    assert gap["estimate"] == pytest.approx(main["estimate"], abs=1e-8), "on a balanced panel the two are the same"
