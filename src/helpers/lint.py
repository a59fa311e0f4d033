"""What every notebook must keep to, checked without running it.

A title; one `parameters` cell of literals; short cells; no functions, classes or trailing `;`; no number typed into
prose; alt text and data for every figure; `book.finish()` last; a kernelspec.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from helpers import prose

LONGEST_CELL = 20
# The only digits a source sentence may hold: years, spans of years, references to parts of the report, and names in
# braces or code.
_ALLOWED = (
    r"`[^`]*`",
    r"\{[^{}]*\}",
    r"\[@[^\]]*\]|@[\w-]+",
    r"\]\([^)]*\)",
    r"<https?://[^>]*>|https?://\S+",
    r"\b(?:19|20)\d\d(?:[-–/](?:\d\d|(?:19|20)\d\d))?s?\b",
    r"\b(?:1|2|3)?\d (?=(?:January|February|March|April|May|June|July|August|September|October|November|December)\b)",
    r"\b(?:[Cc]hapters?|[Ss]ections?|[Aa]nnex|[Ss]tep|[Ff]inding|[Ff]igure|[Tt]able) "
    r"(?:[A-Z]\.)?\d+(?:\.\d+)*(?:(?:,| and| to| or) \d+(?:\.\d+)*)*",
    r"\b[A-Z]{1,5}-?\d+[A-Za-z]?\b",  # SEN2, TES-01, F1: names, not numbers
    # Names and ranges that the field spells with figures.
    r"\bAttainment 8\b|\bProgress 8\b|\b[Kk]ey stages? \d(?: and \d)?\b|\b[Ss]tage \d\b",
    r"\b[Ss]ection (?:114|251|19)\b|\b20[ -]weeks?\b|\b20 to 52 weeks\b",
    r"\b95%(?!\d)|= 100\b|\bevent time 0\b|\b(?:per|a) (?:1,000|10,000|100)\b",
    r"\bat\s+16 and 17\b|\b16[ -]to[ -]25\b|\baged? \d+(?: (?:to|and|or) \d+)?\b",
    r"\b\d+(?: (?:to|and|or) \d+)? year-olds?\b",
    r"^\s*\d+\. ",
)


@dataclass(frozen=True)
class Problem:
    """One breach: which notebook and cell, and what to do."""

    notebook: str
    cell: int
    message: str

    def __str__(self) -> str:
        return f"{self.notebook}, cell {self.cell}: {self.message}"


def typed_numbers(text: str) -> list[str]:
    """Numbers in a source sentence that should have been facts."""
    for pattern in _ALLOWED:
        text = re.sub(pattern, " ", text, flags=re.MULTILINE)
    return re.findall(r"[£−-]?\d[\d,.]*\d%?|\d%?", text)


def notebook(path: Path) -> list[Problem]:
    """The problems of one notebook; none when it keeps to the rules."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cells = content["cells"]
    except (OSError, ValueError, KeyError) as error:
        return [Problem(path.name, 0, f"not a readable notebook ({error}).")]
    return list(_problems(path.name, content, cells))


def _problems(name: str, content: dict[str, Any], cells: list[dict[str, Any]]) -> Iterator[Problem]:
    if not content.get("metadata", {}).get("kernelspec", {}).get("name"):
        yield Problem(name, 0, "no kernelspec; papermill and nbval need one.")
    sources = ["".join(c["source"]) for c in cells]
    tags = [c.get("metadata", {}).get("tags", []) for c in cells]
    if not cells or cells[0]["cell_type"] != "markdown" or not sources[0].startswith("# "):
        yield Problem(name, 1, "the first cell must be the title, '# ...'.")
    marked = [i for i, t in enumerate(tags) if "parameters" in t]
    if len(marked) != 1:
        yield Problem(name, 0, f"one cell must be tagged 'parameters'; found {len(marked)}.")
    code = [i for i, c in enumerate(cells) if c["cell_type"] == "code" and sources[i].strip()]
    for position, (cell, source) in enumerate(zip(cells, sources, strict=True)):
        number = position + 1
        if cell["cell_type"] == "markdown":
            for found in typed_numbers(source):
                yield Problem(
                    name, number, f"the number {found!r} is typed into text; record a fact and use a %%prose cell."
                )
            continue
        if cell["cell_type"] != "code" or not source.strip():
            continue
        body = prose.body(source)
        if body is not None:
            for found in typed_numbers(body):
                yield Problem(
                    name, number, f"the number {found!r} is typed into prose; record a fact and use its name."
                )
            continue
        if source.lstrip().startswith(("%", "!")):
            yield Problem(
                name, number, "only %%prose may be used; magics and shell commands do not belong in a chapter."
            )
            continue
        yield from _code(name, number, source, "parameters" in tags[position])
    if code and any("chapter.start(" in sources[i] for i in code) and "book.finish()" not in sources[code[-1]]:
        yield Problem(name, code[-1] + 1, "the last cell must be book.finish().")


def _code(name: str, number: int, source: str, parameters: bool) -> Iterator[Problem]:
    """The problems of a cell of code: its length, its last character, and what `_said` finds in it."""
    lines = source.strip().splitlines()
    if len(lines) > LONGEST_CELL:
        yield Problem(name, number, f"{len(lines)} lines; at most {LONGEST_CELL}. Move the work to a helper.")
    if lines[-1].split("#")[0].rstrip().endswith(";"):
        yield Problem(name, number, "a trailing ';' hides the result.")
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        yield Problem(name, number, f"not Python: {error.msg}.")
        return
    for message in _said(tree, parameters):
        yield Problem(name, number, message)


def _said(tree: ast.Module, parameters: bool) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield f"{node.name!r} is defined in a notebook; move it to a helper."
        if _shows(node):
            yield from _figure({k.arg: k.value for k in node.keywords})
    if parameters and not all(_literal(statement) for statement in tree.body):
        yield "the parameters cell may hold only names set to literals."


def _shows(node: ast.AST) -> TypeGuard[ast.Call]:
    """Whether this is a call of book.show."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "book.show"


def _figure(given: Mapping[str | None, ast.expr]) -> Iterator[str]:
    """What is wrong with the arguments of book.show: title, alt and data are needed, and hold no typed numbers."""
    for needed in ("title", "alt", "data"):
        value = given.get(needed)
        if value is None or (isinstance(value, ast.Constant) and not str(value.value).strip()):
            yield f"book.show has no {needed}=."
    for text in ("title", "subtitle", "alt"):
        value = given.get(text)
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            for found in typed_numbers(value.value):
                yield f"the number {found!r} is typed into {text}=; use a fact's name in braces."


def _literal(statement: ast.stmt) -> bool:
    """Whether a statement sets names to a literal."""
    if not isinstance(statement, ast.Assign | ast.AnnAssign) or statement.value is None:
        return False
    try:
        ast.literal_eval(statement.value)
    except ValueError:
        return False
    return True
