"""The whole estimation protocol for one outcome: `run` on a frame, `run_measure` on a named measure.

result = protocol.run_measure("requests")
protocol.run_measure("requests", controls="not_yet", years=(2017, 2024), without=["Kent"])
result.event_study, result.forest       frames for the two figures
protocol.record(book, result, ...)      facts and effects of a chapter's family of outcomes, with adjusted p-values
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from helpers import councils, estimation, exposure, inference, power, sensitivity
from helpers.errors import AssessError
from helpers.verdict import Evidence

#: Whom the main estimate compares with: councils that never signed; those and councils that had not signed yet; those
#: that never signed and took no part in Delivering Better Value.
Controls = Literal["never", "not_yet", "no_dbv"]
SEED = 2021
DRAWS = 999
#: The two implementations of the main estimate must agree to this on the analysis scale, on every outcome.
AGREEMENT = 1e-8


@dataclass(frozen=True)
class Protocol:
    """Everything the protocol finds for one outcome, in reported units (`unit`) unless said otherwise.

    - effects: rows of the effects contract, all estimators overall and the main estimator's event-study path.
    - event_study: frame [event_time, estimate, std_error, lower, upper, band_lower, band_upper, p_value, ri_p,
      n_treated, used]; the reference year is a row of zero without an interval; `used` marks event times with enough
      councils to enter tests, bounds and verdicts.
    - forest: frame [estimator, label, estimate, lower, upper, n_treated, n_control], the stated checks in order, the
      leave-one-out range last; `linear_trend` is in `effects` only.
    - ri_p, ri_p_studentised: randomisation p of the effect and of the effect over its standard error.
    - pretrend: the joint pre-trend test in full; pretrend_ri_p: its randomisation p.
    - critical: the sup-t value behind the bands; sensitivity: bounds on relative magnitudes.
    - detectable: minimum detectable effects; loo: frame [la_code, treated, estimate].
    - dropped: frame [la_code, reason] of councils that could not be used; notes: what else a reader should know.
    - study: the main estimate in full, on the analysis scale.
    """

    outcome: str
    family: str
    scale: str
    unit: str
    effects: pd.DataFrame
    event_study: pd.DataFrame
    forest: pd.DataFrame
    ri_p: float
    ri_drawn: int
    ri_p_studentised: float
    pretrend: inference.Wald
    pretrend_ri_p: float
    critical: float
    sensitivity: sensitivity.Sensitivity
    detectable: power.Detectable
    loo: pd.DataFrame
    same_sign: bool
    dropped: pd.DataFrame
    notes: tuple[str, ...]
    draws: int
    seed: int
    study: inference.Study = field(repr=False)

    @property
    def main(self) -> pd.Series:
        """The main estimate's overall row."""
        return self.row("callaway_santanna")

    def row(self, estimator: str) -> pd.Series:
        """One estimator's overall row of `effects`."""
        try:
            return self._overall[estimator]
        except KeyError:
            known = ", ".join(dict.fromkeys(self.effects["estimator"]))
            raise AssessError(f"No estimate by {estimator!r} for {self.outcome}: there are {known}.") from None

    @cached_property
    def _overall(self) -> dict[str, pd.Series]:
        overall = self.effects[self.effects["event_time"] == "overall"]
        return {str(row["estimator"]): row for _, row in overall.iloc[::-1].iterrows()}  # the first of a name counts

    @property
    def pretrend_p(self) -> float:
        """p of the joint test that every effect before the agreement is zero; NaN without usable years before it."""
        return self.pretrend.p

    @property
    def mde(self) -> float:
        """Minimum detectable effect: the larger of the analytic and the randomisation one."""
        return self.detectable.value

    @property
    def breakdown(self) -> float:
        """How many times the largest departure from parallel trends before the agreement a later one may be before the
        robust interval includes zero (Rambachan and Roth 2023); 0 when it includes zero already.
        """
        return self.sensitivity.breakdown

    @property
    def loo_range(self) -> tuple[float, float]:
        """Smallest and largest estimate when one council is left out, in reported units."""
        return float(self.loo["estimate"].min()), float(self.loo["estimate"].max())

    @property
    def path(self) -> int:
        """+1 or -1 when the simultaneous band excludes zero in that one direction after the agreement, else 0."""
        after = self.event_study[(self.event_study["event_time"] >= 0) & self.event_study["used"]]
        above, below = bool((after["band_lower"] > 0).any()), bool((after["band_upper"] < 0).any())
        return int(above) - int(below)

    @property
    def evidence(self) -> Evidence:
        """What `verdict.decide` looks at."""
        low, high = self.loo_range
        return Evidence(
            estimate=float(self.main["estimate"]),
            lower=float(self.main["lower"]),
            upper=float(self.main["upper"]),
            ri_p=self.ri_p,
            pretrend_p=self.pretrend_p,
            same_sign=self.same_sign,
            mde=self.mde,
            path=self.path,
            breakdown=self.breakdown,
            loo_lower=low,
            loo_upper=high,
        )

    @property
    def facts(self) -> dict[str, dict[str, Any]]:
        """Named facts: id -> value, unit, lower, upper, p, n, years (only those that exist).

        effect.OUTCOME.att, .event.K, .ri_p, .ri_p_studentised, .pretrend_p, .pretrend_ri_p, .mde, .mde_analytic,
        .breakdown, one a further estimator (.twfe, .no_dbv, ...), .leave_one_out (lower and upper: the range),
        .path, .same_sign (what the verdict rule looks at besides), .n_treated, .n_control.
        """
        name = f"effect.{self.outcome}"
        main = self.main
        years = f"{main['first_year']} to {main['last_year']}"
        n = int(main["n_treated"])
        out: dict[str, dict[str, Any]] = {}

        def effect(key: str, row: Any) -> None:
            """Name one row of `effects`: estimate, interval, p, councils and years."""
            out[f"{name}.{key}"] = {
                "value": float(row["estimate"]),
                "unit": self.unit,
                "lower": _known(row["lower"]),
                "upper": _known(row["upper"]),
                "p": _known(row["p_value"]),
                "n": int(row["n_treated"]),
                "years": years,
            }

        effect("att", main)
        for _, row in self.effects.iterrows():
            if row["event_time"] != "overall":
                effect(f"event.{row['event_time']}", row)
            elif row["estimator"] != "callaway_santanna":
                effect(str(row["estimator"]), row)
        for key, value, unit in (
            ("ri_p", self.ri_p, "p"),
            ("ri_p_studentised", self.ri_p_studentised, "p"),
            ("pretrend_p", self.pretrend_p, "p"),
            ("pretrend_ri_p", self.pretrend_ri_p, "p"),
            ("mde", self.mde, self.unit),
            ("mde_analytic", self.detectable.analytic, self.unit),
            ("breakdown", self.breakdown, "ratio"),
            ("loo_lower", self.loo_range[0], self.unit),
            ("loo_upper", self.loo_range[1], self.unit),
            ("same_sign", int(self.same_sign), ""),
            ("path", self.path, ""),
            ("n_treated", n, "count"),
            ("n_control", int(main["n_control"]), "count"),
        ):
            if math.isfinite(value):
                out[f"{name}.{key}"] = {"value": value, "unit": unit, "n": n, "years": years}
        return out


def _known(value: Any) -> float | None:
    return float(value) if math.isfinite(float(value)) else None


def run(
    outcome: str,
    data: pd.DataFrame,
    family: str = "",
    *,
    scale: str = "level",
    unit: str = "",
    covariates: pd.DataFrame | None = None,
    controls: Controls = "never",
    draws: int = DRAWS,
    seed: int = SEED,
    notes: Sequence[str] = (),
) -> Protocol:
    """Run every check on one outcome.

    data: long frame [la_code, year, value, first_year (0 never), group (for `no_dbv`)]; scale "log" reports per cent;
    unit: "%", "pp" or the measure's own; covariates: frame indexed by la_code, without which the `covariates`
    estimator is left out and said so in `notes`; controls: whom the main estimate and everything made from it (tests,
    bounds, randomisation, leave-one-out) compare with, see `Controls`; the check that is then the main estimate itself
    is left out. The result depends on the data, `controls`, `draws` and `seed` only. Method: Callaway and Sant'Anna
    (2021); the other estimators as `estimation` names them. Raises AssessError when nothing can be compared, for unknown
    `controls`, fewer than one draw, or when the two implementations of the main estimate disagree.
    """
    _known_controls(controls)
    panel = inference.panel(data, scale)
    if controls == "no_dbv":
        panel = _without_dbv(panel)
    unit = unit or ("%" if scale == "log" else "pp")
    main: inference.Controls = "not_yet" if controls == "not_yet" else "never"
    study = inference.study(panel, main)
    _agree(outcome, study)

    said = list(notes)
    if controls != "never":
        said.append(f"Controls of the main estimate: {estimation.CONTROLS[controls]}.")
    rows = estimation.rows_of_study(study, outcome, "callaway_santanna", estimation.CONTROLS[main], scale)
    for name in estimation.ESTIMATORS:
        if name in ("callaway_santanna", _SAME_AS_MAIN.get(controls)):
            continue
        if name == "covariates" and (covariates is None or covariates.empty):
            said.append("No baseline covariates: the covariate-adjusted version is left out.")
            continue
        if name == "linear_trend" and inference.pre_window(study).sum() < 2:
            said.append("Too few years before the agreements for a trend: the trend-adjusted version is left out.")
            continue
        made = estimation.estimate(panel, name, outcome=outcome, scale=scale, covariates=covariates, controls=main)
        rows += made[made["event_time"] == "overall"].to_dict("records")
    effects = estimation.frame(rows)
    if controls == "no_dbv":
        effects["controls"] += estimation.WITHOUT_DBV

    random = inference.randomisation(study, draws, seed)
    critical = inference.critical_value(study, draws, seed)
    overall = effects[effects["event_time"] == "overall"]
    signs = np.sign(overall[overall["estimator"].isin(estimation.SIGNED)]["estimate"].to_numpy(dtype=float))
    loo = inference.leave_one_out(study)
    loo["estimate"] = [estimation.in_units(b, scale) for b in loo["estimate"]]
    return Protocol(
        outcome=outcome,
        family=family,
        scale=scale,
        unit=unit,
        effects=effects,
        event_study=_event_study(study, random, critical, scale),
        forest=_forest(overall),
        ri_p=random.p,
        ri_drawn=random.drawn,
        ri_p_studentised=random.p_studentised,
        pretrend=inference.pretrend(study),
        pretrend_ri_p=random.pretrend_p,
        critical=critical,
        sensitivity=sensitivity.relative_magnitudes(study, scale),
        detectable=power.detectable(study, scale, draws, seed),
        loo=loo,
        same_sign=bool(np.isfinite(signs).all() and (signs == signs[0]).all() and signs[0] != 0),
        dropped=panel.dropped,
        notes=tuple(said),
        draws=draws,
        seed=seed,
        study=study,
    )


#: The check that repeats the main estimate when the controls are these.
_SAME_AS_MAIN = {"not_yet": "callaway_santanna_notyet", "no_dbv": "no_dbv"}


def _known_controls(controls: str) -> None:
    known = get_args(Controls)
    if controls not in known:
        close = difflib.get_close_matches(str(controls), known, n=1, cutoff=0.4)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise AssessError(f"controls={controls!r}: expected one of {', '.join(known)}.{hint}")


def _without_dbv(panel: inference.Panel) -> inference.Panel:
    """The panel without control councils of Delivering Better Value."""
    kept = np.array([g != "dbv" for g in panel.group]) | (panel.first > 0)
    if kept[panel.first == 0].sum() == 0:
        raise AssessError("Nothing to compare: every control council is in Delivering Better Value.")
    return panel.keep(kept, "a control in Delivering Better Value, left out on request")


def _agree(outcome: str, study: inference.Study) -> None:
    """Hold our estimate to that of the library, on this very outcome."""
    other = estimation.library(study.panel, study.controls)
    gap = max(abs(study.overall - float(other.overall_att)), abs(study.se - float(other.overall_se)))
    if not gap <= AGREEMENT:
        raise AssessError(
            f"The two implementations of the main estimate of {outcome} differ by {gap:.2g}, expected {AGREEMENT:g}."
        )


def _event_study(study: inference.Study, random: inference.Randomisation, critical: float, scale: str) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    used = study.window()
    for k, e in enumerate(study.events):
        b, se = float(study.event[k]), float(study.event_se[k])
        one = estimation.reported(b, se, scale)
        rows.append(
            {
                "event_time": int(e),
                "estimate": one.estimate,
                "std_error": one.std_error,
                "lower": one.lower,
                "upper": one.upper,
                "band_lower": estimation.in_units(b - critical * se, scale),
                "band_upper": estimation.in_units(b + critical * se, scale),
                "p_value": one.p,
                "ri_p": float(random.event_p[k]),
                "n_treated": int(study.behind[k]),
                "used": bool(used[k]),
            }
        )
    if study.reference not in study.events:
        rows.append({"event_time": study.reference, "estimate": 0.0, "n_treated": study.panel.n_treated, "used": True})
    return pd.DataFrame(rows).sort_values("event_time", ignore_index=True)


def _forest(overall: pd.DataFrame) -> pd.DataFrame:
    # The stated checks; `linear_trend` rests on another assumption and is read from `effects`.
    checks = overall[overall["estimator"] != "linear_trend"]
    out = checks[["estimator", "estimate", "lower", "upper", "n_treated", "n_control"]].reset_index(drop=True)
    out.insert(1, "label", [estimation.ESTIMATORS[e] for e in out["estimator"]])
    compared = checks["controls"].iloc[0]
    if compared != estimation.NEVER:
        out.loc[0, "label"] = f"Main: Callaway and Sant'Anna, controls {compared}"
    return out


def run_measure(
    measure: str,
    outcome: str | None = None,
    family: str = "",
    *,
    controls: Controls = "never",
    years: Sequence[int | None] | None = None,
    without: Sequence[str] = (),
    first_year: int | None = None,
    last_year: int | None = None,
    adjusted: bool = True,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Protocol:
    """The protocol on a measure of the processed tables: exposure by the measure's kind, logs where its scale says so.

    outcome: the name in facts and effects (the measure's own by default); controls: "never" (signed no agreement),
    "not_yet" (also those that had not signed yet) or "no_dbv" (never signed, nor in Delivering Better Value); years:
    first and last year of the series, both included, None for an open end (first_year and last_year do the same one by
    one); without: councils to leave out, by name, ONS code or DfE number (for sensitivity to known data problems);
    adjusted: add the covariate-adjusted version; draws: reassignments for p-values, 999 in the report.

    Returns a Protocol: the effect with its interval, path, checks, tests and bounds, in per cent for measures on the log
    scale, percentage points for shares, else the measure's own unit. Method: Callaway and Sant'Anna (2021), see `run`.
    Raises AssessError, saying what was found and what is expected, for an unknown measure, council or choice of
    controls, years without figures, fewer than one draw, and when too little is left to compare.
    """
    from helpers import measures

    definition = measures.get(measure)
    scale = str(definition.scale)
    # A difference of two percentages is in percentage points, whatever they are percentages of.
    unit = "%" if scale == "log" else ("pp" if str(definition.unit).startswith("%") else str(definition.unit))
    data = prepare(measure, first_year, last_year, without, years=years)
    left_out = ", ".join(council.la_name for council in _found(without))
    return run(
        outcome or measure,
        data,
        family,
        scale=scale,
        unit=unit,
        covariates=baseline() if adjusted else None,
        controls=controls,
        draws=draws,
        seed=seed,
        notes=[f"Left out on request: {left_out}."] if left_out else [],
    )


def _found(without: Sequence[str]) -> list[councils.Council]:
    """The councils named, each once; one name may stand alone."""
    named = [without] if isinstance(without, str) else without
    return list(dict.fromkeys(councils.find(name) for name in named))


def prepare(
    measure: str,
    first_year: int | None = None,
    last_year: int | None = None,
    without: Sequence[str] = (),
    *,
    years: Sequence[int | None] | None = None,
) -> pd.DataFrame:
    """A measure's series with the first exposed year of each council: [la_code, year, value, first_year, group].

    value is in the measure's unit, first_year 0 for councils without an agreement. Arguments and errors are those of
    `run_measure`.
    """
    from helpers import measures
    from helpers import panel as tables

    kind = str(measures.get(measure).kind)
    if years is not None and (first_year is not None or last_year is not None):
        raise AssessError("years= was given beside first_year= or last_year=: expected one or the other.")
    data = tables.series(measure, years=(first_year, last_year) if years is None else years)
    data = data[~data["la_code"].isin([council.la_code for council in _found(without)])]
    signed = data["signed_year"].fillna(0).astype(int)
    firsts = {year: exposure.first_exposed(year, kind) for year in signed.unique()}
    return data.assign(first_year=signed.map(firsts))[["la_code", "year", "value", "first_year", "group"]].reset_index(
        drop=True
    )


def baseline() -> pd.DataFrame:
    """Baseline covariates by la_code: deficit at 31 March 2020 (% of dedicated schools grant), IMD 2019, log
    population 0 to 25. Sources: the processed tables `council_year` and `councils`. NaN where a council has no figure.
    """
    from helpers import panel as tables

    people = tables.councils().set_index("la_code")
    deficit = tables.series("dsg_balance")
    deficit = deficit[deficit["year"] == 2020].set_index("la_code")["value"]
    return pd.DataFrame(
        {
            "deficit": deficit.reindex(people.index).astype(float),
            "imd2019": people["imd2019"].astype(float),
            "log_population": np.log(people["pop_0_25"].astype(float)),
        }
    )


def subgroups(outcome: str, data: pd.DataFrame, split: pd.Series, scale: str = "level") -> pd.DataFrame:
    """The main estimate for parts of the treated councils, each against all never-treated controls. Exploratory.

    data: as for `run` (`prepare` makes it from a measure); split: label by la_code (cohort, payments suspended or not,
    half of the distribution of a baseline), missing for councils to leave out. Returns, one row a label in order:
    [outcome, subgroup, estimate, lower, upper, p_value, n_treated, n_control, difference_p], reported units.
    `difference_p` is the p of the joint test that all parts have the same effect (Wald, from influence functions, so
    shared controls are allowed for). Raises AssessError when no label falls on a treated council.
    """
    from scipy.stats import chi2

    panel = inference.panel(data, scale)
    label = split.reindex(list(panel.codes))
    treated = panel.first > 0
    rows, effects, influences = [], [], []
    for name in sorted(label[treated].dropna().unique()):
        inside = label.eq(name).fillna(False).to_numpy(dtype=bool) & treated
        study = inference.study(panel.keep(inside | ~treated, f"not {name}"))
        one = estimation.reported(study.overall, study.se, scale)
        text = f"{name:g}" if isinstance(name, float) else str(name)
        rows.append(
            [outcome, text, one.estimate, one.lower, one.upper, one.p, int(inside.sum()), study.panel.n_control]
        )
        if inside.sum() < inference.MIN_BEHIND:
            continue
        psi = np.zeros(len(panel.codes))
        psi[inside | ~treated] = study.overall_psi
        effects.append(study.overall)
        influences.append(psi)
    if not rows:
        raise AssessError(f"{outcome}: the split names no treated council.")
    columns = ["outcome", "subgroup", "estimate", "lower", "upper", "p_value", "n_treated", "n_control"]
    out = pd.DataFrame(rows, columns=columns)
    p = float("nan")
    if len(effects) > 1:
        contrast = np.diff(np.eye(len(effects)), axis=0)
        gap, psi_gap = contrast @ np.array(effects), contrast @ np.array(influences)
        p = float(chi2.sf(gap @ np.linalg.pinv(psi_gap @ psi_gap.T) @ gap, len(effects) - 1))
    return out.assign(difference_p=p)


def adjusted_p(results: Sequence[Protocol], beside: Sequence[Protocol] = ()) -> pd.Series:
    """Benjamini-Hochberg adjusted randomisation p-values over one family of outcomes, by outcome name.

    The randomisation p is the one adjusted: with cohorts of four to twenty councils it is the stricter and the safer
    to quote. beside: what is no outcome of the family, such as a second source of one of them or another programme; each
    is adjusted together with the family, which does not count it.
    """

    def adjusted(these: Sequence[Protocol]) -> pd.Series:
        return inference.benjamini_hochberg(pd.Series({r.outcome: r.ri_p for r in these}, dtype=float))

    return pd.concat([adjusted(results), *(adjusted([*results, one]).loc[[one.outcome]] for one in beside)])


def record(book: Any, *results: Protocol, beside: Sequence[Protocol] = (), sources: Sequence[str] = ()) -> pd.Series:
    """Record facts and effects of one family of outcomes in a chapter's book; returns the adjusted p-values by outcome.

    Adds effect.OUTCOME.bh_p beside the facts of each result, so a family must be recorded in one call; `beside` as in
    `adjusted_p`.
    """
    adjusted = adjusted_p(results, beside)
    counted = [(result, len(results)) for result in results] + [(one, len(results) + 1) for one in beside]
    for result, n in counted:
        for name, fact in result.facts.items():
            book.fact(name, **fact, sources=tuple(sources))
        book.fact(
            f"effect.{result.outcome}.bh_p",
            float(adjusted[result.outcome]),
            unit="p",
            n=n,
            sources=tuple(sources),
        )
        book.effects(result.effects)
    return adjusted
