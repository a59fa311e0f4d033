"""The report's text as pandoc's syntax tree: read once, with its citations, numbered, and ready to be dressed for each form."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import facts as fact_words
from helpers.errors import AssessError
from helpers.manuscript import Asset, Manuscript

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
    tree: Node = joined(json.loads(pandoc(arguments, text, edition.epoch)))
    return tree


def joined(node: Any) -> Any:
    """`node` with words and the spaces between them as one string, where pandoc has a string for each: half the work
    for what reads it. Without line lengths to keep (`--wrap=none`) all forms come out the same."""
    if isinstance(node, list):
        out: list[Any] = []
        run = ""
        for item in node:
            kind = item.get("t") if isinstance(item, dict) else None
            if kind == "Str":
                run += item["c"]
            elif kind in ("Space", "SoftBreak"):
                run += " "
            else:
                out += [*inlines_of(run), joined(item)]
                run = ""
        return out + inlines_of(run)
    if isinstance(node, dict):
        return {key: joined(value) for key, value in node.items()}
    return node


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


def attributes(node: Node) -> tuple[str, list[str], dict[str, str]]:
    """Identifier, classes and other attributes of a heading, a Div or a Span."""
    identifier, classes, pairs = node["c"][1 if node["t"] == "Header" else 0]
    return identifier, classes, dict(pairs)


def inlines_of(text: str) -> list[Node]:
    """Plain text as pandoc has it, in one string; nothing for no text."""
    return [{"t": "Str", "c": re.sub(r"[ \t\r\n]+", " ", text)}] if text else []


def raw_block(form: str, text: str) -> Node:
    """A block that goes unchanged into one form of output."""
    return {"t": "RawBlock", "c": [form, text]}


def raw_inline(form: str, text: str) -> Node:
    """A piece of a line that goes unchanged into one form of output."""
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
    if kind == "LineBreak":
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
            _, classes, pairs = attributes(block)
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
        _, classes, pairs = attributes(node)
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
                return inlines_of(f"a {kind} in a chapter that is not part of this build")
            what = f"more than one {kind}" if options else f"no {kind}"
            raise AssessError(
                f"{pairs['chapter']}: [](#{pairs['kind']}-{pairs['name']}) refers to {what} named "
                f"{pairs['name']!r}{fact_words.near(pairs['name'], listed)}."
            )
        asset = manuscript.assets[options[0]]
        return {"t": "Link", "c": [["", ["xref"], []], inlines_of(found.labels[options[0]]), [f"#{anchor(asset)}", ""]]}

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
                out.extend(inlines_of(run[at : match.start()]))
                out.append(make(word, entry))
                at = match.end()
            out.extend(inlines_of(run[at:]))
            run = ""

        for node in inlines:
            if node["t"] == "Str":
                run += node["c"]
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


def written(tree: Node, form: str, edition: Edition, *options: str) -> str:
    """The tree as pandoc writes it in one form."""
    return pandoc(["-f", "json", "-t", form, "--wrap=none", *options], json.dumps(tree), edition.epoch)
