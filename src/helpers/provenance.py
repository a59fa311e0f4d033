"""Sources in words: what a resource of the data package is called, and by whom it was published."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from helpers import paths

OWN = "Safety Valve assessment"  # how the catalogue names the project as a publisher


@dataclass(frozen=True)
class Resource:
    """What a reader needs to know of one input."""

    name: str
    title: str
    publisher: str
    link: str
    released: str
    record: dict[str, Any]

    @property
    def own(self) -> bool:
        """Whether the table is the project's own work, such as its coding of documents."""
        return self.publisher == OWN

    def words(self) -> str:
        """ "Department for Education, Education, health and care plans"."""
        return f"{self.publisher}, {self.title}" if self.publisher else self.title


@lru_cache(maxsize=2)
def _read(path: Path, stamp: int) -> dict[str, Resource]:
    package = json.loads(path.read_text(encoding="utf-8"))
    found = {}
    for entry in package.get("resources", []):
        publication = entry.get("publication") or {}
        if isinstance(publication, str):
            publication = {"title": publication}
        publisher = entry.get("publisher") or publication.get("publisher") or ""
        if isinstance(publisher, dict):
            publisher = publisher.get("title") or publisher.get("name") or ""
        title = entry.get("publication_title") or publication.get("title") or entry.get("title") or entry["name"]
        link = (
            entry.get("landing_page")
            or entry.get("homepage")
            or entry.get("download_url")
            or entry.get("download_address")
            or ""
        )
        released = entry.get("published") or entry.get("publication_date") or entry.get("release") or ""
        found[entry["name"]] = Resource(entry["name"], str(title), str(publisher), str(link), str(released), entry)
    return found


def resources() -> dict[str, Resource]:
    """The resources of data/raw/datapackage.json by name; empty when there is no catalogue yet."""
    path = paths.raw() / "datapackage.json"
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def words(names: Iterable[str]) -> list[str]:
    """Sources as a reader knows them; a name that is not in the catalogue (an address, a chapter) is given as it is."""
    known = resources()
    return list(dict.fromkeys(known[name].words() if name in known else name for name in names))
