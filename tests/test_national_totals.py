"""England's totals by year for the series the report uses.

PRINTED was copied from England's rows as this project read them, so it guards against change; what checks the reading itself is
`totals.yaml` (figures from the publishers) and the tests below that read the files again.
"""

import csv

import pytest

import real_tables
from helpers import measures, panel, paths


@pytest.fixture(scope="module", autouse=True)
def tables():
    real_tables.ensure()


PRINTED = {
    "requests": {2019: 82329, 2020: 75951, 2021: 93302, 2022: 114482, 2023: 138242, 2024: 154489},
    "refusals": {2019: 18755, 2020: 16406, 2021: 20830, 2022: 25255, 2023: 33141, 2024: 38889},
    "assessments": {2019: 57267, 2020: 63219, 2021: 66083, 2022: 72864, 2023: 90538, 2024: 104951},
    "new_plans": {2019: 53899, 2020: 60097, 2021: 62180, 2022: 66706, 2023: 84428, 2024: 97747},
    "plans": {2019: 353995, 2020: 390109, 2021: 430697, 2022: 473255, 2023: 517048, 2024: 576474, 2025: 638745},
    "ceased_plans": {2022: 34724, 2023: 39419, 2024: 44862},
    "appeals": {2018: 6023, 2019: 7385, 2020: 7843, 2021: 9184, 2022: 12796, 2023: 15615, 2024: 22276},
    "appeal_rate": {2019: 1.8, 2020: 1.7, 2021: 1.8, 2022: 2.3, 2023: 2.5, 2024: 3.2},
    "timeliness": {2019: 60.4, 2020: 58.0, 2021: 59.9, 2022: 49.2, 2023: 50.3, 2024: 46.4},
    "attainment8": {2019: 13.7, 2020: 15.2, 2021: 15.7, 2022: 14.3, 2023: 14.0, 2024: 14.2, 2025: 14.8},
    "ks2_rwm": {2017: 8, 2018: 9, 2019: 9, 2022: 7, 2023: 8, 2024: 9, 2025: 9},
    "suspensions_all": {2019: 5.36, 2022: 6.91, 2023: 9.33, 2024: 11.31},
}  # fmt: skip


@pytest.mark.parametrize("measure", PRINTED)
def test_englands_row(measure):
    for year, printed in PRINTED[measure].items():
        found = panel.england(measure, year)
        digits = len(str(printed).partition(".")[2])
        assert round(float(getattr(found, "value", found)), digits) == printed, f"{measure} {year}"


COUNTS = {"requests": "requests_received_in_year", "refusals": "requests_decided_not_to_assess"}


@pytest.mark.parametrize("measure", COUNTS)
def test_councils_add_up_to_the_national_row_of_the_file(measure):
    """The national row and the council rows read straight from the file, beside the tables' councils and England's."""
    national: dict[int, float] = {}
    local: dict[int, float] = {}
    with (paths.raw() / "dfe" / "ehc_requests.csv").open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            text = row[COUNTS[measure]]
            if not row["breakdown"].startswith("All ") or not text.isdigit():
                continue
            held = {"National": national, "Local authority": local}.get(row["geographic_level"])
            if held is not None:
                held[int(row["time_period"])] = held.get(int(row["time_period"]), 0) + float(text)
    assert set(national) == set(range(2019, 2025))
    for year, total in national.items():
        # In 2023 a council's own row is missing though England's figure includes it (see the reconciliation table).
        assert local[year] == total or (year == 2023 and 0.99 * total < local[year] < total)
        assert PRINTED[measure][year] == total


def test_spending_and_grant_add_up_to_the_files():
    """No England row is printed for spending: the sum over councils of the file is the total, year by year."""
    spent: dict[int, float] = {}
    with (paths.raw() / "dfe" / "s251_high_needs_spend.csv").open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            if row["High needs (SEND)"]:
                year = int(row["financial_year"][:4]) + 1
                spent[year] = spent.get(year, 0) + float(row["High needs (SEND)"])
    held = panel.wide("high_needs_spend").sum()
    assert list(held.index) == list(range(2018, 2026)) == sorted(spent)
    for year in spent:
        # What a council that no longer exists spent before its successor was formed may have no place in today's councils.
        assert 0.96 * spent[year] <= held[year] <= spent[year] + 1, year
    assert held[2025] == pytest.approx(spent[2025])
    # The same of the grant: councils of 2019-20 that have gone account for the rest.
    for year, short in ((2020, 0.03), (2024, 1e-6)):
        assert panel.wide("dsg_total")[year].sum() == pytest.approx(panel.england("dsg_total", year), rel=short)


def test_every_measure_is_of_a_listed_resource():
    import json

    names = {r["name"] for r in json.loads((paths.raw() / "datapackage.json").read_text(encoding="utf-8"))["resources"]}
    for measure in measures.ordered():
        assert measure.source in names, measure.name


def test_kents_refusals_add_up_by_two_routes():
    """55% of Kent's requests of 2024 were refused: the parts of its return, the breakdown by age, and the series of another tool."""

    def rows(name):
        with (paths.raw() / "dfe" / name).open(encoding="utf-8", newline="") as handle:
            return [r for r in csv.DictReader(handle) if "Kent" in (r.get("la_name"), r.get("LA and Regions"))]

    (whole,) = (r for r in rows("ehc_requests.csv") if r["time_period"] == "2024")
    parts = ("decided_to_assess", "decided_not_to_assess", "decision_not_made", "withdrawn")
    assert sum(int(whole[f"requests_{part}"]) for part in parts) == int(whole["requests_received_in_year"]) == 4001
    ages = [
        r for r in rows("ehc_requests_by_age.csv") if r["time_period"] == "2024" and r["breakdown"].startswith("Age")
    ]
    for column in ("requests_received_in_year", "requests_decided_to_assess", "requests_decided_not_to_assess"):
        assert sum(int(r[column]) for r in ages) == int(whole[column])
    tool = next(
        float(r["Values"])
        for r in rows("lait_sen.csv")
        if r["Short Desc"] == "EHCP_Initial_req_refused" and r["Years"] == "2024"
    )
    held = panel.series("refusal_to_assess").set_index(["la_name", "year"])["value"]["Kent", 2024]
    assert held == pytest.approx(100 * 2200 / 4001, abs=0.05) == tool == 55.0


def test_inspections_are_the_published_ones_but_for_one_done_again():
    """Ofsted's statistics at 31 December 2024: 26 full inspections in 2023 (7, 11 and 8 by outcome) and 28 in 2024 (7, 15 and 6).

    https://www.gov.uk/government/statistics/area-send-inspections-and-outcomes-in-england-as-at-31-december-2024
    The file keeps each area's latest: Cornwall's of February 2023, inconsistent by subtraction, gave way to that of March 2026."""
    held = panel.table("inspections").query("framework == '2023'")
    counts = {year: tuple((part["grade"] == g).sum() for g in (1, 2, 3)) for year, part in held.groupby("year")}
    assert counts[2024] == (7, 15, 6) and counts[2023] == (7, 11 - 1, 8)
    with (paths.raw() / "ofsted" / "area_send_inspections_2023.csv").open(encoding="utf-8", newline="") as handle:
        again = [r for r in csv.DictReader(handle) if r["previous_inspection_date"][-4:] in ("2023", "2024")]
    assert [(r["local_authority"], r["previous_inspection_date"]) for r in again] == [("cornwall", "10/02/2023")]
