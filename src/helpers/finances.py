"""Deficits with and without Safety Valve payments, and how close councils came to insolvency.

Money in pounds, deficits positive, shares as percentages. Balances are those at 31 March; the one of 2024 comes from
section 251 outturn and already counts Safety Valve payments received, so "without" adds back what had been paid.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from helpers import evidence, panel, paths, programme

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from helpers import protocol

Row = dict[str, Any]

#: The last year end with a balance for nearly every council.
BALANCE_YEAR = 2024
#: The year ends with balances, in order. Nothing was published for 31 March 2023, so the last step is of two years.
BALANCE_YEARS = (2020, 2021, 2022, 2024)
#: What the page on the suspension says was still to be paid to the suspended councils together.
STILL_TO_COME = "policy.suspended.future"
#: Share of an agreement paid in the signing year where the split is known: about 30% in the first cohort, 40% after.
FIRST_SHARE = {"2020-21": 0.3}
LATER_FIRST_SHARE = 0.4
#: Years from signing to the last payment where no end was found: the most common among those found.
YEARS_ASSUMED = 4
#: The generous reading: a first share above any seen (0.42), and yearly parts above the fastest seen (1.43 times an equal part).
HIGH_FIRST_SHARE = 0.5
HIGH_PACE = 1.5
#: What is known to have been paid, an assumed profile, a generous one: each no smaller than the one before.
READINGS = ("low", "central", "high")
#: Deficit as a share of a year's net current expenditure, the thresholds quoted.
THRESHOLDS = (5, 10)
#: The name in facts and effects of the deficit with the payments of the assumed profile added back.
WITHOUT_PAYMENTS = "dsg_balance_without_payments"
#: How the effect on deficits is read: as reported, and with the payments of each reading added back.
AS_READ = {
    "with": "With the payments",
    "low": "Without those known to have been made",
    "central": "Without, assumed profile",
    "high": "Without, generous reading",
}
#: Versions of the estimate shown for each reading.
VERSIONS = {
    "callaway_santanna": "Main estimate",
    "linear_trend": "Taking off the trend before the agreement",
    "covariates": "Adjusted for starting points",
    "anticipation_1": "Allowing a year of anticipation",
}


def paid_by_balance_date() -> pd.DataFrame:
    """What each of the 38 had been paid by 31 March 2024: `paid_by` of the last year end with balances."""
    return paid_by(BALANCE_YEAR)


def paid_by(year: int) -> pd.DataFrame:
    """What each of the 38 had been paid by 31 March of `year`: la_code, la_name, cohort, known (total found), low, central, high (pounds).

    low: what a page read reports as paid, and first payments printed in an agreement, which fall in the signing month. central: an
    assumed profile, the first payment as printed or else the usual first share, the rest in equal yearly parts to the end year, none in
    2023-24 where suspended. high: a generous one, half at signing where the first payment is not known, yearly parts half as large again,
    none in 2023-24 only where a page says so. No reading passes the agreement less payments dated later, or a running total reported
    later; a running total at the balance date settles all three. The suspended councils' readings are held together to what their
    agreements leave once the payments still to come in March 2024 are taken off (`_ceiling`). central and high are missing where the
    total was not found. Before the signing year all three are nought. No year is given more than a later one.
    """
    return _paid_by([year])[year]


def _paid_by(years: Sequence[int]) -> dict[int, pd.DataFrame]:
    """`paid_by` of several years."""
    mark = _mark()
    later = _read_as(BALANCE_YEAR, mark).copy()
    made = {}
    for year in years:
        made[year] = later if year == BALANCE_YEAR else _read_as(year, mark).copy()
        if year < BALANCE_YEAR:
            for reading in READINGS:
                made[year][reading] = made[year][reading].clip(upper=later[reading])
    return made


def _mark() -> tuple[tuple[str, int], ...]:
    """What changes when the evidence tables are written anew."""
    tables = sorted((paths.processed() / "evidence").glob("*.parquet"))
    return tuple((path.name, path.stat().st_mtime_ns) for path in tables)


@dataclass(frozen=True)
class _Papers:
    """What the readings rest on: the agreements, their rows of payments and of reports (`_reported`) by la_code, and the
    most that the suspended councils can have had together (`_ceiling`)."""

    deals: pd.DataFrame
    payments: dict[str, list[Row]]
    reports: dict[str, list[Row]]
    ceiling: float


@functools.lru_cache(maxsize=1)
def _papers(mark: tuple[tuple[str, int], ...]) -> _Papers:
    """The evidence tables as they are; not to be written to."""

    def by_council(rows: pd.DataFrame) -> dict[str, list[Row]]:
        return {str(code): part.to_dict("records") for code, part in rows.groupby("la_code")}

    deals = programme.agreements()
    suspended = deals[deals["fate"] == programme.FATES["suspended"]]
    return _Papers(deals, by_council(evidence.load("payments")), by_council(_reported()), _ceiling(suspended))


@functools.cache  # a chapter asks ten times, and each reading takes every council through its papers
def _read_as(year: int, mark: tuple[tuple[str, int], ...]) -> pd.DataFrame:
    """The columns of `paid_by` for one year, not yet held to what a later year allows; not to be written to."""
    import pandas as pd

    papers = _papers(mark)
    out = []
    for deal in papers.deals.to_dict("records"):
        mine = papers.payments.get(deal["la_code"], [])
        low, settled = _low(deal, mine, papers.reports.get(deal["la_code"], []), year)
        central = high = float("nan")
        if deal["known"]:
            most = _most(deal, mine, year)
            central = low if settled else min(max(_profile(deal, mine, year=year), low), most)
            high = low if settled else max(min(_profile(deal, mine, generous=True, year=year), most), central)
        row = {name: deal[name] for name in ("la_code", "la_name", "cohort", "known")}
        out.append(row | {"low": low, "central": central, "high": high})
    made = pd.DataFrame(out)
    deals = papers.deals
    suspended = made["la_code"].isin(deals.loc[deals["fate"] == programme.FATES["suspended"], "la_code"])
    return _held_to(made, suspended, papers.ceiling)


def _ceiling(deals: pd.DataFrame) -> float:
    """The most the suspended councils can have had together: their agreements less what was still to come in March 2024 (pounds).

    The loosest reading of the page: were the payments withheld for 2023-24 not among those to come, it would be less by as much.
    """
    figures = evidence.load("policy_figures").set_index("id")["value"]
    return float(deals["total_dfe_funding"].sum(skipna=False)) - float(figures[STILL_TO_COME])


def _held_to(made: pd.DataFrame, which: pd.Series, ceiling: float) -> pd.DataFrame:
    """central and high of some councils brought down to `ceiling` in sum, each by the same share of what it adds to the reading below.

    A ceiling that is missing (a total not found) changes nothing; what is known to have been paid is never cut.
    """
    made = made.copy()
    for below, reading in itertools.pairwise(READINGS):
        base = made.loc[which, below]
        added, room = made.loc[which, reading] - base, max(ceiling - base.sum(), 0.0)
        if added.sum() > room:
            made.loc[which, reading] = base + added * room / added.sum()
    return made


def _reported() -> pd.DataFrame:
    """Payments that the documents table reports as made in a year, from councils' own papers only: la_code, year, value."""
    rows = evidence.load("trajectories")
    made = (rows["measure"] == "dfe_payment") & (rows["kind"] == "actual") & (rows["grade"] == "strong")
    return rows[made & rows["year"].notna()][["la_code", "year", "value"]]


def _known(value: Any) -> bool:
    import pandas as pd

    return not pd.isna(value)


def _last(row: Row, missing: int) -> int:
    return int(row["last_year"]) if _known(row["last_year"]) else missing


def _low(deal: Row, rows: Sequence[Row], reports: Sequence[Row], year: int = BALANCE_YEAR) -> tuple[float, bool]:
    """What is known to have been paid by 31 March of `year`, and whether a running total at that very date settles it."""
    until = [r for r in rows if _known(r["actual_payment"]) and _last(r, 9999) <= year]
    running = [r for r in until if r["row_type"] == "cumulative"]
    settled = [float(r["actual_payment"]) for r in running if _last(r, 9999) == year]
    if settled:
        return max(settled), True
    years: dict[int, float] = {}
    for row in until:
        if row["row_type"] in ("annual", "part-year"):
            years[_last(row, 9999)] = years.get(_last(row, 9999), 0.0) + float(row["actual_payment"])
    said = [(int(report["year"]), float(report["value"])) for report in reports if int(report["year"]) <= year]
    if _known(deal["first_payment"]) and int(deal["signed_year"]) <= year:
        said.append((int(deal["signed_year"]), float(deal["first_payment"])))
    for when, value in said:
        years[when] = max(years.get(when, 0.0), value)
    return max([float(sum(years.values())), *(float(r["actual_payment"]) for r in running)]), False


def _most(deal: Row, rows: Sequence[Row], year: int = BALANCE_YEAR) -> float:
    """What cannot have been passed: the agreement less payments dated later, or a running total reported later."""
    later = [r for r in rows if _last(r, 0) > year]
    due = [
        max((float(r[kind]) for kind in ("planned_payment", "actual_payment") if _known(r[kind])), default=0.0)
        for r in later
        if r["row_type"] == "annual"
    ]
    totals = [r["actual_payment"] for r in later if r["row_type"] == "cumulative" and _known(r["actual_payment"])]
    return min([max(float(deal["total_dfe_funding"]) - sum(due), 0.0), *map(float, totals)])


def _profile(deal: Row, rows: Sequence[Row], generous: bool = False, year: int = BALANCE_YEAR) -> float:
    """An assumed profile of payments: so much at signing, the rest in equal yearly parts. Pounds by 31 March of `year`."""
    total, signed, first = float(deal["total_dfe_funding"]), int(deal["signed_year"]), deal["first_payment"]
    if year < signed:
        return 0.0
    usual = HIGH_FIRST_SHARE if generous else FIRST_SHARE.get(deal["cohort"], LATER_FIRST_SHARE)
    start = float(first) if _known(first) else total * usual
    years = max(int(deal["end_year"]) - signed, 1) if _known(deal["end_year"]) else YEARS_ASSUMED
    due = min(year - signed, years)
    nothing = any(_last(r, 0) == year and r["actual_payment"] == 0 for r in rows)
    suspended = year == BALANCE_YEAR and deal["fate"] == programme.FATES["suspended"]
    if nothing or (suspended and not generous):
        due = max(due - 1, 0)
    part = min((HIGH_PACE if generous else 1.0) * due / years, 1.0)
    return start + (total - start) * part


def without_payments() -> pd.DataFrame:
    """Balances of the 38 at 31 March 2024 with payments, and without under each reading of what had been paid.

    Columns of `paid_by_balance_date` and: balance, without_low, without_central, without_high (pounds), grant (pounds), expenditure (net
    current expenditure in 2023-24, pounds), own_expenditure (the same without education).
    """
    made = paid_by_balance_date()
    measures = {
        "balance": "dsg_balance_gbp",
        "grant": "dsg_total",
        "expenditure": "net_expenditure",
        "own_expenditure": "expenditure_without_education",
    }
    for name, measure in measures.items():
        rows = panel.series(measure, groups=False)
        made[name] = made["la_code"].map(rows[rows["year"] == BALANCE_YEAR].set_index("la_code")["value"])
    for reading in READINGS:
        made[f"without_{reading}"] = made["balance"] + made[reading]
    return made


def added_back() -> dict[str, pd.DataFrame]:
    """Deficits (% of grant) ready for estimation, by reading (AS_READ): as reported, and with what had been paid by each year end added back.

    Columns of `protocol.prepare`: la_code, year, value, first_year, group. Councils with an agreement whose total was not found are left
    out of all four, since no profile can be drawn for them. Payments are divided by the grant of the year.
    """
    from helpers import protocol

    paid = {year: frame.set_index("la_code") for year, frame in _paid_by(BALANCE_YEARS).items()}
    known, grant = paid[BALANCE_YEAR]["known"], panel.wide("dsg_total")
    data = protocol.prepare("dsg_balance", without=list(known.index[~known]))
    by_reading = {name: {year: frame[name] for year, frame in paid.items()} for name in READINGS}
    return {"with": data} | {name: _owed_without(data, made, grant) for name, made in by_reading.items()}


def _owed_without(data: pd.DataFrame, paid: dict[int, pd.Series], grant: pd.DataFrame) -> pd.DataFrame:
    """`data` with payments added to the values of councils with an agreement: paid (pounds by la_code) by year, grant (pounds, la_code by
    year). A payment or a grant that is missing makes the value missing, not unchanged."""
    import pandas as pd

    shares = pd.DataFrame({year: 100 * made / grant[year].reindex(made.index) for year, made in paid.items()}).stack()
    added = shares.reindex(pd.MultiIndex.from_frame(data[["la_code", "year"]])).to_numpy()
    return data.assign(value=data["value"] + pd.Series(added, index=data.index).where(data["first_year"] > 0, 0.0))


def paid_after(with_: pd.DataFrame, without: pd.DataFrame) -> float:
    """Mean payment received by the year ends after signing, points of grant, over councils with an agreement.

    Controls are paid nothing and nobody is paid before signing, so this is what adding payments back must move the main estimate by.
    """
    exposed = (with_["first_year"] > 0) & (with_["year"] >= with_["first_year"])
    return float((without["value"] - with_["value"])[exposed].mean())


def net_effects(frames: Mapping[str, pd.DataFrame], draws: int = 999, seed: int = 2021) -> pd.DataFrame:
    """The effect on deficits with the payments and without them under each reading: `frames` as `added_back` makes them.

    One row a version (VERSIONS) and reading (AS_READ). Columns: version, group (its words), name, estimator (the reading's words), estimate,
    std_error, lower, upper (95%, clustered by council), p_value, n_treated, n_control, first_year, last_year; for the main estimate also
    ri_p, pretrend_p, mde (smallest detectable) and paid (`paid_after`). Percentage points of grant. Adding back is arithmetic: it supposes
    that councils would have spent the same without the money.
    """
    import pandas as pd

    from helpers import estimation, inference, power, protocol

    rows, covariates = [], protocol.baseline()
    for name, data in frames.items():
        held = inference.panel(data)
        study = inference.study(held)
        checks = {
            "ri_p": inference.randomisation(study, draws, seed).p,
            "pretrend_p": inference.pretrend(study).p,
            "mde": power.detectable(study, "level", draws, seed).value,
            "paid": paid_after(frames["with"], data),
        }
        for version, words in VERSIONS.items():
            made = estimation.estimate(held, version, outcome=name, scale="level", covariates=covariates)
            row = made[made["event_time"] == "overall"].iloc[0].to_dict()
            more = checks if version == "callaway_santanna" else {}
            rows.append(row | more | {"version": version, "group": words, "name": name, "estimator": AS_READ[name]})
    made = pd.DataFrame(rows).drop(columns=["outcome", "controls", "event_time"])
    return made.sort_values("version", key=lambda c: c.map(list(VERSIONS).index), kind="stable", ignore_index=True)


def net_protocol(data: pd.DataFrame) -> protocol.Protocol:
    """The whole protocol on the deficit with payments added back (a frame of `added_back`), under the name WITHOUT_PAYMENTS."""
    from helpers import protocol

    return protocol.run(
        WITHOUT_PAYMENTS,
        data,
        "finances",
        unit="pp",
        covariates=protocol.baseline(),
        notes=["Councils whose agreement's total was not found are left out."],
    )


def record_net(book: Any, effects: pd.DataFrame, sources: Sequence[str]) -> None:
    """What `net_effects` found, as facts finances.net.*, in percentage points of grant unless said otherwise.

    with, low, central, high: the main estimate as reported and without the payments of each reading, and the same with _trend, _adjusted
    and _anticipation for the other versions; with_ri_p and so on; pretrend_p and pretrend_margin (p less 5%). Over the readings, with the
    lowest and highest as ends: range, trend_range, adjusted_range, anticipation_range (effects without payments), paid (`paid_after`) and
    share (payments as % of the effect with them).
    """
    held = effects.set_index(["version", "name"])
    main = held.loc["callaway_santanna"]
    about = {
        "n": int(main["n_treated"].iloc[0]),
        "years": (int(main["first_year"].min()), int(main["last_year"].max())),
        "sources": sources,
    }
    ends = {"linear_trend": "trend", "covariates": "adjusted", "anticipation_1": "anticipation"}
    for (version, name), row in held.iterrows():
        key = "_".join([str(name), *([ends[str(version)]] if version in ends else [])])
        interval = {"lower": row["lower"], "upper": row["upper"], "p": row["p_value"]}
        book.fact(f"finances.net.{key}", row["estimate"], unit="pp", **interval, **about)
    for name, row in main.iterrows():
        book.fact(f"finances.net.{name}_ri_p", row["ri_p"], unit="p", **about)
    before = main.loc["central", "pretrend_p"]
    book.fact("finances.net.pretrend_p", before, unit="p", **about)
    book.fact("finances.net.pretrend_margin", before - 0.05, unit="p above 5%", **about)
    spans = {f"{words}_range": held.loc[version, "estimate"] for version, words in ends.items()}
    spans |= {"range": main["estimate"], "paid": main["paid"]}
    spans |= {"share": -100 * main["paid"] / main.loc["with", "estimate"]}
    for key, values in spans.items():
        three = values[list(READINGS)]
        shown: dict[str, Any] = {"unit": "%", "digits": 0} if key == "share" else {"unit": "pp"}
        book.fact(f"finances.net.{key}", three["central"], lower=three.min(), upper=three.max(), **shown, **about)


def cuts(measure: str, **chosen: Any) -> pd.DataFrame:
    """The main estimate of a measure with known problems of the data left out one at a time (`variations.known_problems`), the main one
    first: the columns of `variations.compare` and moved (estimate less the main one). chosen: its `controls` and `without`."""
    from helpers import variations

    made = variations.compare(measure, variations.known_problems(measure), **chosen)
    return made.assign(moved=made["estimate"] - made["estimate"].iloc[0])


def record_cuts(book: Any, measure: str, made: pd.DataFrame, sources: Sequence[str]) -> None:
    """finances.cut.MEASURE.NAME for each cut, .range (main estimate; lowest and highest cut as lower and upper), .most (the cut that moves
    the estimate most) and .most_name (its words)."""
    from helpers import measures

    unit = "%" if measures.get(measure).scale == "log" else "pp"
    most = made.loc[made["moved"].abs().idxmax()]
    for key, row in [*((r["name"], r) for r in made.iloc[1:].to_dict("records")), ("most", most)]:
        book.fact(
            f"finances.cut.{measure}.{key}",
            row["estimate"],
            unit=unit,
            lower=row["lower"],
            upper=row["upper"],
            p=row["p_value"],
            n=int(row["n_treated"]),
            years=(int(row["first_year"]), int(row["last_year"])),
            sources=sources,
        )
    words = str(most["label"])
    book.fact(f"finances.cut.{measure}.most_name", words[0].lower() + words[1:], sources=sources)
    main = made.iloc[0]
    book.fact(
        f"finances.cut.{measure}.range",
        main["estimate"],
        unit=unit,
        lower=made["estimate"].min(),
        upper=made["estimate"].max(),
        n=len(made) - 1,
        sources=sources,
    )


def splits() -> dict[str, pd.Series]:
    """Labels of Safety Valve councils for exploratory parts: cohort, payments suspended, size of the deal a head, refusal rate before."""
    from helpers import send_system

    made = send_system.splits(evidence.load("conditions"), evidence.load("agreements"))
    return {name: label for name, label in made.items() if name != "Condition on decisions"}


def parts(measures_: Sequence[str], labels: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Exploratory: the main estimate of each measure for parts of the Safety Valve councils, and the difference of two parts.

    labels: split -> part by la_code. Columns: measure, and those of `variations.subgroups`; ri_p for differences: the p when labels are
    dealt out at random among Safety Valve councils.
    """
    import pandas as pd

    from helpers import variations

    frames = []
    for measure in measures_:
        for split, label in labels.items():
            made = variations.subgroups(measure, label, split).assign(measure=measure, ri_p=float("nan"))
            if label.nunique() == 2:
                made.loc[made["label"] == "difference", "ri_p"] = variations.reassigned(measure, label)
            frames.append(made)
    return pd.concat(frames, ignore_index=True)


def record_parts(book: Any, made: pd.DataFrame, sources: Sequence[str]) -> None:
    """finances.part.MEASURE.suspended and .others (effects where payments were suspended or not), .suspended_ri_p (of their difference),
    and finances.part.clear: how many of all differences (n) have a randomisation p below 5%."""
    from helpers import measures

    gaps = made[made["label"] == "difference"]
    book.fact("finances.part.clear", int((gaps["ri_p"] < 0.05).sum()), unit="count", n=len(gaps), sources=sources)
    keys = {"suspended in 2024": "suspended", "not suspended": "others", "difference": "suspended_ri_p"}
    for row in made[made["split"] == "Payments"].to_dict("records"):
        about = {
            "n": int(row["n_treated"]),
            "years": (int(row["first_year"]), int(row["last_year"])),
            "sources": sources,
        }
        id = f"finances.part.{row['measure']}.{keys[row['label']]}"
        if row["label"] == "difference":
            book.fact(id, row["ri_p"], unit="p", **about)
            continue
        unit = "%" if measures.get(row["measure"]).scale == "log" else "pp"
        ends = {"lower": row["lower"], "upper": row["upper"], "p": row["p_value"]}
        book.fact(id, row["estimate"], unit=unit, **ends, **about)


def in_deficit() -> pd.DataFrame:
    """Share of councils in deficit by group and year: group, year, share (%), councils."""
    rows = panel.series("dsg_balance")
    rows = rows[rows["value"].notna()]
    grouped = rows.assign(red=(rows["value"] > 0) * 100.0).groupby(["group", "year"])
    return grouped["red"].agg(share="mean", councils="size").reset_index()


def pounds() -> pd.DataFrame:
    """Balances in pounds by council (index la_code) and year end: to 2022 the published share times the grant, in 2024 as returned."""
    return (panel.wide("dsg_balance") * panel.wide("dsg_total") / 100)[list(BALANCE_YEARS)]


def steps() -> pd.DataFrame:
    """How balances changed from each year end with figures to the next, by group, councils with both.

    Columns: step (words), first, last (year ends), years (1, or 2 from 2022 to 2024), row (a group, `known` or `without`), councils, change
    (pounds over the whole step, growing deficits positive), yearly (change a year, % of the grant of the step's last year), lower, upper (of
    yearly, else missing). `known`: the Safety Valve councils whose agreement's total was found; `without`: the same with the payments of the
    step added back, on the assumed profile, lower and upper over the three readings.
    """
    import pandas as pd

    balance, grant = pounds(), panel.wide("dsg_total")
    groups = panel.councils().set_index("la_code")["group"]
    paid = {year: frame.set_index("la_code") for year, frame in _paid_by(BALANCE_YEARS).items()}
    told = paid[BALANCE_YEAR].index[paid[BALANCE_YEAR]["known"]]
    rows = []
    for first, last in itertools.pairwise(BALANCE_YEARS):
        moved = pd.DataFrame({"reported": balance[last] - balance[first], "grant": grant[last]}).dropna()
        for reading in READINGS:
            moved[reading] = moved["reported"] + paid[last][reading] - paid[first][reading]
        parts = {group: moved[groups.reindex(moved.index) == group] for group in panel.GROUPS}
        parts |= {"known": moved.reindex(told).dropna(subset="reported")}
        head = {"step": _step_words(first, last), "first": first, "last": last, "years": last - first}
        rows += [head | {"row": name} | _change(part, last - first) for name, part in parts.items()]
        rows.append(head | {"row": "without"} | _change(parts["known"], last - first, READINGS))
    return pd.DataFrame(rows)


def _step_words(first: int, last: int) -> str:
    """ "2020-21" for one year; two years are called their yearly mean."""
    named = [f"{year - 1}-{year % 100}" for year in range(first + 1, last + 1)]
    return named[0] if len(named) == 1 else f"{' and '.join(named)}, yearly mean"


def _change(part: pd.DataFrame, years: int, readings: Sequence[str] = ()) -> dict[str, float]:
    """The row of `steps` for some councils: their change as reported, or under the readings of what was paid."""
    per_cent = 100 / part["grant"].sum() / years
    totals = {name: float(part[name].sum()) for name in readings or ["reported"]}
    change = totals["central"] if readings else totals["reported"]
    ends = (min(totals.values()) * per_cent, max(totals.values()) * per_cent) if readings else (float("nan"),) * 2
    return {
        "councils": len(part),
        "change": change,
        "yearly": change * per_cent,
        "lower": ends[0],
        "upper": ends[1],
    }


def later(year: int = BALANCE_YEAR + 1) -> pd.DataFrame:
    """Deficits of a later year that councils' documents print as outturns, one row a council, the best-graded and then the latest first.

    Columns: council, cumulative, in_year, planned (printed plan of the cumulative deficit for that year end, whatever its basis), returned
    (the return of BALANCE_YEAR) in £ million, missing where none was printed; basis (of the cumulative figure, or else the in-year one),
    plan_basis, grade, doc_id, source (the document's body and date). No figure is subtracted from another here: bases differ.
    """
    import pandas as pd

    from helpers import documents

    printed = {name: documents.balances(name) for name in ("cumulative_deficit", "in_year_deficit")}
    plans = printed["cumulative_deficit"]
    plans = plans[(plans["year"] == year) & (plans["kind"] == "planned")].drop_duplicates("council", keep="last")
    best: dict[str, dict[str, Any]] = {}
    for name, frame in printed.items():
        mine = frame[(frame["year"] == year) & (frame["kind"] == "actual")]
        order = mine.assign(weak=mine["grade"] == "weak").sort_values(["weak", "reported_mid"], ascending=[True, False])
        for row in order.drop_duplicates("council").to_dict("records"):
            held = best.setdefault(row["council"], {k: row[k] for k in ("council", "basis", "grade", "doc_id")})
            if _weak(row["grade"]) > _weak(held["grade"]):
                continue
            held["cumulative" if name == "cumulative_deficit" else "in_year"] = row["value_m"]
    made = pd.DataFrame(best.values()).join(
        plans.set_index("council")[["value_m", "basis"]].set_axis(["planned", "plan_basis"], axis=1), on="council"
    )
    about = documents.table("documents").set_index("doc_id")
    returns = documents.returns()
    made["returned"] = [returns[name][1] for name in made["council"]]
    made["source"] = [f"{about.loc[d, 'body']}, {str(about.loc[d, 'date'])[:4]}" for d in made["doc_id"]]
    return made.sort_values(
        ["grade", "council"], key=lambda c: c.map(_weak) if c.name == "grade" else c, ignore_index=True
    )


def _weak(grade: str) -> int:
    """1 for a document of the weak grade, 0 for a strong or middle one."""
    return int(grade == "weak")


def burdens(year: int = BALANCE_YEAR) -> pd.DataFrame:
    """Deficit as a share of a year's net current expenditure, every council with both: la_code, la_name, group, deficit, expenditure, burden (%)."""
    deficit = panel.series("dsg_balance_gbp")
    spend = panel.series("net_expenditure", groups=False)
    made = deficit[deficit["year"] == year][["la_code", "la_name", "group", "value"]].rename(
        columns={"value": "deficit"}
    )
    made["expenditure"] = made["la_code"].map(spend[spend["year"] == year].set_index("la_code")["value"])
    made = made.dropna(subset=["deficit", "expenditure"])
    return made.assign(burden=100 * made["deficit"] / made["expenditure"]).reset_index(drop=True)


def over(threshold: float, values: pd.Series, expenditure: pd.Series) -> int:
    """How many councils owe more than `threshold` % of their net current expenditure; councils without either figure are not counted."""
    return int((100 * values / expenditure > threshold).sum())


def support_by_group() -> pd.DataFrame:
    """Signs of insolvency by group: group, councils, exceptional_support, section_114 (councils with any since 2020-21), support_gbp.

    support_gbp adds the first figure on each page; later revisions are not in it.
    """
    import pandas as pd

    people = panel.councils()[["la_code", "group"]]
    events = panel.table("support").merge(people, on="la_code")
    events = events[events["year"] >= 2021]
    out = []
    for group, size in people["group"].value_counts().items():
        mine = events[events["group"] == group]
        exceptional = mine[mine["kind"] == "exceptional_support"]
        out.append(
            {
                "group": group,
                "councils": int(size),
                "exceptional_support": int(exceptional["la_code"].nunique()),
                "section_114": int(mine[mine["kind"] == "section_114"]["la_code"].nunique()),
                "support_gbp": float(exceptional["amount_gbp"].sum()),
            }
        )
    return pd.DataFrame(out)


def write_off(share: float) -> pd.DataFrame:
    """Help per person aged 0 to 25 if `share` (%) of deficits were met: la_code, la_name, group, pop_0_25, deficit, grant, known (total of
    the agreement found), low, central, high (pounds paid under it on each reading), agreement (central), per_head (pounds).

    The deficits are those of BALANCE_YEAR, the last known for nearly all councils, not those of 2026 on which the real grant will rest:
    an illustration of who gains, not a forecast. agreement: what had been paid under one by that date on the assumed profile, since later
    payments would shrink the deficit to be met; nought without an agreement, missing (as is per_head) where its total was not found. There
    low is still what is known to have been paid.
    """
    people = panel.councils()[["la_code", "la_name", "group", "pop_0_25"]]
    deficit = panel.series("dsg_balance_gbp", groups=False)
    deficit = deficit[deficit["year"] == BALANCE_YEAR].set_index("la_code")["value"]
    made = people.assign(deficit=people["la_code"].map(deficit)).dropna(subset=["deficit"])
    made["grant"] = made["deficit"].clip(lower=0) * share / 100
    paid = paid_by_balance_date().set_index("la_code")
    chosen = made["group"] == "safety_valve"
    made["known"] = made["la_code"].map(paid["known"]).where(chosen, True).astype(bool)
    for reading in READINGS:
        made[reading] = made["la_code"].map(paid[reading]).where(chosen, 0.0)
    made["agreement"] = made["central"]
    return made.assign(per_head=(made["grant"] + made["agreement"]) / made["pop_0_25"]).reset_index(drop=True)


def relief(made: pd.DataFrame) -> pd.DataFrame:
    """Help a head by group from a frame of `write_off`: group (panel.GROUPS in order, then `known`: Safety Valve councils whose total was
    found), councils, grant, and low, central, high (what had been paid under agreements), pounds per person aged 0 to 25.

    Where a total was not found every reading counts what is known to have been paid and no more, so the first row is a floor.
    """
    import pandas as pd

    filled = made.assign(**{reading: made[reading].fillna(made["low"]) for reading in READINGS})
    chosen = {group: filled[filled["group"] == group] for group in panel.GROUPS}
    chosen["known"] = chosen["safety_valve"][chosen["safety_valve"]["known"]]
    return pd.DataFrame(
        {"group": name, "councils": len(part), **(part[["grant", *READINGS]].sum() / part["pop_0_25"].sum()).to_dict()}
        for name, part in chosen.items()
    )


def growth(first: int = 2018, last: int = 2025) -> pd.DataFrame:
    """Growth of high needs spend by group between two years (%), pounds summed over councils with both: group, growth, councils."""
    wide = panel.wide("high_needs_spend")[[first, last]].dropna()
    group = panel.councils().set_index("la_code")["group"]
    sums = wide.groupby(group).sum()
    counts = wide.groupby(group).size()
    return (100 * (sums[last] / sums[first] - 1)).rename("growth").to_frame().assign(councils=counts).reset_index()
