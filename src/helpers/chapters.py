"""Which notebooks there are, in what order they are built, and which parameters each may be given."""

from __future__ import annotations

import ast
import difflib
import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers import files, paths
from helpers.errors import AssessError

LIST = "chapters.yaml"
_KEYS = {"name", "title", "number", "reads", "after", "part"}


@dataclass(frozen=True)
class Chapter:
    """One entry of notebooks/chapters.yaml."""

    name: str
    title: str
    number: str = ""
    reads: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    entry: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def notebook(self) -> Path:
        """Its source."""
        return paths.notebooks() / f"{self.name}.ipynb"


def load() -> list[Chapter]:
    """The chapters in build order, each after those whose facts it uses."""
    import yaml

    path = paths.notebooks() / LIST
    where = f"notebooks/{LIST}"
    if not path.is_file():
        raise AssessError(f"{where} is missing: expected the list of chapters.")
    try:
        entries = files.read_yaml(path)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise AssessError(f"{where} cannot be read: {' '.join(str(error).split())}.") from error
    if not isinstance(entries, list) or not entries:
        raise AssessError(f"{where}: expected a list of chapters.")
    made: list[Chapter] = []
    for row, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise AssessError(f"{where}: entry {row} has no name.")
        name = entry["name"]
        for key in ("reads", "after"):
            if not isinstance(entry.get(key) or [], list):
                raise AssessError(f"{where}: {key} of {name} must be a list.")
        before = [c.name for c in made]
        if name in before:
            raise AssessError(f"{where}: {name} is listed twice.")
        for other in entry.get("after") or []:
            if other not in before:
                raise AssessError(f"{where}: {name} comes after {other}, which is not listed before it.")
        made.append(
            Chapter(
                name=name,
                title=str(entry.get("title", name)),
                number=str(entry.get("number", "")),
                reads=tuple(entry.get("reads") or ()),
                after=tuple(entry.get("after") or ()),
                entry=entry,
            )
        )
    return made


def find(name: str, chapters: Sequence[Chapter]) -> Chapter:
    """A chapter by name, or by its two-digit number."""
    for chapter in chapters:
        if name in (chapter.name, chapter.name[:2], chapter.name[3:]):
            return chapter
    raise AssessError(f"There is no chapter {name!r}{near(name, [c.name for c in chapters])}")


def near(name: str, known: Sequence[str]) -> str:
    """How the sentence about an unknown name ends: with the one that may be meant, or with those there are."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are {', '.join(known)}." if known else "; there are none."


def read(path: Path) -> dict[str, Any]:
    """A notebook's JSON, or one sentence about what is wrong with it."""
    if not path.is_file():
        raise AssessError(f"Notebook {path.name} is missing from {path.parent}.")
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise AssessError(f"Notebook {path.name} is not a notebook: {error}.") from error
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list) or notebook.get("nbformat") != 4:
        raise AssessError(f"Notebook {path.name} is not a notebook of format 4: it has no list of cells.")
    return notebook


def source(cell: Mapping[str, Any]) -> str:
    """A cell's text, which notebooks store as a string or as lines."""
    text = cell.get("source", "")
    return text if isinstance(text, str) else "".join(text)


def parameters(notebook: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The literals of the cell tagged `parameters`."""
    for number, cell in enumerate(notebook["cells"], 1):  # noqa: B007 (used below)
        if "parameters" in cell.get("metadata", {}).get("tags", []):
            break
    else:
        raise AssessError(
            f"Notebook {name} has no cell tagged 'parameters': its first code cell must be one, of literals only."
        )
    found: dict[str, Any] = {}
    try:
        body = ast.parse(source(cell)).body
    except SyntaxError as error:
        raise AssessError(f"Notebook {name}, cell {number} (parameters), line {error.lineno}: {error.msg}.") from error
    for line in body:
        targets: list[ast.expr]
        if isinstance(line, ast.Assign):
            targets, value = line.targets, line.value
        elif isinstance(line, ast.AnnAssign) and line.value is not None:
            targets, value = [line.target], line.value
        elif isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant):
            continue
        else:
            raise AssessError(
                f"Notebook {name}, cell {number} (parameters), line {line.lineno}: only literals may stand here."
            )
        for target in targets:
            try:
                if not isinstance(target, ast.Name):
                    raise ValueError
                found[target.id] = ast.literal_eval(value)
            except ValueError:
                raise AssessError(
                    f"Notebook {name}, cell {number} (parameters), line {line.lineno}: only literals may stand here."
                ) from None
    return found


def accept(given: Mapping[str, Any], notebook: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The given parameters that differ from the notebook's own, once each is known there and of the same type.

    A list may be given as a tuple and the other way round; both come out as lists, because papermill would hand a tuple
    on as text. Raises AssessError with what the parameter takes and what was given.
    """
    own = parameters(notebook, name)
    different: dict[str, Any] = {}
    for key, value in given.items():
        if key not in own:
            raise AssessError(f"Notebook {name} has no parameter {key!r}{near(key, list(own))}")
        default = own[key]
        wrong = _mismatch(value, default)
        if wrong:
            raise AssessError(
                f"Parameter {key!r} of notebook {name} takes {_kind(default)}, such as {default!r}; {wrong}."
            )
        if isinstance(default, float) and isinstance(value, int):
            value = float(value)
        if _listed(value) != _listed(default):
            different[key] = _listed(value)
    return different


def _mismatch(value: Any, default: Any) -> str:
    """What is wrong with a value for a parameter whose own is `default`, and with each value inside it; else empty."""
    # None says nothing of the type wanted; bool is an int to Python, and a mistake to everyone else.
    if default is None or (isinstance(default, float) and type(value) is int):
        return ""
    if isinstance(default, list | tuple) and isinstance(value, list | tuple):
        if isinstance(default, tuple) and len(value) != len(default):
            return f"{value!r} has {len(value)} values, expected {len(default)}"
        return _mismatch_inside(list(value), list(default))
    if type(value) is not type(default):
        return f"{value!r} is {_kind(value)}"
    if isinstance(default, dict):
        return _mismatch_inside(list(value), list(default)) or _mismatch_inside(
            list(value.values()), list(default.values())
        )
    return ""


def _mismatch_inside(values: list[Any], own: list[Any]) -> str:
    """The first of `values` that is of none of the kinds found among a parameter's own; empty when each is of one."""
    for value in values:
        wrong = [_mismatch(value, default) for default in own]
        if wrong and all(wrong):
            return wrong[0]
    return ""


def _listed(value: Any) -> Any:
    """The value with lists for tuples, all the way down."""
    if isinstance(value, list | tuple):
        return [_listed(inner) for inner in value]
    if isinstance(value, dict):
        return {key: _listed(inner) for key, inner in value.items()}
    return value


def _kind(value: Any) -> str:
    names = {
        bool: "True or False",
        int: "a whole number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "a dict",
        tuple: "a tuple",
    }
    return names.get(type(value), "nothing" if value is None else f"a {type(value).__name__}")


def assignments(texts: Sequence[str], chapters: Sequence[Chapter]) -> dict[str, dict[str, Any]]:
    """`chapter.param=value` as typed, by chapter; a value that is no Python literal is text."""
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        target, equals, value = text.partition("=")
        name, dot, parameter = target.strip().rpartition(".")
        if not (equals and dot and name and parameter):
            raise AssessError(f"-p {text!r}: expected CHAPTER.PARAMETER=VALUE.")
        chapter = find(name, chapters)
        try:
            read_as: Any = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            read_as = value.strip()
        found.setdefault(chapter.name, {})[parameter] = read_as
    return found


def headings(notebook: Mapping[str, Any]) -> list[str]:
    """For each cell, the heading it stands under: what a reader would call the current step."""
    current, found = "", []
    for cell in notebook["cells"]:
        text = source(cell)
        if cell.get("cell_type") == "markdown":
            for line in text.splitlines():
                if line.startswith("#"):
                    current = line.lstrip("#").strip()
        found.append(current)
    return found


def imports(notebook: Mapping[str, Any]) -> set[str]:
    """Top-level names of the libraries a notebook imports, itself or through the helpers it uses."""
    package = Path(__file__).resolve().parent
    lines = [source(cell) for cell in notebook["cells"] if cell.get("cell_type") == "code"]
    code = "\n".join(text for text in lines if not text.lstrip().startswith(("%", "!")))
    libraries: set[str] = set()
    waiting, seen = set(_imported(code)), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        top, _, rest = name.partition(".")
        if top != "helpers":
            libraries.add(top)
            continue
        path = package / (rest.replace(".", "/") + ".py")
        if rest and path.is_file():
            waiting |= _imported(path.read_text(encoding="utf-8"))
    return libraries


# An import statement. Reading 90 modules into syntax trees takes a second, and this only says what to import early:
# a line of a text that looks like one does no harm.
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([A-Za-z_][\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n#]*)|import[ \t]+([^\n#]*))", re.MULTILINE
)


@functools.cache  # notebooks share most helpers
def _imported(code: str) -> frozenset[str]:
    """Every module named by an import, and every name imported from one, as `module.name`."""
    found: set[str] = set()
    for module, names, plain in _IMPORT.findall(code):
        words = [part.split()[0] for part in (names or plain).strip("()\n ").split(",") if part.split()]
        found |= {module, *(f"{module}.{word}" for word in words)} if module else set(words)
    return frozenset(found)
