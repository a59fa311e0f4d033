"""Effects as numbers of people."""

import pytest

import send_world
from helpers import panel, paths, people
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


def test_impossible_effects_and_missing_years_are_errors():
    with pytest.raises(AssessError, match="-100"):
        people.from_percent({"estimate": -20.0, "lower": -120.0, "upper": 25.0}, "plans", 2025)
    with pytest.raises(AssessError, match="2030"):
        people.total("requests", 2030)
