"""House style of figures, and the kinds the chapters draw."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PNG_SCALE = 2
DPI = 100


def width_of(png: bytes) -> int:
    """The width of a PNG in pixels."""
    return int.from_bytes(png[16:20], "big")


def save(figure: Figure, title: str, subtitle: str, sources: Sequence[str], salt: str) -> dict[str, bytes]:
    import matplotlib

    out = {}
    with matplotlib.rc_context({"svg.hashsalt": salt, "svg.fonttype": "none"}):
        for ending in ("svg", "png"):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=ending, dpi=DPI * PNG_SCALE, metadata={"Date": None} if ending == "svg" else {"Software": None})
            out[f".{ending}"] = buffer.getvalue()
    return out
