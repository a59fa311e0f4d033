"""What a notebook calls: `book = chapter.start("04_requests_and_plans")`, then facts, figures, tables, prose, and
`book.finish()`.

Nothing reaches the disk before `finish`, which replaces the chapter's folder whole or leaves it as it was.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import facts, files, paths, prose
from helpers.errors import AssessError
from helpers.facts import Fact, Facts

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

#: Those of `estimation.COLUMNS`, kept here too so that starting a chapter does not import the estimators.
EFFECT_COLUMNS = (
    "outcome",
    "estimator",
    "controls",
    "event_time",
    "estimate",
    "std_error",
    "lower",
    "upper",
    "p_value",
    "n_treated",
    "n_control",
    "first_year",
    "last_year",
)
VARIANT = "ASSESS_VARIANT"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_OWN = ("facts.json", "effects.csv", "figures", "tables", "files.json")


def output_name(chapter: str) -> str:
    """The folder a chapter writes to: its name, with `--VARIANT` when the environment names one, so that a run with
    other parameters never overwrites the default."""
    variant = os.environ.get(VARIANT, "").strip()
    if not variant:
        return chapter
    return f"{chapter}--{re.sub(r'[^a-z0-9_-]+', '-', variant.lower()).strip('-')}"


def listed() -> list[dict[str, Any]]:
    """The entries of notebooks/chapters.yaml."""
    import yaml

    path = paths.notebooks() / "chapters.yaml"
    if not path.is_file():
        return []
    try:
        entries = files.read_yaml(path) or []
    except yaml.YAMLError as error:
        raise AssessError(f"notebooks/chapters.yaml cannot be read: {error}.") from error
    if not isinstance(entries, list) or not all(isinstance(e, dict) and "name" in e for e in entries):
        raise AssessError("notebooks/chapters.yaml: expected a list of entries, each with a name.")
    return entries


def start(name: str) -> Book:
    """Begin a chapter: gives the Book, makes `%%prose` available and reloads edited helpers before each cell.

    `name` is the notebook's own name, "04_requests_and_plans". Facts of the chapters it lists under `after` in
    notebooks/chapters.yaml, and cited policy figures, can be used by name; a notebook not listed there can use all.
    """
    if not _NAME.fullmatch(name):
        raise AssessError(
            f"Chapter name {name!r}: use the notebook's file name without .ipynb, such as '04_requests_and_plans'."
        )
    book = Book(name)
    book._attach()
    return book


class Book:
    """One chapter being written. Made by `start`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._entries = listed()
        self.facts = self._known()
        self._mine: dict[str, Fact] = {}
        self._origin: dict[str, str] = {}
        self._figures: dict[str, dict[str, Any]] = {}
        self._tables: dict[str, Any] = {}
        self._files: dict[str, str] = {}
        self._effects: dict[str, list[dict[str, Any]]] = {}
        self._cell = ""
        self._count: int | None = None

    # What other chapters found

    def _known(self) -> Facts:
        entry = next((e for e in self._entries if e["name"] == self.name), None)
        allowed = set(entry.get("after") or []) if entry else {e["name"] for e in self._entries} - {self.name}
        usable = facts.policy(paths.raw() / "councils" / "policy_figures.csv")
        elsewhere: dict[str, str] = {}
        for other in sorted({e["name"] for e in self._entries} | allowed):
            if other == self.name:
                continue
            path = paths.chapter_output(other) / "facts.json"
            if not path.is_file():
                continue
            for fact in facts.read(path):
                if other in allowed:
                    usable.append(fact)
                else:
                    elsewhere[fact.id] = (
                        f"it is of chapter {other}, which notebooks/chapters.yaml does not list under `after` "
                        f"of {self.name}"
                    )
        return Facts(usable, elsewhere)

    def get(self, id: str) -> Fact:
        """A fact by name, of this chapter, of one listed under `after`, or a cited policy figure."""
        return self.facts[id]

    # What this one finds

    def fact(
        self,
        id: str,
        value: Any,
        unit: str = "",
        display: str | None = None,
        lower: float | None = None,
        upper: float | None = None,
        p: float | None = None,
        n: float | None = None,
        years: str | int | Sequence[int] | None = None,
        sources: str | Sequence[str] = (),
        digits: int | None = None,
    ) -> Fact:
        """Record a named fact and return it.

        `unit`: "%", "pp" (percentage points), "count", "gbp", "gbp_m" (£ million), "ratio", "p", "years", or any words.
        `display` is how it reads in a sentence, made from unit and `digits` when not given. `lower`, `upper`: 95%
        interval.
        `p`: p-value. `n`: sample. `years`: "2019", 2019, (2016, 2024). `sources`: resource names of the data package.
        Raises AssessError for a second, different value under one id, a missing value, or a malformed id.
        """
        made = facts.make(id, value, unit, display, lower, upper, p, n, years, sources, self.name, self._count, digits)
        before = self._mine.get(id)
        if before is not None and before.record() != made.record():
            raise AssessError(
                f"Fact {id!r} is already {before.display!r} (cell {before.cell}); a fact has one value. Now: "
                f"{made.display!r}."
            )
        if before is None and id in self.facts:
            other = self.facts[id].notebook or "the cited policy figures"
            raise AssessError(f"Fact {id!r} is already recorded by {other}; give this one another name.")
        self._mine[id] = made
        self._origin.setdefault(id, self._cell)
        self.facts.add(made)
        return made

    def effects(self, frame: pd.DataFrame) -> None:
        """Add rows of estimated effects; the columns are those of effects.csv (EFFECT_COLUMNS), missing `event_time`
        is "overall"."""
        missing = [c for c in EFFECT_COLUMNS if c not in frame.columns and c != "event_time"]
        if missing:
            raise AssessError(f"Effects need the columns {', '.join(EFFECT_COLUMNS)}; missing: {', '.join(missing)}.")
        rows = []
        for row in frame.to_dict("records"):
            event = row.get("event_time", "overall")
            if event != "overall":
                try:
                    event = int(event)
                except (TypeError, ValueError) as error:
                    raise AssessError(f"event_time must be 'overall' or a whole number, not {event!r}.") from error
            record = {c: row.get(c) for c in EFFECT_COLUMNS} | {"event_time": event}
            rows.append(record)
        keys = [self._effect_key(r) for r in rows]
        held = {self._effect_key(r) for group, old in self._effects.items() if group != self._cell for r in old}
        held |= {self._effect_key(r) for r in self._effects.get(self._cell, [])}
        twice = [k for i, k in enumerate(keys) if k in held or k in keys[:i]]
        if twice:
            raise AssessError(
                f"Effects: more than one row for outcome, estimator, controls, event_time = {', '.join(twice[0])}."
            )
        self._effects.setdefault(self._cell, []).extend(rows)

    @staticmethod
    def _effect_key(row: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(str(row[c]) for c in ("outcome", "estimator", "controls", "event_time"))

    # What it shows

    def show(
        self,
        figure: Figure,
        name: str,
        title: str,
        subtitle: str = "",
        alt: str = "",
        data: pd.DataFrame | None = None,
        sources: str | Sequence[str] = (),
    ) -> None:
        """Show a figure here and keep it for the report, with its data.

        `title` states the finding; `subtitle` the measure, units and years; `alt` says in words what the figure
        shows. All three may hold {fact} placeholders. `data` is what was drawn. `name`: short, a-z, digits and
        hyphens; prose refers to it as [](#fig-name).
        """
        from helpers import figures, provenance

        self._check_name("figure", name)
        if not title.strip() or not alt.strip():
            raise AssessError(
                f"Figure {name!r} needs a title that states the finding and an alt text that says what it shows."
            )
        if data is None:
            raise AssessError(f"Figure {name!r} needs its data: book.show(..., data=frame).")
        self._fresh(self._figures, "figure", name)
        title, subtitle, alt = (prose.fill(t, self.facts) for t in (title, subtitle, alt))
        names = [sources] if isinstance(sources, str) else list(sources)
        meta = {
            "name": name,
            "title": title,
            "subtitle": subtitle,
            "alt": alt,
            "sources": names,
            "notebook": self.name,
            "cell": self._count,
        }
        images = figures.save(figure, title, subtitle, provenance.words(names), salt=f"{self.name}/{name}")
        table = data if _plain_index(data) else data.reset_index()
        kept = {f"{name}{ending}": content for ending, content in images.items()}
        kept[f"{name}.csv"] = table.to_csv(index=False, float_format="%.10g", lineterminator="\n").encode()
        kept[f"{name}.json"] = (json.dumps(meta, ensure_ascii=False, indent=1) + "\n").encode()
        self._figures[name] = {"files": kept, "cell": self._cell}
        text = f"Figure: {title}\n{subtitle}\n[{alt}]" if subtitle else f"Figure: {title}\n[{alt}]"
        width = round(figures.width_of(images[".png"]) / figures.PNG_SCALE)
        _display(
            {"image/png": images[".png"], "text/plain": text},
            {"image/png": {"width": width}, "assess": {"figure": name}},
        )

    def table(
        self,
        frame: pd.DataFrame,
        name: str,
        title: str,
        sources: str | Sequence[str] = (),
        note: str = "",
        units: Mapping[str, str] | None = None,
        digits: Mapping[str, int] | None = None,
    ) -> None:
        """Show a table here and keep it for the report. `units` and `digits` say how a column's numbers read:
        {"Share": "%"}.

        Columns are shown under their own names, so name them for readers. Prose refers to it as [](#tab-name).
        """
        from helpers import tables

        self._check_name("table", name)
        if not title.strip():
            raise AssessError(f"Table {name!r} needs a title.")
        self._fresh(self._tables, "table", name)
        unknown = [
            c
            for c in {**(units or {}), **(digits or {})}
            if c not in [str(x) for x in (*frame.columns, *frame.index.names)]
        ]
        if unknown:
            raise AssessError(
                f"Table {name!r} has no column {unknown[0]!r}{facts.near(unknown[0], map(str, frame.columns))}."
            )
        title, note = prose.fill(title, self.facts), prose.fill(note, self.facts)
        made = tables.make(
            frame, name, title, units, digits, note, (sources,) if isinstance(sources, str) else tuple(sources)
        )
        record = made.record() | {"notebook": self.name, "cell_number": self._count}
        flat = frame if _plain_index(frame) else frame.reset_index()
        kept = {
            f"{name}.json": (json.dumps(record, ensure_ascii=False, indent=1) + "\n").encode(),
            f"{name}.csv": flat.to_csv(index=False, float_format="%.10g", lineterminator="\n").encode(),
        }
        self._tables[name] = {"files": kept, "cell": self._cell}
        _display({"text/markdown": made.markdown(), "text/plain": made.markdown()}, {"assess": {"table": name}})

    def keep(self, name: str, content: str | pd.DataFrame) -> None:
        """Keep one more file beside the facts, such as claims.csv: text, or a frame written as CSV."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*\.[a-z]+", name) or name in _OWN:
            raise AssessError(
                f"File name {name!r}: use a plain lower-case name that is not the chapter's own ({', '.join(_OWN)})."
            )
        if isinstance(content, str):
            self._files[name] = content
        else:
            self._files[name] = content.to_csv(index=False, float_format="%.10g", lineterminator="\n")

    def finish(self) -> None:
        """Write all of it, whole or not at all. The last cell."""
        import io

        import pandas as pd

        rows = [row for group in self._effects.values() for row in group]
        buffer = io.StringIO()
        pd.DataFrame(rows, columns=list(EFFECT_COLUMNS)).to_csv(
            buffer, index=False, float_format="%.10g", lineterminator="\n"
        )
        target = paths.chapter_output(output_name(self.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        staging.chmod(0o755)
        try:
            (staging / "facts.json").write_text(
                facts.to_json(self._mine.values(), extra=True), encoding="utf-8", newline="\n"
            )
            (staging / "effects.csv").write_text(buffer.getvalue(), encoding="utf-8", newline="\n")
            for folder, held in (("figures", self._figures), ("tables", self._tables)):
                (staging / folder).mkdir()
                for entry in held.values():
                    for name, content in entry["files"].items():
                        (staging / folder / name).write_bytes(content)
            order = {"figures": list(self._figures), "tables": list(self._tables), "kept": sorted(self._files)}
            (staging / "files.json").write_text(json.dumps(order, indent=1) + "\n", encoding="utf-8", newline="\n")
            for name, text in self._files.items():
                (staging / name).write_text(text, encoding="utf-8", newline="\n")
            # The executed notebook is put there by whoever ran the chapter, after this cell.
            if (target / "notebook.ipynb").is_file():
                shutil.copy2(target / "notebook.ipynb", staging / "notebook.ipynb")
            replace_folder(staging, target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    # Notebook machinery

    def _check_name(self, kind: str, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise AssessError(f"The {kind} name {name!r}: use lower-case letters, digits, hyphens and underscores.")

    def _fresh(self, held: Mapping[str, Any], kind: str, name: str) -> None:
        if name in held and held[name]["cell"] != self._cell:
            raise AssessError(f"There is already a {kind} named {name!r} in this chapter.")

    def _attach(self) -> None:
        shell = _shell()
        if shell is None:
            return
        before = getattr(shell, "_assess_book", None)
        if before is not None:
            hook = getattr(shell, "_assess_hook", None)
            if hook is not None:
                with contextlib.suppress(ValueError):
                    shell.events.unregister("pre_run_cell", hook)
        hook = self._before_cell
        shell._assess_book, shell._assess_hook = self, hook
        shell.events.register("pre_run_cell", hook)
        self._count = _number_of(shell)

        def magic(line: str, cell: str) -> None:
            """Markdown with {facts}: the cell shows it filled."""
            shell._assess_book.prose(cell)

        shell.register_magic_function(magic, magic_kind="cell", magic_name="prose")
        if not os.environ.get("ASSESS_RUN"):  # it looks at every module before every cell; nobody edits during a run
            shell.run_line_magic("load_ext", "autoreload")
            shell.run_line_magic("autoreload", "2")

    def _before_cell(self, info: Any) -> None:
        """A cell run again replaces what it recorded before, so that editing and rerunning a cell is not an error."""
        shell = _shell()
        self._count = _number_of(shell)
        self._cell = str(getattr(info, "cell_id", None) or getattr(info, "raw_cell", ""))
        for id in [i for i, origin in self._origin.items() if origin == self._cell]:
            self._mine.pop(id, None)
            self._origin.pop(id, None)
            self.facts.drop(id)
        self._effects.pop(self._cell, None)

    def prose(self, text: str) -> None:
        """Show Markdown with its {facts} filled; what `%%prose` calls."""
        filled = prose.fill(text.strip("\n"), self.facts)
        _display({"text/markdown": filled, "text/plain": filled}, {"assess": {"prose": True}})


def replace_folder(staging: Path, target: Path) -> None:
    """Put `staging` where `target` is; on failure `target` stays as it was."""
    aside = target.with_name(f".{target.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    if target.exists():
        os.replace(target, aside)
    try:
        os.replace(staging, target)
    except OSError:
        if aside.exists():
            os.replace(aside, target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _plain_index(frame: pd.DataFrame) -> bool:
    return all(name is None for name in frame.index.names)


def _shell() -> Any:
    """The running IPython, or None in a plain script."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None else None


def _number_of(shell: Any) -> int | None:
    """The running cell's number as the notebook shows it; IPython counts up before or after the cell, by version."""
    return getattr(getattr(shell, "displayhook", None), "prompt_count", None)


def _display(data: dict[str, Any], metadata: dict[str, Any]) -> None:
    if _shell() is None:
        print(data["text/plain"])
        return
    from IPython.display import display

    display(data, metadata=metadata, raw=True)
