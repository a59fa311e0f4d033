"""Everybody can read and use the pages: the real report, the page of changes, the list of councils and three profiles,
in a real browser, by WCAG 2.2 AA."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

import browser
from helpers import changes, council_index, councils, profile
from test_profile import SECTIONS

pytestmark = pytest.mark.browser

PROFILES = ("Kent", "Leeds", "City of London")  # an agreement with much found; none; next to no figures
PAGES = ("report", "changes", "stopped", "index", *PROFILES)


def _changed(old: Path, folder: Path) -> Path:
    """A page of changes between the report and one a little different in every part."""
    new = folder / "new"
    shutil.copytree(old, new, ignore=shutil.ignore_patterns("councils", "*.pdf", "*.docx"))
    facts = json.loads((new / "facts.json").read_text())
    for place, fact in enumerate([f for f in facts.values() if isinstance(f["value"], float)][::40]):
        fact["value"] *= -1 if place % 5 == 0 else 1.1
        fact["display"] = f"about {fact['display']}"
    (new / "facts.json").write_text(json.dumps(facts))
    claims = (new / "claims.csv").read_text()
    (new / "claims.csv").write_text(claims.replace("cannot tell", "supported", 2).replace("weak", "strong", 9))
    effects = (new / "effects.csv").read_text()
    (new / "effects.csv").write_text(effects.replace(",0.", ",0.9", 40))
    for data in sorted((new / "figures").glob("*.csv"))[:2]:
        data.write_text(data.read_text() + "\n")
    text = (new / "assessment.html").read_text()
    (new / "assessment.html").write_text(text.replace("Safety Valve agreements with", "Safety Valve deals with"))
    changes.compare(old, new, folder)
    return folder / "changes.html"


@pytest.fixture(scope="module")
def pages(built, tmp_path_factory):
    """Every kind of page, by name."""
    folder = tmp_path_factory.mktemp("pages")
    found = {"report": built / "reports" / "assessment.html", "changes": _changed(built / "reports", folder)}
    sources = [{"source": "requests", "outcome": "new", "via": "the API", "reason": "a release", "notes": ["Revised."]}]
    changes.held(["Half of the councils are gone."], [], sources, folder / "held")
    found["stopped"] = folder / "held" / "changes.html"
    shelf = folder / "councils"
    shelf.mkdir()
    for council in councils.listed():
        (shelf / f"{profile.slug(council.la_name)}.html").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, profile.FOLDER, str(shelf))
        for name in PROFILES:
            one = profile.start(name)
            for section in SECTIONS:
                getattr(one, section)()
            found[name] = one.finish()
    found["index"] = council_index.write(shelf)
    return found


# axe-core

#: In other modes than the first only colours differ, and rows alike have the same colours.
ALIKE = ("tbody tr:nth-child(n+5)", ".fact-entry:nth-child(n+5)")


@pytest.mark.parametrize("mode", browser.MODES)
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(pages, chromium, name, mode):
    with browser.visit(chromium, pages[name], mode) as page:
        assert browser.breaches(page, ALIKE if mode != "light" else ()) == []


def test_axe_finds_what_is_broken(pages, chromium):
    with browser.visit(chromium, pages["Kent"]) as page:
        page.evaluate("document.documentElement.removeAttribute('lang')")
        page.evaluate("document.querySelector('.plot svg').removeAttribute('aria-labelledby')")
        page.evaluate("document.querySelectorAll('.plot svg title').forEach(title => title.remove())")
        page.add_style_tag(content=".key, main p { color: #999 } nav.contents a { padding: 0; line-height: 10px }")
        rules = {line.split(":")[0] for line in browser.breaches(page)}
        assert {"html-has-lang", "svg-img-alt", "color-contrast", "target-size"} <= rules


# Colours


@pytest.mark.parametrize("mode", browser.MODES)
@pytest.mark.parametrize("name", PAGES)
def test_words_stand_out_on_pages_and_in_figures(pages, chromium, name, mode):
    with browser.visit(chromium, pages[name], mode) as page:
        assert browser.faint(page) == []


def test_faint_words_are_noticed(pages, chromium):
    with browser.visit(chromium, pages["Kent"], "dark") as page:
        page.add_style_tag(content=":root { --fig-muted: #56616b !important; }")
        assert browser.faint(page)


@pytest.mark.parametrize("mode", [*browser.MODES, "print"])
def test_lines_and_marks_stand_out(pages, chromium, mode):
    """Each colour of figures against their paper: 3 to 1, as WCAG asks of graphics."""
    with browser.visit(chromium, pages["report"], "dark" if mode == "print" else mode) as page:
        page.emulate_media(media="print" if mode == "print" else "screen")
        names = [
            "ink",
            "muted",
            "rule",
            "blue",
            "orange",
            "grey",
            "teal",
            "plum",
            "cohort-1",
            "cohort-2",
            "cohort-3",
            "cohort-4",
        ]
        colours = page.evaluate(
            """names => { const probe = document.createElement('div'), fall = {
              'blue': '#12436d', 'orange': '#c4500a', 'grey': '#949494', 'teal': '#1f8a80', 'plum': '#801650',
              'cohort-1': '#3b1a5a', 'cohort-2': '#12608c', 'cohort-3': '#28a197', 'cohort-4': '#a38a00'};
              probe.style.forcedColorAdjust = 'none'; document.body.append(probe);
              const say = name => { probe.style.color = `var(--fig-${name}, ${fall[name] || 'red'})`; return getComputedStyle(probe).color; };
              return Object.fromEntries([...names, 'paper'].map(name => [name, say(name)])); }""",
            names,
        )
        paper = _light(colours.pop("paper"))
        for name, colour in colours.items():
            low, high = sorted((paper, _light(colour)))
            assert (high + 0.05) / (low + 0.05) >= 3, (name, colour)


def _light(colour: str) -> float:
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
