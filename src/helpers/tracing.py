"""Which files a process opens: what a chapter reads is what it depends on."""

from __future__ import annotations

import functools
import os
import sys
from typing import Any

# How notebooks are run has no part in what they find.
_ENGINE = {"helpers.kernel", "helpers.runner", "helpers.chapters", "helpers.tracing"}


def trace(path: str) -> None:
    """From now on, write down at `path` each file this process opens, as lines "r PATH" and "w PATH".

    What a notebook reads is what it depends on; so nobody needs to list it, and nothing is forgotten.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    seen: set[tuple[str, str]] = set()

    def note(kind: str, name: Any) -> None:
        if isinstance(name, bytes):
            name = os.fsdecode(name)
        if isinstance(name, (str, os.PathLike)) and (kind, str(name)) not in seen:
            seen.add((kind, str(name)))
            os.write(handle, f"{kind} {os.path.abspath(name)}\n".encode())

    def heard(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            name, mode, flags = arguments
            writes = bool(flags & (os.O_WRONLY | os.O_RDWR)) if isinstance(flags, int) else False
            note("w" if writes or (isinstance(mode, str) and set(mode) & set("wax+")) else "r", name)
        elif event == "os.rename":
            note("w", arguments[1])
        elif event in ("os.listdir", "os.scandir"):
            note("l", arguments[0] if arguments[0] is not None else ".")

    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "helpers" and name not in _ENGINE and getattr(module, "__file__", None):
            note("r", module.__file__)
    sys.addaudithook(heard)
    _tell_of_parquet()


def _tell_of_parquet() -> None:
    """pyarrow opens files itself, unseen by Python; so say for it what it is about to read, for pandas and directly."""
    parquet: Any = sys.modules.get("pyarrow.parquet")
    if parquet is None:
        return
    read = parquet.read_table

    @functools.wraps(read)
    def read_table(source: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(source, (str, os.PathLike)):
            sys.audit("open", os.fspath(source), "r", 0)
        return read(source, *arguments, **options)

    parquet.read_table = read_table
