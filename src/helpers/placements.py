"""How placements in independent schools and deficits go together, across councils and within them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from helpers import panel

if TYPE_CHECKING:
    import pandas as pd

#: Years whose deficits were published as a share of income on one definition (31 March).
PUBLISHED = (2020, 2022)


def _joined() -> pd.DataFrame:
    """la_code, la_name, group, year, independent_share (January), dsg_balance (31 March of the same year), both %."""
    share = panel.series("independent_share")[["la_code", "la_name", "group", "year", "value"]].rename(
        columns={"value": "independent_share"}
    )
    balance = panel.series("dsg_balance_published", groups=False)[["la_code", "year", "value"]].rename(
        columns={"value": "dsg_balance"}
    )
    return share.merge(balance, on=["la_code", "year"]).dropna(subset=["independent_share", "dsg_balance"])


def deficit_points(year: int) -> pd.DataFrame:
    """One row a council in `year`: la_name, group, independent_share, dsg_balance."""
    rows = _joined()
    return rows[rows["year"] == year].drop(columns="year").reset_index(drop=True)


def _fit(formula: str, data: pd.DataFrame, vcov: Any, years: str) -> dict[str, Any]:
    import pyfixest

    model: Any = pyfixest.feols(formula, data, vcov=vcov, fixef_tol=1e-12)
    name = "independent_share"
    low, high = model.confint().loc[name]
    return {
        "estimate": float(model.coef()[name]),
        "lower": float(low),
        "upper": float(high),
        "p": float(model.pvalue()[name]),
        "n": int(data["la_code"].nunique()),
        "years": years,
    }


def deficit_slope(year: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Points of deficit (% of grant) that go with one point more of plans in independent schools.

    Returns two fits, each with estimate, lower, upper, p, n and years: across councils in `year` (heteroskedasticity-robust), and within
    councils over PUBLISHED with council and year effects (clustered by council).
    """
    rows = _joined()
    cross = _fit("dsg_balance ~ independent_share", rows[rows["year"] == year], "HC1", str(year))
    often = rows[rows.groupby("la_code")["year"].transform("size") > 1]  # a council seen once has no change to compare
    within = _fit(
        "dsg_balance ~ independent_share | la_code + year",
        often,
        {"CRV1": "la_code"},
        f"{PUBLISHED[0]} to {PUBLISHED[1]}",
    )
    return cross, within
