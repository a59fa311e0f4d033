"""Statutory duties: England's figures of plans on time and appeals, the effects on them, and two measures moving together.

How far groups of councils were apart is in `gaps`, inspections are in `inspections`. A slope within councils (`together`)
has an analytic interval and a randomisation p beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from helpers import facts, families, measures, panel, paths, protocol, selection, variations
from helpers.errors import AssessError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

#: The widened definition of an appealable decision starts with appeals of 2018.
DEFINITION_FROM = 2018
OTHERS = ("dbv", "neither")


# England, and one council


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
    seed: int = protocol.SEED,
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


# Effects


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
