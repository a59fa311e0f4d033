"""Putting a finished build in place of the old one, so that a kill at any moment leaves each folder whole.

A journal says which folders are to change places. Each exchange is one operation of the file system; a run that finds a
journal finishes what it says before doing anything else.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from helpers import files
from helpers.errors import AssessError

RENAME_EXCHANGE = 2
AT_FDCWD = -100


def exchange(first: Path, second: Path) -> None:
    """Make two folders of one file system change places in one step, where the system can; else in three renames."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        call = getattr(libc, "renameat2", None)
        if call is not None:
            done = call(AT_FDCWD, os.fsencode(first), AT_FDCWD, os.fsencode(second), RENAME_EXCHANGE)
            if done == 0:
                return
            number = ctypes.get_errno()
            if number not in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
                raise OSError(number, os.strerror(number), str(first))
    aside = second.with_name(f".{second.name}.aside")
    os.rename(first, aside)
    os.rename(second, first)
    os.rename(aside, second)


def _identity(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_dev, status.st_ino]


def plan(journal: Path, pairs: list[tuple[Path, Path]], root: Path, note: dict[str, Any] | None = None) -> None:
    """Write the journal: from this moment the exchange will be carried to its end, by this run or the next."""
    moves = [
        {
            "live": os.path.relpath(live, root),
            "staged": os.path.relpath(staged, root),
            "identity": _identity(staged),
        }
        for live, staged in pairs
    ]
    files.write_text(journal, json.dumps({"moves": moves, "note": note or {}}, indent=1))
    _settle(journal)


def _settle(path: Path) -> None:
    """Have the file and its folder on the disk before going on."""
    for each in (path, path.parent):
        handle = os.open(each, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def carry_out(journal: Path, root: Path) -> dict[str, Any] | None:
    """Do what is left of a journal, then remove it. Returns its note, or None when there was no journal."""
    if not journal.is_file():
        return None
    try:
        found = json.loads(journal.read_text(encoding="utf-8"))
    except ValueError:
        raise AssessError(
            f"{journal} is damaged; compare data/raw with its catalogue (assess verify) and remove it."
        ) from None
    done = 0
    for move in found["moves"]:
        live, staged = root / move["live"], root / move["staged"]
        aside = staged.with_name(f".{staged.name}.aside")
        if live.exists() and _identity(live) == move["identity"]:
            # Done already; three renames may have been cut off before the last.
            done += 1
            if aside.exists() and not staged.exists():
                os.rename(aside, staged)
            continue
        if not live.exists() and aside.exists():
            os.rename(aside, live)
        if not staged.exists() or _identity(staged) != move["identity"]:
            raise AssessError(
                f"An interrupted update cannot be finished: {staged} is not what {journal} says. "
                f"{live} is as it was; remove the journal to go on."
            )
        try:
            exchange(live, staged)
        except OSError as error:
            if not done:
                # Nothing has moved (a folder that is a mount point cannot): the old build stays in use.
                journal.unlink()
            raise AssessError(f"{live} could not be replaced ({error.strerror or error}).") from None
        done += 1
        moment(f"exchanged {move['live']}")
    journal.unlink()
    return dict(found.get("note") or {})


def moment(name: str) -> None:
    """Marks a point between two steps. Does nothing; the tests put a kill here."""


def copy_tree(source: Path, target: Path) -> None:
    """A copy of a folder that shares no file with the original; symbolic links are copied as what they point to."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
