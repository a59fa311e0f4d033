"""What every measure is: definitions kept as data in measures.yaml."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from helpers import files
from helpers.errors import AssessError

KINDS = ("calendar_flow", "january_count", "academic_year", "balance", "financial_flow")
SCALES = ("level", "log")
WAYS = ("column", "item", "ratio", "sum", "difference", "splice", "per_population")
_REQUIRED = ("title", "short", "unit", "kind", "scale", "digits", "source", "first_year", "last_year", "definition")

# What `assess new-measure` leaves for a person to say, and what is expected.
_WANTED = {
    "definition": "one sentence on what is counted, of whom and when",
    "source": "the name of a resource of data/raw, such as ehc_requests",
}


@dataclass(frozen=True)
class Measure:
    """One measure. `way` is how its value is made (column, item, ratio, ...) and `of` what from; `note` its limits.

    `kind` times it (helpers.exposure), `scale` "log" means effects are reported in per cent. Shares are 0-100, money is in pounds.
    """

    name: str
    title: str
    short: str
    unit: str
    kind: str
    scale: str
    digits: int
    source: str
    first_year: int
    last_year: int
    definition: str
    way: str
    of: Any
    note: str = ""
    gaps: tuple[int, ...] = ()

    @property
    def years(self) -> tuple[int, ...]:
        """The years the measure must have, gaps left out."""
        return tuple(y for y in range(self.first_year, self.last_year + 1) if y not in self.gaps)

    @property
    def parts(self) -> tuple[str, ...]:
        """Measures this one is made from; empty when it comes straight from a file."""
        if self.way == "ratio":
            return (*self.of["numerator"], *self.of["denominator"])
        if self.way in ("sum", "difference", "splice"):
            return tuple(self.of)
        if self.way == "per_population":
            return (self.of["measure"],)
        return ()


def _measure(name: str, row: dict[str, Any]) -> Measure:
    where = f"measures.yaml, {name}"
    missing = [key for key in _REQUIRED if key not in row]
    if missing:
        raise AssessError(f"{where}: {', '.join(missing)} missing.")
    ways = [way for way in WAYS if way in row]
    if len(ways) != 1:
        raise AssessError(f"{where}: expected exactly one of {', '.join(WAYS)}; found {', '.join(ways) or 'none'}.")
    for key, wanted in _WANTED.items():
        if str(row[key]).strip().upper() in ("", "TO DO"):
            raise AssessError(f"{where}: {key} is {row[key]!r}; expected {wanted}.")
    unknown = set(row) - {*_REQUIRED, *WAYS, "note", "gaps"}
    if unknown:
        raise AssessError(f"{where}: unknown key {sorted(unknown)[0]!r}.")
    if row["kind"] not in KINDS:
        raise AssessError(f"{where}: kind {row['kind']!r}; expected one of {', '.join(KINDS)}.")
    if row["scale"] not in SCALES:
        raise AssessError(f"{where}: scale {row['scale']!r}; expected one of {', '.join(SCALES)}.")
    if row["first_year"] > row["last_year"]:
        raise AssessError(f"{where}: first_year {row['first_year']} is after last_year {row['last_year']}.")
    fields = {key: row[key] for key in _REQUIRED}
    of = row[ways[0]]
    if ways[0] == "ratio":  # one measure may be given by its name alone
        lists = {
            key: [of[key]] if isinstance(of.get(key), str) else of.get(key) for key in ("numerator", "denominator")
        }
        if not all(lists.values()):
            raise AssessError(f"{where}: a ratio has a numerator and a denominator, each a measure or a list of them.")
        of = {"per": 1, **of, **lists}
    return Measure(name=name, **fields, way=ways[0], of=of, note=row.get("note", ""), gaps=tuple(row.get("gaps") or ()))


def parse(text: str) -> dict[str, Measure]:
    """Read definitions from YAML; AssessError names the measure and key at fault, and any measure made from an unknown one."""
    import yaml

    try:
        rows = files.parse_yaml(text)
    except yaml.YAMLError as error:
        raise AssessError(f"measures.yaml cannot be read: {error}.") from error
    table = {name: _measure(name, row) for name, row in rows.items()}
    for measure in table.values():
        for part in measure.parts:
            if part not in table:
                raise AssessError(f"measures.yaml, {measure.name}: made from {part!r}, which is not a measure.")
    return table


@cache
def listed() -> dict[str, Measure]:
    """All measures, by name."""
    return parse(Path(__file__).with_name("measures.yaml").read_text(encoding="utf-8"))


def get(name: str) -> Measure:
    """One measure; AssessError with the nearest names when there is none so called."""
    table = listed()
    if name in table:
        return table[name]
    close = difflib.get_close_matches(str(name), table, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    raise AssessError(f"No measure is called {name!r}.{hint}")


def ordered() -> list[Measure]:
    """All measures, each after those it is made from."""
    table, done, order = listed(), set(), []

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            raise AssessError(f"measures.yaml: {' -> '.join((*trail, name))} goes round in a circle.")
        if name in done:
            return
        for part in table[name].parts:
            visit(part, (*trail, name))
        done.add(name)
        order.append(table[name])

    for name in table:
        visit(name, ())
    return order


def made_from(resource: str) -> list[Measure]:
    """Measures read straight from one resource."""
    return [m for m in listed().values() if m.source == resource and m.way in ("column", "item")]
