"""Does the protocol recover a planted effect, keep its size, and reach the right verdict?"""

import numpy as np
import pandas as pd
import pytest

from helpers import estimation, inference, protocol, simulation

N = 150
# Three standard deviations of a share of 5% over 150 data sets: 0.05 + 3 sqrt(0.05 x 0.95 / 150) = 0.103.
SIZE_LIMIT = 0.104


@pytest.fixture(scope="module")
def study() -> pd.DataFrame:
    return simulation.study(n=N, draws=499).set_index("scenario")


def test_worlds_are_shaped_like_ours():
    data = simulation.frame(simulation.worlds(simulation.SCENARIOS[0], 1, 1)[0])
    one = data.drop_duplicates("la_code")
    assert len(one) == 153
    assert one["first_year"].value_counts().to_dict() == {0: 115, 2023: 20, 2022: 9, 2021: 5, 2024: 4}
    means = data.groupby("year")["value"].mean().diff()
    assert means.idxmin() == 2023  # the break


def test_vectorised_numbers_are_those_of_the_protocol():
    values = simulation.worlds(simulation.SCENARIOS[2], 2, 5)
    many = simulation.analyse(values, draws=199)
    for k in range(2):
        one = protocol.run("x", simulation.frame(values[k]), scale="level", draws=199)
        assert many.overall[k] == pytest.approx(one.study.overall, abs=1e-10)
        assert many.se[k] == pytest.approx(one.study.se, abs=1e-10)
        # The protocol draws more where a p is near a level; here the first draws are enough.
        first = np.abs(inference.randomisation(one.study, 199).draws) >= abs(one.study.overall) - 1e-12
        assert many.ri_p[k] == (1 + first.sum()) / 200
        assert many.pretrend_p[k] == pytest.approx(one.pretrend_p, abs=1e-10)
        assert many.mde[k] == pytest.approx(one.mde, abs=1e-10)
        assert many.breakdown[k] == pytest.approx(one.breakdown, abs=1e-10)
        assert many.path[k] == one.path
        assert (many.loo_low[k], many.loo_high[k]) == pytest.approx(one.loo_range, abs=1e-10)
        for name, values_of in many.by_estimator.items():
            if name != "adjusted":
                assert values_of[k] == pytest.approx(float(one.row(name)["estimate"]), abs=1e-8), name


def test_no_effect_keeps_its_size(study):
    for name in ("no effect", "no effect, noisy series", "no effect, claimed none"):
        assert study.loc[name, "rejected_ri"] < SIZE_LIMIT, name
        assert study.loc[name, "rejected"] < SIZE_LIMIT + 0.03, name  # the analytic test is a little liberal
        assert study.loc[name, "rejected_pretrend"] < SIZE_LIMIT, name
        assert abs(study.loc[name, "mean_estimate"]) < 4 * study.loc[name, "sd"] / np.sqrt(N), name


def test_a_planted_effect_is_recovered(study):
    for name in ("effect of 10%", "effect of 5%", "effect of -10%, claimed the other way"):
        row = study.loc[name]
        assert abs(row["mean_estimate"] - row["effect"]) < 4 * 1.1 * row["sd"] / np.sqrt(N), name
        assert 0.88 < row["coverage"] <= 1.0, name
        assert 0.8 < row["mean_se"] / row["sd"] < 1.2, name
    assert study.loc["effect of 10%", "rejected_ri"] > 0.95
    assert 0.6 < study.loc["effect of 5%", "rejected_ri"] < 0.95


def test_the_verdict_rule_says_the_right_thing(study):
    assert study.loc["no effect", "no effect found"] > 0.85
    assert study.loc["effect of 10%", "supported"] > 0.85
    assert study.loc["effect of -10%, claimed the other way", "contradicted"] > 0.85
    assert study.loc["no effect, noisy series", "cannot tell"] > 0.85
    assert study.loc["no effect, claimed none", "supported"] > 0.85
    false_alarms = study.loc[["no effect", "no effect, noisy series"], ["supported", "contradicted"]].sum(axis=1)
    assert (false_alarms < SIZE_LIMIT).all()


def test_reversion_to_the_mean_is_a_bias_and_adjustment_takes_part_of_it_off(study):
    row = study.loc["no effect, strongly chosen on a passing shock"]
    assert row["mean_estimate"] < -2  # no protocol sees through it alone, and the report must say so
    assert abs(row["mean_adjusted"]) < 0.75 * abs(row["mean_estimate"])
    assert row["rejected_pretrend"] > 0.3
    weak = study.loc["no effect, weakly chosen on a passing shock"]
    assert abs(weak["mean_estimate"]) < 0.6 * abs(row["mean_estimate"])


def test_the_break_common_to_all_leaves_no_trace():
    values = simulation.worlds(simulation.SCENARIOS[0], 3, 9)
    smooth = values + 0.15 * (simulation.YEARS >= simulation.BREAK)
    one, other = simulation.analyse(values, draws=99), simulation.analyse(smooth, draws=99)
    np.testing.assert_allclose(one.overall, other.overall, atol=1e-12)
    np.testing.assert_allclose(one.pretrend_p, other.pretrend_p, atol=1e-9)


def test_studies_are_reproducible():
    few = simulation.SCENARIOS[:2]
    one, other = (simulation.study(n=5, draws=99, scenarios=few) for _ in range(2))
    pd.testing.assert_frame_equal(one, other)
    assert estimation.percent(0.0953) == pytest.approx(10.0, abs=0.01)
