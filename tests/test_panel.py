"""Reading the processed tables."""

import time

import pandas as pd
import pytest

from helpers import panel, paths
from helpers.errors import AssessError

CODES = {"E10000016": ("Kent", "safety_valve", "2022-23", 2023), "E06000060": ("Buckinghamshire", "neither", "", 0)}
CODES["E06000058"] = ("Bournemouth, Christchurch and Poole", "dbv", "", 0)


def rows(measure, values):
    return [
        {"la_code": code, "la_name": CODES[code][0], "measure": measure, "period": str(year), "year": year, "value": value, "unit": "requests",
         "symbol": "" if value == value else "x", "source": "ehc_requests"}
        for code, year, value in values
    ]  # fmt: skip


@pytest.fixture
def tables(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "processed", lambda: tmp_path)
    nan = float("nan")
    kent, bucks, bcp = "E10000016", "E06000060", "E06000058"
    year = rows(
        "requests",
        [
            (kent, 2023, 100.0),
            (kent, 2024, 120.0),
            (bucks, 2023, 50.0),
            (bucks, 2024, nan),
            (bcp, 2023, 30.0),
            (bcp, 2024, 40.0),
        ],
    )
    year += rows("plans", [(kent, 2024, 1000.0)])
    pd.DataFrame(year).to_parquet(tmp_path / "council_year.parquet")
    england = pd.DataFrame(rows("requests", [(kent, 2023, 180.0), (kent, 2024, nan)])).assign(
        la_code="E92000001", la_name="England"
    )
    england.to_parquet(tmp_path / "area_year.parquet")
    pd.DataFrame(
        [
            {
                "la_code": code,
                "la_name": name,
                "group": group,
                "cohort": cohort,
                "signed_year": signed,
                "region_name": "South East",
                "pop_0_25": people,
            }
            for (code, (name, group, cohort, signed)), people in zip(CODES.items(), (300.0, 100.0, 50.0), strict=True)
        ]
    ).to_parquet(tmp_path / "councils.parquet")
    return tmp_path


def test_series_is_long_with_groups_and_reasons(tables):
    frame = panel.series("requests")
    assert list(frame.columns) == [
        "la_code",
        "la_name",
        "year",
        "value",
        "symbol",
        "group",
        "cohort",
        "signed_year",
        "region_name",
    ]
    missing = frame[frame["value"].isna()].iloc[0]
    assert (missing["la_name"], missing["year"], missing["symbol"]) == ("Buckinghamshire", 2024, "x")
    assert list(panel.series("requests", groups=False).columns) == ["la_code", "la_name", "year", "value", "symbol"]
    assert set(panel.series("requests", years=(2024, 2024))["year"]) == {2024}


def test_wide_several_and_value(tables):
    wide = panel.wide("requests")
    assert list(wide.columns) == [2023, 2024] and wide.loc["E10000016", 2024] == 120.0
    both = panel.several(["requests", "plans"])
    row = both[(both["la_code"] == "E10000016") & (both["year"] == 2024)].iloc[0]
    assert (row["requests"], row["plans"], row["group"]) == (120.0, 1000.0, "safety_valve")
    assert panel.value("requests", "kent", 2023) == 100.0


def test_england(tables):
    assert panel.england("requests", 2023) == 180.0
    assert panel.england("requests").to_dict() == {2023: 180.0}
    with pytest.raises(AssessError, match=r"No figure for England: requests in 2024\. Years there are: 2023"):
        panel.england("requests", 2024)


def test_group_means_leave_missing_out_and_weight(tables):
    plain = panel.group_means("requests").set_index(["group", "year"])
    assert plain.loc[("neither", 2023), "mean"] == 50.0 and ("neither", 2024) not in plain.index
    regional = panel.group_means("requests", weights="population", by="region_name").set_index("year")
    assert regional.loc[2023, "mean"] == pytest.approx((300 * 100 + 100 * 50 + 50 * 30) / 450)
    assert (
        regional.loc[2024, "mean"] == pytest.approx((300 * 120 + 50 * 40) / 350) and regional.loc[2024, "councils"] == 2
    )
    assert set(panel.group_means("requests", balanced=True)["group"]) == {"safety_valve", "dbv"}


def test_years_may_be_open_or_wider_than_the_series(tables):
    assert panel.held("requests") == [2023, 2024] and panel.span("requests", (None, None)) == (2023, 2024)
    assert set(panel.series("requests", years=(None, 2023))["year"]) == {2023}
    assert set(panel.series("requests", years=[2000, 2100])["year"]) == {2023, 2024}


def test_a_council_s_own_missing_figure_is_no_error(tables):
    assert panel.value("requests", "Buckinghamshire", 2024) != panel.value("requests", "Buckinghamshire", 2024)  # NaN
    assert panel.value("plans", "Buckinghamshire", 2024) != panel.value("plans", "Buckinghamshire", 2024)


def test_coverage(tables):
    assert panel.coverage("requests").to_dict("list") == {
        "year": [2023, 2024],
        "councils": [3, 2],
        "missing": [150, 151],
    }


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: panel.series("request"), "No measure is called 'request'. Did you mean requests"),
        (lambda: panel.series("appeals"), "'appeals' is defined but not in data/processed/council_year.parquet"),
        (lambda: panel.councils("safety"), "No group is called 'safety'"),
        (lambda: panel.table("council"), "Did you mean councils"),
        (lambda: panel.group_means("requests", weights="size"), "weights='size'"),
        (lambda: panel.series("requests", years=2023), "years=2023: expected the first and the last year, such as"),
        (lambda: panel.series("requests", years=(2023,)), "expected the first and the last year"),
        (lambda: panel.series("requests", years=("2023", 2024)), "'2023' is not a year of requests: expected a whole"),
        (lambda: panel.series("requests", years=(2024, 2019)), "2024 is after 2019; expected the first year first"),
        (lambda: panel.series("requests", years=(2030, 2031)), "no figures then. Years there are: 2023, 2024."),
        (lambda: panel.value("requests", "Kent", 1999), "in 1999. Years there are: 2023, 2024."),
        (lambda: panel.value("requests", "Kent", "2023"), "'2023' is not a year of requests: expected a whole number"),
        (lambda: panel.group_means("requests", by="colour"), "by='colour'"),
        (lambda: panel.value("requests", "Kentt", 2023), "Did you mean Kent"),
    ],
)
def test_a_wrong_name_is_one_clear_sentence(tables, call, words):
    with pytest.raises(AssessError) as raised:
        call()
    assert words in str(raised.value)


def test_no_tables_yet(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "processed", lambda: tmp_path)
    with pytest.raises(AssessError, match="assess run"):
        panel.councils()


def test_a_changed_file_is_read_again_and_a_copy_is_given(tables):
    first = panel.series("requests")
    first["value"] = 0.0
    listed = panel.councils()
    listed["la_name"] = "changed"
    assert panel.series("requests")["value"].max() == 120.0 and "Kent" in set(panel.councils()["la_name"])
    changed = pd.read_parquet(tables / "council_year.parquet")
    changed.loc[changed["value"] == 120.0, "value"] = 999.0
    time.sleep(0.01)
    changed.to_parquet(tables / "council_year.parquet")
    assert panel.series("requests")["value"].max() == 999.0
    moved = pd.read_parquet(tables / "councils.parquet")
    moved["group"] = "neither"
    moved.to_parquet(tables / "councils.parquet")
    assert set(panel.series("requests")["group"]) == {"neither"}


def test_a_broken_file_is_named(tables):
    (tables / "councils.parquet").write_bytes(b"not parquet")
    with pytest.raises(AssessError, match=r"data/processed/councils.parquet cannot be read"):
        panel.councils()
