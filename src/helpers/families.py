"""A chapter's family of outcomes: run the protocol on each, put them side by side, and draw them on one scale.

`family = families.run(["mainstream_share", "special_share"], "schools")`, then `families.summary(family)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from helpers import claims, councils, facts, measures, panel, protocol, thresholds, variations

if TYPE_CHECKING:
    import pandas as pd

#: The checks of a robustness figure, main estimate first: estimator -> words short enough for the row of a panel.
CHECKS: dict[str, str] = {
    "callaway_santanna": "Main estimate",
    "callaway_santanna_notyet": "Not-yet-treated controls too",
    "no_dbv": "Without Delivering Better Value",
    "sun_abraham": "Sun and Abraham",
    "imputation": "Imputation",
    "anticipation_1": "A year of anticipation",
    "covariates": "Adjusted for starting points",
    "linear_trend": "Taking off the trend before",
    "twfe": "Two-way fixed effects",
    "leave_one_out": "Leaving out any one (range)",
}
#: Units as a panel has room for; the subtitle says per 1,000 or 100 of what.
UNIT_WORDS = {
    "pp": "points",
    "gbp": "pounds",
    "per 1,000 people": "per 1,000",
    "per 1,000 plans": "per 1,000",
    "per 100 pupils": "per 100",
}
#: Whom the main estimate compares with, as a sentence says it.
CONTROLS: dict[str, str] = {
    "never": "never Safety Valve councils",
    "not_yet": "councils that had signed no agreement, or none yet",
    "no_dbv": "councils in neither programme",
}
#: The cuts of `cuts` (names of `variations.known_problems`).
PROBLEMS = ("main", "doubtful", "noted", "boundaries", "covid")
#: Columns of `summary` whose numbers are p-values, for `book.table(digits=...)`.
P_COLUMNS = {"p, analytic": 3, "p, randomisation": 3, "p, adjusted for the family": 3, "p, pre-trend": 3}


def run(
    names: Sequence[str],
    family: str,
    *,
    controls: protocol.Controls = "never",
    without: Sequence[str] = (),
    first_years: Mapping[str, int] | None = None,
    draws: int = protocol.DRAWS,
) -> dict[str, protocol.Protocol]:
    """The full protocol for each measure, by name, each once, in the given order.

    controls, without: whom to compare with, and councils to leave out by name (`protocol.run_measure`); first_years:
    measure -> the first year of its series to use. Raises AssessError, with the nearest name, for an unknown measure,
    council or choice of controls.
    """
    for name in names:
        measures.get(name)
    first = first_years or {}
    return {
        name: protocol.run_measure(
            name, family=family, controls=controls, without=without, first_year=first.get(name), draws=draws
        )
        for name in dict.fromkeys(names)
    }


def compared(controls: str = "never", without: Sequence[str] = (), words: Mapping[str, str] = CONTROLS) -> str:
    """Whom the main estimates compare with, for a sentence or a subtitle: "never Safety Valve councils (without Kent and
    Bury)". Raises AssessError for a council that does not exist."""
    names = [councils.find(name).la_name for name in without]
    left = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return f"{words[controls]} (without {left})" if names else words[controls]


def record_same(book: Any, results: Mapping[str, protocol.Protocol]) -> None:
    """effect.OUTCOME.CHECK, equal to the main estimate, for a check that other controls have made the main estimate."""
    for name, result in results.items():
        main = result.main
        for check in ("callaway_santanna_notyet", "no_dbv"):
            if check in set(result.effects["estimator"]):
                continue
            book.fact(
                f"effect.{name}.{check}",
                main["estimate"],
                unit=result.unit,
                lower=main["lower"],
                upper=main["upper"],
                p=main["p_value"],
                n=int(main["n_treated"]),
                years=(main["first_year"], main["last_year"]),
            )


def summary(results: Mapping[str, protocol.Protocol]) -> pd.DataFrame:
    """One row an outcome, in reported units, with words for column names.

    Columns: Outcome, Unit, Effect, From, To (95% interval), p, analytic, p, randomisation, p, adjusted for the family
    (Benjamini-Hochberg on the randomisation p), p, pre-trend, Smallest detectable, Councils (treated), Years.
    """
    import pandas as pd

    adjusted = protocol.adjusted_p(list(results.values()))
    rows = []
    for name, result in results.items():
        main = result.main
        rows.append(
            {
                "Outcome": measures.get(name).short,
                "Unit": result.unit,
                "Effect": main["estimate"],
                "From": main["lower"],
                "To": main["upper"],
                "p, analytic": main["p_value"],
                "p, randomisation": result.ri_p,
                "p, adjusted for the family": adjusted[result.outcome],
                "p, pre-trend": result.pretrend_p,
                "Smallest detectable": result.mde,
                "Councils": int(main["n_treated"]),
                "Years": f"{main['first_year']} to {main['last_year']}",
            }
        )
    return pd.DataFrame(rows)


def spread(name: str) -> float:
    """The standard deviation of a measure between councils without an agreement, all years pooled after taking out year means."""
    rows = panel.series(name)
    rows = rows[(rows["group"] != "safety_valve") & rows["value"].notna()]
    return float((rows["value"] - rows.groupby("year")["value"].transform("mean")).std())


def base(result: protocol.Protocol) -> float:
    """The level from which an effect is measured: the mean over Safety Valve councils, each in its last year before
    exposure, in the outcome's own unit (`thresholds.level_before`). 100 for an outcome in logs, whose effects are per cent
    already."""
    return 100.0 if result.scale == "log" else thresholds.level_before(result.study.panel)


def record_bases(book: Any, results: Mapping[str, protocol.Protocol], sources: Sequence[str] = ()) -> None:
    """For every outcome in levels effect.OUTCOME.base (`base`, in the unit of the measure) and .mde_share, the smallest
    detectable effect as a share of it (%)."""
    for name, result in results.items():
        if result.scale == "log":
            continue
        level, unit = base(result), str(measures.get(name).unit)
        for key, value, given in (("base", level, unit), ("mde_share", 100 * result.mde / level, "%")):
            book.fact(
                f"effect.{name}.{key}",
                value,
                unit=given,
                digits=0 if key == "mde_share" else None,
                n=int(result.main["n_treated"]),
                years="last before exposure",
                sources=tuple(sources),
            )


def record_words(book: Any, results: Mapping[str, protocol.Protocol], sources: Sequence[str] = ()) -> None:
    """effect.OUTCOME.says: the average effect as it stands before "than expected", "6.0 percentage points higher", or
    "neither higher nor lower" when the number shown would be nought."""
    for name, result in results.items():
        estimate = float(result.main["estimate"])
        size = facts.shown(abs(estimate), result.unit)
        seen = any(digit in size.removesuffix(result.unit) for digit in "123456789")
        words = f"{size} {'higher' if estimate > 0 else 'lower'}" if seen else "neither higher nor lower"
        book.fact(
            f"effect.{name}.says",
            words,
            n=int(result.main["n_treated"]),
            years=(result.main["first_year"], result.main["last_year"]),
            sources=tuple(sources),
        )


def record_thresholds(
    book: Any, chapter: str, results: Mapping[str, protocol.Protocol], sources: Sequence[str] = ()
) -> None:
    """threshold.CLAIM: the smallest effect that matters for each claim of a chapter tested on an effect, as a share of
    `base` (%; the largest share where a claim has several outcomes). The ceiling on it is `thresholds.CEILING`."""
    for test in claims.tests().values():
        mine = [results[name] for name in test.outcomes if name in results]
        if test.chapter != chapter or test.test != "effect" or not mine:
            continue
        book.fact(
            f"threshold.{test.claim}",
            max(100 * test.matters / base(result) for result in mine),
            unit="%",
            digits=0,
            n=len(mine),
            years="last before exposure",
            sources=tuple(sources),
        )


def record_moved(
    book: Any, key: str, frame: pd.DataFrame, sources: Sequence[str], unit: str = "pp", digits: int = 1
) -> None:
    """What a frame of `variations.compare` shows (its first row the main estimate): KEY.moved, the estimate of the cut
    that is furthest from it; KEY.moved_by, that cut in words; KEY.cuts, how many there are; KEY.cuts_clear, how many of
    their intervals leave out nought."""
    main, rest = frame.iloc[0], frame.iloc[1:]
    row = rest.loc[(rest["estimate"] - main["estimate"]).abs().idxmax()]
    at = {"years": (int(row["first_year"]), int(row["last_year"])), "sources": tuple(sources)}
    book.fact(
        f"{key}.moved",
        row["estimate"],
        unit=unit,
        digits=digits,
        lower=row["lower"],
        upper=row["upper"],
        p=row["p_value"],
        n=int(row["n_treated"]),
        **at,
    )
    book.fact(f"{key}.moved_by", row["label"][0].lower() + row["label"][1:], **at)
    clear = int(((rest["lower"] > 0) | (rest["upper"] < 0)).sum())
    book.fact(f"{key}.cuts", len(rest), unit="count", sources=tuple(sources))
    book.fact(f"{key}.cuts_clear", clear, unit="count", n=len(rest), sources=tuple(sources))


def cuts(
    results: Mapping[str, protocol.Protocol],
    names: Sequence[str] = PROBLEMS,
    *,
    controls: protocol.Controls = "never",
    without: Sequence[str] = (),
) -> pd.DataFrame:
    """The main estimate of several outcomes with known problems of the data left out one at a time: outcome (its short
    name), measure, and the columns of `variations.compare`. `names`: which of `variations.known_problems`, "main" among
    them; a cut that leaves nothing to compare is not there. controls, without: as in `run`."""
    import pandas as pd

    frames = []
    for measure in results:
        found = [v for v in variations.known_problems(measure) if v.name in names]
        made = variations.compare(measure, found, controls=controls, without=without)
        frames.append(made.assign(outcome=measures.get(measure).short, measure=measure))
    made = pd.concat(frames, ignore_index=True)
    return made[["outcome", "measure", *[c for c in made.columns if c not in ("outcome", "measure")]]]


def record_cuts(book: Any, key: str, frame: pd.DataFrame, sources: Sequence[str]) -> None:
    """What a frame of `cuts` shows: KEY.outcomes, KEY.turned (how many estimates change sign in some cut), KEY.clear (how
    many intervals leave out nought in some cut) and KEY.clear_main (in the main estimate)."""
    main = frame[frame["name"] == "main"].set_index("measure")
    rest = frame[frame["name"] != "main"]
    turned = rest["estimate"] * rest["measure"].map(main["estimate"]) < 0
    clear = (frame["lower"] > 0) | (frame["upper"] < 0)
    counts = {
        "outcomes": len(main),
        "turned": rest.loc[turned, "measure"].nunique(),
        "clear": frame.loc[clear & (frame["name"] != "main"), "measure"].nunique(),
        "clear_main": int((clear & (frame["name"] == "main")).sum()),
    }
    years = (int(frame["first_year"].min()), int(frame["last_year"].max()))
    for name, count in counts.items():
        book.fact(f"{key}.{name}", int(count), unit="count", n=len(main), years=years, sources=tuple(sources))


def cuts_table(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame of `cuts` as a table: one row an outcome, one column a cut, "-0.36 (-1.66 to 0.95)"."""
    import pandas as pd

    said = [
        f"{facts.number(row.estimate, 2)} ({facts.number(row.lower, 2)} to {facts.number(row.upper, 2)})"
        for row in frame.itertuples()
    ]
    wide = frame.assign(said=said).pivot(index="outcome", columns="label", values="said")
    wide = wide.reindex(index=list(dict.fromkeys(frame["outcome"])), columns=list(dict.fromkeys(frame["label"])))
    return pd.DataFrame(wide.fillna("–").rename_axis(columns=None).reset_index().rename(columns={"outcome": "Outcome"}))


def standardised(results: Mapping[str, protocol.Protocol]) -> pd.DataFrame:
    """Effects of level outcomes in standard deviations between councils (`spread`), for a forest figure with a common axis.

    Columns: estimator (the outcome's short name, as the figure's row label), estimate, lower, upper, detectable.
    Log outcomes have no place here: their effects are percentages already.
    """
    import pandas as pd

    rows = []
    for name, result in results.items():
        one = spread(name)
        main = result.main
        rows.append(
            {
                "estimator": measures.get(name).short,
                "estimate": main["estimate"] / one,
                "lower": main["lower"] / one,
                "upper": main["upper"] / one,
                "detectable": result.mde / one,
            }
        )
    return pd.DataFrame(rows)


def robustness(results: Mapping[str, protocol.Protocol], words: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Every check of several outcomes in one long frame, for `figures.forests`: outcome (its short name, or that in
    `words`), measure, unit_words, years, estimator (in words), estimate, lower, upper, n_treated, n_control.

    Unlike `Protocol.forest` it has the trend-adjusted version, where one can be made; its row says what would change if
    the trend before the agreements had gone on.
    """
    import pandas as pd

    frames = []
    for name, result in results.items():
        overall = result.effects[result.effects["event_time"] == "overall"].set_index("estimator")
        rows = overall.loc[
            [e for e in CHECKS if e in overall.index], ["estimate", "lower", "upper", "n_treated", "n_control"]
        ]
        rows = rows.rename(index=CHECKS).reset_index()
        frames.append(_named(rows, name, result, words))
    return pd.concat(frames, ignore_index=True)


def record_checks(book: Any, key: str, frame: pd.DataFrame, sources: Sequence[str]) -> None:
    """What a frame of `robustness` shows: KEY.outcomes, KEY.one_sign (of how many outcomes every version has the sign of
    the main one) and KEY.clear (and every interval leaves out nought)."""
    versions = frame[frame["estimator"] != CHECKS["leave_one_out"]]
    low = versions.groupby("measure")[["estimate", "lower"]].min()
    high = versions.groupby("measure")[["estimate", "upper"]].max()
    counts = {
        "outcomes": len(low),
        "one_sign": ((low["estimate"] > 0) | (high["estimate"] < 0)).sum(),
        "clear": ((low["lower"] > 0) | (high["upper"] < 0)).sum(),
    }
    _record(book, key, frame, counts, sources)


def record_paths(book: Any, key: str, frame: pd.DataFrame, sources: Sequence[str], what: str = "outcomes") -> None:
    """What a frame of `paths` shows: KEY.outcomes, KEY.before and KEY.after: in how many paths the simultaneous band
    leaves out nought somewhere before or after the agreement, at event times with enough councils (`used`); and
    KEY.says, the same as a sentence about the outcomes, called `what`."""
    apart = ((frame["band_lower"] > 0) | (frame["band_upper"] < 0)) & frame["used"]
    counts = {"outcomes": frame["measure"].nunique()}
    for name, side in (("before", frame["event_time"] < 0), ("after", frame["event_time"] >= 0)):
        counts[name] = frame.loc[apart & side, "measure"].nunique()
    _record(book, key, frame, counts, sources)
    book.fact(
        f"{key}.says",
        beyond(counts["after"], counts["before"], counts["outcomes"], what),
        n=int(counts["outcomes"]),
        years=_years(frame),
        sources=sources,
    )


def beyond(after: int, before: int, of: int, what: str) -> str:
    """A sentence from numbers of outcomes: None of 6 more outcomes moves beyond its band after the agreement, and 1 does
    before it."""

    def many(count: int, verb: str, verbs: str) -> str:
        return f"{count or 'none'} {verbs if count > 1 else verb}"

    first = f"{after or 'None'} of {of} more {what} {'move beyond their' if after > 1 else 'moves beyond its'} band"
    return f"{first}{'s' if after > 1 else ''} after the agreement, and {many(before, 'does', 'do')} before it"


def _years(frame: pd.DataFrame) -> tuple[int, int]:
    years = sorted(int(year) for span in frame["years"].unique() for year in span.split(" to "))
    return years[0], years[-1]


def _record(book: Any, key: str, frame: pd.DataFrame, counts: Mapping[str, Any], sources: Sequence[str]) -> None:
    for name, count in counts.items():
        book.fact(
            f"{key}.{name}",
            int(count),
            unit="count",
            n=int(counts["outcomes"]),
            years=_years(frame),
            sources=sources,
        )


def _named(rows: pd.DataFrame, name: str, result: protocol.Protocol, words: Mapping[str, str] | None) -> pd.DataFrame:
    """The rows with outcome, measure, unit_words and years before them."""
    made = rows.copy()
    for at, (column, value) in enumerate(
        {
            "outcome": (words or {}).get(name) or measures.get(name).short,
            "measure": name,
            "unit_words": UNIT_WORDS.get(result.unit, result.unit),
            "years": f"{result.main['first_year']} to {result.main['last_year']}",
        }.items()
    ):
        made.insert(at, column, value)
    return made


def paths(
    results: Mapping[str, protocol.Protocol], first: int | None = None, words: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Event-study paths of several outcomes in one long frame, for `figures.event_studies`: outcome (its short name, or
    that in `words`), measure, unit_words, years and the columns of `Protocol.event_study`; from event time `first` when
    given."""
    import pandas as pd

    frames = []
    for name, result in results.items():
        part = result.event_study
        kept = part if first is None else part[part["event_time"] >= first]
        frames.append(_named(kept, name, result, words))
    return pd.concat(frames, ignore_index=True)
