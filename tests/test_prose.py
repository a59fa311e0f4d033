"""Prose with facts in it."""

import pytest

from helpers import facts, prose
from helpers.errors import AssessError

KNOWN = facts.Facts(
    [
        facts.make("a.up", 3.24, "pp", lower=1, upper=5, p=0.01),
        facts.make("a.down", -3.24, "pp", lower=-5, upper=1),
        facts.make("effect.plans.event.-1", 0.5, "%"),
        facts.make("verdict.TES-01", "no effect found"),
    ]
)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{a.up}", "3.2 percentage points"),
        ("{a.up:ci}", "1.0 to 5.0 percentage points"),
        ("{a.up:p}", "p = 0.01"),
        ("{a.up|rose|fell}", "rose"),
        ("{a.down | rose | fell | did not change}", "did not change"),
        ("{a.down:abs}", "3.2 percentage points"),
        ("{effect.plans.event.-1}", "0.5%"),
        ("{verdict.TES-01}", "no effect found"),
        ("{{literal}} braces", "{literal} braces"),
        ("`{a.nothing}` in code", "`{a.nothing}` in code"),
        ("$x_{i}$ in a formula", "$x_{i}$ in a formula"),
        ("[words]{.note} and {#fig-x}", "[words]{.note} and {#fig-x}"),
        ("No facts in 2021-22.", "No facts in 2021-22."),
    ],
)
def test_filling(text, filled):
    assert prose.fill(text, KNOWN) == filled


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{a.upp}", "did you mean 'a.up'"),
        ("{a.up:bounds}", "no form 'bounds'"),
        ("{two words}", "not the name of a fact"),
        ("{}", "not the name of a fact"),
        ("{effect.plans.event.-1:ci}", "has no lower and upper"),
        ("{a.up|rose}", "two words or three"),
    ],
)
def test_wrong_names_are_told(text, words):
    with pytest.raises(AssessError, match=words):
        prose.fill(text, KNOWN)


def test_each_number_can_be_wrapped():
    assert prose.fill("so {a.up}", KNOWN, lambda hole, text: f"<{hole.id}>{text}") == "so <a.up>3.2 percentage points"
    assert [h.id for h in prose.placeholders("{a.up} and {a.down:ci} but `{x}`")] == ["a.up", "a.down"]


def test_a_choice_of_no_words_is_not_wrapped():
    # A link with nothing in it would be read out as one.
    filled = prose.fill("known. {a.down|It rose.||}", KNOWN, lambda hole, text: f"<{hole.id}>{text}")
    assert filled == "known. "


def test_the_body_of_a_prose_cell():
    assert prose.body("%%prose\nWords.\n") == "Words."
    assert prose.body("\n%%prose \n\nWords.") == "Words."
    assert prose.body("%%prose2\nWords.") is None
    assert prose.body("x = 1") is None
