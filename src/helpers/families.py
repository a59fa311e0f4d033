"""A chapter's family of outcomes: run the protocol on each, put them side by side, and draw them on one scale.

`family = families.run(["mainstream_share", "special_share"], "schools")`, then `families.summary(family)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from helpers import measures, panel, protocol

if TYPE_CHECKING:
    import pandas as pd

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


def paths(results: Mapping[str, protocol.Protocol], first: int = -4) -> pd.DataFrame:
    """Event-study paths of several outcomes in one long frame, from event time `first`: outcome (short name) and the columns of
    `Protocol.event_study`."""
    import pandas as pd

    frames = []
    for name, result in results.items():
        part = result.event_study
        frames.append(part[part["event_time"] >= first].assign(outcome=measures.get(name).short))
    return pd.concat(frames, ignore_index=True)
