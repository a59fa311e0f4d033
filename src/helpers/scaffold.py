"""New chapters that run as they stand, and new measures to be filled in before they do."""

from __future__ import annotations

import json
import re
from pathlib import Path

from helpers import chapters, files, paths
from helpers.errors import AssessError


def chapter(name: str, title: str = "") -> Path:
    """Write notebooks/NAME.ipynb and its entry at the place its number gives it; gives the notebook's path.

    It comes after 01_sources and 02_programme, and before the claims and the assessment, which go on without it until
    their own `after` names it. Raises AssessError for a name that is taken or not two digits and lower-case words.
    """
    if not re.fullmatch(r"\d\d_[a-z][a-z0-9_]*", name):
        raise AssessError(f"Chapter name {name!r}: use two digits and lower-case words, such as 11_transport.")
    path = paths.notebooks() / f"{name}.ipynb"
    listed = chapters.load()
    if path.exists() or name in [c.name for c in listed]:
        raise AssessError(f"There is already a chapter {name}.")
    title = title or name[3:].replace("_", " ").capitalize()
    used = [int(c.number) for c in listed if c.number.isdigit()]
    after = [c.name for c in listed if c.name in ("01_sources", "02_programme")]
    entry = json.dumps(title)
    number = max(used, default=1) + 1
    links = f"reads: [councils, council_year], after: [{', '.join(after)}]"
    line = f"- {{name: {name}, title: {entry}, number: {number}, {links}}}"
    text = (paths.notebooks() / chapters.LIST).read_text(encoding="utf-8")
    rows = text.rstrip("\n").split("\n")
    # Before the chapters that gather the others, so that they can name it.
    place = next(
        (i for i, row in enumerate(rows) if re.match(r"- \{name: (09_claims|10_assessment)\b", row)), len(rows)
    )
    rows.insert(place, line)
    files.write_text(path, json.dumps(_notebook(name, title), indent=1, ensure_ascii=False) + "\n")
    files.write_text(paths.notebooks() / chapters.LIST, "\n".join(rows) + "\n")
    return path


def _notebook(name: str, title: str) -> dict[str, object]:
    short = name[3:].replace("_", ".")
    cells = [
        ("markdown", f"# {title}", []),
        ("code", "first_year = 2019  # the first year shown", ["parameters"]),
        ("code", f'from helpers import chapter, panel\n\nbook = chapter.start("{name}")', []),
        ("markdown", "## What changed", []),
        ("code", f'book.fact("{short}.councils", len(panel.councils()), unit="count", sources=["councils"])', ["hide"]),
        ("code", f"%%prose\nThis chapter looks at {{{short}.councils}} councils.", ["nbval-check-output"]),
        ("markdown", "## What this cannot show", []),
        ("code", "%%prose\nNothing has been estimated yet.", ["nbval-check-output"]),
        ("code", "book.finish()", ["hide"]),
    ]
    made = []
    for number, (kind, source, tags) in enumerate(cells, 1):
        cell: dict[str, object] = {
            "cell_type": kind,
            "id": f"{name[:2]}-{number:02d}",
            "metadata": {"tags": tags} if tags else {},
            "source": source.splitlines(keepends=True),
        }
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        made.append(cell)
    spec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": made,
        "metadata": {"kernelspec": spec, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def measure(name: str, source: str = "", column: str = "") -> Path:
    """Add a measure's definition at the end of measures.yaml; gives the file's path.

    Its `definition` is "TO DO", which `measures` refuses until it is written. Raises AssessError for a name that is taken or
    not in lower-case words, and for a `source` that the catalogue does not hold.
    """
    import yaml

    path = Path(__file__).with_name("measures.yaml")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise AssessError(f"Measure name {name!r}: use lower-case letters, digits and underscores.")
    text = path.read_text(encoding="utf-8")
    known = yaml.safe_load(text)
    entries = known if isinstance(known, list) else list(known)
    if name in [e.get("name") if isinstance(e, dict) else e for e in entries]:
        raise AssessError(f"There is already a measure {name!r}.")
    from helpers import catalogue

    if source:
        catalogue.resource(source)
    title = name.replace("_", " ").capitalize()
    keys = {
        "title": title,
        "short": title,
        "unit": "count",
        "kind": "calendar_flow",
        "scale": "level",
        "digits": 0,
        "source": source or "TO DO",
        "column": column or name,
        "first_year": 2019,
        "last_year": 2024,
        "definition": "TO DO",
    }
    words = "\n".join(f"  {key}: {json.dumps(value)}" for key, value in keys.items())
    block = f"- name: {name}\n{words}\n" if isinstance(known, list) else f"{name}:\n{words}\n"
    files.write_text(path, text.rstrip("\n") + "\n" + block)
    return path
