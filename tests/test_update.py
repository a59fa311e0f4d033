"""The whole update over real HTTP on loopback: what each answer of a publisher leads to."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

import update_project as project
from helpers import download, lock, manifest, update, web
from helpers.errors import AssessError
from helpers.polling import Remote
from update_publishers import Publishers, data_set, page, release

EHC = "education-health-and-care-plans"


@pytest.fixture
def publishers():
    """The stand-in publishers, holding the release we have."""
    found = Publishers()
    found.releases[EHC] = [release("2025", "version-2025")]
    found.files["version-2025"] = project.archive(project.rows())
    yield found
    found.close()


@pytest.fixture
def root(tmp_path, publishers):
    """A project with one source."""
    return project.make(tmp_path / "project", publishers.base, [project.ehc()])


def run(root: Path, *files: Path, **more) -> tuple[int, str]:
    """One update; its exit code and what it said."""
    said: list[str] = []
    waits: list[float] = []
    code = update.run(
        list(files) or None,
        root=root,
        extract=project.extract,
        build=more.pop("build", project.build),
        say=said.append,
        sleep=waits.append,
        **more,
    )
    assert sum(waits) < 200
    return code, "\n".join(said)


def new_release(publishers: Publishers, table=None) -> None:
    publishers.releases[EHC].insert(0, release("2026", "version-2026", updates=0))
    publishers.files["version-2026"] = project.archive(table or project.rows(last=2025, revise={(2024, 3): 320}))


def pins(root: Path) -> dict:
    return yaml.safe_load((root / "data/raw/sources.yaml").read_text())["sources"][0]


# --- nothing new, new -----------------------------------------------------------------------------------------------


def test_nothing_new_is_one_question_a_source(root, publishers):
    before = project.snapshot(root)
    code, said = run(root)
    assert code == 0 and "Nothing new." in said
    assert project.snapshot(root) == before
    assert publishers.asked("version-summary") == 1 and publishers.asked("/files") == 0
    assert len(publishers.log) == 2  # the second looks whether the publication has come into the public API


def test_new_release_is_built_and_put_in_place(root, publishers):
    new_release(publishers)
    code, said = run(root)
    assert code == 10, said
    facts = json.loads((root / "reports/facts.json").read_text())
    expected = sum(200 + 20 * 6 + 5 * number for number in range(30))
    assert facts["national.requests.latest"]["value"] == expected
    found = json.loads((root / "reports/changes.json").read_text())
    table = found["inputs"]["tables"][0]
    assert (table["added"], table["removed"], table["revised"]) == (30, 0, 2)
    assert table["largest"][0]["area"] == "Council 3" and table["largest"][0]["before"] == "78"
    assert (table["version_before"], table["version_after"]) == ("2025", "2026")
    assert pins(root)["release"] == "2026" and pins(root)["pin"]["release_version"] == "version-2026"
    assert (root / "data/raw/sources.yaml").read_text().startswith("# Heading kept.")
    assert (root / "data/update/previous/reports/facts.json").is_file()
    assert not list((root / "data/update").glob("build-*")) and not (root / "data/update/journal.json").exists()
    assert run(root)[0] == 0


def test_reissued_release_is_noticed_though_its_name_is_the_same(root, publishers):
    publishers.releases[EHC] = [
        release("2025", "version-2025b", updates=1, updates_=None)
        | {"updates": [{"on": "2026-06-26", "reason": "Leeds corrected."}]}
    ]
    publishers.files["version-2025b"] = project.archive(project.rows(revise={(2022, 7): 290}))
    code, _ = run(root)
    assert code == 10
    found = json.loads((root / "reports/changes.json").read_text())
    assert found["inputs"]["tables"][0]["revised"] == 2
    assert any("Leeds corrected" in note for note in found["sources"][0]["notes"])


def test_reissue_with_the_same_figures_is_nothing_new_and_is_pinned(root, publishers):
    publishers.releases[EHC] = [release("2025", "version-2025c", updates=2)]
    publishers.files["version-2025c"] = publishers.files["version-2025"]
    code, said = run(root)
    assert code == 0 and "same" in said
    assert pins(root)["pin"]["update_count"] == 2
    publishers.log.clear()
    assert run(root)[0] == 0 and publishers.asked("/files") == 0


def test_never_asked_before_compares_contents(tmp_path, publishers):
    root = project.make(tmp_path / "fresh", publishers.base, [project.ehc(pin={"release_version": "version-2025"})])
    assert run(root)[0] == 0
    assert pins(root)["pin"]["update_count"] == 0
    assert run(root)[0] == 0


def test_release_entries_as_a_plain_list(root, publishers):
    publishers.release_paging = False
    new_release(publishers)
    assert run(root)[0] == 10


# --- could not tell -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [500, 502, 503, 504, 429, 404, 403, "drop", "slow", "html", "not json", "wrong shape", "empty object", "truncate"],
)
def test_trouble_is_never_nothing_new(root, publishers, fault):
    before = project.snapshot(root)
    publishers.fault("version-summary", *[fault] * 9)
    code, said = run(root)
    assert code == 20, said
    assert "could not tell" in said.lower() and "Nothing new" not in said
    assert project.snapshot(root) == before
    assert len(publishers.log) <= 5


@pytest.mark.parametrize("fault", [500, 503, 429, "drop", "truncate"])
def test_passing_trouble_is_overcome(root, publishers, fault):
    publishers.fault("version-summary", fault, fault)
    assert run(root)[0] == 0
    assert publishers.asked("version-summary") == 3


def test_unreachable(tmp_path):
    root = project.make(tmp_path / "project", "http://127.0.0.1:9", [project.ehc()])
    assert run(root)[0] == 20


def test_retry_after_is_kept_to(root, publishers):
    publishers.fault("version-summary", (429, {"Retry-After": "3"}, b"{}"))
    waits: list[float] = []
    assert update.run(root=root, extract=project.extract, build=project.build, say=str, sleep=waits.append) == 0
    assert waits == [pytest.approx(3, abs=0.1)]


def test_retry_after_too_long_is_not_waited_for(root, publishers):
    publishers.fault("version-summary", *[(429, {"Retry-After": "3600"}, b"{}")] * 3)
    code, said = run(root)
    assert code == 20 and "3600" in said and publishers.asked("version-summary") == 1


def test_retry_after_as_a_date():
    now = datetime(2026, 6, 25, 9, 30, tzinfo=UTC)
    assert web.wait_asked("Thu, 25 Jun 2026 09:31:00 GMT", now) == 60
    assert web.wait_asked("soon") is None and web.wait_asked(None) is None


def test_retries_of_a_run_are_bounded(tmp_path, publishers):
    names = [f"ehc_{number}" for number in range(12)]
    root = project.make(
        tmp_path / "many", publishers.base, [project.ehc(id=name, search="") for name in names], retries_a_run=5
    )
    publishers.fault("version-summary", *[500] * 99)
    assert run(root)[0] == 20
    assert len(publishers.log) == 12 + 5


def test_redirect_to_another_host_is_not_followed(root, publishers):
    publishers.fault("version-summary", *[(302, {"Location": "http://localhost:1/elsewhere"}, b"")] * 3)
    code, said = run(root)
    assert code == 20 and "another host" in said


def test_redirect_of_a_download_to_another_host_is_not_followed(root, publishers):
    new_release(publishers)
    publishers.fault("/files", *[(302, {"Location": "https://files.example.org/a.zip"}, b"")] * 3)
    code, said = run(root)
    assert code == 20 and "another host" in said


def test_redirect_within_the_host_is_followed(root, publishers):
    publishers.fault(
        "version-summary",
        (302, {"Location": f"/content/publications/{EHC}/releases/2025/version-summary?again=1"}, b""),
    )
    assert run(root)[0] == 0


def test_redirect_in_circles(root, publishers):
    publishers.fault(
        "version-summary", *[(302, {"Location": f"/content/publications/{EHC}/releases/2025/version-summary"}, b"")] * 9
    )
    assert run(root)[0] == 20


@pytest.mark.parametrize("fault", [500, "truncate", "html", "html as csv", "drop", 404])
def test_failing_download_leaves_the_old_data(root, publishers, fault):
    before = project.snapshot(root)
    new_release(publishers)
    publishers.fault("/files", *[fault] * 20)
    code, said = run(root)
    assert code == 20, said
    assert project.snapshot(root) == before


def test_one_failing_source_does_not_stop_another(tmp_path, publishers):
    other = project.ehc(id="other", publication="other", search="", resources=["other_*"])
    root = project.make(tmp_path / "two", publishers.base, [other, project.ehc()])
    new_release(publishers)
    code, said = run(root)
    assert code == 10 and "Could not tell about other" in said


def test_unexpected_page_count_is_not_believed(root, publishers):
    wrong = {"paging": {"page": 1, "pageSize": 40, "totalResults": 7, "totalPages": 1}, "results": []}
    publishers.fault("/api/publications", (200, {}, json.dumps(wrong).encode()))
    code, _ = run(root)
    # The search is an extra: the content API still answers, and the page of sources says what went wrong.
    assert code == 0


# --- downloads ------------------------------------------------------------------------------------------------------


def fetch(publishers: Publishers, folder: Path, path: str, name: str, **more) -> Path:
    settings = manifest.Settings(timeout=1, first_wait=0, attempts=more.pop("attempts", 3), **more)
    client = web.Client(settings, lambda _: None)
    try:
        return download.fetch(
            client, Remote(f"{publishers.base}{path}", name), {publishers.base.split("//")[1]}, folder
        )
    finally:
        client.close()


def test_broken_download_is_carried_on(tmp_path, publishers):
    publishers.files["/big.csv"] = b"a,b\n" + b"1,2\n" * 50_000
    publishers.fault("big", "truncate", "truncate")
    path = fetch(publishers, tmp_path, "/big.csv", "big.csv")
    assert path.read_bytes() == publishers.files["/big.csv"]
    ranges = [headers.get("range") for _, headers in publishers.log]
    assert ranges[0] is None and ranges[1:] == ["bytes=100002-", "bytes=150003-"]


def test_part_left_by_a_killed_run_is_carried_on_only_if_the_file_is_the_same(tmp_path, publishers):
    publishers.files["/big.csv"] = b"a,b\n" + b"1,2\n" * 1000
    publishers.fault("big", "truncate")
    with pytest.raises(web.Unclear):
        fetch(publishers, tmp_path, "/big.csv", "big.csv", attempts=1)
    assert (tmp_path / "big.csv.part").stat().st_size == 2002
    publishers.files["/big.csv"] = b"a,b\n" + b"3,4\n" * 1000
    assert fetch(publishers, tmp_path, "/big.csv", "big.csv").read_bytes() == publishers.files["/big.csv"]


def test_server_that_ignores_ranges(tmp_path, publishers):
    publishers.files["/big.csv"] = b"a,b\n" + b"1,2\n" * 1000
    publishers.fault("big", "truncate", "ignores range")
    assert fetch(publishers, tmp_path, "/big.csv", "big.csv").read_bytes() == publishers.files["/big.csv"]


def test_size_cap(tmp_path, publishers):
    publishers.files["/big.csv"] = b"a,b\n" + b"1,2\n" * 50_000
    for fault in ("", "no length"):
        publishers.fault("big", fault)
        with pytest.raises(web.Unclear, match="cap"):
            fetch(publishers, tmp_path, "/big.csv", "big.csv", cap_megabytes=0.1)
    assert not list(tmp_path.glob("*_big.csv"))


def test_endless_drip_is_cut_off(tmp_path, publishers):
    publishers.files["/big.csv"] = b"a,b\n" + b"1,2\n" * 5000
    publishers.fault("big", "drip", "drip", "drip")
    start = time.monotonic()
    with pytest.raises(web.Unclear, match="still arriving"):
        fetch(publishers, tmp_path, "/big.csv", "big.csv", deadline=0.5)
    assert time.monotonic() - start < 4


def test_three_dated_copies_are_kept(tmp_path, publishers):
    publishers.files["/x.csv"] = b"a,b\n1,2\n"
    for day in range(1, 6):
        (tmp_path / f"2026-01-0{day}_x.csv").write_text("old")
    newest = fetch(publishers, tmp_path, "/x.csv", "x.csv")
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["2026-01-04_x.csv", "2026-01-05_x.csv", newest.name]


def test_name_cannot_leave_the_folder(tmp_path, publishers):
    publishers.files["/x.csv"] = b"a,b\n1,2\n"
    path = fetch(publishers, tmp_path / "in", "/x.csv", "../../../etc/x.csv")
    assert path.parent == tmp_path / "in"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.csv", b""),
        ("a.csv", b"<html></html>"),
        ("a.csv", b'{"title": "error"}'),
        ("a.csv", b"PK\x03\x04\x00\x00\x00\x00"),
        ("a.zip", b"a,b\n1,2\n"),
        ("a.zip", project.archive(project.rows())[:-30]),
        ("a.parquet", b"PAR1" + b"\x00" * 50),
        ("a.xlsx", b"\xd0\xcf\x11\xe0 an old workbook"),
    ],
)
def test_wrong_type_is_refused(tmp_path, name, body):
    path = tmp_path / name
    path.write_bytes(body)
    with pytest.raises(web.Unclear):
        download.check_type(path, name)


def test_md5_of_the_content_api_is_checked(root, publishers):
    new_release(publishers)
    body = publishers.files["version-2026"]
    wrong = (200, {"Content-Type": "application/zip", "ETag": f'"{"0" * 32}"'}, body)
    publishers.fault("version-2026/files", *[wrong] * 3)
    code, said = run(root)
    assert code == 20 and "MD5" in said


# --- a person must look ---------------------------------------------------------------------------------------------


def held(root: Path) -> str:
    page_ = (root / "data/update/held/changes.html").read_text()
    assert "Nothing was replaced" in page_
    return page_


def test_renamed_column_stops(root, publishers):
    before = project.snapshot(root)
    header = [*project.HEADER[:3], "requests_received", "refused"]
    new_release(publishers)
    publishers.files["version-2026"] = project.archive(project.text(project.rows(last=2025), header))
    code, said = run(root)
    assert code == 30 and "requests_received" in said
    assert project.snapshot(root) == before and "requests_received" in held(root)


@pytest.mark.parametrize(
    ("what", "table", "words"),
    [
        ("thousands", project.rows(last=2025, scale=0.001), "moved"),
        (
            "only the new year in thousands",
            project.rows()
            + [
                [*row[:3], "0" if row[3] == "0" else str(1 + int(row[3]) // 100), row[4]]
                for row in project.rows(2025, 2025)
            ],
            "jumps",
        ),
        ("doubled", project.rows(scale=2), "moved"),
        ("half gone", project.rows()[: len(project.rows()) // 2], "gone"),
        ("repeated", project.rows() + project.rows(2024, 2024), "repeat"),
        (
            "negative",
            [[*row[:3], f"-{row[3]}" if number == 9 else row[3], row[4]] for number, row in enumerate(project.rows())],
            "negative",
        ),
        ("future", project.rows() + [["2199", *row[1:]] for row in project.rows(2024, 2024)], "future"),
        ("new council", [*project.rows(), ["2024", "E09999999", "Newtown", "5", "1"]], "new"),
        ("council gone", [row for row in project.rows() if row[1] != project.COUNCILS[4]], "gone"),
        (
            "codes swapped",
            [
                [
                    row[0],
                    {project.COUNCILS[1]: project.COUNCILS[2], project.COUNCILS[2]: project.COUNCILS[1]}.get(
                        row[1], row[1]
                    ),
                    *row[2:],
                ]
                for row in project.rows()
            ],
            "other areas",
        ),
        (
            "strange symbol",
            [[*row[:3], "n/a" if number == 9 else row[3], row[4]] for number, row in enumerate(project.rows())],
            "no number",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "",
)
def test_data_that_moves_too_far_stops(root, publishers, what, table, words):
    before = project.snapshot(root)
    publishers.releases[EHC] = [release("2025", "version-2025x", updates=1)]
    publishers.files["version-2025x"] = project.archive(table)
    code, said = run(root)
    assert code == 30, (what, said)
    assert words in said and project.snapshot(root) == before
    held(root)
    # What was refused is not remembered as seen: the next run stops again.
    assert run(root)[0] == 30


def test_what_a_person_accepted_is_built(root, publishers):
    publishers.releases[EHC] = [release("2025", "version-2025x", updates=1)]
    publishers.files["version-2025x"] = project.archive(project.rows(scale=2))
    assert run(root)[0] == 30
    digest = next(iter(json.loads((root / "data/update/held/files.json").read_text()).values()))
    path = root / "data/raw/sources.yaml"
    told = yaml.safe_load(path.read_text())
    told["sources"][0]["accept"] = [digest]
    path.write_text(yaml.safe_dump(told, sort_keys=False))
    assert run(root)[0] == 10


def test_build_that_fails_replaces_nothing(root, publishers):
    before = project.snapshot(root)
    new_release(publishers)

    def fails(staged: Path) -> None:
        (staged / "reports" / "facts.json").write_text("{half")
        raise AssessError("01_sources: totals do not add up")

    code, said = run(root, build=fails)
    assert code == 30 and "do not add up" in said
    assert project.snapshot(root) == before


def test_api_data_set_is_watched_by_version(tmp_path, publishers):
    source = {"id": "sen", "kind": "api", "data_set": "abc", "resources": ["ehc_*"], "pin": {"version": "1.0"}}
    root = project.make(tmp_path / "api", publishers.base, [source])
    publishers.data_sets["abc"] = data_set("abc", "1.0", 180)
    assert run(root)[0] == 0 and len(publishers.log) == 1
    publishers.data_sets["abc"] = data_set("abc", "1.1", 210)
    publishers.changes["abc@1.1"] = {
        "versionNumber": "1.1",
        "notes": "2025 added",
        "majorChanges": {},
        "minorChanges": {"timePeriods": [{}]},
    }
    publishers.csv["abc@1.1"] = project.text(project.rows(last=2025)).encode()
    publishers.log.clear()
    code, said = run(root)
    assert code == 10, said
    found = json.loads((root / "reports/changes.json").read_text())
    assert "2025 added" in found["sources"][0]["notes"] and len(publishers.log) == 3
    assert pins(root)["pin"]["version"] == "1.1"
    assert run(root)[0] == 0


@pytest.mark.parametrize(
    "found",
    [
        data_set("abc", "2.0", 210),
        data_set("abc", "1.1", 210, status="Deprecated"),
        data_set("abc", "1.0", 180, status="Withdrawn"),
        data_set("abc", "1.0", 180, supersedingDataSetId="def"),
    ],
    ids=["major", "deprecated", "withdrawn", "superseded"],
)
def test_api_data_set_that_needs_a_person(tmp_path, publishers, found):
    source = {"id": "sen", "kind": "api", "data_set": "abc", "resources": ["ehc_*"], "pin": {"version": "1.0"}}
    root = project.make(tmp_path / "api", publishers.base, [source])
    before = project.snapshot(root)
    publishers.data_sets["abc"] = found
    publishers.changes["abc@2.0"] = {"versionNumber": "2.0", "majorChanges": {"filters": [{}]}, "minorChanges": {}}
    publishers.changes["abc@1.1"] = {"versionNumber": "1.1", "majorChanges": {}, "minorChanges": {}}
    code, _ = run(root)
    assert code == 30 and project.snapshot(root) == before


def test_withdrawn_for_good_is_a_person(root, publishers):
    publishers.fault("version-summary", 410)
    assert run(root)[0] == 30


def test_publication_that_comes_into_the_public_api_is_used_there(root, publishers):
    names = [f"set-{number}" for number in range(25)]
    for name in names[1:]:
        publishers.data_sets[name] = data_set(name, "1.0", 10)
        publishers.csv[f"{name}@1.0"] = project.text(project.rows()).encode()
    publishers.data_sets[names[0]] = data_set(names[0], "1.0", 210)
    publishers.csv[f"{names[0]}@1.0"] = project.text(project.rows()).encode()
    publishers.publications = [
        {"id": f"p{number}", "slug": f"other-{number}", "title": f"Care leavers {number}", "data_sets": []}
        for number in range(45)
    ] + [{"id": "ehc", "slug": EHC, "title": "Education, health and care plans", "data_sets": names}]
    code, said = run(root)
    assert code == 0, said
    assert publishers.asked("version-summary") == 0 and publishers.asked("/csv") == 25
    assert set(pins(root)["pin"]["data_sets"]) == set(names)
    publishers.log.clear()
    assert run(root)[0] == 0 and publishers.asked("/csv") == 0
    assert publishers.asked("/data-sets") == 2  # twenty to a page


# --- gov.uk and files -----------------------------------------------------------------------------------------------


def govuk(tmp_path: Path, publishers: Publishers, **more) -> Path:
    source = {
        "id": "agreements",
        "kind": "govuk",
        "path": "government/publications/a-page",
        "pin": {"public_updated_at": "2026-04-01T16:04:00+01:00"},
        **more,
    }
    return project.make(tmp_path / "govuk", publishers.base, [source])


def test_page_read_by_people(tmp_path, publishers):
    root = govuk(tmp_path, publishers)
    publishers.pages["government/publications/a-page"] = page("2026-04-01T15:04:00Z")
    assert run(root)[0] == 0  # the same moment, written another way
    assert run(root)[0] == 0 and publishers.log[-1][1].get("if-none-match", "").startswith("W/")
    publishers.pages["government/publications/a-page"] = page("2026-09-01T09:00:00+01:00")
    code, _said = run(root)
    assert code == 30 and "Added new figures" in (root / "data/update/held/changes.html").read_text()


@pytest.mark.parametrize(
    "found",
    [
        page("2026-04-01T16:04:00+01:00", document_type="redirect"),
        page("2026-04-01T16:04:00+01:00", document_type="gone"),
        page(
            "2026-04-01T16:04:00+01:00", withdrawn_notice={"explanation": "Out of date", "withdrawn_at": "2026-09-01"}
        ),
    ],
    ids=["redirect", "gone", "withdrawn"],
)
def test_page_that_left(tmp_path, publishers, found):
    root = govuk(tmp_path, publishers)
    publishers.pages["government/publications/a-page"] = found
    assert run(root)[0] == 30


def test_attachments_of_a_page_are_fetched(tmp_path, publishers):
    root = govuk(tmp_path, publishers, files=["*.csv"], resources=["ehc_*"])
    body = project.text(project.rows(last=2025)).encode()
    publishers.files["/media/1/table.csv"] = body
    attachments = [
        {
            "url": f"{publishers.base}/media/1/table.csv",
            "filename": "table.csv",
            "content_type": "text/csv",
            "file_size": len(body),
        },
        {
            "url": f"{publishers.base}/media/1/notes.pdf",
            "filename": "notes.pdf",
            "content_type": "application/pdf",
            "file_size": 3,
        },
    ]
    publishers.pages["government/publications/a-page"] = page("2026-09-01T09:00:00+01:00", attachments)
    assert run(root)[0] == 10
    assert publishers.asked("pdf") == 0
    attachments[0]["file_size"] = 17
    publishers.pages["government/publications/a-page"] = page("2026-10-01T09:00:00+01:00", attachments)
    code, said = run(root)
    assert code == 20 and "17" in said


def test_attachment_on_another_host_is_not_fetched(tmp_path, publishers):
    root = govuk(tmp_path, publishers, files=["*.csv"], resources=["ehc_*"])
    attachments = [{"url": "http://localhost:1/table.csv", "filename": "table.csv"}]
    publishers.pages["government/publications/a-page"] = page("2026-09-01T09:00:00+01:00", attachments)
    assert run(root)[0] == 20


def test_single_file_by_etag(tmp_path, publishers):
    source = {"id": "lait", "kind": "file", "url": f"{publishers.base}/lait/table.csv", "resources": ["ehc_*"]}
    root = project.make(tmp_path / "file", publishers.base, [source])
    publishers.files["/lait/table.csv"] = project.text(project.rows()).encode()
    assert run(root)[0] == 0
    publishers.log.clear()
    assert run(root)[0] == 0 and len(publishers.log) == 1
    publishers.files["/lait/table.csv"] = project.text(project.rows(last=2025)).encode()
    assert run(root)[0] == 10
    publishers.fault("table", *[500] * 9)
    assert run(root)[0] == 20


# --- by hand, dry, only ---------------------------------------------------------------------------------------------


def test_files_by_hand_need_no_network(tmp_path):
    root = project.make(tmp_path / "project", "http://127.0.0.1:9", [project.ehc()])
    path = tmp_path / "release.zip"
    path.write_bytes(project.archive(project.rows(last=2025)))
    assert run(root, path, dry_run=True)[0] == 10
    assert json.loads((root / "reports/facts.json").read_text())["national.requests.latest"]["value"] != 0
    before = project.snapshot(root)
    assert run(root, path)[0] == 10
    assert project.snapshot(root) != before
    assert run(root, path)[0] == 0
    with pytest.raises(AssessError, match=r"absent\.csv"):
        run(root, tmp_path / "absent.csv")


def test_dry_run_changes_nothing(root, publishers):
    before = project.snapshot(root)
    assert run(root, dry_run=True)[0] == 0
    new_release(publishers)
    code, said = run(root, dry_run=True)
    assert code == 10 and "would fetch" in said and publishers.asked("/files") == 0
    publishers.fault("version-summary", *[500] * 9)
    assert run(root, dry_run=True)[0] == 20
    assert project.snapshot(root) == before


def test_only_and_unknown_source(tmp_path, publishers):
    other = project.ehc(id="other", publication="other", search="")
    root = project.make(tmp_path / "two", publishers.base, [other, project.ehc()])
    assert run(root, only=["ehc_plans"])[0] == 0
    with pytest.raises(AssessError, match="Did you mean 'ehc_plans'"):
        run(root, only=["ehc_plan"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "ftp"}, "kind"),
        ({"publication": ""}, "publication"),
        ({"publicatoin": "x"}, "Did you mean 'publication'"),
    ],
)
def test_manifest_that_does_not_hold_together(tmp_path, change, words):
    root = project.make(tmp_path / "bad", "http://127.0.0.1:9", [project.ehc(**change)])
    with pytest.raises(AssessError, match=words):
        run(root)


def test_addresses_are_settings(root, monkeypatch):
    monkeypatch.setenv("ASSESS_API", "http://127.0.0.1:5/mirror/")
    assert manifest.read(root / "data/raw").settings.base("api") == "http://127.0.0.1:5/mirror"


def test_the_shipped_manifest_is_sound():
    listed = manifest.read(Path(__file__).parents[1] / "data" / "raw")
    assert {source.kind for source in listed.sources} == set(manifest.KINDS)
    for source in listed.sources:
        assert all(host and "/" not in host for host in listed.hosts(source))
    assert listed.settings.api.startswith("https://") and listed.settings.stale_days == 14


# --- staleness and the lock -----------------------------------------------------------------------------------------


def test_staleness_alarm(root, publishers):
    said: list[str] = []
    assert update.alarm(root, say=said.append) == 1 and "never answered" in said[-1]
    run(root)
    now = datetime.now(UTC)
    assert update.alarm(root, now + timedelta(days=13), said.append) == 0
    assert update.alarm(root, now + timedelta(days=15), said.append) == 1 and "15 days" in said[-1]
    publishers.fault("version-summary", *[500] * 9)
    run(root)
    assert update.alarm(root, now + timedelta(days=15), said.append) == 1


def test_two_updates_at_once(root, tmp_path):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\nfrom pathlib import Path\nfrom helpers import lock\n"
            "with lock.held(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)",
            str(update.workspace(root) / "lock"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline().strip() == "held"
        with pytest.raises(AssessError, match=str(holder.pid)):
            run(root)
        holder.kill()  # SIGKILL: the kernel lets go of the lock, whatever the file says
        holder.wait()
        assert run(root)[0] == 0
    finally:
        holder.kill()
        holder.wait()


def test_lock_is_let_go_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), lock.held(tmp_path / "lock"):
        raise ZeroDivisionError
    with lock.held(tmp_path / "lock"):
        pass


def test_the_build_itself_is_a_process_whose_failure_is_told(tmp_path):
    """`assess run` in a folder that has no notebooks: an error in words, and nothing left running."""
    root = project.make(tmp_path / "project", "http://127.0.0.1:9", [project.ehc()])
    with pytest.raises(AssessError, match=r"assess run ended with 1: .+"):
        update._build(root)


def test_a_build_in_progress_is_not_crossed(root, publishers):
    new_release(publishers)
    before = project.snapshot(root)
    with lock.held(root / "data/processed/.build/lock"), pytest.raises(AssessError, match="Another build"):
        run(root)
    assert project.snapshot(root) == before
    assert run(root)[0] == 10


def test_module_runs_as_a_command(root, monkeypatch, capsys):
    monkeypatch.setenv("ASSESS_ROOT", str(root))
    assert update.main(["--dry-run"]) == 0
    assert update.main(["--alarm"]) == 1
    assert update.main(["--only", "nobody"]) == 1
    assert "No source is named" in capsys.readouterr().err
