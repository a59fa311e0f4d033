"""Chapters run with other parameters: they succeed, and sentences and facts carry the parameter.

What they write stands beside the build's own output, in folders of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from helpers import chapters, facts
from helpers.errors import AssessError
from helpers.runner import Job, Runner

ROOT = Path(__file__).resolve().parent.parent
VARIANT = "other"


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner(["numpy", "pandas", "matplotlib.pyplot"]) as made:
        yield made


def run(runner: Runner, built: Path, tmp_path: Path, name: str, given: Mapping[str, Any]) -> tuple[str, facts.Facts]:
    """Everything a chapter says (titles, subtitles, alt texts and prose) and its facts, run with parameters."""
    path = built / "notebooks" / f"{name}.ipynb"
    assert set(given) == set(chapters.accept(given, chapters.read(path), name))
    out = tmp_path / "out.ipynb"
    outcome = runner.run(
        Job(name, str(path), str(out), dict(given), {"ASSESS_ROOT": str(built), "ASSESS_VARIANT": VARIANT})
    )
    if outcome.error:
        raise AssessError(outcome.error)
    shown = [
        o.get("data", {}) for c in chapters.read(out)["cells"] if c["cell_type"] == "code" for o in c.get("outputs", [])
    ]
    said = "\n".join("".join(data.get(kind, "")) for data in shown for kind in ("text/markdown", "text/html"))
    folder = built / "data" / "processed" / "chapters" / f"{name}--{VARIANT}"
    said += "".join(p.read_text(encoding="utf-8") for p in sorted((folder / "figures").glob("*.json")))
    return said, facts.Facts(facts.read(folder / "facts.json"))


def test_the_command_of_the_notebooks_readme(runner, built, tmp_path):
    text = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"assess run -p ([^`\s]+)", text)
    assert found
    ((name, given),) = chapters.assignments(found, chapters.load()).items()
    assert given["first_trend_year"] == 2021  # a year without tests at key stage 2
    said, known = run(runner, built, tmp_path, name, given)
    assert known["children.england.attainment8.first"].years == "2021"
    assert known["children.england.ks2.first"].years == "2022"
    assert known["children.england.gap.change"].years == f"2021 to {known['children.england.gap.last'].years}"
    assert f"at key stage 2 was {known['children.england.ks2.first'].display} in 2022" in said


def test_duties_in_an_earlier_year(runner, built, tmp_path):
    said, known = run(runner, built, tmp_path, "07_duties", {"latest": 2023})
    assert known["duties.timely.gap"].years == known["duties.england.timeliness.latest"].years == "2023"
    assert known["duties.england.timeliness.latest"].value == known["duties.england.timeliness.2023"].value
    assert (
        known["duties.torbay.appeals.last"].years == "2023" and known["duties.torbay.mediations.last"].years <= "2023"
    )
    levels = [
        k
        for k in known
        if re.match(r"duties\.(level|england|timely|appeals_mean)\.", k) and not re.search("_new|decisions", k)
    ]
    assert levels and not [k for k in levels if "2024" in f"{k} {known[k].years}"]
    assert "In 2023 Safety Valve councils issued" in said and "In 2024 Safety Valve councils" not in said
    assert re.search(
        r"appeals went from \d+ in 2022\s+to \d+ in 2023|appeals went from \d+ in 2022 to \d+ in 2023", said
    )


def test_requests_and_plans_to_an_earlier_year(runner, built, tmp_path):
    given = {"last_year": 2023, "plans_year": 2024, "draws": 19}
    said, known = run(runner, built, tmp_path, "04_requests_and_plans", given)
    assert known["system.growth.requests.all"].years == "2019 to 2023"
    assert known["system.growth.plans.all"].years == "2019 to 2024"
    assert known["system.agreement.n"].years.endswith(" to 2023")
    whole = facts.Facts(facts.read(built / "data" / "processed" / "chapters" / "04_requests_and_plans" / "facts.json"))
    assert known["system.agreement.n"].value < whole["system.agreement.n"].value
    assert known["effect.plans.att"].value == pytest.approx(whole["effect.plans.att"].value)  # effects use every year
    assert "In 2023 Safety Valve councils refused" in said and "and England's total, 2016 to 2023" in said


def test_schools_against_other_controls_and_without_a_council(runner, built, tmp_path):
    given = {"controls": "no_dbv", "without": ["Kent"], "extra_outcomes": ["plans"]}
    said, known = run(runner, built, tmp_path, "05_schools_and_settings", given)
    assert known["schools.controls"].value == "councils in neither programme (without Kent)"
    assert "against councils in neither programme (without Kent)" in said and "never Safety Valve" not in said
    whole = facts.Facts(
        facts.read(built / "data" / "processed" / "chapters" / "05_schools_and_settings" / "facts.json")
    )
    effect = "effect.mainstream_share"
    assert known[f"{effect}.n_treated"].value == whole[f"{effect}.n_treated"].value - 1
    # What is a check by default is the main estimate now, but for Kent.
    assert known[f"{effect}.n_control"].value < whole[f"{effect}.n_control"].value
    assert known["effect.plans.att"].unit == "%" and known["effect.mainstream_share.bh_p"].n == 7
    # Added to the family and the tables, not to a figure whose axis is in percentage points.
    assert known["schools.outcomes"].value == 6 and re.search(r"Plans +\| +%", said)


def test_an_illustration_of_another_size(runner, built, tmp_path):
    said, known = run(runner, built, tmp_path, "03_finances", {"write_off_share": 50})
    assert known["finances.write_off_share"].display == "50%"
    assert "50% of deficits at 31 March 2024" in said and "nine tenths" not in said
    whole = facts.Facts(facts.read(built / "data" / "processed" / "chapters" / "03_finances" / "facts.json"))
    for group in ("safety_valve", "dbv", "neither"):
        one, full = (held[f"finances.relief_grant.{group}"].value for held in (known, whole))
        assert one == pytest.approx(full * 50 / 90)


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("02_programme", {"baseline_year": 2019}, "31 March of 2020, 2021, 2022, 2024, not 2019."),
        ("07_duties", {"latest": 2022}, "latest=2022: expected one of 2023, 2024, the years with every level."),
        ("06_children", {"extra_outcomes": ["atainment8"]}, "attainment8"),
        ("05_schools_and_settings", {"without": ["Kant"]}, "No council is called 'Kant'. Did you mean Kent"),
    ],
)
def test_what_cannot_be_is_one_sentence(runner, built, tmp_path, name, given, says):
    with pytest.raises(AssessError, match=re.escape(says)) as raised:
        run(runner, built, tmp_path, name, given)
    assert len(str(raised.value)) < 300 and "Traceback" not in str(raised.value)
