"""Executed notebooks as light web pages: where a number of the report leads, cell by cell; and the guides of docs/.

Figures are not copied: a page shows the one in `reports/figures`.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers.errors import AssessError
from helpers.manuscript import Asset

Assets = Mapping[str, Asset]  # "figure:chapter/name" -> what the chapter kept


def address(chapter: str, cell: int | None) -> str:
    """Where the page of a chapter's notebook is, seen from the report, at a cell if there is one."""
    return f"notebooks/{chapter}.html" + (f"#cell-{cell}" if cell else "")


def page(path: Path, chapter: str, title: str, assets: Assets) -> str:
    """The page of one executed notebook. Raises AssessError when the notebook cannot be read."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        body = "\n".join(_cell(cell, chapter, assets) for cell in notebook["cells"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AssessError(f"{path} is not a readable executed notebook: {error}.") from error
    return _whole(f"{title}: the notebook", f"notebooks/{chapter}.ipynb", body)


def document(path: Path) -> str:
    """The page of one Markdown file of docs/: links to the others lead to their pages, links above docs/ one folder further up."""
    text = path.read_text(encoding="utf-8")
    title = next((line[2:] for line in text.splitlines() if line.startswith("# ")), path.stem)
    body = re.sub(r'href="([\w-]+)\.md"', r'href="\1.html"', _markdown(text))
    return _whole(title, f"docs/{path.name}", body.replace('href="../', 'href="../../'))


def _whole(title: str, source: str, body: str) -> str:
    """A page around its body; `source` from the project's top folder."""
    return (
        '<!DOCTYPE html>\n<html lang="en-GB"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width, initial-scale=1"><title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>'
        f'<nav aria-label="Report"><a href="../assessment.html">Back to the report</a> '
        f'<a href="../../{source}">{Path(source).name}</a></nav><main>{body}</main></body></html>\n'
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "".join(value)


def _cell(cell: Mapping[str, Any], chapter: str, assets: Assets) -> str:
    source = _text(cell["source"])
    if cell["cell_type"] != "code":
        return _markdown(source)
    count = cell.get("execution_count")
    place = f' id="cell-{count}" aria-label="Cell {count}"' if count else ""
    number = f'<span class="count">{count}</span>' if count else ""
    code = f'<pre class="code" tabindex="0"><code>{html.escape(source)}</code></pre>' if source.strip() else ""
    shown = "".join(_output(output, chapter, assets) for output in cell.get("outputs", []))
    return f"<section{place}>{number}{code}{shown}</section>"


def _output(output: Mapping[str, Any], chapter: str, assets: Assets) -> str:
    if output["output_type"] == "stream":
        return f'<pre tabindex="0">{html.escape(_text(output["text"]))}</pre>'
    if output["output_type"] == "error":
        return f'<pre tabindex="0">{html.escape(output["ename"])}: {html.escape(output["evalue"])}</pre>'
    data = output.get("data", {})
    figure = output.get("metadata", {}).get("assess", {}).get("figure")
    asset = assets.get(f"figure:{chapter}/{figure}")
    if asset is not None:
        alt = html.escape(asset.meta["alt"])
        title = html.escape(asset.meta["title"])
        return (
            f'<figure><figcaption>{title}</figcaption><img src="../figures/{chapter}-{figure}.svg" alt="{alt}" '
            'loading="lazy"></figure>'
        )
    if "text/markdown" in data:
        return _markdown(_text(data["text/markdown"]))
    return f'<pre tabindex="0">{html.escape(_text(data.get("text/plain", "")))}</pre>' if data else ""


def _markdown(text: str) -> str:
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    # [](#fig-name) and [@key] are for the report; here the name is enough.
    made = re.sub(r'<a href="#(?:fig|tab)-([^"]+)"></a>', r"<code>\1</code>", made)
    scroll = '<div class="scroll" role="region" aria-label="Table" tabindex="0"><table>'
    return made.replace("<table>", scroll).replace("</table>", "</table></div>")


_STYLE = """
:root { color-scheme: light dark; --ink: #1d2730; --muted: #515b64; --paper: #fff; --wash: #f3f5f7; --link: #12508a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaee; --muted: #aeb8c1; --paper: #14191e; --wash: #1e252c; --link: #8fc3f2; }
  img { background: #fff; }
}
body { font: 1.05rem/1.6 Georgia, serif; color: var(--ink); background: var(--paper); margin: 0; }
main, nav { max-width: 54rem; margin: 0 auto; padding: 1rem 1.2rem; }
nav { font: .9rem Arial, sans-serif; display: flex; gap: 1.5rem; }
a { color: var(--link); }
h1, h2, h3, figcaption { font-family: "Helvetica Neue", Arial, sans-serif; line-height: 1.25; }
section { margin: 1.2rem 0; padding-left: 2.6rem; position: relative; scroll-margin-top: 1rem; }
section:target { outline: 3px solid var(--link); outline-offset: .4rem; }
.count { position: absolute; left: 0; top: .55rem; font: .8rem ui-monospace, monospace; color: var(--muted); }
pre { background: var(--wash); padding: .7rem .9rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; font: .82rem/1.45 ui-monospace, monospace; }
code { font-family: ui-monospace, monospace; font-size: .85em; overflow-wrap: anywhere; } pre code { font-size: 1em; }
figure { margin: 1rem 0; } figcaption { font-weight: 600; } img { width: 100%; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font: .85rem Arial, sans-serif; }
td, th { padding: .25rem .6rem; border-bottom: 1px solid #9aa4ad; text-align: left; }
""".strip()
