"""The catalogue: what is on disk matches it, and each way of not matching gives one sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import catalogue, extraction, layouts
from helpers.errors import AssessError

RAW = Path(__file__).resolve().parents[1] / "data" / "raw"
NAME = "ehc_ceased_plans"
FILE = "dfe/ehc_ceased_plans.csv"
LIMIT = 15_000_000


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A data/raw of three resources, catalogued as in the project."""
    folder = tmp_path / "raw"
    kept = []
    for told in catalogue.load(RAW)["resources"]:
        if told["name"] in (NAME, "boundaries", "agreements"):
            (folder / told["path"]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(RAW / told["path"], folder / told["path"])
            kept.append(told)
    (folder / catalogue.NAME).write_text(json.dumps({**catalogue.load(RAW), "resources": kept}), encoding="utf-8")
    return folder


def lines(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def cell(row: int, column: int, value: bytes) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        rows = lines(data)
        cells = rows[row].rstrip(b"\n").split(b",")
        cells[column] = value
        rows[row] = b",".join(cells) + b"\n"
        return b"".join(rows)

    return change


EDITS: dict[str, tuple[Callable[[bytes], bytes], tuple[str, ...]]] = {
    "empty": (lambda data: b"", ("is empty", "bytes")),
    "truncated": (lambda data: data[: len(data) // 2], ("cut short", "expected 485")),
    "truncated at a line": (lambda data: b"".join(lines(data)[:100]), ("99 rows, expected 485",)),
    "utf-16": (lambda data: data.decode().encode("utf-16"), ("UTF-16", "expected UTF-8")),
    "byte-order mark": (lambda data: b"\xef\xbb\xbf" + data, ("byte-order mark",)),
    "latin-1": (lambda data: cell(5, 6, b"Nord\xe9")(data), ("not UTF-8", "line 6", "0xe9")),
    "windows line ends": (lambda data: data.replace(b"\n", b"\r\n"), ("Windows line ends",)),
    "semicolons": (lambda data: data.replace(b",", b";"), ("semicolons", "expected commas")),
    "column gone": (
        lambda data: b"".join(b",".join(line.split(b",")[:-1]) + b"\n" for line in lines(data)),
        ("column gone: 'total_ceased'",),
    ),
    "column new": (lambda data: b"".join(line.rstrip() + b",more\n" for line in lines(data)), ("new column: 'more'",)),
    "columns swapped": (lambda data: data.replace(b"max_age,needs_met", b"needs_met,max_age", 1), ("another order",)),
    "letter in a number": (cell(10, 12, b"1O"), ("row 11", "'max_age'", "'1O'", "a whole number")),
    "thousands separator": (cell(10, 12, b'"1,000"'), ("row 11", "'1,000'", "a whole number")),
    "duplicate row": (lambda data: data + lines(data)[-1], ("rows 486 and 487", "expected one")),
    "ragged row": (cell(10, 12, b"1,1"), ("row 11", "24 values, expected 23")),
    "edited number": (cell(10, 12, b"999"), ("contents have changed", "sha256")),
    "row gone": (lambda data: b"".join(lines(data)[:-1]), ("484 rows, expected 485",)),
    "binary": (lambda data: b"\x00\x01\x02\xff" * 100, ("not UTF-8",)),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_changed_file_is_described_in_one_sentence(name: str, raw: Path) -> None:
    change, words = EDITS[name]
    path = raw / FILE
    path.write_bytes(change(path.read_bytes()))
    (said,) = catalogue.verify(raw)
    for word in (FILE, *words):
        assert word in said, said
    assert "\n" not in said
    with pytest.raises(AssessError) as caught:
        catalogue.read(NAME, raw)
    assert str(caught.value) == said


def test_a_missing_file(raw: Path) -> None:
    (raw / FILE).unlink()
    (said,) = catalogue.verify(raw)
    assert said == f"{FILE} is missing; the catalogue lists it."


def test_a_renamed_file_is_recognised(raw: Path) -> None:
    (raw / FILE).rename(raw / "dfe/ceased.csv")
    said = catalogue.verify(raw)
    assert said[0] == f"{FILE} is missing; dfe/ceased.csv has its contents, so it was renamed."
    assert said[1].startswith("dfe/ceased.csv is not in the catalogue")


def test_a_stray_file(raw: Path) -> None:
    (raw / "dfe/copy.csv").write_text("a\n", encoding="utf-8")
    (said,) = catalogue.verify(raw)
    assert "dfe/copy.csv is not in the catalogue" in said


def test_a_damaged_geojson(raw: Path) -> None:
    path = raw / "ons/boundaries.geojson"
    data = path.read_bytes()
    path.write_bytes(data[:-200])
    assert "cut short or damaged" in catalogue.verify(raw)[0]
    path.write_bytes(data.replace(b'"Hartlepool"', b'"Hartlepoole"'))
    assert "153 features" in catalogue.verify(raw)[0]


def test_a_missing_or_broken_catalogue(raw: Path) -> None:
    (raw / catalogue.NAME).write_text("{", encoding="utf-8")
    (said,) = catalogue.verify(raw)
    assert "not a readable catalogue" in said
    (raw / catalogue.NAME).write_text("[]", encoding="utf-8")
    assert "lists no resources" in catalogue.verify(raw)[0]
    (raw / catalogue.NAME).unlink()
    assert "is missing" in catalogue.verify(raw)[0]


def test_an_unknown_resource_gets_a_near_miss() -> None:
    with pytest.raises(AssessError, match="did you mean ehc_requests"):
        catalogue.read("ehc_request", RAW)
    with pytest.raises(AssessError, match="not a table"):
        catalogue.read("boundaries", RAW)


def test_values_are_text_and_nothing_is_guessed() -> None:
    frame = catalogue.read("ehc_requests", RAW)
    assert all(kind == frame.dtypes.iloc[0] for kind in frame.dtypes) and not frame.isna().any().any()
    assert "x" in set(frame["requests_decided_to_assess"]) and "" in set(frame["la_name"])
    assert frame["old_la_code"].str.len().max() == 3
    # NA is a word of the publisher's, not a missing value
    assert "NA" in set(catalogue.read("la_codes", RAW)["Region"])


# The project's own data ----------


def test_what_is_on_disk_matches_the_catalogue() -> None:
    assert catalogue.verify(RAW) == []


def test_the_catalogue_is_what_the_code_makes_of_the_files() -> None:
    package = catalogue.load(RAW)
    originals = {told["name"]: told.get("original", []) for told in package["resources"]}
    assert catalogue.build(RAW, originals, layouts.known()) == package


def test_every_resource_states_its_origin() -> None:
    package = catalogue.load(RAW)
    assert len(package["resources"]) > 40
    for told in package["resources"]:
        for word in (
            "title",
            "publisher",
            "publication",
            "landing_page",
            "download",
            "coverage",
            "licenses",
            "hash",
            "bytes",
        ):
            assert told[word] not in ("", None, []), (told["name"], word)
        assert told["download"].startswith("https://") and told["landing_page"].startswith("https://")
        assert told.get("rows") or told["features"] == 153
        assert told["release"], told["name"]
        assert told["hash"].startswith("sha256:")
        if told["path"].startswith("councils/"):
            assert told["licenses"][0]["name"] == "CC-BY-4.0"
        else:
            assert told["licenses"][0]["name"] == "OGL-UK-3.0"
            assert all(len(item["sha256"]) == 64 for item in told["original"])


def test_all_of_raw_is_small() -> None:
    assert sum(path.stat().st_size for path in RAW.rglob("*") if path.is_file()) < LIMIT


def test_the_catalogue_is_a_data_package() -> None:
    frictionless = pytest.importorskip("frictionless")
    report = frictionless.validate(str(RAW / catalogue.NAME), checks=[], limit_errors=1, resource_name=NAME)
    assert report.valid, report.flatten(["message"])
    package = frictionless.Package(str(RAW / catalogue.NAME))
    assert [resource.name for resource in package.resources] == catalogue.names(RAW)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in catalogue.names(RAW)
        if name not in ("boundaries", "lait_sen") and layouts.known().resources[name].extracted
    ],
)
def test_every_row_meets_its_schema(name: str) -> None:
    resource = layouts.known().resources[name]
    rows = catalogue.rows(RAW, name)
    for number, row in enumerate(rows, start=2):
        extraction.check_row(row, resource, f"{resource.path}, row {number}")
    extraction.unique(rows, resource)


@pytest.mark.parametrize(
    "name", [name for name in catalogue.names(RAW) if not layouts.known().resources[name].extracted]
)
def test_every_evidence_table_meets_its_schema(name: str) -> None:
    resource = layouts.known().resources[name]
    rows = catalogue.rows(RAW, name)
    for number, row in enumerate(rows, start=2):
        extraction.check_row(row, resource, f"{resource.path}, row {number}")
    extraction.unique(rows, resource)


def national(name: str, column: str) -> dict[str, str]:
    frame = catalogue.read(name, RAW)
    frame = frame[frame.geographic_level == "National"]
    return dict(zip(frame.time_period, frame[column], strict=True))


def test_published_totals() -> None:
    assert national("ehc_requests", "requests_received_in_year")["2024"] == "154489"
    assert national("ehc_requests", "request_not_assess_pc")["2024"] == "25.2"
    assert national("ehc_new_plans", "new_ehc_plans")["2024"] == "97747"
    assert national("ehc_caseload", "ehcplans")["202425"] == "638745"
    assert national("ehc_timeliness", "PC_plans_issued_20_weeks_ex")["2024"] == "46.4"
    appeals = catalogue.read("send_tribunal_appeals", RAW)
    england = appeals[(appeals.la_name == "England Total") & (appeals.time_period == "2024")].iloc[0]
    assert (england.appeals_registered, england.send_tribunal_appeal_rate) == ("22276", "3.20")


def test_councils_sum_to_england_where_none_is_missing() -> None:
    for name, column in (("ehc_requests", "requests_received_in_year"), ("ehc_caseload", "ehcplans")):
        frame = catalogue.read(name, RAW)
        for period, rows in frame.groupby("time_period"):
            councils = rows[rows.geographic_level == "Local authority"][column]
            if "x" in set(councils):
                continue
            assert councils.astype(int).sum() == int(national(name, column)[str(period)]), (name, period)


def test_allocations_sum() -> None:
    frame = catalogue.read("dsg_allocations", RAW)
    frame["amount"] = frame.amount.astype(float)
    for (year, block, deductions), rows in frame.groupby(["financial_year", "block", "deductions"]):
        by_level = rows.groupby("geographic_level").amount.sum()
        assert by_level["Local authority"] == pytest.approx(by_level["National"], abs=20), (year, block, deductions)
        assert by_level["Regional"] == pytest.approx(by_level["National"], abs=20), (year, block, deductions)
