"""The runner: outputs as papermill's own engine gives them, nothing leaking, failures named."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import papermill
import pytest

import notebook_files as books
from helpers import chapters
from helpers.errors import AssessError
from helpers.runner import Job, Runner, forks

needs_fork = pytest.mark.skipif(not forks(), reason="this platform does not fork")

EVERYTHING = [
    "# Everything a cell can give",
    books.cell("a = 1", "parameters"),
    "import sys\nprint('x', a)\nprint('err', file=sys.stderr)\na",
    # A subprocess writes past Python: when it is heard is up to a thread, so it has the cell to itself.
    "import os\nimport time\nstatus = os.system('echo from a subprocess')\ntime.sleep(0.5)",
    "7 / 2",
    "import numpy as np\nimport pandas as pd\n"
    "pd.DataFrame(np.arange(60).reshape(3, 20), columns=list('abcdefghijklmnopqrst'))",
    "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.plot([1, 2, 3])\nax.set_title('A figure')",
    "plt.plot([3, 1, 2])\nplt.show()\nprint('after')",
    "fig",
    "from IPython.display import HTML, Markdown, clear_output, display\n"
    "handle = display(HTML('<b>x</b>'), display_id='k')\ndisplay(Markdown('**y**'))",
    "handle.update(HTML('<i>z</i>'))",
    "print('gone')\nclear_output()\nprint('kept')",
    "import asyncio\nawait asyncio.sleep(0.01)\n'awaited'",
    "get_ipython().__class__, __name__, In[1], _, os.getcwd()",
    "!echo from the shell",
    "%matplotlib inline\n%config InlineBackend.figure_formats = ['svg']\n%precision 3\n3.14159",
    "import warnings\nwarnings.warn('careful')",
    books.cell("def f():\n    return 1 / 0\nf()", "raises-exception"),
    books.cell("1 +", "raises-exception"),
    "sorted(k for k in globals() if not k.startswith('_'))",
    "os.path.basename(sys.argv[0]), '' in sys.path, sys.stdout.isatty(), sys.stdin.read()",
    "for i in range(3):\n    print(i, end='\\r')\nprint('done')",
    "import tqdm.auto\ntqdm.auto.tqdm.__name__",
    "sorted(os.environ)",
    "plt.rcParams['backend'], pd.get_option('display.max_columns'), pd.get_option('display.width')",
    "import jsonschema\njsonschema.FormatChecker().conforms('no address', 'iri')",
    "class Table:\n    def _repr_html_(self):\n        return '<p>t</p>'\nTable()",
    "{'b': [1, 2], 'a': 'é'}",
    "raise ValueError('on purpose')",
    "print('never')",
]


ONE_THREAD = {n: "1" for n in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")}


def clean(outputs: list) -> list:
    """Join the pieces a stream was cut into; forget process numbers, addresses and colours of shells."""
    joined: list = []
    for output in outputs:
        last = joined[-1] if joined else {}
        text = "".join(output.get("text", ""))
        if output["output_type"] == "stream" and last.get("output_type") == "stream" and last["name"] == output["name"]:
            last["text"] += text
        else:
            joined.append({**output, "text": text} if output["output_type"] == "stream" else dict(output))
    text = json.dumps(joined, sort_keys=True)
    text = re.sub(r"ipykernel_\d+", "ipykernel_N", text)
    return json.loads(re.sub(r"0x[0-9a-f]{6,}", "0xN", text))


@pytest.fixture(scope="module")
def runner():
    with Runner(["numpy", "pandas", "matplotlib.pyplot"]) as made:
        yield made


@pytest.fixture
def notebook(tmp_path):
    """Writes a notebook and runs it."""

    def make(*cells, name="n"):
        return books.write(tmp_path / f"{name}.ipynb", books.cell("a = 1", "parameters"), *cells)

    return make


def equal(runner: Runner, notebook: Path, folder: Path, parameters: dict, environment: dict | None = None) -> str:
    """Run a notebook both ways, compare every cell, and give the error ours reports."""
    plain, ours = folder / "plain.ipynb", folder / "ours.ipynb"
    error = None
    before = {name: os.environ.get(name) for name in environment or {}}
    os.environ.update(environment or {})
    try:
        papermill.execute_notebook(notebook, plain, parameters, kernel_name="python3", progress_bar=False)
    except papermill.PapermillExecutionError as raised:
        error = raised
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    outcome = runner.run(Job("n", str(notebook), str(ours), parameters, environment or {}))
    assert bool(outcome.error) == (error is not None), outcome.error
    compare(plain, ours)
    return outcome.error


def compare(plain: Path, ours: Path) -> None:
    """Two executed notebooks have the same cells and outputs."""
    expected, found = (json.loads(p.read_text(encoding="utf-8")) for p in (plain, ours))
    assert len(expected["cells"]) == len(found["cells"])
    assert expected["metadata"]["language_info"] == found["metadata"]["language_info"]
    for number, (a, b) in enumerate(zip(expected["cells"], found["cells"], strict=True)):
        where = f"cell {number}: {a['source'][:80]}"
        assert (a["cell_type"], a["source"], a["metadata"].get("tags")) == (
            b["cell_type"],
            b["source"],
            b["metadata"].get("tags"),
        ), where
        if a["cell_type"] == "code":
            assert a["execution_count"] == b["execution_count"], where
            assert clean(a["outputs"]) == clean(b["outputs"]), where


def test_outputs_are_those_of_papermills_own_engine(runner, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # ipykernel captures less under pytest
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    for name, value in ONE_THREAD.items():
        monkeypatch.setenv(name, value)
    with Runner(["numpy", "pandas", "matplotlib.pyplot"]) as fresh:
        notebook = books.write(tmp_path / "everything.ipynb", *EVERYTHING)
        error = equal(fresh, notebook, tmp_path, {"a": 5})
    assert error == "Notebook everything.ipynb, cell 29: ValueError: on purpose."


PROJECT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((PROJECT / "tests" / "examples").rglob("*.ipynb"))


@pytest.mark.parametrize("path", EXAMPLES[:: max(1, len(EXAMPLES) // 4)], ids=lambda p: p.stem)
def test_outputs_are_the_same_on_worked_examples(runner, tmp_path, path):
    equal(runner, path, tmp_path, {}, {"ASSESS_ROOT": str(PROJECT)})


@pytest.mark.parametrize("path", sorted((PROJECT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_outputs_are_the_same_on_every_notebook(runner, built, tmp_path, monkeypatch, path):
    ours = built / "data" / "processed" / "chapters" / path.stem / "notebook.ipynb"
    given = {"ASSESS_ROOT": str(built), "ASSESS_VARIANT": "equivalence", "ASSESS_RUN": "1", **ONE_THREAD}
    if not ours.is_file():  # the page of one council
        pages = {"ASSESS_COUNCILS": str(tmp_path)}
        assert not equal(runner, path, tmp_path, {}, given | pages)
        return
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    plain = tmp_path / "plain.ipynb"
    papermill.execute_notebook(path, plain, kernel_name="python3", progress_bar=False)
    compare(plain, ours)


def test_nothing_leaks_into_the_next_notebook(runner, notebook, tmp_path):
    look = (
        "import os, sys, random, decimal, locale, warnings\n"
        "import numpy as np, pandas as pd, matplotlib.pyplot as plt\n"
        "print([k for k in globals() if 'leak' in k], plt.rcParams['font.size'], plt.get_fignums(),"
        " pd.get_option('display.precision'),"
        " os.environ.get('LEAK'), os.getcwd(), 'leak' in sys.modules, hasattr(np, 'leak'), decimal.getcontext().prec,"
        " len(warnings.filters), sys.path, os.umask(0o022), sys.getrecursionlimit())"
    )
    spoil = (
        "import os, sys, types, random, decimal, warnings\nimport numpy as np, pandas as pd, matplotlib.pyplot as plt\n"
        "leak = 1\nplt.rcParams['font.size'] = 33\nplt.figure()\npd.set_option('display.precision', 1)\n"
        "os.environ['LEAK'] = '1'\n"
        "os.chdir('/')\nsys.modules['leak'] = types.ModuleType('leak')\nnp.leak = 1\ndecimal.getcontext().prec = 3\n"
        "warnings.simplefilter('ignore')\nsys.path.append('/leak')\nos.umask(0o077)\n"
        "sys.setrecursionlimit(5000)\nrandom.seed(1)\nnp.random.seed(1)"
    )
    clear, spoiler = notebook(look, name="look"), notebook(spoil, name="spoil")
    seen = []
    for path in (clear, spoiler, clear):
        assert not runner.run(Job("n", str(path), str(tmp_path / "out.ipynb"))).error
        seen.append(books.printed(tmp_path / "out.ipynb")[1])
    assert seen[0] == seen[2]


def test_random_numbers_differ_from_one_notebook_to_the_next(runner, notebook, tmp_path):
    path = notebook(
        "import random\nimport numpy as np\n"
        "print(random.random(), np.random.random(), np.random.default_rng().random())"
    )
    seen = set()
    for _ in range(2):
        assert not runner.run(Job("n", str(path), str(tmp_path / "out.ipynb"))).error
        seen |= set(books.printed(tmp_path / "out.ipynb")[1].split())
    assert len(seen) == 6


@needs_fork
def test_a_killed_notebook_fails_alone_and_says_so(runner, notebook, tmp_path):
    killed = notebook("print('before')", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", name="killed")
    left = notebook("import os\nos._exit(3)", name="left")
    well = notebook("import time\ntime.sleep(2)\nprint('well')", name="well")
    found = {}

    def go(path):
        found[path.stem] = runner.run(Job(path.stem, str(path), str(tmp_path / f"{path.stem}-out.ipynb")))

    threads = [threading.Thread(target=go, args=(p,)) for p in (killed, left, well)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found["killed"].error == (
        "Notebook killed.ipynb, cell 3: its process was killed by SIGKILL; the machine may have run out of memory."
    )
    assert found["left"].error == "Notebook left.ipynb, cell 2: its process ended by itself with exit code 3."
    assert found["well"].error == ""
    assert books.printed(tmp_path / "killed-out.ipynb")[1] == "before\n"


@needs_fork
def test_closing_stops_what_runs(notebook, tmp_path):
    pid = tmp_path / "pid"
    path = notebook(f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)")
    runner, found = Runner(), []
    thread = threading.Thread(target=lambda: found.append(runner.run(Job("n", str(path), str(tmp_path / "out.ipynb")))))
    thread.start()
    deadline = time.monotonic() + 60
    while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    runner.close()
    thread.join(10)
    assert found[0].error == "n, cell 2: was stopped."
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid.read_text()}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid.read_text()}").exists()


@needs_fork
def test_it_ends_when_the_process_that_started_it_is_killed(tmp_path, notebook):
    import subprocess

    pid = tmp_path / "pid"
    path = notebook(f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)")
    code = f"from helpers.runner import *\nRunner().run(Job('n', {str(path)!r}, {str(tmp_path / 'o.ipynb')!r}))"
    process = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 60
    while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid.read_text()}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid.read_text()}").exists()


def test_without_fork_the_ordinary_kernel_gives_the_same(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("ASSESS_ENGINE", "kernel")
    good, bad = notebook("## A step", "print(a)", name="good"), notebook("1 / 0", name="bad")
    events: list = []
    with Runner() as runner:
        outcome = runner.run(Job("good", str(good), str(tmp_path / "out.ipynb"), {"a": 4}), events.append)
        failed = runner.run(Job("bad", str(bad), str(tmp_path / "bad-out.ipynb")))
    assert outcome.error == "" and books.printed(tmp_path / "out.ipynb")[2] == "4\n"
    assert [e["step"] for e in events if e["event"] == "cell"][-1] == "A step"
    assert failed.error == "Notebook bad.ipynb, cell 2: ZeroDivisionError: division by zero."


@needs_fork
def test_what_a_notebook_reads_is_seen(runner, notebook, tmp_path):
    (tmp_path / "t.csv").write_text("a\n1\n", encoding="utf-8")
    path = notebook(
        "import pandas as pd\nfrom pathlib import Path",
        f"pd.read_csv({str(tmp_path / 't.csv')!r}).to_parquet({str(tmp_path / 't.parquet')!r})",
        f"pd.read_parquet({str(tmp_path / 't.parquet')!r})",
        f"open({str(tmp_path / 'made.txt')!r}, 'w').close()",
    )
    with Runner(["pandas", "pyarrow.parquet"]) as fresh:
        job = Job("n", str(path), str(tmp_path / "out.ipynb"), trace=str(tmp_path / "trace"))
        assert not fresh.run(job).error
    seen = (tmp_path / "trace").read_text(encoding="utf-8").splitlines()
    assert {f"r {tmp_path}/t.csv", f"r {tmp_path}/t.parquet", f"w {tmp_path}/made.txt"} <= set(seen)


def test_progress_names_the_cell_and_its_heading(runner, notebook, tmp_path):
    path = notebook("## One", "1", "## Two", "2")
    events: list = []
    outcome = runner.run(Job("n", str(path), str(tmp_path / "out.ipynb"), {"a": 2}), events.append)
    assert [(e["cell"], e["step"]) for e in events if e["event"] == "cell"][-1] == (5, "Two")
    assert [(c["cell"], c["step"]) for c in outcome.cells] == [(1, ""), (3, "One"), (5, "Two")]
    assert 0 < outcome.memory_mb < 600


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"b": 1}, "Notebook n has no parameter 'b'; there are first_year, share, name."),
        ({"first_yaer": 1}, "Notebook n has no parameter 'first_yaer'; did you mean 'first_year'?"),
        (
            {"first_year": "2019"},
            "Parameter 'first_year' of notebook n takes a whole number, such as 2019; '2019' is text.",
        ),
        (
            {"first_year": True},
            "Parameter 'first_year' of notebook n takes a whole number, such as 2019; True is True or False.",
        ),
        (
            {"first_year": 2019.5},
            "Parameter 'first_year' of notebook n takes a whole number, such as 2019; 2019.5 is a number.",
        ),
    ],
)
def test_wrong_parameters_are_refused(given, says, tmp_path):
    path = books.write(tmp_path / "n.ipynb", books.cell("first_year = 2019\nshare = 0.5\nname = 'x'", "parameters"))
    with pytest.raises(AssessError) as raised:
        chapters.accept(given, chapters.read(path), "n")
    assert str(raised.value) == says


NESTED = "span = (2018, 2020)\nnames = ['a', 'b']\nfirsts = {'a': 2018}\nfree = []\nshares = [0.5]"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"span": "(2019,x)"}, "takes a tuple, such as (2018, 2020); '(2019,x)' is text."),
        ({"span": (2019, "2021")}, "takes a tuple, such as (2018, 2020); '2021' is text."),
        ({"span": (2019, True)}, "takes a tuple, such as (2018, 2020); True is True or False."),
        (
            {"span": (2019, 2020, 2021)},
            "takes a tuple, such as (2018, 2020); (2019, 2020, 2021) has 3 values, expected 2.",
        ),
        ({"names": [1]}, "takes a list, such as ['a', 'b']; 1 is a whole number."),
        ({"firsts": {"a": "2018"}}, "takes a dict, such as {'a': 2018}; '2018' is text."),
        ({"firsts": {1: 2018}}, "takes a dict, such as {'a': 2018}; 1 is a whole number."),
    ],
)
def test_what_stands_in_lists_is_checked_too(given, says, tmp_path):
    path = books.write(tmp_path / "n.ipynb", books.cell(NESTED, "parameters"))
    with pytest.raises(AssessError) as raised:
        chapters.accept(given, chapters.read(path), "n")
    assert str(raised.value).endswith(says)


def test_tuples_and_lists_stand_for_each_other_and_reach_the_notebook_as_lists(tmp_path):
    path = books.write(tmp_path / "n.ipynb", books.cell(NESTED, "parameters"))
    given = {"span": [2019, 2021], "names": ("c",), "free": [1, "x"], "shares": [1], "firsts": {"b": 2019}}
    taken = chapters.accept(given, chapters.read(path), "n")
    assert taken == {"span": [2019, 2021], "names": ["c"], "free": [1, "x"], "shares": [1], "firsts": {"b": 2019}}
    assert chapters.accept({"span": [2018, 2020], "names": ("a", "b")}, chapters.read(path), "n") == {}


def test_a_tuple_is_no_text_in_the_notebook(runner, notebook, tmp_path):
    """papermill alone would hand on "(2019, 2021)"."""
    path = notebook("print(type(a).__name__, a)")
    given = chapters.accept({"a": (2019, 2021)}, {"cells": [books.cell("a = (2018, 2020)", "parameters")]}, "n")
    out = tmp_path / "out.ipynb"
    assert not runner.run(Job("n", str(path), str(out), given)).error
    assert "list [2019, 2021]" in out.read_text(encoding="utf-8")


def test_right_parameters_are_taken_and_defaults_dropped(tmp_path):
    path = books.write(tmp_path / "n.ipynb", books.cell("first_year = 2019\nshare = 0.5", "parameters"))
    assert chapters.accept({"first_year": 2019, "share": 1}, chapters.read(path), "n") == {"share": 1.0}


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (["1"], "Notebook n has no cell tagged 'parameters'"),
        (
            [books.cell("a = len('x')", "parameters")],
            "Notebook n, cell 1 (parameters), line 1: only literals may stand here.",
        ),
        ([books.cell("import os", "parameters")], "only literals may stand here"),
        ([books.cell("a = ", "parameters")], "line 1: invalid syntax"),
    ],
)
def test_a_parameters_cell_holds_literals(cells, says, tmp_path):
    path = books.write(tmp_path / "n.ipynb", *cells)
    with pytest.raises(AssessError, match=re.escape(says)):
        chapters.parameters(chapters.read(path), "n")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"cells": 3}', "\xff"])
def test_a_broken_notebook_is_one_sentence(content, tmp_path):
    path = tmp_path / "n.ipynb"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(AssessError, match=r"Notebook n\.ipynb is not a notebook"):
        chapters.read(path)
