"""Bounds on relative magnitudes: by hand, by linear programme, and against the library."""

import json
from pathlib import Path

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


# The published example: Benzarti and Carloni's event study, as the authors' own package gives it

EXAMPLE = json.loads((Path(__file__).parent / "data" / "benzarti_carloni.json").read_text(encoding="utf-8"))
EVENTS, EFFECTS, COVARIANCE = (np.array(EXAMPLE[k]) for k in ("events", "betahat", "sigma"))
FIRST, AVERAGE = np.array([1.0, 0, 0, 0]), np.ones(4) / 4


def published(behind=1) -> inference.Study:
    """The example as a study: made-up influence functions whose covariance is the published one."""
    psi = np.linalg.cholesky(COVARIANCE).T
    return inference.Study(
        panel=None, grid=None, att=EFFECTS, n_treated_cell=EFFECTS, overall=0.0, se=1.0, overall_psi=psi[:, 0],
        events=EVENTS, event=EFFECTS, event_psi=psi, behind=np.full(8, behind), anticipation=0,
    )  # fmt: skip


def scale_of(points):
    """The package's grid: twenty standard errors either side of nought."""
    far = 20 * np.sqrt(COVARIANCE[4, 4])
    return np.linspace(-far, far, points)


def interval(mbar, points, **how):
    grid = scale_of(points)
    held = grid[sensitivity.accepted(EFFECTS, COVARIANCE, EVENTS, FIRST, mbar, grid, **how)]
    return held.min(), held.max()


def test_the_published_interval_without_departures():
    ours = sensitivity.relative_magnitudes(published(), window=(-5, 0))
    assert (ours.lower, ours.upper) == pytest.approx(EXAMPLE["original"], abs=1e-6)


def test_the_published_conditional_interval():
    """Nothing is simulated here, so the same points of the same grid must be accepted."""
    case = EXAMPLE["conditional"]
    assert interval(case["mbar"], case["points"], hybrid=False) == pytest.approx(case["interval"], abs=1e-9)


@pytest.mark.parametrize(("mbar", "lower", "upper"), EXAMPLE["hybrid"]["intervals"])
def test_the_published_hybrid_interval(mbar, lower, upper):
    """The first stage is simulated in both, so ends may differ by a few of a thousand grid points: three, about 0.002 here."""
    points = EXAMPLE["hybrid"]["points"]
    step = np.diff(scale_of(points))[0]
    low, high = interval(mbar, points)
    assert abs(low - lower) <= 1.5 * step and abs(high - upper) <= 3.5 * step


def test_the_published_identified_set():
    """For the average of four years departures add up to two and a half times the largest yearly move."""
    case = EXAMPLE["identified_average"]
    largest = np.abs(sensitivity.departures(EFFECTS[:4], EVENTS[:4])).max()
    bias = sensitivity.worst_bias(AVERAGE, np.ones(4))
    assert bias == 2.5
    assert AVERAGE @ EFFECTS[4:] + case["mbar"] * bias * largest == pytest.approx(case["upper"], abs=1e-8)


def test_the_plug_in_interval_is_close_for_small_departures_and_too_narrow_for_large_ones():
    """What the closed form gives up by taking the largest earlier move as known, on the published example."""
    table = sensitivity.relative_magnitudes(published(), mbars=(0.5, 1.0, 1.5, 2.0), window=(-5, 0)).table
    ends = np.array([row[1:] for row in EXAMPLE["hybrid"]["intervals"]])
    short = np.column_stack([table["lower"] - ends[:, 0], ends[:, 1] - table["upper"]])
    assert np.abs(short[0]).max() < 0.0015
    assert (short[1:3] > 0).all() and short[2].max() == pytest.approx(0.026, abs=0.001)
    ours = sensitivity.relative_magnitudes(published(), window=(-5, 0)).breakdown
    assert ours == pytest.approx(2.0, abs=0.01)  # the published interval includes nought between 1.5 and 2


def test_robust_breakdown_lies_between_the_published_intervals():
    """For the first year after, all weight on it: nought enters between M-bars of 1.5 and 2."""
    study = published()
    first = inference.Study(**(vars(study) | {"behind": np.array([1, 1, 1, 1, 1, 0, 0, 0])}))
    found = sensitivity.robust_breakdown(first)
    assert 1.5 < found < 2.0
    table = sensitivity.robust(first, mbars=(1.0,), points=401).iloc[0]
    assert (table["lower"], table["upper"]) == pytest.approx(EXAMPLE["hybrid"]["intervals"][1][1:], abs=0.003)


def test_robust_interval_holds_the_truth():
    """Departures as large after as before, the effect nought: it is rejected about one time in twenty at most."""
    rng = np.random.default_rng(7)
    events, covariance = np.array([-3, -2, 0, 1]), 0.01 * (np.eye(4) + 0.3)
    truth, weights = np.array([-0.2, -0.1, 0.1, 0.2]), np.ones(2) / 2
    held = [
        sensitivity.accepted(rng.multivariate_normal(truth, covariance), covariance, events, weights, 1.0, np.zeros(1))[
            0
        ]
        for _ in range(150)
    ]
    assert np.mean(held) >= 0.92
    clear = truth + np.array([0, 0, 2.0, 2.0])
    assert not sensitivity.accepted(clear, covariance, events, weights, 1.0, np.zeros(1))[0]


def test_yearly_moves_are_taken_over_the_years_between():
    """With a year missing a step of two years counts half a year's move, and the reference is nought."""
    rows = sensitivity._constraints(np.array([-3, -2, 1]), -1, 1.0, largest=0, sign=1.0)
    # moves: d(-2) - d(-3); -d(-2); d(1) / 2. Each is at most the first, either way; the first against itself drops out.
    expected = {(1, -2, 0), (1, -1, 0.5), (2, -2, 0), (1, 0, 0), (1, -1, -0.5)}
    assert {tuple(row) for row in rows.round(9)} == expected


def test_the_mirrored_example_has_the_mirrored_interval():
    """The largest earlier move may have either sign."""
    grid = scale_of(200)
    one, other = (
        sensitivity.accepted(sign * EFFECTS, COVARIANCE, EVENTS, FIRST, 1.0, sign * grid, hybrid=False)
        for sign in (1.0, -1.0)
    )
    assert (one == other).all() and 0 < one.sum() < 200
