"""Prose with named facts in it: placeholders in braces are filled from facts, so no number is typed by hand.

`{national.requests.2024}` gives a fact's display text, `{id:ci}` its interval, `{id|rose|fell|did not change}` a word
by its sign. Braces inside code spans and formulas, and pandoc attributes such as `{#fig-x}` and `{.note}`, are left
alone; `{{` and `}}` are literal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from helpers.errors import AssessError
from helpers.facts import Fact

MAGIC = "%%prose"
_PIECES = re.compile(r"(?P<code>`+[^`]*`+)|(?P<math>\$[^$\n]+\$)|(?P<open>\{\{)|(?P<close>\}\})|\{(?P<hole>[^{}\n]*)\}")


@dataclass(frozen=True)
class Placeholder:
    """One `{...}`: the fact's id, a form such as "ci" (or ""), and words to choose among."""

    id: str
    form: str = ""
    words: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Placeholder:
        """Read what stands between the braces."""
        head, *words = [part.strip() for part in text.split("|")]
        id, _, form = head.partition(":")
        if not id or " " in id:
            raise AssessError(
                f"Placeholder {{{text}}} is not the name of a fact; write {{{{ and }}}} for literal braces."
            )
        return cls(id.strip(), form.strip(), tuple(words))

    def fill(self, facts: Mapping[str, Fact]) -> str:
        """The text that stands for the placeholder."""
        fact = facts[self.id]
        return fact.choice(self.words) if self.words else fact.form(self.form)


def body(source: str) -> str | None:
    """The Markdown of a %%prose cell's source, or None when the cell is not prose."""
    text = source.lstrip("\n")
    first, _, rest = text.partition("\n")
    return rest.strip("\n") if first.split()[:1] == [MAGIC] else None


def placeholders(text: str) -> list[Placeholder]:
    """The placeholders of a text, in order."""
    found: list[Placeholder] = []

    def note(hole: Placeholder) -> str:
        found.append(hole)
        return ""

    _each(text, note)
    return found


def fill(text: str, facts: Mapping[str, Fact], write: Callable[[Placeholder, str], str] | None = None) -> str:
    """`text` with each placeholder filled; `write(placeholder, text)` may wrap it, as the report does to link it to
    its fact; a choice of no words is left as it is.

    Raises AssessError for an unknown fact, or one without the asked-for interval, p or n.
    """

    def put(hole: Placeholder) -> str:
        filled = hole.fill(facts)
        return write(hole, filled) if write and filled else filled  # no words, nothing to link

    return _each(text, put)


def _each(text: str, put: Callable[[Placeholder], str]) -> str:
    def one(match: re.Match[str]) -> str:
        if match["open"]:
            return "{"
        if match["close"]:
            return "}"
        hole = match["hole"]
        if hole is None or (hole and hole[0] in "#.=:") or hole == "-":
            return match[0]
        return put(Placeholder.parse(hole))

    return _PIECES.sub(one, text)
