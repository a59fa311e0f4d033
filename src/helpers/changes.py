"""What changed between two builds: verdicts, facts, effects, inputs, figures, sentences; as JSON, HTML and Markdown."""

from __future__ import annotations

import base64
import csv
import difflib
import hashlib
import json
import math
import re
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from helpers import differences, files
from helpers.errors import AssessError
from helpers.facts import MINUS

FAMILIES = (".svg", ".png")
LIMIT = 200  # rows a table of the page shows; changes.json has all of them
EFFECT_KEY = ("outcome", "estimator", "controls", "event_time")
EFFECT_VALUES = ("estimate", "std_error", "lower", "upper", "p_value")


# --- finding a build ------------------------------------------------------------------------------------------------


def reports_of(folder: Path) -> Path:
    """The folder of a build that holds facts.json: the build itself or its `reports`."""
    for place in (folder / "reports", folder):
        if (place / "facts.json").is_file():
            return place
    raise AssessError(f"{folder} is not a build: neither it nor its reports folder holds facts.json.")


def raw_of(folder: Path) -> Path | None:
    """The folder of a build that holds datapackage.json, if it came along."""
    for place in (folder / "data" / "raw", folder.parent / "data" / "raw", folder / "raw"):
        if (place / "datapackage.json").is_file() and (folder.name == "reports" or place.is_relative_to(folder)):
            return place
    return None


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise AssessError(f"{path} is not readable JSON: {error}") from None
    if not isinstance(found, dict):
        raise AssessError(f"{path} holds a {type(found).__name__}, expected an object.")
    return found


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8-sig", newline="") as handle:
        return [{key: value or "" for key, value in row.items() if key} for row in csv.DictReader(handle)]


def _number(value: object) -> float | None:
    if value is None or value == "" or isinstance(value, bool):
        return None
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


# --- the parts ------------------------------------------------------------------------------------------------------


def verdicts(before: list[dict[str, str]], after: list[dict[str, str]]) -> list[dict[str, str]]:
    """Claims whose verdict or strength is another one, reversals first; new and dropped claims last."""
    old = {row["claim_id"]: row for row in before}
    new = {row["claim_id"]: row for row in after}
    found = []
    for claim in [*new, *(name for name in old if name not in new)]:
        was, now = old.get(claim, {}), new.get(claim, {})
        same = (was.get("verdict"), was.get("strength")) == (now.get("verdict"), now.get("strength"))
        if was and now and same:
            continue
        if was and now:
            kind = "flipped" if was.get("verdict") != now.get("verdict") else "strength"
            if {was.get("verdict"), now.get("verdict")} == {"supported", "contradicted"}:
                kind = "reversed"
        else:
            kind = "new" if now else "dropped"
        row = now or was
        found.append(
            {
                "claim_id": claim,
                "kind": kind,
                "claim": row.get("claim", ""),
                "before": was.get("verdict", ""),
                "after": now.get("verdict", ""),
                "strength_before": was.get("strength", ""),
                "strength_after": now.get("strength", ""),
                "reason_before": was.get("reason", ""),
                "reason_after": now.get("reason", ""),
            }
        )
    order = ["reversed", "flipped", "strength", "new", "dropped"]
    return sorted(found, key=lambda row: order.index(row["kind"]))


def _excludes_zero(fact: dict[str, Any]) -> bool | None:
    lower, upper = _number(fact.get("lower")), _number(fact.get("upper"))
    return None if lower is None or upper is None else lower > 0 or upper < 0


def crossings(was: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The thresholds a fact crossed: its sign, the 5% level, and whether its interval holds zero."""
    found = []
    old, new = _number(was.get("value")), _number(now.get("value"))
    shown = was.get("display") is None or was.get("display") != now.get("display")
    if shown and old is not None and new is not None and (old > 0) - (old < 0) != (new > 0) - (new < 0):
        found.append("changed sign")
    p_old, p_new = _number(was.get("p")), _number(now.get("p"))
    if p_old is not None and p_new is not None and (p_old < 0.05) != (p_new < 0.05):
        found.append(f"p {p_old:.3f} to {p_new:.3f}, across 5%")
    held, holds = _excludes_zero(was), _excludes_zero(now)
    if held is not None and holds is not None and held != holds:
        found.append("interval no longer holds zero" if holds else "interval now holds zero")
    return found


def facts(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Facts that crossed a threshold, moved beyond rounding, are new or are gone; and how many stayed."""
    crossed, moved, within, same = [], [], 0, 0
    for name, now in after.items():
        was = before.get(name)
        if was is None:
            continue
        row = {
            "fact": name,
            "before": was.get("display") or str(was.get("value")),
            "after": now.get("display") or str(now.get("value")),
            "unit": now.get("unit") or "",
        }
        across = crossings(was, now)
        old, new = _number(was.get("value")), _number(now.get("value"))
        row["change"] = None if old is None or new is None else float(f"{new - old:.6g}")
        if across:
            crossed.append({**row, "crossed": across})
        elif row["before"] != row["after"]:
            moved.append(row)
        elif was.get("value") != now.get("value") and not _alike(old, new):
            within += 1
        else:
            same += 1

    def show(names: list[str], source: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"fact": name, "value": source[name].get("display") or str(source[name].get("value"))} for name in names
        ]

    return {
        "crossed": crossed,
        "moved": moved,
        "new": show([name for name in after if name not in before], after),
        "gone": show([name for name in before if name not in after], before),
        "within_rounding": within,
        "same": same,
    }


def _alike(a: float | None, b: float | None) -> bool:
    """The same number, or both blank; the last digits of a computation do not count."""
    return a == b or (a is not None and b is not None and math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-12))


def effects(before: list[dict[str, str]], after: list[dict[str, str]]) -> dict[str, Any]:
    """Estimates that are others than before, those that changed sign or significance first."""

    def keyed(rows: list[dict[str, str]]) -> dict[tuple[str, ...], dict[str, str]]:
        return {tuple(row.get(name, "") for name in EFFECT_KEY): row for row in rows}

    old, new = keyed(before), keyed(after)
    changed = []
    for key, now in new.items():
        was = old.get(key)
        if was is None:
            continue
        pairs = [(_number(was.get(name)), _number(now.get(name))) for name in EFFECT_VALUES]
        if all(_alike(a, b) for a, b in pairs):
            continue
        row: dict[str, Any] = dict(zip(EFFECT_KEY, key, strict=True))
        for name, (a, b) in zip(EFFECT_VALUES, pairs, strict=True):
            row[f"{name}_before"], row[f"{name}_after"] = a, b
        row["crossed"] = crossings(
            {"value": pairs[0][0], "lower": pairs[2][0], "upper": pairs[3][0], "p": pairs[4][0]},
            {"value": pairs[0][1], "lower": pairs[2][1], "upper": pairs[3][1], "p": pairs[4][1]},
        )
        changed.append(row)
    changed.sort(key=lambda row: (not row["crossed"], row["event_time"] != "overall"))
    return {
        "changed": changed,
        "new": [dict(zip(EFFECT_KEY, key, strict=True)) for key in new if key not in old],
        "gone": [dict(zip(EFFECT_KEY, key, strict=True)) for key in old if key not in new],
        "same": len([key for key in new if key in old]) - len(changed),
    }


def inputs(before: Path | None, after: Path | None) -> dict[str, Any]:
    """What differs in the raw data, and the version of every table that differs."""
    if before is None or after is None:
        return {"tables": [], "note": "one of the builds came without its raw data, so inputs were not compared"}
    old, new = differences.catalogue(before), differences.catalogue(after)
    tables = []
    for difference in differences.compare_raw(before, after):
        row = asdict(difference)
        row["title"] = (new.get(difference.resource) or old.get(difference.resource) or {}).get("title", "")
        row["version_before"] = version(old.get(difference.resource))
        row["version_after"] = version(new.get(difference.resource))
        tables.append(row)
    return {"tables": tables, "note": ""}


def version(resource: dict[str, Any] | None) -> str:
    """How a catalogue names the vintage of a table: version, release, or the day it was published."""
    for name in ("version", "release", "release_date", "publication_date", "published", "released", "date"):
        if resource and resource.get(name):
            return str(resource[name])
    return ""


def figures(before: Path, after: Path) -> list[dict[str, Any]]:
    """Figures whose data (or, without data, whose picture) is another, new ones and dropped ones."""
    old, new = _figures(before), _figures(after)
    found = []
    for name in [*new, *(name for name in old if name not in new)]:
        was, now = old.get(name), new.get(name)
        if was and now:
            if was["digest"] == now["digest"]:
                continue
            kind = "changed"
        else:
            kind = "new" if now else "gone"
        found.append(
            {
                "figure": name,
                "kind": kind,
                "before": str((was or {}).get("path", "")),
                "after": str((now or {}).get("path", "")),
            }
        )
    return found


def _figures(reports: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    folder = reports / "figures"
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        if path.suffix in FAMILIES:
            name = path.relative_to(folder).with_suffix("").as_posix()
            # A picture may differ by a time stamp alone; the numbers drawn in it say whether it changed.
            data = path.with_suffix(".csv")
            content = data.read_bytes() if data.is_file() else path.read_bytes()
            if name not in found:
                found[name] = {"path": path, "digest": hashlib.sha256(content).hexdigest()}
            elif path.suffix == ".svg":
                found[name]["path"] = path
    return found


class _Reader(HTMLParser):
    """The running text of a report, block by block, with the heading each block stands under."""

    BLOCKS = frozenset(
        {"p", "li", "figcaption", "caption", "h1", "h2", "h3", "h4", "dd", "dt", "blockquote", "summary"}
    )
    SKIP = frozenset(
        {"script", "style", "svg", "nav", "pre", "code", "table", "title", "head", "template", "math", "dl"}
    )

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[tuple[str, str]] = []
        self.heading, self._text, self._skip = "", "", 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.SKIP:
            self._skip += 1
        elif tag in self.BLOCKS:
            self._flush("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.SKIP:
            self._skip = max(0, self._skip - 1)
        elif tag in self.BLOCKS:
            self._flush(tag)

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self._text += data

    def _flush(self, tag: str) -> None:
        text = " ".join(self._text.split())
        self._text = ""
        if text and tag.startswith("h") and tag[1:].isdigit():
            self.heading = text
        if text:
            self.blocks.append((self.heading, text))


def sentences_of(page: str) -> list[tuple[str, str]]:
    """(heading, sentence) for every sentence of a page's running text."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    reader._flush("")
    found = []
    for heading, block in reader.blocks:
        for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z‘“\"(])", block):
            found.append((heading, sentence))
    return found


def sentences(before: str, after: str) -> list[dict[str, str]]:
    """Sentences whose text is another, paired with what stood in their place."""
    old, new = sentences_of(before), sentences_of(after)
    matcher = difflib.SequenceMatcher(None, [text for _, text in old], [text for _, text in new], autojunk=False)
    found = []
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if kind == "equal":
            continue
        left, right = old[i1:i2], new[j1:j2]
        for number in range(max(len(left), len(right))):
            was = left[number] if number < len(left) else ("", "")
            now = right[number] if number < len(right) else ("", "")
            found.append({"section": now[0] or was[0], "before": was[1], "after": now[1]})
    return found


def words(before: str, after: str) -> list[tuple[str, str]]:
    """A sentence pair as runs of (same | del | ins, text), word by word."""
    old, new = before.split(), after.split()
    runs: list[tuple[str, str]] = []
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            runs.append(("same", " ".join(old[i1:i2])))
            continue
        if i2 > i1:
            runs.append(("del", " ".join(old[i1:i2])))
        if j2 > j1:
            runs.append(("ins", " ".join(new[j1:j2])))
    return runs


# --- the whole ------------------------------------------------------------------------------------------------------


def gather(old: Path, new: Path, sources: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Everything that differs between two builds, as plain data."""
    before, after = reports_of(old), reports_of(new)

    def page(folder: Path) -> str:
        path = folder / "assessment.html"
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    return {
        "verdicts": verdicts(_rows(before / "claims.csv"), _rows(after / "claims.csv")),
        "facts": facts(_json(before / "facts.json"), _json(after / "facts.json")),
        "effects": effects(_rows(before / "effects.csv"), _rows(after / "effects.csv")),
        "inputs": inputs(raw_of(old), raw_of(new)),
        "figures": figures(before, after),
        "sentences": sentences(page(before), page(after)),
        "sources": sources or [],
        "problems": [],
    }


def compare(old: Path, new: Path, out: Path, sources: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Compare two builds and write changes.json, changes.html and changes.md into `out`. Returns what was found."""
    found = gather(Path(old), Path(new), sources)
    write(found, Path(out))
    return found


def held(
    problems: list[str], tables: list[differences.Difference], sources: list[dict[str, Any]], out: Path
) -> dict[str, Any]:
    """The page for a person when an update was stopped: why, and exactly what differs in the data."""
    empty = {"crossed": [], "moved": [], "new": [], "gone": [], "within_rounding": 0, "same": 0}
    rows = [{**asdict(table), "title": "", "version_before": "", "version_after": ""} for table in tables]
    found = {
        "verdicts": [],
        "facts": empty,
        "effects": {"changed": [], "new": [], "gone": [], "same": 0},
        "inputs": {"tables": rows, "note": ""},
        "figures": [],
        "sentences": [],
        "sources": sources,
        "problems": problems,
    }
    write(found, out)
    return found


def write(found: dict[str, Any], out: Path) -> None:
    """The three forms of one comparison, each written whole."""
    public = {**found, "figures": [{key: row[key] for key in ("figure", "kind")} for row in found["figures"]]}
    page, text = html(found), markdown(found)
    files.write_text(out / "changes.json", json.dumps(public, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    files.write_text(out / "changes.html", page)
    files.write_text(out / "changes.md", text)


def headline(found: dict[str, Any]) -> str:
    """One sentence that says what matters most."""
    if found["problems"]:
        number = len(found["problems"])
        return f"Stopped for a person: {number} reason{'s' if number > 1 else ''}. Nothing was replaced."
    flipped = [row for row in found["verdicts"] if row["kind"] in ("reversed", "flipped")]
    if flipped:
        return f"{len(flipped)} verdict{'s' if len(flipped) > 1 else ''} flipped."
    if found["facts"]["crossed"]:
        number = len(found["facts"]["crossed"])
        return f"No verdict flipped; {number} fact{'s' if number > 1 else ''} crossed a threshold."
    anything = [found["facts"]["moved"], found["effects"]["changed"], found["inputs"]["tables"], found["sentences"]]
    return "No verdict flipped." if any(anything) or found["verdicts"] else "Nothing changed."


def image(path: str) -> str:
    """A picture as a data address, so that the page is one file."""
    place = Path(path)
    if not path or not place.is_file():
        return ""
    kind = "image/svg+xml" if place.suffix == ".svg" else "image/png"
    return f"data:{kind};base64,{base64.b64encode(place.read_bytes()).decode('ascii')}"


def short(value: object) -> str:
    """A number as a reader wants it: four significant digits; a blank for none."""
    if isinstance(value, str) or value is None:
        return value or ""
    number = _number(value)
    if number is None:
        return str(value)
    text = f"{number:,.4g}" if abs(number) < 1e6 else f"{number:,.0f}"
    return text.replace("-", MINUS)


def chance(value: object) -> str:
    """A probability: three decimals, or that it is smaller than those show."""
    number = _number(value)
    if number is None:
        return short(value)
    return "under 0.001" if number < 0.001 else f"{number:.3f}"


def html(found: dict[str, Any]) -> str:
    """The page."""
    import jinja2
    from markupsafe import Markup

    from helpers import leaflet

    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(short=short, chance=chance)
    template = environment.get_template("changes.html")
    style = leaflet.fonts() + leaflet.template("report.css") + leaflet.template("council.css")
    return template.render(
        found=found,
        headline=headline(found),
        limit=LIMIT,
        words=words,
        image=image,
        page_title="What changed",
        style=Markup(style),
    )


def _cell(value: object) -> str:
    return short(value).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _table(heads: list[str], rows: list[list[object]], limit: int = 40) -> list[str]:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows[:limit]]
    if len(rows) > limit:
        lines.append(f"\n{len(rows) - limit} more in changes.json.")
    return [*lines, ""]


def markdown(found: dict[str, Any]) -> str:
    """The same for a pull request."""
    lines = ["# What changed", "", f"**{headline(found)}**", ""]

    def section(title: str, body: list[str]) -> None:
        lines.extend([f"## {title}", "", *(body or ["Nothing.", ""])])

    if found["problems"]:
        section("Why it stopped", [*(f"- {text}" for text in found["problems"]), ""])
    flips = [row for row in found["verdicts"]]
    section(
        "Verdicts",
        _table(
            ["claim", "before", "after", "what", "why now"],
            [
                [
                    row["claim_id"],
                    f"{row['before']} {row['strength_before']}".strip(),
                    f"**{row['after']}** {row['strength_after']}".strip(),
                    row["kind"],
                    row["reason_after"],
                ]
                for row in flips
            ],
        )
        if flips
        else [],
    )
    held_facts = found["facts"]
    body = []
    if held_facts["crossed"]:
        body += ["Crossed a threshold:", ""]
        rows = [[row["fact"], row["before"], row["after"], "; ".join(row["crossed"])] for row in held_facts["crossed"]]
        body += _table(["fact", "before", "after", "crossed"], rows)
    if held_facts["moved"]:
        body += ["Moved beyond rounding:", ""]
        body += _table(
            ["fact", "before", "after"], [[row["fact"], row["before"], row["after"]] for row in held_facts["moved"]]
        )
    for kind, title in (("new", "New"), ("gone", "Gone")):
        if held_facts[kind]:
            body += [
                f"{title}:",
                "",
                *_table(["fact", "value"], [[row["fact"], row["value"]] for row in held_facts[kind]]),
            ]
    section("Facts", body)
    rows = [
        [*(row[name] for name in EFFECT_KEY), row["estimate_before"], row["estimate_after"], "; ".join(row["crossed"])]
        for row in found["effects"]["changed"]
    ]
    body = _table([*EFFECT_KEY, "before", "after", "crossed"], rows) if rows else []
    counts = {kind: len(found["effects"][kind]) for kind in ("new", "gone")}
    if any(counts.values()):
        body += [f"{counts['new']} new estimates, {counts['gone']} gone.", ""]
    section("Effects", body)
    body = [found["inputs"]["note"], ""] if found["inputs"]["note"] else []
    tables = found["inputs"]["tables"]
    if tables:
        rows = [
            [
                row["resource"],
                " to ".join(part for part in (row["version_before"], row["version_after"]) if part),
                row["added"],
                row["removed"],
                row["revised"],
                row["note"],
            ]
            for row in tables
        ]
        body += _table(["table", "version", "rows added", "rows removed", "values revised", "note"], rows)
        for table in tables:
            if table["largest"]:
                body += [f"Largest revisions of `{table['resource']}`:", ""]
                names = ["area", "period", "measure", "before", "after", "percent"]
                body += _table(names, [[row[name] for name in names] for row in table["largest"]], 10)
    section("Inputs", body)
    section(
        "Figures", [*(f"- {row['figure']} ({row['kind']})" for row in found["figures"]), ""] if found["figures"] else []
    )
    body = []
    for row in found["sentences"][:40]:
        runs = words(row["before"], row["after"])
        marked = {"same": "{}", "del": "~~{}~~", "ins": "**{}**"}
        body.append(f"- {row['section']}: " + " ".join(marked[kind].format(text) for kind, text in runs))
    if len(found["sentences"]) > 40:
        body.append(f"- and {len(found['sentences']) - 40} more in changes.json")
    section("Sentences of the report", [*body, ""] if body else [])
    if found["sources"]:
        section(
            "Sources asked",
            _table(
                ["source", "answer", "what it said"],
                [[row["source"], row["outcome"], row["reason"]] for row in found["sources"]],
            ),
        )
        notes = [f"- {row['source']}: {note}" for row in found["sources"] for note in row.get("notes", [])]
        if notes:
            section("Publishers' own notes", [*notes, ""])
    return "\n".join(lines).rstrip() + "\n"
