"""Where the project's files live, found from any working directory."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from helpers.errors import AssessError

PROJECT_NAME = "safety-valve-assessment"


def _is_root(folder: Path) -> bool:
    pyproject = folder / "pyproject.toml"
    return pyproject.is_file() and f'name = "{PROJECT_NAME}"' in pyproject.read_text(encoding="utf-8")


def root() -> Path:
    """The project's top folder: `ASSESS_ROOT` if set, else the nearest parent of the working directory or of this file.

    Raises AssessError when none of them holds the project's pyproject.toml.
    """
    return _found(os.environ.get("ASSESS_ROOT"), os.getcwd())


@functools.cache  # asked thousands of times in a build
def _found(named: str | None, working: str) -> Path:
    if named:
        if _is_root(Path(named)):
            return Path(named).resolve()
        raise AssessError(f"ASSESS_ROOT is {named!r}, which does not hold the project's pyproject.toml.")
    for start in (Path(working).resolve(), Path(__file__).resolve()):
        for folder in (start, *start.parents):
            if _is_root(folder):
                return folder
    raise AssessError(
        f"No project found from {working}: expected a parent folder whose pyproject.toml is named {PROJECT_NAME!r}."
    )


def raw() -> Path:
    """Immutable inputs and their catalogue."""
    return root() / "data" / "raw"


def processed() -> Path:
    """Built tables; never committed."""
    return root() / "data" / "processed"


def reports() -> Path:
    """The published assessment."""
    return root() / "reports"


def notebooks() -> Path:
    """The chapters."""
    return root() / "notebooks"


def chapter_output(chapter: str) -> Path:
    """What one chapter wrote: facts.json, effects.csv, figures/, tables/ and its executed notebook."""
    return processed() / "chapters" / chapter
