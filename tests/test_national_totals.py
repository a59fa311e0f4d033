"""England's totals by year for every series the report uses, from outside this project's own reading.

Four kinds of known answer:
- figures that publishers print, copied with their addresses into `totals.yaml`;
- the national row of each release against its own councils, read again here with nothing but `csv`;
- the row of England in DfE's interactive tool against the average of its councils, where the tool gives no counts;
- money: the file's own councils, one by one, and a second publication of the same return.
Where they differ the reason is named; a difference without one fails.
"""

import csv
import json
import re
from functools import cache

import pandas as pd
import pytest

import real_tables
from helpers import councils, measures, national, panel, paths, reconciliation, send_system, sources
from helpers.errors import AssessError


@pytest.fixture(scope="module", autouse=True)
def tables():
    real_tables.ensure()


@cache
def rows(name, folder="dfe"):
    with (paths.raw() / folder / f"{name}.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def number(text):
    """A printed figure, or None for a symbol."""
    try:
        return float(text)
    except ValueError:
        return None


def year_of(period):
    """2024, 202425 (January 2025), 2023-24 and 2023/24 as the year in which they end."""
    return int(period) if len(period) == 4 else int(period[:4]) + 1


@cache
def figures(table):
    """{measure: {(area's code, year): figure}} of a table, missing ones left out."""
    found = {}
    known = panel.table(table).dropna(subset="value")
    for measure, code, year, value in known[["measure", "la_code", "year", "value"]].itertuples(index=False):
        found.setdefault(measure, {})[code, year] = value
    return found


def held(measure):
    """Our figures of one measure: {(council's code, year): figure}."""
    return figures("council_year")[measure]


def england(measure):
    """Our figures of England: {year: figure}."""
    return {year: value for (code, year), value in figures("area_year")[measure].items() if code == councils.ENGLAND}


# What is checked below: columns of the EHC plans release, items of the interactive tool, money ---------------------------

# The rows of each file that are totals.
RELEASE = {
    "ehc_requests": "All requests",
    "ehc_assessments": "All EHC needs",
    "ehc_new_plans": "New EHC plans",
    "ehc_caseload": "All EHC plans",
    "ehc_ceased_plans": "All ceased",
    "ehc_timeliness": "All EHC plans",
    "ehc_annual_reviews": "All annual reviews",
}
TRIBUNAL = {"appeals": "appeals_registered", "appealable_decisions": "total_appealable_decisions",
            "appeal_rate": "send_tribunal_appeal_rate"}  # fmt: skip
# The tool gives rates only. England's must be near the councils' average, weighted by people like those counted: everyone aged
# 2 to 18, children aged 11 to 15 with plans, or plans in special schools, in the nearest year there is. The weights are by home
# and the tool's by school, hence the distance allowed, in the measure's own unit: what the shipped data need, rounded up. It tells
# of a row or a series in another's place, not of a rounding.
ALL, PLANS, SPECIAL = "pop_2_18", "plans_aged_11_to_15", "plans_special"
AVERAGES = {
    "refusal_to_assess": (ALL, 0.5),
    "timeliness": (PLANS, 2.0),  # exact in the release from 2019, below
    "pupils_with_plans": (ALL, 0.07),
    "sen_support_share": (ALL, 0.07),
    "attainment8": (PLANS, 0.3),
    "attainment8_sen_support": (ALL, 0.2),
    "attainment8_no_sen": (ALL, 0.35),
    "attainment8_all": (ALL, 0.3),
    "ks2_rwm": (PLANS, 0.6),  # whole percentages, both
    "ks2_rwm_sen_support": (ALL, 0.6),
    "ks2_rwm_no_sen": (ALL, 0.8),
    "absence": (SPECIAL, 0.1),
    "absence_all": (ALL, 0.02),
    "absence_unauthorised_special": (SPECIAL, 0.05),
    "persistent_absence_special": (SPECIAL, 0.35),
    "persistent_absence_all": (ALL, 0.08),
    "severe_absence_special": (SPECIAL, 0.13),
    "severe_absence_all": (ALL, 0.03),
    "suspensions_special": (SPECIAL, 0.2),
    "suspended_pupils_special": (SPECIAL, 0.05),
    "suspensions_all": (ALL, 0.08),
    "exclusions_special": (SPECIAL, 0.005),
    "exclusions_all": (ALL, 0.003),
    "destinations_ehcp": (PLANS, 0.25),
    "destinations_sen_support": (ALL, 0.2),
    "destinations_no_sen": (ALL, 0.15),
    "participation_sen_16_17": (PLANS, 0.4),
    "neet_16_17": (ALL, 0.1),
    "level2_at_19_ehcp": (PLANS, 0.6),
    "level2_at_19_sen_support": (ALL, 0.5),
    "level2_at_19_no_sen": (ALL, 0.15),
    "sen_unit_cost": (PLANS, 5.5),  # rounded to five pounds
}
# Of 2017 the tool's councils do not average to its England: they are 1.5 points lower and spread half as widely again as a year
# later, as if other schools were counted. Nothing printed says why.
ANOTHER_POPULATION = {("destinations_ehcp", 2017): 1.6}
MONEY = {"dsg_total", "high_needs_block", "high_needs_spend", "schools_budget_spend", "dsg_balance_gbp", "dsg_balance_published",
         "net_expenditure", "education_expenditure"}  # fmt: skip


def used():
    """Every measure the chapters estimate, and others that they quote for England or compare."""
    found = set(send_system.OUTCOMES) | {
        "over_a_year",
        "mediations",
        "reviews_on_time",
        "net_expenditure",
        "sen_unit_cost",
    }
    estimated = set(pd.read_csv(paths.root() / "reports" / "effects.csv")["outcome"])
    assert estimated >= set(send_system.OUTCOMES) and len(estimated) > 40
    found |= estimated & set(measures.listed())
    return found


def leaves(name):
    """The measures read from a file that one rests on."""
    parts = measures.get(name).parts
    return {leaf for part in parts for leaf in leaves(part)} if parts else {name}


def of_release(name):
    measure = measures.get(name)
    return measure.way == "column" and measure.source in RELEASE


def test_every_series_of_the_report_is_checked_here():
    assert {"attainment8", "high_needs_spend", "mainstream_share", "appeal_rate", "plans"} <= used()
    every = {leaf for name in used() for leaf in leaves(name)}
    assert not {name for name in every if not of_release(name)} - set(AVERAGES) - set(TRIBUNAL) - MONEY


# Figures that publishers print ------------------------------------------------------------------------------------------

COPIED = [t for t in reconciliation.totals() if t.seen]


@pytest.mark.parametrize("total", COPIED, ids=lambda t: f"{t.measure[0]}-{t.year}")
def test_englands_figure_is_the_printed_one(total):
    assert total.met_by(england(total.measure[0])[total.year])
    assert total.seen.startswith("https://") and total.publisher


# Series for which no page with England's figure was found. They rest on the checks below alone.
UNPRINTED = {
    "absence", "severe_absence_special", "ks2_rwm", "ks2_rwm_sen_support", "ks2_rwm_gap", "attainment8_gap", "destinations_ehcp",
    "destinations_sen_support", "participation_sen_16_17", "level2_at_19_ehcp", "sen_unit_cost",
    "independent_share", "independent_special_share", "units_share", "new_plans_mainstream_share", "mediations", "over_a_year", "reviews_on_time",
    "high_needs_spend", "high_needs_spend_per_plan", "high_needs_spend_per_head", "schools_budget_spend", "dsg_balance", "net_expenditure",
    "requests_per_1000", "new_plans_per_1000", "plans_per_1000", "appeals_per_1000_plans",
}  # fmt: skip


def test_series_without_a_printed_figure_are_named():
    printed = {total.measure[0] for total in reconciliation.totals()}
    assert used() - printed == UNPRINTED


def test_destinations_are_of_the_revised_method():
    """DfE's earlier method, by year of destination: https://explore-education-statistics.service.gov.uk/data-tables/permalink/
    cbd7302c-53d4-4482-7d59-08dafabf1de8. Its release for 2023/24 says that the method changed and earlier years were made again;
    the tool's figures are about a point lower, each a year earlier, since the tool's label is that of the cohort that left."""
    leavers = {2018: 20099, 2019: 19914, 2020: 20773, 2021: 22236}
    sustained = {2018: 17600 + 228 + 444, 2019: 17336 + 183 + 450, 2020: 18090 + 165 + 433, 2021: 19675 + 125 + 324}
    now = england("destinations_ehcp")
    lower = [100 * sustained[y] / leavers[y] - now[y - 1] for y in leavers]
    assert all(0.7 < gap < 1.4 for gap in lower)
    # Read as the year of destination instead, the same figures would be from 0.3 to 2 points apart.
    assert max(100 * sustained[y] / leavers[y] - now[y] for y in leavers) > 1.8


# The EHC plans release ----------------------------------------------------------------------------------------------------

# Councils whose rows have symbols in a year for which England's row includes them.
LEFT_OUT = {
    ("ehc_requests", 2023): {"Leicester", "Hackney", "Isle of Wight"},
    ("ehc_assessments", 2023): {"Leicester", "Hackney", "Isle of Wight"},
    ("ehc_caseload", 2024): {"Peterborough", "Hackney"},
    ("ehc_caseload", 2025): {"North East Lincolnshire", "Cambridgeshire"},
    ("ehc_timeliness", 2022): {"Norfolk", "Havering", "Tower Hamlets", "West Berkshire"},
    ("ehc_timeliness", 2023): {"Hackney"},
    ("ehc_annual_reviews", 2024): {"Blackpool", "Hertfordshire", "Redbridge", "Waltham Forest", "Reading", "Surrey", "Plymouth"},
}  # fmt: skip
# Printed beside each council of Yorkshire and The Humber: the total of the region.
REGION_IN_EACH = ("ehc_new_plans", 2022, "new_ehc_plans", 6078, 15)
# Councils that kept their area under another code, as DfE files print them.
RECODED = {"E10000002": "E06000060", "E10000023": "E06000065", "E10000027": "E06000066"}
GONE = {"Cumbria", "Northamptonshire", "Bournemouth", "Poole", "Dorset"}
# Left out of the tables on purpose (known_errors.yaml).
DROPPED = {
    ("ehc_requests", 2022): {"West Berkshire"},
    ("ehc_ceased_plans", 2023): {"Plymouth"},
} | {
    (name, 2024): {"Isle of Wight"}
    for name in ("ehc_requests", "ehc_assessments", "ehc_ceased_plans", "ehc_timeliness")
}
# Percentages of the release, and the counts that they are of.
PERCENTAGES = {
    "ehc_requests": {
        "request_not_assess_pc": ("requests_decided_not_to_assess", ["requests_received_in_year"]),
    },
    "ehc_caseload": {"mainstream_total_pc": ("mainstream_total", ["ehcplans"]), "special_total_pc": ("special_total", ["ehcplans"])},
    "ehc_timeliness": {
        "PC_plans_issued_20_weeks_ex": ("plans_issued_20_weeks_ex", ["plans_issued_den_ex"]),
        "pc_plans_issued_within_20_weeks": ("plans_issued_within_20_weeks", ["plans_issued_den"]),
        "PC_plans_issued_gt20weeks_ltYear_ex": ("plans_issued_gt20weeks_ltYear_ex", ["plans_issued_den_ex"]),
        "PC_plans_issued_gt_1_year_ex": ("plans_issued_gt_1_year_ex", ["plans_issued_den_ex"]),
    },
    "ehc_annual_reviews": {"pc_decsion_4weeks": ("number_decsion_4weeks", ["number_decsion_4weeks", "number_decision_gt_4weeks"])},
}  # fmt: skip


def by_level(name):
    """{year: (England's row, the councils' rows)} of one file of the release, totals only."""
    found = {}
    for row in rows(name):
        if row["breakdown"].startswith(RELEASE[name]):
            nation, local = found.setdefault(year_of(row["time_period"]), ([], []))
            {"National": nation, "Local authority": local}.get(row["geographic_level"], []).append(row)
    return {year: (nation[0], local) for year, (nation, local) in found.items()}


def counted(name):
    """The counts of a file that measures are read from, or that its percentages are of."""
    percentages = PERCENTAGES.get(name, {})
    counts = {column for above, below in percentages.values() for column in (above, *below)}
    return sorted(counts | {m.of for m in measures.made_from(name) if m.unit != "%"})


@pytest.mark.parametrize("name", RELEASE)
def test_councils_add_up_to_the_national_row_of_the_file(name):
    short = {}
    for year, (nation, local) in by_level(name).items():
        for column in counted(name):
            total, found = number(nation[column]), [number(row[column]) for row in local]
            ours = sum(value or 0 for value in found)
            if (name, year, column) == REGION_IN_EACH[:3]:
                each, times = REGION_IN_EACH[3:]
                assert found.count(each) == times
                ours -= each * (times - 1)
            if ours != (total or 0):
                assert ours < total, f"{column} {year}"
                lacking = {row["la_name"] for row, value in zip(local, found, strict=True) if value is None}
                short.setdefault((name, year), set()).update(lacking or {column})
    assert short == {key: names for key, names in LEFT_OUT.items() if key[0] == name}


@pytest.mark.parametrize("name", RELEASE)
def test_tables_hold_what_the_release_prints(name):
    """Every council, year and column of the file, and England's row, are in the tables, but for what is left out by name."""
    gone, dropped, changed = set(), {}, set()
    for year, (nation, local) in by_level(name).items():
        for measure in measures.made_from(name):
            printed = number(nation[measure.of])
            if printed is not None:
                assert england(measure.name)[year] == printed, f"{measure.name} {year}"
            for row in local:
                code = RECODED.get(row["new_la_code"], row["new_la_code"])
                if code not in councils.names() or (code == "E06000059" and year < 2020 and name == "ehc_caseload"):
                    gone.add(row["la_name"])
                    continue
                ours, value = held(measure.name).get((code, year)), number(row[measure.of])
                if ours is None and value is not None:
                    dropped.setdefault((name, year), set()).add(row["la_name"])
                elif ours != value:
                    changed.add((measure.of, year, value))
    assert gone <= GONE
    assert dropped == {key: names for key, names in DROPPED.items() if key[0] == name}
    assert changed == (
        {(REGION_IN_EACH[2], REGION_IN_EACH[1], REGION_IN_EACH[3])} if name == REGION_IN_EACH[0] else set()
    )


# Where the printed denominator is another: in January 2024 DfE's placement shares are of the plans that have a placement.
PLACED = [
    "mainstream_total",
    "special_total",
    "ap_pru_total",
    "fe_total",
    "ed_elsewhere",
    "nm_early_years",
    "placement_unknown",
]


@pytest.mark.parametrize("name", PERCENTAGES)
def test_percentages_are_what_their_counts_give(name):
    checked = set()
    for year, (nation, _) in by_level(name).items():
        for column, (above, below) in PERCENTAGES[name].items():
            below = PLACED if (name, year) == ("ehc_caseload", 2024) else below
            if number(nation[column]) is not None:
                share = 100 * number(nation[above]) / sum(number(nation[part]) for part in below)
                assert abs(number(nation[column]) - share) <= 0.0501, f"{column} {year}"
                checked.add(column)
    assert checked == set(PERCENTAGES[name])


def test_shares_are_of_englands_counts():
    """Placement shares, refusals and rates per plan as the tables have them, from the national rows read here."""
    wanted = [name for name in used() if measures.get(name).way == "ratio" and all(map(of_release, leaves(name)))]
    assert {"mainstream_share", "independent_share", "units_share", "refusal_to_issue"} <= set(wanted)
    for name in wanted:
        measure = measures.get(name)

        def total(names, year):
            parts = [measures.get(leaf) for one in names for leaf in sorted(leaves(one))]
            return sum(number(by_level(p.source)[year][0][p.of]) for p in parts)

        for year, ours in england(name).items():
            share = measure.of["per"] * total(measure.of["numerator"], year) / total(measure.of["denominator"], year)
            assert ours == pytest.approx(share), f"{name} {year}"


def test_englands_twenty_weeks_of_2022_count_four_councils_as_late():
    """Four councils printed no count on time. England's row has their 825 plans and none of them on time, so its 49.2% is low:
    without them it is 49.8%."""
    nation, local = by_level("ehc_timeliness")[2022]
    known = [r for r in local if number(r["plans_issued_20_weeks_ex"]) is not None]
    issued, on_time = (sum(number(r[c]) for r in known) for c in ("plans_issued_den_ex", "plans_issued_20_weeks_ex"))
    assert number(nation["plans_issued_20_weeks_ex"]) == on_time == 30536
    assert number(nation["plans_issued_den_ex"]) - issued == 825
    assert (england("timeliness")[2022], round(100 * on_time / issued, 1)) == (49.2, 49.8)


# The tribunal ---------------------------------------------------------------------------------------------------------------


def test_appeals_and_decisions_add_up_and_give_the_rate():
    years = set()
    for row in rows("send_tribunal_appeals"):
        if row["la_name"] == "England Total":
            year = int(row["time_period"])
            local = [r for r in rows("send_tribunal_appeals") if r["time_period"] == row["time_period"]]
            local = [r for r in local if r["geographic_level"] == "Local authority"]
            for measure, column in TRIBUNAL.items():
                assert england(measure)[year] == number(row[column])
            appeals, decisions = (number(row[c]) for c in ("appeals_registered", "total_appealable_decisions"))
            assert sum(number(r["appeals_registered"]) or 0 for r in local) == appeals
            assert sum(number(r["total_appealable_decisions"]) or 0 for r in local) == decisions
            assert abs(number(row["send_tribunal_appeal_rate"]) - 100 * appeals / decisions) <= 0.0501
            years.add(year)
    assert years == set(range(2014, 2025))


def test_appeals_of_2024_are_43_per_cent_more_than_in_2023():
    """As DfE put it: https://www.parliamenttoday.com/free/viewnews.html?id=165567."""
    assert round(100 * (england("appeals")[2024] / england("appeals")[2023] - 1)) == 43


# The interactive tool ------------------------------------------------------------------------------------------------------


# Impossible figures of the tool, which the tables leave out (known_errors.yaml).
IMPOSSIBLE = {
    "refusal_to_assess": {"Isle of Wight", "West Berkshire"},
    "timeliness": {"Isle of Wight"},
    "level2_at_19_sen_support": {"Bournemouth, Christchurch and Poole"},
    "sen_unit_cost": {"Isles of Scilly"},
}


@cache
def tool():
    """{item: {(area's number, year): figure}} of the tool's file, the items above only."""
    found = {measures.get(name).of: {} for name in AVERAGES}
    with (paths.raw() / "dfe" / "lait_sen.csv").open(encoding="utf-8", newline="") as handle:
        for item, period, area, _, value in csv.reader(handle):
            if item in found:
                found[item][area, year_of(re.sub(r" \(.*\)$", "", period))] = number(value)
    return found


@pytest.mark.parametrize("name", AVERAGES)
def test_tables_hold_what_the_tool_prints(name):
    printed = tool()[measures.get(name).of]
    codes = {c.dfe_number: c.la_code for c in councils.listed()}
    years = set(england(name))
    assert {year: printed["970", year] for year in years} == england(name)
    theirs = {
        (codes[no], year): v for (no, year), v in printed.items() if no in codes and v is not None and year in years
    }
    ours = {key: value for key, value in held(name).items() if key[1] in years}
    assert {key: value for key, value in theirs.items() if key in ours} == ours
    left_out = {councils.names()[code] for code, _ in set(theirs) - set(ours)}
    assert left_out - {"Dorset"} == IMPOSSIBLE.get(name, set())  # Dorset's number was its predecessor's too


@pytest.mark.parametrize("name", AVERAGES)
def test_englands_rate_is_near_the_average_of_its_councils(name):
    weights, allowed = AVERAGES[name]
    table = panel.councils().set_index("la_code")
    wide = panel.wide(name)
    for year, rate in england(name).items():
        known = () if weights in table else panel.wide(weights)
        people = table[weights] if weights in table else known[min(known, key=lambda y: abs(y - year))]
        both = pd.DataFrame({"value": wide[year], "people": people}).dropna()
        mean = (both["value"] * both["people"]).sum() / both["people"].sum()
        most = ANOTHER_POPULATION.get((name, year), allowed)
        assert abs(mean - rate) <= most, f"{year}: England {rate}, councils {mean:.3f}"
        if (name, year) in ANOTHER_POPULATION:
            assert abs(mean - rate) > allowed and both["value"].std() > 1.5 * wide[year + 1].std()


# Money ----------------------------------------------------------------------------------------------------------------------


@cache
def spending(column):
    """{year: {code: (name, pounds)}} of the section 251 outturn."""
    found = {}
    for row in rows("s251_high_needs_spend"):
        if number(row[column]) is not None:
            found.setdefault(year_of(row["financial_year"]), {})[row["la_code"]] = (row["la_name"], number(row[column]))
    return found


# Councils whose spending has no place among today's, by the last year in which they were councils.
LAST = {"Bournemouth": 2019, "Poole": 2019, "Dorset": 2019, "Northamptonshire": 2021, "Cumbria": 2023}


@pytest.mark.parametrize(
    ("measure", "column"), [("high_needs_spend", "High needs (SEND)"), ("schools_budget_spend", "total")]
)
def test_spending_adds_up_to_the_pound(measure, column):
    """No row for England is printed. The file's total is the tables' and that of the councils that are gone, in every year."""
    ours = panel.wide(measure)
    assert list(ours.columns) == list(range(2018, 2026)) == sorted(spending(column))
    for year, found in spending(column).items():
        kept = {RECODED.get(code, code) for code in found} & set(ours[year].dropna().index)
        gone = {name: pounds for code, (name, pounds) in found.items() if RECODED.get(code, code) not in kept}
        assert set(gone) == {name for name, last in LAST.items() if year <= last}, year
        assert ours[year].sum() + sum(gone.values()) == pytest.approx(
            sum(pounds for _, pounds in found.values()), abs=1
        )


LINES = ("top_up_maintained", "top_up_independent", "sen_support_services", "alternative_provision_services", "hospital_education",
         "therapies")  # fmt: skip


def test_high_needs_spending_of_2021_22_is_that_of_the_lines_of_the_return():
    """The lines of the same return, from another publication of it: what they leave out (inclusion, targeted funding, direct
    payments) can only be missing, in some councils. The City and the Isles of Scilly are in one and not in the other."""
    found = {code: pounds for code, (_, pounds) in spending("High needs (SEND)")[2022].items()}
    codes = {c.dfe_number: c.la_code for c in councils.listed()} | {"909": "E10000006"}
    codes |= {
        councils_number: old
        for old, new in RECODED.items()
        for councils_number, now in list(codes.items())
        if now == new and old in found
    }
    lines = {codes[r["la_code"]]: sum(number(r[f"outturn_{line}"]) or 0 for line in LINES) for r in rows("s251_outturn_2021_22")
             if codes.get(r["la_code"]) in found}  # fmt: skip
    missing = {code: found[code] - total for code, total in lines.items()}
    assert {councils.names()[code] for code in set(found) - set(lines)} == {"City of London", "Isles of Scilly"}
    assert all(gap > -2 for gap in missing.values())
    assert sum(abs(gap) < 2 for gap in missing.values()) >= 118
    assert 0 < sum(missing.values()) < 0.002 * sum(found.values())


def test_grant_adds_up_to_the_national_row():
    """Allocations of every block and year, councils against England; the tables lack only the councils that are gone."""
    found = {}
    for row in rows("dsg_allocations"):
        if row["deductions"] == "before":
            key = (row["block"], year_of(row["financial_year"]), row["geographic_level"])
            found.setdefault(key, {})[row["la_name"]] = number(row["amount"])
    for measure, block in {"dsg_total": "total", "high_needs_block": "high_needs"}.items():
        for year in range(2020, 2025):
            (total,) = found[block, year, "National"].values()
            local = found[block, year, "Local authority"]
            assert sum(local.values()) == pytest.approx(total, abs=1)
            gone = {name for name, last in LAST.items() if year <= last and name in local}
            assert panel.wide(measure)[year].sum() + sum(local[name] for name in gone) == pytest.approx(total, abs=1)
            assert england(measure)[year] == pytest.approx(total, abs=1)


def test_deficits_are_the_files_and_average_to_englands():
    """DfE's shares are of the income in its dashboard; weighted by the grant the councils come within 0.03 points."""
    printed = {(councils.place("", "", r["la_name"]).code, year_of(r["financial_year"])): number(r["deficit"])
               for r in rows("dsg_balance_percent") if r["geographic_level"] == "Local authority"}  # fmt: skip
    ours = held("dsg_balance_published")
    assert ours == {key: value for key, value in printed.items() if key in ours}
    assert {key for key, value in printed.items() if value is not None and key not in ours} <= {
        ("", 2020),
        ("", 2021),
        ("", 2022),
    }
    for year, share in england("dsg_balance_published").items():
        both = pd.DataFrame(
            {"share": panel.wide("dsg_balance_published")[year], "grant": panel.wide("dsg_total")[year]}
        ).dropna()
        assert (both["share"] * both["grant"]).sum() / both["grant"].sum() == pytest.approx(share, abs=0.035)


@pytest.mark.parametrize("column", ["net_current_expenditure", "education"])
def test_net_expenditure_adds_up(column):
    measure = {"net_current_expenditure": "net_expenditure", "education": "education_expenditure"}[column]
    for year, gone in {2023: {"Cumbria CC"}, 2024: set(), 2025: set()}.items():
        found = [
            r
            for r in rows("council_net_expenditure", "mhclg")
            if year_of(r["financial_year"]) == year and r["status"] == "submitted"
        ]
        upper = {r["la_name"]: number(r[column]) for r in found if r["class"] not in ("Shire District", "Other")}
        assert gone <= set(upper)
        kept = sum(value or 0 for name, value in upper.items() if name not in gone)
        assert panel.wide(measure)[year].sum() == pytest.approx(kept, abs=1)


# Other known answers ---------------------------------------------------------------------------------------------------------


def test_every_measure_is_of_a_listed_resource():
    names = {r["name"] for r in json.loads((paths.raw() / "datapackage.json").read_text(encoding="utf-8"))["resources"]}
    for measure in measures.ordered():
        assert measure.source in names, measure.name


def test_kents_refusals_add_up_by_two_routes():
    """55% of Kent's requests of 2024 were refused: the parts of its return, the breakdown by age, and the series of another tool."""

    def kent(name):
        return [r for r in rows(name) if r["la_name"] == "Kent"]

    (whole,) = (r for r in kent("ehc_requests") if r["time_period"] == "2024")
    parts = ("decided_to_assess", "decided_not_to_assess", "decision_not_made", "withdrawn")
    assert sum(int(whole[f"requests_{part}"]) for part in parts) == int(whole["requests_received_in_year"]) == 4001
    ages = [r for r in kent("ehc_requests_by_age") if r["time_period"] == "2024" and r["breakdown"].startswith("Age")]
    for column in ("requests_received_in_year", "requests_decided_to_assess", "requests_decided_not_to_assess"):
        assert sum(int(r[column]) for r in ages) == int(whole[column])
    printed = tool()["EHCP_Initial_req_refused"]["886", 2024]
    assert (
        panel.value("refusal_to_assess", "Kent", 2024) == pytest.approx(100 * 2200 / 4001, abs=0.05) == printed == 55.0
    )


def test_inspections_are_the_published_ones_but_for_one_done_again():
    """Ofsted's statistics at 31 December 2024: 26 full inspections in 2023 (7, 11 and 8 by outcome) and 28 in 2024 (7, 15 and 6).

    https://www.gov.uk/government/statistics/area-send-inspections-and-outcomes-in-england-as-at-31-december-2024
    The file keeps each area's latest: Cornwall's of February 2023, inconsistent by subtraction, gave way to that of March 2026."""
    kept = panel.table("inspections").query("framework == '2023'")
    counts = {year: tuple((part["grade"] == g).sum() for g in (1, 2, 3)) for year, part in kept.groupby("year")}
    assert counts[2024] == (7, 15, 6) and counts[2023] == (7, 11 - 1, 8)
    found = rows("area_send_inspections_2023", "ofsted")
    again = [r for r in found if r["previous_inspection_date"][-4:] in ("2023", "2024")]
    assert [(r["local_authority"], r["previous_inspection_date"]) for r in again] == [("cornwall", "10/02/2023")]


# The checks themselves, on small tables ---------------------------------------------------------------------------------------


def long(values, measure="absence"):
    """Long rows of one rate in 2024: England, every region at its default of 10, one council at 10 in each."""
    defaults = {councils.ENGLAND: 10.0} | dict.fromkeys(councils.REGIONS, 10.0)
    defaults |= {
        next(c.la_code for c in councils.listed() if c.region_code == region): 10.0 for region in councils.REGIONS
    }
    kinds = {councils.ENGLAND: "england"} | dict.fromkeys(councils.REGIONS, "region")
    names = councils.names() | councils.REGIONS | {councils.ENGLAND: "England"}
    return pd.DataFrame(
        [{"kind": kinds.get(code, "council"), "la_code": code, "place_name": names[code], "measure": measure, "year": 2024, "value": value}
         for code, value in (defaults | values).items()]
    )  # fmt: skip


LONDON, KENT, SOUTH_EAST = "E12000007", "E10000016", "E12000008"


def test_a_rate_between_its_parts_is_one_row():
    (row,) = reconciliation.rates(long({KENT: 14.0, SOUTH_EAST: 12.0, councils.ENGLAND: 11.0}))
    assert row["what"] == f"Absence from special schools, 2024 to 2024, {reconciliation.OUTSIDE}"
    assert (row["expected"], row["found"], row["explanation"], row["source"]) == (0, 0, "1 year", "lait_sen")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({councils.ENGLAND: 10.5}, "the row of England says 10.5; its parts run from 10 to 10."),
        (
            {KENT: 14.0, SOUTH_EAST: 14.5, councils.ENGLAND: 11.0},
            "the row of South East says 14.5; its parts run from 10 to 14.",
        ),
    ],
)
def test_a_rate_outside_its_parts_stops_the_build(values, words):
    with pytest.raises(AssessError, match="lait_sen: Absence from special schools, 2024: ") as raised:
        reconciliation.rates(long(values))
    assert str(raised.value).endswith(words)


def test_councils_stand_in_for_a_region_without_a_figure():
    london = next(c.la_code for c in councils.listed() if c.region_code == LONDON)
    assert reconciliation.rates(long({LONDON: None, london: 13.0, councils.ENGLAND: 12.0}))
    with pytest.raises(AssessError, match="from 10 to 11"):
        reconciliation.rates(long({LONDON: None, london: 11.0, councils.ENGLAND: 12.0}))
    assert reconciliation.rates(long({LONDON: None, london: None, councils.ENGLAND: 12.0})) == []


def test_a_rate_is_what_its_counts_give():
    def table(rate):
        figures = {"appeal_rate": rate, "appeals": 32.0, "appealable_decisions": 1000.0}
        return pd.concat([long({councils.ENGLAND: v}, measure=name) for name, v in figures.items()])

    (row,) = reconciliation.ratios(table(3.25))
    assert row["found"] == pytest.approx(0.05) and row["explanation"] == "1 year, differences are rounding"
    with pytest.raises(AssessError, match=r"2024: England's own row says 3\.3; its counts give 3\.2\."):
        reconciliation.ratios(table(3.3))


def test_a_copied_figure_allows_for_a_figure_already_rounded():
    total = reconciliation.Total("england", ("absence",), 2016, 26.9, 1, "DfE", seen="https://x")
    assert total.met_by(26.95) and not total.met_by(26.96) and not total.met_by(26.84)
    firm = reconciliation.Total("england", ("absence",), 2016, 26.9, 1, "DfE")
    assert firm.met_by(26.94) and not firm.met_by(27.0)


def test_a_revised_figure_is_shown_and_one_not_there_is_left_out(monkeypatch):
    def totals(**changed):
        entry = {
            "what": "england",
            "measure": ("absence",),
            "digits": 1,
            "publisher": "DfE, a release",
            "seen": "https://x",
        } | changed
        return lambda: tuple(
            reconciliation.Total(year=y, expected=v, **entry) for y, v in {2023: 9.0, 2024: 9.5}.items()
        )

    monkeypatch.setattr(reconciliation, "totals", totals())
    made = pd.DataFrame(reconciliation.stated(long({}), pd.Series(dtype=str)))
    assert made["what"].tolist() == ["Absence from special schools, 2024, England"] and made["difference"].tolist() == [
        0.5
    ]
    shown = national.stated(sources.Built({}, pd.DataFrame(), made)).iloc[0].tolist()
    assert shown == [
        "Absence from special schools, 2024, England",
        "9.5",
        "10.0",
        "DfE, a release (revised since: 2024)",
    ]
    both = pd.concat([long({}), long({}).assign(year=2023)])
    made = pd.DataFrame(reconciliation.stated(both, pd.Series(dtype=str)))
    shown = national.stated(sources.Built({}, pd.DataFrame(), made)).iloc[0].tolist()
    assert shown[:3] == ["Absence from special schools, 2023, 2024, England", "9.0; 9.5", "10.0; 10.0"]
    assert (
        national._span([2019, 2020, 2021]) == "2019 to 2021"
        and national._span([2019, 2021, 2022]) == "2019, 2021, 2022"
    )
    monkeypatch.setattr(reconciliation, "totals", totals(seen=""))
    with pytest.raises(AssessError, match="2023, England is nothing; the publisher's total is 9"):
        reconciliation.stated(long({}), pd.Series(dtype=str))


def test_a_share_is_made_from_the_parts_of_englands_row():
    rows = pd.concat(
        [long({councils.ENGLAND: v}, measure=m) for m, v in (("plans_mainstream", 30.0), ("plans", 120.0))]
    )
    england = rows[rows["kind"] == "england"].set_index("measure")["value"]
    total = reconciliation.Total("england", ("mainstream_share",), 2024, 25.0, 1, "DfE", seen="https://x")
    assert reconciliation._england(total, england) == 25.0
    assert reconciliation._england(total, england[["plans"]]) is None
