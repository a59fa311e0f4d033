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
#: Length assumed where no end year was found: the most common among those found.
YEARS_ASSUMED = 5
#: Deficit as a share of a year's net current expenditure, the thresholds quoted.
THRESHOLDS = (5, 10)


def paid_by_balance_date() -> pd.DataFrame:
    """What each of the 38 had been paid by 31 March 2024: la_code, la_name, cohort, known (total found), low, central, high (pounds).

    low: payments that a page read reports as made; high: the whole agreement, less payments known to fall due later; central: an
    assumed profile, the usual first share in the signing year and the rest in equal yearly parts to the end year, none in 2023-24 where
    suspended. central and high are missing where the total was not found.
    """
    deals = programme.agreements()
    rows = evidence.load("payments")
    out = []
    for deal in deals.to_dict("records"):
        mine = rows[rows["la_code"] == deal["la_code"]]
        out.append(
            {
                "la_code": deal["la_code"],
                "la_name": deal["la_name"],
                "cohort": deal["cohort"],
                "known": deal["known"],
                "low": _low(mine),
                "central": _central(deal),
                "high": _high(deal, mine),
            }
        )
    import pandas as pd

    return pd.DataFrame(out)


def _low(rows: pd.DataFrame) -> float:
    made = rows[rows["actual_payment"].notna()]
    until = made[made["year"].fillna(9999).astype(int) <= BALANCE_YEAR]
    single = until[until["row_type"].isin(["annual", "part-year"])]["actual_payment"].sum()
    running = until[until["row_type"] == "cumulative"]["actual_payment"].max()
    return float(max(single, running if running == running else 0.0))


def _high(deal: dict[str, Any], rows: pd.DataFrame) -> float:
    if not deal["known"]:
        return float("nan")
    later = rows[(rows["row_type"] == "annual") & (rows["year"].fillna(0).astype(int) > BALANCE_YEAR)]
    due = later["planned_payment"].fillna(0).sum()
    return float(max(deal["total_dfe_funding"] - due, 0.0))


def _central(deal: dict[str, Any]) -> float:
    if not deal["known"]:
        return float("nan")
    total, signed = float(deal["total_dfe_funding"]), int(deal["signed_year"])
    first = FIRST_SHARE.get(deal["cohort"], LATER_FIRST_SHARE)
    end = deal["end_year"]
    years = max(int(end) - signed, 1) if end == end and end is not None else YEARS_ASSUMED - 1
    since = min(BALANCE_YEAR - signed, years)
    if deal["fate"] == programme.FATES["suspended"]:
        since = max(since - 1, 0)
    return total * (first + (1 - first) * since / years)


def without_payments() -> pd.DataFrame:
    """Balances of the 38 at 31 March 2024 with payments, and without under each reading of what had been paid.

    Columns of `paid_by_balance_date` and: balance, without_low, without_central, without_high (pounds), grant (pounds), expenditure (net
    current expenditure in 2023-24, pounds).
    """
    made = paid_by_balance_date()
    for name, measure in (("balance", "dsg_balance_gbp"), ("grant", "dsg_total"), ("expenditure", "net_expenditure")):
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
    made = deficit[deficit["year"] == year][["la_code", "la_name", "group", "value"]].rename(columns={"value": "deficit"})
    made["expenditure"] = made["la_code"].map(spend[spend["year"] == year].set_index("la_code")["value"])
    made = made.dropna(subset=["deficit", "expenditure"])
    return made.assign(burden=100 * made["deficit"] / made["expenditure"]).reset_index(drop=True)


def over(threshold: float, values: pd.Series, expenditure: pd.Series) -> int:
    """How many councils owe more than `threshold` % of their net current expenditure."""
    return int((100 * values / expenditure > threshold).sum())


def support_by_group() -> pd.DataFrame:
    """Signs of insolvency by group: group, councils, exceptional_support, section_114 (councils with any since 2020-21), support_gbp."""
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
                "section_114": int(mine[mine["kind"] != "exceptional_support"]["la_code"].nunique()),
                "support_gbp": float(exceptional["amount_gbp"].sum()),
            }
        )
    return pd.DataFrame(out)


def write_off(share: float, year: int = BALANCE_YEAR) -> pd.DataFrame:
    """Help per person aged 0 to 25 if `share` (%) of deficits were met: la_code, la_name, group, pop_0_25, agreement, grant, per_head (pounds).

    The deficits are those of 31 March of `year`, the last known for nearly all councils, not those of 2026 on which the real grant will
    rest: an illustration of who gains, not a forecast. agreement: the total agreed, nought without one, missing where not found.
    """
    people = panel.councils()[["la_code", "la_name", "group", "pop_0_25"]]
    deficit = panel.series("dsg_balance_gbp", groups=False)
    made = people.assign(deficit=people["la_code"].map(deficit[deficit["year"] == year].set_index("la_code")["value"])).dropna(subset=["deficit"])
    deals = programme.agreements().set_index("la_code")["total_dfe_funding"]
    made["grant"] = made["deficit"].clip(lower=0) * share / 100
    made["agreement"] = made["la_code"].map(deals).where(made["group"] == "safety_valve", 0.0)
    return made.assign(per_head=(made["grant"] + made["agreement"]) / made["pop_0_25"]).reset_index(drop=True)


def growth(first: int = 2018, last: int = 2025) -> pd.DataFrame:
    """Growth of high needs spend by group between two years (%), councils with both: group, growth, councils."""
    wide = panel.wide("high_needs_spend")[[first, last]].dropna()
    group = panel.councils().set_index("la_code")["group"]
    sums = wide.groupby(group).sum()
    counts = wide.groupby(group).size()
    return (100 * (sums[last] / sums[first] - 1)).rename("growth").to_frame().assign(councils=counts).reset_index()
