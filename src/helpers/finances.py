"""Deficits with and without Safety Valve payments, and how close councils came to insolvency.

Money in pounds, deficits positive, shares as percentages. Balances are those at 31 March; the one of 2024 comes from
section 251 outturn and already counts Safety Valve payments received, so "without" adds back what had been paid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from helpers import evidence, panel, programme

if TYPE_CHECKING:
    import pandas as pd

#: The last year end with a balance for nearly every council.
BALANCE_YEAR = 2024
#: Share of an agreement paid in the signing year where the split is known: about 30% in the first cohort, 40% after.
FIRST_SHARE = {"2020-21": 0.3}
LATER_FIRST_SHARE = 0.4
#: Years from signing to the last payment where no end was found: the most common among those found.
YEARS_ASSUMED = 4
#: The generous reading: a first share above any seen (0.42), and yearly parts above the fastest seen (1.43 times an equal part).
HIGH_FIRST_SHARE = 0.5
HIGH_PACE = 1.5
#: Deficit as a share of a year's net current expenditure, the thresholds quoted.
THRESHOLDS = (5, 10)


def paid_by_balance_date() -> pd.DataFrame:
    """What each of the 38 had been paid by 31 March 2024: la_code, la_name, cohort, known (total found), low, central, high (pounds).

    low: what a page read reports as paid, and first payments printed in an agreement, which fall in the signing month. central: an
    assumed profile, the first payment as printed or else the usual first share, the rest in equal yearly parts to the end year, none in
    2023-24 where suspended. high: a generous one, half at signing where the first payment is not known, yearly parts half as large again,
    none in 2023-24 only where a page says so. No reading passes the agreement less payments dated later, or a running total reported
    later; a running total at the balance date settles all three. central and high are missing where the total was not found.
    """
    import pandas as pd

    rows, reports = evidence.load("payments"), _reported()
    out = []
    for deal in programme.agreements().to_dict("records"):
        mine = rows[rows["la_code"] == deal["la_code"]]
        low, settled = _low(deal, mine, reports[reports["la_code"] == deal["la_code"]])
        central = high = float("nan")
        if deal["known"]:
            most = _most(deal, mine)
            central = low if settled else min(max(_profile(deal, mine), low), most)
            high = low if settled else max(min(_profile(deal, mine, generous=True), most), central)
        out.append(
            {
                "la_code": deal["la_code"],
                "la_name": deal["la_name"],
                "cohort": deal["cohort"],
                "known": deal["known"],
                "low": low,
                "central": central,
                "high": high,
            }
        )
    return pd.DataFrame(out)


def _reported() -> pd.DataFrame:
    """Payments that the documents table reports as made by the balance date, from councils' own papers only: la_code, year, value."""
    rows = evidence.load("trajectories")
    made = (rows["measure"] == "dfe_payment") & (rows["kind"] == "actual") & (rows["grade"] == "strong")
    return rows[made & rows["year"].notna() & (rows["year"].fillna(9999).astype(int) <= BALANCE_YEAR)][
        ["la_code", "year", "value"]
    ]


def _low(deal: dict[str, Any], rows: pd.DataFrame, reports: pd.DataFrame) -> tuple[float, bool]:
    """What is known to have been paid by the balance date, and whether a running total at that very date settles it."""
    last = rows["last_year"].fillna(9999).astype(int)
    until = rows[rows["actual_payment"].notna() & (last <= BALANCE_YEAR)]
    running = until[until["row_type"] == "cumulative"]
    settled = running[running["last_year"].astype(int) == BALANCE_YEAR]["actual_payment"]
    if len(settled):
        return float(settled.max()), True
    parts = until[until["row_type"].isin(["annual", "part-year"])]
    years = parts.groupby(parts["last_year"].astype(int))["actual_payment"].sum().to_dict()
    for report in reports.to_dict("records"):
        years[int(report["year"])] = max(years.get(int(report["year"]), 0.0), float(report["value"]))
    first = deal["first_payment"]
    if first == first:
        years[int(deal["signed_year"])] = max(years.get(int(deal["signed_year"]), 0.0), float(first))
    return float(max(sum(years.values()), running["actual_payment"].max() if len(running) else 0.0)), False


def _most(deal: dict[str, Any], rows: pd.DataFrame) -> float:
    """What cannot have been passed: the agreement less payments dated later, or a running total reported later."""
    later = rows[rows["last_year"].fillna(0).astype(int) > BALANCE_YEAR]
    due = later[later["row_type"] == "annual"][["planned_payment", "actual_payment"]].max(axis=1).fillna(0).sum()
    running = later[later["row_type"] == "cumulative"]["actual_payment"].min()
    most = max(float(deal["total_dfe_funding"]) - float(due), 0.0)
    return min(most, float(running)) if running == running else most


def _profile(deal: dict[str, Any], rows: pd.DataFrame, generous: bool = False) -> float:
    """An assumed profile of payments: so much at signing, the rest in equal yearly parts. Pounds by the balance date."""
    import pandas as pd

    total, signed, first = float(deal["total_dfe_funding"]), int(deal["signed_year"]), deal["first_payment"]
    usual = HIGH_FIRST_SHARE if generous else FIRST_SHARE.get(deal["cohort"], LATER_FIRST_SHARE)
    start = float(first) if first == first else total * usual
    years = YEARS_ASSUMED if pd.isna(deal["end_year"]) else max(int(deal["end_year"]) - signed, 1)
    due = min(BALANCE_YEAR - signed, years)
    nothing = bool(((rows["last_year"] == BALANCE_YEAR) & (rows["actual_payment"] == 0)).any())
    if nothing or (deal["fate"] == programme.FATES["suspended"] and not generous):
        due = max(due - 1, 0)
    part = min((HIGH_PACE if generous else 1.0) * due / years, 1.0)
    return start + (total - start) * part


def without_payments() -> pd.DataFrame:
    """Balances of the 38 at 31 March 2024 with payments, and without under each reading of what had been paid.

    Columns of `paid_by_balance_date` and: balance, without_low, without_central, without_high (pounds), grant (pounds), expenditure (net
    current expenditure in 2023-24, pounds), own_expenditure (the same without education).
    """
    made = paid_by_balance_date()
    measures = {
        "balance": "dsg_balance_gbp",
        "grant": "dsg_total",
        "expenditure": "net_expenditure",
        "own_expenditure": "expenditure_without_education",
    }
    for name, measure in measures.items():
        rows = panel.series(measure, groups=False)
        made[name] = made["la_code"].map(rows[rows["year"] == BALANCE_YEAR].set_index("la_code")["value"])
    for reading in ("low", "central", "high"):
        made[f"without_{reading}"] = made["balance"] + made[reading]
    return made


def in_deficit() -> pd.DataFrame:
    """Share of councils in deficit by group and year: group, year, share (%), councils."""
    rows = panel.series("dsg_balance")
    rows = rows[rows["value"].notna()]
    grouped = rows.assign(red=(rows["value"] > 0) * 100.0).groupby(["group", "year"])
    return grouped["red"].agg(share="mean", councils="size").reset_index()


def burdens(year: int = BALANCE_YEAR) -> pd.DataFrame:
    """Deficit as a share of a year's net current expenditure, every council with both: la_code, la_name, group, deficit, expenditure, burden (%)."""
    deficit = panel.series("dsg_balance_gbp")
    spend = panel.series("net_expenditure", groups=False)
    made = deficit[deficit["year"] == year][["la_code", "la_name", "group", "value"]].rename(
        columns={"value": "deficit"}
    )
    made["expenditure"] = made["la_code"].map(spend[spend["year"] == year].set_index("la_code")["value"])
    made = made.dropna(subset=["deficit", "expenditure"])
    return made.assign(burden=100 * made["deficit"] / made["expenditure"]).reset_index(drop=True)


def over(threshold: float, values: pd.Series, expenditure: pd.Series) -> int:
    """How many councils owe more than `threshold` % of their net current expenditure; councils without either figure are not counted."""
    return int((100 * values / expenditure > threshold).sum())


def support_by_group() -> pd.DataFrame:
    """Signs of insolvency by group: group, councils, exceptional_support, section_114 (councils with any since 2020-21), support_gbp.

    support_gbp adds the first figure on each page; later revisions are not in it.
    """
    import pandas as pd

    people = panel.councils()[["la_code", "group"]]
    events = panel.table("support").merge(people, on="la_code")
    events = events[events["year"] >= 2021]
    out = []
    for group, size in people["group"].value_counts().items():
        mine = events[events["group"] == group]
        exceptional = mine[mine["kind"] == "exceptional_support"]
        out.append(
            {
                "group": group,
                "councils": int(size),
                "exceptional_support": int(exceptional["la_code"].nunique()),
                "section_114": int(mine[mine["kind"] == "section_114"]["la_code"].nunique()),
                "support_gbp": float(exceptional["amount_gbp"].sum()),
            }
        )
    return pd.DataFrame(out)


def write_off(share: float) -> pd.DataFrame:
    """Help per person aged 0 to 25 if `share` (%) of deficits were met: la_code, la_name, group, pop_0_25, deficit, grant, agreement,
    per_head (pounds).

    The deficits are those of BALANCE_YEAR, the last known for nearly all councils, not those of 2026 on which the real grant will rest:
    an illustration of who gains, not a forecast. agreement: what had been paid under one by that date on the assumed profile, since later
    payments would shrink the deficit to be met; nought without an agreement, missing (as is per_head) where its total was not found.
    """
    people = panel.councils()[["la_code", "la_name", "group", "pop_0_25"]]
    deficit = panel.series("dsg_balance_gbp", groups=False)
    deficit = deficit[deficit["year"] == BALANCE_YEAR].set_index("la_code")["value"]
    made = people.assign(deficit=people["la_code"].map(deficit)).dropna(subset=["deficit"])
    made["grant"] = made["deficit"].clip(lower=0) * share / 100
    made["agreement"] = (
        made["la_code"]
        .map(paid_by_balance_date().set_index("la_code")["central"])
        .where(made["group"] == "safety_valve", 0.0)
    )
    return made.assign(per_head=(made["grant"] + made["agreement"]) / made["pop_0_25"]).reset_index(drop=True)


def growth(first: int = 2018, last: int = 2025) -> pd.DataFrame:
    """Growth of high needs spend by group between two years (%), pounds summed over councils with both: group, growth, councils."""
    wide = panel.wide("high_needs_spend")[[first, last]].dropna()
    group = panel.councils().set_index("la_code")["group"]
    sums = wide.groupby(group).sum()
    counts = wide.groupby(group).size()
    return (100 * (sums[last] / sums[first] - 1)).rename("growth").to_frame().assign(councils=counts).reset_index()
