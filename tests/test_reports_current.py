"""The committed report is what the code and the data give.

Every file of `reports/` is compared with a fresh build. The same bytes are always right. Elsewhere than on the machine
that made the report the last digits of a computation may differ, so otherwise: numbers of facts, effects, claims and
figures' data agree to one part in a thousand million; drawings (SVG) to a thousandth of a point; all other text
exactly. Of the page, drawings and pictures are left out, since their files are compared; of the Word file, its pictures;
of the PDF, its text is compared, by pdftotext. PNG files only have to be there: they are the same figures as the SVG.
"""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / "reports"
FILES = ("facts.json", "effects.csv", "claims.csv", "assessment.html", "assessment.docx", "assessment.pdf")
REMEDY = "run `assess run` and commit reports/."
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", re.IGNORECASE)

Rows = Iterator[tuple[str, str]]


# What of a file is compared: named pieces of text, in order


def table_rows(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as handle:
        head, *rows = csv.reader(handle)
    yield "the columns", ",".join(head)
    for number, row in enumerate(rows, start=2):
        for column, value in zip_longest(head, row, fillvalue=""):
            yield f"row {number} ({row[0]}), {column}", value


def facts_of(path: Path) -> Rows:
    for id, entry in json.loads(path.read_text(encoding="utf-8")).items():
        for field, value in entry.items():
            yield f"{id}, {field}", str(value)


def lines_of(text: str) -> Rows:
    for number, line in enumerate(text.splitlines(), start=1):
        yield f"line {number}", line


def page_lines(path: Path) -> Rows:
    text = path.read_text(encoding="utf-8")
    return lines_of(re.sub(r"<svg\b.*?</svg>|data:image/[^\"')]*", "", text, flags=re.DOTALL))


def document_parts(path: Path) -> Rows:
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist(), key=lambda n: n != "word/document.xml"):
            yield name, ""
            if name.endswith((".xml", ".rels")):
                text = archive.read(name).decode("utf-8").replace("</w:p>", "</w:p>\n")
                yield from ((f"{name}, {where}", line) for where, line in lines_of(text))


def paper_lines(path: Path) -> Rows:
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (poppler-utils) is not installed, and the bytes differ")
    words = ["pdftotext", "-layout", str(path), "-"]
    return lines_of(subprocess.run(words, capture_output=True, check=True, encoding="utf-8").stdout)


def drawing_lines(path: Path) -> Rows:
    """Names inside a drawing are made from its coordinates, so they are left out."""
    return lines_of(re.sub(r"\b[a-z]{1,2}[0-9a-f]{10}\b", "", path.read_text(encoding="utf-8")))


READERS: dict[str, Callable[[Path], Rows]] = {
    ".csv": table_rows,
    ".json": facts_of,
    ".html": page_lines,
    ".docx": document_parts,
    ".pdf": paper_lines,
    ".svg": drawing_lines,
}


def number_agrees(mine: str, theirs: str) -> bool:
    try:
        return math.isclose(float(mine), float(theirs), rel_tol=1e-9, abs_tol=1e-12)
    except ValueError:
        return False


def drawing_agrees(mine: str, theirs: str) -> bool:
    if NUMBER.sub("", mine) != NUMBER.sub("", theirs):
        return False
    pairs = zip(NUMBER.findall(mine), NUMBER.findall(theirs), strict=False)
    return all(math.isclose(float(a), float(b), rel_tol=0, abs_tol=1e-3) for a, b in pairs)


AGREES = {".csv": number_agrees, ".json": number_agrees, ".svg": drawing_agrees}


def difference(committed: Path, made: Path, name: str) -> str:
    """How file `name` of two reports differs first; empty when it does not."""
    if not (committed / name).is_file() or not (made / name).is_file():
        return f"reports/{name} is {'not committed' if (made / name).is_file() else 'no longer made'}: {REMEDY}"
    kind = Path(name).suffix
    if kind == ".png" or (committed / name).read_bytes() == (made / name).read_bytes():
        return ""
    agrees = AGREES.get(kind, lambda mine, theirs: False)
    read = READERS[kind]
    for mine, theirs in zip_longest(read(committed / name), read(made / name), fillvalue=("its end", "")):
        if mine != theirs and (mine[0] != theirs[0] or not agrees(mine[1], theirs[1])):
            said = f"{mine[0]}: {shown(mine[1], theirs[1])!r}"
            gives = f"{theirs[0]}: {shown(theirs[1], mine[1])!r}"
            return f"reports/{name} has, at {said}; the code and data give, at {gives}: {REMEDY}"
    return ""


def shown(text: str, other: str) -> str:
    """The part of a long line in which two differ."""
    same = next((i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other)))
    return text[max(same - 60, 0) : same + 60]


def figures(folder: Path) -> set[str]:
    return {f"figures/{p.name}" for p in (folder / "figures").iterdir()}


@pytest.mark.parametrize("name", FILES)
def test_the_committed_report_is_what_the_code_and_data_give(built: Path, name: str) -> None:
    if found := difference(REPORTS, built / "reports", name):
        pytest.fail(found, pytrace=False)


def test_the_committed_figures_are_what_the_code_and_data_give(built: Path) -> None:
    names = sorted(figures(REPORTS) | figures(built / "reports"))
    if found := [said for name in names if (said := difference(REPORTS, built / "reports", name))]:
        pytest.fail("\n".join(found), pytrace=False)


# The comparison itself


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(REPORTS, tmp_path / "reports", ignore=shutil.ignore_patterns("councils", "notebooks")))


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def second_estimate(folder: Path) -> str:
    with (folder / "effects.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))[1]["estimate"]


@pytest.mark.parametrize(("times", "same"), [(1 + 1e-11, True), (1 + 1e-6, False), (-1, False)])
def test_a_number_may_differ_in_its_last_digits_only(copy: Path, times: float, same: bool) -> None:
    estimate = second_estimate(copy)
    spoil(copy / "effects.csv", estimate, repr(float(estimate) * times))
    found = difference(copy, REPORTS, "effects.csv")
    if same:
        assert found == ""
    else:
        assert found.startswith("reports/effects.csv has, at row 3 (dsg_balance), estimate: ") and REMEDY in found


def test_a_changed_word_is_found_and_named(copy: Path) -> None:
    spoil(copy / "claims.csv", "partly supported", "supported")
    assert re.search(
        r"claims.csv has, at row \d+ \(\S+\), verdict: 'supported'", difference(copy, REPORTS, "claims.csv")
    )
    spoil(copy / "facts.json", '"display": "10%"', '"display": "11%"')
    assert "at assessment.bh_level, display: '11%'" in difference(copy, REPORTS, "facts.json")
    spoil(copy / "assessment.html", "</h1>", "!</h1>")
    assert "reports/assessment.html has, at line " in difference(copy, REPORTS, "assessment.html")


def test_a_changed_word_document_is_found(copy: Path) -> None:
    with zipfile.ZipFile(REPORTS / "assessment.docx") as old, zipfile.ZipFile(copy / "assessment.docx", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content.replace(b"Safety Valve", b"Safety Valves", 1) if "document" in name else content)
    assert "word/document.xml, line" in difference(copy, REPORTS, "assessment.docx")


def test_a_moved_or_missing_figure_is_found(copy: Path) -> None:
    name = next(n for n in sorted(figures(copy)) if n.endswith(".svg"))
    moved = re.search(r'd="M (\d+\.\d+) ', (copy / name).read_text(encoding="utf-8"))
    assert moved
    spoil(copy / name, moved[0], f'd="M {float(moved[1]) + 1e-5} ')
    assert difference(copy, REPORTS, name) == ""
    spoil(copy / name, f'd="M {float(moved[1]) + 1e-5} ', f'd="M {float(moved[1]) + 1} ')
    assert difference(copy, REPORTS, name).startswith(f"reports/{name} has, at line ")
    (copy / name).unlink()
    assert difference(copy, REPORTS, name) == f"reports/{name} is not committed: {REMEDY}"
