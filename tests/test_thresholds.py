"""The smallest effects that matter beside the level they are a change of."""

import numpy as np
import pandas as pd
import pytest

from helpers import claims, facts, protocol, thresholds
from helpers.errors import AssessError

# By council: first exposed year, and values of 2020 to 2023. Of a and b the last unexposed years are 2020 and 2021; c has
# no figure in its own, so no estimate rests on it; d never signed.
HELD = {
    "a": (2021, [10.0, 90.0, 90.0, 90.0]),
    "b": (2022, [80.0, 20.0, 90.0, 90.0]),
    "c": (2023, [80.0, 80.0, np.nan, 90.0]),
    "d": (0, [70.0, 70.0, 70.0, 70.0]),
}


def prepared(held):
    rows = [(code, 2020 + i, value, first) for code, (first, values) in held.items() for i, value in enumerate(values)]
    return pd.DataFrame(rows, columns=["la_code", "year", "value", "first_year"])


@pytest.fixture
def rows(monkeypatch):
    monkeypatch.setattr(protocol, "prepare", lambda measure: prepared(HELD))


def test_the_level_is_that_of_the_last_unexposed_year(rows):
    assert thresholds.level("refusal_to_assess") == 15  # of a and b
    assert thresholds.share("refusal_to_assess", 1.5) == pytest.approx(10)
    assert thresholds.share("plans", 3.0) == 3  # in per cent already


def test_no_figure_before_is_an_error(monkeypatch):
    monkeypatch.setattr(protocol, "prepare", lambda measure: prepared({k: HELD[k] for k in "cd"}))
    with pytest.raises(AssessError, match="Nothing to compare: 0 treated"):
        thresholds.level("refusal_to_assess")


@pytest.mark.parametrize(
    ("value", "unit", "digits", "expected"),
    [(8.44, "% of DSG", 1, "8.4% of DSG"), (15341.2, "gbp per plan", 0, "£15,341 per plan"), (702, "requests", 0, "702 requests"), (8.7, "per 100 pupils", 1, "8.7 per 100 pupils")],
)  # fmt: skip
def test_levels_read_in_their_units(value, unit, digits, expected):
    assert thresholds._words(value, unit, digits) == expected


def test_one_row_an_outcome(rows, monkeypatch):
    def effect(claim, matters, *outcomes):
        return claims.ClaimTest(claim, "x", "effect", "So.", outcomes=outcomes, direction=1, matters=matters)

    stated = {
        "TES-01": effect("TES-01", 1.8, "refusal_to_assess"),
        "TGT-10": effect("TGT-10", 1.5, "refusal_to_assess", "refusal_to_issue"),
        "DBV-01": effect("DBV-01", 10.0, "new_plans_dbv"),
        "ISO-04": effect("ISO-04", 0.6, "dsg_balance_without_payments"),
        "ISO-03": claims.ClaimTest("ISO-03", "x", "none", "So."),
    }
    monkeypatch.setattr(claims, "tests", lambda: stated)
    units = {
        "refusal_to_assess": "pp",
        "refusal_to_issue": "pp",
        "new_plans_dbv": "%",
        "dsg_balance_without_payments": "pp",
    }
    known = facts.Facts([facts.make(f"effect.{o}.att", 1, unit) for o, unit in units.items()])
    made = pd.DataFrame({"claim_id": list(stated), "claim": "Words"})
    found = thresholds.table(made, known)
    assert list(found["Id"]) == ["TES-01", "TGT-10", "TGT-10", "DBV-01", "ISO-04"]
    assert list(found["share"]) == pytest.approx([12, 10, 10, 10, 4])
    assert list(found.loc[0, thresholds.COLUMNS[3:]]) == ["1.8 percentage points", "15.0%", "12%"]
    assert list(found.loc[4, thresholds.COLUMNS[2:4]]) == ["DSG deficit without payments", "0.6 percentage points"]
    assert list(found.loc[3, thresholds.COLUMNS[2:]]) == ["New plans, Delivering Better Value", "10.0%", "", "10%"]
    known.add(facts.make("effect.new_plans_dbv.att", 1, "pp"))
    with pytest.raises(AssessError, match="DBV-01: 'new_plans_dbv' has no measure"):
        thresholds.table(made, known)
