"""Trends by group and cohort: totals indexed to a year, rates, one council beside England, ages, and what share of all
movement is common to the country.

Groups are those of `panel.GROUPS`. Totals and indices use only councils with a figure in every year shown, so that a
council that did not report in one year makes no step in the line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers import councils, measures, panel, paths
from helpers.errors import AssessError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

#: Titles that say more than a measure's short name where the panel stands alone.
TITLES = {"plans": "Plans in January"}

#: Age bands and the youngest age in each, in order.
BANDS: dict[str, int] = {"under 5": 0, "5 to 10": 5, "11 to 15": 11, "16 and over": 16}


def _complete(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of councils that have a figure in every year of the frame."""
    known = frame[frame["value"].notna()]
    return known[known.groupby("la_code")["year"].transform("nunique") == known["year"].nunique()]


def index(
    names: Sequence[str],
    by: str = "group",
    first_year: int | None = None,
    last_years: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """Totals of several counts by group and year, and the same with the first year as 100.

    by: group, cohort or region_name (with cohort, councils without an agreement are left out); last_years: measure ->
    the last year to show. Returns a frame [measure, title, BY, year, total, index, councils]; councils with a gap in a
    series are left out of that series.
    """
    import pandas as pd

    parts = []
    for name in names:
        years = (first_year, (last_years or {}).get(name))
        frame = _complete(panel.series(name, years=years).dropna(subset=[by]))
        if frame.empty:
            raise AssessError(f"No council has {name} in every year asked for.")
        frame = frame[frame[by].astype(str).str.len() > 0]
        made = frame.groupby([by, "year"]).agg(total=("value", "sum"), councils=("la_code", "nunique")).reset_index()
        base = made[made["year"] == made["year"].min()].set_index(by)["total"]
        made["index"] = 100 * made["total"] / made[by].map(base)
        made.insert(0, "measure", name)
        made.insert(1, "title", TITLES.get(name, measures.get(name).short))
        parts.append(made)
    return pd.concat(parts, ignore_index=True)


def growth(name: str, first: int, last: int, by: str = "group") -> pd.DataFrame:
    """Growth of a count between two years, by group and for all of them ("all"): index BY, columns growth (%) and
    councils (with a figure in every year from the first to the last, as in `index`)."""
    frame = _complete(panel.series(name, years=(first, last)))
    frame = frame[frame["year"].isin([first, last])]
    totals = frame.groupby([by, "year"])["value"].sum().unstack("year")
    totals["councils"] = frame.groupby(by)["la_code"].nunique()
    totals.loc["all"] = totals.sum()
    totals["growth"] = 100 * (totals[last] / totals[first] - 1)
    return totals[["growth", "councils"]].astype({"councils": int})


def rates(name: str, by: str = "group", england: bool = True, last_year: int | None = None) -> pd.DataFrame:
    """Unweighted mean of a share or rate over councils, by group and year, with England's published figure as group
    "england": frame [BY, year, value, councils], to `last_year` when given. Every council counts alike, as in the
    estimates."""
    import pandas as pd

    means = panel.group_means(name, by=by).rename(columns={"mean": "value"})
    means = means[means[by].astype(str).str.len() > 0]
    if england:
        held = panel.england(name)
        national = pd.DataFrame(
            {by: "england", "year": held.index, "value": held.to_numpy(), "councils": councils.COUNT}
        )
        means = pd.concat([means, national], ignore_index=True)
    return means if last_year is None else means[means["year"] <= last_year].reset_index(drop=True)


def since(held: pd.Series, first_year: int) -> pd.Series:
    """A series by year from the first year it has figures for at or after `first_year`. Raises AssessError, naming the
    last year there is, when there is none."""
    known = held.dropna().sort_index()
    kept = known[known.index >= first_year]
    if kept.empty:
        raise AssessError(f"No figure from {first_year} on: the last is of {int(known.index.max())}.")
    return kept


def beside(council: str, name: str, england: bool = True) -> pd.DataFrame:
    """One council's series, with England's when `england`: frame [area, year, value]; `council` is a name or code."""
    import pandas as pd

    found = councils.find(council)
    own = panel.series(name, groups=False)
    own = own[(own["la_code"] == found.la_code) & own["value"].notna()]
    out = pd.DataFrame({"area": found.la_name, "year": own["year"], "value": own["value"]})
    if england:
        held = panel.england(name)
        out = pd.concat([out, pd.DataFrame({"area": "England", "year": held.index, "value": held.to_numpy()})])
    return out.reset_index(drop=True)


@dataclass(frozen=True)
class Shares:
    """Shares (%) of all movement of a series within councils over time: `common` to the country, `programme`
    (differences between the cohorts and the councils without an agreement, year by year), `own` to single councils;
    and sizes."""

    common: float
    programme: float
    own: float
    councils: int
    years: tuple[int, int]


def decompose(name: str) -> Shares:
    """Split the movement of a measure within councils into what all share, what goes with programme and cohort, and
    the rest.

    Values (logs where the measure says so) less each council's own mean; then the share of their squares explained by
    year means, and added by means of year and cohort (no agreement being one cohort). Councils with every year only.
    The programme's part holds whatever separates cohorts, chance and other causes included; effects that differ
    between the councils of a cohort are in the councils' own part.
    """
    import numpy as np

    frame = _complete(panel.series(name))
    frame = frame.assign(
        y=np.log(frame["value"].where(frame["value"] > 0)) if measures.get(name).scale == "log" else frame["value"]
    )
    frame = frame.dropna(subset=["y"])
    frame["y"] = frame["y"] - frame.groupby("la_code")["y"].transform("mean")
    total = float((frame["y"] ** 2).sum())
    year = frame.groupby("year")["y"].transform("mean")
    cohort = frame.groupby([frame["signed_year"].fillna(0), "year"])["y"].transform("mean")
    common = float((year**2).sum())
    programme = float(((cohort - year) ** 2).sum())
    return Shares(
        common=100 * common / total,
        programme=100 * programme / total,
        own=100 * (total - common - programme) / total,
        councils=int(frame["la_code"].nunique()),
        years=(int(frame["year"].min()), int(frame["year"].max())),
    )


@dataclass(frozen=True)
class Line:
    """A straight line through points: slope with its 95% interval, p and number of points; and, along `x`, the line
    (`y`) with the 95% band of its mean (`low`, `high`)."""

    slope: float
    lower: float
    upper: float
    p: float
    n: int
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray


def line(frame: pd.DataFrame, x: str, y: str) -> Line:
    """Least squares of column `y` on column `x`, missing left out, with errors that allow for unequal spread (HC1) and
    Student's t. Raises AssessError for fewer than three points, or when `x` does not vary."""
    import numpy as np
    from scipy import stats

    held = frame[[x, y]].dropna().to_numpy(dtype=float)
    n = len(held)
    if n < 3 or np.ptp(held[:, 0]) == 0:
        raise AssessError(f"A line of {y} on {x} needs three points that differ in {x}: {n} given.")
    design = np.column_stack([np.ones(n), held[:, 0]])
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ held[:, 1]
    score = design * (held[:, 1] - design @ beta)[:, None]
    cover = n / (n - 2) * inverse @ (score.T @ score) @ inverse
    t = float(stats.t.ppf(0.975, n - 2))
    along = np.linspace(held[:, 0].min(), held[:, 0].max(), 50)
    grid = np.column_stack([np.ones(50), along])
    mean, reach = grid @ beta, t * np.sqrt(np.einsum("ij,jk,ik->i", grid, cover, grid))
    slope, se = float(beta[1]), float(np.sqrt(cover[1, 1]))
    p = float(2 * stats.t.sf(abs(slope) / se, n - 2)) if se > 0 else 0.0
    return Line(slope, slope - t * se, slope + t * se, p, n, along, mean, mean - reach, mean + reach)


def with_line(figure: Figure, fitted: Line) -> Figure:
    """The same scatter plot with a line and its band behind the points."""
    from helpers import figures

    axes = figure.axes[0]
    axes.fill_between(fitted.x, fitted.low, fitted.high, color=figures.MUTED, alpha=0.15, linewidth=0, zorder=1)
    axes.plot(fitted.x, fitted.y, color=figures.MUTED, linewidth=1.6, zorder=1.5)
    return figure


def band(label: str) -> str:
    """The age band of a publisher's label ("Aged 10", "age 2 and under", "under 3"), or "not known"."""
    digits = "".join(c for c in label if c.isdigit())
    if not digits:
        return "not known"
    age = int(digits) - (1 if label.startswith("under") else 0)
    return [name for name, least in BANDS.items() if age >= least][-1]


def by_age(resource: str, columns: Mapping[str, str] | Sequence[str], by: str = "group") -> pd.DataFrame:
    """Counts by age band, group and year from one of the by-age resources: frame [year, BY, band, *columns].

    `resource`: ehc_requests_by_age, ehc_new_plans_by_age, ehc_caseload_by_age or ehc_ceased_plans_by_age; `columns`:
    the publisher's columns, or a mapping from them to other names. Councils that have figures in every year only.
    """
    import pandas as pd

    path = paths.raw() / "dfe" / f"{resource}.csv"
    if not path.is_file():
        raise AssessError(f"{path.name} is not in data/raw/dfe: expected one of the by-age resources.")
    named = dict(columns) if isinstance(columns, Mapping) else {c: c for c in columns}
    frame = pd.read_csv(path, dtype=str, encoding="utf-8-sig")
    absent = [c for c in named if c not in frame.columns]
    if absent:
        raise AssessError(f"{path.name} has no column {absent[0]!r}.")
    frame = frame[frame["geographic_level"] == "Local authority"]
    frame = frame.assign(**{new: pd.to_numeric(frame[old], errors="coerce") for old, new in named.items()})
    # 202425 is the count of January 2025; 2024 is the calendar year.
    frame["year"] = frame["time_period"].map(lambda p: int(p) if len(p) == 4 else int(p[:4]) + 1)
    groups = panel.councils().set_index("la_code")[by]
    frame[by] = frame["new_la_code"].map(groups)
    frame = frame.dropna(subset=[by, *named.values()])
    frame = frame[frame.groupby("new_la_code")["year"].transform("nunique") == frame["year"].nunique()]
    frame["band"] = frame["breakdown"].map(band)
    out = frame.groupby(["year", by, "band"], observed=True)[list(named.values())].sum().reset_index()
    order = {name: i for i, name in enumerate([*BANDS, "not known"])}
    return out.sort_values(
        ["year", by, "band"], key=lambda c: c.map(order) if c.name == "band" else c, ignore_index=True
    )
