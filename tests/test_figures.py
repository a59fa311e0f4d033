"""Figures draw the data they are given, in house style, and the same way each time."""

import inspect
import itertools
import re

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from helpers import amount_figures, estimate_figures, figure_axes, figures, time_figures
from helpers.errors import AssessError

YEARS = [2019, 2020, 2021, 2022]
LONG = pd.DataFrame(
    [
        {"year": y, "group": g, "value": v + 0.5 * i}
        for g, v in (("neither", 1.0), ("safety_valve", 3.0), ("dbv", 2.0))
        for i, y in enumerate(YEARS)
    ]
)
EVENTS = pd.DataFrame(
    {
        "event_time": [-2, -1, 0, 1],
        "estimate": [0.1, 0.0, 1.0, 2.0],
        "lower": [-1, np.nan, 0.2, 1.0],
        "upper": [1, np.nan, 1.8, 3.0],
        "band_lower": [-2, np.nan, -0.5, 0.1],
        "band_upper": [2, np.nan, 2.5, 4.0],
        "n_treated": [38, 38, 38, 14],
    }
)
FOREST = pd.DataFrame(
    {
        "estimator": ["Main", "Other", "Bare"],
        "estimate": [-2.0, -1.0, 0.5],
        "lower": [-4, -2, np.nan],
        "upper": [-1, 0, np.nan],
    }
)


def words(figure):
    figure.draw_without_rendering()
    return " ".join(t.get_text() for t in figure.findobj(matplotlib.text.Text) if t.get_visible() and t.get_text())


def test_lines_hold_the_data_and_are_labelled_directly():
    figure = figures.lines(LONG, unit="%")
    drawn = {tuple(line.get_ydata()) for line in figure.axes[0].lines if len(line.get_xdata()) == len(YEARS)}
    assert drawn == {(1.0, 1.5, 2.0, 2.5), (2.0, 2.5, 3.0, 3.5), (3.0, 3.5, 4.0, 4.5)}
    assert "Safety Valve" in words(figure) and "Neither" in words(figure) and not figure.legends
    assert "2.0%" in words(figure) or "2%" in words(figure)


def test_lines_take_bands_marks_and_years_as_words():
    frame = LONG.assign(
        year=LONG["year"].map(lambda y: f"{y}-{(y + 1) % 100}"), low=LONG["value"] - 1, high=LONG["value"] + 1
    )
    figure = figures.lines(
        frame, lower="low", upper="high", mark={"2021-22": "First"}, zero=True, labels={"Safety Valve": "Agreement"}
    )
    assert len(figure.axes[0].collections) == 3
    assert "First" in words(figure) and "Agreement" in words(figure) and "2022-23" in words(figure)
    assert figure.axes[0].get_ylim()[0] <= 0


def test_labels_do_not_overlap():
    frame = pd.DataFrame([{"year": y, "group": g, "value": 1.0} for g in ("a", "b", "c") for y in YEARS])
    figure = figures.lines(frame)
    figure.draw_without_rendering()
    boxes = sorted((t.get_window_extent().y0, t.get_window_extent().y1) for t in figure.axes[0].texts)
    assert all(low[1] <= high[0] + 0.5 for low, high in itertools.pairwise(boxes))


def test_an_event_study_shows_estimates_intervals_bands_and_councils():
    figure = figures.event_study(EVENTS, unit="pp", unit_words="Points")
    axes = figure.axes[0]
    points = {
        (float(x), float(y))
        for line in axes.lines
        if line.get_marker() == "o"
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    }
    assert points == {(-2, 0.1), (-1, 0.0), (0, 1.0), (1, 2.0)}
    intervals = [segment for c in axes.collections if hasattr(c, "get_segments") for segment in c.get_segments()]
    assert [(s[0][1], s[1][1]) for s in intervals] == [(-1, 1), (0, 0), (0.2, 1.8), (1, 3)]
    assert "−2\n38" in words(figure) and "+1\n14" in words(figure)


def test_a_forest_writes_its_numbers():
    figure = figures.forest(FOREST, unit="%")
    assert "−2.0  (−4.0 to −1.0)" in words(figure) and "Bare" in words(figure) and "0.5" in words(figure)
    grouped = figures.forest(FOREST.assign(group=["A", "A", "B"]))
    assert "A" in words(grouped)


def test_event_studies_draw_each_path_on_its_own_axes():
    both = pd.concat([EVENTS.assign(outcome="Plans"), EVENTS.head(3).assign(outcome="Requests")])
    figure = figures.event_studies(both.assign(unit_words="points"))
    assert [axes.get_title("left") for axes in figure.axes] == ["Plans", "Requests"]
    assert [t.get_text() for t in figure.axes[1].get_xticklabels()] == ["−2\n38", "−1\n38", "0\n38"]
    assert words(figure).count("points") == 2
    # One band a year, from its lower to its upper end, and none where there is no interval.
    (band,) = [c for c in figure.axes[0].collections if not hasattr(c, "get_segments")]
    spans = {(round(v[0], 2), v[1]) for path in band.get_paths() for v in path.vertices}
    for row in EVENTS.dropna(subset=["band_lower"]).to_dict("records"):
        assert {
            (round(row["event_time"] + side, 2), row[end])
            for side in (-0.36, 0.36)
            for end in ("band_lower", "band_upper")
        } <= spans


def test_forests_share_rows_and_say_what_is_missing():
    rows = FOREST[FOREST["lower"].notna()]
    both = pd.concat(
        [rows.assign(outcome="Plans", unit_words="%"), rows.head(1).assign(outcome="Ends", unit_words="points")]
    )
    figure = figures.forests(both)
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == list(rows["estimator"])
    assert "−2.0% (−4.0 to −1.0)" in words(figure) and "−2.0 points (−4.0 to −1.0)" in words(figure)
    assert "not possible" not in [t.get_text() for t in figure.axes[0].texts]
    assert [t.get_text() for t in figure.axes[1].texts].count("not possible") == len(rows) - 1
    small = figures.forests(
        rows.assign(outcome="Rate").assign(**{c: rows[c] / 10 for c in ("estimate", "lower", "upper")})
    )
    assert "−0.20 (−0.40 to −0.10)" in words(small)


def test_the_other_kinds_draw():
    councils = pd.DataFrame(
        {"la": ["Kent", "Bury"], "a": [1.0, 2.0], "b": [3.0, np.nan], "group": ["safety_valve", "neither"]}
    )
    assert "Kent" in words(figures.strip(councils, value="a", unit="%", name="la", call_out=["Kent"]))
    assert "not known" in words(figures.bars(councils, "la", "b", unit="gbp_m"))
    assert "Safety Valve" in words(figures.bars(councils, "la", "a", by="group"))
    assert "Deficit" in words(figures.scatter(councils, "a", "b", x_words="Deficit", name="la", call_out=["Kent"]))
    assert "nothing found" in words(figures.multiples(LONG, "group", by=None, empty={"Devon": "nothing found"}))
    assert "planned" in words(figures.multiples(LONG.assign(kind=["planned", "actual"] * 6), "group", by="kind"))
    assert "Mainstream" in words(
        figures.stacked(
            pd.DataFrame({"year": YEARS, "m": [1, 2, 3, 4], "s": [4, 3, 2, 1]}),
            "year",
            {"m": "Mainstream", "s": "Special"},
            share=True,
        )
    )
    spans = pd.DataFrame(
        {
            "start": ["2021-03-01", "2022-03-01"],
            "end": ["2024-03-31", None],
            "label": ["Five", "Nine"],
            "kind": ["x", "y"],
        }
    )
    assert "Nine" in words(figures.timeline(spans, end="end", kind="kind"))


def crowd(call_out, size=40):
    """A strip of councils close together, some of them called out."""
    names = [f"Council {i}" for i in range(size)]
    frame = pd.DataFrame({"la": names, "value": np.linspace(-1.0, 3.0, size), "group": "safety_valve"})
    return figures.strip(frame, unit="%", name="la", call_out=call_out)


def test_called_out_councils_are_ringed_and_their_labels_lie_over_no_mark():
    called = ["Council 8", "Council 20", "Council 21", "Council 39"]
    figure = crowd(called)
    axes = figure.axes[0]
    labels = [text for text in axes.texts if text.get_text() in called]
    assert [text.get_text() for text in labels] != [] and len(labels) == len(called)
    ringed = [line for line in axes.lines if line.get_markersize() > 8]
    assert {float(line.get_xdata()[0]) for line in ringed} == {text.xy[0] for text in labels}
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text).padded(-1) for text in labels]
    scale = figure.dpi / 72
    for line in axes.lines:
        if line.get_transform() == axes.transData:
            for x, y in axes.transData.transform(line.get_xydata()):
                mark = Bbox.from_extents(x - scale, y - scale, x + scale, y + scale)
                assert not any(box.overlaps(mark) for box in boxes)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    nought = axes.transData.transform((0, 0))[0]
    assert not any(box.x0 < nought < box.x1 for box in boxes), "none crosses the line at nought"
    frame = axes.get_window_extent()
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)


def test_a_label_far_from_its_mark_has_a_line_to_it():
    axes = crowd(["Council 30", "Council 70"], size=150).axes[0]
    labels = [text for text in axes.texts if text.get_text().startswith("Council ")]
    far = [text for text in labels if np.hypot(*text.xyann) > 14]
    assert far and all(text.arrow_patch is not None for text in far)
    assert all(text.arrow_patch is None for text in labels if text not in far)


def kinds(module):
    """The functions of a module that draw a kind of figure."""
    return [
        name
        for name, one in vars(module).items()
        if name[0] != "_" and inspect.isfunction(one) and one.__module__ == module.__name__
    ]


@pytest.mark.parametrize("module", [amount_figures, estimate_figures, time_figures])
def test_every_kind_is_a_name_of_figures_and_has_its_line_there(module):
    assert len(kinds(module)) > 3
    for name in kinds(module):
        assert getattr(figures, name) is getattr(module, name) and name in figures.__all__
        assert f"\n- `{name}`: " in figures.__doc__


def light(colour):
    """How light a colour is in grey, from 0 to 1."""
    return float(np.dot([0.2126, 0.7152, 0.0722], np.array(to_rgb(colour)) ** 2.2))


@pytest.mark.parametrize("parts", range(1, len(figures.PARTS) + 1))
def test_parts_of_a_whole_go_from_light_to_dark_in_colours_of_their_own(parts):
    shades = figures.part_colours(parts)
    steps = [light(a) / light(b) for a, b in itertools.pairwise(shades)]
    assert len(set(shades)) == parts and all(step > (1.6 if parts <= 4 else 1.3) for step in steps)
    others = {colour for _, colour, *_ in [*figures.GROUPS.values(), *figures.COHORTS.values()]}
    others |= {colour for colour, _ in figures.VERDICTS.values()}
    distances = [np.linalg.norm(np.subtract(to_rgb(a), to_rgb(b))) for a in shades for b in others]
    assert min(distances) > 0.12


def test_more_parts_than_can_be_told_apart_are_refused():
    with pytest.raises(AssessError, match="7 parts apart, not 8"):
        figures.part_colours(8)


def test_a_waterfall_adds_up():
    frame = pd.DataFrame(
        {
            "label": ["Start", "Spent", "Paid", "End"],
            "value": [100.0, 50.0, -30.0, 120.0],
            "total": [True, False, False, True],
        }
    )
    figure = figures.waterfall(frame)
    spans = [(p.get_x(), p.get_x() + p.get_width()) for p in figure.axes[0].patches]
    assert spans == [(0, 100), (100, 150), (120, 150), (0, 120)]
    assert "+£50m" in words(figure) and "−£30m" in words(figure)


def test_verdicts_show_the_rule_s_words():
    frame = pd.DataFrame(
        {
            "claim": ["More refusals", "Fewer plans"],
            "verdict": ["supported", "cannot tell"],
            "strength": ["weak", "-"],
            "estimate": [1.0, np.nan],
            "lower": [0.5, np.nan],
            "upper": [1.5, np.nan],
            "group": ["System", "System"],
        }
    )
    text = words(figures.verdicts(frame))
    assert "supported, weak" in text and "cannot tell" in text and "System" in text
    assert "supported" in words(figures.verdicts(frame[["claim", "verdict"]]))
    with pytest.raises(AssessError, match="did you mean 'supported'"):
        figures.verdicts(frame.assign(verdict="suported"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: figures.lines(LONG.drop(columns="value")), "needs the column 'value'; the frame has year, group"),
        (lambda: figures.event_study(EVENTS.drop(columns="upper")), "needs the column 'upper'"),
        (lambda: figures.forest(FOREST.head(0)), "at least one row"),
        (lambda: figures.forests(FOREST), "needs the column 'outcome'"),
        (lambda: figures.event_studies(EVENTS), "needs the column 'outcome'"),
    ],
)
def test_wrong_frames_are_told(call, message):
    with pytest.raises(AssessError, match=message):
        call()


def test_the_same_figure_is_the_same_bytes_and_a_changed_line_is_not():
    first = figures.save(figures.lines(LONG, unit="%"), "Title", "Subtitle", ["Source"], "s")
    again = figures.save(figures.lines(LONG, unit="%"), "Title", "Subtitle", ["Source"], "s")
    assert first == again
    changed = figures.save(
        figures.lines(LONG.assign(value=LONG["value"] * 1.1), unit="%"), "Title", "Subtitle", ["Source"], "s"
    )
    assert changed[".plain.svg"] != first[".plain.svg"] and changed[".plain.png"] != first[".plain.png"]
    text = first[".plain.svg"].decode()
    assert figures.SANS in text and "<dc:date>" not in text and "Title" not in text
    assert figures.width_of(first[".png"]) == figures.WIDTH * figures.DPI * figures.PNG_SCALE


def test_saving_leaves_the_figure_as_it_was():
    figure = figures.scatter(LONG, "year", "value")
    size = tuple(figure.get_size_inches())
    texts = len(figure.texts)
    figures.save(figure, "A long title " * 12, "Subtitle", [], "s")
    assert tuple(figure.get_size_inches()) == size and len(figure.texts) == texts


def test_groups_and_cohorts_can_be_told_apart_in_grey():
    def lightness(colour):
        r, g, b = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (r, g, b)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for family in (figures.GROUPS, figures.COHORTS):
        looks = [(str(dash), marker) for _, _, dash, marker in family.values()]
        assert len(set(looks)) == len(looks)
        for _, colour, _, _ in family.values():
            assert 1.05 / (lightness(colour) + 0.05) >= 3, colour  # WCAG: graphics at least 3 to 1 on white


@pytest.mark.parametrize(
    ("value", "unit", "step", "text"),
    [
        (0.25, "", 0.25, "0.25"),
        (7.5, "%", 2.5, "7.5%"),
        (-5, "%", 5, "−5%"),
        (0, "%", 5, "0%"),
        (2e6, "gbp", 1e6, "£2m"),
        (1.5e9, "gbp", 5e8, "£1.5bn"),
        (40, "gbp_m", 20, "£40m"),
        (12000, "count", 4000, "12,000"),
        (-20, "gbp_m", 20, "−£20m"),
    ],
)
def test_ticks(value, unit, step, text):
    assert figure_axes._tick(value, unit, step) == text


def test_titles_wrap_to_the_width():
    assert figures.wrapped("", 13, "semibold", 5) == []
    lines = figures.wrapped("word " * 60, 13, "semibold", 5)
    assert len(lines) > 2 and not re.search(r"\s$", lines[0])
