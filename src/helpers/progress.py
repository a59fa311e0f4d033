"""How a build is going: a live line for each running notebook, or plain lines where there is no terminal."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from helpers.runner import Outcome


@dataclass
class _Line:
    started: float
    expected: float | None
    step: str = "starting"
    cell: int = 0
    cells: int = 0


class Progress:
    """Tells the user what runs, which step it has come to, and how long it took last time."""

    def __init__(self, explain: bool = False, stream: TextIO | None = None, live: bool | None = None) -> None:
        self.stream = stream or sys.stderr
        self.explain = explain
        self.live = self.stream.isatty() if live is None else live
        self._lines: dict[str, _Line] = {}
        self._lock = threading.Lock()
        self._display: Any = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._display is not None:
            self._display.stop()
            self._display = None

    def plan(self, task: str, reasons: list[str], expected: float | None) -> None:
        """A task is up to date (no reasons) or about to run."""
        if self.explain:
            self._say(f"{task}: " + ("up to date" if not reasons else "runs, because " + _list(reasons)))
        if not reasons:
            return
        with self._lock:
            self._lines[task] = _Line(time.monotonic(), expected)
        if self.live:
            self._start()
        elif not self.explain:
            self._say(f"{task}: started" + (f", about {expected:.0f} s" if expected else ""))

    def event(self, task: str, event: Mapping[str, Any]) -> None:
        """A running notebook came to its next cell."""
        with self._lock:
            line = self._lines.get(task)
            if line is not None:
                line.step = event.get("step") or line.step
                line.cell, line.cells = event.get("cell", line.cell), event.get("cells", line.cells)

    def done(self, task: str, outcome: Outcome) -> None:
        """A task ended."""
        with self._lock:
            self._lines.pop(task, None)
        self._say(f"{task}: " + ("failed" if outcome.error else f"done in {outcome.seconds:.1f} s"))

    def _say(self, text: str) -> None:
        if self._display is not None:
            self._display.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=self.stream, flush=True)

    def _start(self) -> None:
        if self._display is None:
            from rich.console import Console
            from rich.live import Live

            # Redirecting nothing: the command's own output stays where it is sent.
            self._display = Live(
                get_renderable=self._table,
                console=Console(file=self.stream),
                refresh_per_second=5,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._display.start()

    def _table(self) -> Any:
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        with self._lock:
            for task, line in self._lines.items():
                elapsed = time.monotonic() - line.started
                expected = f"of about {line.expected:.0f} s" if line.expected else ""
                cell = f"cell {line.cell} of {line.cells}" if line.cells else ""
                table.add_row(task, f"{elapsed:.0f} s {expected}", cell, line.step)
        return table


def timings(stamps: Sequence[Mapping[str, Any]], most: int = 15) -> str:
    """The slowest notebooks and cells, as last run."""
    lines = [f"{'notebook':<34}{'seconds':>9}{'cells':>9}{'peak MB':>9}"]
    for noted in sorted(stamps, key=lambda s: -s["seconds"]):
        cells = sum(c["seconds"] for c in noted["cells"])
        lines.append(f"{noted['task']:<34}{noted['seconds']:>9.1f}{cells:>9.1f}{noted['memory_mb']:>9.0f}")
    slow = sorted(((c["seconds"], s["task"], c["cell"], c["step"]) for s in stamps for c in s["cells"]), reverse=True)[
        :most
    ]
    lines += ["", f"{'seconds':>7}  slowest cells"]
    lines += [
        f"{seconds:>7.2f}  {task}, cell {cell}" + (f": {step}" if step else "") for seconds, task, cell, step in slow
    ]
    return "\n".join(lines)


def _list(reasons: list[str], most: int = 6) -> str:
    more = f" and {len(reasons) - most} more" if len(reasons) > most else ""
    return "; ".join(reasons[:most]) + more
