"""A chapter's family of outcomes: run the protocol on each, put them side by side, and draw them on one scale.

`family = families.run(["mainstream_share", "special_share"], "schools")`, then `families.summary(family)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from helpers import measures, panel, protocol

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
#: Columns of `summary` whose numbers are p-values, for `book.table(digits=...)`.
P_COLUMNS = {"p, analytic": 3, "p, randomisation": 3, "p, adjusted for the family": 3, "p, pre-trend": 3}


def run(names: Sequence[str], family: str) -> dict[str, protocol.Protocol]:
    """The full protocol for each measure, by name, in the given order."""
    return {name: protocol.run_measure(name, family=family) for name in names}


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


def record_paths(book: Any, key: str, frame: pd.DataFrame, sources: Sequence[str]) -> None:
    """What a frame of `paths` shows: KEY.outcomes, KEY.before and KEY.after: in how many paths the simultaneous band
    leaves out nought somewhere before or after the agreement, at event times with enough councils (`used`)."""
    apart = ((frame["band_lower"] > 0) | (frame["band_upper"] < 0)) & frame["used"]
    counts = {"outcomes": frame["measure"].nunique()}
    for name, side in (("before", frame["event_time"] < 0), ("after", frame["event_time"] >= 0)):
        counts[name] = frame.loc[apart & side, "measure"].nunique()
    _record(book, key, frame, counts, sources)


def _record(book: Any, key: str, frame: pd.DataFrame, counts: Mapping[str, Any], sources: Sequence[str]) -> None:
    years = sorted(int(year) for span in frame["years"].unique() for year in span.split(" to "))
    for name, count in counts.items():
        book.fact(
            f"{key}.{name}",
            int(count),
            unit="count",
            n=int(counts["outcomes"]),
            years=(years[0], years[-1]),
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
