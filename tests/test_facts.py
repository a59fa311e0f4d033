"""Named facts: how they read, what is refused."""

import json

import numpy as np
import pytest

from helpers import facts
from helpers.errors import AssessError


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (154489, "count", "154,489"),
        (25.24, "%", "25.2%"),
        (-3.24, "pp", "−3.2 percentage points"),
        (-0.04, "pp", "0.0 percentage points"),
        (886.5, "gbp_m", "£886.5 million"),
        (-3.2, "gbp_m", "−£3.2 million"),
        (886_500_000, "gbp", "£886.5 million"),
        (1_070_900_000, "gbp", "£1.07 billion"),
        (12345.4, "gbp", "£12,345"),
        (0.5, "ratio", "0.50"),
        (0.03, "p", "p = 0.03"),
        (0.0004, "p", "p < 0.001"),
        (0.008, "p", "p = 0.008"),
        (1, "p", "p > 0.99"),
        (0.097, "p", "p = 0.097"),
        (0.1049, "p", "p = 0.105"),
        (0.106, "p", "p = 0.11"),
        (0.094, "p", "p = 0.09"),
        (0.046, "p", "p = 0.046"),
        (0.0504, "p", "p = 0.0504"),
        (0.0497, "p", "p = 0.0497"),
        (0.05, "p", "p = 0.05"),
        (0.1, "p", "p = 0.10"),
        (0.012, "p", "p = 0.012"),
        (0.0097, "p", "p = 0.0097"),
        (1, "years", "1 year"),
        (9, "years", "9 years"),
        (15, "per month", "15 per month"),
        (True, "", "yes"),
        ("no effect found", "", "no effect found"),
    ],
)
def test_a_value_reads_as_its_unit_asks(value, unit, words):
    assert facts.shown(value, unit) == words


def test_a_fact_keeps_the_contract():
    fact = facts.make(
        "a.b.2020",
        np.float64(-3.24),
        "pp",
        lower=-5,
        upper=np.nan,
        p=0.02,
        n=np.int64(38),
        years=(2016, 2024),
        sources="x",
        notebook="n",
    )
    assert fact.record() == {
        "value": -3.24,
        "unit": "pp",
        "display": "−3.2 percentage points",
        "lower": -5,
        "upper": None,
        "p": 0.02,
        "n": 38,
        "years": "2016 to 2024",
        "sources": ["x"],
        "notebook": "n",
    }
    assert list(json.loads(facts.to_json([fact]))["a.b.2020"]) == list(facts.FIELDS)


@pytest.mark.parametrize(
    "unit, words",
    [
        ("pp", "−5.0 to −1.5 percentage points"),
        ("%", "−5.0% to −1.5%"),
        ("gbp_m", "−£5.0 to −£1.5 million"),
        ("count", "−5 to −2"),
    ],
)
def test_an_interval_writes_its_unit_once_where_it_follows(unit, words):
    assert facts.make("a.b", -3, unit, lower=-5, upper=-1.5).interval() == words


def test_forms():
    fact = facts.make("a.b", -3.24, "pp", lower=-5, upper=-1.5, p=0.004, n=1234, years=2024)
    assert fact.form("abs") == "3.2 percentage points"
    assert fact.form("whole") == "−3 percentage points"
    assert fact.form("number") == "−3.2"
    assert fact.form("lower") == "−5.0 percentage points"
    assert fact.form("upper") == "−1.5 percentage points"
    assert fact.form("p") == "p = 0.004"
    assert fact.form("n") == "1,234"
    assert fact.form("years") == "2024"
    assert facts.make("a.b", 3.2, "%").form("signed") == "+3.2%"
    assert facts.make("a.b", 9, "count").form("word") == "nine"
    assert facts.make("a.b", 38, "count").form("word") == "38"


def test_a_word_by_sign():
    assert facts.make("a.b", 2).choice(["up", "down"]) == "up"
    assert facts.make("a.b", -2).choice(["up", "down"]) == "down"
    assert facts.make("a.b", 2, lower=-1, upper=5).choice(["up", "down", "level"]) == "level"
    assert facts.make("a.b", 2, lower=1, upper=5).choice(["up", "down", "level"]) == "up"
    assert facts.make("a.b", 0).choice(["up", "down", "level"]) == "level"


@pytest.mark.parametrize(
    ("fact", "three"),
    [
        (facts.make("a.b", 0.04, "pp", lower=0.01, upper=0.07), "level"),  # shown as 0.0
        (facts.make("a.b", -0.04, "pp"), "level"),
        (facts.make("a.b", 0.06, "pp"), "up"),  # shown as 0.1
        (facts.make("a.b", -0.04, "pp", digits=2), "down"),
        (facts.make("a.b", 0.04, "per_1000"), "level"),  # the 1 of "per 1,000" is no digit of the value
        (facts.make("a.b", 0.004, "per 100 plans"), "level"),
        (facts.make("a.b", 400_000, "gbp"), "up"),
        (facts.make("a.b", 0.04, "pp", display="a hair"), "up"),
        (facts.make("a.b", 3, "pp", display="0.0 percentage points"), "level"),
    ],
)
def test_the_third_word_is_taken_by_what_reads_as_nought(fact, three):
    assert fact.choice(["up", "down", "level"]) == three
    assert fact.choice(["up", "down"]) == ("up" if fact.value >= 0 else "down")  # two words go by the sign


def test_none_is_a_word():
    assert facts.make("a.b", 0, "count").form("word") == "none"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: facts.make("nodots", 1), "dotted names"),
        (lambda: facts.make("a b.c", 1), "dotted names"),
        (lambda: facts.make("a.b", float("nan")), "no value"),
        (lambda: facts.make("a.b", None), "no value"),
        (lambda: facts.make("a.b", float("inf")), "no value"),
        (lambda: facts.make("a.b", [1]), "number or text"),
        (lambda: facts.make("a.b", 1, lower="x"), "lower must be a number"),
        (lambda: facts.make("a.b", 1, lower=3, upper=2), "above upper"),
        (lambda: facts.make("a.b", 1).form("ci"), "no lower and upper"),
        (lambda: facts.make("a.b", 1).form("p"), "no p"),
        (lambda: facts.make("a.b", 1).form("absolute"), "no form 'absolute'; forms are ci"),
        (lambda: facts.make("a.b", "text").form("abs"), "needs a number"),
        (lambda: facts.make("a.b", "text").choice(["x", "y"]), "needs a number"),
        (lambda: facts.make("a.b", 1).choice(["x"]), "two words or three"),
        (
            lambda: facts.Facts([facts.make("national.requests.2024", 1)])["national.request.2024"],
            "did you mean 'national.requests.2024'",
        ),
        (lambda: facts.Facts([], {"a.b": "it is elsewhere"})["a.b"], "it is elsewhere"),
    ],
)
def test_wrong_use_is_told(make, words):
    with pytest.raises(AssessError, match=words):
        make()


def test_facts_survive_the_file(tmp_path):
    made = [facts.make("b.c", 1.5, "%", sources=["x"], cell=3, digits=2), facts.make("a.b", "words")]
    (tmp_path / "f.json").write_text(facts.to_json(made, extra=True))
    assert facts.read(tmp_path / "f.json") == sorted(made, key=lambda f: f.id)
    (tmp_path / "f.json").write_text("[")
    with pytest.raises(AssessError, match="not a readable facts file"):
        facts.read(tmp_path / "f.json")


def test_policy_figures(tmp_path):
    path = tmp_path / "policy_figures.csv"
    assert facts.policy(path) == []
    path.write_text("id,value,unit,display,text,source_url\npolicy.a,38,count,,t,https://x\nb,about half,,,t,\n")
    first, second = facts.policy(path)
    assert (first.id, first.value, first.display, first.sources) == ("policy.a", 38, "38", ("https://x",))
    assert (second.id, second.display, second.sources) == ("policy.b", "about half", None)
    path.write_text("wrong,columns\n1,2\n")
    with pytest.raises(AssessError, match="expected columns id"):
        facts.policy(path)
