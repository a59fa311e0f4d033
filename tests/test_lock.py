"""One update at a time, with either operating system's lock."""

import sys
import types

import pytest

from helpers import lock
from helpers.errors import AssessError


def test_a_second_holder_is_refused_and_told_who_holds_it(tmp_path):
    path = tmp_path / "lock"
    with lock.held(path), pytest.raises(AssessError, match="Another update is running"), lock.held(path):
        pass
    with lock.held(path):
        pass


def test_without_flock_a_byte_is_locked(tmp_path, monkeypatch):
    taken: list[tuple[int, int]] = []

    def locking(handle: int, mode: int, size: int) -> None:
        if taken:
            raise OSError("held")
        taken.append((mode, size))

    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(locking=locking, LK_NBLCK=2))
    with lock.held(tmp_path / "lock"), pytest.raises(AssessError, match="Another update"), lock.held(tmp_path / "lock"):
        pass
    assert taken == [(2, 1)]
