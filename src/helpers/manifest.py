"""The manifest of sources: what to ask, and what each was told last time (`data/raw/sources.yaml`)."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from helpers import files
from helpers.errors import AssessError

NAME = "sources.yaml"
KINDS = {"api": "data_set", "content": "publication", "govuk": "path", "file": "url"}
# An environment variable wins over the file, so that a mirror or a test needs no edit.
ADDRESSES = {"api": "ASSESS_API", "content": "ASSESS_CONTENT", "govuk": "ASSESS_GOVUK"}


@dataclass
class Settings:
    """How to ask: addresses, patience and bounds. Seconds, unless the name says otherwise."""

    api: str = "https://api.education.gov.uk/statistics/v1"
    content: str = "https://content.explore-education-statistics.service.gov.uk/api"
    govuk: str = "https://www.gov.uk/api/content"
    hosts: list[str] = field(default_factory=list)
    timeout: float = 30
    deadline: float = 900
    attempts: int = 4
    longest_wait: float = 120
    first_wait: float = 1
    retries_a_run: int = 16
    cap_megabytes: float = 400
    bound: float = 10
    stale_days: float = 14

    def base(self, kind: str) -> str:
        """The base address of an interface, without a final slash."""
        return str(getattr(self, kind)).rstrip("/")


@dataclass
class Source:
    """One thing to ask about, and the pin its answer is compared with."""

    id: str
    kind: str
    title: str = ""
    data_set: str = ""
    publication: str = ""
    publication_id: str = ""
    search: str = ""
    release: str = ""
    path: str = ""
    url: str = ""
    files: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)
    bound: float | None = None
    accept: list[str] = field(default_factory=list)
    note: str = ""
    pin: dict[str, Any] = field(default_factory=dict)

    def gives(self, resource: str) -> bool:
        """Whether a resource of the catalogue comes from this source."""
        return any(fnmatch(resource, pattern) for pattern in self.resources)


@dataclass
class Manifest:
    """Settings and sources, with the comment that heads the file."""

    settings: Settings
    sources: list[Source]
    heading: str = ""

    def chosen(self, only: Iterable[str]) -> list[Source]:
        """The sources named, or all of them; an unknown name is an error with the nearest known one."""
        names = [source.id for source in self.sources]
        wanted = list(only)
        for name in wanted:
            if name not in names:
                near = difflib.get_close_matches(name, names, 1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise AssessError(f"No source is named {name!r} in {NAME}; the sources are {', '.join(names)}.{hint}")
        return [source for source in self.sources if not wanted or source.id in wanted]

    def hosts(self, source: Source) -> set[str]:
        """The hosts from which a source's answers and files may come."""
        base = source.url if source.kind == "file" else self.settings.base(source.kind)
        found = {urlsplit(base).netloc, *source.hosts}
        if source.kind == "govuk":
            found |= set(self.settings.hosts)
        if source.kind == "content":
            found.add(urlsplit(self.settings.api).netloc)
        return found


def _build(kind: Any, given: object, where: str) -> Any:
    """A dataclass from a mapping, refusing keys it does not know."""
    if not isinstance(given, dict):
        raise AssessError(f"{where} must be a list of names and values; found {type(given).__name__}.")
    known = [item.name for item in fields(kind)]
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise AssessError(f"{where} has an unknown entry {key!r}.{hint}")
    try:
        return kind(**given)
    except TypeError as error:
        raise AssessError(f"{where}: {error}.") from None


def read(folder: Path) -> Manifest:
    """Read the manifest of a folder of raw data."""
    import yaml

    path = folder / NAME
    if not path.is_file():
        raise AssessError(f"{path} is missing: it lists the sources to ask.")
    text = path.read_text(encoding="utf-8")
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise AssessError(f"{path} is not readable YAML: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("sources"), list):
        raise AssessError(f"{path} must hold `settings` and a list of `sources`.")
    settings = _build(Settings, found.get("settings") or {}, f"{NAME}, settings")
    for name, variable in ADDRESSES.items():
        if os.environ.get(variable):
            setattr(settings, name, os.environ[variable])
    sources = []
    for number, entry in enumerate(found["sources"], 1):
        where = f"{NAME}, source {entry.get('id', number) if isinstance(entry, dict) else number}"
        source = _build(Source, entry, where)
        if source.kind not in KINDS:
            raise AssessError(f"{where} has kind {source.kind!r}; expected one of {', '.join(KINDS)}.")
        if not getattr(source, KINDS[source.kind]):
            raise AssessError(f"{where} is of kind {source.kind!r} and so needs {KINDS[source.kind]!r}.")
        source.pin = dict(source.pin or {})
        sources.append(source)
    ids = [source.id for source in sources]
    for name in {name for name in ids if ids.count(name) > 1}:
        raise AssessError(f"{NAME} has two sources named {name!r}.")
    heading = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    return Manifest(settings, sources, heading)


def record(folder: Path, pins: dict[str, dict[str, Any]], releases: dict[str, str] | None = None) -> None:
    """Write new pins (and release names) into a folder's manifest; everything people wrote stays as it is."""
    import yaml

    path = folder / NAME
    text = path.read_text(encoding="utf-8")
    found = yaml.safe_load(text)
    for entry in found["sources"]:
        if entry["id"] in pins:
            entry["pin"] = {**(entry.get("pin") or {}), **pins[entry["id"]]}
        if releases and entry["id"] in releases:
            entry["release"] = releases[entry["id"]]
    heading = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    body = yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=1000)
    files.write_text(path, heading + body)
