"""Deficits with and without payments: known answers from the shipped data, and agreements worked by hand."""

import csv

import numpy as np
import pandas as pd
import pytest

import real_tables
from helpers import finances, inference, panel, paths, programme, variations


@pytest.fixture(scope="module", autouse=True)
def tables():
    real_tables.ensure()


def raw(name):
    with (paths.raw() / name).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture(scope="module")
def paid():
    return finances.paid_by_balance_date().set_index("la_name")


def deal(**changes):
    usual = {
        "total_dfe_funding": 100.0,
        "signed_year": 2022,
        "first_payment": float("nan"),
        "end_year": 2026,
        "cohort": "2021-22",
        "fate": programme.QUIET,
        "known": True,
    }
    return usual | changes


def rows(*payments):
    """Payments as the evidence table holds them: (last year, row type, planned, actual)."""
    frame = pd.DataFrame(payments, columns=["last_year", "row_type", "planned_payment", "actual_payment"])
    typed = frame.astype({"last_year": "Int64", "planned_payment": float, "actual_payment": float})
    return typed.to_dict("records")


NONE, NO_REPORTS = rows(), []
NAN = float("nan")


# Balances of 31 March 2024 (financial year 2023-24, year 2024), straight from the file


def test_balances_are_the_published_ones():
    printed = [r["dsg_deficit_2324_gbp_positive_is_deficit"] for r in raw("dfe/dsg_balance_2023_24.csv")]
    by_hand = [float(x) for x in printed if x]
    held = panel.series("dsg_balance_gbp").dropna(subset=["value"])
    assert set(held["year"]) == {2024} == {finances.BALANCE_YEAR}
    assert len(by_hand) == len(held) == 148
    assert sum(by_hand) == held["value"].sum() and round(sum(by_hand) / 1e9, 3) == 1.735
    assert round(held["value"].clip(lower=0).sum() / 1e9, 3) == 2.141
    assert (held["value"] > 0).sum() == 106
    chosen = held[held["group"] == "safety_valve"]["value"]
    assert len(chosen) == 38 and round(chosen.sum() / 1e6, 1) == 886.5


def test_positive_is_a_deficit():
    """Norfolk's own figure is an £81.5 million deficit; Camden holds a surplus."""
    held = panel.series("dsg_balance_gbp").dropna(subset=["value"]).set_index("la_name")["value"]
    assert round(held["Norfolk"] / 1e6, 1) == 81.5 and held["Camden"] < 0
    share = panel.series("dsg_balance").set_index(["la_name", "year"])["value"]
    assert share["Norfolk", 2024] > 0 > share["Camden", 2024]
    assert share["Kent", 2022] > 0


def test_published_shares_times_the_grant_are_the_pounds_councils_print():
    """In these councils and years the denominator is the whole grant, as in 2024. Papers of Surrey and Barnsley for 2022 differ
    (118.4 and 11.7 printed, 58.0 and 18.0 implied), so it is no proof for all. Pounds, millions."""
    share, grant = panel.wide("dsg_balance_published"), panel.wide("dsg_total")
    code = panel.councils().set_index("la_name")["la_code"]
    for name, year, printed in [
        ("Rotherham", 2020, 19.89),
        ("Rotherham", 2021, 21.26),
        ("Rotherham", 2022, 12.84),
        ("Torbay", 2021, 5.826),
        ("Croydon", 2020, 14.558),
    ]:
        assert share.loc[code[name], year] * grant.loc[code[name], year] / 1e8 == pytest.approx(printed, abs=0.1)


# High needs spending per head


def test_spend_per_head_is_the_nations_spending_over_its_young_people():
    """England 2024-25 by a second route: the pounds of the file over the people of the population file, £ a head."""
    spent = sum(
        float(r["High needs (SEND)"])
        for r in raw("dfe/s251_high_needs_spend.csv")
        if r["financial_year"] == "2024-25" and r["High needs (SEND)"]
    )
    people = panel.councils()["pop_0_25"].sum()
    rows = panel.series("high_needs_spend_per_head")
    rows = rows[rows["year"] == 2025].merge(panel.councils()[["la_code", "pop_0_25"]], on="la_code")
    assert len(rows) == 153 and rows["value"].notna().all()
    assert (rows["value"] * rows["pop_0_25"]).sum() / people == pytest.approx(spent / people)
    assert round(spent / 1e9, 2) == 10.22 and round(spent / people) == 583


def test_in_logarithms_spend_per_head_would_repeat_spend():
    """With one population for every year it cancels out of every change, which is why the measure is kept in pounds."""
    head, spend = panel.wide("high_needs_spend_per_head"), panel.wide("high_needs_spend")
    assert (head[2025] / head[2018] - spend[2025] / spend[2018]).abs().max() < 1e-9


# What had been paid, six councils by hand from agreements.csv and payments.csv (£ million)

BY_HAND = {
    # 56.8 at signing; the other 85.2 over five years to 2027-28, one part by March 2024, half as large again if generous
    "Kent": (56.8, 56.8 + 85.2 / 5, 56.8 + 1.5 * 85.2 / 5),
    # 28 at signing, printed; suspended in 2023-24 and held with the four others to 73.2, so nothing more on any reading
    "Norfolk": (28.0, 28.0, 28.0),
    # the running printed profile: 38 at signing in March 2024, everything else dated later
    "Devon": (38.0, 38.0, 38.0),
    # 6 of 20.5 at signing; three of four parts by March 2024; the generous pace pays it off
    "Bury": (6.0, 6.0 + 14.5 * 3 / 4, 20.5),
    # nothing is reported; 40% of 42 and one of four parts, because a page says that nothing came in 2023-24, then its share of the
    # 45.2 that the ceiling leaves beside Norfolk's 28: the five together would have had 92.13
    "Dorset": (0.0, (16.8 + 25.2 / 4) * 45.2 / 64.13, (16.8 + 25.2 / 4) * 45.2 / 64.13),
    # a running total at March 2024
    "Isle of Wight": (6.6, 6.6, 6.6),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_HAND)
def test_payments_by_hand(name, paid):
    assert tuple(paid.loc[name, ["low", "central", "high"]] / 1e6) == pytest.approx(BY_HAND[name])


def test_readings_are_in_order_and_within_the_agreement(paid):
    total = programme.agreements().set_index("la_name")["total_dfe_funding"].reindex(paid.index)
    known = paid[paid["known"]]
    assert len(paid) == 38 and len(known) == 30
    assert (known["low"] <= known["central"]).all() and (known["central"] <= known["high"]).all()
    assert (known["high"] <= total[known.index] + 1).all()
    assert paid.loc[~paid["known"], ["central", "high"]].isna().all(axis=None)


def test_suspended_councils_cannot_have_had_what_was_still_to_come(paid):
    """£42, 25, 19.2, 49 and 70 million were agreed and £132 million was still to come in March 2024: at most £73.2 million was paid."""
    deals = programme.agreements().set_index("la_name")
    five = deals.index[deals["fate"] == "Payments suspended in 2024"]
    assert sorted(deals.loc[five, "total_dfe_funding"] / 1e6) == pytest.approx([19.2, 25, 42, 49, 70])
    assert paid.loc[five, "central"].sum() == pytest.approx(73.2e6) == paid.loc[five, "high"].sum()
    assert paid.loc[five, "low"].sum() == 28e6  # Norfolk's first payment alone is printed


@pytest.mark.parametrize(
    ("ceiling", "central", "high"),
    [
        (1000.0, [30.0, 40.0], [50.0, 60.0]),  # room enough
        (90.0, [30.0, 40.0], [40.0, 50.0]),  # the generous reading shares the 20 left between what each adds
        (45.0, [15.0, 30.0], [15.0, 30.0]),  # the assumed one too: 25 of the 50 assumed beyond the 20 known
        (5.0, [0.0, 20.0], [0.0, 20.0]),  # what is known to have been paid stays
        (NAN, [30.0, 40.0], [50.0, 60.0]),  # no ceiling is known
    ],
)
def test_held_to_a_ceiling_by_hand(ceiling, central, high):
    made = pd.DataFrame({"low": [0.0, 20.0, 5.0], "central": [30.0, 40.0, 9.0], "high": [50.0, 60.0, 9.0]})
    out = finances._held_to(made, pd.Series([True, True, False]), ceiling)
    assert list(out["central"]) == pytest.approx([*central, 9.0]) and list(out["high"]) == pytest.approx([*high, 9.0])
    assert list(out["low"]) == [0.0, 20.0, 5.0] and list(made["high"]) == [50.0, 60.0, 9.0]


def test_payments_build_up_over_time():
    """£ million by hand: 6, 6, 6 and 9 printed at the first four signings with a known total; nothing before March 2021."""
    by_year = {year: finances.paid_by(year).set_index("la_name") for year in (2020, 2021, 2022, 2023, 2024)}
    assert by_year[2020][list(finances.READINGS)].fillna(0).to_numpy().sum() == 0
    assert by_year[2021].loc[lambda f: f["known"], "central"].sum() == pytest.approx(27e6)
    assert by_year[2022].loc["Bury", "central"] == pytest.approx(6e6 + 14.5e6 / 4)
    assert by_year[2022].loc["Kent", "high"] == 0 and by_year[2023].loc["Kent", "central"] == 56.8e6
    for earlier, later in [(2020, 2021), (2021, 2022), (2022, 2023), (2023, 2024)]:
        for reading in finances.READINGS:
            assert (by_year[earlier][reading].fillna(0) <= by_year[later][reading].fillna(0)).all()


def test_running_totals_reported_later_are_a_ceiling(paid):
    for name, ceiling in [("Barnsley", 14.6), ("Bexley", 18.786), ("Cambridgeshire", 21.5)]:
        assert paid.loc[name, "high"] <= ceiling * 1e6 + 1


def test_the_assumed_profile_meets_running_totals_it_was_not_made_from():
    """Bristol had about 27 by January 2025: 21.5 at signing, the rest over the assumed years, ten months on (£ million)."""
    bristol = programme.agreements().set_index("la_name").loc["Bristol, City of"]
    total, first = bristol["total_dfe_funding"] / 1e6, bristol["first_payment"] / 1e6
    assert first + (total - first) / 5 * 10 / 12 == pytest.approx(27, abs=0.5)


def test_a_councils_own_paper_counts_though_the_payments_table_lacks_it(paid):
    assert paid.loc["Rotherham", "low"] == 6e6  # its paper reports £6 million for 2022-23


def test_nothing_is_counted_twice():
    made = rows((2022, "annual", 11.6, 11.6), (2023, "part-year", NAN, 0.875), (2024, "cumulative", NAN, 12.0))
    assert finances._low(deal(first_payment=11.6), made, NO_REPORTS) == (12.0, True)
    assert finances._low(deal(first_payment=11.6), made[:2], NO_REPORTS) == pytest.approx((12.475, False))
    again = [{"year": 2022, "value": 11.6}, {"year": 2023, "value": 3.0}]
    assert finances._low(deal(first_payment=11.6), made[:2], again) == pytest.approx((14.6, False))


def test_later_and_undated_payments_are_not_counted():
    made = rows(
        (2025, "annual", NAN, 5.0),
        (2025, "cumulative", NAN, 14.0),
        (None, "annual", NAN, 9.0),
        (2023, "cumulative", NAN, 4.0),
    )
    assert finances._low(deal(), made, NO_REPORTS) == (4.0, False)
    assert finances._most(deal(), made) == 14.0
    assert finances._most(deal(), rows((2028, "annual", 12.0, NAN), (2025, "annual", 3.0, NAN))) == 85.0


@pytest.mark.parametrize(
    ("changes", "payments", "central", "high"),
    [
        ({}, NONE, 40 + 60 * 2 / 4, 50 + 50 * 0.75),
        ({"cohort": "2020-21", "signed_year": 2021, "end_year": 2025}, NONE, 30 + 70 * 3 / 4, 100),
        ({"end_year": pd.NA}, NONE, 40 + 60 * 2 / 4, 50 + 50 * 0.75),
        ({"first_payment": 10.0}, NONE, 10 + 90 * 2 / 4, 10 + 90 * 0.75),
        ({"end_year": 2023}, NONE, 100, 100),
        ({"signed_year": 2024, "end_year": 2029}, NONE, 40, 50),
        ({"fate": "Payments suspended in 2024"}, NONE, 40 + 60 / 4, 50 + 50 * 0.75),
        ({"fate": "Payments suspended in 2024"}, rows((2024, "annual", NAN, 0.0)), 40 + 60 / 4, 50 + 50 * 0.375),
        ({"fate": "Payments suspended in 2024", "signed_year": 2024}, NONE, 40, 50),
    ],
)  # fmt: skip
def test_profiles(changes, payments, central, high):
    assert finances._profile(deal(**changes), payments) == pytest.approx(central)
    assert finances._profile(deal(**changes), payments, generous=True) == pytest.approx(high)


def test_without_payments_adds_them_back(paid):
    made = finances.without_payments().set_index("la_name")
    assert made.loc["Kent", "balance"] == 67167405 and made.loc["Kent", "expenditure"] > 2e9
    for reading in ("low", "central", "high"):
        known = made[made["known"]]
        assert (known[f"without_{reading}"] - known["balance"] - known[reading]).abs().max() < 1
    assert made["balance"].sum() == pytest.approx(886.5e6, abs=0.1e6)
    assert 1.2e9 < made["without_central"].sum() < 1.6e9  # 30 councils
    assert made["grant"].gt(made["balance"]).all()


# The effect on deficits without the payments


class Book:
    """Keeps what is recorded: id -> value, unit, lower, upper and the rest."""

    def __init__(self):
        self.held = {}

    def fact(self, id, value, **about):
        self.held[id] = about | {"value": value}


@pytest.fixture(scope="module")
def frames():
    return finances.added_back()


@pytest.fixture(scope="module")
def net(frames):
    return finances.net_effects(frames, draws=49)


def test_payments_added_back_by_hand():
    """Two councils sign in 2021 and are paid 3 and 2 points of grant: the effect goes from -1 to 1.5."""
    data = pd.DataFrame(
        [("A", 10.0, 9.0, 2021), ("B", 6.0, 6.0, 2021), ("C", 1.0, 2.0, 0), ("D", 1.0, 1.0, 0)],
        columns=["la_code", 2020, 2021, "first_year"],
    ).melt(["la_code", "first_year"], var_name="year")
    paid = {2020: pd.Series({"A": 0.0, "B": 0.0}), 2021: pd.Series({"A": 30.0, "B": 10.0})}
    grant = pd.DataFrame({2020: 900.0, 2021: [1000.0, 500.0, 1.0, 1.0]}, index=list("ABCD"))
    made = finances._owed_without(data, paid, grant)
    values = made.set_index(["la_code", "year"])["value"]
    assert values["A", 2021] == 12 and values["B", 2021] == 8 and values["A", 2020] == 10 and values["C", 2021] == 2
    # Means of (-1, 0) and of (2, 2), less the controls' mean of (1, 0).
    assert inference.study(inference.panel(data)).overall == pytest.approx(-1.0)
    assert inference.study(inference.panel(made)).overall == pytest.approx(1.5)
    assert finances.paid_after(data, made) == pytest.approx(2.5)
    paid[2021]["A"] = NAN
    assert finances._owed_without(data, paid, grant)["value"].isna().sum() == 1  # missing, not unchanged


def test_councils_with_unknown_totals_are_left_out(frames):
    unknown = set(programme.agreements().query("~known")["la_code"])
    assert len(unknown) == 8 and list(frames) == list(finances.AS_READ)
    for data in frames.values():
        assert not unknown & set(data["la_code"]) and data[data["first_year"] > 0]["la_code"].nunique() == 30
    both = frames["with"].merge(frames["central"], on=["la_code", "year"], suffixes=("", "_paid"))
    paid = both["value_paid"] - both["value"]
    before = (both["first_year"] == 0) | (both["year"] < both["first_year"])
    assert paid[before].abs().max() == 0 and (paid[~before] >= 0).all() and paid.sum() > 0
    kent = both[(both["la_code"] == "E10000016") & (both["year"] == 2024)]
    grant = panel.wide("dsg_total").loc["E10000016", 2024]
    assert paid[kent.index].item() == pytest.approx(100 * 73.84e6 / grant)


def long_hand(data):
    """The main estimate from means of groups, cohort by cohort and year by year, weighted by councils."""
    wide = data.pivot(index="la_code", columns="year", values="value").dropna(how="all").dropna(axis=1, how="all")
    first = data.drop_duplicates("la_code").set_index("la_code")["first_year"].reindex(wide.index)
    total, weight = 0.0, 0
    for g in sorted(set(first) - {0}):
        base = max(y for y in wide.columns if y < g)
        for year in (y for y in wide.columns if y >= g):
            change = wide[year] - wide[base]
            mine = change[first == g].dropna()
            total += len(mine) * (mine.mean() - change[first == 0].mean())
            weight += len(mine)
    return total / weight


def test_effect_without_payments_by_two_more_routes(frames, net):
    main = net[net["version"] == "callaway_santanna"].set_index("name")
    assert main["estimate"].round(1).to_dict() == {"with": -3.5, "low": -1.3, "central": 1.7, "high": 2.5}
    for name, data in frames.items():
        assert main.loc[name, "estimate"] == pytest.approx(long_hand(data))
        # Only councils that signed are paid, and only afterwards: the estimate moves by the mean payment.
        moved = main.loc[name, "estimate"] - main.loc["with", "estimate"]
        assert moved == pytest.approx(main.loc[name, "paid"])
    assert (main["n_treated"] == 30).all() and main["pretrend_p"].nunique() == 1
    assert set(net["version"]) == set(finances.VERSIONS) and len(net) == 16
    trend = net[net["version"] == "linear_trend"].set_index("name")["estimate"]
    assert (trend - trend["with"]).to_numpy() == pytest.approx(main["paid"].to_numpy())


def test_whole_protocol_without_payments(frames, net):
    made = finances.net_protocol(frames["central"])
    main = net[(net["version"] == "callaway_santanna") & (net["name"] == "central")].iloc[0]
    assert made.outcome == "dsg_balance_without_payments" == made.effects["outcome"].unique().item()
    assert made.main["estimate"] == pytest.approx(main["estimate"]) and made.pretrend_p == main["pretrend_p"]
    assert made.effects["estimate"].notna().all()
    # No balance was published for 2023, the last year before the last cohort's agreements.
    assert made.row("sun_abraham")["estimate"] == pytest.approx(main["estimate"], abs=0.01)


def test_what_is_recorded_of_the_effect_without_payments():
    rows = [
        {"version": version, "name": name, "estimate": at, "paid": at + 4, "n_treated": 30}
        for version in finances.VERSIONS
        for name, at in {"with": -4.0, "low": -1.0, "central": 2.0, "high": 3.0}.items()
    ]
    made = pd.DataFrame(rows).assign(
        lower=-9.0, upper=9.0, p_value=0.5, ri_p=0.2, pretrend_p=0.01, first_year=2020, last_year=2024
    )
    book = Book()
    finances.record_net(book, made, ["payments"])
    held = book.held
    assert held["finances.net.with"]["value"] == -4 and held["finances.net.central_trend"]["value"] == 2
    assert (held["finances.net.range"]["lower"], held["finances.net.range"]["upper"]) == (-1, 3)
    # Payments of 3, 6 and 7 points against an effect of 4 with them.
    share = held["finances.net.share"]
    assert (share["value"], share["lower"], share["upper"]) == (150, 75, 175)
    assert held["finances.net.paid"]["value"] == 6 and held["finances.net.pretrend_margin"]["value"] < 0


# Other cuts of the data, parts of the councils


def test_cuts_move_the_main_estimate(frames):
    made = finances.cuts("dsg_balance").set_index("name")
    assert made.loc["main", "moved"] == 0 and made.loc["main", "n_treated"] == 38
    assert made.loc["across", "first_year"] == 2022 and made.loc["one_source", "last_year"] == 2022
    assert made.loc["unlike", "n_treated"] == 36
    names = panel.councils().set_index("la_code")["la_name"]
    for label, codes in variations.UNLIKE.values():
        assert all(names[code] in label for code in codes)


def test_the_cut_that_moves_it_most_is_named():
    made = pd.DataFrame(
        {
            "name": ["main", "tiny", "noted"],
            "label": ["Main", "Without the two", "Without four"],
            "estimate": [-3.0, -2.5, -4.0],
            "moved": [0.0, 0.5, -1.0],
        }
    ).assign(lower=-9.0, upper=9.0, p_value=0.5, n_treated=38, first_year=2020, last_year=2024)
    book = Book()
    finances.record_cuts(book, "dsg_balance", made, ["agreements"])
    assert book.held["finances.cut.dsg_balance.most"]["value"] == -4
    assert book.held["finances.cut.dsg_balance.most_name"]["value"] == "without four"
    span = book.held["finances.cut.dsg_balance.range"]
    assert (span["value"], span["lower"], span["upper"], span["n"], span["unit"]) == (-3, -4, -2.5, 2, "pp")


def test_parts_of_the_councils_that_signed():
    labels = finances.splits()
    assert set(labels) == {"Signed", "Payments", "Deal per person", "Refusal rate before"}
    chosen = {name: labels[name] for name in ("Signed", "Payments")}
    made = finances.parts(["dsg_balance"], chosen)
    sizes = made[made["label"] != "difference"].groupby("split")["n_treated"].sum()
    assert sizes.to_dict() == {"Signed": 38, "Payments": 38}
    assert made["ri_p"].notna().sum() == 1 == (made["label"] == "difference").sum()
    book = Book()
    finances.record_parts(book, made, ["agreements"])
    five = book.held["finances.part.dsg_balance.suspended"]
    assert five["n"] == 5 and five["unit"] == "pp" and five["lower"] < five["value"] < five["upper"]
    clear = book.held["finances.part.clear"]
    assert clear["n"] == 1 and clear["value"] == int(made["ri_p"].dropna().item() < 0.05)


# Shares, burdens, signs of insolvency, the write-off, growth


def test_share_in_deficit_by_hand():
    frame = finances.in_deficit().set_index(["group", "year"])
    groups = panel.councils().set_index("la_code")["group"]
    held = {
        r["utla23cd"]: float(r["dsg_deficit_2324_gbp_positive_is_deficit"])
        for r in raw("dfe/dsg_balance_2023_24.csv")
        if r["dsg_deficit_2324_gbp_positive_is_deficit"]
    }
    for group in ("safety_valve", "dbv", "neither"):
        mine = [v > 0 for code, v in held.items() if groups[code] == group]
        assert frame.loc[(group, 2024), "share"] == pytest.approx(100 * sum(mine) / len(mine))
        assert frame.loc[(group, 2024), "councils"] == len(mine)
    assert 2023 not in frame.index.get_level_values("year")  # nothing was published for 2022-23


def test_pounds_by_hand():
    """6.83% of Kent's grant of 2021-22 is near the £97 million its own page gives; 2024 is the return itself."""
    made = finances.pounds()
    grant = next(
        float(r["amount"])
        for r in raw("dfe/dsg_allocations.csv")
        if (r["financial_year"], r["la_name"], r["block"], r["deductions"]) == ("2021-22", "Kent", "total", "before")
    )
    assert list(made.columns) == [2020, 2021, 2022, 2024]
    assert made.loc["E10000016", 2022] == pytest.approx(0.0683 * grant) == pytest.approx(97e6, rel=0.03)
    assert made.loc["E10000016", 2024] == pytest.approx(67167405)
    assert made[2024].sum() == pytest.approx(1.735e9, rel=1e-3)


def test_steps_by_hand():
    """Change from one year end to the next, and of two years where a year is missing; payments added back where asked."""
    made = finances.steps().set_index(["last", "row"])
    balance, grant = finances.pounds(), panel.wide("dsg_total")
    group = panel.councils().set_index("la_code")["group"]
    mine = group.index[group == "safety_valve"]
    assert made.loc[2022, "safety_valve"]["change"] == pytest.approx((balance[2022] - balance[2021])[mine].sum())
    two = made.loc[2024, "safety_valve"]
    assert two["years"] == 2 and two["councils"] == 38
    assert two["yearly"] == pytest.approx(100 * two["change"] / grant.loc[mine, 2024].sum() / 2)
    with_, without = made.loc[2024, "known"], made.loc[2024, "without"]
    paid_then = {y: finances.paid_by(y).loc[lambda f: f["known"], list(finances.READINGS)].sum() for y in (2022, 2024)}
    window = paid_then[2024] - paid_then[2022]
    assert without["change"] - with_["change"] == pytest.approx(window["central"])
    per_cent = with_["yearly"] / with_["change"]
    assert without["lower"] == pytest.approx((with_["change"] + window["low"]) * per_cent)
    assert without["upper"] == pytest.approx((with_["change"] + window["high"]) * per_cent)
    assert list(finances.steps()["step"].unique()) == ["2020-21", "2021-22", "2022-23 and 2023-24, yearly mean"]


def test_later_balances_are_the_printed_ones():
    made = finances.later().set_index("council")
    assert made.loc["Kent", "cumulative"] == 97.5 and made.loc["Kent", "in_year"] == 30.3
    assert made.loc["Kent", "basis"] == "net" and made.loc["Kent", "returned"] == pytest.approx(67.167405)
    assert made.loc["Wiltshire", "planned"] == 84.5 and made.loc["Wiltshire", "plan_basis"] == "gross"
    assert pd.isna(made.loc["Kirklees", "cumulative"]) and made.loc["Kirklees", "in_year"] == 20.0
    assert pd.isna(made.loc["Hammersmith and Fulham", "in_year"])  # known from a weaker document than its balance
    firm = [
        r for r in raw("councils/trajectories.csv") if r["measure"] == "cumulative_deficit" and r["kind"] == "actual"
    ]
    assert len(made["cumulative"].dropna()) == sum(r["financial_year"] == "2024/25" for r in firm)


def test_burdens_and_thresholds():
    frame = finances.burdens()
    assert frame["burden"].notna().all() and (frame["expenditure"] > 0).all()
    kent = frame.set_index("la_name").loc["Kent"]
    spent = next(
        float(r["net_current_expenditure"])
        for r in raw("mhclg/council_net_expenditure.csv")
        if r["ons_code"] == "E10000016" and r["financial_year"] == "2023-24"
    )
    assert kent["burden"] == pytest.approx(100 * 67167405 / spent)
    assert finances.over(5, pd.Series([5.0, 6.0, NAN, -9.0]), pd.Series([100.0, 100.0, 100.0, 100.0])) == 1


def test_support_by_hand():
    made = finances.support_by_group().set_index("group")
    assert made["councils"].to_dict() == {"safety_valve": 38, "dbv": 44, "neither": 71}
    names = panel.councils().set_index("la_name")["group"]
    helped = {
        r["council"]
        for r in raw("mhclg/exceptional_financial_support.csv")
        if names.get(r["council"]) == "safety_valve"
    }
    # Names in the source; all eight are spelt as in the register.
    assert made.loc["safety_valve", "exceptional_support"] == len(helped) == 8
    codes = panel.councils().set_index("la_code")["group"]
    notices = {
        r["lad24cd"]
        for r in raw("mhclg/section_114_notices.csv")
        if r["financial_year"] >= "2020-21" and codes.get(r["lad24cd"]) == "safety_valve"
    }
    assert made.loc["safety_valve", "section_114"] == len(notices) == 2  # Croydon and Slough


def test_write_off_by_hand(paid):
    made = finances.write_off(90).set_index("la_name")
    kent = made.loc["Kent"]
    assert kent["grant"] == pytest.approx(0.9 * 67167405) and kent["agreement"] == paid.loc["Kent", "central"]
    assert kent["per_head"] == pytest.approx((kent["grant"] + kent["agreement"]) / kent["pop_0_25"])
    assert made.loc["Camden", "grant"] == 0 and made.loc["Camden", "per_head"] == 0  # a surplus gets nothing
    assert made.loc["Hampshire", "agreement"] == 0
    assert pd.isna(made.loc["Bolton", "per_head"])  # its total was not found: missing, not nought
    assert made["grant"].sum() == pytest.approx(0.9 * 2141159510)
    assert finances.write_off(50)["grant"].sum() == pytest.approx(0.5 * 2141159510)


def test_help_a_head_by_hand():
    """Known totals and unknown apart: what is not known to have been paid counts for nothing in the first row."""
    made = pd.DataFrame(
        [
            ("safety_valve", True, 100.0, 900.0, 100.0, 300.0, 500.0),
            ("safety_valve", False, 100.0, 0.0, 20.0, NAN, NAN),
            ("dbv", True, 100.0, 500.0, 0.0, 0.0, 0.0),
            ("neither", True, 50.0, 0.0, 0.0, 0.0, 0.0),
        ],
        columns=["group", "known", "pop_0_25", "grant", "low", "central", "high"],
    )
    out = finances.relief(made).set_index("group")
    assert list(out.index) == ["safety_valve", "dbv", "neither", "known"]
    assert out.loc["safety_valve", ["grant", "low", "central", "high"]].tolist() == [4.5, 0.6, 1.6, 2.6]
    assert out.loc["known", ["councils", "grant", "low", "central", "high"]].tolist() == [1, 9, 1, 3, 5]
    assert out.loc["dbv", "grant"] == 5 and out.loc["neither", "grant"] == 0


def test_help_a_head_in_the_shipped_data():
    out = finances.relief(finances.write_off(90)).set_index("group")
    total = {name: out["grant"] + out[name] for name in finances.READINGS}
    assert [round(total[name]["safety_valve"]) for name in finances.READINGS] == [258, 330, 351]
    assert round(total["central"]["known"]) == 373 and out["councils"].tolist() == [38, 42, 68, 30]
    assert np.allclose(out.loc[["dbv", "neither"], list(finances.READINGS)], 0)


def test_growth_by_hand():
    groups = panel.councils().set_index("la_code")["group"]
    spent: dict[str, dict[str, float]] = {}
    for row in raw("dfe/s251_high_needs_spend.csv"):
        if row["High needs (SEND)"] and row["financial_year"] in ("2021-22", "2024-25"):
            spent.setdefault(row["utla23cd"] or row["la_code"], {})[row["financial_year"]] = float(
                row["High needs (SEND)"]
            )
    made = finances.growth(2022, 2025).set_index("group")
    mine = [v for code, v in spent.items() if groups.get(code) == "safety_valve" and len(v) == 2]
    by_hand = 100 * (sum(v["2024-25"] for v in mine) / sum(v["2021-22"] for v in mine) - 1)
    assert made.loc["safety_valve", "councils"] == len(mine) == 38
    assert made.loc["safety_valve", "growth"] == pytest.approx(by_hand) and round(by_hand) == 45
    assert made.loc["neither", "growth"] > made.loc["safety_valve", "growth"] + 10


def test_high_needs_spend_holds_no_payments():
    """A second route to the measure: top-ups, support, alternative provision, hospital and therapies of the outturn dashboard, 2021-22.

    Equal for most councils and near for all, in the very year in which eleven of them were paid: a payment booked against spending
    would leave a gap as large as itself."""
    parts = [
        "top_up_maintained",
        "top_up_independent",
        "sen_support_services",
        "alternative_provision_services",
        "hospital_education",
        "therapies",
    ]
    number = panel.councils().set_index("dfe_number")["la_code"]
    held = panel.wide("high_needs_spend")[2022]
    ratios = []
    for row in raw("dfe/s251_outturn_2021_22.csv"):
        code = number.get(row["la_code"].zfill(3))
        if code in held.index and pd.notna(held[code]):
            ratios.append(held[code] / sum(float(row[f"outturn_{p}"] or 0) for p in parts))
    ratios = pd.Series(ratios)
    assert len(ratios) > 140 and ratios.median() == pytest.approx(1, abs=1e-6)
    assert ratios.between(0.999, 1.04).all()
