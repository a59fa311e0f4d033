"""Effects as numbers of people."""

import pytest

import send_world
from helpers import inference, panel, paths, people, protocol
from helpers.errors import AssessError


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return send_world.make(tmp_path_factory.mktemp("world"))


@pytest.fixture(autouse=True)
def here(world, monkeypatch):
    monkeypatch.setattr(paths, "processed", lambda: world / "processed")


def test_points_of_a_total():
    made = people.from_points({"estimate": 4.0, "lower": 1.0, "upper": 7.0}, "requests", 2024)
    frame = panel.series("requests", years=(2024, 2024))
    base = frame[frame["group"] == "safety_valve"]["value"].sum()
    assert made.base == base and made.councils == 20
    assert (made.value, made.lower, made.upper) == pytest.approx((0.04 * base, 0.01 * base, 0.07 * base))


def test_percent_is_of_what_would_have_been():
    made = people.from_percent({"estimate": -20.0, "lower": -50.0, "upper": 25.0}, "plans", 2025)
    # 80 seen where 100 would have been: 20 fewer, a quarter of what is seen.
    assert made.value == pytest.approx(-made.base / 4)
    assert made.lower == pytest.approx(-made.base) and made.upper == pytest.approx(made.base / 5)


def test_the_effect_in_one_year_is_the_mean_over_councils_of_that_years_effects():
    study = inference.study(inference.panel(protocol.prepare("refusal_to_assess"), "level"))
    cells = [
        (int(n), att)
        for cohort, year, att, n in zip(
            study.grid.cohort, study.grid.year, study.att, study.n_treated_cell, strict=True
        )
        if year == 2024 >= cohort
    ]
    by_hand = sum(n * att for n, att in cells) / sum(n for n, _ in cells)
    made = people.effect_in("refusal_to_assess", 2024)
    assert made["estimate"] == pytest.approx(by_hand) and made["estimate"] != pytest.approx(study.overall, abs=1e-6)
    assert made["lower"] < made["estimate"] < made["upper"]
    assert made["estimate"] == pytest.approx(send_world.POINTS, abs=1)
    # A measure in logs is reported in per cent.
    assert people.effect_in("plans", 2025)["estimate"] == pytest.approx(send_world.PERCENT, abs=3)


def test_impossible_effects_and_missing_years_are_errors():
    with pytest.raises(AssessError, match="-100"):
        people.from_percent({"estimate": -20.0, "lower": -120.0, "upper": 25.0}, "plans", 2025)
    with pytest.raises(AssessError, match="2030"):
        people.total("requests", 2030)
