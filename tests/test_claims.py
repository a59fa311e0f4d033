"""The claims register: how a test is stated, how it is evaluated, and that all 66 claims are answered."""

import csv
import itertools
import json
from collections.abc import Mapping

import pandas as pd
import pytest
import yaml

from helpers import claims, evidence, facts, paths, prose, verdict
from helpers.errors import AssessError

MEETS = {"value": 3.0, "lower": 1.0, "upper": 5.0}


def effect_facts(outcome="refusals", att=MEETS, bh_p=0.02, without=(), **other):
    """The facts of an effect that meets every part of the standard, with changes."""
    checks = {
        "ri_p": 0.001,
        "pretrend_p": 0.5,
        "same_sign": 1,
        "mde": 1.0,
        "path": 1,
        "breakdown": 1.0,
        "bh_p": bh_p,
    } | other
    made = {
        f"effect.{outcome}.att": facts.make(
            f"effect.{outcome}.att", att["value"], "pp", lower=att["lower"], upper=att["upper"]
        )
    }
    for key, value in checks.items():
        if key not in without:
            made[f"effect.{outcome}.{key}"] = facts.make(f"effect.{outcome}.{key}", value)
    loo = 0.9 * att["value"], 1.1 * att["value"]
    made[f"effect.{outcome}.leave_one_out"] = facts.make(
        f"effect.{outcome}.leave_one_out", att["value"], "pp", lower=min(loo), upper=max(loo)
    )
    return made


def test_of(entry, tmp_path, name="chapter"):
    (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump([entry]), encoding="utf-8")
    return claims.tests(tmp_path)[entry["claim"]]


test_of.__test__ = False

EFFECT = {
    "claim": "TES-01",
    "test": "effect",
    "outcome": "refusals",
    "direction": 1,
    "matters": 2.0,
    "reason": "By {effect.refusals.att}.",
}
FACTS = {
    "claim": "ISO-04", "test": "facts", "strength": "moderate", "reason": "So.",
    "conditions": [{"fact": "a.one", "is": "above", "than": 0}, {"fact": "a.one", "is": "below", "than": "a.two"}],
}  # fmt: skip

CASES = {
    "meets all": ({}, 1, "supported", "strong"),
    "the other way": ({}, -1, "contradicted", "strong"),
    "randomisation disagrees": ({"ri_p": 0.09}, 1, "partly supported", "moderate"),
    "pre-trend fails": ({"pretrend_p": 0.01}, 1, "partly supported", "weak"),
    "no pre-trend could be tested": ({"without": ["pretrend_p"]}, 1, "partly supported", "weak"),
    "estimators differ": ({"same_sign": 0}, 1, "partly supported", "weak"),
    "lost among many": ({"bh_p": 0.2}, 1, "partly supported", "moderate"),
    "null, well measured": ({"att": {"value": 0.1, "lower": -0.5, "upper": 0.7}, "path": 0, "mde": 0.9}, 1, "no effect found", "strong"),
    "null, not measured": ({"att": {"value": 0.1, "lower": -4.0, "upper": 4.2}, "path": 0, "mde": 6.0}, 1, "cannot tell", "weak"),
    "null, no path or detectable effect": (
        {"att": {"value": 0.1, "lower": -0.5, "upper": 0.7}, "without": ["path", "mde"]}, 1, "cannot tell", "weak",
    ),
    "path alone": ({"att": {"value": 1.0, "lower": -0.1, "upper": 2.1}, "path": 1, "mde": 6.0, "ri_p": 0.2}, 1, "partly supported", "weak"),
    "other way, weakly": ({"ri_p": 0.2}, -1, "cannot tell", "weak"),
    "claim of none, there is one": ({}, 0, "contradicted", "strong"),
    "claim of none, none": ({"att": {"value": 0.1, "lower": -0.5, "upper": 0.7}, "ri_p": 0.8, "mde": 0.9, "path": 0}, 0, "supported", "strong"),
    "one council carries it": ({"breakdown": 0.1, "ri_p": 0.02}, 1, "supported", "weak"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_effects_are_judged_by_the_rule(name, tmp_path):
    changes, direction, expected, strength = CASES[name]
    stated = test_of(EFFECT | {"direction": direction}, tmp_path)
    assert claims.evaluate(stated, effect_facts(**changes)) == (expected, strength)


def test_a_missing_interval_or_adjusted_p_is_not_a_pass(tmp_path):
    stated = test_of(EFFECT, tmp_path)
    known = effect_facts()
    known["effect.refusals.att"] = facts.make("effect.refusals.att", 3.0, "pp")
    assert claims.evaluate(stated, known) == ("cannot tell", "weak")
    with pytest.raises(AssessError, match="bh_p"):
        claims.evaluate(stated, facts.Facts(effect_facts(without=["bh_p"]).values()))


S, P, C, N, T = "supported", "partly supported", "contradicted", "no effect found", "cannot tell"
PAIRS = {
    (S, S): S, (S, P): P, (S, C): T, (S, N): P, (S, T): P,
    (P, P): P, (P, C): T, (P, N): T, (P, T): T,
    (C, C): C, (C, N): T, (C, T): T, (N, N): N, (N, T): T, (T, T): T,
}  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS)
def test_a_claim_of_several_outcomes_needs_them_all(pair):
    for order in itertools.permutations(pair):
        judged = [(v, "weak" if v == T else "moderate") for v in order]
        found, strength = claims._common(judged)
        assert found == PAIRS[pair]
        assert strength in verdict.STRENGTHS
        if found == T:
            assert strength == "weak"


@pytest.mark.parametrize("wrong", ["", "  ", None, True, ["A threshold"]])
def test_a_change_is_said_in_words(wrong, tmp_path):
    assert test_of(FACTS | {"changed": "A  threshold\n moved."}, tmp_path).changed == "A threshold moved."
    with pytest.raises(AssessError, match=r"changed is .*expected a sentence on what was changed"):
        test_of(FACTS | {"changed": wrong}, tmp_path)


def test_changes_are_met_beside_the_claim():
    """Every claim whose test moved after a first look is disclosed, in the register as shown and among the findings."""
    moved = {c: t.changed for c, t in claims.tests().items() if t.changed}
    disclosed = "QNT-05 TGT-10 DBV-01 FIN-02 DFE-04 NAO-01 DFE-02 NAO-03 DFE-08 QNT-03 PAC-01 ISO-02"
    assert set(moved) >= set(disclosed.split())
    made = pd.DataFrame(
        {c: [""] * 2 for c in claims.COLUMNS} | {"claim_id": ["QNT-05", "TES-01"], "reason": ["So.", "Thus."]}
    )
    why = claims.shown(made)["Why"]
    assert why[0] == f"So. The test was changed after a first look at results. {moved['QNT-05']}" and why[1] == "Thus."
    assert list(claims.changes(made)["Id"]) == ["QNT-05"]
    assert claims.changes(made.tail(1)).empty


def test_the_weakest_strength_is_given():
    assert claims._common([(S, "strong"), (S, "weak")]) == (S, "weak")
    assert claims._common([(S, "strong"), (S, "strong")]) == (S, "strong")
    assert claims._common([(S, "strong"), (P, "moderate")]) == (P, "moderate")  # partly supported is never strong


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        (1, 2, "supported"),
        (3, 2, "partly supported"),
        (-1, 2, "partly supported"),
        (0, 0, "contradicted"),
        (0, -1, "contradicted"),
    ],
)
def test_conditions_all_some_none(one, two, expected, tmp_path):
    known = {"a.one": facts.make("a.one", one), "a.two": facts.make("a.two", two)}
    assert claims.evaluate(test_of(FACTS, tmp_path), known) == (expected, "moderate")


UNDECIDED = {"claim": "ISO-02", "test": "facts", "undecided": "A\n common movement has many causes.", "reason": "So."}


def test_conditions_are_shown_with_what_was_found_and_the_exact_limit(tmp_path, monkeypatch):
    entry = FACTS | {
        "conditions": [
            {"fact": "a.one", "is": "at_least", "than": 37.5, "says": "and it was about 40%"},
            {"fact": "a.one", "is": "above", "than": "a.two", "says": "it rose"},
        ]
    }
    held = {"ISO-04": test_of(entry, tmp_path)}
    monkeypatch.setattr(claims, "tests", lambda: held)
    known = {"a.one": facts.make("a.one", 35.4, "%", digits=0), "a.two": facts.make("a.two", 21, "%", digits=0)}
    assert claims.conditions(known).to_numpy().tolist() == [
        ["ISO-04", "it was about 40%", "35%", "at least 37.5%", "no"],
        ["ISO-04", "it rose", "35%", "above 21%", "yes"],
    ]


@pytest.mark.parametrize(
    ("conditions", "strength", "expected"),
    [
        ([], "", ("cannot tell", "weak")),
        ([0], "moderate", ("cannot tell", "weak")),
        ([0, 9], "moderate", ("cannot tell", "weak")),
        ([8, 9], "moderate", ("contradicted", "moderate")),
        ([9], "", ("contradicted", "weak")),
    ],
)
def test_facts_that_fit_an_undecided_claim_do_not_support_it(conditions, strength, expected, tmp_path):
    entry = UNDECIDED | {
        "facts": ["a.one"],
        "conditions": [{"fact": "a.one", "is": "above", "than": c} for c in conditions],
    }
    stated = test_of(entry | ({"strength": strength} if strength else {}), tmp_path)
    assert stated.undecided == "A common movement has many causes."
    assert claims.evaluate(stated, {"a.one": facts.make("a.one", 1)}) == expected


@pytest.mark.parametrize(
    ("is_", "than", "holds"),
    [("above", 5, False), ("above", 4, True), ("at_least", 5, True), ("at_least", 6, False), ("below", 5, False), ("below", 6, True),
     ("at_most", 5, True), ("at_most", 4, False), ("equals", 5, True), ("equals", 4, False), ("below", "a.other", True)],
)  # fmt: skip
def test_comparisons(is_, than, holds):
    known = {"a.fact": facts.make("a.fact", 5), "a.other": facts.make("a.other", 7)}
    assert claims.Condition("a.fact", is_, than).holds(known) is holds


def test_a_condition_on_words_is_an_error():
    with pytest.raises(AssessError, match="compares numbers"):
        claims.Condition("a.fact", "above", 1.0).holds({"a.fact": facts.make("a.fact", "many")})


def test_documents_take_their_grade_then_what_the_test_states(tmp_path):
    stated = test_of({"claim": "LEAD-01", "test": "documents", "strength": "moderate", "reason": "So."}, tmp_path)
    assert claims.evaluate(stated, {}, {"LEAD-01": "strong"}) == ("documents only", "strong")
    assert claims.evaluate(stated, {}, {"LEAD-02": "strong"}) == ("documents only", "moderate")
    bare = test_of({"claim": "LEAD-03", "test": "documents", "reason": "So."}, tmp_path)
    assert claims.evaluate(bare, {}) == ("documents only", "weak")


BAD = {
    "unknown key": (EFFECT | {"outcomess": ["a"]}, "outcomess"),
    "no reason": (EFFECT | {"reason": " "}, "no reason"),
    "unknown test": (EFFECT | {"test": "guess"}, "guess"),
    "no direction": (EFFECT | {"direction": 2}, "direction"),
    "nothing matters": (EFFECT | {"matters": 0}, "matters"),
    "negative matters": (EFFECT | {"matters": -1.0}, "above nought"),
    "strength by hand": (EFFECT | {"strength": "strong"}, "the rule gives it"),
    "no conditions": (FACTS | {"conditions": []}, "conditions"),
    "no strength": ({k: v for k, v in FACTS.items() if k != "strength"}, "strength"),
    "odd comparison": (FACTS | {"conditions": [{"fact": "a.b", "is": "near", "than": 1}]}, "at_least"),
    "undecided, on nothing": (UNDECIDED, "names facts or conditions"),
    "undecided, no words": (UNDECIDED | {"facts": ["a.b"], "undecided": True}, "expected a sentence on why"),
    "undecided effect": (EFFECT | {"undecided": "Why."}, "only a facts test"),
    "nothing needed": ({"claim": "ISO-03", "test": "none", "reason": "So."}, "what it needs"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_entries_name_file_claim_and_fault(name, tmp_path):
    entry, words = BAD[name]
    with pytest.raises(AssessError, match=words) as error:
        test_of(entry, tmp_path)
    assert str(error.value).startswith(f"chapter.yaml: claim {entry['claim']}: ")


def test_a_claim_tested_twice_is_an_error(tmp_path):
    test_of(EFFECT, tmp_path, "one")
    with pytest.raises(AssessError, match=r"tested twice; also in one\.yaml"):
        test_of(EFFECT, tmp_path, "two")


# The register itself


class AnyFact(Mapping):
    """Every fact there could be: each holds 1 (0.5 to 1.5)."""

    def __getitem__(self, id):
        return facts.make(
            id if "." in id else f"x.{id}", 1, "%", lower=0.5, upper=1.5, p=0.5, n=38, years="2020 to 2024"
        )

    def __contains__(self, id):
        return True

    def __iter__(self):
        return iter(())

    def __len__(self):
        return 0


@pytest.fixture(scope="module")
def table():
    return evidence.load("claims")


@pytest.fixture(scope="module")
def made(table):
    chapters = sorted({t.chapter for t in claims.tests().values()})
    return claims.register(table, AnyFact(), {name: name[:2] for name in chapters}, {})


def complete(made: pd.DataFrame) -> None:
    assert list(made.columns) == claims.COLUMNS
    assert len(made) == 66 and made["claim_id"].is_unique
    for column in ("chapter", "claim", "who_says", "source_url", "verdict", "reason"):
        assert (made[column].str.strip() != "").all(), (
            f"{column} is empty for {made.loc[made[column].str.strip() == '', 'claim_id'].tolist()}"
        )
    assert set(made["verdict"]) <= set(verdict.VERDICTS)
    tested = made[made["verdict"] != "not testable"]
    assert set(tested["strength"]) <= set(verdict.STRENGTHS)
    assert not made["reason"].str.contains(r"[{}]|\bnan\b", regex=True).any()


def test_the_register_is_complete_whatever_the_facts(made, table):
    complete(made)
    assert made["claim_id"].tolist() == table["claim_id"].tolist()


def unknown(register: pd.DataFrame, held: set[str]) -> list[tuple[str, str]]:
    """(claim, fact id) of the register's facts that are not held."""
    return [(row.claim_id, id) for row in register.itertuples() for id in row.facts.split(";") if id and id not in held]


def policy() -> set[str]:
    return {fact.id for fact in facts.policy(paths.raw() / "councils" / "policy_figures.csv")}


def recorded() -> set[str]:
    """Ids of the facts of the report as committed."""
    return set(json.loads((paths.reports() / "facts.json").read_text(encoding="utf-8")))


def read(path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_the_committed_register_is_complete_and_every_fact_exists(table):
    committed = read(paths.reports() / "claims.csv")
    complete(committed)
    assert set(committed["claim_id"]) == set(table["claim_id"])
    assert unknown(committed, recorded() | policy()) == []


def test_the_register_as_built_is_complete_and_every_fact_exists(table):
    path = paths.chapter_output("09_claims") / "claims.csv"
    if not path.is_file():
        pytest.skip("09_claims has not been run here")
    held = {fact.id for p in sorted(path.parent.parent.glob("*/facts.json")) for fact in facts.read(p)}
    complete(read(path))
    assert set(read(path)["claim_id"]) == set(table["claim_id"])
    assert unknown(read(path), held | policy()) == []


def test_a_fact_that_is_not_there_is_found():
    made = pd.DataFrame({"claim_id": ["TES-01", "TES-02"], "facts": ["a.b;a.c", ""]})
    assert unknown(made, {"a.b"}) == [("TES-01", "a.c")]
    assert unknown(made, {"a.b", "a.c"}) == []


def test_facts_named_by_a_test_exist_once_its_chapter_is_built():
    known = policy() | recorded()
    for path in paths.chapter_output("x").parent.glob("*/facts.json"):
        known |= {fact.id for fact in facts.read(path)}
    for stated in claims.tests().values():
        wanted = [
            *stated.facts,
            *(c.fact for c in stated.conditions),
            *(h.id for h in prose.placeholders(f"{stated.reason} {stated.undecided}")),
        ]
        wanted += [c.than for c in stated.conditions if isinstance(c.than, str)]
        wanted += [f"effect.{o}.{key}" for o in stated.outcomes for key in ("att", "leave_one_out", "bh_p", "ri_p")]
        assert [id for id in wanted if id not in known] == [], stated.claim


def test_each_stated_test_is_of_a_claim_and_the_other_way_round(table):
    with pytest.raises(AssessError, match="no test is stated for NEW-01"):
        claims.register(pd.concat([table, table.head(1).assign(claim_id="NEW-01")]), AnyFact(), {})
    with pytest.raises(AssessError, match="ISO-01 is not a claim_id"):
        claims.register(table[table["claim_id"] != "ISO-01"], AnyFact(), {})


def test_an_unknown_fact_is_named_with_its_file_and_claim(table):
    with pytest.raises(AssessError, match=r"^03_finances\.yaml: claim ISO-01: No fact"):
        claims.register(table, facts.Facts([]), {})


def test_what_stands_behind_a_verdict_is_cited(made):
    cited = made.set_index("claim_id")["facts"].str.split(";")
    assert {"finances.cleared", "finances.signed", "effect.high_needs_spend.att"} <= set(cited["ISO-01"])
    assert {"effect.refusal_to_assess.att", "effect.refusal_to_issue.att"} <= set(cited["TGT-10"])
    assert not any(id.startswith("verdict.") for ids in cited for id in ids)


def test_why_an_undecided_claim_is_so_follows_its_reason(table, monkeypatch):
    one = claims.ClaimTest("ISO-02", "x", "facts", "So.", facts=("a.one",), undecided="By {a.two} it could be either.")
    monkeypatch.setattr(claims, "tests", lambda: {"ISO-02": one})
    row = claims.register(table[table["claim_id"] == "ISO-02"], AnyFact(), {}).iloc[0]
    assert (row["verdict"], row["strength"]) == ("cannot tell", "weak")
    assert row["reason"] == "So. These facts cannot settle it. By 1.0% it could be either."
    assert row["facts"] == "a.one;a.two"


def test_a_figure_names_the_sources_of_its_effects(made):
    known = facts.Facts(
        [
            facts.make("effect.refusal_to_assess.att", 1, sources=["lait_sen", "agreements"]),
            facts.make("effect.refusal_to_issue.att", 1, sources=["lait_sen", "ehc_assessments"]),
        ]
    )
    rows = made[made["claim_id"].isin(["TES-01", "TGT-10", "LEAD-01"])]
    assert claims.sources(rows, known) == ["claims", "lait_sen", "agreements", "ehc_assessments"]


def test_groups_hold_every_claim_once(made, table):
    parts = claims.grouped(made, table)
    assert sorted(id for part in parts.values() for id in part["claim_id"]) == sorted(table["claim_id"])
    with pytest.raises(AssessError, match="theme 'odd' has no group"):
        claims.grouped(made, table.assign(theme="odd"))


def test_the_summary_measures_effects_in_the_claimed_direction(made, table):
    rows = claims.sized(made, table, AnyFact()).set_index("claim_id")
    tes, plans = rows.loc["TES-01"], rows.loc["TGT-03"]
    # TES-01 claims more, and 2 points matter; TGT-03 claims fewer, and 3% matters. The fact is 1 (0.5 to 1.5) for both.
    assert (tes["estimate"], tes["lower"], tes["upper"]) == pytest.approx((1 / 2, 0.5 / 2, 1.5 / 2))
    assert tes["claim"] == "TES-01  More refusals to assess"
    assert (plans["estimate"], plans["lower"], plans["upper"]) == pytest.approx((-1 / 3, -1.5 / 3, -0.5 / 3))
    assert rows.loc["LEAD-01", ["estimate", "lower", "upper"]].isna().all()


def test_a_verdict_has_its_strength_beside_it():
    assert claims.judged("partly supported", "weak") == "partly supported, weak"
    assert claims.judged("not testable", "") == "not testable"


def test_a_claim_of_several_outcomes_is_drawn_by_its_weakest(made, table):
    known = facts.Facts(
        facts.make(f"effect.{o}.att", size, "pp", lower=size - 0.5, upper=size + 0.5)
        for stated in claims.tests().values()
        for o, size in ((o, 0.9 if o == "refusal_to_issue" else 3.0) for o in stated.outcomes)
    )
    rows = claims.sized(made, table, known).set_index("claim_id")
    matters = claims.tests()["TGT-10"].matters  # claims more of both
    assert tuple(rows.loc["TGT-10", ["estimate", "lower", "upper"]]) == pytest.approx(
        (0.9 / matters, 0.4 / matters, 1.4 / matters)
    )


def test_findings_join_their_claims(made):
    two = made["claim_id"].isin(["ISO-05", "ISO-06"])
    made = made.assign(
        verdict=made["verdict"].mask(two, "not testable").mask(made["claim_id"] == "ISO-06", "cannot tell"),
        strength=made["strength"].mask(two, "").mask(made["claim_id"] == "ISO-06", "weak"),
    )
    found = claims.findings(made).set_index("Id")
    assert len(found) == 17 and (found["Why"].str.len() > 20).all()
    assert found.loc["F3", "Verdict"] == "not testable"
    assert found.loc["F6", "Verdict"] == "documents only, weak"  # two claims that agree are said once
    assert found.loc["F5", "Verdict"] == "ISO-05: not testable; ISO-06: cannot tell, weak"
    with pytest.raises(AssessError, match="F1: claim ISO-01"):
        claims.findings(made[made["claim_id"] != "ISO-01"])


def test_grades_and_the_published_register_say_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "chapter_output", lambda name: tmp_path / name)
    with pytest.raises(AssessError, match="08_council_documents"):
        claims.grades()
    with pytest.raises(AssessError, match="09_claims"):
        claims.published()
    folder = tmp_path / "08_council_documents" / "tables"
    folder.mkdir(parents=True)
    with (folder / "claim_evidence.csv").open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([["claim_id", "strength"], ["LEAD-01", "strong"]])
    assert claims.grades() == {"LEAD-01": "strong"}
