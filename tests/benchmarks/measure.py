"""How fast the project runs its notebooks, beside a shell loop over the `papermill` command on the same ones.

    python tests/benchmarks/measure.py            everything, on a copy of the project (an hour: the loops are slow)
    python tests/benchmarks/measure.py --sample 6 loops over 6 councils, scaled to 38 and 153
    python tests/benchmarks/measure.py --small    a tiny project, in half a minute: only that it all works

Prints a table, ratios first, and writes it as JSON (`--out`). Both sides run in the same minutes on the same
machine, so the ratio says more than the seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))

import psutil  # noqa: E402

import notebook_files  # noqa: E402

STAND_IN = HERE / "profile_like.ipynb"
PROFILE = "council_profile.ipynb"
THREADS = {n: "1" for n in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}


class Bench:
    """The measurements of one run, in one copy of the project."""

    def __init__(self, root: Path, small: bool, repeat: int, sample: int) -> None:
        self.root, self.small, self.repeat, self.sample = root, small, repeat, sample
        self.out = root / "bench"
        self.out.mkdir()
        self.rows: list[dict[str, Any]] = []
        self.environment = {**os.environ, **THREADS, "ASSESS_ROOT": str(root), "PYTHONPATH": str(HERE.parent)}
        os.environ.update(ASSESS_ROOT=str(root))

    # Measuring

    def timed(
        self, what: Callable[[], object], repeat: int | None = None, before: Callable[[], object] = lambda: None
    ) -> list[float]:
        """Seconds of each repetition."""
        found = []
        for _ in range(repeat or self.repeat):
            before()
            started = time.perf_counter()
            what()
            found.append(time.perf_counter() - started)
        return found

    def command(self, *arguments: str, codes: Sequence[int] = (0,)) -> str:
        """Run a Python module as a command, and give what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            env=self.environment,
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode not in codes:
            raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout[-3000:]}")
        return done.stdout

    def assess(self) -> str:
        """`assess run`, or the same for the tiny project, whose report is made by the tests."""
        if self.small:
            code = "from helpers import build; print(*build.run(publish='notebook_files:publish').ran)"
            done = subprocess.run(
                [sys.executable, "-c", code],
                env=self.environment,
                cwd=self.root,
                capture_output=True,
                text=True,
                check=True,
            )
            return done.stdout
        return self.command("helpers.command", "run")

    def papermill(self, notebook: Path, output: Path, **parameters: str) -> None:
        """The `papermill` command, as a shell loop would call it."""
        given = [word for name, value in parameters.items() for word in ("-p", name, value)]
        self.command("papermill", str(notebook), str(output), "-k", "python3", "--no-progress-bar", *given)

    def render(self) -> None:
        """The report alone, in a process of its own, as the last step of a loop over the chapters."""
        code = "from helpers import paths, report; report.publish(paths.processed() / 'chapters', paths.root() / 'reports')"
        subprocess.run([sys.executable, "-c", code], env=self.environment, cwd=self.root, check=True)

    def row(self, what: str, ours: list[float], loop: list[float] | None = None, target: str = "", **more: Any) -> None:
        """Note a measurement and print it."""
        entry: dict[str, Any] = {"what": what, "seconds": [round(s, 3) for s in ours], "target": target, **more}
        if loop:
            entry["loop_seconds"] = [round(s, 3) for s in loop]
            entry["ratio"] = round(statistics.median(loop) / statistics.median(ours), 2)
        self.rows.append(entry)
        print(line(entry), flush=True)

    # What is measured

    def assessment(self) -> None:
        """The chapters from raw data, nothing cached; then nothing changed, and one thing changed."""
        from helpers import chapters

        os.environ["ASSESS_ROOT"] = str(self.root)
        listed = chapters.load()
        processed = self.root / "data" / "processed"

        def clear() -> None:
            shutil.rmtree(processed, ignore_errors=True)

        def loop() -> None:
            for chapter in listed:
                self.papermill(chapter.notebook, self.out / f"loop-{chapter.name}.ipynb")
                made = processed / "chapters" / chapter.name
                if made.is_dir():
                    shutil.copyfile(self.out / f"loop-{chapter.name}.ipynb", made / "notebook.ipynb")
            if not self.small:
                self.render()

        looped = self.timed(loop, 1, clear)
        ours = self.timed(self.assess, self.repeat, clear)
        different = [
            c.name
            for c in listed
            if not alike(self.out / f"loop-{c.name}.ipynb", processed / "chapters" / c.name / "notebook.ipynb")
        ]
        self.row("full assessment from raw data", ours, looped, "3 times", different_outputs=different)
        stamps = [json.loads(p.read_text(encoding="utf-8")) for p in (processed / ".build").glob("*.json")]
        cells = sum(c["seconds"] for s in stamps for c in s["cells"])
        cores = os.cpu_count() or 1
        self.row("limit: cell times over cores", [cells / cores], None, "", cell_seconds=round(cells, 1), cores=cores)
        self.row("nothing changed", self.timed(self.assess), None, "under 2 s")
        if not self.small:
            self.row("render HTML, PDF and DOCX", self.timed(self.render), None, "under 5 s")
        # Watching slows what is watched, so this run is not timed.
        clear()
        with Peak() as peak:
            self.assess()
        self.row("peak memory of any process, MB", [peak.megabytes], None, "under 600")
        self.edits(listed)

    def edits(self, listed: Sequence[Any]) -> None:
        """One notebook edited; one raw file replaced: what runs."""
        path = listed[-1 if self.small else 2].notebook
        text = path.read_text(encoding="utf-8")
        book = json.loads(text)
        book["cells"].insert(-1, {**notebook_files.cell("1 + 1"), "id": "bench"})
        path.write_text(json.dumps(book), encoding="utf-8")
        before = self.stamps()
        seconds = self.timed(self.assess, 1)
        self.row("one chapter edited", seconds, None, "only what depends on it", ran=self.since(before))
        path.write_text(text, encoding="utf-8")
        self.assess()
        raw = self.root / "data" / "raw"
        path = raw / ("dfe/other.csv" if self.small else "councils/double_coding.csv")
        if path.is_file():
            # The same table in another order: new content, with nothing in it that a check would refuse.
            lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
            path.write_text(
                "\n".join([lines[0], *reversed(lines[1:]), *(["6"] if self.small else [])]) + "\n", encoding="utf-8"
            )
            if not self.small:
                from helpers import extraction

                extraction.extract([], raw)
            before = self.stamps()
            self.row(
                "one raw file replaced", self.timed(self.assess, 1), None, "only its dependants", ran=self.since(before)
            )

    def stamps(self) -> dict[str, float]:
        """When each task was last built."""
        return {p.stem: p.stat().st_mtime_ns for p in (self.root / "data/processed/.build").glob("*.json")}

    def since(self, before: dict[str, float]) -> list[str]:
        """What was built since."""
        return sorted(name for name, when in self.stamps().items() if before.get(name) != when)

    def profiles(self, counts: Sequence[int], synthetic: Sequence[int]) -> None:
        """Council profiles through the runner, and the same notebook in a shell loop."""
        from helpers.runner import Job, Runner

        notebook = self.root / "notebooks" / PROFILE
        real = notebook.is_file() and not self.small
        if real:
            from helpers import panel

            frame = panel.councils().sort_values("signed_year", ascending=False)
            codes = list(frame["la_code"])
        else:
            notebook = STAND_IN
            codes = [f"E{n:08d}" for n in range(2000)]
        folder = self.out / "pages"
        folder.mkdir(exist_ok=True)
        extra = {"ASSESS_COUNCILS": str(folder)}
        if real:
            from helpers import profile

            extra = {profile.FOLDER: str(folder)}
        self.environment.update(extra)
        warm = [
            "pandas",
            "matplotlib.pyplot",
            "pyarrow.parquet",
            "pandas.io.parquet",
            *(["helpers.profile_ready"] if real else []),
        ]

        def ours(count: int) -> None:
            with Runner(warm) as runner, ThreadPoolExecutor(os.cpu_count()) as pool:
                jobs = [
                    Job(
                        code,
                        str(notebook),
                        str(self.out / f"{code}.ipynb"),
                        {"council": code},
                        {**extra, "ASSESS_ROOT": str(self.root)},
                    )
                    for code in (codes * (count // len(codes) + 1))[:count]
                ]
                errors = [o.error for o in pool.map(runner.run, jobs) if o.error]
            if errors:
                raise SystemExit(errors[0])

        sample = codes[: self.sample or max(counts)]
        looped = [
            self.timed(lambda code=code: self.papermill(notebook, self.out / f"loop-{code}.ipynb", council=code), 1)[0]
            for code in sample
        ]
        each = statistics.mean(looped)
        for count in counts:
            seconds = self.timed(
                lambda count=count: ours(count), self.repeat if count < 100 else max(1, self.repeat - 1)
            )
            whole = sum(looped[:count]) if len(looped) >= count else each * count
            different = [c for c in sample[:count] if not alike(self.out / f"loop-{c}.ipynb", self.out / f"{c}.ipynb")]
            what = f"{count} council profiles" + ("" if real else " (stand-in notebook)")
            measured = min(len(looped), count)
            self.row(
                what,
                seconds,
                [whole],
                "10 times",
                loop_measured_on=measured,
                each=round(statistics.median(seconds) / count, 3),
                different_outputs=different,
            )
        for count in synthetic:
            seconds = self.timed(lambda count=count: ours(count), 1)
            self.row(f"{count} runs of it", seconds, None, "flat", each=round(seconds[0] / count, 3))


class Peak:
    """The largest resident memory of any one process below this one, while it is watched."""

    def __init__(self) -> None:
        self.megabytes = 0.0
        self._stop = threading.Event()

    def __enter__(self) -> Peak:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        mine = psutil.Process()
        while not self._stop.wait(0.1):
            for child in mine.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    self.megabytes = max(self.megabytes, child.memory_info().rss / 1e6)


def alike(one: Path, other: Path) -> bool:
    """Whether two executed notebooks hold the same outputs, by the rules of the equivalence test."""
    from test_runner import clean

    cells = []
    for path in (one, other):
        book = json.loads(path.read_text(encoding="utf-8"))
        cells.append([clean(c["outputs"]) for c in book["cells"] if c["cell_type"] == "code"])
    return cells[0] == cells[1]


def line(entry: dict[str, Any]) -> str:
    """One row of the table: ratio, what, median and range."""
    seconds, loop = entry["seconds"], entry.get("loop_seconds")
    ratio = f"{entry['ratio']:.1f} times" if "ratio" in entry else ""
    ours = f"{statistics.median(seconds):.2f}" + (
        f" ({min(seconds):.2f} to {max(seconds):.2f})" if len(seconds) > 1 else ""
    )
    more = ", ".join(
        f"{k} {v}"
        for k, v in entry.items()
        if k in ("each", "ran", "different_outputs", "loop_measured_on") and v != []
    )
    looped = f"{statistics.median(loop):.2f}" if loop else ""
    return f"| {ratio} | {entry['what']} | {ours} | {looped} | {entry['target']} | {more} |"


def machine() -> dict[str, Any]:
    """What it ran on."""
    model = ""
    if Path("/proc/cpuinfo").is_file():
        model = next(
            (
                r.partition(":")[2].strip()
                for r in Path("/proc/cpuinfo").read_text().splitlines()
                if r.startswith("model name")
            ),
            "",
        )
    memory = round(psutil.virtual_memory().total / 1e9)
    return {
        "system": platform.platform(),
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gb": memory,
        "python": platform.python_version(),
    }


def copy(small: bool, root: Path) -> Path:
    """A project to measure in."""
    if small:
        return notebook_files.project(root)
    root.mkdir(parents=True)
    for name in ("pyproject.toml", "CITATION.cff"):
        shutil.copy2(PROJECT / name, root / name)
    for name in ("notebooks", "docs"):
        shutil.copytree(PROJECT / name, root / name)
    shutil.copytree(PROJECT / "data" / "raw", root / "data" / "raw")
    return root


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="a tiny project")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions of what is quick")
    parser.add_argument("--sample", type=int, default=0, help="time the shell loop on this many councils and scale")
    parser.add_argument("--only", choices=["assessment", "profiles"], help="one half")
    parser.add_argument("--out", type=Path, default=Path("benchmark.json"), help="where the JSON goes")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(
            copy(chosen.small, Path(folder) / "project"),
            chosen.small,
            1 if chosen.small else chosen.repeat,
            chosen.sample,
        )
        print("| ratio | what | seconds, median (range) | shell loop | target | |\n|---|---|---|---|---|---|")
        if chosen.only != "profiles":
            bench.assessment()
        elif not chosen.small:
            bench.assess()
        if chosen.only != "assessment":
            bench.profiles([3] if chosen.small else [38, 153], [6] if chosen.small else [10, 1500])
    chosen.out.write_text(json.dumps({"machine": machine(), "measured": bench.rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
