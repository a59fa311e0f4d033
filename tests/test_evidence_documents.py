"""Plans against outturns, promises, and the double-coding check."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from helpers import document_facts, document_figures, documents, double_coding, evidence, figures, paths
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


@pytest.mark.parametrize(
    ("entry", "promised", "words"),
    [
        ({"kind": "ceiling"}, 15, "a level"),
        ({"kind": "floor", "change": True}, 114, "a change"),
        ({"kind": "forecast"}, 2457, "a level, forecast"),
        ({"kind": "forecast", "change": True}, 557, "a change, forecast"),
        ({"kind": "lower"}, None, ""),
    ],
)
def test_a_promised_number_says_whether_it_is_a_level_or_a_change(
    entry: dict[str, Any], promised: float | None, words: str
) -> None:
    assert documents._number_is(entry, promised) == words


@pytest.mark.parametrize(("kind", "held"), [("floor", "forecast"), ("forecast", "planned")])
def test_a_forecast_is_judged_as_one_and_nothing_else_is(kind: str, held: str) -> None:
    entry = {"council": "York", "promise": "More", "kind": kind}
    entry |= {"evidence": {"measure": "ehcp_count", "kind": held, "doc_id": "D282"}}
    with pytest.raises(AssessError, match=f"York, 'More': the figure is {held} and the entry {kind}"):
        documents._promised(entry, "E06000014", {})


class Recorder:
    """Stands for a chapter's book: keeps the facts it is given."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self.n: dict[str, Any] = {}

    def fact(self, id: str, value: Any, *_: Any, n: float | None = None, **__: Any) -> None:
        self.facts[id], self.n[id] = value, n


def slips(*rows: tuple[str, str, int, str, float, str]) -> pd.DataFrame:
    """Rows of `slippage`: council, measure, year, what the outturn is, pounds over plan, grade."""
    frame = pd.DataFrame(rows, columns=["council", "measure", "year", "outturn_kind", "slip", "grade"])
    return frame.assign(la_code=frame["council"], slip_pct=frame["slip"] / 10, planned=0.0, outturn=frame["slip"])


SLIPS = slips(
    ("Devon", "cumulative_deficit", 2025, "forecast", 15, "strong"),
    ("Devon", "in_year_deficit", 2025, "forecast", 20, "middle"),
    ("Devon", "in_year_deficit", 2026, "forecast", 8, "weak"),
    ("Bury", "in_year_deficit", 2021, "forecast", 1, "strong"),
    ("Bury", "cumulative_deficit", 2021, "actual", -2, "middle"),
    ("Kent", "cumulative_deficit", 2024, "actual", 5, "strong"),
)


def test_a_council_s_year_counts_once() -> None:
    kept = documents.council_years(SLIPS)
    assert not kept.duplicated(["la_code", "year"]).any()
    # The in-year figure stands for Devon's 2025; for Bury's 2021 the outturn, although it is cumulative.
    assert kept["slip"].tolist() == [20, 8, -2, 5]


def test_outturns_are_counted_apart_from_forecasts(monkeypatch: pytest.MonkeyPatch) -> None:
    book = Recorder()
    standing = pd.DataFrame({"council": ["Bury", "Kent"], "standing": ["off plan", "on plan"]})
    found = pd.DataFrame({"la_code": ["Bury"], "kind": ["planned"], "grade": ["weak"]})
    monkeypatch.setattr(documents, "balances", lambda name: found)
    monkeypatch.setattr(documents, "named", lambda claim: ["Bury", "Kent", "Stoke-on-Trent"])
    document_facts.outturn(book, SLIPS, standing)  # type: ignore[arg-type]
    got = {k.removeprefix("plan_outturn.").removesuffix(".firm"): v for k, v in book.facts.items()}
    assert (got["compared"], got["over"], got["not_over"], got["over_councils"]) == (3, 2, 1, 2)
    assert (got["actual.compared"], got["actual.over"], got["actual.not_over"]) == (2, 1, 1)
    assert (got["forecast.compared"], got["forecast.over"]) == (1, 1)
    assert book.n["plan_outturn.actual.over.firm"] == 2
    assert (got["compared.all"], got["over.all"]) == (4, 3)
    # Of three councils named two have figures, one is over plan, and one is off plan in words.
    assert (got["named"], got["named.compared"], got["named.over"], got["named.off"]) == (3, 2, 1, 1)
    assert got["named.compared_names"] == "Bury and Kent"
    assert (book.facts["plan_outturn.with_plan"], book.facts["plan_outturn.with_plan.firm"]) == (1, 0)


def test_promises_forecasts_and_weak_rows_are_counted_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    made = pd.DataFrame(
        [
            ("A", "met", False, "strong"),
            ("A", "missed", False, "middle"),
            ("B", "the other way", False, "strong"),
            ("B", "no number found", False, "strong"),
            ("C", "above forecast", True, "strong"),
            ("C", "below forecast so far", True, "middle"),
            ("D", "not yet met", False, "weak"),
        ],
        columns=["council", "outcome", "forecast", "grade"],
    )

    class Enough(Exception):
        pass

    def stop(*_: Any) -> None:
        raise Enough  # what follows is about the councils the text tells of

    monkeypatch.setattr(documents, "promise", stop)
    book = Recorder()
    with pytest.raises(Enough):
        document_facts.promises(book, made, made)  # type: ignore[arg-type]
    got = {k.removeprefix("documents.promises."): v for k, v in book.facts.items()}
    assert (got["n"], got["councils"], got["kept"], got["not_kept"], got["open"]) == (4, 2, 1, 2, 1)
    assert (got["forecasts"], got["forecasts_above"], got["weak"]) == (2, 1, 1)


def test_weak_transfers_and_acts_are_counted_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    held = {
        "transfers": pd.DataFrame(
            [
                ("1", "opposed", "asked", "strong"),
                ("2", "agreed", "reduced", "middle"),
                ("3", "opposed", "made", "weak"),
            ],
            columns=["la_code", "schools", "outcome", "grade"],
        ),
        "events": pd.DataFrame(
            [
                ("1", "suspended", "middle"),
                ("1", "extension refused", "strong"),
                ("2", "extension refused", "strong"),
                ("3", "revised plan sought", "strong"),
                ("4", "concluded", "weak"),
                ("5", "suspended", "weak"),
                ("", "payment withheld", "middle"),
            ],
            columns=["la_code", "event", "grade"],
        ),
        "agreements": pd.DataFrame({"status": ["original; payment profile revised (no change)", "original"]}),
    }
    monkeypatch.setattr(documents, "table", held.__getitem__)
    book = Recorder()
    document_facts._transfers(book)  # type: ignore[arg-type]
    document_facts.department(book)  # type: ignore[arg-type]
    got = {k.removeprefix("documents."): v for k, v in book.facts.items()}
    assert (got["transfers.n"], got["transfers.opposed"], got["transfers.weak"], got["transfers.cut"]) == (2, 1, 1, 1)
    assert (got["events.suspended"], got["events.suspended.weak"]) == (1, 1)
    assert (got["events.concluded"], got["events.concluded.weak"]) == (0, 1)
    assert (
        got["events.intervened"] == 2
    )  # a refusal counts; what a council sought, an unnamed council and weak papers do not
    assert got["status.revised_profile"] == 1


def test_the_acts_are_those_the_evidence_may_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    told = documents.acts()
    assert told["extension refused"]["stepped_in"] and not told["revised plan sought"]["stepped_in"]
    assert {e for e, t in told.items() if t["stepped_in"]} <= {e for e, t in told.items() if t["off_plan"]}
    monkeypatch.setattr(documents, "_yaml", lambda name: {"acts": {"signed": {"by": "department"}}})
    with pytest.raises(AssessError, match="closed to new entrants"):
        documents.acts()


def test_standing_takes_the_best_grade_on_either_side(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = ["1", "2", "3", "4", "5", "6", "7", "8"]
    held = {
        "effects": pd.DataFrame(
            [("1", "on track", "strong"), ("2", "off track", "middle"), ("2", "on track", "strong"), ("3", "on track", "weak"),
             ("4", "on track", "weak"), ("4", "off track", "weak"), ("5", "overspending", "strong")],
            columns=["la_code", "theme", "grade"],
        ),
        "events": pd.DataFrame(
            [("1", "concluded", "strong"), ("5", "suspended", "strong"), ("6", "suspended", "weak")],
            columns=["la_code", "event", "grade"],
        ),
    }  # fmt: skip
    monkeypatch.setattr(documents, "table", held.__getitem__)
    monkeypatch.setattr(documents, "members", lambda: pd.DataFrame({"la_code": codes}))
    firm = pd.DataFrame({"la_code": ["7", "8", "3"], "slip": [-1.0, 2.0, 2.0], "grade": ["strong", "middle", "weak"]})
    made = documents.standing(firm).set_index("la_code")
    assert made["standing"].to_dict() == {
        "1": "on plan",
        "2": "both, at different times",
        "3": "weak evidence only",
        "4": "weak evidence only",
        "5": "off plan",
        "6": "nothing found",
        "7": "on plan",
        "8": "off plan",
    }
    assert made["weaker"].to_dict() == {"3": "on plan", "4": "both"} | dict.fromkeys("125678", "")


def test_tables_for_readers_hold_no_raw_names() -> None:
    claims = pd.DataFrame(
        [("TGT-12", "against", "So.", 2, 0, 0, "strong", "D001 policy.a policy.b", "D002")],
        columns=["claim_id", "stance", "finding", "strong", "middle", "weak", "strength", "documents", "against"],
    )
    shown = documents.claims_table(claims).iloc[0]
    assert list(shown.index)[:3] == ["Claim", "On balance they", "What the documents show"]
    assert (shown["Documents for"], shown["On balance they"]) == ("D001 cited minutes", "speak against it")
    assert shown["Claim"] == "TGT-12" and shown["Documents against"] == "D002"
    apart = pd.DataFrame(
        [("conditions", "category", "A", "ehcp_decision_making", "early_intervention", "", "why"),
         ("effects", "stakeholder", "B", "parents", "DfE", "", "")],
        columns=["table", "field", "summary", "first", "second", "settled", "reason"],
    )  # fmt: skip
    codes_ = documents.disagreements_table(apart)
    assert codes_.iloc[0].tolist() == ["conditions", "category", "A", "Decisions on plans", "Early help", "", "why"]
    assert codes_.iloc[1]["What was coded"] == "party"


POINTS = pd.DataFrame(
    [
        ("Kent", "planned", 2025, "2023-01-01", 5.0, "net", "strong", "D002"),
        ("Kent", "planned", 2024, "2023-01-01", 4.0, "net", "strong", "D002"),
        ("Kent", "planned", 2025, "2024-01-01", 7.0, "net", "strong", "D001"),
        ("Kent", "actual", 2022, "2023-01-01", 1.0, "net", "strong", "D001"),
        ("Kent", "actual", 2023, "2024-01-01", 2.0, "net", "weak", "D003"),
        ("Kent", "actual", 2023, "2025-01-01", 3.0, "gross", "strong", "D004"),
        ("Kent", "actual", 2022, None, 1.5, "net", "strong", "D005"),
    ],
    columns=["council", "kind", "year", "reported_mid", "value_m", "basis", "grade", "doc_id"],
).assign(reported_mid=lambda f: pd.to_datetime(f["reported_mid"]), year=lambda f: f["year"].astype("Int64"))


def test_panels_of_plans_and_outturns_join_only_what_may_be_joined() -> None:
    rows = document_figures._by_panel(POINTS)["Kent"]
    assert [r["value_m"] for r in rows if r["kind"] == "actual"] == [1.0, 1.5, 2.0, 3.0]  # undated last of its year
    assert [
        [r["value_m"] for r in g] for g in document_figures._papers([r for r in rows if r["kind"] == "planned"])
    ] == [
        [7.0],
        [4.0, 5.0],
    ]
    joined: list[tuple[str, str]] = []

    def joins(council: str, one: str, two: str) -> bool:
        joined.append((one, two))
        return True

    figure = document_figures.plan_outturn(POINTS, ["Kent", "Surrey"], {"Kent": (2024, 2.5)}, joins, columns=2)
    kent, surrey = [a for a in figure.axes if a.get_title(loc="left") in {"Kent", "Surrey"}]
    assert joined == [("net", "gross")]  # the last outturn of each year
    drawn = {tuple(line.get_ydata()): line for line in kent.lines}
    assert (1.5, 3.0) in drawn and (4.0, 5.0) in drawn and (2.5,) in drawn
    assert drawn[(3.0,)].get_markeredgecolor() == figures.PLUM and drawn[(2.0,)].get_alpha() == 0.4
    assert [t.get_text() for t in surrey.texts] == ["nothing found"] and not surrey.lines


def test_acts_tell_who_acted_and_what_is_weak() -> None:
    frame = pd.DataFrame(
        [
            ("2024-03-21", None, "Suspended: A", "department", False, True, "middle"),
            ("2024-12-01", None, "Closed", "department", True, False, "strong"),
            ("2025-01-01", None, "Revised plan sought: A", "council", False, False, "strong"),
            ("2025-03-01", None, "Concluded: B", "department", False, False, "weak"),
            ("2023-01-01", "2023-12-31", "Monitored: C", "department", False, True, "strong"),
        ],
        columns=["start", "end", "label", "by", "national", "stepped_in", "grade"],
    ).assign(start=lambda f: pd.to_datetime(f["start"]), end=lambda f: pd.to_datetime(f["end"]))
    axes = document_figures.acts(frame).axes[-1]
    assert [line.get_color() for line in axes.lines] == [figures.BLUE, figures.ORANGE, figures.GREY, figures.BLUE]
    assert [line.get_alpha() for line in axes.lines] == [1.0, 1.0, 1.0, 0.4]
    assert [t.get_text() for t in axes.texts] == frame["label"].tolist()


def test_the_matrix_prints_each_count_and_hollows_the_weak() -> None:
    frame = pd.DataFrame({"x": [2, 0], "y": [1, 1]}, index=["A", "B"])
    axes = document_figures.matrix(frame, frame.replace({"y": {1: 0}}), {"x": "Ex", "y": "Why"}).axes[0]
    assert [(t.get_text(), *t.get_position()) for t in axes.texts] == [("2", 0, 0), ("1", 1, 0), ("1", 1, 1)]
    assert [p.get_facecolor() == (1, 1, 1, 1) for p in axes.patches] == [False, True, True]


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
def test_a_condition_without_figures_names_its_council() -> None:
    held = documents.followed().set_index("category")
    decisions = held.loc["ehcp_decision_making"]
    assert decisions["left_out"] == "Isle of Wight"  # its refusals were not published for 2023 and 2024
    assert decisions["with_n"] + 1 == 8
    assert held.loc["independent_placements", "left_out"] == "none"


@built
def test_the_timeline_shows_the_refusal_and_who_sought_what() -> None:
    made = documents.timeline().set_index("label")
    assert made.loc["Extension refused: Wiltshire", "stepped_in"]
    assert made.loc["Revised plan sought: Wiltshire", "by"] == "council"
    assert made.loc["Closed to new entrants", "national"]
    assert set(documents.named("FIN-03")) <= set(documents.members()["council"])


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
