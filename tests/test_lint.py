"""Notebooks keep to the rules, and the lint sees each breach."""

import json

import pytest

from helpers import lint, paths

CHAPTERS = sorted(paths.notebooks().glob("*.ipynb"))


def write(path, *cells, kernel=True):
    made = []
    for kind, source, *tags in cells:
        cell = {"cell_type": kind, "metadata": {"tags": tags} if tags else {}, "source": source}
        if kind == "code":
            cell |= {"outputs": [], "execution_count": None}
        made.append(cell)
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}} if kernel else {}
    path.write_text(json.dumps({"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
    return path


GOOD = [
    ("markdown", "# A chapter"),
    ("code", "first_year = 2019", "parameters"),
    ("code", 'from helpers import chapter\nbook = chapter.start("x")'),
    ("code", "%%prose\nIn 2021-22 {a.b.2020} rose {a.c:ci} (chapter 5, TES-01, Attainment 8)."),
    ("code", "book.finish()"),
]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_every_notebook_keeps_to_the_rules(path):
    assert [str(p) for p in lint.notebook(path)] == []


def test_a_good_notebook_has_no_problems(tmp_path):
    assert lint.notebook(write(tmp_path / "x.ipynb", *GOOD)) == []


@pytest.mark.parametrize(
    ("position", "cell", "words"),
    [
        (0, ("markdown", "No title"), "must be the title"),
        (1, ("code", "first_year = 2019"), "tagged 'parameters'"),
        (1, ("code", "import os", "parameters"), "only names set to literals"),
        (1, ("code", "first_year = max(2019, 2020)", "parameters"), "only names set to literals"),
        (2, ("code", "def f():\n    return 1"), "defined in a notebook"),
        (2, ("code", "class A: pass"), "defined in a notebook"),
        (2, ("code", "frame;"), "trailing ';'"),
        (2, ("code", "frame;  # quiet"), "trailing ';'"),
        (2, ("code", "\n".join("x = 1" for _ in range(30))), "30 lines"),
        (2, ("code", "!ls"), "only %%prose"),
        (2, ("code", "x = ("), "not Python"),
        (2, ("code", 'book.show(f, "n", title="T", data=d)'), "no alt="),
        (2, ("code", 'book.show(f, "n", title="T", alt="A")'), "no data="),
        (2, ("code", 'book.show(f, "n", title="Up 12% since 2019", alt="A", data=d)'), "'12%' is typed into title="),
        (3, ("code", "%%prose\nRequests rose by 12% in 2024."), "'12%' is typed into prose"),
        (3, ("code", "%%prose\nThey cost £886.5 million."), "typed into prose"),
        (3, ("code", "%%prose\nThere were 38 of them."), "'38' is typed"),
        (3, ("markdown", "## The 38 agreements"), "'38' is typed into text"),
        (4, ("code", "x = 1"), "must be book.finish()"),
    ],
)
def test_each_breach_is_seen(tmp_path, position, cell, words):
    cells = list(GOOD)
    cells[position] = cell
    if position == 4:
        cells[2] = GOOD[2]
    found = lint.notebook(write(tmp_path / "x.ipynb", *cells))
    assert any(words in str(p) for p in found), [str(p) for p in found]


def test_a_missing_kernelspec_and_an_unreadable_file_are_seen(tmp_path):
    assert "kernelspec" in str(lint.notebook(write(tmp_path / "x.ipynb", *GOOD, kernel=False))[0])
    (tmp_path / "y.ipynb").write_text("{")
    assert "not a readable notebook" in str(lint.notebook(tmp_path / "y.ipynb")[0])
