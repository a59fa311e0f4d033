"""Balance, matching, and comparison with councils that stood as badly at the start."""

import numpy as np
import pandas as pd
import pytest

from helpers import estimation, inference, selection, simulation
from helpers.errors import AssessError


def test_balance_by_hand():
    covariates = pd.DataFrame({"deficit": [6.0, 8.0, 1.0, 3.0, np.nan]}, index=list("ABCDE"))
    treated = pd.Series([True, True, False, False, False], index=list("ABCDE"))
    row = selection.balance(covariates, treated).iloc[0]
    # Means 7 and 2; both variances 2, pooled standard deviation sqrt(2).
    assert (row["treated"], row["control"], row["difference"]) == (7.0, 2.0, 5.0)
    assert row["standardised"] == pytest.approx(5 / np.sqrt(2))
    assert (row["n_treated"], row["n_control"]) == (2, 2)


def test_matching_by_hand_without_replacement():
    baseline = pd.Series({"A": 10.0, "B": 9.0, "C": 9.5, "D": 8.0, "E": 1.0, "F": np.nan})
    treated = pd.Series({"A": True, "B": True, "F": True})
    pairs = selection.matched(baseline, treated)
    # A, the most extreme, chooses C; B is left with D.
    assert pairs.to_dict("records") == [
        {"treated": "A", "control": "C", "gap": 0.5},
        {"treated": "B", "control": "D", "gap": 1.0},
    ]


def _reverting(seed: int = 4) -> tuple[pd.DataFrame, pd.Series]:
    """No effect at all, but councils were chosen on a shock in 2020 that fades."""
    values = simulation.worlds(simulation.Scenario("reversion", selection=0.7, noise=0.2), 1, seed)[0]
    data = simulation.frame(values)
    at = list(simulation.YEARS).index(2020)
    baseline = pd.Series(values[:, at] - values[:, :at].mean(axis=1), index=data["la_code"].unique())
    return data, baseline


def test_same_start_shows_reversion_for_what_it_is():
    # Over ten data sets: one is too noisy to show a bias shrinking.
    many = [selection.same_start("x", *_reverting(seed)).set_index("estimator")["estimate"] for seed in range(10)]
    mean = pd.concat(many, axis=1).mean(axis=1)
    assert list(mean.index) == ["all_controls", "crossed_threshold", "matched_baseline", "baseline_adjusted"]
    assert mean["all_controls"] < -0.04
    # Crossing a threshold is a coarse match, so it takes off less.
    for name, left in (("crossed_threshold", 0.9), ("matched_baseline", 0.75), ("baseline_adjusted", 0.75)):
        assert abs(mean[name]) < left * abs(mean["all_controls"]), name


def test_same_start_gives_contract_rows():
    rows = selection.same_start("x", *_reverting())
    assert list(rows.columns) == list(estimation.COLUMNS)
    assert rows.set_index("estimator").loc["matched_baseline", ["n_treated", "n_control"]].tolist() == [38, 38]


def test_first_row_is_the_main_estimate():
    data, baseline = _reverting()
    main = inference.study(inference.panel(data)).overall
    assert selection.same_start("x", data, baseline).iloc[0]["estimate"] == pytest.approx(main, abs=1e-12)


def test_threshold_is_the_callers_or_the_lower_quartile_of_the_treated():
    data, baseline = _reverting()
    rows = selection.same_start("x", data, baseline, threshold=0.1).set_index("estimator")
    assert "at or above 0.1" in rows.loc["crossed_threshold", "controls"]
    treated = data.drop_duplicates("la_code").set_index("la_code")["first_year"] > 0
    assert rows.loc["crossed_threshold", "n_treated"] == int((baseline[treated] >= 0.1).sum())


def test_nobody_on_one_side_is_said():
    data, baseline = _reverting()
    with pytest.raises(AssessError, match="crossed_threshold leaves 0 treated"):
        selection.same_start("x", data, baseline, threshold=99.0)
    with pytest.raises(AssessError, match="no baseline is known"):
        selection.same_start("x", data, baseline * np.nan)
