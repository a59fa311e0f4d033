"""A figure's files: SVG and PNG with its words and without, the same bytes each time."""

from __future__ import annotations

import html
import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from helpers.figure_style import DPI, FONTS, INK, MUTED, PNG_SCALE, SANS, lay_out, style, wrapped

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from numpy.typing import NDArray

# Inches from the edge to the words around a figure; size, weight, colour and step in inches of each kind of line.
EDGE = 0.08
LINES = {
    "title": (13.0, "semibold", INK, 0.235),
    "subtitle": (10.5, "normal", MUTED, 0.19),
    "source": (8.5, "normal", MUTED, 0.155),
}


@dataclass(frozen=True)
class _Line:
    """One line of words above or below a figure; `top` in inches from the top of the whole."""

    words: str
    kind: str
    top: float


def save(
    figure: Figure, title: str, subtitle: str = "", sources: Sequence[str] = (), salt: str = "figure"
) -> dict[str, bytes]:
    """The figure's files by ending: `.svg` and `.png` with title, subtitle and sources, for use on their own, and
    `.plain.svg` and `.plain.png` without, for the report, which prints them as text.

    Drawing is what takes the time, so each format is drawn once: the plain PNG is cut out of the whole one, and the
    whole SVG is the plain one between its words.
    """
    import matplotlib
    from matplotlib.text import Text

    with matplotlib.rc_context(style() | {"svg.hashsalt": salt, "svg.fonttype": "none"}):
        for text in figure.findobj(Text):  # also what was drawn without `new`
            if SANS not in text.get_fontfamily():
                text.set_fontfamily(style()["font.family"])
        # Whole pixels, so that the plain picture can be cut out of the whole one.
        width, height = (_whole(side) for side in figure.get_size_inches())
        figure.set_size_inches(width, height)
        # The layout is worked out once; both formats are then drawn where everything stands.
        engine = figure.get_layout_engine()
        lay_out(figure)
        # The solver's last digits differ from run to run; with many panels they show in the SVG.
        for axes in figure.axes:
            x, y, wide, high = (round(float(side), 8) for side in axes.get_position().bounds)
            axes.set_position((x, y, wide, high))
        figure.set_layout_engine(None)  # "none" would leave a stand-in, for which matplotlib draws everything twice
        buffer = io.BytesIO()
        # A fixed salt and no date, so that the same figure is the same bytes.
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        plain = buffer.getvalue().decode()
        above, heading = _lines([(title, "title"), (subtitle, "subtitle")], EDGE, width)
        above = _whole(above + 0.12)
        words = "Source: " + "; ".join(sources) if sources else ""
        end, footing = _lines([(words, "source")], above + height, width)
        below = _whole(end + (0.1 if footing else 0) - above - height)
        restore = _make_room(figure, height, above, below)
        tall = above + height + below
        added = [_write(figure, line, width, tall) for line in (*heading, *footing)]
        try:
            pixels = _pixels(figure)
        finally:
            for artist in added:
                artist.remove()
            restore()
            if engine is not None:
                figure.set_layout_engine(engine)
    top, rows = round(above * DPI * PNG_SCALE), round(height * DPI * PNG_SCALE)
    return {
        ".svg": _frame(plain, [*heading, *footing], width, height, above, tall).encode(),
        ".png": _png(pixels),
        ".plain.svg": plain.encode(),
        ".plain.png": _png(pixels[top : top + rows]),
    }


def width_of(png: bytes) -> int:
    """The width of a PNG in pixels."""
    return int.from_bytes(png[16:20], "big")


def _whole(inches: float) -> float:
    """The length in whole pixels of the PNG, in inches."""
    return math.ceil(round(inches * DPI * PNG_SCALE, 6)) / (DPI * PNG_SCALE)


def _lines(texts: Sequence[tuple[str, str]], top: float, width: float) -> tuple[float, list[_Line]]:
    """The texts in lines from `top` down, and where they end; all in inches."""
    lines = []
    for text, kind in texts:
        size, weight, _, step = LINES[kind]
        for words in wrapped(text, size, weight, width - 2 * EDGE):
            lines.append(_Line(words, kind, top))
            top += step
    return top, lines


def _write(figure: Figure, line: _Line, width: float, tall: float) -> Text:
    size, weight, colour, _ = LINES[line.kind]
    return figure.text(
        EDGE / width,
        1 - line.top / tall,
        line.words,
        fontsize=size,
        fontweight=weight,
        color=colour,
        va="top",
        parse_math=False,
    )


def _pixels(figure: Figure) -> NDArray[np.uint8]:
    """The figure drawn, as rows of pixels (height, width, 4)."""
    import numpy as np

    buffer = io.BytesIO()
    figure.savefig(buffer, format="rgba", dpi=DPI * PNG_SCALE)
    width, height = (round(side * DPI * PNG_SCALE) for side in figure.get_size_inches())
    return np.frombuffer(buffer.getvalue(), dtype=np.uint8).reshape(height, width, 4)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    # Nothing in a figure is see-through. Harder packing takes half as long again and saves a twentieth.
    picture = Image.fromarray(pixels).convert("RGB")
    picture.save(buffer, format="png", dpi=(DPI * PNG_SCALE, DPI * PNG_SCALE), compress_level=3)
    return buffer.getvalue()


@cache
def _faces() -> str:
    """The house font's upright faces as CSS, so that a figure's words look the same where the font is not installed."""
    path = FONTS / "fonts.css"
    faces = re.findall(r"@font-face\s*{[^}]*}", path.read_text(encoding="utf-8")) if path.is_file() else []
    return "".join(face for face in faces if SANS in face and "italic" not in face)


def _frame(plain: str, lines: Sequence[_Line], width: float, height: float, above: float, tall: float) -> str:
    """The plain SVG between the words above and below it; matplotlib's SVGs are in points."""
    texts = []
    for line in lines:
        size, weight, colour, _ = LINES[line.kind]
        weighed = ' font-weight="600"' if weight == "semibold" else ""
        texts.append(
            f'<text x="{EDGE * 72:g}" y="{line.top * 72 + 0.95 * size:.4g}" font-size="{size:g}"{weighed} fill="{colour}">'
            f"{html.escape(line.words, quote=False)}</text>"
        )
    w, h, t = (f"{side * 72:.6g}" for side in (width, height, tall))
    inner = plain[plain.index("<svg") :]
    start, body = inner[: inner.index(">") + 1], inner[inner.index(">") + 1 :]
    namespaces = " ".join(re.findall(r'xmlns(?::\w+)?="[^"]*"', start))
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<svg {namespaces} width="{w}pt" height="{t}pt" viewBox="0 0 {w} {t}" version="1.1">\n'
        f"<style>{_faces()}</style>\n"
        '<rect width="100%" height="100%" fill="#ffffff"/>\n'
        f"<g font-family=\"'{SANS}', 'Source Sans 3', 'DejaVu Sans', sans-serif\">\n" + "\n".join(texts) + "\n</g>\n"
        f'<svg y="{above * 72:.6g}" width="{w}" height="{h}" viewBox="0 0 {w} {h}">{body.rstrip()}\n</svg>\n'
    )


def _make_room(figure: Figure, height: float, above: float, below: float) -> Callable[[], None]:
    """Make a figure whose layout is settled taller and keep what is drawn in its old place; gives the undoing."""
    tall = height + above + below
    width = float(figure.get_size_inches()[0])
    boxes = [(axes, axes.get_position()) for axes in figure.axes]
    words = [(text, text.get_position()) for text in figure.texts]
    figure.set_size_inches(width, tall)
    for axes, box in boxes:
        axes.set_position((box.x0, (box.y0 * height + below) / tall, box.width, box.height * height / tall))
    for text, (x, y) in words:
        text.set_position((x, (y * height + below) / tall))
    for legend in figure.legends:
        legend.set_bbox_to_anchor((0, below / tall, 1, height / tall), transform=figure.transFigure)

    def put_back() -> None:
        figure.set_size_inches(width, height)
        for axes, box in boxes:
            axes.set_position(box)
        for text, place in words:
            text.set_position(place)
        for legend in figure.legends:
            legend.set_bbox_to_anchor(None)

    return put_back
