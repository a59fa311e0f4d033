"""A page for every council: its agreement or that there is none, its deficit, where it stands, its inspections and documents.

A notebook makes one page: `page = profile.start("Kent")`, then a call for each section, and `page.finish()`, which writes
reports/councils/kent.html whole or not at all. `build` runs that notebook for many councils at once and makes the list of pages.
"""

from __future__ import annotations

import csv
import io
import itertools
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import charts, councils, facts, files, leaflet, panel, paths, peers, profile_words
from helpers.errors import AssessError
from helpers.leaflet import Drawing, Grid, Section, Terms, Words
from helpers.tables import Column, Table

if TYPE_CHECKING:
    from helpers.councils import Council

FOLDER = "ASSESS_COUNCILS"
NOTEBOOK = "council_profile.ipynb"
NOT_FOUND = "not found"
GROUP_WORDS = {
    "safety_valve": "Safety Valve councils",
    "dbv": "Delivering Better Value councils",
    "neither": "councils in neither",
}
ROW_TYPES = {
    "annual": "one year",
    "cumulative": "total so far",
    "multi-year": "several years",
    "part-year": "part of a year",
}
BASIS_WORDS = {
    "gross": "before DfE payments",
    "net": "after DfE payments",
    "before agreement": "before the agreement",
    "unstated": "not said",
    "unclear": "not clear",
    "": "not said",
}
MEASURE_WORDS = {"cumulative_deficit": "Cumulative deficit", "in_year_deficit": "In-year deficit"}
KIND_WORDS = {"actual": "outturn", "forecast": "forecast", "planned": "plan"}


def folder() -> Path:
    """Where pages are written: reports/councils, or the folder the environment names while many are made."""
    named = os.environ.get(FOLDER)
    return Path(named) if named else paths.reports() / "councils"


def slug(la_name: str) -> str:
    """A council's name in a file's name: "bristol", "bath-and-north-east-somerset"."""
    return re.sub(r"[^a-z0-9]+", "-", profile_words.name(la_name).lower()).strip("-")


@lru_cache(maxsize=32)
def _by_council(table: str, folder: str, stamp: int) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in panel.table(table).to_dict("records"):
        found.setdefault(str(row["la_code"]), []).append(row)
    return found


def _rows(table: str, la_code: str) -> list[dict[str, Any]]:
    """A council's rows of a processed table, in order."""
    path = paths.processed() / f"{table}.parquet"
    stamp = path.stat().st_mtime_ns if path.is_file() else 0
    return _by_council(table, str(path.parent), stamp).get(la_code, [])


def _known(value: Any) -> bool:
    """Whether a cell of a table holds something."""
    return value is not None and value == value and str(value) not in ("", "NaT", "<NA>")


def _said(value: Any, otherwise: str = NOT_FOUND) -> str:
    return str(value) if _known(value) else otherwise


def _links(cell: Any) -> list[str]:
    from helpers import evidence

    return evidence.addresses(str(cell)) if _known(cell) else []


def _linked(cell: Any) -> str:
    from helpers.tables import domain

    return ", ".join(f"[{domain(u)}]({u})" for u in _links(cell)) or NOT_FOUND


def _money(value: Any) -> str:
    return facts.shown(float(value), "gbp") if _known(value) else NOT_FOUND


def _date(row: Mapping[str, Any], column: str) -> str:
    return profile_words.day(row[column], str(row[f"{column}_precision"])) if _known(row[column]) else "not dated"


def _grid(
    name: str,
    title: str,
    heads: Sequence[tuple[str, bool]],
    rows: Sequence[Sequence[tuple[str, Any]]],
    note: str = "",
    fold: str = "",
    sources: Sequence[str] = (),
) -> Grid:
    """A table from texts with the values they sort by."""
    table = Table(
        name=name,
        title=title,
        columns=tuple(Column(*h) for h in heads),
        cells=tuple(tuple(text for text, _ in row) for row in rows),
        values=tuple(tuple(value for _, value in row) for row in rows),
        note=note,
        sources=tuple(sources),
    )
    return Grid(table, fold)


class Page:
    """One council's page while it is made; every section method adds a section and gives it, so that a notebook shows it."""

    def __init__(self, council: Council) -> None:
        self.council = council
        self.name = profile_words.name(council.la_name)
        row = next(r for r in _rows("councils", council.la_code))
        self.group, self.cohort = str(row["group"]), str(row["cohort"])
        self.tranche, self.note = _said(row["dbv_tranche"], ""), _said(row["note"], "")
        deals = _rows("evidence/agreements", council.la_code)
        self.deal: dict[str, Any] | None = deals[0] if deals else None
        self.events = sorted(_rows("evidence/events", council.la_code), key=lambda e: e["date"])
        self.inspected = sorted(
            (r for r in _rows("inspections", council.la_code) if _known(r["published"])),
            key=lambda r: str(r["published"]),
            reverse=True,
        )
        self.facts = facts.Facts()
        self.sections: list[Section] = []

    def __repr__(self) -> str:
        return f"Page of {self.council.la_name}: {', '.join(s.title for s in self.sections) or 'nothing yet'}"

    known = staticmethod(_known)

    # Facts

    def number(self, id: str, value: float, unit: str = "", **more: Any) -> str:
        """Record a number; gives its id for a placeholder."""
        return self._keep(facts.make(f"council.{id}", value, unit, **more))

    def text(self, id: str, words: str) -> str:
        """Record a date or another text; gives its id."""
        return self._keep(facts.make(f"council.{id}", words))

    def fact(self, id: str, value: float, indicator: peers.Indicator) -> str:
        """Record a figure of an indicator, shown as the page shows it; gives its id."""
        words = self.shown(value, indicator)
        return self._keep(
            facts.make(
                f"council.{id}",
                value,
                indicator.unit,
                words,
                years=indicator.when,
                sources=[indicator.definition.source],
            )
        )

    def _keep(self, fact: facts.Fact) -> str:
        if fact.id in self.facts and self.facts[fact.id] != fact:
            raise AssessError(f"Fact {fact.id!r} has two values on the page of {self.council.la_name}.")
        self.facts.add(fact)
        return fact.id

    def panel(self, measure: str, year: int) -> float | None:
        """The council's figure in the panel, or None."""
        return _series(measure).get(self.council.la_code, {}).get(year)

    @staticmethod
    def shown(value: float | None, indicator: peers.Indicator) -> str:
        """A figure of an indicator as text."""
        if value is None:
            return peers.ABSENT
        return facts.shown(value, indicator.unit, None if indicator.unit == "gbp" else indicator.digits)

    def _add(self, id: str, title: str, blocks: list[leaflet.Block]) -> Section:
        section = Section(id, title, blocks, self.facts)
        self.sections = [s for s in self.sections if s.id != id] + [section]
        return section

    # Sections

    def summary(self) -> Section:
        """The council in plain words."""
        said = [
            f(self)
            for f in (
                profile_words.programme,
                profile_words.formed,
                profile_words.deficit,
                profile_words.decisions,
                profile_words.plans,
                profile_words.inspection,
            )
        ]
        return self._add("short", "In short", [Words(text, "") for text in said if text])

    def agreement(self) -> Section:
        """The agreement, its payments and what happened to it; or that there is none."""
        if self.deal is None:
            return self._add("agreement", "Agreement", self._no_agreement())
        deal = self.deal
        rows = [
            ("Round of agreements", f"{deal['cohort']}"),
            ("Signed", profile_words.day(deal["signed"], deal["signed_precision"])),
            ("Agreed in total", _money(deal["total_dfe_funding"])),
            ("First payment", _money(deal["first_payment"])),
            ("To end in", _said(deal["end_financial_year"])),
            (
                "Deficit when agreed",
                _money(deal["deficit_at_agreement"])
                + (f" ({deal['deficit_description']})" if _known(deal["deficit_description"]) else ""),
            ),
            ("Money for buildings", _money(deal["capital_topup"])),
            ("What is known of it", re.sub(r"^original", "original agreement", _said(deal["status"]))),
            ("How sure the figures are", f"{_said(deal['confidence'])}"),
            ("Sources", _linked(deal["source_url"])),
        ]
        blocks: list[leaflet.Block] = [Terms(tuple((k, v.replace("{", "{{").replace("}", "}}")) for k, v in rows))]
        if self.events:
            held = [
                [(_date(e, "date"), str(e["date"])), (str(e["text"]), None), (_first(e["source_url"]), None)]
                for e in self.events
            ]
            blocks.append(
                _grid("events", "What happened to it", [("When", False), ("What", False), ("Source", False)], held)
            )
        blocks.append(self._payments())
        return self._add("agreement", "Agreement", blocks)

    def _no_agreement(self) -> list[leaflet.Block]:
        blocks: list[leaflet.Block] = [
            Words(
                f"{profile_words.subject(self.council.la_name)} has no Safety Valve agreement, so there are no payments, plans or conditions to show."
            )
        ]
        held = _rows("evidence/comparison_groups", self.council.la_code)
        if held:
            words = ". ".join(_linked(r["source_url"]) for r in held[:1])
            blocks.append(Words(f"It is listed among the councils of Delivering Better Value in SEND: {words}."))
        return blocks

    def _payments(self) -> leaflet.Block:
        rows = _rows("evidence/payments", self.council.la_code)
        if not rows:
            return Words("No single payment was found in the documents read.")
        cells = [
            [
                (str(r["period"]), None),
                (ROW_TYPES.get(str(r["row_type"]), str(r["row_type"])), None),
                (_money(r["planned_payment"]), _plain(r["planned_payment"])),
                (_money(r["actual_payment"]), _plain(r["actual_payment"])),
                (_said(r["note"], "none"), None),
                (_first(r["source_url"]), None),
            ]
            for r in rows
        ]
        heads = [
            ("Period", False),
            ("Covers", False),
            ("Planned", True),
            ("Paid", True),
            ("Note", False),
            ("Source", False),
        ]
        return _grid(
            "payments", "Payments found in documents", heads, cells, "Not a full account: only what a page read states."
        )

    def deficit(self) -> Section:
        """The deficit: balances as published, and what documents printed."""
        blocks: list[leaflet.Block] = []
        printed = self._printed()
        if printed:
            blocks.append(self._deficit_figure(printed))
        elif self.deal is not None:
            blocks.append(
                Words("No plan, forecast or outturn of its cumulative deficit was found in the documents read.")
            )
        blocks.append(self._balances())
        table = self._printed_table()
        if table is not None:
            blocks.append(table)
        blocks += self._support()
        return self._add("deficit", "Deficit", blocks)

    def _trajectories(self) -> list[dict[str, Any]]:
        return [r for r in _rows("evidence/trajectories", self.council.la_code) if r["measure"] in MEASURE_WORDS]

    def _printed(self) -> list[tuple[charts.Printed, dict[str, Any]]]:
        made = []
        for r in self._trajectories():
            if r["measure"] == "cumulative_deficit" and _known(r["year"]):
                words = f"{KIND_WORDS[r['kind']].capitalize()} for 31 March {r['year']}, {BASIS_WORDS[r['basis']]}: {facts.shown(float(r['value']), 'gbp')} (reported {_date(r, 'reported')})"
                made.append(
                    (
                        charts.Printed(
                            int(r["year"]),
                            float(r["value"]),
                            str(r["kind"]),
                            str(r["basis"]),
                            words,
                            r["grade"] == "weak",
                        ),
                        r,
                    )
                )
        return made

    def _deficit_figure(self, printed: list[tuple[charts.Printed, dict[str, Any]]]) -> Drawing:
        official = [(y, v) for y, v in _series("dsg_balance_gbp").get(self.council.la_code, {}).items()]
        paid = []
        for r in _rows("evidence/payments", self.council.la_code):
            made, amount = (
                _known(r["actual_payment"]),
                r["actual_payment"] if _known(r["actual_payment"]) else r["planned_payment"],
            )
            if r["row_type"] == "annual" and _known(r["year"]) and _known(amount) and float(amount) > 0:
                paid.append(charts.Payment(int(r["year"]), float(amount), made))
        paid = list({p.year: p for p in sorted(paid, key=lambda p: p.made)}.values())
        svg = charts.deficit(
            [p for p, _ in printed], joins(self.name, printed), official, sorted(paid, key=lambda p: p.year)
        )
        count = {k: sum(p.kind == k for p, _ in printed) for k in KIND_WORDS}
        alt = f"Plans ({count['planned']}), forecasts ({count['forecast']}) and outturns ({count['actual']}) of the cumulative deficit by financial year, as printed in documents; the table after it lists each of them."
        return Drawing(
            "deficit-figure",
            svg,
            f"Cumulative deficit of {profile_words.subject(self.council.la_name, capital=False)}: plans, forecasts and outturns as printed",
            "Pounds, at the end of the financial year. Figures before and after the department's payments are never joined by a line.",
            alt,
            ("trajectories", "payments", "dsg_balance_2023_24"),
        )

    def _balances(self) -> Grid:
        picture = peers.pictures()["dsg_balance"]
        code, rows = self.council.la_code, []
        near = peers.circle(code).neighbours
        for year in picture.indicator.definition.years:
            ours = picture.series.get(code, {}).get(year)
            theirs = peers.average(picture, near, year, peers.LEAST)
            everyone = peers.average(picture, picture.series, year)
            cells = [(self.shown(v, picture.indicator), v) for v in (ours, theirs, everyone)]
            rows.append([(f"31 March {year}", None), *cells])
        heads = [("At", False), (self.name, True), ("Its neighbours, average", True), ("All councils, average", True)]
        note = (
            "Deficits are positive and surpluses negative, after any Safety Valve payments received. "
            + picture.indicator.definition.note
        )
        return _grid(
            "balances",
            "Balance of the dedicated schools grant as published, % of the year's grant",
            heads,
            rows,
            note,
            sources=("dsg_balance_percent", "dsg_balance_2023_24"),
        )

    def _printed_table(self) -> Grid | None:
        held = sorted(self._trajectories(), key=lambda r: (str(r["measure"]), str(r["period"]), str(r["reported"])))
        if not held:
            return None
        documents = {r["doc_id"]: r for r in _documents()}
        rows = [
            [
                (MEASURE_WORDS[r["measure"]], None),
                (str(r["period"]), None),
                (KIND_WORDS[r["kind"]], None),
                (_money(r["value"]), _plain(r["value"])),
                (BASIS_WORDS[str(r["basis"])], None),
                (_date(r, "reported"), None),
                (str(r["grade"]), None),
                (_first(documents[r["doc_id"]]["url"]), None),
            ]
            for r in held
        ]
        heads = [
            ("Figure", False),
            ("Year", False),
            ("Kind", False),
            ("Amount", True),
            ("Footing", False),
            ("Reported", False),
            ("Evidence", False),
            ("Document", False),
        ]
        note = "Footing: whether the figure is before or after the department's payments, where the document says so."
        return _grid(
            "printed",
            "Deficits as printed in documents",
            heads,
            rows,
            note,
            fold=f"All {len(rows)} printed figures" if len(rows) > 1 else "The one printed figure",
        )

    def _support(self) -> list[leaflet.Block]:
        held = _rows("support", self.council.la_code)
        if not held:
            return []
        words = {"exceptional_support": "exceptional financial support", "section_114": "section 114 notice"}
        rows = [
            [
                (str(r["financial_year"]), None),
                (words.get(str(r["kind"]), str(r["kind"])), None),
                (_money(r["amount_gbp"]) if _known(r["amount_gbp"]) else "no amount", _plain(r["amount_gbp"])),
                (_said(r["reason"], "not given"), None),
            ]
            for r in held
        ]
        return [
            _grid(
                "support",
                "Signs of wider financial trouble",
                [("Year", False), ("What", False), ("Amount", True), ("Reason given", False)],
                rows,
                sources=("exceptional_financial_support",),
            )
        ]

    def standing(self) -> Section:
        """The main indicators beside neighbours, region, group and England, and the place in the distribution."""
        held = peers.places(self.council.la_code)
        region = self.council.region_name
        blocks: list[leaflet.Block] = []
        if any(p.value is not None for p in held):
            blocks.append(self._strips(held))
        rows = []
        for p in held:
            cells = [(self.shown(v, p.indicator), v) for v in (p.neighbours, p.region, p.group, p.england)]
            own = (self.shown(p.value, p.indicator), p.value) if p.value is not None else (p.why, None)
            rank = (f"{profile_words.ordinal(p.rank)} of {p.of}", p.rank) if p.rank is not None else ("no place", None)
            rows.append([(f"{p.indicator.label}: {p.indicator.of} ({p.indicator.when})", None), own, *cells, rank])
        averaged = {c: [p.indicator.label for p in held if c in p.averaged] for c in ("region", "England")}
        note = (
            "Neighbours and group: simple averages of councils. Region and England: as published, except averages of councils for "
            + "; ".join(
                f"{'the region' if c == 'region' else c}: {', '.join(names)}" for c, names in averaged.items() if names
            )
        )
        heads = [
            ("Indicator", False),
            (self.name, True),
            ("Ten neighbours", True),
            (region, True),
            (GROUP_WORDS[self.group].capitalize() if self.group == "neither" else GROUP_WORDS[self.group], True),
            ("England", True),
            ("Place, from the highest", True),
        ]
        sources = tuple(dict.fromkeys(p.indicator.definition.source for p in held))
        blocks.append(_grid("indicators", f"{self.name} beside others", heads, rows, note + ".", sources=sources))
        near = ", ".join(
            profile_words.name(councils.get(c).la_name) for c in peers.circle(self.council.la_code).neighbours
        )
        blocks.append(
            Words(
                f"Its ten statistical neighbours, nearest first, as the Department for Education lists them: {near}.",
                "note",
            )
        )
        return self._add("standing", "Where it stands", blocks)

    def _strips(self, held: list[peers.Place]) -> Drawing:
        near = peers.circle(self.council.la_code).neighbours
        rows = []
        for p in held:
            picture = peers.pictures()[p.indicator.id]
            rank = f"{profile_words.ordinal(p.rank)} of {p.of}" if p.rank is not None else ""
            shown = charts.short(p.value, p.indicator.unit, p.indicator.digits) if p.value is not None else p.why
            rows.append(
                charts.Strip(
                    p.indicator.label,
                    p.indicator.section,
                    list(picture.now.values()),
                    [picture.now[c] for c in near if c in picture.now],
                    p.england,
                    p.value,
                    shown,
                    rank,
                )
            )
        known = [p for p in held if p.value is not None]
        alt = "Where the council stands among all councils on each indicator, from lowest to highest: " + "; ".join(
            f"{p.indicator.label} {self.shown(p.value, p.indicator)}, {profile_words.ordinal(p.rank or 0)} of {p.of}"
            for p in known
        )
        years = "Latest year of each; a stroke for each council, lowest at the left. Places count from the highest. High is neither good nor bad."
        return Drawing(
            "standing-figure",
            charts.strips(rows, self.name),
            profile_words.extremes(self, held),
            years,
            alt + ".",
            tuple(dict.fromkeys(p.indicator.definition.source for p in held)),
        )

    def trends(self) -> Section:
        """The same indicators year by year."""
        code, near, panels, without = self.council.la_code, peers.circle(self.council.la_code).neighbours, [], []
        for indicator in peers.indicators():
            if indicator.growth_from:
                continue
            picture = peers.pictures()[indicator.id]
            own = picture.series.get(code, {})
            if not own:
                without.append(indicator.label)
                continue
            years = sorted({y for held in picture.series.values() for y in held})
            means = {y: m for y in years if (m := peers.average(picture, near, y, peers.LEAST)) is not None}
            england = dict(picture.areas.get(councils.ENGLAND, {}))
            if max(england, default=0) < years[-1]:
                england = {y: m for y in years if (m := peers.average(picture, picture.series, y)) is not None}
            panels.append(charts.Trend(indicator.label, indicator.unit, indicator.digits, own, means, england))
        blocks: list[leaflet.Block] = []
        if panels:
            alt = "Small charts by year. " + "; ".join(
                f"{t.label}: {charts.short(t.own[min(t.own)], t.unit, t.digits)} in {min(t.own)}, {charts.short(t.own[max(t.own)], t.unit, t.digits)} in {max(t.own)}"
                for t in panels
            )
            blocks.append(
                Drawing(
                    "trends-figure",
                    charts.trends(panels, self.name),
                    f"{profile_words.subject(self.council.la_name)} year by year",
                    "Each chart has its own scale; years are those in which the period ends. Numbers at the right are the latest. A line stops where a figure is missing.",
                    alt + ".",
                    tuple(
                        dict.fromkeys(peers.pictures()[i.id].indicator.definition.source for i in peers.indicators())
                    ),
                )
            )
        if without:
            blocks.append(Words(f"No figure has been published for it in any year: {', '.join(without)}.", "note"))
        return self._add("trends", "Year by year", blocks)

    def inspections(self) -> Section:
        """Area inspections."""
        if not self.inspected:
            return self._add(
                "inspections", "Inspections", [Words("No outcome of an inspection of its area was found.")]
            )
        rows = [
            [
                (profile_words.day(r["published"]), str(r["published"])),
                (f"{r['framework']} framework", None),
                (str(r["outcome"]), None),
                (
                    f"{profile_words.day(r['revisit_date'])}: enough progress, {str(r['revisit_outcome']).lower()}"
                    if _known(r["revisit_date"]) and _known(r["revisit_outcome"])
                    else "none found",
                    None,
                ),
                (_first(r["url"]), None),
            ]
            for r in self.inspected
        ]
        heads = [
            ("Published", False),
            ("Under", False),
            ("Outcome", False),
            ("Visited again", False),
            ("Report", False),
        ]
        return self._add(
            "inspections",
            "Inspections",
            [_grid("inspected", "Inspections of the area by Ofsted and the Care Quality Commission", heads, rows)],
        )

    def conditions(self) -> Section:
        """What the agreement asked for."""
        from helpers.documents import CATEGORY_WORDS

        held = _rows("evidence/conditions", self.council.la_code)
        if self.deal is None:
            return self._add("conditions", "Conditions", [Words("Without an agreement there are no conditions.")])
        if not held:
            return self._add(
                "conditions", "Conditions", [Words("No condition of the agreement was found in the documents read.")]
            )
        order = list(CATEGORY_WORDS)
        held = sorted(held, key=lambda r: order.index(r["category"]) if r["category"] in order else len(order))
        rows = [
            [
                (CATEGORY_WORDS.get(str(r["category"]), str(r["category"])), None),
                (str(r["summary"]), None),
                (_said(r["target_number"], "none"), None),
                (str(r["grade"]), None),
                (_first(r["url"]), None),
            ]
            for r in held
        ]
        heads = [
            ("Kind", False),
            ("Condition, summarised", False),
            ("Number in it", False),
            ("Evidence", False),
            ("Document", False),
        ]
        note = "Evidence: strong is the council's or the department's own record, middle a report of it, weak anything else."
        return self._add(
            "conditions", "Conditions", [_grid("asked", "Conditions found in documents", heads, rows, note)]
        )

    def documents(self) -> Section:
        """What people said, and every document read."""
        blocks: list[leaflet.Block] = []
        said = _rows("evidence/effects", self.council.la_code)
        if said:
            rows = [
                [
                    (_capital(str(r["stakeholder"])), None),
                    (str(r["summary"]), None),
                    (str(r["polarity"]), None),
                    (str(r["grade"]), None),
                    (_first(r["url"]), None),
                ]
                for r in said
            ]
            heads = [
                ("Who", False),
                ("What was reported, summarised", False),
                ("Sense", False),
                ("Evidence", False),
                ("Document", False),
            ]
            blocks.append(_grid("said", "What people reported", heads, rows))
        held = sorted(
            _rows("evidence/documents", self.council.la_code),
            key=lambda r: str(r["date"]) if _known(r["date"]) else "",
            reverse=True,
        )
        if held:
            rows = [
                [
                    (str(r["title"]), None),
                    (_said(r["body"]), None),
                    (_date(r, "date"), None),
                    (str(r["grade"]), None),
                    (_first(r["url"]), None),
                ]
                for r in held
            ]
            heads = [("Document", False), ("From", False), ("Date", False), ("Evidence", False), ("Address", False)]
            blocks.append(_grid("documents-read", "Documents read", heads, rows))
        if not blocks:
            why = (
                "Documents were sought only for councils with an agreement."
                if self.deal is None
                else "No document was found."
            )
            blocks = [Words(why)]
        return self._add("documents", "Documents", blocks)

    # The finished page

    def lead(self) -> str:
        """One line under the name."""
        where = self.council.region_name
        if self.deal is not None:
            what = f"Safety Valve agreement signed in {profile_words.day(self.deal['signed'], self.deal['signed_precision'])}"
        else:
            what = "Delivering Better Value in SEND" if self.group == "dbv" else "No agreement"
        return f"{where}. {what}. ONS code {self.council.la_code}, DfE number {self.council.dfe_number}."

    def data(self) -> str:
        """The page's figures as CSV: indicator, unit, when, who, value; missing ones left out."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["indicator", "unit", "when", "who", "value"])
        code, near = self.council.la_code, peers.circle(self.council.la_code).neighbours
        for p in peers.places(code):
            for who, value in (
                (self.name, p.value),
                ("neighbours", p.neighbours),
                (self.council.region_name, p.region),
                (GROUP_WORDS[self.group], p.group),
                ("England", p.england),
            ):
                if value is not None:
                    writer.writerow([p.indicator.id, p.indicator.unit, p.indicator.when, who, f"{value:.6g}"])
        for indicator in peers.indicators():
            picture = peers.pictures()[indicator.id]
            for year, value in sorted(picture.series.get(code, {}).items()):
                writer.writerow([indicator.measure, indicator.definition.unit, year, self.name, f"{value:.10g}"])
                mean = peers.average(picture, near, year, peers.LEAST)
                if mean is not None:
                    writer.writerow([indicator.measure, indicator.definition.unit, year, "neighbours", f"{mean:.6g}"])
        return out.getvalue()

    def finish(self, pdf: bool = False) -> Path:
        """Write the page, whole or not at all, and with `pdf` a PDF beside it; gives where the page is."""
        from helpers.report import _edition

        edition = _edition()
        title = self.name
        kind = "Council profile"
        html = leaflet.page(
            title, self.lead(), kind, f"{edition.date}.", self.sections, self.facts, self.data(), "index.html"
        )
        paper = (
            leaflet.pdf(title, self.lead(), kind, f"{edition.date}.", self.sections, self.facts, edition.epoch)
            if pdf
            else None
        )
        target = folder() / f"{slug(self.council.la_name)}.html"
        if paper is not None:
            with files.whole(target.with_suffix(".pdf")) as temporary:
                temporary.write_bytes(paper)
        files.write_text(target, html)
        return target


def _plain(value: Any) -> float | None:
    return float(value) if _known(value) else None


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _first(cell: Any) -> str:
    return next(iter(_links(cell)), "no address")


def _documents() -> list[dict[str, Any]]:
    path = paths.processed() / "evidence/documents.parquet"
    return [
        row
        for rows in _by_council("evidence/documents", str(path.parent), path.stat().st_mtime_ns).values()
        for row in rows
    ]


def _series(measure: str) -> Mapping[str, Mapping[int, float]]:
    path = paths.processed() / "council_year.parquet"
    return _measured(measure, str(path), path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _measured(measure: str, path: str, stamp: int) -> dict[str, dict[int, float]]:
    rows = panel.series(measure, groups=False)
    return peers._nested(rows["la_code"], rows["year"], rows["value"])


def joins(
    name: str, printed: Sequence[tuple[charts.Printed, Mapping[str, Any]]]
) -> list[tuple[charts.Printed, charts.Printed]]:
    """Which printed figures a line may join: outturns of years that follow each other and plans or forecasts of one document, on
    one footing. Gross is never joined to net."""
    from helpers import documents

    out = []
    outturns: dict[int, list[tuple[charts.Printed, Mapping[str, Any]]]] = {}
    for one in printed:
        if one[0].kind == "actual":
            outturns.setdefault(one[0].year, []).append(one)
    for year, held in sorted(outturns.items()):
        for first, _ in _latest(held):
            for second, _ in _latest(outturns.get(year + 1, [])):
                if documents.joined(name, first.basis, second.basis):
                    out.append((first, second))
    series: dict[tuple[str, str, str], list[charts.Printed]] = {}
    for mark, row in printed:
        if mark.kind != "actual" and mark.basis != "unclear":
            series.setdefault((str(row["doc_id"]), mark.kind, mark.basis), []).append(mark)
    for marks in series.values():
        ordered = sorted(marks, key=lambda m: m.year)
        out += [(a, b) for a, b in itertools.pairwise(ordered) if b.year > a.year]
    return out


def _latest(held: Sequence[tuple[charts.Printed, Mapping[str, Any]]]) -> list[tuple[charts.Printed, Mapping[str, Any]]]:
    """For each footing the figure to trust: firm before weak, then the latest reported."""
    best: dict[str, tuple[charts.Printed, Mapping[str, Any]]] = {}
    for one in sorted(held, key=lambda h: (not h[0].weak, str(h[1]["reported"]))):
        best[one[0].basis] = one
    return list(best.values())


def start(council: str) -> Page:
    """The page of a council, by name, ONS code or DfE number. AssessError, with near names, when there is no such council."""
    return Page(councils.find(council))


# Many pages


def chosen(names: Sequence[str], everyone: bool = False, agreements: bool = False) -> list[Council]:
    """The councils asked for, each once, by code. All names are looked up before anything is made."""
    asked = [councils.find(name) for name in names]
    if everyone:
        asked += councils.listed()
    if agreements:
        asked += [councils.get(str(code)) for code in panel.councils("safety_valve")["la_code"]]
    return sorted(set(asked), key=lambda c: c.la_code)


def build(
    names: Sequence[str] = (),
    everyone: bool = False,
    agreements: bool = False,
    pdf: bool = False,
    jobs: int | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> str:
    """Run the notebook for each council and make the list of pages; gives a sentence that says where they are.

    Nothing is put in reports/councils before every page asked for has been made.
    """
    from helpers import council_index
    from helpers.runner import Job, Runner

    started = time.monotonic()
    asked = chosen(names, everyone, agreements)
    panel.councils()
    target = paths.reports() / "councils"
    target.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".councils.", dir=paths.reports()))
    notebook = paths.notebooks() / NOTEBOOK
    try:
        warm = ["pandas", "pyarrow.parquet", "pandas.io.parquet", "helpers.profile_ready", *(["typst"] if pdf else [])]
        with Runner(warm) as runner, ThreadPoolExecutor(min(jobs or os.cpu_count() or 1, len(asked))) as pool:
            environment = {FOLDER: str(staging), "ASSESS_ROOT": str(paths.root())}

            def one(council: Council) -> str:
                job = Job(
                    council.la_name,
                    str(notebook),
                    str(staging / f"{council.la_code}.ipynb"),
                    {"council": council.la_code, "pdf": pdf},
                    environment,
                )
                return runner.run(job).error

            errors = []
            for council, error in zip(asked, pool.map(one, asked), strict=True):
                say(council.la_name)
                if error:
                    errors.append(f"{council.la_name}: {error}")
        if errors:
            more = f" ({len(errors) - 1} more failed)" if len(errors) > 1 else ""
            raise AssessError(f"{errors[0]}{more} Pages in reports/councils are as they were.")
        for made in sorted(staging.iterdir()):
            if made.suffix in (".html", ".pdf"):
                os.replace(made, target / made.name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    index = council_index.write(target)
    seconds = time.monotonic() - started
    if len(asked) == 1:
        return f"Made the page of {asked[0].la_name} in {seconds:.1f} s: {target / (slug(asked[0].la_name) + '.html')}"
    return f"Made {len(asked)} pages in {seconds:.1f} s: {index}"
