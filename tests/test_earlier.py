"""The earlier two-by-two estimate, remade."""

import pandas as pd
import pytest

import real_tables
import send_world
from helpers import earlier, paths
from helpers.errors import AssessError


def rates(rows):
    return pd.DataFrame(rows, columns=["unit", "year", "value"])


def test_by_hand():
    # Treated from 2023: before 10 and 12 (2021, 2022), after 20 (2023). Control: before 10 (2021), after 14 and 16.
    frame = rates(
        [
            ("t", 2021, 10.0),
            ("t", 2022, 12.0),
            ("t", 2023, 20.0),
            ("c", 2021, 10.0),
            ("c", 2022, 14.0),
            ("c", 2023, 16.0),
        ]
    )
    made = earlier.two_by_two(frame, {"t": 2023, "c": 0}, draws=0)
    assert (made.treated_before, made.treated_after, made.control_before, made.control_after) == (
        11.0,
        20.0,
        10.0,
        15.0,
    )
    assert made.difference == pytest.approx(9.0 - 5.0)
    assert (made.n_treated, made.n_control) == (1, 1)


def test_units_outside_the_lists_play_no_part():
    frame = rates([(u, y, v) for u, v in (("t", 10.0), ("c", 5.0), ("x", 99.0)) for y in (2021, 2023)])
    assert earlier.two_by_two(frame, {"t": 2022, "c": 0}, draws=0).difference == 0.0
    with pytest.raises(AssessError, match="treated and control"):
        earlier.two_by_two(frame, {"c": 0}, draws=0)


def test_the_interval_is_that_of_a_regression_clustered_by_council():
    pyfixest = pytest.importorskip("pyfixest")
    import numpy as np

    rng = np.random.default_rng(1)
    frame = rates([(f"u{i}", y, rng.normal(20 + (i < 10), 3)) for i in range(40) for y in range(2019, 2025)])
    entry = {f"u{i}": 2022 if i < 10 else 0 for i in range(40)}
    made = earlier.two_by_two(frame, entry, draws=0)
    data = frame.assign(t=frame["unit"].map(lambda u: int(entry[u] > 0)), p=(frame["year"] >= 2022).astype(int))
    fit = pyfixest.feols("value ~ t * p", data, vcov={"CRV1": "unit"}, ssc=pyfixest.ssc(adj=False, cluster_adj=False))
    assert made.difference == pytest.approx(fit.coef()["t:p"])
    assert made.std_error == pytest.approx(fit.se()["t:p"], rel=1e-6)


def test_the_first_list_is_thirty_councils_and_not_the_programme():
    held = earlier.lists()
    assert len(held["safety_valve"]) == 30 and held["source"].startswith("https://")
    assert not set(held["safety_valve"]) & set(held["delivering_better_value"])
    assert all(2022 <= year <= 2024 for year in held["safety_valve"].values())


def test_ten_of_the_first_list_have_an_agreement():
    real_tables.ensure()
    assert earlier.right() == (30, 10)


def test_the_right_list_uses_the_agreements(tmp_path, monkeypatch):
    world = send_world.make(tmp_path / "world")
    monkeypatch.setattr(paths, "processed", lambda: world / "processed")
    monkeypatch.setattr(paths, "raw", lambda: world / "raw")
    one, every = earlier.right_list("neither", draws=99), earlier.right_list("never", draws=99)
    assert one.n_treated == every.n_treated == 20 and every.n_control == 29  # the City of London is left out
    assert every.difference == pytest.approx(send_world.POINTS, abs=1.5)
    with pytest.raises(AssessError, match="'neither' or 'never'"):
        earlier.right_list("all")
    (world / "raw" / "dfe" / "ehc_requests.csv").unlink()
    with pytest.raises(AssessError, match=r"ehc_requests\.csv"):
        earlier.published()
