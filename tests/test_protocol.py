"""The whole protocol on one outcome."""

import time

import numpy as np
import pandas as pd
import pytest

from helpers import councils, estimation, facts, inference, paths, protocol, regressions, simulation
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
    behind = result.event_study.set_index("event_time")["n_treated"]
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


def test_what_stands_beside_a_family_is_adjusted_with_it_and_not_counted(result):
    from dataclasses import replace

    one, other, twin = (replace(result, outcome=n, ri_p=p) for n, p in (("a", 0.02), ("b", 0.04), ("c", 0.03)))
    book = _Book()
    adjusted = protocol.record(book, one, other, beside=[twin])
    assert adjusted.to_dict() == pytest.approx({"a": 0.04, "b": 0.04, "c": 0.04})
    assert [book.facts[f"effect.{n}.bh_p"].n for n in "abc"] == [2, 2, 3]
    assert protocol.adjusted_p([one, other], [replace(twin, ri_p=0.9)])["c"] == pytest.approx(0.9)


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
    monkeypatch.setattr(regressions, "twfe", lambda panel: (-0.01, 0.01))
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

    monkeypatch.setattr(estimation, "library", lambda panel, controls: Wrong())
    with pytest.raises(AssessError, match="two implementations"):
        protocol.run("x", data, scale="log", draws=9)


def test_other_controls_change_the_main_estimate_and_what_is_made_from_it(data):
    """Each choice gives as its main estimate what the default shows as a check, to the last digit."""
    groups = {c: "dbv" if i % 3 == 0 else "neither" for i, c in enumerate(sorted(data["la_code"].unique()))}
    data = data.assign(group=data["la_code"].map(groups))
    usual = protocol.run("x", data, scale="log", draws=49)
    for choice, check in (("not_yet", "callaway_santanna_notyet"), ("no_dbv", "no_dbv")):
        other = protocol.run("x", data, scale="log", draws=49, controls=choice)
        same = ["estimate", "std_error", "lower", "upper", "p_value", "controls", "n_treated", "n_control"]
        assert other.main[same].to_dict() == usual.row(check)[same].to_dict()
        assert check not in set(other.effects["estimator"]) and other.forest["label"].is_unique
        assert estimation.CONTROLS[choice] in other.forest["label"][0] and any(
            estimation.CONTROLS[choice] in note for note in other.notes
        )
        assert other.loo_range != usual.loo_range and other.detectable.randomisation != usual.detectable.randomisation
    assert set(other.dropped["reason"]) == {"a control in Delivering Better Value, left out on request"}
    assert other.effects["controls"].str.endswith("without Delivering Better Value").all()


def test_controls_that_do_not_exist_are_refused(data):
    with pytest.raises(
        AssessError, match=r"controls='notyet': expected one of never, not_yet, no_dbv\. Did you mean 'not_yet'"
    ):
        protocol.run("x", data, controls="notyet")
    with pytest.raises(AssessError, match="every control council is in Delivering Better Value"):
        protocol.run("x", data.assign(group="dbv"), controls="no_dbv")


@pytest.mark.parametrize("draws", [0, -1, 2.5, True])
def test_draws_below_one_are_refused(data, draws):
    with pytest.raises(AssessError, match=r"draws=.*expected a whole number of at least 1"):
        protocol.run("x", data, scale="log", draws=draws)


def test_few_draws_give_no_joint_p(data):
    few = protocol.run("x", data, scale="log", draws=1)
    assert np.isnan(few.pretrend_ri_p) and few.ri_p in (1 / 101, 1.0)  # a half is near a level, so more are drawn


@pytest.fixture
def tables(tmp_path, monkeypatch, data) -> pd.DataFrame:
    """The data as the processed tables hold a measure: 60 councils with real codes, agreements of March 2021."""
    monkeypatch.setattr(paths, "processed", lambda: tmp_path)
    known = councils.listed()[:60]
    rng = np.random.default_rng(3)
    rows = [
        {"la_code": c.la_code, "la_name": c.la_name, "measure": "requests", "period": str(y), "year": y, "value": v, "symbol": "", "source": ""}
        for c in known for y, v in zip(range(2018, 2025), rng.uniform(50, 150, 7), strict=True)
    ]  # fmt: skip
    pd.DataFrame(rows).to_parquet(tmp_path / "council_year.parquet")
    people = [
        {"la_code": c.la_code, "group": "safety_valve" if i < 12 else "neither", "cohort": "2020-21" if i < 12 else "", "signed_year": 2021 if i < 12 else 0, "region_name": ""}
        for i, c in enumerate(known)
    ]  # fmt: skip
    pd.DataFrame(people).to_parquet(tmp_path / "councils.parquet")
    return pd.DataFrame(rows)


def test_councils_are_left_out_by_name_code_or_number(tables):
    first, second, third = councils.listed()[:3]
    whole = protocol.prepare("requests")
    asked = [first.la_name, second.la_code, third.dfe_number, first.la_code]
    assert set(whole["la_code"]) - set(protocol.prepare("requests", without=asked)["la_code"]) == {
        first.la_code,
        second.la_code,
        third.la_code,
    }
    alone = protocol.run_measure("requests", without=first.la_name, adjusted=False, draws=9)
    assert alone.notes[0] == f"Left out on request: {first.la_name}." and alone.main["n_treated"] == 11
    with pytest.raises(AssessError, match=r"No council is called 'Kant'\. Did you mean Kent"):
        protocol.run_measure("requests", without=["Kant"], adjusted=False, draws=9)


def test_years_are_a_pair_that_the_measure_has(tables):
    assert set(protocol.prepare("requests", years=(2019, 2023))["year"]) == set(range(2019, 2024))
    assert set(protocol.prepare("requests", years=[2020, None])["year"]) == set(range(2020, 2025))
    assert set(protocol.prepare("requests", 2020)["year"]) == set(range(2020, 2025))
    assert set(protocol.prepare("requests", last_year=2020)["year"]) == {2018, 2019, 2020}
    result = protocol.run_measure("requests", years=(2019, 2023), adjusted=False, draws=9)
    assert (result.main["first_year"], result.main["last_year"]) == (2019, 2023)
    with pytest.raises(AssessError, match="expected one or the other"):
        protocol.prepare("requests", 2019, years=(2019, 2023))
    with pytest.raises(AssessError, match=r"years=\(2030, None\): requests has no figures then"):
        protocol.prepare("requests", 2030)


def test_one_outcome_takes_well_under_three_seconds(data, covariates, result):
    start = time.perf_counter()
    protocol.run("x", data, scale="log", covariates=covariates)
    assert time.perf_counter() - start < 3  # 0.3 s on an idle machine, once libraries are imported


def test_a_series_with_two_years_still_runs(data):
    short = data[data["year"].isin([2020, 2022])]
    result = protocol.run("x", short, scale="log", draws=99)
    assert np.isnan(result.pretrend_p) and np.isnan(result.breakdown)
    assert "effect.x.pretrend_p" not in result.facts
    assert result.event_study["n_treated"].max() == 14


def test_study_behind_the_result_is_at_hand(result):
    assert isinstance(result.study, inference.Study)
    assert result.dropped.empty
