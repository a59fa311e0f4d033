"""Statutory duties: plans on time, appeals and inspections, and how councils compare in them.

Three kinds of question: how far two groups of councils were apart at one time (`apart`, `before_signing`), how two
measures move together within councils (`together`), and how inspections came out (`inspections`, `exact_order`,
`exact_lowest`). Each has an analytic interval where one exists and a randomisation or exact p beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Any

from helpers import facts, families, maps, measures, panel, paths, protocol, selection, variations
from helpers.errors import AssessError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SEED = 2021
DRAWS = 9999
#: Multiple of a standard error that is found four times in five at 5%: 1.96 + 0.84.
FOUR_IN_FIVE = 2.8016
#: The widened definition of an appealable decision starts with appeals of 2018.
DEFINITION_FROM = 2018
GRADES = {1: "Typically positive", 2: "Inconsistent", 3: "Widespread or systemic failings"}


@dataclass(frozen=True)
class Gap:
    """Mean of one group of councils less that of another: analytic 95% interval and p, randomisation p, smallest gap
    found four times in five, and both means."""

    estimate: float
    lower: float
    upper: float
    p: float
    ri_p: float
    mde: float
    one: float
    other: float
    n_one: int
    n_other: int

    def fact(self) -> dict[str, Any]:
        """The gap as keywords of `book.fact`, without unit, digits, years and sources."""
        return {
            "value": self.estimate,
            "lower": self.lower,
            "upper": self.upper,
            "p": self.p,
            "n": self.n_one + self.n_other,
        }


def apart(one: Sequence[float], other: Sequence[float], draws: int = DRAWS, seed: int = SEED) -> Gap:
    """The gap between two groups of councils' values (missing left out): Welch's interval, and the p of dealing the
    values out between the groups at random. Raises AssessError when a group has fewer than two."""
    import numpy as np
    from scipy import stats

    a, b = (np.asarray([v for v in x if v == v], dtype=float) for x in (one, other))
    if min(len(a), len(b)) < 2:
        raise AssessError(f"A gap needs two councils or more on each side, not {len(a)} and {len(b)}.")
    made = stats.ttest_ind(a, b, equal_var=False)
    low, high = made.confidence_interval()
    gap = float(a.mean() - b.mean())
    se = float(np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)))
    rng = np.random.default_rng(seed)
    whole = np.concatenate([a, b])
    dealt = rng.permuted(np.broadcast_to(whole, (draws, len(whole))), axis=1)
    gaps = dealt[:, : len(a)].mean(axis=1) - dealt[:, len(a) :].mean(axis=1)
    ri_p = float((1 + (np.abs(gaps) >= abs(gap) - 1e-12).sum()) / (1 + draws))
    return Gap(
        gap,
        float(low),
        float(high),
        float(made.pvalue),
        ri_p,
        FOUR_IN_FIVE * se,
        float(a.mean()),
        float(b.mean()),
        len(a),
        len(b),
    )


def values(measure: str, year: int, per: str | None = None, scale: float = 1000) -> pd.DataFrame:
    """One year of a measure by council: la_code, la_name, group, value; `per`: divided by another measure of the
    year, times `scale`."""
    frame = panel.series(measure, years=(year, year))[["la_code", "la_name", "group", "value"]]
    if per is not None:
        base = panel.series(per, groups=False, years=(year, year)).set_index("la_code")["value"]
        frame = frame.assign(value=scale * frame["value"] / frame["la_code"].map(base))
    return frame[frame["value"].notna()].reset_index(drop=True)


def groups_apart(frame: pd.DataFrame, other: Sequence[str] = ("neither",), draws: int = DRAWS) -> Gap:
    """Safety Valve councils against groups named in `other`, on the `value` column."""
    one = frame.loc[frame["group"] == "safety_valve", "value"]
    return apart(list(one), list(frame.loc[frame["group"].isin(list(other)), "value"]), draws)


def before_signing(
    measure: str, other: Sequence[str] = ("neither",), years: int = 3, draws: int = DRAWS, seed: int = SEED
) -> Gap:
    """How far councils that were about to sign stood from others, in the `years` calendar years before the year of
    signing.

    Each Safety Valve council's mean over its own years is set against the mean of the others over the same years, and
    the gaps averaged. The interval is Welch's, on those gaps and on each other council's mean with the cohorts'
    weights; randomisation deals out who signed, and in which cohort, among all councils in the comparison.
    """
    import numpy as np
    import pandas as pd
    from scipy import stats

    frame = panel.series(measure)
    frame = frame[frame["group"].isin(["safety_valve", *other]) & frame["value"].notna()]
    wide = frame.pivot(index="la_code", columns="year", values="value")
    signed = frame.groupby("la_code")["signed_year"].first().reindex(wide.index).fillna(0).astype(int).to_numpy()
    cohorts = [int(c) for c in np.unique(signed[signed > 0])]
    # Means over each cohort's own window, a column each; a council without any figure in one is left out.
    means = pd.DataFrame({c: wide.reindex(columns=range(c - years, c)).mean(axis=1) for c in cohorts})
    keep = means.notna().all(axis=1).to_numpy()
    held, signed = means[keep].to_numpy(), signed[keep]
    place = {c: i for i, c in enumerate(cohorts)}
    sizes = np.array([(signed == c).sum() for c in cohorts], dtype=float)
    weights = sizes / sizes.sum()

    def gaps(who: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rest = who == 0
        level = held[rest].mean(axis=0)
        of = np.array([place[c] for c in who[~rest]])
        return held[~rest, of] - level[of], held[rest] @ weights - level @ weights

    mine, rest = gaps(signed)
    estimate = float(mine.mean())
    va, vb = mine.var(ddof=1) / len(mine), rest.var(ddof=1) / len(rest)
    se = float(np.sqrt(va + vb))
    df = (va + vb) ** 2 / (va**2 / (len(mine) - 1) + vb**2 / (len(rest) - 1))
    reach = float(stats.t.ppf(0.975, df)) * se
    rng = np.random.default_rng(seed)
    dealt = np.stack([rng.permutation(signed) for _ in range(draws)])
    null = np.abs(
        sum(
            ((dealt == c) @ held[:, k] - sizes[k] * ((dealt == 0) @ held[:, k]) / (dealt[0] == 0).sum())
            for c, k in place.items()
        )
        / sizes.sum()
    )
    ri_p = float((1 + (null >= abs(estimate) - 1e-12).sum()) / (1 + draws))
    level = float((held[signed == 0].mean(axis=0) * weights).sum())
    p = float(2 * stats.t.sf(abs(estimate) / se, df))
    return Gap(
        estimate,
        estimate - reach,
        estimate + reach,
        p,
        ri_p,
        FOUR_IN_FIVE * se,
        level + estimate,
        level,
        len(mine),
        len(rest),
    )


# Neighbours


def borders(least: int = 2) -> list[tuple[str, str]]:
    """Pairs of councils (ONS codes, in order) whose boundaries have `least` points or more in common."""
    held: dict[tuple[float, float], set[str]] = {}
    for code, rings in maps.boundaries().items():
        for ring in rings:
            for x, y in ring:
                held.setdefault((round(x, 5), round(y, 5)), set()).add(code)
    shared: dict[tuple[str, str], int] = {}
    for codes in held.values():
        for pair in combinations(sorted(codes), 2):
            shared[pair] = shared.get(pair, 0) + 1
    return sorted(pair for pair, points in shared.items() if points >= least)


def differences(measure: str, year: int) -> dict[str, float]:
    """How far councils are apart in one year, in the measure's unit: mean absolute difference of pairs that share a
    border (`touching`, `pairs` of them) and of all pairs (`all_pairs`), and the share of variance within regions, %
    (`within`, adjusted for the number of regions, so that regions drawn at random would give 100)."""
    import numpy as np

    frame = panel.series(measure, years=(year, year))
    frame = frame[frame["value"].notna()]
    known = frame.set_index("la_code")["value"]
    touching = [abs(known[a] - known[b]) for a, b in borders() if a in known.index and b in known.index]
    every = np.abs(np.subtract.outer(known.to_numpy(), known.to_numpy()))[np.triu_indices(len(known), 1)]
    inside = frame["value"] - frame.groupby("region_name")["value"].transform("mean")
    within = (inside**2).sum() / (len(frame) - frame["region_name"].nunique())
    return {
        "touching": float(np.mean(touching)),
        "pairs": float(len(touching)),
        "all_pairs": float(every.mean()),
        "within": float(min(100.0, 100 * within / known.var())),
        "n": float(len(frame)),
    }


# Two measures moving together


@dataclass(frozen=True)
class Slope:
    """Change in one measure that goes with one unit more of another within councils: interval (clustered by council),
    p, randomisation p (councils' paths dealt out at random), councils, years."""

    estimate: float
    lower: float
    upper: float
    p: float
    ri_p: float
    n: int
    first: int
    last: int


def together(
    y: str,
    x: str,
    lead: int = 0,
    group: Sequence[str] = ("safety_valve",),
    first_year: int = 0,
    draws: int = 1999,
    seed: int = SEED,
) -> Slope:
    """The slope of `y` on `x` within councils of a group, with council and year effects, on years with both.

    lead: x is taken this many years later (1 for a January count that ends the calendar year); first_year: no
    earlier. Councils with a gap in either series are left out, so that whole paths can be exchanged. Nothing here
    says which moves the other.
    """
    import numpy as np
    from scipy import stats

    frame = panel.series(y)
    members = set(frame.loc[frame["group"].isin(list(group)), "la_code"])
    ys = panel.wide(y)
    xs = panel.wide(x)
    xs = xs.rename(columns={c: c - lead for c in xs.columns})
    years = [int(c) for c in ys.columns if c in xs.columns and ys[c].notna().any() and xs[c].notna().any()]
    years = [c for c in years if c >= first_year]
    codes = [c for c in ys.index if c in members and c in xs.index]
    a, b = ys.loc[codes, years].to_numpy(dtype=float), xs.loc[codes, years].to_numpy(dtype=float)
    whole = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
    a, b = a[whole], b[whole]
    if len(a) < 5 or len(years) < 2:
        raise AssessError(f"{y} and {x}: {len(a)} councils over {len(years)} years have both; too few for a slope.")

    def inner(m: np.ndarray) -> np.ndarray:
        return np.asarray(m - m.mean(axis=1, keepdims=True) - m.mean(axis=0, keepdims=True) + m.mean())

    a, b = inner(a), inner(b)
    square = float((b**2).sum())
    slope = float((a * b).sum() / square)
    score = ((a - slope * b) * b).sum(axis=1)
    n = len(a)
    se = float(np.sqrt(n / (n - 1) * (score**2).sum())) / square
    reach = float(stats.t.ppf(0.975, n - 1)) * se
    rng = np.random.default_rng(seed)
    null = np.array([abs((a * b[rng.permutation(n)]).sum()) / square for _ in range(draws)])
    ri_p = float((1 + (null >= abs(slope) - 1e-12).sum()) / (1 + draws))
    p = float(2 * stats.t.sf(abs(slope) / se, n - 1))
    return Slope(slope, slope - reach, slope + reach, p, ri_p, n, years[0], years[-1])


def changes(y: str, x: str, first: int, last: int, lead: int = 0) -> pd.DataFrame:
    """Each council's change in both measures from `first` to `last` (x read `lead` years later): la_code, la_name,
    group, y, x."""
    import pandas as pd

    ys, xs = panel.wide(y), panel.wide(x)
    made = pd.DataFrame({"y": ys[last] - ys[first], "x": xs[last + lead] - xs[first + lead]}).dropna()
    people = panel.councils().set_index("la_code")[["la_name", "group"]]
    return people.join(made, how="inner").reset_index()[["la_code", "la_name", "group", "y", "x"]]


# Inspections


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


# Effects


def cuts(
    measure: str,
    first_year: int | None = None,
    whole: bool = False,
    *,
    controls: protocol.Controls = "never",
    without: Sequence[str] = (),
) -> pd.DataFrame:
    """The main estimate on the usual cuts of the data (`variations.known_problems`), each beginning no earlier than
    `first_year`; `whole` adds a row for the series from its start. controls, without: as in `families.run`."""
    found = [
        replace(v, first_year=max(first_year, v.first_year or first_year)) if first_year else v
        for v in variations.known_problems(measure)
    ]
    if whole:
        found.insert(1, variations.Variation("whole", "Whole series, across the change of definition"))
    return variations.compare(measure, found, controls=controls, without=without)


STARTS = {
    "all_controls": "All councils with a known start",
    "crossed_threshold": "Councils that started as badly",
    "matched_baseline": "Each matched to its nearest",
    "baseline_adjusted": "Adjusted for the start",
}


def same_start(
    measure: str, baseline: pd.Series, first_year: int | None = None, without: Sequence[str] = ()
) -> pd.DataFrame:
    """`selection.same_start` on a measure, councils of `without` left out: name, label, estimate, lower, upper, p_value,
    n_treated, n_control."""
    data = protocol.prepare(measure, first_year, without=without)
    made = selection.same_start(measure, data, baseline, scale=str(measures.get(measure).scale))
    made = made[made["event_time"] == "overall"]
    made = made.assign(name=made["estimator"], label=made["estimator"].map(STARTS))
    return made[["name", "label", "estimate", "lower", "upper", "p_value", "n_treated", "n_control"]].reset_index(
        drop=True
    )


def lateness(years: tuple[int, int] = (2018, 2020)) -> pd.Series:
    """How late each council was before any agreement: 100 less the mean share of plans on time over `years`, %, by
    la_code."""
    frame = panel.series("timeliness", groups=False, years=years)
    return 100 - frame.groupby("la_code")["value"].mean()


def in_development() -> dict[str, float]:
    """England's two appeal rates in the last year that has both, and their denominators: year, appeals, decisions,
    rate, decisions_new, rate_new. The publisher counts fewer appealable decisions in the rate in development, which
    has no earlier years."""
    import pandas as pd

    path = paths.raw() / "dfe" / "send_tribunal_appeals.csv"
    frame = pd.read_csv(path, dtype=str)
    names = {
        "appeals": "appeals_registered",
        "decisions": "total_appealable_decisions",
        "rate": "send_tribunal_appeal_rate",
        "decisions_new": "in_development_total_appealable_decisions",
        "rate_new": "in_development_send_tribunal_appeal_rate",
    }
    england = frame[(frame["geographic_level"] == "National") & (frame["la_name"] == "England Total")]
    both = england[england[names["rate_new"]].notna()].sort_values("time_period")
    if both.empty:
        raise AssessError(f"{path.name} holds no rate in development for England.")
    row = both.iloc[-1]
    return {"year": float(row["time_period"]), **{k: float(row[c]) for k, c in names.items()}}


def in_development_by_council(year: int) -> pd.DataFrame:
    """The appeal rate in development of a year by council: la_code, group, value (%). No rows where it is not
    published."""
    import pandas as pd

    path = paths.raw() / "dfe" / "send_tribunal_appeals.csv"
    frame = pd.read_csv(path, dtype=str)
    column = "in_development_send_tribunal_appeal_rate"
    frame = frame[(frame["geographic_level"] == "Local authority") & frame[column].notna()]
    frame = frame[frame["time_period"] == str(year)]
    people = panel.councils()[["la_code", "dfe_number", "group"]]
    frame = frame.assign(value=pd.to_numeric(frame[column], errors="coerce"))
    out = people.merge(frame, left_on="dfe_number", right_on="old_la_code", how="inner")
    return out[out["value"].notna()][["la_code", "group", "value"]].reset_index(drop=True)


# Tables, and facts recorded in a chapter's book


def buckets(year: int) -> pd.DataFrame:
    """New plans of a year by how long they took, mean over councils with all three figures, %: group (words, with how
    many), on_time, late, over_a_year."""
    import pandas as pd

    frame = panel.several(["timeliness_sen2", "late_20_to_52_weeks", "over_a_year"])
    frame = frame[frame["year"] == year].dropna(subset=["timeliness_sen2", "late_20_to_52_weeks", "over_a_year"])
    rows = []
    for key, words in panel.GROUPS.items():
        part = frame[frame["group"] == key]
        rows.append(
            {
                "group": f"{words} ({len(part)})",
                "on_time": part["timeliness_sen2"].mean(),
                "late": part["late_20_to_52_weeks"].mean(),
                "over_a_year": part["over_a_year"].mean(),
            }
        )
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Level:
    """One comparison of levels after the agreements: `name` of the measure, the words and unit of a table, year, and the
    gap. In facts it is NAME.YEAR."""

    name: str
    words: str
    unit: str
    year: int
    source: str
    gap: Gap


#: The comparisons of `levels`: measure -> words of the table, what it is counted per, and how many years back it goes.
LEVELS: dict[str, tuple[str, str | None, int]] = {
    "timeliness": ("Within 20 weeks", None, 1),
    "timeliness_all": ("Within 20 weeks, exceptions included", None, 1),
    "over_a_year": ("Over a year", None, 2),
    "reviews_on_time": ("Annual reviews decided in four weeks", None, 1),
    "mediations": ("Mediations per 1,000 plans", "plans", 2),
    "appeal_rate": ("Appeals per 100 decisions, standard", None, 1),
}


#: Those of which sentences speak, so that a year without them will not do.
SPOKEN_OF = ("timeliness", "over_a_year", "mediations", "appeal_rate")


def _years(measure: str) -> set[int]:
    """The years in which any council has a figure."""
    return set(panel.coverage(measure)["year"])


def check_year(latest: int) -> int:
    """`latest` itself, when every measure of SPOKEN_OF has figures for it. Raises AssessError, naming the years that
    would do, for any other."""
    years = sorted(set.intersection(*(_years(name) for name in SPOKEN_OF)))
    if latest not in years:
        raise AssessError(f"latest={latest}: expected one of {', '.join(map(str, years))}, the years with every level.")
    return latest


def levels(latest: int, draws: int = DRAWS) -> list[Level]:
    """Safety Valve councils against councils in neither programme in the year `latest`, and in the one before too where
    LEVELS says so: where a series has no years before the agreements, or only the latest matters. A measure, the appeal
    rate in development among them, is left out of a year without figures. These are levels, not effects. Raises
    AssessError when a group has fewer than two figures."""
    made = []
    for name, (words, per, back) in LEVELS.items():
        for year in sorted(_years(name) & set(range(latest - back + 1, latest + 1))):
            gap = groups_apart(values(name, year, per), draws=draws)
            unit = "per 1,000 plans" if per else "pp"
            made.append(Level(name, words, unit, year, str(measures.get(name).source), gap))
    newer = in_development_by_council(latest)
    if len(newer):
        words, gap = "Appeals per 100 decisions, in development", groups_apart(newer, draws=draws)
        made.append(Level("appeal_rate_new", words, "pp", latest, "send_tribunal_appeals", gap))
    return made


def levels_table(found: Sequence[Level]) -> pd.DataFrame:
    """`levels` as a table: Measure, Year, Safety Valve, Neither, Gap, From, To, p (analytic and randomisation),
    Smallest detectable, Councils."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "Measure": x.words,
                "Year": str(x.year),
                "Safety Valve": x.gap.one,
                "Neither": x.gap.other,
                "Gap": x.gap.estimate,
                "From": x.gap.lower,
                "To": x.gap.upper,
                "p, analytic": x.gap.p,
                "p, randomisation": x.gap.ri_p,
                "Smallest detectable": x.gap.mde,
                "Councils": f"{x.gap.n_one} and {x.gap.n_other}",
            }
            for x in found
        ]
    )


def record_levels(book: Any, found: Sequence[Level]) -> None:
    """duties.level.NAME.YEAR.gap, .ri_p, .safety_valve, .neither and .mde for each comparison, the same as .latest for the
    last year of each, and how many there are with a randomisation p below 0.05 (duties.level.count, .apart)."""
    last = {x.name: x.year for x in found}
    for x in found:
        at = {"years": str(x.year), "sources": (x.source,)}
        share = "per 1,000 plans" if x.unit != "pp" else "%"
        for key in (str(x.year), *(["latest"] if x.year == last[x.name] else [])):
            name = f"duties.level.{x.name}.{key}"
            book.fact(f"{name}.gap", **x.gap.fact(), unit=x.unit, digits=1, **at)
            book.fact(f"{name}.ri_p", x.gap.ri_p, unit="p", n=x.gap.n_one + x.gap.n_other, **at)
            book.fact(f"{name}.safety_valve", x.gap.one, unit=share, digits=1, n=x.gap.n_one, **at)
            book.fact(f"{name}.neither", x.gap.other, unit=share, digits=1, n=x.gap.n_other, **at)
            book.fact(f"{name}.mde", x.gap.mde, unit=x.unit, digits=1, n=x.gap.n_one + x.gap.n_other, **at)
    book.fact("duties.level.count", len(found), unit="count")
    book.fact("duties.level.apart", sum(x.gap.ri_p < 0.05 for x in found), unit="count", n=len(found))


def record_england(
    book: Any, measure: str, years: Sequence[int], latest: int, unit: str = "%", digits: int = 1
) -> None:
    """duties.england.MEASURE.YEAR for each year and for `latest`, which is .latest too; and .says, all of them in words:
    "60.4% in 2018, 50.3% in 2023 and 46.4% in 2024"."""
    every = sorted({*years, latest})
    said = [f"{facts.shown(panel.england(measure, y), unit, digits)} in {y}" for y in every]
    book.fact(
        f"duties.england.{measure}.says",
        " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said),
        years=(every[0], every[-1]),
        sources=[str(measures.get(measure).source)],
    )
    for key, year in [*((str(y), y) for y in every), ("latest", latest)]:
        book.fact(
            f"duties.england.{measure}.{key}",
            float(panel.england(measure, year)),
            unit=unit,
            digits=digits,
            years=str(year),
            sources=[str(measures.get(measure).source)],
        )


def record_before(book: Any, quoted: float) -> Gap:
    """duties.entry.*: the timeliness gap before signing against councils in neither programme, against all that never
    signed, its distance from the figure `quoted` (percentage points), and the same for appeals. Returns the first."""
    made = before_signing("timeliness")
    never = before_signing("timeliness", ("neither", "dbv"))
    appeal = before_signing("appeal_rate")
    at = {"years": "three years before each agreement", "sources": ("lait_sen", "agreements")}
    book.fact("duties.entry.gap", **made.fact(), unit="pp", digits=1, **at)
    book.fact("duties.entry.gap_p", made.ri_p, unit="p", n=made.n_one + made.n_other, **at)
    book.fact("duties.entry.gap_never", **never.fact(), unit="pp", digits=1, **at)
    book.fact("duties.entry.never_p", never.ri_p, unit="p", n=never.n_one + never.n_other, **at)
    book.fact("duties.entry.gap_distance", abs(made.estimate - quoted), unit="pp", digits=1, **at)
    book.fact("duties.entry.safety_valve", made.one, unit="%", digits=1, n=made.n_one, **at)
    book.fact("duties.entry.neither", made.other, unit="%", digits=1, n=made.n_other, **at)
    at["sources"] = ("send_tribunal_appeals", "agreements")
    book.fact("duties.entry.appeals", **appeal.fact(), unit="pp", digits=2, **at)
    book.fact("duties.entry.appeals_p", appeal.ri_p, unit="p", n=appeal.n_one + appeal.n_other, **at)
    return made


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


def record_torbay(book: Any, first: int, last: int) -> None:
    """duties.torbay.*: Torbay's special share from the January after `first` to that after `last`, its appeals and
    returned mediations up to `last`, and England's growth of appeals between the same years."""
    appeals = [panel.value("appeals", "Torbay", y) for y in (first, last)]
    shares = [panel.value("special_share", "Torbay", y + 1) for y in (first, last)]
    england = [float(panel.england("appeals", y)) for y in (first, last)]
    at = {"years": (first, last), "sources": ("send_tribunal_appeals",)}
    book.fact("duties.torbay.appeals.first", appeals[0], unit="count", years=first, sources=at["sources"])
    book.fact("duties.torbay.appeals.last", appeals[1], unit="count", years=last, sources=at["sources"])
    book.fact("duties.torbay.appeals_growth", 100 * (appeals[1] / appeals[0] - 1), unit="%", digits=0, **at)
    book.fact("duties.england.appeals_growth", 100 * (england[1] / england[0] - 1), unit="%", digits=0, **at)
    book.fact(
        "duties.torbay.special_change",
        shares[1] - shares[0],
        unit="pp",
        digits=1,
        years=f"January {first + 1} to January {last + 1}",
        sources=("ehc_caseload",),
    )
    mediations = panel.series("mediations", groups=False, years=(None, last))
    held = mediations[(mediations["la_name"] == "Torbay") & mediations["value"].notna()].sort_values("year")
    for when, row in (("first", held.iloc[0]), ("last", held.iloc[-1])):
        book.fact(
            f"duties.torbay.mediations.{when}",
            float(row["value"]),
            unit="count",
            years=int(row["year"]),
            sources=("ehc_requests", "ehc_assessments"),
        )


OTHERS = ("dbv", "neither")


def slopes() -> dict[str, tuple[str, str, str, Slope]]:
    """Slopes within councils: name -> (pair of measures in words, who, source of x, slope). Names:
    special_appeals.sv, .others, refusal_appeals.sv, .others; and the same with appeals per hundred decisions, ending
    _rate."""
    made: dict[str, tuple[str, str, str, Slope]] = {}
    for who, group, words in (("sv", ("safety_valve",), "Safety Valve"), ("others", OTHERS, "All others")):
        for y, ending, per in (
            ("appeals_per_1000_plans", "", "Appeals per 1,000 plans"),
            ("appeal_rate", "_rate", "Appeals per 100 decisions"),
        ):
            made[f"special_appeals.{who}{ending}"] = (
                f"{per} on special share",
                words,
                "ehc_caseload",
                together(y, "special_share", 1, group, DEFINITION_FROM),
            )
            made[f"refusal_appeals.{who}{ending}"] = (
                f"{per} on refusal rate",
                words,
                "lait_sen",
                together(y, "refusal_to_assess", 0, group, DEFINITION_FROM),
            )
    return made


def record_band(book: Any, result: protocol.Protocol, event: int, sources: Sequence[str]) -> None:
    """duties.band.OUTCOME.EVENT: an event-study estimate with its simultaneous band as interval."""
    row = result.event_study.set_index("event_time").loc[event]
    book.fact(
        f"duties.band.{result.outcome}.{event}",
        float(row["estimate"]),
        unit=result.unit,
        lower=float(row["band_lower"]),
        upper=float(row["band_upper"]),
        n=int(row["n_treated"]),
        years=(result.main["first_year"], result.main["last_year"]),
        sources=tuple(sources),
    )


def record_slopes(book: Any, made: Mapping[str, tuple[str, str, str, Slope]]) -> None:
    """duties.NAME with its interval and duties.NAME_p, for each of `slopes`; and how far the two slopes on refusals
    differ."""
    for name, (_, _, source, s) in made.items():
        at = {"n": s.n, "years": (s.first, s.last), "sources": ("send_tribunal_appeals", source)}
        book.fact(
            f"duties.{name}",
            s.estimate,
            unit="",
            digits=3 if name.endswith("_rate") else 2,
            lower=s.lower,
            upper=s.upper,
            p=s.p,
            **at,
        )
        book.fact(f"duties.{name}_p", s.ri_p, unit="p", **at)
    a, b = (made[f"refusal_appeals.{who}"][3] for who in ("sv", "others"))
    reach = math.hypot(a.estimate - a.lower, b.estimate - b.lower)
    gap = a.estimate - b.estimate
    book.fact(
        "duties.refusal_appeals.difference",
        gap,
        digits=2,
        lower=gap - reach,
        upper=gap + reach,
        n=a.n + b.n,
        years=(a.first, a.last),
        sources=("send_tribunal_appeals", "lait_sen"),
    )


def slopes_table(made: Mapping[str, tuple[str, str, str, Slope]]) -> pd.DataFrame:
    """`slopes` as a table."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "Slope": words,
                "Councils": who,
                "Estimate": s.estimate,
                "From": s.lower,
                "To": s.upper,
                "p, analytic": s.p,
                "p, randomisation": s.ri_p,
                "Number": s.n,
                "Years": f"{s.first} to {s.last}",
            }
            for words, who, _, s in made.values()
        ]
    )


def by_cohort(measure: str) -> pd.DataFrame:
    """The main estimate for each cohort against the same controls: label, estimate, lower, upper, p_value,
    n_treated."""
    people = panel.councils("safety_valve").set_index("la_code")["cohort"]
    made = variations.subgroups(measure, people.map(lambda c: f"Signed in {c}"), "cohort")
    return made[made["label"] != "difference"]


def record_checks(book: Any, cuts: pd.DataFrame, rate: pd.DataFrame, late: pd.DataFrame, deficit: pd.DataFrame) -> None:
    """duties.cut.MEASURE.NAME for each cut and .moved and .moved_by (`families.record_moved`), duties.start.BASELINE.NAME for each comparison by start, their range with
    the main estimators of timeliness left to `checks_figure`, and duties.start.shrinks: by how much matching on
    lateness brings the estimate nearer to nought (negative: it does not), and duties.start.late.controls: how many other
    councils have a known lateness."""
    for prefix, frame, sources in (
        ("cut.timeliness", cuts, ("lait_sen",)),
        ("cut.appeal_rate", rate, ("send_tribunal_appeals",)),
        ("start.late", late, ("lait_sen",)),
        ("start.deficit", deficit, ("lait_sen", "dsg_balance_percent")),
    ):
        for row in frame.to_dict("records"):
            held = {k: row[k] for k in ("lower", "upper")} | {"p": row["p_value"], "n": int(row["n_treated"])}
            book.fact(
                f"duties.{prefix}.{row['name']}",
                row["estimate"],
                unit="pp",
                digits=2 if "rate" in prefix else 1,
                sources=sources,
                **held,
            )
    families.record_moved(book, "duties.cut.timeliness", cuts, ("lait_sen",))
    families.record_moved(book, "duties.cut.appeal_rate", rate, ("send_tribunal_appeals",), digits=2)
    here = int(late.set_index("name").loc["all_controls", "n_control"])
    book.fact("duties.start.late.controls", here, unit="count", sources=("lait_sen",))
    by = late.set_index("name")["estimate"]
    shrinks = abs(by["all_controls"]) - abs(by["matched_baseline"])
    book.fact("duties.start.shrinks", float(shrinks), unit="pp", digits=1, sources=("lait_sen",))
    versions = ["att", *(n for n in families.CHECKS if n not in ("callaway_santanna", "leave_one_out"))]
    every = [book.get(f"effect.timeliness.{name}").value for name in versions]
    every += [*late["estimate"], *deficit["estimate"]]
    book.fact("duties.range.low", float(min(every)), unit="pp", digits=1, sources=("lait_sen",))
    book.fact("duties.range.high", float(max(every)), unit="pp", digits=1, sources=("lait_sen",))


def checks_figure(result: protocol.Protocol, late: pd.DataFrame, deficit: pd.DataFrame) -> pd.DataFrame:
    """Rows for a forest figure: the estimators of one outcome, then comparisons with councils that started as late or
    as deep in deficit. Columns: group, estimator, estimate, lower, upper."""
    import pandas as pd

    columns = ["estimator", "estimate", "lower", "upper"]
    parts = [families.robustness({result.outcome: result})[columns].assign(group="Estimators")]
    for words, frame in (("Councils as late in 2018 to 2020", late), ("Councils as deep in deficit in 2020", deficit)):
        rows = frame[frame["name"] != "all_controls"].rename(columns={"label": "estimator"})[columns]
        parts.append(rows.assign(group=words))
    return pd.concat(parts, ignore_index=True)[["group", *columns]]


def checks_table(found: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Several frames of estimates under one another: Outcome, Cut of the data, Effect, From, To, p, Councils,
    Others."""
    import pandas as pd

    rows = pd.concat([frame.assign(outcome=words) for words, frame in found.items()], ignore_index=True)
    rows = rows[["outcome", "label", "estimate", "lower", "upper", "p_value", "n_treated", "n_control"]]
    return rows.set_axis(["Outcome", "Cut of the data", "Effect", "From", "To", "p", "Councils", "Others"], axis=1)
