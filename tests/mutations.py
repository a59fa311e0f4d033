"""Corruptions of real inputs: how each is made, and what must come of it.

Every mutation starts from a file in the publisher's own format, made from the committed extracts (or, when they are at
hand, from the publisher's files themselves). Each must end in the right answer or a refusal, never in a wrong number.
"""

from __future__ import annotations

import csv
import io
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

RAW = Path(__file__).parents[1] / "data" / "raw"
Rows = list[list[str]]


@dataclass(frozen=True)
class Mutation:
    """One corruption. `base`: which file; `make`: bytes to bytes; `end`: right, refused or stopped; `why` in words."""

    name: str
    base: str
    make: Callable[[bytes], bytes]
    end: str
    truth: Callable[[Rows], Rows] | None = None  # what the table should then be; without it, the table as it was


# --- the files before they are spoiled --------------------------------------------------------------------------------


def table(path: str) -> Rows:
    """A committed extract, header first."""
    with (RAW / path).open(encoding="utf-8", newline="") as handle:
        return list(csv.reader(handle))


def text(rows: Rows, **how: str) -> bytes:
    """Rows as CSV bytes."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", **how).writerows(rows)  # type: ignore[arg-type]
    return out.getvalue().encode()


def parse(body: bytes) -> Rows:
    """CSV bytes as rows."""
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"))))


def requests() -> bytes:
    """`requests.csv` of the EHC plans release: England, regions and councils, totals and ages."""
    totals, ages = table("dfe/ehc_requests.csv"), table("dfe/ehc_requests_by_age.csv")
    by_age = [dict(zip(ages[0], row, strict=True)) for row in ages[1:]]
    constant = {"time_identifier": "Calendar year", "country_code": "E92000001", "country_name": "England"}
    # The extract by age keeps few columns; the others are x ("not available") here.
    usual = constant | {name: "x" for name in totals[0] if name.startswith(("request", "mediation", "tribunal"))}
    usual |= {"breakdown_topic": "Child or young persons age"}
    return text(totals + [[(usual | row).get(name, "") for name in totals[0]] for row in by_age])


def lait() -> bytes:
    """The LAIT's long table as parquet, for England and thirty councils."""
    import pandas as pd

    header, *rows = table("dfe/lait_sen.csv")
    kept = {"970", *[str(number) for number in range(201, 214)], *[str(number) for number in range(301, 318)]}
    frame = pd.DataFrame([row for row in rows if row[2] in kept], columns=header)
    frame.insert(1, "Data item", "")
    frame["Region"] = ""
    frame["LA Number"] = frame["LA Number"].astype(float)
    return parquet(frame)


def parquet(frame) -> bytes:
    """A frame as parquet bytes."""
    out = io.BytesIO()
    frame.to_parquet(out, index=False)
    return out.getvalue()


def spending() -> bytes:
    """Net high needs spending by council, as a workbook."""
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    for number, row in enumerate(table("dfe/s251_high_needs_spend.csv")):
        sheet.append([cell if number == 0 or at < 4 or cell == "" else float(cell) for at, cell in enumerate(row)])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def appeals() -> bytes:
    """The tribunal's appeal rates: three header rows, years across, regions as headings."""
    header, *rows = table("dfe/send_tribunal_appeals.csv")
    at = {name: place for place, name in enumerate(header)}
    years = sorted({row[at["time_period"]] for row in rows})
    names = ["appeals_registered", "total_appealable_decisions", "send_tribunal_appeal_rate"]
    more = ["in_development_total_appealable_decisions", "in_development_send_tribunal_appeal_rate"]
    width = 2 + 3 * len(years) + 2
    top, under = ["Local Authority", "LA code"], ["", ""]
    for year in years:
        top += [year, "", ""]
        under += ["Appeals registered4", "Total Appealable Decisions1", "SEND Tribunal Appeal Rate2"]
    top += ["", ""]
    under += ["In development: Total Appealable Decisions5", "In development: SEND Tribunal Appeal Rate6"]
    found: Rows = [["SEND Appeal rate table 1", *[""] * (width - 1)], [""] * width, [""] * width, top, under]
    areas: dict[tuple[str, str, str, str], dict[str, list[str]]] = {}
    for row in rows:
        key = tuple(row[at[name]] for name in ("geographic_level", "region_name", "la_name", "old_la_code"))
        areas.setdefault(key, {})[row[at["time_period"]]] = row  # type: ignore[arg-type]
    region = None
    for (level, where, name, code), by_year in sorted(
        areas.items(), key=lambda item: (item[0][0] != "National", item[0])
    ):
        if level != "National" and where != region:
            region = where
            found.append([where, *[""] * (width - 1)])
        cells = [name, code]
        for year in years:
            row = by_year.get(year)
            cells += (
                [row[at[one]] + ("%" if one.endswith("rate") and row[at[one]] else "") for one in names]
                if row
                else [""] * 3
            )
        last = by_year.get(years[-1])
        cells += (
            [last[at[one]] + ("%" if one.endswith("rate") and last[at[one]] else "") for one in more]
            if last
            else ["", ""]
        )
        found.append(cells)
    return text(found)


def zipped(body: bytes, name: str = "data/requests.csv", **more: bytes) -> bytes:
    """A release's zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(zipfile.ZipInfo(name), body)
        for other, content in more.items():
            packed.writestr(zipfile.ZipInfo(other), content)
        packed.writestr(zipfile.ZipInfo("data-guidance/data-guidance.txt"), b"Guidance")
    return out.getvalue()


def release() -> bytes:
    """The zip of a release with the one table."""
    return zipped(requests())


BASES: dict[str, tuple[str, Callable[[], bytes], str]] = {
    # name: (file name, how made, the resource it feeds)
    "requests": ("requests.csv", requests, "ehc_requests"),
    "release": ("education-health-and-care-plans.zip", release, "ehc_requests"),
    "lait": ("bds_long_0.parquet", lait, "lait_sen"),
    "spending": ("spending.xlsx", spending, "s251_high_needs_spend"),
    "appeals": ("appeals.csv", appeals, "send_tribunal_appeals"),
}


# --- tools ----------------------------------------------------------------------------------------------------------


def rows(change: Callable[[Rows], Rows]) -> Callable[[bytes], bytes]:
    """A mutation of rows as one of bytes."""
    return lambda body: text(change(parse(body)))


def column(
    name: str, change: Callable[[str], str], when: Callable[[dict[str, str]], bool] = lambda _: True
) -> Callable[[Rows], Rows]:
    """Change a column's values in the rows that match."""

    def make(given: Rows) -> Rows:
        head = given[0]
        at = head.index(name)
        return [head] + [
            [
                change(cell) if place == at and when(dict(zip(head, row, strict=True))) else cell
                for place, cell in enumerate(row)
            ]
            for row in given[1:]
        ]

    return make


def rename(old: str, new: str) -> Callable[[Rows], Rows]:
    """Another name over a column."""
    return lambda given: [[new if cell == old else cell for cell in given[0]], *given[1:]]


def drop(name: str) -> Callable[[Rows], Rows]:
    """Without a column."""

    def make(given: Rows) -> Rows:
        at = given[0].index(name)
        return [row[:at] + row[at + 1 :] for row in given]

    return make


def only(keep: Callable[[dict[str, str]], bool]) -> Callable[[Rows], Rows]:
    """Only the rows that match."""
    return lambda given: [given[0], *(row for row in given[1:] if keep(dict(zip(given[0], row, strict=True))))]


def more(make: Callable[[dict[str, str]], dict[str, str] | None]) -> Callable[[Rows], Rows]:
    """With rows added after those from which they are made."""

    def change(given: Rows) -> Rows:
        head, found = given[0], [given[0]]
        for row in given[1:]:
            found.append(row)
            extra = make(dict(zip(head, row, strict=True)))
            if extra is not None:
                found.append([extra[name] for name in head])
        return found

    return change


def scaled(factor: float) -> Callable[[str], str]:
    """A whole number times a factor; symbols stay."""
    return lambda cell: str(round(float(cell) * factor)) if cell.replace(".", "").isdigit() else cell


NUMBER = "requests_received_in_year"
REFUSED = "requests_decided_not_to_assess"


def _is(name: str, *wanted: str) -> Callable[[dict[str, str]], bool]:
    return lambda row: row[name] in wanted


def _swap(name: str, one: str, other: str) -> Callable[[Rows], Rows]:
    return column(name, lambda cell: {one: other, other: one}.get(cell, cell))


def _frame(change) -> Callable[[bytes], bytes]:
    """A mutation of the LAIT's frame."""

    def make(body: bytes) -> bytes:
        import pandas as pd

        return parquet(change(pd.read_parquet(io.BytesIO(body))))

    return make


def _cells(change) -> Callable[[bytes], bytes]:
    """A mutation of the workbook."""

    def make(body: bytes) -> bytes:
        import openpyxl

        book = openpyxl.load_workbook(io.BytesIO(body))
        change(book)
        out = io.BytesIO()
        book.save(out)
        return out.getvalue()

    return make


def _date_in_number(book) -> None:
    import datetime

    book.active["F9"] = datetime.datetime(2024, 3, 31)


def _lying_zip(body: bytes) -> bytes:
    """A member whose header says it is far smaller than it is."""
    packed = bytearray(zipped(b"0" * 3_000_000, "data/zeros.csv"))
    at = packed.rfind(b"PK\x01\x02", 0, packed.rfind(b"data/zeros.csv"))
    packed[at + 24 : at + 28] = struct.pack("<I", 100)
    return bytes(packed)


def _slip(name: str) -> Callable[[bytes], bytes]:
    return lambda body: zipped(requests(), **{name: b"a,b\n1,2\n"})


def _link(body: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        entry = zipfile.ZipInfo("data/requests.csv")
        entry.external_attr = 0o120777 << 16
        packed.writestr(entry, "/etc/hostname")
    return out.getvalue()


def _merged_cumbria(given: Rows) -> Rows:
    """Two councils reported as one, under a code of its own."""
    two = {"E06000063", "E06000064"}
    head = given[0]
    found = only(lambda row: row["new_la_code"] not in two)(given)
    pattern = next(row for row in given[1:] if row[head.index("new_la_code")] in two)
    values = dict(zip(head, pattern, strict=True)) | {
        "new_la_code": "E10000006",
        "old_la_code": "909",
        "la_name": "Cumbria",
    }
    return [*found, [values[name] for name in head]]


def _double_header(given: Rows) -> Rows:
    return [given[0], *given]


def _numbers_as_text(given: Rows) -> Rows:
    return column(NUMBER, lambda cell: f" {cell}")(given)


def _new_year(factor: float) -> Callable[[Rows], Rows]:
    """A next year, like the last one times a factor."""
    last = "2024"

    def make(row: dict[str, str]) -> dict[str, str] | None:
        if row["time_period"] != last:
            return None
        numbers = {
            name: scaled(factor)(cell)
            for name, cell in row.items()
            if name.startswith("request") and not name.endswith("_pc")
        }
        return row | {"time_period": "2025"} | numbers

    return more(make)


HARTLEPOOL, MIDDLESBROUGH = "E06000001", "E06000002"
HALF = _is("new_la_code", *[f"E0600000{number}" for number in range(1, 10)])

MUTATIONS = [
    # --- the text of a CSV file ---
    Mutation("byte-order mark added", "requests", lambda body: b"\xef\xbb\xbf" + body, "right"),
    Mutation("Windows line ends", "requests", lambda body: body.replace(b"\n", b"\r\n"), "right"),
    Mutation("old Macintosh line ends", "requests", lambda body: body.replace(b"\n", b"\r"), "right or refused"),
    Mutation("UTF-16", "requests", lambda body: body.decode().encode("utf-16"), "refused"),
    Mutation("UTF-16 without a mark", "requests", lambda body: body.decode().encode("utf-16-le"), "refused"),
    Mutation("Latin-1 bytes", "requests", lambda body: body.replace(b"Hartlepool", b"Hartlep\xf6\xf6l", 1), "refused"),
    Mutation("semicolons for commas", "requests", lambda body: text(parse(body), delimiter=";"), "refused"),
    Mutation("tabs for commas", "requests", lambda body: text(parse(body), delimiter="\t"), "refused"),
    Mutation(
        "every cell in quotation marks", "requests", lambda body: text(parse(body), quoting=csv.QUOTE_ALL), "right"
    ),  # type: ignore[arg-type]
    Mutation("blank lines at the end", "requests", lambda body: body + b"\n\n\n", "right"),
    Mutation("a NUL byte inside", "requests", lambda body: body.replace(b"Hartlepool", b"Hart\x00pool", 1), "refused"),
    Mutation("cut off in the middle of a row", "requests", lambda body: body[: len(body) // 2], "refused"),
    Mutation("cut off inside a quotation", "requests", lambda body: body[:-40] + b'"unclosed', "refused"),
    Mutation("empty file", "requests", lambda body: b"", "refused"),
    Mutation("header only", "requests", lambda body: body.split(b"\n")[0] + b"\n", "refused"),
    Mutation(
        "a web page instead", "requests", lambda body: b"<!DOCTYPE html><html><body>Sorry</body></html>", "refused"
    ),
    Mutation("a JSON error instead", "requests", lambda body: b'{"title":"Not Found","status":404}', "refused"),
    # --- columns ---
    Mutation("column renamed", "requests", rows(rename(NUMBER, "requests_received")), "refused"),
    Mutation("column renamed in capitals", "requests", rows(rename(NUMBER, NUMBER.upper())), "refused"),
    Mutation(
        "two columns' names exchanged",
        "requests",
        rows(lambda given: [[{NUMBER: REFUSED, REFUSED: NUMBER}.get(cell, cell) for cell in given[0]], *given[1:]]),
        "stopped",
    ),
    Mutation("column dropped", "requests", rows(drop(REFUSED)), "refused"),
    Mutation("code column dropped", "requests", rows(drop("new_la_code")), "refused"),
    Mutation(
        "column added",
        "requests",
        rows(lambda given: [given[0] + ["extra"], *[[*row, "1"] for row in given[1:]]]),
        "refused",
    ),
    Mutation("columns reordered", "requests", rows(lambda given: [row[5:] + row[:5] for row in given]), "right"),
    Mutation("column twice", "requests", rows(lambda given: [[*row, row[12]] for row in given]), "refused"),
    Mutation(
        "header shifted by one column", "requests", rows(lambda given: [[*given[0][1:], ""], *given[1:]]), "refused"
    ),
    Mutation(
        "values shifted by one column",
        "requests",
        rows(lambda given: [given[0], *[row[-1:] + row[:-1] for row in given[1:]]]),
        "refused",
    ),
    Mutation("two title rows above the header", "requests", rows(lambda given: [["Requests"], [], *given]), "refused"),
    Mutation("header repeated as a row", "requests", rows(_double_header), "right or refused"),
    Mutation(
        "a row one cell short", "requests", rows(lambda given: [*given[:50], given[50][:-1], *given[51:]]), "refused"
    ),
    # --- numbers ---
    Mutation(
        "thousands separators",
        "requests",
        rows(column(NUMBER, lambda cell: f"{int(cell):,}" if cell.isdigit() else cell)),
        "refused",
    ),
    Mutation(
        "percent signs",
        "requests",
        rows(column("request_assess_pc", lambda cell: f"{cell}%" if cell[:1].isdigit() else cell)),
        "refused",
    ),
    Mutation(
        "percentages as fractions",
        "requests",
        rows(column("request_not_assess_pc", lambda cell: str(float(cell) / 100) if cell[:1].isdigit() else cell)),
        "stopped",
    ),
    Mutation("spaces before numbers", "requests", rows(_numbers_as_text), "refused"),
    Mutation(
        "decimal commas", "requests", rows(column("request_assess_pc", lambda cell: cell.replace(".", ","))), "refused"
    ),
    Mutation(
        "numbers in scientific notation",
        "requests",
        rows(column(NUMBER, lambda cell: f"{float(cell):.1e}" if cell.isdigit() else cell)),
        "refused",
    ),
    Mutation(
        "negative counts",
        "requests",
        rows(column(NUMBER, lambda cell: f"-{cell}", _is("new_la_code", HARTLEPOOL))),
        "refused",
    ),
    Mutation(
        "counts with decimals",
        "requests",
        rows(column(NUMBER, lambda cell: f"{cell}.5", _is("new_la_code", HARTLEPOOL))),
        "refused",
    ),
    Mutation("units in thousands", "requests", rows(column(NUMBER, scaled(0.001))), "stopped"),
    Mutation(
        "one council's value times ten",
        "requests",
        rows(column(NUMBER, scaled(10), lambda row: row["new_la_code"] == HARTLEPOOL and row["time_period"] == "2024")),
        "stopped",
    ),
    Mutation("totals doubled", "requests", rows(column(NUMBER, scaled(2))), "stopped"),
    Mutation(
        "percentage above 100",
        "requests",
        rows(
            column(
                "request_assess_pc", lambda cell: "140" if cell[:1].isdigit() else cell, _is("new_la_code", HARTLEPOOL)
            )
        ),
        "refused",
    ),
    Mutation(
        "a suppression symbol new to us",
        "requests",
        rows(column(NUMBER, lambda cell: "k", _is("new_la_code", HARTLEPOOL))),
        "refused",
    ),
    Mutation(
        "n/a, NULL and dashes",
        "requests",
        rows(column(NUMBER, lambda cell: "NULL", _is("new_la_code", HARTLEPOOL))),
        "refused",
    ),
    Mutation("known symbols everywhere", "requests", rows(column(NUMBER, lambda cell: "c")), "stopped"),
    Mutation(
        "one value suppressed with a known symbol",
        "requests",
        rows(
            column(
                NUMBER, lambda cell: "c", lambda row: row["new_la_code"] == HARTLEPOOL and row["time_period"] == "2024"
            )
        ),
        "right",
        column(NUMBER, lambda cell: "c", lambda row: row["new_la_code"] == HARTLEPOOL and row["time_period"] == "2024"),
    ),
    # --- areas ---
    Mutation(
        "council twice",
        "requests",
        rows(more(lambda row: row if row["new_la_code"] == HARTLEPOOL else None)),
        "refused",
    ),
    Mutation(
        "council twice, under a second spelling",
        "requests",
        rows(more(lambda row: row | {"la_name": "Hartlepool UA"} if row["new_la_code"] == HARTLEPOOL else None)),
        "refused",
    ),
    Mutation(
        "England's row twice",
        "requests",
        rows(more(lambda row: row if row["geographic_level"] == "National" else None)),
        "refused",
    ),
    Mutation(
        "England's row left out", "requests", rows(only(lambda row: row["geographic_level"] != "National")), "refused"
    ),
    Mutation(
        "a region left out",
        "requests",
        rows(only(lambda row: not (row["geographic_level"] == "Regional" and row["region_name"] == "London"))),
        "refused",
    ),
    Mutation("nine councils left out", "requests", rows(only(lambda row: not HALF(row))), "refused"),
    Mutation("one council left out", "requests", rows(only(lambda row: row["new_la_code"] != HARTLEPOOL)), "stopped"),
    Mutation("two councils merged", "requests", rows(_merged_cumbria), "stopped"),
    Mutation(
        "a council with a new code",
        "requests",
        rows(column("new_la_code", lambda cell: "E06000099", _is("new_la_code", HARTLEPOOL))),
        "stopped",
    ),
    Mutation(
        "codes of two councils exchanged", "requests", rows(_swap("new_la_code", HARTLEPOOL, MIDDLESBROUGH)), "stopped"
    ),
    Mutation(
        "names of two councils exchanged", "requests", rows(_swap("la_name", "Hartlepool", "Middlesbrough")), "stopped"
    ),
    Mutation(
        "code as a number (1e+05)",
        "requests",
        rows(column("old_la_code", lambda cell: "1e+05", _is("new_la_code", HARTLEPOOL))),
        "refused",
    ),
    Mutation(
        "code with a letter O",
        "requests",
        rows(column("new_la_code", lambda cell: cell.replace("E06", "EO6"))),
        "refused",
    ),
    # --- periods ---
    Mutation(
        "a year missing in the middle", "requests", rows(only(lambda row: row["time_period"] != "2022")), "refused"
    ),
    Mutation("the last year missing", "requests", rows(only(lambda row: row["time_period"] != "2024")), "stopped"),
    Mutation(
        "a year in the far future",
        "requests",
        rows(more(lambda row: row | {"time_period": "2099"} if row["time_period"] == "2024" else None)),
        "refused",
    ),
    Mutation(
        "academic years instead of calendar",
        "requests",
        rows(column("time_period", lambda cell: f"{cell}{int(cell[2:]) + 1:02d}")),
        "refused or stopped",
    ),
    Mutation("years as dates", "requests", rows(column("time_period", lambda cell: f"01/01/{cell}")), "refused"),
    Mutation(
        "years moved on by one", "requests", rows(column("time_period", lambda cell: str(int(cell) + 1))), "refused"
    ),
    Mutation("an ordinary new year", "requests", rows(_new_year(1.08)), "right", lambda given: _new_year(1.08)(given)),
    Mutation("a new year in thousands", "requests", rows(_new_year(0.001)), "stopped"),
    # --- archives ---
    Mutation("zip as published", "release", lambda body: body, "right"),
    Mutation("zip cut short", "release", lambda body: body[: len(body) // 2], "refused"),
    Mutation("zip with a damaged member", "release", lambda body: body[:2000] + bytes(200) + body[2200:], "refused"),
    Mutation("zip bomb", "release", lambda body: zipped(b"0" * 60_000_000, "data/zeros.csv"), "refused"),
    Mutation("zip that lies about sizes", "release", _lying_zip, "refused"),
    Mutation("zip slip, upwards", "release", _slip("../../outside.csv"), "refused"),
    Mutation("zip slip, absolute", "release", _slip("/tmp/outside.csv"), "refused"),
    Mutation("zip slip, backslashes", "release", _slip("..\\outside.csv"), "refused"),
    Mutation("zip with a symbolic link", "release", _link, "refused"),
    Mutation("zip within a zip", "release", lambda body: zipped(body, "data/inner.zip"), "refused"),
    Mutation(
        "zip with the table twice",
        "release",
        lambda body: zipped(requests(), **{"data/requests_copy.csv": requests()}),
        "refused",
    ),
    Mutation(
        "zip with an unknown table",
        "release",
        lambda body: zipped(requests(), **{"data/unknown.csv": b"a,b\n1,2\n"}),
        "refused",
    ),
    Mutation("empty zip", "release", lambda body: b"PK\x05\x06" + bytes(18), "refused"),
    # --- parquet ---
    Mutation("parquet as published", "lait", lambda body: body, "right"),
    Mutation("parquet cut short", "lait", lambda body: body[:-200], "refused"),
    Mutation("parquet with a damaged page", "lait", lambda body: body[:3000] + bytes(400) + body[3400:], "refused"),
    Mutation(
        "parquet column renamed", "lait", _frame(lambda frame: frame.rename(columns={"Values": "Value"})), "refused"
    ),
    Mutation("parquet columns reordered", "lait", _frame(lambda frame: frame[frame.columns[::-1]]), "right"),
    Mutation("parquet rows shuffled", "lait", _frame(lambda frame: frame.sample(frac=1, random_state=1)), "right"),
    Mutation("parquet rows repeated", "lait", _frame(lambda frame: frame.iloc[[*range(len(frame)), 5]]), "refused"),
    Mutation(
        "parquet numbers as percentages of one",
        "lait",
        _frame(
            lambda frame: frame.assign(
                Values=[f"{float(value) / 100:.6g}" if str(value)[:1].isdigit() else value for value in frame["Values"]]
            )
        ),
        "stopped",
    ),
    Mutation(
        "parquet with a measure left out",
        "lait",
        _frame(lambda frame: frame[frame["Short Desc"] != "SEN_INIT_REQ"]),
        "refused",
    ),
    Mutation(
        "parquet with two areas' numbers exchanged",
        "lait",
        _frame(lambda frame: frame.assign(**{"LA Number": frame["LA Number"].replace({201.0: 202.0, 202.0: 201.0})})),
        "stopped",
    ),
    # --- workbooks ---
    Mutation("workbook as published", "spending", lambda body: body, "right"),
    Mutation("an Excel date in a number column", "spending", _cells(_date_in_number), "refused"),
    Mutation(
        "text in a number column", "spending", _cells(lambda book: book.active.__setitem__("F9", "see note")), "refused"
    ),
    Mutation(
        "#REF! in a number column", "spending", _cells(lambda book: book.active.__setitem__("F9", "#REF!")), "refused"
    ),
    Mutation(
        "a total row at the foot",
        "spending",
        _cells(lambda book: book.active.append(["", "", "England", "2024-25", 1, 1, 1, 1, 1, 1])),
        "refused or stopped",
    ),
    Mutation("a title row above the header", "spending", _cells(lambda book: book.active.insert_rows(1)), "refused"),
    Mutation("an empty column inserted", "spending", _cells(lambda book: book.active.insert_cols(3)), "refused"),
    Mutation("the sheet empty", "spending", _cells(lambda book: book.active.delete_rows(1, 9999)), "refused"),
    # --- the appeals table, with its three header rows ---
    Mutation("appeals table as published", "appeals", lambda body: body, "right"),
    Mutation(
        "footnote digits glued to names",
        "appeals",
        lambda body: body.replace(b"\nHartlepool,", b'\n"Hartlepool7,8",'),
        "right",
    ),
    Mutation(
        "a year's columns exchanged",
        "appeals",
        rows(
            lambda given: [
                [*row[:2], row[3], row[2], *row[4:]] if number == 4 else row for number, row in enumerate(given)
            ]
        ),
        "refused",
    ),
    Mutation(
        "header row moved down", "appeals", rows(lambda given: [[""] * len(given[0]), *given]), "right or refused"
    ),
    Mutation(
        "a year column left out",
        "appeals",
        rows(lambda given: [row[:5] + row[8:] for row in given]),
        "refused or stopped",
    ),
    Mutation(
        "years across out of order",
        "appeals",
        rows(lambda given: [row[:2] + row[5:8] + row[2:5] + row[8:] for row in given]),
        "right",
    ),
]
