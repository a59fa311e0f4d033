"""What the councils' own documents show: conditions, promises against open data, plans against outturns, and who says what."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import councils, evidence, exposure, files, measures, panel
from helpers.errors import AssessError

if TYPE_CHECKING:
    import pandas as pd

_HERE = Path(__file__).parent
BALANCES = {"cumulative_deficit": "Cumulative deficit", "in_year_deficit": "In-year deficit"}
CATEGORY_WORDS = {
    "early_intervention": "Early help",
    "mainstream_inclusion": "Mainstream inclusion",
    "ehcp_decision_making": "Decisions on plans",
    "sufficiency_specialist_places": "Special places",
    "independent_placements": "Independent places",
    "funding_bands_topups": "Top-ups and transfers",
    "post16_preparing_adulthood": "Post-16",
    "commissioning_value": "Commissioning",
    "governance_data": "Governance and data",
    "workforce": "Workforce",
    "transport": "Transport",
    "parental_confidence": "Families' confidence",
    "alternative_provision": "Alternative provision",
    "health_social_care_contributions": "Health and care money",
}


def table(name: str) -> pd.DataFrame:
    """One normalised evidence table as 01_sources wrote it."""
    return panel.table(f"evidence/{name}")


@functools.cache
def _yaml(name: str) -> Any:
    return files.read_yaml(_HERE / name)


def short(name: str) -> str:
    """A council's name for a figure: "Bristol, City of" is Bristol."""
    return name.split(",")[0]


def members() -> pd.DataFrame:
    """The councils with agreements, by cohort and name: la_code, la_name, council (short name), cohort, signed_year."""
    frame = table("agreements").assign(council=lambda f: f["la_name"].map(short))
    columns = ["la_code", "la_name", "council", "cohort", "signed_year", "signed"]
    return frame.sort_values(["cohort", "council"], kind="stable")[columns].reset_index(drop=True)


# Coverage


def coverage() -> pd.DataFrame:
    """For each council with an agreement: documents found, by grade, and the years of the first and last dated one."""
    documents = table("documents")
    counts = (
        documents.groupby(["la_code", "grade"])
        .size()
        .unstack(fill_value=0)
        .reindex(columns=list(evidence.GRADES), fill_value=0)
    )
    dated = documents.dropna(subset=["date"]).groupby("la_code")["date"]
    years = dated.agg(["min", "max"]).apply(lambda c: c.dt.year)
    frame = (
        members()
        .set_index("la_code")
        .join(counts)
        .join(years.rename(columns={"min": "first_year", "max": "last_year"}))
    )
    frame[list(evidence.GRADES)] = frame[list(evidence.GRADES)].fillna(0).astype(int)
    frame["documents"] = frame[list(evidence.GRADES)].sum(axis=1)
    return frame.reset_index()


def pages_of_forums() -> pd.DataFrame:
    """Documents that record a schools forum of a council with an agreement, of every grade."""
    documents = table("documents")
    return documents[
        documents["body"].str.contains("Schools Forum", regex=False) & documents["la_code"].isin(members()["la_code"])
    ]


# Conditions


def condition_matrix(weak: bool = True) -> pd.DataFrame:
    """Conditions found, a row for each of the councils with agreements and a column for each category; `weak` counts the weak grade."""
    conditions = table("conditions")
    conditions = conditions if weak else conditions[conditions["grade"] != "weak"]
    found = conditions.groupby(["la_code", "category"]).size().unstack(fill_value=0)
    order = found.reindex(columns=list(CATEGORY_WORDS), fill_value=0)
    matrix = order.reindex(members()["la_code"], fill_value=0)
    matrix.index = members()["council"]
    return matrix[matrix.gt(0).sum().sort_values(ascending=False, kind="stable").index]


def conditions_by_category() -> pd.DataFrame:
    """For each category: conditions found, councils, councils with a condition from a strong or middle document."""
    conditions = table("conditions")
    named = conditions[conditions["la_code"] != ""]
    firm = named[named["grade"] != "weak"]
    frame = named.groupby("category").agg(conditions=("summary", "size"), councils=("la_code", "nunique"))
    frame["firm"] = firm.groupby("category")["la_code"].nunique().reindex(frame.index, fill_value=0)
    frame["numbers"] = named[named["target_number"] != ""].groupby("category").size().reindex(frame.index, fill_value=0)
    frame = frame.sort_values(["firm", "councils", "conditions"], ascending=False, kind="stable").reset_index()
    return frame.assign(category_words=frame["category"].map(CATEGORY_WORDS))


def numeric_targets() -> pd.DataFrame:
    """Every condition with a printed number: council, category, what, number, grade, document."""
    conditions = table("conditions")
    found = conditions[conditions["target_number"] != ""].assign(
        council=lambda f: f["la_name"].map(short).replace("multiple", "Not named"),
        category=lambda f: f["category"].map(CATEGORY_WORDS),
    )
    return found[["council", "category", "summary", "target_number", "grade", "doc_id"]].sort_values(
        ["council", "category"], kind="stable"
    )


# Promises against open data


def _observed(la_code: str, data: Mapping[str, Any]) -> pd.Series:
    """A council's yearly figures of one measure, or of several added together; missing where any part is missing."""
    parts = []
    for name in data["measures"]:
        series = panel.series(name)
        parts.append(series[series["la_code"] == la_code].set_index("year")["value"])
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return (total / data.get("per", 1)).dropna()


def _nation(data: Mapping[str, Any]) -> pd.Series:
    parts = [panel.area(name).query("la_code == 'E92000001'").set_index("year")["value"] for name in data["measures"]]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return (total / data.get("per", 1)).dropna()


def _promised(entry: Mapping[str, Any], la_code: str, figures: Mapping[str, Any]) -> tuple[float | None, str, str]:
    """The promised number, its document and grade; None when only a direction was found."""
    if "policy" in entry:
        return float(figures[entry["policy"]].value), "cited minutes", "strong"
    if "evidence" in entry:
        want = entry["evidence"]
        held = table("trajectories")
        keep = (held["la_code"] == la_code) & (held["doc_id"] == want["doc_id"])
        keep &= (held["measure"] == want["measure"]) & (held["kind"] == want["kind"])
        if "year" in want:
            keep &= held["year"] == want["year"]
        if (want["kind"] == "forecast") != (entry["kind"] == "forecast"):
            raise AssessError(
                f"src/helpers/promises.yaml, {entry['council']}, {entry['promise']!r}: the figure is {want['kind']} and the entry "
                f"{entry['kind']}; expected a forecast to be judged as a forecast and nothing else to be."
            )
        rows = held[keep]
        if len(rows) != 1:
            raise AssessError(
                f"src/helpers/promises.yaml, {entry['council']}, {entry['promise']!r}: found {len(rows)} rows of "
                f"trajectories.csv for {dict(want)}; expected one."
            )
        return float(rows["value"].iloc[0]), want["doc_id"], str(rows["grade"].iloc[0])
    held = table("documents").set_index("doc_id")["grade"]
    return None, entry["doc_id"], str(held[entry["doc_id"]])


def _number_is(entry: Mapping[str, Any], promised: float | None) -> str:
    """What a promised number is, in words: a level or a change from the base, promised or forecast; blank without a number."""
    if promised is None:
        return ""
    words = "a change" if entry.get("change") else "a level"
    return f"{words}, forecast" if entry["kind"] == "forecast" else words


def _judged(kind: str, promised: float | None, base: float, latest: float, due: bool, change: bool) -> str:
    """In words: what became of a promise."""
    moved = latest - base if change else latest
    if kind in {"lower", "higher"}:
        if promised is None or not due:
            if latest == base:
                return "no change"
            return "as intended" if (latest < base) == (kind == "lower") else "the other way"
        return "met" if (moved <= -promised if kind == "lower" else moved >= promised) else "missed"
    if kind == "none" or promised is None:
        return "no number found"
    if kind == "forecast":
        words = "above forecast" if moved > promised else "below forecast" if moved < promised else "as forecast"
        return words if due else f"{words} so far"
    met = moved <= promised if kind == "ceiling" else moved >= promised
    return ("met" if met else "missed") if due else ("met so far" if met else "not yet met")


def promises(figures: Mapping[str, Any]) -> pd.DataFrame:
    """Each promise that open data can check, with the figure before, the latest one and what became of it.

    `figures` gives the cited policy figures by id (a chapter's `book.facts`). Columns: council, promise, promised, number_is
    (a level or a change), forecast (bool: expected, not promised), due, measure, base_year, base, latest_year, latest,
    council_change, england_change (% for counts, percentage points for shares), outcome, doc_id, grade.
    """
    import pandas as pd

    signed = members().set_index("la_code")["signed_year"]
    records = []
    for entry in _yaml("promises.yaml"):
        code = councils.find(entry["council"]).la_code
        first = measures.get(entry["data"]["measures"][0])
        observed, nation = _observed(code, entry["data"]), _nation(entry["data"])
        promised, doc_id, grade = _promised(entry, code, figures)
        before = entry.get("base") or exposure.first_exposed(int(signed[code]), first.kind) - 1
        before = max(before, int(observed.index.min()))
        latest_year = int(observed.index.max())
        if entry["kind"] in {"ceiling", "forecast", "floor"} and latest_year > entry["year"]:
            latest_year = entry["year"]
        due = "year" in entry and latest_year >= entry["year"]
        base, latest = float(observed[before]), float(observed[latest_year])
        share = first.unit == "%"
        both = [(observed, before, latest_year), (nation, before, latest_year)]
        changes = [s[b] - s[a] if share else 100 * (s[b] / s[a] - 1) for s, a, b in both]
        records.append(
            {
                "council": entry["council"],
                "promise": entry["promise"],
                "promised": promised,
                "number_is": _number_is(entry, promised),
                "forecast": entry["kind"] == "forecast",
                "due": entry.get("year"),
                "measure": entry["data"]["measures"][0],
                "share": share,
                "base_year": before,
                "base": base,
                "latest_year": latest_year,
                "latest": latest,
                "council_change": float(changes[0]),
                "england_change": float(changes[1]),
                "outcome": _judged(entry["kind"], promised, base, latest, due, bool(entry.get("change"))),
                "doc_id": doc_id,
                "grade": grade,
            }
        )
    return pd.DataFrame(records).astype({"due": "Int64"})


def promise(frame: pd.DataFrame, council: str, measure: str, number: bool = False) -> pd.Series:
    """One row of `promises`: the council's, on one measure; `number` takes the one with a promised number."""
    rows = frame[(frame["council"] == council) & (frame["measure"] == measure)]
    rows = rows[rows["promised"].notna()] if number else rows
    if rows.empty:
        raise AssessError(f"promises.yaml has no promise of {council} on {measure}.")
    return rows.iloc[0]


def followed() -> pd.DataFrame:
    """Whether the indicator a condition aims at moved its way, in councils where the condition was found (strong or middle
    grade) and in others.

    Councils with agreements run from their last unexposed year to the latest; the rest from the last unexposed year of
    the 2022-23 cohort. Descriptive: it compares shares of councils and claims no cause. Columns: category, measure, way,
    and for with, without (both with agreements) and others _n (councils with figures in both years) and _pct; left_out: the
    councils with the condition that lack a figure.
    """
    import pandas as pd

    conditions = table("conditions")
    records = []
    for entry in _yaml("standing.yaml")["indicators"]:
        measure = measures.get(entry["measure"])
        wide = panel.wide(measure.name)
        groups = panel.councils().set_index("la_code")[["la_name", "signed_year"]]
        having = set(
            conditions.loc[(conditions["category"] == entry["category"]) & (conditions["grade"] != "weak"), "la_code"]
        )
        moved: dict[str, list[bool]] = {"with": [], "without": [], "others": []}
        left_out: list[str] = []
        for code, row in wide.iterrows():
            signed = int(groups.loc[code, "signed_year"])
            base = exposure.first_exposed(signed or 2023, measure.kind) - 1
            kind = ("with" if code in having else "without") if signed else "others"
            if pd.isna(row.get(base)) or pd.isna(row[measure.last_year]):
                left_out += [short(groups.loc[code, "la_name"])] if kind == "with" else []
                continue
            moved[kind].append(entry["way"] * (row[measure.last_year] - row[base]) > 0)
        record: dict[str, Any] = {
            "category": entry["category"],
            "measure": measure.name,
            "way": "up" if entry["way"] > 0 else "down",
        }
        for kind, held in moved.items():
            record |= {f"{kind}_n": len(held), f"{kind}_pct": 100 * sum(held) / len(held) if held else float("nan")}
        records.append(record | {"left_out": ", ".join(left_out) or "none"})
    return pd.DataFrame(records)


# Plan against outturn


def balances(measure: str) -> pd.DataFrame:
    """Printed plans, forecasts and outturns of one measure for councils with agreements, one row each, with a mid reported date."""
    frame = table("trajectories")
    codes = members().set_index("la_code")[["council", "cohort", "signed_year", "signed"]]
    frame = frame[(frame["measure"] == measure) & frame["la_code"].isin(codes.index) & frame["year"].notna()]
    frame = frame.join(codes, on="la_code").assign(
        value_m=lambda f: f["value"] / 1e6,
        reported_mid=lambda f: f["reported"] + (f["reported_last"] - f["reported"]) / 2,
    )
    return frame.sort_values(["cohort", "council", "reported_mid", "year"], kind="stable").reset_index(drop=True)


def joined(council: str, one: str, two: str) -> bool:
    """Whether figures of two bases may be joined or subtracted: gross and net never; unstated ones not where they differ much."""
    if {one, two} & {"unclear"}:
        return False
    if one == two:
        return one != "unstated" or council not in evidence.rules()["bases"]["never_join_unstated"]
    pair = {one, two}
    if pair == {"unstated", "before agreement"}:
        return council not in evidence.rules()["bases"]["never_join_unstated"]
    return False


def slippage() -> pd.DataFrame:
    """Outturn (or, failing that, the latest forecast) less plan, for each council, measure and year where both were printed.

    A plan reported before the agreement is not the agreement's plan. Gross is never subtracted from net. Where a document
    prints only the distance from plan, that is used. Columns: council, measure, year, planned, outturn, outturn_kind,
    slip (pounds; positive is worse than plan), slip_pct (of the year's DSG, or of the latest published), grade (the weaker
    of the two), planned_reported, outturn_reported, planned_doc, outturn_doc.
    """
    import pandas as pd

    records: list[dict[str, Any]] = []
    for measure in BALANCES:
        rows: dict[tuple[str, int], list[dict[str, Any]]] = {}
        for row in balances(measure).to_dict("records"):
            rows.setdefault((row["la_code"], int(row["year"])), []).append(row)
        for (code, year), group in rows.items():
            found = _pair(group)
            if found is not None:
                plan, out = found
                records.append(
                    {
                        "la_code": code,
                        "council": plan["council"],
                        "cohort": plan["cohort"],
                        "measure": measure,
                        "year": int(year),
                        "planned": plan["value"],
                        "outturn": out["value"],
                        "outturn_kind": out["kind"],
                        "slip": out["value"] - plan["value"],
                        "grade": _weaker(plan["grade"], out["grade"]),
                        "planned_reported": plan["reported_mid"],
                        "outturn_reported": out["reported_mid"],
                        "planned_doc": plan["doc_id"],
                        "outturn_doc": out["doc_id"],
                    }
                )
    have = {(r["la_code"], r["year"]) for r in records}
    for measure in ("excess_over_target", "variance_to_plan"):
        printed = balances(measure)
        for (code, year), group in printed.groupby(["la_code", "year"], sort=False):
            if (code, year) in have:
                continue
            row = group.iloc[-1]
            records.append(
                {
                    "la_code": code,
                    "council": row["council"],
                    "cohort": row["cohort"],
                    "measure": measure,
                    "year": int(year),
                    "planned": float("nan"),
                    "outturn": float("nan"),
                    "outturn_kind": row["kind"],
                    "slip": row["value"],
                    "grade": row["grade"],
                    "planned_reported": pd.NaT,
                    "outturn_reported": row["reported_mid"],
                    "planned_doc": "",
                    "outturn_doc": row["doc_id"],
                }
            )
    frame = pd.DataFrame(records)
    grant = panel.wide("dsg_total")
    last = int(max(grant.columns))
    frame["grant_year"] = frame["year"].clip(upper=last)
    frame["slip_pct"] = [
        100 * s / grant.loc[c, y] for c, y, s in zip(frame["la_code"], frame["grant_year"], frame["slip"], strict=True)
    ]
    return frame.sort_values(["slip_pct"], ascending=False, kind="stable").reset_index(drop=True)


def council_years(slips: pd.DataFrame) -> pd.DataFrame:
    """`slippage` with one row for a council and year: an outturn before a forecast, a firm grade before the weak one, the in-year
    figure before the cumulative one, which carries earlier years."""
    order = slips.assign(
        forecast=slips["outturn_kind"] != "actual",
        weak=slips["grade"] == "weak",
        carried=slips["measure"] == "cumulative_deficit",
    ).sort_values(["forecast", "weak", "carried"], kind="stable")
    kept = order.drop_duplicates(["la_code", "year"]).index
    return slips.loc[slips.index.isin(kept)].reset_index(drop=True)


def _weaker(one: str, two: str) -> str:
    return max(one, two, key=evidence.GRADES.index)


def _pair(rows: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The agreement's plan (the earliest printed) and the best comparable outturn: actual before forecast, firm before
    weak, latest. `rows`: one council, measure and year, in the order reported."""
    for plan in rows:
        if plan["kind"] != "planned" or not plan["reported_last"] >= plan["signed"]:
            continue
        fit = [
            row
            for row in rows
            if row["kind"] in ("actual", "forecast")
            and joined(plan["council"], plan["basis"], row["basis"])
            and row["reported_last"] >= plan["signed"]
        ]
        if fit:
            # The last of equals, as the latest in the order of printing.
            ranked = sorted(fit, key=lambda r: (r["kind"] == "actual", r["grade"] != "weak", r["reported_mid"]))
            return plan, ranked[-1]
    return None


def fans(least: int = 3) -> pd.DataFrame:
    """Successive plans and forecasts of one year's figure, for the council-years that have `least` or more on one basis.

    Columns: council, measure, year, basis, reported_mid, kind, value_m, panel (the words over the panel).
    """
    import pandas as pd

    kept = []
    for measure, words in BALANCES.items():
        frame = balances(measure)
        for (council, year), group in frame.groupby(["council", "year"], sort=False):
            for basis, part in group.groupby("basis", sort=False):
                if not joined(str(council), str(basis), str(basis)):
                    continue
                part = part.drop_duplicates(["reported_mid", "value_m", "kind"])
                if len(part) >= least:
                    kept.append(part.assign(panel=f"{council}, {words.lower()}, {year - 1}-{year % 100:02d}"))
    return pd.concat(kept, ignore_index=True) if kept else frame.iloc[:0].assign(panel="")


def vintages(least: int = 3) -> pd.DataFrame:
    """Plans and forecasts of the cumulative deficit of councils for which they were printed on `least` or more dates.

    A vintage is one report date and basis; its points are joined, and never to another vintage's.
    """
    frame = balances("cumulative_deficit")
    ahead = frame[frame["kind"].isin(["planned", "forecast"])]
    dates = ahead.groupby("council")["reported_mid"].nunique()
    keep = dates[dates >= least].index
    return frame[frame["council"].isin(keep)].reset_index(drop=True)


def acts() -> dict[str, dict[str, Any]]:
    """The acts of events.csv and what each counts as: `by` (department, council or court), `stepped_in`, `off_plan`.

    Raises AssessError when the list of standing.yaml is not that of evidence_rules.yaml.
    """
    held: dict[str, dict[str, Any]] = _yaml("standing.yaml")["acts"]
    apart = set(held) ^ set(evidence.rules()["lists"]["events"])
    if apart:
        raise AssessError(
            f"src/helpers/standing.yaml, acts: {sorted(apart)[0]!r} is not in both lists; expected the events of evidence_rules.yaml."
        )
    return {event: {"stepped_in": False, "off_plan": False} | told for event, told in held.items()}


def named(claim: str) -> list[str]:
    """The councils a claim names (standing.yaml), by the short names of `members`. AssessError for one without an agreement."""
    names: list[str] = _yaml("standing.yaml")["named"][claim]
    unknown = sorted(set(names) - set(members()["council"]))
    if unknown:
        raise AssessError(f"src/helpers/standing.yaml, named, {claim}: {unknown[0]} has no agreement.")
    return names


def _by_council(codes: pd.Series, values: pd.Series) -> dict[str, set[Any]]:
    """The different values of rows (grades, say), by council."""
    found: dict[str, set[Any]] = {}
    for code, value in zip(codes, values, strict=True):
        found.setdefault(code, set()).add(value)
    return found


def standing(slips: pd.DataFrame | None = None) -> pd.DataFrame:
    """For each council with an agreement, whether documents say on plan, off plan, both or nothing, by the best grade behind it.

    `slips`: what `slippage` gave, when it is at hand. Adds to `members` the columns standing (from strong and middle grades) and
    weaker (what the weak grade says).
    """
    effects, events, themes = table("effects"), table("events"), _yaml("standing.yaml")
    said = {
        way: _by_council(part["la_code"], part["grade"])
        for way in ("on_plan", "off_plan")
        for part in [effects[effects["theme"].isin(themes[way]["themes"])]]
    }
    acted = events[events["event"].isin([e for e, told in acts().items() if told["off_plan"]])]
    dated = _by_council(acted["la_code"], acted["grade"])
    slips = slippage() if slips is None else slips
    firm_slips = slips[slips["grade"] != "weak"]
    slipped = _by_council(firm_slips["la_code"], firm_slips["slip"] > 0)
    frame = members()
    words, weaker = [], []
    for code in frame["la_code"]:
        on, off = (said[way].get(code, set()) for way in ("on_plan", "off_plan"))
        slip = slipped.get(code, set())
        firm_off = bool(off - {"weak"} or dated.get(code, set()) - {"weak"}) or True in slip
        firm_on = bool(on - {"weak"}) or False in slip
        words.append(
            "both, at different times"
            if firm_on and firm_off
            else "off plan"
            if firm_off
            else "on plan"
            if firm_on
            else "weak evidence only"
            if on or off
            else "nothing found"
        )
        weak_on, weak_off = "weak" in on, "weak" in off
        weaker.append("both" if weak_on and weak_off else "on plan" if weak_on else "off plan" if weak_off else "")
    return frame.assign(standing=words, weaker=weaker)


# What people said


def said(by: str = "stakeholder") -> pd.DataFrame:
    """Reported effects by `by` (stakeholder, or theme) and polarity: strong and middle grades counted, the weak grade beside them."""
    import pandas as pd

    effects = table("effects").assign(
        weight=lambda f: f["grade"].map({"strong": "firm", "middle": "firm", "weak": "weak"})
    )
    counts = effects.groupby([by, "weight", "polarity"]).size().unstack(["weight", "polarity"], fill_value=0)
    wanted = [(w, p) for w in ("firm", "weak") for p in ("positive", "mixed", "negative")]
    counts = counts.reindex(columns=pd.MultiIndex.from_tuples(wanted), fill_value=0)
    counts.columns = [f"{w}_{p}" for w, p in wanted]
    counts["firm"] = counts[[c for c in counts if c.startswith("firm_")]].sum(axis=1)
    counts["weak"] = counts[[c for c in counts if c.startswith("weak_")]].sum(axis=1)
    return counts.sort_values("firm", ascending=False, kind="stable").reset_index()


# What claims rest on


def strength(grades: Sequence[str]) -> str:
    """How strong documents of these grades are together: strong (two or more strong), moderate (one strong or two middle), weak."""
    if grades.count("strong") >= 2:
        return "strong"
    return "moderate" if "strong" in grades or grades.count("middle") >= 2 else "weak"


def claim_evidence(fill: Any) -> pd.DataFrame:
    """The documents behind each claim in claim_evidence.yaml: finding, stance, counts by grade, strength, documents for and against.

    Counts and strength are of the documents the finding rests on: those against the claim when the stance is against.

    `fill` turns a finding with {facts} into text. Raises AssessError for an unknown claim or document.
    """
    import pandas as pd

    claims = set(table("claims")["claim_id"])
    grades = table("documents").set_index("doc_id")["grade"]
    records = []
    for entry in _yaml("claim_evidence.yaml"):
        claim = entry["claim"]
        if claim not in claims:
            raise AssessError(f"src/helpers/claim_evidence.yaml: {claim} is not a claim_id of claims.csv.")
        support, against = entry.get("for", []), entry.get("against", [])
        unknown = [d for d in (*support, *against) if d not in grades.index]
        if unknown:
            raise AssessError(
                f"src/helpers/claim_evidence.yaml, {claim}: {unknown[0]} is not a doc_id of documents.csv."
            )
        # A finding against the claim rests on the documents against it. Minutes cited by address only are council records.
        held = [str(grades[d]) for d in (against if entry["stance"] == "against" else support)] + ["strong"] * len(
            entry.get("cited", [])
        )
        records.append(
            {
                "claim_id": claim,
                "stance": entry["stance"],
                "finding": fill(entry["finding"]),
                **{g: held.count(g) for g in evidence.GRADES},
                "strength": strength(held),
                "documents": " ".join([*support, *entry.get("cited", [])]),
                "against": " ".join(against),
            }
        )
    return pd.DataFrame(records)


def claims_table(frame: pd.DataFrame) -> pd.DataFrame:
    """`claim_evidence` as readers see it; minutes that are cited by address and are not among the documents are said to be so."""
    shown = frame.assign(
        documents=[
            " ".join(dict.fromkeys("cited minutes" if d.startswith("policy.") else d for d in row.split()))
            for row in frame["documents"]
        ]
    )
    return shown.rename(
        columns={
            "claim_id": "Claim",
            "stance": "On balance they",
            "finding": "What the documents show",
            "strong": "Strong",
            "middle": "Middle",
            "weak": "Weak",
            "strength": "Strength",
            "documents": "Documents for",
            "against": "Documents against",
        }
    ).replace({"On balance they": {"supports": "support it", "mixed": "are mixed", "against": "speak against it"}})


def disagreements_table(frame: pd.DataFrame) -> pd.DataFrame:
    """`double_coding.disagreements` as readers see them, with categories in the words of the figures."""
    shown = frame[["table", "field", "summary", "first", "second", "settled", "reason"]].copy()
    codes = ["first", "second", "settled"]
    shown[codes] = shown[codes].replace(CATEGORY_WORDS)
    heads = ["Of", "What was coded", "Summary", "First code", "Second code", "Settled as", "Why"]
    return shown.replace({"field": {"stakeholder": "party"}}).set_axis(heads, axis=1)


# For figures and tables


def returns() -> dict[str, tuple[int, float]]:
    """Each council's cumulative balance in its return to DfE, after payments: the year and £ million, by short name."""
    frame = panel.series("dsg_balance_gbp").dropna(subset=["value"])
    frame = frame[frame["la_code"].isin(members()["la_code"])]
    return {short(row.la_name): (int(row.year), row.value / 1e6) for row in frame.itertuples()}


def printed(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows behind a figure of plans and outturns, with the date each was reported as far as it is known."""
    dates = [
        d.strftime({"day": "%Y-%m-%d", "month": "%Y-%m"}.get(p, "%Y"))
        for d, p in zip(frame["reported"], frame["reported_precision"], strict=True)
    ]
    columns = ["council", "measure", "kind", "period", "year", "value_m", "basis", "reported", "doc_id", "grade"]
    return frame.assign(reported=dates)[columns].rename(columns={"value_m": "gbp_m"})


def slippage_table(frame: pd.DataFrame) -> pd.DataFrame:
    """`slippage` as readers see it, the firm rows first."""
    words = BALANCES | {"excess_over_target": "As printed", "variance_to_plan": "As printed"}
    frame = frame.assign(weak=frame["grade"] == "weak").sort_values(
        ["weak", "slip_pct"], ascending=[True, False], kind="stable"
    )
    return frame.assign(
        Measure=frame["measure"].map(words),
        Year=[f"{y - 1}-{y % 100:02d}" for y in frame["year"]],
        planned=frame["planned"] / 1e6,
        outturn=frame["outturn"] / 1e6,
        slip=frame["slip"] / 1e6,
        reported=frame["outturn_reported"].dt.year.astype("Int64").astype(str),
    )[
        ["council", "Measure", "Year", "planned", "outturn", "outturn_kind", "slip", "slip_pct", "reported", "grade"]
    ].rename(
        columns={
            "council": "Council",
            "planned": "Planned, £ million",
            "outturn": "Outturn, £ million",
            "outturn_kind": "Outturn is",
            "slip": "Over plan, £ million",
            "slip_pct": "Over plan, % of DSG",
            "reported": "Reported",
            "grade": "Grade",
        }
    )


def transfers_table() -> pd.DataFrame:
    """Moves of school money as readers see them."""
    frame = table("transfers").assign(council=lambda f: f["la_name"].map(short), amount=lambda f: f["amount"] / 1e6)
    frame = frame.sort_values(["council", "period"], kind="stable")
    shown = frame[["council", "period", "stage", "share_pct", "amount", "schools", "outcome", "note", "grade"]]
    return shown.set_axis(
        ["Council", "Year", "Stage", "Share of schools block, %", "£ million", "Schools", "Outcome", "Note", "Grade"],
        axis=1,
    )


def timeline() -> pd.DataFrame:
    """Dated acts, one row for each act, date and grade, councils named together: start, end (where only a year is known), label,
    by (who acted), national (every council at once), stepped_in (bool), grade."""
    import pandas as pd

    events, told = table("events"), acts()
    records = []
    for (date, event, grade), group in events.groupby(["date", "event", "grade"], sort=True):
        first = group.iloc[0]
        names = [short(n) for n in group["la_name"] if n not in {"all", "multiple"}]
        national = first["la_name"] == "all"
        who = ", ".join(names) or ("all councils" if national else "two councils, not named")
        records.append(
            {
                "start": date,
                "end": first["date_last"] if first["date_precision"] == "year" else None,
                "label": str(event).capitalize() if national else f"{str(event).capitalize()}: {who}",
                "by": told[event]["by"],
                "national": national,
                "stepped_in": told[event]["stepped_in"],
                "grade": grade,
            }
        )
    return pd.DataFrame(records)
