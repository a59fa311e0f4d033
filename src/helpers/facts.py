"""Named facts: a number recorded once, with its unit, uncertainty, sample and source, and how it reads in a
sentence."""

from __future__ import annotations

import csv
import difflib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.errors import AssessError

MINUS = "\N{MINUS SIGN}"
FIELDS = ("value", "unit", "display", "lower", "upper", "p", "n", "years", "sources", "notebook")
_ALLOWED_IN_ID = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+.")

# unit -> (text before, text after, digits)
UNITS: dict[str, tuple[str, str, int]] = {
    "%": ("", "%", 1),
    "pp": ("", " percentage points", 1),
    "count": ("", "", 0),
    "gbp_m": ("£", " million", 1),
    "gbp_bn": ("£", " billion", 2),
    "gbp": ("£", "", 0),
    "ratio": ("", "", 2),
    "log": ("", "", 3),
    "index": ("", "", 1),
    "points": ("", " points", 1),
    "years": ("", " years", 0),
    "per_1000": ("", " per 1,000", 1),
    "per_10000": ("", " per 10,000", 1),
}
P_LEVELS = (0.01, 0.05, 0.10)  # where a p-value changes a verdict or its strength
_WORDS = ["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def number(value: float, digits: int) -> str:
    """`value` with thousands separators, a fixed number of decimals and a typographic minus; never "-0.0"."""
    text = f"{abs(value):,.{digits}f}"
    negative = value < 0 and any(c in "123456789" for c in text)
    return (MINUS if negative else "") + text


def probability(p: float) -> str:
    """A p-value as reports write it: "p = 0.03", "p = 0.008", "p < 0.001", "p > 0.99".

    One that two decimals would round onto a level of P_LEVELS has as many as show its side of it, up to four: "p = 0.097".
    """
    if p < 0.001:
        return "p < 0.001"
    if p > 0.995:
        return "p > 0.99"
    digits = 3 if p < 0.01 else 2
    while digits < 4 and p not in P_LEVELS and round(p, digits) in P_LEVELS:
        digits += 1
    return f"p = {p:.{digits}f}"


def shown(value: Any, unit: str = "", digits: int | None = None) -> str:
    """How a value of a unit reads in a sentence: 154489 count -> "154,489"; -3.2 "%" -> "−3.2%"; 886.5 gbp_m ->
    "£886.5 million".

    Text is returned as it is. An unknown unit is written after the number.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if unit == "p":
        return probability(float(value))
    if unit == "gbp" and digits is None and abs(float(value)) >= 1e6:
        # Pounds are stored whole; sentences count millions and billions.
        big = abs(float(value)) >= 1e9
        return shown(float(value) / (1e9 if big else 1e6), "gbp_bn" if big else "gbp_m")
    before, after, usual = UNITS.get(unit, ("", f" {unit}" if unit else "", 0 if float(value).is_integer() else 2))
    if unit == "years" and abs(float(value)) == 1:
        after = " year"
    text = number(float(value), usual if digits is None else digits)
    # The sign goes before the pound sign: −£3.2 million.
    if before and text.startswith(MINUS):
        return f"{MINUS}{before}{text[1:]}{after}"
    return f"{before}{text}{after}"


def _plain(value: Any) -> Any:
    """A number as plain Python, rounded to ten significant figures so that two machines write the same bytes."""
    if value is None or isinstance(value, bool | str):
        return value
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(f"{value:.10g}") if math.isfinite(value) else None
    raise AssessError(f"A fact's value must be a number or text, not {type(value).__name__}.")


def _optional(name: str, value: Any) -> float | None:
    plain = _plain(value)
    if plain is None or isinstance(plain, int | float):
        return plain
    raise AssessError(f"{name} must be a number, not {value!r}.")


@dataclass(frozen=True)
class Fact:
    """One named result. `lower` and `upper` bound the 95% interval; `digits` is kept so that intervals read like the
    value."""

    id: str
    value: Any
    unit: str
    display: str
    lower: float | None = None
    upper: float | None = None
    p: float | None = None
    n: int | float | None = None
    years: str | None = None
    sources: tuple[str, ...] | None = None
    notebook: str | None = None
    cell: int | None = None
    digits: int | None = None

    def __repr__(self) -> str:
        text = f"{self.id} = {self.display}"
        if self.lower is not None and self.upper is not None:
            text += f" ({self.interval()})"
        return text

    def _missing(self, what: str) -> AssessError:
        return AssessError(f"Fact {self.id!r} has no {what}; record it with book.fact(..., {what}=).")

    def shown(self, value: Any) -> str:
        """Another value in this fact's unit and digits."""
        return shown(value, self.unit, self.digits)

    def interval(self) -> str:
        """The 95% interval as "x to y", the unit written once where it follows the number."""
        if self.lower is None or self.upper is None:
            raise self._missing("lower and upper")
        low, high = self.shown(self.lower), self.shown(self.upper)
        after = UNITS.get(self.unit, ("", f" {self.unit}" if self.unit else "", 0))[1]
        if after.startswith(" ") and low.endswith(after):
            low = low[: -len(after)]
        return f"{low} to {high}"

    def form(self, how: str) -> str:
        """The fact as a placeholder's format asks: "", ci, lower, upper, p, n, abs, years, signed, whole, word,
        number."""
        numeric = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        if how == "":
            return self.display
        if how == "ci":
            return self.interval()
        if how in ("lower", "upper", "p", "n", "years"):
            held = getattr(self, how)
            if held is None:
                raise self._missing(how)
            if how == "p":
                return probability(held)
            if how == "n":
                return number(held, 0)
            return held if how == "years" else self.shown(held)
        if how not in FORMS:
            raise AssessError(f"Fact {self.id!r} has no form {how!r}; forms are {', '.join(FORMS)}.")
        if not numeric:
            raise AssessError(f"Fact {self.id!r} is text ({self.display!r}); {how!r} needs a number.")
        if how == "abs":
            # A display given by hand keeps its wording; only its sign goes.
            return self.display.removeprefix(MINUS).removeprefix("-").removeprefix("+")
        if how == "signed":
            return self.display if self.value < 0 or self.display.startswith("+") else f"+{self.display}"
        if how == "whole":
            return shown(self.value, self.unit, 0)
        if how == "number":
            return number(self.value, UNITS.get(self.unit, ("", "", 2))[2] if self.digits is None else self.digits)
        whole = round(self.value)
        return _WORDS[whole] if 0 <= whole <= 10 and whole == self.value else number(self.value, 0)

    def _reads_as_nought(self) -> bool:
        """Whether the number a reader sees has no digit but 0: 0.04 shown as "0.0 percentage points"."""
        if self.value == 0:
            return True
        after = UNITS.get(self.unit, ("", f" {self.unit}" if self.unit else "", 0))[1]
        text = self.display.removesuffix(after)
        return "0" in text and not any(digit in text for digit in "123456789")

    def choice(self, words: Sequence[str]) -> str:
        """A word by sign: positive, negative; a third when the interval includes zero or the value is shown as nought.

        Of two words the value's own sign picks, however small it is; nought takes the first.
        """
        if not isinstance(self.value, int | float) or isinstance(self.value, bool):
            raise AssessError(f"Fact {self.id!r} is text ({self.display!r}); a choice of words needs a number.")
        if len(words) == 3:
            within = self.lower is not None and self.upper is not None and self.lower <= 0 <= self.upper
            if within or self._reads_as_nought():
                return words[2]
        elif len(words) != 2:
            raise AssessError(
                f"Fact {self.id!r}: give two words or three, {{id|more|fewer}} or {{id|more|fewer|no different}}."
            )
        return words[0] if self.value >= 0 else words[1]

    def record(self) -> dict[str, Any]:
        """The fields of the facts.json contract, in order."""
        entry = {name: getattr(self, name) for name in FIELDS}
        entry["sources"] = list(self.sources) if self.sources else None
        return entry


FORMS = ("ci", "lower", "upper", "p", "n", "abs", "years", "signed", "whole", "word", "number")


def near(word: str, known: Iterable[str]) -> str:
    """ "; did you mean 'a' or 'b'?" for the closest known names, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(repr(c) for c in close)}?" if close else ""


def _span(years: Any) -> str | None:
    if years is None or years == "":
        return None
    if isinstance(years, str):
        return years
    if isinstance(years, Iterable):
        spans = [str(_plain(y)) for y in years]
        return spans[0] if len(set(spans)) == 1 else f"{spans[0]} to {spans[-1]}"
    return str(_plain(years))


def make(
    id: str,
    value: Any,
    unit: str = "",
    display: str | None = None,
    lower: Any = None,
    upper: Any = None,
    p: Any = None,
    n: Any = None,
    years: Any = None,
    sources: str | Sequence[str] = (),
    notebook: str | None = None,
    cell: int | None = None,
    digits: int | None = None,
) -> Fact:
    """A checked fact. Raises AssessError for a malformed id, a missing value, or an interval the wrong way round."""
    if not id or not set(id) <= _ALLOWED_IN_ID or "." not in id.strip(".") or id != id.strip("."):
        raise AssessError(
            f"Fact id {id!r}: use dotted names of letters, digits, _ and -, such as 'national.requests.2024'."
        )
    plain = _plain(value)
    if plain is None:
        raise AssessError(f"Fact {id!r} has no value ({value!r}); a missing number is not a fact.")
    low, high = _optional("lower", lower), _optional("upper", upper)
    if low is not None and high is not None and low > high:
        raise AssessError(f"Fact {id!r}: lower ({low}) is above upper ({high}).")
    if unit == "count" and isinstance(plain, float) and plain.is_integer():
        plain = int(plain)
    names = (sources,) if isinstance(sources, str) else tuple(sources)
    return Fact(
        id=id,
        value=plain,
        unit=unit,
        display=display if display is not None else shown(plain, unit, digits),
        lower=low,
        upper=high,
        p=_optional("p", p),
        n=_optional("n", n),
        years=_span(years),
        sources=names or None,
        notebook=notebook,
        cell=cell,
        digits=digits,
    )


class Facts(Mapping[str, Fact]):
    """Facts by id. A missing id raises an AssessError that names the nearest known ones."""

    def __init__(self, facts: Iterable[Fact] = (), elsewhere: Mapping[str, str] | None = None) -> None:
        self._facts = {fact.id: fact for fact in facts}
        self.elsewhere = dict(elsewhere or {})  # id -> why it cannot be used here

    def __getitem__(self, id: str) -> Fact:
        try:
            return self._facts[id]
        except KeyError:
            if id in self.elsewhere:
                raise AssessError(f"Fact {id!r} cannot be used here: {self.elsewhere[id]}.") from None
            raise AssessError(f"No fact {id!r}{near(id, self._facts)}") from None

    def __contains__(self, id: object) -> bool:
        return id in self._facts

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)

    def add(self, fact: Fact) -> None:
        """Add or replace one fact."""
        self._facts[fact.id] = fact

    def drop(self, id: str) -> None:
        """Forget a fact, if it is known."""
        self._facts.pop(id, None)


def to_json(facts: Iterable[Fact], extra: bool = False) -> str:
    """facts.json: sorted by id. With `extra`, also the cell and digits that the assembler uses and the contract does
    not name."""
    entries = {}
    for fact in sorted(facts, key=lambda f: f.id):
        entry = fact.record()
        if extra:
            entry |= {"cell": fact.cell, "digits": fact.digits}
        entries[fact.id] = entry
    return json.dumps(entries, ensure_ascii=False, indent=1) + "\n"


def read(path: Path) -> list[Fact]:
    """The facts of a facts.json; AssessError when it is not one."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return [
            Fact(
                id=id,
                **{k: entry.get(k) for k in (*FIELDS, "cell", "digits") if k != "sources"},
                sources=tuple(entry["sources"]) if entry.get("sources") else None,
            )
            for id, entry in entries.items()
        ]
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise AssessError(f"{path} is not a readable facts file: {error}.") from error


def policy(path: Path) -> list[Fact]:
    """Cited policy figures from a CSV of id, value, unit, display, text, source_url; none when the file does not
    exist."""
    if not path.is_file():
        return []
    found = []
    with path.open(encoding="utf-8-sig", newline="") as handle:
        for line, row in enumerate(csv.DictReader(handle), start=2):
            try:
                id, raw = row["id"].strip(), row["value"].strip()
            except (KeyError, AttributeError) as error:
                raise AssessError(
                    f"{path.name}, line {line}: expected columns id, value, unit, display, text, source_url."
                ) from error
            value: Any = raw
            try:
                value = float(raw)
                value = int(value) if value.is_integer() and "." not in raw else value
            except ValueError:
                pass
            fact = make(
                id if id.startswith("policy.") else f"policy.{id}",
                value,
                (row.get("unit") or "").strip(),
                (row.get("display") or "").strip() or None,
                sources=[s for s in [(row.get("source_url") or "").strip()] if s],
                notebook=None,
            )
            found.append(fact)
    return found
