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


@pytest.mark.parametrize("mode", browser.MODES)
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(pages, chromium, name, mode):
    with browser.visit(chromium, pages[name], mode) as page:
        assert browser.breaches(page) == []


@pytest.mark.parametrize("name", ["report", "index"])
def test_axe_finds_nothing_in_the_whole_of_the_long_pages(pages, chromium, name):
    with browser.visit(chromium, pages[name]) as page:
        assert browser.breaches(page, whole=True) == []


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


def test_a_figure_with_colours_of_its_own_is_turned_dark_as_a_whole(pages, chromium):
    look = "one => [getComputedStyle(one).backgroundColor, getComputedStyle(one).filter]"
    for mode, turned in (("dark", "invert(0.92) hue-rotate(180deg)"), ("light", "none")):
        with browser.visit(chromium, pages["report"], mode) as page:
            figures = page.locator(".as-printed > svg").all()
            assert figures
            assert all(figure.evaluate(look) == ["rgb(255, 255, 255)", turned] for figure in figures)
            # A map's colours have names, so that it goes dark as other figures do.
            assert page.locator('.plot:not(.as-printed) [style*="--fig-nothing"]').count() > 100


def test_what_scrolls_sideways_says_so_and_keeps_readable_columns(pages, chromium):
    with browser.visit(chromium, pages["report"], width=390) as page:
        wide = page.locator(".scroll, .plot")
        said = wide.evaluate_all(
            "all => all.map(one => [one.scrollWidth > one.clientWidth, getComputedStyle(one, '::before').content])"
        )
        assert any(scrolls for scrolls, _ in said)
        assert all(("Scroll sideways" in content) == scrolls for scrolls, content in said)
        narrow = page.locator("th.long").evaluate_all("all => all.filter(one => one.clientWidth < 250).length")
        assert page.locator("th.long").count() > 3 and narrow == 0


# Keyboard

#: The name of every element that Tab should stop at, in the order of the page.
REACHABLE = """() => [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')].filter(
    one => one.tabIndex >= 0 && one.checkVisibility({visibilityProperty: true}) && !one.closest('dialog, svg')
).map((one, place) => (one.dataset.place = String(place), place)).length"""
HERE = "document.activeElement.dataset.place"
#: An element in focus is in sight and framed, and nothing lies over it.
SEEN = """() => { const one = document.activeElement, box = one.getClientRects()[0], look = getComputedStyle(one);
  const over = document.elementFromPoint(box.x + box.width / 2, box.y + Math.min(box.height / 2, 30));
  return [look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) >= 2,
          box.bottom > 0 && box.top < innerHeight, !over || one.contains(over) || over.contains(one)]; }"""


@pytest.mark.parametrize("name", ["changes", "index", "Kent"])
def test_the_tab_key_reaches_everything_in_order(pages, chromium, name):
    with browser.visit(chromium, pages[name], reduced_motion="reduce") as page:
        number = page.evaluate(REACHABLE)
        places = []
        for stop in range(number):
            page.keyboard.press("Tab")
            places.append(page.evaluate(HERE))
            if stop % 7 == 0:
                assert page.evaluate(SEEN) == [True, True, True], places[-1]
        assert places == [str(place) for place in range(number)]


def test_the_tab_key_reaches_everything_in_the_report(pages, chromium):
    """The report has thousands of stops: each is asked to take focus, and the first and last are walked to."""
    with browser.visit(chromium, pages["report"], reduced_motion="reduce") as page:
        number = page.evaluate(REACHABLE)
        assert number > 500
        for place in range(40):
            page.keyboard.press("Tab")
            assert page.evaluate(HERE) == str(place)
            assert page.evaluate(SEEN) == [True, True, True], place
        page.locator(f'[data-place="{number - 30}"]').focus()
        for place in range(number - 29, number):
            page.keyboard.press("Tab")
            assert page.evaluate(HERE) == str(place)
        refused = page.evaluate(
            """() => [...document.querySelectorAll('[data-place]')].filter(one => { one.focus({preventScroll: true});
                return document.activeElement !== one; }).map(one => one.outerHTML.slice(0, 100))"""
        )
        assert refused == []
        assert page.locator("[tabindex]").evaluate_all("all => all.filter(one => one.tabIndex > 0).length") == 0


@pytest.mark.parametrize("name", PAGES)
def test_the_first_stop_skips_to_the_matter(pages, chromium, name):
    with browser.visit(chromium, pages[name]) as page:
        page.keyboard.press("Tab")
        skip = page.locator(".skip")
        assert skip.evaluate("one => one === document.activeElement") and skip.bounding_box()["y"] >= 0
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("!!document.activeElement.closest('main')")


def test_numbers_tables_code_and_wide_tables_work_by_keyboard(pages, chromium):
    with browser.visit(chromium, pages["report"], width=640) as page:
        number = page.locator("a.fact").first
        number.focus()
        page.keyboard.press("Enter")
        assert page.locator("#fact-dialog").is_visible() and "Value" in page.locator("#fact-dialog").inner_text()
        page.keyboard.press("Escape")
        assert not page.locator("#fact-dialog").is_visible()
        assert number.evaluate("one => one === document.activeElement")
        term = page.locator("a.term").first
        term.focus()
        assert page.locator("#tip").is_visible()
        page.keyboard.press("Escape")
        assert not page.locator("#tip").is_visible()
        head = page.locator("table.sortable th").first
        head.locator("button").focus()
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == "ascending"
        code = page.locator("details.code").first
        code.locator("summary").focus()
        page.keyboard.press("Enter")
        assert code.locator("pre").is_visible()
        page.keyboard.press("Enter")
        assert not code.locator("pre").is_visible()
        wide = page.locator(".table .scroll[tabindex]").first
        wide.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("one => one.scrollLeft > 0", arg=wide.element_handle())


# Zoom, motion, print


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_lost_at_four_hundred_per_cent(pages, chromium, name):
    """1,280 pixels at 400% are 320: the page does not scroll sideways; what is wide scrolls within a stop of the Tab key."""
    with browser.visit(chromium, pages[name], width=320, device_scale_factor=1) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        lost = page.evaluate(
            """() => [...document.querySelectorAll('body *')].filter(one => one.checkVisibility() && !one.closest('.vh, .skip')).filter(one => {
                const box = one.getBoundingClientRect(), held = one.closest('.scroll, .plot, pre');
                if (!box.width || (box.right <= 320.5 && box.left >= -0.5)) return false;
                return !held || (held.tabIndex !== 0);
            }).map(one => one.outerHTML.slice(0, 120))"""
        )
        assert lost == []
        # A caption is in the window on its table, however wide the table.
        for caption in page.locator("caption").all()[:40]:
            if caption.is_visible():
                box = caption.bounding_box()
                assert box["x"] + box["width"] <= 320.5, caption.inner_text()


def test_words_of_figures_are_never_tiny(pages, chromium):
    for name in ("report", "index", "Kent"):
        for width in (320, 1280):
            with browser.visit(chromium, pages[name], width=width) as page:
                least = page.evaluate(
                    """() => Math.min(...[...document.querySelectorAll('.plot text, .map text')].filter(one => one.checkVisibility()).map(
                        one => parseFloat(getComputedStyle(one).fontSize) * Math.hypot(one.getScreenCTM().a, one.getScreenCTM().b)))"""
                )
                assert least >= (7 if width == 320 else 8), (name, width, least)


@pytest.mark.parametrize("name", PAGES)
def test_nothing_moves_for_those_who_asked(pages, chromium, name):
    moving = """() => [getComputedStyle(document.documentElement).scrollBehavior, [...document.querySelectorAll('body, body *')].some(
        one => getComputedStyle(one).animationName !== 'none' || getComputedStyle(one).transitionDuration !== '0s')]"""
    with browser.visit(chromium, pages[name], reduced_motion="reduce") as page:
        assert page.evaluate(moving) == ["auto", False]
        page.emulate_media(reduced_motion="no-preference")
        assert page.evaluate(moving)[0] == "smooth"


@pytest.mark.parametrize("name", PAGES)
def test_the_printed_page_is_not_shrunk_to_fit(pages, chromium, name):
    """What is wider than the paper makes the browser print everything smaller; A4 less its margins is 162 mm, 612 pixels."""
    with browser.visit(chromium, pages[name], width=612) as page:
        page.emulate_media(media="print")
        wide = page.evaluate(
            """() => [...document.querySelectorAll('main *')].filter(one => one.checkVisibility() && one.getBoundingClientRect().right > 613
                && !one.closest('svg, .vh, caption')).map(one => one.outerHTML.slice(0, 90))"""
        )
        assert wide == []
        crushed = page.evaluate(
            """() => [...document.querySelectorAll('main th, main td')].filter(one => one.checkVisibility() && one.clientWidth < 16
                && one.textContent.trim().length > 3).map(one => one.textContent)"""
        )
        assert crushed == []


# Structure


@pytest.mark.parametrize("name", PAGES)
def test_language_landmarks_and_tables(pages, chromium, name):
    with browser.visit(chromium, pages[name]) as page:
        assert page.locator("html").get_attribute("lang") == "en-GB"
        for landmark in ("banner", "navigation", "main", "contentinfo"):
            assert page.get_by_role(landmark).count() == 1, landmark
        assert page.locator("h1").count() == 1
        bare = page.evaluate(
            """() => [...document.querySelectorAll('table')].filter(one => !one.caption?.textContent.trim()
                || ![...one.tHead.rows[0].cells].every(cell => cell.scope === 'col')
                || ![...one.tBodies[0].rows].every(row => row.cells[0].scope === 'row')).map(one => one.outerHTML.slice(0, 100))"""
        )
        assert bare == []
