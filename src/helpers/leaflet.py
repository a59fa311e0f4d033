"""A short self-contained document made of blocks: words, terms, drawings and tables, as one HTML page or one PDF.

Words are plain text with facts in braces, as in a chapter's prose, and links written `[words](address)`.
"""

from __future__ import annotations

import base64
import html
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import charts, prose
from helpers.errors import AssessError
from helpers.facts import Fact
from helpers.tables import Table, address, domain

if TYPE_CHECKING:
    from helpers.prose import Placeholder

TEMPLATES = Path(__file__).parent / "templates"
_LINK = re.compile(r"\[([^\]]+)\]\((https?://[^)\s]+)\)")


@dataclass(frozen=True)
class Words:
    """A paragraph; `kind` may be "key" (a box) or "note" (small)."""

    text: str
    kind: str = ""


@dataclass(frozen=True)
class Terms:
    """Names and what belongs to them, each a text as in `Words`."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Drawing:
    """An SVG figure. `alt` says what it shows to those who cannot see it."""

    id: str
    svg: str
    title: str
    subtitle: str
    alt: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grid:
    """A table; `fold` hides it behind a summary until asked for (never in print)."""

    table: Table
    fold: str = ""


Block = Words | Terms | Drawing | Grid


@dataclass
class Section:
    """A heading and its blocks. In a notebook it shows itself."""

    id: str
    title: str
    blocks: list[Block]
    facts: Mapping[str, Fact] = field(default_factory=dict, repr=False)

    def _repr_html_(self) -> str:
        return "".join(_html(block, self.facts) for block in self.blocks)

    def _repr_markdown_(self) -> str:
        return "\n\n".join(
            _LINK.sub(r"[\1](\2)", prose.fill(b.text, self.facts)) for b in self.blocks if isinstance(b, Words)
        )


# HTML


def html_words(text: str, facts: Mapping[str, Fact]) -> str:
    """Text as HTML: facts as links to their entries, addresses as links."""
    held: list[str] = []

    def keep(made: str) -> str:
        held.append(made)
        return f"\x00{len(held) - 1}\x00"

    def fact(hole: Placeholder, words: str) -> str:
        if hole.words:
            return words
        return keep(f'<a class="fact" href="#fact-{html.escape(hole.id)}">{html.escape(words)}</a>')

    filled = prose.fill(text, facts, fact)
    filled = _LINK.sub(lambda m: keep(f'<a href="{html.escape(m[2])}">{html.escape(m[1])}</a>'), filled)
    return re.sub("\x00(\\d+)\x00", lambda m: held[int(m[1])], html.escape(filled))


def _html(block: Block, facts: Mapping[str, Fact]) -> str:
    from helpers import provenance, webpage

    if isinstance(block, Words):
        kind = f' class="{block.kind}"' if block.kind else ""
        inner = html_words(block.text, facts)
        return f"<div{kind}><p>{inner}</p></div>" if block.kind == "key" else f"<p{kind}>{inner}</p>"
    if isinstance(block, Terms):
        return (
            '<dl class="terms">'
            + "".join(f"<dt>{html.escape(k)}</dt><dd>{html_words(v, facts)}</dd>" for k, v in block.rows)
            + "</dl>"
        )
    if isinstance(block, Drawing):
        head = block.svg.replace("<svg ", f'<svg role="img" aria-labelledby="{block.id}-t {block.id}-d" ', 1)
        described = f'<title id="{block.id}-t">{html.escape(block.title)}</title><desc id="{block.id}-d">{html.escape(block.alt)}</desc>'
        picture = charts.themed(head.replace(">", f">{described}", 1))
        subtitle = f'<span class="subtitle">{html.escape(block.subtitle)}</span>' if block.subtitle else ""
        source = (
            f'<p class="source">Source: {html.escape("; ".join(provenance.words(block.sources)))}</p>'
            if block.sources
            else ""
        )
        return (
            f'<figure id="{block.id}" class="figure"><figcaption><span class="finding">{html.escape(block.title)}</span>{subtitle}</figcaption>'
            f'<div class="plot" tabindex="0" role="group" aria-label="{html.escape(block.title)}">{picture}</div>{source}</figure>'
        )
    made = webpage.html_table(block.table, block.table.name, "")
    if not block.fold:
        return made
    return f'<details class="fold"><summary>{html.escape(block.fold)}</summary>{made}</details>'


def fact_entry(fact: Fact) -> str:
    """Where a number's link leads: its value, year and source."""
    from helpers import provenance

    rows = [("Value", html.escape(fact.display))]
    if fact.n is not None:
        rows.append(("Councils", f"{fact.n:g}"))
    if fact.years:
        rows.append(("Year", html.escape(fact.years)))
    if fact.sources:
        known = provenance.resources()
        names = []
        for name in fact.sources:
            link = known[name].link if name in known else address(name) or ""
            words = known[name].words() if name in known else domain(name) if link else name
            names.append(f'<a href="{html.escape(link)}">{html.escape(words)}</a>' if link else html.escape(words))
        rows.append(("Source", "; ".join(names)))
    inner = "".join(f"<dt>{k}</dt><dd>{v}</dd>" for k, v in rows)
    return f'<article class="fact-entry" id="fact-{html.escape(fact.id)}"><h3>{html.escape(fact.id)}</h3><dl>{inner}</dl></article>'


def used(sections: Iterable[Section]) -> list[str]:
    """Ids of the facts that the sections' words print, in order of name."""
    texts = []
    for section in sections:
        for block in section.blocks:
            texts += (
                [block.text]
                if isinstance(block, Words)
                else [v for _, v in block.rows]
                if isinstance(block, Terms)
                else []
            )
    return sorted({hole.id for text in texts for hole in prose.placeholders(text) if not hole.words})


@cache
def fonts() -> str:
    """The house sans face, regular and semibold, as a style sheet that holds its files."""
    sheet = (TEMPLATES / "fonts" / "fonts.css").read_text(encoding="utf-8")
    faces = re.findall(r"@font-face\s*\{[^}]*\}", sheet)
    return "\n".join(f for f in faces if '"Assess Sans"' in f and "font-style:normal" in f.replace(" ", ""))


@cache
def template(name: str) -> str:
    """A file of the templates folder."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def fill(shell: str, fields: Mapping[str, str]) -> str:
    """`{{name}}` replaced by its field; an unknown name is an error of the template's author."""
    return re.sub(r"\{\{(\w+)\}\}", lambda m: fields[m[1]], shell)


def page(
    title: str,
    lead: str,
    kind: str,
    date: str,
    sections: Sequence[Section],
    facts: Mapping[str, Fact],
    data: str,
    back: str,
) -> str:
    """One self-contained HTML page. `data`: CSV text offered for download; `back`: where the list of all pages is."""
    body = "".join(
        f'<section id="{s.id}" aria-labelledby="{s.id}-h"><h2 id="{s.id}-h">{html.escape(s.title)}</h2>'
        + "".join(_html(block, facts) for block in s.blocks)
        + "</section>"
        for s in sections
    )
    contents = "".join(f'<li><a href="#{s.id}">{html.escape(s.title)}</a></li>' for s in sections)
    return fill(
        template("council.html"),
        {
            "title": html.escape(title),
            "lead": html.escape(lead),
            "kind": html.escape(kind),
            "date": html.escape(date),
            "back": html.escape(back),
            "fonts": fonts(),
            "style": template("report.css") + template("council.css"),
            "script": template("report.js"),
            "contents": contents,
            "body": body,
            "data": base64.b64encode(data.encode()).decode(),
            "facts": "".join(fact_entry(facts[id]) for id in used(sections)),
        },
    )


# PDF


def _typst_words(text: str, facts: Mapping[str, Fact]) -> str:
    from helpers.typeset import typst_string, typst_text

    filled = prose.fill(text, facts)
    out, at = [], 0
    for match in _LINK.finditer(filled):
        out.append(typst_text(filled[at : match.start()]))
        out.append(f"#link({typst_string(match[2])})[{typst_text(match[1])}]")
        at = match.end()
    out.append(typst_text(filled[at:]))
    return "".join(out)


def _typst(block: Block, facts: Mapping[str, Fact], work: Path) -> str:
    from helpers import provenance
    from helpers.typeset import typst_string, typst_table, typst_text

    if isinstance(block, Words):
        inner = _typst_words(block.text, facts)
        return f'#callout(kind: "key")[{inner}]\n' if block.kind == "key" else f"{inner}\n"
    if isinstance(block, Terms):
        return "\n".join(f"/ {typst_text(k)}: {_typst_words(v, facts)}" for k, v in block.rows) + "\n"
    if isinstance(block, Drawing):
        (work / f"{block.id}.svg").write_text(block.svg, encoding="utf-8")
        source = "Source: " + "; ".join(provenance.words(block.sources)) if block.sources else ""
        return (
            f"#report-figure(image({typst_string(block.id + '.svg')}, width: 100%, alt: {typst_string(block.alt)}), [], "
            f"[{typst_text(block.title)}], [{typst_text(block.subtitle)}], [{typst_text(source)}])\n"
        )
    return typst_table(block.table, block.table.name, "") + "\n"


def pdf(
    title: str, lead: str, kind: str, date: str, sections: Sequence[Section], facts: Mapping[str, Fact], epoch: int = 0
) -> bytes:
    """The same blocks as a tagged PDF that meets PDF/UA-1."""
    import datetime

    import typst

    from helpers.typeset import typst_string, typst_text

    with tempfile.TemporaryDirectory(prefix="assess-") as folder:
        work = Path(folder)
        body = "\n".join(
            f"= {typst_text(s.title)}\n\n" + "\n".join(_typst(block, facts, work) for block in s.blocks)
            for s in sections
        )
        head = ", ".join(
            f"{k}: {typst_string(v)}" for k, v in (("title", title), ("lead", lead), ("kind", kind), ("date", date))
        )
        (work / "main.typ").write_text(
            f'#import "council.typ": *\n#show: leaflet.with({head})\n\n{body}', encoding="utf-8"
        )
        for name in ("report.typ", "council.typ"):
            (work / name).write_text(template(name), encoding="utf-8")
        try:
            return typst.compile(
                str(work / "main.typ"),
                root=str(work),
                font_paths=[str(TEMPLATES / "fonts")],
                ignore_system_fonts=True,
                format="pdf",
                pdf_standards=["ua-1"],
                timestamp=int(datetime.datetime.fromtimestamp(epoch, tz=datetime.UTC).timestamp()),
            )
        except Exception as error:
            raise AssessError(f"Typst could not make the PDF of {title}: {error}") from error
