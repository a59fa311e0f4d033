"""Small notebooks and projects for tests of the runner and the build."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

SPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}


def cell(source: str, *tags: str) -> dict[str, Any]:
    """A cell; one that begins with # and a space, or ##, is Markdown."""
    kind = "markdown" if source.startswith(("# ", "## ")) else "code"
    made: dict[str, Any] = {"cell_type": kind, "metadata": {"tags": list(tags)} if tags else {}, "source": source}
    if kind == "code":
        made |= {"execution_count": None, "outputs": []}
    return made


def write(path: Path, *cells: str | dict[str, Any]) -> Path:
    """A notebook of these cells."""
    made = [cell(c) if isinstance(c, str) else dict(c) for c in cells]
    for number, one in enumerate(made):
        one["id"] = f"cell-{number}"
    notebook = {"cells": made, "metadata": {"kernelspec": SPEC}, "nbformat": 4, "nbformat_minor": 5}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook, indent=1), encoding="utf-8")
    return path


def printed(path: Path) -> list[str]:
    """What each code cell wrote to its streams."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join("".join(o.get("text", "")) for o in c["outputs"]) for c in cells if c["cell_type"] == "code"]


def chapter(path: Path, *body: str, parameters: str = "level = 1") -> Path:
    """A chapter that runs `body` between the parameters and `book.finish()`."""
    start = f'from helpers import chapter\nbook = chapter.start("{path.stem}")'
    return write(path, f"# {path.stem}", cell(parameters, "parameters"), start, "## The middle", *body, "book.finish()")


def project(root: Path) -> Path:
    """A project of three chapters: one writes a table from a raw file, one reads it, one uses that one's fact.

    A fourth stands apart. The report is the three facts, one a line.
    """
    root.mkdir(parents=True, exist_ok=True)
    (root / "pyproject.toml").write_text('[project]\nname = "safety-valve-assessment"\n', encoding="utf-8")
    raw = root / "data" / "raw"
    (raw / "dfe").mkdir(parents=True)
    (raw / "councils").mkdir()
    (raw / "dfe" / "numbers.csv").write_text("n\n1\n2\n", encoding="utf-8")
    (raw / "dfe" / "other.csv").write_text("n\n5\n", encoding="utf-8")
    (raw / "councils" / "policy_figures.csv").write_text("id,value,unit,display,text,source_url\n", encoding="utf-8")
    (raw / "datapackage.json").write_text('{"name": "tiny", "resources": []}\n', encoding="utf-8")
    books = root / "notebooks"
    chapter(
        books / "01_first.ipynb",
        "import csv, os\nfrom helpers import files, paths",
        'with open(paths.raw() / "dfe" / "numbers.csv") as file:\n'
        '    total = sum(int(r["n"]) for r in csv.DictReader(file))',
        'files.write_text(paths.processed() / "total.csv", f"total\\n{total}\\n")\nbook.fact("first.rows", 1)',
    )
    chapter(
        books / "02_second.ipynb",
        "from helpers import paths",
        'total = int((paths.processed() / "total.csv").read_text().split()[1])',
        'book.fact("second.total", total * level)\nprint(total)',
    )
    chapter(books / "03_third.ipynb", 'book.fact("third.double", 2 * book.get("second.total").value)')
    chapter(
        books / "04_apart.ipynb",
        "from helpers import paths",
        'book.fact("apart.five", int((paths.raw() / "dfe" / "other.csv").read_text().split()[-1]))',
    )
    entries = [
        {"name": "01_first", "title": "First", "reads": [], "after": []},
        {"name": "02_second", "title": "Second", "reads": ["total"], "after": ["01_first"]},
        {"name": "03_third", "title": "Third", "reads": [], "after": ["01_first", "02_second"]},
        {"name": "04_apart", "title": "Apart", "reads": [], "after": []},
    ]
    (books / "chapters.yaml").write_text(yaml.safe_dump(entries, sort_keys=False), encoding="utf-8")
    return root


def publish(chapters_dir: Path, out: Path) -> Path:
    """A report for the tiny project; the build calls it by name in its own process."""
    from helpers import files

    lines = []
    for path in sorted(chapters_dir.glob("*/facts.json")):
        if "--" not in path.parent.name:
            for name, fact in json.loads(path.read_text(encoding="utf-8")).items():
                lines.append(f"{name} {fact['value']:g}")
    files.write_text(out / "assessment.html", "\n".join(lines) + "\n")
    return out / "assessment.html"
