"""Who signed, for how much, what became of it, and what councils looked like before."""

import csv
import json

import pandas as pd
import pytest

import real_tables
from helpers import evidence, panel, paths, programme
from helpers.errors import AssessError


@pytest.fixture(scope="module", autouse=True)
def tables():
    real_tables.ensure()


@pytest.fixture(scope="module")
def deals():
    return programme.agreements()


def raw(name):
    with (paths.raw() / name).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_thirty_eight_agreements_in_four_cohorts(deals):
    assert len(deals) == 38 == deals["la_code"].nunique()
    sizes = deals.groupby("cohort", observed=True).size()
    assert sizes.to_dict() == {"2020-21": 5, "2021-22": 9, "2022-23": 20, "2023-24": 4}
    # The agreement is signed in the last month of its financial year.
    assert all(int(c[:4]) + 1 == y for c, y in zip(deals["cohort"], deals["signed_year"], strict=True))
    assert set(deals["la_name"]) >= {"Kent", "Bury", "Bristol, City of", "Isle of Wight"}
    assert deals["signed_year"].is_monotonic_increasing


def test_money_known_and_unknown_kept_apart(deals):
    by_hand = [
        float(r["total_dfe_funding_gbp_m"]) for r in raw("councils/agreements.csv") if r["total_dfe_funding_gbp_m"]
    ]
    assert len(by_hand) == 30 == deals["known"].sum()
    assert round(sum(by_hand) * 1e6) == deals["total_dfe_funding"].sum() == 1_070_898_000
    assert deals.loc[~deals["known"], "total_dfe_funding"].isna().all()  # unknown is not nought
    money = programme.money(deals).set_index("cohort")
    assert money["councils"].tolist() == [5, 9, 20, 4] and money["known"].tolist() == [4, 9, 13, 4]
    assert money["total"].sum() == 1_070_898_000 and money.loc["2023-24", "total"] == 231_800_000
    assert money.loc["2020-21", "unknown"] == "Stoke-on-Trent" and money.loc["2021-22", "unknown"] == "none"
    assert len(money.loc["2022-23", "unknown"].split(", ")) == 7
    kent = deals.set_index("la_name").loc["Kent"]
    assert kent["total_dfe_funding"] == 142_000_000 and kent["per_head"] == 142_000_000 / kent["pop_0_25"]


def test_what_became_of_each(deals):
    fate = deals.set_index("la_name")["fate"]
    stopped = {r["la_name"] for r in raw("councils/events.csv") if r["event"] == "suspended"}
    assert set(fate[fate == programme.FATES["suspended"]].index) == stopped and len(stopped) == 5
    # The most telling event wins: Bury's payment was delayed before its agreement was lengthened.
    assert fate["Bury"] == fate["Kirklees"] == programme.FATES["reviewed and extended"]
    assert fate["Richmond upon Thames"] == programme.FATES["concluded"]
    assert fate["Wiltshire"] == programme.FATES["extension refused"]  # asked in January 2025, refused in June
    weak = deals.set_index("la_name")["fate_weak"]
    assert set(weak[weak].index) == {"Richmond upon Thames", "Stoke-on-Trent"}  # D013 and D137, both graded weak
    # Events told of all councils are no council's fate.
    assert fate["Barnsley"] == programme.QUIET
    known = set(evidence.load("events")["event"])
    assert set(programme.FATES) <= known


def test_revised_payments_are_a_change(deals):
    """Nine statuses tell of payments spread differently; Richmond's agreement has concluded since, so eight are counted here."""
    told = {r["la_name"] for r in raw("councils/agreements.csv") if "payment profile revised" in r["status"]}
    fate = deals.set_index("la_name")["fate"]
    assert len(told) == 9 and set(fate[fate == programme.STATUSES[programme.REPROFILED]].index) == told - {
        "Richmond upon Thames"
    }
    assert fate["Surrey"] == programme.STATUSES[programme.REPROFILED]


def test_fates_add_up_to_all_agreements(deals):
    made = programme.fates(deals)
    assert made == {
        "suspended": 5,
        "extended": 2,
        "concluded": 2,
        "asked": 1,
        "watched": 0,
        "reprofiled": 8,
        "no_change": 20,
    }
    assert sum(made.values()) == len(deals) == 38
    counted = [words for several in programme.COUNTED.values() for words in several]
    assert sorted(counted) == sorted([*programme.FATES.values(), *programme.STATUSES.values(), programme.QUIET])
    with pytest.raises(AssessError, match="counted in no part"):
        programme.fates(deals.assign(fate="Forgotten"))


def test_the_sentence_counts_every_part():
    """Each part of COUNTED is recorded and said, so the counts in the sentence are those that add up."""
    cells = json.loads((paths.root() / "notebooks" / "02_programme.ipynb").read_text(encoding="utf-8"))["cells"]
    text = "".join("".join(c["source"]) for c in cells)
    sentence = next("".join(c["source"]) for c in cells if "Annex D lists all" in "".join(c["source"]))
    assert "programme.fates(deals)" in text
    assert all(f"{{programme.{name}" in sentence for name in programme.COUNTED)


def test_before_any_agreement(deals):
    start = programme.starting_point()
    assert len(start) == 153 and start["la_code"].is_unique
    labels = [label for _, _, label, _ in programme.STARTING_POINT]
    # Each characteristic is of the year its label names, before the first payments of March 2021.
    for measure, year, label, _ in programme.STARTING_POINT:
        assert str(year) in label and year <= 2020
        wide = panel.wide(measure)[year]
        pd.testing.assert_series_equal(
            start.set_index("la_code")[label].dropna(), wide.dropna(), check_names=False, check_index_type=False
        )
    assert (
        start.set_index("la_name").loc["Camden", "In London, %"] == 100 and start["In London, %"].isin([0, 100]).all()
    )
    assert start["In London, %"].sum() == 3300  # 33 councils
    printed = {
        r["la_name"]: float(r["deficit"])
        for r in raw("dfe/dsg_balance_percent.csv")
        if r["time_period"] == "201920" and r["la_name"] in ("Derby", "Leicestershire")
    }
    assert start.set_index("la_name").loc[["Derby", "Leicestershire"], labels[0]].to_dict() == printed


def test_chosen_councils_owed_more():
    balance = programme.balance().set_index("covariate")
    row = balance.loc[programme.STARTING_POINT[0][2]]
    start = programme.starting_point().set_index("la_code")
    values, chosen = start[programme.STARTING_POINT[0][2]], start["group"] == "safety_valve"
    assert row["treated"] == pytest.approx(values[chosen].mean()) and row["control"] == pytest.approx(
        values[~chosen].mean()
    )
    assert row["treated"] > row["control"] + 4 and row["standardised"] > 1
    assert row["n_treated"] == values[chosen].notna().sum() == 38
    assert "group" not in balance.index and "signed_year" not in balance.index


def test_ranked_from_the_largest_deficit():
    rows = programme.ranked()
    assert rows["value"].is_monotonic_decreasing and rows["rank"].tolist() == list(range(1, len(rows) + 1))
    assert rows["value"].notna().all() and set(rows["group"]) == {"safety_valve", "dbv", "neither"}
    assert len(rows.head(38).query("group == 'safety_valve'")) > 19
    assert len(programme.ranked(2024)) == 148
    with pytest.raises(AssessError, match=r"31 March of 2020, 2021, 2022, 2024, not 2019\."):
        programme.ranked(2019)
