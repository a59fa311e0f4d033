"""The verdict rule, written down before the results: one function, the same for every claim.

For a claim with a direction (more, fewer):

- **supported**: effect in the claimed direction, 95% interval excludes zero, randomisation p below 5%, pre-trend not
  rejected at 5%, same sign in every estimator, and p below 10% after Benjamini-Hochberg adjustment within the
  chapter's family;
- **contradicted**: the same standard met in the other direction;
- **partly supported**: effect in the claimed direction, and the main interval excludes zero or the event-time path
  does (its simultaneous band, at an event time with enough councils behind it);
- **no effect found**: the interval includes zero and the minimum detectable effect is no larger than the smallest
  effect that matters;
- **cannot tell**: anything else.

For a claim of no effect (direction 0): **contradicted** when the standard is met in either direction and the interval
is not all within the smallest effect that matters; **supported** when the interval includes zero, randomisation p is
not below 5% and the minimum detectable effect is no larger than the smallest effect that matters; **partly supported**
when the whole interval lies within the smallest effect that matters; else **cannot tell**.

Claims judged on something other than an estimate are **documents only** or **not testable**.

Strength of supported, contradicted: three further tests, (a) randomisation p below 1%, (b) breakdown value of relative
magnitudes at least 0.5, (c) same sign whichever council is left out; all three strong, two moderate, fewer weak.
Partly supported: moderate when randomisation p is below 10% (not asked of a claim of no effect), the pre-trend is not
rejected and every estimator has the same sign, else weak; never strong. No effect found (and a supported claim of no effect): strong when the minimum
detectable effect is at most half the smallest effect that matters and the pre-trend is not rejected, moderate when
only the second holds, else weak. Cannot tell: weak.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from helpers.errors import AssessError

VERDICTS = (
    "supported",
    "partly supported",
    "contradicted",
    "no effect found",
    "cannot tell",
    "documents only",
    "not testable",
)
STRENGTHS = ("strong", "moderate", "weak")

Basis = Literal["effect", "documents", "untestable"]

P_LEVEL = 0.05
BH_LEVEL = 0.10
# Of strength: randomisation p below which a claim can be moderately in part, or strongly, supported; least breakdown value.
FIRM_LEVEL = 0.10
STRONG_LEVEL = 0.01
BREAKDOWN = 0.5


@dataclass(frozen=True)
class Evidence:
    """What the rule looks at, in reported units. NaN where a check could not be made.

    path: +1 or -1 when the event-time band excludes zero in that direction, else 0. An unmade pre-trend check (no
    second pre-period) does not count as passed.
    """

    estimate: float
    lower: float
    upper: float
    ri_p: float
    pretrend_p: float
    same_sign: bool
    mde: float
    path: int = 0
    breakdown: float = math.nan
    loo_lower: float = math.nan
    loo_upper: float = math.nan


@dataclass(frozen=True)
class Verdict:
    """verdict (one of VERDICTS), strength (one of STRENGTHS) and a one-sentence reason."""

    verdict: str
    strength: str
    reason: str


def decide(
    evidence: Evidence | None,
    direction: int,
    matters: float = math.nan,
    bh_p: float = math.nan,
    basis: Basis = "effect",
    note: str = "",
) -> Verdict:
    """Apply the rule.

    evidence: from `Protocol.evidence`, None unless `basis` is "effect"; direction: +1 or -1 as the claim says the
    measure moved, 0 for a claim of no effect; matters: smallest effect that matters, positive, in reported units (NaN:
    not stated, so that "no effect found" is out of reach); bh_p: the adjusted p; note: added to the reason of
    documents-only and untestable claims. Raises AssessError for a direction other than -1, 0, 1, a threshold that is
    not positive, or missing evidence.
    """
    if basis == "documents":
        return Verdict(
            "documents only",
            "weak",
            note or "No open national series measures this; councils' documents are all there is.",
        )
    if basis == "untestable":
        return Verdict("not testable", "weak", note or "No open data could confirm or refute this.")
    if direction not in (-1, 0, 1):
        raise AssessError(f"A claim's direction is -1, 0 or 1, not {direction!r}.")
    if matters <= 0:
        raise AssessError(f"The smallest effect that matters must be positive, not {matters!r}.")
    if evidence is None:
        raise AssessError("A claim judged on an effect needs the evidence of a protocol run.")
    if math.isnan(evidence.lower) or math.isnan(evidence.upper):
        return Verdict("cannot tell", "weak", "The series gives no interval for the effect.")
    if direction == 0:
        return _no_effect_claim(evidence, matters, bh_p)
    return _directed_claim(evidence, direction, matters, bh_p)


def _failures(e: Evidence, sign: int, bh_p: float) -> list[str]:
    """The parts of the standard not met for an effect of this sign; empty when all are."""
    out = []
    if not e.estimate * sign > 0:
        out.append("the estimate has the other sign")
    if e.lower <= 0 <= e.upper:
        out.append("the 95% interval includes zero")
    if not e.ri_p < P_LEVEL:
        out.append("the randomisation p is not below 5%" if not math.isnan(e.ri_p) else "there is no randomisation p")
    if math.isnan(e.pretrend_p):
        out.append("no pre-trend can be tested")
    elif e.pretrend_p < P_LEVEL:
        out.append("the pre-trend is rejected")
    if not e.same_sign:
        out.append("the estimators differ in sign")
    if not bh_p < BH_LEVEL:
        out.append("it does not survive adjustment for several outcomes")
    return out


def _directed_claim(e: Evidence, direction: int, matters: float, bh_p: float) -> Verdict:
    missing = _failures(e, direction, bh_p)
    if not missing:
        return Verdict(
            "supported", _strength(e), "The effect is in the claimed direction and meets every part of the standard."
        )
    if not _failures(e, -direction, bh_p):
        return Verdict(
            "contradicted",
            _strength(e),
            "The effect is in the opposite direction and meets every part of the standard.",
        )
    excludes = e.lower > 0 or e.upper < 0
    if e.estimate * direction > 0 and (excludes or e.path == direction):
        how = (
            "the 95% interval excludes zero"
            if excludes
            else "the event-time path leaves zero though the overall interval does not"
        )
        firm = e.ri_p < FIRM_LEVEL and e.pretrend_p >= P_LEVEL and e.same_sign
        fails = [m for m in missing if excludes or not m.startswith("the 95% interval")]
        reason = f"The direction holds and {how}{', but ' + _join(fails) if fails else ''}."
        return Verdict("partly supported", "moderate" if firm else "weak", reason)
    if not excludes and e.mde <= matters:
        return Verdict(
            "no effect found",
            _absence(e, matters),
            "The 95% interval includes zero and an effect large enough to matter would have been seen.",
        )
    if excludes:
        fails = _failures(e, -direction, bh_p)
        return Verdict("cannot tell", "weak", f"The estimate points the other way, but {_join(fails)}.")
    return Verdict("cannot tell", "weak", _too_weak(matters))


def _no_effect_claim(e: Evidence, matters: float, bh_p: float) -> Verdict:
    within = -matters <= e.lower and e.upper <= matters
    excludes = e.lower > 0 or e.upper < 0
    sign = 1 if e.estimate > 0 else -1
    if not _failures(e, sign, bh_p) and not within:
        return Verdict("contradicted", _strength(e), "There is an effect, and it meets every part of the standard.")
    if not excludes and not e.ri_p < P_LEVEL and e.mde <= matters:
        return Verdict(
            "supported",
            _absence(e, matters),
            "The 95% interval includes zero and an effect large enough to matter would have been seen.",
        )
    if within:
        return Verdict(
            "partly supported",
            "moderate" if e.pretrend_p >= P_LEVEL and e.same_sign else "weak",
            "The whole 95% interval lies within the smallest effect that matters.",
        )
    if excludes:
        return Verdict("cannot tell", "weak", f"The 95% interval excludes zero, but {_join(_failures(e, sign, bh_p))}.")
    return Verdict("cannot tell", "weak", _too_weak(matters))


def _too_weak(matters: float) -> str:
    if math.isnan(matters):
        return "The 95% interval includes zero and no smallest effect that matters was stated."
    return "The 95% interval includes zero and the data could have missed an effect large enough to matter."


def _strength(e: Evidence) -> str:
    passed = (e.ri_p < STRONG_LEVEL) + (e.breakdown >= BREAKDOWN) + (e.loo_lower * e.loo_upper > 0)
    return {3: "strong", 2: "moderate"}.get(passed, "weak")


def _absence(e: Evidence, matters: float) -> str:
    if not e.pretrend_p >= P_LEVEL:
        return "weak"
    return "strong" if e.mde <= matters / 2 else "moderate"


def _join(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def graded(verdict: Verdict, strength: str, reason: str | None = None) -> Verdict:
    """A documents-only or untestable verdict with the strength (and reason) a reader of the documents gave it.

    Raises AssessError when the verdict came from an estimate: those are graded by the rule alone.
    """
    if verdict.verdict not in ("documents only", "not testable"):
        raise AssessError(f"A verdict of {verdict.verdict!r} is graded by the rule, not by hand.")
    if strength not in STRENGTHS:
        raise AssessError(f"Unknown strength {strength!r}: expected one of {', '.join(STRENGTHS)}.")
    return replace(verdict, strength=strength, reason=reason or verdict.reason)
