"""The catalogue of data/raw: `datapackage.json`, a Frictionless Data Package made by code and checked against the
files.

`verify` says in sentences what differs; `read` gives a table as text, after the same checks on that one file. Nothing
here guesses what a value means: every cell is a string, and symbols for missing stay as published.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import files, layouts, paths
from helpers.errors import AssessError
from helpers.layouts import Known, Resource

if TYPE_CHECKING:
    import pandas

    from helpers.extraction import Extract

NAME = "datapackage.json"
LICENCES = {
    "OGL-UK-3.0": {
        "name": "OGL-UK-3.0",
        "title": "Open Government Licence v3.0",
        "path": "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
    },
    "CC-BY-4.0": {
        "name": "CC-BY-4.0",
        "title": "Creative Commons Attribution 4.0 International",
        "path": "https://creativecommons.org/licenses/by/4.0/",
    },
}


# Reading the catalogue ----------


def load(raw: Path | None = None) -> dict[str, Any]:
    """The catalogue as a dictionary. Raises AssessError when it is missing or not JSON."""
    path = (raw or paths.raw()) / NAME
    try:
        package = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AssessError(f"{path} is missing; make it with `assess extract`.") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise AssessError(f"{path} is not a readable catalogue ({error}).") from None
    if not isinstance(package, dict) or not isinstance(package.get("resources"), list):
        raise AssessError(f"{path} is not a data package: it lists no resources.")
    return package


def entry(raw: Path, name: str) -> dict[str, Any] | None:
    """The catalogue's entry for a resource, or None."""
    if not (raw / NAME).is_file():
        return None
    return next((told for told in load(raw)["resources"] if told.get("name") == name), None)


def resource(name: str, raw: Path | None = None) -> dict[str, Any]:
    """The catalogue's entry for `name`. Raises AssessError with the nearest names when there is none."""
    listed: list[dict[str, Any]] = load(raw)["resources"]
    for told in listed:
        if told.get("name") == name:
            return told
    import difflib

    names = [told.get("name", "") for told in listed]
    near = difflib.get_close_matches(name, names, 3, 0.5)
    raise AssessError(
        f"There is no resource {name!r} in {NAME}"
        + (f"; did you mean {' or '.join(near)}?" if near else f"; it lists {', '.join(names)}.")
    )


def names(raw: Path | None = None) -> list[str]:
    """Names of all resources, in the catalogue's order."""
    return [told["name"] for told in load(raw)["resources"]]


# Reading the data ----------


def rows(raw: Path, name: str) -> list[list[str]]:
    """The rows of a table, without its header, as text."""
    told = resource(name, raw)
    return _table(_checked(raw, told), told)[1]


def read(name: str, raw: Path | None = None, check: bool = True) -> pandas.DataFrame:
    """A table of data/raw with every value as text (empty stays empty, symbols stay symbols).

    Raises AssessError when there is no such resource, or its file is missing, empty, truncated, re-encoded, edited,
    or has a column gone or new, a duplicate row, or a letter where a number belongs. With `check=False` only the
    header is compared."""
    import pandas

    told = resource(name, raw)
    folder = raw or paths.raw()
    if told["path"].endswith(".geojson"):
        raise AssessError(f"{name} is not a table; read it with catalogue.geography().")
    data = _checked(folder, told) if check else _bytes(folder, told)
    head, body = _table(data, told)
    return pandas.DataFrame(body, columns=head, dtype=str)


def geography(name: str = "boundaries", raw: Path | None = None) -> dict[str, Any]:
    """A GeoJSON resource, parsed."""
    told = resource(name, raw)
    shapes: dict[str, Any] = json.loads(_checked(raw or paths.raw(), told).decode("utf-8"))
    return shapes


def _bytes(raw: Path, told: Mapping[str, Any]) -> bytes:
    path = raw / str(told["path"])
    if not path.is_file():
        twin = _renamed(raw, told)
        raise AssessError(
            f"{told['path']} is missing"
            + (f"; {twin} has its contents, so it was renamed." if twin else "; the catalogue lists it.")
        )
    return path.read_bytes()


def _renamed(raw: Path, told: Mapping[str, Any]) -> str:
    listed = {other["path"] for other in load(raw)["resources"]}
    for path in sorted(raw.rglob("*")):
        inside = path.relative_to(raw).as_posix()
        if (
            path.is_file()
            and inside not in listed
            and path.stat().st_size == told["bytes"]
            and _sha256(path.read_bytes()) == told["hash"]
        ):
            return inside
    return ""


def _sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _checked(raw: Path, told: Mapping[str, Any]) -> bytes:
    data = _bytes(raw, told)
    if _sha256(data) != told["hash"]:
        raise AssessError(diagnose(data, told))
    return data


def _table(data: bytes, told: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    found = list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))
    return found[0], found[1:]


def diagnose(data: bytes, told: Mapping[str, Any]) -> str:
    """One sentence on how `data` differs from the file that the catalogue entry `told` describes: the most telling
    difference first."""
    changed = f"the contents have changed since they were catalogued ({len(data):,} bytes, expected {told['bytes']:,})"
    found = _encoding(data, told)
    if found:
        return found
    text = data.decode("utf-8")
    if told["path"].endswith(".geojson"):
        return _boundaries(text, told, changed)
    if b"\r\n" in data:
        return f"{told['path']} has Windows line ends; expected Unix ones. It was saved again by another program."
    try:
        table = list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error as error:
        return f"{told['path']} cannot be read as csv ({error}): {changed}."
    return (
        _header(table[0], told)
        or _rows(table[1:], told, whole=text.endswith("\n"))
        or _count(table[1:], told, changed)
        or f"{told['path']}: {changed}; its sha256 is {_sha256(data)[7:19]}..., expected {told['hash'][7:19]}...."
    )


def _encoding(data: bytes, told: Mapping[str, Any]) -> str:
    """What is wrong with the bytes as UTF-8 text; empty when nothing is."""
    path = told["path"]
    if not data:
        return f"{path} is empty; the catalogue says {told['bytes']:,} bytes."
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return f"{path} is encoded as UTF-16; expected UTF-8."
    if data[:3] == b"\xef\xbb\xbf":
        return (
            f"{path} begins with a byte-order mark; expected UTF-8 without one. It was saved again by another program."
        )
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        found = f"line {line} holds the byte 0x{data[error.start]:02x}"
        return f"{path} is not UTF-8: {found}; it was saved again in another encoding."
    return ""


def _boundaries(text: str, told: Mapping[str, Any], changed: str) -> str:
    try:
        count = len(json.loads(text)["features"])
    except (ValueError, KeyError, TypeError):
        return f"{told['path']} is cut short or damaged: {changed}."
    return f"{told['path']}: {changed}; {count} features, expected {told['features']}."


def _columns(told: Mapping[str, Any]) -> list[str]:
    return [column["name"] for column in told["schema"]["fields"]]


def _header(header: list[str], told: Mapping[str, Any]) -> str:
    """What is wrong with the column names; empty when nothing is."""
    expected = _columns(told)
    if header == expected:
        return ""
    if len(header) == 1 and header[0].count(";") > 1:
        return f"{told['path']} is separated by semicolons; expected commas."
    gone = [name for name in expected if name not in header]
    new = [name for name in header if name not in expected]
    said = [f"column gone: {', '.join(map(repr, gone))}"] if gone else []
    said += [f"new column: {', '.join(map(repr, new))}"] if new else []
    return f"{told['path']}: {'; '.join(said) or 'its columns are in another order'}; expected the columns in {NAME}."


def _rows(body: list[list[str]], told: Mapping[str, Any], whole: bool) -> str:
    """What is wrong with the rows one by one, `whole` when the last one is finished; empty when nothing is."""
    path, columns = told["path"], _columns(told)
    if len(body) < told["rows"] and not whole:
        return f"{path} is cut short: {len(body):,} rows, expected {told['rows']:,}."
    for number, row in enumerate(body, start=2):
        if len(row) != len(columns):
            return f"{path}, row {number}: {len(row)} values, expected {len(columns)}."
    problem = _numbers(body, told["schema"]["fields"], set(told["schema"].get("missingValues", [""])))
    return f"{path}, {problem}." if problem else ""


def _count(body: list[list[str]], told: Mapping[str, Any], changed: str) -> str:
    """Whether a row stands twice, or their number is another; empty when neither."""
    columns = _columns(told)
    places = [columns.index(name) for name in told["schema"].get("primaryKey") or columns]
    seen: dict[tuple[str, ...], int] = {}
    for number, row in enumerate(body, start=2):
        value = tuple(row[at] for at in places)
        if value in seen:
            key_said = ", ".join(part for part in value if part)
            return f"{told['path']}: rows {seen[value]} and {number} are both {key_said}; expected one."
        seen[value] = number
    if len(body) != told["rows"]:
        return f"{told['path']} holds {len(body):,} rows, expected {told['rows']:,}; {changed}."
    return ""


def _numbers(body: list[list[str]], fields: list[dict[str, Any]], missing: set[str]) -> str:
    from helpers.extraction import INTEGER, NUMBER

    for at, column in enumerate(fields):
        if column["type"] not in layouts.NUMBERS:
            continue
        whole = column["type"] == "integer"
        shape = INTEGER if whole else NUMBER
        for number, row in enumerate(body, start=2):
            if row[at] not in missing and not shape.fullmatch(row[at]):
                expected = "a whole number" if whole else "a number"
                return f"row {number}, column {column['name']!r}: found {row[at]!r}, expected {expected}"
    return ""


# Checking ----------


def verify(raw: Path | None = None) -> list[str]:
    """What on disk differs from the catalogue, one sentence each; an empty list means that everything matches."""
    folder = raw or paths.raw()
    try:
        package = load(folder)
    except AssessError as error:
        return [str(error)]
    problems = []
    for told in package["resources"]:
        try:
            data = _checked(folder, told)
        except AssessError as error:
            problems.append(str(error))
            continue
        if len(data) != told["bytes"]:
            problems.append(f"{told['path']} holds {len(data):,} bytes; the catalogue says {told['bytes']:,}.")
        if not told["path"].endswith(".geojson"):
            head, body = _table(data, told)
            if head != [column["name"] for column in told["schema"]["fields"]] or len(body) != told["rows"]:
                problems.append(
                    f"{told['path']}: header or rows ({len(body):,}) differ from the catalogue ({told['rows']:,})."
                )
    listed = {told["path"] for told in package["resources"]}
    for path in sorted([*folder.rglob("*.csv"), *folder.rglob("*.geojson")]):
        inside = path.relative_to(folder).as_posix()
        if inside not in listed:
            problems.append(f"{inside} is not in the catalogue; a renamed or stray file?")
    return problems


# Writing ----------


def replace(
    raw: Path, extracts: list[Extract], about: Mapping[str, Mapping[str, str]] | None = None, known: Known | None = None
) -> None:
    """Write the extracts and the catalogue to `raw`, all of them or none: a failure puts the previous files back."""
    known = known or layouts.known()
    previous: dict[Path, bytes | None] = {}
    for made in extracts:
        path = raw / made.resource.path
        previous[path] = path.read_bytes() if path.is_file() else None
        made.changed = previous[path] != made.text.encode("utf-8")
    told = {made.name: [_original(original, made.resource, about) for original in made.originals] for made in extracts}
    kept = (
        {other["name"]: other.get("original", []) for other in load(raw)["resources"]} if (raw / NAME).is_file() else {}
    )
    try:
        for made in extracts:
            if made.changed:
                files.write_text(raw / made.resource.path, made.text)
        package = build(raw, {**kept, **told}, known)
        text = json.dumps(package, ensure_ascii=False, indent=1) + "\n"
        path = raw / NAME
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            files.write_text(path, text)
    except BaseException:
        for path, data in previous.items():
            if data is None:
                path.unlink(missing_ok=True)
            elif path.read_bytes() != data:
                with files.whole(path) as temporary:
                    temporary.write_bytes(data)
        raise


def _original(original: Any, told: Resource, about: Mapping[str, Mapping[str, str]] | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": original.name, "sha256": original.sha256}
    if original.part:
        entry["part"] = original.part
    release = original.release
    known = told.publication.releases.get(release, {})
    stated = (about or {}).get(original.name, {})
    entry["release"] = release
    entry["published"] = str(stated.get("published") or known.get("published", "")) or None
    address = stated.get("url") or known.get("url") or told.publication.url
    if address:
        entry["url"] = address
    return entry


def build(raw: Path, originals: Mapping[str, list[dict[str, Any]]], known: Known) -> dict[str, Any]:
    """The catalogue of the resources found in `raw`."""
    resources = []
    for name in sorted(known.resources):
        told = known.resources[name]
        path = raw / told.path
        if path.is_file():
            resources.append(describe(path.read_bytes(), told, originals.get(name, [])))
    return {
        "profile": "data-package",
        "name": "safety-valve-raw",
        "title": "Inputs of the Safety Valve assessment",
        "description": "Compact extracts of official statistics and the project's own evidence tables. "
        "Made by `assess extract`; not edited by hand.",
        "licenses": [LICENCES[key] for key in sorted(LICENCES, reverse=True)],
        "resources": resources,
    }


def describe(data: bytes, told: Resource, originals: list[dict[str, Any]]) -> dict[str, Any]:
    """The catalogue entry of one resource from its bytes."""
    publication = told.publication
    entry: dict[str, Any] = {
        "profile": "data-resource" if told.geographic else "tabular-data-resource",
        "name": told.name,
        "path": told.path,
        "title": told.title,
        "description": told.description,
        "publisher": publication.publisher,
        "publication": publication.title,
        "landing_page": publication.landing_page,
        "coverage": told.coverage,
    }
    originals = sorted(_distinct(originals), key=lambda item: (item.get("part", ""), item["name"]))
    release = max((item.get("release") or "" for item in originals), default="") or told.release
    listed = publication.releases.get(release, {})
    dates = [item["published"] for item in originals if item.get("published")]
    entry["release"] = release
    entry["published"] = max(dates, default=str(listed.get("published", "")) or None)
    entry["download"] = next(
        (item["url"] for item in originals if item.get("release") == release and item.get("url")),
        listed.get("url") or publication.url or publication.landing_page,
    )
    entry["licenses"] = [LICENCES[told.licence or publication.licence]]
    entry["sources"] = [{"title": f"{publication.publisher}, {publication.title}", "path": publication.landing_page}]
    if publication.attribution:
        entry["attribution"] = publication.attribution
    if originals:
        entry["original"] = originals
    entry["hash"] = _sha256(data)
    entry["bytes"] = len(data)
    entry["encoding"] = "utf-8"
    if told.geographic:
        entry["format"] = "geojson"
        entry["mediatype"] = "application/geo+json"
        entry["crs"] = "EPSG:4326"
        entry["features"] = len(json.loads(data)["features"])  # `rows` is the word for tables only
        return entry
    table = list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))
    header = table[0] if table else []
    if header != told.names:
        raise AssessError(f"{told.path}: its columns are {', '.join(header)}; expected {', '.join(told.names)}.")
    entry["format"] = "csv"
    entry["mediatype"] = "text/csv"
    entry["rows"] = len(table) - 1
    entry["schema"] = {"fields": [_schema(column) for column in told.fields], "missingValues": list(told.missing)}
    if told.keys:
        entry["schema"]["primaryKey"] = list(told.keys[0])
    return entry


def _distinct(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for item in items:
        if item not in found:
            found.append(item)
    return found


def _schema(column: layouts.Field) -> dict[str, Any]:
    described = column.description
    if column.unit:
        described = f"{described} ({column.unit})" if described else column.unit
    entry: dict[str, Any] = {"name": column.name, "type": column.type, "title": column.name, "description": described}
    if column.unit:
        entry["unit"] = column.unit
    limits: dict[str, Any] = {}
    if column.required:
        limits["required"] = True
    if column.minimum is not None:
        limits["minimum"] = column.minimum
    if column.maximum is not None:
        limits["maximum"] = column.maximum
    if column.pattern:
        limits["pattern"] = column.pattern
    if column.enum:
        limits["enum"] = list(column.enum)
    if limits:
        entry["constraints"] = limits
    return entry
