"""The list of councils in a real browser: search, filters, sorting and the map's shading each do what they say."""

from __future__ import annotations

import pytest

import browser
from helpers import council_index, councils, panel, peers, profile

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("councils")
    for council in councils.listed():
        (folder / f"{profile.slug(council.la_name)}.html").write_text("<title>A profile</title>")
    return council_index.write(folder)


@pytest.fixture
def page(index, chromium):
    with browser.visit(chromium, index) as opened:
        yield opened


def shown(page):
    """Names in the table, in order, of the councils that are not left out."""
    return page.locator("#all tbody tr:visible th").all_inner_texts()


def pale(page):
    """Codes of councils that the map shows pale."""
    return set(page.locator("#map-svg path.pale").evaluate_all("all => all.map(one => one.dataset.code)"))


def test_every_council_is_listed_and_leads_to_its_page(page, index):
    assert len(shown(page)) == len(councils.listed()) == 153
    links = page.locator("#all tbody a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert all((index.parent / link).is_file() for link in links) and len(set(links)) == 153


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("kent", ["Kent"]),
        ("E10000016", ["Kent"]),
        ("886", ["Kent"]),
        ("isle w", ["Isle of Wight"]),
        ("  KENT ", ["Kent"]),
        ("zzz", []),
    ],
)
def test_search_finds_names_and_codes(page, typed, names):
    page.get_by_label("Name or code").press_sequentially(typed)
    assert shown(page) == names
    words = {0: "No council fits", 1: "1 council"}[len(names)]
    assert page.get_by_role("status").inner_text() == words
    assert len(pale(page)) == 153 - len(names)


def test_filters_join_and_clear_undoes_them(page):
    table = panel.councils()
    page.get_by_label("Region").select_option("London")
    london = table[table["region_name"] == "London"]
    assert len(shown(page)) == len(london) == 33
    page.get_by_label("Programme").select_option("safety_valve")
    both = london[london["group"] == "safety_valve"]
    assert len(shown(page)) == len(both) > 0
    assert pale(page) == set(table["la_code"]) - set(both["la_code"])
    page.get_by_label("Programme").select_option("dbv")
    assert len(shown(page)) == (london["group"] == "dbv").sum()
    page.get_by_role("button", name="Clear").press("Enter")
    page.wait_for_function("document.getElementById('found').textContent === '153 councils'")
    assert len(shown(page)) == 153 and not pale(page)


def test_columns_sort_by_value_with_blanks_last_and_keep_the_filter(page):
    held = peers.pictures()["refusal_to_assess"].now
    region = next(c.region_name for c in councils.listed() if c.la_code not in held)
    page.get_by_label("Region").select_option(region)
    here = {c.la_name: held.get(c.la_code) for c in councils.listed() if c.region_name == region}
    known = sorted(value for value in here.values() if value is not None)
    head = page.locator("#all thead th").nth(4 + council_index.COLUMNS.index("refusal_to_assess"))
    for side, wanted in (("ascending", known), ("descending", known[::-1])):
        head.get_by_role("button").press("Enter")
        assert head.get_attribute("aria-sort") == side
        place = head.evaluate("one => one.cellIndex")
        cells = page.locator(f"#all tbody tr:visible td:nth-child({place + 1})")
        values = cells.evaluate_all("all => all.map(one => one.dataset.value)")
        assert [float(v) for v in values if v is not None] == pytest.approx(wanted, rel=1e-4)
        blanks = len(here) - len(known)
        assert values[len(known) :] == [None] * blanks and blanks > 0
    page.locator("#all thead th").first.get_by_role("button").press("Enter")
    assert shown(page) == sorted(shown(page), key=str.casefold) and len(shown(page)) == len(here)
    assert page.locator("#all [aria-sort]").count() == 1


def test_the_map_is_shaded_by_what_is_chosen(page):
    fill = "all => all.map(one => getComputedStyle(one).fill)"
    kent = page.locator('#map-svg path[data-code="E10000016"]')
    seen = set()
    for option in page.locator("#shade option").all():
        value = option.get_attribute("value")
        page.get_by_label("Shade by").select_option(value)
        (key,) = page.locator(".map-key:visible").all()
        assert key.get_attribute("data-for") == value
        keys = set(key.locator("path").evaluate_all(fill))
        drawn = set(page.locator("#map-svg path").evaluate_all(fill))
        assert drawn <= keys and len(drawn) >= 4
        seen.add((value, *kent.evaluate_all(fill)))
    assert len(seen) == len(council_index.COLUMNS) + 2
    # Kent's share refused is among the highest fifth: the darkest shade, and not the colour of its round.
    page.get_by_label("Shade by").select_option(f"m{council_index.COLUMNS.index('refusal_to_assess')}")
    assert kent.evaluate_all(fill) == ["rgb(14, 53, 87)"]


def test_a_council_on_the_map_leads_to_its_page(page):
    page.locator('#map-svg path[data-code="E10000016"]').click()
    page.wait_for_url("**/kent.html")


def test_without_scripts_the_whole_list_is_there(index, chromium):
    with browser.visit(chromium, index, java_script_enabled=False) as page:
        assert len(shown(page)) == 153
