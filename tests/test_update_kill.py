"""A kill at any moment leaves the data and the report whole, and the next update carries on."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import update_project as project
from helpers import swap, update
from helpers.errors import AssessError
from update_publishers import Publishers, release

EHC = "education-health-and-care-plans"
MOMENTS = [
    "downloaded ehc_plans",
    "extracted ehc_plans",
    "built",
    "compared",
    "planned",
    "exchanged data/raw",
    "exchanged data/processed",
    "exchanged reports",
    "swapped",
]
# A process of its own, so that the kill is a real one; argument 2 names the moment, argument 3 slows each build down.
DRIVER = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
import update_project as project
from helpers import swap, update
def moment(name):
    if name == sys.argv[2]:
        os.kill(os.getpid(), 9)
swap.moment = moment
def build(root):
    for part in range(10):
        time.sleep(float(sys.argv[3]) / 10)
        project.build(root)
sys.exit(update.run(root=Path(sys.argv[1]), extract=project.extract, build=build, sleep=lambda _: None))
"""


@pytest.fixture
def publishers():
    """Publishers with a new release."""
    found = Publishers()
    found.releases[EHC] = [release("2026", "version-2026"), release("2025", "version-2025")]
    found.files["version-2026"] = project.archive(project.rows(last=2025))
    yield found
    found.close()


def start(root: Path, moment: str = "", slow: float = 0.0) -> subprocess.Popen:
    code = DRIVER.format(tests=str(Path(__file__).parent))
    return subprocess.Popen(
        [sys.executable, "-c", code, str(root), moment, str(slow)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def whole(root: Path) -> str:
    """Which build is in place: `old` or `new`; anything in between fails."""
    raw = (root / "data/raw/dfe/ehc_requests.csv").read_text()
    entry = json.loads((root / "data/raw/datapackage.json").read_text())["resources"][0]
    import hashlib

    assert hashlib.sha256(raw.encode()).hexdigest() == entry["hash"]
    total = json.loads((root / "reports/facts.json").read_text())["national.requests.latest"]["value"]
    page = (root / "reports/assessment.html").read_text()
    claims = (root / "reports/claims.csv").read_text()
    assert f"{total:,}" in page and f"Because {total}" in claims
    return "old" if total == sum(int(row[3]) for row in project.rows(2024, 2024)) else "new"


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at(tmp_path, publishers, moment):
    root = project.make(tmp_path / "project", publishers.base, [project.ehc()])
    process = start(root, moment)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, moment
    which = whole(root)
    assert which == ("old" if moment in MOMENTS[:7] else "new")
    process = start(root)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == (10 if MOMENTS.index(moment) < 4 else 0), said
    assert whole(root) == "new"
    raw = (root / "data/raw/dfe/ehc_requests.csv").read_text()
    assert raw == project.text(project.rows(last=2025))
    work = root / "data" / "update"
    assert not (work / "journal.json").exists() and not list(work.glob("build-*"))
    if moment not in ("swapped",):
        assert (work / "previous" / "reports" / "facts.json").is_file()


def test_killed_at_random(tmp_path, publishers):
    """Eight kills wherever the clock happens to stand; whole after each, and done at the end."""
    chance = random.Random(20260625)
    root = project.make(tmp_path / "project", publishers.base, [project.ehc()])
    for _ in range(8):
        process = start(root, slow=0.5)
        time.sleep(chance.uniform(0.2, 2.0))
        process.kill()
        process.communicate(timeout=60)
        whole(root)
    process = start(root)
    said, _ = process.communicate(timeout=60)
    assert process.returncode in (0, 10), said
    assert whole(root) == "new"


def test_recovery_without_exchange_in_one_step(tmp_path, publishers, monkeypatch):
    """Where the file system cannot exchange in one step, three renames do; a cut between them is mended too."""
    root = tmp_path
    live, staged = root / "live", root / "staged"
    for folder, text in ((live, "old"), (staged, "new")):
        folder.mkdir()
        (folder / "file").write_text(text)
    monkeypatch.setattr(sys, "platform", "other")
    journal = root / "journal.json"
    for cut in (0, 1, 2, 3):
        swap.plan(journal, [(live, staged)], root)
        steps = [(live, root / ".staged.aside"), (staged, live), (root / ".staged.aside", staged)]
        for first, second in steps[:cut]:
            os.rename(first, second)
        assert swap.carry_out(journal, root) == {}
        assert (live / "file").read_text() == "new" and (staged / "file").read_text() == "old"
        assert not journal.exists()
        live_text, staged_text = "old", "new"
        (live / "file").write_text(live_text)
        (staged / "file").write_text(staged_text)


def test_a_folder_that_cannot_move_leaves_everything(tmp_path, monkeypatch):
    live, staged = tmp_path / "live", tmp_path / "staged"
    live.mkdir()
    staged.mkdir()

    def refuse(first: Path, second: Path) -> None:
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(swap, "exchange", refuse)
    journal = tmp_path / "journal.json"
    swap.plan(journal, [(live, staged)], tmp_path)
    with pytest.raises(AssessError, match="busy"):
        swap.carry_out(journal, tmp_path)
    assert not journal.exists()


def test_a_staged_folder_that_is_not_the_one_planned(tmp_path):
    live, staged = tmp_path / "live", tmp_path / "staged"
    live.mkdir()
    staged.mkdir()
    swap.plan(tmp_path / "journal.json", [(live, staged)], tmp_path)
    shutil.move(staged, tmp_path / "other")
    staged.mkdir()
    with pytest.raises(AssessError, match="cannot be finished"):
        swap.carry_out(tmp_path / "journal.json", tmp_path)


def test_damaged_journal_is_said(tmp_path):
    root = project.make(tmp_path / "project", "http://127.0.0.1:9", [project.ehc()])
    (update.workspace(root) / "journal.json").write_text("{half")
    with pytest.raises(AssessError, match="journal"):
        update.run(root=root, extract=project.extract, build=project.build, say=str)
