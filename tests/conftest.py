"""What the tests share: the real project, built."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("pyproject.toml", "CITATION.cff", "README.md", "notebooks", "docs", "data", "reports")


def pytest_configure(config: pytest.Config) -> None:
    """In a fresh clone the processed tables are made first, so that no test skips for want of them."""
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    if not (ROOT / "data" / "processed" / "council_year.parquet").is_file():
        from helpers import sources

        sources.write(sources.build())


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which `assess run` has built everything; gives its folder, for ASSESS_ROOT.

    What the project has built already is copied too, so that only what is out of date runs. Made once, whatever the
    number of pytest-xdist's workers. Tests may not change what they find in it.
    """
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    root = shared / "built"
    with _one_at_a_time(shared / "built.lock"):
        if not (root / "done").is_file():
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            for name in COPIED:
                if (ROOT / name).is_dir():
                    ignored = shutil.ignore_patterns(".ipynb_checkpoints", "lock", "work", "failed", ".*.tmp")
                    shutil.copytree(ROOT / name, root / name, ignore=ignored)
                elif (ROOT / name).is_file():
                    shutil.copy2(ROOT / name, root / name)
            command = [sys.executable, "-m", "helpers.command", "run"]
            ran = subprocess.run(
                command,
                cwd=root,
                env={**os.environ, "ASSESS_ROOT": str(root)},
                capture_output=True,
                text=True,
                encoding="utf-8",
            )
            if ran.returncode:
                pytest.fail(f"The project does not build: {ran.stderr or ran.stdout}", pytrace=False)
            (root / "done").touch()
    return root


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Headless Chromium, for one module's tests."""
    if browser.PROGRAM is None:
        pytest.skip("no Chromium on this machine")
    driver = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with driver.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser.PROGRAM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@contextlib.contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
