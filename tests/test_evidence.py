"""The evidence tables: every rule is broken once, every document is graded, every figure reaches one unit."""

from __future__ import annotations

import csv
import datetime
import shutil
from pathlib import Path

import pytest

from helpers import evidence, paths
from helpers.errors import AssessError

TODAY = datetime.date(2026, 11, 23)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a copy of the evidence tables that a test may spoil; gives their folder."""
    shutil.copy(paths.root() / "pyproject.toml", tmp_path)
    folder = tmp_path / "data" / "raw" / "councils"
    shutil.copytree(paths.raw() / "councils", folder)
    monkeypatch.setenv("ASSESS_ROOT", str(tmp_path))
    return folder


def append(path: Path, **cells: str) -> int:
    """Add one row; gives its row number, the header being row 1."""
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.reader(handle))
    rows.append([cells.get(column, "") for column in rows[0]])
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle, lineterminator="\n").writerows(rows)
    return len(rows)


def test_the_shipped_tables_break_no_rule() -> None:
    for name in evidence.rules()["tables"]:
        assert evidence.problems(name, today=TODAY) == []


def test_every_document_has_a_grade() -> None:
    documents = evidence.load("documents")
    assert len(documents) >= 305
    assert set(documents["grade"]) == {"strong", "middle", "weak"}
    assert documents["grade"].notna().all() and (documents["grade_reason"] != "").all()


@pytest.mark.parametrize(
    ("doc_type", "body", "url", "grade"),
    [
        ("minutes", "Schools Forum", "https://democracy.slough.gov.uk/x", "strong"),
        ("news page", "Council news", "https://torbay.gov.uk/news/x", "strong"),
        ("news page", "Schools Week", "https://schoolsweek.co.uk/x", "middle"),
        ("news page", "BBC (copy)", "https://www.daily8.com/x", "weak"),
        ("news page", "Kent Online", "https://www.lossofbraintrust.com/x", "weak"),
        ("third-party meeting summary", "Schools Forum", "https://opencouncil.network/x", "weak"),
        ("decision record", "Cabinet", "https://councilgateway.poteris.co.uk/x", "middle"),
        ("blog", "MP blog", "https://example.org/x", "weak"),
        ("research report page", "DfE (gov.uk)", "https://www.gov.uk/x", "strong"),
    ],
)
def test_grades_come_from_the_table(doc_type: str, body: str, url: str, grade: str) -> None:
    assert evidence.grade(doc_type, body, url)[0] == grade


def test_an_unknown_kind_of_document_is_not_graded() -> None:
    with pytest.raises(AssessError, match=r"no grade for the document type 'minuts'; did you mean 'minutes'\?"):
        evidence.grade("minuts", "Cabinet")


GOOD = {
    "documents": {"doc_id": "D900", "la_name": "Kent", "title": "A paper", "body": "Cabinet", "date": "2026-01", "doc_type": "minutes", "url": "https://kent.gov.uk/a"},
    "trajectories": {"la_name": "Kent", "financial_year": "2026/27", "measure": "cumulative_deficit", "kind": "forecast", "value": "1.5", "unit": "gbp_m", "as_reported_date": "2026-01", "doc_id": "D001", "note": ""},
    "conditions": {"la_name": "Kent", "doc_id": "D001", "category": "transport", "summary": "New", "target_number": "", "url": "https://kent.gov.uk/a"},
    "effects": {"la_name": "Kent", "doc_id": "D001", "stakeholder": "schools", "theme": "t", "summary": "New", "polarity": "mixed", "url": "https://kent.gov.uk/a"},
    "payments": {"la_name": "Kent", "financial_year": "2026-27", "row_type": "annual", "planned_payment_gbp_m": "1", "actual_payment_gbp_m": "", "source_url": "https://kent.gov.uk/a", "note": ""},
    "events": {"date": "2026-01", "la_name": "Kent", "event": "suspended", "text": "x", "doc_id": "", "source_url": "https://kent.gov.uk/a"},
    "transfers": {"la_name": "Kent", "financial_year": "2026/27", "stage": "under agreement", "share_pct": "0.5", "amount_gbp_m": "", "schools": "agreed", "outcome": "made", "doc_id": "D001", "note": "x"},
}  # fmt: skip

BAD = [
    ("documents", "la_name", "Kant", "Did you mean Kent"),
    ("documents", "la_name", "Atlantis", "a council in England"),
    ("documents", "date", "2027-05", "a date not after today"),
    ("documents", "date", "soon", "a date as year"),
    ("documents", "date", "2024-13", "a date as year"),
    ("documents", "url", "", "a web address, not a blank"),
    ("documents", "url", "kent.gov.uk/a", "a web address"),
    ("documents", "doc_type", "minute", "a document type listed in src/helpers/grades.yaml; did you mean 'minutes'?"),
    ("documents", "doc_id", "900", r"D\d{3}"),
    ("trajectories", "financial_year", "2026/28", "a financial year"),
    ("trajectories", "financial_year", "next year", "a financial year"),
    ("trajectories", "value", "-1.5", "a surplus is entered under in_year_surplus or cumulative_surplus"),
    ("trajectories", "value", "1,500", "a number, without unit or comma"),
    ("trajectories", "value", "nan", "a number"),
    ("trajectories", "unit", "count", "gbp_m, the unit of cumulative_deficit"),
    ("trajectories", "unit", "gbp", "one of gbp_m, pct, count"),
    ("trajectories", "measure", "cumulative_defecit", "did you mean 'cumulative_deficit'?"),
    ("trajectories", "kind", "guess", "one of planned, forecast, actual"),
    ("trajectories", "doc_id", "D999", "a doc_id of documents.csv"),
    ("trajectories", "as_reported_date", "2030", "a date not after today"),
    ("conditions", "category", "transports", "did you mean 'transport'?"),
    ("conditions", "summary", "", "text, not a blank"),
    ("effects", "stakeholder", "children", "one of council, parents, schools"),
    ("effects", "polarity", "https://kent.gov.uk/a", "one of positive, mixed, negative"),
    ("payments", "planned_payment_gbp_m", "-1", "a number not below 0"),
    ("events", "event", "sacked", "one of signed"),
    ("transfers", "schools", "maybe", "one of agreed, reluctant, opposed, not found"),
]  # fmt: skip


@pytest.mark.parametrize("table", list(GOOD))
def test_adding_evidence_is_one_row(project: Path, table: str) -> None:
    before = len(evidence.load(table))
    append(project / f"{table}.csv", **GOOD[table])
    assert len(evidence.load(table)) == before + 1


@pytest.mark.parametrize(("table", "column", "found", "expected"), BAD)
def test_a_bad_row_is_named(project: Path, table: str, column: str, found: str, expected: str) -> None:
    row = append(project / f"{table}.csv", **{**GOOD[table], column: found})
    with pytest.raises(AssessError) as caught:
        evidence.load(table)
    sentence = str(caught.value)
    assert sentence.startswith(f"data/raw/councils/{table}.csv, row {row}, column {column}: found {found!r}; expected ")
    assert expected in sentence
    assert "\n" not in sentence


def test_a_repeated_row_is_named(project: Path) -> None:
    first = append(project / "conditions.csv", **GOOD["conditions"])
    append(project / "conditions.csv", **GOOD["conditions"])
    with pytest.raises(AssessError, match=f"row {first + 1}, .*no second row like row {first}"):
        evidence.load("conditions")


def test_rows_of_weak_documents_are_left_out_unless_asked_for(project: Path) -> None:
    assert evidence.load("documents").set_index("doc_id").loc["D013", "grade"] == "weak"
    for name in ("trajectories", "conditions", "effects", "transfers"):
        before = len(evidence.load(name)), len(evidence.load(name, weak=True))
        append(project / f"{name}.csv", **{**GOOD[name], "doc_id": "D013"})
        assert (len(evidence.load(name)), len(evidence.load(name, weak=True))) == (before[0], before[1] + 1)
        kept = evidence.load(name)
        assert "weak" not in set(kept["grade"]) and list(kept.index) == list(range(len(kept)))
    assert set(evidence.normalise_all()["transfers"]["grade"]) == {"strong", "middle", "weak"}


def test_an_act_has_the_grade_of_its_document(project: Path) -> None:
    append(project / "events.csv", **GOOD["events"])
    events = evidence.load("events")
    assert events["grade"].iloc[-1] == ""  # no document, no grade
    assert set(events.loc[events["doc_id"] == "D013", "grade"]) == {"weak"}
    assert set(events.loc[events["doc_id"] == "D091", "grade"]) == {"strong"}


def test_short_forms_are_written_out_for_readers_and_not_for_grading(project: Path) -> None:
    documents = evidence.load("documents").set_index("doc_id")
    assert documents.loc["D108", "body"] == "Local Democracy Reporting Service on finance report"
    assert documents.loc["D071", "body"] == "BBC/Local Democracy Reporting Service (mirror)"
    assert documents.loc["D071", "grade"] == "weak"  # graded by the body as printed
    assert evidence._spelled("LDRS and LDRSX") == "Local Democracy Reporting Service and LDRSX"


def test_one_bad_row_stops_all_tables(project: Path) -> None:
    append(project / "transfers.csv", **{**GOOD["transfers"], "la_name": "Nowhere"})
    with pytest.raises(AssessError, match=r"transfers\.csv"):
        evidence.normalise_all()


def test_a_row_with_too_few_cells_and_a_missing_column_are_named(project: Path) -> None:
    with (project / "effects.csv").open("a", encoding="utf-8") as handle:
        handle.write("Kent,D001\n")
    with pytest.raises(AssessError, match=r"effects\.csv, row \d+: found 2 cells; expected 7"):
        evidence.load("effects")
    (project / "effects.csv").write_text("la_name,doc_id\nKent,D001\n", encoding="utf-8")
    with pytest.raises(AssessError, match="found no column 'stakeholder'"):
        evidence.load("effects")


def test_a_missing_table_and_an_unknown_one_are_named(project: Path) -> None:
    (project / "effects.csv").unlink()
    with pytest.raises(AssessError, match=r"effects\.csv is missing"):
        evidence.load("effects")
    with pytest.raises(AssessError, match="did you mean 'effects'"):
        evidence.load("efects")


def test_codes_of_an_agreement_must_be_the_council_s(project: Path) -> None:
    path = project / "agreements.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("E10000016,886", "E10000017,886"), encoding="utf-8")
    with pytest.raises(AssessError, match="column ons_code: found 'E10000017'; expected E10000016"):
        evidence.load("agreements")


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(project: Path) -> None:
    before = evidence.load("conditions")
    path = project / "conditions.csv"
    text = path.read_text(encoding="utf-8")
    path.write_bytes("\ufeff".encode() + text.replace("\n", "\r\n").encode())
    assert evidence.load("conditions").equals(before)


def test_agreements_are_38_in_four_cohorts() -> None:
    agreements = evidence.load("agreements")
    assert len(agreements) == agreements["la_code"].nunique() == 38
    assert agreements["cohort"].value_counts().to_dict() == {"2020-21": 5, "2021-22": 9, "2022-23": 20, "2023-24": 4}
    assert agreements["total_dfe_funding"].notna().sum() == 30
    assert agreements["total_dfe_funding"].sum() == pytest.approx(1_070.908e6, abs=1e5)
    assert agreements["total_dfe_funding"].isna().sum() == 8  # missing is missing, not nought


def test_figures_reach_pounds_and_percentages() -> None:
    figures = evidence.load("trajectories")
    assert set(figures["unit"]) == {"gbp", "%", "count"}
    row = figures[(figures["doc_id"] == "D001") & (figures["measure"] == "cumulative_deficit")].iloc[0]
    assert (row["la_code"], row["value"], row["period"], row["year"]) == ("E08000002", 18_600_000.0, "2022-23", 2023)
    assert row["reported_precision"] == "month"


def test_gross_and_net_are_told_apart() -> None:
    figures = evidence.load("trajectories").set_index(["doc_id", "measure", "value"])["basis"]
    assert figures["D028", "cumulative_deficit", 12_840_000.0] == "net"
    assert figures["D026", "cumulative_deficit", 21_370_000.0] == "gross"
    assert figures["D086", "cumulative_deficit", 227_000_000.0] == "gross"
    assert figures["D188", "cumulative_deficit", 97_500_000.0] == "net"
    assert figures["D066", "cumulative_deficit", 97_000_000.0] == "before agreement"


def test_policy_figures_are_named_once_and_readable() -> None:
    from helpers import facts

    held = facts.policy(evidence.folder() / "policy_figures.csv")
    assert len({f.id for f in held}) == len(held) > 150
    assert all(f.id.startswith("policy.") and f.display and f.sources for f in held)
    by_id = {f.id: f for f in held}
    assert by_id["policy.agreements"].value == 38
    assert by_id["policy.suspended.withheld"].display == "£17.7 million"
    assert by_id["policy.nao.deficit_2026"].value == 4_600_000_000


def test_corrections_name_rows_that_exist() -> None:
    with (evidence.folder() / "corrections.csv").open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            assert row["table"] in evidence.rules()["tables"]
            assert row["reason"]
