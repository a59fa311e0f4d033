"""A real update: DfE's LAIT table of 2 December 2025 and of 8 April 2026, run both ways.

The files themselves are too large to commit. What is committed is the later vintage's extract (data/raw), the rows by
which the earlier one differs (tests/data/lait_2025-12-02.csv.gz) and the expected counts (tests/data/lait_update.csv),
so the real update is replayed anywhere; with the publisher's files at hand, the same is checked from them.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
from functools import cache
from pathlib import Path

import pytest

import update_project as project
from helpers import changes, differences, extraction, screening, update

HERE = Path(__file__).parent
RAW = HERE.parent / "data" / "raw"
SHARED = HERE.parents[1] / "shared" / "data" / "lait"
EARLIER, LATER = "bds_long_0_2025-12-02.parquet", "bds_long_0_2026-04-08.parquet"
COUNTS = HERE / "data" / "lait_update.csv"
ROWS = HERE / "data" / "lait_2025-12-02.csv.gz"
KEY = ["Short Desc", "Years", "LA Number"]


def expected() -> dict[str, tuple[int, int, int]]:
    """measure -> rows added, rows removed, values revised, from December to April."""
    with COUNTS.open(encoding="utf-8", newline="") as handle:
        return {
            row["measure"]: (int(row["added"]), int(row["removed"]), int(row["revised"]))
            for row in csv.DictReader(handle)
        }


def resource() -> dict:
    return differences.catalogue(RAW)["lait_sen"]


@cache
def later():
    """The shipped extract, when it is the April vintage."""
    if resource()["release"] != "2026-04":
        pytest.skip("the shipped LAIT extract is another vintage than the one the replay was made from")
    return differences.read_table(RAW / resource()["path"])


@cache
def earlier():
    """The December vintage, from the April one and the rows by which they differ."""
    import pandas as pd

    table = later()
    with gzip.open(ROWS, "rt", encoding="utf-8", newline="") as handle:
        told = pd.read_csv(handle, dtype=str, keep_default_na=False)
    keyed = table.set_index(KEY)
    gone = told[told["what"] == "absent"].set_index(KEY).index
    keyed = keyed[~keyed.index.isin(gone)]
    values = told[told["what"] == "value"].set_index(KEY)["Values"]
    keyed.loc[values.index, "Values"] = values
    more = told[told["what"] == "more"].drop(columns="what")
    return pd.concat([keyed.reset_index()[table.columns], more[table.columns]], ignore_index=True).sort_values(KEY)


def counts(before, after) -> dict[str, tuple[int, int, int]]:
    found = differences.compare_tables("lait_sen", before, after, resource()["schema"])
    assert not found.note
    known = set(expected())
    return {
        name: (row["added"], row["removed"], row["revised"]) for name, row in found.measures.items() if name in known
    }


def test_forwards():
    told = expected()
    found = counts(earlier(), later())
    assert found == told
    assert [sum(row[part] for row in told.values()) for part in range(3)] == [5950, 2720, 2919]


def test_backwards():
    found = counts(later(), earlier())
    assert found == {name: (removed, added, revised) for name, (added, removed, revised) in expected().items()}


def test_passes_the_screen():
    """Publishers' ordinary revisions are no reason to wake anybody."""
    before, after = earlier(), later()
    assert screening.screen_tables("lait_sen", before, after, 25, resource()["schema"]) == []
    assert screening.screen_tables("lait_sen", after, before, 25, resource()["schema"]) == []


def official(table) -> bytes:
    """The extract in the publisher's own columns, as parquet, with the columns that the extract leaves out empty."""
    import pandas as pd

    from helpers import layouts

    layout = next(
        item for item in layouts.known().layouts if any(feed["resource"] == "lait_sen" for feed in item.feeds)
    )
    frame = pd.DataFrame({name: table[name] if name in table.columns else "" for name in layout.columns})
    frame["LA Number"] = frame["LA Number"].astype(float)
    out = io.BytesIO()
    frame.to_parquet(out, index=False)
    return out.getvalue()


def test_whole_update_both_ways(tmp_path):
    """`assess update --from FILE` with the real extraction: December in use, April arrives, and back again."""
    root = project.make(tmp_path / "project", "http://127.0.0.1:9", [lait_source()])
    raw = root / "data" / "raw"
    shutil.copytree(RAW, raw, dirs_exist_ok=True, ignore=shutil.ignore_patterns("sources.yaml", "councils"))
    shutil.copytree(RAW / "councils", raw / "councils")
    files = {}
    for name, table in (("december", earlier()), ("april", later())):
        files[name] = tmp_path / f"{name}.parquet"
        files[name].write_bytes(official(table))
    assert run(root, files["april"])[0] == 0
    for name, rows in (("december", (2720, 5950, 2919)), ("april", (5950, 2720, 2919))):
        code, said = run(root, files[name])
        assert code == 10, said
        table = json.loads((root / "reports" / "changes.json").read_text())["inputs"]["tables"]
        assert [entry["resource"] for entry in table] == ["lait_sen"]
        assert (table[0]["added"], table[0]["removed"], table[0]["revised"]) == rows
        assert "Nottinghamshire" in (root / "reports" / "changes.html").read_text()


def lait_source() -> dict:
    return {
        "id": "lait",
        "kind": "file",
        "url": "http://127.0.0.1:9/lait.parquet",
        "resources": ["lait_sen"],
        "bound": 25,
    }


def run(root: Path, path: Path) -> tuple[int, str]:
    said: list[str] = []

    def build(staged: Path) -> None:
        (staged / "reports" / "facts.json").write_text("{}")

    code = update.run([path], root=root, build=build, say=said.append)
    return code, "\n".join(said)


@pytest.mark.shared
def test_the_files_themselves(tmp_path):
    """With the publisher's files: the same counts, and the committed replay is the December vintage exactly."""
    if not (SHARED / EARLIER).is_file():
        pytest.skip("the publisher's files are not here")
    folders = {}
    for name in (EARLIER, LATER):
        folders[name] = tmp_path / name.removesuffix(".parquet")
        folders[name].mkdir()
        extraction.extract([SHARED / name], folders[name])
    before, after = (differences.read_table(folders[name] / "dfe" / "lait_sen.csv") for name in (EARLIER, LATER))
    assert counts(before, after) == expected()
    replay = earlier().reset_index(drop=True)
    known = set(later()["Short Desc"])
    assert replay.equals(before[before["Short Desc"].isin(known)].sort_values(KEY).reset_index(drop=True))
    whole = changes.inputs(folders[EARLIER], folders[LATER])["tables"][0]
    assert (whole["version_before"], whole["version_after"]) == ("2025-12", "2026-04")
