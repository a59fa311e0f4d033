"""When a council counts as exposed to its Safety Valve agreement."""

from __future__ import annotations

import difflib

from helpers.errors import AssessError

#: Years between the calendar year of the signing (always a March) and the first exposed `year`, by kind of measure.
#: `year` is the calendar year in which the publisher's period ends, as everywhere in the project.
LAG: dict[str, int] = {
    "calendar_flow": 0,  # requests in 2021: nine months of them follow a March 2021 signing
    "january_count": 1,  # January 2021 was counted before the signing, so January 2022 is the first
    "academic_year": 1,  # the summer 2021 results belong to the year under way at the signing: 2021/22 is the first
    "balance": 0,  # the first payment arrives in the signing month, so it is in the balance at 31 March 2021
    "financial_flow": 1,  # 2020-21 spending was over by the signing: 2021-22, ending 2022, is the first
}

SIGNED_YEARS = (2021, 2022, 2023, 2024)


def first_exposed(signed_year: int, kind: str) -> int:
    """The first `year` of a measure that falls after the agreement.

    `signed_year` is the calendar year of the March in which the agreement was signed, 0 when there is none; `kind`
    says how the measure is timed (a key of `LAG`). Returns a year, or 0 for a council without an agreement. Raises
    AssessError for an unknown kind (with the nearest known one) and for a year in which no agreement was signed.
    """
    if kind not in LAG:
        near = difflib.get_close_matches(str(kind), LAG, n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise AssessError(f"Unknown kind of measure {kind!r}: expected one of {', '.join(LAG)}.{hint}")
    year = int(signed_year)
    if year == 0:
        return 0
    if year not in SIGNED_YEARS:
        raise AssessError(
            f"No agreement was signed in {year}: expected 0 or one of {', '.join(map(str, SIGNED_YEARS))}."
        )
    return year + LAG[kind]
