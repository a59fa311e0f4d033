"""The claims register: each published claim about the programme, the test stated for it, and the verdict the rule gives.

Claims are rows of `data/raw/councils/claims.csv`. How each is tested is data too: one entry per claim in
`src/helpers/claim_tests/CHAPTER.yaml`, written by the author of the chapter that carries the evidence. This module puts the
two together with the recorded facts; it decides nothing that `helpers.verdict` or the stated conditions do not decide.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from helpers import prose, verdict
from helpers.errors import AssessError
from helpers.facts import Fact

if TYPE_CHECKING:
    import pandas as pd

FOLDER = Path(__file__).parent / "claim_tests"
COLUMNS = ["claim_id", "chapter", "claim", "who_says", "source_url", "verdict", "strength", "facts", "reason"]
TESTS = ("effect", "facts", "documents", "none")
COMPARISONS = {
    "above": lambda x, y: x > y,
    "below": lambda x, y: x < y,
    "at_least": lambda x, y: x >= y,
    "at_most": lambda x, y: x <= y,
    "equals": lambda x, y: x == y,
}
_KEYS = {"claim", "test", "outcome", "outcomes", "direction", "matters", "why", "also", "facts", "reason", "conditions", "strength", "needs"}


@dataclass(frozen=True)
class Condition:
    """One statement about facts: `fact` is above, below, at_least, at_most or equals `than` (a number or another fact's id)."""

    fact: str
    is_: str
    than: float | str
    says: str = ""

    def holds(self, facts: Mapping[str, Fact]) -> bool:
        """Whether the recorded facts meet the condition."""
        than = facts[self.than].value if isinstance(self.than, str) else self.than
        return bool(COMPARISONS[self.is_](facts[self.fact].value, than))


@dataclass(frozen=True)
class ClaimTest:
    """How one claim is tested."""

    claim: str
    chapter: str
    test: str
    reason: str
    outcomes: tuple[str, ...] = ()
    direction: int = 0
    matters: float = 0.0
    why: str = ""
    also: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    strength: str = ""
    needs: str = ""
    file: str = field(default="", compare=False)


def _bad(file: str, claim: str, message: str) -> AssessError:
    return AssessError(f"{file}: claim {claim}: {message}")


def _condition(entry: Mapping[str, Any], file: str, claim: str) -> Condition:
    if not {"fact", "is", "than"} <= set(entry) or entry["is"] not in COMPARISONS:
        raise _bad(file, claim, f"a condition needs fact, is ({', '.join(COMPARISONS)}) and than; found {dict(entry)}.")
    than = entry["than"]
    return Condition(str(entry["fact"]), str(entry["is"]), than if isinstance(than, str) else float(than), str(entry.get("says", "")))


def _test(entry: Mapping[str, Any], chapter: str, file: str) -> ClaimTest:
    claim = str(entry.get("claim", "(no claim id)"))
    unknown = set(entry) - _KEYS
    if unknown:
        raise _bad(file, claim, f"unknown key {sorted(unknown)[0]!r}; expected one of {', '.join(sorted(_KEYS))}.")
    kind = entry.get("test")
    if kind not in TESTS:
        raise _bad(file, claim, f"test is {kind!r}; expected one of {', '.join(TESTS)}.")
    if not str(entry.get("reason", "")).strip():
        raise _bad(file, claim, "has no reason; expected one sentence.")
    outcomes = tuple(entry.get("outcomes") or ([entry["outcome"]] if entry.get("outcome") else []))
    if kind == "effect" and (not outcomes or entry.get("direction") not in (-1, 0, 1) or not entry.get("matters")):
        raise _bad(file, claim, "an effect test needs outcome, direction (-1, 0 or 1) and matters (the smallest effect worth knowing).")
    if kind == "facts" and not entry.get("conditions"):
        raise _bad(file, claim, "a facts test needs conditions.")
    if kind == "facts" and entry.get("strength") not in verdict.STRENGTHS:
        raise _bad(file, claim, f"strength is {entry.get('strength')!r}; expected one of {', '.join(verdict.STRENGTHS)}.")
    if kind == "none" and not str(entry.get("needs", "")).strip():
        raise _bad(file, claim, "is not testable but does not say what it needs.")
    return ClaimTest(
        claim=claim,
        chapter=chapter,
        test=str(kind),
        reason=" ".join(str(entry["reason"]).split()),
        outcomes=outcomes,
        direction=int(entry.get("direction") or 0),
        matters=float(entry.get("matters") or 0),
        why=str(entry.get("why", "")),
        also=tuple(entry.get("also") or ()),
        facts=tuple(entry.get("facts") or ()),
        conditions=tuple(_condition(c, file, claim) for c in entry.get("conditions") or ()),
        strength=str(entry.get("strength", "")),
        needs=" ".join(str(entry.get("needs", "")).split()),
        file=file,
    )


def tests(folder: Path = FOLDER) -> dict[str, ClaimTest]:
    """The stated tests by claim id. Raises AssessError for a malformed entry or a claim tested twice."""
    found: dict[str, ClaimTest] = {}
    for path in sorted(folder.glob("*.yaml")):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8")) or []:
            made = _test(entry, path.stem, path.name)
            if made.claim in found:
                raise _bad(path.name, made.claim, f"is tested twice; also in {found[made.claim].file}.")
            found[made.claim] = made
    return found


def _evidence(outcome: str, facts: Mapping[str, Fact]) -> verdict.Evidence:
    """What the verdict rule looks at, from the facts the outcome's chapter recorded."""
    name = f"effect.{outcome}"
    att, range_ = facts[f"{name}.att"], facts[f"{name}.leave_one_out"]

    def value(key: str) -> float:
        # A check that could not be made (one pre-period, say) has no fact, and the rule treats it as not passed.
        return float(facts[f"{name}.{key}"].value) if f"{name}.{key}" in facts else math.nan

    def end(fact: Fact, side: str) -> float:
        found = getattr(fact, side)
        return math.nan if found is None else float(found)

    return verdict.Evidence(
        estimate=float(att.value),
        lower=end(att, "lower"),
        upper=end(att, "upper"),
        ri_p=value("ri_p"),
        pretrend_p=value("pretrend_p"),
        same_sign=value("same_sign") == 1,
        mde=value("mde"),
        path=int(value("path")),
        breakdown=value("breakdown"),
        loo_lower=end(range_, "lower"),
        loo_upper=end(range_, "upper"),
    )


def _of_facts(test: ClaimTest, facts: Mapping[str, Fact]) -> str:
    held = sum(c.holds(facts) for c in test.conditions)
    if held == len(test.conditions):
        return "supported"
    return "partly supported" if held else "contradicted"


def _cited(test: ClaimTest, facts: Mapping[str, Fact]) -> list[str]:
    """The ids of every fact behind a verdict: those named, those in conditions, those in the reason, the effects tested."""
    ids = list(test.facts)
    ids += [f"effect.{o}.att" for o in (*test.outcomes, *test.also)]
    for c in test.conditions:
        ids += [c.fact, *([c.than] if isinstance(c.than, str) else [])]
    ids += [hole.id for hole in prose.placeholders(test.reason) if not hole.id.startswith("verdict.")]
    unique = list(dict.fromkeys(ids))
    for id in unique:
        facts[id]  # an unknown fact is an error that names its nearest match
    return unique


def evaluate(test: ClaimTest, facts: Mapping[str, Fact], grades: Mapping[str, str] | None = None) -> tuple[str, str]:
    """(verdict, strength) of one claim. `grades` gives the strength of the documentary evidence by claim id."""
    if test.test == "none":
        return "not testable", ""
    if test.test == "documents":
        return "documents only", (grades or {}).get(test.claim, "weak")
    if test.test == "facts":
        return _of_facts(test, facts), test.strength
    judged = [
        verdict.decide(_evidence(o, facts), test.direction, test.matters, float(facts[f"effect.{o}.bh_p"].value)) for o in test.outcomes
    ]
    return _common([(j.verdict, j.strength) for j in judged])


def _common(judged: list[tuple[str, str]]) -> tuple[str, str]:
    """One verdict for a claim about several outcomes: the shared one when they agree, with the weakest strength; "partly
    supported" when at least one is supported in part and none contradicted; else the least certain."""
    verdicts = {v for v, _ in judged}
    if len(verdicts) == 1:
        return judged[0][0], max((s for _, s in judged), key=verdict.STRENGTHS.index)
    if "contradicted" not in verdicts and verdicts & {"supported", "partly supported"}:
        return "partly supported", "weak"
    return ("cannot tell", "weak") if "cannot tell" in verdicts or "contradicted" in verdicts else ("no effect found", "weak")


def register(claims: pd.DataFrame, facts: Mapping[str, Fact], numbers: Mapping[str, str], grades: Mapping[str, str] | None = None) -> pd.DataFrame:
    """The register, one row a claim in the order of `claims` (columns of claims.csv), in the columns of COLUMNS.

    `numbers` maps a chapter's name to its number in the report. Raises AssessError when a claim has no stated test, a test has
    no claim, or a test names a fact that no chapter recorded.
    """
    import pandas as pd

    stated = tests()
    missing = [c for c in claims["claim_id"] if c not in stated]
    if missing:
        raise AssessError(f"claim_tests: no test is stated for {', '.join(missing)}; expected one entry for each row of claims.csv.")
    unknown = sorted(set(stated) - set(claims["claim_id"]))
    if unknown:
        raise AssessError(f"claim_tests: {', '.join(unknown)} is not a claim_id of claims.csv.")
    rows = []
    for row in claims.to_dict("records"):
        test = stated[row["claim_id"]]
        try:
            given, strength = evaluate(test, facts, grades)
            reason = prose.fill(test.reason, facts)
            cited = _cited(test, facts)
        except AssessError as error:
            raise _bad(test.file, test.claim, str(error)) from error
        if test.needs:
            reason = f"{reason} What would settle it: {test.needs}"
        rows.append(
            {
                "claim_id": row["claim_id"],
                "chapter": numbers.get(test.chapter, ""),
                "claim": row["claim"],
                "who_says": row["who_says"],
                "source_url": row["source_url"],
                "verdict": given,
                "strength": strength,
                "facts": ";".join(cited),
                "reason": re.sub(r"\s+", " ", reason).strip(),
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)
