"""The report as one text: the chapters' executed notebooks put in order, with figures, tables and facts still by name.

The result is pandoc Markdown with three marks of our own, which `webpage`, `typeset` and `worddocument` turn into HTML, Typst and Word:
`[154,489]{.fact key="national.requests.2024"}` for a number, and empty `::: {.asset kind="figure"
key="chapter/name"}` and
`kind="table"` blocks for what a cell showed.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers import facts, files, prose, tables
from helpers.errors import AssessError
from helpers.facts import Facts
from helpers.tables import Table

TEMPLATES = Path(__file__).parent / "templates"
ANNEXES = "abcdef"
SECTION_TAGS = ("summary", "introduction", "conclusions", *(f"annex-{letter}" for letter in ANNEXES))
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~^$@])")


@dataclass(frozen=True)
class Asset:
    """A figure or table a chapter kept: its folder, metadata, and the code that made it."""

    kind: str
    chapter: str
    name: str
    folder: Path
    meta: dict[str, Any]
    code: str = ""
    cell: int | None = None

    @property
    def key(self) -> str:
        """ "chapter/name": unique in the report."""
        return f"{self.chapter}/{self.name}"

    def path(self, ending: str) -> Path:
        """One of its files, such as ".plain.svg"."""
        return self.folder / f"{self.name}{ending}"

    def drawing(self) -> str:
        """The figure as SVG, its places to a hundredth of a point: finer than any printer."""
        return re.sub(r"(?<=\.\d\d)\d+", "", self.path(".plain.svg").read_text(encoding="utf-8"))


@dataclass
class Section:
    """One top-level part of the report. `number` is "5", "A" or empty."""

    id: str
    title: str
    number: str = ""
    chapter: str = ""
    text: list[str] = field(default_factory=list)
    missing: bool = False
    kind: str = "chapter"  # front, chapter, annex, back

    @property
    def heading(self) -> str:
        """The title as printed."""
        if not self.number:
            return self.title
        return f"Annex {self.number}: {self.title}" if self.kind == "annex" else f"{self.number} {self.title}"


@dataclass
class Manuscript:
    """The report before it takes a form."""

    sections: list[Section]
    assets: dict[str, Asset]
    facts: Facts
    used: list[str]
    missing: list[str]
    words: dict[str, Any]
    lines: dict[str, str] = field(default_factory=dict)  # fact -> what it is, in plain words

    def markdown(self) -> str:
        """The whole as pandoc Markdown."""
        parts = []
        for section in self.sections:
            attributes = f'#{section.id} .{section.kind} number="{section.number}" chapter="{section.chapter}"'
            parts.append(f"# {escaped(section.title)} {{{attributes}}}")
            parts.extend(section.text)
        return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text that pandoc reads as it stands."""
    return _MARKDOWN.sub(r"\\\1", text)


@dataclass(frozen=True)
class Cell:
    """A notebook cell as the assembler sees it."""

    position: int
    kind: str
    source: str
    tags: frozenset[str]
    shown: tuple[tuple[str, str], ...]  # ("figure" or "table", name)
    count: int | None


def cells(path: Path) -> list[Cell]:
    """The cells of an executed notebook."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        found = []
        for position, cell in enumerate(notebook["cells"], start=1):
            marks = [o.get("metadata", {}).get("assess", {}) for o in cell.get("outputs", [])]
            shown = tuple((kind, mark[kind]) for mark in marks for kind in ("figure", "table") if kind in mark)
            source = cell["source"]
            found.append(
                Cell(
                    position,
                    cell["cell_type"],
                    source if isinstance(source, str) else "".join(source),
                    frozenset(cell.get("metadata", {}).get("tags", [])),
                    shown,
                    cell.get("execution_count"),
                )
            )
        return found
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AssessError(f"{path} is not a readable executed notebook: {error}.") from error


def _all_facts(folder: Path, names: Sequence[str], policy: Path) -> Facts:
    owner: dict[str, str] = {}
    gathered = facts.policy(policy)
    owner.update({fact.id: policy.name for fact in gathered})
    for name in names:
        path = folder / name / "facts.json"
        if not path.is_file():
            continue
        for fact in facts.read(path):
            if fact.id in owner:
                raise AssessError(
                    f"Fact {fact.id!r} is recorded by both {owner[fact.id]} and {name}; a fact has one home."
                )
            owner[fact.id] = name
            gathered.append(fact)
    return Facts(gathered)


def _assets(folder: Path, chapter: str) -> Iterator[Asset]:
    order_path = folder / "files.json"
    if not order_path.is_file():
        return
    order = json.loads(order_path.read_text(encoding="utf-8"))
    for kind in ("figure", "table"):
        for name in order.get(f"{kind}s", []):
            home = folder / f"{kind}s"
            try:
                meta = json.loads((home / f"{name}.json").read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise AssessError(
                    f"Chapter {chapter} lists {kind} {name!r}, but {home / name}.json cannot be read: {error}."
                ) from error
            yield Asset(kind, chapter, name, home, meta)


def _shift(text: str, by: int) -> str:
    """Headings made `by` levels deeper; fenced code is left alone."""
    if not by:
        return text
    out, fenced = [], False
    for line in text.split("\n"):
        if line.startswith("```"):
            fenced = not fenced
        out.append("#" * by + line if not fenced and re.match(r"#{1,5} ", line) else line)
    return "\n".join(out)


class _Writer:
    """Turns the cells of one chapter into text for one or more sections."""

    def __init__(self, known: Facts, assets: dict[str, Asset], used: dict[str, None]) -> None:
        self.known, self.assets, self.used = known, assets, used
        self.lines: dict[str, str] = {}  # fact -> the first sentence that uses it

    def _prose(self, text: str, chapter: str, cell: Cell) -> str:
        def write(hole: prose.Placeholder, filled: str) -> str:
            self.used.setdefault(hole.id)
            return f'[{escaped(filled)}]{{.fact key="{hole.id}"}}'

        try:
            made = prose.fill(text, self.known, write)
        except AssessError as error:
            raise AssessError(f"{chapter}, cell {cell.position}: {error}") from error
        for id, sentence in sentences(made):
            self.lines.setdefault(id, sentence)
        return made

    def pieces(self, chapter: str, path: Path) -> Iterator[tuple[Cell, str]]:
        """Each cell that shows something, with its text for the report. Level-1 headings are dropped: the section has
        its own."""
        pending: list[str] = []
        for cell in cells(path):
            if "parameters" in cell.tags or "injected-parameters" in cell.tags:
                continue
            if cell.kind == "markdown":
                text = re.sub(r"(?m)^# .*\n?", "", cell.source).strip()
                if text and "hide" not in cell.tags:
                    yield cell, self._references(text, chapter)
                continue
            if cell.kind != "code":
                continue
            body = prose.body(cell.source)
            if body is not None:
                if "hide" not in cell.tags:
                    text = re.sub(r"(?m)^# .*\n?", "", body)
                    yield cell, self._references(self._prose(text, chapter, cell), chapter)
                continue
            pending.append(cell.source.strip())
            if not cell.shown:
                continue
            code, pending = "\n\n".join(pending), []
            if "hide" in cell.tags:
                continue
            blocks = []
            for kind, name in cell.shown:
                key = f"{chapter}/{name}"
                found = self.assets.get(f"{kind}:{key}")
                if found is None:
                    raise AssessError(
                        f"{chapter}, cell {cell.position} shows {kind} {name!r}, which the chapter did not "
                        f"keep; does it end with book.finish()?"
                    )
                self.assets[f"{kind}:{key}"] = Asset(kind, chapter, name, found.folder, found.meta, code, cell.count)
                blocks.append(f'::: {{.asset kind="{kind}" key="{key}"}}\n:::')
            yield cell, "\n\n".join(blocks)

    @staticmethod
    def _references(text: str, chapter: str) -> str:
        """Remember which chapter a bare [](#fig-name) was written in, because names are unique only there."""
        return re.sub(r"\[\]\(#(fig|tab)-([a-z0-9_-]+)\)", rf'[]{{.ref kind="\1" name="\2" chapter="{chapter}"}}', text)


_FACT = re.compile(r'\[((?:[^\]\\]|\\.)*)\]\{\.fact key="([^"]+)"\}')
_REFERENCE = re.compile(r"\[\]\(#(fig|tab)-[^)]*\)")
_MARKS = re.compile(  # what is escaped is kept
    r"\\(.)|\s*\[-?@[^\]]*\]|\s*\(\[\]\([^)]*\)\)|\[\^[^\]]*\]:?|^#+ .*$|^:::.*$|^[-*>] |[*`]", re.MULTILINE
)
_ENDS = re.compile(r"(?:(?<=[.!?])|(?<=[.!?]\*\*))\s+(?=[^a-z\s])|\n\s*\n|\n(?=[-*>] )")


def sentences(text: str) -> Iterator[tuple[str, str]]:
    """Each fact that a filled text links to, with the sentence that holds it as plain words."""
    for piece in _ENDS.split(text):
        held = [id for _, id in _FACT.findall(piece)]
        if held:
            plain = _MARKS.sub(r"\1", _FACT.sub(r"\1", piece))
            plain = _REFERENCE.sub(lambda found: {"fig": "the figure", "tab": "the table"}[found[1]], plain)
            plain = " ".join(plain.split())
            yield from ((id, plain) for id in held)


def _told(folder: Path, policy: Path) -> dict[str, str]:
    """What cited figures and verdicts are, by fact: the text of the one, claim and strength of the other."""
    out: dict[str, str] = {}
    if policy.is_file():
        with policy.open(encoding="utf-8-sig", newline="") as handle:
            for row in csv.DictReader(handle):
                id = str(row["id"]).strip()
                out[id if id.startswith("policy.") else f"policy.{id}"] = str(row.get("text") or "").strip()
    claims = folder / "09_claims" / "claims.csv"
    if claims.is_file():
        with claims.open(encoding="utf-8", newline="") as handle:
            for row in csv.DictReader(handle):
                strength = f" (strength of the evidence: {row['strength']})" if row.get("strength") else ""
                out[f"verdict.{row.get('claim_id')}"] = f"Verdict on the claim: {row.get('claim')}{strength}"
    return {id: text for id, text in out.items() if text}


def words() -> dict[str, Any]:
    """The report's own words: title, names of sections and annexes."""
    told: dict[str, Any] = files.read_yaml(TEMPLATES / "report.yaml")
    return told


def build(
    folder: Path, entries: Sequence[Mapping[str, Any]], policy: Path, extra: Mapping[str, str] | None = None
) -> Manuscript:
    """Read what the chapters wrote in `folder` (data/processed/chapters), in the order of `entries` (chapters.yaml).

    `extra` adds generated Markdown to annexes ("annex-e": ...). A listed chapter without an executed notebook becomes
    a stated gap. Raises AssessError for an unknown fact, a figure that was not kept, or a fact with two homes.
    """
    names = [str(e["name"]) for e in entries]
    known = _all_facts(folder, names, policy)
    said = words()
    assets: dict[str, Asset] = {}
    for name in names:
        for asset in _assets(folder / name, name):
            assets[f"{asset.kind}:{asset.key}"] = asset
    used: dict[str, None] = {}
    writer = _Writer(known, assets, used)

    ends = {
        tag: Section(tag, said["sections"][tag], kind="front") for tag in ("summary", "introduction", "conclusions")
    }
    annexes = {f"annex-{k}": Section(f"annex-{k}", said["annexes"][k], k.upper(), kind="annex") for k in ANNEXES}
    places = {**ends, **annexes}
    chapters: list[Section] = []
    missing: list[str] = []
    for entry in entries:
        name, number = str(entry["name"]), entry.get("number")
        title = str(entry.get("title") or name)
        path = folder / name / "notebook.ipynb"
        numbered = isinstance(number, int) or str(number or "").isdigit()
        own = Section(f"chapter-{name.replace('_', '-')}", title, str(number) if numbered else "", name)
        if numbered:
            chapters.append(own)
        if not path.is_file():
            missing.append(title)
            own.missing = True
            if numbered:
                own.text.append(f"::: gap\n{said['gap']}\n:::")
            continue
        # Where a cell without a tag goes: a numbered chapter's own text, an annex for a lettered one, Annex A for the
        # data
        # chapter; the assessment's cells follow the last section tag.
        home = own if numbered else places.get(f"annex-{str(number).lower()}", places["annex-a"])
        sticky = not numbered and not number and any(SECTION_TAGS[0] in c.tags for c in cells(path))
        current: Section = ends["summary"] if sticky else home
        headed: set[str] = set()
        for cell, text in writer.pieces(name, path):
            tag = next((t for t in SECTION_TAGS if t in cell.tags), None)
            if sticky and tag:
                current = places[tag]
            target = places[tag] if tag else places["annex-b"] if "annex" in cell.tags else current
            first = re.match(r"#{2} (.+?)\s*$", text.split("\n", 1)[0])
            if first and first[1].strip().lower() == target.title.lower():
                text = text.split("\n", 1)[1].strip() if "\n" in text else ""
                if not text:
                    continue
            if target.kind == "annex" and target is not home and not sticky:
                # Annexes gather from several chapters: each gets a heading of its own, except where a table says
                # enough.
                if target.id == "annex-b" and name not in headed:
                    headed.add(name)
                    target.text.append(f"## {escaped(title)}")
                text = _shift(text, 1)
            target.text.append(text)
    for tag, text in (extra or {}).items():
        places[tag].text.append(text)
    numbers = [int(s.number) for s in chapters] or [1]
    ends["introduction"].number, ends["introduction"].kind = "1", "chapter"
    ends["conclusions"].number, ends["conclusions"].kind = str(max(numbers) + 1), "chapter"
    for section in places.values():
        if not section.text:
            section.missing = True
            section.text.append(f"::: gap\n{said['gap']}\n:::")
    ordered = [
        ends["summary"],
        ends["introduction"],
        *sorted(chapters, key=lambda s: int(s.number)),
        ends["conclusions"],
    ]
    references = Section("references", said["sections"]["references"], kind="back", text=["::: {#refs}\n:::"])
    lines = writer.lines | _told(folder, policy)
    return Manuscript([*ordered, references, *annexes.values()], assets, known, list(used), missing, said, lines)


def table(asset: Asset) -> Table:
    """The Table an asset holds."""
    return tables.from_record(asset.meta)
