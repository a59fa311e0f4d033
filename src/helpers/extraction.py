"""Making the compact extracts of data/raw from official files: `assess extract PATH...`.

A file's publication and release are recognised from its contents. What is known about layouts is data
(`helpers/layouts/*.yaml`); a table that fits no known layout is refused with the columns that are gone or new. The
same files always give the same bytes. Nothing is written until every table of every file has been read and checked,
so a refusal leaves data/raw as it was."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from helpers import layouts, readers, shapes
from helpers.errors import AssessError
from helpers.layouts import Known, Layout, Resource
from helpers.readers import Sheet

INTEGER = re.compile(r"-?\d+")
NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Original:
    """The official file a table came from."""

    name: str
    sha256: str
    release: str
    part: str = ""


@dataclass
class Extract:
    """One remade resource: its rows (all text, in the resource's column order), where they came from, and whether its
    file changed."""

    resource: Resource
    rows: list[list[str]] = field(default_factory=list)
    text: str = ""
    originals: list[Original] = field(default_factory=list)
    changed: bool = True

    @property
    def name(self) -> str:
        """The resource's name."""
        return self.resource.name

    @property
    def release(self) -> str:
        """The latest release among its originals."""
        return max((original.release for original in self.originals), default="")


def extract(paths: Iterable[Path], out: Path, about: Mapping[str, Mapping[str, str]] | None = None) -> list[Extract]:
    """Remake in `out` (data/raw) every resource that the official files at `paths` hold, and the catalogue
    `out/datapackage.json`.

    `about` may tell, by file name, the `release`, the date `published` (ISO) and the `url` of a file, for releases
    the layouts do not list. With no paths, only the catalogue is remade from what is on disk.
    Returns one Extract per resource, in order of name. Raises AssessError, before anything is written, when a file is
    missing, damaged, unknown or laid out in an unknown way, or when its contents do not hold together.
    """
    from helpers import catalogue

    extracts = gather([Path(path) for path in paths], out, about=about)
    catalogue.replace(out, extracts, about=about)
    return extracts


def gather(
    paths: list[Path], out: Path, known: Known | None = None, about: Mapping[str, Mapping[str, str]] | None = None
) -> list[Extract]:
    """As `extract`, without writing. Resources made of several files keep, from `out`, the parts that `paths` do not
    bring."""
    known = known or layouts.known()
    found: dict[str, Extract] = {}
    origin: dict[tuple[str, str], str] = {}
    for path in paths:
        sheets = readers.read(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        followed: list[Layout] = []
        for sheet in sheets:
            layout = recognise(sheet, known, alone=len(sheets) == 1)
            if layout is None:
                continue
            followed.append(layout)
            for feed in layout.feeds:
                resource = known.resources[feed["resource"]]
                rows, text = read(sheet, layout, feed, resource)
                release = (
                    (about or {}).get(path.name, {}).get("release")
                    or release_of(layout, resource, rows, sha256)
                    or resource.release
                )
                for part in _parts(resource, rows):
                    other = origin.setdefault((resource.name, part), path.name)
                    if other != path.name:
                        what = f"{resource.name} ({part})" if part else resource.name
                        raise AssessError(f"{other} and {path.name} both hold {what}; give one of them.")
                    made = found.setdefault(resource.name, Extract(resource))
                    made.originals.append(Original(path.name, sha256, release, part))
                made.rows.extend(rows)
                made.text = text
        if not followed:
            raise AssessError(f"{path.name} holds no table this project uses; known publications: {_titles(known)}.")
        if not any(layout.feeds for layout in followed):
            raise AssessError(_unused(path.name, followed))
    for made in found.values():
        _complete(made, out)
    return [found[name] for name in sorted(found)]


def _titles(known: Known) -> str:
    return "; ".join(sorted({layout.publication.title for layout in known.layouts}))


def _unused(name: str, followed: list[Layout]) -> str:
    """The sentence about a file that is known and that nothing is made from."""
    which = ", ".join(dict.fromkeys(f"{layout.publication.title} (layout {layout.id})" for layout in followed))
    return (
        f"{name} follows {which}, which is known but not used: no table of data/raw is made from it. "
        "To use it, give the layout `feeds` (docs/layouts.md)."
    )


def _parts(resource: Resource, rows: list[list[str]]) -> list[str]:
    if not resource.part:
        return [""]
    at = resource.names.index(resource.part)
    return sorted({row[at] for row in rows})


# Recognition ----------


def recognise(sheet: Sheet, known: Known, alone: bool = True) -> Layout | None:
    """The layout that `sheet` follows, or None for a worksheet that is only reading matter.

    Raises AssessError when the table is unknown, or follows a known one with columns gone or new.
    """
    head = [{shapes.squeeze(cell) for cell in row} for row in sheet.head[:12]]
    cells = set().union(*head)
    sheet_name = sheet.name.rsplit("sheet ", 1)[-1].strip("'")
    near: list[tuple[int, Layout, list[str], list[str]]] = []
    for layout in known.layouts:
        telling = set(layout.signature)
        if not telling <= cells or (layout.columns and not any(telling <= row for row in head)):
            continue
        if layout.spec.get("sheet") and not re.fullmatch(str(layout.spec["sheet"]), sheet_name):
            continue
        if refusal := layout.spec.get("refuse"):
            raise AssessError(f"{sheet.name} follows the layout {layout.id}, which is known but not used: {refusal}")
        if not layout.columns:
            return layout
        names = shapes.header(sheet, layout)
        gone = [name for name in layout.columns if name not in names]
        new = [name for name in names if name not in layout.columns]
        if not gone and not new:
            if not _begins(sheet, layout, names):
                continue
            return layout
        near.append((len(gone) + len(new), layout, gone, new))
    if near:
        _, layout, gone, new = min(near, key=lambda item: item[0])
        raise AssessError(_difference(sheet, layout, gone, new))
    close = _closest(sheet, known)
    if close:
        raise AssessError(close)
    if sheet.kind in ("xlsx", "ods"):
        return None
    first = next((row for row in sheet.head if any(row)), [])
    shown = ", ".join(repr(shapes.squeeze(cell)[:40]) for cell in first[:4])
    raise AssessError(f"{sheet.name} follows no known layout: its first row begins {shown}.")


def _begins(sheet: Sheet, layout: Layout, names: list[str]) -> bool:
    """Whether the first record holds the values the layout tells two tables with the same columns apart by."""
    at = shapes.header_at(layout) + 1
    first = dict(zip(names, sheet.head[at], strict=False)) if len(sheet.head) > at else {}
    return all(first.get(name) == str(value) for name, value in layout.spec.get("first_row", {}).items())


def _difference(sheet: Sheet, layout: Layout, gone: list[str], new: list[str]) -> str:
    at = shapes.header_at(layout)
    if len(gone) == len(layout.columns):
        for number, row in enumerate(sheet.head[:12]):
            if number != at and set(layout.columns) <= {shapes.squeeze(cell) for cell in row}:
                return (
                    f"{sheet.name}: the header stands in row {number + 1}, expected row {at + 1} "
                    f"(layout {layout.id}); the table is shifted."
                )
    said = []
    if gone:
        said.append(("column gone: " if len(gone) == 1 else "columns gone: ") + _some(gone))
    if new:
        said.append(("new column: " if len(new) == 1 else "new columns: ") + _some(new))
    looks = f"{sheet.name} looks like {layout.publication.title} (layout {layout.id})"
    return f"{looks}, but {'; '.join(said)}. An unknown layout is not read."


def _some(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:6])
    return shown if len(names) <= 6 else f"{shown} and {len(names) - 6} more"


def _closest(sheet: Sheet, known: Known) -> str:
    """A sentence about the layout most of whose columns the sheet has, for tables whose telling columns were
    renamed."""
    best: tuple[float, str] = (0.0, "")
    for layout in known.layouts:
        names = set(shapes.header(sheet, layout))
        if not layout.columns or not names:
            continue
        share = len(names & set(layout.columns)) / len(set(layout.columns))
        if share > max(best[0], 0.6):
            gone = [name for name in layout.columns if name not in names]
            new = [name for name in shapes.header(sheet, layout) if name not in layout.columns]
            best = (share, _difference(sheet, layout, gone, new))
    return best[1]


def release_of(layout: Layout, resource: Resource, rows: list[list[str]], sha256: str = "") -> str:
    """The release a table belongs to: known by the file's sha256, stated by its layout, or read from its last period
    ("2024" data are released in 2025)."""
    for name, told in layout.publication.releases.items():
        if sha256 and told.get("sha256") == sha256:
            return name
    told = layout.spec.get("release", "")
    if not isinstance(told, Mapping):
        return str(told)
    column = str(told["from"])
    if column not in resource.names:
        return str(told.get("else", ""))
    at = resource.names.index(column)
    last = max((row[at] for row in rows), default="")
    if "pattern" in told:
        years = [match for row in rows for match in re.findall(str(told["pattern"]), row[at])]
        last = max(years, default="")
    if "add" not in told:
        return last
    year = (
        int(last[:2] + last[4:]) if re.fullmatch(r"\d{6}", last) else int(last[:4]) if re.match(r"\d{4}", last) else 0
    )
    return str(year + int(told.get("add", 0))) if year else last


# Rows ----------


def read(sheet: Sheet, layout: Layout, feed: dict[str, Any], resource: Resource) -> tuple[list[list[str]], str]:
    """The rows of `resource` that `sheet` holds, checked and as text; or, for boundaries, the finished GeoJSON text."""
    if resource.geographic:
        return [], shapes.geography(sheet)
    names = resource.names
    rows: list[list[str]] = []
    for where, record in shapes.SHAPES[layout.shape](sheet, layout, feed, resource):
        row = [record[name] for name in names]
        check_row(row, resource, f"{sheet.name}, {where}")
        rows.append(row)
    if not rows:
        raise AssessError(f"{sheet.name} follows the layout {layout.id}, but holds no rows for {resource.name}.")
    return rows, ""


def check_row(row: list[str], resource: Resource, where: str) -> None:
    """Check one row's values against the resource's fields. Raises AssessError naming `where`, column, what was found
    and expected."""
    for column, value in zip(resource.fields, row, strict=True):
        problem = _problem(value, column, resource.missing)
        if problem:
            raise AssessError(f"{where}, column {column.name!r}: found {value[:60]!r}, expected {problem}.")


def _problem(value: str, column: layouts.Field, missing: tuple[str, ...]) -> str:
    if column.type in layouts.NUMBERS:
        if value in missing and not (column.required and value == ""):
            return ""
        what = "a whole number" if column.type == "integer" else "a number"
        symbols = [mark for mark in missing if mark]
        also = f" or one of {', '.join(symbols)}" if symbols else ""
        if not (INTEGER if column.type == "integer" else NUMBER).fullmatch(value):
            return what + also
        if column.minimum is not None and float(value) < column.minimum:
            return f"{what} of at least {column.minimum:g}"
        if column.maximum is not None and float(value) > column.maximum:
            return f"{what} of at most {column.maximum:g}"
        return ""
    if column.required and not value:
        return "a value"
    if value and column.pattern and not re.fullmatch(column.pattern, value):
        return f"text like {column.pattern}"
    if value and column.enum and value not in column.enum:
        return "one of " + ", ".join(column.enum)
    return ""


def _complete(made: Extract, out: Path) -> None:
    """Add the parts kept from `out`, sort, and check what holds for the table as a whole."""
    resource = made.resource
    if resource.geographic:
        return
    if resource.part:
        _keep_parts(made, out)
    names = resource.names
    order = [names.index(name) for name in (resource.keys[0] if resource.keys else names)]
    made.rows.sort(key=lambda row: ([row[at] for at in order], row))
    where = f"{', '.join(dict.fromkeys(original.name for original in made.originals))} ({resource.name})"
    unique(made.rows, resource, where)
    _periods(made, where)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(made.rows)
    made.text = buffer.getvalue()


def _keep_parts(made: Extract, out: Path) -> None:
    from helpers import catalogue

    resource = made.resource
    at = resource.names.index(resource.part)
    brought = {row[at] for row in made.rows}
    entry = catalogue.entry(out, resource.name)
    if entry is None or not (out / resource.path).is_file():
        return
    kept = [row for row in catalogue.rows(out, resource.name) if row[at] not in brought]
    made.rows.extend(kept)
    parts = {row[at] for row in kept}
    made.originals.extend(
        Original(told["name"], told["sha256"], told.get("release", ""), told.get("part", ""))
        for told in entry.get("original", [])
        if told.get("part") in parts
    )


def unique(rows: list[list[str]], resource: Resource, where: str = "") -> None:
    """Check that no two rows share a key. Raises AssessError naming the key that appears twice."""
    for key in resource.keys:
        places = [resource.names.index(name) for name in key]
        seen: set[tuple[str, ...]] = set()
        for row in rows:
            value = tuple(row[at] for at in places)
            if value in seen:
                shown = [
                    *key,
                    *(name for name in ("la_name", "LA and Regions") if name in resource.names and name not in key),
                ]
                said = ", ".join(
                    f"{name} {row[resource.names.index(name)]!r}" for name in shown if row[resource.names.index(name)]
                )
                raise AssessError(f"{where or resource.name}: two rows for {said}; expected one.")
            seen.add(value)


def _periods(made: Extract, where: str) -> None:
    """Years must follow one another without a gap; every period must hold England, all regions and a full set of
    councils."""
    resource = made.resource
    if not resource.period:
        return
    at = resource.names.index(resource.period["field"])
    periods = sorted({row[at] for row in made.rows})
    first = resource.period.get("first", periods[0])
    if periods[0] != first:
        raise AssessError(f"{where}: the first period is {periods[0]}, expected {first}; a year is missing.")
    for before, after in pairwise(periods):
        if int(after[:4]) != int(before[:4]) + 1:
            raise AssessError(f"{where}: {after} follows {before}; expected one year after another.")
    for period in periods:
        if len(period) == 6 and int(period[4:]) != (int(period[:4]) + 1) % 100:
            raise AssessError(f"{where}: the period {period!r} is not an academic year such as 202425.")
    if not resource.areas:
        return
    level = resource.names.index("geographic_level")
    for period in periods:
        for name, (least, most) in resource.areas.items():
            count = sum(row[at] == period and row[level] == name for row in made.rows)
            if not least <= count <= most:
                raise AssessError(f"{where}: {count} rows at {name!r} level in {period}; expected {least} to {most}.")
