"""What is out of date, why, and building it: chapter by chapter, as many at once as there are cores.

A chapter is up to date when everything it read last time still has the same content and everything it wrote is still
there. Content, not time: a file saved again unchanged runs nothing, and a chapter that comes out as it was runs nothing
after it. What a chapter reads is seen, not declared: the process that runs it notes each file it opens
(`tracing`); `reads` and `after` in notebooks/chapters.yaml fix the order, and stand in where the process cannot be
watched.

Why this and not pytask, which was tried first: it takes single files named beforehand as what a task reads and makes,
while chapters make folders and read what their helpers need; it looks for finished tasks at intervals that grow to one
second, on a path of five chapters one after another; and importing it costs more (0.8 s) than the rest of a run that
has nothing to do. What is left to write is below; order is `graphlib`, processes are `helpers.runner`, other machines
Dask.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Protocol

from helpers import chapters, files, paths
from helpers.chapters import Chapter
from helpers.errors import AssessError
from helpers.runner import Job, Listen, Outcome, Runner

REPORT = "report"
PUBLISH = "helpers.report:publish"
# Libraries whose version can change a number, a sentence or a picture.
LIBRARIES = (
    "pandas", "numpy", "scipy", "matplotlib", "pyarrow", "diff-diff", "pyfixest", "pandera", "ipykernel",
    "pypandoc-binary", "typst",
)  # fmt: skip
_PACKAGE = Path(__file__).resolve().parent
# Read by every chapter, and counted in part: of the one its own entry, of the other those of the resources it uses.
_UNSEEN = "chapters.yaml"
_ENTRY = "catalogue entry "
_CATALOGUE = "data/raw/datapackage.json"
# How notebooks are run has no part in what they find.
_ENGINE = {
    "kernel.py",
    "runner.py",
    "build.py",
    "progress.py",
    "cluster.py",
    "command.py",
    "chapters.py",
    "engine.py",
    "tracing.py",
}


class Jobs(Protocol):
    """What runs jobs: `runner.Runner` here, `cluster.Cluster` elsewhere."""

    def run(self, job: Job, listen: Listen = ...) -> Outcome: ...
    def close(self) -> None: ...


@dataclass
class Task:
    """A chapter with its parameters, or the report."""

    name: str
    chapter: Chapter | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()

    @property
    def variant(self) -> str:
        """What tells a run with other parameters from the default one."""
        if not self.parameters:
            return ""
        text = json.dumps(self.parameters, sort_keys=True)
        words = "-".join(f"{k}-{v}" for k, v in sorted(self.parameters.items()))
        plain = "".join(c if c.isalnum() or c in "_-" else "-" for c in words.lower())[:40].strip("-")
        return f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"

    @property
    def label(self) -> str:
        """Its name, or name and variant: also the name of its folder."""
        return f"{self.name}--{self.variant}" if self.variant else self.name


@dataclass
class Result:
    """What a build did."""

    report: Path
    ran: list[str] = field(default_factory=list)
    reasons: dict[str, list[str]] = field(default_factory=dict)
    variants: list[Path] = field(default_factory=list)
    seconds: float = 0.0


class Show(Protocol):
    """What is told how the build goes: `progress.Progress`."""

    def plan(self, task: str, reasons: list[str], expected: float | None) -> None: ...
    def event(self, task: str, event: Mapping[str, Any]) -> None: ...
    def done(self, task: str, outcome: Outcome) -> None: ...


class _Silent:
    def plan(self, task: str, reasons: list[str], expected: float | None) -> None: ...
    def event(self, task: str, event: Mapping[str, Any]) -> None: ...
    def done(self, task: str, outcome: Outcome) -> None: ...


# Where the build keeps its notes


def folder() -> Path:
    """Notes on finished work, one file a task; deleting it only means building again."""
    return paths.processed() / ".build"


def stamp(label: str) -> dict[str, Any] | None:
    """What was noted when this task last ended well."""
    try:
        read = json.loads((folder() / f"{label}.json").read_text(encoding="utf-8"))
        return read if isinstance(read, dict) and read.get("format") == 1 else None
    except (OSError, ValueError):
        return None


# Content


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:20]
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except IsADirectoryError:
        names = sorted(p.name for p in path.iterdir() if not p.name.startswith((".", "__")))
        return _of("\n".join(names))


def _of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _notebook(path: Path, outputs: bool = False) -> str:
    """A notebook's cells; not the times papermill adds to them, nor which of its outputs are checked."""
    if not path.is_file():
        return "missing"
    kept = []
    for cell in chapters.read(path)["cells"]:
        tags = [tag for tag in cell.get("metadata", {}).get("tags", []) if tag != "nbval-check-output"]
        kept.append([cell.get("cell_type"), chapters.source(cell), tags, cell.get("outputs", []) if outputs else None])
    return _of(json.dumps(kept, sort_keys=True))


def _versions() -> dict[str, str]:
    from importlib import metadata

    found = {"Python": ".".join(map(str, sys.version_info[:3]))}
    for name in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _name(path: Path) -> str:
    """How a file is known in notes and reasons: from the project's folder, or from the package's."""
    for top, prefix in ((_PACKAGE, "helpers/"), (paths.root(), "")):
        with contextlib.suppress(ValueError):
            return prefix + path.relative_to(top).as_posix()
    return path.as_posix()


def _path(name: str) -> Path:
    return _PACKAGE / name[len("helpers/") :] if name.startswith("helpers/") else paths.root() / name


def _inside(path: Path, top: Path) -> bool:
    return path.is_relative_to(top)


def _declared(reads: Iterable[str]) -> list[Path]:
    """The files that a `reads` entry stands for: raw/PATTERN, or a processed table or folder of tables."""
    found: set[Path] = set()
    for entry in reads:
        if entry.startswith("raw/"):
            pattern = entry[4:]
            found.update(
                p
                for p in paths.raw().rglob("*")
                if p.is_file() and (pattern == "*" or p.match(pattern) or p.stem == pattern)
            )
        else:
            found.update(
                p for p in paths.processed().glob(f"{entry}*") if p.is_file() and p.name.partition(".")[0] == entry
            )
            found.update(p for p in (paths.processed() / entry).rglob("*") if p.is_file())
    return sorted(p for p in found if not p.name.startswith("."))


def _written(label: str) -> list[Path]:
    top = paths.chapter_output(label)
    return sorted(p for p in top.rglob("*") if p.is_file() and not p.name.startswith("."))


class State:
    """The project's content as it is now; sources are read once, built files each time they are asked for."""

    def __init__(self) -> None:
        self._known: dict[Path, str] = {}
        self._versions = _versions()
        self._built = paths.processed(), paths.reports()

    def digest(self, path: Path) -> str:
        """A file's content, or the names in a folder."""
        if any(_inside(path, top) for top in self._built):
            return _digest(path)
        if path not in self._known:
            self._known[path] = _digest(path)
        return self._known[path]

    def forget(self) -> None:
        """Read sources again: something has run since."""
        self._known.clear()

    def given(self, task: Task) -> dict[str, str]:
        """What is known to count before the task runs."""
        found = {f"version of {name}": version for name, version in self._versions.items()}
        if task.chapter is not None:
            chapter = task.chapter
            found[f"notebooks/{chapter.name}.ipynb"] = _notebook(chapter.notebook)
            found["parameters"] = json.dumps(task.parameters, sort_keys=True)
            found["its entry in chapters.yaml"] = _of(json.dumps(dict(chapter.entry), sort_keys=True, default=str))
            found.update({_name(p): self.digest(p) for p in _declared(chapter.reads)})
            # Facts and effects, not pictures: what another chapter can use by name.
            for other in chapter.after:
                for path in _written(other):
                    if (
                        path.parent == paths.chapter_output(other)
                        and path.suffix in (".json", ".csv")
                        and path.name != "files.json"
                    ):
                        found[_name(path)] = self.digest(path)
        else:
            found["chapters.yaml"] = self.digest(paths.notebooks() / chapters.LIST)
            for other in task.after:
                for path in _written(other):
                    found[_name(path)] = _notebook(path, outputs=True) if path.suffix == ".ipynb" else self.digest(path)
        return found

    def catalogue(self, names: Iterable[str]) -> dict[str, str]:
        """The catalogue's entries of these resources."""
        try:
            package = json.loads((paths.root() / _CATALOGUE).read_text(encoding="utf-8"))
            entries = {entry["name"]: entry for entry in package["resources"]}
        except (OSError, ValueError, KeyError, TypeError):
            return {f"{_ENTRY}{name}": "missing" for name in names}
        return {
            f"{_ENTRY}{n}": _of(json.dumps(entries[n], sort_keys=True)) if n in entries else "missing" for n in names
        }

    def reasons(self, task: Task, noted: Mapping[str, Any] | None) -> list[str]:
        """Why the task has to run; empty when it does not."""
        if noted is None:
            return ["it has not been built yet"]
        before: dict[str, str] = noted["inputs"]
        now = self.given(task)
        now.update(self.catalogue([name[len(_ENTRY) :] for name in before if name.startswith(_ENTRY)]))
        for name in before:
            if name not in now:
                now[name] = self.digest(_path(name)) if name in noted["seen"] else "missing"
        found = []
        for name in sorted(before.keys() | now.keys()):
            was, is_ = before.get(name, "missing"), now.get(name, "missing")
            if was == is_:
                continue
            if name.startswith("version of "):
                found.append(f"{name[11:]} is {is_}, was {was}")
            else:
                what = "is new" if was == "missing" else "is gone" if is_ == "missing" else "changed"
                found.append(f"{name} {what}")
        for name, was in noted["outputs"].items():
            path = _path(name)
            is_ = _notebook(path, outputs=True) if path.suffix == ".ipynb" else self.digest(path)
            if was != is_:
                found.append(f"its {name} is missing" if is_ == "missing" else f"its {name} was changed since")
        return found

    def note(self, task: Task, given: Mapping[str, str], trace: Path, started: float, outcome: Outcome) -> None:
        """Write down what the finished task read and wrote."""
        own = paths.chapter_output(task.label)
        reads, writes, listed = _traced(trace)
        made = set(_written(task.label)) if task.chapter else set()
        made |= {
            p
            for p in writes
            if p.is_file() and any(_inside(p, top) for top in self._built) and not p.name.startswith(".")
        }
        if not trace.is_file():
            made |= {p for p in self._loose(task) if p.stat().st_mtime >= started}
            reads |= (
                set(_PACKAGE.rglob("*.py"))
                | set(_declared(["raw/*"]))
                | (set(self._loose(task)) - made if task.chapter else set())
            )
        made = {
            p
            for p in made
            if not _inside(p, folder()) and (_inside(p, own) or not _inside(p, paths.processed() / "chapters"))
        }
        seen: dict[str, str] = {}
        for path in reads | listed:
            if path in made or path in writes or not self._counts(path, task, path in listed):
                continue
            name = _name(path)
            if name in given:
                continue
            digest = _digest(path)
            # Edited while it ran: whichever version it read, it must run again.
            if path.is_file() and path.stat().st_mtime > started:
                digest = "edited during the run"
            seen[name] = digest
        if _CATALOGUE in seen and task.chapter is not None:
            del seen[_CATALOGUE]
            given = {**given, **self.catalogue(_sources(task, reads))}
        outputs = {_name(p): _notebook(p, outputs=True) if p.suffix == ".ipynb" else _digest(p) for p in sorted(made)}
        record = {
            "format": 1,
            "task": task.label,
            "inputs": {**given, **seen},
            "seen": sorted(seen),
            "outputs": outputs,
            "seconds": round(outcome.seconds, 3),
            "memory_mb": round(outcome.memory_mb, 1),
            "cells": outcome.cells,
        }
        files.write_text(folder() / f"{task.label}.json", json.dumps(record, indent=1) + "\n")

    def _loose(self, task: Task) -> list[Path]:
        if task.chapter is None:
            return [p for p in paths.reports().glob("*") if p.is_file()]
        skip = (folder(), paths.processed() / "chapters")
        return [p for p in paths.processed().rglob("*") if p.is_file() and not any(_inside(p, s) for s in skip)]

    def _counts(self, path: Path, task: Task, folder_listed: bool) -> bool:
        """Whether a file that was opened is part of the project's content."""
        root = paths.root()
        if "__pycache__" in path.parts or path.name.startswith("."):
            return False
        if _inside(path, _PACKAGE):
            # A folder of modules is listed by every import.
            return (
                path.name not in _ENGINE
                and not (folder_listed and (path / "__init__.py").is_file())
                and path != _PACKAGE
            )
        if _inside(path, paths.notebooks()):
            return path.suffix not in (".ipynb", "") and path.name != _UNSEEN
        if _inside(path, paths.processed()):
            return (
                not folder_listed and not _inside(path, folder()) and not _inside(path, paths.processed() / "chapters")
            )
        if any(_inside(path, root / top) for top in ("data/raw", "docs")):
            return True
        # Every process reads pyproject.toml to find the project; only the report says anything from it.
        return task.chapter is None and path in (root / "CITATION.cff", root / "pyproject.toml")


def _sources(task: Task, reads: set[Path]) -> list[str]:
    """The resources whose catalogue entries a chapter shows: those it read and those its facts and figures name."""
    package = json.loads((paths.root() / _CATALOGUE).read_text(encoding="utf-8"))
    used = {e["name"] for e in package["resources"] if paths.raw() / e.get("path", "") in reads}
    known = {e["name"] for e in package["resources"]}

    def look(value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key == "sources" and isinstance(inner, list):
                    used.update(name for name in inner if name in known)
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    for path in _written(task.label):
        if path.suffix == ".json":
            look(json.loads(path.read_text(encoding="utf-8")))
    return sorted(used)


def _traced(trace: Path) -> tuple[set[Path], set[Path], set[Path]]:
    found: dict[str, set[Path]] = {"r": set(), "w": set(), "l": set()}
    if trace.is_file():
        for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
            kind, _, name = line.partition(" ")
            path = Path(name)
            if path.parent.name == "__pycache__":
                path = path.parent.parent / f"{path.name.partition('.')[0]}.py"
            if kind in found:
                found[kind].add(path)
    return found["r"], found["w"], found["l"]


# Building


def plan(given: Mapping[str, Mapping[str, Any]] | None = None) -> list[Task]:
    """The tasks in order, every notebook and parameter checked first.

    With parameters given: those chapters and what they need.
    """
    given = given or {}
    listed = chapters.load()
    tasks = []
    for chapter in listed:
        notebook = chapters.read(chapter.notebook)
        different = chapters.accept(given.get(chapter.name, {}), notebook, chapter.name)
        tasks.append(Task(chapter.name, chapter, {}, chapter.after))
        if different:
            if chapter is listed[0]:
                raise AssessError(
                    f"Chapter {chapter.name} writes the tables every other chapter reads, so it takes no parameters "
                    "here; edit its parameters cell."
                )
            tasks.append(Task(chapter.name, chapter, different, chapter.after))
    if any(task.parameters for task in tasks):
        wanted: set[str] = set()
        for task in reversed(tasks):
            if task.parameters or task.name in wanted:
                wanted |= set(task.after)
        return [task for task in tasks if task.parameters or task.name in wanted]
    tasks.append(Task(REPORT, after=tuple(c.name for c in listed)))
    return tasks


def run(
    given: Mapping[str, Mapping[str, Any]] | None = None,
    jobs: int | None = None,
    force: bool = False,
    runner: Callable[[Sequence[str]], Jobs] | None = None,
    show: Show | None = None,
    publish: str = PUBLISH,
) -> Result:
    """Build what is out of date. Raises AssessError for what failed; what was finished by then is kept.

    `runner` makes what runs the jobs, given the libraries they will want; `publish` is the function that makes the
    report.
    """
    started = time.monotonic()
    tasks = plan(given)
    result = Result(paths.reports() / "assessment.html")
    told: Show = show or _Silent()
    with _alone(), _stoppable():
        builder = _Builder(tasks, jobs or os.cpu_count() or 1, force, runner or Runner, told, publish, result)
        try:
            builder.build()
        finally:
            builder.close()
    result.seconds = time.monotonic() - started
    return result


class _Builder:
    def __init__(
        self,
        tasks: list[Task],
        jobs: int,
        force: bool,
        make: Callable[[Sequence[str]], Jobs],
        show: Show,
        publish: str,
        result: Result,
    ) -> None:
        self.tasks = {task.label: task for task in tasks}
        self.jobs, self.force, self.make, self.show, self.publish, self.result = (
            jobs,
            force,
            make,
            show,
            publish,
            result,
        )
        self.state = State()
        self.runner: Jobs | None = None
        self.pool = ThreadPoolExecutor(jobs)
        self.errors: dict[str, str] = {}
        self.running: dict[Future[Outcome], tuple[Task, dict[str, str], Path, float]] = {}

    def build(self) -> None:
        order = TopologicalSorter({label: task.after for label, task in self.tasks.items()})
        order.prepare()
        path = self.paths()
        waiting: list[str] = []
        while order.is_active():
            waiting += order.get_ready()
            # What has the longest way to the end first, so that it is not what everything waits for.
            waiting.sort(key=lambda label: -path[label])
            while waiting and len(self.running) < self.jobs:
                label = waiting.pop(0)
                if not self.begin(self.tasks[label]):
                    order.done(label)
                    waiting += order.get_ready()
            if not self.running:
                break
            finished, _ = wait(self.running, return_when=FIRST_COMPLETED)
            for future in finished:
                task = self.finish(future)
                if task.label not in self.errors:
                    order.done(task.label)
        if self.errors:
            raise AssessError(self.failure())

    def paths(self) -> dict[str, float]:
        """Seconds from the start of each task to the end of the last one that waits for it.

        As of the last run; before there is one, a chapter is taken to be as long as it has cells of code.
        """
        path: dict[str, float] = {}
        for label in reversed(list(TopologicalSorter({k: t.after for k, t in self.tasks.items()}).static_order())):
            after = max((path[k] for k, t in self.tasks.items() if label in t.after and k in path), default=0.0)
            noted = stamp(label) or {}
            path[label] = after + (noted.get("seconds") or self.guess(self.tasks[label]))
        return path

    @staticmethod
    def guess(task: Task) -> float:
        if task.chapter is None:
            return 5.0
        notebook = chapters.read(task.chapter.notebook)
        return 0.3 * len([cell for cell in notebook["cells"] if cell["cell_type"] == "code"])

    def failure(self) -> str:
        untouched = " The previous report is untouched." if REPORT in self.tasks else ""
        return "\n".join(self.errors.values()) + untouched

    def begin(self, task: Task) -> bool:
        """Start a task, unless it is up to date."""
        noted = stamp(task.label)
        reasons = self.state.reasons(task, noted)
        if self.force and not reasons:
            reasons = ["--force"]
        self.result.reasons[task.label] = reasons
        self.show.plan(task.label, reasons, noted["seconds"] if noted else None)
        if task.variant:
            self.result.variants.append(paths.chapter_output(task.label))
        if not reasons:
            return False
        given = self.state.given(task)
        work = folder() / "work"
        work.mkdir(parents=True, exist_ok=True)
        trace = work / f"{task.label}.trace"
        trace.unlink(missing_ok=True)
        job = self.job(task, work, trace)
        if self.runner is None:
            self.runner = self.make(libraries([t.chapter for t in self.tasks.values() if t.chapter]))
        self.result.ran.append(task.label)
        future = self.pool.submit(self.runner.run, job, lambda event: self.show.event(task.label, event))
        self.running[future] = task, given, trace, time.time()
        return True

    def job(self, task: Task, work: Path, trace: Path) -> Job:
        environment = {"ASSESS_ROOT": str(paths.root()), "ASSESS_VARIANT": task.variant, "ASSESS_RUN": "1"}
        if task.chapter is None:
            # What is seen of its work is what it reads of the project; chapters count by their content.
            arguments = (paths.processed() / "chapters", paths.reports())
            return Job(
                REPORT,
                function=self.publish,
                arguments=[str(a) for a in arguments],
                environment=environment,
                trace=str(trace),
            )
        return Job(
            task.label,
            notebook=str(task.chapter.notebook),
            output=str(work / f"{task.label}.ipynb"),
            parameters=task.parameters,
            environment=environment,
            trace=str(trace),
        )

    def finish(self, future: Future[Outcome]) -> Task:
        task, given, trace, started = self.running.pop(future)
        outcome = future.result()
        executed = folder() / "work" / f"{task.label}.ipynb"
        if not outcome.error and task.chapter is not None:
            target = paths.chapter_output(task.label)
            if not (target / "facts.json").is_file():
                outcome.error = f"Notebook {task.name}.ipynb wrote no facts: its last cell must be book.finish()."
            else:
                os.replace(executed, target / "notebook.ipynb")
        if outcome.error:
            if executed.is_file():
                kept = folder() / "failed" / executed.name
                kept.parent.mkdir(exist_ok=True)
                shutil.move(executed, kept)
                outcome.error += f" See {_name(kept)}."
            self.errors[task.label] = outcome.error
        else:
            self.state.forget()
            self.state.note(task, given, trace, started, outcome)
        trace.unlink(missing_ok=True)
        self.show.done(task.label, outcome)
        return task

    def close(self) -> None:
        if self.runner is not None:
            self.runner.close()
        self.pool.shutdown(wait=True, cancel_futures=True)


def libraries(listed: Iterable[Chapter]) -> list[str]:
    """The modules that these notebooks and their helpers import and that are slow to import."""
    from helpers.runner import HEAVY

    names: set[str] = {"numpy", "pandas", "matplotlib", "pyarrow", "yaml"}
    for chapter in listed:
        names |= chapters.imports(chapters.read(chapter.notebook))
    return [module for name in HEAVY if name in names for module in HEAVY[name]]


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One build of a project at a time. The lock is the system's, so a killed build leaves none behind."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AssessError(f"Another `assess run` is building {paths.root()}; wait for it to end.") from None
        yield


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM stops a build as Ctrl-C does."""

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def verify() -> list[str]:
    """What was built and has been changed or lost since, one sentence each.

    A variant whose folder was deleted is forgotten: its note goes, and nothing is said.
    """
    problems = []
    for path in sorted(folder().glob("*.json")):
        noted = stamp(path.stem)
        variant = "--" in path.stem
        if variant and not paths.chapter_output(path.stem).is_dir():
            path.unlink(missing_ok=True)
            continue
        again = "the same `assess run -p` makes it" if variant else "`assess run` makes it"
        for name, was in (noted or {"outputs": {}})["outputs"].items():
            file = _path(name)
            now = _notebook(file, outputs=True) if file.suffix == ".ipynb" else _digest(file)
            if now != was:
                problems.append(
                    f"{name} {'is missing' if now == 'missing' else 'was changed'} since {path.stem} wrote it; "
                    f"{again} again."
                )
    return problems
