"""The report: in order, complete, the same each time, and whole or not at all."""

import csv
import html
import json
import re
import shutil
import zipfile
from xml.etree import ElementTree

import pandas as pd
import pytest

import report_project
from helpers import chapter, facts, manuscript, paper, report, syntax, tables, typeset, webpage, wordfile
from helpers.errors import AssessError

FILES = ("assessment.html", "assessment.pdf", "assessment.docx", "facts.json", "effects.csv", "claims.csv")


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The small project with its chapters run once."""
    root = report_project.make(tmp_path_factory.mktemp("project"))
    report_project.run(root)
    return root


@pytest.fixture
def project(built, tmp_path, monkeypatch):
    """A copy of it that a test may spoil."""
    shutil.copytree(built, tmp_path / "p")
    monkeypatch.setenv("ASSESS_ROOT", str(tmp_path / "p"))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    return tmp_path / "p"


def chapters(project):
    return project / "data/processed/chapters"


def published(project):
    return report.publish(chapters(project), project / "reports").parent


def snapshot(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def visible(page):
    """The words of the report's body."""
    body = page[page.index("<main") : page.index('<section id="annex-e"')]
    body = re.sub(r"<(pre|svg|style|script)\b.*?</\1>", " ", body, flags=re.DOTALL)
    return body


def test_everything_is_published(project):
    out = published(project)
    assert {p.name for p in out.iterdir()} == {*FILES, "figures", "notebooks", "docs"}
    assert {p.name for p in (out / "figures").iterdir()} == {
        *(f"02_programme-lines{e}" for e in (".svg", ".png", ".csv")),
        "index.html",
    }
    found = json.loads((out / "facts.json").read_text())
    assert list(found) == ["a.zero", "data.rows", "effect.requests.att", "policy.kent.total"]
    assert all(list(entry) == list(facts.FIELDS) for entry in found.values())
    with (out / "effects.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert tuple(rows[0]) == chapter.EFFECT_COLUMNS and rows[0]["outcome"] == "requests"
    assert (out / "claims.csv").read_text() == ",".join(report.CLAIM_COLUMNS) + "\n"


def test_the_same_input_gives_the_same_bytes(project):
    first = snapshot(published(project))
    assert snapshot(published(project)) == first


def test_where_the_project_lies_makes_no_difference(project, tmp_path, monkeypatch):
    first = snapshot(published(project))
    (project / "reports").rename(tmp_path / "before")
    project.rename(tmp_path / "elsewhere")
    monkeypatch.setenv("ASSESS_ROOT", str(tmp_path / "elsewhere"))
    assert snapshot(published(tmp_path / "elsewhere")) == first


def test_sections_come_in_order_with_missing_chapters_stated(project):
    page = (published(project) / "assessment.html").read_text()
    titles = [
        html.unescape(re.sub(r"<[^>]+>", "", t)).strip()
        for t in re.findall(r"<h2\b[^>]*>(.*?)</h2>", page, flags=re.DOTALL)
    ]
    assert titles[:6] == [
        "Executive summary",
        "1 Introduction",
        "2 The programme",
        "3 Finances",
        "4 Conclusions",
        "References",
    ]
    assert [t.split()[1] for t in titles if t.startswith("Annex")] == list("ABCDEF")
    assert "Not part of this build: Finances." in page
    assert page.count("is not part of this build of the report") >= 1
    assert "2.1</span> Effects" in page


def test_every_number_in_prose_resolves_to_a_fact(project):
    out = published(project)
    page = (out / "assessment.html").read_text()
    links = re.findall(r'<a class="fact" href="#fact-([^"]+)">(.*?)</a>', page)
    known = json.loads((out / "facts.json").read_text())
    assert {id for id, _ in links} == {"data.rows", "effect.requests.att", "policy.kent.total"}
    for id, _ in links:
        assert id in known and f'id="fact-{id}"' in page
    # With its fact links, tables, captions, headings, references and generated annexes taken away, the prose holds no
    # digit but years.
    body = visible(page)
    body = re.sub(r'<a class="fact".*?</a>', " ", body)
    prose = " ".join(re.findall(r"<p>(.*?)</p>", body, flags=re.DOTALL))
    prose = re.sub(
        r'<a [^>]*class="(?:xref|footnote-ref)".*?</a>|<span class="citation".*?</span>|<a [^>]*class="xref".*?</a>',
        " ",
        prose,
        flags=re.DOTALL,
    )
    assert re.findall(r"\d+", re.sub(r"\b20\d\d\b|95%", "", re.sub(r"<[^>]+>", " ", prose))) == []


def test_the_page_is_one_file_and_asks_the_network_for_nothing(project):
    page = (published(project) / "assessment.html").read_text()
    assert not re.search(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?!data:)', page)
    assert "@import" not in page and "url(http" not in page
    assert '<html lang="en-GB">' in page and '<main id="main"' in page and 'class="skip"' in page
    identifiers = re.findall(r'\bid="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))
    inner = {i for i in re.findall(r'href="#([^"]+)"', page)}
    assert inner <= set(identifiers), inner - set(identifiers)


def test_figures_have_text_data_and_code(project):
    page = (published(project) / "assessment.html").read_text()
    figure = re.search(r'<figure id="fig-02-programme-lines".*?</figure>', page, flags=re.DOTALL)[0]
    assert "Figure 2.1" in figure and "Requests fell by 3.2 percentage points &lt;&amp;&gt;" in figure
    assert '<desc id="02-programme-lines-d">Two lines; &quot;Safety Valve&quot; ends higher.</desc>' in figure
    assert 'href="data:text/csv;base64,' in figure and "figures.lines(long" in figure
    assert "Department for Education, Education, health and care plans" in figure
    assert '<a href="#fig-02-programme-lines" class="xref">Figure 2.1</a>' in page
    assert '<a href="#tab-02-programme-councils" class="xref">Table 2.1</a>' in page


def test_a_table_is_captioned_and_can_be_sorted(project):
    page = (published(project) / "assessment.html").read_text()
    table = re.search(r'<div class="table" id="tab-02-programme-councils".*?</table>', page, flags=re.DOTALL)[0]
    assert (
        "sortable" in table
        and "<caption" in table
        and table.count('scope="col"') == 4
        and table.count("scope=row") == 4
    )
    assert (
        'data-value="-1.25" class=num>−£1.2 million' in table or 'data-value="-1.25" class=num>−£1.3 million' in table
    )
    assert '<a href="https://www.kent.gov.uk/a_b?c=1#d">kent.gov.uk</a>' in table
    assert "Bury | x" in table and "City of *London*" in table and 'class="verdict v-cannot-tell"' in table


def test_glossary_terms_are_explained_once_a_section(project):
    page = (published(project) / "assessment.html").read_text()
    assert page.count('<a class="term" href="#term-dsg">dedicated schools grant</a>') == 1
    assert 'id="term-dsg"' in page and "ring-fenced grant" in page


def test_the_pdf_is_tagged_and_dated_by_the_data(project):
    content = (published(project) / "assessment.pdf").read_bytes()
    assert content.startswith(b"%PDF-") and b"StructTreeRoot" in content and b"pdfuaid" in content
    assert b"AssessSerif" in content or b"Assess" in content
    assert b"2025-06-26" in content or b"20250626" in content


WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"


def word_part(project, name):
    with zipfile.ZipFile(published(project) / "assessment.docx") as archive:
        return ElementTree.fromstring(archive.read(name))


def style_of(paragraph):
    found = paragraph.find(f"{WORD}pPr/{WORD}pStyle")
    return found.get(f"{WORD}val") if found is not None else ""


def words_of(node):
    return "".join(node.itertext()).strip()


def test_the_word_file_uses_real_styles(project):
    styles = word_part(project, "word/styles.xml")
    known = {s.get(f"{WORD}styleId") for s in styles.iter(f"{WORD}style")}
    document = word_part(project, "word/document.xml")
    used = {style_of(p) for p in document.iter(f"{WORD}p")} - {""}
    assert used <= known
    wanted = {"Title", "TOC1", "TOC2", "Heading1", "Heading2", "ImageCaption", "TableCaption", "CaptionedFigure"}
    assert wanted | {"TableHeading", "TableText", "Callout", "Source"} <= used
    assert styles.find(f".//{WORD}rPrDefault//{WORD}lang").get(f"{WORD}val") == "en-GB"


def test_each_table_in_word_has_a_repeated_heading_a_caption_and_whole_rows(project):
    document = word_part(project, "word/document.xml")
    body = list(document.find(f"{WORD}body"))
    tables = [n for n in document.iter(f"{WORD}tbl")]
    assert tables
    for table in tables:
        first = table.find(f"{WORD}tr")
        assert first.find(f"{WORD}trPr/{WORD}tblHeader") is not None
        assert {style_of(p) for p in first.iter(f"{WORD}p")} <= {"TableHeading", "TableHeadingSmall"}
        assert all(r.find(f"{WORD}trPr/{WORD}cantSplit") is not None for r in table.iter(f"{WORD}tr"))
        assert table.find(f"{WORD}tblPr/{WORD}tblCaption").get(f"{WORD}val").startswith("Table ")
    for place, block in enumerate(body):
        if block.tag == f"{WORD}tbl":
            above = next(b for b in reversed(body[:place]) if b.tag == f"{WORD}p")
            assert style_of(above) == "TableCaption" and words_of(above).startswith("Table ")


def test_each_picture_in_word_has_alt_text_and_a_caption_and_tells_no_path(project):
    document = word_part(project, "word/document.xml")
    pictures = list(document.iter(f"{DRAWING}docPr"))
    captions = [words_of(p) for p in document.iter(f"{WORD}p") if style_of(p) == "ImageCaption"]
    assert len(pictures) == len(captions) > 0
    assert all(p.get("descr") for p in pictures) and all(c.startswith("Figure ") for c in captions)
    assert pictures[0].get("descr").startswith("Two lines; ")
    assert str(project) not in ElementTree.tostring(document, encoding="unicode")


def test_links_and_contents_in_word_lead_somewhere(project):
    document = word_part(project, "word/document.xml")
    marks = {b.get(f"{WORD}name") for b in document.iter(f"{WORD}bookmarkStart")}
    asked = [h.get(f"{WORD}anchor") for h in document.iter(f"{WORD}hyperlink") if h.get(f"{WORD}anchor")]
    assert set(asked) <= marks
    headings = [words_of(p) for p in document.iter(f"{WORD}p") if style_of(p) in ("Heading1", "Heading2")]
    lines = [p.find(f"{WORD}hyperlink") for p in document.iter(f"{WORD}p") if style_of(p) in ("TOC1", "TOC2")]
    links = [link for link in lines if link is not None]
    assert ["".join(t.text for t in link.iter(f"{WORD}t")) for link in links] == headings
    fields = ["".join(t.text for t in link.iter(f"{WORD}instrText")).split() for link in links]
    assert fields == [["PAGEREF", link.get(f"{WORD}anchor"), "\\h"] for link in links]
    assert word_part(project, "word/settings.xml").find(f"{WORD}updateFields").get(f"{WORD}val") == "true"


def test_captions_in_word_are_numbered_by_fields_that_show_their_number(project):
    document = word_part(project, "word/document.xml")
    captions = [p for p in document.iter(f"{WORD}p") if style_of(p) in ("ImageCaption", "TableCaption")]
    assert captions
    for caption in captions:
        found = re.match(r"(Figure|Table) (\w+)\.(\d+)\. ", words_of(caption))
        field = caption.find(f"{WORD}fldSimple")
        again = ["\\r", "1"] if found[3] == "1" else []
        assert field.get(f"{WORD}instr").split() == ["SEQ", found[1], "\\*", "ARABIC", *again]
        assert words_of(field) == found[3]


def test_words_are_joined_without_a_change_in_what_pandoc_writes():
    text = (
        'A word, e.g.\u00a0*two  words*; and\na `code  span`[^n]; "quoted" -- [a link](x.html)\\\nhere.\n\n'
        "- [1,234]{.fact key='a'} = one - item\n\n[^n]: A note; = here.\n\n# Heading *set* so {#h}\n"
    )
    read = json.loads(syntax.pandoc(["-f", syntax.READER, "-t", "json"], text))
    made = syntax.joined(read)
    assert {"t": "Str", "c": "A word, e.g.\u00a0"} in made["blocks"][0]["c"]  # the space that does not break is kept
    assert '"Space"' in json.dumps(read) and '"Space"' not in json.dumps(made) and "SoftBreak" not in json.dumps(made)
    edition = syntax.Edition("", 0, None, ())
    for form in ("html5", "typst", "plain"):
        assert syntax.written(made, form, edition) == syntax.written(read, form, edition)


def test_quotation_marks_go_to_typst_as_they_are():
    tree = syntax.joined(
        json.loads(syntax.pandoc(["-f", syntax.READER, "-t", "json"], '‘A tool (LAIT)’, *so* it\'s "said"'))
    )
    made = syntax.written(tree, typeset.FORM, syntax.Edition("", 0, None, ()))
    assert made.strip() == "‘A tool (LAIT)’, #emph[so] it’s “said”"


def test_a_short_table_in_word_stays_whole_and_a_long_one_keeps_its_first_rows_with_the_caption():
    def kept(rows):
        made = tables.make(pd.DataFrame({"a": ["text"] * (rows - 1)}), "made", "Made")  # and its heading
        held = wordfile.Held()
        held.table(made, [1], False, False, "Table 1.1. Made")
        return ["keepNext" in row for row in held.tables[0].split("<w:tr>")[1:]]

    assert all(kept(wordfile.SHORT))
    assert kept(20) == [True] * wordfile.FIRST + [False] * (19 - wordfile.FIRST) + [True]


def test_word_pages_are_numbered_a4_and_turned_for_wide_tables():
    made = tables.make(
        pd.DataFrame({f"A rather long heading {i}": ["some text to print"] * 9 for i in range(9)}), "wide", "Wide"
    )
    blocks = paper.if_turned(made, [{"t": "Para", "c": []}])
    begin, end = {"t": "RawBlock", "c": ["x", "begin"]}, {"t": "RawBlock", "c": ["x", "end"]}
    heading, text = {"t": "Header", "c": [2, ["h", [], []], []]}, {"t": "Para", "c": [{"t": "Str", "c": "a"}]}
    assert paper.turn([text, heading, *blocks, text], begin, end) == [
        text,
        begin,
        heading,
        blocks[0]["c"][1][0],
        end,
        text,
    ]
    held = wordfile.Held()
    stands = held.table(made, [1] * 9, False, True, "Table 1.1. Wide")
    done = wordfile._document(f"<w:body>{stands}{wordfile.section(True)}<w:sectPr>x</w:sectPr></w:body>", held.tables)
    sections = re.findall(r"<w:sectPr>.*?</w:sectPr>", done)
    assert len(sections) == 2 and all("footerReference" in s for s in sections)
    assert 'w:w="16838" w:h="11906" w:orient="landscape"' in sections[0] and 'w:w="11906" w:h="16838"' in sections[1]
    assert "<w:titlePg/>" in sections[0] and "<w:titlePg/>" not in sections[1]
    assert f'<w:tblW w:type="dxa" w:w="{16838 - 2 * wordfile.MARGIN}"/>' in done


def test_a_comment_can_be_put_in_the_word_file(project):
    docx = pytest.importorskip("docx")
    if not hasattr(docx.document.Document, "add_comment"):
        pytest.skip("this python-docx cannot comment")
    path = published(project) / "assessment.docx"
    opened = docx.Document(str(path))
    paragraph = next(p for p in opened.paragraphs if p.runs and p.style.name.startswith("Heading"))
    opened.add_comment(paragraph.runs, text="Is this so?", author="A reviewer")
    opened.save(str(project / "commented.docx"))
    again = docx.Document(str(project / "commented.docx"))
    assert [c.text for c in again.comments] == ["Is this so?"]
    assert len(again.paragraphs) == len(opened.paragraphs)


def test_a_wide_table_of_few_rows_is_printed_with_rows_and_columns_exchanged():
    names = [f"Effect adjusted for the family {i}" for i in range(12)]
    frame = pd.DataFrame([["Refusals", *range(12)], ["Plans", *range(12)]], columns=["Outcome", *names])
    made = tables.make(frame, "tests", "Tests")
    assert paper.layout(made)[2], "too wide as it stands"
    printed = paper.for_paper(made)
    assert [c.name for c in printed.columns] == ["Outcome", "Refusals", "Plans"]
    assert printed.cells[0] == (names[0], "0", "0") and len(printed.cells) == 12
    assert not paper.layout(printed)[2]
    texts = pd.DataFrame([["a"] + ["a sentence of several words, rather long"] * 11], columns=["Outcome", *names[:11]])
    prose = tables.make(texts, "texts", "Texts")
    assert paper.for_paper(prose) is prose, "a table of texts is read along its rows"


def test_widths_fill_the_page_and_leave_room_for_the_longest_word():
    frame = pd.DataFrame(
        {"Id": ["F1", "F2"], "Finding": ["Short words", "More short words"], "Why": ["because " * 40] * 2}
    )
    shares, size, turned = paper.layout(tables.make(frame, "t", "T"))
    assert size == "8.5pt" and not turned
    assert sum(shares) == pytest.approx(108, abs=0.5)
    assert shares[2] > 3 * shares[1] > 0 and shares[1] >= len("Short words")


def test_a_heading_with_nothing_under_it_is_left_out(project):
    def heading(level, name):
        return {"t": "Header", "c": [level, [name, [], []], []]}

    text = {"t": "Para", "c": []}
    blocks = [
        heading(1, "a"),
        heading(2, "b"),
        heading(3, "c"),
        text,
        heading(2, "gone"),
        heading(1, "d"),
        heading(2, "gone"),
    ]
    kept = syntax._headings_with_text(blocks)
    assert [b["c"][1][0] for b in kept if b["t"] == "Header"] == ["a", "b", "c", "d"]


HEADING, TEXT = {"t": "Header", "c": [2, ["h", [], []], []]}, {"t": "Para", "c": []}
CHAPTER = {"t": "Header", "c": [1, ["c", [], []], []]}


def drawn(kind, name):
    return paper.marked([{"t": "RawBlock", "c": ["typst", f"#{name}(x)"]}], kind)


def told(blocks):
    """Each block in a word: a heading, text, or a figure's or table's name, with ~ before what floats."""
    said = []
    for block in blocks:
        marks = paper.marks_of(block)
        name = block["c"][1][0]["c"][1][1:-3] if marks else "h" if block["t"] == "Header" else "t"
        said.append(("~" if "afloat" in marks else "") + name)
    return " ".join(said)


def test_figures_float_after_the_first_text_under_their_heading():
    a, b, short, long = drawn("figure", "a"), drawn("figure", "b"), drawn("short", "s"), drawn("long", "l")
    assert told(typeset.afloat([HEADING, a, b, TEXT, short])) == "h t ~a ~b ~s"
    assert told(typeset.afloat([HEADING, a, long, b])) == "h l ~a ~b", "a long table stays; text may be missing"
    assert told(typeset.afloat([HEADING, a, b, HEADING, TEXT])) == "h a ~b h t", "nothing else under the heading"
    assert told(typeset.afloat([TEXT, HEADING, short])) == "t h s"


def test_a_short_table_does_not_float_past_a_long_one_of_its_chapter():
    short, other, long = drawn("short", "s"), drawn("short", "o"), drawn("long", "l")
    assert told(typeset.afloat([TEXT, short, other, TEXT, long, TEXT])) == "t s o t l t"
    assert told(typeset.afloat([TEXT, short, CHAPTER, long, TEXT])) == "t ~s h l t", "another chapter"


def test_a_turned_table_floats_unless_several_follow_one_another():
    wide = [drawn("turned", name) for name in "vwxyz"]
    assert told(typeset.afloat([TEXT, wide[0], TEXT])) == "t ~v t"
    run = [wide[0], HEADING, *wide[1 : typeset._RUN]]
    assert "~" not in told(typeset.afloat([TEXT, *run, TEXT])) and "~v" in told(typeset.afloat([TEXT, *run[:3], TEXT]))
    calls = [b["c"][1] for b in typeset._set(typeset.afloat([TEXT, wide[0], drawn("figure", "f")]))[1:]]
    assert calls == ["#sideways[", "#v(x)", "]", "#f(afloat: true, x)"]


SIDEWAYS = """#import "report.typ": *
#set document(title: "Sideways")
#set page(paper: "a4", margin: (x: 26mm, top: 26mm, bottom: 24mm))
First words. #sideways[#table(columns: 2, [Wide], [words])] Other words. #pagebreak() Last words."""


def test_a_page_with_a_table_on_its_side_is_shown_turned(tmp_path):
    (tmp_path / "main.typ").write_text(SIDEWAYS)
    shutil.copy(manuscript.TEMPLATES / "report.typ", tmp_path)
    made = typeset.pdf(syntax.Edition("", 0, tmp_path, ()), tmp_path)
    pages = re.findall(rb"/Type/Page(/Rotate 90)?/", made)
    assert pages.count(b"/Rotate 90") == 1 and len(pages) == 3
    # The list of contents still says where every object begins.
    start = int(re.search(rb"startxref\n(\d+)", made)[1])
    places = re.findall(rb"(\d{10}) \d{5} n", made[start:])
    assert made[start:].startswith(b"xref") and len(places) > 10
    for number, place in enumerate(places, start=1):
        assert made[int(place) :].startswith(b"%d 0 obj" % number), number
    kids = re.findall(rb"(\d+) 0 R", re.search(rb"/Kids\[([^\]]*)\]", made)[1])
    turned = [made[int(places[int(kid) - 1]) :].split(b"endobj")[0].count(b"/Rotate") for kid in kids]
    assert sum(turned) == 1
    with pytest.raises(AssessError, match="cannot be turned"):
        typeset.turn_pages(b"%PDF-2.0", [1])


def test_a_fact_says_in_plain_words_what_it_is(project):
    page = (published(project) / "assessment.html").read_text()

    def entry(id):
        return re.search(rf'<article [^>]*id="fact-{re.escape(id)}">.*?</article>', page, flags=re.DOTALL)[0]

    effect = entry("effect.requests.att")
    assert (
        "<h3>Requests for an education, health and care needs assessment: estimated effect, main estimate</h3>"
        in effect
    )
    assert "<dt>p, usual test</dt><dd>0.004</dd>" in effect and "chance" not in effect
    assert "<dt>Name</dt><dd><code>effect.requests.att</code></dd>" in effect
    assert "<h3>There are 154,489 rows about EHC plans.</h3>" in entry("data.rows"), "the first sentence that uses it"
    assert "<h3>Kent&#x27;s total</h3>" in entry("policy.kent.total")


def test_the_line_of_an_effect_or_verdict_names_what_it_is_of():
    lines = {
        "verdict.TES-01": "Verdict on the claim: Refusals rose (strength of the evidence: weak)",
        "x.y": "A sentence.",
    }
    for id, words in (
        ("effect.plans.event.-2", "Plans in January: estimated effect, 2 years before the first exposed year"),
        ("effect.plans.event.1", "Plans in January: estimated effect, 1 year after the first exposed year"),
        ("effect.plans.ri_p", "Plans in January: p of the main estimate, by reassigning agreements at random"),
        ("verdict.TES-01", lines["verdict.TES-01"]),
        ("x.y", "A sentence."),
        ("effect.no_measure.att", "effect.no_measure.att"),
    ):
        assert webpage.fact_line(id, lines) == words


def test_the_p_by_reassignment_stands_beside_the_usual_one(project):
    made = manuscript.Manuscript([], {}, facts.Facts([]), ["effect.plans.att"], [], {})
    known = facts.Facts(
        [
            facts.make("effect.plans.att", 1.0, "%", lower=-1.0, upper=3.0, p=0.03, notebook="n"),
            facts.make("effect.plans.ri_p", 0.1, "p", notebook="n"),
        ]
    )
    made.facts = known
    shown = webpage._fact_entries(made)
    assert "<dt>p, usual test</dt><dd>0.03</dd><dt>p, agreements reassigned at random</dt><dd>0.10</dd>" in shown


def test_sentences_of_a_filled_text_are_plain():
    text = (
        '**In short.** Plans rose to [1,234]{.fact key="a.b"} [@nao]; see [](#fig-x). They fell\nby '
        '[3%]{.fact key="c.d"} ([](#tab-y)).\n\n- An item of [5\\*]{.fact key="e.f"}'
    )
    assert dict(manuscript.sentences(text)) == {
        "a.b": "Plans rose to 1,234; see the figure.",
        "c.d": "They fell by 3%.",
        "e.f": "An item of 5*",
    }


def test_the_gallery_shows_titles_under_chapters(project):
    page = (published(project) / "figures" / "index.html").read_text()
    assert '<h2 id="02_programme">The programme</h2>' in page and page.count("<h2") == 1
    assert "<figcaption>Requests fell by 3.2 percentage points &lt;&amp;&gt;</figcaption>" in page
    assert '"Assess Sans"' in page and "@font-face" in page


def test_columns_keep_the_width_their_texts_need_and_amounts_sort_by_value():
    frame = pd.DataFrame(
        {
            "Who": ["Kent", "Bury"],
            "Why": ["because " * 10] * 2,
            "Held": ["£1,735 million", "£886.5 million"],
            "n": [1, 2],
        }
    )
    page = webpage.html_table(tables.make(frame, "t", "T"), "t", "")
    assert '<th scope="col">Who</th><th scope="col" class="long">Why</th>' in page
    assert re.findall(r'data-value="([^"]+)"', page) == ["1735000000.0", "1", "886500000.0", "2"]


def spoil_fact(p):
    path = chapters(p) / "02_programme/notebook.ipynb"
    path.write_text(path.read_text().replace("{policy.kent.total}", "{policy.kent.totl}"))


def spoil_reference(p):
    path = chapters(p) / "02_programme/notebook.ipynb"
    path.write_text(path.read_text().replace("#fig-lines", "#fig-lins"))


def spoil_citation(p):
    (p / "docs/references.bib").write_text(report_project.BIB.replace("nao_2024", "nao_2023"))


def spoil_notebook(p):
    (chapters(p) / "02_programme/notebook.ipynb").write_text("{")


def spoil_twice(p):
    path = chapters(p) / "01_sources/facts.json"
    path.write_text(path.read_text().replace("data.rows", "a.zero"))


def spoil_figure(p):
    path = chapters(p) / "02_programme/files.json"
    path.write_text(path.read_text().replace('"lines"', ""))


def spoil_effects(p):
    (chapters(p) / "02_programme/effects.csv").write_text("a,b\n1,2\n")


def spoil_claims(p):
    (chapters(p) / "09_claims").mkdir()
    (chapters(p) / "09_claims/claims.csv").write_text("a,b\n1,2\n")


def spoil_log(p):
    (p / "docs/caveats.yaml").write_text("- {id: C-01, text: It may not.}\n")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_fact, r"02_programme, cell \d+: No fact 'policy.kent.totl'; did you mean 'policy.kent.total'"),
        (spoil_reference, "refers to no figure named 'lins'|part of this build"),
        (spoil_citation, "No reference 'nao_2024' in references.bib; did you mean 'nao_2023'"),
        (spoil_notebook, "not a readable executed notebook"),
        (spoil_twice, "recorded by both 01_sources and 02_programme"),
        (spoil_figure, "which the chapter did not keep"),
        (spoil_effects, "expected the columns outcome"),
        (spoil_claims, "expected the columns claim_id"),
        (spoil_log, r"caveats\.yaml, entry C-01: no affects"),
    ],
)
def test_a_broken_input_leaves_the_previous_report(project, spoil, words):
    (project / "notebooks/chapters.yaml").write_text(
        report_project.CHAPTERS.replace(
            "- {name: 03_finances, title: Finances, number: 3, reads: [], after: [01_sources]}\n", ""
        )
    )
    out = published(project)
    (out / "councils").mkdir()
    before = snapshot(out)
    spoil(project)
    with pytest.raises(AssessError, match=words):
        report.publish(chapters(project), out)
    assert snapshot(out) == before
    assert {p.name for p in out.iterdir()} == {*FILES, "figures", "notebooks", "docs", "councils"}


def test_a_failing_swap_puts_everything_back(project, monkeypatch):
    out = published(project)
    before = snapshot(out)
    real = report.os.replace
    calls = {"n": 0}

    def fail(source, target):
        calls["n"] += 1
        if calls["n"] == 8:
            raise OSError("disk full")
        real(source, target)

    monkeypatch.setattr(report.os, "replace", fail)
    with pytest.raises(AssessError, match="is as it was"):
        report.publish(chapters(project), out)
    assert snapshot(out) == before


def test_claims_make_annex_c(project):
    folder = chapters(project) / "09_claims"
    folder.mkdir()
    row = [
        "TES-01",
        "5",
        "More refusals, <often>",
        "Tes",
        "https://www.tes.com/x",
        "supported",
        "weak",
        "effect.requests.att",
        "Because.",
    ]
    with (folder / "claims.csv").open("w", newline="") as handle:
        csv.writer(handle, lineterminator="\n").writerows([report.CLAIM_COLUMNS, row])
    out = published(project)
    assert (out / "claims.csv").read_text() == (folder / "claims.csv").read_text()
    page = (out / "assessment.html").read_text()
    assert 'id="tab-annex-claims"' in page and "More refusals, &lt;often&gt;" in page and ">tes.com</a>" in page


def test_executed_notebooks_become_light_pages(project):
    pages = published(project) / "notebooks"
    assert sorted(p.name for p in pages.iterdir()) == ["01_sources.html", "02_programme.html", "10_assessment.html"]
    page = (pages / "02_programme.html").read_text()
    assert 'src="../figures/02_programme-lines.svg" alt="Two lines; &quot;Safety Valve&quot; ends higher."' in page
    assert "<table>" in page and "Requests fell by" in page
    assert max(p.stat().st_size for p in pages.iterdir()) < 30_000


def test_every_link_to_a_file_or_cell_leads_there(project):
    out = published(project)
    for source in [out / "assessment.html", *(out / "notebooks").iterdir(), *(out / "docs").iterdir()]:
        text = source.read_text()
        for link in set(re.findall(r'(?:href|src)="([^"#][^":]*)"', text)):
            path, _, mark = link.partition("#")
            target = (source.parent / path).resolve()
            assert target.is_file(), f"{source.name}: {link}"
            if mark:
                assert f'id="{mark}"' in target.read_text(), f"{source.name}: {link}"
    page = (out / "assessment.html").read_text()
    assert re.search(r'<a href="notebooks/02_programme.html#cell-\d+">02_programme, cell \d+</a>', page)


def test_nothing_built_is_a_report_of_gaps(tmp_path, monkeypatch):
    root = report_project.make(tmp_path)
    monkeypatch.setenv("ASSESS_ROOT", str(root))
    page = report.publish(root / "data/processed/chapters", root / "reports").read_text()
    assert "Not part of this build: Data and quality, The programme, Finances, Assessment." in page


def test_headings_never_skip_a_level():
    made = manuscript.Manuscript([manuscript.Section("s", "S", "1")], {}, facts.Facts(), [], [], {})
    tree = {
        "blocks": [
            {"t": "Header", "c": [1, ["s", [], []], [{"t": "Str", "c": "S"}]]},
            {"t": "Header", "c": [4, ["x", [], []], [{"t": "Str", "c": "Deep"}]]},
            {"t": "Para", "c": []},
            {"t": "Header", "c": [2, ["y", [], []], [{"t": "Str", "c": "Deep"}]]},
            {"t": "Para", "c": []},
        ]
    }
    numbered, numbering = syntax.number(tree, made)
    assert [b["c"][0] for b in numbered["blocks"] if b["t"] == "Header"] == [1, 2, 2]
    assert [n for _, _, n, _ in numbering.contents] == ["1", "1.1", "1.2"]
    assert len({b["c"][1][0] for b in numbered["blocks"] if b["t"] == "Header"}) == 3


def test_widths_and_escapes_for_print():
    assert typeset.typst_text("a_b *c* #d [e] $f <g> @h") == r"a\_b \*c\* \#d \[e\] \$f \<g\> \@h"
    assert tables.address("https://a.b/c; https://d.e") == "https://a.b/c"
    assert tables.address("see https://a.b") is None
