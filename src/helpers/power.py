"""The smallest effect a design could have seen, so that "no effect found" is told apart from "could not have seen
one".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers import inference
from helpers.estimation import in_units


@dataclass(frozen=True)
class Detectable:
    """Minimum detectable effects in reported units at the stated power, two-sided test at `alpha`.

    analytic: from the standard error; randomisation: from the spread of the effect over reassigned agreements; value:
    the larger of the two, the one to quote. simulated_power: share of reassignments in which a true effect of the
    analytic size would have been found by the analytic test (should be near `power`).
    """

    analytic: float
    randomisation: float
    simulated_power: float
    power: float
    alpha: float

    @property
    def value(self) -> float:
        """The one to quote, in reported units: the larger of the analytic and the randomisation one."""
        return max(self.analytic, self.randomisation)


def multiple(power: float = 0.8, alpha: float = 0.05) -> float:
    """Standard errors between zero and the minimum detectable effect: 2.80 at 80% power and 5%."""
    from scipy.stats import norm

    return float(norm.ppf(1 - alpha / 2) + norm.ppf(power))


def detectable(
    study: inference.Study,
    scale: str = "level",
    draws: int = 999,
    seed: int = 2021,
    power: float = 0.8,
    alpha: float = 0.05,
) -> Detectable:
    """Minimum detectable effects of a study, analytic and by reassigning the agreements.

    A constant effect moves every reassigned estimate by the same amount, so the draws under no effect give the power
    of the randomisation test at any effect: the effect must exceed the test's critical value by the (1 - power)
    quantile of the draws. Reported units (per cent for scale "log"). The analytic one is that of Bloom (1995): a
    multiple of the standard error. Raises AssessError for fewer than one draw.
    """
    data = study.panel
    many = inference.batch(
        data.values,
        inference.reassignments(data.first, draws, seed),
        study.grid,
        controls=study.controls,
        errors=True,
        anticipation=study.anticipation,
    )
    assert many.overall_se is not None
    effect = multiple(power, alpha) * study.se
    found = np.abs(many.overall + effect) > multiple(0.5, alpha) * many.overall_se
    centred = many.overall - np.mean(many.overall)
    needed = float(np.quantile(np.abs(centred), 1 - alpha) + np.quantile(-centred, power))
    return Detectable(
        analytic=in_units(effect, scale),
        randomisation=in_units(needed, scale),
        simulated_power=float(found.mean()),
        power=power,
        alpha=alpha,
    )
