"""Pages in headless Chromium: how the browser tests open them, and what they ask of every page.

A test takes the fixture `chromium`, which skips, and says so, where there is no browser.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
PROGRAM = next((place for name in NAMES if (place := shutil.which(name))), None)
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
MODES: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "forced light": {"color_scheme": "light", "forced_colors": "active"},
    "forced dark": {"color_scheme": "dark", "forced_colors": "active"},
}
#: What is drawn inside figures: to axe a figure is one picture with a name; `faint` sees to its words.
DRAWN = ".plot svg > :not(title, desc), .map svg > *"
#: Rows and entries like those before them.
ALIKE = "tbody tr:nth-child(n+5), .fact-entry:nth-child(n+5)"

_FAINT = """
() => {
  const rgba = text => { const n = text.match(/[\\d.]+/g).map(Number); return [n[0], n[1], n[2], n.length > 3 ? n[3] : 1]; };
  const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const light = c => [0.2126, 0.7152, 0.0722].reduce((sum, part, i) => {
    const s = c[i] / 255; return sum + part * (s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4); }, 0);
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const papers = new Map();
  const paper = element => {  // the colour behind an element of the page
    if (!element) return [255, 255, 255, 1];
    if (!papers.has(element)) {
      const own = rgba(getComputedStyle(element).backgroundColor);
      papers.set(element, own[3] === 1 ? own : over(own, paper(element.parentElement)));
    }
    return papers.get(element);
  };
  const behind = text => {  // the colour behind words of a drawing: the last shape drawn under their middle, or the page
    const svg = text.ownerSVGElement, box = text.getBoundingClientRect();
    const x = box.x + box.width / 2, y = box.y + box.height / 2;
    const shapes = [...svg.querySelectorAll('path, rect, circle')].filter(shape =>
      shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING && !shape.closest('defs, clipPath')).reverse();
    for (const shape of shapes) {
      const at = shape.getBoundingClientRect(), look = getComputedStyle(shape);
      if (look.fill === 'none' || x < at.left || x > at.right || y < at.top || y > at.bottom) continue;
      const point = new DOMPoint(x, y).matrixTransform(shape.getScreenCTM().inverse());
      if (!shape.isPointInFill(point)) continue;
      const fill = rgba(look.fill); fill[3] *= Number(look.fillOpacity) * Number(look.opacity);
      return over(fill, paper(svg));
    }
    return paper(svg);
  };
  const found = [];
  let seen = 0;
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const element = words.currentNode.parentElement, text = words.currentNode.textContent.trim();
    if (!text || element.closest('script, style, title, desc, .vh, option') || !element.checkVisibility({visibilityProperty: true})) continue;
    const drawn = element.closest('svg'), look = getComputedStyle(element);
    const under = drawn ? behind(element.closest('text')) : paper(element);
    const ink = over(rgba(drawn ? look.fill : look.color), under);
    const size = parseFloat(look.fontSize) * (drawn ? element.getScreenCTM().a : 1);
    const large = size >= 24 || (size >= 18.66 && Number(look.fontWeight) >= 700);
    const contrast = ratio(ink, under);
    seen += 1;
    if (contrast < (large ? 3 : 4.5)) found.push(`${text.slice(0, 40)}: ${contrast.toFixed(2)} (${ink.slice(0, 3).map(Math.round)} on ${under.slice(0, 3).map(Math.round)})`);
  }
  return [seen, found];
}
"""


@cache
def _axe() -> str:
    (package,) = importlib.util.find_spec("axe_playwright_python").submodule_search_locations  # type: ignore[union-attr]
    return (Path(package) / "axe.min.js").read_text(encoding="utf-8")


@contextmanager
def visit(chromium: Browser, path: Path, mode: str = "light", width: int = 1280, **options: Any) -> Iterator[Page]:
    """A tab with a page from disk, in one of MODES; `options` as of Playwright's `new_context`."""
    context = chromium.new_context(viewport={"width": width, "height": 800}, **MODES[mode], **options)
    page = context.new_page()
    try:
        page.goto(path.as_uri())
        yield page
    finally:
        context.close()


def breaches(page: Page, whole: bool = False) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA and its best practice, as "rule: element".

    Looking at colours takes axe longest, so rows like those before them are left out first; with `whole` nothing is
    left out, and axe does not look at colours. The page is not what it was afterwards.
    """
    page.evaluate(
        "drop => document.querySelectorAll(drop).forEach(one => one.remove())", DRAWN if whole else f"{DRAWN}, {ALIKE}"
    )
    page.evaluate(_axe())
    found: tuple[int, list[str]] = page.evaluate(
        """([tags, colours]) => axe.run({runOnly: tags, rules: {'color-contrast': {enabled: colours}}, resultTypes: ['violations']}).then(
            told => [told.passes.length, told.violations.flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 160)}`))])""",
        [STANDARDS, not whole],
    )
    assert found[0] > 15, "axe looked at next to nothing"
    return found[1]


def faint(page: Page) -> list[str]:
    """Words, of the page and of its drawings, with less contrast than WCAG AA asks: 4.5 to 1, 3 to 1 when large."""
    seen, found = page.evaluate(_FAINT)
    assert seen > 50, "next to no words were seen"
    return list(found)
