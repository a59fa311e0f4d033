"""The claims register: each published claim about the programme, the test stated for it, and the verdict the rule gives.

Claims are rows of `data/raw/councils/claims.csv`. How each is tested is data too: one entry per claim in
`src/helpers/claim_tests/CHAPTER.yaml`, written by the author of the chapter that carries the evidence. This module puts the
two together with the recorded facts; it decides nothing that `helpers.verdict` or the stated conditions do not decide.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import files, prose, verdict
from helpers.errors import AssessError
from helpers.facts import Fact

if TYPE_CHECKING:
    import pandas as pd

FOLDER = Path(__file__).parent / "claim_tests"
COLUMNS = ["claim_id", "chapter", "claim", "who_says", "source_url", "verdict", "strength", "facts", "reason"]
FEW = 44  # characters of a claim in few words
TESTS = ("effect", "facts", "documents", "none")
COMPARISONS = {
    "above": lambda x, y: x > y,
    "below": lambda x, y: x < y,
    "at_least": lambda x, y: x >= y,
    "at_most": lambda x, y: x <= y,
    "equals": lambda x, y: x == y,
}
_IN_WORDS = {"above": "above", "below": "below", "at_least": "at least", "at_most": "at most", "equals": "exactly"}
_KEYS = {
    "claim",
    "test",
    "outcome",
    "outcomes",
    "direction",
    "matters",
    "why",
    "also",
    "facts",
    "reason",
    "conditions",
    "strength",
    "needs",
    "changed",
    "undecided",
}


@dataclass(frozen=True)
class Condition:
    """One statement about facts: `fact` is above, below, at_least, at_most or equals `than` (a number or another fact's id)."""

    fact: str
    is_: str
    than: float | str
    says: str = ""

    def holds(self, facts: Mapping[str, Fact]) -> bool:
        """Whether the recorded facts meet the condition. Raises AssessError for an unknown fact or one that is not a number."""
        than = _number(facts[self.than]) if isinstance(self.than, str) else self.than
        return bool(COMPARISONS[self.is_](_number(facts[self.fact]), than))


def _number(fact: Fact) -> float:
    if isinstance(fact.value, bool) or not isinstance(fact.value, int | float):
        raise AssessError(f"fact {fact.id!r} is {fact.value!r}; a condition compares numbers.")
    return float(fact.value)


@dataclass(frozen=True)
class ClaimTest:
    """How one claim is tested.

    `changed`: what of the test, its threshold or its strength was changed after a first look at results. `undecided`: why facts that
    fit the claim cannot support it.
    """

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
    changed: str = ""
    undecided: str = ""
    file: str = field(default="", compare=False)


def _bad(file: str, claim: str, message: str) -> AssessError:
    return AssessError(f"{file}: claim {claim}: {message}")


def _sentence(entry: Mapping[str, Any], key: str, about: str, file: str) -> None:
    """A key that may be left out but, when there, is words. Raises AssessError otherwise."""
    if key in entry and not (isinstance(entry[key], str) and entry[key].strip()):
        claim = str(entry.get("claim", "(no claim id)"))
        raise _bad(file, claim, f"{key} is {entry[key]!r}; expected a sentence on {about}, or no such key.")


def _condition(entry: Mapping[str, Any], file: str, claim: str) -> Condition:
    if not {"fact", "is", "than"} <= set(entry) or entry["is"] not in COMPARISONS:
        raise _bad(file, claim, f"a condition needs fact, is ({', '.join(COMPARISONS)}) and than; found {dict(entry)}.")
    than = entry["than"]
    return Condition(
        str(entry["fact"]), str(entry["is"]), than if isinstance(than, str) else float(than), str(entry.get("says", ""))
    )


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
        raise _bad(
            file,
            claim,
            "an effect test needs outcome, direction (-1, 0 or 1) and matters (the smallest effect worth knowing).",
        )
    if kind == "effect" and not (isinstance(entry["matters"], int | float) and entry["matters"] > 0):
        raise _bad(
            file, claim, f"matters is {entry['matters']!r}; expected a number above nought, in the outcome's units."
        )
    if kind == "effect" and entry.get("strength"):
        raise _bad(file, claim, "an effect test states no strength; the rule gives it.")
    _sentence(entry, "undecided", "why facts that fit the claim cannot support it", file)
    if "undecided" in entry and (kind != "facts" or not (entry.get("facts") or entry.get("conditions"))):
        raise _bad(file, claim, "only a facts test that names facts or conditions can be undecided.")
    if kind == "facts" and not entry.get("conditions") and "undecided" not in entry:
        raise _bad(file, claim, "a facts test needs conditions, or undecided with facts.")
    stated = entry.get("strength") or (kind == "facts" and "undecided" not in entry)
    if stated and entry.get("strength") not in verdict.STRENGTHS:
        raise _bad(
            file, claim, f"strength is {entry.get('strength')!r}; expected one of {', '.join(verdict.STRENGTHS)}."
        )
    _sentence(entry, "changed", "what was changed", file)
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
        changed=" ".join(str(entry.get("changed", "")).split()),
        undecided=" ".join(str(entry.get("undecided", "")).split()),
        file=file,
    )


def tests(folder: Path = FOLDER) -> dict[str, ClaimTest]:
    """The stated tests by claim id. Raises AssessError for a malformed entry or a claim tested twice."""
    found: dict[str, ClaimTest] = {}
    for path in sorted(folder.glob("*.yaml")):
        for entry in files.read_yaml(path) or []:
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
        path=0 if math.isnan(value("path")) else int(value("path")),
        breakdown=value("breakdown"),
        loo_lower=end(range_, "lower"),
        loo_upper=end(range_, "upper"),
    )


def _of_facts(test: ClaimTest, facts: Mapping[str, Fact]) -> str:
    """Supported when all conditions hold, partly when some do, contradicted when none does. For an undecided test facts that fit the
    claim do not support it: "cannot tell" unless there are conditions and none holds."""
    held = sum(c.holds(facts) for c in test.conditions)
    if test.undecided:
        return "contradicted" if test.conditions and not held else "cannot tell"
    if held == len(test.conditions):
        return "supported"
    return "partly supported" if held else "contradicted"


def _limit(found: Fact, than: float) -> str:
    """A limit in the unit of the fact that is held against it, with a decimal more where rounding would move it."""
    if than == found.value:
        return found.display
    exact = round(than, found.digits) == than if found.digits is not None else True
    return (found if exact else replace(found, digits=(found.digits or 0) + 1)).shown(than)


def conditions(facts: Mapping[str, Fact]) -> pd.DataFrame:
    """Every stated condition of the claims judged on accounts: Claim, Condition, Found, Expected, Held (yes or no)."""
    import pandas as pd

    rows = []
    for test in tests().values():
        for condition in test.conditions:
            found, than = facts[condition.fact], condition.than
            limit = facts[than].display if isinstance(than, str) else _limit(found, than)
            rows.append(
                {
                    "Claim": test.claim,
                    "Condition": condition.says.removeprefix("and "),
                    "Found": found.display,
                    "Expected": f"{_IN_WORDS[condition.is_]} {limit.removeprefix('p = ')}",
                    "Held": "yes" if condition.holds(facts) else "no",
                }
            )
    return pd.DataFrame(rows)


def _cited(test: ClaimTest, facts: Mapping[str, Fact]) -> list[str]:
    """The ids of every fact behind a verdict: those named, those in conditions, those in the reason, the effects tested."""
    ids = list(test.facts)
    ids += [f"effect.{o}.att" for o in (*test.outcomes, *test.also)]
    for c in test.conditions:
        ids += [c.fact, *([c.than] if isinstance(c.than, str) else [])]
    ids += [
        hole.id
        for hole in prose.placeholders(f"{test.reason} {test.undecided}")
        if not hole.id.startswith(("verdict.", "judged."))
    ]
    unique = list(dict.fromkeys(ids))
    for id in unique:
        facts[id]  # an unknown fact is an error that names its nearest match
    return unique


def evaluate(test: ClaimTest, facts: Mapping[str, Fact], grades: Mapping[str, str] | None = None) -> tuple[str, str]:
    """(verdict, strength) of one claim.

    `grades` gives the strength of the documentary evidence by claim id; a documentary claim without a grade has the strength its test
    states, or is weak.
    """
    if test.test == "none":
        return "not testable", ""
    if test.test == "documents":
        return "documents only", (grades or {}).get(test.claim) or test.strength or "weak"
    if test.test == "facts":
        given = _of_facts(test, facts)
        return given, "weak" if given == "cannot tell" else test.strength or "weak"
    judged = [
        verdict.decide(_evidence(o, facts), test.direction, test.matters, float(facts[f"effect.{o}.bh_p"].value))
        for o in test.outcomes
    ]
    return _common([(j.verdict, j.strength) for j in judged])


def _common(judged: list[tuple[str, str]]) -> tuple[str, str]:
    """One verdict for a claim about several outcomes, all of which must meet it.

    The shared verdict when they agree, with the weakest strength; "partly supported" when each is supported at least in part, or when some
    but not all are supported in full and none contradicted (as for conditions: some hold); else the outcomes disagree and the verdict is
    "cannot tell". docs/architecture.md and annex B say the same in words.
    """
    verdicts = {v for v, _ in judged}
    weakest = max((s for _, s in judged), key=verdict.STRENGTHS.index)
    if len(verdicts) == 1:
        return judged[0][0], weakest
    if verdicts == {"supported", "partly supported"}:
        return "partly supported", "weak" if weakest == "weak" else "moderate"
    if "supported" in verdicts and "contradicted" not in verdicts:
        return "partly supported", "weak"
    return "cannot tell", "weak"


def stated_for(claims: pd.DataFrame) -> dict[str, ClaimTest]:
    """The stated tests by claim id, once every claim (rows of claims.csv) has one and a theme that has a group.

    Needs no facts, so 01_sources asks for it before any chapter runs. Raises AssessError naming what does not fit.
    """
    stated = tests()
    missing = [c for c in claims["claim_id"] if c not in stated]
    if missing:
        raise AssessError(
            f"claim_tests: no test is stated for {', '.join(missing)}; expected one entry for each row of claims.csv."
        )
    unknown = sorted(set(stated) - set(claims["claim_id"]))
    if unknown:
        raise AssessError(f"claim_tests: {', '.join(unknown)} is not a claim_id of claims.csv.")
    _themes(claims)
    return stated


def register(
    claims: pd.DataFrame, facts: Mapping[str, Fact], numbers: Mapping[str, str], grades: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """The register, one row a claim in the order of `claims` (columns of claims.csv), in the columns of COLUMNS.

    `numbers` maps a chapter's name to its number in the report. Raises AssessError when a claim has no stated test, a test has
    no claim, or a test names a fact that no chapter recorded.
    """
    import pandas as pd

    stated = stated_for(claims)
    rows = []
    for row in claims.to_dict("records"):
        test = stated[row["claim_id"]]
        try:
            given, strength = evaluate(test, facts, grades)
            reason = prose.fill(test.reason, facts)
            cited = _cited(test, facts)
        except AssessError as error:
            raise _bad(test.file, test.claim, str(error)) from error
        if given == "cannot tell" and test.undecided:
            reason = f"{reason} These facts cannot settle it. {prose.fill(test.undecided, facts)}"
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


GROUPS = {
    "overall conclusion": "The programme as a whole",
    "programme": "The programme as a whole",
    "method": "The programme as a whole",
    "lessons": "The programme as a whole",
    "comparison group": "Other analyses",
    "quantitative evaluation": "Other analyses",
    "finances": "Finances",
    "strategic leadership": "Leadership and governance",
    "SEND system": "The SEND system",
    "schools and settings": "Schools and settings",
    "children and families": "Children and families",
    "statutory duties": "Duties and unintended consequences",
    "unintended consequences": "Duties and unintended consequences",
}


def _themes(claims: pd.DataFrame) -> dict[str, str]:
    themes = dict(zip(claims["claim_id"], claims["theme"], strict=True))
    for claim, theme in themes.items():
        if theme not in GROUPS:
            raise AssessError(
                f"claims.csv, {claim}: theme {theme!r} has no group; expected one of {', '.join(GROUPS)}."
            )
    return themes


def grouped(made: pd.DataFrame, claims: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The register in groups for reading, in the report's order: heading -> rows. `claims` is the table of claims with its themes.

    Raises AssessError for a theme without a group.
    """
    themes = _themes(claims)
    order = list(dict.fromkeys(GROUPS.values()))
    heads = made["claim_id"].map(themes).map(GROUPS)
    return {head: made[heads == head].reset_index(drop=True) for head in sorted(set(heads), key=order.index)}


def changes(made: pd.DataFrame) -> pd.DataFrame:
    """Claims whose test, threshold or strength was changed after a first look at results: Id, Claim, What was changed, Verdict now.

    `made`: the register, whose order is kept.
    """
    import pandas as pd

    stated = tests()
    rows = [
        {"Id": r.claim_id, "Claim": r.claim, "What was changed": stated[r.claim_id].changed, "Verdict now": r.verdict}
        for r in made.itertuples()
        if stated[r.claim_id].changed
    ]
    return pd.DataFrame(rows, columns=["Id", "Claim", "What was changed", "Verdict now"])


def _why(reason: str, changed: str) -> str:
    """A reason as readers meet it: with what was changed after a first look at results, if anything."""
    return f"{reason} The test was changed after a first look at results. {changed}" if changed else reason


def shown(part: pd.DataFrame) -> pd.DataFrame:
    """Rows of the register as annex C shows them: Id, Claim, Who says it, Verdict, Strength, Why (with what was changed)."""
    stated = tests()
    made = part[["claim_id", "claim", "who_says", "verdict", "strength"]].copy()
    made["why"] = [_why(r.reason, stated[r.claim_id].changed) for r in part.itertuples()]
    return made.set_axis(["Id", "Claim", "Who says it", "Verdict", "Strength", "Why"], axis=1)


def words(claim_id: str, claim: str) -> str:
    """The claim in few words, from `claim_words.yaml`, or else the start of its own text."""
    known = files.read_yaml(Path(__file__).parent / "claim_words.yaml")
    return str(known.get(claim_id) or textwrap.shorten(claim, FEW, placeholder=" ..."))


def sources(made: pd.DataFrame, facts: Mapping[str, Fact]) -> list[str]:
    """The resources behind the rows of the register: the claims, then those of the effects they are tested by, in order of the register."""
    stated = tests()
    effects = [facts[f"effect.{o}.att"] for c in made["claim_id"] for o in stated[c].outcomes]
    return list(dict.fromkeys(["claims", *(name for fact in effects for name in fact.sources or ())]))


def sized(made: pd.DataFrame, claims: pd.DataFrame, facts: Mapping[str, Fact]) -> pd.DataFrame:
    """Rows for the summary figures: group, claim (id and few words), verdict, strength, and for effect tests estimate, lower, upper as multiples of the
    smallest effect that matters, positive in the claimed direction. Claims about several outcomes, which need them all, show the one that fits least."""
    import pandas as pd

    stated = tests()
    rows = []
    for head, part in grouped(made, claims).items():
        for record in part.to_dict("records"):
            test = stated[record["claim_id"]]
            row: dict[str, Any] = {
                "group": head,
                "claim": f"{record['claim_id']}  {words(record['claim_id'], record['claim'])}",
                "claim_id": record["claim_id"],
                "verdict": record["verdict"],
                "strength": record["strength"],
                "estimate": math.nan,
                "lower": math.nan,
                "upper": math.nan,
            }
            if test.test == "effect":
                one = (test.direction or 1) / test.matters
                att = min((facts[f"effect.{o}.att"] for o in test.outcomes), key=lambda fact: float(fact.value) * one)
                ends = sorted(float(x) * one for x in (att.lower, att.upper) if x is not None)
                row["estimate"] = float(att.value) * one
                if len(ends) == 2:
                    row["lower"], row["upper"] = ends
            rows.append(row)
    return pd.DataFrame(rows)


def grades() -> dict[str, str]:
    """Strength of the documentary evidence by claim id, from the table that 08_council_documents keeps for this purpose."""
    import csv

    from helpers import paths

    path = paths.chapter_output("08_council_documents") / "tables" / "claim_evidence.csv"
    if not path.is_file():
        raise AssessError(
            f"{path.name} of 08_council_documents is missing; expected a table of claims and their documents. Run that notebook first."
        )
    with path.open(encoding="utf-8", newline="") as handle:
        return {row["claim_id"]: row["strength"] for row in csv.DictReader(handle)}


def judged(verdict: str, strength: str) -> str:
    """A verdict with its strength, if it has one: "partly supported, weak"."""
    return f"{verdict}, {strength}" if strength else verdict


def findings(made: pd.DataFrame) -> pd.DataFrame:
    """The findings of `findings.yaml` with the verdicts of their claims: Id, Finding, Who, Verdict, Why. `made`: the register."""
    import pandas as pd

    held, stated = made.set_index("claim_id"), tests()
    rows = []
    for entry in files.read_yaml(Path(__file__).parent / "findings.yaml"):
        missing = [c for c in entry["claims"] if c not in held.index]
        if missing:
            raise AssessError(f"findings.yaml, {entry['id']}: claim {missing[0]} is not in the register.")
        mine = held.loc[entry["claims"]]
        words = [judged(r.verdict, r.strength) for r in mine.itertuples()]
        same = len(set(words)) == 1
        rows.append(
            {
                "Id": entry["id"],
                "Finding": entry["text"],
                "Who": entry["who"],
                "Verdict": words[0]
                if same
                else "; ".join(f"{c}: {w}" for c, w in zip(entry["claims"], words, strict=True)),
                "Why": " ".join(
                    ("" if len(mine) == 1 else f"{r.Index}: ") + _why(r.reason, stated[r.Index].changed)
                    for r in mine.itertuples()
                ),
            }
        )
    return pd.DataFrame(rows)


def published() -> pd.DataFrame:
    """The register as 09_claims keeps it: a frame of strings in the columns of COLUMNS."""
    import pandas as pd

    from helpers import paths

    path = paths.chapter_output("09_claims") / "claims.csv"
    if not path.is_file():
        raise AssessError("claims.csv of 09_claims is missing; expected the register. Run that notebook first.")
    return pd.read_csv(path, dtype=str, keep_default_na=False)
