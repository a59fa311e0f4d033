"""Area inspections of SEND: how they came out by group of councils, with exact tests and what these could have found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING, Any

from helpers import panel
from helpers.errors import AssessError
from helpers.gaps import DRAWS, SEED

if TYPE_CHECKING:
    import pandas as pd

GRADES = {1: "Typically positive", 2: "Inconsistent", 3: "Widespread or systemic failings"}


def inspections() -> pd.DataFrame:
    """One row a council: la_code, la_name, group, signed_year, earlier (1: a written statement of action was required
    under the 2016 framework, 0 not, NaN none held), grade (1 to 3, 2023 framework, NaN not inspected), inspected
    (year), and after (True when that was later than the month of signing, for Safety Valve councils)."""
    held = panel.table("inspections")
    old = held[held["framework"] == "2016"].set_index("la_code")
    new = held[held["framework"] == "2023"].set_index("la_code")
    frame = panel.councils()[["la_code", "la_name", "group", "signed_year"]].copy()
    frame["earlier"] = frame["la_code"].map(old["grade"])
    frame["grade"] = frame["la_code"].map(new["grade"])
    frame["inspected"] = frame["la_code"].map(new["year"])
    # A report gives the day it was published where the day of inspection is missing.
    day = new["start_date"].where(new["start_date"] != "", new["published"])
    signing = frame["signed_year"].fillna(0).astype(int).map(lambda y: f"{y}-03-31" if y else "")
    at = frame["la_code"].map(day).fillna("")
    frame["after"] = (signing != "") & (at > signing)
    return frame


def outcomes(frame: pd.DataFrame) -> pd.DataFrame:
    """Inspections by group and outcome for a stacked figure: group (words, with how many), positive, inconsistent,
    failings."""
    import pandas as pd

    done = frame[frame["grade"].notna()]
    rows = []
    for key, words in panel.GROUPS.items():
        part = done[done["group"] == key]
        counts = {
            name: int((part["grade"] == g).sum()) for g, name in ((1, "positive"), (2, "inconsistent"), (3, "failings"))
        }
        rows.append({"group": f"{words} ({len(part)})", **counts})
    return pd.DataFrame(rows)


def tally(frame: pd.DataFrame, column: str = "grade", levels: Sequence[int] = (1, 2, 3)) -> tuple[list[int], list[int]]:
    """Counts of Safety Valve and of all other councils by level."""
    one = frame[frame["group"] == "safety_valve"][column]
    rest = frame[frame["group"] != "safety_valve"][column]
    return [int((one == g).sum()) for g in levels], [int((rest == g).sum()) for g in levels]


# Tests


def exact_order(one: Sequence[int], other: Sequence[int]) -> float:
    """Exact two-sided p that two groups' outcomes over ordered levels differ in mean level, given the totals: the sum
    over all tables of the probability of those at least as far apart. `one`, `other`: counts by level."""
    total = [a + b for a, b in zip(one, other, strict=True)]
    size, whole = sum(one), sum(total)
    if not size or size == whole:
        raise AssessError("An exact test needs councils in both groups.")
    centre = size * sum(i * t for i, t in enumerate(total)) / whole
    reach = abs(sum(i * a for i, a in enumerate(one)) - centre) - 1e-9
    ways = hit = 0

    def fill(level: int, left: int, score: int, count: int) -> None:
        nonlocal ways, hit
        if level == len(total) - 1:
            if left <= total[level]:
                made = count * comb(total[level], left)
                ways += made
                hit += made if abs(score + level * left - centre) >= reach else 0
            return
        for k in range(min(left, total[level]) + 1):
            fill(level + 1, left - k, score + level * k, count * comb(total[level], k))

    fill(0, size, 0, 1)
    return hit / ways


@dataclass(frozen=True)
class Odds:
    """Two shares (%), the conditional odds ratio with its exact 95% interval, Fisher's exact p, and the shares of the
    first group, above and below that of the other, that would have been found four times in five."""

    one: float
    other: float
    ratio: float
    lower: float
    upper: float
    p: float
    found_above: float
    found_below: float
    n_one: int
    n_other: int


def exact_lowest(hits: int, n: int, other_hits: int, other_n: int) -> Odds:
    """Fisher's test of hits of n against other_hits of other_n, with what could have been found (`detectable`)."""
    from scipy import stats

    square = [[hits, n - hits], [other_hits, other_n - other_hits]]
    ratio = stats.contingency.odds_ratio(square)
    between = ratio.confidence_interval(0.95)
    above, below = detectable(n, other_n, other_hits / other_n)
    return Odds(
        100 * hits / n,
        100 * other_hits / other_n,
        float(ratio.statistic),
        float(between.low),
        float(between.high),
        float(stats.fisher_exact(square).pvalue),
        above,
        below,
        n,
        other_n,
    )


def detectable(n: int, other_n: int, share: float, power: float = 0.8) -> tuple[float, float]:
    """The smallest share above `share`, and the largest below it, that Fisher's test at 5% finds with this power,
    when the other group's share is `share`: in %, NaN when no share would be found."""
    import numpy as np
    from scipy import stats

    # p of every table of (hits of n, hits of other_n), from the hypergeometric law of each total.
    rejects = np.zeros((n + 1, other_n + 1))
    for total in range(n + other_n + 1):
        low, high = max(0, total - other_n), min(n, total)
        at = np.arange(low, high + 1)
        law = stats.hypergeom.pmf(at, n + other_n, n, total)
        p = np.array([law[law <= x * (1 + 1e-7)].sum() for x in law])
        rejects[at, total - at] = p < 0.05
    base = stats.binom.pmf(np.arange(other_n + 1), other_n, share)

    def found(s: float) -> bool:
        return bool(stats.binom.pmf(np.arange(n + 1), n, s) @ rejects @ base >= power)

    grid = np.arange(0, 1001) / 1000
    above = next((s for s in grid if s > share and found(s)), float("nan"))
    below = next((s for s in grid[::-1] if s < share and found(s)), float("nan"))
    return 100 * float(above), 100 * float(below)


def stratified(frame: pd.DataFrame, draws: int = DRAWS, seed: int = SEED) -> tuple[float, float]:
    """Mean grade of Safety Valve councils less that of others with the same earlier outcome, and the p of dealing out
    who signed within each earlier outcome. Councils without an earlier inspection are left out."""
    import numpy as np

    done = frame[frame["grade"].notna() & frame["earlier"].notna()]
    grade = done["grade"].to_numpy(dtype=float)
    inner = grade - done.groupby("earlier")["grade"].transform("mean").to_numpy()
    signed = (done["group"] == "safety_valve").to_numpy()
    strata = [np.flatnonzero(done["earlier"] == e) for e in sorted(done["earlier"].unique())]
    n = signed.sum()
    # Least squares within strata: slope of grade on signing.
    base = sum(float(signed[s].sum() * (1 - signed[s].mean())) for s in strata)
    gap = float(inner[signed].sum() / base)
    rng = np.random.default_rng(seed)
    null = np.zeros(draws)
    for s in strata:
        k = int(signed[s].sum())
        dealt = rng.permuted(np.broadcast_to(inner[s], (draws, len(s))), axis=1)
        null += dealt[:, :k].sum(axis=1)
    if not n:
        raise AssessError("No Safety Valve council has both inspections.")
    return gap, float((1 + (np.abs(null) / base >= abs(gap) - 1e-12).sum()) / (1 + draws))


# Facts


def record_inspections(book: Any, frame: pd.DataFrame) -> None:
    """duties.inspections.*: counts and shares by outcome, exact tests, earlier outcomes, who was inspected; and
    Bury."""
    at = {"sources": ("area_send_inspections_2023", "agreements", "comparison_groups")}
    one, rest = tally(frame)
    n, m = sum(one), sum(rest)
    lowest, best = exact_lowest(one[2], n, rest[2], m), exact_lowest(one[0], n, rest[0], m)
    book.fact("duties.inspections.held", n + m, unit="count", **at)
    book.fact("duties.inspections.safety_valve", n, unit="count", **at)
    after = int(frame["after"].sum())
    book.fact("duties.inspections.after", after, unit="count", n=n, **at)
    book.fact("duties.inspections.after_of", "all" if after == n else f"{after}", n=n, **at)
    for key, made in (("lowest", lowest), ("best", best)):
        book.fact(f"duties.inspections.{key}.safety_valve", made.one, unit="%", digits=0, n=n, **at)
        book.fact(f"duties.inspections.{key}.others", made.other, unit="%", digits=0, n=m, **at)
        book.fact(
            f"duties.inspections.{key}_odds",
            made.ratio,
            unit="ratio",
            digits=2,
            lower=made.lower,
            upper=made.upper,
            p=made.p,
            n=n + m,
            **at,
        )
        book.fact(f"duties.inspections.{key}_p", made.p, unit="p", n=n + m, **at)
        book.fact(f"duties.inspections.{key}_detectable", made.found_above, unit="%", digits=0, n=n + m, **at)
    book.fact("duties.inspections.trend_p", exact_order(one, rest), unit="p", n=n + m, **at)
    both = {"sources": ("area_send_inspections_2016", "area_send_inspections_2023", "agreements")}
    gap, p = stratified(frame)
    book.fact(
        "duties.inspections.stratified",
        gap,
        unit="",
        digits=2,
        p=p,
        n=int((frame["grade"].notna() & frame["earlier"].notna()).sum()),
        **both,
    )
    book.fact("duties.inspections.stratified_p", p, unit="p", **both)
    known = frame[frame["earlier"].notna()]
    signed = known["group"] == "safety_valve"
    old = exact_lowest(
        int(known.loc[signed, "earlier"].sum()),
        int(signed.sum()),
        int(known.loc[~signed, "earlier"].sum()),
        int((~signed).sum()),
    )
    before = {"sources": ("area_send_inspections_2016", "agreements")}
    book.fact("duties.inspections.earlier.safety_valve", old.one, unit="%", digits=0, n=old.n_one, **before)
    book.fact("duties.inspections.earlier.others", old.other, unit="%", digits=0, n=old.n_other, **before)
    book.fact("duties.inspections.earlier_p", old.p, unit="p", n=old.n_one + old.n_other, **before)
    inside = frame["grade"].notna()
    mine = frame["group"] == "safety_valve"
    who = exact_lowest(int(inside[mine].sum()), int(mine.sum()), int(inside[~mine].sum()), int((~mine).sum()))
    book.fact("duties.inspections.share.safety_valve", who.one, unit="%", digits=0, n=who.n_one, **at)
    book.fact("duties.inspections.share.others", who.other, unit="%", digits=0, n=who.n_other, **at)
    book.fact("duties.inspections.share_p", who.p, unit="p", n=len(frame), **at)
    bury = frame[frame["la_name"] == "Bury"].iloc[0]
    book.fact("duties.bury.grade", int(bury["grade"]), unit="grade", **at)
    book.fact("duties.bury.outcome", GRADES[int(bury["grade"])].lower(), **at)
    book.fact("duties.bury.inspected", str(int(bury["inspected"])), **at)
    book.fact("duties.bury.years_after", int(bury["inspected"] - bury["signed_year"]), unit="years", **at)
    book.fact("duties.bury.cohort_year", int(bury["signed_year"]), display=str(int(bury["signed_year"])), **at)
