"""Duties, gaps and inspections: gaps, slopes and exact tests, by hand and against other implementations."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import real_tables
from helpers import duties, gaps, inspections
from helpers.errors import AssessError


def test_gap_by_hand():
    gap = gaps.apart([4.0, 6.0, 8.0], [1.0, 2.0, 3.0, float("nan")], draws=999)
    assert (gap.estimate, gap.one, gap.other, gap.n_one, gap.n_other) == (4.0, 6.0, 2.0, 3, 3)
    # Variances 4 and 1: standard error sqrt(5/3).
    assert gap.mde == pytest.approx(2.8016 * math.sqrt(5 / 3))
    # Of the twenty ways to deal six values, two are as far apart.
    assert gap.ri_p == pytest.approx(2 / 20, abs=0.03)
    assert gap.lower < 4 < gap.upper


def test_gap_needs_two_councils():
    with pytest.raises(AssessError, match="two councils"):
        gaps.apart([1.0], [1.0, 2.0])


def test_exact_order_by_hand():
    # Two of four councils, at levels 0, 1, 2 and 2: six equally likely pairs. The pair at 2 and 2 scores 4, its
    # complement
    # 1, the centre is 2.5, so two pairs are as far out.
    assert inspections.exact_order([0, 0, 2], [1, 1, 0]) == pytest.approx(2 / 6)
    assert inspections.exact_order([1, 1, 1], [1, 1, 1]) == 1.0


def test_exact_order_with_two_levels_is_fisher():
    from scipy import stats

    # Equal groups, where the two definitions of "as extreme" agree.
    assert inspections.exact_order([7, 2], [3, 6]) == pytest.approx(stats.fisher_exact([[7, 2], [3, 6]]).pvalue)


def test_exact_order_needs_two_groups():
    with pytest.raises(AssessError, match="both groups"):
        inspections.exact_order([1, 2], [0, 0])


def test_lowest_and_what_could_be_found():
    from scipy import stats

    made = inspections.exact_lowest(5, 23, 19, 72)
    assert made.p == pytest.approx(stats.fisher_exact([[5, 18], [19, 53]]).pvalue)
    assert (round(made.one, 1), round(made.other, 1)) == (21.7, 26.4)
    assert made.found_below < made.other < made.found_above
    # Power by simulation at the share that should be found four times in five.
    rng = np.random.default_rng(1)
    a, b = rng.binomial(23, made.found_above / 100, 2000), rng.binomial(72, 19 / 72, 2000)
    found = np.mean([stats.fisher_exact([[x, 23 - x], [y, 72 - y]]).pvalue < 0.05 for x, y in zip(a, b, strict=True)])
    assert found == pytest.approx(0.8, abs=0.04)


def _frame(rows: dict[str, tuple[str, float, float]]) -> pd.DataFrame:
    return pd.DataFrame([{"la_code": k, "group": g, "earlier": e, "grade": v} for k, (g, e, v) in rows.items()])


def test_stratified_by_hand():
    sv, no = "safety_valve", "neither"
    rows = {
        "A": (sv, 1, 3),
        "B": (no, 1, 2),
        "C": (no, 1, 2),
        "D": (sv, 0, 2),
        "E": (no, 0, 1),
        "F": (no, float("nan"), 3),
    }
    gap, p = inspections.stratified(_frame(rows), draws=1999)
    # One grade worse within each stratum; 1/3 * 1/2 of the ways to deal are as far out (and none in the other
    # direction).
    assert gap == pytest.approx(1.0)
    assert p == pytest.approx(1 / 6, abs=0.03)


@pytest.fixture
def planted(monkeypatch):
    """Thirty councils over five years in which y moves by exactly half of x, with council and year effects."""
    rng = np.random.default_rng(3)
    codes, years = [f"E{i:02d}" for i in range(30)], list(range(2019, 2024))
    x = pd.DataFrame(rng.normal(size=(30, 5)), index=codes, columns=years)
    y = 0.5 * x + rng.normal(size=(30, 1)) + np.arange(5)
    long = y.stack().rename("value").rename_axis(["la_code", "year"]).reset_index()
    long["group"] = np.where(long["la_code"] < "E20", "safety_valve", "neither")
    long["signed_year"] = np.where(long["group"] == "safety_valve", 2022, 0)
    later = x.set_axis([c + 1 for c in years], axis=1)
    monkeypatch.setattr(duties.panel, "wide", lambda name: {"y": y, "x": x, "later": later}[name].copy())
    monkeypatch.setattr(duties.panel, "series", lambda name, **_: long.copy())
    return y


def test_slope_finds_what_was_planted(planted):
    made = duties.together("y", "x", draws=199)
    assert made.estimate == pytest.approx(0.5)
    assert (made.n, made.first, made.last) == (20, 2019, 2023)
    assert made.ri_p == pytest.approx(1 / 200)
    assert duties.together("y", "later", lead=1, draws=99).estimate == pytest.approx(0.5)
    assert duties.together("y", "x", first_year=2021, draws=99).first == 2021


def test_slope_is_that_of_pyfixest():
    pytest.importorskip("pyfixest")
    import pyfixest

    from helpers import panel, paths

    if not (paths.processed() / "council_year.parquet").is_file():
        pytest.skip("data/processed has not been built")
    made = duties.together("appeals_per_1000_plans", "refusal_to_assess", first_year=2018, draws=99)
    data = panel.several(["appeals_per_1000_plans", "refusal_to_assess"])
    data = data[(data["group"] == "safety_valve") & data["year"].between(made.first, made.last)].dropna(
        subset=["appeals_per_1000_plans", "refusal_to_assess"]
    )
    whole = data.groupby("la_code")["year"].transform("nunique") == made.last - made.first + 1
    fit = pyfixest.feols("appeals_per_1000_plans ~ refusal_to_assess | la_code + year", data[whole])
    assert made.estimate == pytest.approx(float(fit.coef().iloc[0]), abs=1e-8)


GROUP = {True: "safety_valve", False: "neither"}


def test_gap_before_signing_by_hand(monkeypatch):
    rows = []
    for code, signed, level in (("A", 2021, 50.0), ("B", 2022, 40.0), ("C", 0, 60.0), ("D", 0, 70.0)):
        rows += [
            {
                "la_code": code,
                "year": y,
                "value": level + (y - 2018),
                "signed_year": signed,
                "group": "safety_valve" if signed else "neither",
            }
            for y in range(2018, 2024)
        ]
    monkeypatch.setattr(gaps.panel, "series", lambda name: pd.DataFrame(rows))
    made = gaps.before_signing("timeliness", draws=99)
    # A is 15 below the others' mean of 65 in 2018 to 2020, B 25 below in 2019 to 2021; years in common drop out.
    assert made.estimate == pytest.approx(-20.0)
    assert (made.n_one, made.n_other) == (2, 2)


def test_borders_share_points(monkeypatch):
    square = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    shapes = {"A": [square], "B": [[(x + 1, y) for x, y in square]], "C": [[(x + 5, y) for x, y in square]]}
    monkeypatch.setattr(gaps.maps, "boundaries", lambda: shapes)
    assert gaps.borders() == [("A", "B")]


class Book:
    def __init__(self):
        self.facts = {}

    def fact(self, id, value, **rest):
        self.facts[id] = value, rest.get("lower"), rest.get("upper"), rest.get("n")


def test_a_band_is_the_simultaneous_one():
    path = pd.DataFrame(
        {"event_time": [1, 2], "estimate": [3.0, 16.0], "band_lower": [-1.0, -4.0], "band_upper": [7.0, 36.0]}
    ).assign(lower=2.0, upper=30.0, n_treated=[30, 13])
    result = SimpleNamespace(
        outcome="timeliness", unit="pp", event_study=path, main={"first_year": 2016, "last_year": 2024}
    )
    book = Book()
    duties.record_band(book, result, 2, ["lait_sen"])
    assert book.facts == {"duties.band.timeliness.2": (16.0, -4.0, 36.0, 13)}


def test_levels_are_of_the_year_asked_for():
    real_tables.ensure()
    assert gaps.check_year(2023) == 2023
    with pytest.raises(AssessError, match=r"latest=2022: expected one of 2023, 2024"):
        gaps.check_year(2022)
    made = {(x.name, x.year): x for x in gaps.levels(2023, draws=9)}
    frame = gaps.panel.series("timeliness", years=(2023, 2023))
    mine = frame[frame["group"] == "safety_valve"]["value"].mean()
    assert made["timeliness", 2023].gap.one == pytest.approx(mine)
    assert {year for _, year in made} <= {2022, 2023} and "appeal_rate_new" not in {name for name, _ in made}
    later = [(x.name, x.year) for x in gaps.levels(2024, draws=9)]
    assert later[2:4] == [("over_a_year", 2023), ("over_a_year", 2024)] and later[-1] == ("appeal_rate_new", 2024)


def test_a_level_is_recorded_by_year_and_as_the_latest():
    gap = gaps.apart([4.0, 6.0], [1.0, 2.0], draws=9)
    book = Book()
    gaps.record_levels(book, [gaps.Level("x", "X", "pp", year, "s", gap) for year in (2022, 2023)])
    assert {key.split(".")[3] for key in book.facts if key.startswith("duties.level.x.")} == {"2022", "2023", "latest"}
    assert book.facts["duties.level.count"][0] == 2


def test_englands_figures_are_said_in_one_phrase(monkeypatch):
    monkeypatch.setattr(duties.panel, "england", lambda measure, year: {2018: 60.0, 2023: 50.0, 2024: 46.4}[year])
    book = Book()
    duties.record_england(book, "timeliness", [2018, 2023], 2024)
    found = {key.removeprefix("duties.england.timeliness."): value[0] for key, value in book.facts.items()}
    assert found == {
        "says": "60.0% in 2018, 50.0% in 2023 and 46.4% in 2024",
        "2018": 60.0,
        "2023": 50.0,
        "2024": 46.4,
        "latest": 46.4,
    }
    again = Book()
    duties.record_england(again, "timeliness", [2018, 2023], 2023)
    assert again.facts["duties.england.timeliness.says"][0] == "60.0% in 2018 and 50.0% in 2023"


def test_all_inspections_after_signing_are_called_all():
    real_tables.ensure()
    frame = inspections.inspections()
    mine = (frame["group"] == "safety_valve") & frame["grade"].notna()
    for after, said in ((True, "all"), (False, str(int(mine.sum()) - 1))):
        book, changed = Book(), frame.assign(after=mine)
        if not after:
            changed.loc[mine[mine].index[0], "after"] = False
        inspections.record_inspections(book, changed)
        assert book.facts["duties.inspections.after_of"][0] == said
