"""The report as a tagged PDF by Typst: its source in Typst's language, what floats and what stays, and the pages."""

from __future__ import annotations

import bisect
import importlib.util
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from helpers import provenance
from helpers.errors import AssessError
from helpers.manuscript import TEMPLATES, Asset, Manuscript, table
from helpers.paper import FIRST_ROWS, MARGIN, WIDE, for_paper, kind_of, layout, lines_of, marked, marks_of, turn
from helpers.syntax import (
    Edition,
    Node,
    Numbering,
    anchor,
    attributes,
    inlines_of,
    raw_block,
    raw_inline,
    slug,
    walk,
    written,
)
from helpers.tables import Table, address, domain

#: pandoc's name for the form: quotation marks as they stand, because Typst would choose wrong ones after a bracket.
FORM = "typst-citations-smart"


def typst_text(text: str) -> str:
    """Text as Typst content that reads as it stands."""
    return re.sub(r"([\\*_`$<>@#\[\]~\"'/=+-])", r"\\\1", text)


def typst_string(text: str) -> str:
    """Text as a string in Typst's language, on one line."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'


def _typst_figure(asset: Asset, label: str) -> str:
    meta = asset.meta
    sources = "; ".join(provenance.words(meta.get("sources") or []))
    return (
        f"#report-figure(image({typst_string(slug(asset.key) + '.svg')}, width: 100%, alt: "
        f"{typst_string(meta['alt'])}), "
        f"[{typst_text(label)}], [{typst_text(meta['title'])}], [{typst_text(meta.get('subtitle') or '')}], "
        f"[{typst_text('Source: ' + sources) if sources else ''}]) <{anchor(asset)}>"
    )


def _too_long(text: str, share: float) -> bool:
    """Whether a word of the text, or the site it links to, may not fit on a line of its column."""
    link = address(text)
    words = [domain(link)] if link else re.split(r"[\s_/–-]+", text)
    return WIDE * max(map(len, words)) > share - MARGIN + 0.1


def typst_table(made: Table, identifier: str, label: str) -> str:
    """A captioned Typst table whose header repeats; wide ones are set smaller, and the widest on a turned page. A
    short one stays whole."""
    made = for_paper(made)
    shares, size, _ = layout(made)
    whole = kind_of(made) == "short"
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
            shown = f"link({typst_string(link)})[{typst_text(domain(link))}]" if link else f"[{plain}]"
            # Words are divided only where one is too long for the column: to try it in every cell takes Typst long.
            cells.append(f"text(hyphenate: true, {shown})" if _too_long(text, share) else shown)
        rows.append(", ".join(cells))
    sources = "; ".join(provenance.words(made.sources))
    foot = " ".join(t for t in (made.note, f"Source: {sources}" if sources else "") if t)
    body = ",\n".join(rows)
    # Rows in lines of letters; between them the cells' own margins.
    first = lines_of(replace(made, cells=made.cells[:FIRST_ROWS]), shares)
    keep = f"#keep-together({first}, {FIRST_ROWS}, {size})\n" if not whole else ""
    return (
        f"{keep}#report-table((columns: ({columns},), align: ({align},), size: {size}, whole: {str(whole).lower()}), ({heads},), ({body},), "
        f"[{typst_text(label)}], [{typst_text(made.title)}], [{typst_text(foot)}]) <{identifier}>"
    )


_MOVES = {"figure", "short", "turned"}  # what can stand elsewhere than where the text has it
_RUN = 4  # turned tables one after another that share turned pages rather than take one each


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
        marks = marks_of(block)
        if block["t"] == "Header" and block["c"][0] == 1:
            long = False
        if marks & _MOVES and not ("short" in marks and long) and place not in together:
            block = marked(block["c"][1], *block["c"][0][1], "afloat")
        if marks & {"short", "long", "turned"}:
            long = "long" in marks or (long and "short" in marks)
        out.append(block)
    return _after_the_first(out[::-1])


def _in_a_row(blocks: list[Node]) -> set[int]:
    """The places of turned tables of which several follow one another, with no more than headings between."""
    found: set[int] = set()
    run: list[int] = []
    for place, block in enumerate([*blocks, None]):
        if "turned" in marks_of(block):
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
        if block is not None and under and "afloat" in marks_of(block):
            waiting.append(block)
            continue
        if block is None or block["t"] == "Header":
            if waiting:  # nothing else stands under the heading
                first = waiting[0]
                waiting[0] = marked(first["c"][1], *(marks_of(first) - {"afloat"}))
            out += waiting if block is None else [*waiting, block]
        else:
            out += [block, *waiting]
        waiting, under = [], block is not None and block["t"] == "Header"
    return out


def _set(blocks: list[Node]) -> list[Node]:
    """Marked figures and tables as plain Typst, those afloat told so; turned ones that stay are left marked."""
    out: list[Node] = []
    for block in blocks:
        marks = marks_of(block)
        if not marks & {*_MOVES, "long", "box"} or ("turned" in marks and "afloat" not in marks):
            out.append(block)
        elif "turned" in marks:
            out += [raw_block("typst", "#sideways["), *block["c"][1], raw_block("typst", "]")]
        elif "afloat" in marks:
            out += [raw_block("typst", _afloat_call(b["c"][1])) for b in block["c"][1]]
        else:
            out += block["c"][1]
    return out


def _afloat_call(call: str) -> str:
    return call.replace("(", "(afloat: true, ", 1)


def typst_source(tree: Node, manuscript: Manuscript, numbering: Numbering, edition: Edition, work: Path) -> None:
    """The report in Typst's language, with its pictures, in the scratch folder `work`; `pdf` makes the pages of it."""
    used_labels: set[str] = set()

    def dress(node: Node) -> Any:
        if node["t"] == "Span":
            _, classes, _pairs = attributes(node)
            if "fact" in classes:
                return node["c"][1]
        if node["t"] == "Div":
            identifier, classes, pairs = attributes(node)
            if "asset" in classes:
                key = f"{pairs['kind']}:{pairs['key']}"
                asset, label = manuscript.assets[key], numbering.labels[key]
                used_labels.add(anchor(asset))
                if asset.kind == "table":
                    made = table(asset)
                    call = raw_block("typst", typst_table(made, anchor(asset), label))
                    return marked([call], kind_of(for_paper(made)))
                (work / f"{slug(asset.key)}.svg").write_text(asset.drawing(), encoding="utf-8")
                return marked([raw_block("typst", _typst_figure(asset, label))], "figure")
            if {"gap", "key", "callout"} & set(classes):
                begin = f"#callout(kind: {typst_string(classes[0])})["
                return marked([raw_block("typst", begin), *node["c"][1], raw_block("typst", "]")], "box")
            if identifier == "refs":
                return marked([raw_block("typst", "#references-list["), *node["c"][1], raw_block("typst", "]")], "box")
        if node["t"] == "Header":
            level, (identifier, classes, pairs), inlines = node["c"]
            mark = dict(pairs).get("number", "")
            if level == 1 and "annex" in classes:
                inlines = [*inlines_of(f"Annex {mark}: "), *inlines]
            elif mark:
                inlines = [*inlines_of(mark), raw_inline("typst", "#h(0.6em)"), *inlines]
            return {"t": "Header", "c": [level, [identifier, [], []], inlines]}
        return None

    turned, back = raw_block("typst", "#page(flipped: true)["), raw_block("typst", "]")
    blocks = turn(_set(afloat(walk(tree["blocks"], dress))), turned, back)
    body = written({**tree, "blocks": blocks, "meta": {}}, FORM, edition)
    said = manuscript.words
    gaps = "Not part of this build: " + ", ".join(manuscript.missing) + "." if manuscript.missing else ""
    main = (
        '#import "report.typ": *\n#show: report.with('
        f"title: {typst_string(said['title'])}, subtitle: {typst_string(said['subtitle'])}, author: "
        f"{typst_string(said['author'])}, "
        f"description: {typst_string(said['description'])}, date: {typst_string(edition.date)}, gaps: "
        f"{typst_string(gaps)})\n\n{body}"
    )
    (work / "main.typ").write_text(main, encoding="utf-8")
    (work / "report.typ").write_text((TEMPLATES / "report.typ").read_text(encoding="utf-8"), encoding="utf-8")


def _matplotlib_fonts() -> Path:
    """Where matplotlib keeps its fonts, a typewriter's among them. Importing it for this would take a third of a second."""
    found = importlib.util.find_spec("matplotlib")
    assert found is not None and found.origin is not None
    return Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"


def pdf(edition: Edition, work: Path) -> bytes:
    """The tagged PDF, PDF/UA-1, that Typst makes of what `typst_source` put in `work`."""
    import typst

    try:
        compiler = typst.Compiler(
            str(work / "main.typ"),
            root=str(work),
            font_paths=[str(TEMPLATES / "fonts"), str(_matplotlib_fonts())],
            ignore_system_fonts=True,
        )
        made = compiler.compile(format="pdf", pdf_standards=["ua-1"], timestamp=edition.epoch)
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
    listed = table[1]
    entries = [listed[at : at + 20] for at in range(0, len(listed), 20)]
    places = sorted(
        pdf.index(b"/Type/Page/", int(entries[objects[n - 1]][:10])) + len(b"/Type/Page") for n in set(numbers)
    )

    def moved(offset: int) -> int:
        return offset + len(_TURN) * bisect.bisect_left(places, offset)

    pieces = [pdf[a:b] for a, b in zip([0, *places], [*places, table.start(1)], strict=True)]
    fresh = [b"%010d" % moved(int(e[:10])) + e[10:] if e[17:18] == b"n" else e for e in entries]
    rest = pdf[table.end(1) : table.start(2)] + b"%d" % moved(int(table[2])) + pdf[table.end(2) :]
    return _TURN.join(pieces) + b"".join(fresh) + rest
