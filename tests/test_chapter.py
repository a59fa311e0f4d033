"""The book a notebook writes."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

import report_project
from helpers import chapter, estimation, figures
from helpers.errors import AssessError

LONG = pd.DataFrame({"year": [2019, 2020], "group": ["neither"] * 2, "value": [1.0, 2.0]})
EFFECT = {
    "outcome": "requests",
    "estimator": "cs",
    "controls": "never",
    "event_time": "overall",
    "estimate": 1.0,
    "std_error": 0.5,
    "lower": 0.0,
    "upper": 2.0,
    "p_value": 0.05,
    "n_treated": 38,
    "n_control": 100,
    "first_year": 2019,
    "last_year": 2024,
}


@pytest.fixture
def root(tmp_path, monkeypatch):
    report_project.make(tmp_path)
    monkeypatch.setenv("ASSESS_ROOT", str(tmp_path))
    monkeypatch.delenv("ASSESS_VARIANT", raising=False)
    return tmp_path


def test_a_chapter_is_written_whole_at_the_end(root, capsys):
    book = chapter.start("02_programme")
    target = root / "data/processed/chapters/02_programme"
    book.fact("programme.agreements", 38, "count")
    book.show(
        figures.lines(LONG),
        "lines",
        title="{programme.agreements} agreements",
        alt="A line.",
        data=LONG,
        sources="requests",
    )
    book.table(LONG, "rows", title="Rows", units={"value": "%"})
    book.effects(pd.DataFrame([EFFECT]))
    book.keep("claims.csv", LONG)
    book.keep("note.md", "words")
    book.prose("There are {programme.agreements}.")
    assert "There are 38." in capsys.readouterr().out
    assert not target.exists()
    book.finish()
    assert json.loads((target / "facts.json").read_text())["programme.agreements"]["notebook"] == "02_programme"
    assert {p.name for p in (target / "figures").iterdir()} == {
        "lines.svg",
        "lines.png",
        "lines.plain.svg",
        "lines.plain.png",
        "lines.csv",
        "lines.json",
    }
    meta = json.loads((target / "figures/lines.json").read_text())
    assert meta["title"] == "38 agreements" and meta["alt"] == "A line." and meta["sources"] == ["requests"]
    assert (target / "figures/lines.csv").read_text() == "year,group,value\n2019,neither,1\n2020,neither,2\n"
    assert (target / "effects.csv").read_text().splitlines()[0] == ",".join(chapter.EFFECT_COLUMNS)
    assert len((target / "effects.csv").read_text().splitlines()) == 2
    assert (target / "claims.csv").is_file() and (target / "note.md").read_text() == "words"
    assert [p.name for p in target.parent.iterdir()] == ["02_programme"]


def test_effects_have_the_columns_the_estimators_give():
    assert chapter.EFFECT_COLUMNS == estimation.COLUMNS


def test_finishing_again_replaces_all_but_the_executed_notebook(root):
    book = chapter.start("02_programme")
    book.fact("a.old", 1)
    book.finish()
    target = root / "data/processed/chapters/02_programme"
    (target / "notebook.ipynb").write_text("{}")
    book = chapter.start("02_programme")
    book.fact("a.new", 1)
    book.finish()
    assert list(json.loads((target / "facts.json").read_text())) == ["a.new"]
    assert (target / "notebook.ipynb").is_file()


def test_a_failure_leaves_what_was_there(root, monkeypatch):
    book = chapter.start("02_programme")
    book.fact("a.old", 1)
    book.finish()
    before = (root / "data/processed/chapters/02_programme/facts.json").read_bytes()
    again = chapter.start("02_programme")
    again.fact("a.new", 2)
    real = chapter.os.replace

    def fail(source, target):
        if str(target).endswith("02_programme") and not str(source).endswith(".old"):
            raise OSError("full")
        real(source, target)

    monkeypatch.setattr(chapter.os, "replace", fail)
    with pytest.raises(OSError, match="full"):
        again.finish()
    assert (root / "data/processed/chapters/02_programme/facts.json").read_bytes() == before


def test_a_variant_does_not_overwrite_the_default(root, monkeypatch):
    monkeypatch.setenv("ASSESS_VARIANT", "Kent only!")
    chapter.start("02_programme").finish()
    assert [p.name for p in (root / "data/processed/chapters").iterdir()] == ["02_programme--kent-only"]


def test_facts_of_listed_chapters_and_policy_figures_can_be_used(root):
    first = chapter.start("01_sources")
    first.fact("data.rows", 154489, "count")
    first.finish()
    other = chapter.start("03_finances")
    other.fact("money.total", 5, "gbp_m")
    other.finish()
    book = chapter.start("02_programme")
    assert book.get("data.rows").display == "154,489"
    assert book.get("policy.kent.total").display == "£142.0 million"
    with pytest.raises(
        AssessError,
        match=r"chapter 03_finances, which notebooks/chapters\.yaml does not list under `after` of 02_programme",
    ):
        book.get("money.total")
    assert chapter.start("my_own_notebook").get("money.total").value == 5


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda b: chapter.start("02 programme"), "Chapter name"),
        (lambda b: (b.fact("a.b", 1), b.fact("a.b", 2)), "a fact has one value"),
        (lambda b: b.fact("policy.kent.total", 1), "already recorded by the cited policy figures"),
        (lambda b: b.get("a.bb"), "No fact 'a.bb'"),
        (lambda b: b.prose("{a.nothing}"), "No fact 'a.nothing'"),
        (lambda b: b.show(None, "Bad Name", title="T", alt="A", data=LONG), "figure name 'Bad Name'"),
        (lambda b: b.show(None, "x", title="T", data=LONG), "alt text"),
        (lambda b: b.show(None, "x", title="T", alt="A"), "needs its data"),
        (lambda b: b.table(LONG, "x", title=" "), "needs a title"),
        (lambda b: b.table(LONG, "x", title="T", units={"valu": "%"}), "no column 'valu'; did you mean 'value'"),
        (lambda b: b.effects(LONG), "missing: outcome"),
        (lambda b: b.effects(pd.DataFrame([EFFECT | {"event_time": "soon"}])), "event_time must be"),
        (lambda b: b.effects(pd.DataFrame([EFFECT, EFFECT])), "more than one row"),
        (lambda b: b.keep("facts.json", "x"), "File name"),
        (lambda b: b.keep("../x.csv", "x"), "File name"),
    ],
)
def test_wrong_use_is_told(root, use, words):
    with pytest.raises(AssessError, match=words):
        use(chapter.start("02_programme"))


def test_a_cell_run_again_replaces_what_it_recorded(root, monkeypatch):
    book = chapter.start("02_programme")
    book._before_cell(SimpleNamespace(cell_id="one", raw_cell="a"))
    book.fact("a.b", 1)
    book.effects(pd.DataFrame([EFFECT]))
    book._before_cell(SimpleNamespace(cell_id="one", raw_cell="b"))
    book.fact("a.b", 2)
    book.effects(pd.DataFrame([EFFECT]))
    book._before_cell(SimpleNamespace(cell_id="two", raw_cell="c"))
    assert book.get("a.b").value == 2
    with pytest.raises(AssessError, match="one value"):
        book.fact("a.b", 3)


def test_a_broken_list_of_chapters_is_told(root):
    (root / "notebooks/chapters.yaml").write_text("- {name: [")
    with pytest.raises(AssessError, match=r"chapters\.yaml cannot be read"):
        chapter.start("02_programme")
    (root / "notebooks/chapters.yaml").write_text("- title: x")
    with pytest.raises(AssessError, match="each with a name"):
        chapter.listed()
    (root / "notebooks/chapters.yaml").unlink()
    assert chapter.listed() == []
