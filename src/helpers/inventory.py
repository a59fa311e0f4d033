"""What data/raw holds, as a table for readers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def resources() -> pd.DataFrame:
    """One row for each resource of the catalogue: Table, What it holds, Publisher, Release, Rows."""
    import pandas as pd

    from helpers import catalogue

    rows = []
    for told in catalogue.load()["resources"]:
        rows.append(
            {
                "Table": told["name"],
                "What it holds": told.get("title", ""),
                "Publisher": told.get("publisher", ""),
                "Released": told.get("published") or told.get("release", ""),
                "Rows": told.get("rows"),
            }
        )
    return pd.DataFrame(rows)
