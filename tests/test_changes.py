"""The comparison of two builds: what it finds, what it leaves alone, and a page that everybody can read."""

from __future__ import annotations

import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from helpers import changes, differences, screening
from helpers.errors import AssessError

EFFECTS = "outcome,estimator,controls,event_time,estimate,std_error,lower,upper,p_value,n_treated,n_control,first_year,last_year\n"
CLAIMS = "claim_id,chapter,claim,who_says,source_url,verdict,strength,facts,reason\n"


def fact(value, display=None, lower=None, upper=None, p=None):
    return {
        "value": value,
        "unit": "",
        "display": display or str(value),
        "lower": lower,
        "upper": upper,
        "p": p,
        "n": None,
        "years": None,
        "sources": None,
        "notebook": None,
    }


def build(
    folder: Path, facts: dict, effects: str = "", claims: str = "", page: str = "", figures: dict | None = None
) -> Path:
    reports = folder / "reports"
    (reports / "figures").mkdir(parents=True)
    (reports / "facts.json").write_text(json.dumps(facts))
    (reports / "effects.csv").write_text(EFFECTS + effects)
    (reports / "claims.csv").write_text(CLAIMS + claims)
    (reports / "assessment.html").write_text(f"<html><body>{page}</body></html>")
    for name, body in (figures or {}).items():
        (reports / "figures" / name).write_text(body)
    return folder


@pytest.fixture
def pair(tmp_path):
    """Two builds that differ in every way the page reports."""
    old = build(
        tmp_path / "old",
        {
            "a.same": fact(1.0),
            "a.moved": fact(10.04, "10.0"),
            "a.within": fact(5.01, "5.0"),
            "a.sign": fact(-0.4, "-0.4", -0.9, 0.1, 0.12),
            "a.p": fact(2.0, "2.0", 0.1, 3.9, 0.04),
            "a.gone": fact(7),
        },
        "requests,main,never,overall,0.5,0.1,0.3,0.7,0.01,38,115,2019,2024\n"
        "requests,main,never,0,0.2,0.1,0.1,0.3,0.01,38,115,2019,2024\n"
        "plans,main,never,overall,0.1,0.1,-0.1,0.3,0.3,38,115,2019,2024\n"
        "old,main,never,overall,0.1,0.1,-0.1,0.3,0.3,38,115,2019,2024\n",
        "ISO-01,4,One.,Isos,,supported,strong,a.same,Because.\n"
        "ISO-02,4,Two.,Isos,,cannot tell,weak,a.same,Because.\n"
        "ISO-03,4,Three.,Isos,,supported,strong,a.same,Because.\n"
        "ISO-04,4,Four.,Isos,,no effect found,weak,a.same,Because.\n",
        "<h2>Requests</h2><p>Requests rose to 100 in 2024. They fell before.</p><p>Same here.</p>"
        "<script>let x = 100;</script><table><tr><td>100</td></tr></table>",
        {
            "one.svg": "<svg xmlns='http://www.w3.org/2000/svg'>1</svg>",
            "one.csv": "x\n1\n",
            "two.svg": "<svg>a</svg>",
            "two.csv": "x\n1\n",
        },
    )
    new = build(
        tmp_path / "new",
        {
            "a.same": fact(1.0),
            "a.moved": fact(10.96, "11.0"),
            "a.within": fact(5.02, "5.0"),
            "a.sign": fact(0.4, "0.4", 0.1, 0.9, 0.01),
            "a.p": fact(2.0, "2.0", -0.1, 4.1, 0.06),
            "a.new": fact(3),
        },
        "requests,main,never,overall,0.5000000000001,0.1,0.3,0.7,0.01,38,115,2019,2024\n"
        "requests,main,never,0,0.25,0.1,0.1,0.4,0.01,38,115,2019,2024\n"
        "plans,main,never,overall,0.3,0.1,0.1,0.5,0.003,38,115,2019,2024\n"
        "fresh,main,never,overall,0.1,0.1,-0.1,0.3,0.3,38,115,2019,2024\n",
        "ISO-01,4,One.,Isos,,contradicted,strong,a.same,It turned.\n"
        "ISO-02,4,Two.,Isos,,supported,weak,a.same,It shows.\n"
        "ISO-03,4,Three.,Isos,,supported,weak,a.same,Because.\n"
        "ISO-05,4,Five.,Isos,,not testable,weak,a.same,<b>Never</b> | so.\n",
        "<h2>Requests</h2><p>Requests rose to 120 in 2024. They fell before.</p><p>Same here.</p>"
        "<script>let x = 120;</script><table><tr><td>120</td></tr></table><p>A new sentence.</p>",
        {
            "one.svg": "<svg xmlns='http://www.w3.org/2000/svg'>2</svg>",
            "one.csv": "x\n2\n",
            "two.svg": "<svg>b</svg>",
            "two.csv": "x\n1\n",
        },
    )
    return old, new


def test_finds_what_changed(pair, tmp_path):
    found = changes.compare(*pair, tmp_path / "out")
    assert [(row["claim_id"], row["kind"]) for row in found["verdicts"]] == [
        ("ISO-01", "reversed"),
        ("ISO-02", "flipped"),
        ("ISO-03", "strength"),
        ("ISO-05", "new"),
        ("ISO-04", "dropped"),
    ]
    facts = found["facts"]
    assert [row["fact"] for row in facts["crossed"]] == ["a.sign", "a.p"]
    assert facts["crossed"][0]["crossed"] == [
        "changed sign",
        "p 0.120 to 0.010, across 5%",
        "interval no longer holds zero",
    ]
    assert [row["fact"] for row in facts["moved"]] == ["a.moved"] and facts["moved"][0]["change"] == pytest.approx(0.92)
    assert [facts["within_rounding"], facts["same"]] == [1, 1]
    assert [row["fact"] for row in facts["new"]] == ["a.new"] and [row["fact"] for row in facts["gone"]] == ["a.gone"]
    effects = found["effects"]
    assert [row["outcome"] for row in effects["changed"]] == ["plans", "requests"]
    assert effects["changed"][0]["crossed"] and effects["same"] == 1
    assert effects["new"][0]["outcome"] == "fresh" and effects["gone"][0]["outcome"] == "old"
    # two.svg was drawn again from the same numbers
    assert [(row["figure"], row["kind"]) for row in found["figures"]] == [("one", "changed")]
    assert [(row["before"], row["after"]) for row in found["sentences"]] == [
        ("Requests rose to 100 in 2024.", "Requests rose to 120 in 2024."),
        ("", "A new sentence."),
    ]
    assert found["sentences"][0]["section"] == "Requests"
    assert "2 verdicts flipped" in changes.headline(found)


def test_three_forms(pair, tmp_path):
    changes.compare(*pair, tmp_path / "out")
    told = json.loads((tmp_path / "out" / "changes.json").read_text())
    assert next(row["claim_id"] for row in told["verdicts"]) == "ISO-01"
    text = (tmp_path / "out" / "changes.md").read_text()
    assert text.startswith("# What changed") and "2 verdicts flipped" in text
    assert "~~100~~ **120**" in text and "\\| so" in text and "<b>" not in text
    page = (tmp_path / "out" / "changes.html").read_text()
    assert page.index("ISO-01") < page.index("a.sign") and "<del>100</del> <ins>120</ins>" in page
    assert "&lt;b&gt;Never" in page and page.count("data:image/svg+xml;base64") == 2
    assert str(tmp_path) not in page + text + json.dumps(told)


def test_nothing_changed_says_nothing(pair, tmp_path):
    old, _ = pair
    found = changes.compare(old, old, tmp_path / "out")
    assert changes.headline(found) == "Nothing changed."
    page, text = (tmp_path / "out" / "changes.html").read_text(), (tmp_path / "out" / "changes.md").read_text()
    for name in ("Verdicts", "Facts", "Effects", "Figures", "Sentences of the report"):
        assert re.search(rf"## {name}\n\nNothing\.", text), name
    assert page.count("<p>Nothing.</p>") == 5
    assert "came without its raw data" in page


class Page(HTMLParser):
    """What an accessible page needs, gathered."""

    VOID = frozenset({"meta", "img", "link", "br", "hr", "input"})

    def __init__(self):
        super().__init__()
        self.tags, self.open, self.ids, self.links = [], [], set(), []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        self.ids |= {attrs["id"]} if "id" in attrs else set()
        self.links += [attrs["href"][1:]] if attrs.get("href", "").startswith("#") else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("which", ["full", "empty", "held"])
def test_page_is_accessible(pair, tmp_path, which):
    out = tmp_path / "out"
    if which == "held":
        table = differences.Difference("ehc_requests", 10, 10, revised=3, note="<script>alert(1)</script>")
        changes.held(["requests: has moved"], [table], [], out)
    else:
        changes.compare(pair[0], pair[1] if which == "full" else pair[0], out)
    text = (out / "changes.html").read_text()
    page = Page()
    page.feed(text)
    assert not page.open
    tags = [tag for tag, _ in page.tags]
    assert ("html", {"lang": "en-GB"}) in page.tags and {"main", "nav", "header", "footer", "title"} <= set(tags)
    assert tags.count("h1") == 1 and "prefers-color-scheme: dark" in text
    assert set(page.links) <= page.ids
    assert tags.count("table") == tags.count("caption")
    assert all(attrs.get("scope") in ("row", "col") for tag, attrs in page.tags if tag == "th")
    assert all(attrs.get("alt") for tag, attrs in page.tags if tag == "img")
    assert "<script" not in text
    # Headings go down one step at a time.
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h\d", tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_a_reports_folder_will_do_and_rubbish_will_not(pair, tmp_path):
    old, new = pair
    assert changes.compare(old / "reports", new / "reports", tmp_path / "out")["verdicts"]
    with pytest.raises(AssessError, match=r"facts\.json"):
        changes.compare(old / "reports" / "figures", new, tmp_path / "out")
    (new / "reports" / "facts.json").write_text("{half")
    with pytest.raises(AssessError, match="readable JSON"):
        changes.compare(old, new, tmp_path / "out")


def test_builds_that_lack_parts(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "facts.json").write_text(json.dumps({"a": fact(None, "not available")}))
    found = changes.compare(tmp_path / "old", tmp_path / "new", tmp_path / "out")
    assert changes.headline(found) == "Nothing changed."


def test_numbers_that_are_no_numbers():
    assert changes.crossings(fact(float("nan")), fact(1.0)) == []
    assert changes.crossings(fact("text"), fact("other")) == []
    assert (
        changes.short("2024") == "2024"
        and changes.short(1234567.0) == "1,234,567"
        and changes.short(0.123456) == "0.1235"
        and changes.short(None) == ""
    )


# --- differences of tables ------------------------------------------------------------------------------------------


def frame(text: str):
    import io

    import pandas as pd

    return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)


def test_rows_and_values():
    before = frame("la_name,year,value\nBury,2023,10\nBury,2024,20\nKent,2024,30\nYork,2024,5\n")
    after = frame("la_name,year,value\nBury,2023,10.0\nBury,2024,40\nKent,2024,c\nLeeds,2024,7\n")
    found = differences.compare_tables("t", before, after)
    assert (found.added, found.removed, found.revised) == (1, 1, 2)
    assert [(row["area"], row["before"], row["after"], row["percent"]) for row in found.largest] == [
        ("Bury", "20", "40", 100.0),
        ("Kent", "30", "c", None),
    ]
    assert found.measures["value"] == {"added": 0, "removed": 0, "revised": 2}


def test_declared_key_and_types():
    schema = {
        "fields": [
            {"name": "la_code", "type": "string"},
            {"name": "la_name", "type": "string"},
            {"name": "received_in_year", "type": "integer"},
        ],
        "primaryKey": ["la_code"],
    }
    before = frame("la_code,la_name,received_in_year\nE1,Bury,10\nE2,Kent,20\n")
    after = frame("la_code,la_name,received_in_year\nE2,Kent,25\nE1,Bury,10\n")
    assert differences.values_of(before, schema) == ["received_in_year"]
    found = differences.compare_tables("t", before, after, schema)
    assert (found.added, found.removed, found.revised) == (0, 0, 1) and found.largest[0]["area"] == "Kent"


def test_columns_and_repeated_keys():
    before = frame("la_name,year,value,old\nBury,2024,1,2\n")
    after = frame("la_name,year,value,new\nBury,2024,1,2\nBury,2024,1,2\n")
    found = differences.compare_tables("t", before, after)
    assert (found.columns_added, found.columns_removed) == (["new"], ["old"])
    assert "repeat" in found.note and found.added == 1


def test_empty_tables():
    empty, full = frame("la_name,year,value\n"), frame("la_name,year,value\nBury,2024,1\n")
    assert differences.compare_tables("t", empty, full).added == 1
    assert differences.compare_tables("t", full, empty).removed == 1
    assert differences.compare_tables("t", empty, empty).nothing


def test_naming_columns_are_found_whatever_their_capitals():
    assert differences.first(["LA and Regions", "LA Number"], ("la_number", "LA Number")) == "LA Number"
    assert differences.first(["la_code"], ("LA_Code",)) == "la_code" and differences.first(["x"], ("y",)) is None


def test_a_code_that_names_another_area_stops_a_table_whose_columns_are_in_capitals():
    was = pd.DataFrame(
        {"LA Number": ["801", "802"], "LA and Regions": ["A", "B"], "Years": ["2024"] * 2, "Values": ["1", "2"]}
    )
    now = was.assign(**{"LA and Regions": ["A", "C"]})
    schema = {"primaryKey": ["LA Number", "Years"], "fields": [{"name": "Values", "type": "number"}]}
    rules = [problem.rule for problem in screening.screen_tables("lait_sen", was, now, 5.0, schema)]
    assert rules == ["codes name other areas"]
    assert screening.screen_tables("lait_sen", was, was, 5.0, schema) == []
