"""The same estimate on other cuts of the data: known problems left out, one side of a break, groups of councils.

Each row is the main estimator of `helpers.protocol` (Callaway and Sant'Anna, never Safety Valve councils as controls
unless others are asked for) on a restricted panel. Nothing here decides a verdict: it shows what the estimate rests on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import estimation, files, inference, measures, panel, protocol
from helpers.errors import AssessError

if TYPE_CHECKING:
    import pandas as pd

#: Councils that the guidance to the EHC plans release names for incomplete returns.
NOTED: dict[str, str] = {
    "Hackney": "E09000012",
    "Peterborough": "E06000031",
    "Cambridgeshire": "E10000003",
    "North East Lincolnshire": "E06000012",
}
#: Two councils with so few children that one case moves a rate by many points.
TINY: dict[str, str] = {"City of London": "E09000001", "Isles of Scilly": "E06000053"}
NEITHER = "in neither programme"
#: Kinds of measure whose years are financial years.
MONEY = ("balance", "financial_flow")
#: Councils whose figures of money do not fit their own papers (deficits) or their own series (spending), by measure.
UNLIKE: dict[str, tuple[str, tuple[str, ...]]] = {
    "dsg_balance": ("Without Surrey and Barnsley, whose papers print other deficits", ("E10000030", "E08000016")),
    "high_needs_spend": ("Without Bury and Calderdale, whose spending jumps in one year", ("E08000002", "E08000033")),
}


@dataclass(frozen=True)
class Variation:
    """One cut: `without` ONS codes left out, first and last year kept, single years skipped."""

    name: str
    label: str
    without: tuple[str, ...] = ()
    first_year: int | None = None
    last_year: int | None = None
    skip: tuple[int, ...] = ()

    def cut(self, data: pd.DataFrame) -> pd.DataFrame:
        """The rows of a prepared frame [la_code, year, ...] that remain."""
        kept = data[~data["la_code"].isin(self.without) & ~data["year"].isin(self.skip)]
        if self.first_year is not None:
            kept = kept[kept["year"] >= self.first_year]
        if self.last_year is not None:
            kept = kept[kept["year"] <= self.last_year]
        return kept


def doubtful(measure: str) -> tuple[str, ...]:
    """ONS codes of councils with a figure of the measure (or of a part of it) that looks wrong but was kept as
    printed."""
    entries = files.read_yaml(Path(__file__).with_name("known_errors.yaml"))
    names = {measure, *measures.get(measure).parts}
    if measure == "refusal_to_assess":  # the long series has no parts, but the same figures behind it
        names.add("refusals")
    found: set[str] = set()
    for entry in entries:
        about = entry["measure"] if isinstance(entry["measure"], list) else [entry["measure"]]
        if entry["action"] == "keep" and names & set(about):
            found.update(entry.get("areas", ()))
    return tuple(sorted(found))


def known_problems(measure: str) -> list[Variation]:
    """The cuts every headline is put through: councils with notes, tiny councils, reorganised councils, covid years,
    the year 2023, years to 2022, and years from the change of the SEN2 return on (child by child from the 2023
    collection, which covers flows of 2022 and counts of January 2023); and councils whose printed figures look wrong,
    where there are any. Deficits and spending come from other returns and have years of their own (`_of_money`)."""
    people = panel.councils()
    formed = tuple(people[people["formed"].notna()]["la_code"])
    kind = str(measures.get(measure).kind)
    if kind in MONEY:
        return _of_money(measure, kind, formed)
    january = kind == "january_count"
    odd = doubtful(measure)
    return [
        Variation("main", "Main estimate"),
        *([Variation("doubtful", "Without doubtful figures", odd)] if odd else []),
        Variation("noted", "Without four councils the publisher's notes name", tuple(NOTED.values())),
        Variation("tiny", "Without the two smallest councils", tuple(TINY.values())),
        Variation("boundaries", "Without councils formed since 2019", formed),
        Variation("covid", "Without 2020 and 2021", skip=(2020, 2021)),
        Variation("no_2023", "Without 2023", skip=(2023,)),
        Variation("to_2022", "Through 2022 only", last_year=2022),
        Variation("child_level", "From the first child-level returns on", first_year=2023 if january else 2022),
    ]


def _of_money(measure: str, kind: str, formed: tuple[str, ...]) -> list[Variation]:
    """The cuts for balances at 31 March and for spending of financial years (`year` is the one in which it ends).

    Balances to 2022 are published shares and that of 2024 comes from another return, with none for 2023: `one_source` stops before the
    change and `across` keeps only the step over it."""
    odd, unlike = doubtful(measure), UNLIKE.get(measure)
    made = [
        Variation("main", "Main estimate"),
        *([Variation("doubtful", "Without doubtful figures", odd)] if odd else []),
        *([Variation("unlike", unlike[0], unlike[1])] if unlike else []),
        Variation("noted", "Without four councils whose plan returns carry notes", tuple(NOTED.values())),
        Variation("tiny", "Without the two smallest councils", tuple(TINY.values())),
        Variation("boundaries", "Without councils formed since 2019", formed),
    ]
    if kind == "balance":
        return [
            *made,
            Variation("covid", "Without March 2021, a year into the pandemic", skip=(2021,)),
            Variation("one_source", "Through March 2022 only, before the change of source", last_year=2022),
            Variation("across", "From March 2022 on only, across the change of source", first_year=2022),
        ]
    return [
        *made,
        Variation("covid", "Without 2020-21 and 2021-22, the pandemic", skip=(2021, 2022)),
        Variation("no_2023", "Without 2022-23", skip=(2023,)),
        Variation("to_2023", "Through 2022-23 only", last_year=2023),
    ]


def compare(
    measure: str,
    variations: Sequence[Variation],
    data: pd.DataFrame | None = None,
    *,
    controls: protocol.Controls = "never",
    without: Sequence[str] = (),
) -> pd.DataFrame:
    """The main estimate under each variation: frame [name, label, estimate, std_error, lower, upper, p_value,
    n_treated, n_control, first_year, last_year], in reported units. `data`: a prepared frame to use in place of the
    measure's own. controls, without: as in `protocol.run_measure`. A variation that leaves nothing to compare is left
    out."""
    import pandas as pd

    scale = str(measures.get(measure).scale)
    whole = protocol.prepare(measure, without=without) if data is None else data
    if controls == "no_dbv":
        whole = whole[(whole["group"] != "dbv") | (whole["first_year"] > 0)]
    against: inference.Controls = "not_yet" if controls == "not_yet" else "never"
    rows = []
    for variation in variations:
        try:
            study = inference.study(inference.panel(variation.cut(whole), scale), against)
        except AssessError:
            continue
        rows.append({"name": variation.name, "label": variation.label, **_row(study, scale)})
    return pd.DataFrame(rows)


def _row(study: inference.Study, scale: str) -> dict[str, Any]:
    made = estimation.reported(study.overall, study.se, scale)
    return {
        "estimate": made.estimate,
        "std_error": made.std_error,
        "lower": made.lower,
        "upper": made.upper,
        "p_value": made.p,
        "n_treated": study.panel.n_treated,
        "n_control": study.panel.n_control,
        "first_year": int(study.panel.years[0]),
        "last_year": int(study.panel.years[-1]),
    }


def subgroups(measure: str, labels: pd.Series, split: str) -> pd.DataFrame:
    """The main estimate for parts of the Safety Valve councils against the same controls; exploratory.

    labels: la_code -> part (missing: left out). Returns one row a part [split, label, estimate, ..., n_treated] and,
    when there are two parts, a row "difference" (second less first, on the analysis scale in points; in per cent it is
    the ratio), whose error allows for the shared controls.
    """
    import numpy as np
    import pandas as pd

    scale = str(measures.get(measure).scale)
    data = protocol.prepare(measure)
    part = data["la_code"].map(labels)
    rows: list[dict[str, Any]] = []
    studies: list[inference.Study] = []
    for label in [x for x in dict.fromkeys(labels.dropna().sort_values(kind="stable")) if x]:
        study = inference.study(inference.panel(data[(data["first_year"] == 0) | (part == label)], scale))
        studies.append(study)
        rows.append({"split": split, "label": str(label), **_row(study, scale)})
    if len(studies) == 2:
        one, two = (pd.Series(s.overall_psi, index=list(s.panel.codes)) for s in studies)
        apart = two.sub(one, fill_value=0.0)
        gap = estimation.reported(studies[1].overall - studies[0].overall, float(np.sqrt((apart**2).sum())), scale)
        rows.append(
            {
                "split": split,
                "label": "difference",
                "estimate": gap.estimate,
                "std_error": gap.std_error,
                "lower": gap.lower,
                "upper": gap.upper,
                "p_value": gap.p,
                "n_treated": sum(s.panel.n_treated for s in studies),
                "n_control": studies[0].panel.n_control,
                "first_year": rows[0]["first_year"],
                "last_year": rows[0]["last_year"],
            }
        )
    return pd.DataFrame(rows)


def reassigned(measure: str, labels: pd.Series, draws: int = 999, seed: int = 2021) -> float:
    """Randomisation p (two-sided) of the difference between two parts of the Safety Valve councils: the labels are
    dealt out at random among those councils, keeping how many there are of each. Raises AssessError unless there are
    two parts."""
    import numpy as np

    names = [x for x in dict.fromkeys(labels.dropna().sort_values(kind="stable")) if x]
    if len(names) != 2:
        raise AssessError(f"A difference needs two parts, not {len(names)}.")
    whole = inference.panel(protocol.prepare(measure), str(measures.get(measure).scale))
    part = np.array([labels.get(code) for code in whole.codes], dtype=object)
    labelled = np.flatnonzero((whole.first > 0) & np.isin(part, names))
    grid = inference.cells(whole.years, whole.cohorts)
    second = part[labelled] == names[1]
    rng = np.random.default_rng(seed)
    dealt = np.vstack([second, rng.permuted(np.broadcast_to(second, (draws, len(second))), axis=1)])

    def overall(keep: Any) -> Any:
        given = np.tile(np.where(whole.first > 0, inference.EXCLUDED, 0), (len(keep), 1))
        given[:, labelled] = np.where(keep, whole.first[labelled], inference.EXCLUDED)
        return inference.batch(whole.values, given, grid).overall

    gap = np.abs(overall(dealt) - overall(~dealt))
    return float((1 + (gap[1:] >= gap[0] - 1e-12).sum()) / (1 + draws))


def halves(values: pd.Series, low: str, high: str) -> pd.Series:
    """Label each council by whether its value is at or below the median of those known, or above it."""
    known = values.dropna()
    middle = known.median()
    return known.map(lambda v: low if v <= middle else high)


def delivering_better_value(
    measure: str, outcome: str, first_years: Mapping[str, int], *, without: Sequence[str] = (), **options: Any
) -> protocol.Protocol:
    """The full protocol with Delivering Better Value councils as treated and councils in neither programme as controls.

    Safety Valve councils are left out, and those of `without`. first_years: tranche (as in councils.parquet) -> first
    exposed year.
    """
    people = panel.councils().set_index("la_code")
    data = protocol.prepare(measure, without=without)
    data = data[data["group"] != "safety_valve"]
    tranche = data["la_code"].map(people["dbv_tranche"]).astype(object)
    treated = data["group"] == "dbv"
    unknown = sorted({str(t) for t in tranche[treated]} - set(first_years))
    if unknown:
        raise AssessError(f"No first exposed year is given for tranche {unknown[0]!r} of Delivering Better Value.")
    first = tranche.where(treated).map(lambda t: first_years.get(str(t), 0)).fillna(0).astype(int)
    definition = measures.get(measure)
    unit = "%" if definition.scale == "log" else ("pp" if definition.unit in ("%", "pp") else str(definition.unit))
    made = protocol.run(
        outcome,
        data.assign(first_year=first),
        scale=str(definition.scale),
        unit=unit,
        covariates=protocol.baseline(),
        **options,
    )
    # Controls are named for Safety Valve studies; and leaving Delivering Better Value councils out changes nothing
    # here.
    effects = made.effects[made.effects["estimator"] != "no_dbv"].assign(controls=NEITHER)
    forest = made.forest[made.forest["estimator"] != "no_dbv"]
    return replace(made, effects=effects.reset_index(drop=True), forest=forest.reset_index(drop=True))
