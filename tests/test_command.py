"""The `assess` command: one sentence and exit code 1 for what the user can put right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import notebook_files as books
from helpers import command, scaffold
from helpers.errors import AssessError


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A small project, of which nothing is built."""
    root = books.project(tmp_path / "project")
    monkeypatch.setenv("ASSESS_ROOT", str(root))
    return root


@pytest.fixture
def assess(capsys, monkeypatch):
    """Run the command here; gives exit code, standard output and standard error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["assess", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            command.main()
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return run


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "-p", "nonsense"], "-p 'nonsense': expected CHAPTER.PARAMETER=VALUE."),
        (["run", "-p", "02_secnd.level=2"], "There is no chapter '02_secnd'; did you mean '02_second'?"),
        (["run", "-p", "02_second.levle=2"], "Notebook 02_second has no parameter 'levle'; did you mean 'level'?"),
        (
            ["run", "-p", "02_second.level=two"],
            "Parameter 'level' of notebook 02_second takes a whole number, such as 1; 'two' is text.",
        ),
        (["council"], "Name a council, or give --all or --agreements."),
        (["changes", "nowhere", "elsewhere"], "nowhere is not a folder; expected a project or its reports folder."),
        (
            ["new-chapter", "transport"],
            "Chapter name 'transport': use two digits and lower-case words, such as 11_transport.",
        ),
        (["new-measure", "Big Number"], "Measure name 'Big Number': use lower-case letters, digits and underscores."),
    ],
)
def test_an_error_is_one_sentence(assess, tiny, arguments, says):
    assert assess(*arguments) == (1, "", says + "\n")


def test_outside_a_project(assess, tmp_path, monkeypatch):
    monkeypatch.setenv("ASSESS_ROOT", str(tmp_path))
    code, out, err = assess("run")
    assert (code, out) == (1, "") and "does not hold the project's pyproject.toml" in err and "Traceback" not in err


def test_help_is_quick_and_lists_the_commands():
    code = (
        "import sys; sys.argv = ['assess', '--help']\nfrom helpers import command\ntry: command.main()\n"
        "finally: print(sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    for name in ("run", "council", "update", "verify", "extract", "changes", "new-chapter", "new-measure"):
        assert f"  {name}" in done.stdout
    # What is slow to import is not imported.
    assert not {"'pandas'", "'matplotlib'", "'papermill'", "'IPython'"} & set(
        done.stdout.replace("[", "").replace("]", "").split(", ")
    )


def test_a_run_with_nothing_to_do_imports_nothing_slow(tiny, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    build = (
        "from helpers import build\nresult = build.run(publish='notebook_files:publish')\nimport sys\n"
        "print(result.ran, 'pandas' in sys.modules, 'papermill' in sys.modules)"
    )
    done = [subprocess.run([sys.executable, "-c", build], capture_output=True, text=True) for _ in range(2)]
    assert done[0].returncode == 0, done[0].stderr
    assert done[1].stdout == "[] False False\n"


def test_run_explain_and_timings_end_with_the_place_of_the_report(assess, tiny, monkeypatch):
    from helpers import build

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setattr(build, "PUBLISH", "notebook_files:publish")
    monkeypatch.setattr(build.run, "__defaults__", (*build.run.__defaults__[:-1], "notebook_files:publish"))
    code, out, err = assess("run", "--explain", "--timings")
    assert code == 0
    assert "04_apart: runs, because it has not been built yet" in err
    assert "slowest cells" in out and "02_second, cell" in out
    assert out.splitlines()[-1].endswith(f"Report: {tiny / 'reports' / 'assessment.html'}")
    assert "02_second: done in" in err
    code, out, _ = assess("run")
    assert code == 0 and out.startswith("Nothing has changed")


def test_new_chapter_runs_as_it_is_made(tiny):
    path = scaffold.chapter("11_transport", "Getting to school")
    text = (tiny / "notebooks" / "chapters.yaml").read_text(encoding="utf-8")
    assert path.is_file() and "name: 11_transport" in text and "Getting to school" in text
    from helpers import chapters

    assert chapters.load()[-1].name == "11_transport"
    assert chapters.parameters(chapters.read(path), "11_transport") == {"first_year": 2019}
    with pytest.raises(AssessError, match="There is already a chapter 11_transport"):
        scaffold.chapter("11_transport")


def test_several_files_follow_from(assess, monkeypatch, tmp_path):
    from helpers import update

    taken = []
    monkeypatch.setattr(update, "run", lambda files, dry_run, only: taken.append(files) or 0)
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    assert assess("update", "--from", one, two)[0] == 0
    assert taken == [[one, two]]
    code, _, said = assess("update", two)
    assert code == 1 and "only after --from" in said
