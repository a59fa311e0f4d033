"""Exposure timing: one test a kind, for the first cohort and for the last."""

import pytest

from helpers.errors import AssessError
from helpers.exposure import LAG, first_exposed


def test_calendar_flow_is_exposed_from_the_signing_year():
    assert first_exposed(2021, "calendar_flow") == 2021
    assert first_exposed(2024, "calendar_flow") == 2024


def test_january_count_is_exposed_from_the_january_after():
    assert first_exposed(2021, "january_count") == 2022
    assert first_exposed(2024, "january_count") == 2025


def test_academic_year_is_exposed_from_the_year_that_starts_after():
    assert first_exposed(2021, "academic_year") == 2022  # 2021/22, summer 2022
    assert first_exposed(2024, "academic_year") == 2025


def test_balance_is_exposed_at_the_end_of_the_signing_month():
    assert first_exposed(2021, "balance") == 2021  # 31 March 2021, 2020-21
    assert first_exposed(2024, "balance") == 2024


def test_financial_flow_is_exposed_from_the_next_financial_year():
    assert first_exposed(2021, "financial_flow") == 2022  # 2021-22
    assert first_exposed(2024, "financial_flow") == 2025


@pytest.mark.parametrize("kind", LAG)
def test_councils_without_an_agreement_are_never_exposed(kind):
    assert first_exposed(0, kind) == 0


def test_a_wrong_kind_suggests_the_nearest():
    with pytest.raises(AssessError, match=r"'calender_flow'.*Did you mean 'calendar_flow'"):
        first_exposed(2021, "calender_flow")


def test_a_year_without_agreements_is_refused():
    with pytest.raises(AssessError, match="No agreement was signed in 2020"):
        first_exposed(2020, "balance")
