"""The verdict rule, case by case."""

import math
from dataclasses import replace

import pytest

from helpers.errors import AssessError
from helpers.verdict import Evidence, decide, graded

FIRM = Evidence(
    estimate=10,
    lower=4,
    upper=16,
    ri_p=0.002,
    pretrend_p=0.5,
    same_sign=True,
    mde=8,
    path=1,
    breakdown=0.8,
    loo_lower=8,
    loo_upper=12,
)
DOWN = replace(FIRM, estimate=-10, lower=-16, upper=-4, path=-1, loo_lower=-12, loo_upper=-8)
NOTHING = replace(
    FIRM, estimate=1, lower=-3, upper=5, ri_p=0.7, path=0, breakdown=0.0, loo_lower=-0.5, loo_upper=2, mde=6
)
NAN = math.nan

# (evidence, direction, smallest effect that matters, adjusted p) -> verdict, strength
TABLE = [
    # The whole standard, and each part of it failing alone.
    (FIRM, 1, 5, 0.01, "supported", "strong"),
    (DOWN, -1, 5, 0.01, "supported", "strong"),
    (replace(FIRM, ri_p=0.04), 1, 5, 0.05, "supported", "moderate"),
    (replace(FIRM, breakdown=0.2), 1, 5, 0.01, "supported", "moderate"),
    (replace(FIRM, loo_lower=-1.0), 1, 5, 0.01, "supported", "moderate"),
    (replace(FIRM, ri_p=0.04, breakdown=0.2), 1, 5, 0.05, "supported", "weak"),
    (replace(FIRM, ri_p=0.06), 1, 5, 0.07, "partly supported", "moderate"),
    (replace(FIRM, ri_p=0.097), 1, 5, 0.39, "partly supported", "moderate"),
    (replace(FIRM, ri_p=0.103), 1, 5, 0.39, "partly supported", "weak"),
    (replace(FIRM, ri_p=0.009), 1, 5, 0.01, "supported", "strong"),
    (replace(FIRM, ri_p=0.011), 1, 5, 0.01, "supported", "moderate"),
    (replace(FIRM, pretrend_p=0.04), 1, 5, 0.01, "partly supported", "weak"),
    (replace(FIRM, pretrend_p=NAN), 1, 5, 0.01, "partly supported", "weak"),
    (replace(FIRM, same_sign=False), 1, 5, 0.01, "partly supported", "weak"),
    (FIRM, 1, 5, 0.11, "partly supported", "moderate"),
    (FIRM, 1, 5, NAN, "partly supported", "moderate"),
    (replace(FIRM, ri_p=NAN), 1, 5, 0.01, "partly supported", "weak"),
    # The interval includes zero but the path does not; the same without the direction.
    (replace(NOTHING, path=1), 1, 10, 0.7, "partly supported", "weak"),
    (replace(NOTHING, path=1, ri_p=0.08), 1, 10, 0.1, "partly supported", "moderate"),
    (replace(NOTHING, path=-1), 1, 10, 0.7, "no effect found", "moderate"),
    (replace(NOTHING, path=-1), -1, 10, 0.7, "no effect found", "moderate"),
    # The other direction.
    (DOWN, 1, 5, 0.01, "contradicted", "strong"),
    (FIRM, -1, 5, 0.01, "contradicted", "strong"),
    (replace(DOWN, ri_p=0.2), 1, 5, 0.3, "cannot tell", "weak"),
    (replace(DOWN, pretrend_p=0.01), 1, 5, 0.01, "cannot tell", "weak"),
    # Nothing found, or nothing that could have been.
    (NOTHING, 1, 10, 0.7, "no effect found", "moderate"),
    (NOTHING, -1, 10, 0.7, "no effect found", "moderate"),
    (NOTHING, 1, 12, 0.7, "no effect found", "strong"),
    (NOTHING, 1, 6, 0.7, "no effect found", "moderate"),
    (replace(NOTHING, pretrend_p=0.01), 1, 10, 0.7, "no effect found", "weak"),
    (NOTHING, 1, 5.9, 0.7, "cannot tell", "weak"),
    (NOTHING, 1, NAN, 0.7, "cannot tell", "weak"),
    (replace(NOTHING, mde=NAN), 1, 10, 0.7, "cannot tell", "weak"),
    (replace(NOTHING, lower=NAN, upper=NAN), 1, 10, 0.7, "cannot tell", "weak"),
    # Claims of no effect.
    (NOTHING, 0, 10, 0.7, "supported", "moderate"),
    (NOTHING, 0, 12, 0.7, "supported", "strong"),
    (replace(NOTHING, pretrend_p=0.01), 0, 10, 0.7, "supported", "weak"),
    (NOTHING, 0, 5.5, 0.7, "partly supported", "moderate"),
    (NOTHING, 0, 4, 0.7, "cannot tell", "weak"),
    (NOTHING, 0, NAN, 0.7, "cannot tell", "weak"),
    (FIRM, 0, 5, 0.01, "contradicted", "strong"),
    (DOWN, 0, 5, 0.01, "contradicted", "strong"),
    (FIRM, 0, 20, 0.01, "partly supported", "moderate"),
    (replace(FIRM, ri_p=0.2), 0, 5, 0.3, "cannot tell", "weak"),
    (replace(NOTHING, ri_p=0.03), 0, 10, 0.04, "partly supported", "moderate"),
]


@pytest.mark.parametrize("evidence, direction, matters, bh_p, verdict, strength", TABLE)
def test_table(evidence, direction, matters, bh_p, verdict, strength):
    found = decide(evidence, direction, matters, bh_p)
    assert (found.verdict, found.strength) == (verdict, strength), found.reason
    assert found.reason.endswith(".") and found.reason.count(". ") == 0  # one sentence


def test_mirror_image():
    """Turning the data and the claim over changes nothing."""
    for e, direction, matters, bh_p, *_ in TABLE:
        over = replace(
            e,
            estimate=-e.estimate,
            lower=-e.upper,
            upper=-e.lower,
            path=-e.path,
            loo_lower=-e.loo_upper,
            loo_upper=-e.loo_lower,
        )
        one, other = decide(e, direction, matters, bh_p), decide(over, -direction, matters, bh_p)
        assert (one.verdict, one.strength) == (other.verdict, other.strength)


def test_documents_and_untestable():
    assert decide(None, 1, basis="documents").verdict == "documents only"
    assert decide(None, 0, basis="untestable", note="An opinion.").reason == "An opinion."
    assert graded(decide(None, 1, basis="documents"), "strong").strength == "strong"


def test_an_effect_is_never_graded_by_hand():
    with pytest.raises(AssessError, match="graded by the rule"):
        graded(decide(FIRM, 1, 5, 0.01), "weak")
    with pytest.raises(AssessError, match="Unknown strength"):
        graded(decide(None, 1, basis="documents"), "solid")


@pytest.mark.parametrize(
    "arguments, message",
    [((FIRM, 2, 5), "-1, 0 or 1"), ((FIRM, 1, 0), "must be positive"), ((None, 1, 5), "needs the evidence")],
)
def test_bad_questions_are_refused(arguments, message):
    with pytest.raises(AssessError, match=message):
        decide(*arguments)
