"""A very small project for the tests of the update: one table, a build of one second, and the stand-in publishers."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import yaml

from helpers.errors import AssessError

HEADER = ["time_period", "la_code", "la_name", "requests", "refused"]
SCHEMA = {
    "fields": [
        {"name": "time_period", "type": "string"},
        {"name": "la_code", "type": "string"},
        {"name": "la_name", "type": "string"},
        {"name": "requests", "type": "integer"},
        {"name": "refused", "type": "integer"},
    ],
    "primaryKey": ["time_period", "la_code"],
}
COUNCILS = [f"E{8_000_000 + number:08d}" for number in range(30)]


def rows(
    first: int = 2019, last: int = 2024, scale: float = 1.0, revise: dict[tuple[int, int], int] | None = None
) -> list[list[str]]:
    """Thirty councils, some years: every number follows from its year and council."""
    found = []
    for year in range(first, last + 1):
        for number, code in enumerate(COUNCILS):
            value = (revise or {}).get((year, number), 200 + 20 * (year - 2019) + 5 * number)
            found.append([str(year), code, f"Council {number}", str(int(value * scale)), str(int(value * scale) // 4)])
    return found


def text(table: list[list[str]], header: list[str] | None = None) -> str:
    """A table as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header or HEADER)
    writer.writerows(table)
    return out.getvalue()


def archive(table: list[list[str]] | str) -> bytes:
    """A release's zip, as the content API gives it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        entry = zipfile.ZipInfo("data/requests.csv", (2026, 6, 25, 9, 30, 0))
        packed.writestr(entry, table if isinstance(table, str) else text(table))
        packed.writestr(zipfile.ZipInfo("data-guidance/data-guidance.txt", (2026, 6, 25, 9, 30, 0)), "Guidance")
    return out.getvalue()


def extract(given: list[Path], raw: Path, about: dict[str, dict[str, str]]) -> None:
    """A small extraction that knows one layout."""
    for path in given:
        body = path.read_bytes()
        if body.startswith(b"PK"):
            with zipfile.ZipFile(path) as packed:
                body = packed.read("data/requests.csv")
        table = list(csv.reader(io.StringIO(body.decode("utf-8-sig"))))
        if table[0] != HEADER:
            raise AssessError(f"{path.name}: columns {table[0]}, expected {HEADER}.")
        stock(raw, table[1:], (about.get(path.name) or {}).get("release", "by hand"))


def stock(raw: Path, table: list[list[str]], release: str) -> None:
    """Put a table and its catalogue into a folder of raw data."""
    place = raw / "dfe" / "ehc_requests.csv"
    place.parent.mkdir(parents=True, exist_ok=True)
    body = text(table)
    place.write_text(body, encoding="utf-8")
    entry = {
        "name": "ehc_requests",
        "path": "dfe/ehc_requests.csv",
        "title": "Requests",
        "release": release,
        "rows": len(table),
        "hash": hashlib.sha256(body.encode()).hexdigest(),
        "schema": SCHEMA,
    }
    (raw / "datapackage.json").write_text(json.dumps({"name": "test", "resources": [entry]}), encoding="utf-8")


def build(root: Path) -> None:
    """A build in miniature: one fact, one effect, one claim, one sentence."""
    with (root / "data" / "raw" / "dfe" / "ehc_requests.csv").open(encoding="utf-8") as handle:
        table = list(csv.DictReader(handle))
    last = max(row["time_period"] for row in table)
    total = sum(int(row["requests"]) for row in table if row["time_period"] == last)
    reports = root / "reports"
    (reports / "figures").mkdir(parents=True, exist_ok=True)
    fact = {"value": total, "unit": "requests", "display": f"{total:,}", "lower": None, "upper": None, "p": None}
    (reports / "facts.json").write_text(json.dumps({"national.requests.latest": fact}), encoding="utf-8")
    (reports / "effects.csv").write_text(
        "outcome,estimator,controls,event_time,estimate,std_error,lower,upper,p_value,n_treated,n_control,first_year,last_year\n"
        f"requests,main,never,overall,{total / 1e6},0.1,-0.2,0.2,0.5,38,115,2019,{last}\n",
        encoding="utf-8",
    )
    verdict = "supported" if total > 12000 else "cannot tell"
    (reports / "claims.csv").write_text(
        "claim_id,chapter,claim,who_says,source_url,verdict,strength,facts,reason\n"
        f"ISO-01,4,Requests rose.,Isos,,{verdict},weak,national.requests.latest,Because {total}.\n",
        encoding="utf-8",
    )
    (reports / "figures" / "requests.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg"><text>{total}</text></svg>'
    )
    (reports / "assessment.html").write_text(
        f"<html><body><h2>Requests</h2><p>There were {total:,} requests in {last}. Nothing else moved.</p></body></html>"
    )


def make(root: Path, base: str, sources: list[dict[str, Any]], **settings: Any) -> Path:
    """A project folder whose sources are the stand-in publishers at `base`."""
    raw = root / "data" / "raw"
    raw.mkdir(parents=True)
    (root / "data" / "processed").mkdir()
    (root / "pyproject.toml").write_text('[project]\nname = "safety-valve-assessment"\n')
    told = {
        "api": f"{base}/api",
        "content": f"{base}/content",
        "govuk": f"{base}/govuk",
        "timeout": 1.0,
        "deadline": 20,
        "attempts": 3,
        "first_wait": 0.001,
        "longest_wait": 5,
        "cap_megabytes": 1,
        **settings,
    }
    (raw / "sources.yaml").write_text(
        "# Heading kept.\n" + yaml.safe_dump({"settings": told, "sources": sources}, sort_keys=False)
    )
    stock(raw, rows(), "2025")
    build(root)
    return root


def ehc(**more: Any) -> dict[str, Any]:
    """The EHC source: content API, known release, known pin."""
    return {
        "id": "ehc_plans",
        "kind": "content",
        "publication": "education-health-and-care-plans",
        "search": "education, health and care plans",
        "release": "2025",
        "resources": ["ehc_*"],
        "pin": {"release_version": "version-2025", "update_count": 0, "last_updated": "2026-06-25T09:30:00Z"},
        **more,
    }


def snapshot(root: Path) -> dict[str, str]:
    """The digest of every file a reader of the project relies on."""
    found = {}
    for name in ("data/raw", "reports"):
        for path in sorted((root / name).rglob("*")):
            if path.is_file():
                found[path.relative_to(root).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
