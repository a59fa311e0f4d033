"""Every listed outcome has, in the report, a figure of its checks and an event study with simultaneous bands."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers import families, figures

LISTED = (
    "requests",
    "refusal_to_assess",
    "refusal_to_issue",
    "new_plans",
    "plans",
    "ceased_plans",
    "requests_per_1000",
    "new_plans_per_1000",
    "plans_per_1000",
    "timeliness",
    "appeal_rate",
    "independent_share",
    "mainstream_share",
    "special_share",
    "attainment8",
    "ks2_rwm",
    "absence",
    "dsg_balance",
    "high_needs_spend",
)
KINDS = {
    "checks": ("estimator", "estimate", "lower", "upper"),
    "path": ("event_time", "estimate", "band_lower", "band_upper", "n_treated"),
}


def holding(folder: Path, effects: pd.DataFrame, outcome: str, kind: str) -> list[Path]:
    """The data of the figures in which all of an outcome's estimates of one kind stand, told by their values alone."""
    mine = effects[effects["outcome"] == outcome]
    overall = mine["event_time"] == "overall"
    columns = ["estimate", "lower", "upper"]
    if kind == "path":
        mine = mine[~overall & (mine["estimator"] == "callaway_santanna")]
        mine = mine.assign(event_time=mine["event_time"].astype(int))
        columns.append("event_time")
    else:
        mine = mine[overall]
    assert len(mine), f"no estimates of {outcome}"
    found = []
    for path in sorted(folder.glob("*.csv")):
        drawn = pd.read_csv(path)
        if not set(KINDS[kind]) | set(columns) <= set(drawn.columns):
            continue
        apart = np.abs(drawn[columns].to_numpy(float)[:, None, :] - mine[columns].to_numpy(float)[None, :, :])
        if (apart < 1e-6).all(axis=2).any(axis=0).all():
            found.append(path)
    return found


@pytest.fixture(scope="module")
def published(built):
    return built / "reports" / "figures", pd.read_csv(built / "reports" / "effects.csv")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("outcome", LISTED)
def test_a_listed_outcome_has_its_figures_in_the_report(built, published, outcome, kind):
    found = holding(*published, outcome, kind)
    assert found
    page = (built / "reports" / "assessment.html").read_text(encoding="utf-8")
    assert any(f'id="fig-{path.stem.replace("_", "-")}"' in page for path in found)


@pytest.mark.parametrize(
    ("outcome", "kind"), [("ceased_plans", "checks"), ("dsg_balance", "path"), ("special_share", "checks")]
)
def test_a_figure_taken_away_is_missed(published, tmp_path, outcome, kind):
    folder, effects = published
    shutil.copytree(folder, tmp_path / "figures", ignore=shutil.ignore_patterns("*.svg", "*.png"))
    for path in holding(tmp_path / "figures", effects, outcome, kind):
        path.unlink()
    assert not holding(tmp_path / "figures", effects, outcome, kind)
    # An estimate missing from a figure is as bad: without one row the figure no longer counts.
    (path, *_) = holding(folder, effects, outcome, kind)
    drawn = pd.read_csv(path)
    (tmp_path / "short").mkdir()
    known = drawn["lower"].notna()
    if "measure" in drawn:
        known &= drawn["measure"] == outcome
    drawn.drop(index=drawn[known].index[-1]).to_csv(tmp_path / "short" / path.name, index=False)
    assert not holding(tmp_path / "short", effects, outcome, kind)


def drawings(folder: Path) -> list[tuple[str, pd.DataFrame, str]]:
    """The published figures of several outcomes: name, data, kind."""
    out = []
    for path in sorted(folder.glob("*.csv")):
        frame = pd.read_csv(path)
        if "unit_words" in frame.columns:
            out.append((path.stem, frame, "path" if "event_time" in frame.columns else "checks"))
    return out


def test_their_words_do_not_run_into_each_other(published):
    made = drawings(published[0])
    assert len(made) >= 10
    for name, frame, kind in made:
        figure = (figures.forests if kind == "checks" else figures.event_studies)(frame)
        figure.draw_without_rendering()
        words = []
        for axes in (axes for axes in figure.axes if axes.axison):
            low, high = axes.get_xlim()
            words += [axes._left_title, *axes.texts]
            words += [tick for tick in axes.get_xticklabels() if low <= tick.get_position()[0] <= high]
        boxes = [(text.get_text(), text.get_window_extent()) for text in words if text.get_text()]
        for i, (text, box) in enumerate(boxes):
            assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 and box.y1 <= figure.bbox.y1, (name, text)
            for other, against in boxes[:i]:
                assert not box.shrunk(0.98, 0.8).overlaps(against.shrunk(0.98, 0.8)), (name, text, other)


def test_rows_and_panels_are_the_frame(published):
    for name, frame, kind in drawings(published[0]):
        assert not {"pp", "gbp", "count", ""} & set(frame["unit_words"]), name
        if kind != "checks":
            continue
        figure = figures.forests(frame)
        shown = [axes for axes in figure.axes if axes.axison]
        assert [axes.get_title("left") for axes in shown] == list(dict.fromkeys(frame["outcome"])), name
        assert [t.get_text() for t in shown[0].get_yticklabels()] == list(families.CHECKS.values())
        for axes, (_, part) in zip(shown, frame.groupby("outcome", sort=False), strict=True):
            points = np.concatenate([line.get_xdata() for line in axes.lines if line.get_marker() == "o"])
            assert sorted(points) == sorted(part["estimate"])
            said = {text.get_text() for text in axes.texts}
            assert ("not possible" in said) == (len(part) < len(families.CHECKS)), name
