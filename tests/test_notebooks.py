"""The notebooks, run by nbval: worked examples strictly, chapters by the outputs stored with them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers import chapters, prose, stored
from helpers.errors import AssessError

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "tests" / "examples").glob("*.ipynb"))
CHAPTERS = [chapter.name for chapter in chapters.load()]


def load(path: Path) -> dict[str, Any]:
    return chapters.read(path)


def nbval(notebook: Path, root: Path, mode: str) -> subprocess.CompletedProcess[str]:
    """Run one notebook by nbval, in a kernel whose project is `root`; what the chapter finds is kept apart from the build."""
    environment = {**os.environ, "ASSESS_ROOT": str(root), "ASSESS_VARIANT": "nbval", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--color=no",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-c",
        os.devnull,
    ]
    command += [
        "--rootdir",
        str(notebook.parent),
        mode,
        "--nbval-cell-timeout=240",
        "--nbval-kernel-startup-timeout=120",
        str(notebook),
    ]
    return subprocess.run(
        command, cwd=notebook.parent, env=environment, capture_output=True, text=True, encoding="utf-8"
    )


def passed(ran: subprocess.CompletedProcess[str]) -> int:
    """How many cells passed, when none failed."""
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
    found = re.search(r"(\d+) passed", ran.stdout)
    return int(found[1]) if found else 0


def with_outputs(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and cell["outputs"]]


# Worked examples


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_gives_what_is_stored(path, built):
    code = [cell for cell in load(path)["cells"] if cell["cell_type"] == "code"]
    assert passed(nbval(path, built, "--nbval")) == len(code)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_is_not_vacuous(path):
    """At least half its cells show something, in words and numbers that nbval compares."""
    notebook = load(path)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    shown = [
        cell
        for cell in with_outputs(notebook)
        if any(len(t) > 3 for o in stored.texts(cell["outputs"]) for t in text_of(o))
    ]
    assert shown and 2 * len(shown) >= len(code)
    assert "NBVAL_" not in "".join(chapters.source(cell) for cell in code)
    assert not any(tag.startswith("nbval-") for cell in code for tag in cell["metadata"].get("tags", []))


def text_of(output: dict[str, Any]) -> list[str]:
    return ["".join(output["text"])] if "text" in output else ["".join(lines) for lines in output["data"].values()]


def test_every_example_is_of_a_module():
    modules = {path.stem for path in (ROOT / "src" / "helpers").glob("*.py")}
    assert {path.stem for path in EXAMPLES} <= modules and len(EXAMPLES) >= 20


# Chapters


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapter_gives_what_is_stored(name, built):
    path = built / "notebooks" / f"{name}.ipynb"
    code = [cell for cell in load(path)["cells"] if cell["cell_type"] == "code"]
    assert passed(nbval(path, built, "--nbval-lax")) == len(code)


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_sentence_of_a_chapter_is_checked(name):
    notebook = load(ROOT / "notebooks" / f"{name}.ipynb")
    said = [cell for cell in notebook["cells"] if prose.body(chapters.source(cell)) is not None]
    assert len(said) >= 2
    for cell in said:
        assert stored.CHECKED in cell["metadata"]["tags"], f"run `python -m helpers.stored {name}`"
        assert len("".join("".join(o["data"]["text/markdown"]) for o in cell["outputs"]).strip()) > 20
    assert not any(
        stored.CHECKED in cell["metadata"].get("tags", []) and not cell["outputs"]
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    )


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapter_is_committed_clean(name):
    # What Git would commit, after its filter: a notebook that has just been run here holds all its outputs.
    staged = subprocess.run(["git", "show", f":notebooks/{name}.ipynb"], cwd=ROOT, capture_output=True, check=False)
    content = staged.stdout or (ROOT / "notebooks" / f"{name}.ipynb").read_bytes().replace(b"\r\n", b"\n")
    assert stored.clean(content) == content


# A change is seen


def test_a_changed_number_in_an_example_fails(built, tmp_path):
    notebook = load(ROOT / "tests" / "examples" / "exposure.ipynb")
    path = tmp_path / "changed.ipynb"
    text = json.dumps(notebook)
    path.write_text(text, encoding="utf-8")
    whole = passed(nbval(path, built, "--nbval"))
    cell = next(
        c
        for c in with_outputs(notebook)[::-1]
        if re.search(r"\d", json.dumps(c["outputs"][-1].get("data", c["outputs"][-1].get("text"))))
    )
    output = cell["outputs"][-1]
    lines = output["data"]["text/plain"] if "data" in output else output["text"]
    changed = re.sub(r"\d(?=\D*$)", lambda m: str((int(m[0]) + 1) % 10), "".join(lines))
    assert changed != "".join(lines)
    if "data" in output:
        output["data"] = {"text/plain": changed}
    else:
        output["text"] = changed
    path.write_text(json.dumps(notebook), encoding="utf-8")
    ran = nbval(path, built, "--nbval")
    assert ran.returncode == 1 and f"1 failed, {whole - 1} passed" in ran.stdout


def test_a_changed_sentence_in_a_chapter_fails(built, tmp_path):
    notebook = load(built / "notebooks" / "02_programme.ipynb")
    said = next(
        cell
        for cell in with_outputs(notebook)
        if re.search(r"\d", "".join(cell["outputs"][0]["data"]["text/markdown"]))
    )
    data = said["outputs"][0]["data"]
    for kind in data:
        data[kind] = re.sub(r"\d", lambda m: str((int(m[0]) + 1) % 10), "".join(data[kind]), count=1)
    path = tmp_path / "02_programme.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    ran = nbval(path, built, "--nbval-lax")
    assert ran.returncode == 1 and re.search(r"\b1 failed, \d+ passed", ran.stdout)


# What is stored


def chapter_with(*cells: dict[str, Any]) -> dict[str, Any]:
    return {
        "cells": list(cells),
        "metadata": {"kernelspec": {"name": "python3", "display_name": "P", "language": "python"}, "widgets": 1},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def code(
    id: str, source: str, *outputs: dict[str, Any], tags: tuple[str, ...] = (), count: int | None = 7
) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "id": id,
        "source": source,
        "metadata": {"tags": list(tags)} if tags else {},
        "outputs": list(outputs),
        "execution_count": count,
    }


def shown(kind: str, text: str, **assess: Any) -> dict[str, Any]:
    return {
        "output_type": "display_data",
        "data": {kind: text, "text/plain": text, "text/html": "<p>"},
        "metadata": {"assess": assess},
    }


def test_prose_and_small_tables_are_stored_and_nothing_else():
    executed = chapter_with(
        code("a", "x = 1", {"output_type": "stream", "name": "stdout", "text": "1\n"}),
        code("b", "%%prose\nIt is {x}.", shown("text/markdown", "It is 1.", prose=True)),
        code("c", "book.table(...)", shown("text/markdown", "| a |\n|---|\n| 1 |", table="t"), tags=("annex",)),
        code("d", "book.table(...)", shown("text/markdown", "| 1 |\n" * 60, table="u")),
        code("e", "book.show(...)", shown("image/png", "AAAA", figure="f")),
    )
    source = chapter_with(*(dict(cell, outputs=[], execution_count=None) for cell in executed["cells"]))
    made = stored.refreshed(source, executed, "x")
    assert [bool(c["outputs"]) for c in made["cells"]] == [False, True, True, False, False]
    assert [c["execution_count"] for c in made["cells"]] == [None, 1, 1, None, None]
    assert made["cells"][1]["outputs"] == [
        {
            "data": {"text/markdown": ["It is 1."], "text/plain": ["It is 1."]},
            "metadata": {},
            "output_type": "display_data",
        }
    ]
    assert made["cells"][2]["metadata"] == {"tags": ["annex", "nbval-check-output"]}
    assert stored.cleaned(made) == made == stored.refreshed(made, executed, "x")
    assert made["metadata"] == {
        "kernelspec": {"name": "python3", "display_name": "P", "language": "python"},
        "language_info": {"name": "python"},
    }


def test_a_cell_edited_since_its_run_is_not_given_old_outputs():
    executed = chapter_with(code("b", "%%prose\nIt is {x}.", shown("text/markdown", "It is 1.", prose=True)))
    with pytest.raises(AssessError, match="Notebook x, cell 1 was edited since it was run"):
        stored.refreshed(chapter_with(code("b", "%%prose\nIt was {x}.")), executed, "x")
    with pytest.raises(AssessError, match="assess run"):
        stored.refreshed(chapter_with(code("z", "%%prose\nIt is {x}.")), executed, "x")


def test_a_tag_goes_when_the_cell_is_no_longer_checked():
    cell = code("a", "x", {"output_type": "stream", "name": "stdout", "text": "1\n"}, tags=(stored.CHECKED,))
    assert stored.refreshed(chapter_with(cell), chapter_with(cell), "x")["cells"][0]["metadata"] == {}


def test_the_command_stores_once_and_checks(built, monkeypatch, capsys):
    monkeypatch.setenv("ASSESS_ROOT", str(built))
    assert stored.main(["--check"]) == 0, capsys.readouterr()
    assert stored.main(["no_such_chapter"]) == 1
    assert "There is no chapter 'no_such_chapter'" in capsys.readouterr().err


def test_the_filter_gives_back_what_it_cannot_read():
    assert stored.clean(b"not a notebook") == b"not a notebook"
    assert stored.clean(b'{"cells": 1}') == b'{"cells": 1}'


def test_git_filter_in_a_clone(tmp_path):
    """The line in notebooks/README.md: what is committed is clean, what is in the working folder keeps its outputs."""
    line = next(
        one
        for one in (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8").splitlines()
        if "filter.notebook.clean" in one
    )
    place = tmp_path / "notebooks"
    place.mkdir()
    (tmp_path / ".gitattributes").write_bytes((ROOT / ".gitattributes").read_bytes())
    full = chapter_with(
        code("a", "figure", shown("image/png", "AAAA")),
        code("b", "%%prose\nIt is {x}.", shown("text/markdown", "It is 1."), tags=(stored.CHECKED,)),
    )
    (place / "x.ipynb").write_text(json.dumps(full), encoding="utf-8")

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    subprocess.run(line.replace("python -m", f"{sys.executable} -m"), cwd=tmp_path, check=True, shell=True)
    git("add", "-A")
    committed = json.loads(git("show", ":notebooks/x.ipynb"))
    assert [bool(c["outputs"]) for c in committed["cells"]] == [False, True]
    assert committed["metadata"]["kernelspec"]["name"] == "python3" and [c["id"] for c in committed["cells"]] == [
        "a",
        "b",
    ]
    assert json.loads((place / "x.ipynb").read_text(encoding="utf-8")) == full
    full["cells"][1]["execution_count"] = 12
    (place / "x.ipynb").write_text(json.dumps(full), encoding="utf-8")
    assert git("diff", "--stat") == ""
