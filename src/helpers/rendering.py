"""A manuscript in its three forms: one HTML page, a PDF by Typst, and a Word document.

pandoc reads the manuscript once, with its citations; the syntax tree is then dressed for each form and written by
pandoc.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from helpers import facts as fact_words
from helpers import measures, notebook_pages, provenance, wordfile, wordstyles
from helpers.errors import AssessError
from helpers.figures import PARTS
from helpers.manuscript import TEMPLATES, Asset, Manuscript, table
from helpers.tables import Column, Table, address, domain, sort_values

READER = "markdown+smart+fenced_divs+bracketed_spans+footnotes+pipe_tables-tex_math_dollars-raw_tex"
Node = dict[str, Any]


@dataclass(frozen=True)
class Edition:
    """What a rendering needs besides the manuscript: the date of the data, as words and as seconds, and the
    bibliography."""

    date: str
    epoch: int
    bibliography: Path
    glossary: Sequence[Mapping[str, Any]]


def pandoc(arguments: Sequence[str], text: str | None = None, epoch: int = 0) -> str:
    """Run the bundled pandoc and give its output. Raises AssessError with pandoc's own words."""
    import pypandoc

    done = subprocess.run(
        # A large nursery for pandoc's memory: its collector has less to do.
        [pypandoc.get_pandoc_path(), "+RTS", "-A64m", "-RTS", *arguments],
        input=text.encode() if text is not None else None,
        capture_output=True,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)},
        check=False,
    )
    if done.returncode:
        raise AssessError(f"pandoc could not make the report: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode()


_CITATION = re.compile(r"(?<![\w.\\])@([A-Za-z][\w-]*)")


def citations(text: str, bibliography: Path) -> str:
    """`text` with other names of a reference (`ids` in the .bib file) made its key. Raises AssessError for an unknown
    key."""
    if not bibliography.is_file():
        return text
    keys: dict[str, str] = {}
    for key, rest in re.findall(r"(?m)^@\w+\{([\w-]+),(.*)$", bibliography.read_text(encoding="utf-8")):
        others = re.search(r"\bids = \{([^}]*)\}", rest)
        for name in [key, *(others[1].split(",") if others else [])]:
            keys[name.strip()] = key

    def one(match: re.Match[str]) -> str:
        name = match[1]
        if name not in keys:
            raise AssessError(f"No reference {name!r} in {bibliography.name}{fact_words.near(name, keys)}.")
        return f"@{keys[name]}"

    return _CITATION.sub(one, text)


def parse(text: str, edition: Edition) -> Node:
    """The manuscript's syntax tree, citations resolved."""
    arguments = ["-f", READER, "-t", "json"]
    if edition.bibliography.is_file():
        text = citations(text, edition.bibliography)
        arguments += [
            "--citeproc",
            f"--bibliography={edition.bibliography}",
            "--metadata=link-citations:true",
            "--metadata=lang:en-GB",
        ]
    tree: dict[str, Any] = json.loads(pandoc(arguments, text, edition.epoch))
    return tree


# The tree


def walk(node: Any, change: Callable[[Node], Any]) -> Any:
    """`node` with `change` applied to every element, innermost first; it may give an element, a list of them, or None
    to keep it. `node` itself is left as it is, but for what `change` does to elements without contents."""
    if isinstance(node, list):
        out = []
        for item in node:
            new = walk(item, change)
            if isinstance(item, dict) and "t" in item and isinstance(new, list):
                out.extend(new)
            else:
                out.append(new)
        return out
    if isinstance(node, dict):
        if "t" in node:
            kept = {**node, "c": walk(node["c"], change)} if "c" in node else node
            changed = change(kept)
            return kept if changed is None else changed
        return {k: walk(v, change) for k, v in node.items()}
    return node


def _attributes(node: Node) -> tuple[str, list[str], dict[str, str]]:
    identifier, classes, pairs = node["c"][1 if node["t"] == "Header" else 0]
    return identifier, classes, dict(pairs)


def _inlines(text: str) -> list[Node]:
    out: list[Node] = []
    for part in re.split(r"(\s+)", text):
        if part:
            out.append({"t": "Space"} if part.isspace() else {"t": "Str", "c": part})
    return out


def _raw(form: str, text: str) -> Node:
    return {"t": "RawBlock", "c": [form, text]}


def _raw_inline(form: str, text: str) -> Node:
    return {"t": "RawInline", "c": [form, text]}


def text_of(node: Any) -> str:
    """The words of a node, without formatting."""
    if isinstance(node, list):
        return "".join(text_of(n) for n in node)
    if not isinstance(node, dict):
        return ""
    kind: Any = node.get("t")
    content: Any = node.get("c")
    if kind == "Str":
        return str(content)
    if kind in ("Space", "SoftBreak", "LineBreak"):
        return " "
    if kind in ("Code", "Math"):
        return str(content[1])
    if kind == "Quoted":
        left, right = ("‘", "’") if content[0]["t"] == "SingleQuote" else ("“", "”")
        return left + text_of(content[1]) + right
    if kind in ("Note", "RawInline"):
        return ""
    if kind in ("Span", "Link", "Image", "Header"):
        return text_of(content[2] if kind == "Header" else content[1])
    return text_of(content)


def slug(key: str) -> str:
    """A key as part of an identifier."""
    return re.sub(r"[^a-z0-9-]+", "-", key.lower()).strip("-")


def anchor(asset: Asset) -> str:
    """The identifier of a figure or table in the report."""
    return f"{'fig' if asset.kind == 'figure' else 'tab'}-{slug(asset.key)}"


@dataclass
class Numbering:
    """Numbers of headings, figures and tables, in reading order."""

    labels: dict[str, str]  # "figure:chapter/name" -> "Figure 5.1"
    contents: list[tuple[int, str, str, str]]  # level, id, number, title
    order: list[str]


def _headings_with_text(blocks: Sequence[Node]) -> list[Node]:
    """`blocks` without the headings that nothing stands under, as when all of a section's cells went to an annex."""
    kept: list[Node] = []
    for block in reversed(blocks):
        level = block["c"][0] if block["t"] == "Header" else None
        below = kept[-1]["c"][0] if kept and kept[-1]["t"] == "Header" else None
        if level is None or level == 1 or (kept and (below is None or below > level)):
            kept.append(block)
    return kept[::-1]


def number(tree: Node, manuscript: Manuscript) -> tuple[Node, Numbering]:
    """Number sections, figures and tables; resolve references to them. Raises AssessError for a reference to
    nothing."""
    sections = {s.id: s for s in manuscript.sections}
    state: dict[str, Any] = {"section": None, "level": 1, "sub": 0, "figure": 0, "table": 0}
    found = Numbering({}, [], [])
    blocks: list[Node] = []
    seen: set[str] = set()

    def visit(block: Node) -> Node | None:
        if block["t"] == "Header":
            level, (identifier, classes, pairs), inlines = block["c"]
            if level == 1:
                section = sections[identifier]
                state.update(section=section, sub=0, figure=0, table=0, level=1)
                found.contents.append((1, identifier, section.number, section.title))
                return None
            mark = ""
            section = state["section"]
            # A level is never skipped: assistive technology reads the levels as a tree.
            level = state["level"] = min(level, state["level"] + 1)
            if level == 2 and section.number:
                state["sub"] += 1
                mark = f"{section.number}.{state['sub']}"
            identifier = f"{section.id}-{slug(text_of(inlines))}"
            while identifier in seen:
                identifier += "-2"
            seen.add(identifier)
            if level == 2:
                found.contents.append((2, identifier, mark, text_of(inlines)))
            return {"t": "Header", "c": [level, [identifier, classes, [*pairs, ["number", mark]]], inlines]}
        if block["t"] == "Div":
            _, classes, pairs = _attributes(block)
            if "asset" in classes:
                kind, key = pairs["kind"], f"{pairs['kind']}:{pairs['key']}"
                state[kind] += 1
                prefix = state["section"].number or "S"  # only the summary has figures and no number
                found.labels[key] = f"{kind.capitalize()} {prefix}.{state[kind]}"
                found.order.append(key)
                return None
            block["c"][1] = [visit(b) or b for b in block["c"][1]]
        return None

    for block in _headings_with_text(tree["blocks"]):
        blocks.append(visit(block) or block)

    def resolve(node: Node) -> Any:
        if node["t"] != "Span":
            return None
        _, classes, pairs = _attributes(node)
        if "ref" not in classes:
            return None
        kind = "figure" if pairs["kind"] == "fig" else "table"
        here = f"{kind}:{pairs['chapter']}/{pairs['name']}"
        options = (
            [here]
            if here in found.labels
            else [k for k in found.labels if k.startswith(f"{kind}:") and k.endswith(f"/{pairs['name']}")]
        )
        if len(options) != 1:
            listed = [k.split("/", 1)[1] for k in found.labels if k.startswith(f"{kind}:")]
            if manuscript.missing and not options:
                return _inlines(f"a {kind} in a chapter that is not part of this build")
            what = f"more than one {kind}" if options else f"no {kind}"
            raise AssessError(
                f"{pairs['chapter']}: [](#{pairs['kind']}-{pairs['name']}) refers to {what} named "
                f"{pairs['name']!r}{fact_words.near(pairs['name'], listed)}."
            )
        asset = manuscript.assets[options[0]]
        return {"t": "Link", "c": [["", ["xref"], []], _inlines(found.labels[options[0]]), [f"#{anchor(asset)}", ""]]}

    return {**tree, "blocks": walk(blocks, resolve)}, found


def link_terms(
    blocks: list[Node], glossary: Sequence[Mapping[str, Any]], make: Callable[[str, Mapping[str, Any]], Node]
) -> list[Node]:
    """The first use of each glossary term in a section made into what `make` gives."""
    forms = sorted(
        ((form, entry) for entry in glossary for form in [entry["term"], *entry.get("also", [])]),
        key=lambda f: -len(f[0]),
    )
    if not forms:
        return blocks
    lookup = {form.lower(): entry for form, entry in forms}
    exact = {form.lower(): form for form, _ in forms if any(c.isupper() for c in form)}
    pattern = re.compile(r"(?<![\w-])(" + "|".join(re.escape(form) for form, _ in forms) + r")(?![\w-])", re.IGNORECASE)
    done: set[str] = set()

    def tokens(inlines: list[Node]) -> list[Node]:
        out: list[Node] = []
        run = ""

        def flush() -> None:
            nonlocal run
            at = 0
            for match in pattern.finditer(run):
                word = match[1]
                entry = lookup[word.lower()]
                if entry["term"] in done or (
                    word.lower() in exact and word != exact[word.lower()] and word[1:] != exact[word.lower()][1:]
                ):
                    continue
                done.add(entry["term"])
                out.extend(_inlines(run[at : match.start()]))
                out.append(make(word, entry))
                at = match.end()
            out.extend(_inlines(run[at:]))
            run = ""

        for node in inlines:
            if node["t"] == "Str":
                run += node["c"]
            elif node["t"] in ("Space", "SoftBreak"):
                run += " "
            else:
                flush()
                out.append(node)
        flush()
        return out

    def visit(block: Node) -> Node:
        if block["t"] == "Header" and block["c"][0] == 1:
            done.clear()
        elif block["t"] in ("Para", "Plain"):
            return {**block, "c": tokens(block["c"])}
        elif block["t"] in ("BulletList", "OrderedList"):
            items = block["c"] if block["t"] == "BulletList" else block["c"][1]
            fresh = [[visit(b) for b in item] for item in items]
            return {**block, "c": fresh if block["t"] == "BulletList" else [block["c"][0], fresh]}
        elif block["t"] == "Div" and block["c"][0][0] != "refs" and not {"gap", "term-entry"} & set(block["c"][0][1]):
            return {**block, "c": [block["c"][0], [visit(b) for b in block["c"][1]]]}
        elif block["t"] == "BlockQuote":
            return {**block, "c": [visit(b) for b in block["c"]]}
        return block

    return [visit(b) for b in blocks]


def _write(tree: Node, form: str, edition: Edition, *options: str) -> str:
    return pandoc(["-f", "json", "-t", form, "--wrap=none", *options], json.dumps(tree), edition.epoch)


# HTML


_DECIMALS = re.compile(r"(?<=\.\d\d)\d+")  # a hundredth of a point is finer than any printer


def _svg(asset: Asset) -> str:
    """The figure's SVG for one page among others: ids made unique, size left to the page, colours by name so that
    they follow dark mode."""
    key = slug(asset.key)
    text = asset.path(".plain.svg").read_text(encoding="utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{key}.\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{key}.\1)", text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{key}.\1"', text)
    text = _DECIMALS.sub("", text)
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


def _html_figure(asset: Asset, label: str) -> str:
    meta = asset.meta
    subtitle = f'<span class="subtitle">{html.escape(meta["subtitle"])}</span>' if meta.get("subtitle") else ""
    sources = "; ".join(provenance.words(meta.get("sources") or []))
    source = f'<p class="source">Source: {html.escape(sources)}</p>' if sources else ""
    drawn = _svg(asset)
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
    tree: Node, manuscript: Manuscript, numbering: Numbering, edition: Edition, held: list[str]
) -> list[Node]:
    """The blocks dressed for the page. Figures and tables, which are finished and need not go through pandoc, join `held`."""
    ids = {str(entry["term"]): f"term-{slug(entry['term'])}" for entry in edition.glossary}

    def term(word: str, entry: Mapping[str, Any]) -> Node:
        return _raw_inline("html", f'<a class="term" href="#{ids[entry["term"]]}">{html.escape(word)}</a>')

    blocks = link_terms(tree["blocks"], edition.glossary, term)

    def dress(node: Node) -> Any:
        if node["t"] == "Span":
            _, classes, pairs = _attributes(node)
            if "fact" in classes:
                key = html.escape(pairs["key"])
                return [
                    _raw_inline("html", f'<a class="fact" href="#fact-{key}">'),
                    *node["c"][1],
                    _raw_inline("html", "</a>"),
                ]
        if node["t"] == "Div":
            _, classes, pairs = _attributes(node)
            if "asset" in classes:
                key = f"{pairs['kind']}:{pairs['key']}"
                asset, label = manuscript.assets[key], numbering.labels[key]
                held.append(
                    _html_figure(asset, label)
                    if asset.kind == "figure"
                    else html_table(table(asset), anchor(asset), label, _made_by(asset))
                )
                return _raw("html", f"<!--held {len(held) - 1}-->")
        if node["t"] == "Header":
            level, (identifier, classes, pairs), inlines = node["c"]
            mark = dict(pairs).get("number", "")
            if mark:
                word = f"Annex {mark}" if level == 1 and "annex" in classes else mark
                inlines = [_raw_inline("html", f'<span class="number">{word}</span> '), *inlines]
            return {"t": "Header", "c": [level, [identifier, [], []], inlines]}
        return None

    dressed: list[Node] = walk(blocks, dress)
    return dressed


def page(tree: Node, manuscript: Manuscript, numbering: Numbering, edition: Edition) -> str:
    """The report as one self-contained HTML page."""
    held: list[str] = []
    blocks = _html_tree(tree, manuscript, numbering, edition, held)
    fragment = _write(
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


# PDF


def typst_text(text: str) -> str:
    """Text as Typst content that reads as it stands."""
    return re.sub(r"([\\*_`$<>@#\[\]~\"'/=+-])", r"\\\1", text)


def _typst_string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'


def _typst_figure(asset: Asset, label: str) -> str:
    meta = asset.meta
    sources = "; ".join(provenance.words(meta.get("sources") or []))
    return (
        f"#report-figure(image({_typst_string(slug(asset.key) + '.svg')}, width: 100%, alt: "
        f"{_typst_string(meta['alt'])}), "
        f"[{typst_text(label)}], [{typst_text(meta['title'])}], [{typst_text(meta.get('subtitle') or '')}], "
        f"[{typst_text('Source: ' + sources) if sources else ''}]) <{anchor(asset)}>"
    )


# Letters that fit across the page at each size, upright and turned; a cell's own margins count as letters.
_ROOM = (("8.5pt", 108, False), ("7.5pt", 122, False), ("7pt", 131, False), ("7.5pt", 190, True), ("7pt", 204, True))
_MARGIN = 2.4
_WIDE = 1.12  # a long word may be of wider letters than most


def _shared(least: list[float], liked: list[float], full: list[float], room: float) -> list[float]:
    """Widths that fill the room: as liked if that fits, else in proportion to the texts but never below the least."""
    if sum(liked) <= room and full == liked:
        return liked
    low, high = 0.0, 1.0
    for _ in range(40):
        part = (low + high) / 2
        taken = sum(max(small, part * whole) for small, whole in zip(least, full, strict=True))
        low, high = (part, high) if taken <= room else (low, part)
    return [max(small, low * whole) for small, whole in zip(least, full, strict=True)]


@lru_cache(maxsize=512)
def _layout(made: Table) -> tuple[list[float], str, bool]:
    """Each column's share of the width, the size of the letters, and whether the page must be turned.

    No column is narrower than its longest word. The largest size is taken that leaves the longer texts at least half
    of the width they would like; what is left is shared so that the cells of a row take about as many lines.
    """
    least, brief, liked, full = [], [], [], []
    for place, column in enumerate(made.columns):
        texts = [domain(address(row[place]) or "") if address(row[place]) else row[place] for row in made.cells] or [""]
        longest = max((len(word) for text in [*texts, column.name] for word in text.split()), default=3)
        lengths = sorted(len(text) for text in texts)
        usual = lengths[int(0.9 * (len(lengths) - 1))]
        least.append(_WIDE * min(longest, 20) + _MARGIN)
        liked.append(max(least[-1], min(usual, 16 if column.numeric else 60) + _MARGIN))
        full.append(max(least[-1], usual + _MARGIN))
        brief.append(max(least[-1], min(usual, 16) + _MARGIN))  # a few words stay on one line
    for size, room, turned in _ROOM:
        spare, wish = room - sum(least), sum(liked) - sum(least)
        if spare >= (0.5 if not turned else 0.2) * wish or (size, turned) == ("7pt", True):
            return _shared(brief if sum(brief) <= room else least, liked, full, room), size, turned
    raise AssertionError("the last room takes every table")


FEW_ROWS = 6


def for_paper(made: Table) -> Table:
    """The table as a page can hold it: one of few rows of numbers, too wide but for small letters, has rows and
    columns exchanged."""
    _, size, turned = _layout(made)
    corner, *names = made.columns
    numeric = sum(c.numeric for c in names) > len(names) / 2
    if not (numeric and (turned or size == "7pt") and len(made.cells) <= FEW_ROWS):
        return made
    labels = [row[0] for row in made.cells]
    cells = tuple((c.name, *(row[place] for row in made.cells)) for place, c in enumerate(names, start=1))
    columns = (Column(corner.name, False), *(Column(text, numeric) for text in labels))
    return replace(made, columns=columns, cells=cells, values=cells)


_SHORT = 24  # lines: about a third of a page
_FIRST_ROWS = 5  # what stays on one page with the caption of a longer table


def _kind(made: Table) -> str:
    """How a table stands on the page: `turned` when the page must be, `short` when it is kept whole, or `long`."""
    shares, _, turned = _layout(made)
    return "turned" if turned else "short" if _lines(made, shares) <= _SHORT else "long"


def _lines(made: Table, shares: Sequence[float]) -> int:
    """About how many lines the table's rows take."""
    return sum(
        max(1 + len(text) // max(1, int(share - _MARGIN)) for text, share in zip(row, shares, strict=True))
        for row in made.cells
    )


def _too_long(text: str, share: float) -> bool:
    """Whether a word of the text, or the site it links to, may not fit on a line of its column."""
    link = address(text)
    words = [domain(link)] if link else re.split(r"[\s_/–-]+", text)
    return _WIDE * max(map(len, words)) > share - _MARGIN


def typst_table(made: Table, identifier: str, label: str) -> str:
    """A captioned Typst table whose header repeats; wide ones are set smaller, and the widest on a turned page. A
    short one stays whole."""
    made = for_paper(made)
    shares, size, _ = _layout(made)
    whole = _kind(made) == "short"
    columns = ", ".join(f"{share:.1f}fr" for share in shares)
    align = ", ".join("right" if c.numeric else "left" for c in made.columns)
    heads = ", ".join(f"[{typst_text(c.name)}]" for c in made.columns)
    rows = []
    for row in made.cells:
        cells = []
        for text, share in zip(row, shares, strict=True):
            link = address(text)
            # A name such as a_long_name may break after its underscores.
            plain = typst_text(text).replace("_", "_\u200b")
            shown = f"link({_typst_string(link)})[{typst_text(domain(link))}]" if link else f"[{plain}]"
            # Words are divided only where one is too long for the column: to try it in every cell takes Typst long.
            cells.append(f"text(hyphenate: true, {shown})" if _too_long(text, share) else shown)
        rows.append(", ".join(cells))
    sources = "; ".join(provenance.words(made.sources))
    foot = " ".join(t for t in (made.note, f"Source: {sources}" if sources else "") if t)
    body = ",\n".join(rows)
    # Rows in lines of letters; between them the cells' own margins.
    first = _lines(replace(made, cells=made.cells[:_FIRST_ROWS]), shares)
    keep = f"#keep-together({first}, {_FIRST_ROWS}, {size})\n" if not whole else ""
    return (
        f"{keep}#report-table((columns: ({columns},), align: ({align},), size: {size}, whole: {str(whole).lower()}), ({heads},), ({body},), "
        f"[{typst_text(label)}], [{typst_text(made.title)}], [{typst_text(foot)}]) <{identifier}>"
    )


def _if_turned(made: Table, blocks: list[Node]) -> list[Node]:
    """The blocks of a table, in a Div marked as `turned` when the page must be."""
    return [_marked(blocks, "turned")] if _layout(for_paper(made))[2] else blocks


def _marked(blocks: list[Node], *classes: str) -> Node:
    return {"t": "Div", "c": [["", list(classes), []], blocks]}


_MOVES = {"figure", "short", "turned"}  # what can stand elsewhere than where the text has it
_RUN = 4  # turned tables one after another that share turned pages rather than take one each


def _marks(block: Node | None) -> set[str]:
    return set(block["c"][0][1]) if block is not None and block["t"] == "Div" else set()


def afloat(blocks: list[Node]) -> list[Node]:
    """Figures, short tables and turned ones marked as `afloat`, so that the text goes on around them; the first under
    a heading that nothing else stands under stays there, and so do several turned ones in a row.

    What stood between a heading and the first block that stays comes after that block. A short table keeps its place
    when the chapter's next table is a long one, before which its number must come.
    """
    out: list[Node] = []
    long = False  # whether the next table is a long one
    together = _in_a_row(blocks)
    for place in reversed(range(len(blocks))):
        block = blocks[place]
        marks = _marks(block)
        if block["t"] == "Header" and block["c"][0] == 1:
            long = False
        if marks & _MOVES and not ("short" in marks and long) and place not in together:
            block = _marked(block["c"][1], *block["c"][0][1], "afloat")
        if marks & {"short", "long", "turned"}:
            long = "long" in marks or (long and "short" in marks)
        out.append(block)
    return _after_the_first(out[::-1])


def _in_a_row(blocks: list[Node]) -> set[int]:
    """The places of turned tables of which several follow one another, with no more than headings between."""
    found: set[int] = set()
    run: list[int] = []
    for place, block in enumerate([*blocks, None]):
        if "turned" in _marks(block):
            run.append(place)
        elif block is None or block["t"] != "Header":
            found.update(run if len(run) >= _RUN else [])
            run = []
    return found


def _after_the_first(blocks: list[Node]) -> list[Node]:
    """What floats moved from under a heading to after the first block there that stays."""
    out: list[Node] = []
    waiting: list[Node] = []
    under = False
    for block in [*blocks, None]:
        if block is not None and under and "afloat" in _marks(block):
            waiting.append(block)
            continue
        if block is None or block["t"] == "Header":
            if waiting:  # nothing else stands under the heading
                first = waiting[0]
                waiting[0] = _marked(first["c"][1], *(_marks(first) - {"afloat"}))
            out += waiting if block is None else [*waiting, block]
        else:
            out += [block, *waiting]
        waiting, under = [], block is not None and block["t"] == "Header"
    return out


def _set(blocks: list[Node]) -> list[Node]:
    """Marked figures and tables as plain Typst, those afloat told so; turned ones that stay are left marked."""
    out: list[Node] = []
    for block in blocks:
        marks = _marks(block)
        if not marks & {*_MOVES, "long", "box"} or ("turned" in marks and "afloat" not in marks):
            out.append(block)
        elif "turned" in marks:
            out += [_raw("typst", "#sideways["), *block["c"][1], _raw("typst", "]")]
        elif "afloat" in marks:
            out += [_raw("typst", _afloat_call(b["c"][1])) for b in block["c"][1]]
        else:
            out += block["c"][1]
    return out


def _afloat_call(call: str) -> str:
    return call.replace("(", "(afloat: true, ", 1)


def turn(blocks: list[Node], begin: Node, end: Node) -> list[Node]:
    """Tables too wide for the page (marked as `turned`) put between `begin` and `end`, which turn the page and turn it
    back, together with the headings just above them and one after another."""
    out: list[Node] = []
    run: list[Node] = []  # headings that wait to see what they stand above
    turned = False

    def close() -> None:
        nonlocal turned
        if turned:
            out.append(end)
        turned = False

    for block in blocks:
        if block["t"] == "Header" and block["c"][0] > 1:
            run.append(block)
            continue
        wide = block["t"] == "Div" and "turned" in block["c"][0][1]
        if not wide:
            close()
        elif not turned:
            out.append(begin)
            turned = True
        out += run
        run = []
        out += block["c"][1] if wide else [block]
    close()
    return out + run


def typst_source(tree: Node, manuscript: Manuscript, numbering: Numbering, edition: Edition, work: Path) -> None:
    """The report in Typst's language, with its pictures, in the scratch folder `work`; `pdf` makes the pages of it."""
    used_labels: set[str] = set()

    def dress(node: Node) -> Any:
        if node["t"] == "Span":
            _, classes, _pairs = _attributes(node)
            if "fact" in classes:
                return node["c"][1]
        if node["t"] == "Div":
            identifier, classes, pairs = _attributes(node)
            if "asset" in classes:
                key = f"{pairs['kind']}:{pairs['key']}"
                asset, label = manuscript.assets[key], numbering.labels[key]
                used_labels.add(anchor(asset))
                if asset.kind == "table":
                    made = table(asset)
                    call = _raw("typst", typst_table(made, anchor(asset), label))
                    return _marked([call], _kind(for_paper(made)))
                picture = asset.path(".plain.svg").read_text(encoding="utf-8")
                (work / f"{slug(asset.key)}.svg").write_text(_DECIMALS.sub("", picture), encoding="utf-8")
                return _marked([_raw("typst", _typst_figure(asset, label))], "figure")
            if {"gap", "key", "callout"} & set(classes):
                begin = f"#callout(kind: {_typst_string(classes[0])})["
                return _marked([_raw("typst", begin), *node["c"][1], _raw("typst", "]")], "box")
            if identifier == "refs":
                return _marked([_raw("typst", "#references-list["), *node["c"][1], _raw("typst", "]")], "box")
        if node["t"] == "Header":
            level, (identifier, classes, pairs), inlines = node["c"]
            mark = dict(pairs).get("number", "")
            if level == 1 and "annex" in classes:
                inlines = [*_inlines(f"Annex {mark}: "), *inlines]
            elif mark:
                inlines = [*_inlines(mark), _raw_inline("typst", "#h(0.6em)"), *inlines]
            return {"t": "Header", "c": [level, [identifier, [], []], inlines]}
        return None

    turned, back = _raw("typst", "#page(flipped: true)["), _raw("typst", "]")
    blocks = turn(_set(afloat(walk(tree["blocks"], dress))), turned, back)
    body = _write({**tree, "blocks": blocks, "meta": {}}, "typst-citations", edition)
    said = manuscript.words
    gaps = "Not part of this build: " + ", ".join(manuscript.missing) + "." if manuscript.missing else ""
    main = (
        '#import "report.typ": *\n#show: report.with('
        f"title: {_typst_string(said['title'])}, subtitle: {_typst_string(said['subtitle'])}, author: "
        f"{_typst_string(said['author'])}, "
        f"description: {_typst_string(said['description'])}, date: {_typst_string(edition.date)}, gaps: "
        f"{_typst_string(gaps)})\n\n{body}"
    )
    (work / "main.typ").write_text(main, encoding="utf-8")
    (work / "report.typ").write_text((TEMPLATES / "report.typ").read_text(encoding="utf-8"), encoding="utf-8")


def pdf(edition: Edition, work: Path) -> bytes:
    """The tagged PDF, PDF/UA-1, that Typst makes of what `typst_source` put in `work`."""
    import datetime

    import matplotlib
    import typst

    moment = datetime.datetime.fromtimestamp(edition.epoch, tz=datetime.UTC)
    try:
        compiler = typst.Compiler(
            str(work / "main.typ"),
            root=str(work),
            font_paths=[str(TEMPLATES / "fonts"), str(Path(matplotlib.get_data_path()) / "fonts" / "ttf")],
            ignore_system_fonts=True,
        )
        made = compiler.compile(format="pdf", pdf_standards=["ua-1"], timestamp=int(moment.timestamp()))
        turned = json.loads(compiler.query("<sideways>", field="value"))
    except Exception as error:
        raise AssessError(f"Typst could not make the PDF: {error}") from error
    return turn_pages(cast(bytes, made), turned)


_TURN = b"/Rotate 90"


def turn_pages(pdf: bytes, numbers: Sequence[int]) -> bytes:
    """The PDF with the pages of these numbers (from 1) shown turned to the right, for what lies on its side there.

    Takes a file with one plain table of contents (`xref`), as Typst writes. Raises AssessError for another.
    """
    pages = re.search(rb"/Type/Pages/Count \d+/Kids\[([^\]]*)\]", pdf)
    table = re.search(rb"\nxref\n0 \d+\n((?:\d{10} \d{5} [nf].\n)+)trailer.*?startxref\n(\d+)", pdf, flags=re.DOTALL)
    if not pages or not table:
        raise AssessError("The PDF is not written as Typst used to write it, so its pages cannot be turned.")
    objects = [int(number) for number in re.findall(rb"(\d+) 0 R", pages[1])]
    entries = [table[1][at : at + 20] for at in range(0, len(table[1]), 20)]
    places = sorted(
        pdf.index(b"/Type/Page/", int(entries[objects[n - 1]][:10])) + len(b"/Type/Page") for n in set(numbers)
    )

    def moved(offset: int) -> int:
        return offset + len(_TURN) * sum(place < offset for place in places)

    pieces = [pdf[a:b] for a, b in zip([0, *places], [*places, table.start(1)], strict=True)]
    fresh = [b"%010d" % moved(int(e[:10])) + e[10:] if e[17:18] == b"n" else e for e in entries]
    rest = pdf[table.end(1) : table.start(2)] + b"%d" % moved(int(table[2])) + pdf[table.end(2) :]
    return _TURN.join(pieces) + b"".join(fresh) + rest


# Word


def _custom(style: str, blocks: list[Node]) -> Node:
    return {"t": "Div", "c": [["", [], [["custom-style", style]]], blocks]}


def _docx_table(made: Table, identifier: str, label: str, held: wordfile.Held) -> list[Node]:
    made = for_paper(made)
    shares, size, turned = _layout(made)
    mark = {"t": "Span", "c": [[identifier, [], []], [{"t": "Strong", "c": _inlines(f"{label}. ")}]]}
    caption = _custom("Table Caption", [{"t": "Para", "c": [mark, *_inlines(made.title)]}])
    grid = _raw("openxml", held.table(made, shares, size != "8.5pt", turned, f"{label}. {made.title}"))
    sources = "; ".join(provenance.words(made.sources))
    foot = " ".join(t for t in (made.note, f"Source: {sources}" if sources else "") if t)
    return [caption, grid, *([_custom("Source", [{"t": "Para", "c": _inlines(foot)}])] if foot else [])]


def _docx_width(png: bytes) -> float:
    """The width in inches of a figure that fills the page's width, unless it would be too high for the page."""
    across, down = int.from_bytes(png[16:20]), int.from_bytes(png[20:24])
    return round(min(wordfile.TEXT_WIDTH, wordfile.FIGURE_HEIGHT * across / down), 2)


def document(tree: Node, manuscript: Manuscript, numbering: Numbering, edition: Edition, work: Path) -> bytes:
    """The report as a Word document with real styles, captions, table headings and alt text."""
    held = wordfile.Held()

    def dress(node: Node) -> Any:
        if node["t"] == "Span":
            _, classes, _pairs = _attributes(node)
            if "fact" in classes:
                return node["c"][1]
        if node["t"] == "Div":
            _, classes, pairs = _attributes(node)
            if "asset" in classes:
                key = f"{pairs['kind']}:{pairs['key']}"
                asset, label = manuscript.assets[key], numbering.labels[key]
                if asset.kind == "table":
                    made = table(asset)
                    return _if_turned(made, _docx_table(made, anchor(asset), label, held))
                meta = asset.meta
                # The name of a picture is kept in the file: it must not tell where the report was made.
                picture = f"{slug(asset.key)}.png"
                png = asset.path(".plain.png").read_bytes()
                (work / picture).write_bytes(held.picture(png, picture))
                image = {
                    "t": "Image",
                    "c": [["", [], [["width", f"{_docx_width(png)}in"]]], _inlines(meta["alt"]), [picture, ""]],
                }
                mark = {"t": "Span", "c": [[anchor(asset), [], []], [{"t": "Strong", "c": _inlines(f"{label}. ")}]]}
                out = [_custom("Image Caption", [{"t": "Para", "c": [mark, *_inlines(meta["title"])]}])]
                if meta.get("subtitle"):
                    out.append(_custom("Figure Subtitle", [{"t": "Para", "c": _inlines(meta["subtitle"])}]))
                out.append(_custom("Captioned Figure", [{"t": "Para", "c": [image]}]))
                sources = "; ".join(provenance.words(meta.get("sources") or []))
                if sources:
                    out.append(_custom("Source", [{"t": "Para", "c": _inlines(f"Source: {sources}")}]))
                return out
            if {"gap", "key", "callout"} & set(classes):
                return _custom("Callout", node["c"][1])
        if node["t"] == "Header":
            level, (identifier, classes, pairs), inlines = node["c"]
            mark = dict(pairs).get("number", "")
            if mark:
                inlines = [*_inlines(f"Annex {mark}: " if level == 1 and "annex" in classes else f"{mark} "), *inlines]
            return {"t": "Header", "c": [level, [identifier, [], []], inlines]}
        return None

    upright, turned = (_raw("openxml", wordfile.section(flipped)) for flipped in (False, True))
    blocks = turn(walk(tree["blocks"], dress), upright, turned)
    said = manuscript.words

    def meta(text: str) -> Node:
        return {"t": "MetaInlines", "c": _inlines(text)}

    front = {
        "title": meta(said["title"]),
        "subtitle": meta(said["subtitle"]),
        "date": meta(edition.date),
        "lang": meta("en-GB"),
        "author": meta(said["author"]),
        "toc-title": meta(said["contents"]),
    }
    if manuscript.missing:
        blocks.insert(
            0,
            _custom(
                "Callout",
                [{"t": "Para", "c": _inlines("Not part of this build: " + ", ".join(manuscript.missing) + ".")}],
            ),
        )
    reference, target = work / "reference.docx", work / "assessment.docx"
    wordstyles.write(reference)
    _write(
        {**tree, "blocks": blocks, "meta": front},
        "docx",
        edition,
        f"--reference-doc={reference}",
        f"--resource-path={work}",
        "--toc",
        "--toc-depth=2",
        "-o",
        str(target),
    )
    return wordfile.finished(target.read_bytes(), held)
