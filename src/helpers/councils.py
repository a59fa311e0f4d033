"""The 153 upper-tier councils of England (December 2023), their codes, and councils that no longer exist.

The lists are data: councils.yaml and reorganisations.yaml beside this file.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from helpers import files
from helpers.errors import AssessError

COUNT = 153
ENGLAND = "E92000001"
REGIONS = {
    "E12000001": "North East",
    "E12000002": "North West",
    "E12000003": "Yorkshire and The Humber",
    "E12000004": "East Midlands",
    "E12000005": "West Midlands",
    "E12000006": "East of England",
    "E12000007": "London",
    "E12000008": "South East",
    "E12000009": "South West",
}
_FILLER = re.compile(
    r"\b(city of|county of|royal borough of|london borough of|metropolitan borough of|borough of|"
    r"city council|county council|borough council|metropolitan council|council|city|county|mbc|ua)\b"
)


@dataclass(frozen=True)
class Council:
    """One present council. `formed`: the year it came into being in its present form, when since 2019."""

    la_code: str
    dfe_number: str
    la_name: str
    region_code: str
    region_name: str
    formed: int | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Predecessor:
    """A code or council of an earlier time. `action`: "recode" (same area) or "drop" (no one successor has its area)."""

    name: str
    codes: tuple[str, ...]
    numbers: tuple[str, ...]
    successors: tuple[str, ...]
    first: str
    action: str
    reason: str
    same_name: str = ""


@dataclass(frozen=True)
class Place:
    """What a row of a publisher's file is about: `kind` council, region, england, predecessor or unknown."""

    kind: str
    code: str = ""
    predecessor: Predecessor | None = field(default=None, compare=False)


def _load(name: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = files.read_yaml(Path(__file__).with_name(name))
    return entries


@cache
def listed() -> tuple[Council, ...]:
    """All 153 councils, by code."""
    rows = _load("councils.yaml")
    made = tuple(
        Council(**{**{k: v for k, v in row.items() if k != "aliases"}, "aliases": tuple(row.get("aliases", ()))})
        for row in rows
    )
    if len(made) != COUNT:
        raise AssessError(f"councils.yaml lists {len(made)} councils; expected {COUNT}.")
    return made


@cache
def predecessors() -> tuple[Predecessor, ...]:
    """The explicit table of reorganised councils and changed codes."""
    return tuple(
        Predecessor(
            name=row["name"],
            codes=tuple(row["codes"]),
            numbers=tuple(row["numbers"]),
            successors=tuple(row["successors"]),
            first=str(row["first"]),
            action=row["action"],
            reason=row["reason"],
            same_name=row.get("same_name", ""),
        )
        for row in _load("reorganisations.yaml")
    )


def plain(name: str) -> str:
    """A council's name without case, punctuation, footnote digits, "&" and words such as "City of" or "Council"."""
    text = name.replace("’", "'").replace("&", " and ").casefold()
    text = re.sub(r"\(pre lg\w*\)", " ", text)
    text = re.sub(r"[^a-z ]+", " ", text)
    text = re.sub(r"\s+", " ", text).strip()
    shorter = re.sub(r"\s+", " ", _FILLER.sub(" ", text)).strip()
    if re.fullmatch(r"(city of london|london city of|city of london corporation)", text):
        return "city of london"
    return shorter or text


@cache
def _by_code() -> dict[str, Council]:
    return {c.la_code: c for c in listed()}


@cache
def _by_number() -> dict[str, Council]:
    return {c.dfe_number: c for c in listed()}


@cache
def _by_name() -> dict[str, Council]:
    table: dict[str, Council] = {}
    for council in listed():
        for name in (council.la_name, *council.aliases):
            table[plain(name)] = council
    return table


@cache
def _gone() -> dict[str, Predecessor]:
    """Predecessors by code, number and plain name; a name that a present council bears is left to that council."""
    table: dict[str, Predecessor] = {}
    for old in predecessors():
        for key in (*old.codes, *old.numbers):
            table[key] = old
        if old.action == "drop" and not old.same_name:
            table[plain(old.name)] = old
    return table


def get(code: str) -> Council:
    """The council with an ONS code of December 2023; AssessError otherwise."""
    try:
        return _by_code()[code]
    except KeyError:
        return find(code)


def names() -> dict[str, str]:
    """ONS code -> name, for all 153."""
    return {c.la_code: c.la_name for c in listed()}


def place(code: str = "", number: str = "", name: str = "") -> Place:
    """Which council, region or predecessor a row of a publisher's file is about.

    The code decides when there is one; then the DfE number, unless the name is that of a council that no longer exists (one file
    gives Northamptonshire the number of Nottingham); then the name. Never raises: an unknown area has kind "unknown".
    """
    code, number, name = code.strip(), number.strip(), name.strip()
    if code:
        if code in _by_code():
            return Place("council", code)
        if code in REGIONS:
            return Place("region", code)
        if code == ENGLAND:
            return Place("england", code)
        if code in _gone():
            return _as_place(_gone()[code])
        return Place("unknown")
    old = _gone().get(plain(name)) if name else None
    if old is not None:
        return _as_place(old)
    if number:
        if number in _gone():
            return _as_place(_gone()[number])
        if number in _by_number():
            return Place("council", _by_number()[number].la_code)
    if name:
        if plain(name) in _by_name():
            return Place("council", _by_name()[plain(name)].la_code)
        for region, title in REGIONS.items():
            if plain(name) == plain(title):
                return Place("region", region)
        if plain(name) in ("england", "england total"):
            return Place("england", ENGLAND)
    return Place("unknown")


def _as_place(old: Predecessor) -> Place:
    if old.action == "recode":
        return Place("council", old.successors[0], old)
    return Place("predecessor", "", old)


def find(text: str) -> Council:
    """The council a person means, by name, ONS code or DfE number.

    Raises AssessError: no such council, with the nearest names; a name several councils could mean; or a council that no longer
    exists, with what replaced it and from when.
    """
    asked = str(text).strip()
    if not asked:
        raise AssessError("No council given: expected a name (Kent), an ONS code (E10000016) or a DfE number (886).")
    key = asked.upper()
    if key in _by_code():
        return _by_code()[key]
    if key in _by_number():
        return _by_number()[key]
    wanted = plain(asked)
    if wanted in _by_name() and key not in _gone():
        return _by_name()[wanted]
    old = _gone().get(key) or _gone().get(wanted)
    if old is not None:
        if old.action == "recode":
            return _by_code()[old.successors[0]]
        after = " and ".join(f"{get(c).la_name} ({c})" for c in old.successors)
        year, month, day = (int(part) for part in old.first.split("-"))
        raise AssessError(
            f"{old.name} no longer exists: {old.reason}. From {day} {_MONTHS[month - 1]} {year} see {after}."
        )
    if re.fullmatch(r"E\d{8}", key):
        raise AssessError(
            f"No council has the ONS code {asked!r}: expected one of the {COUNT} upper-tier councils of December 2023."
        )
    if re.fullmatch(r"\d+", key):
        raise AssessError(
            f"No council has the DfE number {asked!r}: expected one of the {COUNT} upper-tier councils of December 2023."
        )
    words = set(wanted.split())
    within = sorted({c.la_name for n, c in _by_name().items() if words and words <= set(n.split())})
    if len(within) == 1:
        return next(c for c in listed() if c.la_name == within[0])
    if len(within) > 1:
        raise AssessError(f"{asked!r} could be any of {', '.join(within)}: give the full name, ONS code or DfE number.")
    close = difflib.get_close_matches(
        wanted, [*_by_name(), *(k for k in _gone() if not k[0].isupper() and not k.isdigit())], n=3, cutoff=0.6
    )
    offers = list(dict.fromkeys(_by_name()[n].la_name if n in _by_name() else _gone()[n].name for n in close))
    hint = f" Did you mean {' or '.join(offers)}?" if offers else ""
    raise AssessError(f"No council is called {asked!r}.{hint}")


_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
