"""Reading a publisher's file as text, whatever its kind, and refusing what is not one.

A file is looked at by its first bytes, never by its name: zip, xlsx, ods, parquet, json, geojson or csv. Every value
stays the text the publisher wrote (numbers in spreadsheets and parquet become their shortest exact text), so nothing
is rounded or guessed on the way."""

from __future__ import annotations

import csv
import datetime
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from helpers.errors import AssessError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

LARGEST_FILE = 200 * 2**20
"""Bytes a single file may hold, packed or unpacked. The largest official file seen is 9 MB."""
LARGEST_UNPACKED = 400 * 2**20
"""Bytes a whole archive may unpack to."""
LARGEST_RATIO = 300
"""Times a member may be larger than its packed self once it is over a megabyte; spreadsheets reach about 60."""
MOST_MEMBERS = 2000
HEAD = 20
"""Rows looked at when a layout is recognised."""

Row = list[str]


@dataclass
class Sheet:
    """One table of a file: `name` says where it came from; `head` holds its first rows; `rows()` walks all of them as
    text."""

    name: str
    kind: str
    head: list[Row]
    rows: Callable[[], Iterator[Row]] = field(repr=False)
    document: Any = field(default=None, repr=False)
    """The parsed object when the file is JSON, else None."""


def _is_zip(data: bytes) -> bool:
    return data[:4] in (b"PK\x03\x04", b"PK\x05\x06")


def _listed(rows: list[Row], name: str, kind: str) -> Sheet:
    return Sheet(name, kind, rows[:HEAD], lambda: iter(rows))


def read(path: Path) -> list[Sheet]:
    """The tables of the file at `path`; a zip gives those of every member it holds.

    Raises AssessError when the file is missing, empty, too large, truncated, unsafe to unpack or not a table at all.
    """
    if path.is_dir():
        raise AssessError(f"{path} is a folder; name the files in it.")
    if not path.is_file():
        raise AssessError(f"{path} does not exist.")
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise AssessError(f"{path.name} holds {size:,} bytes; nothing over {LARGEST_FILE:,} is read.")
    return sheets(path.read_bytes(), path.name)


def sheets(data: bytes, name: str) -> list[Sheet]:
    """The tables in `data`, the contents of a file called `name` (used in messages only)."""
    if not data:
        raise AssessError(f"{name} is empty.")
    if _is_zip(data):
        return _archive(data, name)
    return _single(data, name)


def _single(data: bytes, name: str) -> list[Sheet]:
    if data[:4] == b"PAR1":
        return [_parquet(data, name)]
    if data[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        raise AssessError(f"{name} is an old Excel file (.xls); save it as .xlsx or .csv first.")
    if data[:4] == b"%PDF":
        raise AssessError(f"{name} is a PDF; expected a table (csv, xlsx, ods, parquet, json or a zip of them).")
    if data[:2] == b"\x1f\x8b":
        raise AssessError(f"{name} is compressed with gzip; unpack it first.")
    body = text(data, name)
    start = body.lstrip()[:200].lower()
    if start.startswith(("<!doctype html", "<html", "<head", "<body")) or (
        start.startswith("<?xml") and "<html" in start
    ):
        raise AssessError(
            f"{name} is a web page (HTML), not a table: the download probably led to an error or sign-in page."
        )
    if start.startswith("<"):
        raise AssessError(f"{name} is XML, not a table this project knows.")
    if start.startswith(("{", "[")):
        return [_json(body, name)]
    return [_csv(body, name)]


def text(data: bytes, name: str) -> str:
    """`data` as UTF-8, with or without a byte-order mark. Raises AssessError naming the first byte that is not
    UTF-8."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise AssessError(f"{name} is encoded as UTF-16; expected UTF-8.")
    if data[:400].count(b"\x00") > 20:
        raise AssessError(f"{name} is binary or UTF-16 without a mark; expected UTF-8 text.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise AssessError(
            f"{name} is not UTF-8: line {line} holds the byte 0x{data[error.start]:02x} "
            "(Windows or Latin-1 text?); expected UTF-8."
        ) from None


def _csv(body: str, name: str) -> Sheet:
    first = body.split("\n", 1)[0]
    for mark, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if first.count(mark) >= 2 and first.count(mark) > first.count(","):
            raise AssessError(f"{name} is separated by {word}; expected commas.")
    try:
        rows = list(csv.reader(io.StringIO(body, newline=""), strict=True))
    except csv.Error as error:
        raise AssessError(f"{name} cannot be read as csv ({error}): it is probably cut short or damaged.") from None
    while rows and not any(cell.strip() for cell in rows[-1]):
        rows.pop()
    if not rows:
        raise AssessError(f"{name} holds no rows.")
    return _listed(rows, name, "csv")


def _json(body: str, name: str) -> Sheet:
    try:
        document = json.loads(body, parse_float=str, parse_int=str)
    except json.JSONDecodeError as error:
        raise AssessError(
            f"{name} cannot be read as JSON (line {error.lineno}: {error.msg}): it is probably cut short."
        ) from None
    kind = "geojson" if isinstance(document, dict) and document.get("type") == "FeatureCollection" else "json"
    keys = list(document) if isinstance(document, dict) else []
    return Sheet(name, kind, [keys], lambda: iter([keys]), document)


def number_text(value: object) -> str:
    """A cell's value as exact text: whole numbers without a point, dates as ISO, missing as an empty string."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        if value != value:
            return ""
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(sep=" ")
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value)


def _parquet(data: bytes, name: str) -> Sheet:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(data))
        columns = list(file.schema_arrow.names)
        first = next(file.iter_batches(batch_size=HEAD), None)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise AssessError(
            f"{name} cannot be read as parquet: it is cut short or damaged ({str(error).splitlines()[0][:80]})."
        ) from None

    def walk(batch: pyarrow.RecordBatch) -> Iterator[Row]:
        lists = [column.to_pylist() for column in batch.columns]
        for row in zip(*lists, strict=True):
            yield [value if type(value) is str else number_text(value) for value in row]

    def rows() -> Iterator[Row]:
        yield columns
        try:
            for batch in pyarrow.parquet.ParquetFile(io.BytesIO(data)).iter_batches(batch_size=65536):
                yield from walk(batch)
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise AssessError(
                f"{name} cannot be read to its end as parquet: it is damaged ({str(error).splitlines()[0][:80]})."
            ) from None

    return Sheet(name, "parquet", [columns, *(walk(first) if first is not None else [])], rows)


# Archives ----------


def _archive(data: bytes, name: str) -> list[Sheet]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise AssessError(f"{name} cannot be opened as a zip: it is cut short or damaged ({error}).") from None
    with archive:
        members = _safe(archive, name)
        names = {member.filename for member in members}
        if "[Content_Types].xml" in names and any(n.startswith("xl/") for n in names):
            _budget(members, name)
            return _xlsx(data, name)
        if {"content.xml", "META-INF/manifest.xml"} <= names:
            content = _member(archive, archive.getinfo("content.xml"), name)
            return _ods(content, name)
        _budget(members, name)
        found: list[Sheet] = []
        for member in sorted(members, key=lambda m: m.filename):
            if member.is_dir() or PurePosixPath(member.filename).name.startswith(("._", ".DS_Store")):
                continue
            if member.filename.lower().endswith((".txt", ".md", ".pdf", ".docx", ".html")):
                continue  # data guidance and reading matter beside the tables
            inner = f"{name}/{member.filename}"
            contents = _member(archive, member, name)
            if not contents:
                raise AssessError(f"{inner} is empty.")
            if _is_zip(contents) and not member.filename.lower().endswith((".xlsx", ".ods")):
                raise AssessError(f"{inner} is a zip inside a zip; unpack it first.")
            found.extend(sheets(contents, inner))
        if not found:
            raise AssessError(f"{name} holds no tables.")
        return found


def _safe(archive: zipfile.ZipFile, name: str) -> list[zipfile.ZipInfo]:
    """The members, after refusing names that climb out, links, encryption and far too many of them."""
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise AssessError(f"{name} holds {len(members):,} members; more than {MOST_MEMBERS:,} are not unpacked.")
    for member in members:
        original = member.orig_filename
        parts = PurePosixPath(original.replace("\\", "/")).parts
        if (
            ".." in parts
            or original.startswith(("/", "\\"))
            or (len(original) > 1 and original[1] == ":")
            or "\x00" in original
        ):
            raise AssessError(
                f"{name} holds a member that climbs out of the archive ({original!r}); nothing in it is read."
            )
        if (member.external_attr >> 16) & 0o170000 == 0o120000:
            raise AssessError(f"{name} holds a link ({original!r}) instead of a file; nothing in it is read.")
        if member.flag_bits & 0x1:
            raise AssessError(f"{name} is encrypted ({original!r}); unpack it first.")
    return members


def _budget(members: list[zipfile.ZipInfo], name: str) -> None:
    total = sum(member.file_size for member in members)
    if total > LARGEST_UNPACKED:
        raise AssessError(f"{name} would unpack to {total:,} bytes; nothing over {LARGEST_UNPACKED:,} is unpacked.")
    for member in members:
        _ratio(member, name)


def _ratio(member: zipfile.ZipInfo, name: str) -> None:
    if member.file_size > LARGEST_FILE:
        raise AssessError(
            f"{name}/{member.filename} would unpack to {member.file_size:,} bytes; "
            f"nothing over {LARGEST_FILE:,} is unpacked."
        )
    if member.file_size > 2**20 and member.file_size > LARGEST_RATIO * max(member.compress_size, 1):
        raise AssessError(
            f"{name}/{member.filename} would unpack to {member.file_size // max(member.compress_size, 1):,} times "
            "its size: this looks like a zip bomb and is not unpacked."
        )


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> bytes:
    _ratio(member, name)
    try:
        with archive.open(member) as stream:
            data = stream.read(LARGEST_FILE + 1)  # the header may lie about the size
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, ValueError, RuntimeError) as error:
        raise AssessError(
            f"{name}/{member.filename} cannot be unpacked: the zip is cut short or damaged ({error})."
        ) from None
    except Exception as error:  # zlib.error has no public base class of its own
        raise AssessError(f"{name}/{member.filename} cannot be unpacked: the zip is damaged ({error}).") from None
    if len(data) > LARGEST_FILE:
        raise AssessError(f"{name}/{member.filename} unpacks to more than {LARGEST_FILE:,} bytes; it is not read.")
    return data


# Workbooks ----------


def _trim(rows: list[Row]) -> list[Row]:
    while rows and not any(cell.strip() for cell in rows[-1]):
        rows.pop()
    width = max((max((i + 1 for i, cell in enumerate(row) if cell.strip()), default=0) for row in rows), default=0)
    return [(row + [""] * width)[:width] for row in rows]


def _xlsx(data: bytes, name: str) -> list[Sheet]:
    import warnings

    import openpyxl

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            found = []
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # some writers state a wrong size
                rows = [[number_text(value) for value in row] for row in sheet.iter_rows(values_only=True)]
                found.append(_listed(_trim(rows), f"{name}, sheet {sheet.title!r}", "xlsx"))
            book.close()
    except AssessError:
        raise
    except Exception as error:
        raise AssessError(f"{name} cannot be read as an Excel workbook: it is damaged ({str(error)[:80]}).") from None
    return [sheet for sheet in found if sheet.head] or _no_rows(name)


def _no_rows(name: str) -> list[Sheet]:
    raise AssessError(f"{name} holds no rows.")


TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"


def _ods(content: bytes, name: str) -> list[Sheet]:
    """The sheets of an OpenDocument workbook, each cell as the exact value stored (not as displayed)."""
    from xml.etree import ElementTree

    if b"<!DOCTYPE" in content[:2000] or b"<!ENTITY" in content[:2000]:
        raise AssessError(f"{name} declares XML entities, which no official workbook does; it is not read.")
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise AssessError(f"{name} cannot be read as an OpenDocument workbook: it is damaged ({error}).") from None
    found = []
    for table in root.iter(f"{TABLE}table"):
        rows: list[Row] = []
        for row in table.iter(f"{TABLE}table-row"):
            cells = _ods_row(row)
            repeat = int(row.get(f"{TABLE}number-rows-repeated", "1"))
            # Writers pad sheets with a million repeated empty rows: one stands for all at the end, none may hold data.
            rows.extend([cells] * (min(repeat, 50) if not cells else min(repeat, 5000)))
        trimmed = _trim(rows)
        if trimmed:
            found.append(_listed(trimmed, f"{name}, sheet {table.get(f'{TABLE}name')!r}", "ods"))
    return found or _no_rows(name)


def _ods_row(row: Any) -> Row:
    cells: Row = []
    pending = 0
    for cell in row:
        if cell.tag not in (f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
            continue
        repeat = int(cell.get(f"{TABLE}number-columns-repeated", "1"))
        value = _ods_cell(cell)
        if not value:
            pending += repeat  # written only when something follows: trailing blanks run to 16,384
            continue
        cells.extend([""] * min(pending, 5000))
        cells.extend([value] * min(repeat, 5000))
        pending = 0
    return cells


def _ods_cell(cell: Element) -> str:
    kind = cell.get(f"{OFFICE}value-type")
    if kind in ("float", "currency", "percentage"):
        value = cell.get(f"{OFFICE}value", "")
        return value[:-2] if value.endswith(".0") else value
    if kind == "date":
        return cell.get(f"{OFFICE}date-value", "").removesuffix("T00:00:00")
    if kind == "boolean":
        return cell.get(f"{OFFICE}boolean-value", "").upper()
    return "\n".join("".join(part.itertext()) for part in cell.findall(f"{TEXT}p")).strip()
