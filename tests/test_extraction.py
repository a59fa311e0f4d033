"""Extraction: official files in every wrapping give the same bytes; damaged, unknown or edited ones give one sentence
and write nothing."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import catalogue, extraction, layouts, readers
from helpers.errors import AssessError

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
RAW = Path(__file__).resolve().parents[1] / "data" / "raw"
Table = list[list[str]]


def layout(name: str) -> layouts.Layout:
    return next(entry for entry in layouts.known().layouts if entry.id == name)


def table(name: str = "ehc_requests_2025", years: tuple[str, ...] = ("2019", "2020", "2021")) -> Table:
    """A made-up table in a known layout: England, nine regions and 151 councils in each year; every figure 7."""
    columns = list(layout(name).columns)
    resource = layouts.known().resources[layout(name).feeds[0]["resource"]]
    (topic,) = layout(name).feeds[0]["keep"]["breakdown_topic"]
    rows = [columns]
    areas = [("National", "", "", "", "", "")]
    areas += [("Regional", f"E1200000{i}", f"Region {i}", "", "", "") for i in range(1, 10)]
    areas += [
        ("Local authority", "E12000001", "Region 1", f"E0600{i:04d}", f"{200 + i}", f"Council {i}")
        for i in range(1, 152)
    ]
    topics = [topic] + [value for feed in layout(name).feeds[1:] for value in feed["keep"]["breakdown_topic"]]
    kind = "Academic year" if len(years[0]) == 6 else "Calendar year"
    for year in years:
        for label in topics:
            for level, region, region_name, code, old, la_name in areas:
                place = [
                    year,
                    kind,
                    level,
                    "E92000001",
                    "England",
                    region,
                    region_name,
                    code,
                    old,
                    la_name,
                    label,
                    label,
                ]
                rows.append(place + ["7"] * (len(columns) - len(place)))
    assert resource.names
    return rows


def csv_bytes(rows: Table, newline: str = "\r\n", mark: bool = True) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator=newline).writerows(rows)
    return (b"\xef\xbb\xbf" if mark else b"") + buffer.getvalue().encode("utf-8")


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def refuse(path: Path, tmp_path: Path, *words: str) -> str:
    """Extract `path`, expecting one sentence that holds `words` and an untouched folder."""
    out = tmp_path / "raw"
    with pytest.raises(AssessError) as caught:
        extraction.extract([path], out)
    said = str(caught.value)
    for word in words:
        assert word in said, said
    assert "\n" not in said
    assert not list(out.rglob("*"))
    return said


# The right answer ----------


def test_every_wrapping_gives_the_same_bytes(tmp_path: Path) -> None:
    import openpyxl
    import pandas

    rows = table()
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append([int(cell) if cell == "7" else cell for cell in row])
    book.save(tmp_path / "as.xlsx")
    pandas.DataFrame(rows[1:], columns=rows[0]).to_parquet(tmp_path / "as.parquet")
    files = {
        "plain": write(tmp_path, "anything.csv", csv_bytes(rows)),
        "no mark, unix": write(tmp_path, "b.txt", csv_bytes(rows, "\n", mark=False)),
        "zip": write(
            tmp_path, "c.zip", zipped({"data/x.csv": csv_bytes(rows), "data-guidance/data-guidance.txt": b"words"})
        ),
        "xlsx": tmp_path / "as.xlsx",
        "parquet": tmp_path / "as.parquet",
    }
    made = {}
    for name, path in files.items():
        out = tmp_path / name.replace(" ", "").replace(",", "")
        extracts = extraction.extract([path], out)
        assert [item.name for item in extracts] == ["ehc_requests", "ehc_requests_by_age"]
        made[name] = (out / "dfe/ehc_requests.csv").read_bytes()
        assert catalogue.verify(out) == []
    assert len(set(made.values())) == 1
    data = made["plain"]
    assert b"\r" not in data and not data.startswith(b"\xef\xbb\xbf") and data.endswith(b"\n")


def test_order_of_rows_and_columns_does_not_matter(tmp_path: Path) -> None:
    rows = table()
    first = extraction.extract([write(tmp_path, "a.csv", csv_bytes(rows))], tmp_path / "one")[0]
    turned = [list(reversed(row)) for row in [rows[0], *reversed(rows[1:])]]
    second = extraction.extract([write(tmp_path, "b.csv", csv_bytes(turned))], tmp_path / "two")[0]
    assert first.text == second.text


def test_extracting_again_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", csv_bytes(table()))
    out = tmp_path / "raw"
    assert all(made.changed for made in extraction.extract([path], out))
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in out.rglob("*") if file.is_file()}
    assert not any(made.changed for made in extraction.extract([path], out))
    assert before == {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in out.rglob("*") if file.is_file()}


def test_symbols_and_numbers_stay_as_published(tmp_path: Path) -> None:
    rows = table()
    at = rows[0].index("requests_decided_to_assess")
    rows[40][at] = "x"
    rows[41][rows[0].index("request_assess_pc")] = "24.60"
    made = extraction.gather([write(tmp_path, "a.csv", csv_bytes(rows))], tmp_path)[0]
    values = {cell for row in made.rows for cell in row}
    assert {"x", "24.60"} <= values


def test_a_later_release_adds_a_year(tmp_path: Path) -> None:
    made = extraction.gather(
        [write(tmp_path, "a.csv", csv_bytes(table(years=("2019", "2020", "2021", "2022"))))], tmp_path
    )[0]
    assert made.release == "2023"


def test_release_2026_is_told_apart_and_mapped(tmp_path: Path) -> None:
    rows = table("ehc_caseload_2026", ("201819", "201920"))
    totals = [row for row in rows[1:] if row[10] == "All EHC plans"]
    totals[5][rows[0].index("special_academy")] = "30"
    totals[6][rows[0].index("special_free_school")] = "x"
    made = {item.name: item for item in extraction.gather([write(tmp_path, "a.csv", csv_bytes(rows))], tmp_path)}
    caseload = made["ehc_caseload"]
    at = caseload.resource.names.index("special_academy_free")
    counted = [row[at] for row in caseload.rows]
    assert counted.count("37") == 1 and counted.count("x") == 1 and counted.count("14") == len(counted) - 2
    assert "AP_PRU_total_pc" in caseload.resource.names
    assert caseload.release == "2020"


@pytest.mark.parametrize(
    ("header", "word"),
    [
        (
            [
                "time_period",
                "geographic_level",
                "establishment_type",
                "ehcp_or_statement",
                "num_caseload",
                "pc_caseload",
            ],
            "2024",
        ),
        (["time_period", "geographic_level", "InreqEHC", "AssRefusedEHC"], "2022"),
        (["time_period", "geographic_level", "ass_refused_ehc", "ass_none_ehc"], "2024"),
    ],
)
def test_earlier_releases_are_known_and_refused_with_advice(header: list[str], word: str, tmp_path: Path) -> None:
    path = write(tmp_path, "sen2.csv", csv_bytes([header, ["1"] * len(header)]))
    refuse(path, tmp_path, "known but not used", word, "release of 2025")


def test_parts_not_brought_are_kept(tmp_path: Path) -> None:
    def accounts(year: str) -> bytes:
        council = {
            "ons_code": "E06000001",
            "lgf_code": "E0701",
            "name": "Hartlepool",
            "class": "UA",
            "subclass": "UA",
            "status": "certified",
            "central_grants_in_gbp": 5000,
            "net_current_expenditure_gbp": 7000,
            "services_net_gbp": {"Education": 3000},
        }
        total = {**council, "ons_code": "E06", "status": "total"}
        return json.dumps(
            {"subject": "x", "fiscal_year_label": year, "council_count": 2, "councils": [total, council]}
        ).encode()

    out = tmp_path / "raw"
    extraction.extract([write(tmp_path, f"{y}.json", accounts(y)) for y in ("2022-23", "2023-24")], out)
    (made,) = extraction.extract([write(tmp_path, "new.json", accounts("2024-25"))], out)
    assert [row[0] for row in made.rows] == ["2022-23", "2023-24", "2024-25"]
    told = catalogue.resource("council_net_expenditure", out)
    assert [item["part"] for item in told["original"]] == ["2022-23", "2023-24", "2024-25"]
    assert catalogue.read("council_net_expenditure", out)["education"].tolist() == ["3000"] * 3


# Tables that are not as they should be ----------


def drop(name: str) -> Callable[[Table], Table]:
    return lambda rows: [[cell for at, cell in enumerate(row) if at != rows[0].index(name)] for row in rows]


def put(row: int, name: str, value: str) -> Callable[[Table], Table]:
    def change(rows: Table) -> Table:
        rows[row][rows[0].index(name)] = value
        return rows

    return change


def rename(old: str, new: str) -> Callable[[Table], Table]:
    return lambda rows: [[new if cell == old else cell for cell in rows[0]], *rows[1:]]


def cut_row(rows: Table) -> Table:
    return [*rows[:-1], rows[-1][:9]]


def swap_year(rows: Table) -> Table:
    return [rows[0]] + [["2029" if cell == "2021" else cell for cell in row] for row in rows[1:]]


EDITS: dict[str, tuple[Callable[[Table], Table], tuple[str, ...]]] = {
    "column gone": (drop("requests_rya"), ("column gone", "requests_rya")),
    "column new": (lambda rows: [[*rows[0], "extra"], *[[*row, "1"] for row in rows[1:]]], ("new column", "extra")),
    "column renamed": (
        rename("requests_withdrawn", "withdrawn"),
        ("column gone: 'requests_withdrawn'", "new column: 'withdrawn'"),
    ),
    "telling column renamed": (
        rename("requests_received_in_year", "requests"),
        ("column gone: 'requests_received_in_year'",),
    ),
    "column twice": (
        lambda rows: [[*rows[0], "region_name"], *[[*row, "1"] for row in rows[1:]]],
        ("new column", "region_name.1"),
    ),
    "case of a column": (rename("request_assess_pc", "Request_assess_pc"), ("Request_assess_pc",)),
    "header lower": (
        lambda rows: [["Some title"] + [""] * (len(rows[0]) - 1), [""] * len(rows[0]), *rows],
        ("row 3", "expected row 1"),
    ),
    "header shifted by one": (lambda rows: [["", *rows[0]], *rows[1:]], ("new column",)),
    "row shifted by one": (lambda rows: [*rows[:5], ["", *rows[5]], *rows[6:]], ("row 6", "shifted")),
    "letter in a number": (put(20, "requests_rya", "7a"), ("row 21", "requests_rya", "'7a'", "a whole number")),
    "thousands separator": (put(20, "requests_rya", "1,234"), ("row 21", "'1,234'", "a whole number")),
    "per cent sign": (put(20, "request_assess_pc", "25%"), ("row 21", "'25%'", "a number")),
    "share over a hundred": (put(20, "request_assess_pc", "125"), ("'125'", "at most 100")),
    "negative count": (put(20, "requests_rya", "-7"), ("'-7'", "at least 0")),
    "decimal count": (put(20, "requests_rya", "7.5"), ("'7.5'", "a whole number")),
    "date in a number": (put(20, "requests_rya", "01-Jul"), ("'01-Jul'",)),
    "code in figures": (put(20, "new_la_code", "1e+05"), ("new_la_code", "'1e+05'")),
    "unknown symbol": (put(20, "requests_rya", "~"), ("'~'", "one of x, z")),
    "blank symbol with space": (put(20, "requests_rya", " "), ("' '",)),
    "unknown level": (put(20, "geographic_level", "LA"), ("'LA'", "Local authority")),
    "council twice": (lambda rows: [*rows, rows[161]], ("two rows for", "Council 151", "expected one")),
    "council of one name, two codes": (put(21, "la_name", "Council 7"), ("two rows for", "Council 7")),
    "totals twice": (lambda rows: [*rows, rows[1]], ("two rows for", "National")),
    "year missing": (lambda rows: [row for row in rows if row[0] != "2020"], ("2021 follows 2019",)),
    "first year missing": (lambda rows: [row for row in rows if row[0] != "2019"], ("first period is 2020", "2019")),
    "future year": (swap_year, ("2029 follows 2020",)),
    "region missing": (lambda rows: [row for row in rows if row[6] != "Region 3"], ("8 rows at 'Regional'", "2019")),
    "councils missing": (lambda rows: rows[:400], ("rows at", "expected")),
    "totals missing": (
        lambda rows: [row for row in rows if not row[10].startswith("All")],
        ("no row has 'breakdown_topic'", "All requests"),
    ),
    "cut within a row": (cut_row, ("9 values under",)),
    "no rows": (lambda rows: rows[:1], ("no row",)),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_table_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    edit, words = EDITS[name]
    refuse(write(tmp_path, "requests.csv", csv_bytes(edit(table()))), tmp_path, "requests.csv", *words)


def test_a_date_in_a_number_cell_of_a_workbook_is_refused(tmp_path: Path) -> None:
    import datetime

    import openpyxl

    rows: list[list[object]] = [list(row) for row in table()]
    rows[20][14] = datetime.datetime(2024, 7, 1)
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    refuse(tmp_path / "a.xlsx", tmp_path, "row 21", "'2024-07-01'", "a whole number")


# Files that are not tables ----------


def utf16(rows: Table) -> bytes:
    return csv_bytes(rows, mark=False).decode().encode("utf-16")


def latin(rows: Table) -> bytes:
    rows[12][rows[0].index("la_name")] = "Coun\u00e7il"
    return csv_bytes(rows, mark=False).decode().encode("latin-1")


FILES: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    "empty": (lambda: b"", ("is empty",)),
    "blank lines": (lambda: b"\n\n\n", ("no rows",)),
    "web page": (lambda: b"<!DOCTYPE html><html><body>Sign in</body></html>", ("web page (HTML)",)),
    "semicolons": (lambda: csv_bytes(table()).replace(b",", b";"), ("semicolons", "expected commas")),
    "tabs": (lambda: csv_bytes(table()).replace(b",", b"\t"), ("tabs", "expected commas")),
    "utf-16": (lambda: utf16(table()), ("UTF-16", "expected UTF-8")),
    "latin-1": (lambda: latin(table()), ("not UTF-8", "line 13", "0xe7")),
    "cut in quotes": (lambda: csv_bytes(table()) + b'"2021', ("cannot be read as csv",)),
    "pdf": (lambda: b"%PDF-1.7 ...", ("PDF",)),
    "gzip": (lambda: b"\x1f\x8b\x08" + b"0" * 50, ("gzip",)),
    "old excel": (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"0" * 50, (".xls",)),
    "binary": (lambda: bytes(range(256)) * 4, ("expected UTF-8",)),
    "json cut": (lambda: b'{"fiscal_year_label": "2022-23", "councils": [', ("JSON", "cut short")),
    "another table": (lambda: b"a,b,c\n1,2,3\n", ("no known layout", "'a', 'b', 'c'")),
    "truncated zip": (lambda: zipped({"data/x.csv": csv_bytes(table())})[:-40], ("cut short or damaged",)),
    "damaged zip": (lambda: damaged(), ("damaged",)),
    "zip slip": (lambda: zipped({"../../outside.csv": b"a,b\n1,2\n"}), ("climbs out", "../../outside.csv")),
    "zip slip, absolute": (lambda: zipped({"/etc/x.csv": b"a"}), ("climbs out",)),
    "zip slip, windows": (lambda: zipped({"..\\x.csv": b"a"}), ("climbs out",)),
    "zip slip, drive": (lambda: zipped({"C:\\x.csv": b"a"}), ("climbs out",)),
    "zip link": (lambda: linked(), ("link",)),
    "zip bomb": (lambda: zipped({"data/x.csv": b"0" * 30_000_000}), ("zip bomb",)),
    "zip of zips": (lambda: zipped({"a.dat": zipped({"x.csv": b"a,b\n1,2\n"})}), ("zip inside a zip",)),
    "zip with an empty table": (lambda: zipped({"data/x.csv": b""}), ("data/x.csv is empty",)),
    "zip without tables": (lambda: zipped({"readme.txt": b"words"}), ("holds no tables",)),
    "too many members": (lambda: zipped({f"{i}.csv": b"" for i in range(readers.MOST_MEMBERS + 1)}), ("members",)),
    "entities": (lambda: workbook(b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'), ("entities",)),
    "ods cut": (lambda: workbook(b"<office:document><a>"), ("damaged",)),
}


def damaged() -> bytes:
    data = bytearray(zipped({"data/x.csv": csv_bytes(table())}))
    data[200:260] = b"\xff" * 60
    return bytes(data)


def linked() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        member = zipfile.ZipInfo("data/x.csv")
        member.external_attr = 0o120777 << 16
        archive.writestr(member, "/etc/passwd")
    return buffer.getvalue()


def workbook(content: bytes) -> bytes:
    return zipped(
        {
            "mimetype": b"application/vnd.oasis.opendocument.spreadsheet",
            "META-INF/manifest.xml": b"<a/>",
            "content.xml": content,
        }
    )


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_not_a_table_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    make, words = FILES[name]
    refuse(write(tmp_path, "requests.csv", make()), tmp_path, "requests.csv", *words)


def test_a_member_that_lies_about_its_size_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "LARGEST_FILE", 100_000)
    data = bytearray(zipped({"data/x.csv": os.urandom(150_000)}))
    real = struct.pack("<I", 150_000)
    while (at := data.find(real)) >= 0:
        data[at : at + 4] = struct.pack("<I", 90_000)
    with pytest.raises(AssessError):
        readers.sheets(bytes(data), "a.zip")


def test_a_file_over_the_cap_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "LARGEST_FILE", 1000)
    refuse(write(tmp_path, "a.csv", csv_bytes(table())), tmp_path, "nothing over 1,000")


@pytest.mark.parametrize("keep", [0.5, 0.99])
def test_a_truncated_parquet_file_is_refused(keep: float, tmp_path: Path) -> None:
    import pandas

    rows = table()
    pandas.DataFrame(rows[1:], columns=rows[0]).to_parquet(tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    refuse(write(tmp_path, "b.parquet", data[: int(len(data) * keep)]), tmp_path, "parquet", "cut short")


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    refuse(tmp_path / "nothing.csv", tmp_path, "does not exist")
    refuse(tmp_path, tmp_path, "is a folder")


def test_all_files_or_none(tmp_path: Path) -> None:
    out = tmp_path / "raw"
    good = write(tmp_path, "good.csv", csv_bytes(table()))
    bad = write(tmp_path, "bad.csv", csv_bytes(drop("new_ehc_plans")(table("ehc_new_plans_2025"))))
    with pytest.raises(AssessError, match=r"bad\.csv"):
        extraction.extract([good, bad], out)
    assert not list(out.rglob("*"))


def test_two_files_of_the_same_table_are_refused(tmp_path: Path) -> None:
    one, two = (write(tmp_path, name, csv_bytes(table())) for name in ("one.csv", "two.csv"))
    with pytest.raises(AssessError, match=r"one\.csv and two\.csv both hold ehc_requests"):
        extraction.extract([one, two], tmp_path / "raw")


def test_a_failure_while_writing_puts_the_previous_files_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "raw"
    extraction.extract([write(tmp_path, "a.csv", csv_bytes(table()))], out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(catalogue, "build", fail)
    with pytest.raises(OSError, match="disk full"):
        extraction.extract([write(tmp_path, "b.csv", csv_bytes(table(years=("2019", "2020"))))], out)
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


# Layouts as data ----------


def test_a_new_layout_is_one_new_entry(tmp_path: Path) -> None:
    """An unknown layout is refused; one YAML entry later it is read."""
    rows = rename("requests_rya", "requests_youth")(table())
    path = write(tmp_path, "requests.csv", csv_bytes(rows))
    with pytest.raises(AssessError, match="new column: 'requests_youth'"):
        extraction.gather([path], tmp_path)
    shutil.copytree(layouts.HERE, tmp_path / "layouts")
    old = layout("ehc_requests_2025")
    columns = ", ".join("requests_youth" if name == "requests_rya" else name for name in old.columns)
    file = tmp_path / "layouts" / "ehc_plans.yaml"
    file.write_text(
        file.read_text(encoding="utf-8")
        + f"""- id: ehc_requests_2027
  publication: ehc_plans
  release: "2027"
  signature: [requests_received_in_year, requests_youth]
  columns: [{columns}]
  feeds:
  - resource: ehc_requests
    keep: {{breakdown_topic: [All requests for EHC needs assessments]}}
    columns: {{requests_rya: requests_youth}}
""",
        encoding="utf-8",
    )
    (made,) = extraction.gather([path], tmp_path, known=layouts.load(tmp_path / "layouts"))
    assert made.release == "2027" and made.name == "ehc_requests"


def test_every_layout_feeds_what_its_resource_needs() -> None:
    known = layouts.known()
    for entry in known.layouts:
        assert len(entry.columns) == len(set(entry.columns)), entry.id
        for feed in entry.feeds:
            resource = known.resources[feed["resource"]]
            if entry.shape != "flat" or not entry.columns:
                continue
            for name in resource.names:
                for source in layouts.joined([feed.get("columns", {}).get(name, name)]):
                    assert source in entry.columns or name in feed.get("constants", {}), (entry.id, name, source)


def test_every_resource_says_what_it_is() -> None:
    for resource in layouts.known().resources.values():
        assert (
            resource.title
            and resource.coverage
            and resource.path.split("/")[0] in {"dfe", "mhclg", "ons", "ofsted", "councils"}
        )
        for column in resource.fields:
            assert column.description or column.unit, (resource.name, column.name)
            if column.type in layouts.NUMBERS and resource.extracted:
                assert column.unit or column.name == "rank", (resource.name, column.name)


def test_a_broken_layout_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("layouts: [", encoding="utf-8")
    with pytest.raises(AssessError, match=r"x\.yaml is not YAML"):
        layouts.load(tmp_path)
    (tmp_path / "x.yaml").write_text("layouts: [{id: a}]", encoding="utf-8")
    with pytest.raises(AssessError, match=r"x\.yaml: the layout 'a' lacks"):
        layouts.load(tmp_path)


# The publishers' own files ----------

ORIGINALS = [
    "ehc_plans/education-health-and-care-plans_2025.zip",
    "lait/bds_long_0_2026-04-08.parquet",
    "lait/lait_data_dictionary.csv",
    "lait/sn_may_2025.xlsx",
    "lait/la_code_list_lait.xlsx",
    "dsg/dedicated-schools-grant_2019-20.ods",
    "dsg/dedicated-schools-grant_2021_11_18.ods",
    "dsg/dedicated-schools-grant_2022_07_18.ods",
    "dsg/dedicated-schools-grant_2023_07_20.ods",
    "dsg/dedicated-schools-grant_2024_07_20.ods",
    "dsg/dsg_deficit_derived.xlsx",
    "dsg/dsg_balance_end_2023-24_by_la_from_s251_outturn.csv",
    "s251/outturn_2021-22.xlsx",
    "s251/s251_outturn_net_high_needs_spend_by_la_2017-18_to_2024-25.csv",
    "finance/exceptional_financial_support_2020-21_to_2026-27.csv",
    "finance/mhclg_council_net_expenditure_grants_2022_23.json",
    "finance/mhclg_council_net_expenditure_grants_2023_24.json",
    "finance/mhclg_council_net_expenditure_grants_2024_25.json",
    "finance/mhclg_reserves_by_la_2015-16_to_2017-18_TIDY.csv",
    "finance/section114_notices_register_20261011_transcribed.csv",
    "context/utla2023_population_mid2020_and_imd2019_2025_DERIVED.csv",
    "context/boundaries_ctyua_dec2023_buc_england.geojson",
    "ofsted/ofsted_area_send_2016_framework_to_aug2022.ods",
    "ofsted/ofsted_area_send_outcomes_2023framework_to_20260629.csv",
]
needs_originals = pytest.mark.skipif(not SHARED.is_dir(), reason="the publishers' own files are not in ../shared/data")


@pytest.mark.shared
@needs_originals
def test_the_committed_extracts_are_what_the_official_files_give(tmp_path: Path) -> None:
    shutil.copytree(RAW / "councils", tmp_path / "councils")
    made = extraction.extract([SHARED / name for name in ORIGINALS], tmp_path)
    for item in made:
        assert (tmp_path / item.resource.path).read_bytes() == (RAW / item.resource.path).read_bytes(), item.name
    assert (tmp_path / catalogue.NAME).read_bytes() == (RAW / catalogue.NAME).read_bytes()


@pytest.mark.shared
@needs_originals
def test_the_name_of_a_file_does_not_matter(tmp_path: Path) -> None:
    shutil.copy(SHARED / ORIGINALS[0], tmp_path / "holiday.jpg")
    made = {item.name: item for item in extraction.gather([tmp_path / "holiday.jpg"], tmp_path)}
    assert made["ehc_requests"].release == "2025" and made["send_tribunal_appeals"].release == "2025"


@pytest.mark.shared
@needs_originals
def test_allocations_agree_with_the_dashboard_totals() -> None:
    """The grant's total before deductions, by council, against DfE's own list of totals as at March of each year: the
    same in 2019-20."""
    frame = catalogue.read("dsg_allocations", RAW)
    totals = (
        frame[(frame.block == "total") & (frame.deductions == "before")]
        .set_index(["financial_year", "la_code"])
        .amount.astype(float)
    )
    for sheet in readers.read(SHARED / "dsg/DSG_by_year_dr.xlsx"):
        for code, _, amount, period in list(sheet.rows())[1:]:
            if not (code.isdigit() or code == "ENGLAND"):
                continue
            year = f"{period[:4]}-{period[4:]}"
            ours = totals[(year, "" if code == "ENGLAND" else code)]
            ours = ours.iloc[0] if hasattr(ours, "iloc") else ours
            # Later years were revised between March and the last edition, for early years by at most a few per cent.
            assert ours == pytest.approx(float(amount), rel=1e-6 if year == "2019-20" else 0.08), (year, code)


@pytest.mark.shared
@needs_originals
def test_two_vintages_of_lait_are_told_apart(tmp_path: Path) -> None:
    (made,) = extraction.gather([SHARED / "lait/bds_long_0_2026-04-08.parquet"], tmp_path)
    assert made.release == "2026-04"
    with pytest.raises(AssessError, match="both hold lait_sen"):
        extraction.gather(
            [SHARED / "lait/bds_long_0_2026-04-08.parquet", SHARED / "lait/bds_long_0_2025-12-02.parquet"], tmp_path
        )


def test_a_known_table_that_nothing_is_made_from_is_refused(tmp_path: Path) -> None:
    columns = list(layout("work_based_placements_2025").signature)
    path = write(tmp_path, "interns.csv", csv_bytes([columns, ["7"] * len(columns)]))
    with pytest.raises(AssessError, match=r"interns\.csv follows Education, health .* known but not used: no table"):
        extraction.extract([path], tmp_path / "raw")
    assert not (tmp_path / "raw").exists()
