"""The report in `reports/`: its numbers are its facts."""

import html
import json
import re

import pytest

from helpers import facts, notebook_pages, paths

PAGE = paths.reports() / "assessment.html"
pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="no report has been built here")


def test_every_number_of_the_report_is_the_fact_it_links_to():
    known = json.loads((paths.reports() / "facts.json").read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    links = re.findall(r'<a class="fact" href="#fact-([^"]+)">(.*?)</a>', page, flags=re.DOTALL)
    assert len(links) > 50
    for id, _words in links:
        assert html.unescape(id) in known, id
        assert f'id="fact-{id}"' in page, id
    assert all(list(entry) == list(facts.FIELDS) for entry in known.values())


def test_no_number_of_the_prose_is_typed():
    page = PAGE.read_text(encoding="utf-8")
    body = page[page.index("<main") : page.index('<section id="annex-e"')]
    body = re.sub(r"<(pre|svg|figure)\b.*?</\1>", " ", body, flags=re.DOTALL)
    body = re.sub(r'<div class="table".*?</table>.*?</div>', " ", body, flags=re.DOTALL)
    body = re.sub(r'<section id="references".*?</section>', " ", body, flags=re.DOTALL)
    body = re.sub(
        r'<a class="fact".*?</a>|<span\s+class="citation".*?</span>|<a [^>]*class="xref".*?</a>',
        " ",
        body,
        flags=re.DOTALL,
    )
    from helpers import lint

    words = html.unescape(
        re.sub(r"<[^>]+>", " ", " ".join(re.findall(r"<(?:p|li)>(.*?)</(?:p|li)>", body, flags=re.DOTALL)))
    )
    assert lint.typed_numbers(words) == []


def test_it_is_one_file_of_reasonable_size():
    page = PAGE.read_text(encoding="utf-8")
    assert len(page.encode()) < 6_000_000
    assert not re.search(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?!data:)', page)
    identifiers = re.findall(r'\bid="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(identifiers)


def test_no_heading_of_a_table_and_no_word_of_a_figure_is_a_name_from_code():
    page = PAGE.read_text(encoding="utf-8")
    heads = re.findall(r"<th scope=\"col\"[^>]*>(.*?)</th>", page, flags=re.DOTALL)
    drawn = [
        t
        for svg in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
        for t in re.findall(r"<text[^>]*>(.*?)</text>", svg)
    ]
    captions = re.findall(r'<span class="(?:finding|subtitle)">(.*?)</span>|<caption[^>]*>(.*?)</caption>', page)
    shown = [*heads, *drawn, *("".join(pair) for pair in captions)]
    assert len(heads) > 50 and len(drawn) > 500
    code = re.compile(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b")
    assert [text for text in shown if code.search(re.sub(r"<[^>]+>", "", text))] == []


def test_the_guides_are_published_with_the_report():
    made = {path.stem for path in (paths.reports() / "docs").glob("*.html")}
    assert made == {path.stem for path in (paths.root() / "docs").glob("*.md")} >= {"guide", "architecture"}
    guide = (paths.reports() / "docs" / "guide.html").read_text(encoding="utf-8")
    assert guide == notebook_pages.document(paths.root() / "docs" / "guide.md")
    assert "<h2>A measure</h2>" in guide and 'href="coding_guide.md"' not in guide
    links = re.findall(r'href="(docs/[^"]+)"', (paths.reports() / "assessment.html").read_text(encoding="utf-8"))
    assert links and all((paths.reports() / link).is_file() for link in links)
