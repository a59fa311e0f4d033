"""The written assessment: put together from the chapters' notebooks, rendered three ways, and published whole or not
at all."""

from __future__ import annotations

import concurrent.futures
import datetime
import html
import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers import (
    chapter,
    facts,
    files,
    manuscript,
    notebook_pages,
    paths,
    provenance,
    readability,
    syntax,
    tables,
    typeset,
    webpage,
    worddocument,
)
from helpers.errors import AssessError
from helpers.manuscript import Manuscript, escaped
from helpers.syntax import Edition

CLAIM_COLUMNS = ("claim_id", "chapter", "claim", "who_says", "source_url", "verdict", "strength", "facts", "reason")
CLAIMS_CHAPTER = "09_claims"
FILES = (
    "facts.json",
    "effects.csv",
    "claims.csv",
    "figures",
    "notebooks",
    "docs",
    "assessment.html",
    "assessment.pdf",
    "assessment.docx",
)


def publish(chapters_dir: Path, out: Path) -> Path:
    """Make the report in `out` from what the chapters wrote in `chapters_dir`; gives the path of the HTML page.

    Writes facts.json, effects.csv, claims.csv, figures/, notebooks/, docs/ (the guides as pages), assessment.html, .pdf and .docx. Listed chapters that have
    not been built are stated gaps. On any error `out` keeps what it had. The same input gives the same bytes.
    """
    entries = chapter.listed()
    policy = paths.raw() / "councils" / "policy_figures.csv"
    made = manuscript.build(chapters_dir, entries, policy, _generated(chapters_dir))
    for key, asset in _generated_tables(chapters_dir).items():
        made.assets[key] = asset
    _add_reading_ease(made)
    edition = _edition()
    out.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".report.", dir=out))
    try:
        with concurrent.futures.ThreadPoolExecutor(1, initializer=_step_back) as pool:
            # What does not need the words read, while pandoc reads them.
            drawn = pool.submit(webpage.drawings, made)
            beside = [
                pool.submit(_write_data, staging, chapters_dir, entries, made),
                pool.submit(_write_notebooks, staging, chapters_dir, entries, made),
                pool.submit(_write_guides, staging),
            ]
            _render(staging, made, edition, drawn)
            for written in beside:
                written.result()
        replace_files(staging, out, FILES)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return out / "assessment.html"


def _edition() -> Edition:
    """The date of the data: SOURCE_DATE_EPOCH when set, else the newest publication date in the catalogue."""
    named = os.environ.get("SOURCE_DATE_EPOCH")
    dates = [r.released[:10] for r in provenance.resources().values()]
    newest = max((d for d in dates if len(d) == 10 and d[4] == "-"), default="")
    try:
        moment = (
            datetime.datetime.fromtimestamp(int(named), tz=datetime.UTC)
            if named
            else datetime.datetime.fromisoformat(newest).replace(tzinfo=datetime.UTC)
            if newest
            else datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        )
    except ValueError as error:
        raise AssessError(f"The date of the data cannot be read ({named or newest!r}): {error}.") from error
    words = f"Newest source: {moment.day} {moment:%B %Y}" if newest or named else "Sources as published"
    glossary_path = Path(__file__).with_name("glossary.yaml")
    glossary = files.read_yaml(glossary_path) if glossary_path.is_file() else []
    return Edition(words, int(moment.timestamp()), paths.root() / "docs" / "references.bib", glossary)


def _render(
    staging: Path, made: Manuscript, edition: Edition, drawn: concurrent.futures.Future[dict[str, str]]
) -> None:
    """Write the page, the PDF and the Word file into `staging`."""
    tree, numbering = syntax.number(syntax.parse(made.markdown(), edition), made)
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        (work / "pdf").mkdir()
        (work / "docx").mkdir()
        # pandoc and Typst do the work outside Python, so threads are enough to use two cores.
        # The PDF takes longest, so it goes first, and what is not needed for it steps back.
        typeset.typst_source(tree, made, numbering, edition, work / "pdf")
        with concurrent.futures.ThreadPoolExecutor(2, initializer=_step_back) as pool:
            word = pool.submit(worddocument.document, tree, made, numbering, edition, work / "docx")
            page = pool.submit(webpage.page, tree, made, numbering, edition, drawn.result())
            (staging / "assessment.pdf").write_bytes(typeset.pdf(edition, work / "pdf"))
            (staging / "assessment.html").write_text(page.result(), encoding="utf-8", newline="\n")
            (staging / "assessment.docx").write_bytes(word.result())


def _step_back() -> None:
    """Let the main thread go first: what it does takes longest. Only where threads have priorities of their own."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


# Data files


def _write_data(staging: Path, folder: Path, entries: Sequence[Mapping[str, Any]], made: Manuscript) -> None:
    (staging / "facts.json").write_text(facts.to_json(made.facts.values()), encoding="utf-8", newline="\n")
    lines = [",".join(chapter.EFFECT_COLUMNS)]
    for entry in entries:
        path = folder / str(entry["name"]) / "effects.csv"
        if path.is_file():
            head, *rest = path.read_text(encoding="utf-8").splitlines()
            if head != lines[0]:
                raise AssessError(f"{path}: expected the columns {lines[0]}, found {head}.")
            lines += [line for line in rest if line]
    (staging / "effects.csv").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    claims = folder / CLAIMS_CHAPTER / "claims.csv"
    if claims.is_file():
        text = claims.read_text(encoding="utf-8")
        head = text.split("\n", 1)[0].strip()
        if head != ",".join(CLAIM_COLUMNS):
            raise AssessError(f"{claims}: expected the columns {','.join(CLAIM_COLUMNS)}, found {head}.")
    else:
        text = ",".join(CLAIM_COLUMNS) + "\n"
    (staging / "claims.csv").write_text(text, encoding="utf-8", newline="\n")
    figures = staging / "figures"
    figures.mkdir()
    (figures / "index.html").write_text(_gallery(made, entries), encoding="utf-8", newline="\n")
    for asset in made.assets.values():
        if asset.kind == "figure":
            for ending in (".svg", ".png", ".csv"):
                shutil.copyfile(asset.path(ending), figures / f"{asset.chapter}-{asset.name}{ending}")


def _write_notebooks(staging: Path, folder: Path, entries: Sequence[Mapping[str, Any]], made: Manuscript) -> None:
    """A page for each executed notebook, where the report's numbers and figures lead."""
    (staging / "notebooks").mkdir()
    for entry in entries:
        name = str(entry["name"])
        path = folder / name / "notebook.ipynb"
        if path.is_file():
            page = notebook_pages.page(path, name, str(entry.get("title", name)), made.assets)
            (staging / "notebooks" / f"{name}.html").write_text(page, encoding="utf-8", newline="\n")


def _write_guides(staging: Path) -> None:
    """A page for each guide of docs/."""
    (staging / "docs").mkdir()
    for path in sorted((paths.root() / "docs").glob("*.md")):
        page = notebook_pages.document(path)
        (staging / "docs" / f"{path.stem}.html").write_text(page, encoding="utf-8", newline="\n")


def _gallery(made: Manuscript, entries: Sequence[Mapping[str, Any]]) -> str:
    """A page of every figure under its chapter's heading, each with its title, alt text and files."""
    titles = {str(entry["name"]): str(entry.get("title") or entry["name"]) for entry in entries}
    parts = []
    for chapter_name, title in titles.items():
        items = "\n".join(
            _gallery_item(asset)
            for asset in made.assets.values()
            if asset.kind == "figure" and asset.chapter == chapter_name
        )
        if items:
            parts.append(f'<h2 id="{html.escape(chapter_name)}">{html.escape(title)}</h2>\n<ul>{items}</ul>')
    title = html.escape(f"Figures: {made.words['title']}")
    fonts = (manuscript.TEMPLATES / "fonts" / "fonts.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en-GB"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{fonts}{_GALLERY_STYLE}</style></head><body><main><h1>{title}</h1>"
        '<p><a href="../assessment.html">Back to the report</a></p>' + "\n".join(parts) + "</main></body></html>\n"
    )


def _gallery_item(asset: manuscript.Asset) -> str:
    name = f"{asset.chapter}-{asset.name}"
    said = html.escape(asset.meta["title"])
    links = " ".join(
        f'<a href="{name}.{kind}">{kind.upper()}<span class="vh"> of {said}</span></a>'
        for kind in ("svg", "png", "csv")
    )
    return (
        f'<li id="{name}"><figure><img src="{name}.png" alt="{html.escape(asset.meta["alt"])}" loading="lazy">'
        f"<figcaption>{said}</figcaption></figure><p>{links}</p></li>"
    )


_GALLERY_STYLE = """
body { font: 1rem/1.5 "Assess Sans", "Helvetica Neue", Arial, sans-serif; color: #1d2730; background: #fff; margin: 0; }
main { max-width: 90rem; margin: 0 auto; padding: 1.5rem; }
h1, h2 { line-height: 1.2; font-weight: 600; } h2 { margin: 3rem 0 1rem; padding-top: 1rem; border-top: 4px solid #12436d; }
ul { list-style: none; padding: 0; display: grid; gap: 2rem; }
ul { grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); }
li { border: 1px solid #d3d9de; border-radius: 4px; padding: 1rem; }
li p { margin: .4rem 0 0; display: flex; gap: 1rem; } li a { min-height: 24px; }
figure { margin: 0; } figcaption { font-weight: 600; line-height: 1.3; margin-top: .6rem; }
img { width: 100%; height: auto; }
a { color: #12508a; }
.vh { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
"""


def replace_files(staging: Path, out: Path, names: Sequence[str]) -> None:
    """Put every one of `names` from `staging` into `out`, or, if one cannot be put there, none."""
    aside = Path(tempfile.mkdtemp(prefix=".previous.", dir=out))
    done: list[str] = []
    try:
        for name in names:
            if (out / name).exists():
                os.replace(out / name, aside / name)
            done.append(name)
            os.replace(staging / name, out / name)
    except OSError as error:
        for name in done:
            if (aside / name).exists():
                if (out / name).is_dir():
                    shutil.rmtree(out / name, ignore_errors=True)
                os.replace(aside / name, out / name)
        raise AssessError(f"The report could not be put in {out}, which is as it was: {error}.") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


# Annexes made from data


def _generated(folder: Path) -> dict[str, str]:
    out = {}
    logs = []
    docs = paths.root() / "docs"
    for file, title in (("assumptions", "Assumptions"), ("caveats", "Caveats"), ("qa_plan", "Quality assurance plan")):
        if (docs / f"{file}.yaml").is_file():
            logs.append(f'## {title}\n\n::: {{.asset kind="table" key="annex/{file}"}}\n:::')
    if provenance.resources():
        logs.append('## Data log\n\n::: {.asset kind="table" key="annex/data-log"}\n:::')
    if logs:
        out["annex-e"] = "\n\n".join(logs)
    path = Path(__file__).with_name("glossary.yaml")
    if path.is_file():
        entries = files.read_yaml(path)
        terms = []
        for entry in sorted(entries, key=lambda e: str(e["term"]).lower()):
            attributes = (
                f"#term-{syntax.slug(str(entry['term']))} .term-entry "
                f'text="{str(entry["text"]).replace(chr(34), "&quot;")}"'
            )
            terms.append(
                f"::: {{{attributes}}}\n**{escaped(str(entry['term']))}** -- {escaped(str(entry['text']))}\n:::"
            )
        out["annex-f"] = "\n\n".join(terms)
    kept = folder / CLAIMS_CHAPTER / "files.json"
    shown = json.loads(kept.read_text(encoding="utf-8")).get("tables") if kept.is_file() else []
    if (folder / CLAIMS_CHAPTER / "claims.csv").is_file() and not shown:
        # The register's own notebook may show it by theme; it is not printed twice.
        out["annex-c"] = '::: {.asset kind="table" key="annex/claims"}\n:::'
    return out


def _add_reading_ease(made: Manuscript) -> None:
    """How easily the summary reads, at the end of Annex E."""
    summary, annex = (next(s for s in made.sections if s.id == id) for id in ("summary", "annex-e"))
    if summary.missing:
        return
    try:
        reading = readability.measure(readability.plain("\n\n".join(summary.text)))
    except ValueError:  # no sentence in it to measure
        return
    rows = [
        ("Reading ease (Flesch: 60 to 70 is plain English, below 30 is for specialists)", f"{reading.ease:.0f}"),
        ("Words in a sentence, on average", f"{reading.words_a_sentence:.0f}"),
        ("Words in the longest sentence", str(reading.longest)),
        ("Words in all", str(reading.words)),
    ]
    made.assets["table:annex/reading-ease"] = _text_table(
        "reading-ease", "How easily the executive summary reads", ("Measure", "Summary"), rows
    )
    if annex.missing:
        annex.text, annex.missing = [], False
    annex.text.append('## Reading ease\n\n::: {.asset kind="table" key="annex/reading-ease"}\n:::')


def _asset(name: str, made: tables.Table) -> manuscript.Asset:
    return manuscript.Asset("table", "annex", name, Path(), made.record())


def _text_table(
    name: str, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], note: str = ""
) -> manuscript.Asset:
    cells = tuple(tuple(row) for row in rows)
    return _asset(name, tables.Table(name, title, tuple(tables.Column(c, False) for c in columns), cells, cells, note))


def _generated_tables(folder: Path) -> dict[str, manuscript.Asset]:
    import csv

    out: dict[str, manuscript.Asset] = {}
    docs = paths.root() / "docs"
    for file, title, last in (
        ("assumptions", "What the assessment takes as given", "Support"),
        ("caveats", "What to bear in mind", "How well understood"),
        ("qa_plan", "What is checked", "When and how"),
    ):
        path = docs / f"{file}.yaml"
        if not path.is_file():
            continue
        entries: list[Mapping[str, Any]] = files.read_yaml(path) or []
        for entry in entries:
            missing = [k for k in ("id", "text", "affects", "quality") if not entry.get(k)]
            if missing:
                raise AssessError(
                    f"docs/{file}.yaml, entry {entry.get('id', entries.index(entry) + 1)}: no {missing[0]}."
                )
        rows = [[str(e["id"]), str(e["text"]), str(e["affects"]), str(e["quality"])] for e in entries]
        out[f"table:annex/{file}"] = _text_table(file, title, ("Id", "What", "Affects", last), rows)
    log = []
    for r in provenance.resources().values():
        # The project's own tables have no address but the file; what they rest on has a column in each.
        where = f"data/raw/{r.record['path']}" if r.own else r.link
        log.append([r.name, r.words(), r.released or tables.MISSING, where or tables.MISSING])
    if log:
        out["table:annex/data-log"] = _text_table(
            "data-log", "Inputs, from the catalogue", ("Resource", "Publication", "Published", "Where"), log
        )
    path = folder / CLAIMS_CHAPTER / "claims.csv"
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as handle:
            found = list(csv.DictReader(handle))
        rows = [
            [
                r.get(c) or tables.MISSING
                for c in ("claim_id", "claim", "who_says", "source_url", "verdict", "strength", "reason")
            ]
            for r in found
        ]
        columns = ("Id", "Claim", "Who says it", "Where", "Verdict", "Strength", "Why")
        out["table:annex/claims"] = _text_table("claims", "Every claim, with its verdict and the reason", columns, rows)
    return out
