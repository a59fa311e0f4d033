"""Made-up processed tables and by-age files for the tests of the chapter on requests and plans: 50 councils whose true
effects are known. Not data: every number is drawn from a seed."""

from pathlib import Path

import numpy as np
import pandas as pd

from helpers import councils

YEARS = range(2016, 2026)
POINTS = 4.0  # true rise of the refusal rate after an agreement
PERCENT = -10.0  # true fall of plans after an agreement


def codes() -> list[str]:
    """Fifty real ONS codes, so that look-ups by name work; Torbay and Slough are among them."""
    every = sorted(c.la_code for c in councils.listed())
    wanted = [councils.find(n).la_code for n in ("Torbay", "Slough", "Hackney", "City of London")]
    return wanted + [c for c in every if c not in wanted][:46]


def make(folder: Path) -> Path:
    """Write data/processed and data/raw/dfe under `folder`; returns it."""
    rng = np.random.default_rng(5)
    ids = codes()
    signed = np.array([2023, 2023, 0, 0] + [2021] * 4 + [2022] * 6 + [2023] * 8 + [0] * 28)
    group = ["safety_valve" if s else "dbv" if i % 2 else "neither" for i, s in enumerate(signed)]
    names = {c: councils.find(c).la_name for c in ids}
    people = pd.DataFrame(
        {
            "la_code": ids,
            "dfe_number": [councils.find(c).dfe_number for c in ids],
            "la_name": [names[c] for c in ids],
            "region_name": "South West",
            "group": group,
            "cohort": [f"{s - 1}-{str(s)[2:]}" if s else "" for s in signed],
            "signed_year": signed,
            "dbv_tranche": [("1" if i % 4 == 1 else "unknown") if g == "dbv" else "" for i, g in enumerate(group)],
            "pop_0_25": rng.uniform(20_000, 200_000, len(ids)).round(),
            "imd2019": rng.uniform(10, 40, len(ids)),
            "formed": pd.array([2019 if i == 49 else None for i in range(len(ids))], dtype="Int64"),
        }
    )
    rows = []

    def add(measure: str, year: int, i: int, value: float) -> None:
        rows.append(
            {
                "la_code": ids[i],
                "la_name": names[ids[i]],
                "measure": measure,
                "period": str(year),
                "year": year,
                "value": value,
                "unit": "",
                "symbol": "",
                "source": "",
            }
        )

    for i, s in enumerate(signed):
        level, size = rng.normal(22, 4), people["pop_0_25"][i] / 1000
        for year in YEARS:
            noise = rng.normal(0, 1, 3)
            if year <= 2024:
                rate = level + 0.4 * noise[0] + (POINTS if s and year >= s else 0)
                add("refusal_to_assess", year, i, rate)
            if 2019 <= year <= 2024:
                asked = round(size * 6 * 1.1 ** (year - 2019) * np.exp(0.03 * noise[1]))
                add("requests", year, i, asked)
                add("refusals", year, i, round(asked * rate / 100))
                add("refusal_to_assess_sen2", year, i, 100 * round(asked * rate / 100) / asked)
                add("requests_outstanding", year, i, round(asked / 20))
                add("new_plans", year, i, round(asked * 0.6))
            if year >= 2019:
                held = size * 30 * 1.1 ** (year - 2019) * np.exp(0.02 * noise[2])
                add("plans", year, i, held * (1 + PERCENT / 100 if s and year >= s + 1 else 1))
            if 2022 <= year <= 2024:
                add("ceased_plans", year, i, round(size * 2))
        add("dsg_balance", 2020, i, rng.normal(8 if s else 2, 2))
    processed, dfe = folder / "processed", folder / "raw" / "dfe"
    processed.mkdir(parents=True)
    dfe.mkdir(parents=True)
    people.to_parquet(processed / "councils.parquet")
    long = pd.DataFrame(rows)
    long.to_parquet(processed / "council_year.parquet")
    england = long.groupby(["measure", "year"], as_index=False)["value"].mean()
    england.assign(la_code="E92000001", la_name="England", symbol="").to_parquet(processed / "area_year.parquet")

    asked = (
        long[long["measure"].isin(["requests", "refusals"])]
        .pivot(index=["la_code", "year"], columns="measure", values="value")
        .reset_index()
    )
    asked = asked.assign(
        geographic_level="Local authority", time_period=asked["year"].astype(str), new_la_code=asked["la_code"]
    )
    asked["old_la_code"] = asked["la_code"].map(people.set_index("la_code")["dfe_number"])
    asked["la_name"] = asked["la_code"].map(names)
    asked = asked.rename(
        columns={"requests": "requests_received_in_year", "refusals": "requests_decided_not_to_assess"}
    )
    asked.to_csv(dfe / "ehc_requests.csv", index=False)
    ages = [
        {
            "time_period": period,
            "geographic_level": "Local authority",
            "new_la_code": code,
            "breakdown": label,
            "ehcplans": number,
        }
        for code in ids[:6]
        for period in ("202324", "202425")
        for label, number in (("under 3", 1), ("age 4", 2), ("age 10", 4), ("age 25", 8), ("unknown", 16))
        if not (code == ids[5] and period == "202324")
    ]
    pd.DataFrame(ages).to_csv(dfe / "ehc_caseload_by_age.csv", index=False)
    return folder
