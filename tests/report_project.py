"""A small project of three chapters, run for real, from which the tests make reports."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

SPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}

CHAPTERS = """
- {name: 01_sources, title: Data and quality, reads: [], after: []}
- {name: 02_programme, title: The programme, number: 2, reads: [], after: [01_sources]}
- {name: 03_finances, title: Finances, number: 3, reads: [], after: [01_sources]}
- {name: 10_assessment, title: Assessment, reads: [], after: [01_sources, 02_programme]}
"""

SOURCES = [
    "# Data",
    ("first_year = 2019", "parameters"),
    'from helpers import chapter\nbook = chapter.start("01_sources")\nbook.fact("data.rows", 154489, "count", '
    'sources="requests")',
    "## What the data are",
    "%%prose\nThere are {data.rows} rows about EHC plans.",
    'import pandas as pd\nframe = pd.DataFrame({"Year": [2019, 2020], "Requests": [1234.0, '
    'None]})\nbook.table(frame, "totals", title="Requests in {data.rows} rows", sources="requests", note="A '
    'dash is missing.")',
    "book.finish()",
]
PROGRAMME = [
    "# The programme",
    ("first_year = 2019", "parameters"),
    'from helpers import chapter, figures\nbook = chapter.start("02_programme")',
    "## Effects & *signs*",
    (
        'book.fact("effect.requests.att", -3.24, "pp", lower=-5.0, upper=-1.5, p=0.004, n=38, years=(2019, '
        '2024), sources=["requests"])\nbook.fact("a.zero", 1.0, "pp", lower=-1, upper=3)',
        "hide",
    ),
    "%%prose\nRequests {effect.requests.att|rose|fell} by {effect.requests.att:abs} ({effect.requests.att:ci}; "
    "{effect.requests.att:p}), of {data.rows} [@nao_2024]; see [](#fig-lines) and [](#tab-councils).[^1] DfE "
    "promised {policy.kent.total}.\n\n[^1]: A note with {data.rows} in it.",
    'import pandas as pd\nlong = pd.DataFrame({"year": [2019, 2020] * 2, "group": ["safety_valve"] * 2 + '
    '["neither"] * 2, "value": [1.0, 2.0, 1.5, 1.8]})',
    'book.show(figures.lines(long, unit="%"), "lines", title="Requests fell by {effect.requests.att:abs} <&>", '
    'subtitle="Per cent, 2019 to 2020", alt="Two lines; \\"Safety Valve\\" ends higher.", data=long, '
    'sources="requests")',
    'table = pd.DataFrame({"Council": ["Kent", "Bury | x", "City of *London*", "Devon"], "Deficit": [-1.25, '
    '22.0, None, 3.0], "Verdict": ["supported", "cannot tell", "contradicted", "no effect found"], "Source": '
    '["https://www.kent.gov.uk/a_b?c=1#d", "", "https://example.org", "-"]})\nbook.table(table, "councils", '
    'title="Four councils", units={"Deficit": "gbp_m"})',
    ("## Technical detail", "annex"),
    ("%%prose\nThe test was not rejected ({effect.requests.att:p}).", "annex"),
    'effects = pd.DataFrame([dict(outcome="requests", estimator="cs", controls="never", event_time="overall", '
    "estimate=-3.24, std_error=1.0, lower=-5, upper=-1.5, p_value=0.004, n_treated=38, n_control=100, "
    "first_year=2019, last_year=2024)])\nbook.effects(effects)",
    "book.finish()",
]
ASSESSMENT = [
    "# Assessment",
    ("first_year = 2019", "parameters"),
    'from helpers import chapter\nbook = chapter.start("10_assessment")',
    ("%%prose\n::: key\nRequests fell by {effect.requests.att:abs}.\n:::", "summary"),
    ("%%prose\nIn 2021 the first agreements were signed. Councils keep a dedicated schools grant.", "introduction"),
    ("## Conclusions", "conclusions"),
    "%%prose\nThe fall of {effect.requests.att:abs} is shown in [](#fig-lines).",
    "book.finish()",
]
POLICY = 'id,value,unit,display,text,source_url\npolicy.kent.total,142000000,gbp,,"Kent\'s total",https://www.kent.gov.uk/agreement\n'
BIB = (
    "@report{nao_2024, author = {{National Audit Office}}, title = {Support}, institution = {NAO}, year = "
    "{2024}, url = {https://nao.org.uk/a}}\n"
)
PACKAGE = {
    "resources": [
        {
            "name": "requests",
            "title": "Requests",
            "publisher": "Department for Education",
            "publication_title": "Education, health and care plans",
            "landing_page": "https://example.org/ehc",
            "published": "2025-06-26",
        }
    ]
}


def notebook(path: Path, cells: list[Any]) -> None:
    """Write a notebook of texts and (text, tag, ...) tuples."""
    made = []
    for position, one in enumerate(cells):
        source, *tags = (one,) if isinstance(one, str) else one
        kind = "markdown" if source.startswith(("# ", "## ")) else "code"
        cell: dict[str, Any] = {
            "id": f"c{position}",
            "cell_type": kind,
            "metadata": {"tags": tags} if tags else {},
            "source": source,
        }
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        made.append(cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({"cells": made, "metadata": {"kernelspec": SPEC}, "nbformat": 4, "nbformat_minor": 5}),
        encoding="utf-8",
    )


def make(root: Path) -> Path:
    """Write the project's files; nothing is run."""
    for path, text in {
        "pyproject.toml": '[project]\nname = "safety-valve-assessment"\n',
        "notebooks/chapters.yaml": CHAPTERS,
        "data/raw/councils/policy_figures.csv": POLICY,
        "data/raw/datapackage.json": json.dumps(PACKAGE),
        "docs/references.bib": BIB,
        "docs/guide.md": "# How to add\n\nSee [the parts](architecture.md).\n",
        "docs/architecture.md": "# The parts\n\n| part | does |\n|---|---|\n| one | this |\n",
        "docs/assumptions.yaml": "- {id: A-01, text: That it holds., affects: all, quality: good}\n",
        "docs/caveats.yaml": "- {id: C-01, text: It may not., affects: all, quality: fair}\n",
        "docs/qa_plan.yaml": "- {id: Q-01, text: Checked., affects: all, quality: each build}\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    for name, cells in (("01_sources", SOURCES), ("02_programme", PROGRAMME), ("10_assessment", ASSESSMENT)):
        notebook(root / "notebooks" / f"{name}.ipynb", cells)
    return root


def run(root: Path, *names: str) -> Path:
    """Execute chapters in order, as the build does, and leave each executed notebook beside its facts; gives the
    chapters' folder."""
    import nbformat
    from nbclient import NotebookClient

    folder = root / "data" / "processed" / "chapters"
    environment = {**os.environ, "ASSESS_ROOT": str(root)}
    environment.pop("ASSESS_VARIANT", None)
    for name in names or ("01_sources", "02_programme", "10_assessment"):
        made = nbformat.read(root / "notebooks" / f"{name}.ipynb", 4)
        NotebookClient(made, kernel_name="python3").execute(env=environment, cwd=str(root))
        nbformat.write(made, folder / name / "notebook.ipynb")
    return folder
