"""The whole protocol on one outcome."""

import time

import numpy as np
import pandas as pd
import pytest

from helpers import estimation, facts, inference, protocol, simulation
from helpers.errors import AssessError


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    raised = simulation.frame(simulation.worlds(simulation.SCENARIOS[1], 1, 1)[0])
    return raised.assign(value=np.exp(raised["value"]))


@pytest.fixture(scope="module")
def covariates(data) -> pd.DataFrame:
    codes = data["la_code"].unique()
    return pd.DataFrame({"x": np.random.default_rng(1).normal(size=len(codes))}, index=codes)


@pytest.fixture(scope="module")
def result(data, covariates) -> protocol.Protocol:
    return protocol.run("requests", data, "demand", scale="log", covariates=covariates)


def test_effects_hold_every_estimator_and_the_main_path(result):
    assert list(result.effects.columns) == list(estimation.COLUMNS)
    overall = result.effects[result.effects["event_time"] == "overall"]
    assert overall["estimator"].iloc[0] == "callaway_santanna"
    assert set(overall["estimator"]) == set(estimation.ESTIMATORS)
    path = result.effects[result.effects["event_time"] != "overall"]
    assert set(path["estimator"]) == {"callaway_santanna"}
    assert [int(e) for e in path["event_time"]] == [-8, -7, -6, -5, -4, -3, -2, 0, 1, 2, 3, 4]
    assert not path["estimate"].isna().any()


def test_councils_behind_every_event_time(result):
    behind = result.n_behind.set_index("event_time")["n_treated"]
    assert behind.loc[[-8, -7, -6, -5, 0, 1, 2, 3, 4]].tolist() == [4, 24, 33, 38, 38, 38, 34, 14, 5]
    used = result.event_study.set_index("event_time")["used"]
    assert not used[-8] and not used[4] and used[-7] and used[3]


def test_event_study_frame_is_ready_to_draw(result):
    frame = result.event_study
    reference = frame[frame["event_time"] == -1].iloc[0]
    assert reference["estimate"] == 0 and np.isnan(reference["lower"])
    others = frame[frame["event_time"] != -1]
    assert (others["band_lower"] <= others["lower"]).all() and (others["band_upper"] >= others["upper"]).all()
    assert (others["lower"] < others["estimate"]).all() and (others["estimate"] < others["upper"]).all()
    assert others["ri_p"].between(0.001, 1).all()


def test_forest_frame_is_ready_to_draw(result):
    assert list(result.forest["estimator"]) == [e for e in estimation.ESTIMATORS if e != "linear_trend"]
    assert result.forest["label"].str.len().gt(5).all()


def test_planted_effect_is_found_and_reported_in_per_cent(result):
    assert result.unit == "%"
    assert result.main["lower"] < 10.0 < result.main["upper"]
    assert result.ri_p < 0.01 and result.same_sign and result.path == 1
    low, high = result.loo_range
    assert low < result.main["estimate"] < high


def test_facts_are_accepted_by_the_book(result):
    for name, fact in result.facts.items():
        facts.make(name, **fact)
    for key in ("att", "event.-2", "event.0", "ri_p", "pretrend_p", "mde", "breakdown", "twfe", "no_dbv", "same_sign"):
        assert f"effect.requests.{key}" in result.facts
    att = result.facts["effect.requests.att"]
    assert (att["value"], att["n"], att["years"]) == (result.main["estimate"], 38, "2016 to 2025")
    assert att["lower"] < att["value"] < att["upper"]


class _Book:
    def __init__(self):
        self.facts, self.effect_rows = {}, []

    def fact(self, id, value, **rest):
        assert id not in self.facts
        self.facts[id] = facts.make(id, value, **rest)

    def effects(self, frame):
        self.effect_rows += frame.to_dict("records")


def test_a_family_is_recorded_with_adjusted_p(result, data):
    from dataclasses import replace

    other = replace(result, outcome="plans", ri_p=0.04)
    book = _Book()
    adjusted = protocol.record(book, result, other, sources=["ehc_requests"])
    assert adjusted["plans"] == pytest.approx(0.04) and adjusted["requests"] == pytest.approx(2 * result.ri_p)
    assert book.facts["effect.plans.bh_p"].value == pytest.approx(0.04)
    assert len(book.effect_rows) == 2 * len(result.effects)
    assert book.facts["effect.requests.att"].sources == ("ehc_requests",)


def test_without_covariates_the_row_is_left_out_and_said(data):
    result = protocol.run("x", data, scale="log", draws=99)
    assert "covariates" not in set(result.effects["estimator"])
    assert any("covariate" in note for note in result.notes)
    with pytest.raises(AssessError, match="No estimate by 'covariates'"):
        result.row("covariates")


def test_two_runs_are_identical_and_the_seed_matters_only_for_draws(data):
    one, other = (protocol.run("x", data, scale="log", draws=199) for _ in range(2))
    pd.testing.assert_frame_equal(one.effects, other.effects)
    pd.testing.assert_frame_equal(one.event_study, other.event_study)
    assert one.facts == other.facts
    third = protocol.run("x", data, scale="log", draws=199, seed=7)
    pd.testing.assert_frame_equal(one.effects, third.effects)


def test_order_of_rows_does_not_matter(data):
    one = protocol.run("x", data, scale="log", draws=199)
    other = protocol.run("x", data.sample(frac=1, random_state=3), scale="log", draws=199)
    assert one.facts == other.facts


def test_one_estimator_of_another_sign_is_noticed(data, result, monkeypatch):
    assert result.same_sign
    monkeypatch.setattr(estimation, "_twfe", lambda panel: (-0.01, 0.01))
    assert not protocol.run("x", data, scale="log", draws=99).same_sign


def test_path_has_the_sign_of_the_effect(data):
    turned = protocol.run("x", data.assign(value=1 / data["value"]), scale="log", draws=99)
    assert turned.path == -1 and turned.main["estimate"] < 0
    null = simulation.frame(simulation.worlds(simulation.SCENARIOS[0], 1, 11)[0])
    assert protocol.run("x", null, draws=99).path == 0


def test_subgroups_are_each_compared_with_all_controls(data):
    # Labels as text with the untreated missing, the way the councils table has them.
    first = data.drop_duplicates("la_code").set_index("la_code")["first_year"]
    split = first[first > 0].astype("string")
    found = protocol.subgroups("x", data, split, scale="log")
    assert found["subgroup"].tolist() == ["2021", "2022", "2023", "2024"]
    assert found["n_treated"].tolist() == [5, 9, 20, 4] and set(found["n_control"]) == {115}
    alone = data[data["first_year"].isin([0, 2023])]
    by_hand = estimation.estimate(alone, scale="log").iloc[0]
    assert found.loc[2, "estimate"] == pytest.approx(by_hand["estimate"])


def test_subgroups_that_differ_are_told_apart(data):
    treated = data.drop_duplicates("la_code").set_index("la_code")["first_year"].loc[lambda f: f > 0]
    half = pd.Series(np.where(np.arange(len(treated)) % 2, "odd", "even"), index=treated.index)
    found = protocol.subgroups("x", data, half, scale="log")["difference_p"].iloc[0]
    assert found > 0.05
    # By hand: two studies sharing their controls, so the influence functions are subtracted council by council.
    parts = []
    for name in ("even", "odd"):
        part = inference.study(inference.panel(data[data["la_code"].map(half).fillna(name) == name], "log"))
        parts.append((part.overall, pd.Series(part.overall_psi, index=list(part.panel.codes))))
    gap = parts[1][0] - parts[0][0]
    spread = np.sqrt((parts[1][1].sub(parts[0][1], fill_value=0) ** 2).sum())
    assert found == pytest.approx(estimation.reported(gap, spread, "level").p)
    odd = data["la_code"].map(half).eq("odd") & (data["year"] >= data["first_year"])
    apart = data.assign(value=data["value"] * np.where(odd, 1.5, 1.0))
    assert protocol.subgroups("x", apart, half, scale="log")["difference_p"].iloc[0] < 0.001


def test_disagreeing_implementations_stop_the_run(data, monkeypatch):
    class Wrong:
        overall_att, overall_se = 0.5, 0.01

    monkeypatch.setattr(estimation, "library", lambda panel: Wrong())
    with pytest.raises(AssessError, match="two implementations"):
        protocol.run("x", data, scale="log", draws=9)


def test_one_outcome_takes_well_under_three_seconds(data, covariates, result):
    start = time.perf_counter()
    protocol.run("x", data, scale="log", covariates=covariates)
    assert time.perf_counter() - start < 3  # 0.3 s on an idle machine, once libraries are imported


def test_a_series_with_two_years_still_runs(data):
    short = data[data["year"].isin([2020, 2022])]
    result = protocol.run("x", short, scale="log", draws=99)
    assert np.isnan(result.pretrend_p) and np.isnan(result.breakdown)
    assert "effect.x.pretrend_p" not in result.facts
    assert result.n_behind["n_treated"].max() == 14


def test_study_behind_the_result_is_at_hand(result):
    assert isinstance(result.study, inference.Study)
    assert result.dropped.empty
