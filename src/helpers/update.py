"""New data: ask the sources, fetch and check what is new, rebuild beside the old, and put it in place whole.

The order of work makes a kill harmless at any moment. Everything is fetched, extracted, checked and built in
`data/update`, a folder that git ignores. Only then does a journal say that the raw data, the built tables and the
report are to be exchanged; each exchange is one operation, and a run that finds a journal finishes it first
(`helpers.swap`).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from helpers import changes, differences, download, files, lock, manifest, paths, polling, screening, swap
from helpers.errors import AssessError
from helpers.manifest import Manifest, Source
from helpers.polling import CHANGED, PERSON, UNCHANGED, UNKNOWN, Finding
from helpers.web import Client, Gone, Unclear

NOTHING_NEW, ERROR, BUILT, COULD_NOT_TELL, LOOK = 0, 1, 10, 20, 30
COPIED = ("notebooks", "docs", "src", "reports", "data/raw", "data/processed")
SWAPPED = ("data/raw", "data/processed", "reports")
BY_HAND = "files"

Extractor = Callable[[list[Path], Path, dict[str, dict[str, str]]], object]
Builder = Callable[[Path], None]


@dataclass
class Candidate:
    """New data of one source: the files, what they change, and why a person must look, if so."""

    finding: Finding
    paths: list[Path] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    tables: list[differences.Difference] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def workspace(root: Path) -> Path:
    """The folder where updates are prepared; it tells git to ignore it."""
    folder = root / "data" / "update"
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        files.write_text(ignore, "*\n")
    return folder


def run(
    from_files: list[Path] | None = None,
    dry_run: bool = False,
    only: Sequence[str] = (),
    *,
    root: Path | None = None,
    extract: Extractor | None = None,
    build: Builder | None = None,
    say: Callable[[str], None] = print,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Look for new data, or take the files given, and rebuild. Returns the exit code.

    0 nothing new, 10 new data built (with `dry_run`: would be built), 20 could not tell, 30 a person must look and
    nothing was replaced. Raises AssessError for what the user can put right (another update running, unknown source).
    """
    root = (root or paths.root()).resolve()
    work = workspace(root)
    with lock.held(work / "lock"):
        recover(root, say)
        return _run(root, work, from_files, dry_run, only, extract or _extract, build or _build, say, sleep)


def recover(root: Path, say: Callable[[str], None] = print) -> None:
    """Finish an exchange that was cut off, and clear away the rest of a run that was killed before it."""
    work = workspace(root)
    note = swap.carry_out(work / "journal.json", root)
    if note is not None:
        say("An earlier update was interrupted while its build was being put in place; that is now finished.")
        _keep_previous(work, Path(root / note["build"]))
        _record(work, note.get("findings", []), BUILT, note.get("asked_all", False))
    for left in work.glob("build-*"):
        shutil.rmtree(left, ignore_errors=True)


def _run(
    root: Path,
    work: Path,
    from_files: list[Path] | None,
    dry_run: bool,
    only: Sequence[str],
    extract: Extractor,
    build: Builder,
    say: Callable[[str], None],
    sleep: Callable[[float], None],
) -> int:
    listed = manifest.read(root / "data" / "raw")
    raw = root / "data" / "raw"
    candidates: list[Candidate] = []
    if from_files:
        findings = [Finding(BY_HAND, CHANGED, f"{len(from_files)} file(s) given by hand", "hand")]
        candidates = [Candidate(findings[0], *_given(from_files))]
    else:
        client = Client(listed.settings, sleep)
        try:
            findings = [polling.poll(client, listed, source) for source in listed.chosen(only)]
            for finding in findings:
                say(f"{finding.source}: {_word(finding.outcome)}: {finding.reason}")
            if not dry_run:
                candidates = _fetch(client, listed, findings, work, say)
        finally:
            client.close()
    if dry_run:
        return _dry(root, work, findings, candidates, extract, listed, say)
    staged = work / f"build-{os.getpid()}-{int(time.time())}"
    try:
        for candidate in candidates:
            _stage(candidate, listed, raw, staged, extract)
            _tell(candidate, say)
        stopped = [text for candidate in candidates for text in candidate.problems]
        people = [finding for finding in findings if finding.outcome == PERSON and not _has(candidates, finding)]
        stopped += [f"{finding.source}: {finding.reason}" for finding in people]
        if stopped:
            return _held(work, findings, candidates, stopped, not only and not from_files, say)
        fresh = [candidate for candidate in candidates if candidate.tables]
        if not fresh:
            _pin(raw, listed, findings)
            code = COULD_NOT_TELL if any(finding.outcome == UNKNOWN for finding in findings) else NOTHING_NEW
            _record(work, [asdict(finding) for finding in findings], code, not only and not from_files)
            say("Could not tell whether there is anything new." if code else "Nothing new.")
            return code
        # `assess run` holds this lock while it builds: two builds must not cross.
        with lock.held(root / "data" / "processed" / ".build" / "lock", "build"):
            return _replace(root, work, staged, listed, findings, fresh, build, not only and not from_files, say)
    finally:
        if staged.exists() and not (work / "journal.json").exists():
            shutil.rmtree(staged, ignore_errors=True)


def _has(candidates: list[Candidate], finding: Finding) -> bool:
    return any(candidate.finding is finding and candidate.problems for candidate in candidates)


def _word(outcome: str) -> str:
    return {UNCHANGED: "nothing new", CHANGED: "new", UNKNOWN: "could not tell", PERSON: "a person must look"}[outcome]


def _given(paths_given: list[Path]) -> tuple[list[Path], list[str]]:
    found = [Path(path) for path in paths_given]
    for path in found:
        if not path.is_file():
            raise AssessError(f"{path} is not a file.")
    return found, [download.sha256(path) for path in found]


def _fetch(
    client: Client, listed: Manifest, findings: list[Finding], work: Path, say: Callable[[str], None]
) -> list[Candidate]:
    """Download what has changed. A source that fails becomes `unknown`; the others carry on."""
    found = []
    for finding in findings:
        if finding.outcome != CHANGED:
            continue
        source = next(source for source in listed.sources if source.id == finding.source)
        candidate = Candidate(finding)
        try:
            for remote in finding.remotes:
                path = download.fetch(client, remote, listed.hosts(source), work / "downloads")
                candidate.paths.append(path)
                candidate.hashes.append(download.sha256(path))
                swap.moment(f"downloaded {finding.source}")
        except Unclear as error:
            finding.outcome, finding.reason = UNKNOWN, f"{finding.reason}; the file could not be had: {error}"
            say(f"{finding.source}: {_word(UNKNOWN)}: {finding.reason}")
            continue
        except Gone as error:
            finding.outcome, finding.reason = PERSON, f"{finding.reason}; {error}"
            say(f"{finding.source}: {_word(PERSON)}: {finding.reason}")
            continue
        finding.pin["sha256"] = candidate.hashes[0] if len(candidate.hashes) == 1 else candidate.hashes
        if source.pin.get("sha256") == finding.pin["sha256"]:
            finding.outcome, finding.reason = UNCHANGED, f"{finding.reason}; the same file as before"
            say(f"{finding.source}: {_word(UNCHANGED)}: {finding.reason}")
            continue
        found.append(candidate)
    return found


def _owner(listed: Manifest, resource: str) -> Source | None:
    return next((source for source in listed.sources if source.gives(resource)), None)


def _about(candidate: Candidate) -> dict[str, dict[str, str]]:
    """What the publisher's answer adds to what the files say themselves."""
    finding, told = candidate.finding, {}
    for path, remote in zip(candidate.paths, finding.remotes, strict=False):
        entry = {"url": remote.url, "published": str(finding.pin.get("published") or "")[:10]}
        if finding.release:
            entry["release"] = finding.release
        told[path.name] = {key: value for key, value in entry.items() if value}
    return told


def _stage(candidate: Candidate, listed: Manifest, raw: Path, staged: Path, extract: Extractor) -> None:
    """Extract one source's files over a copy of the raw data, and screen what changed.

    The copy takes the place of the staged raw data only when it passed, so that one source cannot spoil another.
    """
    kept = staged / "data" / "raw"
    before = kept if kept.is_dir() else raw
    trial = staged / "trial"
    shutil.rmtree(trial, ignore_errors=True)
    swap.copy_tree(before, trial)
    name = candidate.finding.source
    try:
        extract(candidate.paths, trial, _about(candidate))
    except AssessError as error:
        candidate.problems.append(f"{name}: the files could not be mapped to the tables in use: {error}")
    except Exception as error:
        # A file may be broken in ways nobody foresaw; whatever the reader says, it is not fit for use.
        candidate.problems.append(f"{name}: the files could not be read ({type(error).__name__}: {error})")
    if candidate.problems:
        candidate.finding.outcome = PERSON
        shutil.rmtree(trial, ignore_errors=True)
        return
    swap.moment(f"extracted {name}")
    candidate.tables = differences.compare_raw(before, trial)
    accepted = [digest for source in listed.sources for digest in source.accept]
    for table in candidate.tables:
        owner = _owner(listed, table.resource)
        bound = owner.bound if owner and owner.bound is not None else listed.settings.bound
        if all(digest in accepted for digest in candidate.hashes):
            continue
        found = screening.screen(before, trial, [table.resource], bound)
        candidate.problems += [problem.sentence() for problem in found]
    if candidate.problems:
        candidate.finding.outcome = PERSON
        shutil.rmtree(trial, ignore_errors=True)
        return
    if not candidate.tables:
        candidate.finding.outcome = UNCHANGED
        candidate.finding.reason += "; the figures are the same as before"
        shutil.rmtree(trial, ignore_errors=True)
        return
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(kept, ignore_errors=True)
    os.rename(trial, kept)


def _tell(candidate: Candidate, say: Callable[[str], None]) -> None:
    for text in candidate.problems:
        say(f"A person must look: {text}")
    for table in candidate.tables:
        counts = f"{table.added:,} rows added, {table.removed:,} removed, {table.revised:,} values revised"
        say(f"  {table.resource}: {counts}{'; ' + table.note if table.note else ''}")
    if not candidate.problems and not candidate.tables:
        say(f"{candidate.finding.source}: {candidate.finding.reason}")


def _dry(
    root: Path,
    work: Path,
    findings: list[Finding],
    candidates: list[Candidate],
    extract: Extractor,
    listed: Manifest,
    say: Callable[[str], None],
) -> int:
    """Say what a real run would do; files given by hand are extracted and screened, nothing is kept."""
    staged = work / f"build-{os.getpid()}-dry"
    try:
        for candidate in candidates:
            _stage(candidate, listed, root / "data" / "raw", staged, extract)
            _tell(candidate, say)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    for finding in findings:
        for remote in finding.remotes:
            say(f"would fetch {remote.url}")
    outcomes = {finding.outcome for finding in findings}
    if PERSON in outcomes:
        say("Dry run: a person must look; an update would replace nothing.")
        return LOOK
    if CHANGED in outcomes:
        say("Dry run: an update would fetch or take the new data, check it and rebuild.")
        return BUILT
    if UNKNOWN in outcomes:
        say("Dry run: could not tell whether there is anything new.")
        return COULD_NOT_TELL
    say("Dry run: nothing new.")
    return NOTHING_NEW


def _pin(raw: Path, listed: Manifest, findings: list[Finding]) -> None:
    """Write down the answers that differ from the pins; a manifest that needs no change keeps every byte."""
    pins, releases = _pins(listed, findings)
    if pins or releases:
        manifest.record(raw, pins, releases)


def _pins(listed: Manifest, findings: list[Finding]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    pins, releases = {}, {}
    for finding in findings:
        source = next((source for source in listed.sources if source.id == finding.source), None)
        if source is None or finding.known or finding.outcome not in (UNCHANGED, CHANGED):
            continue
        if any(source.pin.get(name) != value for name, value in finding.pin.items()):
            pins[source.id] = finding.pin
        if finding.release and finding.release != source.release:
            releases[source.id] = finding.release
    return pins, releases


def _held(
    work: Path,
    findings: list[Finding],
    candidates: list[Candidate],
    stopped: list[str],
    asked_all: bool,
    say: Callable[[str], None],
) -> int:
    """Write the page for a person. Nothing is replaced, whichever other sources had good news."""
    folder = work / "held"
    shutil.rmtree(folder, ignore_errors=True)
    tables = [table for candidate in candidates for table in candidate.tables]
    changes.held(stopped, tables, [_public(finding) for finding in findings], folder)
    pairs = [pair for candidate in candidates for pair in zip(candidate.paths, candidate.hashes, strict=True)]
    hashes = {path.name: digest for path, digest in pairs}
    files.write_text(folder / "files.json", json.dumps(hashes, indent=1) + "\n")
    _record(work, [asdict(finding) for finding in findings], LOOK, asked_all)
    for text in stopped:
        say(f"A person must look: {text}")
    say(f"Nothing was replaced. What differs: {folder / 'changes.html'}")
    return LOOK


def _public(finding: Finding) -> dict[str, Any]:
    return {
        "source": finding.source,
        "outcome": _word(finding.outcome),
        "via": finding.via,
        "reason": finding.reason,
        "notes": finding.notes,
    }


def _replace(
    root: Path,
    work: Path,
    staged: Path,
    listed: Manifest,
    findings: list[Finding],
    fresh: list[Candidate],
    build: Builder,
    asked_all: bool,
    say: Callable[[str], None],
) -> int:
    """Build with the new data beside the old, say what changed, and exchange the two."""
    raw = staged / "data" / "raw"
    _pin(raw, listed, findings)
    _furnish(root, staged)
    say("Building with the new data ...")
    try:
        build(staged)
    except AssessError as error:
        for candidate in fresh:
            candidate.finding.outcome = PERSON
        stopped = [f"the new data passed their checks, but the assessment could not be built with them: {error}"]
        return _held(work, findings, fresh, stopped, asked_all, say)
    swap.moment("built")
    reports = staged / "reports"
    if (root / "reports" / "facts.json").is_file():
        found = changes.compare(root, staged, reports, [_public(finding) for finding in findings])
        say(changes.headline(found))
    swap.moment("compared")
    pairs = [(root / name, staged / name) for name in SWAPPED if (staged / name).is_dir()]
    for live, _ in pairs:
        live.mkdir(parents=True, exist_ok=True)
    journal = work / "journal.json"
    told = [asdict(finding) for finding in findings]
    note: dict[str, Any] = {
        "build": os.path.relpath(staged, root),
        "findings": told,
        "asked_all": asked_all,
    }
    swap.plan(journal, pairs, root, note)
    swap.moment("planned")
    swap.carry_out(journal, root)
    swap.moment("swapped")
    _keep_previous(work, staged)
    _record(work, told, BUILT, asked_all)
    unknown = [finding.source for finding in findings if finding.outcome == UNKNOWN]
    if unknown:
        say(f"Could not tell about {', '.join(unknown)}: their old data stay in use.")
    say(f"New data built. What changed: {root / 'reports' / 'changes.html'}")
    return BUILT


def _furnish(root: Path, staged: Path) -> None:
    """Give the staged folder whatever else a build reads, so that it builds exactly as the project does."""
    for path in root.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy2(path, staged / path.name)
    for name in COPIED:
        if not (staged / name).exists():
            swap.copy_tree(root / name, staged / name)


def _keep_previous(work: Path, staged: Path) -> None:
    """What the exchange left in the staged folder is the build before: keep one, for `assess changes` and regret."""
    previous = work / "previous"
    shutil.rmtree(previous, ignore_errors=True)
    if staged.exists():
        os.rename(staged, previous)


def _record(work: Path, findings: list[dict[str, Any]], code: int, asked_all: bool) -> None:
    """Remember when each source last gave an answer: what the staleness alarm reads."""
    path = work / "status.json"
    status = _status(path)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for finding in findings:
        if finding["source"] == BY_HAND:
            continue
        entry = status["sources"].setdefault(finding["source"], {})
        entry.update(outcome=finding["outcome"], reason=finding["reason"], asked=now)
        if finding["outcome"] != UNKNOWN:
            entry["answered"] = now
    status.update(code=code, run=now)
    if asked_all and findings and all(finding["outcome"] != UNKNOWN for finding in findings):
        status["answered"] = now
    files.write_text(path, json.dumps(status, indent=1) + "\n")


def _status(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) and isinstance(found.get("sources"), dict) else {"sources": {}}
    except (OSError, ValueError):
        return {"sources": {}}


def alarm(root: Path | None = None, now: datetime | None = None, say: Callable[[str], None] = print) -> int:
    """1, with the sources concerned, when a source has given no answer for longer than `stale_days`; else 0."""
    root = root or paths.root()
    listed = manifest.read(root / "data" / "raw")
    status = _status(root / "data" / "update" / "status.json")
    now = now or datetime.now(UTC)
    late = []
    for source in listed.sources:
        answered = status["sources"].get(source.id, {}).get("answered")
        days = (now - datetime.fromisoformat(answered)).total_seconds() / 86400 if answered else None
        if days is None or days > listed.settings.stale_days:
            late.append(f"{source.id} ({'never answered' if days is None else f'last answered {days:.0f} days ago'})")
    if late:
        say(f"Stale: no successful check for more than {listed.settings.stale_days:g} days: {'; '.join(late)}.")
        return 1
    say(f"Every source has answered within {listed.settings.stale_days:g} days.")
    return 0


# --- what the parts are in earnest ----------------------------------------------------------------------------------


def _extract(given: list[Path], raw: Path, about: dict[str, dict[str, str]]) -> object:
    from helpers import extraction

    return extraction.extract(given, raw, about=about)


def _build(staged: Path) -> None:
    """`assess run` in the staged folder, as a process of its own that does not outlive this one."""
    command = [sys.executable, "-c", "from helpers.command import main; main()", "run"]
    environment = {**os.environ, "ASSESS_ROOT": str(staged)}
    done = subprocess.run(
        command,
        cwd=staged,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=_die_with_parent,
    )
    if done.returncode:
        tail = " / ".join(line.strip() for line in done.stdout.splitlines() if line.strip())[-1500:]
        raise AssessError(f"assess run ended with {done.returncode}: {tail}")


def _die_with_parent() -> None:
    """Ask Linux to end the build when the update is killed; elsewhere the next run clears up after it."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m helpers.update [--alarm]`: what `assess update` does, and the staleness alarm for schedulers."""
    parser = argparse.ArgumentParser(prog="python -m helpers.update")
    parser.add_argument("--alarm", action="store_true", help="fail when a source has not answered for too long")
    parser.add_argument("--from", dest="given", nargs="+", type=Path, help="take these files instead of asking")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument("--only", action="append", default=[], help="ask only this source")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.alarm:
            return alarm()
        return run(chosen.given, chosen.dry_run, chosen.only)
    except AssessError as error:
        print(error, file=sys.stderr)
        return ERROR


if __name__ == "__main__":
    sys.exit(main())
