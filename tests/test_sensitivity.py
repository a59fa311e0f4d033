"""Bounds on relative magnitudes: by hand, by linear programme, and against the library."""

import numpy as np
import pytest

from helpers import estimation, inference, sensitivity, simulation


@pytest.fixture(scope="module")
def study() -> inference.Study:
    return inference.study(inference.panel(simulation.frame(simulation.worlds(simulation.SCENARIOS[1], 1, 1)[0])))


def test_worst_bias_by_hand():
    # Average of three years, moving at most 1 a year: departures of at most 1, 2, 3, so the mean is at most 2.
    assert sensitivity.worst_bias(np.ones(3) / 3, np.ones(3)) == pytest.approx(2.0)
    # First year only: at most 1. A missing year doubles the room.
    assert sensitivity.worst_bias(np.array([1.0, 0, 0]), np.ones(3)) == pytest.approx(1.0)
    assert sensitivity.worst_bias(np.array([1.0]), np.array([2.0])) == pytest.approx(2.0)


def test_worst_bias_by_linear_programme():
    from scipy.optimize import linprog

    weights = np.array([0.1, 0.6, 0.3])
    # Largest weights'd subject to |d1| <= 1, |d2 - d1| <= 1, |d3 - d2| <= 1.
    rows = np.array([[1, 0, 0], [-1, 1, 0], [0, -1, 1]])
    answer = linprog(-weights, A_ub=np.vstack([rows, -rows]), b_ub=np.ones(6), bounds=[(None, None)] * 3)
    assert sensitivity.worst_bias(weights, np.ones(3)) == pytest.approx(-answer.fun)


def test_departures_end_at_the_reference():
    assert sensitivity.departures(np.array([3.0, 1.0]), np.array([-3, -2])) == pytest.approx([-2.0, -1.0])
    assert sensitivity.departures(np.array([3.0, 1.0]), np.array([-4, -2])) == pytest.approx([-1.0, -1.0])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mbar", [0.0, 0.5, 1.0, 2.0])
def test_equals_the_library_on_the_same_window(study, mbar):
    from diff_diff.honest_did import _compute_flci, _solve_rm_bounds_union

    ours = sensitivity.relative_magnitudes(study, mbars=[mbar])
    pre = np.isin(study.events, ours.pre_events)
    post = np.isin(study.events, ours.events)
    weights = np.array(ours.weights)
    low, high = _solve_rm_bounds_union(study.event[pre], study.event[post], weights, int(pre.sum()), mbar)
    se = float(np.sqrt(weights @ study.covariance[np.ix_(post, post)] @ weights))
    low, high = _compute_flci(low, high, se)
    assert ours.table.loc[0, "lower"] == pytest.approx(low, abs=1e-6)
    assert ours.table.loc[0, "upper"] == pytest.approx(high, abs=1e-6)


def test_breakdown_is_where_the_interval_meets_zero(study):
    found = sensitivity.relative_magnitudes(study)
    assert found.breakdown > 0
    at = sensitivity.relative_magnitudes(study, mbars=[found.breakdown]).table.iloc[0]
    assert min(abs(at["lower"]), abs(at["upper"])) < 1e-9
    assert len(found.table) == len(sensitivity.MBARS)


def test_nothing_to_break_down_when_the_interval_includes_zero():
    null = simulation.worlds(simulation.SCENARIOS[0], 1, 11)[0]
    study = inference.study(inference.panel(simulation.frame(null)))
    found = sensitivity.relative_magnitudes(study)
    assert found.lower < 0 < found.upper
    assert found.breakdown == 0.0


def test_window_is_stated_and_few_councils_stay_out(study):
    found = sensitivity.relative_magnitudes(study)
    assert -8 not in found.pre_events and -1 not in found.pre_events
    assert sum(found.weights) == pytest.approx(1.0)
    narrow = sensitivity.relative_magnitudes(study, window=(-3, 1))
    assert narrow.pre_events == (-3, -2) and narrow.events == (0, 1)


def test_noise_alone_explains_the_departures_of_a_series_with_parallel_trends(study):
    found = sensitivity.relative_magnitudes(study)
    assert 0.3 < found.largest / found.noise < 3


def test_reported_in_per_cent_for_logs(study):
    level = sensitivity.relative_magnitudes(study, "level")
    log = sensitivity.relative_magnitudes(study, "log")
    assert log.estimate == pytest.approx(estimation.percent(level.estimate))
    assert log.breakdown == pytest.approx(level.breakdown)
