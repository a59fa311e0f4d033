"""The build: runs what is out of date and nothing else, says why, and keeps what there was when something fails."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import notebook_files as books
from helpers import build, cluster, paths, progress
from helpers.errors import AssessError
from helpers.runner import Runner

PUBLISH = "notebook_files:publish"
ALL = ["01_first", "02_second", "03_third", "04_apart", "report"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A project built once; tests work on copies."""
    return books.project(tmp_path_factory.mktemp("tiny") / "project")


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A project of its own, and the folder of its report maker on the path of every process."""
    root = books.project(tmp_path / "project")
    monkeypatch.setenv("ASSESS_ROOT", str(root))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.chdir(tmp_path)
    return root


@pytest.fixture(scope="module")
def warm():
    """One warm process for every build here."""
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    try:
        with Runner() as runner:
            runner.start()
            yield runner
    finally:
        del os.environ["PYTHONPATH"]


@pytest.fixture
def go(tiny, warm):
    """Build, and give the names of what ran."""

    class Lent:
        run = staticmethod(warm.run)

        def close(self):
            """It is not ours to close."""

    def run(**options):
        return sorted(build.run(runner=lambda modules: Lent(), publish=PUBLISH, **options).ran)

    return run


def report() -> str:
    return (paths.reports() / "assessment.html").read_text(encoding="utf-8")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


FOUND = "first.rows 1\nsecond.total 3\nthird.double 6\napart.five 5\n"


def test_from_nothing_then_nothing_to_do(go):
    assert go() == ALL
    assert report() == FOUND
    assert (paths.chapter_output("02_second") / "notebook.ipynb").is_file()
    assert go() == []
    assert build.verify() == []
    assert go(force=True) == ALL and report() == FOUND


def test_content_counts_and_time_does_not(go, tiny):
    go()
    for path in tiny.rglob("*"):
        os.utime(path, (2_000_000_000, 2_000_000_000))
    assert go() == []


def test_outputs_and_layout_of_a_notebook_do_not_count_but_cells_do(go, tiny):
    go()
    path = tiny / "notebooks" / "04_apart.ipynb"
    edit(path, '"outputs": []', '"outputs": [ ]')
    edit(path, '"nbformat_minor": 5', '"nbformat_minor":   5')
    assert go() == []
    edit(path, "The middle", "The centre")
    # The facts come out the same, but the report shows the notebook.
    assert go() == ["04_apart", "report"]


def test_one_raw_file_runs_only_what_depends_on_it(go, tiny):
    go()
    (tiny / "data/raw/dfe/other.csv").write_text("n\n6\n", encoding="utf-8")
    assert go() == ["04_apart", "report"]
    assert "apart.five 6" in report()
    (tiny / "data/raw/dfe/numbers.csv").write_text("n\n1\n3\n", encoding="utf-8")
    assert go() == ["01_first", "02_second", "03_third", "report"]
    assert "second.total 4\nthird.double 8" in report()


def test_a_chapter_that_comes_out_the_same_stops_there(go, tiny):
    go()
    # The same total from other rows: 01 runs, its table and facts are as before.
    (tiny / "data/raw/dfe/numbers.csv").write_text("n\n2\n1\n", encoding="utf-8")
    assert go() == ["01_first"]


def test_lost_and_edited_outputs_are_made_again(go, tiny):
    go()
    (paths.chapter_output("04_apart") / "facts.json").unlink()
    edit(paths.chapter_output("03_third") / "facts.json", "6", "7")
    (paths.reports() / "assessment.html").unlink()
    problems = " ".join(build.verify())
    assert "04_apart/facts.json is missing" in problems and "03_third/facts.json was changed" in problems
    assert go() == ["03_third", "04_apart", "report"]
    assert report() == FOUND


def test_a_helper_counts_for_those_who_use_it(go, tiny, monkeypatch):
    go()
    state = build.State()
    used = build.stamp("02_second")["inputs"]
    assert "helpers/chapter.py" in used and "helpers/facts.py" in used and "helpers/estimation.py" not in used
    task = next(t for t in build.plan() if t.name == "02_second")
    state._known[Path(build.__file__).with_name("facts.py")] = "edited"
    assert state.reasons(task, build.stamp("02_second")) == ["helpers/facts.py changed"]


def test_versions_of_libraries_count_and_reasons_are_said(go, tiny, monkeypatch, capsys):
    go()
    monkeypatch.setattr(build, "_versions", lambda: {"Python": "9.9"})
    task = next(t for t in build.plan() if t.name == "04_apart")
    reasons = build.State().reasons(task, build.stamp("04_apart"))
    assert any(r.startswith("Python is 9.9, was ") for r in reasons)


def test_explain_says_why(go, tiny, capsys):
    go()
    (tiny / "data/raw/dfe/other.csv").write_text("n\n7\n", encoding="utf-8")
    with progress.Progress(explain=True, stream=sys.stdout) as show:
        go(show=show)
    said = capsys.readouterr().out
    assert "01_first: up to date\n" in said
    assert "04_apart: runs, because data/raw/dfe/other.csv changed\n" in said
    assert "report: runs, because data/processed/chapters/04_apart/facts.json changed" in said


def test_a_failing_notebook_leaves_the_report_and_the_others_are_kept(go, tiny):
    go()
    (tiny / "data/raw/dfe/numbers.csv").write_text("n\n1\nx\n", encoding="utf-8")
    (tiny / "data/raw/dfe/other.csv").write_text("n\n8\n", encoding="utf-8")
    with pytest.raises(AssessError) as raised:
        go()
    assert str(raised.value) == (
        "Notebook 01_first.ipynb, cell 6: ValueError: invalid literal for int() with base 10: 'x'."
        " See data/processed/.build/failed/01_first.ipynb. The previous report is untouched."
    )
    assert report() == FOUND
    assert (tiny / "data/processed/.build/failed/01_first.ipynb").is_file()
    (tiny / "data/raw/dfe/numbers.csv").write_text("n\n1\n2\n", encoding="utf-8")
    # 04 was finished while 01 failed.
    assert "04_apart" not in go()
    assert "apart.five 8" in report()


def test_a_killed_notebook_fails_alone(go, tiny):
    edit(tiny / "notebooks/02_second.ipynb", "from helpers import paths", "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(AssessError, match=r"Notebook 02_second\.ipynb, cell 5: its process was killed by SIGKILL"):
        go()
    assert build.stamp("01_first") and build.stamp("04_apart") and not build.stamp("02_second")


def test_parameters_make_a_variant_beside_the_default(go, tiny):
    go()
    default = (paths.chapter_output("02_second") / "facts.json").read_text(encoding="utf-8")
    ran = go(given={"02_second": {"level": 10}})
    assert len(ran) == 1 and ran[0].startswith("02_second--level-10-")
    assert '"value": 30' in (paths.chapter_output(ran[0]) / "facts.json").read_text(encoding="utf-8")
    assert (paths.chapter_output("02_second") / "facts.json").read_text(encoding="utf-8") == default
    assert report() == FOUND
    assert go(given={"02_second": {"level": 10}}) == []
    assert go(given={"02_second": {"level": 1}}) == []
    with pytest.raises(AssessError, match="Chapter 01_first writes the tables"):
        go(given={"01_first": {"level": 2}})


def test_a_variant_whose_folder_is_gone_is_forgotten(go, tiny):
    go()
    (label,) = go(given={"02_second": {"level": 10}})
    top = paths.chapter_output(label)
    (top / "facts.json").unlink()
    (problem,) = build.verify()
    assert f"{label}/facts.json is missing" in problem and "the same `assess run -p` makes it again" in problem
    shutil.rmtree(top)
    assert build.verify() == [] and build.stamp(label) is None and build.stamp("02_second")
    assert go(given={"02_second": {"level": 10}}) == [label]


def test_every_notebook_is_checked_before_any_runs(go, tiny):
    books.write(tiny / "notebooks/04_apart.ipynb", "1")
    with pytest.raises(AssessError, match="Notebook 04_apart has no cell tagged 'parameters'"):
        go()
    (tiny / "notebooks/04_apart.ipynb").unlink()
    with pytest.raises(AssessError, match=r"Notebook 04_apart\.ipynb is missing"):
        go()
    assert build.stamp("01_first") is None


def test_a_chapter_must_finish(go, tiny):
    edit(tiny / "notebooks/04_apart.ipynb", "book.finish()", "1")
    with pytest.raises(
        AssessError, match=r"Notebook 04_apart\.ipynb wrote no facts: its last cell must be book\.finish\(\)"
    ):
        go()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected a list of chapters"),
        ("- {title: x}", "entry 1 has no name"),
        ("- {name: a}\n- {name: a}", "a is listed twice"),
        ("- {name: a, after: [b]}\n- {name: b}", "a comes after b, which is not listed before it"),
        ("- {name: a, after: b}", "after of a must be a list"),
        ("- {", "cannot be read"),
    ],
)
def test_a_wrong_list_of_chapters_is_one_sentence(text, says, tiny):
    (tiny / "notebooks/chapters.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(AssessError, match=says):
        build.plan()


def test_the_number_of_jobs_changes_nothing(go, tiny):
    contents = []
    for jobs in (1, 4):
        go(force=True, jobs=jobs)
        contents.append({p.name: p.read_bytes() for p in paths.processed().glob("chapters/*/facts.json")})
    assert contents[0] == contents[1]


def test_two_builds_at_once_are_refused(go, tiny):
    with build._alone(), pytest.raises(AssessError, match="Another `assess run` is building"):
        go()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_build_stops_its_workers_and_keeps_what_was_finished(tiny, tmp_path, number):
    pid = tmp_path / "pid"
    edit(tiny / "notebooks/03_third.ipynb", "## The middle", "## A long one")
    waits = f"import os, time; open('{pid}', 'w').write(str(os.getpid())); time.sleep(100)"
    books.chapter(tiny / "notebooks/03_third.ipynb", waits)
    # A shell starts what it puts in the background deaf to Ctrl-C, and the tests may have been started so.
    hears = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{hears}; from helpers import build; build.run(publish={PUBLISH!r})"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 90
    while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode != 0 and "KeyboardInterrupt" in said
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid.read_text()}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid.read_text()}").exists()
    assert build.stamp("02_second") and not build.stamp("03_third")


def test_on_a_dask_cluster_of_two_workers(tiny):
    distributed = pytest.importorskip("distributed")
    events = []

    class Show(progress.Progress):
        def event(self, task, event):
            events.append((task, event["event"]))

    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, worker_dashboard_address=None
    ) as local:
        made = cluster.Cluster(local.scheduler_address)
        assert made.workers == 2
        show = Show(stream=io.StringIO())
        result = build.run(runner=made.prepare, jobs=made.workers, publish=PUBLISH, show=show)
    assert sorted(result.ran) == ALL and report() == FOUND
    assert ("02_second", "cell") in events


def test_no_cluster_is_one_sentence():
    pytest.importorskip("distributed")
    with pytest.raises(AssessError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:1"):
        cluster.Cluster("tcp://127.0.0.1:1", timeout=1)
