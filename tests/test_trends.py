"""Trends by group, one council beside England, ages and the split of movement."""

import numpy as np
import pandas as pd
import pytest

import send_world
from helpers import panel, paths, trends
from helpers.errors import AssessError


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return send_world.make(tmp_path_factory.mktemp("world"))


@pytest.fixture(autouse=True)
def here(world, monkeypatch):
    monkeypatch.setattr(paths, "processed", lambda: world / "processed")
    monkeypatch.setattr(paths, "raw", lambda: world / "raw")


def test_index_starts_at_100_and_matches_a_hand_sum():
    made = trends.index(["requests", "plans"], first_year=2019)
    assert (made[made["year"] == 2019]["index"] == 100).all()
    wide = panel.series("requests")
    wide = wide[wide["group"] == "safety_valve"].groupby("year")["value"].sum()
    row = made[(made["measure"] == "requests") & (made["group"] == "safety_valve") & (made["year"] == 2024)].iloc[0]
    assert row["total"] == wide[2024] and row["index"] == pytest.approx(100 * wide[2024] / wide[2019])
    assert row["councils"] == 20 and set(made["title"]) == {"Requests", "Plans in January"}
    cohorts = trends.index(["requests"], by="cohort")
    assert set(cohorts["cohort"]) == {"2020-21", "2021-22", "2022-23"}


def test_an_index_and_rates_end_where_asked():
    made = trends.index(["requests", "plans"], first_year=2019, last_years={"requests": 2022})
    assert made.groupby("measure")["year"].max().to_dict() == {
        "requests": 2022,
        "plans": trends.index(["plans"])["year"].max(),
    }
    whole = trends.rates("refusal_to_assess")
    cut = trends.rates("refusal_to_assess", last_year=2022)
    assert cut["year"].max() == 2022 < whole["year"].max() and set(cut["group"]) == set(whole["group"])


def test_a_series_begins_with_the_first_figure_from_a_year_on():
    held = pd.Series({2019: 1.0, 2022: np.nan, 2024: 3.0, 2023: 2.0})
    assert trends.since(held, 2021).to_dict() == {2023: 2.0, 2024: 3.0}
    assert trends.since(held, 1990).index.min() == 2019
    assert trends.since(held, 2019).index.min() == 2019
    with pytest.raises(AssessError, match=r"No figure from 2025 on: the last is of 2024\."):
        trends.since(held, 2025)


def test_councils_with_a_gap_make_no_step(world, monkeypatch):
    whole = panel.series("requests")
    gap = whole.assign(
        value=whole["value"].where(~((whole["la_code"] == whole["la_code"].iloc[0]) & (whole["year"] == 2022)))
    )
    monkeypatch.setattr(panel, "series", lambda *a, **k: gap)
    made = trends.index(["requests"])
    assert made[made["group"] == whole["group"].iloc[0]]["councils"].nunique() == 1
    assert made["councils"].groupby(made["group"]).first().sum() == 49


def test_growth_by_group_and_all():
    made = trends.growth("requests", 2019, 2024)
    assert set(made.index) == {"safety_valve", "dbv", "neither", "all"}
    assert made.loc["all", "growth"] == pytest.approx(100 * (1.1**5 - 1), abs=3)
    assert made["councils"].to_dict() == {"safety_valve": 20, "dbv": 15, "neither": 15, "all": 50}


def test_rates_are_means_over_councils_with_england():
    made = trends.rates("refusal_to_assess")
    one = panel.series("refusal_to_assess")
    one = one[(one["group"] == "neither") & (one["year"] == 2020)]
    assert made[(made["group"] == "neither") & (made["year"] == 2020)]["value"].iloc[0] == pytest.approx(
        one["value"].mean()
    )
    assert "england" in set(made["group"]) and "england" not in set(
        trends.rates("refusal_to_assess", england=False)["group"]
    )


def test_a_line_by_hand():
    """Four points: slope 1, and errors of one up, one down about it."""
    frame = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0, 4.0], "y": [1.0, 0.0, 3.0, 2.0, np.nan]})
    made = trends.line(frame, "x", "y")
    assert made.n == 4 and made.slope == pytest.approx(0.6)  # sum of (x - 1.5)(y - 1.5) = 3, over 5
    e = frame["y"][:4] - (1.5 + 0.6 * (frame["x"][:4] - 1.5))
    se = np.sqrt(4 / 2 * (((frame["x"][:4] - 1.5) * e) ** 2).sum()) / 5
    t = 4.302652729911275  # 97.5% of Student's t with two degrees of freedom
    assert (made.lower, made.upper) == pytest.approx((0.6 - t * se, 0.6 + t * se))
    assert (made.x[0], made.x[-1]) == (0, 3) and (made.y[0], made.y[-1]) == pytest.approx((0.6, 2.4))
    assert (made.low < made.y).all() and (made.y < made.high).all()
    # The band of a line moved along the axis stays with the points.
    moved = trends.line(frame.assign(x=frame["x"] - 10), "x", "y")
    assert moved.high == pytest.approx(made.high) and moved.low == pytest.approx(made.low)
    with pytest.raises(AssessError, match="three points that differ in x"):
        trends.line(frame.assign(x=1.0), "x", "y")


def test_the_line_is_that_of_pyfixest():
    import pyfixest

    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"x": rng.normal(size=60)})
    frame["y"] = 0.4 * frame["x"] + frame["x"].abs() * rng.normal(size=60)
    made, model = trends.line(frame, "x", "y"), pyfixest.feols("y ~ x", frame, vcov="HC1")
    assert made.slope == pytest.approx(model.coef()["x"]) and made.p == pytest.approx(model.pvalue()["x"], rel=1e-6)
    assert (made.lower, made.upper) == pytest.approx(tuple(model.confint().loc["x"]), rel=1e-6)


def test_a_line_is_drawn_where_it_is():
    from helpers import figures

    frame = pd.DataFrame({"x": [0.0, 1.0, 2.0], "y": [1.0, 0.0, 3.0]})
    made = trends.line(frame, "x", "y")
    figure = trends.with_line(figures.scatter(frame, "x", "y", by=None, x_words="x", y_words="y"), made)
    drawn = [line for line in figure.axes[0].lines if len(line.get_xdata()) == len(made.x)]
    assert len(drawn) == 1 and drawn[0].get_ydata() == pytest.approx(made.y)


def test_one_council_beside_england():
    made = trends.beside("Torbay", "requests")
    assert set(made["area"]) == {"Torbay", "England"} and len(made) == 12
    with pytest.raises(AssessError, match="Torbay"):
        trends.beside("Torbey", "requests")


def test_decompose_adds_up_and_finds_what_was_put_in(monkeypatch):
    made = trends.decompose("requests")
    assert made.common + made.programme + made.own == pytest.approx(100)
    assert made.common > 80 and made.years == (2019, 2024) and made.councils == 50
    # All councils on one path: everything is common.
    frame = panel.series("requests")
    monkeypatch.setattr(panel, "series", lambda *a, **k: frame.assign(value=100.0 * 2.0 ** (frame["year"] - 2019)))
    assert trends.decompose("requests").common == pytest.approx(100)
    # Only one cohort moves: the rest is with the programme.
    moved = frame.assign(value=np.where((frame["signed_year"] == 2023) & (frame["year"] == 2024), 200.0, 100.0))
    monkeypatch.setattr(panel, "series", lambda *a, **k: moved)
    assert trends.decompose("requests").own == pytest.approx(0, abs=1e-9)


LABELS = {
    "Aged 10": "5 to 10",
    "Aged 2 and under": "under 5",
    "age 20 and over": "16 and over",
    "under 3": "under 5",
    "age 5": "5 to 10",
    "age 11": "11 to 15",
    "age 16": "16 and over",
    "Age unknown": "not known",
    "unknown": "not known",
}


@pytest.mark.parametrize(("label", "expected"), LABELS.items())
def test_bands(label, expected):
    assert trends.band(label) == expected


def test_by_age_sums_councils_with_every_year():
    made = trends.by_age("ehc_caseload_by_age", {"ehcplans": "plans"})
    assert [b for b in dict.fromkeys(made["band"])] == ["under 5", "5 to 10", "16 and over", "not known"]
    # The sixth council has one year only and is left out; the first two signed.
    first = made[(made["group"] == "safety_valve") & (made["year"] == 2024)].set_index("band")["plans"]
    assert first.to_dict() == {"under 5": 9, "5 to 10": 12, "16 and over": 24, "not known": 48}
    assert pd.unique(made["year"]).tolist() == [2024, 2025]


def test_by_age_names_what_is_missing():
    with pytest.raises(AssessError, match="by-age"):
        trends.by_age("ehc_needs_by_age", ["ehcplans"])
    with pytest.raises(AssessError, match="'requests'"):
        trends.by_age("ehc_caseload_by_age", ["requests"])
