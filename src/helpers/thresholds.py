"""How large the smallest effects that matter are: each threshold beside the level it is a change of."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from helpers import claims, facts, inference, measures, protocol
from helpers.errors import AssessError

if TYPE_CHECKING:
    import pandas as pd

#: The smallest effect that matters is at most this share of the level before the agreements (%): a larger one would let
#: "no effect found" rest on a change that anyone would notice.
CEILING = 10.0

COLUMNS = ["Id", "Claim", "Outcome", "Smallest effect that matters", "Level before signing", "Share of that level"]
#: Outcomes that are no measure of the panel: what they are called, and the measure whose level before signing is theirs.
OTHERS: dict[str, tuple[str, str | None]] = {
    "new_plans_dbv": ("New plans, Delivering Better Value", None),
    "dsg_balance_without_payments": ("DSG deficit without payments", "dsg_balance"),
}


def _words(value: float, unit: str, digits: int) -> str:
    """A value in a measure's unit, such as "8.4% of DSG" or "£15,341 per plan"."""
    head, _, rest = unit.partition(" ")
    return (
        f"{facts.shown(value, head, digits)} {rest}".rstrip()
        if head in facts.UNITS
        else facts.shown(value, unit, digits)
    )


def level_before(held: inference.Panel) -> float:
    """Mean value of a panel's treated councils in their last year before exposure, those without a figure for it left out.
    NaN when none has one."""
    import numpy as np

    place = {int(year): i for i, year in enumerate(held.years)}
    rows = zip(held.values, held.first, strict=True)
    found = [row[place[first - 1]] for row, first in rows if first - 1 in place]
    known = [value for value in found if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def level(measure: str) -> float:
    """`level_before` of a measure over the councils that its main estimate rests on, in the measure's own unit.

    Raises AssessError for an unknown measure, or when no council has a figure in its last year before exposure.
    """
    return level_before(inference.panel(protocol.prepare(measure), "level"))


def share(measure: str, matters: float, before: Callable[[str], float] = level) -> float:
    """A threshold as a percentage of the level `before` signing; one in per cent (a measure in logs) is that already."""
    return matters if measures.get(measure).scale == "log" else 100 * matters / abs(before(measure))


def table(made: pd.DataFrame, known: facts.Facts) -> pd.DataFrame:
    """One row for each outcome of each claim tested by an effect, in the order of the register: COLUMNS, and `share` as a number.

    `made`: the register; `known`: facts, for the units of effects. An outcome that is no measure of the panel is one of OTHERS; where that
    names no measure it is reported in per cent, and has no level. Raises AssessError for any other.
    """
    import pandas as pd

    stated = claims.tests()
    before = cache(level)
    rows = []
    for record in made.itertuples():
        test = stated[str(record.claim_id)]
        for outcome in test.outcomes if test.test == "effect" else ():
            unit = known[f"effect.{outcome}.att"].unit
            called, measure = OTHERS.get(outcome, ("", outcome))
            held = measures.get(measure) if measure else None
            if held is None and unit != "%":
                raise AssessError(
                    f"{test.claim}: {outcome!r} has no measure, so its level before signing is not known."
                )
            part = share(held.name, test.matters, before) if held else test.matters
            rows.append(
                [
                    test.claim,
                    claims.words(test.claim, str(record.claim)),
                    called or (held.short if held else outcome),
                    facts.shown(test.matters, unit, 1 if round(test.matters, 1) == test.matters else 2),
                    _words(before(held.name), held.unit, held.digits) if held else "",
                    facts.shown(part, "%", 0 if part >= 10 else 1),
                    part,
                ]
            )
    out = pd.DataFrame(rows, columns=[*COLUMNS, "share"])
    if not out["share"].map(math.isfinite).all():
        raise AssessError("A threshold has no share of the level before signing.")
    return out
