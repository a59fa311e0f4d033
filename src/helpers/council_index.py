"""The list of council pages: a table to sort, filter and search, and a map to click; one file that needs no server."""

from __future__ import annotations

import bisect
import html
import itertools
import statistics
from pathlib import Path

from helpers import charts, councils, facts, files, leaflet, maps, panel, peers, profile, profile_words
from helpers.figure_style import COHORTS

#: Indicators in the table, and by which the map can be shaded.
COLUMNS = ("dsg_balance", "refusal_to_assess", "timeliness", "plans_per_1000", "independent_share")
PROGRAMMES = {"dbv": "Delivering Better Value", "neither": "Neither"}
SHADES = ("#dbe9f4", "#a9cbe3", "#6ca6cd", "#2f7fb5", "#0e3557")
#: The last way of shading the map: change of the share refused, percentage points, since this year.
CHANGE_FROM = 2019
CHANGE_EDGES = (-15.0, -5.0, 5.0, 15.0)
CHANGE_SHADES = ("#e3f3f0", "#f0cd9f", "#da955a", "#ac5522", "#55250a")
OTHERS = {"dbv": "#e8b48f", "neither": "#d5d9dc"}


def _pages(target: Path) -> list[councils.Council]:
    there = {path.stem for path in target.glob("*.html")}
    held = [c for c in councils.listed() if profile.slug(c.la_name) in there]
    return sorted(held, key=lambda c: profile_words.name(c.la_name))


def _edges(id: str) -> list[float]:
    """The limits of five bands with a fifth of councils each."""
    return statistics.quantiles(peers.pictures()[id].now.values(), n=len(SHADES))


def _change() -> dict[str, float]:
    """Change of the share of requests refused, percentage points, for councils with a figure in both years."""
    picture = peers.pictures()["refusal_to_assess"]
    return {c: v - picture.series[c][CHANGE_FROM] for c, v in picture.now.items() if CHANGE_FROM in picture.series[c]}


def _programme(row: dict[str, object]) -> tuple[str, str]:
    """Key and words of what a council is in: its round of agreements, the other programme, or neither."""
    if row["group"] == "safety_valve":
        return str(row["cohort"]), f"Safety Valve {row['cohort']}"
    return str(row["group"]), PROGRAMMES[str(row["group"])]


def _agreed(pounds: float) -> str:
    """A cell with the sum agreed, in millions."""
    if pounds != pounds:
        return '<td class="num">not found</td>'
    return f'<td class="num" data-value="{pounds:.0f}">{facts.number(pounds / 1e6, 1)}</td>'


def _table(pages: list[councils.Council]) -> str:
    rows = {str(r["la_code"]): r for r in panel.councils().to_dict("records")}
    deals = {str(r["la_code"]): r for r in panel.table("evidence/agreements").to_dict("records")}
    chosen = [peers.pictures()[id].indicator for id in COLUMNS]
    heads = [
        "Council",
        "Region",
        "Programme",
        "Agreed, £ million",
        *(
            f"{i.label}, {'% of grant, ' if i.id == 'dsg_balance' else '%, ' if i.unit == '%' else ''}{i.when}"
            for i in chosen
        ),
    ]
    numeric = [False, False, False, True, *(True for _ in chosen)]
    top = "".join(
        f'<th scope="col"{" class=num" if n else ""}>{html.escape(h)}</th>' for h, n in zip(heads, numeric, strict=True)
    )
    body = []
    for council in pages:
        code, name = council.la_code, profile_words.name(council.la_name)
        key, words = _programme(rows[code])
        agreed = _agreed(float(deals[code]["total_dfe_funding"])) if code in deals else '<td class="num">none</td>'
        cells = []
        for indicator in chosen:
            place = peers.place(code, indicator.id)
            cells.append(
                f'<td class="num">{html.escape(place.why)}</td>'
                if place.value is None
                else f'<td class="num" data-value="{place.value:.6g}">{facts.number(place.value, indicator.digits)}</td>'
            )
        search = html.escape(f"{council.la_name} {code} {council.dfe_number} {' '.join(council.aliases)}".lower())
        body.append(
            f'<tr data-search="{search}" data-region="{html.escape(council.region_name)}" data-programme="{"safety_valve" if code in deals else key}" data-code="{code}">'
            f'<th scope="row"><a href="{profile.slug(council.la_name)}.html">{html.escape(name)}</a></th><td>{html.escape(council.region_name)}</td><td>{html.escape(words)}</td>{agreed}{"".join(cells)}</tr>'
        )
    return (
        '<div class="scroll" role="region" tabindex="0" aria-labelledby="all-c"><table class="data sortable" id="all"><caption id="all-c">Councils with a page</caption>'
        f"<thead><tr>{top}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _map(pages: list[councils.Council]) -> tuple[str, str]:
    """The map and its keys, one for each way of shading it."""
    wide, shapes, enlarged = charts.outlines(maps.boundaries(), maps.ASPECT, 640)
    rows = {str(r["la_code"]): r for r in panel.councils().to_dict("records")}
    there = {c.la_code for c in pages}
    edges = {id: _edges(id) for id in COLUMNS}

    change = _change()

    def classes(code: str) -> str:
        key, _ = _programme(rows[code])
        out = [f"p-{key}"]
        for position, id in enumerate(COLUMNS):
            value = peers.pictures()[id].now.get(code)
            out.append(f"m{position}-{'x' if value is None else bisect.bisect_right(edges[id], value)}")
        out.append(f"mc-{bisect.bisect_right(CHANGE_EDGES, change[code]) if code in change else 'x'}")
        return " ".join(out)

    def drawn(code: str, route: str) -> str:
        name = html.escape(profile_words.name(councils.get(code).la_name))
        path = f'<path class="{classes(code)}" data-code="{code}" d="{route}"><title>{name}</title></path>'
        return (
            f'<a href="{profile.slug(councils.get(code).la_name)}.html" tabindex="-1">{path}</a>'
            if code in there
            else path
        )

    main = "".join(drawn(code, shapes[code]) for code in sorted(shapes))
    london = "".join(drawn(code, enlarged[code]) for code in sorted(enlarged))
    full = wide + 215
    svg = (
        f'<svg id="map-svg" aria-hidden="true" data-show="programme" viewBox="0 0 {full:.0f} 640">'
        f'<g>{main}</g><text x="{wide + 5:.0f}" y="408" font-size="14">London, enlarged</text><g transform="translate({wide + 5:.0f} 420)">{london}</g></svg>'
    )
    keys = [
        (
            "programme",
            [(f"p-{k}", f"Safety Valve {words}") for k, (words, *_) in COHORTS.items()]
            + [("p-dbv", PROGRAMMES["dbv"]), ("p-neither", "Neither programme")],
        )
    ]
    for position, id in enumerate(COLUMNS):
        indicator = peers.pictures()[id].indicator
        limits = [charts.short(e, indicator.unit, indicator.digits) for e in edges[id]]
        words = [
            f"below {limits[0]}",
            *(f"{a} to {b}" for a, b in itertools.pairwise(limits)),
            f"{limits[-1]} or more",
        ]
        keys.append(
            (f"m{position}", [(f"m{position}-{i}", w) for i, w in enumerate(words)] + [(f"m{position}-x", "no figure")])
        )
    points = [facts.number(e, 0) for e in CHANGE_EDGES]
    words = [
        f"fell by {points[0].lstrip(facts.MINUS)} points or more",
        f"fell by {points[1].lstrip(facts.MINUS)} or more",
    ]
    words += [f"changed by less than {points[2]}", f"rose by {points[2]} or more", f"rose by {points[3]} or more"]
    keys.append(("mc", [(f"mc-{i}", w) for i, w in enumerate(words)] + [("mc-x", "no figure")]))
    key = "".join(
        f'<ul class="map-key" data-for="{name}"{"" if name == "programme" else " hidden"}>'
        + "".join(
            f'<li><svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" data-show="{name}"><path class="{c}" d="M0 0h16v16H0z"/></svg> {html.escape(w)}</li>'
            for c, w in items
        )
        + "</ul>"
        for name, items in keys
    )
    return svg, key


def _colours() -> str:
    """Style rules: which class is which colour under which shading."""
    rules = [f'svg[data-show="programme"] .p-{k} {{ fill: {colour}; }}' for k, (_, colour, *_) in COHORTS.items()]
    rules += [f'svg[data-show="programme"] .p-{k} {{ fill: {colour}; }}' for k, colour in OTHERS.items()]
    for position in range(len(COLUMNS)):
        rules += [
            f'svg[data-show="m{position}"] .m{position}-{i} {{ fill: {shade}; }}' for i, shade in enumerate(SHADES)
        ]
        rules.append(f'svg[data-show="m{position}"] .m{position}-x {{ fill: var(--paper); stroke: var(--muted); }}')
    rules += [f'svg[data-show="mc"] .mc-{i} {{ fill: {shade}; }}' for i, shade in enumerate(CHANGE_SHADES)]
    rules.append('svg[data-show="mc"] .mc-x { fill: var(--paper); stroke: var(--muted); }')
    return "\n".join(rules)


def write(target: Path) -> Path:
    """Make the list of the pages in `target` as index.html, whole or not at all; gives where it is."""
    from helpers.report import _edition

    pages = _pages(target)
    drawing, key = _map(pages)
    regions = "".join(f"<option>{html.escape(r)}</option>" for r in councils.REGIONS.values())
    indicators = [peers.pictures()[id].indicator for id in COLUMNS]
    shadings = '<option value="programme">programme</option>' + "".join(
        f'<option value="m{i}">{html.escape(x.label[0].lower() + x.label[1:])}, {html.escape(x.when)}</option>'
        for i, x in enumerate(indicators)
    )
    last = peers.pictures()["refusal_to_assess"].indicator.when
    shadings += f'<option value="mc">requests refused, change from {CHANGE_FROM} to {last}</option>'
    text = leaflet.fill(
        leaflet.template("council_index.html"),
        {
            "fonts": leaflet.fonts(),
            "style": leaflet.template("report.css") + leaflet.template("council.css") + _colours(),
            "script": leaflet.template("report.js") + leaflet.template("council_index.js"),
            "date": html.escape(_edition().date),
            "count": str(len(pages)),
            "noun": "council" if len(pages) == 1 else "councils",
            "regions": regions,
            "shadings": shadings,
            "map": drawing,
            "key": key,
            "table": _table(pages),
            "note": html.escape(
                "Deficits are positive, surpluses negative. " + " ".join(f"{i.label}: {i.of}." for i in indicators)
            ),
        },
    )
    out = target / "index.html"
    files.write_text(out, text)
    return out
