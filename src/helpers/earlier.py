"""The earlier public estimate of the effect on refusals (la-send-analysis), remade: its two-by-two difference in
differences.

It compares the mean refusal rate over council-years before and after. "After" starts in the council's own year of
entry for Safety Valve councils and in 2022 for councils in no programme; the City of London and the Isles of Scilly
are left out, and rates are as printed in the EHC plans release. That is what is remade here, with the interval and the
randomisation p that the original does not give. `earlier.yaml` holds the lists of its first version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import files, panel, paths
from helpers.errors import AssessError

if TYPE_CHECKING:
    import pandas as pd

CUT = 2022
Z = 1.959963984540054
LEFT_OUT = ("City of London", "Isles of Scilly")


@cache
def lists() -> dict[str, Any]:
    """The first version's lists: safety_valve (name -> year of entry), delivering_better_value (names), source."""
    return dict(files.read_yaml(Path(__file__).with_name("earlier.yaml")))


def published() -> pd.DataFrame:
    """Refusal rates as the EHC plans release prints them, one row a council and year: [la_code, dfe_number, la_name,
    year, value (%)]. Predecessors of reorganised councils keep their own rows; nothing is corrected."""
    import pandas as pd

    path = paths.raw() / "dfe" / "ehc_requests.csv"
    if not path.is_file():
        raise AssessError("data/raw/dfe/ehc_requests.csv is missing: the earlier estimate cannot be remade.")
    frame = pd.read_csv(path, dtype=str, encoding="utf-8-sig")
    frame = frame[frame["geographic_level"] == "Local authority"]
    asked, refused = (
        pd.to_numeric(frame[c], errors="coerce")
        for c in ("requests_received_in_year", "requests_decided_not_to_assess")
    )
    out = pd.DataFrame(
        {
            "la_code": frame["new_la_code"],
            "dfe_number": frame["old_la_code"],
            "la_name": frame["la_name"].str.strip(),
            "year": frame["time_period"].astype(int),
            "value": (100 * refused / asked).where(asked > 0),
        }
    )
    return out[out["value"].notna() & ~out["la_name"].isin(LEFT_OUT)].reset_index(drop=True)


@dataclass(frozen=True)
class TwoByTwo:
    """Mean rates before and after for treated and control councils (%), their difference in differences in percentage
    points with an interval clustered by council, and the share of random reassignments at least as far from zero."""

    treated_before: float
    treated_after: float
    control_before: float
    control_after: float
    difference: float
    std_error: float
    lower: float
    upper: float
    p: float
    ri_p: float
    n_treated: int
    n_control: int


def two_by_two(
    rates: pd.DataFrame, entry: Mapping[str, int], cut: int = CUT, draws: int = 999, seed: int = 2021
) -> TwoByTwo:
    """rates: [unit, year, value], one row a unit and year; entry: unit -> year of entry (0: a control). Units not in
    `entry` are left out. Randomisation reassigns the years of entry among all units, keeping how many enter when."""
    import numpy as np
    from scipy.stats import norm

    wide = rates[rates["unit"].isin(entry)].pivot(index="unit", columns="year", values="value").sort_index()
    first = np.array([int(entry[u]) for u in wide.index])
    if not (first > 0).any() or not (first == 0).any():
        raise AssessError("A two-by-two comparison needs treated and control councils.")
    years, values = wide.columns.to_numpy(dtype=int), wide.to_numpy(dtype=float)
    seen = np.isfinite(values)
    filled = np.where(seen, values, 0.0)

    def cells(own: Any) -> list[Any]:
        after = years[None, :] >= np.where(own > 0, own, cut)[:, None]
        treated = (own > 0)[:, None]
        return [seen & treated & ~after, seen & treated & after, seen & ~treated & ~after, seen & ~treated & after]

    def gap(parts: list[Any]) -> tuple[float, list[float]]:
        means = [float(filled[m].mean()) for m in parts]
        return (means[1] - means[0]) - (means[3] - means[2]), means

    parts = cells(first)
    difference, means = gap(parts)
    psi = sum(
        sign * (m * (filled - mean)).sum(axis=1) / m.sum()
        for sign, m, mean in zip((-1, 1, 1, -1), parts, means, strict=True)
    )
    se = float(np.sqrt((np.asarray(psi) ** 2).sum()))
    rng = np.random.default_rng(seed)
    drawn = [gap(cells(rng.permutation(first)))[0] for _ in range(draws)]
    ri_p = float((1 + (np.abs(drawn) >= abs(difference) - 1e-12).sum()) / (1 + draws)) if draws else float("nan")
    z = Z
    return TwoByTwo(
        treated_before=means[0],
        treated_after=means[1],
        control_before=means[2],
        control_after=means[3],
        difference=difference,
        std_error=se,
        lower=difference - z * se,
        upper=difference + z * se,
        p=float(2 * norm.sf(abs(difference / se))) if se > 0 else float("nan"),
        ri_p=ri_p,
        n_treated=int((first > 0).sum()),
        n_control=int((first == 0).sum()),
    )


def first_list(draws: int = 999) -> TwoByTwo:
    """The first version: its list of 30, councils on neither of its lists as controls."""
    held = lists()
    rates = published().rename(columns={"la_name": "unit"})
    entry = {
        name: int(held["safety_valve"].get(name, 0))
        for name in rates["unit"].unique()
        if name not in held["delivering_better_value"]
    }
    return two_by_two(rates, entry, draws=draws)


def right() -> tuple[int, int]:
    """How many councils the first version called Safety Valve, and how many of them have an agreement."""
    named = set(lists()["safety_valve"])
    return len(named), len(named & set(panel.councils("safety_valve")["la_name"]))


def right_list(controls: str = "neither", draws: int = 999) -> TwoByTwo:
    """The same comparison with the agreements there were, at their year of signing.

    controls: "neither" (councils in neither programme) or "never" (all councils without an agreement). Predecessors of
    reorganised councils count as councils without an agreement, as they did in the original.
    """
    if controls not in ("neither", "never"):
        raise AssessError(f"controls={controls!r}: expected 'neither' or 'never'.")
    rates = published().rename(columns={"dfe_number": "unit"})
    people = panel.councils().set_index("dfe_number")
    group = rates["unit"].map(people["group"]).fillna("neither")
    kept = rates[(group == "safety_valve") | (group == "neither") | (controls == "never")]
    signed = people["signed_year"].fillna(0).astype(int)
    return two_by_two(kept, {u: int(signed.get(u, 0)) for u in kept["unit"].unique()}, draws=draws)
