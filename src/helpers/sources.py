"""From the raw extracts to the processed tables: checked, recoded to the 153 councils of December 2023, reconciled, written whole.

`build()` reads through `helpers.catalogue`, raises AssessError at the first thing that is wrong, and returns everything in memory;
`write(built)` then replaces the processed tables. Nothing is written before every check has passed.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import (
    checks,
    councils,
    derivation,
    files,
    groups,
    measures,
    paths,
    quality,
    reading,
    reconciliation,
    registers,
)
from helpers.errors import AssessError
from helpers.quality import note
from helpers.reading import Reader

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["la_code", "la_name", "measure", "period", "year", "value", "unit", "symbol", "source"]


@dataclass(frozen=True)
class Built:
    """Everything 01_sources makes, in memory. `tables`: file name without ending -> frame, `evidence/...` included."""

    tables: dict[str, pd.DataFrame]
    quality: pd.DataFrame
    reconciliation: pd.DataFrame


def collect(read: Reader, notes: list[dict[str, str]]) -> pd.DataFrame:
    """Every measure read straight from a file, long, for councils, predecessors, regions and England."""
    import pandas as pd

    return pd.concat(
        [reading.published(resource, read(resource), notes) for resource in reading.sources_of_measures()],
        ignore_index=True,
    )


def finished(table: pd.DataFrame) -> pd.DataFrame:
    """The contract's columns, in order, without measure-years in which nobody has a figure."""
    names = councils.names() | councils.REGIONS | {councils.ENGLAND: "England"}
    units = {name: m.unit for name, m in measures.listed().items()}
    order = {name: i for i, name in enumerate(measures.listed())}
    table = table[table.groupby(["measure", "year"])["value"].transform("count") > 0]
    table = table.assign(
        la_name=table["la_code"].map(names), unit=table["measure"].map(units), year=table["year"].astype("int64")
    )
    table = table.assign(_order=table["measure"].map(order)).sort_values(
        ["_order", "la_code", "year"], ignore_index=True
    )
    for column in ("la_code", "la_name", "measure", "period", "unit", "symbol", "source"):
        table[column] = table[column].astype("string")
    return table[COLUMNS]


def built_from(read: Reader, evidence_tables: dict[str, pd.DataFrame]) -> Built:
    """All processed tables from a reader of raw resources. Raises AssessError before anything is written."""
    import pandas as pd

    read = cache(read)
    notes: list[dict[str, str]] = []
    people = groups.council_table(read)
    others = {
        "neighbours": registers.neighbours(read, notes),
        "inspections": registers.inspections(read, notes),
        "support": registers.support(read, notes),
    }
    long = collect(read, notes)
    sums = reconciliation.national(with_corrections(long))
    sums += reconciliation.stated(with_corrections(long), people.set_index("la_code")["group"])
    sums += reconciliation.between(
        as_printed(long), reading.tool_items(read, [item for _, item, _ in reconciliation.PAIRS])
    )
    kept = long[long["kind"] != "predecessor"]
    kept = quality.without_known_errors(quality.present_areas_only(kept, notes), notes)
    full = derivation.with_derived(kept, people)
    tables = {
        "council_year": finished(full[full["kind"] == "council"]),
        "area_year": finished(full[full["kind"] != "council"]),
        "councils": people,
        **others,
    }
    notes.append(balance_scale(tables["council_year"]))
    notes += checks.passed(tables)
    tables |= {f"evidence/{name}": table for name, table in evidence_tables.items()}
    sums_table = pd.DataFrame(sums)[reconciliation.COLUMNS]
    findings = _findings(notes)
    return Built(tables | {"quality": findings, "reconciliation": sums_table}, findings, sums_table)


def _findings(notes: list[dict[str, str]]) -> pd.DataFrame:
    """quality.parquet: what was corrected first, what merely passed last."""
    import pandas as pd

    order = {o: i for i, o in enumerate(("corrected", "dropped", "recoded", "explained", "noted", "passed"))}
    table = pd.DataFrame(notes)[["check", "resource", "table", "outcome", "detail"]]
    table = table.assign(_order=table["outcome"].map(order)).sort_values(["_order", "check", "resource"], kind="stable")
    return table.drop(columns="_order").reset_index(drop=True)


def build() -> Built:
    """Read data/raw, check, recode, derive and reconcile; everything in memory. `write` puts it on disk.

    Raises AssessError at the first thing that is wrong, in the data, the evidence or the tests stated for its claims.
    """
    from helpers import catalogue, claims, evidence

    evidence_tables = evidence.normalise_all()
    claims.stated_for(evidence_tables["claims"])
    return built_from(catalogue.read, evidence_tables)


def write(built: Built, folder: Path | None = None) -> list[Path]:
    """Replace the processed tables: all are written beside the old ones first, then each takes its place."""
    folder = folder or paths.processed()
    with ExitStack() as stack:
        for name, table in built.tables.items():
            table.to_parquet(stack.enter_context(files.whole(folder / f"{name}.parquet")), index=False)
    return [folder / f"{name}.parquet" for name in built.tables]


def balance_scale(year: pd.DataFrame) -> dict[str, str]:
    """Whether the derived share of the 2024 balance is on the scale of the published shares; AssessError when it cannot be."""
    wide = year[year["measure"] == "dsg_balance"].pivot(index="la_code", columns="year", values="value")
    pair = wide[[2022, 2024]].dropna()
    alike = pair[2022].rank().corr(pair[2024].rank())  # Spearman's, without waiting for scipy
    spread = pair[2024].std() / pair[2022].std()
    if not (alike > 0.5 and 0.5 < spread < 2.5):
        raise AssessError(
            f"dsg_balance_2023_24: the derived shares do not fit the published ones (rank correlation {alike:.2f}, ratio of spreads {spread:.2f})."
        )
    detail = (
        f"2023-24 shares, derived from pounds, against the published 2021-22 shares of {len(pair)} councils: rank correlation {alike:.2f}, "
        f"medians {pair[2022].median():.1f} and {pair[2024].median():.1f}, standard deviations {pair[2022].std():.1f} and {pair[2024].std():.1f}"
    )
    return note("scale of two definitions", "dsg_balance_2023_24", "council_year", "noted", detail)


def as_printed(long: pd.DataFrame) -> pd.DataFrame:
    """The rows as read, and the derived measures that another publication prints too."""
    import pandas as pd

    areas = long[long["kind"].isin(["council", "england"])]
    repeated = [measures.get(name) for name, _, _ in reconciliation.PAIRS]
    made = [derivation.derived(m, areas, pd.Series(dtype="float64")) for m in repeated if m.parts]
    return pd.concat([long, *made], ignore_index=True)


def with_corrections(long: pd.DataFrame) -> pd.DataFrame:
    """The rows as read, with only the exact corrections made: what publishers' totals are compared with."""
    return quality.without_known_errors(long, [], only="correct")
