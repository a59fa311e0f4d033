"""How a table becomes rows: one function per shape that publishers use. A layout names its shape and gives it
parameters.

Each function takes a sheet, its layout and one feed of it, and yields `(where, row)`: `where` says which row of the
file it came from (for messages), `row` maps the resource's column names to text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from helpers.errors import AssessError
from helpers.layouts import Layout, Resource, joined
from helpers.readers import Sheet

Rows = Iterator[tuple[str, dict[str, str]]]


def squeeze(value: str) -> str:
    """Text on one line with single spaces."""
    return " ".join(value.split())


def header_at(layout: Layout) -> int:
    """Zero-based row of the header."""
    return int(layout.spec.get("header_row", 1)) - 1


def header(sheet: Sheet, layout: Layout) -> list[str]:
    """The column names of a flat sheet, spaces squeezed. A name that comes a second time ends in ".1", a third time
    in ".2"."""
    at = header_at(layout)
    if len(sheet.head) <= at:
        return []
    names: list[str] = []
    times: dict[str, int] = {}
    for cell in sheet.head[at]:
        name = squeeze(cell)
        count = times.get(name, 0)
        times[name] = count + 1
        names.append(f"{name}.{count}" if count else name)
    return names


def plus(values: list[str], where: str) -> str:
    """The sum of whole numbers as text; a symbol among them stands for the whole, because a part of it is not known.

    One value is given back as it is.
    """
    if len(values) == 1:
        return values[0]
    for value in values:
        if not re.fullmatch(r"-?\d+", value):
            return value
    return str(sum(int(value) for value in values))


def flat(sheet: Sheet, layout: Layout, feed: dict[str, Any], resource: Resource) -> Rows:
    """One header row, one record per row: csv, parquet or a plain worksheet.

    The feed may `keep` rows by a column's values, `drop` them, rename `columns` (name here -> name there, or a list
    of names to add up), and set `constants`. Raises AssessError for a column that is missing, a row that is longer or
    shorter than the header, and a value of `keep` that no row has.
    """
    names = header(sheet, layout)
    place = {name: i for i, name in enumerate(names)}
    keep = {place[name]: set(joined(values)) for name, values in feed.get("keep", {}).items()}
    drop = {place[name]: set(joined(values)) for name, values in feed.get("drop", {}).items()}
    constants = {name: str(value) for name, value in feed.get("constants", {}).items()}
    absent = {name: str(layout.spec.get("absent_symbol", "z")) for name in feed.get("absent", ())}
    sources = _sources(sheet, layout, feed, [name for name in resource.names if name not in constants], place)
    tidy = _tidier(layout, resource)
    unseen = {at: set(values) for at, values in keep.items()}
    top = header_at(layout) + 1
    for number, row in enumerate(sheet.rows(), start=1):
        if number <= top or ((len(row) != len(names) or not keep) and not any(cell.strip() for cell in row)):
            continue
        if len(row) != len(names):
            raise AssessError(
                f"{sheet.name}, row {number}: {len(row)} values under {len(names)} column names; "
                "the row or the header is shifted."
            )
        # Lists, not generators: half a million rows pass here.
        if any([row[at] not in values for at, values in keep.items()]):
            continue
        if any([row[at] in values for at, values in drop.items()]):
            continue
        for at, values in unseen.items():
            values.discard(row[at])
        where = f"row {number}"
        found = {name: tidy(name, plus([row[at] for at in places], where)) for name, places in sources.items()}
        yield where, {**constants, **absent, **found}
    for at, values in unseen.items():
        if values:
            raise AssessError(
                f"{sheet.name}: no row has {names[at]!r} {sorted(values)[0]!r}; the layout {layout.id} expects it."
            )


def _sources(
    sheet: Sheet, layout: Layout, feed: dict[str, Any], wanted: list[str], place: dict[str, int]
) -> dict[str, list[int]]:
    """For each of our columns, the places of the publisher's columns it is made from; none for those that are absent."""
    found: dict[str, list[int]] = {}
    for name in wanted:
        told = feed.get("columns", {}).get(name, name)
        parts = told if isinstance(told, list) else [told]
        gone = [part for part in parts if part not in place]
        if not gone:
            found[name] = [place[part] for part in parts]
        elif name not in feed.get("absent", ()):
            raise AssessError(f"{sheet.name} has no column {gone[0]!r} (layout {layout.id}).")
    return found


def _tidier(layout: Layout, resource: Resource) -> Callable[[str, str], str]:
    """What the layout asks to be done to a column's text: single spaces, and 5 for 5.0."""
    squeezed, plain = bool(layout.spec.get("squeeze")), bool(layout.spec.get("drop_point_zero"))
    numbers = {f.name for f in resource.fields if f.type in ("integer", "number")}

    def tidy(name: str, value: str) -> str:
        value = squeeze(value) if squeezed else value
        return value[:-2] if plain and name in numbers and value.endswith(".0") else value

    return tidy


# DfE: tribunal appeals ----------


def _count(cell: str) -> str:
    """A count of the appeals table: commas removed, a lone dash is none."""
    value = cell.strip()
    if value == "-":
        return "0"
    return value.replace(",", "") if re.fullmatch(r"\d{1,3}(,\d{3})+", value) else value


def _rate(cell: str) -> str:
    return cell.strip().removesuffix("%")


def appeals(sheet: Sheet, layout: Layout, feed: dict[str, Any], resource: Resource) -> Rows:
    """SEND tribunal appeals: years across in threes under two header rows, region names as headings, footnote digits
    glued to names."""
    rows = list(sheet.rows())
    top = next((i for i, row in enumerate(rows[:12]) if row and squeeze(row[0]) == "Local Authority"), None)
    if top is None or len(rows) < top + 3:
        raise AssessError(
            f"{sheet.name}: no row begins 'Local Authority'; expected the header of the appeal rate table."
        )
    years: list[tuple[str, int]] = [
        (cell.strip(), i) for i, cell in enumerate(rows[top]) if re.fullmatch(r"20\d\d", cell.strip())
    ]
    under = [re.sub(r"[\d,]+$", "", squeeze(cell)) for cell in rows[top + 1]]
    expected = ["Appeals registered", "Total Appealable Decisions", "SEND Tribunal Appeal Rate"]
    extra = ["In development: Total Appealable Decisions", "In development: SEND Tribunal Appeal Rate"]
    for year, at in years:
        if under[at : at + 3] != expected:
            raise AssessError(
                f"{sheet.name}, row {top + 2}: under {year} found {under[at : at + 3]}, expected {expected}."
            )
    if not years or under[years[-1][1] + 3 : years[-1][1] + 5] != extra:
        raise AssessError(
            f"{sheet.name}, row {top + 2}: the two columns in development of the last year are missing or renamed."
        )
    width = years[-1][1] + 5
    region = ""
    for number, row in enumerate(rows[top + 2 :], start=top + 3):
        name = re.sub(r"[\d,]+$", "", squeeze(row[0])) if row else ""
        if not name or name.startswith("Sources"):
            if name:
                break
            continue
        if len(row) != width:
            raise AssessError(
                f"{sheet.name}, row {number}: {len(row)} values, expected {width}; the row or the header is shifted."
            )
        if name.isupper() and not any(cell.strip() for cell in row[1:]):
            region = name
            continue
        national = name.lower().startswith("england total")
        for year, at in years:
            registered, decisions, rate = row[at : at + 3]
            more = row[at + 3 : at + 5] if year == years[-1][0] else ["", ""]
            if not any(cell.strip() for cell in (registered, decisions, rate, *more)):
                continue
            yield (
                f"row {number}, {year}",
                {
                    "time_period": year,
                    "geographic_level": "National" if national else "Local authority",
                    "region_name": "" if national else region,
                    "old_la_code": row[1].strip(),
                    "la_name": name,
                    "appeals_registered": _count(registered),
                    "total_appealable_decisions": _count(decisions),
                    "send_tribunal_appeal_rate": _rate(rate),
                    "in_development_total_appealable_decisions": _count(more[0]),
                    "in_development_send_tribunal_appeal_rate": _rate(more[1]),
                },
            )


# DfE: neighbours, grant allocations, section 251 ----------


def neighbours(sheet: Sheet, layout: Layout, feed: dict[str, Any], resource: Resource) -> Rows:
    """Statistical neighbours: one row per council, ten pairs of neighbour number and closeness across."""
    rows = list(sheet.rows())
    at = header_at(layout)
    names = [squeeze(cell) for cell in rows[at]]
    body = [
        (number, row)
        for number, row in enumerate(rows[at + 1 :], start=at + 2)
        if re.fullmatch(r"\d{3}", row[0].strip())
    ]
    called = {row[0].strip(): squeeze(row[1]) for _, row in body}
    for number, row in body:
        for rank in range(1, 11):
            place = names.index(f"SN{rank}")
            other = row[place].strip()
            if not other:
                continue
            yield (
                f"row {number}, SN{rank}",
                {
                    "la_number": row[0].strip(),
                    "la_name": called[row[0].strip()],
                    "rank": str(rank),
                    "neighbour_la_number": other,
                    "neighbour_la_name": called.get(other, ""),
                    "closeness": squeeze(row[place + 1]),
                },
            )


REGIONS = {
    name.casefold(): name
    for name in (
        "England",
        "North East",
        "North West",
        "Yorkshire and the Humber",
        "East Midlands",
        "West Midlands",
        "East of England",
        "London",
        "South East",
        "South West",
    )
}

BLOCKS = {
    "schools block": "schools",
    "central school services block": "central_school_services",
    "high needs block": "high_needs",
    "early years block": "early_years",
    "total dsg allocation": "total",
}


def grant_summary(sheet: Sheet, layout: Layout, feed: dict[str, Any], resource: Resource) -> Rows:
    """Dedicated schools grant, local authority summary: five blocks before and five after deductions, in pounds or
    millions of pounds."""
    rows = list(sheet.rows())
    title = squeeze(rows[0][0])
    found = re.search(r"(20\d\d)(?: to |-)(?:20)?(\d\d)", title)
    if not found:
        raise AssessError(f"{sheet.name}: no financial year in the title {title!r}.")
    year = f"{found[1]}-{found[2]}"
    columns: list[tuple[int, str, str]] = []
    million = False
    for place, cell in enumerate(rows[1][2:12], start=2):
        label = squeeze(cell).lower()
        block = next((block for start, block in BLOCKS.items() if start in label), None)
        if block is None or "£" not in label:
            raise AssessError(
                f"{sheet.name}, row 2: column {place + 1} is headed {cell!r}; expected a block of the grant in pounds."
            )
        million = million or "million" in label
        columns.append((place, block, "before" if place < 7 else "after"))
    if [block for _, block, _ in columns] != list(BLOCKS.values()) * 2:
        raise AssessError(f"{sheet.name}, row 2: the blocks are not in the order {', '.join(BLOCKS.values())}, twice.")
    seen: set[str] = set()
    for number, row in enumerate(rows[2:], start=3):
        code, name = row[0].strip(), squeeze(row[1])
        if code.casefold() in REGIONS:
            code, name = "", REGIONS[code.casefold()]
        elif not re.fullmatch(r"\d{3}", code):
            continue  # letters of the columns, notes, and totals by type of authority
        if not code and name in seen:
            continue  # London is printed twice: once among the types of authority, once among the regions
        seen.add(name)
        for place, block, deductions in columns:
            yield (
                f"row {number}, column {place + 1}",
                {
                    "financial_year": year,
                    "geographic_level": "Local authority"
                    if code
                    else ("National" if name == "England" else "Regional"),
                    "la_code": code,
                    "la_name": name,
                    "block": block,
                    "deductions": deductions,
                    "amount": _pounds(row[place], million),
                },
            )


def _pounds(cell: str, million: bool) -> str:
    value = cell.strip()
    if not million:
        return value
    try:
        exact = Decimal(value) * 1_000_000
    except InvalidOperation:
        return value
    return f"{exact.quantize(Decimal('0.01')).normalize():f}"


def tall_header(sheet: Sheet, layout: Layout, feed: dict[str, Any], resource: Resource) -> Rows:
    """A worksheet whose column names are spread over several rows: the layout lists each column's place and the words
    found there."""
    rows = list(sheet.rows())
    top = int(layout.spec["header_rows"])
    places: list[tuple[str, int]] = []
    for name, told in feed["places"].items():
        place = int(told["column"]) - 1
        words = squeeze(" ".join(rows[i][place] for i in range(top) if place < len(rows[i])))
        if told["words"] not in words:
            raise AssessError(f"{sheet.name}: column {told['column']} is headed {words!r}; expected {told['words']!r}.")
        places.append((name, place))
    code = int(feed["code_column"]) - 1
    for number, row in enumerate(rows[top:], start=top + 1):
        if re.fullmatch(r"\d{3}", row[code].strip()):
            yield f"row {number}", {name: squeeze(row[place]) for name, place in places}


# MHCLG ----------


def council_accounts(sheet: Sheet, layout: Layout, feed: dict[str, Any], resource: Resource) -> Rows:
    """Council revenue outturn in JSON: one object per council, with net spending by service; totals are left out."""
    document = sheet.document
    year = str(document["fiscal_year_label"])
    for number, council in enumerate(document["councils"], start=1):
        try:
            if council["status"] == "total":
                continue
            record = {
                "financial_year": year,
                "ons_code": council["ons_code"] or "",
                "lgf_code": council["lgf_code"] or "",
                "la_name": squeeze(council["name"]),
                "class": council["class"] or "",
                "subclass": council["subclass"] or "",
                "status": council["status"] or "",
                "central_grants": _whole(council["central_grants_in_gbp"]),
                "net_current_expenditure": _whole(council["net_current_expenditure_gbp"]),
            }
            services = dict(council["services_net_gbp"])
        except (KeyError, TypeError) as error:
            raise AssessError(f"{sheet.name}: council {number} lacks {error}.") from None
        for name, label in feed["services"].items():
            record[name] = _whole(services.pop(label, None))
        if services:
            raise AssessError(
                f"{sheet.name}: council {record['la_name']!r} has an unknown service {sorted(services)[0]!r}."
            )
        yield f"council {number}", record


def _whole(value: object) -> str:
    text = "" if value is None else str(value)
    return text[:-2] if text.endswith(".0") else text


SHAPES: dict[str, Callable[[Sheet, Layout, dict[str, Any], Resource], Rows]] = {
    "flat": flat,
    "appeals": appeals,
    "neighbours": neighbours,
    "grant_summary": grant_summary,
    "tall_header": tall_header,
    "council_accounts": council_accounts,
}


def geography(sheet: Sheet) -> str:
    """A GeoJSON feature collection as minified text: features by code, numbers exactly as published, longitude and
    latitude."""
    features = []
    for number, feature in enumerate(sheet.document.get("features", []), start=1):
        try:
            code, name = feature["properties"]["code"], feature["properties"]["name"]
            geometry = feature["geometry"]
            kind, coordinates = geometry["type"], geometry["coordinates"]
        except (KeyError, TypeError) as error:
            raise AssessError(f"{sheet.name}: feature {number} lacks {error}.") from None
        if kind not in ("Polygon", "MultiPolygon"):
            raise AssessError(f"{sheet.name}: feature {number} is a {kind}; expected an area.")
        longitude, latitude = _first(coordinates)
        if not (-7 < float(longitude) < 2 and 49 < float(latitude) < 56):
            raise AssessError(
                f"{sheet.name}: feature {number} lies at {longitude}, {latitude}; "
                "expected longitude and latitude in England (EPSG:4326)."
            )
        properties = f'{{"code":{_quoted(code)},"name":{_quoted(name)}}}'
        features.append(
            (
                code,
                f'{{"type":"Feature","properties":{properties},"geometry":{{"type":"{kind}","coordinates":{_nested(coordinates)}}}}}',
            )
        )
    codes = [code for code, _ in features]
    twice = sorted({code for code in codes if codes.count(code) > 1})
    if twice:
        raise AssessError(f"{sheet.name}: the area {twice[0]} appears twice.")
    body = ",\n".join(text for _, text in sorted(features))
    return f'{{"type":"FeatureCollection","features":[\n{body}\n]}}\n'


def _quoted(value: str) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


def _first(value: Any) -> Any:
    while isinstance(value[0], list):
        value = value[0]
    return value


def _nested(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ",".join(_nested(item) for item in value) + "]"
    return str(value)
