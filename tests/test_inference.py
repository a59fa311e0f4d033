"""The fast estimator against a hand computation, published results, and two libraries."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers import estimation, inference, simulation
from helpers.errors import AssessError

# County teen employment and the minimum wage (Callaway and Sant'Anna, 2021), data set `mpdta` of the R package `did`.
MPDTA = Path(__file__).parent / "data" / "mpdta.csv"
# Published: `aggte(type = "simple")` and the event study (`type = "dynamic"`) of the package's vignette, 4 decimals.
MPDTA_OVERALL, MPDTA_OVERALL_SE = -0.0400, 0.0120
MPDTA_PATH = {-3: 0.0305, -2: -0.0006, -1: -0.0245, 0: -0.0199, 1: -0.0510, 2: -0.1373, 3: -0.1008}
# Published group-time effects, same source, unconditional.
MPDTA_CELLS = {
    (2004, 2004): -0.0105,
    (2004, 2005): -0.0704,
    (2004, 2006): -0.1373,
    (2004, 2007): -0.1008,
    (2006, 2004): 0.0065,
    (2006, 2005): -0.0028,
    (2006, 2006): -0.0046,
    (2006, 2007): -0.0412,
    (2007, 2004): 0.0305,
    (2007, 2005): -0.0027,
    (2007, 2006): -0.0311,
    (2007, 2007): -0.0261,
}


def mpdta() -> pd.DataFrame:
    data = pd.read_csv(MPDTA)
    return data.rename(columns={"countyreal": "la_code", "lemp": "value", "first.treat": "first_year"})


def shaped(missing: float = 0.0, years: list[int] | None = None, seed: int = 1) -> pd.DataFrame:
    """Data shaped like ours, some council-years missing, some years absent."""
    data = simulation.frame(simulation.worlds(simulation.SCENARIOS[1], 1, seed)[0])
    rng = np.random.default_rng(seed)
    data.loc[rng.random(len(data)) < missing, "value"] = np.nan
    return data if years is None else data[data["year"].isin(years)]


# By hand


def two_by_two() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "la_code": ["A", "A", "B", "B", "C", "C", "D", "D"],
            "year": [2020, 2021] * 4,
            "value": [10.0, 16.0, 20.0, 24.0, 1.0, 2.0, 3.0, 6.0],
            "first_year": [2021] * 4 + [0] * 4,
        }
    )


def test_two_by_two_by_hand():
    # Treated rise by 6 and 4, controls by 1 and 3: (5) - (2) = 3. Deviations are +-1 in each pair, so the variance is
    # 2 (1/2)^2 + 2 (1/2)^2 = 1.
    result = inference.study(inference.panel(two_by_two()))
    assert result.overall == pytest.approx(3.0, abs=1e-12)
    assert result.se == pytest.approx(1.0, abs=1e-12)
    assert list(result.events) == [0] and list(result.behind) == [2]


def test_two_by_two_randomisation_by_full_enumeration():
    # Six ways to choose two of four: effects (5-2), (3.5-3.5), (4.5-2.5), and the same with the other sign: only two of
    # the six are as large as 3.
    panel = inference.panel(two_by_two())
    grid = inference.cells(panel.years, panel.cohorts)
    ways = np.array(sorted(set(permutations([2021, 2021, 0, 0]))))
    effects = inference.batch(panel.values, ways, grid).overall
    assert sorted(np.abs(effects)) == pytest.approx([0, 0, 2, 2, 3, 3])
    p = inference.randomisation(inference.study(panel), draws=6000, seed=1).p
    assert p == pytest.approx(2 / 6, abs=0.02)


# Published


@pytest.mark.parametrize("base", ["varying", "universal"])
def test_mpdta_overall_as_published(base):
    result = inference.study(inference.panel(mpdta()), base=base)
    assert round(result.overall, 4) == MPDTA_OVERALL
    assert round(result.se, 4) == MPDTA_OVERALL_SE


def test_mpdta_event_study_path_as_published():
    result = inference.study(inference.panel(mpdta()), base="varying")
    assert {int(e): round(b, 4) for e, b in zip(result.events, result.event, strict=True)} == pytest.approx(MPDTA_PATH)


def test_mpdta_group_time_effects_as_published():
    result = inference.study(inference.panel(mpdta()), base="varying")
    grid = result.grid
    found = {(int(g), int(t)): round(b, 4) for g, t, b in zip(grid.cohort, grid.year, result.att, strict=True)}
    assert found == pytest.approx(MPDTA_CELLS)


def test_mpdta_councils_behind_each_event_time():
    result = inference.study(inference.panel(mpdta()), base="varying")
    # 20 counties in 2004, 40 in 2006, 131 in 2007.
    assert dict(zip(result.events.tolist(), result.behind.tolist(), strict=True)) == {
        -3: 131,
        -2: 171,
        -1: 171,
        0: 191,
        1: 60,
        2: 20,
        3: 20,
    }


# Two libraries

GAPPED = [2017, 2018, 2019, 2020, 2022, 2024, 2025]


@pytest.mark.parametrize("controls", ["never", "not_yet"])
@pytest.mark.parametrize("base", ["varying", "universal"])
@pytest.mark.parametrize("missing, years", [(0.0, None), (0.08, None), (0.0, GAPPED)])
def test_equals_the_diff_diff_library(controls, base, missing, years):
    panel = inference.panel(shaped(missing, years))
    ours, theirs = inference.study(panel, controls, base), estimation.library(panel, controls, base)
    assert ours.overall == pytest.approx(float(theirs.overall_att), abs=1e-10)
    assert ours.se == pytest.approx(float(theirs.overall_se), abs=1e-6)
    if base == "universal" and years is not None:
        return  # in a series with gaps the library averages reference cells, zero by construction, into the path
    path = theirs.aggregate("event_study").to_dataframe().set_index("event_time").loc[ours.events]
    np.testing.assert_allclose(ours.event, path["att"], atol=1e-10)
    np.testing.assert_allclose(ours.event_se, path["se"], atol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_second_package_agrees_cell_by_cell():
    # On a balanced panel the saturated event study with never-treated controls is the same estimand; pyfixest gets
    # there by regression.
    import pyfixest

    data = shaped()
    data["unit"] = data["la_code"].str[1:].astype(int)
    fit = pyfixest.event_study(
        data, yname="value", idname="unit", tname="year", gname="first_year", estimator="saturated", cluster="unit"
    )
    ours = inference.study(inference.panel(data))
    grid = ours.grid
    theirs = np.array(
        [
            fit.coef()[f"rel_time::{float(e)}:first_treated_period::{g}"]
            for g, e in zip(grid.cohort, grid.event, strict=True)
        ]
    )
    np.testing.assert_allclose(ours.att, theirs, atol=1e-8)
    post = grid.event >= 0
    assert ours.overall == pytest.approx(np.average(theirs[post], weights=ours.n_treated_cell[post]), abs=1e-6)


# The batch engine


@pytest.mark.parametrize("controls", ["never", "not_yet"])
@pytest.mark.parametrize("missing", [0.0, 0.08])
def test_batch_equals_one_at_a_time(controls, missing):
    panel = inference.panel(shaped(missing))
    one = inference.study(panel, controls)
    many = inference.batch(panel.values, panel.first[None, :], one.grid, controls, errors=True)
    assert many.overall[0] == pytest.approx(one.overall, abs=1e-12)
    np.testing.assert_allclose(many.event[0], one.event, atol=1e-12)
    assert many.overall_se is not None
    assert many.overall_se[0] == pytest.approx(one.se, abs=1e-12)


def test_leave_one_out_equals_dropping_the_council():
    data = shaped()
    panel = inference.panel(data)
    without = inference.leave_one_out(inference.study(panel)).set_index("la_code")["estimate"]
    for code in (panel.codes[0], panel.codes[20], panel.codes[-1]):
        again = inference.study(inference.panel(data[data["la_code"] != code])).overall
        assert without[code] == pytest.approx(again, abs=1e-12)


# Randomisation


def test_reassignments_keep_cohort_sizes_and_are_reproducible():
    first = simulation.first_years()
    drawn = inference.reassignments(first, 50, seed=3)
    assert all((np.sort(row) == np.sort(first)).all() for row in drawn)
    np.testing.assert_array_equal(drawn, inference.reassignments(first, 50, seed=3))
    assert (drawn != inference.reassignments(first, 50, seed=4)).any()


def test_randomisation_sees_a_planted_effect_and_not_its_absence():
    data = shaped()
    found = inference.randomisation(inference.study(inference.panel(data)))
    assert found.p < 0.01 and found.p_studentised < 0.01
    data.loc[(data["first_year"] > 0) & (data["year"] >= data["first_year"]), "value"] -= simulation.SCENARIOS[1].effect
    assert inference.randomisation(inference.study(inference.panel(data))).p > 0.05


def test_randomisation_p_counts_the_observed_assignment():
    data = shaped()
    data.loc[(data["first_year"] > 0) & (data["year"] >= data["first_year"]), "value"] += 5.0
    # No reassignment reaches an effect of that size, and still p is not nought: one of the draws and itself.
    assert inference.randomisation(inference.study(inference.panel(data)), draws=499).p == 1 / 500
    # From 99 draws it would be 0.01, a level of the verdict rule, so more are drawn until it is clear of it.
    assert inference.randomisation(inference.study(inference.panel(data)), draws=99).p == 1 / 991


def test_a_p_near_a_level_is_drawn_more_finely():
    # Five councils, two exposed: ten ways, of which one is as far from nought as the true one, so p is 1/10 exactly.
    change = {"a": 9.0, "b": 7.0, "c": 1.0, "d": 2.0, "e": 3.0}
    rows = [
        {
            "la_code": c,
            "year": year,
            "value": by if year == 2021 else 0.0,
            "first_year": 2021 * (c in "ab"),
            "group": "",
        }
        for c, by in change.items()
        for year in (2020, 2021)
    ]
    result = inference.study(inference.panel(pd.DataFrame(rows)))
    found = [inference.randomisation(result, draws=999, seed=seed) for seed in range(5)]
    # Never clear of the level, so all are drawn; 0.03 would be three errors of 999 draws.
    assert [one.drawn for one in found] == [99_900] * 5
    assert [one.p for one in found] == pytest.approx([0.1] * 5, abs=0.003)
    assert not inference.near_a_level(0.2, 999) and inference.near_a_level(0.12, 999)
    # Dealt to the third and fourth, two of the ten ways are as far from nought: clear of every level at once.
    for row in rows:
        row["first_year"] = 2021 * (row["la_code"] in "cd")
    far = inference.randomisation(inference.study(inference.panel(pd.DataFrame(rows))), draws=999)
    assert far.drawn == 999 and far.p == pytest.approx(0.2, abs=0.04)


def test_randomisation_is_fast():
    import time

    result = inference.study(inference.panel(shaped()))
    start = time.perf_counter()
    inference.randomisation(result, draws=999)
    assert time.perf_counter() - start < 3  # 0.1 s on an idle machine


# Joint tests and bands


def test_pretrend_wald_by_hand_for_one_restriction():
    # One pre-period beside the reference: the statistic is the squared t, read on F(1, G - 1).
    from scipy.stats import f

    data = shaped(years=[2019, 2020, 2021])
    data = data[data["first_year"].isin([0, 2021, 2022, 2023])].replace({"first_year": {2022: 2021, 2023: 2021}})
    result = inference.study(inference.panel(data))
    test = inference.pretrend(result)
    t = result.event[0] / result.event_se[0]
    assert list(result.events) == [-2, 0]
    assert test.restrictions == 1 and test.councils == 34
    assert test.statistic == pytest.approx(t**2)
    assert test.p == pytest.approx(float(f.sf(t**2, 1, 33)))


def test_pretrend_is_read_as_hotelling():
    from scipy.stats import f

    test = inference.pretrend(inference.study(inference.panel(shaped())))
    assert (test.restrictions, test.councils) == (6, 38)  # event times -7 to -2
    assert test.p == pytest.approx(float(f.sf(test.statistic * (38 - 6) / (6 * 37), 6, 32)))


def test_pretrend_is_rejected_when_treated_councils_were_already_rising():
    data = shaped()
    assert inference.pretrend(inference.study(inference.panel(data))).p > 0.05
    data["value"] += 0.05 * (data["year"] - 2016) * (data["first_year"] > 0)
    assert inference.pretrend(inference.study(inference.panel(data))).p < 0.01


def test_pretrend_leaves_out_event_times_on_few_councils():
    result = inference.study(inference.panel(shaped()))
    used = result.events[inference.pre_window(result)]
    assert -8 in result.events and -8 not in used  # only the four councils of March 2024
    assert -1 not in result.events  # the reference


def test_no_second_pre_period_means_no_pretrend_test():
    assert np.isnan(inference.pretrend(inference.study(inference.panel(two_by_two()))).p)


def test_critical_value_lies_between_pointwise_and_bonferroni():
    from scipy.stats import norm

    result = inference.study(inference.panel(shaped()))
    value = inference.critical_value(result, draws=4000)
    assert estimation.Z < value < norm.ppf(1 - 0.025 / len(result.events)) * 1.1
    assert value == inference.critical_value(result, draws=4000)


def test_benjamini_hochberg_by_hand():
    # 0.01 x 4/1 = 0.04; 0.02 x 4/2 = 0.04; 0.03 x 4/3 = 0.04; 0.5. Missing does not count.
    p = pd.Series({"a": 0.03, "b": 0.01, "c": 0.5, "d": np.nan, "e": 0.02})
    assert inference.benjamini_hochberg(p).round(10).to_dict() == pytest.approx(
        {"a": 0.04, "b": 0.04, "c": 0.5, "d": np.nan, "e": 0.04}, nan_ok=True
    )


# What is dropped, and said to be


def test_dropped_councils_are_named_with_the_reason():
    data = two_by_two()
    more = pd.DataFrame(
        {
            "la_code": ["E", "E", "F", "F", "G", "G", "H", "H", "I", "I"],
            "year": [2020, 2021] * 5,
            "value": [np.nan, 1.0, 1.0, np.nan, np.nan, np.nan, 1.0, np.nan, 5.0, 6.0],
            "first_year": [2021, 2021, 2021, 2021, 0, 0, 0, 0, 2025, 2025],
        }
    )
    panel = inference.panel(pd.concat([data, more]))
    assert panel.dropped.set_index("la_code")["reason"].to_dict() == {
        "E": "no value in its base year, 2020",
        "F": "no value after its agreement (from 2021 on)",
        "G": "no value in any year",
        "H": "a single value: no change to compare",
        "I": "first exposed after the last year of the series, 2021",
    }
    assert inference.study(panel).overall == pytest.approx(3.0)


def test_logs_leave_out_values_that_have_none():
    data = two_by_two()
    data.loc[7, "value"] = 0.0
    panel = inference.panel(data, scale="log")
    assert "D" not in panel.codes
    assert inference.study(panel).overall == pytest.approx(np.mean(np.log([1.6, 1.2])) - np.log(2))


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda d: d.drop(columns="year"), "year not found"),
        (lambda d: pd.concat([d, d.head(1)]), "Two values for council A in 2020"),
        (lambda d: d.assign(first_year=[2021, 0, *d["first_year"][2:]]), "more than one first exposed year"),
        (lambda d: d.assign(la_code=d["la_code"].mask(d.index == d.index[1])), "Row 2 for estimation has no council"),
        (lambda d: d[d["first_year"] > 0], "Nothing to compare"),
        (lambda d: d[d["first_year"] == 0], "Nothing to compare"),
        (lambda d: d.assign(value=np.nan), "No council has a value"),
    ],
)
def test_bad_input_is_one_sentence(change, message):
    with pytest.raises(AssessError, match=message):
        inference.panel(change(two_by_two()))


def test_an_unknown_scale_is_refused():
    with pytest.raises(AssessError, match="Unknown scale"):
        inference.panel(two_by_two(), scale="logs")
