"""The page in a real browser: numbers open, tables sort, terms explain themselves, by keyboard alone."""

import pytest

import browser
import report_project
from helpers import report

pytestmark = pytest.mark.browser

NUMBER = 'a.fact[href="#fact-effect.requests.att"]'


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = report_project.make(tmp_path_factory.mktemp("browser"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSESS_ROOT", str(root))
        report_project.run(root)
        return report.publish(root / "data/processed/chapters", root / "reports")


@pytest.fixture
def page(made, chromium):
    with browser.visit(chromium, made) as opened:
        yield opened


def test_a_number_opens_its_fact_and_escape_goes_back_to_it(page):
    page.locator(NUMBER).first.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("#fact-dialog")
    words = dialog.inner_text()
    assert "effect.requests.att" in words and "−5.0 to −1.5 percentage points" in words and "02_programme" in words
    assert "#" not in page.url
    for _ in range(8):  # the page behind cannot be reached while it is open
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#fact-effect.requests.att"
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Close").press("Enter")
    assert not dialog.is_visible()


def test_a_number_is_a_plain_link_without_scripts(made, chromium):
    with browser.visit(chromium, made, java_script_enabled=False) as page:
        page.locator(NUMBER).first.click()
        assert page.url.endswith("#fact-effect.requests.att")


def test_a_term_is_explained_on_focus_and_put_away_by_escape(page):
    term, tip = page.locator('a.term[href="#term-dsg"]').first, page.locator("#tip")
    term.focus()
    assert "ring-fenced grant" in tip.inner_text() and term.get_attribute("aria-describedby") == "tip"
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    page.mouse.move(0, 0)
    term.hover()
    tip.hover()  # the pointer may rest on it
    page.wait_for_timeout(400)
    assert tip.is_visible()
    page.mouse.move(0, 0)
    tip.wait_for(state="hidden")


def test_a_column_sorts_by_value_and_missing_stays_last(page):
    head = page.locator("#tab-02-programme-councils thead th").nth(1)
    cells = page.locator("#tab-02-programme-councils tbody tr td:nth-child(2)")
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert [text[:2] for text in cells.all_inner_texts()] == ["−£", "£3", "£2", "–"]
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") == "descending"
    assert [text[:2] for text in cells.all_inner_texts()] == ["£2", "£3", "−£", "–"]


def test_the_contents_mark_where_the_reader_is(page):
    assert page.locator("nav.contents [aria-current]").count() == 0
    page.locator("#conclusions").scroll_into_view_if_needed()
    page.evaluate("document.querySelector('#conclusions').scrollIntoView()")
    page.wait_for_function("document.querySelector('nav.contents [aria-current]')?.hash === '#conclusions'")
    page.set_viewport_size({"width": 400, "height": 800})
    page.reload()
    assert page.locator("nav.contents details").get_attribute("open") is None


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_axe_finds_nothing(made, chromium, mode):
    with browser.visit(chromium, made, mode) as page:
        assert browser.breaches(page) == []
