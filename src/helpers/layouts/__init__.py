"""Known layouts of official files, as data: one YAML file per publisher, one entry per table and release.

Each file holds
- `publications`: publisher, title, landing page, licence and the releases seen, with their dates and addresses;
- `resources`: what the project keeps (path, fields with types and units, key, symbols for missing), as catalogued in
  datapackage.json;
- `layouts`: how a publisher lays a table out, and which resource it feeds. A new layout is one new entry.

`docs/layouts.md` explains every word an entry may use.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from helpers import files
from helpers.errors import AssessError

HERE = Path(__file__).parent
NUMBERS = ("integer", "number")


@dataclass(frozen=True)
class Field:
    """A column of a resource. `type` is a Table Schema type; `unit` says what a number counts."""

    name: str
    type: str = "string"
    unit: str = ""
    description: str = ""
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    pattern: str = ""
    enum: tuple[str, ...] = ()


@dataclass(frozen=True)
class Publication:
    """What a publisher issued. `releases` maps a release to {published, url, note}."""

    id: str
    publisher: str
    title: str
    landing_page: str
    licence: str
    releases: dict[str, dict[str, Any]] = field(default_factory=dict)
    url: str = ""
    attribution: str = ""


@dataclass(frozen=True)
class Resource:
    """A table of data/raw: where it is, what its columns mean, and what makes a row unique.

    `about` says which columns tell what a row is about (`reading.Shape`); a resource that measures are read from has it.
    """

    name: str
    path: str
    title: str
    publication: Publication
    fields: tuple[Field, ...]
    keys: tuple[tuple[str, ...], ...] = ()
    missing: tuple[str, ...] = ("",)
    description: str = ""
    coverage: str = ""
    period: dict[str, str] = field(default_factory=dict)
    areas: dict[str, tuple[int, int]] = field(default_factory=dict)
    part: str = ""
    release: str = ""
    licence: str = ""
    original: str = ""
    about: dict[str, Any] = field(default_factory=dict)
    extracted: bool = True

    @property
    def names(self) -> list[str]:
        """Column names, in order."""
        return [column.name for column in self.fields]

    @property
    def geographic(self) -> bool:
        """Whether it is a GeoJSON file rather than a table."""
        return self.path.endswith(".geojson")


@dataclass(frozen=True)
class Layout:
    """How one table looks in one publisher's release. `spec` is the YAML entry; `columns` every column, in the
    publisher's names."""

    id: str
    publication: Publication
    shape: str
    signature: tuple[str, ...]
    columns: tuple[str, ...]
    spec: dict[str, Any]

    @property
    def feeds(self) -> list[dict[str, Any]]:
        """The resources it feeds: each {resource, keep, columns}."""
        feeds: list[dict[str, Any]] = self.spec.get("feeds", [])
        return feeds


@dataclass(frozen=True)
class Known:
    """Everything the layout files say."""

    publications: dict[str, Publication]
    resources: dict[str, Resource]
    layouts: tuple[Layout, ...]


def joined(items: Any) -> list[str]:
    """Nested lists of names as one list: YAML cannot join lists by itself."""
    out: list[str] = []
    for item in items or []:
        out.extend(joined(item) if isinstance(item, list) else [str(item)])
    return out


def _fields(spec: dict[str, Any]) -> tuple[Field, ...]:
    columns = []
    for name, told in spec.items():
        entry = {"description": told} if isinstance(told, str) else dict(told or {})
        entry["enum"] = tuple(str(value) for value in entry.get("enum", ()))
        columns.append(Field(name=str(name), **entry))
    return tuple(columns)


def _keys(spec: Any) -> tuple[tuple[str, ...], ...]:
    if not spec:
        return ()
    if isinstance(spec[0], str):
        return (tuple(spec),)
    return tuple(tuple(key) for key in spec)


def parse(documents: dict[str, dict[str, Any]]) -> Known:
    """The layout documents (by file name) as objects. Raises AssessError naming file and entry when one does not hold
    together."""
    publications: dict[str, Publication] = {}
    resources: dict[str, Resource] = {}
    layouts: list[Layout] = []
    for file, document in documents.items():
        for name, entry in (document.get("publications") or {}).items():
            publications[name] = Publication(id=name, **entry)
        for name, entry in (document.get("resources") or {}).items():
            told = dict(entry)
            try:
                resources[name] = Resource(
                    name=name,
                    publication=publications[told.pop("publication")],
                    fields=_fields(told.pop("fields", {})),
                    keys=_keys(told.pop("key", ())),
                    missing=tuple(str(mark) for mark in told.pop("missing", [""])),
                    areas={level: tuple(bounds) for level, bounds in told.pop("areas", {}).items()},
                    **told,
                )
            except (KeyError, TypeError) as error:
                raise AssessError(f"{file}: the resource {name!r} is not well described ({error}).") from None
        for entry in document.get("layouts") or []:
            try:
                layout = Layout(
                    id=entry["id"],
                    publication=publications[entry["publication"]],
                    shape=entry.get("shape", "flat"),
                    signature=tuple(joined(entry["signature"])),
                    columns=tuple(joined(entry.get("columns", []))),
                    spec=entry,
                )
            except KeyError as error:
                raise AssessError(f"{file}: the layout {entry.get('id', '?')!r} lacks {error}.") from None
            for feed in layout.feeds:
                if feed["resource"] not in resources:
                    raise AssessError(
                        f"{file}: the layout {layout.id!r} feeds an unknown resource {feed['resource']!r}."
                    )
            layouts.append(layout)
    return Known(publications, resources, tuple(layouts))


@lru_cache(maxsize=1)
def known() -> Known:
    """The layouts shipped with the project."""
    return load(HERE)


def load(folder: Path) -> Known:
    """The layouts in a folder of YAML files. Raises AssessError naming the file that is not YAML."""
    import yaml

    documents = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            documents[path.name] = files.read_yaml(path)
        except yaml.YAMLError as error:
            raise AssessError(f"{path.name} is not YAML: {' '.join(str(error).split())}.") from None
    return parse(documents)
