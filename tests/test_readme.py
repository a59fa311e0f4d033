"""The README's numbers are those of the report, and its two commands are what continuous integration runs."""

import json
import re
from pathlib import Path

import pytest

from helpers import lint, prose
from helpers.facts import Fact, Facts, read

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MARK = re.compile(
    r"<!--([a-z_]+\.[A-Za-z0-9_.:| -]+)-->"
)  # a placeholder: the number or word before it is what it gives


@pytest.fixture(scope="module")
def known() -> Facts:
    return Facts(read(ROOT / "reports" / "facts.json"))


def said(text: str, mark: re.Match[str]) -> str:
    """What stands before a mark, on one line."""
    return " ".join(text[: mark.start()].split())


@pytest.mark.parametrize("mark", list(MARK.finditer(README)), ids=lambda m: m[1])
def test_number_or_word_before_each_mark_is_the_fact(mark: re.Match[str], known: dict[str, Fact]) -> None:
    expected = prose.Placeholder.parse(mark[1]).fill(known)
    before = said(README, mark)
    assert before.endswith(expected), f"README says ...{before[-40:]!r} where {mark[1]} is {expected!r}"


def test_every_number_of_the_findings_is_marked(known: dict[str, Fact]) -> None:
    text = README[README.index("## What it finds") : README.index("## Run it")]
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
    marks = list(MARK.finditer(text))
    assert len(marks) >= 15
    for mark in reversed(marks):
        start = len(text[: mark.start()]) - len(prose.Placeholder.parse(mark[1]).fill(known))
        text = text[:start] + text[mark.end() :]
    assert lint.typed_numbers(text) == []


def test_figures_shown_exist() -> None:
    shown = re.findall(r"!\[[^\]]+\]\((reports/figures/[^)]+)\)", README)
    assert len(shown) == 4
    assert all((ROOT / path).is_file() for path in shown)


def test_continuous_integration_runs_the_readme_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    command = next(line for line in README.splitlines() if line.endswith("-m pytest"))
    for step in command.split(" && "):
        assert step in script, step


def test_listed_documents_exist() -> None:
    linked = re.findall(r"\]\(((?:docs|reports)/[^)#]+|LICENSE|CITATION\.cff)\)", README)
    missing = [path for path in linked if not (ROOT / path).exists()]
    assert not missing
    assert json.loads((ROOT / "reports" / "facts.json").read_text(encoding="utf-8"))
