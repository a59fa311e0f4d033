"""The 38 agreements: who signed, for how much, what became of each, and how the councils chosen differed from the rest.

Reads the processed evidence tables and the panel; money in pounds, deficits positive, shares as percentages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers import evidence, panel, selection
from helpers.errors import AssessError

if TYPE_CHECKING:
    import pandas as pd

#: What a reader is told became of an agreement, by the most telling event recorded for it, the first that applies.
FATES = {
    "suspended": "Payments suspended in 2024",
    "reviewed and extended": "Reviewed and extended",
    "concluded": "Concluded",
    "extension refused": "Extension asked for and refused",
    "revised plan sought": "Revision sought",
    "enhanced monitoring": "Enhanced monitoring",
    "payment delayed": "A payment delayed",
}
#: What is told where no event is recorded, but the status of the agreement has these words.
REPROFILED = "payment profile revised"
STATUSES = {REPROFILED: "Payments spread differently, total unchanged"}
QUIET = "No change found"
#: The parts in which a sentence counts the agreements: every fate is in one of them.
COUNTED = {
    "suspended": (FATES["suspended"],),
    "extended": (FATES["reviewed and extended"],),
    "concluded": (FATES["concluded"],),
    "asked": (FATES["extension refused"], FATES["revised plan sought"]),
    "watched": (FATES["enhanced monitoring"], FATES["payment delayed"]),
    "reprofiled": (STATUSES[REPROFILED],),
    "no_change": (QUIET,),
}

#: Measures on which chosen councils are compared with the rest at the start: name, year (as in the panel), label, unit.
STARTING_POINT = (
    ("dsg_balance", 2020, "Deficit at 31 March 2020, % of dedicated schools grant", "%"),
    ("plans_per_1000", 2020, "Plans per 1,000 people aged 0 to 25, January 2020", ""),
    ("independent_share", 2020, "Plans in independent or non-maintained special schools, January 2020, %", "%"),
    ("refusal_to_assess", 2019, "Requests refused an assessment, 2019, %", "%"),
    ("timeliness", 2019, "Plans issued within 20 weeks, 2019, %", "%"),
)


def agreements() -> pd.DataFrame:
    """One row a council with an agreement, 38 in all, by cohort and name.

    Columns: la_code, la_name, region_name, cohort, signed_year, total_dfe_funding (pounds; missing where not found), known (bool),
    per_head (pounds per person aged 0 to 25), end_financial_year, capital_topup, status (the source's words), fate (one of FATES,
    STATUSES or QUIET), fate_weak (bool: the event behind the fate is reported by papers of the weak grade only), confidence,
    source_url.
    """
    held = evidence.load("agreements").drop(columns=["region", "cohort", "signed_year", "la_name", "dfe_number"])
    councils = panel.councils("safety_valve")[
        ["la_code", "la_name", "region_name", "cohort", "signed_year", "pop_0_25"]
    ]
    made = councils.merge(held, on="la_code", how="left", validate="one_to_one")
    made["known"] = made["total_dfe_funding"].notna()
    made["per_head"] = made["total_dfe_funding"] / made["pop_0_25"]
    events = evidence.load("events")
    seen = events.groupby("la_code")["event"].agg(set)
    made["fate"] = [
        _fate(seen.get(code, set()), str(status)) for code, status in zip(made["la_code"], made["status"], strict=True)
    ]
    grades = events["doc_id"].map(evidence.load("documents").set_index("doc_id")["grade"])
    by = grades.groupby([events["la_code"], events["event"].map(FATES)]).agg(set)
    made["fate_weak"] = [by.get(key) == {"weak"} for key in zip(made["la_code"], made["fate"], strict=True)]
    return made.sort_values(["signed_year", "la_name"], ignore_index=True)


def _fate(seen: set[str], status: str) -> str:
    """What became of one agreement: its most telling event, else what its status says."""
    told = [words for event, words in FATES.items() if event in seen]
    told += [words for said, words in STATUSES.items() if said in status]
    return told[0] if told else QUIET


def fates(deals: pd.DataFrame) -> dict[str, int]:
    """How many agreements stand in each part of COUNTED; the counts add up to all of `deals`. Raises AssessError for a fate in none."""
    part = {words: name for name, several in COUNTED.items() for words in several}
    unknown = sorted(set(deals["fate"]) - set(part))
    if unknown:
        raise AssessError(f"The fate {unknown[0]!r} of an agreement is counted in no part of COUNTED.")
    found = deals["fate"].map(part).value_counts()
    return {name: int(found.get(name, 0)) for name in COUNTED}


def money(frame: pd.DataFrame) -> pd.DataFrame:
    """Money agreed by cohort: cohort, councils, known (councils whose total was found), total (pounds, of those alone), unknown (their names)."""
    grouped = frame.groupby("cohort", observed=True)
    out = grouped.agg(
        councils=("la_code", "size"), known=("known", "sum"), total=("total_dfe_funding", "sum")
    ).reset_index()
    out["unknown"] = [
        ", ".join(frame[(frame["cohort"] == c) & ~frame["known"]]["la_name"]) or "none" for c in out["cohort"]
    ]
    return out


def starting_point() -> pd.DataFrame:
    """What councils looked like before any agreement, one row each of 153: la_code, group, cohort and a column a characteristic.

    Adds deprivation (IMD 2019 score), people aged 0 to 25 (thousands) and a London flag (0 or 100, so that its mean is a percentage).
    """
    frame = panel.councils()[["la_code", "la_name", "group", "cohort", "region_name", "imd2019", "pop_0_25"]].copy()
    for measure, year, label, _ in STARTING_POINT:
        values = panel.series(measure, groups=False)
        frame[label] = frame["la_code"].map(values[values["year"] == year].set_index("la_code")["value"])
    frame["Deprivation (IMD 2019 score)"] = frame["imd2019"]
    frame["People aged 0 to 25, thousands"] = frame["pop_0_25"] / 1000
    frame["In London, %"] = (frame["region_name"] == "London") * 100.0
    return frame.drop(columns=["imd2019", "pop_0_25"])


def balance() -> pd.DataFrame:
    """Starting point of chosen councils against all others: the frame of `selection.balance`."""
    frame = starting_point().set_index("la_code")
    labels = [c for c in frame.columns if c not in ("la_name", "group", "cohort", "region_name")]
    return selection.balance(frame[labels], frame["group"] == "safety_valve")


def ranked(year: int = 2020) -> pd.DataFrame:
    """Every council with a published balance at 31 March of `year`, the largest deficit (% of grant) first: la_code, la_name, group, cohort, value, rank.

    Raises AssessError, naming the years there are, for a year without balances.
    """
    rows = panel.series("dsg_balance").dropna(subset=["value"])
    years = sorted(set(rows["year"]))
    if year not in years:
        raise AssessError(
            f"Balances by council are published for 31 March of {', '.join(map(str, years))}, not {year}."
        )
    rows = rows[rows["year"] == year].sort_values(["value", "la_code"], ascending=[False, True], ignore_index=True)
    return rows.assign(rank=range(1, len(rows) + 1))
