"""Every corruption of a real input ends in the right answer or a clear refusal; the table of them is docs/mutations.md."""

from __future__ import annotations

import csv
import shutil
from functools import cache
from pathlib import Path

import pytest

from helpers import differences, download, extraction, screening, web
from helpers.errors import AssessError
from mutations import BASES, MUTATIONS, Mutation

HERE = Path(__file__).parent
TABLE = HERE.parent / "docs" / "mutations.md"
SHARED = HERE.parents[1] / "shared" / "data"
BOUND = 10


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """For each kind of file: its bytes, and a folder of raw data extracted from it."""

    @cache
    def one(name: str) -> tuple[bytes, Path]:
        file, make, _ = BASES[name]
        folder = tmp_path_factory.mktemp(name)
        body = make()
        (folder / file).write_bytes(body)
        raw = folder / "raw"
        raw.mkdir()
        extraction.extract([folder / file], raw)
        return body, raw

    return one


def rows_of(raw: Path, resource: str) -> list[list[str]]:
    with (raw / differences.catalogue(raw)[resource]["path"]).open(encoding="utf-8", newline="") as handle:
        return list(csv.reader(handle))


def outcome(mutation: Mutation, body: bytes, raw: Path, folder: Path) -> tuple[str, str]:
    """(right | refused | stopped | WRONG, what was said) for one corruption, by the steps of the update itself."""
    file, _, resource = BASES[mutation.base]
    path = folder / file
    path.write_bytes(mutation.make(body))
    trial = folder / "raw"
    shutil.copytree(raw, trial)
    before = {item: item.read_bytes() for item in trial.rglob("*") if item.is_file()}
    try:
        download.check_type(path, file)
        extraction.extract([path], trial)
    except (AssessError, web.Unclear) as error:
        after = {item: item.read_bytes() for item in trial.rglob("*") if item.is_file()}
        assert after == before, "a refusal must leave the data as they were"
        assert not [item for item in folder.parent.rglob("outside.csv")]
        return "refused", str(error)
    changed = [table.resource for table in differences.compare_raw(raw, trial)]
    problems = screening.screen(raw, trial, changed, BOUND)
    if problems:
        return "stopped", problems[0].sentence()
    expected = rows_of(raw, resource)
    if mutation.truth:
        expected = mutation.truth(expected)
    found = rows_of(trial, resource)
    if sorted(found) == sorted(expected):
        return "right", "the same figures" if not mutation.truth else "the new figures, as they stand in the file"
    return "WRONG", f"{len(found)} rows that are not the expected ones"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_mutation(mutation, bases, tmp_path):
    body, raw = bases(mutation.base)
    end, said = outcome(mutation, body, raw, tmp_path)
    assert end in mutation.end.split(" or "), f"{end}: {said}"
    if end != "right":
        assert len(said) > 20 and "Traceback" not in said


def test_there_are_enough_and_no_two_alike():
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS) >= 40


def line(mutation: Mutation, end: str, said: str) -> str:
    """One row of the table of what was tried."""
    clean = " ".join(said.replace("|", "\\|").split())
    return f"| {mutation.name} | {BASES[mutation.base][0]} | {end} | {clean[:220]} |"


def test_table_of_what_was_tried_is_complete():
    """Every mutation is in docs/mutations.md with the end it came to (made by `python tests/test_mutations.py`)."""
    told = TABLE.read_text(encoding="utf-8")
    for mutation in MUTATIONS:
        row = next((text for text in told.splitlines() if text.startswith(f"| {mutation.name} |")), "")
        assert row, f"{mutation.name} is not in {TABLE.name}"
        assert row.split(" | ")[2] in mutation.end.split(" or ")


@pytest.mark.shared
@pytest.mark.parametrize(
    "mutation", [item for item in MUTATIONS if item.base == "requests"], ids=lambda item: item.name
)
def test_mutation_of_the_publisher_s_own_file(mutation, tmp_path_factory, tmp_path):
    """The same on requests.csv as DfE issued it."""
    import zipfile

    source = SHARED / "ehc_plans" / "education-health-and-care-plans_2025.zip"
    if not source.is_file():
        pytest.skip("the publisher's files are not here")
    folder = tmp_path_factory.mktemp("shared")
    with zipfile.ZipFile(source) as packed:
        body = packed.read("data/requests.csv").removeprefix(b"\xef\xbb\xbf")
    (folder / "requests.csv").write_bytes(body)
    raw = folder / "raw"
    raw.mkdir()
    extraction.extract([folder / "requests.csv"], raw)
    end, said = outcome(mutation, body, raw, tmp_path)
    assert end in mutation.end.split(" or "), f"{end}: {said}"


HEAD = """# What was tried to spoil the inputs

Each row is one corruption of a real input in the publisher's format, and what came of it, as
`tests/test_mutations.py` finds it at every run. *Right*: the correct figures. *Refused*: the file was not read, and the
data stayed as they were. *Stopped*: the file was read, and the comparison with the last vintage called a person
(`assess update` ends with 30 and replaces nothing). A wrong number is a failing test. Made by
`python tests/test_mutations.py`.

| what was done | to | end | what was said |
|---|---|---|---|
"""


def main() -> None:
    """Write docs/mutations.md."""
    import tempfile

    lines = []
    with tempfile.TemporaryDirectory() as name:
        made: dict[str, tuple[bytes, Path]] = {}
        for number, mutation in enumerate(MUTATIONS):
            file, make, _ = BASES[mutation.base]
            if mutation.base not in made:
                folder = Path(name) / mutation.base
                (folder / "raw").mkdir(parents=True)
                (folder / file).write_bytes(make())
                extraction.extract([folder / file], folder / "raw")
                made[mutation.base] = ((folder / file).read_bytes(), folder / "raw")
            place = Path(name) / f"trial-{number}" / "in"
            place.mkdir(parents=True)
            end, said = outcome(mutation, *made[mutation.base], place)
            lines.append(line(mutation, end, said))
    ends = [text.split(" | ")[2] for text in lines]
    foot = f"\n{len(lines)} corruptions: " + ", ".join(f"{ends.count(end)} {end}" for end in sorted(set(ends))) + ".\n"
    TABLE.write_text(HEAD + "\n".join(lines) + "\n" + foot, encoding="utf-8")
    print(foot.strip())


if __name__ == "__main__":
    main()
