"""Tables as a page of paper can hold them: how wide each column is, how small the letters, and whether the page is turned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from helpers.syntax import Node
from helpers.tables import Column, Table, address, domain

# Letters that fit across the page at each size, upright and turned; a cell's own margins count as letters.
_ROOM = (("8.5pt", 108, False), ("7.5pt", 122, False), ("7pt", 131, False), ("7.5pt", 190, True), ("7pt", 204, True))
MARGIN = 2.4
WIDE = 1.12  # a long word may be of wider letters than most


def _shared(least: list[float], liked: list[float], full: list[float], room: float) -> list[float]:
    """Widths that fill the room: as liked if that fits, else in proportion to the texts but never below the least."""
    if sum(liked) <= room and full == liked:
        return liked
    low, high = 0.0, 1.0
    for _ in range(40):
        part = (low + high) / 2
        taken = sum(max(small, part * whole) for small, whole in zip(least, full, strict=True))
        low, high = (part, high) if taken <= room else (low, part)
    return [max(small, low * whole) for small, whole in zip(least, full, strict=True)]


@lru_cache(maxsize=512)
def layout(made: Table) -> tuple[list[float], str, bool]:
    """Each column's share of the width, the size of the letters, and whether the page must be turned.

    No column is narrower than its longest word. The largest size is taken that leaves the longer texts at least half
    of the width they would like; what is left is shared so that the cells of a row take about as many lines.
    """
    least, brief, liked, full = [], [], [], []
    for place, column in enumerate(made.columns):
        texts = [domain(address(row[place]) or "") if address(row[place]) else row[place] for row in made.cells] or [""]
        longest = max((len(word) for text in [*texts, column.name] for word in text.split()), default=3)
        lengths = sorted(len(text) for text in texts)
        usual = lengths[int(0.9 * (len(lengths) - 1))]
        least.append(WIDE * min(longest, 20) + MARGIN)
        liked.append(max(least[-1], min(usual, 16 if column.numeric else 60) + MARGIN))
        full.append(max(least[-1], usual + MARGIN))
        brief.append(max(least[-1], min(usual, 16) + MARGIN))  # a few words stay on one line
    for size, room, turned in _ROOM:
        spare, wish = room - sum(least), sum(liked) - sum(least)
        if spare >= (0.5 if not turned else 0.2) * wish or (size, turned) == ("7pt", True):
            return _shared(brief if sum(brief) <= room else least, liked, full, room), size, turned
    raise AssertionError("the last room takes every table")


FEW_ROWS = 6


def for_paper(made: Table) -> Table:
    """The table as a page can hold it: one of few rows of numbers, too wide but for small letters, has rows and
    columns exchanged."""
    _, size, turned = layout(made)
    corner, *names = made.columns
    numeric = sum(c.numeric for c in names) > len(names) / 2
    if not (numeric and (turned or size == "7pt") and len(made.cells) <= FEW_ROWS):
        return made
    labels = [row[0] for row in made.cells]
    cells = tuple((c.name, *(row[place] for row in made.cells)) for place, c in enumerate(names, start=1))
    columns = (Column(corner.name, False), *(Column(text, numeric) for text in labels))
    return replace(made, columns=columns, cells=cells, values=cells)


_SHORT = 24  # lines: about a third of a page
FIRST_ROWS = 5  # what stays on one page with the caption of a longer table


def kind_of(made: Table) -> str:
    """How a table stands on the page: `turned` when the page must be, `short` when it is kept whole, or `long`."""
    shares, _, turned = layout(made)
    return "turned" if turned else "short" if lines_of(made, shares) <= _SHORT else "long"


def lines_of(made: Table, shares: Sequence[float]) -> int:
    """About how many lines the table's rows take."""
    return sum(
        max(1 + len(text) // max(1, int(share - MARGIN)) for text, share in zip(row, shares, strict=True))
        for row in made.cells
    )


def if_turned(made: Table, blocks: list[Node]) -> list[Node]:
    """The blocks of a table, in a Div marked as `turned` when the page must be."""
    return [marked(blocks, "turned")] if layout(for_paper(made))[2] else blocks


def marked(blocks: list[Node], *classes: str) -> Node:
    """Blocks held together and marked for what is done with them on paper."""
    return {"t": "Div", "c": [["", list(classes), []], blocks]}


def marks_of(block: Node | None) -> set[str]:
    """The marks of a block; none for a block without, or no block."""
    return set(block["c"][0][1]) if block is not None and block["t"] == "Div" else set()


def turn(blocks: list[Node], begin: Node, end: Node) -> list[Node]:
    """Tables too wide for the page (marked as `turned`) put between `begin` and `end`, which turn the page and turn it
    back, together with the headings just above them and one after another."""
    out: list[Node] = []
    run: list[Node] = []  # headings that wait to see what they stand above
    turned = False

    def close() -> None:
        nonlocal turned
        if turned:
            out.append(end)
        turned = False

    for block in blocks:
        if block["t"] == "Header" and block["c"][0] > 1:
            run.append(block)
            continue
        wide = block["t"] == "Div" and "turned" in block["c"][0][1]
        if not wide:
            close()
        elif not turned:
            out.append(begin)
            turned = True
        out += run
        run = []
        out += block["c"][1] if wide else [block]
    close()
    return out + run
