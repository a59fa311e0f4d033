"""Reading ease: known syllables, sentences that end where they should, and a summary that stays plain."""

import html
import re
from pathlib import Path

import pytest

from helpers import readability

REPORT = Path(__file__).parent.parent / "reports" / "assessment.html"
PLAIN = 60  # where plain English begins on Flesch's scale


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, "made whole owed schools judge waves rules 3.6% £1.35 SEND"),
        (2, "council changes wanted table people issued science children spending"),
        (3, "agreement deficits area families department refusal DSG DfE"),
        (4, "education insolvency majority"),
        (5, "disabilities educational"),
    ],
)
def test_syllables(count, words):
    assert {word: readability.syllables(word) for word in words.split()} == dict.fromkeys(words.split(), count)


def test_a_known_text_scores_as_by_hand():
    found = readability.measure("The cat sat on the mat. It was 3.5 feet wide; the dog did not mind (p = 0.10).")
    assert (found.sentences, found.words, found.syllables, found.longest) == (2, 18, 18, 12)
    assert found.ease == pytest.approx(206.835 - 1.015 * 9 - 84.6)


def test_marks_headings_and_citations_are_not_words():
    text = '## Findings\n\n1. **Money.** It fell [3%]{.fact key="a.b"} here [@nao].\n2. **Time.** It *rose* a lot.\n\n::: {.asset}\n:::'
    assert readability.plain(text).split() == ["1.", "It", "fell", "3%", "here.", "2.", "It", "rose", "a", "lot."]
    assert readability.measure(readability.plain(text)).sentences == 2


def test_nothing_to_measure_is_an_error():
    with pytest.raises(ValueError, match="no sentences"):
        readability.measure("...")


def test_the_published_summary_is_plain_english():
    page = REPORT.read_text(encoding="utf-8")
    section = re.search(r'<section id="summary".*?(?=<section id="introduction")', page, flags=re.DOTALL)[0]
    section = re.sub(r"<(svg|figure|pre)\b.*?</\1>|<strong>.*?</strong>", " ", section, flags=re.DOTALL)
    blocks = re.findall(r"<(?:p|li)>(.*?)</(?:p|li)>", section, flags=re.DOTALL)
    text = "\n\n".join(html.unescape(re.sub(r"<[^>]+>", "", block)) for block in blocks)
    found = readability.measure(text)
    assert found.words > 300 and found.ease >= PLAIN and found.longest <= 40
