"""How independent placements and deficits go together."""

import numpy as np
import pytest

import real_tables
from helpers import panel, placements


@pytest.fixture(scope="module", autouse=True)
def tables():
    real_tables.ensure()


def test_points_join_january_to_the_march_of_the_same_year():
    points = placements.deficit_points(2022).set_index("la_name")
    share = panel.series("independent_share", years=(2022, 2022)).set_index("la_name")["value"]
    balance = panel.series("dsg_balance_published", years=(2022, 2022)).set_index("la_name")["value"]
    assert (
        points.loc["Kent", "independent_share"] == share["Kent"]
        and points.loc["Kent", "dsg_balance"] == balance["Kent"] == 6.83
    )
    assert len(points) == len(set(share.dropna().index) & set(balance.dropna().index)) > 140
    assert points.notna().all(axis=None)


def test_the_slope_across_councils_is_least_squares_by_hand():
    points = placements.deficit_points(2022)
    x, y = points["independent_share"].to_numpy(float), points["dsg_balance"].to_numpy(float)
    cross, _ = placements.deficit_slope(2022)
    slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    assert cross["estimate"] == pytest.approx(slope) and slope > 0  # positive is a larger deficit
    # Heteroskedasticity-robust (HC1), by hand
    e = y - y.mean() - slope * (x - x.mean())
    se = np.sqrt(len(x) / (len(x) - 2) * (((x - x.mean()) * e) ** 2).sum()) / ((x - x.mean()) ** 2).sum()
    assert (cross["upper"] - cross["lower"]) / 2 == pytest.approx(1.98 * se, rel=0.01)
    assert cross["n"] == len(points) and cross["years"] == "2022"


def test_the_slope_within_councils_is_that_of_changes_by_hand():
    """Council and year effects by hand: demean twice until nothing moves, then least squares."""
    rows = placements._joined()
    assert set(rows["year"]) == {2020, 2021, 2022}
    both = rows[["independent_share", "dsg_balance"]].astype(float)
    for _ in range(500):
        both = both - both.groupby(rows["la_code"]).transform("mean")
        both = both - both.groupby(rows["year"]).transform("mean")
    by_hand = (both["independent_share"] * both["dsg_balance"]).sum() / (both["independent_share"] ** 2).sum()
    _, within = placements.deficit_slope(2022)
    assert within["estimate"] == pytest.approx(by_hand, rel=1e-5)
    assert within["lower"] < by_hand < within["upper"] and within["years"] == "2020 to 2022"
    assert within["n"] == (rows.groupby("la_code").size() > 1).sum()  # a council seen once says nothing of change
