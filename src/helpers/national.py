"""England's figures as named facts, and the tables by which 01_sources shows what the data are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers import councils, measures

if TYPE_CHECKING:
    import pandas as pd

    from helpers.chapter import Book
    from helpers.reconciliation import Total
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
    from helpers import reconciliation

    year, sums, quality = built.tables["council_year"], built.reconciliation, built.quality
    book.fact("sources.councils", len(built.tables["councils"]), unit="count")
    book.fact("sources.measures", year["measure"].nunique(), unit="count")
    book.fact("sources.figures", int(year["value"].notna().sum()), unit="count")
    book.fact("sources.missing_share", 100 * without_figure(built), unit="%", digits=1)
    book.fact("sources.totals_stated", len(printed(built)), unit="count")
    book.fact("sources.totals_compared", len(sums), unit="count")
    between = sums[sums["what"].str.endswith(reconciliation.OUTSIDE)]
    book.fact("sources.rates_compared", len(between), unit="count")
    book.fact(
        "sources.rate_years", int(between["explanation"].str.extract(r"^(\d+)")[0].astype(int).sum()), unit="count"
    )
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


def printed(built: Built) -> list[tuple[Total, float]]:
    """The publishers' stated totals that the data have, each with our figure."""
    from helpers import reconciliation

    rows = built.reconciliation.set_index(["what", "explanation"])["found"]
    keys = [(t, (t.label, t.publisher)) for t in reconciliation.totals()]
    return [(total, float(rows[key])) for total, key in keys if key in rows.index]


def stated(built: Built) -> pd.DataFrame:
    """The publishers' stated totals and ours, one row a series: What, Publisher, Here, Where it is printed; several years in order.

    Where a publisher has revised a figure since, the last column says which year."""
    import pandas as pd

    found: dict[str, list[tuple[Total, float]]] = {}
    for total, ours in printed(built):
        found.setdefault(total.named(""), []).append((total, ours))
    rows = []
    for pairs in found.values():
        pairs.sort(key=lambda pair: pair[0].year)
        revised = [str(total.year) for total, ours in pairs if not total.met_by(ours)]
        where = "; ".join(dict.fromkeys(total.publisher for total, _ in pairs))
        rows.append({
            "What": pairs[0][0].named(_span([total.year for total, _ in pairs])),
            "Publisher": "; ".join(_shown(total.expected, total.digits) for total, _ in pairs),
            "Here": "; ".join(_ours(total, ours) for total, ours in pairs),
            "Where it is printed": where + (f" (revised since: {', '.join(revised)})" if revised else ""),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _span(years: list[int]) -> str:
    """2019 to 2023 where no year is missing, else every year."""
    if len(years) > 2 and years == list(range(years[0], years[-1] + 1)):
        return f"{years[0]} to {years[-1]}"
    return ", ".join(map(str, years))


def _ours(total: Total, ours: float) -> str:
    """Our figure as the publisher rounds it, or with a digit more where it lies on the border of two roundings."""
    close = _shown(ours, total.digits)
    borderline = total.seen and total.met_by(ours) and close != _shown(total.expected, total.digits)
    return _shown(ours, total.digits + 1) if borderline else close


def _shown(value: float, digits: int) -> str:
    """A figure as its publisher rounds it, money in millions."""
    return f"£{value / 1e6:,.1f} million" if abs(value) >= 1e8 else f"{round(value, digits):,.{max(digits, 0)}f}"


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
