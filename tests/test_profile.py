"""Council pages: every awkward council and a random sample has a page with no gap, and every number on it is the panel's."""

import base64
import csv
import html
import html.parser
import io
import os
import random
import re

import pytest

from helpers import charts, councils, measures, panel, paths, peers, profile, profile_words
from helpers.errors import AssessError

pytestmark = pytest.mark.skipif(
    not (paths.processed() / "council_year.parquet").is_file(), reason="run notebooks/01_sources.ipynb first"
)

AWKWARD = [
    "City of London", "Isles of Scilly", "Cumberland", "Westmorland and Furness", "North Yorkshire", "Somerset", "Buckinghamshire",
    "North Northamptonshire", "West Northamptonshire", "Dorset", "Bournemouth, Christchurch and Poole", "Isle of Wight", "Bristol, City of",
    "Bracknell Forest", "Bury", "Kent", "Medway", "Stoke-on-Trent", "Herefordshire, County of", "Kingston upon Hull, City of",
]  # fmt: skip
SAMPLE = sorted({c.la_name for c in random.Random(20231).sample(councils.listed(), 12)} - set(AWKWARD))
SECTIONS = ("summary", "agreement", "deficit", "standing", "trends", "inspections", "conditions", "documents")


class Reader(html.parser.HTMLParser):
    """The words a reader sees, the tables by id as rows of (text, data-value), and what is needed to judge the mark-up."""

    def __init__(self, text):
        super().__init__()
        self.words, self.tables, self.ids, self.targets, self.addresses = [], {}, [], [], []
        self.quiet, self.table, self.cell = 0, None, None
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        held = dict(attrs)
        if tag not in ("a", "span"):
            self.words.append(" ")
        self.tags.append((tag, held))
        if "id" in held:
            self.ids.append(held["id"])
        if held.get("href", "").startswith("#"):
            self.targets.append(held["href"][1:])
        elif "href" in held or "src" in held:
            self.addresses.append(held.get("href") or held.get("src"))
        if tag in ("style", "script"):
            self.quiet += 1
        if tag == "div" and held.get("class") == "table" and "id" in held:
            self.table = self.tables.setdefault(held["id"], [])
        if tag == "tr" and self.table is not None:
            self.table.append([])
        if tag in ("td", "th") and self.table is not None:
            self.cell = ["", held.get("data-value")]
            self.table[-1].append(self.cell)

    def handle_endtag(self, tag):
        if tag in ("style", "script"):
            self.quiet -= 1
        if tag in ("td", "th"):
            self.cell = None
        if tag == "table":
            self.table = None

    def handle_data(self, data):
        if not self.quiet:
            self.words.append(data)
            if self.cell is not None:
                self.cell[0] += data


def made(name):
    page = profile.start(name)
    for section in SECTIONS:
        getattr(page, section)()
    return page


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("councils")
    os.environ[profile.FOLDER] = str(folder)
    try:
        out = {}
        for name in [*AWKWARD, *SAMPLE]:
            page = made(name)
            text = page.finish().read_text(encoding="utf-8")
            out[name] = (page, text, Reader(text))
        return out
    finally:
        del os.environ[profile.FOLDER]


@pytest.mark.parametrize("name", [*AWKWARD, *SAMPLE])
def test_nothing_is_missing_or_left_unfilled(pages, name):
    _, text, read = pages[name]
    words = " ".join("".join(read.words).split())
    assert not re.search(r"\b(nan|NaN|None|NaT|inf|null|undefined)\b|<NA>|\{\{|\}\}|\{council|£ |£nan", words)
    assert not re.search(r"\s[,.;:]\s|\.\.\s|\(\)|  ", words), "a sentence with a hole in it"
    for rows in read.tables.values():
        assert len(rows) > 1
        assert all(len(row) == len(rows[0]) and all(cell[0].strip() not in ("", "–") for cell in row) for row in rows)
    for svg in re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL):
        assert not re.search(r"\bnan\b", svg) and len(re.findall(r"<(?:path|circle|rect)", svg)) > 5, "an empty figure"
    assert not re.search(
        r"\b(\w+) \1\b",
        re.sub(r"\d[\d.,]*", "", " ".join(p for p in re.findall(r"<p>(.*?)</p>", text))).replace("had had", ""),
    )


@pytest.mark.parametrize("name", [*AWKWARD, *SAMPLE])
def test_each_number_is_the_panels(pages, name):
    page, text, read = pages[name]
    code = page.council.la_code
    listed = panel.councils().set_index("la_code")
    near = set(panel.table("neighbours").query("la_code == @code")["neighbour_la_code"])
    assert len(near) == 10
    rows = read.tables["indicators"][1:]
    assert len(rows) == len(peers.indicators())
    for indicator, row in zip(peers.indicators(), rows, strict=True):
        last = indicator.definition.last_year
        values = panel.wide(indicator.measure)
        now = 100 * (values[last] / values[indicator.growth_from] - 1) if indicator.growth_from else values[last]
        group, region = listed["group"] == page.group, listed["region_code"] == page.council.region_code
        theirs = now[now.index.isin(near)].dropna()
        want = [
            now.get(code),
            theirs.mean() if len(theirs) >= peers.LEAST else None,
            None,
            now[group.reindex(now.index)].mean(),
            None,
        ]
        for place, area, members in ((2, page.council.region_code, region), (4, councils.ENGLAND, group | ~group)):
            try:
                held = panel.area(indicator.measure)
                held = held[(held["la_code"] == area) & (held["year"] == last)]["value"].dropna()
            except AssessError:
                held = []
            want[place] = (
                held.iloc[0] if len(held) and not indicator.growth_from else now[members.reindex(now.index)].mean()
            )
        for (shown, value), right in zip(row[1:6], want, strict=True):
            if right is None or right != right:
                assert value is None and shown in {peers.ABSENT, *peers.SYMBOLS.values()}
            else:
                assert float(value) == pytest.approx(right)
                assert shown == page.shown(float(value), indicator)
        if row[1][1] is not None:
            assert row[6][0].startswith(profile_words.ordinal(int((now > now[code]).sum()) + 1)) and row[6][0].endswith(
                f"of {now.notna().sum()}"
            )
    for fact in page.facts.values():
        assert f"fact-{fact.id}" in read.ids or f"#fact-{fact.id}" not in text
        if fact.id in ("council.refusal_to_assess", "council.plans_per_1000", "council.timeliness"):
            measure = fact.id.removeprefix("council.")
            assert fact.value == pytest.approx(panel.value(measure, code, measures.get(measure).last_year))
        if fact.id == "council.balance_gbp":
            assert fact.value == pytest.approx(abs(panel.value("dsg_balance_gbp", code, 2024)))
    if page.deal is not None and profile._known(page.deal["total_dfe_funding"]):
        assert page.facts["council.agreed"].value == page.deal["total_dfe_funding"]


@pytest.mark.parametrize("name", [*AWKWARD, *SAMPLE])
def test_a_page_stands_alone_and_is_sound(pages, name):
    _, text, read = pages[name]
    assert len(read.ids) == len(set(read.ids)) and set(read.targets) <= set(read.ids)
    assert all(a.startswith(("https://", "http://", "data:")) or a == "index.html" for a in read.addresses)
    assert not [t for t, a in read.tags if t in ("link", "img", "iframe") or (t == "script" and "src" in a)]
    assert '<html lang="en-GB">' in text and text.count("<h1") == 1 and text.count("<main") == 1
    assert text.count("<table") == text.count("<caption")
    assert all(a.get("scope") for t, a in read.tags if t == "th")
    assert all(a.get("aria-labelledby") for t, a in read.tags if t == "svg")


def test_the_data_on_the_page_is_the_panels(pages):
    _, text, _ = pages["Kent"]
    coded = re.search(r"data:text/csv;charset=utf-8;base64,([^\"]+)", text)
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(coded[1]).decode())))
    own = [r for r in rows if r["indicator"] == "plans_per_1000" and r["who"] == "Kent" and r["when"].isdigit()]
    assert [float(r["value"]) for r in own] == pytest.approx(
        [panel.value("plans_per_1000", "Kent", int(r["when"])) for r in own]
    )
    assert len(own) == 7


@pytest.mark.parametrize("name", [*AWKWARD, *SAMPLE])
def test_words_make_sense(pages, name):
    page, _, _ = pages[name]
    text = page.summary()._repr_markdown_()
    deal = page.deal is not None
    assert ("signed a Safety Valve agreement" in text) == deal and ("no Safety Valve agreement" in text) != deal
    assert ("took part in Delivering Better Value" in text) == (page.group == "dbv")
    assert ("came into being" in text or "took over from" in text or "present area" in text) == (
        page.council.formed is not None
    )
    assert all(p[0].isupper() and p.endswith(".") for p in text.split("\n\n"))
    # A comparison says the same as its numbers.
    for own, way, mean in re.findall(
        r"refused ([\d.]+)% of the requests[^.]*?received, (above|below)[^(]*\(([\d.]+)%\)", text
    ):
        assert (float(own) > float(mean)) == (way == "above")


def test_gross_is_never_joined_to_net():
    for code in panel.councils("safety_valve")["la_code"]:
        page = profile.start(code)
        printed = page._printed()
        for one, two in profile.joins(page.name, printed):
            assert {one.basis, two.basis} not in (
                {"gross", "net"},
                {"gross", "unstated"},
                {"net", "unstated"},
            ) and "unclear" not in (one.basis, two.basis)
            assert one.kind == two.kind and one.year < two.year


def test_every_printed_deficit_is_drawn_and_listed():
    page = profile.start("Devon")
    section = page.deficit()
    svg = section.blocks[0].svg
    held = panel.table("evidence/trajectories").query(
        "la_name == 'Devon' and measure == 'cumulative_deficit' and year.notna()"
    )
    assert svg.count("reported ") == len(held) > 5
    assert "Paid in 2023-24: £38.0m" in svg and "Planned in 2031-32" in svg


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Kentt", "Did you mean Kent"),
        ("Northampton", "North Northamptonshire|Northamptonshire"),
        (
            "Cumbria",
            r"Cumbria no longer exists: split into Cumberland and Westmorland and Furness. From 1 April 2023 see Cumberland \(E06000063\)",
        ),
        ("928", "Northamptonshire no longer exists"),
        ("Yorkshire", "could be any of|Did you mean"),
        ("E06999999", "No council has the ONS code"),
        ("", "No council given"),
    ],
)
def test_no_such_council_is_one_sentence_and_nothing_is_written(name, words, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "reports", lambda: tmp_path)
    with pytest.raises(AssessError, match=words) as caught:
        profile.build([name, "Kent"])
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


def test_who_is_asked_for():
    assert len(profile.chosen([], everyone=True)) == 153 and len(profile.chosen([], agreements=True)) == 38
    assert [c.la_name for c in profile.chosen(["886", "Kent", "E10000016"])] == ["Kent"]


def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch):
    reports = tmp_path / "reports"
    (reports / "councils").mkdir(parents=True)
    (reports / "councils" / "kent.html").write_text("old")
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    whole = (paths.notebooks() / profile.NOTEBOOK).read_text(encoding="utf-8")
    (notebooks / profile.NOTEBOOK).write_text(whole.replace("page.documents()", "1 / 0"), encoding="utf-8")
    monkeypatch.setattr(paths, "reports", lambda: reports)
    monkeypatch.setattr(paths, "notebooks", lambda: notebooks)
    with pytest.raises(AssessError, match=r"Kent: .*ZeroDivisionError.*as they were"):
        profile.build(["Kent"])
    assert [p.name for p in reports.rglob("*") if p.is_file()] == ["kent.html"] and (
        reports / "councils" / "kent.html"
    ).read_text() == "old"


def test_the_command_makes_pages_a_pdf_and_the_list(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "reports", lambda: tmp_path)
    said = profile.build(["Kent", "City of London"], pdf=True)
    target = tmp_path / "councils"
    assert said.startswith("Made 2 pages") and str(target / "index.html") in said
    assert sorted(p.name for p in target.iterdir()) == [
        "city-of-london.html",
        "city-of-london.pdf",
        "index.html",
        "kent.html",
        "kent.pdf",
    ]
    assert (target / "kent.pdf").read_bytes().startswith(b"%PDF") and [p.name for p in tmp_path.iterdir()] == [
        "councils"
    ]
    index = Reader((target / "index.html").read_text(encoding="utf-8"))
    assert {a for a in index.addresses} == {"kent.html", "city-of-london.html"}
    assert len({a["data-code"] for t, a in index.tags if t == "path" and "data-code" in a}) == 153
    controls = {a["id"] for t, a in index.tags if t in ("input", "select")}
    assert controls == {a["for"] for t, a in index.tags if t == "label"}
    assert not re.search(r"\bnan\b", " ".join(index.words))


def test_a_page_is_the_same_twice():
    first, second = (
        "".join(b.svg if hasattr(b, "svg") else repr(b) for s in made("Kent").sections for b in s.blocks)
        for _ in range(2)
    )
    assert first == second


def test_sentences_in_detail():
    assert [profile_words.ordinal(n) for n in (1, 2, 3, 11, 12, 21, 103, 111)] == [
        "1st",
        "2nd",
        "3rd",
        "11th",
        "12th",
        "21st",
        "103rd",
        "111th",
    ]
    assert profile_words.listed(["a"]) == "a" and profile_words.listed(["a", "b", "c"]) == "a, b and c"
    assert (
        profile_words.day("2024-03-21") == "21 March 2024" and profile_words.day("2024-03-01", "month") == "March 2024"
    )
    assert profile_words.name("Bristol, City of") == "Bristol" and profile_words.name(
        "Bournemouth, Christchurch and Poole"
    ).endswith("Poole")
    assert profile_words.subject("Isle of Wight") == "The Isle of Wight" and profile_words.region("London") == "London"


def test_charts_in_detail():
    assert charts.spread([1, 1, 1], 10, 0, 100) == [1, 11, 21]
    assert charts.spread([99, 99], 10, 0, 100) == [90, 100]
    assert [charts.nice(x) for x in (0.9, 1.1, 2.2, 3e6)] == [1, 2, 2.5, 5e6]
    assert charts.short(-2.5e6, "gbp", 0) == "−£2.5m" and charts.short(55, "%", 1) == "55.0%"
    assert charts._runs({2020: 1.0, 2021: 1.0, 2023: 1.0}) == [[2020, 2021], [2023]]
    assert html.unescape(charts.themed('<path fill="#12436d"/>')) == '<path fill="var(--fig-blue,#12436d)"/>'
