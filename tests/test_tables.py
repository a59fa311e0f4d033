"""Tables as readers see them."""

import json

import pandas as pd

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
