"""Files written whole or not at all; YAML read."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it replaces `path` only if the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with Unix line ends, whole or not at all."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def parse_yaml(text: str) -> Any:
    """What YAML says, made afresh each time."""
    return pickle.loads(_parsed(text))


@lru_cache(maxsize=64)
def _parsed(text: str) -> bytes:
    """What YAML says, to be read once: a chapter asks for the same small files a hundred times. By libyaml where PyYAML
    was built with it, which is ten times as fast."""
    import yaml

    return pickle.dumps(yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def read_yaml(path: Path) -> Any:
    """What a YAML file holds."""
    return parse_yaml(path.read_text(encoding="utf-8"))
