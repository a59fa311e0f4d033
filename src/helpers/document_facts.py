"""The named facts of the documents chapter, recorded in the order the chapter tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from helpers import documents, double_coding, measures, panel

if TYPE_CHECKING:
    import pandas as pd

    from helpers.chapter import Book

_FIRM = ("strong", "middle")
_OFF = ("off plan", "both, at different times")
_KINDS = {"actual": "an outturn", "forecast": "a forecast"}


def _key(name: str) -> str:
    """A council's name as part of a fact's id."""
    return name.lower().replace(" ", "_").replace("-", "_")


def coverage(book: Book, frame: pd.DataFrame) -> None:
    """documents.n, documents by grade, the most and least covered councils, forum papers."""
    held = documents.table("documents")
    book.fact("documents.n", len(held), "count", sources=["documents"])
    for grade, count in held["grade"].value_counts().items():
        book.fact(f"documents.{grade}", int(count), "count", n=len(held), sources=["documents"])
        book.fact(
            f"documents.{grade}.share", 100 * count / len(held), "%", n=len(held), digits=0, sources=["documents"]
        )
    book.fact("documents.most", int(frame["documents"].max()), "count", sources=["documents"])
    book.fact("documents.most.council", str(frame.loc[frame["documents"].idxmax(), "council"]), sources=["documents"])
    book.fact("documents.fewest", int(frame["documents"].min()), "count", sources=["documents"])
    book.fact("documents.none_strong", int((frame["strong"] == 0).sum()), "count", n=len(frame), sources=["documents"])
    forums = documents.pages_of_forums()
    firm = forums[forums["grade"].isin(_FIRM)]
    book.fact("documents.forum.papers", len(firm), "count", sources=["documents"])
    book.fact("documents.forum.councils", int(firm["la_code"].nunique()), "count", n=len(frame), sources=["documents"])
    book.fact("documents.forum.weak", len(forums) - len(firm), "count", sources=["documents"])


def conditions(book: Book, matrix: pd.DataFrame, by_category: pd.DataFrame) -> None:
    """documents.conditions.* and documents.category.CATEGORY.councils: councils counted on strong and middle documents."""
    held = documents.table("conditions")
    n, sources = len(matrix), ["conditions"]
    with_any, with_firm = (
        int(counted.sum(axis=1).gt(0).sum()) for counted in (matrix, documents.condition_matrix(weak=False))
    )
    book.fact("documents.conditions.firm_councils", with_firm, "count", n=n, sources=sources)
    book.fact("documents.conditions.n", len(held), "count", sources=sources)
    book.fact(
        "documents.conditions.unnamed",
        int((held["la_code"].fillna("") == "").sum()),
        "count",
        n=len(held),
        sources=sources,
    )
    book.fact("documents.conditions.categories", int((matrix.sum() > 0).sum()), "count", sources=sources)
    book.fact("documents.conditions.councils", with_any, "count", n=n, sources=sources)
    numbered = held[held["target_number"] != ""]
    firm_rows = int(numbered["grade"].isin(_FIRM).sum())
    book.fact("documents.conditions.numbers", len(numbered), "count", n=len(held), sources=sources)
    book.fact("documents.conditions.numbers.firm", firm_rows, "count", n=len(numbered), sources=sources)
    for row in by_category.itertuples():
        book.fact(f"documents.category.{row.category}.councils", int(row.firm), "count", n=n, sources=sources)
    for place, row in zip(("first", "second", "third"), by_category.head(3).itertuples(), strict=True):
        book.fact(f"documents.category.{place}", str(row.category_words).lower(), sources=sources)
        book.fact(f"documents.category.{place}.councils", int(row.firm), "count", n=n, sources=sources)
    firm = by_category.set_index("category")["firm"]
    for name, category in (("governance", "governance_data"), ("decisions", "ehcp_decision_making")):
        book.fact(f"documents.{name}.councils", int(firm[category]), "count", n=n, sources=sources)


def promises(book: Book, frame: pd.DataFrame, followed: pd.DataFrame) -> None:
    """documents.promises.*, and documents.promise.COUNCIL.* for those the text tells. Forecasts and the weak grade are counted apart."""
    sources = ["conditions", "trajectories"]
    frame_all, frame = frame, frame[frame["grade"].isin(_FIRM)]
    made, expected = frame[~frame["forecast"]], frame[frame["forecast"]]
    n = len(made)
    kept = int(made["outcome"].isin(["met", "met so far", "as intended"]).sum())
    not_kept = int(made["outcome"].isin(["missed", "not yet met", "the other way"]).sum())
    above = int(expected["outcome"].str.startswith("above").sum())
    book.fact("documents.promises.n", n, "count", sources=sources)
    book.fact("documents.promises.councils", int(made["council"].nunique()), "count", sources=sources)
    book.fact("documents.promises.kept", kept, "count", n=n, sources=sources)
    book.fact("documents.promises.not_kept", not_kept, "count", n=n, sources=sources)
    book.fact("documents.promises.open", n - kept - not_kept, "count", n=n, sources=sources)
    book.fact("documents.promises.forecasts", len(expected), "count", sources=sources)
    book.fact("documents.promises.forecasts_above", above, "count", n=len(expected), sources=sources)
    book.fact("documents.promises.weak", len(frame_all) - len(frame), "count", sources=sources)
    # FAM-02 joins a statement that can be judged (many cannot hit targets) to one that cannot (rewards cutting).
    book.fact("documents.fam_02.halves_judged", 1, "count", n=2, sources=sources)
    _torbay_promises(book, frame)
    _torbay(book)
    _other_promises(book, frame)
    for row in followed.itertuples():
        book.fact(f"documents.followed.{row.category}.with", row.with_pct, "%", n=int(row.with_n), digits=0)
        book.fact(f"documents.followed.{row.category}.without", row.without_pct, "%", n=int(row.without_n), digits=0)
        book.fact(f"documents.followed.{row.category}.others", row.others_pct, "%", n=int(row.others_n), digits=0)
        book.fact(f"documents.followed.{row.category}.measured", int(row.with_n), "count")
        book.fact(f"documents.followed.{row.category}.left_out", str(row.left_out))


def _told(
    book: Book, name: str, value: float, unit: str, measure: str, years: Any = None, digits: int | None = None
) -> None:
    """documents.promise.NAME, a figure of `measure`'s publisher."""
    source = measures.get(measure).source
    book.fact(f"documents.promise.{name}", value, unit, digits=digits, sources=[source], years=years)


def _torbay_promises(book: Book, frame: pd.DataFrame) -> None:
    """What Torbay promised on requests, plans, plans that end and special schools, and what came of it."""
    requests = documents.promise(frame, "Torbay", "requests")
    latest, base = str(requests["latest_year"]), str(requests["base_year"])
    _told(book, "torbay.requests.latest", requests["latest"], "count", "requests", latest, digits=0)
    _told(book, "torbay.requests.base", requests["base"], "count", "requests", base, digits=0)
    book.fact("documents.promise.torbay.requests.year", latest)
    over = requests["latest"] - requests["promised"]
    _told(book, "torbay.requests.over", over, "per month", "requests", digits=0)
    plans = documents.promise(frame, "Torbay", "plans", number=True)
    _told(book, "torbay.plans.latest", plans["latest"], "count", "plans", str(plans["latest_year"]))
    _told(book, "torbay.plans.over", plans["latest"] - plans["promised"], "count", "plans")
    ceased = documents.promise(frame, "Torbay", "ceased_plans")
    latest, base = str(ceased["latest_year"]), str(ceased["base_year"])
    _told(book, "torbay.ceased.latest", ceased["latest"], "count", "ceased_plans", latest)
    _told(book, "torbay.ceased.base", ceased["base"], "count", "ceased_plans", base)
    book.fact("documents.promise.torbay.ceased.base_year", base)
    special = documents.promise(frame, "Torbay", "special_share")
    _told(book, "torbay.special.change", special["council_change"], "pp", "plans")


def _torbay(book: Book) -> None:
    """Torbay's refusal rate and appeals from open data, for the minutes' claims."""
    refusals, appeals = (
        panel.series(name).query("la_name == 'Torbay'").dropna(subset=["value"]).set_index("year")["value"]
        for name in ("refusal_to_assess", "appeals")
    )
    after = refusals[refusals.index >= 2022]
    peak, latest = str(after.idxmax()), str(refusals.index[-1])
    _told(book, "torbay.refusal.peak", after.max(), "%", "refusal_to_assess", peak)
    book.fact("documents.promise.torbay.refusal.peak_year", peak)
    _told(book, "torbay.refusal.latest", refusals.iloc[-1], "%", "refusal_to_assess", latest)
    book.fact("documents.promise.torbay.refusal.latest_year", latest)
    england = float(panel.england("refusal_to_assess", int(after.idxmax())))
    _told(book, "torbay.refusal.england", england, "%", "refusal_to_assess", peak)
    latest = str(appeals.index[-1])
    _told(book, "torbay.appeals.latest", appeals.iloc[-1], "count", "appeals", latest)
    book.fact("documents.promise.torbay.appeals.year", latest)
    _told(book, "torbay.appeals.base", appeals[2022], "count", "appeals", "2022")
    book.fact("documents.promise.torbay.appeals.base_year", "2022")


def _other_promises(book: Book, frame: pd.DataFrame) -> None:
    """What Kent, Barnsley, Rotherham and Haringey promised or expected on plans, and what came of it."""
    kent = documents.promise(frame, "Kent", "plans_special_independent")
    change, england = kent["council_change"], kent["england_change"]
    years = (kent["base_year"], kent["latest_year"])
    _told(book, "kent.independent.change", change, "%", "plans", years)
    _told(book, "kent.independent.england", england, "%", "plans", years)
    _told(book, "kent.independent.gap", change - england, "pp", "plans")
    barnsley = documents.promise(frame, "Barnsley", "plans")
    _told(book, "barnsley.plans", barnsley["latest"], "count", "plans", str(barnsley["latest_year"]))
    book.fact("documents.promise.barnsley.forecast", barnsley["promised"], "count", sources=["trajectories"])
    book.fact(
        "documents.promise.barnsley.over",
        barnsley["latest"] - barnsley["promised"],
        "count",
        sources=[measures.get("plans").source, "trajectories"],
    )
    rotherham = documents.promise(frame, "Rotherham", "plans")
    years = (rotherham["base_year"], rotherham["latest_year"])
    _told(book, "rotherham.plans.change", rotherham["council_change"], "%", "plans", years)
    _told(book, "rotherham.plans.england", rotherham["england_change"], "%", "plans", years)
    haringey = documents.promise(frame, "Haringey", "plans")
    years = (haringey["base_year"], haringey["latest_year"])
    book.fact("documents.promise.haringey.plans.aim", haringey["promised"], "count", sources=["trajectories"])
    _told(book, "haringey.plans.change", haringey["latest"] - haringey["base"], "count", "plans", years)


def _counted(book: Book, name: str, frame: pd.DataFrame) -> None:
    """plan_outturn.NAME, of council-years: those compared, those over plan and not, and the councils of both."""
    over = frame[frame["slip"] > 0]
    told = {
        "compared": len(frame),
        "compared_councils": frame["la_code"].nunique(),
        "over": len(over),
        "not_over": len(frame) - len(over),
        "over_councils": over["la_code"].nunique(),
    }
    where, _, grade = name.rpartition(".")
    for measure, value in told.items():
        n = len(frame) if measure in {"over", "not_over"} else None
        parts = ("plan_outturn", where, measure, grade)
        book.fact(".".join(p for p in parts if p), int(value), "count", n=n, sources=["trajectories"])


def _named(book: Book, firm: pd.DataFrame, standing: pd.DataFrame) -> None:
    """plan_outturn.named.*: of the councils that claim FIN-03 names, those compared, those over plan, those off plan in words."""
    names = documents.named("FIN-03")
    compared = sorted(set(firm["council"]) & set(names))
    over = firm[(firm["slip"] > 0) & firm["council"].isin(names)]
    outturns = over[over["outturn_kind"] == "actual"]
    off = standing[standing["council"].isin(names) & standing["standing"].isin(_OFF)]
    n, sources = len(names), ["trajectories", "effects", "events"]
    book.fact("plan_outturn.named", n, "count", sources=["claims"])
    book.fact("plan_outturn.named.compared", len(compared), "count", n=n, sources=sources)
    book.fact("plan_outturn.named.compared_names", " and ".join(compared) or "none", sources=sources)
    book.fact("plan_outturn.named.over", int(over["council"].nunique()), "count", n=n, sources=sources)
    book.fact("plan_outturn.named.over_actual", int(outturns["council"].nunique()), "count", n=n, sources=sources)
    book.fact("plan_outturn.named.off", len(off), "count", n=n, sources=sources)


def outturn(book: Book, slips: pd.DataFrame, standing: pd.DataFrame) -> None:
    """plan_outturn.*: council-years that could be compared, how many are worse than plan, by how much, and councils' standing.

    A year for which a council's in-year and cumulative figures were both printed counts once (documents.council_years).
    """
    firm = documents.council_years(slips[slips["grade"].isin(_FIRM)])
    _counted(book, "firm", firm)
    _counted(book, "actual.firm", firm[firm["outturn_kind"] == "actual"])
    _counted(book, "forecast.firm", firm[firm["outturn_kind"] != "actual"])
    _counted(book, "all", documents.council_years(slips))
    _named(book, firm, standing)
    book.fact("plan_outturn.median", firm["slip"].median() / 1e6, "gbp_m", n=len(firm), sources=["trajectories"])
    book.fact(
        "plan_outturn.median_pct",
        firm["slip_pct"].median(),
        "%",
        n=len(firm),
        sources=["trajectories", "dsg_allocations"],
    )
    worst = firm.loc[firm["slip_pct"].idxmax()]
    book.fact("plan_outturn.worst.council", str(worst["council"]), sources=["trajectories"])
    book.fact("plan_outturn.worst", worst["slip"] / 1e6, "gbp_m", sources=["trajectories"])
    book.fact("plan_outturn.worst.kind", _KINDS[str(worst["outturn_kind"])], sources=["trajectories"])
    book.fact("plan_outturn.worst_pct", worst["slip_pct"], "%", sources=["trajectories", "dsg_allocations"])
    found = documents.balances("cumulative_deficit")
    book.fact(
        "plan_outturn.figures",
        len(found) + len(documents.balances("in_year_deficit")),
        "count",
        sources=["trajectories"],
    )
    book.fact(
        "plan_outturn.nothing",
        len(standing) - int(found["la_code"].nunique()),
        "count",
        n=len(standing),
        sources=["trajectories"],
    )
    planned = found[found["kind"] == "planned"]
    firm_plans = planned[planned["grade"].isin(_FIRM)]
    for name, plans in (("with_plan", planned), ("with_plan.firm", firm_plans)):
        book.fact(
            f"plan_outturn.{name}", int(plans["la_code"].nunique()), "count", n=len(standing), sources=["trajectories"]
        )
    for words, name in (
        ("off plan", "off"),
        ("on plan", "on"),
        ("both, at different times", "both"),
        ("weak evidence only", "weak"),
        ("nothing found", "none"),
    ):
        book.fact(
            f"plan_outturn.standing.{name}",
            int((standing["standing"] == words).sum()),
            "count",
            n=len(standing),
            sources=["effects", "events", "trajectories"],
        )
    off = standing["standing"].isin(_OFF).sum()
    book.fact(
        "plan_outturn.off_share",
        100 * off / len(standing),
        "%",
        n=len(standing),
        digits=0,
        sources=["effects", "events", "trajectories"],
    )
    devon = slips[(slips["council"] == "Devon") & (slips["measure"] == "in_year_deficit")].iloc[0]
    book.fact("plan_outturn.devon.planned", devon["planned"] / 1e6, "gbp_m", sources=["trajectories"])
    book.fact("plan_outturn.devon.latest", devon["outturn"] / 1e6, "gbp_m", sources=["trajectories"])


def fans(book: Book, vintages: pd.DataFrame) -> None:
    """plan_outturn.fans.*: councils with several vintages, and how far the in-year forecast of Devon moved within a year."""
    book.fact("plan_outturn.fans.councils", int(vintages["council"].nunique()), "count", sources=["trajectories"])
    held = documents.balances("in_year_deficit").query("council == 'Devon' and year == 2025 and kind == 'forecast'")
    first, last = held.iloc[0], held.iloc[-1]
    book.fact("plan_outturn.fans.devon.first", first["value_m"], "gbp_m", sources=["trajectories"])
    book.fact("plan_outturn.fans.devon.rise", last["value_m"] - first["value_m"], "gbp_m", sources=["trajectories"])


def said(book: Book, frame: pd.DataFrame) -> None:
    """documents.effects.*: reported effects, by party, on strong and middle grades, the weak grade apart; documents.transfers.*."""
    book.fact("documents.effects.n", int(frame[["firm", "weak"]].to_numpy().sum()), "count", sources=["effects"])
    book.fact("documents.effects.firm", int(frame["firm"].sum()), "count", sources=["effects"])
    book.fact("documents.effects.weak", int(frame["weak"].sum()), "count", sources=["effects"])
    for weight in ("firm", "weak"):
        total, bad = frame[weight].sum(), frame[f"{weight}_negative"].sum()
        book.fact(
            f"documents.effects.{weight}.negative", 100 * bad / total, "%", n=int(total), digits=0, sources=["effects"]
        )
        book.fact(
            f"documents.effects.{weight}.positive",
            100 * frame[f"{weight}_positive"].sum() / total,
            "%",
            n=int(total),
            digits=0,
            sources=["effects"],
        )
    for row in frame.itertuples():
        for tone in ("positive", "mixed", "negative"):
            book.fact(
                f"documents.{row.stakeholder.lower()}.{tone}",
                int(getattr(row, f"firm_{tone}")),
                "count",
                n=int(row.firm),
                sources=["effects"],
            )
        book.fact(f"documents.{row.stakeholder.lower()}.firm", int(row.firm), "count", sources=["effects"])
    schools = frame.set_index("stakeholder").loc["schools"]
    book.fact(
        "documents.schools.balance",
        int(schools["firm_positive"] - schools["firm_negative"]),
        "count",
        n=int(schools["firm"]),
        sources=["effects"],
    )
    _transfers(book)
    votes = documents.table("trajectories").query("measure == 'schools_opposed_pct'")
    book.fact("documents.transfers.rotherham_no", float(votes["value"].iloc[0]), "%", sources=["trajectories"])


def _transfers(book: Book) -> None:
    """documents.transfers.*: moves of school money in strong and middle documents, those of the weak grade counted apart."""
    found = documents.table("transfers")
    moves = found[found["grade"].isin(_FIRM)]
    n, sources = len(moves), ["transfers"]
    book.fact("documents.transfers.n", n, "count", sources=sources)
    book.fact("documents.transfers.weak", len(found) - n, "count", sources=sources)
    book.fact("documents.transfers.councils", int(moves["la_code"].nunique()), "count", sources=sources)
    for word in ("agreed", "reluctant", "opposed", "not found"):
        held = int((moves["schools"] == word).sum())
        book.fact(f"documents.transfers.{_key(word)}", held, "count", n=n, sources=sources)
    for word in ("made", "asked", "reduced", "dropped", "refused by government"):
        held = int((moves["outcome"] == word).sum())
        book.fact(f"documents.transfers.outcome.{_key(word)}", held, "count", n=n, sources=sources)
    cut = int(moves["outcome"].isin(["reduced", "dropped", "refused by government"]).sum())
    book.fact("documents.transfers.cut", cut, "count", n=n, sources=sources)


def department(book: Book) -> None:
    """documents.events.EVENT: councils to which each act is dated in strong and middle documents (.weak: in weak ones alone), those
    at which the department stepped in, and the agreements' revised profiles."""
    events, acts = documents.table("events"), documents.acts()
    named = events[events["la_code"] != ""]
    firm = named[named["grade"].isin(_FIRM)]
    for event in events["event"].unique():
        sure = set(firm.loc[firm["event"] == event, "la_code"])
        said = set(named.loc[named["event"] == event, "la_code"])
        book.fact(f"documents.events.{_key(event)}", len(sure), "count", sources=["events"])
        book.fact(f"documents.events.{_key(event)}.weak", len(said - sure), "count", sources=["events"])
    status = documents.table("agreements")["status"]
    book.fact(
        "documents.status.revised_profile",
        int(status.str.contains("payment profile revised").sum()),
        "count",
        n=len(status),
        sources=["agreements"],
    )
    steps = [event for event, told in acts.items() if told["stepped_in"]]
    touched = firm[firm["event"].isin(steps)]["la_code"].nunique()
    book.fact("documents.events.intervened", int(touched), "count", n=len(status), sources=["events"])
    book.fact("documents.events.steps", ", ".join(steps), sources=["events"])


def claims(book: Book, frame: pd.DataFrame) -> None:
    """documents.claims.*: claims that documents bear on, and those for which the documents are strong and weak together."""
    book.fact("documents.claims.n", len(frame), "count", sources=["claims", "documents"])
    for strength in ("strong", "moderate", "weak"):
        held = int((frame["strength"] == strength).sum())
        book.fact(f"documents.claims.{strength}", held, "count", n=len(frame), sources=["claims", "documents"])


def double_coded(book: Book) -> pd.DataFrame:
    """documents.kappa.FIELD with its bootstrap interval, rows coded twice and agreed; gives the rows on which the passes differ.

    Until the second pass has been made the facts say so in words.
    """
    if not double_coding.done():
        for field in (f for fields in double_coding.FIELDS.values() for f in fields):
            for name in ("", ".agreed", ".rows", ".range"):
                book.fact(f"documents.kappa.{field}{name}", "(not yet coded twice)")
        book.fact("documents.kappa.apart", "(not yet coded twice)")
        book.fact("documents.kappa.corrected", "(not yet coded twice)")
        return double_coding.disagreements(double_coding.none())
    frame = double_coding.codes()
    for row in double_coding.agreement(frame).itertuples():
        fact = book.fact(
            f"documents.kappa.{row.field}",
            row.kappa,
            "ratio",
            lower=row.lower,
            upper=row.upper,
            n=int(row.rows),
            sources=["double_coding"],
        )
        book.fact(f"documents.kappa.{row.field}.range", fact.interval(), sources=["double_coding"])
        book.fact(
            f"documents.kappa.{row.field}.agreed", int(row.agreed), "count", n=int(row.rows), sources=["double_coding"]
        )
        book.fact(f"documents.kappa.{row.field}.rows", int(row.rows), "count", sources=["double_coding"])
    apart = double_coding.disagreements(frame)
    changed = (apart["settled"] != "") & (apart["settled"] != apart["first"])
    book.fact("documents.kappa.apart", len(apart), "count", n=len(frame), sources=["double_coding"])
    book.fact("documents.kappa.corrected", int(changed.sum()), "count", n=len(apart), sources=["double_coding"])
    return apart
