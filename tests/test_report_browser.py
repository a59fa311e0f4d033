"""The page in a real browser: numbers open, tables sort, terms explain themselves, narrow screens lose nothing."""

import html
import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import report_project
from helpers import report

BROWSER = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)
AXE = importlib.util.find_spec("axe_core_python")

pytestmark = [pytest.mark.browser, pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    root = report_project.make(tmp_path_factory.mktemp("browser"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSESS_ROOT", str(root))
        report_project.run(root)
        return report.publish(root / "data/processed/chapters", root / "reports")


def ask(page, script, *options, folder):
    """What a script finds in the page: it calls `tell(value)`."""
    text = page.read_text()
    end = text.rindex("</body>")
    tail = (
        "<script>function tell(v){var p=document.createElement('pre');p.id='told';p.textContent=JSON.stringify(v);"
        f"document.body.append(p);}}{script}</script>"
    )
    copy = folder / "page.html"
    copy.write_text(text[:end] + tail + text[end:])
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += [
        f"--user-data-dir={folder / 'profile'}",
        "--virtual-time-budget=20000",
        *options,
        "--dump-dom",
        copy.as_uri(),
    ]
    out = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False).stdout
    told = re.search(r'<pre id="told">(.*?)</pre>', out, flags=re.DOTALL)
    assert told, out[-400:]
    return json.loads(html.unescape(told[1]))


def test_a_number_opens_its_fact(page, tmp_path):
    script = """
    var link = Array.from(document.querySelectorAll('a.fact')).find(a => a.hash.includes('effect.requests.att'));
    link.click(); var d = document.getElementById('fact-dialog');
    tell([d.open, d.innerText, location.hash]);"""
    opened, words, where = ask(page, script, folder=tmp_path)
    assert opened and where == ""
    assert "effect.requests.att" in words and "−5.0 to −1.5 percentage points" in words and "02_programme" in words


def test_a_term_is_explained_on_focus_and_put_away_by_escape(page, tmp_path):
    script = """
    var term = document.querySelector('a.term[href="#term-dsg"]'), tip = document.getElementById('tip');
    term.dispatchEvent(new FocusEvent('focusin', {bubbles: true}));
    var shown = [tip.hidden, tip.textContent, term.getAttribute('aria-describedby')];
    document.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape', bubbles: true}));
    tell([...shown, tip.hidden]);"""
    hidden, words, described, after = ask(page, script, folder=tmp_path)
    assert not hidden and "ring-fenced grant" in words and described == "tip" and after


def test_a_column_sorts_by_value_and_missing_stays_last(page, tmp_path):
    script = """
    var table = document.querySelector('#tab-02-programme-councils table'), head = table.tHead.rows[0].cells[1];
    var order = () => Array.from(table.tBodies[0].rows).map(r => r.cells[1].textContent);
    head.querySelector('button').click(); var up = [head.getAttribute('aria-sort'), order()];
    head.querySelector('button').click(); tell([...up, head.getAttribute('aria-sort'), order()]);"""
    first, up, second, down = ask(page, script, folder=tmp_path)
    assert first == "ascending" and [t[:2] for t in up] == ["−£", "£3", "£2", "–"]
    assert second == "descending" and [t[:2] for t in down] == ["£2", "£3", "−£", "–"]


def test_a_narrow_screen_does_not_scroll_sideways(page, tmp_path):
    frame = tmp_path / "frame.html"
    frame.write_text("<body></body>")
    script = """
    var f = document.createElement('iframe'); f.style.width = '320px'; f.srcdoc = document.documentElement.outerHTML
      .replace(/<script>[^]*?<\\/script>/g, ''); f.onload = () => tell(f.contentDocument.documentElement.scrollWidth);
    document.body.append(f);"""
    assert ask(page, script, folder=tmp_path) <= 320


@pytest.mark.skipif(AXE is None, reason="axe-core is not installed")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page, tmp_path, scheme):
    source = (
        next(Path(AXE.submodule_search_locations[0]).rglob("axe*.js")).read_text().replace("</script", "<\\/script")
    )
    tags = '["wcag2a","wcag2aa","wcag21a","wcag21aa","wcag22aa","best-practice"]'
    script = (
        f"{source}</script><script>axe.run(document, {{runOnly: {tags}}}).then(r => tell([r.passes.length, "
        "r.violations.map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 150)).join(' | '))]));"
    )
    option = "--blink-settings=preferredColorScheme=" + ("0" if scheme == "dark" else "1")
    passes, violations = ask(page, script, option, folder=tmp_path)
    assert passes > 15 and violations == []
