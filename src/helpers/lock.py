"""One update at a time: a lock that the operating system lets go of when its holder dies."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from helpers.errors import AssessError


@contextmanager
def held(path: Path, what: str = "update") -> Iterator[None]:
    """Hold the lock at `path`, or raise AssessError naming who holds it.

    The lock is the operating system's (flock; on Windows a locked byte), not the file: a holder that was killed leaves the file behind and it holds
    nobody up. The file's text only says who holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            _take(handle)
        except OSError:
            holder = os.read(handle, 500).decode("utf-8", "replace").strip()
            raise AssessError(f"Another {what} is running ({holder or 'just started'}); nothing was done.") from None
        os.ftruncate(handle, 0)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        os.write(handle, json.dumps({"process": os.getpid(), "started": started}).encode())
        yield
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _take(handle: int) -> None:
    """Lock an open file for this process alone, or raise OSError at once when another holds it."""
    try:
        import fcntl
    except ImportError:
        import msvcrt

        # A byte far beyond the text, so that others may still read who holds the lock.
        os.lseek(handle, 1 << 20, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        finally:
            os.lseek(handle, 0, os.SEEK_SET)
        return
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
