"""How far groups of councils were apart: before the agreements, after them, and from the councils next door.

A gap has an analytic interval and a randomisation p beside it. Gaps are levels, not effects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from helpers import maps, measures, panel, paths
from helpers.errors import AssessError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SEED = 2021
DRAWS = 9999
#: Multiple of a standard error that is found four times in five at 5%: 1.96 + 0.84.
FOUR_IN_FIVE = 2.8016


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


# Before signing


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


# Levels after the agreements


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
