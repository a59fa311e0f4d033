"""The report as one self-contained HTML page."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping
from typing import Any

from helpers import facts as fact_words
from helpers import measures, notebook_pages, provenance
from helpers.figure_style import PARTS
from helpers.manuscript import TEMPLATES, Asset, Manuscript, table
from helpers.syntax import (
    Edition,
    Node,
    Numbering,
    anchor,
    attributes,
    link_terms,
    raw_block,
    raw_inline,
    slug,
    walk,
    written,
)
from helpers.tables import Column, Table, address, domain, sort_values


def _svg(asset: Asset) -> str:
    """The figure's SVG for one page among others: ids made unique, size left to the page, colours by name so that
    they follow dark mode."""
    key = slug(asset.key)
    text = asset.drawing()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{key}.\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{key}.\1)", text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{key}.\1"', text)
    text = re.sub(r"\n\s*", "\n", text)
    text = re.sub(r"(?<=: )#[0-9a-f]{6}\b", _by_name, text)
    text = re.sub(r"font: ([^;\"]*?)'Assess Sans'[^;\"]*", r"font: \1var(--sans)", text)
    head, rest = text.split(">", 1)
    head = re.sub(r' (?:width|height|version|xmlns|xmlns:xlink)="[^"]*"', "", head)
    title = html.escape(asset.meta["title"])
    described = html.escape(asset.meta["alt"])
    return (
        f'{head} role="img" aria-labelledby="{key}-t {key}-d"><title id="{key}-t">{title}</title><desc '
        f'id="{key}-d">{described}</desc>{rest}'
    )


def _by_name(found: re.Match[str]) -> str:
    name = _COLOUR_NAMES.get(found[0])
    return f"var(--{name}, {found[0]})" if name else found[0]


_COLOUR_NAMES = {
    "#1d2730": "fig-ink",
    "#56616b": "fig-muted",
    "#dfe3e7": "fig-grid",
    "#8a949d": "fig-rule",
    "#ffffff": "fig-paper",
    "#12436d": "fig-blue",
    "#c4500a": "fig-orange",
    "#a8440a": "fig-orange-text",
    "#949494": "fig-grey",
    "#6b6b6b": "fig-grey-text",
    "#1f8a80": "fig-teal",
    "#801650": "fig-plum",
    "#3b1a5a": "fig-cohort-1",
    "#12608c": "fig-cohort-2",
    "#28a197": "fig-cohort-3",
    "#1b756e": "fig-cohort-3-text",
    "#a38a00": "fig-cohort-4",
    "#7d6a00": "fig-cohort-4-text",
    "#5b8fbf": "fig-pale",
    "#b9bfc5": "fig-faint",
    "#e7e5e1": "fig-nothing",
    "#999999": "fig-edge",
    **{shade: f"fig-part-{place}" for place, shade in enumerate(PARTS, start=1)},
}


def _data_link(asset: Asset) -> str:
    data = base64.b64encode(asset.path(".csv").read_bytes()).decode()
    return (
        f'<a class="download" download="{html.escape(asset.name)}.csv" '
        f'href="data:text/csv;base64,{data}">Data<span class="vh"> of {html.escape(asset.meta["title"])}</span> '
        f"(CSV)</a>"
    )


def _made_by(asset: Asset) -> str:
    if asset.chapter == "annex":  # made here, from the logs and the claims register, not by a notebook
        return ""
    cell = f", cell {asset.cell}" if asset.cell else ""
    where = f'<a href="{notebook_pages.address(asset.chapter, asset.cell)}">{asset.chapter}{cell}</a>'
    code = (
        f'<details class="code"><summary>Code</summary><pre '
        f'tabindex="0"><code>{html.escape(asset.code)}</code></pre></details>'
        if asset.code
        else ""
    )
    return f'<p class="made">Notebook {where}. {_data_link(asset)}</p>{code}'


def drawings(manuscript: Manuscript) -> dict[str, str]:
    """The SVG of each figure by its key, ready for the page: what can be done before its words are read."""
    return {asset.key: _svg(asset) for asset in manuscript.assets.values() if asset.kind == "figure"}


def _html_figure(asset: Asset, label: str, drawn: str) -> str:
    meta = asset.meta
    subtitle = f'<span class="subtitle">{html.escape(meta["subtitle"])}</span>' if meta.get("subtitle") else ""
    sources = "; ".join(provenance.words(meta.get("sources") or []))
    source = f'<p class="source">Source: {html.escape(sources)}</p>' if sources else ""
    # A colour without a counterpart in dark mode, as on a map, keeps the whole figure as it is printed.
    printed = " as-printed" if re.search(r"(?:fill|stroke): #", drawn) else ""
    return (
        f'<figure id="{anchor(asset)}" class="figure"><figcaption><span class="label">{label}</span> '
        f'<span class="finding">{html.escape(meta["title"])}</span>{subtitle}</figcaption>'
        f'<div class="plot{printed}" tabindex="0" role="group" '
        f'aria-label="{label}">{drawn}</div>{source}{_made_by(asset)}</figure>'
    )


def _html_cell(text: str, value: Any, column: Column) -> str:
    link = address(text)
    inner = f'<a href="{html.escape(link)}">{html.escape(domain(link))}</a>' if link else html.escape(text)
    kind = text.lower()
    if kind in _VERDICTS:
        inner = f'<span class="verdict v-{slug(kind)}">{inner}</span>'
    sort = "" if value is None else f' data-value="{html.escape(str(value))}"'
    return f"{sort}{' class=num' if column.numeric else ''}>{inner}"


_VERDICTS = {
    "supported",
    "partly supported",
    "contradicted",
    "no effect found",
    "cannot tell",
    "documents only",
    "not testable",
}


def _widths(made: Table) -> list[str]:
    """How wide each column must stay on a small screen, by class: `num`, `long` for sentences, `mid` for a few words."""
    out = []
    for place, column in enumerate(made.columns):
        longest = max((len(row[place]) for row in made.cells if not address(row[place])), default=0)
        out.append("num" if column.numeric else "long" if longest > 60 else "mid" if longest > 20 else "")
    return out


def html_table(made: Table, identifier: str, label: str, after: str = "") -> str:
    """A captioned table that can be sorted and, when wide, scrolled."""
    heads = "".join(
        f'<th scope="col" class="{kind}">{html.escape(c.name)}</th>'.replace(' class=""', "")
        for c, kind in zip(made.columns, _widths(made), strict=True)
    )
    rows = []
    for texts, values in zip(made.cells, sort_values(made), strict=True):
        tags = []
        for place, (text, value, column) in enumerate(zip(texts, values, made.columns, strict=True)):
            tag = "th scope=row" if place == 0 else "td"
            tags.append(f"<{tag}{_html_cell(text, value, column)}</{tag[:2]}>")
        rows.append("<tr>" + "".join(tags) + "</tr>")
    caption = (
        f'<span class="label">{html.escape(label)}</span> {html.escape(made.title)}'
        if label
        else html.escape(made.title)
    )
    note = f'<p class="note">{html.escape(made.note)}</p>' if made.note else ""
    sources = "; ".join(provenance.words(made.sources))
    source = f'<p class="source">Source: {html.escape(sources)}</p>' if sources else ""
    sortable = " sortable" if len(made.cells) > 3 else ""
    dense = " dense" if len(made.columns) > 6 else ""
    return (
        f'<div class="table" id="{identifier}"><div class="scroll" role="region" tabindex="0" '
        f'aria-labelledby="{identifier}-c">'
        f'<table class="data{sortable}{dense}"><caption '
        f'id="{identifier}-c">{caption}</caption><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{note}{source}{after}</div>"
    )


# What the facts of an effect are, after `effect.OUTCOME.`; see helpers.protocol.
_EFFECT_WORDS = {
    "att": "estimated effect, main estimate",
    "ri_p": "p of the main estimate, by reassigning agreements at random",
    "ri_p_studentised": "p by reassigning agreements at random, each estimate over its standard error",
    "bh_p": "p adjusted for the number of outcomes looked at together",
    "pretrend_p": "p of the test that councils moved alike before",
    "pretrend_ri_p": "p of the test that councils moved alike before, by reassigning agreements at random",
    "mde": "the smallest effect that would usually have been seen",
    "mde_analytic": "the smallest effect that would usually have been seen, by the usual test",
    "breakdown": "how far trends may differ before the interval takes in nought",
    "path": "average over the years after the agreement",
    "same_sign": "whether every estimator gives the same sign",
    "anticipation_1": "estimated effect, allowing a year of anticipation",
    "linear_trend": "estimated effect, the earlier trend taken off",
    "covariates": "estimated effect, adjusted for starting points",
    "no_dbv": "estimated effect, without Delivering Better Value councils as comparison",
    "callaway_santanna_notyet": "estimated effect, against councils that had not signed yet too",
    "sun_abraham": "estimated effect by the method of Sun and Abraham",
    "imputation": "estimated effect by imputation",
    "twfe": "estimated effect by two-way fixed effects",
    "leave_one_out": "estimated effects, each council left out in turn",
    "loo_lower": "smallest estimated effect, each council left out in turn",
    "loo_upper": "largest estimated effect, each council left out in turn",
    "n_treated": "councils with an agreement behind the estimate",
    "n_control": "councils in the comparison",
}


def fact_line(id: str, lines: Mapping[str, str]) -> str:
    """What a fact is, in plain words: measure and kind for an effect, else what `lines` says, else its name."""
    kind, _, rest = id.partition(".")
    outcome, _, what = rest.partition(".")
    known = measures.listed()
    if kind == "effect" and outcome in known:
        event = re.fullmatch(r"event\.(-?\d+)", what)
        if event:
            years = int(event[1])
            count = f"{abs(years)} year{'' if abs(years) == 1 else 's'}"
            place = (
                f"{count} {'after' if years > 0 else 'before'} the first exposed year"
                if years
                else "first exposed year"
            )
            return f"{known[outcome].title}: estimated effect, {place}"
        if what in _EFFECT_WORDS:
            return f"{known[outcome].title}: {_EFFECT_WORDS[what]}"
    return lines.get(id, id)


def _bare(p: str) -> str:
    return p.removeprefix("p = ").removeprefix("p ")


def _fact_entries(manuscript: Manuscript) -> str:
    """The list of facts the prose uses: where a number's link leads, and what its dialog shows."""
    entries = []
    known = provenance.resources()
    for id in sorted(manuscript.used):
        fact = manuscript.facts[id]
        rows = [("Value", fact.display)]
        if fact.lower is not None and fact.upper is not None:
            rows.append(("95% interval", fact.interval()))
        reassigned = id.removesuffix("att") + "ri_p"
        main = id.startswith("effect.") and id.endswith(".att") and reassigned in manuscript.facts
        if fact.p is not None:
            rows.append(("p, usual test" if id.startswith("effect.") else "p", _bare(fact.form("p"))))
        if main:
            rows.append(("p, agreements reassigned at random", _bare(manuscript.facts[reassigned].display)))
        if fact.n is not None:
            rows.append(("Sample", fact_words.number(fact.n, 0)))
        if fact.years:
            rows.append(("Years", fact.years))
        text = "".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>" for k, v in rows)
        if fact.sources:
            names = []
            for name in fact.sources:
                link = known[name].link if name in known else address(name) or ""
                words = known[name].words() if name in known else domain(name) if link else name
                names.append(f'<a href="{html.escape(link)}">{html.escape(words)}</a>' if link else html.escape(words))
            text += f"<dt>Source</dt><dd>{'; '.join(names)}</dd>"
        if fact.notebook:
            cell = f", cell {fact.cell}" if fact.cell else ""
            there = notebook_pages.address(fact.notebook, fact.cell)
            where = f'<a href="{there}">{html.escape(fact.notebook)}{cell}</a>'
            text += f"<dt>Notebook</dt><dd>{where}</dd>"
        else:
            text += "<dt>Kind</dt><dd>Cited figure, not computed here</dd>"
        text += f"<dt>Name</dt><dd><code>{html.escape(id)}</code></dd>"
        line = html.escape(fact_line(id, manuscript.lines))
        entries.append(
            f'<article class="fact-entry" id="fact-{html.escape(id)}"><h3>{line}</h3><dl>{text}</dl></article>'
        )
    return "\n".join(entries)


def _html_tree(
    tree: Node,
    manuscript: Manuscript,
    numbering: Numbering,
    edition: Edition,
    drawn: Mapping[str, str],
    held: list[str],
) -> list[Node]:
    """The blocks dressed for the page. Figures and tables, which are finished and need not go through pandoc, join `held`."""
    ids = {str(entry["term"]): f"term-{slug(entry['term'])}" for entry in edition.glossary}

    def term(word: str, entry: Mapping[str, Any]) -> Node:
        return raw_inline("html", f'<a class="term" href="#{ids[entry["term"]]}">{html.escape(word)}</a>')

    blocks = link_terms(tree["blocks"], edition.glossary, term)

    def dress(node: Node) -> Any:
        if node["t"] == "Span":
            _, classes, pairs = attributes(node)
            if "fact" in classes:
                key = html.escape(pairs["key"])
                return [
                    raw_inline("html", f'<a class="fact" href="#fact-{key}">'),
                    *node["c"][1],
                    raw_inline("html", "</a>"),
                ]
        if node["t"] == "Div":
            _, classes, pairs = attributes(node)
            if "asset" in classes:
                key = f"{pairs['kind']}:{pairs['key']}"
                asset, label = manuscript.assets[key], numbering.labels[key]
                held.append(
                    _html_figure(asset, label, drawn[asset.key])
                    if asset.kind == "figure"
                    else html_table(table(asset), anchor(asset), label, _made_by(asset))
                )
                return raw_block("html", f"<!--held {len(held) - 1}-->")
        if node["t"] == "Header":
            level, (identifier, classes, pairs), inlines = node["c"]
            mark = dict(pairs).get("number", "")
            if mark:
                word = f"Annex {mark}" if level == 1 and "annex" in classes else mark
                inlines = [raw_inline("html", f'<span class="number">{word}</span> '), *inlines]
            return {"t": "Header", "c": [level, [identifier, [], []], inlines]}
        return None

    dressed: list[Node] = walk(blocks, dress)
    return dressed


def page(tree: Node, manuscript: Manuscript, numbering: Numbering, edition: Edition, drawn: Mapping[str, str]) -> str:
    """The report as one self-contained HTML page; `drawn` as `drawings` gives it."""
    held: list[str] = []
    blocks = _html_tree(tree, manuscript, numbering, edition, drawn, held)
    fragment = written(
        {**tree, "blocks": blocks, "meta": {}},
        "html5",
        edition,
        "--section-divs",
        "--shift-heading-level-by=1",
        "--email-obfuscation=none",
    )
    fragment = re.sub(r"<!--held (\d+)-->", lambda found: held[int(found[1])], fragment)
    said = manuscript.words
    contents = []
    opened = False
    for level, identifier, mark, title in numbering.contents:
        section = next((s for s in manuscript.sections if s.id == identifier), None)
        words = f"Annex {mark}" if section is not None and section.kind == "annex" else mark
        text = (f'<span class="number">{words}</span> ' if words else "") + html.escape(title)
        if level == 1:
            contents.append(("</ol></li>" if opened else "") + f'<li><a href="#{identifier}">{text}</a><ol>')
            opened = True
        else:
            contents.append(f'<li><a href="#{identifier}">{text}</a></li>')
    contents.append("</ol></li>" if opened else "")
    contents_html = "".join(contents).replace("<ol></ol>", "")
    contents_html += '<li><a href="#numbers">Numbers in this report</a></li>'
    gaps = ""
    if manuscript.missing:
        items = ", ".join(html.escape(title) for title in manuscript.missing)
        gaps = f'<p class="gap">Not part of this build: {items}.</p>'
    shell = (TEMPLATES / "report.html").read_text(encoding="utf-8")
    fields = {
        "title": html.escape(said["title"]),
        "subtitle": html.escape(said["subtitle"]),
        "description": html.escape(said["description"]),
        "date": html.escape(edition.date),
        "gaps": gaps,
        "fonts": (TEMPLATES / "fonts" / "fonts.css").read_text(encoding="utf-8"),
        "style": (TEMPLATES / "report.css").read_text(encoding="utf-8"),
        "script": (TEMPLATES / "report.js").read_text(encoding="utf-8"),
        "contents": contents_html,
        "body": fragment,
        "facts": _fact_entries(manuscript),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda m: fields[m[1]], shell)
