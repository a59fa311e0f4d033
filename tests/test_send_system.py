"""The frames and facts of the chapter on requests and plans, and its claim tests."""

import math
import re
import shutil

import pandas as pd
import pytest

import send_world
from helpers import claims, families, measures, panel, paths, prose, protocol, send_system
from helpers.errors import AssessError
from helpers.facts import Facts, make

FEW = ("requests", "plans", "refusal_to_assess", "new_plans", "refusal_to_assess_sen2")


class Book:
    """Keeps what is recorded, as a chapter's book does."""

    def __init__(self):
        self.facts = Facts(
            make(f"policy.{k}", v)
            for k, v in (
                ("dbv.new_plans", 20),
                ("lsa.did", 4.63),
                ("lsa.did_sv_before", 20.6),
                ("lsa.did_sv_after", 25.0),
                ("torbay.requests_target", 15),
                ("torbay.plans_target", 1568),
            )
        )
        self.rows = []

    def fact(self, id, value, unit="", **kwargs):
        made = make(id, value, unit, **kwargs)
        self.facts.add(made)
        return made

    def effects(self, frame):
        self.rows.append(frame)

    def get(self, id):
        return self.facts[id]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return send_world.make(tmp_path_factory.mktemp("world"))


@pytest.fixture(autouse=True)
def here(world, monkeypatch):
    monkeypatch.setattr(paths, "processed", lambda: world / "processed")
    monkeypatch.setattr(paths, "raw", lambda: world / "raw")


@pytest.fixture
def results():
    return {name: protocol.run_measure(name, adjusted=False, draws=49) for name in FEW}


def test_facts_carry_the_source_of_their_own_measure(results):
    book = Book()
    adjusted = send_system.record(book, results)
    assert book.facts["effect.refusal_to_assess.att"].sources == ("lait_sen",)
    assert book.facts["effect.plans.ri_p"].sources == ("ehc_caseload",)
    assert set(adjusted.index) == set(FEW)
    # The same share from another source is not counted as an outcome more.
    assert book.facts["effect.requests.bh_p"].n == len(FEW) - 1
    assert book.facts["effect.refusal_to_assess_sen2.bh_p"].n == len(FEW)
    p, drawn = results["refusal_to_assess"].ri_p, results["refusal_to_assess"].ri_drawn
    assert book.facts["system.refusals.drawn"].value == drawn >= 49
    assert book.facts["system.refusals.drawing"].value == pytest.approx(100 * (p * (1 - p) / drawn) ** 0.5)
    assert send_system.sources("refusal_to_assess_sen2") == ("ehc_requests",)
    assert send_system.sources("plans_per_1000") == ("ehc_caseload", "population_deprivation")


def test_tables_hold_one_row_an_outcome(results):
    adjusted = protocol.adjusted_p(list(results.values()))
    made = send_system.summary(results, adjusted)
    assert list(made["Outcome"]) == [send_system.OUTCOMES[n] for n in FEW]
    assert made["p, reassigned"].between(0, 1).all() and set(made["One sign"]) <= {"yes", "no"}
    path = send_system.paths(results)
    assert (path["Councils"] > 0).all() and path["Band lower"].le(path["Lower"] + 1e-9)[path["Lower"] != 0].all()
    assert set(send_system.bounds(results, ("plans",))["Departure allowed"]) >= {0.0, 1.0}
    whole = send_system.overview(results)
    assert list(dict.fromkeys(whole["group"])) == ["Numbers", "Shares refused"]
    level = families.base(results["refusal_to_assess"])
    row, main = whole.set_index("outcome").loc["refusal_to_assess"], results["refusal_to_assess"].main
    assert row["estimate"] == pytest.approx(100 * main["estimate"] / level) and 15 < level < 30
    assert whole.set_index("outcome").loc["plans", "lower"] == results["plans"].main["lower"]
    assert send_system.forest(results["plans"])["estimator"].iloc[0] == "Main estimate"


def test_every_outcome_is_a_measure_and_every_split_labels_treated_councils_only():
    for name in send_system.OUTCOMES:
        assert measures.get(name).kind in ("calendar_flow", "january_count")
    people = panel.councils("safety_valve")
    deals = people[["la_code"]].assign(total_dfe_funding=1e7, status="original")
    deals.loc[deals.index[:3], "status"] = "payments suspended / under review"
    conditions = pd.DataFrame({"la_code": people["la_code"].iloc[:5], "category": "ehcp_decision_making"})
    labels = send_system.splits(conditions, deals)
    assert (labels["Payments"] == "suspended in 2024").sum() == 3
    assert (labels["Condition on decisions"] == "found in documents").sum() == 5
    for label in labels.values():
        assert set(label.dropna().index) <= set(people["la_code"])
    found = {name: send_system.parts(name, {"Payments": labels["Payments"]}) for name in ("refusal_to_assess", "plans")}
    table = send_system.parts_table(found)
    assert list(table["Part"]) == ["not suspended", "suspended in 2024", "difference"] and table.notna().all().all()


def test_agreement_of_the_two_series():
    made = send_system.agreement(2024)
    assert made["n"] == 50 * 6 and made["largest"] < 0.5 and made["years"] == (2019, 2024)
    sooner = send_system.agreement(2023)
    assert sooner["n"] == 50 * 5 and sooner["years"] == (2019, 2023)
    with pytest.raises(AssessError, match="up to 2015"):
        send_system.agreement(2015)
    close = round(made["within"] / 100 * 300)
    assert made["says"] == ("every one of 300" if close == 300 else f"{close} of 300")


def test_agreement_says_every_one_only_when_it_is(monkeypatch):
    both = pd.DataFrame({"year": 2024, "refusal_to_assess": [20.0] * 2000, "refusal_to_assess_sen2": [20.0] * 2000})
    monkeypatch.setattr(panel, "several", lambda *a, **k: both)
    assert send_system.agreement(2024)["says"] == "every one of 2,000"
    both.loc[0, "refusal_to_assess"] = 21.0
    assert send_system.agreement(2024)["says"] == "1,999 of 2,000"  # which rounds to 100%


@pytest.mark.parametrize(
    ("p", "words"), [(0.097, "just inside"), (0.02, "inside"), (0.1, "just outside"), (0.3, "outside")]
)
def test_where_a_p_stands_beside_a_level(p, words):
    assert send_system.beside(p, 0.10) == words


def test_people_and_trends_are_recorded(results):
    book = Book()
    send_system.record_people(book, results, 2024, 2025)
    send_system.record_trends(book, 2024, 2025)
    refused = book.facts["system.people.refused"]
    assert refused.value % 10 == 0 and refused.lower < refused.value < refused.upper and refused.n == 20
    assert book.facts["system.people.plans"].value < 0
    alone, year = book.facts["system.people.refused_2024"], book.facts["system.year.refusal_to_assess.2024"]
    total = panel.series("requests", years=(2024, 2024)).query("group == 'safety_valve'")["value"].sum()
    assert alone.value == pytest.approx(year.value * total / 100, abs=5) and alone.lower < alone.value < alone.upper
    assert book.facts["system.people.plans_2025"].value < 0
    assert book.facts["system.requests.safety_valve.latest"].value == total
    parts = [book.facts[f"system.share.plans.{p}"].value for p in ("common", "programme", "own")]
    assert sum(parts) == pytest.approx(100)


def test_figures_dropped_by_corrections_can_be_put_back(monkeypatch):
    ready = protocol.prepare("refusal_to_assess_sen2")
    gone = ready.assign(
        value=ready["value"].where(~((ready["year"] == 2024) & (ready["la_code"] == ready["la_code"].iloc[0])))
    )
    monkeypatch.setattr(protocol, "prepare", lambda *a, **k: gone)
    back = send_system.as_published("refusal_to_assess_sen2")
    assert gone["value"].isna().sum() == 1 and back["value"].notna().all()
    pd.testing.assert_frame_equal(back, ready, check_exact=False, rtol=1e-9)


def test_torbay_stands_beside_its_plan():
    frame = send_system.torbay(Book())
    assert set(frame["area"]) == {"Torbay", "England", "Council's plan"}
    asked = frame[(frame["panel"] == "Requests a month") & (frame["area"] == "Torbay") & (frame["year"] == 2024)][
        "value"
    ].iloc[0]
    assert asked == panel.value("requests", "Torbay", 2024) / 12
    assert all(axes.get_ylim()[0] == 0 for axes in send_system.torbay_figure(frame).axes)


def test_the_chapters_claim_tests_are_well_formed(tmp_path):
    shutil.copy(claims.FOLDER / "04_requests_and_plans.yaml", tmp_path)
    stated = claims.tests(tmp_path)
    assert {"TES-01", "TES-02", "TGT-03", "QNT-02", "DBV-01", "ISO-02", "FIN-09", "DFE-07"} <= set(stated)
    for test in stated.values():
        typed = re.sub(r"\b20[12]\d\b|chapter \d", "", prose.fill(test.reason, _Anything()))
        assert not re.search(r"\d", typed), f"{test.claim}: a number is typed"
        assert test.test != "effect" or set(test.outcomes) <= {*send_system.OUTCOMES, send_system.DBV_OUTCOME}
        assert not math.isnan(test.matters)


class _Anything(dict):
    """Facts of every name, each of which reads "x"."""

    def __getitem__(self, key):
        return _Text()


class _Text:
    def form(self, how):
        return "x"

    def choice(self, words):
        return words[0]
