"""The outputs that are committed with a chapter's notebook: those that are checked.

Every `%%prose` cell and every small table is checked: its text stands in notebooks/NAME.ipynb, and its tag has nbval
compare it with a fresh run. After a build, `python -m helpers.stored` takes the texts from the executed copies;
`--check` only says what is out of date.

`--clean` is the git filter: a notebook in, the same notebook out without what is not checked (other outputs, pictures,
execution counts, times), with its kernelspec, cell ids and checked texts. nbstripout does nearly this, but it clears the
execution counts of the cells it keeps, and nbval refuses a cell that has outputs and no count; so checked cells all
count 1, and a cell run again changes nothing in git.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers import chapters, files, paths, prose
from helpers.errors import AssessError

CHECKED = "nbval-check-output"
LONGEST_TABLE = 24  # lines of Markdown; a longer one is checked by the facts drawn from it
_TEXTS = ("text/markdown", "text/plain")


def texts(outputs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The text of a cell's outputs, without pictures, counts and metadata."""
    kept: list[dict[str, Any]] = []
    for output in outputs:
        if output["output_type"] == "stream":
            kept.append({"name": output["name"], "output_type": "stream", "text": _lines(output["text"])})
        elif data := {kind: _lines(output["data"][kind]) for kind in _TEXTS if kind in output.get("data", {})}:
            kept.append({"data": data, "metadata": {}, "output_type": "display_data"})
    return kept


def cleaned(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """The notebook as it is committed: the texts of cells tagged `nbval-check-output`, and no other outputs."""
    made: dict[str, Any] = json.loads(json.dumps(notebook))
    kernel = made["metadata"].get("kernelspec", {})
    made["metadata"] = {"kernelspec": kernel, "language_info": {"name": "python"}}
    for cell in made["cells"]:
        cell["source"] = _lines(cell["source"])
        cell["metadata"] = {key: value for key, value in cell["metadata"].items() if key in ("tags", "name")}
        if cell["cell_type"] == "code":
            tagged = CHECKED in cell["metadata"].get("tags", [])
            cell["outputs"] = texts(cell["outputs"]) if tagged else []
            cell["execution_count"] = 1 if cell["outputs"] else None
    return made


def checked(cell: Mapping[str, Any], outputs: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a cell that gave these outputs is one of those checked: prose, or one table of at most LONGEST_TABLE lines."""
    if cell["cell_type"] != "code" or not outputs:
        return False
    if prose.body(chapters.source(cell)) is not None:
        return True
    if len(outputs) != 1 or "image/png" in outputs[0].get("data", {}):
        return False
    marked = "table" in outputs[0].get("metadata", {}).get("assess", {})
    return marked and len("".join(outputs[0]["data"].get("text/markdown", "")).splitlines()) <= LONGEST_TABLE


def refreshed(notebook: Mapping[str, Any], executed: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The notebook with the checked outputs of its executed copy and no others.

    Cells are matched by id. Raises AssessError when the copy was made from other cells: it has to be built again.
    """
    ran = {cell.get("id"): cell for cell in executed["cells"]}
    made: dict[str, Any] = json.loads(json.dumps(notebook))
    for number, cell in enumerate(made["cells"], 1):
        if cell["cell_type"] != "code":
            continue
        other = ran.get(cell.get("id"))
        if other is None or chapters.source(other).strip() != chapters.source(cell).strip():
            raise AssessError(f"Notebook {name}, cell {number} was edited since it was run; `assess run` first.")
        cell["outputs"] = other.get("outputs", [])
        tags = [tag for tag in cell["metadata"].get("tags", []) if tag != CHECKED]
        if checked(cell, cell["outputs"]):
            tags.append(CHECKED)
        cell["metadata"] = {key: value for key, value in cell["metadata"].items() if key != "tags"}
        if tags:
            cell["metadata"]["tags"] = tags
    return cleaned(made)


def clean(content: bytes) -> bytes:
    """A notebook file as it is committed; what is not a notebook comes back as it is."""
    try:
        notebook = json.loads(content)
        return _text(cleaned(notebook)).encode()
    except (ValueError, KeyError, TypeError, AttributeError):
        return content


def refresh(name: str, write: bool = True) -> bool:
    """Bring the checked outputs of notebooks/NAME.ipynb up to its executed copy; gives whether anything differed."""
    path = paths.notebooks() / f"{name}.ipynb"
    executed = paths.chapter_output(name) / "notebook.ipynb"
    if not executed.is_file():
        raise AssessError(f"Notebook {name} has not been run; `assess run` first.")
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    after = _text(refreshed(chapters.read(path), chapters.read(executed), name))
    if before != after and write:
        files.write_text(path, after)
    return before != after


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m helpers.stored [--check] [NAME...]`: all chapters unless named. Exit code 1 when something is wrong or differs."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.stored",
        description="Store the checked outputs of executed chapters in their notebooks.",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="Chapters, such as 04_requests_and_plans; all unless named."
    )
    parser.add_argument("--check", action="store_true", help="Change nothing; say what differs.")
    parser.add_argument(
        "--clean",
        action="store_true",
        help="Standard input to standard output, without what is not committed: the git filter.",
    )
    given = parser.parse_args(arguments)
    if given.clean:
        sys.stdout.buffer.write(clean(sys.stdin.buffer.read()))
        return 0
    failed = False
    try:
        known = chapters.load()
        names = [chapters.find(Path(name).stem, known).name for name in given.names] or [
            chapter.name for chapter in known
        ]
    except AssessError as error:
        print(error, file=sys.stderr)
        return 1
    for name in names:
        try:
            different = refresh(name, write=not given.check)
        except AssessError as error:
            print(error, file=sys.stderr)
            failed = True
            continue
        if different:
            print(f"{name}: {'differs from its last run' if given.check else 'outputs stored'}.")
            failed |= given.check
    return int(failed)


def _lines(text: str | Sequence[str]) -> list[str]:
    return "".join(text).splitlines(keepends=True)


def _text(notebook: Mapping[str, Any]) -> str:
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.exit(main())
