"""Definitions of measures."""

import pytest

from helpers import measures
from helpers.errors import AssessError

GOOD = """
a: {title: A, short: A, unit: plans, kind: calendar_flow, scale: log, digits: 0, source: s, first_year: 2019, last_year: 2024, definition: d, column: c}
"""


def test_the_outcomes_the_report_needs_are_defined():
    for name in [
        "requests",
        "refusals",
        "refusal_to_assess",
        "refusal_to_assess_sen2",
        "assessments",
        "refusals_to_issue",
        "refusal_to_issue",
        "new_plans",
        "plans",
        "ceased_plans",
        "ceased_rate",
        "timeliness",
        "timeliness_sen2",
        "late_20_to_52_weeks",
        "over_a_year",
        "mediations",
        "mainstream_share",
        "special_share",
        "independent_share",
        "appeals",
        "appealable_decisions",
        "appeal_rate",
        "appeals_per_1000_plans",
        "attainment8",
        "ks2_rwm",
        "absence",
        "dsg_balance",
        "dsg_balance_gbp",
        "high_needs_spend",
        "high_needs_spend_per_plan",
        "high_needs_spend_per_head",
        "net_expenditure",
        "requests_per_1000",
        "new_plans_per_1000",
        "plans_per_1000",
        "refusals_per_1000",
    ]:
        measure = measures.get(name)
        assert measure.kind in measures.KINDS and measure.definition and measure.title and measure.source


@pytest.mark.parametrize(
    ("name", "kind", "scale"),
    [
        ("requests", "calendar_flow", "log"),
        ("plans", "january_count", "log"),
        ("attainment8", "academic_year", "level"),
        ("dsg_balance", "balance", "level"),
        ("high_needs_spend", "financial_flow", "log"),
        ("refusal_to_assess", "calendar_flow", "level"),
    ],
)
def test_kind_and_scale(name, kind, scale):
    assert (measures.get(name).kind, measures.get(name).scale) == (kind, scale)


def test_a_wrong_name_is_met_with_near_ones():
    with pytest.raises(AssessError, match=r"No measure is called .new_plan.. Did you mean new_plans"):
        measures.get("new_plan")


def test_parts_come_before_what_is_made_of_them():
    seen = set()
    for measure in measures.ordered():
        assert set(measure.parts) <= seen
        seen.add(measure.name)
    assert seen == set(measures.listed())


def test_gaps_are_left_out_of_the_years():
    assert measures.get("ks2_rwm").years == (2016, 2017, 2018, 2019, 2022, 2023, 2024, 2025)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("kind: calendar_flow", "kind: weekly"), "kind 'weekly'"),
        (("scale: log", "scale: cubic"), "scale 'cubic'"),
        ((", column: c", ""), "exactly one of"),
        ((", column: c", ", column: c, item: d"), "column, item"),
        (("title: A, ", ""), "title missing"),
        (("column: c", "ratio: {numerator: [a], denominator: [b], per: 100}"), "made from 'b'"),
        (("column: c", "ratio: {numerator: a, per: 100}"), "a numerator and a denominator"),
        (("definition: d", "definition: d, colour: red"), "unknown key 'colour'"),
        (
            ("definition: d", 'definition: "TO DO"'),
            "a: definition is 'TO DO'; expected one sentence on what is counted",
        ),
        (("source: s", "source: to do"), "a: source is 'to do'; expected the name of a resource"),
        (("first_year: 2019", "first_year: 2029"), "after last_year"),
    ],
)
def test_a_bad_definition_is_refused(change, words):
    with pytest.raises(AssessError, match=r"measures\.yaml, a") as raised:
        measures.parse(GOOD.replace(*change))
    assert words in str(raised.value)


def test_a_ratio_of_one_measure_by_another_names_them_without_lists():
    text = GOOD + GOOD.replace("a:", "share:", 1).replace("column: c", "ratio: {numerator: a, denominator: a}")
    assert measures.parse(text)["share"].parts == ("a", "a")
    assert measures.parse(text)["share"].of["per"] == 1
