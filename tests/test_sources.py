"""From the committed extracts to the processed tables: known answers, and what happens to wrong input."""

import dataclasses
import shutil
from functools import cache

import pandas as pd
import pytest

from helpers import (
    catalogue,
    checks,
    claims,
    councils,
    evidence,
    exposure,
    layouts,
    measures,
    quality,
    reading,
    reconciliation,
    sources,
)
from helpers.errors import AssessError


@cache
def raw(name: str) -> pd.DataFrame:
    return catalogue.read(name)


def read(name: str) -> pd.DataFrame:
    return raw(name).copy()


@pytest.fixture(scope="module")
def built() -> sources.Built:
    return sources.built_from(read, {})


def figure(built: sources.Built, measure: str, area: str, year: int) -> float:
    table = built.tables["area_year" if area == councils.ENGLAND else "council_year"]
    rows = table[(table["measure"] == measure) & (table["la_code"] == area) & (table["year"] == year)]
    return float(rows["value"].iloc[0])


# Known answers


@pytest.mark.parametrize(
    ("measure", "year", "value"),
    [
        ("requests", 2019, 82329),
        ("requests", 2024, 154489),
        ("refusals", 2024, 38889),
        ("new_plans", 2022, 66706),
        ("new_plans", 2024, 97747),
        ("plans", 2019, 353995),
        ("plans", 2025, 638745),
        ("ceased_plans", 2024, 44862),
        ("appeals", 2024, 22276),
        ("appeal_rate", 2024, 3.2),
        ("timeliness", 2024, 46.4),
        ("timeliness", 2016, 58.6),
        ("refusal_to_assess", 2024, 25.2),
        ("attainment8", 2025, 14.8),
        ("dsg_balance", 2022, 2.26),
        ("plans_aged_11_to_15", 2025, 46775 + 47172 + 47359 + 47125 + 44886),
    ],
)
def test_england_as_printed(built, measure, year, value):
    assert figure(built, measure, councils.ENGLAND, year) == value


def test_derived_by_hand(built):
    assert figure(built, "refusal_to_assess_sen2", councils.ENGLAND, 2024) == pytest.approx(100 * 38889 / 154489)
    assert figure(built, "assessments", councils.ENGLAND, 2024) == 98547 + 6404
    assert figure(built, "refusal_to_issue", councils.ENGLAND, 2024) == pytest.approx(100 * 6404 / (98547 + 6404))
    assert figure(built, "attainment8_gap", councils.ENGLAND, 2025) == pytest.approx(50.2 - 14.8)
    kent = built.tables["councils"].set_index("la_code").loc["E10000016"]
    assert figure(built, "requests_per_1000", "E10000016", 2024) == pytest.approx(
        1000 * figure(built, "requests", "E10000016", 2024) / kent["pop_0_25"]
    )
    balance = figure(built, "dsg_balance_gbp", "E10000016", 2024)
    assert figure(built, "dsg_balance", "E10000016", 2024) == pytest.approx(
        100 * balance / figure(built, "dsg_total", "E10000016", 2024)
    )
    spend, plans = figure(built, "high_needs_spend", "E10000016", 2024), figure(built, "plans", "E10000016", 2024)
    assert figure(built, "high_needs_spend_per_plan", "E10000016", 2024) == pytest.approx(spend / plans)


def test_dsg_balances(built):
    table = built.tables["council_year"].query("measure == 'dsg_balance_gbp'").dropna(subset=["value"])
    assert len(table) == 148
    assert round(table["value"].sum() / 1e9, 3) == 1.735
    assert round(table["value"].clip(lower=0).sum() / 1e9, 3) == 2.141 and (table["value"] > 0).sum() == 106
    groups = built.tables["councils"].set_index("la_code")["group"]
    assert round(table.loc[table["la_code"].map(groups) == "safety_valve", "value"].sum() / 1e6, 1) == 886.5


def test_groups_and_cohorts(built):
    table = built.tables["councils"]
    assert table["group"].value_counts().to_dict() == {"safety_valve": 38, "dbv": 44, "neither": 71}
    assert table.loc[table["cohort"] != "", "cohort"].value_counts().to_dict() == {
        "2020-21": 5,
        "2021-22": 9,
        "2022-23": 20,
        "2023-24": 4,
    }
    later = table[(table["group"] == "safety_valve") & (table["dbv_tranche"] != "")]
    assert set(later["la_name"]) == {"Bracknell Forest", "Bristol, City of"}
    assert ((table["signed_year"] > 0) == (table["group"] == "safety_valve")).all()


def test_contract_columns_and_keys(built):
    for name in ("council_year", "area_year"):
        table = built.tables[name]
        assert list(table.columns) == [
            "la_code",
            "la_name",
            "measure",
            "period",
            "year",
            "value",
            "unit",
            "symbol",
            "source",
        ]
        assert not table.duplicated(["la_code", "measure", "year"]).any()
    assert set(built.tables["council_year"]["la_code"]) == set(councils.names())
    assert {"z", "x", ":"} <= set(built.tables["council_year"]["symbol"])
    assert not (built.tables["council_year"]["value"].notna() & (built.tables["council_year"]["symbol"] != "")).any()


def test_periods_and_years():
    assert [
        reading.year_of(p) for p in ("2024", "202425", "2023-24", "2023/24", "2016-17 (OT)", "201920", "1999-00")
    ] == [2024, 2025, 2024, 2024, 2017, 2020, 2000]
    for wrong in ("2024-26", "24", "", "2013/14-15/16", "0"):
        with pytest.raises(AssessError):
            reading.year_of(wrong)


def test_every_kind_of_measure_has_a_first_exposed_year():
    for measure in measures.listed().values():
        assert exposure.first_exposed(2022, measure.kind) in (2022, 2023)


# Recodes


def test_recoded_councils_keep_their_series_and_new_ones_begin_when_formed(built):
    table = built.tables["council_year"]
    first = table[table["value"].notna()].groupby(["la_code", "measure"])["year"].min()
    for code in ("E06000060", "E06000065", "E06000066", "E08000037"):
        assert (
            first[code, "refusal_to_assess"] == 2016
            and first[code, "requests"] == 2019
            and first[code, "plans"] == 2019
        )
    assert first["E06000059", "refusal_to_assess"] == 2019 and first["E06000059", "appeals"] == 2019  # Dorset
    assert first["E06000059", "plans"] == 2020
    assert first["E06000061", "requests"] == 2021 and first["E06000061", "plans"] == 2022  # North Northamptonshire
    assert first["E06000063", "requests"] == 2023 and first["E06000063", "plans"] == 2024  # Cumberland


def test_the_tribunal_table_is_joined_by_name(built):
    # Its numbers for these councils are each other's.
    assert figure(built, "appeals", "E06000018", 2024) == 52  # Nottingham
    assert figure(built, "appeals", "E10000024", 2024) == 184  # Nottinghamshire
    detail = " ".join(built.quality.query("check == 'council codes'")["detail"])
    assert "Cambridgeshire has 823, expected 873" in detail and "Nottingham has 891, expected 892" in detail


def test_nothing_is_dropped_silently(built):
    dropped = built.quality[built.quality["outcome"] == "dropped"]
    for name in ("Northamptonshire", "Cumbria", "Bournemouth", "Poole", "Dorset"):
        assert dropped["detail"].str.startswith(name).any()
    assert (built.quality["detail"].str.len() > 0).all()


# Known errors


def test_new_plans_of_yorkshire_and_the_humber_in_2022_are_the_sums_of_their_placements(built):
    frame = raw("ehc_new_plans")
    frame = frame[
        (frame["time_period"] == "2022") & (frame["region_code"] == "E12000003") & (frame["new_la_code"] != "")
    ]
    assert (frame["new_ehc_plans"] == "6078").all() and len(frame) == 15
    parts = [
        "mainstream_total",
        "special_total",
        "ap_pru_total",
        "fe_total",
        "ed_elsewhere",
        "nm_early_years",
        "placement_unknown",
    ]
    sums = frame.set_index("la_name")[parts].apply(pd.to_numeric, errors="coerce").sum(axis=1, min_count=1)
    ours = {
        row["la_name"]: figure(built, "new_plans", councils.place(row["new_la_code"]).code, 2022)
        for _, row in frame.iterrows()
    }
    assert {n: v for n, v in ours.items() if n != "Wakefield"} == sums.drop("Wakefield").to_dict()
    assert (
        ours["Wakefield"]
        == 6078 - sums.drop("Wakefield").sum()
        == figure(built, "plans_after_assessment", "E08000036", 2022)
    )
    # In every other council the placements do add up to the total.
    others = raw("ehc_new_plans")
    others = others[
        (others["time_period"] == "2022") & (others["region_code"] != "E12000003") & (others["new_la_code"] != "")
    ]
    totals = pd.to_numeric(others["new_ehc_plans"], errors="coerce")
    assert (others[parts].apply(pd.to_numeric, errors="coerce").sum(axis=1)[totals.notna()] == totals.dropna()).all()


def test_a_correction_is_not_made_once_the_publisher_has_made_it():
    long = pd.DataFrame(
        {
            "kind": "council",
            "la_code": ["E08000016"],
            "measure": "new_plans",
            "year": 2022,
            "value": [320.0],
            "symbol": "",
        }
    )
    notes: list = []
    assert quality.without_known_errors(long, notes)["value"].tolist() == [320.0]
    assert any("no longer in the file" in n["detail"] for n in notes)


def test_a_dropped_figure_is_missing_with_a_symbol(built):
    table = built.tables["council_year"]
    row = table.query("measure == 'requests' and la_code == 'E06000046' and year == 2024").iloc[0]
    assert pd.isna(row["value"]) and row["symbol"] == "u"
    rate = table.query("measure == 'refusal_to_assess_sen2' and la_code == 'E06000046' and year == 2024").iloc[0]
    assert pd.isna(rate["value"]) and rate["symbol"] == "u"


# Reconciliation


def test_reconciliation_has_every_stated_total_and_explains_every_shortfall(built):
    table = built.reconciliation
    assert list(table.columns) == reconciliation.COLUMNS
    assert len(table) > 400
    short = table[
        (table["difference"].abs() > 1) & ~table["explanation"].isin([t.publisher for t in reconciliation.totals()])
    ]
    assert (
        len(short)
        and (short["difference"] < 0).all()
        and short["explanation"].str.startswith("in England's figure").all()
    )
    assert table["what"].str.contains("interactive tool").sum() == len(reconciliation.PAIRS)


def test_a_council_that_differs_between_publications_is_reported(built):
    frame = read("lait_sen")
    kent = (frame["Short Desc"] == "SEN_CASES_JAN") & (frame["Years"] == "2025") & (frame["LA Number"] == "886")
    frame.loc[kent, "Values"] = "1"
    long = reading.published("ehc_caseload", read("ehc_caseload"), [])
    rows = reconciliation.between(long, reading.tool_items(lambda name: frame, ["SEN_CASES_JAN"]))
    assert len(rows) == 1 and "1 differ by more than rounding, the most Kent, 2025" in rows[0]["explanation"]


def test_only_the_last_year_may_be_missing(built):
    year = built.tables["council_year"]
    assert checks.complete(year) == []
    assert checks.complete(year[~((year["measure"] == "absence") & (year["year"] == 2025))]) == ["absence"]
    with pytest.raises(AssessError, match="lait_sen: absence has no figures in 2016"):
        checks.complete(year[~((year["measure"] == "absence") & (year["year"] == 2016))])


# Wrong input: each is one sentence that names the table


def altered(name, change):
    """A reader in which one resource is changed."""

    def reader(asked):
        frame = read(asked)
        return change(frame) if asked == name else frame

    return reader


def put(row, column, value):
    def change(frame):
        chosen = frame.index[row(frame)]
        frame.loc[chosen[:1], column] = value
        return frame

    return change


def total(frame):
    return (frame["time_period"] == "2024") & (frame["new_la_code"] == "E10000016")


BAD = {
    "a letter in a number column": (
        "ehc_requests",
        put(total, "requests_received_in_year", "12a"),
        ["ehc_requests", "Kent", "requests", "'12a'", "expected a number"],
    ),
    "an unknown council": (
        "ehc_requests",
        put(total, "new_la_code", "E10000099"),
        ["ehc_requests, row", "unknown local authority", "E10000099"],
    ),
    "a column gone": (
        "ehc_requests",
        lambda f: f.drop(columns="requests_received_in_year"),
        ["ehc_requests", "no column 'requests_received_in_year'"],
    ),
    "a duplicate row": (
        "ehc_requests",
        lambda f: pd.concat([f, f[total(f)]]),
        ["ehc_requests", "Kent has 2 rows", "expected one"],
    ),
    "no rows": ("ehc_requests", lambda f: f.iloc[:0], ["ehc_requests", "no rows"]),
    "a period that is none": ("ehc_requests", put(total, "time_period", "20245"), ["ehc_requests", "'20245'"]),
    "a council's figure changed": (
        "ehc_requests",
        put(total, "requests_received_in_year", "999999"),
        ["ehc_requests", "2024", "add up to"],
    ),
    "a region's figure changed": (
        "ehc_requests",
        put(
            lambda f: (f["time_period"] == "2024") & (f["geographic_level"] == "Regional"),
            "requests_received_in_year",
            "1",
        ),
        ["ehc_requests", "regions add up to"],
    ),
    "England's figure changed": (
        "lait_sen",
        put(
            lambda f: (f["Short Desc"] == "SEN_EHC_Excpt_20wks") & (f["Years"] == "2024") & (f["LA Number"] == "970"),
            "Values",
            "55",
        ),
        ["lait_sen", "within 20 weeks", "55", "46.4"],
    ),
    "two publications that differ": (
        "lait_sen",
        put(
            lambda f: (f["Short Desc"] == "SEN_CASES_JAN") & (f["Years"] == "2025") & (f["LA Number"] == "970"),
            "Values",
            "1",
        ),
        ["ehc_caseload and lait_sen", "England, 2025", "SEN_CASES_JAN"],
    ),
    "a share over a hundred": (
        "lait_sen",
        put(
            lambda f: (
                (f["Short Desc"] == "NEW_KS2_RWM_Sen_Withsta") & (f["Years"] == "2024") & (f["LA Number"] == "886")
            ),
            "Values",
            "109",
        ),
        ["lait_sen", "ks2_rwm of Kent in 2024", "expected 0 to 100"],
    ),
    "a year gone": (
        "lait_sen",
        lambda f: f[~((f["Short Desc"] == "TotAbs") & (f["Years"] == "2019"))],
        ["absence_all has no figures in 2019"],
    ),
    "a deficit changed": (
        "dsg_balance_2023_24",
        put(lambda f: f["utla23cd"] == "E10000016", "dsg_deficit_2324_gbp_positive_is_deficit", "1"),
        ["dsg_balance_2023_24", "1,735,000,000"],
    ),
    "an agreement gone": ("agreements", lambda f: f.iloc[1:], ["agreements", "cohorts of", "38 in all"]),
    "an unknown name of an agreement": (
        "agreements",
        put(lambda f: f["la_name"] == "Kent", "la_name", "Kentt"),
        ["agreements, row", "Did you mean Kent"],
    ),
    "a wrong code of an agreement": (
        "agreements",
        put(lambda f: f["la_name"] == "Kent", "ons_code", "E06000001"),
        ["agreements, row", "expected E10000016"],
    ),
    "a wrong date of an agreement": (
        "agreements",
        put(lambda f: f["la_name"] == "Kent", "agreement_date", "2022-03"),
        ["Kent", "expected the year 2023"],
    ),
    "a council twice in DBV": (
        "comparison_groups",
        lambda f: pd.concat([f, f.iloc[:1]]),
        ["comparison_groups", "stands twice"],
    ),
    "a population gone": ("population_deprivation", lambda f: f.iloc[1:], ["population_deprivation", "153"]),
    "a population of nought": (
        "population_deprivation",
        put(lambda f: f["utla23cd"] == "E10000016", "pop_0_25", "0"),
        ["population_deprivation", "not positive"],
    ),
    "an unknown neighbour": (
        "statistical_neighbours",
        put(lambda f: f["rank"] == "1", "neighbour_la_number", "999"),
        ["statistical_neighbours", "'999'"],
    ),
    "an inspection of nowhere": (
        "area_send_inspections_2023",
        put(lambda f: f["la_code"] != "", "la_code", "000"),
        ["area_send_inspections_2023, row"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_input_is_one_sentence_that_names_it(case):
    name, change, words = BAD[case]
    with pytest.raises(AssessError) as raised:
        sources.built_from(altered(name, change), {})
    message = str(raised.value)
    assert all(word in message for word in words), message
    assert "\n" not in message and message[-1] in ".?"


def test_wrong_input_leaves_the_tables_as_they_were(built, tmp_path, monkeypatch):
    sources.write(built, tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.rglob("*.parquet")}
    broken = dict(built.tables)
    broken["councils"] = pd.DataFrame({"a": [object()]})
    with pytest.raises(Exception):  # noqa: B017 - whatever the writer raises
        sources.write(sources.Built(broken, built.quality, built.reconciliation), tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_two_builds_give_the_same_bytes(built, tmp_path):
    sources.write(built, tmp_path / "a")
    sources.write(sources.built_from(read, {}), tmp_path / "b")
    for path in (tmp_path / "a").glob("*.parquet"):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


# Checks on tables


def test_checks_catch_what_they_should(built):
    year = built.tables["council_year"].head(400)
    with pytest.raises(AssessError, match="council_year"):
        checks.conform("council_year", year.assign(la_code="E99999999"))
    with pytest.raises(AssessError, match="council_year"):
        checks.conform("council_year", pd.concat([year, year.head(1)]))
    with pytest.raises(AssessError, match="council_year"):
        checks.conform("council_year", year.drop(columns="unit"))
    with pytest.raises(AssessError, match="expected one or the other"):
        checks.explained("council_year", year.assign(symbol="x"))
    with pytest.raises(AssessError, match="expected 0 to inf"):
        checks.bounded("council_year", year.assign(value=-1.0))


# The publishers' own file


@pytest.mark.shared
def test_age_rows_of_the_release_confirm_the_corrected_new_plans(built):
    import zipfile

    from helpers import paths

    path = paths.root().parent / "shared" / "data" / "ehc_plans" / "education-health-and-care-plans_2025.zip"
    if not path.is_file():
        pytest.skip("the publishers' files are not here")
    with zipfile.ZipFile(path) as archive, archive.open("data/newplans.csv") as handle:
        frame = pd.read_csv(handle, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    frame = frame[
        (frame["time_period"] == "2022") & (frame["breakdown_topic"] == "Sex") & (frame["region_code"] == "E12000003")
    ]
    frame = frame[(frame["geographic_level"] == "Local authority") & (frame["la_name"] != "Wakefield")]
    sums = frame.assign(n=pd.to_numeric(frame["new_ehc_plans"])).groupby("new_la_code")["n"].sum()
    assert len(sums) == 14
    for code, value in sums.items():
        assert figure(built, "new_plans", councils.place(code).code, 2022) == value


def told(monkeypatch, **about):
    """The layouts, with `about` of the table of requests as given."""
    known = layouts.known()
    changed = dataclasses.replace(known.resources["ehc_requests"], about=about)
    monkeypatch.setattr(
        layouts, "known", lambda: dataclasses.replace(known, resources=known.resources | {"ehc_requests": changed})
    )


def test_what_a_table_s_rows_are_about_is_read_from_its_layout(monkeypatch):
    shape = reading.shape_of("ehc_requests")
    assert (shape.code, shape.period, shape.rows) == ("new_la_code", "time_period", {"breakdown": ("All requests",)})
    assert reading.shape_of("ehc_caseload_by_age").ages == ("ehcplans",)
    assert set(reading.sources_of_measures()) == {
        m.source for m in measures.listed().values() if m.way in ("column", "item")
    }
    told(monkeypatch, code="la_code", fixed_period="2025")
    assert reading.shape_of("ehc_requests").fixed_period == "2025"


def test_a_source_of_a_measure_must_say_what_its_rows_are_about(monkeypatch):
    told(monkeypatch)
    with pytest.raises(AssessError, match="ehc_requests has no `about` in src/helpers/layouts: expected which columns"):
        reading.sources_of_measures()
    told(monkeypatch, codes="la_code")
    with pytest.raises(AssessError, match="`about` has an unknown word 'codes'; expected some of code, number, name"):
        reading.sources_of_measures()
    with pytest.raises(AssessError, match=r"No resource is called 'ehc_request' .*Did you mean ehc_requests"):
        reading.shape_of("ehc_request")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{claim: TGT-99, test: none, reason: r., needs: n}", "claim_tests: TGT-99 is not a claim_id of claims.csv"),
        ("{claim: TGT-99, test: efect, reason: r.}", "new.yaml: claim TGT-99: test is 'efect'; expected one of effect"),
    ],
)
def test_a_bad_claim_test_stops_the_first_chapter(tmp_path, monkeypatch, entry, words):
    for path in claims.FOLDER.glob("*.yaml"):
        shutil.copy(path, tmp_path)
    (tmp_path / "new.yaml").write_text(f"- {entry}\n", encoding="utf-8")
    # `tests` has its folder as a default, set when it was defined.
    monkeypatch.setattr(claims.tests, "__defaults__", (tmp_path,))
    with pytest.raises(AssessError, match=words):
        sources.build()


def test_a_claim_without_a_test_or_a_group_stops_the_first_chapter(monkeypatch):
    table = evidence.normalise_all()["claims"]
    for changed, words in (
        (table.assign(claim_id=["NEW-01", *table["claim_id"][1:]]), "no test is stated for NEW-01"),
        (table.assign(theme=["odd", *table["theme"][1:]]), "theme 'odd' has no group"),
    ):
        monkeypatch.setattr(evidence, "normalise_all", lambda changed=changed: {"claims": changed})
        with pytest.raises(AssessError, match=words):
            sources.build()
