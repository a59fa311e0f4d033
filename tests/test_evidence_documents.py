"""Plans against outturns, promises, and the double-coding check."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from helpers import documents, double_coding, evidence, paths
from helpers.errors import AssessError


def codes(table: list[list[int]]) -> tuple[list[str], list[str]]:
    """Two coders' codes from a table of counts, the first coder down."""
    pairs = [(str(i), str(j)) for i, row in enumerate(table) for j, count in enumerate(row) for _ in range(count)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def test_kappa_on_published_examples() -> None:
    # Fleiss, Statistical Methods for Rates and Proportions (2nd edition, 1981), section 13.1: 100 diagnoses, kappa 0.68.
    assert double_coding.kappa(*codes([[75, 1, 4], [5, 4, 1], [0, 0, 10]])) == pytest.approx(0.6765, abs=1e-4)
    # The textbook case of 50 grant proposals read by two readers: kappa 0.40.
    assert double_coding.kappa(*codes([[20, 5], [10, 15]])) == pytest.approx(0.40, abs=1e-12)


def test_kappa_of_full_and_chance_agreement() -> None:
    assert double_coding.kappa(["a", "b", "a"], ["a", "b", "a"]) == 1
    assert double_coding.kappa(*codes([[25, 25], [25, 25]])) == pytest.approx(0)
    assert double_coding.kappa(["a", "b"], ["b", "a"]) == -1


@pytest.mark.parametrize(("first", "second"), [([], []), (["a"], ["a", "b"]), (["a", "a"], ["a", "a"])])
def test_kappa_without_a_value_says_so(first: list[str], second: list[str]) -> None:
    with pytest.raises(AssessError, match=r"[Kk]appa"):
        double_coding.kappa(first, second)


def test_kappa_interval_holds_the_value_and_repeats() -> None:
    first, second = codes([[75, 1, 4], [5, 4, 1], [0, 0, 10]])
    lower, upper = double_coding.kappa_interval(first, second, draws=400)
    assert lower < 0.6765 < upper
    assert (lower, upper) == double_coding.kappa_interval(first, second, draws=400)


def test_the_draw_is_the_same_every_time_and_blind(tmp_path: Path) -> None:
    once, again = double_coding.draw("conditions"), double_coding.draw("conditions")
    assert once == again and len({r["row_id"] for r in once}) == double_coding.SIZE
    for path in double_coding.sheets(tmp_path):
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
        assert len(rows) == double_coding.SIZE
        assert set(rows[0]) == {"row_id", "summary", *double_coding.FIELDS[path.stem]}
        assert all(row[f] == "" for row in rows for f in double_coding.FIELDS[path.stem])


def test_filled_sheets_are_put_beside_the_first_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "councils"
    real = evidence.folder()
    for name in ("conditions", "effects"):
        (target / f"{name}.csv").parent.mkdir(exist_ok=True)
        (target / f"{name}.csv").write_bytes((real / f"{name}.csv").read_bytes())
    monkeypatch.setattr(evidence, "folder", lambda: target)
    double_coding.sheets(tmp_path)
    with pytest.raises(AssessError, match=r"column category: found ''; expected one of early_intervention"):
        double_coding.collect(tmp_path)
    fill = {"category": "transport", "stakeholder": "schools", "polarity": "mixed"}
    for table, fields in double_coding.FIELDS.items():
        path = tmp_path / f"{table}.csv"
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
        with path.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows({**row, **{f: fill[f] for f in fields}} for row in rows)
    double_coding.collect(tmp_path)
    frame = double_coding.codes()
    assert len(frame) == 3 * double_coding.SIZE
    apart = double_coding.disagreements(frame)
    assert (apart["first"] != apart["second"]).all() and 0 < len(apart) < len(frame)


@pytest.mark.parametrize(
    ("council", "one", "two", "may"),
    [
        ("Kent", "gross", "net", False),
        ("Kent", "gross", "gross", True),
        ("Kent", "unstated", "unstated", False),
        ("Kent", "before agreement", "unstated", False),
        ("Norfolk", "unstated", "unstated", True),
        ("Norfolk", "before agreement", "unstated", True),
        ("Norfolk", "gross", "unstated", False),
        ("Devon", "unclear", "unclear", False),
    ],
)
def test_gross_and_net_are_never_joined(council: str, one: str, two: str, may: bool) -> None:
    assert documents.joined(council, one, two) is may
    assert documents.joined(council, two, one) is may


@pytest.mark.parametrize(
    ("kind", "promised", "base", "latest", "due", "change", "words"),
    [
        ("ceiling", 15, 28, 25.6, True, False, "missed"),
        ("ceiling", 15, 28, 14, True, False, "met"),
        ("ceiling", 15, 28, 14, False, False, "met so far"),
        ("floor", 100, 617, 738, True, True, "met"),
        ("floor", 114, 109, 132, False, True, "not yet met"),
        ("forecast", 2457, 2443, 3044, True, False, "above forecast"),
        ("forecast", 557, 2697, 3041, False, True, "below forecast so far"),
        ("lower", None, 10, 9, False, False, "as intended"),
        ("lower", 611, 2627, 2954, False, True, "the other way"),
        ("higher", None, 10, 9, False, False, "the other way"),
        ("higher", None, 9, 9, False, False, "no change"),
        ("none", None, 1, 2, False, False, "no number found"),
    ],
)
def test_what_became_of_a_promise(
    kind: str, promised: float | None, base: float, latest: float, due: bool, change: bool, words: str
) -> None:
    assert documents._judged(kind, promised, base, latest, due, change) == words


def test_strength_of_documents() -> None:
    assert documents.strength(["strong", "strong", "weak"]) == "strong"
    assert documents.strength(["strong", "weak"]) == "moderate"
    assert documents.strength(["middle", "middle"]) == "moderate"
    assert documents.strength(["middle", "weak", "weak"]) == "weak"
    assert documents.strength([]) == "weak"


built = pytest.mark.skipif(
    not (paths.processed() / "evidence" / "transfers.parquet").is_file(), reason="processed tables are not built"
)


@built
def test_slippage_compares_like_with_like() -> None:
    slips = documents.slippage().set_index(["council", "measure", "year"])
    devon = slips.loc[("Devon", "in_year_deficit", 2025)]
    assert devon["slip"] == pytest.approx(20_400_000)  # the excess the article itself prints
    norfolk = slips.loc[("Norfolk", "in_year_deficit", 2024)]
    assert norfolk["slip"] == pytest.approx(15_400_000)
    # A plan of a bid, before the agreement, is not the agreement's plan.
    assert ("Medway", "cumulative_deficit", 2026) not in slips.index
    # Wiltshire's plan is gross and its outturn's basis is not stated.
    assert ("Wiltshire", "cumulative_deficit", 2025) not in slips.index


@built
def test_every_council_has_a_row_in_the_matrix_and_the_standing() -> None:
    assert len(documents.condition_matrix()) == len(documents.standing()) == 38
    assert set(documents.standing()["standing"]) <= {
        "off plan",
        "on plan",
        "both, at different times",
        "weak evidence only",
        "nothing found",
    }


@built
def test_every_claim_with_documents_is_a_claim() -> None:
    frame = documents.claim_evidence(lambda text: text)
    assert frame["claim_id"].is_unique
    assert {"LEAD-01", "ISO-10", "FIN-07", "TGT-12"} <= set(frame["claim_id"])
