"""The report as a Word document with real styles, captions, table headings and alt text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from helpers import provenance, wordfile, wordstyles
from helpers.manuscript import Manuscript, table
from helpers.paper import for_paper, if_turned, layout, turn
from helpers.syntax import Edition, Node, Numbering, anchor, attributes, inlines_of, raw_block, slug, walk, written
from helpers.tables import Table


def _custom(style: str, blocks: list[Node]) -> Node:
    return {"t": "Div", "c": [["", [], [["custom-style", style]]], blocks]}


def _docx_table(made: Table, identifier: str, label: str, held: wordfile.Held) -> list[Node]:
    made = for_paper(made)
    shares, size, turned = layout(made)
    mark = {"t": "Span", "c": [[identifier, [], []], [{"t": "Strong", "c": inlines_of(f"{label}. ")}]]}
    caption = _custom("Table Caption", [{"t": "Para", "c": [mark, *inlines_of(made.title)]}])
    grid = raw_block("openxml", held.table(made, shares, size != "8.5pt", turned, f"{label}. {made.title}"))
    sources = "; ".join(provenance.words(made.sources))
    foot = " ".join(t for t in (made.note, f"Source: {sources}" if sources else "") if t)
    return [caption, grid, *([_custom("Source", [{"t": "Para", "c": inlines_of(foot)}])] if foot else [])]


def _docx_size(png: bytes) -> list[list[str]]:
    """Width and height of a figure that fills the page's width, unless it would be too high for the page."""
    across, down = int.from_bytes(png[16:20]), int.from_bytes(png[20:24])
    width = round(min(wordfile.TEXT_WIDTH, wordfile.FIGURE_HEIGHT * across / down), 2)
    return [["width", f"{width}in"], ["height", f"{width * down / across:.5f}in"]]


def document(tree: Node, manuscript: Manuscript, numbering: Numbering, edition: Edition, work: Path) -> bytes:
    """The report as a Word document with real styles, captions, table headings and alt text."""
    held = wordfile.Held()

    def dress(node: Node) -> Any:
        if node["t"] == "Span":
            _, classes, _pairs = attributes(node)
            if "fact" in classes:
                return node["c"][1]
        if node["t"] == "Div":
            _, classes, pairs = attributes(node)
            if "asset" in classes:
                key = f"{pairs['kind']}:{pairs['key']}"
                asset, label = manuscript.assets[key], numbering.labels[key]
                if asset.kind == "table":
                    made = table(asset)
                    return if_turned(made, _docx_table(made, anchor(asset), label, held))
                meta = asset.meta
                # The name of a picture is kept in the file: it must not tell where the report was made.
                picture = f"{slug(asset.key)}.png"
                png = asset.path(".plain.png").read_bytes()
                (work / picture).write_bytes(held.picture(png, picture))
                image = {
                    "t": "Image",
                    "c": [["", [], _docx_size(png)], inlines_of(meta["alt"]), [picture, ""]],
                }
                mark = {"t": "Span", "c": [[anchor(asset), [], []], [{"t": "Strong", "c": inlines_of(f"{label}. ")}]]}
                out = [_custom("Image Caption", [{"t": "Para", "c": [mark, *inlines_of(meta["title"])]}])]
                if meta.get("subtitle"):
                    out.append(_custom("Figure Subtitle", [{"t": "Para", "c": inlines_of(meta["subtitle"])}]))
                out.append(_custom("Captioned Figure", [{"t": "Para", "c": [image]}]))
                sources = "; ".join(provenance.words(meta.get("sources") or []))
                if sources:
                    out.append(_custom("Source", [{"t": "Para", "c": inlines_of(f"Source: {sources}")}]))
                return out
            if {"gap", "key", "callout"} & set(classes):
                return _custom("Callout", node["c"][1])
        if node["t"] == "Header":
            level, (identifier, classes, pairs), inlines = node["c"]
            mark = dict(pairs).get("number", "")
            if mark:
                inlines = [
                    *inlines_of(f"Annex {mark}: " if level == 1 and "annex" in classes else f"{mark} "),
                    *inlines,
                ]
            return {"t": "Header", "c": [level, [identifier, [], []], inlines]}
        return None

    upright, turned = (raw_block("openxml", wordfile.section(flipped)) for flipped in (False, True))
    blocks = turn(walk(tree["blocks"], dress), upright, turned)
    said = manuscript.words

    def meta(text: str) -> Node:
        return {"t": "MetaInlines", "c": inlines_of(text)}

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
                [{"t": "Para", "c": inlines_of("Not part of this build: " + ", ".join(manuscript.missing) + ".")}],
            ),
        )
    reference, target = work / "reference.docx", work / "assessment.docx"
    wordstyles.write(reference)
    written(
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
