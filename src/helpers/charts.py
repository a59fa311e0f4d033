"""Small figures of a council's page, written as SVG text: quick to make, sharp in print, and following the page into dark mode.

Every function gives one `<svg>` with the house colours as plain attributes; `themed` turns them into the page's names of colours.
Sizes are in pixels of a 720 pixel wide page.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from helpers import facts
from helpers.figure_style import BLUE, GREY, GRID, INK, MUTED, ORANGE, PLUM, RULE, TEAL

WIDTH = 720
PAPER = "#ffffff"
FAINT = "#b9bfc5"
TEAL_WORDS = "#1b756e"  # teal dark enough for words
NAMES = {
    INK: "fig-ink", MUTED: "fig-muted", GRID: "fig-grid", RULE: "fig-rule", PAPER: "fig-paper",
    BLUE: "fig-blue", ORANGE: "fig-orange", GREY: "fig-grey", TEAL: "fig-teal", PLUM: "fig-plum", FAINT: "fig-faint",
    TEAL_WORDS: "fig-teal-text",
}  # fmt: skip


def themed(svg: str) -> str:
    """The same SVG with colours by name, for a page whose style sheet may change them."""
    return re.sub(
        r'(fill|stroke)="(#[0-9a-f]{6})"',
        lambda m: f'{m[1]}="var(--{NAMES[m[2]]},{m[2]})"' if m[2] in NAMES else m[0],
        svg,
    )


@dataclass
class Sheet:
    """An SVG being written."""

    width: float
    height: float
    parts: list[str] = field(default_factory=list)

    def line(
        self, x1: float, y1: float, x2: float, y2: float, colour: str = GRID, width: float = 1, dash: str = ""
    ) -> None:
        """A straight line."""
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{colour}" stroke-width="{width:g}"{dashes} fill="none"/>'
        )

    def path(self, points: Sequence[tuple[float, float]], colour: str, width: float = 2, dash: str = "") -> None:
        """A line through points."""
        route = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<path d="M{route}" stroke="{colour}" stroke-width="{width:g}"{dashes} fill="none" stroke-linejoin="round"/>'
        )

    def ticks(self, xs: Iterable[float], top: float, tall: float, colour: str, width: float) -> None:
        """Upright strokes at many places, as one path."""
        route = "".join(f"M{x:.1f} {top:.1f}v{tall:g}" for x in xs)
        if route:
            self.parts.append(f'<path d="{route}" stroke="{colour}" stroke-width="{width:g}" fill="none"/>')

    def mark(self, kind: str, x: float, y: float, size: float, fill: str, edge: str, words: str = "") -> None:
        """A circle, square, diamond, up, down or cross; `words` appear when it is pointed at."""
        s = size
        shapes = {
            "square": f"M{x - s:.1f} {y - s:.1f}h{2 * s:g}v{2 * s:g}h{-2 * s:g}z",
            "diamond": f"M{x:.1f} {y - 1.35 * s:.1f}l{1.2 * s:g} {1.35 * s:g}l{-1.2 * s:g} {1.35 * s:g}l{-1.2 * s:g} {-1.35 * s:g}z",
            "up": f"M{x:.1f} {y - 1.2 * s:.1f}l{1.2 * s:g} {2.1 * s:g}h{-2.4 * s:g}z",
            "down": f"M{x:.1f} {y + 1.2 * s:.1f}l{1.2 * s:g} {-2.1 * s:g}h{-2.4 * s:g}z",
        }
        title = f"<title>{html.escape(words)}</title>" if words else ""
        look = f'fill="{fill}" stroke="{edge}" stroke-width="1.6"'
        if kind == "circle":
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{s:g}" {look}>{title}</circle>')
        else:
            self.parts.append(f'<path d="{shapes[kind]}" {look}>{title}</path>')

    def bar(self, x: float, y: float, width: float, height: float, fill: str, edge: str, words: str = "") -> None:
        """A rectangle from its top left corner."""
        title = f"<title>{html.escape(words)}</title>" if words else ""
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{max(height, 0.1):.1f}" fill="{fill}" stroke="{edge}" stroke-width="1.2">{title}</rect>'
        )

    def text(
        self,
        x: float,
        y: float,
        words: str,
        colour: str = MUTED,
        size: float = 12,
        anchor: str = "start",
        bold: bool = False,
    ) -> None:
        """Words, their base line at y."""
        weight = ' font-weight="600"' if bold else ""
        place = f' text-anchor="{anchor}"' if anchor != "start" else ""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{colour}"{place}{weight}>{html.escape(words)}</text>'
        )

    def svg(self) -> str:
        """The finished figure; its name for assistive technology is given by the page."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {self.height:g}" font-family="Assess Sans, Arial, sans-serif">'
            f"{''.join(self.parts)}</svg>"
        )


def short(value: float, unit: str, digits: int) -> str:
    """A number for a figure: pounds in thousands or millions when large."""
    if unit == "gbp":
        size, letter = (1e6, "m") if abs(value) >= 1e6 else (1e3, "k") if abs(value) >= 1e4 else (1, "")
        text = facts.number(value / size, 1 if letter else 0)
        return f"{facts.MINUS}£{text[1:]}{letter}" if text.startswith(facts.MINUS) else f"£{text}{letter}"
    return facts.number(value, digits) + ("%" if unit == "%" else "")


def spread(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Heights moved apart to at least `gap`, within low and high, in the order given."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    out = list(values)
    at = -math.inf
    for i in order:
        at = max(values[i], at + gap, low)
        out[i] = at
    limit = high
    for i in reversed(order):
        out[i] = min(out[i], limit)
        limit = out[i] - gap
    return out


def _key(sheet: Sheet, x: float, y: float, items: Sequence[tuple[str, str, str]]) -> None:
    """A key in one line: (kind of sample, colour, words)."""
    for kind, colour, words in items:
        if kind == "tick":
            sheet.ticks([x + 4], y - 9, 11, colour, 2)
        elif kind == "diamond":
            sheet.mark("diamond", x + 4, y - 4, 4.5, colour, PAPER)
        else:
            sheet.line(x - 4, y - 4, x + 14, y - 4, colour, 2.4 if kind == "" else 2, kind)
            x += 8
        sheet.text(x + 13, y, words, MUTED, 12)
        x += 13 + 6.2 * len(words) + 20


# Place in the distribution


@dataclass(frozen=True)
class Strip:
    """One row: everyone's values, the neighbours', England's, the council's own."""

    label: str
    section: str
    everyone: Sequence[float]
    neighbours: Sequence[float]
    england: float | None
    own: float | None
    shown: str
    rank: str


def strips(rows: Sequence[Strip], name: str) -> str:
    """Where a council stands: a row for each indicator, a stroke for each council from lowest to highest; extremes are drawn at the edge."""
    left, right, tall = 214.0, 596.0, 33.0
    sections = len({r.section for r in rows})
    sheet = Sheet(WIDTH, 44 + tall * len(rows) + 24 * sections)
    _key(
        sheet,
        2,
        16,
        [
            ("diamond", BLUE, name),
            ("tick", TEAL, "statistical neighbours"),
            ("tick", FAINT, "other councils"),
            ("tick", INK, "England"),
        ],
    )
    y, section = 28.0, ""
    for row in rows:
        if row.section != section:
            section = row.section
            y += 24
            sheet.text(2, y - 5, section, MUTED, 11.5, bold=True)
            sheet.line(2, y, WIDTH - 2, y, GRID)
        ordered = sorted(row.everyone)
        cut = max(1, round(0.01 * len(ordered)))
        low, high = ordered[cut], ordered[-1 - cut]
        extent = (high - low) or 1.0

        def at(value: float, low: float = low, extent: float = extent) -> float:
            return left + (right - left) * min(max((value - low) / extent, 0), 1)

        middle = y + tall / 2 + 1
        sheet.text(2, middle + 4, row.label, INK, 13)
        sheet.line(left, middle, right, middle, GRID)
        sheet.ticks((at(v) for v in ordered), middle - 6, 12, FAINT, 1.1)
        sheet.ticks((at(v) for v in row.neighbours), middle - 8, 16, TEAL, 2)
        if row.england is not None:
            sheet.ticks([at(row.england)], middle - 11, 22, INK, 2)
        if row.own is not None:
            sheet.mark("diamond", at(row.own), middle, 6, BLUE, PAPER, f"{name}: {row.shown}")
            sheet.text(right + 12, middle + 4, row.shown, INK, 13, bold=True)
            sheet.text(WIDTH - 2, middle + 4, row.rank, MUTED, 11.5, "end")
        else:
            sheet.text(right + 12, middle + 4, row.shown, MUTED, 11.5)
        y += tall
    return sheet.svg()


# Trends


@dataclass(frozen=True)
class Trend:
    """One panel: yearly values of the council, its neighbours' average and England."""

    label: str
    unit: str
    digits: int
    own: Mapping[int, float]
    neighbours: Mapping[int, float]
    england: Mapping[int, float]


def trends(panels: Sequence[Trend], name: str, columns: int = 3) -> str:
    """A panel for each indicator: the council, the average of its neighbours, and England; a line stops where a year is missing."""
    wide, tall = WIDTH / columns, 148.0
    rows = math.ceil(len(panels) / columns)
    sheet = Sheet(WIDTH, 30 + rows * tall)
    _key(sheet, 6, 16, [("", BLUE, name), ("5 3", TEAL, "average of its neighbours"), ("1.5 3", INK, "England")])
    for position, one in enumerate(panels):
        x0, y0 = wide * (position % columns), 30 + tall * (position // columns)
        left, right, top, bottom = x0 + 4, x0 + wide - 56, y0 + 34, y0 + tall - 26
        lines = [(one.neighbours, TEAL, "5 3", 1.8), (one.england, INK, "1.5 3", 1.8), (one.own, BLUE, "", 2.6)]
        years = sorted({year for held, *_ in lines for year in held})
        values = [v for held, *_ in lines for v in held.values()]
        low, high = min(values), max(values)
        if low > 0 and low < 0.45 * high:
            low = 0.0
        extent = (high - low) or 1.0
        across = (years[-1] - years[0]) or 1

        def px(
            year: int, left: float = left, right: float = right, first: int = years[0], across: int = across
        ) -> float:
            return left + (right - left) * (year - first) / across

        def py(
            value: float, low: float = low, extent: float = extent, top: float = top, bottom: float = bottom
        ) -> float:
            return bottom - (bottom - top) * (value - low) / extent

        sheet.text(left, y0 + 22, one.label, INK, 12.5, bold=True)
        sheet.line(left, bottom + 4, right, bottom + 4, RULE)
        if low < 0 < high:
            sheet.line(left, py(0), right, py(0), RULE, 1)
        sheet.text(left, bottom + 18, str(years[0]), MUTED, 11)
        sheet.text(right, bottom + 18, str(years[-1]), MUTED, 11, "end")
        for held, colour, dash, width in lines:
            for run in _runs(held):
                if len(run) > 1:
                    sheet.path([(px(y), py(held[y])) for y in run], colour, width, dash)
                else:
                    sheet.mark("circle", px(run[0]), py(held[run[0]]), 1.6, colour, colour)
        ends = [(held[max(held)], colour) for held, colour, _, _ in lines if held]
        heights = spread([py(v) + 4 for v, _ in ends], 12, top - 2, bottom + 6)
        for (value, colour), height in zip(ends, heights, strict=True):
            sheet.text(
                right + 7,
                height,
                short(value, one.unit, one.digits),
                TEAL_WORDS if colour == TEAL else colour,
                11.5,
                bold=colour == BLUE,
            )
        last = max(one.own)
        words = f"{name}, {last}: {short(one.own[last], one.unit, one.digits)}"
        sheet.mark("circle", px(last), py(one.own[last]), 3.2, BLUE, PAPER, words)
    return sheet.svg()


def _runs(held: Mapping[int, float]) -> list[list[int]]:
    """Years in runs without a gap."""
    runs: list[list[int]] = []
    for year in sorted(held):
        if runs and runs[-1][-1] == year - 1:
            runs[-1].append(year)
        else:
            runs.append([year])
    return runs


# The deficit


@dataclass(frozen=True)
class Printed:
    """One printed figure of the cumulative deficit: financial year ending `year`, pounds; kind planned, forecast or actual."""

    year: int
    pounds: float
    kind: str
    basis: str
    words: str
    weak: bool = False


@dataclass(frozen=True)
class Payment:
    """A payment by the department in one financial year: pounds, made or only planned."""

    year: int
    pounds: float
    made: bool


BASES = {"gross": PLUM, "net": BLUE}
KINDS = {"actual": "circle", "forecast": "up", "planned": "square"}


def deficit(
    printed: Sequence[Printed],
    joins: Sequence[tuple[Printed, Printed]],
    official: Sequence[tuple[int, float]],
    payments: Sequence[Payment],
) -> str:
    """The cumulative deficit year by year in pounds: plans, forecasts and outturns as printed, the official balance, and payments below.

    `joins` are pairs of figures that may be joined by a line; the caller joins only figures on one footing.
    """
    years = sorted({p.year for p in printed} | {y for y, _ in official} | {p.year for p in payments})
    first, last = years[0], max(years[-1], years[0] + 1)
    amounts = [p.pounds for p in printed] + [v for _, v in official] + [0.0]
    low, high = min(amounts), max(amounts)
    step = nice((high - low) / 4 or 1e6)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    high = high if high > low else low + step
    left, right, top, bottom = 62.0, WIDTH - 24.0, 78.0, 330.0
    below = 110.0 if payments else 30.0
    sheet = Sheet(WIDTH, bottom + below)
    across = last - first

    def px(year: int) -> float:
        return left + 22 + (right - left - 44) * (year - first) / across

    def py(pounds: float) -> float:
        return bottom - (bottom - top) * (pounds - low) / (high - low)

    _deficit_key(sheet, printed, bool(official))
    for i in range(round((high - low) / step) + 1):
        level = low + i * step
        sheet.line(left, py(level), right, py(level), RULE if abs(level) < 1 else GRID)
        sheet.text(left - 8, py(level) + 4, _millions(level, step), MUTED, 11.5, "end")
    jump = max(1, math.ceil((across + 1) / 10))
    for year in range(first, last + 1):
        if (year - first) % jump == 0:
            sheet.text(px(year), bottom + 18, f"{year - 1}-{year % 100:02d}", MUTED, 11.5, "middle")
    for one, two in joins:
        colour = BASES.get(one.basis, MUTED)
        sheet.line(
            px(one.year), py(one.pounds), px(two.year), py(two.pounds), colour, 2, "" if one.kind == "actual" else "4 3"
        )
    order = {"planned": 0, "forecast": 1, "actual": 2}
    for one in sorted(printed, key=lambda p: (order[p.kind], not p.weak)):
        colour = BASES.get(one.basis, MUTED)
        sheet.mark(
            KINDS[one.kind],
            px(one.year),
            py(one.pounds),
            4.6,
            colour if one.kind == "actual" and not one.weak else PAPER,
            colour,
            one.words,
        )
    for year, pounds in official:
        sheet.mark(
            "diamond",
            px(year),
            py(pounds),
            6,
            INK,
            PAPER,
            f"Official balance, 31 March {year}: {short(pounds, 'gbp', 0)}",
        )
    if payments:
        _payments(sheet, payments, px, bottom + 36, left, right)
    return sheet.svg()


def _deficit_key(sheet: Sheet, printed: Sequence[Printed], official: bool) -> None:
    x, y = 6.0, 14.0
    kinds = [
        (k, w)
        for k, w in (("actual", "outturn"), ("forecast", "forecast"), ("planned", "plan"))
        if any(p.kind == k for p in printed)
    ]
    for kind, words in kinds:
        sheet.mark(KINDS[kind], x + 4, y - 4, 4.6, MUTED if kind == "actual" else PAPER, MUTED)
        sheet.text(x + 15, y, words, MUTED, 12)
        x += 15 + 6.4 * len(words) + 20
    if official:
        sheet.mark("diamond", x + 4, y - 4, 6, INK, PAPER)
        sheet.text(x + 16, y, "balance in the council's official return", MUTED, 12)
    x, y = 6.0, 34.0
    held = {p.basis if p.basis in BASES else "" for p in printed}
    for basis, words in (
        ("gross", "before the department's payments (gross)"),
        ("net", "after them (net)"),
        ("", "not said, or before the agreement"),
    ):
        if basis in held:
            sheet.line(x - 4, y - 4, x + 14, y - 4, BASES.get(basis, MUTED), 4)
            sheet.text(x + 21, y, words, MUTED, 12)
            x += 21 + 6.0 * len(words) + 22
    if any(p.weak for p in printed):
        sheet.text(6, 54, "Hollow circles: outturns from weak sources.", MUTED, 11.5)


def _payments(sheet: Sheet, payments: Sequence[Payment], px: object, top: float, left: float, right: float) -> None:
    assert callable(px)
    base, tall = top + 62, 36.0
    most = max(p.pounds for p in payments) or 1.0
    sheet.text(left, top + 4, "Safety Valve payments found for single years: filled paid, hollow planned", MUTED, 12)
    sheet.line(left, base, right, base, RULE)
    for one in payments:
        high = tall * one.pounds / most
        x = px(one.year)
        words = (
            f"{'Paid' if one.made else 'Planned'} in {one.year - 1}-{one.year % 100:02d}: {short(one.pounds, 'gbp', 0)}"
        )
        sheet.bar(x - 13, base - high, 26, high, TEAL if one.made else PAPER, TEAL, words)
        sheet.text(x, base - high - 5, short(one.pounds, "gbp", 0), INK, 11, "middle")


def nice(rough: float) -> float:
    """A round step near `rough`: 1, 2, 2.5 or 5 times a power of ten."""
    size: float = 10 ** math.floor(math.log10(rough))
    return next(m * size for m in (1, 2, 2.5, 5, 10) if m * size >= rough * 0.999)


def _millions(pounds: float, step: float) -> str:
    if abs(pounds) < 1:
        return "£0"
    digits = 0 if step >= 1e6 and step % 1e6 == 0 else 1
    text = facts.number(pounds / 1e6, digits)
    return f"{facts.MINUS}£{text[1:]}m" if text.startswith(facts.MINUS) else f"£{text}m"


# The map


def outlines(
    rings: Mapping[str, Sequence[Sequence[tuple[float, float]]]],
    aspect: float,
    height: float,
    inset: str = "E09",
    inset_width: float = 200,
) -> tuple[float, dict[str, str], dict[str, str]]:
    """Path data of every council in pixels for a map `height` tall: (width, all, those whose code begins with `inset` enlarged).

    `rings` hold longitude and latitude; `aspect` is the height of a degree of latitude over the width of one of longitude.
    """
    everyone = [point for held in rings.values() for ring in held for point in ring]
    west, east = min(x for x, _ in everyone), max(x for x, _ in everyone)
    south, north = min(y for _, y in everyone), max(y for _, y in everyone)
    scale = height / ((north - south) * aspect)
    wide = (east - west) * scale
    main = {
        code: _route(held, lambda x, y: ((x - west) * scale, (north - y) * scale * aspect))
        for code, held in rings.items()
    }
    chosen = {code: held for code, held in rings.items() if code.startswith(inset)}
    if not chosen:
        return wide, main, {}
    points = [point for held in chosen.values() for ring in held for point in ring]
    x0, y1 = min(x for x, _ in points), max(y for _, y in points)
    larger = inset_width / (max(x for x, _ in points) - x0)
    return (
        wide,
        main,
        {
            code: _route(held, lambda x, y: ((x - x0) * larger, (y1 - y) * larger * aspect))
            for code, held in chosen.items()
        },
    )


def _route(held: Sequence[Sequence[tuple[float, float]]], to: object) -> str:
    assert callable(to)
    out = []
    for ring in held:
        points = [to(x, y) for x, y in ring]
        steps: list[str] = []
        for x, y in points:
            text = f"{x:.1f} {y:.1f}"
            if not steps or steps[-1] != text:
                steps.append(text)
        out.append("M" + "L".join(steps) + "z")
    return "".join(out)
