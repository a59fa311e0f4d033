"""The estimate on other cuts of the data."""

import numpy as np
import pandas as pd
import pytest

import send_world
from helpers import panel, paths, protocol, variations
from helpers.errors import AssessError
from helpers.variations import Variation


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return send_world.make(tmp_path_factory.mktemp("world"))


@pytest.fixture(autouse=True)
def here(world, monkeypatch):
    monkeypatch.setattr(paths, "processed", lambda: world / "processed")


def test_the_main_row_is_the_protocols_estimate():
    made = variations.compare("refusal_to_assess", variations.known_problems("refusal_to_assess"))
    whole = protocol.run_measure("refusal_to_assess", adjusted=False, draws=49).main
    assert made.iloc[0]["name"] == "main"
    for column in ("estimate", "std_error", "lower", "upper"):
        assert made.iloc[0][column] == pytest.approx(whole[column])
    assert made.iloc[0]["estimate"] == pytest.approx(send_world.POINTS, abs=0.6)


def test_each_cut_leaves_out_what_it_says():
    made = variations.compare("refusal_to_assess", variations.known_problems("refusal_to_assess")).set_index("name")
    assert made.loc["tiny", "n_control"] == made.loc["main", "n_control"] - 1  # the City of London
    never = panel.councils().query("signed_year == 0")["la_code"]
    noted = len(set(never) & set(variations.NOTED.values()))
    assert made.loc["noted", "n_control"] == made.loc["main", "n_control"] - noted
    assert made.loc["boundaries", "n_control"] == made.loc["main", "n_control"] - 1
    assert made.loc["to_2022", "last_year"] == 2022 and made.loc["to_2022", "n_treated"] == 10
    assert made.loc["child_level", "first_year"] == 2022
    data = pd.DataFrame({"la_code": ["a", "a", "b"], "year": [2019, 2020, 2020]})
    assert len(Variation("x", "X", ("b",), 2019, 2020, (2020,)).cut(data)) == 1


def test_other_controls_and_councils_left_out_are_those_of_the_protocol():
    for controls in ("not_yet", "no_dbv"):
        made = variations.compare("requests", [Variation("main", "Main")], controls=controls, without=["Kent"]).iloc[0]
        main = protocol.run_measure("requests", controls=controls, without=["Kent"], adjusted=False, draws=9).main
        for column in ("estimate", "lower", "upper", "n_treated", "n_control"):
            assert made[column] == pytest.approx(main[column])
        assert made["estimate"] != variations.compare("requests", [Variation("main", "Main")]).iloc[0]["estimate"]


def test_a_cut_that_leaves_nothing_is_left_out():
    made = variations.compare("plans", [Variation("main", "Main"), Variation("none", "None", first_year=2026)])
    assert list(made["name"]) == ["main"]
    assert made["estimate"].iloc[0] == pytest.approx(send_world.PERCENT, abs=1.5)


def test_january_counts_turn_child_level_in_2023():
    by_name = {v.name: v for v in variations.known_problems("plans")}
    assert by_name["child_level"].first_year == 2023 and "doubtful" not in by_name
    assert by_name.keys() < {v.name: v for v in variations.known_problems("refusal_to_assess")}.keys()


def test_money_has_years_of_its_own():
    balance = {v.name: v for v in variations.known_problems("dsg_balance")}
    assert list(balance) == ["main", "unlike", "noted", "tiny", "boundaries", "covid", "one_source", "across"]
    assert balance["one_source"].last_year == 2022 == balance["across"].first_year and balance["covid"].skip == (2021,)
    spend = {v.name: v for v in variations.known_problems("high_needs_spend")}
    # Financial years 2020-21 and 2021-22 end in 2021 and 2022.
    assert spend["covid"].skip == (2021, 2022) and spend["no_2023"].skip == (2023,)
    assert spend["doubtful"].without == ("E08000033",) and spend["unlike"].without == ("E08000002", "E08000033")
    per_head = {v.name for v in variations.known_problems("high_needs_spend_per_head")}
    assert "child_level" not in balance.keys() | spend.keys() | per_head and "unlike" not in per_head


def test_doubtful_councils_come_from_the_list_of_known_errors():
    assert "E08000034" in variations.doubtful("refusal_to_assess")  # Kirklees
    assert variations.doubtful("refusal_to_assess") == variations.doubtful("refusal_to_assess_sen2")
    assert variations.doubtful("plans") == ()


def test_parts_share_controls_and_their_difference_allows_for_it():
    people = panel.councils("safety_valve")
    labels = pd.Series(np.where(np.arange(len(people)) % 2, "one", "two"), index=people["la_code"])
    made = variations.subgroups("refusal_to_assess", labels, "made up").set_index("label")
    assert list(made.index) == ["one", "two", "difference"]
    gap = made.loc["difference"]
    assert gap["estimate"] == pytest.approx(made.loc["two", "estimate"] - made.loc["one", "estimate"])
    assert gap["n_treated"] == 20
    # Shared controls make the difference less uncertain than two independent estimates would.
    assert gap["std_error"] < np.hypot(made.loc["one", "std_error"], made.loc["two", "std_error"])


def test_dealing_labels_out_finds_a_planted_difference_and_no_other(monkeypatch):
    people = panel.councils("safety_valve")
    labels = pd.Series(np.where(np.arange(len(people)) % 2, "one", "two"), index=people["la_code"])
    assert variations.reassigned("refusal_to_assess", labels, draws=199) > 0.05
    ready = protocol.prepare("refusal_to_assess")
    after = (ready["first_year"] > 0) & (ready["year"] >= ready["first_year"]) & (ready["la_code"].map(labels) == "two")
    planted = ready.assign(value=ready["value"] + 5.0 * after)
    monkeypatch.setattr(protocol, "prepare", lambda *a, **k: planted)
    assert variations.reassigned("refusal_to_assess", labels, draws=199) == pytest.approx(1 / 200)
    with pytest.raises(AssessError, match="two parts"):
        variations.reassigned("refusal_to_assess", labels.map(lambda _: "one"), draws=9)


def test_halves_split_at_the_median():
    made = variations.halves(pd.Series({"a": 1.0, "b": 2.0, "c": 3.0, "d": np.nan}), "low", "high")
    assert made.to_dict() == {"a": "low", "b": "low", "c": "high"}


def test_the_other_programme_has_its_own_controls():
    made = variations.delivering_better_value("new_plans", "new_plans_dbv", {"1": 2023, "unknown": 2024}, draws=49)
    people = panel.councils()
    assert made.main["n_treated"] == (people["group"] == "dbv").sum()
    assert made.main["n_control"] == (people["group"] == "neither").sum()
    assert set(made.effects["controls"]) == {variations.NEITHER} and "no_dbv" not in set(made.effects["estimator"])
    with pytest.raises(AssessError, match="tranche 'unknown'"):
        variations.delivering_better_value("new_plans", "new_plans_dbv", {"1": 2023}, draws=49)
