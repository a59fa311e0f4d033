"""Tables as readers see them."""

import json

import pandas as pd
import pytest

from helpers import tables


def make(**columns):
    return tables.make(pd.DataFrame(columns), "t", "Title")


def test_numbers_are_formatted_and_missing_is_a_dash():
    made = tables.make(
        pd.DataFrame(
            {
                "Council": ["Kent", None],
                "Year": [2019, 2020],
                "Plans": [12345.0, None],
                "Share": [1.25, -0.5],
                "Money": [2.5, 3.0],
            }
        ),
        "t",
        "Title",
        units={"Share": "%", "Money": "gbp_m"},
    )
    assert made.cells == (
        ("Kent", "2019", "12,345", "1.2%", "£2.5 million"),
        ("–", "2020", "–", "−0.5%", "£3.0 million"),
    )
    assert [c.numeric for c in made.columns] == [False, True, True, True, True]
    assert made.values[1] == (None, 2020, None, -0.5, 3.0)


def test_decimals_follow_the_column():
    assert make(a=[1.0, 2.0]).cells == (("1",), ("2",))
    assert make(a=[1.5, 2.0]).cells == (("1.5",), ("2.0",))
    assert make(a=[0.123, 0.5]).cells == (("0.123",), ("0.500",))
    assert tables.make(pd.DataFrame({"a": [1.0]}), "t", "T", digits={"a": 2}).cells == (("1.00",),)


def test_no_p_value_reads_as_nought():
    made = make(**{"p": [0.0004, 0.5], "p, analytic": [0.001, 0.0], "Pre-trend p": [0.02, None], "Step": [0.0, 0.5]})
    assert made.cells == (("<0.001", "0.001", "0.020", "0.000"), ("0.500", "<0.001", "–", "0.500"))
    assert made.values[0][0] == 0.0004


def test_a_named_index_becomes_a_column():
    frame = pd.DataFrame({"a": [1]}, index=pd.Index(["Kent"], name="Council"))
    assert [c.name for c in tables.make(frame, "t", "T").columns] == ["Council", "a"]


def test_markdown_and_record():
    made = tables.make(pd.DataFrame({"A|B": ["x|y"], "n": [1]}), "t", "Title", note="Note.")
    assert made.markdown() == "**Title**\n\n| A\\|B | n |\n| :--- | ---: |\n| x\\|y | 1 |\n\nNote."
    assert tables.from_record(json.loads(json.dumps(made.record()))) == made
    assert make(a=[True, False]).cells == (("yes",), ("no",))
    assert make().cells == ()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("£1,735 million", 1.735e9),
        ("£886.5 million", 886.5e6),
        ("\u22123.2%", -3.2),
        ("+4.5 percentage points", 4.5),
        ("3.7 percentage points (0.4 to 6.9)", 3.7),
        ("£2bn", 2e9),
        ("<0.001", 0.001),
        ("1,234", 1234.0),
        ("2023-24", None),
        ("E10000016", None),
        ("12 of 38", None),
        ("Kent", None),
        ("", None),
    ],
)
def test_an_amount_is_read_with_its_unit(text, value):
    assert tables.amount(text) == (None if value is None else pytest.approx(value))


def test_a_column_of_text_sorts_by_value_only_when_it_holds_nothing_but_amounts():
    frame = pd.DataFrame(
        {"What": ["£9", "none", "£1"], "Held": ["£10 million", "\u2013", "£9,000"], "n": [3.0, 1.0, None]}
    )
    assert tables.sort_values(tables.make(frame, "t", "T")) == (
        (None, 10e6, 3.0),
        (None, None, 1.0),
        (None, 9000.0, None),
    )
