"""The benchmark works on a small case. Nothing here depends on how fast the machine is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_the_benchmark_runs_on_a_small_case(tmp_path):
    script = Path(__file__).with_name("measure.py")
    done = subprocess.run(
        [sys.executable, script, "--small", "--out", tmp_path / "b.json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))
    rows = {row["what"]: row for row in found["measured"]}
    assert found["machine"]["cores"] >= 1
    assert rows["full assessment from raw data"]["ratio"] > 0
    assert rows["full assessment from raw data"]["different_outputs"] == []
    assert rows["3 council profiles (stand-in notebook)"]["different_outputs"] == []
    assert rows["one chapter edited"]["ran"] == ["04_apart", "report"]
    assert rows["one raw file replaced"]["ran"] == ["04_apart", "report"]
