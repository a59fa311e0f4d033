"""Runs one notebook with papermill, in a process of its own, and says how it went.

`Runner` keeps one warm process that has imported papermill and the libraries; it forks for each job, and the forked
process runs papermill with the engine of `helpers.kernel`, which forks once more for the cells. So nothing is imported
twice, nothing a notebook does reaches another, and a notebook that takes its process down takes only that.
Where there is no fork, each job is a new Python process with papermill's ordinary engine: slower, otherwise the same.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from helpers.errors import AssessError

# Imported once by the warm process when a notebook to be run uses them; what costs more to import than to use.
HEAVY = {
    "numpy": ["numpy"],
    "pandas": ["pandas", "pandas.io.formats.html"],
    "matplotlib": ["matplotlib.pyplot", "matplotlib.dates"],
    "pyarrow": ["pyarrow.parquet", "pandas.io.parquet"],
    "scipy": ["scipy.stats"],
    "diff_diff": ["diff_diff"],
    "pyfixest": ["pyfixest:feols"],
    "pandera": ["pandera.pandas"],
    "yaml": ["yaml"],
}
# Not needed by the first chapter; imported while it runs, on a core that has nothing else to do.
LATER = {"matplotlib.pyplot", "matplotlib.dates", "diff_diff", "pyfixest:feols", "scipy.stats"}
# One thread per process: as many processes as cores already, and sums that do not depend on the number of threads.
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")}

Event = dict[str, Any]
Listen = Callable[[Event], None]


@dataclass(frozen=True)
class Job:
    """One notebook to run, or one function to call (`function`, as "module:name", with paths as `arguments`)."""

    name: str
    notebook: str = ""
    output: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    trace: str = ""
    function: str = ""
    arguments: Sequence[str] = ()


@dataclass
class Outcome:
    """How a job went. `error` is empty when it went well, else one sentence naming notebook, cell and error."""

    name: str
    error: str = ""
    seconds: float = 0.0
    cells: list[dict[str, Any]] = field(default_factory=list)
    memory_mb: float = 0.0
    kept: str = ""
    result: Any = None


def forks() -> bool:
    """Whether this platform can fork safely (`helpers.kernel.usable` says why); ASSESS_ENGINE=kernel says not to."""
    return sys.platform.startswith("linux") and os.environ.get("ASSESS_ENGINE", "forked") == "forked"


class Runner:
    """Runs jobs, from as many threads as call it. Close it, or use it in a `with`."""

    def __init__(self, modules: Sequence[str] = ()) -> None:
        self._modules = list(modules)
        self._lock = threading.Lock()
        self._warm: subprocess.Popen[bytes] | None = None
        self._folder = ""
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def start(self) -> None:
        """Begin warming up; otherwise the first job does."""
        if not forks():
            return
        with self._lock:
            if self._warm is None and not self._closed:
                self._folder = tempfile.mkdtemp(prefix="assess-")
                os.chmod(self._folder, 0o700)
                self._warm = _python(["serve", self._address, *self._modules])

    @property
    def _address(self) -> str:
        return os.path.join(self._folder, "socket")

    def run(self, job: Job, listen: Listen = lambda event: None) -> Outcome:
        """Run one job to its end; never raises for what the notebook did."""
        started = time.monotonic()
        outcome: Outcome | None = None
        step = ""
        with contextlib.suppress(EOFError, OSError):
            for event in self._events(job):
                if event["event"] == "done":
                    outcome = Outcome(**event["outcome"])
                    break
                step = f", cell {event['cell']}" if "cell" in event else step
                listen(event)
        if outcome is None:
            what = (
                "was stopped"
                if self._closed
                else "its process ended without a word; the machine may have run out of memory"
            )
            outcome = Outcome(job.name, error=f"{job.name}{step}: {what}.")
        outcome.seconds = time.monotonic() - started
        return outcome

    def _events(self, job: Job) -> Any:
        # A function has no cells to keep apart, and is better off without the memory of libraries it does not use.
        if forks() and not job.function:
            self.start()
            with self._connect() as connection:
                connection.send(dataclasses.asdict(job))
                while True:
                    yield connection.recv()
        with tempfile.TemporaryDirectory(prefix="assess-") as folder:
            file = Path(folder) / "job.json"
            file.write_text(json.dumps(dataclasses.asdict(job)), encoding="utf-8")
            process = _python(["once", str(file)], stdout=subprocess.PIPE)
            self._running.add(process)
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    if line.startswith(b"{"):
                        yield json.loads(line)
            finally:
                process.kill()
                process.wait()
                self._running.discard(process)

    def _connect(self) -> Connection:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not self._closed:
            try:
                return Client(self._address, "AF_UNIX")
            except (FileNotFoundError, ConnectionRefusedError):
                if self._warm is None or self._warm.poll() is not None:
                    break
                time.sleep(0.01)
        raise EOFError

    def close(self) -> None:
        """End the warm process and whatever still runs."""
        self._closed = True
        with self._lock:
            for process in list(self._running):
                process.kill()
            if self._warm is not None:
                # Its own process group: one signal ends it, its forks and their cells.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._warm.pid, signal.SIGKILL)
                self._warm.wait()
                self._warm = None
            if self._folder:
                shutil.rmtree(self._folder, ignore_errors=True)


def _python(arguments: Sequence[str], stdout: int | None = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **THREADS}
    return subprocess.Popen(
        [sys.executable, "-m", "helpers.runner", *arguments],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=None if os.environ.get("ASSESS_DEBUG") else subprocess.DEVNULL,
        env=environment,
        start_new_session=sys.platform != "win32",
    )


# The warm process


def _serve(address: str, modules: Sequence[str]) -> None:
    """Listen at once, so that callers can queue; import; then fork for each connection until the starter is gone."""
    import select

    with Listener(address, "AF_UNIX", backlog=4096) as listener:
        with _without_grammars():
            from helpers import kernel

        kernel.register()
        kernel.warm([*(m for m in modules if m not in LATER), "papermill.execute", "nbformat.v4"])
        later = [m for m in modules if m in LATER]
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are reaped by the system
        sleeping = listener._listener._socket  # type: ignore[attr-defined]
        while True:
            ready, _, _ = select.select([sleeping, sys.stdin.buffer], [], [], 0.2 if later else None)
            if not ready:
                kernel.warm([later.pop(0)])
                continue
            if sys.stdin.buffer in ready:
                os.killpg(os.getpid(), signal.SIGKILL)
            connection = listener.accept()
            if os.fork() == 0:
                code = 1
                try:
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    kernel._die_with_parent()
                    sleeping.close()
                    _answer(connection)
                    code = 0
                finally:
                    os._exit(code)
            connection.close()


@contextlib.contextmanager
def _without_grammars() -> Iterator[None]:
    """Import nbformat in half the time.

    Its schema library compiles a grammar of web addresses when imported, a second's work, and does without where that
    is not installed. Notebooks' schemas name no addresses. A notebook that imports the library itself gets all of it.
    """
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["rfc3987_syntax"]


def _answer(connection: Connection) -> None:
    job = Job(**connection.recv())
    outcome = _do(job, connection.send)
    connection.send({"event": "done", "outcome": dataclasses.asdict(outcome)})


def _once(file: str) -> None:
    """One job in a process of its own: events as lines of JSON on standard output."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(event: Event) -> None:
        channel.write(json.dumps(event) + "\n")
        channel.flush()

    outcome = _do(Job(**json.loads(Path(file).read_text(encoding="utf-8"))), tell)
    tell({"event": "done", "outcome": dataclasses.asdict(outcome)})


def _do(job: Job, tell: Listen) -> Outcome:
    os.environ.update(job.environment)
    started = time.monotonic()
    try:
        outcome = _call(job) if job.function else _papermill(job, tell)
    except AssessError as error:
        outcome = Outcome(job.name, error=str(error))
    except Exception as error:
        outcome = Outcome(job.name, error=f"{job.name}: {type(error).__name__}: {error}")
    outcome.seconds = time.monotonic() - started
    outcome.memory_mb = max(outcome.memory_mb, _memory())
    return outcome


def _call(job: Job) -> Outcome:
    import importlib

    from helpers import tracing

    if job.trace:
        tracing.trace(job.trace)
    module, _, name = job.function.partition(":")
    result = getattr(importlib.import_module(module), name)(*map(Path, job.arguments))
    return Outcome(job.name, result=None if result is None else str(result))


def _papermill(job: Job, tell: Listen) -> Outcome:
    import papermill

    from helpers import chapters, kernel

    kernel.register()
    steps = chapters.headings(chapters.read(Path(job.notebook)))
    offset = 0

    def on_cell(index: int, cell: Any) -> None:
        nonlocal offset
        if "injected-parameters" in cell.metadata.get("tags", []):
            offset = 1
        step = steps[index - offset] if 0 <= index - offset < len(steps) else ""
        tell({"event": "cell", "name": job.name, "cell": index + 1 - offset, "cells": len(steps), "step": step})

    kernel.ForkedEngine.on_cell = on_cell
    kernel.ForkedEngine.trace = job.trace
    tell({"event": "start", "name": job.name, "cells": len(steps)})
    try:
        done = papermill.execute_notebook(
            job.notebook,
            job.output,
            parameters=dict(job.parameters),
            engine_name=kernel.NAME,
            kernel_name="python3",
            progress_bar=False,
            # papermill would write the whole notebook twice for every cell.
            request_save_on_cell_execute=False,
        )
    except papermill.PapermillExecutionError as error:
        return Outcome(job.name, error=_failure(job, error), kept=job.output, memory_mb=kernel.ForkedEngine.memory_mb)
    cells = [
        {"cell": number, "step": step, "seconds": cell.metadata.papermill.duration or 0.0}
        for number, (step, cell) in enumerate(
            zip(steps, [c for c in done.cells if "injected-parameters" not in c.metadata.get("tags", [])], strict=True),
            1,
        )
        if cell.cell_type == "code"
    ]
    return Outcome(job.name, cells=cells, memory_mb=kernel.ForkedEngine.memory_mb)


def _failure(job: Job, error: Any) -> str:
    """One sentence: notebook, cell and error. The cell's number is its place in the source notebook."""
    number = error.cell_index + 1 - (1 if job.parameters else 0)
    text = " ".join(str(error.evalue).split())
    if error.ename == "KernelDied":
        return f"Notebook {Path(job.notebook).name}, cell {number}: {text}."
    own = text if error.ename == "AssessError" else f"{error.ename}: {text}"
    stop = "" if own.endswith((".", "?")) else "."
    return f"Notebook {Path(job.notebook).name}, cell {number}: {own or error.ename}{stop}"


def _memory() -> float:
    """Peak resident memory of this process and of its ended children, in megabytes."""
    try:
        import resource
    except ImportError:
        return 0.0
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return peak / (1024 if sys.platform != "darwin" else 1024 * 1024)


if __name__ == "__main__":
    # `-m` puts the folder the command was given in first; a kernel does not look there first.
    if sys.path[0] == os.getcwd():
        del sys.path[0]
    if sys.argv[1] == "serve":
        _serve(sys.argv[2], sys.argv[3:])
    else:
        _once(sys.argv[2])
