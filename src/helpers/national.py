"""England's figures as named facts, and the tables by which 01_sources shows what the data are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers import councils, measures

if TYPE_CHECKING:
    import pandas as pd

    from helpers.chapter import Book
    from helpers.sources import Built

# Fact name -> measure. `national.NAME.YEAR` is recorded for every year with a figure for England.
NAMES = {
    "requests": "requests",
    "refusals": "refusals",
    "refusal_rate": "refusal_to_assess_sen2",
    "assessments": "assessments",
    "refusal_to_issue": "refusal_to_issue",
    "new_plans": "new_plans",
    "timeliness": "timeliness",
    "plans": "plans",
    "ceased_plans": "ceased_plans",
    "appeals": "appeals",
    "appealable_decisions": "appealable_decisions",
    "appeal_rate": "appeal_rate",
    "mainstream_share": "mainstream_share",
    "special_share": "special_share",
    "independent_share": "independent_share",
}
UNITS = {"%": "%", "gbp": "gbp"}


def england(built: Built, measure: str) -> pd.Series:
    """England's figures of one measure by year, missing ones left out."""
    table = built.tables["area_year"]
    rows = table[(table["measure"] == measure) & (table["la_code"] == councils.ENGLAND) & table["value"].notna()]
    return rows.set_index("year")["value"]


def record(book: Book, built: Built) -> None:
    """Record national.NAME.YEAR for every name and year; counts whole, shares to one decimal as their publishers round."""
    for name, measure in NAMES.items():
        definition = measures.get(measure)
        for year, value in england(built, measure).items():
            unit = UNITS.get(definition.unit, "count")
            digits = definition.digits if unit == "%" else None
            book.fact(
                f"national.{name}.{year}", value, unit=unit, years=int(year), sources=[definition.source], digits=digits
            )


def record_quality(book: Book, built: Built) -> None:
    """Record sources.*: how many tables, measures and figures there are, how many are missing, and what was checked."""
    year, sums, quality = built.tables["council_year"], built.reconciliation, built.quality
    book.fact("sources.councils", len(built.tables["councils"]), unit="count")
    book.fact("sources.measures", year["measure"].nunique(), unit="count")
    book.fact("sources.figures", int(year["value"].notna().sum()), unit="count")
    book.fact("sources.missing_share", 100 * without_figure(built), unit="%", digits=1)
    book.fact("sources.totals_stated", len(stated(built)), unit="count")
    book.fact("sources.totals_compared", len(sums), unit="count")
    book.fact("sources.corrected", corrected(built), unit="count", sources=["ehc_new_plans"])
    book.fact("sources.dropped_entries", int((quality["outcome"] == "dropped").sum()), unit="count")
    book.fact(
        "sources.doubtful_entries",
        len(quality[(quality["check"] == "known errors") & (quality["outcome"] == "noted")]),
        unit="count",
    )
    largest = sums[sums["what"].str.contains("interactive tool") & sums["what"].str.contains("refused")]["found"].max()
    book.fact(
        "sources.tool_refusal_difference", float(largest), unit="pp", digits=2, sources=["lait_sen", "ehc_requests"]
    )
    money = sums[sums["source"] == "dsg_balance_2023_24"].set_index("what")["found"]
    for name, words in {
        "dsg_net": "sum of councils",
        "dsg_gross": "councils in deficit",
        "dsg_safety_valve": "Safety Valve councils",
    }.items():
        chosen = money[[w.endswith(words) for w in money.index]]
        value = float(chosen.iloc[0])
        shown = f"£{value / 1e9:.3f} billion" if value >= 1e9 else f"£{value / 1e6:.1f} million"
        book.fact(f"sources.{name}", value, unit="gbp", display=shown, years=2024, sources=["dsg_balance_2023_24"])
    book.fact("sources.dsg_councils", int(built.tables["council_year"].query("measure == 'dsg_balance_gbp'")["value"].notna().sum()), unit="count",
              years=2024, sources=["dsg_balance_2023_24"])  # fmt: skip


def corrected(built: Built) -> int:
    """How many figures were corrected."""
    rows = built.quality[built.quality["outcome"] == "corrected"]["detail"]
    return int(rows.str.extract(r"^(\d+)")[0].astype(int).sum())


def without_figure(built: Built) -> float:
    """The share (0 to 1) of councils without a figure, over all measures and their years, with or without a reason printed."""
    year = built.tables["council_year"]
    cells = year.groupby("measure")["year"].nunique().sum() * councils.COUNT
    return 1 - float(year["value"].notna().sum()) / float(cells)


def stated(built: Built) -> pd.DataFrame:
    """The publishers' stated totals and ours: What, Publisher's total, Ours."""
    from helpers import reconciliation

    rows = built.reconciliation
    chosen = rows[rows["explanation"].isin({t.publisher for t in reconciliation.totals()})]
    out = chosen[["what", "expected", "found", "explanation"]].copy()
    out.columns = ["What", "Publisher", "Here", "Where it is printed"]
    for column in ("Publisher", "Here"):
        out[column] = [_shown(v) for v in out[column]]
    return out.reset_index(drop=True)


def _shown(value: float) -> str:
    if abs(value) >= 1e8:
        return f"£{value / 1e6:,.1f} million"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"


def shortfalls(built: Built) -> pd.DataFrame:
    """Where councils add up to less than England, and which councils explain it: one row for each source, year and set of councils."""
    rows = built.reconciliation[built.reconciliation["explanation"].str.startswith("in England's figure")].copy()
    rows["Year"] = rows["what"].str.extract(r", (\d{4}), councils")[0].astype(int)
    rows["Councils without a figure of their own"] = rows["explanation"].str.split(": ").str[1]
    grouped = (
        rows.groupby(["source", "Year", "Councils without a figure of their own"])
        .size()
        .rename("Measures")
        .reset_index()
    )
    return grouped.rename(columns={"source": "Source"})[
        ["Source", "Year", "Measures", "Councils without a figure of their own"]
    ]


def decisions(built: Built) -> pd.DataFrame:
    """What was corrected, dropped or only noted among doubtful figures: What was done, Source, Detail."""
    rows = built.quality[built.quality["check"].isin(["known errors", "council codes"])]
    return (
        rows[["outcome", "resource", "detail"]]
        .rename(columns={"outcome": "What was done", "resource": "Source", "detail": "Detail"})
        .reset_index(drop=True)
    )


def reorganised(built: Built) -> pd.DataFrame:
    """Reorganised councils: which predecessors were recoded or dropped, why, and in how many tables."""
    from helpers import councils as register

    rows = built.quality[built.quality["check"] == "reorganised councils"]
    out = []
    for old in register.predecessors():
        mine = rows[rows["detail"].str.startswith(f"{old.name}")]
        if len(mine):
            after = ", ".join(register.get(c).la_name for c in old.successors)
            out.append({"Council": old.name, "What was done": mine["outcome"].iloc[0], "Tables": mine["resource"].nunique(),
                        "Now": after, "Why": old.reason})  # fmt: skip
    import pandas as pd

    return pd.DataFrame(out)


def coverage(built: Built) -> pd.DataFrame:
    """Every measure: what it is, its years, and how many councils have a figure in the best and the worst year."""
    import pandas as pd

    year = built.tables["council_year"]
    counts = year[year["value"].notna()].groupby(["measure", "year"])["la_code"].nunique()
    rows = []
    for name, measure in measures.listed().items():
        mine = counts[name]
        span = f"{mine.index.min()} to {mine.index.max()}" if len(mine) > 1 else f"{mine.index.min()}"
        rows.append({"Measure": measure.title, "Name": name, "Years": span, "Fewest councils": int(mine.min()), "Most": int(mine.max()),
                     "Source": measure.source})  # fmt: skip
    return pd.DataFrame(rows)


def missing(built: Built) -> pd.DataFrame:
    """Why figures are missing: Symbol, Meaning, Figures."""
    from helpers.reading import SYMBOL_MEANINGS

    year = built.tables["council_year"]
    counts = (
        year.loc[year["value"].isna(), "symbol"].value_counts().rename_axis("Symbol").rename("Figures").reset_index()
    )
    counts.insert(1, "Meaning", counts["Symbol"].map(SYMBOL_MEANINGS))
    return counts


def by_year(built: Built, names: list[str]) -> pd.DataFrame:
    """England by year: one column for each measure, under its short name."""
    import pandas as pd

    out = pd.concat({measures.get(n).short: england(built, n) for n in names}, axis=1).sort_index()
    out.index.name = "Year"
    return out.reset_index()
