"""A papermill engine that forks a ready interpreter instead of starting one: same kernel code, no start-up.

papermill's ordinary engine starts a Python process, waits for its sockets and imports the libraries again for each
notebook. Here the process that runs papermill has imported them already; it forks, and the child is an ordinary
ipykernel application (same shell, streams, display hooks, file descriptor capture, start-up files) whose messages
travel over one pipe instead of five sockets. The other end is nbclient, unchanged, so outputs are put together by
the same code as always. Each notebook has a child of its own: nothing it does outlives it.

    papermill --engine forked chapter.ipynb out.ipynb
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from queue import Empty
from types import SimpleNamespace
from typing import Any

import ipykernel
import zmq
from ipykernel.iostream import IOPubThread
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from jupyter_client.session import Session
from nbclient.exceptions import DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from tornado.ioloop import IOLoop
from traitlets import Any as AnyTrait

from helpers import tracing

NAME = "forked"
INLINE = "module://matplotlib_inline.backend_inline"


def usable() -> bool:
    """Whether this process can fork safely: Linux, asked for nothing else, and no other Python thread holding locks.

    macOS can fork, but its system libraries forbid use after it; Windows cannot. Both take papermill's own engine.
    """
    return (
        sys.platform.startswith("linux")
        and os.environ.get("ASSESS_ENGINE", NAME) == NAME
        and threading.active_count() == 1
    )


# The child: an IPython kernel on a pipe


class _Pipe:
    """What the kernel takes for a socket: sends each message down the connection, marked with its channel."""

    def __init__(self, connection: Connection, channel: str, lock: threading.Lock) -> None:
        self._connection, self._channel, self._lock = connection, channel, lock
        # ipykernel wakes its output thread over an in-process socket of this context; nothing leaves the process.
        self.context = zmq.Context(io_threads=0)

    def send_multipart(self, parts: list[Any], *args: Any, **kwargs: Any) -> None:
        # The output thread and the main thread both send.
        with self._lock:
            self._connection.send((self._channel, [bytes(getattr(part, "buffer", part)) for part in parts]))

    def flush(self, *args: Any) -> None:
        pass


class _Kernel(IPythonKernel):
    # The base class insists on a ZMQ stream.
    shell_stream = AnyTrait()
    # Cells that await are run only where this thread's parent is the one that runs them.
    shell_channel_thread = SimpleNamespace(parent_thread=threading.main_thread())
    _supports_kernel_subshells = False

    def _abort_queues(self, subshell_id: str | None = None) -> None:
        """Nothing is queued: the next cell is sent when this one has answered."""


class _Application(IPKernelApp):
    """The application every Jupyter kernel is, without sockets, heartbeat and connection file."""

    connection: Connection

    def init_poller(self) -> None:
        pass

    def init_connection_file(self) -> None:
        self.connection_file = ""

    def write_connection_file(self, **kwargs: Any) -> None:
        pass

    def log_connection_info(self) -> None:
        pass

    def init_heartbeat(self) -> None:
        pass

    def init_sockets(self) -> None:
        lock = threading.Lock()
        self._shell_pipe = _Pipe(self.connection, "shell", lock)
        self.configure_tornado_logger()
        self.iopub_thread = IOPubThread(_Pipe(self.connection, "iopub", lock), session=self.session)
        self.iopub_thread.start()
        self.iopub_socket = self.iopub_thread.background_socket

    def init_kernel(self) -> None:
        kernel = _Kernel.instance(
            parent=self,
            session=self.session,
            shell_stream=self._shell_pipe,
            iopub_thread=self.iopub_thread,
            iopub_socket=self.iopub_socket,
            log=self.log,
            profile_dir=self.profile_dir,
            user_ns=self.user_ns,
        )
        self.kernel = kernel
        self.displayhook.get_execution_count = lambda: kernel.execution_count

    def serve(self) -> None:
        """Run what arrives on the pipe until it closes. The loop keeps turning between cells, as in any kernel."""

        async def requests() -> None:
            loop = asyncio.get_running_loop()
            self.kernel.io_loop = IOLoop.current()
            while True:
                parts = await loop.run_in_executor(None, self.connection.recv)
                await self.kernel.dispatch_shell([_Part(part) for part in parts])

        asyncio.set_event_loop(asyncio.new_event_loop())
        with contextlib.suppress(EOFError, OSError):
            asyncio.get_event_loop().run_until_complete(requests())


class _Part:
    """Bytes dressed as a ZMQ frame, which is how the kernel reads its requests."""

    def __init__(self, content: bytes) -> None:
        self.bytes = self.buffer = content


def _become_kernel(connection: Connection, key: bytes, directory: str | None, traced: str) -> None:
    """In the forked child: put back what a fresh interpreter would have, then serve."""
    _die_with_parent()
    if traced:
        tracing.trace(traced)
    # Forked children would otherwise all draw the same "random" numbers.
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed(None)
    if directory:
        os.chdir(directory)
    # A kernel is started as a module: its path holds no folder of a script, its arguments name the launcher.
    if sys.path and sys.argv and sys.path[0] in ("", os.path.dirname(os.path.abspath(sys.argv[0]))):
        del sys.path[0]
    launcher = os.path.join(os.path.dirname(os.path.dirname(ipykernel.__file__)), "ipykernel_launcher.py")
    sys.argv = [launcher, "-f", ""]
    os.environ["JPY_PARENT_PID"] = str(os.getppid())
    _fresh_matplotlib()
    _fresh_pandas()
    _fresh_jsonschema()
    # A fresh kernel has no loop, handlers or signal set-up of its parent's.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    devnull = os.open(os.devnull, os.O_RDWR)
    os.dup2(devnull, 0)
    _Application.clear_instance()
    application = _Application.instance()
    application.connection = connection
    application.session = Session(key=key, parent=application)
    application.initialize([])
    application.serve()


def _fresh_matplotlib() -> None:
    """Draw inline, whatever the parent's matplotlib, if imported, was told."""
    backend = os.environ.setdefault("MPLBACKEND", INLINE)
    matplotlib = sys.modules.get("matplotlib")
    if matplotlib is not None and matplotlib.rcParams._get_backend_or_none() != backend:
        matplotlib.rcParams["backend"] = backend
    pyplot: Any = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None and getattr(pyplot, "_backend_mod", None) is not None:
        pyplot.close("all")
        pyplot._backend_mod = None


def _fresh_pandas() -> None:
    """pandas imported outside a kernel takes its output for a terminal's and shows fewer columns."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and pandas.get_option("display.max_columns") == 0:
        pandas.set_option("display.max_columns", 20)


def _fresh_jsonschema() -> None:
    """The runner imports it without its grammar of addresses; a notebook that wants it imports it whole."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "jsonschema"]:
        del sys.modules[name]


def _die_with_parent() -> None:
    """Ask Linux to end this process when its parent ends, even by SIGKILL in the middle of a long cell."""
    with contextlib.suppress(Exception):
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


# The parent: what nbclient takes for a kernel manager and its client


class _Channel:
    def __init__(self) -> None:
        self._messages: list[dict[str, Any]] = []
        self._news = asyncio.Event()

    def put(self, message: dict[str, Any]) -> None:
        self._messages.append(message)
        self._news.set()

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        while not self._messages:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), timeout)
            except asyncio.TimeoutError as error:  # noqa: UP041  (another class on Python 3.10 clients of nbclient)
                raise Empty from error
        return self._messages.pop(0)


class _Child:
    """The forked kernel as nbclient's kernel manager and kernel client at once: the few calls it makes of them."""

    has_kernel = True
    allow_stdin = False

    def __init__(self, directory: str | None, traced: str = "") -> None:
        from multiprocessing import Pipe

        self.status: int | None = None
        self.memory_mb = 0.0
        self.session = Session(key=os.urandom(16))
        self.shell_channel, self.iopub_channel = _Channel(), _Channel()
        self._connection, theirs = Pipe()
        self._watching: asyncio.AbstractEventLoop | None = None
        # Objects made so far live as long as the process; leaving them out of collection keeps their pages shared.
        gc.freeze()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                self._connection.close()
                _become_kernel(theirs, self.session.key, directory, traced)
                code = 0
            except BaseException:
                import traceback

                with contextlib.suppress(Exception):
                    traceback.print_exc(file=sys.__stderr__)
            finally:
                # Not sys.exit: the parent's exit handlers are not the child's to run.
                os._exit(code)
        theirs.close()

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._watching is not loop:
            self._watching = loop
            loop.add_reader(self._connection.fileno(), self._read)

    def _read(self) -> None:
        try:
            while self._connection.poll():
                channel, parts = self._connection.recv()
                _, parts = self.session.feed_identities(parts)
                message = self.session.deserialize(parts)
                (self.iopub_channel if channel == "iopub" else self.shell_channel).put(message)
        except (EOFError, OSError):
            self._unwatch()

    def _unwatch(self) -> None:
        if self._watching is not None and not self._watching.is_closed():
            self._watching.remove_reader(self._connection.fileno())
        self._watching = None

    def execute(self, code: str, store_history: bool = True, stop_on_error: bool = True, **kwargs: Any) -> str:
        self.watch(asyncio.get_running_loop())
        content = {
            "code": code,
            "silent": False,
            "store_history": store_history,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": stop_on_error,
        }
        return self._ask("execute_request", content)

    def _ask(self, kind: str, content: dict[str, Any]) -> str:
        message = self.session.msg(kind, content)
        try:
            self._connection.send([bytes(part) for part in self.session.serialize(message)])
        except OSError:
            raise DeadKernelError("Kernel died") from None
        identity: str = message["header"]["msg_id"]
        return identity

    def is_alive(self) -> bool:
        if self.status is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self.status, self.memory_mb = status, usage.ru_maxrss / 1024
        return self.status is None

    def interrupt_kernel(self) -> None:
        os.kill(self.pid, signal.SIGINT)

    def close(self) -> None:
        """End the child; its work is in the notebook by now."""
        self._unwatch()
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            _, _, usage = os.wait4(self.pid, 0)
            self.status, self.memory_mb = 0, usage.ru_maxrss / 1024
        self._connection.close()

    def end(self) -> str:
        """How it ended, in words."""
        status = self.status or 0
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
            hint = "; the machine may have run out of memory" if number == signal.SIGKILL else ""
            return f"its process was killed by {name}{hint}"
        return f"its process ended by itself with exit code {os.WEXITSTATUS(status)}"


class _Client(PapermillNotebookClient):
    """papermill's client, given a forked child where it would start a kernel."""

    child: _Child

    @contextlib.contextmanager
    def setup_kernel(self, **kwargs: Any) -> Iterator[None]:
        self.child = _Child((self.resources.get("metadata") or {}).get("path") or None, ForkedEngine.trace)
        self.km = self.kc = self.child
        try:
            yield
        finally:
            self.child.close()
            ForkedEngine.memory_mb = self.child.memory_mb

    def output(self, outs: list[Any], msg: dict[str, Any], display_id: str | None, cell_index: int) -> Any:
        """One output per stretch of a stream: where its pieces were cut is an accident of timing."""
        out = super().output(outs, msg, display_id, cell_index)
        if out and out.output_type == "stream" and len(outs) > 1 and outs[-1] is out:
            before = outs[-2]
            if before.output_type == "stream" and before.name == out.name:
                before.text += outs.pop().text
                return before
        return out

    def execute(self, **kwargs: Any) -> Any:
        self.reset_execution_trackers()
        with self.setup_kernel(**kwargs):
            self.papermill_execute_cells()
            self.nb.metadata["language_info"] = _language()
            self.set_widgets_metadata()
        return self.nb

    def papermill_execute_cells(self) -> None:
        try:
            super().papermill_execute_cells()
        except DeadKernelError:
            # papermill would lose the notebook here. As the cell's error it is saved and named like any other.
            self.child.is_alive()
            for index, cell in enumerate(self.nb.cells):
                if cell.cell_type == "code" and cell.metadata.papermill.get("status") in ("running", "completed"):
                    last, position = cell, index
            from nbformat.v4 import new_output

            message = self.child.end()
            last.outputs.append(new_output("error", ename="KernelDied", evalue=message, traceback=[message]))
            self.nb_man.cell_exception(last, cell_index=position)


def _language() -> dict[str, Any]:
    """What a kernel answers when asked for its language; the child is this same interpreter."""
    return dict(IPythonKernel.language_info)


class ForkedEngine(NBClientEngine):
    """Runs a notebook in a fork of this process; where that cannot be, as papermill's own engine does."""

    # Called with (index, cell) as each cell starts: progress, without papermill's per-cell saves.
    on_cell: Callable[[int, Any], None] | None = None
    # Where the child writes down which files it opens; empty for not at all.
    trace = ""
    # Peak memory of the last notebook's process.
    memory_mb = 0.0

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        log_output: bool = False,
        execution_timeout: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run the cells; see papermill's `Engine`."""
        _tell(nb_man, cls.on_cell)
        if not usable() or not _is_python(nb_man.nb):
            return super().execute_managed_notebook(
                nb_man, kernel_name, log_output=log_output, execution_timeout=execution_timeout, **kwargs
            )
        for unused in ("input_path", "start_timeout", "timeout", "startup_timeout"):
            kwargs.pop(unused, None)
        return _Client(nb_man, timeout=execution_timeout, log_output=log_output, **kwargs).execute()


def _tell(nb_man: Any, listener: Callable[[int, Any], None] | None) -> None:
    if listener is None:
        return
    start = nb_man.cell_start

    def cell_start(cell: Any, cell_index: int, **kwargs: Any) -> None:
        start(cell, cell_index, **kwargs)
        listener(cell_index, cell)

    nb_man.cell_start = cell_start


def _is_python(notebook: Any) -> bool:
    """A fork of this interpreter can only be a Python kernel, and only the default one."""
    spec = notebook.metadata.get("kernelspec", {})
    return (spec.get("name", "python3"), spec.get("language", "python")) == ("python3", "python")


def warm(modules: list[str]) -> None:
    """Import ahead of the forks what notebooks will import, and what a kernel imports when it starts.

    Nothing a notebook can see is set: only modules, and matplotlib's caches of fonts and glyphs.
    """
    import builtins
    import importlib
    import io

    os.environ.setdefault("MPLBACKEND", INLINE)
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    own = ["ipykernel.debugger", "IPython.core.completerlib", "IPython.core.debugger", "IPython.extensions.storemagic"]
    # pandas looks for a kernel while it is imported, and takes other output for a terminal's.
    builtins.get_ipython = lambda: SimpleNamespace(kernel=None)  # type: ignore[attr-defined]
    try:
        for name in (*own, *modules):
            # A library that is missing or broken is the notebook's error to report, with its own line.
            # "module:name" for a module that imports its parts when they are first named.
            module, _, part = name.partition(":")
            with contextlib.suppress(Exception):
                getattr(importlib.import_module(module), part or "__name__")
    finally:
        del builtins.get_ipython  # type: ignore[attr-defined]
    if "matplotlib.pyplot" in modules:
        from IPython.core import pylabtools  # noqa: F401
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.backends.registry import backend_registry
        from matplotlib.figure import Figure

        backend_registry.is_valid_backend(INLINE)
        figure = Figure()
        FigureCanvasAgg(figure)
        figure.subplots().plot([1, 2], label="1")
        figure.savefig(io.BytesIO(), format="png", bbox_inches="tight")


def register() -> None:
    """Make the engine known to papermill; its entry point does so too where the project is installed."""
    papermill_engines.register(NAME, ForkedEngine)
