"""The README's numbers are those of the report, and its two commands are what continuous integration runs."""

import json
import re
from pathlib import Path

import pytest

from helpers.facts import Fact, read

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MARK = re.compile(r"<!--([a-z_]+\.[A-Za-z0-9_.:-]+)-->")


def facts() -> dict[str, Fact]:
    return {fact.id: fact for fact in read(ROOT / "reports" / "facts.json")}


@pytest.mark.parametrize("match", list(MARK.finditer(README)), ids=lambda m: m[1])
def test_number_before_each_mark_is_the_fact(match: re.Match[str]) -> None:
    id, _, form = match[1].partition(":")
    expected = facts()[id].form(form)
    before = README[: match.start()].replace("\n   ", " ")
    assert before.endswith(expected), f"README says ...{before[-40:]!r} where {id} is {expected!r}"


def test_there_are_marked_numbers() -> None:
    assert len(MARK.findall(README)) >= 8


def test_figures_shown_exist() -> None:
    shown = re.findall(r"!\[[^\]]+\]\((reports/figures/[^)]+)\)", README)
    assert len(shown) == 3
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
