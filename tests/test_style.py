"""The code's form: rules, layout and types, each checked by the tool that fixes or explains it."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CODE = ("src", "tests", "notebooks")


def complaints(tool: str, *words: str, folder: Path = ROOT) -> str:
    """What `tool` says against the code; empty when it has nothing to say. Skips where it is not installed."""
    if importlib.util.find_spec(tool) is None:
        pytest.skip(f"{tool} is not installed; it comes with the test extra")
    ran = subprocess.run(
        [sys.executable, "-m", tool, *words], cwd=folder, capture_output=True, text=True, encoding="utf-8"
    )
    return ran.stdout + ran.stderr if ran.returncode else ""


@pytest.mark.parametrize(
    "words", [("check", "--no-cache", "--quiet", "--output-format=concise"), ("format", "--no-cache", "--check")]
)
def test_code_keeps_to_the_rules_and_the_layout(words: tuple[str, ...]) -> None:
    found = complaints("ruff", *words, *CODE)
    assert not found, f"Run `ruff {words[0]} .`:\n{found}"


def test_helpers_are_typed_strictly() -> None:
    found = complaints("mypy", "--no-error-summary")
    assert not found, f"Run `mypy`:\n{found}"


def test_an_error_of_type_is_found(tmp_path: Path) -> None:
    """The settings are strict: a module with an untyped function and a wrong value is refused."""
    (tmp_path / "wrong.py").write_text('def f(x):\n    return x\n\n\ny: int = "one"\n', encoding="utf-8")
    settings = ("--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(tmp_path))
    found = complaints("mypy", *settings, "wrong.py", folder=tmp_path)
    assert "[no-untyped-def]" in found and "[assignment]" in found


def undocumented(text: str) -> list[str]:
    """The public functions, classes, methods and properties of a module that say nothing of themselves."""
    found = []
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    for top in ast.parse(text).body:
        if not isinstance(top, kinds) or top.name.startswith("_"):
            continue
        inside = top.body if isinstance(top, ast.ClassDef) and not _protocol(top) else []
        public = [one for one in inside if isinstance(one, kinds) and not one.name.startswith("_")]
        found += [top.name] if not ast.get_docstring(top) else []
        found += [f"{top.name}.{one.name}" for one in public if not ast.get_docstring(one)]
    return found


def _protocol(node: ast.ClassDef) -> bool:
    """Whether a class only says what others must have."""
    return any(ast.unparse(base).endswith("Protocol") for base in node.bases)


@pytest.mark.parametrize("path", sorted((ROOT / "src" / "helpers").rglob("*.py")), ids=lambda path: path.stem)
def test_what_is_public_says_what_it_does(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "the module has no docstring"
    assert undocumented(text) == []


def test_a_function_without_a_docstring_is_found() -> None:
    text = "def f(): ...\n\ndef _g(): ...\n\nclass A:\n    'A.'\n    def h(self): ...\n    def _i(self): ...\n"
    assert undocumented(text) == ["f", "A.h"]


def test_the_architecture_names_every_module() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", text[text.index("## Modules of") :]))
    modules = {path.stem for path in (ROOT / "src" / "helpers").glob("[!_]*.py")}
    assert len(modules) > 50 and not modules - named


def test_a_notebook_diff_shows_what_would_be_committed() -> None:
    """nbdime compares the file in the working tree as it stands, unless told to apply Git's filter first."""
    settings = json.loads((ROOT / "nbdime_config.json").read_text(encoding="utf-8"))
    assert settings["GitDiff"]["use_filter"] is True
    assert "notebooks/*.ipynb filter=notebook" in (ROOT / ".gitattributes").read_text(encoding="utf-8")
