"""Any measure, any councils: the figure and the table agree with the panel, and bad requests get one sentence."""

import math

import pytest

from helpers import panel, paths
from helpers.compare import ENGLAND, compare
from helpers.errors import AssessError

pytestmark = pytest.mark.skipif(
    not (paths.processed() / "council_year.parquet").is_file(), reason="run notebooks/01_sources.ipynb first"
)


def test_each_number_is_the_panels():
    made = compare("refusal_to_assess", ["Kent", "Medway"])
    assert list(made.table.columns) == ["Kent", "Medway", ENGLAND]
    for name in ("Kent", "Medway"):
        for year, value in made.table[name].items():
            held = panel.value("refusal_to_assess", name, int(year))
            assert value == held or (math.isnan(value) and math.isnan(held))
    assert made.table[ENGLAND].dropna().to_dict() == panel.england("refusal_to_assess").to_dict()


def test_lines_are_labelled_and_stop_at_gaps():
    made = compare("dsg_balance", ["Kent", "Dorset"])
    axes = made.figure.axes[0]
    words = {t.get_text() for t in axes.texts}
    assert {"Kent", "Dorset"} <= words
    # Nothing is published for 2023: the grid keeps the year so that no line crosses it.
    assert 2023 in made.table.index and made.table.loc[2023].isna().all()


def test_any_kind_of_name_once_each():
    made = compare("plans_per_1000", ["E10000016", "886", "kent", "Bristol"], first=2021, last=2023, england=False)
    assert list(made.table.columns) == ["Kent", "Bristol"] and list(made.table.index) == [2021, 2022, 2023]
    assert "January 2021 to January 2023" in made.subtitle
    page = made._repr_html_()
    assert "data:image/png" in page and "<caption" in page and "nan" not in page


def test_a_measure_without_england_is_drawn_without_it():
    assert ENGLAND not in compare("high_needs_spend", ["Kent"]).table.columns


@pytest.mark.parametrize(
    ("measure", "names", "words"),
    [
        ("refusal_to_asses", ["Kent"], "refusal_to_assess"),
        ("plans", ["Kentt"], "Did you mean Kent"),
        ("plans", [], "0 councils"),
        ("attainment8", ["City of London"], "no figure of attainment8"),
        ("plans", ["Cumbria"], "no longer exists"),
    ],
)
def test_bad_requests(measure, names, words):
    with pytest.raises(AssessError, match=words):
        compare(measure, names)
