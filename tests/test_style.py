"""The code's form: rules, layout and types, each checked by the tool that fixes or explains it."""

from __future__ import annotations

import importlib.util
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
