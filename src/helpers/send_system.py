"""The chapter on requests and plans: its outcomes, and the frames and facts behind its tables and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from helpers import estimation, exposure, families, inference, measures, panel, protocol, trends, variations
from helpers.errors import AssessError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

#: The chapter's outcomes: name -> words for a reader. All of them are one family for the adjustment for several
#: outcomes.
OUTCOMES: dict[str, str] = {
    "requests": "Requests for an assessment",
    "assessments": "Assessments with a decision",
    "new_plans": "New plans",
    "plans": "Plans in January",
    "ceased_plans": "Plans that ended",
    "refusal_to_assess": "Refused an assessment",
    "refusal_to_assess_sen2": "Refused an assessment (from counts)",
    "refusal_to_issue": "Assessed but refused a plan",
    "requests_per_1000": "Requests per 1,000",
    "new_plans_per_1000": "New plans per 1,000",
    "plans_per_1000": "Plans per 1,000",
}
CHAPTER = "04_requests_and_plans"
DBV_OUTCOME = "new_plans_dbv"
#: No outcomes of their own: a second source of a share that is one, and another programme.
BESIDE = ("refusal_to_assess_sen2", DBV_OUTCOME)
#: Tranche of Delivering Better Value -> first exposed calendar year. The contract dates from June 2022 and grants from
#: 2023; councils whose tranche is not stated are taken to be of the third, a year later.
DBV_EXPOSED: dict[str, int] = {"1": 2023, "2": 2023, "unknown": 2024}
HEADS = {"%": "Numbers", "pp": "Shares refused", "per 1,000 people": "Per 1,000 people aged 0 to 25"}
#: The year whose own effects are set beside the average over all years: flows, and plans counted in January.
OWN_YEAR = 2024
OWN_JANUARY = 2025
#: The randomisation p below which the verdict rule may call a partly supported claim moderate.
MODERATE = 0.10


def latest(measure: str) -> int:
    """The last year for which England has a figure."""
    return int(panel.england(measure).index.max())


def run(
    draws: int = protocol.DRAWS,
    extra: Sequence[str] = (),
    *,
    controls: protocol.Controls = "never",
    without: Sequence[str] = (),
) -> dict[str, protocol.Protocol]:
    """The full protocol for every outcome, those of `extra` among them, and for new plans in Delivering Better Value
    councils (DBV_OUTCOME). Effects use every year there is. controls, without: as in `families.run`; in the last
    comparison controls are councils in neither programme always."""
    found = families.run([*OUTCOMES, *extra], "requests_and_plans", controls=controls, without=without, draws=draws)
    found[DBV_OUTCOME] = variations.delivering_better_value(
        "new_plans", DBV_OUTCOME, DBV_EXPOSED, without=without, draws=draws
    )
    return found


class _Sourced:
    """A book whose effect facts carry the source of their own measure."""

    def __init__(self, book: Any) -> None:
        self._book = book

    def fact(self, id: str, *args: Any, **kwargs: Any) -> Any:
        outcome = id.split(".")[1]
        measure = "new_plans" if outcome == DBV_OUTCOME else outcome
        kwargs["sources"] = sources(measure)
        kwargs.setdefault("years", span(measure))
        return self._book.fact(id, *args, **kwargs)

    def effects(self, frame: pd.DataFrame) -> None:
        self._book.effects(frame)


def sources(*names: str) -> tuple[str, ...]:
    """The resources behind measures: their own and, for derived ones, those of their parts."""
    found: dict[str, None] = {}
    for name in names:
        definition = measures.get(name)
        found[definition.source] = None
        found.update(dict.fromkeys(measures.get(p).source for p in definition.parts))
        if definition.way == "per_population":
            found["population_deprivation"] = None
    return tuple(found)


def span(*names: str) -> tuple[int, int]:
    """The first and last year of some measures together."""
    held = [measures.get(name) for name in names]
    return min(m.first_year for m in held), max(m.last_year for m in held)


def record(book: Any, results: Mapping[str, protocol.Protocol]) -> pd.Series:
    """Record facts and effects of all outcomes as one family, which does not count those of BESIDE, with what
    `families.record_bases`, `.record_words` and `.record_thresholds` add, and system.refusals.drawn and .drawing: the
    draws behind the randomisation p of refusals and its standard error; returns adjusted p-values by outcome."""
    beside = [results[name] for name in BESIDE if name in results]
    family = [result for name, result in results.items() if name not in BESIDE]
    adjusted = protocol.record(_Sourced(book), *family, beside=beside)
    families.record_same(_Sourced(book), {k: v for k, v in results.items() if k != DBV_OUTCOME})
    families.record_bases(_Sourced(book), results)
    families.record_words(_Sourced(book), results)
    known = [name for name in results if name != DBV_OUTCOME]
    families.record_thresholds(book, CHAPTER, results, sources(*known))
    held = results["refusal_to_assess"]
    drawing = 100 * inference.drawing_error(held.ri_p, held.ri_drawn)
    book.fact("system.refusals.drawn", held.ri_drawn, unit="count", sources=sources("refusal_to_assess"))
    book.fact("system.refusals.drawing", drawing, unit="pp", digits=1, sources=sources("refusal_to_assess"))
    return adjusted


def words(outcome: str) -> str:
    """What an outcome is called in a table."""
    if outcome == DBV_OUTCOME:
        return "New plans, Delivering Better Value councils"
    return OUTCOMES.get(outcome) or measures.get(outcome).short


def overview(results: Mapping[str, protocol.Protocol], without: tuple[str, ...] = (DBV_OUTCOME,)) -> pd.DataFrame:
    """Main estimates of all outcomes on one scale for a forest figure, as per cent of the level before
    (`families.base`): [group, outcome, estimator, estimate, lower, upper]."""
    import pandas as pd

    rows = [
        {
            "group": HEADS.get(r.unit, r.unit),
            "outcome": name,
            "estimator": words(name),
            **{k: 100 * float(r.main[k]) / families.base(r) for k in ("estimate", "lower", "upper")},
        }
        for name, r in results.items()
        if name not in without
    ]
    order = list(dict.fromkeys([*HEADS.values(), *(row["group"] for row in rows)]))
    return pd.DataFrame(rows).sort_values("group", key=lambda g: g.map(order.index), kind="stable", ignore_index=True)


def forest(result: protocol.Protocol) -> pd.DataFrame:
    """One outcome's estimators for a forest figure: [estimator, estimate, lower, upper, n_treated, n_control] in
    words."""
    short = {
        "callaway_santanna": "Main estimate",
        "callaway_santanna_notyet": "Not-yet-treated councils as controls too",
        "no_dbv": "Without Delivering Better Value councils",
        "sun_abraham": "Sun and Abraham",
        "imputation": "Imputation",
        "anticipation_1": "Allowing a year of anticipation",
        "covariates": "Adjusted for deficit, deprivation and size",
        "linear_trend": "Taking off the trend before",
        "twfe": "Two-way fixed effects (benchmark only)",
        "leave_one_out": "Leaving out one council (range)",
    }
    checks = result.effects[result.effects["event_time"] == "overall"].set_index("estimator")
    order = [name for name in short if name in checks.index]
    columns = ["estimate", "lower", "upper", "n_treated", "n_control"]
    return checks.loc[order, columns].rename(index=short).reset_index()


def summary(results: Mapping[str, protocol.Protocol], adjusted: pd.Series) -> pd.DataFrame:
    """The annex table: one row an outcome with estimate, interval, every p, what could be seen, and what it rests
    on."""
    import pandas as pd

    rows = []
    for name, r in results.items():
        rows.append(
            {
                "Outcome": words(name),
                "Unit": {"%": "%", "pp": "points"}.get(r.unit, "per 1,000"),
                "Effect": float(r.main["estimate"]),
                "Lower": float(r.main["lower"]),
                "Upper": float(r.main["upper"]),
                "p": float(r.main["p_value"]),
                "p, reassigned": r.ri_p,
                "p, reassigned, studentised": r.ri_p_studentised,
                "p, adjusted": float(adjusted[name]),
                "Pre-trend p": r.pretrend_p,
                "Detectable": r.mde,
                "Breakdown": r.breakdown,
                "One sign": "yes" if r.same_sign else "no",
                "Councils": int(r.main["n_treated"]),
            }
        )
    return pd.DataFrame(rows)


def paths(results: Mapping[str, protocol.Protocol]) -> pd.DataFrame:
    """The annex table of event-study paths: effect, its pointwise and simultaneous intervals, both p-values, councils
    behind."""
    import pandas as pd

    parts = [
        r.event_study.dropna(subset=["lower"]).assign(outcome=words(name))[
            [
                "outcome",
                "event_time",
                "estimate",
                "lower",
                "upper",
                "band_lower",
                "band_upper",
                "p_value",
                "ri_p",
                "n_treated",
            ]
        ]
        for name, r in results.items()
    ]
    made = pd.concat(parts, ignore_index=True)
    made.columns = [
        "Outcome",
        "Year from first exposed",
        "Effect",
        "Lower",
        "Upper",
        "Band lower",
        "Band upper",
        "p",
        "p, reassigned",
        "Councils",
    ]
    return made


def bounds(results: Mapping[str, protocol.Protocol], names: tuple[str, ...]) -> pd.DataFrame:
    """Bounds on relative magnitudes for some outcomes: [Outcome, Departure allowed, Lower, Upper]."""
    import pandas as pd

    parts = [results[n].sensitivity.table.assign(outcome=words(n)) for n in names]
    made = pd.concat(parts, ignore_index=True)[["outcome", "mbar", "lower", "upper"]]
    made.columns = ["Outcome", "Departure allowed", "Lower", "Upper"]
    return made


def agreement(last: int) -> dict[str, Any]:
    """How the long series of the refusal rate agrees with the counts, up to the year `last`: first and last year of both
    (years), council-years in both (n), share of them within 0.1 of a point (within, %), the same in words (says), largest
    gap (points)."""
    both = panel.several(["refusal_to_assess", "refusal_to_assess_sen2"], groups=False).dropna()
    both = both[both["year"] <= last]
    if both.empty:
        raise AssessError(f"No council-year up to {last} has both refusal rates.")
    gap = (both["refusal_to_assess"] - both["refusal_to_assess_sen2"]).abs()
    close, n = int((gap <= 0.1).sum()), len(both)
    says = f"every one of {n:,}" if close == n else f"{close:,} of {n:,}"
    years = (int(both["year"].min()), int(both["year"].max()))
    return {"n": n, "within": 100 * close / n, "says": says, "largest": float(gap.max()), "years": years}


def as_published(measure: str, without: Sequence[str] = ()) -> pd.DataFrame:
    """The prepared frame of a refusal rate with the figures the corrections dropped put back as the release prints
    them; councils of `without` left out."""
    from helpers import earlier

    data = protocol.prepare(measure, without=without)
    printed = earlier.published().set_index(["la_code", "year"])["value"]
    keys = data.set_index(["la_code", "year"]).index
    return data.assign(value=data["value"].where(data["value"].notna(), printed.reindex(keys).to_numpy()))


def robustness(measure: str, *, controls: protocol.Controls = "never", without: Sequence[str] = ()) -> pd.DataFrame:
    """Known problems left out one at a time, for a forest figure: [name, estimator, estimate, lower, upper, ...].
    controls, without: as in `families.run`."""
    import pandas as pd

    made = variations.compare(measure, variations.known_problems(measure), controls=controls, without=without)
    if measure.startswith("refusal_to_assess"):
        undone = variations.compare(
            measure,
            [variations.Variation("as_published", "With dropped figures put back")],
            as_published(measure, without),
            controls=controls,
        )
        made = pd.concat([made.iloc[:1], undone, made.iloc[1:]], ignore_index=True)
    return made.rename(columns={"label": "estimator"})


def record_robustness(book: Any, measure: str, made: pd.DataFrame) -> None:
    """sensitivity.MEASURE.NAME for each variation but the main one, and what `families.record_moved` adds."""
    unit = "%" if measures.get(measure).scale == "log" else "pp"
    for row in made[made["name"] != "main"].to_dict("records"):
        book.fact(
            f"sensitivity.{measure}.{row['name']}",
            row["estimate"],
            unit=unit,
            lower=row["lower"],
            upper=row["upper"],
            p=row["p_value"],
            n=row["n_treated"],
            years=(row["first_year"], row["last_year"]),
            sources=(*sources(measure), *(("ehc_requests",) if row["name"] == "as_published" else ())),
        )
    families.record_moved(
        book, f"sensitivity.{measure}", made.rename(columns={"estimator": "label"}), sources(measure), unit
    )


def splits(conditions: pd.DataFrame, agreements: pd.DataFrame) -> dict[str, pd.Series]:
    """Labels of Safety Valve councils for exploratory parts: by cohort, payments suspended, deal per person aged 0 to
    25, refusal rate before the programme (mean of 2016 to 2020), and a condition on decisions in the documents read."""
    people = panel.councils("safety_valve").set_index("la_code")
    rate = panel.series("refusal_to_assess", years=(2016, 2020))
    before = rate[rate["group"] == "safety_valve"].groupby("la_code")["value"].mean()
    deals = agreements.set_index("la_code")
    per_head = (deals["total_dfe_funding"] / people["pop_0_25"].reindex(deals.index)).dropna()
    suspended = deals["status"].str.contains("suspended").reindex(people.index).fillna(False)
    named = set(conditions[conditions["category"] == "ehcp_decision_making"]["la_code"].dropna())
    return {
        "Signed": people["cohort"].map(lambda c: f"in {c}").astype(object),
        "Payments": suspended.map({True: "suspended in 2024", False: "not suspended"}),
        "Deal per person": variations.halves(per_head, "smaller half", "larger half"),
        "Refusal rate before": variations.halves(before, "lower half", "higher half"),
        "Condition on decisions": people.index.to_series().map(
            lambda c: "found in documents" if c in named else "not found"
        ),
    }


def parts(measure: str, labels: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Effects of a measure in parts of the Safety Valve councils: [group (the split), estimator (the part), estimate,
    ...]."""
    import pandas as pd

    made = pd.concat(
        [variations.subgroups(measure, label, split) for split, label in labels.items()], ignore_index=True
    )
    return made.rename(columns={"split": "group", "label": "estimator"})


def parts_table(found: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The annex table of `parts` for refusals and plans side by side."""
    import pandas as pd

    one, two = (found[name].set_index(["group", "estimator"]) for name in ("refusal_to_assess", "plans"))
    made = pd.DataFrame(
        {
            "Refusals, points": one["estimate"],
            "Lower": one["lower"],
            "Upper": one["upper"],
            "Plans, %": two["estimate"],
            "Lower ": two["lower"],
            "Upper ": two["upper"],
            "Councils": two["n_treated"],
        }
    )
    made = made.reindex(two.index).reset_index()
    return made.rename(columns={"group": "Split by", "estimator": "Part"})


def record_trends(book: Any, last: int, plans_last: int) -> None:
    """system.growth.MEASURE.GROUP (% since 2019), system.refusal.GROUP.YEAR and .latest (mean rate),
    system.share.MEASURE.PART."""
    for name, end in (("requests", last), ("new_plans", last), ("plans", plans_last)):
        for group, row in trends.growth(name, 2019, end).iterrows():
            book.fact(
                f"system.growth.{name}.{group}",
                float(row["growth"]),
                unit="%",
                digits=0,
                n=int(row["councils"]),
                years=(2019, end),
                sources=sources(name),
            )
    held = trends.rates("refusal_to_assess", last_year=last).dropna(subset=["value"])
    for row in held[held["year"].isin([2016, 2020, last])].to_dict("records"):
        book.fact(
            f"system.refusal.{row['group']}.{'latest' if row['year'] == last else row['year']}",
            row["value"],
            unit="%",
            n=row["councils"],
            years=row["year"],
            sources=sources("refusal_to_assess"),
        )
    for name in ("requests", "new_plans", "plans", "refusal_to_assess"):
        made = trends.decompose(name)
        for part in ("common", "programme", "own"):
            book.fact(
                f"system.share.{name}.{part}",
                getattr(made, part),
                unit="%",
                digits=0 if part != "programme" else 1,
                n=made.councils,
                years=made.years,
                sources=sources(name),
            )


def record_people(book: Any, results: Mapping[str, protocol.Protocol], last: int, plans_last: int) -> None:
    """system.people.refused (families a year), .plans (plans in force) with intervals, rounded to ten, and their
    bases; .refused_2024 and .plans_2025, the same by the effects of that year alone, and system.year.MEASURE.YEAR, those
    effects."""
    from helpers import people

    alone = {
        "refusal_to_assess": people.effect_in("refusal_to_assess", OWN_YEAR),
        "plans": people.effect_in("plans", OWN_JANUARY),
    }
    for (name, effect), unit, year in zip(alone.items(), ("pp", "%"), (OWN_YEAR, OWN_JANUARY), strict=True):
        held = {"value": effect["estimate"], "lower": effect["lower"], "upper": effect["upper"], "unit": unit}
        book.fact(f"system.year.{name}.{year}", **held, years=year, sources=sources(name))
    for key, made, name in (
        ("refused", people.from_points(results["refusal_to_assess"].main, "requests", last), "requests"),
        ("plans", people.from_percent(results["plans"].main, "plans", plans_last), "plans"),
        (f"refused_{OWN_YEAR}", people.from_points(alone["refusal_to_assess"], "requests", OWN_YEAR), "requests"),
        (f"plans_{OWN_JANUARY}", people.from_percent(alone["plans"], "plans", OWN_JANUARY), "plans"),
    ):
        value, lower, upper = (int(round(x, -1)) for x in (made.value, made.lower, made.upper))
        from_ = sources(name, "refusal_to_assess") if key.startswith("refused") else sources(name)
        book.fact(
            f"system.people.{key}",
            value,
            unit="count",
            lower=lower,
            upper=upper,
            n=made.councils,
            years=made.year,
            sources=from_,
        )
        if key not in ("refused", "plans"):
            continue
        book.fact(
            f"system.{name}.safety_valve.latest",
            made.base,
            unit="count",
            n=made.councils,
            years=made.year,
            sources=sources(name),
        )


def record_checks(
    book: Any, found: pd.DataFrame, starts: Mapping[str, pd.DataFrame], labels: Mapping[str, pd.Series], draws: int
) -> None:
    """system.part.plans.* (exploratory difference by documents, its p with the labels dealt out at random, and the
    joint test of the years before in councils with such a document) and system.same_start.MEASURE.matched,
    .adjusted."""
    told = labels["Condition on decisions"]
    data = protocol.prepare("plans")
    part = data[(data["first_year"] == 0) | (data["la_code"].map(told) == "found in documents")]
    before = inference.pretrend(inference.study(inference.panel(part, "log")), least=5)
    book.fact(
        "system.part.plans.documents_pretrend_p",
        before.p,
        unit="p",
        n=before.councils,
        years=span("plans"),
        sources=(*sources("plans"), "conditions"),
    )
    book.fact(
        "system.part.plans.documents_pretrend",
        before.p - 0.05,
        unit="p above 5%",
        n=before.councils,
        years=span("plans"),
        sources=(*sources("plans"), "conditions"),
    )
    dealt = variations.reassigned("plans", told, draws)
    book.fact(
        "system.part.plans.documents_ri_p",
        dealt,
        unit="p",
        n=int(told.notna().sum()),
        years=span("plans"),
        sources=(*sources("plans"), "conditions"),
    )
    gap = found[(found["group"] == "Condition on decisions") & (found["estimator"] == "difference")]
    named = found[(found["group"] == "Condition on decisions") & (found["estimator"] == "found in documents")]
    for key, rows in (("documents_gap", gap), ("documents", named)):
        row = rows.iloc[0]
        book.fact(
            f"system.part.plans.{key}",
            row["estimate"],
            unit="%",
            lower=row["lower"],
            upper=row["upper"],
            p=row["p_value"],
            n=row["n_treated"],
            years=(row["first_year"], row["last_year"]),
            sources=(*sources("plans"), "conditions"),
        )
    for name, frame in starts.items():
        for key, label in (
            ("matched", "Each matched to its nearest by deficit"),
            ("adjusted", "Adjusted for the deficit of 2020"),
        ):
            row = frame[frame["estimator"] == label].iloc[0]
            book.fact(
                f"system.same_start.{name}.{key}",
                row["estimate"],
                unit="%" if measures.get(name).scale == "log" else "pp",
                lower=row["lower"],
                upper=row["upper"],
                p=row["p_value"],
                n=row["n_treated"],
                years=(row["first_year"], row["last_year"]),
                sources=(*sources(name), "dsg_balance_percent"),
            )


def beside(p: float, level: float) -> str:
    """Where a p-value stands against a level: inside (below) or outside, and "just" when it is within a tenth of it."""
    near = "just " if abs(p - level) <= level / 10 else ""
    return f"{near}{'inside' if p < level else 'outside'}"


def record_readings(book: Any, results: Mapping[str, protocol.Protocol], cuts: pd.DataFrame) -> None:
    """What sentences choose their words by: system.pretrend.OUTCOME (p less 5%), system.range.* (smallest and largest
    point estimates) and .silent (other estimators' intervals that include zero), system.moderate.OUTCOME (`beside` the
    rule's level), system.silent of system.outcomes (intervals that include zero), system.dbv_room (the lower end less
    the contract's aim), system.less_than_earlier (our estimate less the earlier one), system.follow_up.last (years of
    refusals since the last agreements)."""
    for name in ("refusal_to_assess", "requests", "plans"):
        book.fact(
            f"system.pretrend.{name}",
            results[name].pretrend_p - 0.05,
            unit="p above 5%",
            n=int(results[name].main["n_treated"]),
            years=span(name),
            sources=sources(name),
        )
    spread = forest(results["refusal_to_assess"])["estimate"].iloc[:-1]  # the last is the range
    for key, value in (("low", spread.min()), ("high", spread.max())):
        book.fact(
            f"system.range.estimators.refusal_to_assess.{key}",
            float(value),
            unit="pp",
            n=len(spread),
            years=span("refusal_to_assess"),
            sources=sources("refusal_to_assess"),
        )
    others = forest(results["refusal_to_assess"]).iloc[1:-1]
    book.fact(
        "system.range.estimators.refusal_to_assess.silent",
        int(((others["lower"] <= 0) & (others["upper"] >= 0)).sum()),
        unit="count",
        n=len(others),
        years=span("refusal_to_assess"),
        sources=sources("refusal_to_assess"),
    )
    book.fact(
        "system.moderate.refusal_to_assess",
        beside(results["refusal_to_assess"].ri_p, MODERATE),
        n=int(results["refusal_to_assess"].main["n_treated"]),
        years=span("refusal_to_assess"),
        sources=sources("refusal_to_assess"),
    )
    for key, value in (("low", cuts["estimate"].min()), ("high", cuts["estimate"].max())):
        book.fact(
            f"system.range.cuts.plans.{key}",
            float(value),
            unit="%",
            n=len(cuts),
            years=span("plans"),
            sources=sources("plans"),
        )
    whole = overview(results, without=(DBV_OUTCOME, "refusal_to_assess_sen2"))
    silent = int(((whole["lower"] <= 0) & (whole["upper"] >= 0)).sum())
    book.fact(
        "system.silent",
        silent,
        unit="count",
        n=len(whole),
        years=span(*whole["outcome"]),
        sources=sources(*whole["outcome"]),
    )
    book.fact(
        "system.outcomes",
        len(whole),
        unit="count",
        n=len(whole),
        years=span(*whole["outcome"]),
        sources=sources(*whole["outcome"]),
    )
    aim = float(book.get("policy.dbv.new_plans").value)
    book.fact(
        "system.dbv_room",
        float(results[DBV_OUTCOME].main["lower"]) + aim,
        unit="points",
        n=int(results[DBV_OUTCOME].main["n_treated"]),
        years=span("new_plans"),
        sources=sources("new_plans"),
    )
    people = panel.councils("safety_valve")
    last = int(people["signed_year"].max())
    first = exposure.first_exposed(last, str(measures.get("refusal_to_assess").kind))
    book.fact(
        "system.follow_up.last",
        int(results["refusal_to_assess"].main["last_year"]) - first + 1,
        unit="years",
        n=int((people["signed_year"] == last).sum()),
        years=last,
        sources=("lait_sen", "agreements"),
    )
    earlier = float(book.get("policy.lsa.did").value)
    book.fact(
        "system.less_than_earlier",
        float(results["refusal_to_assess"].main["estimate"]) - earlier,
        unit="pp",
        n=int(results["refusal_to_assess"].main["n_treated"]),
        years=span("refusal_to_assess"),
        sources=sources("refusal_to_assess"),
    )


def same_starts(starts: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The annex table of `same_start` for several measures."""
    import pandas as pd

    made = pd.concat([frame.assign(outcome=words(name)) for name, frame in starts.items()], ignore_index=True)
    made = made[["outcome", "estimator", "estimate", "lower", "upper", "n_treated", "n_control"]]
    made.columns = ["Outcome", "Compared with", "Effect", "Lower", "Upper", "Councils", "Others"]
    return made


def shares(names: tuple[str, ...]) -> pd.DataFrame:
    """Shares of movement within councils for a stacked figure: [measure, common, programme, own] in per cent."""
    import pandas as pd

    rows = []
    for name in names:
        made = trends.decompose(name)
        rows.append(
            {"measure": measures.get(name).short, "common": made.common, "programme": made.programme, "own": made.own}
        )
    return pd.DataFrame(rows)


def torbay(book: Any) -> pd.DataFrame:
    """Torbay against its plan and England, for small multiples: [panel, area, year, value]; records its facts."""
    import pandas as pd

    asked = trends.beside("Torbay", "requests", england=False).assign(value=lambda f: f["value"] / 12)
    refused = trends.beside("Torbay", "refusal_to_assess").query("year >= 2019")
    held = trends.beside("Torbay", "plans", england=False)
    ended = trends.beside("Torbay", "ceased_plans", england=False)
    one = float(book.get("policy.torbay.requests_target").value)
    two = float(book.get("policy.torbay.plans_target").value)
    panels = {
        "Requests a month": [asked, pd.DataFrame({"area": "Council's plan", "year": asked["year"], "value": one})],
        "Refused an assessment, %": [refused],
        "Plans in January": [held, pd.DataFrame({"area": "Council's plan", "year": held["year"], "value": two})],
        "Plans that ended": [ended],
    }
    for key, frame, name, digits in (
        ("requests_per_month", asked, "requests", 0),
        ("refusal", refused[refused["area"] == "Torbay"], "refusal_to_assess", 0),
        ("plans", held, "plans", 0),
        ("ceased", ended, "ceased_plans", 0),
    ):
        for row in frame.to_dict("records"):
            book.fact(
                f"torbay.{key}.{row['year']}",
                row["value"],
                unit="%" if key == "refusal" else "count",
                digits=digits,
                n=1,
                years=row["year"],
                sources=sources(name),
            )
    waiting = panel.value("requests_outstanding", "Torbay", 2024)
    book.fact("torbay.undecided.2024", waiting, unit="count", n=1, years=2024, sources=sources("requests_outstanding"))
    return pd.concat([part.assign(panel=title) for title, made in panels.items() for part in made], ignore_index=True)[
        ["panel", "area", "year", "value"]
    ]


def torbay_figure(frame: pd.DataFrame) -> Figure:
    """Small multiples of `torbay`, every axis from nought."""
    from helpers import figures

    figure = figures.multiples(frame, panel="panel", by="area", columns=2, share=False, panel_height=1.75)
    for axes in figure.axes:
        axes.set_ylim(0, axes.get_ylim()[1] * 1.05)
    return figure


def slough(book: Any) -> None:
    """slough.growth.before and .after (plans, % a year), .ratio, and the high needs gap its documents print, in
    pounds."""
    own = trends.beside("Slough", "plans", england=False).set_index("year")["value"]
    before = 100 * ((own[2022] / own[2019]) ** (1 / 3) - 1)
    after = 100 * ((own[2025] / own[2023]) ** (1 / 2) - 1)
    national = panel.england("plans")
    for key, value, years in (
        ("before", before, (2019, 2022)),
        ("after", after, (2023, 2025)),
        ("england_after", 100 * ((national[2025] / national[2023]) ** (1 / 2) - 1), (2023, 2025)),
    ):
        book.fact(f"slough.growth.{key}", value, unit="%", n=1, years=years, sources=sources("plans"))
    book.fact(
        "slough.growth.ratio", after / before, unit="ratio", digits=1, n=1, years=(2019, 2025), sources=sources("plans")
    )
    rows = panel.table("evidence/trajectories")
    rows = rows[
        (rows["la_name"] == "Slough")
        & (rows["measure"] == "in_year_deficit")
        & (rows["kind"] != "planned")
        & rows["year"].notna()
    ]
    for row in rows.to_dict("records"):
        book.fact(
            f"slough.in_year_deficit.{int(row['year'])}",
            row["value"] / 1e6,
            unit="gbp_m",
            n=1,
            years=int(row["year"]),
            sources=("trajectories",),
        )


def earlier_table(book: Any, draws: int = protocol.DRAWS) -> pd.DataFrame:
    """The earlier estimate remade, with intervals, and ours beside it; records replication.NAME.* and gives the
    table."""
    import pandas as pd

    from helpers import earlier

    made = {
        "first_list": ("First version's list", earlier.first_list(draws)),
        "right_list": ("Right list, councils in neither programme", earlier.right_list("neither", draws)),
        "all_controls": ("Right list, all councils without an agreement", earlier.right_list("never", draws)),
    }
    rows = []
    for key, (label, two) in made.items():
        book.fact(
            f"replication.{key}.difference",
            two.difference,
            unit="pp",
            digits=1,
            lower=two.lower,
            upper=two.upper,
            p=two.p,
            n=two.n_treated,
            years=(2019, 2024),
            sources=("ehc_requests",),
        )
        book.fact(
            f"replication.{key}.ri_p",
            two.ri_p,
            unit="p",
            n=two.n_treated,
            years=(2019, 2024),
            sources=("ehc_requests",),
        )
        for cell in ("treated_before", "treated_after", "control_before", "control_after"):
            book.fact(
                f"replication.{key}.{cell}",
                getattr(two, cell),
                unit="%",
                digits=1,
                n=two.n_treated,
                years=(2019, 2024),
                sources=("ehc_requests",),
            )
        rows.append(
            [
                label,
                two.treated_before,
                two.treated_after,
                two.control_before,
                two.control_after,
                two.difference,
                two.lower,
                two.upper,
                two.ri_p,
                two.n_treated,
                two.n_control,
            ]
        )
    gap = max(
        abs(made["right_list"][1].treated_before - float(book.get("policy.lsa.did_sv_before").value)),
        abs(made["right_list"][1].treated_after - float(book.get("policy.lsa.did_sv_after").value)),
    )
    book.fact(
        "replication.treated_gap",
        gap,
        unit="pp",
        digits=2,
        n=made["right_list"][1].n_treated,
        years=(2019, 2024),
        sources=("ehc_requests",),
    )
    first = made["first_list"][1].difference - float(book.get("policy.lsa.first_did").value)
    at = {"years": (2019, 2024), "sources": ("ehc_requests",)}
    book.fact("replication.first_gap", abs(first), unit="pp", digits=2, n=made["first_list"][1].n_treated, **at)
    listed, right = earlier.right()
    book.fact("replication.first_listed", listed, unit="count", sources=("agreements",))
    book.fact("replication.first_right", right, unit="count", n=listed, sources=("agreements",))
    heads = [
        "Comparison",
        "Treated before",
        "Treated after",
        "Others before",
        "Others after",
        "Difference",
        "Lower",
        "Upper",
        "p, reassigned",
        "Treated",
        "Others",
    ]
    return pd.DataFrame(rows, columns=heads)


def ages() -> pd.DataFrame:
    """By age band and group: refusal rate in 2024 (%), new plans in 2022 and 2024 and their growth, plans ended in
    2024 per hundred in January 2024, for councils with every figure of a series."""
    import pandas as pd

    asked = trends.by_age(
        "ehc_requests_by_age", {"requests_received_in_year": "requests", "requests_decided_not_to_assess": "refused"}
    )
    asked = asked[asked["year"] == 2024].set_index(["group", "band"])
    new = trends.by_age("ehc_new_plans_by_age", {"new_ehc_plans": "plans"}).set_index(["year", "group", "band"])[
        "plans"
    ]
    out = pd.DataFrame(
        {
            "Refused, 2024": 100 * asked["refused"] / asked["requests"],
            "New plans, 2022": new[2022],
            "New plans, 2024": new[2024],
        }
    )
    out["Growth of new plans"] = 100 * (out["New plans, 2024"] / out["New plans, 2022"] - 1)
    ended = trends.by_age("ehc_ceased_plans_by_age", {"total_ceased": "ended"})
    out["Plans ended, 2024"] = ended[ended["year"] == 2024].set_index(["group", "band"])["ended"]
    out = out[out.index.get_level_values("band") != "not known"].reset_index()
    out["group"] = out["group"].map(panel.GROUPS)
    order = list(trends.BANDS)
    out = out.sort_values(
        ["band", "group"], key=lambda c: c.map(order.index) if c.name == "band" else c, ignore_index=True
    )
    return out.rename(columns={"group": "Group", "band": "Age"})[
        [
            "Age",
            "Group",
            "Refused, 2024",
            "New plans, 2022",
            "New plans, 2024",
            "Growth of new plans",
            "Plans ended, 2024",
        ]
    ]


def in_units(outcome: protocol.Protocol) -> str:
    """The words of an outcome's unit for an axis."""
    return {"%": "Effect, %", "pp": "Effect, percentage points"}.get(outcome.unit, f"Effect, {outcome.unit}")


def same_start(measure: str, without: Sequence[str] = ()) -> pd.DataFrame:
    """The estimate against councils that stood as badly at the start and signed nothing
    (`helpers.selection.same_start`), councils of `without` left out."""
    from helpers import selection

    scale = str(measures.get(measure).scale)
    data = protocol.prepare(measure, without=without)
    made = selection.same_start(measure, data, protocol.baseline()["deficit"], scale=scale)
    names = {
        "all_controls": "All councils with a known deficit",
        "crossed_threshold": "Councils as deep in deficit in 2020",
        "matched_baseline": "Each matched to its nearest by deficit",
        "baseline_adjusted": "Adjusted for the deficit of 2020",
    }
    kept = made[(made["event_time"] == "overall") & made["estimator"].isin(names)]
    return kept.assign(estimator=kept["estimator"].map(names))[
        ["estimator", *[c for c in estimation.COLUMNS[4:] if c in kept]]
    ].reset_index(drop=True)
